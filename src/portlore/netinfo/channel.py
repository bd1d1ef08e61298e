"""The encrypted channel between Portlore's servers: what is said before it, and whose key is believed. Pure.

RPC-with-TLS (RFC 9289): a caller asks by a NULL call with the credential AUTH_TLS; a server that has TLS answers with
the word STARTTLS, and the handshake follows on the same connection; others refuse the credential, and all is as it was.
A key is named by the SHA-256 of its SubjectPublicKeyInfo (as RFC 7469 pins one): ``sha256:BASE64``. Who has which key
stands in the domain itself, in ``portlore_key`` of a machine: values ``sha256:…``, which a caller compares, or
``x509:BASE64``, a whole certificate, by which a server knows a caller as well.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from functools import lru_cache
from hashlib import sha256

from portlore import ber
from portlore.errors import ProtocolError
from portlore.netinfo.values import NUMBERS, ROOT, Property
from portlore.oncrpc.message import AUTH_NONE, NOBODY, OK_HEAD, Auth, Call, decode_call, encode_call
from portlore.oncrpc.xdr import opaque, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from portlore.netinfo.access import Caller
    from portlore.netinfo.domain import Directory, Domain

AUTH_TLS = 7  # RFC 9289 section 7.1
STARTTLS = b"STARTTLS"  # section 4.1
ALPN = "sunrpc"  # section 5.1
KEY = b"portlore_key"
PIN, CERTIFICATE = "sha256:", b"x509:"
LONGEST = 4096  # bytes of a certificate: ours have 300
VERSION_TAG = 0xA0  # of a certificate: [0] EXPLICIT, absent in version 1 (RFC 5280 section 4.1)
BEFORE_KEY = 5  # serial number, algorithm, issuer, validity, subject
PROGRAM, VERSION = 200100000, 2
PERM = NUMBERS["PERM"]


class Standing(Value):
    """What to do with a server: ``goes`` on or not, ``sealed`` by TLS or in the clear; ``word``: why."""

    goes: bool
    sealed: bool
    word: str


# What goes over the wire


def probe(xid: int) -> bytes:
    """The record that asks for TLS."""
    return encode_call(Call(xid, PROGRAM, VERSION, 0, Auth(AUTH_TLS, b""), NOBODY, b""))


def asks(record: bytes) -> int | None:
    """The xid of a call that asks for TLS; ``None`` for any other record."""
    call = decode_call(record)
    if call is None or call.credential != Auth(AUTH_TLS, b"") or call.verifier != NOBODY:
        return None
    whole = (call.program, call.version, call.procedure, call.arguments) == (PROGRAM, VERSION, 0, b"")
    return call.xid if whole else None


def offer(xid: int) -> bytes:
    """The reply of a server that has TLS."""
    return uint(xid) + OK_HEAD[:8] + uint(AUTH_NONE) + opaque(STARTTLS) + OK_HEAD[-4:]


def offers(record: bytes, xid: int) -> bool:
    """Whether a reply to :func:`probe` is a server's that has TLS; :class:`ProtocolError` for another call's reply."""
    if record[:4] != uint(xid) or len(record) < 12:
        raise ProtocolError("asking for an encrypted channel", "the reply of another call", "see what runs there")
    return record == offer(xid)


# Keys


def fingerprint(certificate: bytes) -> str:
    """What a certificate's key is called, ``sha256:…``; empty for what is no certificate (DER, RFC 5280)."""
    whole = ber.children(certificate)
    outer = ber.children(whole[0][1]) if whole and len(whole) == 1 and whole[0][0] == ber.SEQUENCE else None
    fields = ber.children(outer[0][1]) if outer and len(outer) == 3 else None
    if not fields:
        return ""
    at = BEFORE_KEY + (fields[0][0] == VERSION_TAG)
    if len(fields) <= at or fields[at][0] != ber.SEQUENCE:
        return ""
    return named(ber.element(ber.SEQUENCE, fields[at][1]))


def named(key: bytes) -> str:
    """The name of a key by its SubjectPublicKeyInfo (DER)."""
    return PIN + b64encode(sha256(key).digest()).decode("ascii")


def value(certificate: bytes) -> bytes:
    """A certificate as a value of ``portlore_key``."""
    return CERTIFICATE + b64encode(certificate)


@lru_cache(4096)
def certificate_in(given: bytes) -> bytes:
    """The certificate of a value; empty where it holds none."""
    if not given.startswith(CERTIFICATE) or len(given) > LONGEST:
        return b""
    try:
        found = b64decode(given.removeprefix(CERTIFICATE), validate=True)
    except (NoBase64, ValueError):
        return b""
    return found if fingerprint(found) else b""


@lru_cache(4096)
def pin_in(given: bytes) -> str:
    """The key that a value names; empty where it names none."""
    certificate = certificate_in(given)
    return fingerprint(certificate) if certificate else parse_pin(given.decode("ascii", "replace"))


def parse_pin(text: str) -> str:
    """A key's name as it is written everywhere; empty for what is none. Padding may be missing."""
    body = text.strip().removeprefix(PIN).rstrip("=")
    try:
        found = b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (NoBase64, ValueError):
        return ""
    right = text.strip().startswith(PIN) and len(found) == sha256().digest_size
    return PIN + b64encode(found).decode("ascii") if right else ""


# Who is known


def machine_of_master(domain: Domain) -> int | None:
    """The directory of the machine that the root's ``master`` names; ``None`` without one."""
    host, slash, tag = (domain.values(ROOT, b"master") or (b"",))[0].partition(b"/")
    return domain.path(b"machines", host) if slash and tag else None


def machines_at(domain: Domain, address: str, tag: bytes = b"") -> list[int]:
    """The machines that have an address (dotted), and, with a ``tag``, serve the domain under it."""
    known = domain.path(b"machines")
    found = [] if known is None else domain.find(known, b"ip_address", address.encode())
    return [one for one in found if not tag or b"./" + tag in (domain.values(one, b"serves") or ())]


def pins(domain: Domain, machines: Iterable[int | None]) -> frozenset[str]:
    """The keys that machines are known by."""
    given = [each for one in machines if one is not None for each in domain.values(one, KEY) or ()]
    return frozenset(filter(None, map(pin_in, given)))


def certificates(domain: Domain) -> tuple[bytes, ...]:
    """The certificates of all machines that serve some domain."""
    known = domain.path(b"machines")
    found: dict[bytes, None] = {}
    for one in domain.directories[known].children if known is not None else ():
        if domain.values(one, KEY) and domain.values(one, b"serves"):
            found |= dict.fromkeys(filter(None, map(certificate_in, domain.values(one, KEY) or ())))
    return tuple(found)


def is_of_master(domain: Domain, key: str) -> bool | None:
    """Whether a caller with a key is the domain's master; ``None`` where no certificate of the master is known."""
    machine = machine_of_master(domain)
    given = (domain.values(machine, KEY) or ()) if machine is not None else ()
    found = [fingerprint(each) for each in map(certificate_in, given) if each]
    return key in found if found else None


# What is decided


def standing(known: frozenset[str], key: str | None) -> Standing:
    """What a caller does with a server whose ``known`` keys are pinned; ``key``: the server's, ``None`` without TLS."""
    if key is None and known:
        return Standing(False, False, "it has no encrypted channel, though a key of it is known")
    if key is None:
        return Standing(True, False, "it has no encrypted channel")
    if known and key not in known:
        return Standing(False, True, f"its key is {key}, not {' or '.join(sorted(known))}, which is known of it")
    return Standing(True, True, "" if known else "its key was not known before")


def introduces(domain: Domain, caller: Caller, one: Directory, given: Property) -> bool:
    """Whether a caller may name its key itself: through TLS, as root of a listed machine that has none yet.

    Its low port is believed this once, as it was for everything before there were keys.
    """
    right = caller.sealed and caller.port < 1024 and given.name == KEY and len(given.values) == 1
    if not right or not certificate_in(given.values[0]) or one.id not in machines_at(domain, caller.address):
        return False
    serves = domain.values(one.id, b"serves") or ()
    return domain.values(one.id, KEY) is None and any(each.startswith(b"./") for each in serves)
