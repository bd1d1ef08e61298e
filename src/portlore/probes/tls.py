"""TLS: what a server's handshake tells, which versions it takes, and any other dialogue within it. Pure.

The bytes are made and read by :mod:`ssl`, over its memory buffers. Nothing is verified: who has to trust the server is
not us, and what it is trusted for is never sent.
"""

from __future__ import annotations

from collections.abc import Generator

from portlore.observed import MOST_EVIDENCE, Confidence, Evidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.hello import ALERTS, SSL3, TLS10, TLS11, TLS12, TLS13, VERSION_NAMES, client_hello, read_side
from portlore.probes.x509 import read_certificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

MOST_READ = 16_384  # bytes of plain text handed on at a time
MOST_QUIET = 16  # times that a server may send what is no data (tickets, renegotiation) before it counts as silent
NAMES = {"TLSv1.3": "TLS 1.3", "TLSv1.2": "TLS 1.2", "TLSv1.1": "TLS 1.1", "TLSv1": "TLS 1.0", "SSLv3": "SSL 3.0"}
OFFERED = ("h2", "http/1.1")
PRIMES = bytes(range(7, 39))  # a hello's random number: what follows from it is never used

_contexts: dict[tuple[str, ...], ssl.SSLContext] = {}


class Session:
    """One TLS connection without a socket: ``handshake`` first, then ``run``."""

    def __init__(self, asked: Asked, alpn: tuple[str, ...]) -> None:
        import ssl

        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = server_name(asked.host)
        self.tls = _context(alpn).wrap_bio(self._arrived, self._leaving, server_hostname=name or None)
        self.sent = self.heard = b""  # our hello, and what came first: evidence, and what :mod:`ssl` does not tell

    def handshake(self) -> Generator[bytes, bytes, bool]:
        """Part of a dialogue: whether both sides agreed."""
        import ssl

        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                sent = self._leaving.read()
                self.sent = self.sent or sent
                data = yield sent
                if not data:
                    return False
                if len(self.heard) < MOST_READ:
                    self.heard += data
                self._arrived.write(data)
            except (ssl.SSLError, OSError, ValueError):
                return False
            else:
                return True

    def run(self, inner: Dialogue) -> Dialogue:
        """Run another dialogue within."""
        import ssl

        said, open_ = next(inner, None), True
        while said is not None:
            if open_ and said:
                try:
                    self.tls.write(said)
                except (ssl.SSLError, OSError):
                    open_ = False
            plain = b""
            for _ in range(MOST_QUIET):
                plain, open_ = self._read() if open_ else (b"", False)
                if plain or not open_:
                    break
                data = yield self._leaving.read()
                if not data:
                    break
                self._arrived.write(data)
            else:
                plain, open_ = self._read()
            try:
                said = inner.send(plain)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
        return None

    def _read(self) -> tuple[bytes, bool]:
        import ssl

        try:
            plain = self.tls.read(MOST_READ)
        except ssl.SSLWantReadError:
            return b"", True
        except (ssl.SSLError, OSError):
            return b"", False
        return plain, bool(plain)


def server_name(host: str) -> str:
    """The name to ask for: none for addresses (RFC 6066 section 3), nor for what is no host name."""
    name = host.rstrip(".").lower()
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        return ""
    labels = name.split(".")
    if not all(0 < len(part) < 64 and part.replace("-", "").replace("_", "").isalnum() for part in labels):
        return ""
    return "" if labels[-1].isdigit() or len(name) > 253 else name


def through_tls(inner: Dialogue, asked: Asked, alpn: tuple[str, ...] = ()) -> Dialogue:
    """A dialogue that runs another one within TLS. Neither garbage nor a broken handshake raises: ``None``."""
    session = Session(asked, alpn)
    if not (yield from session.handshake()):
        inner.close()
        return None
    return (yield from session.run(inner))


def talk_tls(asked: Asked) -> Dialogue:
    """A handshake, and what it tells of the server."""
    session = Session(asked, OFFERED)
    done = yield from session.handshake()
    said = read_side(session.heard)
    if said is None or (said.hello is not None and not said.hello.server):  # our own hello, sent back
        return None
    facts: list[tuple[str, str]] = []
    certificate = said.certificate
    if done:
        cipher = session.tls.cipher()
        facts += [("version", NAMES.get(session.tls.version() or "", ""))]
        facts += [("cipher", cipher[0] if cipher else ""), ("alpn", session.tls.selected_alpn_protocol() or "")]
        certificate = session.tls.getpeercert(binary_form=True) or certificate
    else:
        facts.append(("refused", ALERTS.get(said.alert, "the handshake")))
        facts += _of_hello(said.hello.versions) if said.hello is not None else []
    facts += certificate_facts(certificate)
    evidence = (Evidence("tls", session.sent[:MOST_EVIDENCE], session.heard[:MOST_EVIDENCE]),)
    return Identification("tls", facts=tuple((key, value) for key, value in facts if value), evidence=evidence)


def talk_version(asked: Asked, version: int) -> Dialogue:
    """Whether a server takes one version: ("accepts", its name), or nothing."""
    heard = more = yield client_hello(version, server_name(asked.host), PRIMES)
    while more:
        said = read_side(heard)
        if said is not None:
            if said.hello is None or not said.hello.server or said.hello.versions != (version,):
                return None
            return Identification("tls", facts=(("accepts", VERSION_NAMES[version]),))
        more = yield b""
        heard += more
    return None


def certificate_facts(der: bytes) -> list[tuple[str, str]]:
    """What a certificate says: names, times in UTC, whether it signs itself, and its SHA-256."""
    if not der:
        return []
    from hashlib import sha256

    facts = [("sha256", sha256(der).hexdigest())]
    found = read_certificate(der)
    if found is not None:
        facts += [("subject", found.subject), ("issuer", found.issuer), ("names", " ".join(found.names))]
        facts += [("not before", _day(found.begins)), ("not after", _day(found.ends))]
        facts += [("self-signed", "yes" if found.own else "")]
    return [(key, value) for key, value in facts if value]


def recognise_server(data: bytes) -> Identification | None:
    """A ServerHello with what follows in the clear, or an alert."""
    said = read_side(data)
    if said is None or (said.hello is not None and not said.hello.server):
        return None
    if said.hello is None:
        alert = (("alert", ALERTS[said.alert]),)
        return Identification("tls", confidence=Confidence.LIKELY, facts=alert, evidence=_evidence(data))
    version, alpn = _of_hello(said.hello.versions), ("alpn", " ".join(said.hello.alpn))
    facts = [*version, alpn, *certificate_facts(said.certificate)]
    return Identification("tls", facts=tuple(fact for fact in facts if fact[1]), evidence=_evidence(data))


def recognise_client(data: bytes) -> Identification | None:
    """A ClientHello: the name asked for and what the client would speak."""
    said = read_side(data)
    if said is None or said.hello is None or said.hello.server:
        return None
    hello = said.hello
    facts = (("server name", hello.name), ("alpn", " ".join(hello.alpn)))
    offers = _of_hello(tuple(sorted(hello.versions)), "offers")
    told = tuple(fact for fact in (*facts, *offers) if fact[1])
    return Identification("tls", facts=told, evidence=_evidence(data))


def _of_hello(versions: tuple[int, ...], word: str = "version") -> list[tuple[str, str]]:
    return [(word, ", ".join(VERSION_NAMES[one] for one in versions if one in VERSION_NAMES))]


def _evidence(data: bytes) -> tuple[Evidence, ...]:
    return (Evidence("tls", b"", data[:MOST_EVIDENCE]),)


def _day(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _context(alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A context that takes whatever the server has: old versions, weak ciphers, any certificate."""
    if alpn not in _contexts:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        context.options |= 0x4 | getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # 0x4: SSL_OP_LEGACY_SERVER_CONNECT
        if alpn:
            context.set_alpn_protocols(list(alpn))
        _contexts[alpn] = context
    return _contexts[alpn]


VERSIONS = (SSL3, TLS10, TLS11, TLS12, TLS13)
PROTOCOLS = (Protocol("tls", "TLS", ()),)
PROBES = (Probe("tls", "tls", "tcp", talk_tls, ports=(4433, 8443, 9443, 10443), in_tls=False, rank=2),)
RECOGNISERS = (Recogniser("tls", "tcp", recognise_server, recognise_client),)
