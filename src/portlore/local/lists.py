"""The form that /etc/services, nmap-services and Wireshark's services share: ``name  number/transport  more``."""

from __future__ import annotations

from portlore.model import LAST_PORT, LocalLine, PortRange, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MANY = 32  # above this, reading every line is quicker than searching for each port


def lines_about(text: str, wanted: Collection[int]) -> Iterator[str]:
    """The lines of a list that may speak of the wanted ports; all of them when none is named."""
    if not wanted or len(wanted) > MANY:
        yield from text.splitlines()
        return
    for number in sorted(wanted):
        key = f"{number}/"
        at = text.find(key)
        while at >= 0:
            begin = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            if not text[at - 1].isdigit():
                yield text[begin:end]
            at = text.find(key, end)


def located(
    text: str, path: str, layer: str, wanted: Collection[int]
) -> Iterator[tuple[PortRange, LocalLine, list[str], str]]:
    """Lines as values, each with its further words and its comment."""
    for line in lines_about(text, wanted):
        body, _, comment = line.partition("#")
        words = body.split()
        if len(words) < 2:
            continue
        number, _, transports = words[1].partition("/")
        first, _, last = number.partition("-")
        if not (first.isdigit() and (last or first).isdigit() and len(first) <= 5 and len(last) <= 5):
            continue
        low, high = int(first), int(last or first)
        known = [t for t in transports.lower().split("/") if t in Transport.__members__.values()]
        if not known or not low <= high <= LAST_PORT:
            continue
        if wanted and low not in wanted and not (low < high and any(low < n <= high for n in wanted)):
            continue
        yield PortRange(low, high), LocalLine(layer, path, "", words[0], "/".join(known)), words[2:], comment.strip()
