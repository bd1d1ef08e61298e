"""What TLS says before it is encrypted (RFC 8446, RFC 5246): hellos, alerts, the certificate up to TLS 1.2. Pure."""

from __future__ import annotations

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALERT, HANDSHAKE = 21, 22
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
SERVER_NAME, GROUPS, POINTS, SIGNATURES, ALPN, VERSIONS, KEY_SHARE = 0, 10, 11, 13, 16, 43, 51
SSL3, TLS10, TLS11, TLS12, TLS13 = range(0x0300, 0x0305)
VERSION_NAMES = {SSL3: "SSL 3.0", TLS10: "TLS 1.0", TLS11: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3"}
MOST_RECORD = (1 << 14) + 2048  # RFC 5246 section 6.2.3
MOST_TEXT = 255
# What is offered to find out whether a version is taken: of each kind of key exchange and age some, by number
# (RFC 8446 appendix B.4, RFC 5289, RFC 8422, RFC 7905, RFC 5246 appendix A.5).
SUITES = (
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC009, 0xC013, 0xC00A, 0xC014, 0x009C, 0x009D, 0x009E, 0x009F,
    0x0033, 0x0039, 0x002F, 0x0035, 0x003C, 0x003D, 0x000A, 0x0016, 0x0005, 0x0004,
)  # fmt: skip
SUITES13 = (0x1301, 0x1302, 0x1303)
OFFERED_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
OFFERED_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
ALERTS = {  # RFC 8446 section 6, RFC 7301 section 3.2
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure", 42: "bad_certificate",
    47: "illegal_parameter", 50: "decode_error", 70: "protocol_version", 71: "insufficient_security",
    80: "internal_error", 86: "inappropriate_fallback", 109: "missing_extension", 112: "unrecognized_name",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip


class Hello(Value):
    """A hello. ``versions``: of a client all it offers, of a server the one it chose. ``suites``: likewise."""

    server: bool
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    name: str = ""
    alpn: tuple[str, ...] = ()


class Said(Value):
    """What one side has said in the clear. ``alert``: the description of its last one, -1 without one."""

    hello: Hello | None
    certificate: bytes = b""
    alert: int = -1


def read_side(data: bytes) -> Said | None:
    """What the first bytes of a side say; ``None`` where they are not TLS: no whole hello, no alert."""
    messages, alert = b"", -1
    for kind, content in _records(data):
        if kind == HANDSHAKE:
            messages += content
        elif kind == ALERT and len(content) == 2 and content[0] in (1, 2) and content[1] in ALERTS:
            alert = content[1]
        else:
            break
    hello, certificate = None, b""
    for kind, body in _messages(messages):
        try:
            if kind in (CLIENT_HELLO, SERVER_HELLO) and hello is None:
                hello = _hello(_Reader(body), server=kind == SERVER_HELLO)
            elif kind == CERTIFICATE:
                reader = _Reader(body)
                certificate = _Reader(reader.vector(3)).vector(3)
        except ValueError:
            break
    return None if hello is None and alert < 0 else Said(hello, certificate, alert)


def client_hello(version: int, name: str, random: bytes) -> bytes:
    """A record with a hello that offers one version alone. ``name``: empty for none; ``random``: 32 bytes."""
    suites = SUITES13 if version == TLS13 else SUITES
    extensions = [
        (GROUPS, _vector(_numbers(OFFERED_GROUPS), 2)),
        (POINTS, b"\1\0"),
    ]
    if name:
        extensions.append((SERVER_NAME, _vector(b"\0" + _vector(name.encode("ascii", "ignore"), 2), 2)))
    if version >= TLS12:
        extensions.append((SIGNATURES, _vector(_numbers(OFFERED_SIGNATURES), 2)))
    if version == TLS13:  # with no share of a key: the server asks for one, which tells as much (section 4.1.4)
        extensions += [(VERSIONS, b"\2" + _numbers((TLS13,))), (KEY_SHARE, b"\0\0")]
    tail = b"".join(_numbers((kind,)) + _vector(content, 2) for kind, content in extensions)
    body = (
        _numbers((min(version, TLS12),))
        + random
        + _vector(random if version == TLS13 else b"", 1)
        + _vector(_numbers(suites), 2)
        + b"\1\0"
        + (b"" if version == SSL3 else _vector(tail, 2))
    )
    message = bytes([CLIENT_HELLO]) + _vector(body, 3)
    return bytes([HANDSHAKE]) + _numbers((SSL3 if version == SSL3 else TLS10,)) + _vector(message, 2)


class _Reader:
    """Reads vectors (RFC 8446 section 3.4); :class:`ValueError` beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise ValueError("cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def vector(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width), "big"))

    @property
    def more(self) -> bool:
        return self._at < len(self._data)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of the records; the last one as far as it has come. Ends at what is no record."""
    at = 0
    while at + 5 <= len(data):
        kind, major, minor = data[at], data[at + 1], data[at + 2]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if kind not in (20, ALERT, HANDSHAKE, 23) or major != 3 or minor > 4 or not 0 < size <= MOST_RECORD:
            return
        yield kind, data[at + 5 : at + 5 + size]
        at += 5 + size


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of the handshake messages that are whole."""
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if at + 4 + size > len(data):
            return
        yield data[at], data[at + 4 : at + 4 + size]
        at += 4 + size


def _hello(reader: _Reader, *, server: bool) -> Hello:
    version = int.from_bytes(reader.take(2), "big")
    if not SSL3 <= version <= TLS12:  # TLS 1.3 says 1.2 here (section 4.1.2)
        raise ValueError("no version of TLS")
    reader.take(32)
    reader.vector(1)
    suites: tuple[int, ...]
    if server:
        suites = (int.from_bytes(reader.take(2), "big"),)
        reader.take(1)
    else:
        suites = tuple(_split(reader.vector(2)))
        reader.vector(1)
    versions: tuple[int, ...] = (version,)
    name, alpn = "", tuple[str, ...]()
    extensions = _Reader(reader.vector(2) if reader.more else b"")
    while extensions.more:
        kind = int.from_bytes(extensions.take(2), "big")
        content = _Reader(extensions.vector(2))
        if kind == VERSIONS:
            told = content.take(2) if server else content.vector(1)
            versions = tuple(one for one in _split(told) if one in VERSION_NAMES) or versions
        elif kind == ALPN:
            alpn = tuple(_texts(content.vector(2)))
        elif kind == SERVER_NAME and not server:
            names = _Reader(content.vector(2))
            name = names.vector(2).decode("latin-1")[:MOST_TEXT] if names.take(1) == b"\0" else ""
    return Hello(server, versions, suites, name, alpn)


def _texts(data: bytes) -> Iterator[str]:
    reader = _Reader(data)
    while reader.more:
        yield reader.vector(1).decode("latin-1")


def _split(data: bytes) -> Iterator[int]:
    return (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))


def _numbers(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _vector(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content
