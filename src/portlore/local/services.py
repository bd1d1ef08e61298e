"""``/etc/services``: names and aliases that getservbyname(3) answers with on this machine."""

from __future__ import annotations

from portlore.local.lists import located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from portlore.model import LocalLine, PortRange


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """Its lines about the wanted ports."""
    for ports, line, aliases, comment in located(text, path, "services", wanted):
        also = f"also {' '.join(aliases)}" if aliases else ""
        yield ports, line.replace(detail="; ".join(filter(None, (also, comment))))
