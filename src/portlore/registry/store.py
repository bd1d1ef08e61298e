"""The registry and its history as sections of a packed file, and back. Pure: values to bytes, views to a Registry."""

from __future__ import annotations

from portlore.errors import DataError
from portlore.model import Snapshot
from portlore.packed import ASK, DO, Lines, number_bytes, numbers, pack
from portlore.registry.cover import Cover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from portlore.registry.deltas import Delta
    from portlore.registry.history_table import HistoryTable
    from portlore.registry.table import Table

NAMES = "names"


def cover_sections(name: str, spans: Iterable[tuple[int, int, int]]) -> dict[str, bytes]:
    """The three arrays of an index, in two bytes a number where that is enough."""
    from portlore.registry.cover import cover

    index = cover(spans)
    wide = "I" if max(len(index.members), *index.members, 0) > 0xFFFF else "H"
    return {
        f"{name}.starts": number_bytes(index.starts, "H"),
        f"{name}.ends.{wide}": number_bytes(index.ends, wide),
        f"{name}.lines.{wide}": number_bytes(index.members, wide),
    }


def cover_of(sections: Mapping[str, memoryview], name: str) -> Cover:
    """The index of a file's section."""
    wide = "H" if f"{name}.ends.H" in sections else "I"
    try:
        return Cover(
            numbers(sections[f"{name}.starts"], "H"),
            numbers(sections[f"{name}.ends.{wide}"], wide),
            numbers(sections[f"{name}.lines.{wide}"], wide),
        )
    except KeyError:
        raise DataError(ASK, f"it has no index of {name!r}", DO) from None


def sorted_names(names: Sequence[str]) -> list[int]:
    """Line numbers in the order of their names, folded: the index for looking up a name by bisection."""
    return sorted((i for i, name in enumerate(names) if name), key=lambda i: (names[i].lower(), i))


def pack_registry(table: Table, history: HistoryTable) -> bytes:
    """A registry and its history as one file."""
    from portlore.registry.record import format_record

    snapshot = table.snapshot
    meta = "\n".join((snapshot.date, snapshot.sha256, snapshot.origin, snapshot.licence, " ".join(history.dates)))
    organisations = "".join(f"\n{who}\t{org}" for who, org in table.organisations) + "\n"
    return pack(
        {
            "meta": meta.encode(),
            "organisations": organisations.encode(),
            **Lines.sections("rows", [format_record(record) for record in table.records]),
            **cover_sections("rows", ((*record.span, i) for i, record in enumerate(table.records))),
            NAMES: number_bytes(sorted_names([record.name for record in table.records]), "I"),
            **Lines.sections("deltas", delta_lines(history)),
            **cover_sections("deltas", ((*delta.record.span, i) for i, delta in enumerate(history.deltas))),
        }
    )


def delta_lines(history: HistoryTable) -> list[str]:
    """Every difference as a line that stands alone: the place of its newer day among the dates comes first."""
    from portlore.registry.deltas import format_delta

    place = {date: str(index) for index, date in enumerate(history.dates)}
    return [f"{place[delta.newer]}\t{format_delta(delta)}" for delta in history.deltas]


def delta_of(line: str, dates: Sequence[str]) -> Delta:
    """The inverse of :func:`delta_lines`; steps lie between neighbouring days."""
    from portlore.registry.deltas import parse_delta

    place, _, rest = line.partition("\t")
    return parse_delta(rest, dates[int(place) - 1], dates[int(place)])


def meta_of(sections: Mapping[str, memoryview]) -> tuple[Snapshot, tuple[str, ...]]:
    """The provenance of a packed registry and the dates of all snapshots its history compares."""
    cells = [*str(sections.get("meta", b""), "utf-8").split("\n"), "", "", "", ""]
    if not cells[0]:
        raise DataError(ASK, "it does not say of which day it is", DO)
    return Snapshot(*cells[:4]), tuple(cells[4].split())
