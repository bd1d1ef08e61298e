"""The messages of LDAPv3 (RFC 4511) that reading a directory needs: bind, search page by page, StartTLS. Pure."""

from __future__ import annotations

from portlore import ber
from portlore.errors import ProtocolError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BIND, BIND_RESPONSE, UNBIND = 0x60, 0x61, 0x42
SEARCH, ENTRY, DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED, EXTENDED_RESPONSE = 0x77, 0x78
SIMPLE, PRESENT, CONTROLS, NAME_0, COOKIE = 0x80, 0x87, 0xA0, 0x80, 0xA0
START_TLS = b"1.3.6.1.4.1.1466.20037"
PAGED = b"1.2.840.113556.1.4.319"  # RFC 2696
SUBTREE = 2
MOST_ATTRIBUTES = 10_000  # of one entry
RESULTS = {  # of RFC 4511 appendix A, those that a reader meets
    1: "operations error", 2: "protocol error", 3: "time limit exceeded", 4: "size limit exceeded",
    7: "authentication method not supported", 8: "stronger authentication required", 10: "referral",
    11: "administrative limit exceeded", 12: "unavailable critical extension", 13: "confidentiality required",
    32: "no such object", 34: "invalid name", 48: "inappropriate authentication", 49: "invalid credentials",
    50: "insufficient access rights", 51: "busy", 52: "unavailable", 53: "unwilling to perform",
}  # fmt: skip


class Message(Value):
    """A message: its number, what it is, its content, its controls."""

    number: int
    kind: int
    content: bytes
    controls: bytes = b""


class Result(Value):
    """How an operation ended: the code, and what the server says of it."""

    code: int
    text: str

    @property
    def told(self) -> str:
        """Both, for people."""
        name = RESULTS.get(self.code, f"result {self.code}")
        return f"{name}: {self.text}" if self.text else name


def _packed(number: int, *parts: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(number), *parts)


def _octets(text: bytes) -> bytes:
    return ber.element(ber.OCTETS, text)


def bind(number: int, name: str, password: bytes) -> bytes:
    """A simple bind."""
    body = ber.element(BIND, ber.integer(3), _octets(name.encode()), ber.element(SIMPLE, password))
    return _packed(number, body)


def unbind(number: int) -> bytes:
    """The end."""
    return _packed(number, ber.element(UNBIND))


def start_tls(number: int) -> bytes:
    """Ask for TLS on this connection."""
    return _packed(number, ber.element(EXTENDED, ber.element(NAME_0, START_TLS)))


def search(number: int, base: str, page: int, cookie: bytes) -> bytes:
    """All that is below an entry, with all attributes of users', a page of entries."""
    body = ber.element(
        SEARCH,
        _octets(base.encode()),
        ber.integer(SUBTREE, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(0),
        ber.integer(0),
        ber.element(0x01, b"\0"),
        ber.element(PRESENT, b"objectClass"),
        ber.element(ber.SEQUENCE, _octets(b"*")),
    )
    value = ber.element(ber.SEQUENCE, ber.integer(page), _octets(cookie))
    control = ber.element(ber.SEQUENCE, _octets(PAGED), _octets(value))
    return _packed(number, body, ber.element(CONTROLS, control))


def refuse(found: str) -> ProtocolError:
    """What to raise for an answer that is none."""
    return ProtocolError("asking an LDAP server", found, "see what runs there")


def message(data: bytes) -> Message:
    """One whole message."""
    outer = ber.read(data)
    parts = ber.children(outer[1]) if outer is not None and outer[0] == ber.SEQUENCE else None
    if parts is None or not 2 <= len(parts) <= 3 or parts[0][0] != ber.INTEGER:
        raise refuse("an answer that is no message of LDAP")
    controls = parts[2][1] if len(parts) == 3 and parts[2][0] == CONTROLS else b""
    return Message(ber.number(parts[0][1]), parts[1][0], parts[1][1], controls)


def result(content: bytes) -> Result:
    """The code of a response, and the server's words."""
    parts = list(ber.elements(content, 3))
    if [tag for tag, _ in parts] != [ber.ENUMERATED, ber.OCTETS, ber.OCTETS]:
        raise refuse("a result that is none")
    return Result(ber.number(parts[0][1]), parts[2][1][:200].decode("utf-8", "replace"))


def cookie(controls: bytes) -> bytes:
    """What asks for the next page; empty at the last one, and where the server knows no pages."""
    for _, control in ber.elements(controls, 100):
        parts = list(ber.elements(control, 3))
        if parts and parts[0][1] == PAGED:
            inner = ber.read(parts[-1][1])
            halves = list(ber.elements(inner[1], 2)) if inner else []
            if len(halves) == 2:
                return halves[1][1]
    return b""


def attributes(content: bytes) -> tuple[str, Iterator[tuple[str, list[bytes]]]]:
    """The name of an entry, and its attributes with their values."""
    parts = ber.children(content)
    if parts is None or [tag for tag, _ in parts] != [ber.OCTETS, ber.SEQUENCE]:
        raise refuse("an entry that is none")
    return parts[0][1].decode("utf-8", "surrogateescape"), _attributes(parts[1][1])


def _attributes(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    listed = ber.children(data)
    if listed is None or len(listed) > MOST_ATTRIBUTES:
        raise refuse("an entry whose attributes make no sense")
    for _, pair in listed:
        halves = ber.children(pair)
        if halves is None or [tag for tag, _ in halves] != [ber.OCTETS, ber.SET]:
            raise refuse("an attribute that is none")
        values = ber.children(halves[1][1])
        if values is None:
            raise refuse("an attribute whose values make no sense")
        yield halves[0][1].decode("ascii", "replace"), [value for _, value in values]
