"""TLS: hellos, certificates and handshakes, against :mod:`ssl` and OpenSSL's own command; noise and broken ones too."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import folder, need
from probes.vectors import Conversation, read_vectors, replay
from scan.speaking import certificate

from portlore.probes import tls
from portlore.probes.dialogue import Asked
from portlore.probes.hello import SSL3, TLS10, TLS11, TLS12, TLS13, client_hello, read_side
from portlore.probes.tls import certificate_facts, server_name, talk_tls, through_tls
from portlore.probes.x509 import read_certificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.probes.dialogue import Dialogue

VECTORS = read_vectors("tls")
ASKED = Asked("portlore.example", 443)


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_what_is_said_in_the_clear_is_recognised(one: Conversation) -> None:
    side = "server" if one.said_by("server") else "client"
    recognise, other = tls.recognise_server, tls.recognise_client
    if side == "client":
        recognise, other = other, recognise
    data = b"".join(one.said_by(side))
    assert other(data) is None
    if one.protocol:
        one.check(recognise(data))
    else:
        assert recognise(data) is None


NAMES = [  # host, name to ask for: none for addresses (RFC 6066 section 3)
    ("portlore.example", "portlore.example"),
    ("Portlore.Example.", "portlore.example"),
    ("192.0.2.1", ""),
    ("2001:db8::1", ""),
    ("fe80::1%eth0", ""),
    ("localhost", "localhost"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("a b", ""),
    ("", ""),
    ("x" * 64 + ".example", ""),
    ("\udc80.example", ""),
]


@pytest.mark.parametrize(("host", "name"), NAMES)
def test_only_names_are_asked_for(host: str, name: str) -> None:
    assert server_name(host) == name


@pytest.mark.parametrize("version", [SSL3, TLS10, TLS11, TLS12, TLS13])
def test_our_hello_is_understood(version: int) -> None:
    said = read_side(client_hello(version, "portlore.example", bytes(32)))
    assert said is not None
    assert said.hello is not None
    assert said.hello.versions == (version,)
    assert said.hello.name == ("" if version == SSL3 else "portlore.example")  # SSL 3.0 has no extensions


@pytest.fixture(scope="module")
def context() -> Iterator[ssl.SSLContext]:
    with folder() as where:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*certificate(where))
        made.set_alpn_protocols(["h2"])
        yield made


class Server:
    """A server of :mod:`ssl` without a socket; what it is told within TLS comes back in capitals."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.arrived, self.leaving, server_side=True)
        self.done = False

    def answer(self, data: bytes) -> bytes:
        self.arrived.write(data)
        try:
            if not self.done:
                self.tls.do_handshake()
                self.done = True
            self.tls.write(self.tls.read(1000).upper())
        except ssl.SSLError:
            pass
        return self.leaving.read()


def talk(dialogue: Dialogue, server: Server, *, piece: int = 1 << 16) -> object:
    """Hold a dialogue with it; answers come in pieces."""
    waiting = b""
    try:
        said = next(dialogue)
        while True:
            waiting += server.answer(said) if said else b""
            now, waiting = waiting[:piece], waiting[piece:]
            said = dialogue.send(now)
    except StopIteration as end:
        return end.value


def echo(asked: Asked) -> Dialogue:
    from portlore.observed import Identification

    heard = yield b"hello"
    more = yield b" world" if heard else b""
    return Identification("echo", (heard + more).decode())


@pytest.mark.parametrize("piece", [1 << 16, 1460, 100])
def test_a_dialogue_is_held_within_tls_however_the_bytes_come(context: ssl.SSLContext, piece: int) -> None:
    found = talk(through_tls(echo(ASKED), ASKED), Server(context), piece=piece)
    assert getattr(found, "product", None) == "HELLO WORLD"


def test_a_handshake_tells_version_cipher_and_certificate(context: ssl.SSLContext) -> None:
    found = talk(talk_tls(ASKED), Server(context))
    facts = dict(getattr(found, "facts", ()))
    assert facts["version"] == "TLS 1.3"
    assert facts["alpn"] == "h2"
    assert facts["subject"] == facts["issuer"] == "CN=portlore.example, O=Tests"
    assert facts["self-signed"] == "yes"
    assert "refused" not in facts


def test_a_refused_handshake_is_tls_all_the_same() -> None:
    alert = bytes.fromhex("15030300020228")  # handshake_failure, RFC 8446 section 6
    found, _ = replay(talk_tls(ASKED), [alert])
    assert found is not None
    assert found.facts == (("refused", "handshake_failure"),)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 400 No\r\n\r\n", b"\x16\x03\x03\x00\x05hello"])
def test_what_is_not_tls_is_nothing(answer: bytes) -> None:
    assert replay(talk_tls(ASKED), [answer])[0] is None
    assert replay(through_tls(echo(ASKED), ASKED), [answer])[0] is None


def test_a_certificate_says_what_openssl_says_of_it() -> None:
    with folder() as where:
        pem, _ = certificate(where)
        der = ssl.PEM_cert_to_DER_cert(pem.read_text())
        words = [need("openssl", "openssl"), "x509", "-in", str(pem), "-noout", "-fingerprint", "-sha256", "-enddate"]
        told = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    found = read_certificate(der)
    assert found is not None
    assert found.ends == ssl.cert_time_to_seconds(told.partition("notAfter=")[2].strip())
    assert found.names == ("portlore.example", "www.portlore.example", "127.0.0.1", "::1")
    assert found.own
    assert dict(certificate_facts(der))["sha256"] in told.replace(":", "").lower()


def recorded() -> bytes:
    said = read_side(b"".join(VECTORS[0].said_by("server")))
    assert said is not None
    return said.certificate


@given(st.integers(0, 600), st.binary(min_size=1, max_size=4), st.integers(0, 600))
def test_a_mangled_certificate_is_none_or_a_certificate(at: int, data: bytes, end: int) -> None:
    whole = bytearray(recorded())
    whole[at : at + len(data)] = data
    for der in (bytes(whole), bytes(whole[:end])):
        found = read_certificate(der)
        assert found is None or len(found.names) <= 50
        certificate_facts(der)


@given(st.binary(max_size=300))
def test_noise_is_no_certificate(data: bytes) -> None:
    assert read_certificate(b"\x30" + data) is None


@given(st.integers(0, len(VECTORS) - 1), st.integers(0, 1500), st.binary(min_size=1, max_size=4), st.integers(0, 1500))
def test_mangled_records_never_raise(which: int, at: int, data: bytes, end: int) -> None:
    whole = bytearray(b"".join(b for _, b in VECTORS[which].turns))
    whole[at : at + len(data)] = data
    for cut in (bytes(whole), bytes(whole[:end])):
        for read in (read_side, tls.recognise_server, tls.recognise_client):
            read(cut)
        replay(talk_tls(ASKED), [cut])
        replay(through_tls(echo(ASKED), ASKED), [cut])


@given(st.lists(st.binary(max_size=100), max_size=8))
def test_noise_never_raises(pieces: list[bytes]) -> None:
    replay(talk_tls(ASKED), pieces)
    for version in tls.VERSIONS:
        replay(tls.talk_version(ASKED, version), pieces)
    tls.recognise_server(b"\x16\x03\x03" + b"".join(pieces))


_contexts: list[ssl.SSLContext] = []


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_noise_after_the_handshake_never_raises(pieces: list[bytes]) -> None:
    if not _contexts:  # made once: hypothesis and fixtures do not go together
        with folder() as where:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(*certificate(where))
            _contexts.append(made)
    server, dialogue = Server(_contexts[0]), through_tls(echo(ASKED), ASKED)
    said = next(dialogue)
    try:
        while not server.done:
            said = dialogue.send(server.answer(said))
        for piece in [*pieces, b"", b"", b"", b""]:
            dialogue.send(piece)
    except StopIteration as end:
        found = end.value
    else:
        found = None
    assert found is None or found.protocol == "echo"


def test_our_own_hello_sent_back_is_no_server() -> None:
    dialogue = talk_tls(ASKED)
    assert replay(dialogue, [next(talk_tls(ASKED))])[0] is None
