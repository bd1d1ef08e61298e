"""``nmap-services``: nmap's names, and how often it found a port open. Read where it lies, never shipped (NPSL)."""

from __future__ import annotations

from portlore.local.lists import located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from portlore.model import LocalLine, PortRange


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """Its lines about the wanted ports, with the open frequency as a share of the hosts scanned."""
    for ports, line, more, _ in located(text, path, "nmap", wanted):
        detail = ""
        if more:
            try:
                detail = f"open on {100 * float(more[0]):.2g} % of the hosts that nmap's authors scanned"
            except ValueError:
                detail = ""
        yield ports, line.replace(detail=detail)
