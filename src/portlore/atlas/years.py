"""The registry's statuses year by year, all of them in one walk back through its differences. Pure."""

from __future__ import annotations

from portlore.atlas.layers import pieces, strongest
from portlore.atlas.layout import PORTS
from portlore.model import Status, Transport
from portlore.registry.cover import cover
from portlore.registry.deltas import undo
from portlore.registry.history import state, steps
from portlore.registry.record import order
from portlore.registry.status import status_without_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portlore.registry.deltas import Delta
    from portlore.registry.record import Record
    from portlore.registry.registry import Registry


def days_of(registry: Registry) -> list[str]:
    """The last snapshot of every year that has one, oldest first."""
    last = {date[:4]: date for date in registry.dates if date <= registry.snapshot.date}
    return list(last.values())


def by_year(registry: Registry) -> list[tuple[str, bytes]]:
    """Every year's day and its picture, as :func:`portlore.atlas.layers.by_status` paints it; the oldest first.

    The ports fall into some thousand runs that the same rows cover and the same differences touch. Each is walked back
    once, from the newest state to the oldest, which takes as long as rebuilding the registry of one single day.
    """
    days = days_of(registry)
    pictures = [bytearray(PORTS) for _ in days]
    deltas = registry.deltas()
    touched = cover((*delta.record.span, place) for place, delta in enumerate(deltas))
    places = [registry.starts, touched.starts]
    for first, last in pieces(sorted({start for starts in places for start in starts})):
        mine = [deltas[place] for place in touched.at(first)]
        for picture, code in zip(reversed(pictures), _backwards(registry.at(first), mine, days, first), strict=True):
            picture[first : last + 1] = bytes([code]) * (last - first + 1)
    return list(zip(days, map(bytes, pictures), strict=True))


def _backwards(rows: Sequence[Record], deltas: Sequence[Delta], days: Sequence[str], port: int) -> Iterator[int]:
    """A port's code on each day, the newest first. ``rows``: those that cover it now."""
    left = steps(deltas)
    code = _code(rows, port)
    for day in reversed(days):
        later = [step for step in left if step[0].newer > day]
        if later:
            left = left[len(later) :]
            rows = sorted(undo(rows, *later), key=order)
            code = _code(rows, port)
        yield code


def _code(rows: Sequence[Record], port: int) -> int:
    statuses = (state(rows, on)[0] for on in Transport)
    return strongest(status_without_row(port) if one is Status.NO_ENTRY else one for one in statuses)
