"""The encrypted channel's words and rules: RFC 9289 byte for byte, names of keys, who is believed. No sockets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from portlore.errors import ProtocolError
from portlore.netinfo import channel
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.channel import fingerprint, introduces, is_of_master, parse_pin, pin_in, pins, standing, value
from portlore.netinfo.domain import Domain
from portlore.netinfo.replicating import Following
from portlore.netinfo.values import LAST, Property, Record, properties
from portlore.oncrpc.message import decode_reply
from portlore.oncrpc.xdr import opaque, uint

HAS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
A, B = ("sha256:" + b64encode(bytes([n]) * 32).decode() for n in (1, 2))
# RFC 5531 section 9: xid, CALL, RPC version 2, program, version, NULL; RFC 9289 section 4.1: flavor 7, empty; AUTH_NONE
PROBE = "0000002a 00000000 00000002 0bed48a0 00000002 00000000 00000007 00000000 00000000 00000000"
# xid, REPLY, MSG_ACCEPTED, the verifier AUTH_NONE with eight bytes STARTTLS, SUCCESS
OFFER = "0000002a 00000001 00000000 00000000 00000008 5354415254544c53 00000000"


def test_the_question_and_its_answer_are_those_of_rfc_9289() -> None:
    assert channel.probe(42) == bytes.fromhex(PROBE)
    assert channel.asks(bytes.fromhex(PROBE)) == 42
    assert channel.offer(42) == bytes.fromhex(OFFER)
    assert channel.offers(bytes.fromhex(OFFER), 42)
    assert decode_reply(bytes.fromhex(OFFER)).accepted == 0


@pytest.mark.parametrize(
    "record",
    [
        bytes.fromhex(PROBE)[:24] + uint(0) + bytes.fromhex(PROBE)[28:],  # nobody's NULL
        bytes.fromhex(PROBE)[:20] + uint(1) + bytes.fromhex(PROBE)[24:],  # another procedure
        bytes.fromhex(PROBE)[:28] + opaque(b"more") + bytes(8),  # a credential with a body
        bytes.fromhex(PROBE)[:32] + uint(1) + uint(0),  # another verifier
        bytes.fromhex(PROBE) + uint(1),  # with arguments
        bytes.fromhex(PROBE)[:-1],
        b"",
    ],
)
def test_nothing_else_asks_for_tls(record: bytes) -> None:
    assert channel.asks(record) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer_to_something_else_or_no_offer(record: bytes) -> None:
    try:
        assert not channel.offers(record, 42) or record == bytes.fromhex(OFFER)
    except ProtocolError:
        assert record[:4] != uint(42) or len(record) < 12


def test_a_refusal_is_no_offer() -> None:
    assert not channel.offers(uint(42) + uint(1) + uint(1) + uint(1) + uint(2), 42)  # AUTH_ERROR, AUTH_REJECTEDCRED
    assert not channel.offers(bytes.fromhex(OFFER.replace("53544152", "00000000")), 42)
    with pytest.raises(ProtocolError):
        channel.offers(bytes.fromhex(OFFER), 43)


# Names of keys


def certificate(folder: Path, kind: str, name: str = "one") -> bytes:
    """A certificate as OpenSSL makes one; beside it what OpenSSL says the SHA-256 of its key is."""
    words = ["req", "-x509", "-newkey", *kind.split(), "-nodes", "-subj", "/CN=x", "-days", "30", "-outform", "DER"]
    subprocess.run(
        ["openssl", *words, "-keyout", folder / f"{name}.key", "-out", folder / name], check=True, capture_output=True
    )
    told = subprocess.run(
        ["openssl", "pkey", "-in", folder / f"{name}.key", "-pubout", "-outform", "DER"],
        check=True,
        capture_output=True,
    )
    (folder / f"{name}.name").write_text("sha256:" + b64encode(sha256(told.stdout).digest()).decode())
    return (folder / name).read_bytes()


@HAS_OPENSSL
@pytest.mark.parametrize("kind", ["ed25519", "rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_a_key_is_named_as_openssl_counts(tmp_path: Path, kind: str) -> None:
    made = certificate(tmp_path, kind)
    name = (tmp_path / "one.name").read_text()
    assert fingerprint(made) == name
    assert pin_in(value(made)) == name
    assert channel.certificate_in(value(made)) == made


@HAS_OPENSSL
def test_a_damaged_certificate_has_no_name_or_another_part_of_it_is_damaged(tmp_path: Path) -> None:
    made = certificate(tmp_path, "ed25519")
    name = fingerprint(made)
    for at in range(len(made)):
        assert fingerprint(made[:at]) == ""
        fingerprint(made[:at] + bytes([made[at] ^ 0x55]) + made[at + 1 :])  # and never an exception
    key = made.index(bytes.fromhex("300506032b6570032100")) + 10  # the public key's own bytes (RFC 8410 section 4)
    assert fingerprint(made[:key] + bytes([made[key] ^ 1]) + made[key + 1 :]) not in ("", name)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_name_or_none(data: bytes) -> None:
    assert fingerprint(data) == "" or fingerprint(data).startswith("sha256:")
    assert pin_in(b"x509:" + b64encode(data)) in ("", fingerprint(data))


@pytest.mark.parametrize("text", [A, f" {A}\n", A.rstrip("=")])
def test_a_pin_is_read_as_people_copy_it(text: str) -> None:
    assert parse_pin(text) == A


@pytest.mark.parametrize(
    "text", ["", "sha256:", A.removeprefix("sha256:"), A[:-4], A + "AAAA", "sha256:*" * 9, "md5:" + A]
)
def test_what_is_no_pin_is_none(text: str) -> None:
    assert parse_pin(text) == ""
    assert pin_in(text.encode()) == ""


# What a caller does

DECISIONS = [  # keys that are known of the server, the key that it has (None: it has no TLS), goes on, sealed
    ((), None, True, False),  # an original, or a server of ours without a key: as it was
    ((), A, True, True),  # the first time
    ((A,), A, True, True),
    ((A, B), B, True, True),  # while a key is being replaced
    ((A,), None, False, False),  # no way back to the clear
    ((A,), B, False, True),  # somebody else
]


@pytest.mark.parametrize(("known", "key", "goes", "sealed"), DECISIONS)
def test_a_known_key_is_demanded_and_no_key_changes_nothing(
    known: tuple[str, ...], key: str | None, goes: bool, sealed: bool
) -> None:
    found = standing(frozenset(known), key)
    assert (found.goes, found.sealed) == (goes, sealed)
    assert bool(found.word) == ((known, key) == ((), A) or not goes or not sealed)


# What a server believes


def office(master: tuple[bytes, ...] = (), clone: tuple[bytes, ...] | None = None) -> Domain:
    """A master m at 10.0.0.1 and a clone c at 10.0.0.2, with such values of portlore_key."""
    domain = Domain.of([Record(0, 0, 0, properties([("master", ["m/net"])]), ())])
    machines = domain.create(domain.at(0), properties([("name", ["machines"])]), LAST)
    for name, address, keys in (("m", "10.0.0.1", master), ("c", "10.0.0.2", clone), ("x", "10.0.0.3", None)):
        serves = ["./net"] if name != "x" else ["x/local"]
        given = properties([("name", [name]), ("ip_address", [address]), ("serves", serves)])
        domain.create(machines, given if keys is None else (*given, Property(channel.KEY, keys)), LAST)
    domain.take()
    return domain


def caller(address: str, port: int, key: str = "", *, sealed: bool = True) -> Caller:
    return Caller(address, port, local=False, sealed=sealed, key=key)


@HAS_OPENSSL
def test_a_clone_with_its_masters_certificate_believes_no_low_port_any_more(tmp_path: Path) -> None:
    made = certificate(tmp_path, "ed25519")
    domain, name = office((value(made),)), fingerprint(made)
    following = Following(lambda: None)
    following.has_key = True
    assert following.takes(domain, caller("10.0.0.1", 40000, name))  # from whatever port
    assert following.takes(domain, caller("10.9.9.9", 40000, name))
    assert not following.takes(domain, caller("10.0.0.1", 700))
    assert not following.takes(domain, caller("10.0.0.1", 700, sealed=False))
    assert not following.takes(domain, caller("10.0.0.1", 700, A))
    following.held = "for some reason"
    assert not following.takes(domain, caller("10.0.0.1", 40000, name))


def test_without_a_certificate_of_the_master_a_low_port_is_believed_as_ever() -> None:
    following = Following(lambda: None)
    for keys, has_key in (((), True), ((A.encode(),), True), ((), False)):
        following.has_key = has_key
        assert is_of_master(office(keys), A) is None  # a name alone cannot be held against a caller
        assert following.takes(office(keys), caller("10.0.0.1", 700, sealed=False))
        assert not following.takes(office(keys), caller("10.0.0.1", 40000, A))


@HAS_OPENSSL
def test_a_clone_that_cannot_be_shown_keys_believes_the_low_port(tmp_path: Path) -> None:
    following = Following(lambda: None)  # the extra is not installed there
    assert following.takes(office((value(certificate(tmp_path, "ed25519")),)), caller("10.0.0.1", 700, sealed=False))


def test_the_names_of_a_machine_are_those_that_its_entry_gives() -> None:
    domain = office((A.encode(), b"rubbish", b"x509:rubbish", B.rstrip("=").encode()))
    assert pins(domain, [channel.machine_of_master(domain)]) == {A, B}
    assert pins(domain, [None]) == frozenset()
    assert pins(domain, channel.machines_at(domain, "10.0.0.2")) == frozenset()


@HAS_OPENSSL
def test_who_shows_a_listed_key_sees_hashes_from_any_port_and_nobody_else_does(tmp_path: Path) -> None:
    made = certificate(tmp_path, "ed25519")
    domain = office((), (value(made),))
    users = domain.create(domain.at(0), properties([("name", ["users"])]), LAST)
    ann = domain.create(users, properties([("name", ["ann"]), ("passwd", ["abz3GtcEvEtv6"])]), LAST)
    service = Service(domain, b"net", lambda *_: False, Policy())
    assert b"abz3" in service.shown(ann, caller("10.9.9.9", 40000, fingerprint(made)))
    assert b"abz3" not in service.shown(ann, caller("10.0.0.2", 40000))
    assert b"abz3" not in service.shown(ann, caller("10.0.0.2", 40000, A))
    machine = domain.at(channel.machines_at(domain, "10.0.0.2")[0])
    domain.write(machine, machine.properties[:-1])
    assert b"abz3" not in service.shown(ann, caller("10.9.9.9", 40000, fingerprint(made)))  # taken away again


@HAS_OPENSSL
def test_a_machine_names_its_own_key_once_through_tls_as_root(tmp_path: Path) -> None:
    made = certificate(tmp_path, "ed25519")
    key = Property(channel.KEY, (value(made),))

    def allowed(who: Caller, machine: str = "10.0.0.2", given: Property = key, domain: Domain | None = None) -> bool:
        known = domain or office()
        return introduces(known, who, known.at(channel.machines_at(known, machine)[0]), given)

    assert allowed(caller("10.0.0.2", 700))
    assert not allowed(caller("10.0.0.2", 700, sealed=False))
    assert not allowed(caller("10.0.0.2", 1024))
    assert not allowed(caller("10.0.0.3", 700))  # not another's
    assert not allowed(caller("10.0.0.3", 700), "10.0.0.3")  # serves no domain of ours
    assert not allowed(caller("10.0.0.2", 700), given=Property(b"_writers", key.values))
    assert not allowed(caller("10.0.0.2", 700), given=Property(channel.KEY, (A.encode(),)))
    assert not allowed(caller("10.0.0.2", 700), given=Property(channel.KEY, (*key.values, *key.values)))
    assert not allowed(caller("10.0.0.2", 700), domain=office((), (A.encode(),)))  # it has one
