"""HTTP/2 (RFC 9113) without asking first: the connection preface, and the server's SETTINGS. Pure.

Within TLS the same is spoken when ALPN chose ``h2``.
"""

from __future__ import annotations

from portlore.observed import MOST_EVIDENCE, Evidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4
SETTINGS, GOAWAY = 4, 7  # types of frames, section 6
ACK = 1
MOST_FRAME = 16_384  # section 4.2: nobody sends more before it was allowed
SETTING_NAMES = {  # section 6.5.2, RFC 8441
    1: "header table size", 2: "push", 3: "most streams", 4: "window size", 5: "frame size", 6: "header list size",
    8: "extended connect",
}  # fmt: skip
OURS = b"\0\0\6\4\0\0\0\0\0" + b"\0\2\0\0\0\0"  # SETTINGS of our own: no push, please
BYE = b"\0\0\x08\7\0\0\0\0\0" + bytes(8)  # GOAWAY, without an error


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, stream and content of the whole frames; ends at what is cut or too long."""
    at = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFF_FFFF
        if size > MOST_FRAME or at + 9 + size > len(data):
            return
        yield data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + size]
        at += 9 + size


def read_settings(data: bytes) -> Identification | None:
    """A server's preface: its first frame is SETTINGS (section 3.4)."""
    first = next(frames(data), None)
    if first is None:
        return None
    kind, flags, stream, content = first
    if kind != SETTINGS or flags & ACK or stream or len(content) % 6 or len(content) > 600:
        return None
    pairs = [(content[at : at + 2], content[at + 2 : at + 6]) for at in range(0, len(content), 6)]
    told = [(int.from_bytes(key, "big"), int.from_bytes(value, "big")) for key, value in pairs]
    facts = tuple((SETTING_NAMES[key], str(value)) for key, value in told if key in SETTING_NAMES)
    return Identification("http2", facts=facts, evidence=(Evidence("http2", b"", data[:MOST_EVIDENCE]),))


def talk_http2(_: Asked) -> Dialogue:
    """Our preface, their SETTINGS, good-bye."""
    heard = more = yield PREFACE + OURS + BYE
    while more and len(heard) < 9 + 600:
        found = read_settings(heard)
        if found is not None:
            return found
        more = yield b""
        heard += more
    return read_settings(heard)


def recognise_client(data: bytes) -> Identification | None:
    """The client's preface."""
    if not data.startswith(PREFACE):
        return None
    return Identification("http2", evidence=(Evidence("http2", b"", data[:MOST_EVIDENCE]),))


PROTOCOLS = (Protocol("http2", "HTTP/2", ("http", "http-alt"), ("https",)),)
PROBES = (Probe("http2", "http2", "tcp", talk_http2, rank=8),)
RECOGNISERS = (Recogniser("http2", "tcp", read_settings, recognise_client),)
