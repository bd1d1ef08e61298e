"""firewalld's service files: which name a firewall rule gives to a port."""

from __future__ import annotations

import re

from portlore.model import LAST_PORT, LocalLine, PortRange, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PORT = re.compile(r"<port\s([^>]*)/?>")
ATTRIBUTE = re.compile(r"(port|protocol)\s*=\s*[\"']([^\"']*)[\"']")
SHORT = re.compile(r"<short>([^<]{1,120})</short>")


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """The ports of one service file; searched, not parsed as XML, so that nothing in it can expand."""
    for tag in PORT.findall(text):
        cells = dict(ATTRIBUTE.findall(tag))
        transport = cells.get("protocol", "")
        first, _, last = cells.get("port", "").partition("-")
        last = last or first
        if transport not in Transport.__members__.values() or not (first.isdigit() and last.isdigit()):
            continue
        if len(last) > 5 or not int(first) <= int(last) <= LAST_PORT:
            continue
        ports = PortRange(int(first), int(last))
        if not wanted or any(number in ports for number in wanted):
            name = path.rpartition("/")[2].removesuffix(".xml")
            short = SHORT.search(text)
            yield ports, LocalLine("firewalld", path, "", name, transport, short[1].strip() if short else "")
