"""The official record: every answer the registry gives, now or as it was."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import Assignment, Snapshot, Status
from portlore.packed import Lines, numbers
from portlore.registry.record import parse_record
from portlore.registry.status import most_specific, preferred_first, status_of, status_without_row
from portlore.registry.store import NAMES, cover_of, delta_of, meta_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from portlore.model import Change
    from portlore.registry.cover import Cover
    from portlore.registry.deltas import Delta
    from portlore.registry.record import Record

    Said = tuple[Status, str, tuple[Assignment, ...]]


class Registry:
    """A registry at one snapshot. Immutable to its users; keeps what it has decoded.

    ``rows`` and ``deltas`` are lines of the tables, ``cover`` and ``touched`` tell which of them cover a port,
    ``names`` are row numbers in the order of their names.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        dates: tuple[str, ...],
        rows: Sequence[str] | Lines,
        cover: Cover,
        names: Sequence[int],
        deltas: Sequence[str] | Lines,
        touched: Cover,
        organisations: bytes | memoryview = b"",
    ) -> None:
        self.snapshot, self.dates = snapshot, dates
        self._rows, self._cover, self._names = rows, cover, names
        self._deltas, self._touched = deltas, touched
        self._organisations = organisations
        self._records: dict[int, Record] = {}
        self._said: dict[tuple[int, str], Said] = {}
        self._changes: dict[tuple[tuple[int, int], str], tuple[Change, ...]] = {}

    @classmethod
    def of(cls, sections: Mapping[str, memoryview]) -> Registry:
        """The registry in the sections of a packed file."""
        snapshot, dates = meta_of(sections)
        return cls(
            snapshot,
            dates,
            Lines.of(sections, "rows"),
            cover_of(sections, "rows"),
            numbers(sections[NAMES], "I"),
            Lines.of(sections, "deltas"),
            cover_of(sections, "deltas"),
            sections.get("organisations", memoryview(b"")),
        )

    def record(self, index: int) -> Record:
        """A row by its number in the table."""
        found = self._records.get(index)
        if found is None:
            found = self._records[index] = parse_record(self._rows[index])
        return found

    def records(self) -> Iterator[Record]:
        """All rows, in the registry's order."""
        return (self.record(index) for index in range(len(self._rows)))

    def at(self, port: int) -> list[Record]:
        """Every row that covers a port, for any transport."""
        return [self.record(index) for index in self._cover.at(port)]

    def said(self, port: int, transport: str) -> Said:
        """Status, deciding row as written (empty without one) and assignments, preferred name first."""
        run = self._cover.run(port)
        found = self._said.get((run, transport))
        if found is None:
            found = self._said[run, transport] = self._say(self._cover.of_run(run), transport)
        if found[0] is Status.NO_ENTRY:
            return status_without_row(port), "", ()
        return found

    def _say(self, members: Sequence[int], transport: str) -> Said:
        covering = [self.record(index) for index in members]
        rows = preferred_first(most_specific(r for r in covering if transport in r.applies_to), covering)
        if not rows:
            return Status.NO_ENTRY, "", ()
        status = status_of(rows[0].name, rows[0].description)
        named = tuple(map(assignment_of, rows)) if status is Status.ASSIGNED else ()
        return status, rows[0].number, named

    def place(self, port: int) -> tuple[int, int]:
        """Ports of one place are covered by the same rows and touched by the same differences."""
        return self._cover.run(port), self._touched.run(port)

    @property
    def starts(self) -> Sequence[int]:
        """The first port of each run: ports of one run are covered by the same rows."""
        return self._cover.starts

    def changes(self, port: int, transport: str) -> tuple[Change, ...]:
        """What happened to a port on a transport, oldest first."""
        members = self._touched.at(port)
        if not members:
            return ()
        key = (self.place(port), transport)
        found = self._changes.get(key)
        if found is None:
            from portlore.registry.history import changes_of

            deltas = [delta_of(self._deltas[index], self.dates) for index in members]
            found = self._changes[key] = tuple(changes_of(self.at(port), deltas, transport))
        return found

    def runs(self, first: int, last: int) -> list[tuple[int, int, tuple[int, ...]]]:
        """Neighbouring ports that the same rows cover: first, last, row numbers."""
        return [(a, b, tuple(members)) for a, b, members in self._cover.runs(first, last)]

    def touched_runs(self, first: int = 0, last: int = 0xFFFF) -> list[tuple[int, int]]:
        """Neighbouring ports that the same differences touch, where there are any."""
        return [(a, b) for a, b, members in self._touched.runs(first, last) if len(members)]

    def named(self, name: str) -> list[Record]:
        """The rows of a service name, compared without case; empty when nobody has it."""
        wanted = name.lower()
        low, high = 0, len(self._names)
        while low < high:
            middle = (low + high) // 2
            if self.record(self._names[middle]).name.lower() < wanted:
                low = middle + 1
            else:
                high = middle
        found = []
        while low < len(self._names) and self.record(self._names[low]).name.lower() == wanted:
            found.append(self.record(self._names[low]))
            low += 1
        return found

    def organisation(self, identifier: str) -> str:
        """The organisation that the registry names for a person's identifier, or an empty string."""
        key = f"\n{identifier.strip('[]')}\t".encode()
        data = bytes(self._organisations)
        at = data.find(key)
        return "" if at < 0 else data[at + len(key) : data.index(b"\n", at + 1)].decode()

    def deltas(self) -> list[Delta]:
        """Every difference between snapshots, oldest first."""
        return [delta_of(line, self.dates) for line in self._deltas]

    def snapshot_on(self, date: str) -> str:
        """The date of the last snapshot on or before ``date`` (``YYYY-MM-DD``): after the newest one, the newest.

        :class:`InputError` before the oldest one.
        """
        if date >= self.snapshot.date:
            return self.snapshot.date
        older = [known for known in self.dates if known <= date]
        if not older:
            found = f"the oldest snapshot is of {self.dates[0]}" if self.dates else "there is no history here"
            raise InputError(f"the registry as of {date}", found, "ask for that day or a later one")
        return older[-1]

    def as_of(self, date: str) -> Registry:
        """The registry as it was in the last snapshot on or before ``date``; errors as :meth:`snapshot_on`."""
        found = self.snapshot_on(date)
        if found == self.snapshot.date:
            return self
        from portlore.registry.past import registry_at

        return registry_at(self, found)

    def next_snapshot(self) -> str:
        """The date of the snapshot after this one, or an empty string for the newest."""
        return next((date for date in self.dates if date > self.snapshot.date), "")


def assignment_of(record: Record) -> Assignment:
    """A registry row as an assignment."""
    marks = record.marks.split()
    return Assignment(
        record.name,
        record.description,
        record.assignee,
        record.contact,
        record.registered,
        record.modified,
        tuple(record.reference[1:-1].split("][")) if record.reference else (),
        record.service_code,
        record.number,
        record.alias_of,
        "note" in marks,
        "unauthorized" in marks,
        record.note or None,
        record.unauthorized_use or None,
    )
