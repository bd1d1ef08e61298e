"""Wireshark's ``services``: the names its name resolution prints."""

from __future__ import annotations

from portlore.local.lists import located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from portlore.model import LocalLine, PortRange


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """Its lines about the wanted ports."""
    for ports, line, _, comment in located(text, path, "wireshark", wanted):
        yield ports, line.replace(detail=comment)
