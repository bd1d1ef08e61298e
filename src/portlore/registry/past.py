"""A registry of an earlier day, rebuilt by walking the differences back."""

from __future__ import annotations

from array import array

from portlore.model import Snapshot
from portlore.registry.cover import cover
from portlore.registry.deltas import undo
from portlore.registry.history import steps
from portlore.registry.history_table import HistoryTable
from portlore.registry.record import format_record, merge, order
from portlore.registry.registry import Registry
from portlore.registry.store import delta_lines, sorted_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.registry.deltas import Delta
    from portlore.registry.record import Record


def registry_from(
    snapshot: Snapshot, dates: tuple[str, ...], records: Sequence[Record], deltas: Iterable[Delta]
) -> Registry:
    """A registry in memory, with the same indexes that a packed one has."""
    kept = list(deltas)
    return Registry(
        snapshot,
        dates,
        [format_record(record) for record in records],
        cover((*record.span, i) for i, record in enumerate(records)),
        array("I", sorted_names([record.name for record in records])),
        delta_lines(HistoryTable(dates, tuple(kept))),
        cover((*delta.record.span, i) for i, delta in enumerate(kept)),
    )


def registry_at(registry: Registry, date: str) -> Registry:
    """The registry as of one of its own snapshot dates, without prose notes (the history has none)."""
    deltas = registry.deltas()
    later = [step for step in steps(deltas) if step[0].newer > date]
    records = undo((record.without_prose() for record in registry.records()), *later)
    rows = list(merge(sorted(records, key=order)))
    snapshot = Snapshot(date, "", f"rebuilt from the snapshot of {registry.snapshot.date}")
    return registry_from(snapshot, registry.dates, rows, (delta for delta in deltas if delta.newer <= date))
