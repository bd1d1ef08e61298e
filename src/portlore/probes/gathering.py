"""What dialogues share: hearing an answer to its end, texts of strangers, header lines, evidence. Pure."""

from __future__ import annotations

from collections.abc import Generator

from portlore.observed import MOST_EVIDENCE, Evidence
from portlore.probes.dialogue import MOST_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TEXT = 200  # characters of a fact
MOST_FACTS = 40
MOST_HEADERS = 100

Hearing = Generator[bytes, bytes, bytes]


def hear(request: bytes, is_whole: Callable[[bytes], object]) -> Hearing:
    """Send, and hear until the answer is whole, too long or over; whatever came then."""
    data = more = yield request
    while more and not is_whole(data) and len(data) < MOST_BYTES:
        more = yield b""
        data += more
    return data


def hear_greeting(starts: tuple[bytes, ...], is_whole: Callable[[bytes], object]) -> Hearing:
    """Hear who speaks first, while it may be one that begins like that: other dialogues wait for these bytes."""
    return (yield from hear(b"", lambda data: not _may_begin(data, starts) or is_whole(data)))


def line_ended(data: bytes) -> bool:
    """Whether the last line has come whole."""
    return data.endswith(b"\n")


def starttls(offered: bool, within_tls: bool = False) -> str:
    """The value of the fact ``starttls``; empty within TLS, where the question does not arise."""
    return "" if within_tls else "offered" if offered else "not offered"


def _may_begin(data: bytes, starts: tuple[bytes, ...]) -> bool:
    return any(data.startswith(start[: len(data)]) for start in starts)


def text(data: bytes, most: int = MOST_TEXT) -> str:
    """Bytes of a stranger as text of bounded length; what is not UTF-8 is replaced."""
    shown = data[: most * 4].decode("utf-8", "replace").strip("\0\r\n\t ")
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def evidence(probe: str, sent: bytes, received: bytes) -> tuple[Evidence, ...]:
    """The evidence of one exchange, cut as :class:`Evidence` wants it."""
    return (Evidence(probe, sent[:MOST_EVIDENCE], received[:MOST_EVIDENCE]),)


def bounded(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Facts without the empty ones, not too many."""
    return tuple([pair for pair in pairs if pair[1]][:MOST_FACTS])


def headers(data: bytes) -> dict[str, str] | None:
    """The header lines of a message in the manner of RFC 5322, names in small letters; the first of a name counts.

    ``None`` when the head is not whole or a line is none. The first line (of a status or request) is left out.
    """
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1 : MOST_HEADERS + 1]:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):  # the line before goes on
            continue
        if not colon:
            return None
        found.setdefault(text(name).lower(), text(value))
    return found


def uri_host(host: str) -> str:
    """A host as a URI has it, IPv6 addresses in brackets and without their zone; nothing in it can end it."""
    plain = "".join(one for one in host.partition("%")[0] if one.isascii() and (one.isalnum() or one in "-._:"))
    return f"[{plain}]" if ":" in plain else plain or "localhost"


def split_version(software: str) -> tuple[str, str]:
    """A product and its version out of ``product/version …`` or ``product version``; either may be empty."""
    first = software.split(" (", 1)[0].strip()
    if first[:1].isdigit():
        return "", first
    product, slash, version = first.partition("/")
    if slash:
        return product.strip(), version.split(" ", 1)[0]
    head, blank, tail = first.rpartition(" ")
    if blank and tail[:1].isdigit():
        return head, tail
    return first, ""
