"""What happened to a port, read off the differences between snapshots."""

from __future__ import annotations

from portlore.model import Change, ChangeKind, Status
from portlore.registry.deltas import FLAT_DATE, Delta, undo
from portlore.registry.status import most_specific, preferred_first, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.registry.record import Record


def state(records: Sequence[Record], transport: str) -> tuple[Status, list[Record]]:
    """Status and deciding rows of one port on one transport, preferred name first; no rows: ``no-entry``."""
    rows = preferred_first(most_specific(r for r in records if transport in r.applies_to), records)
    return (status_of(rows[0].name, rows[0].description) if rows else Status.NO_ENTRY), rows


def names_of(status: Status, rows: Iterable[Record]) -> tuple[str, ...]:
    """The names that a state gives to a port; a de-registered row has none."""
    return tuple(row.name for row in rows if row.name) if status is Status.ASSIGNED else ()


def steps(deltas: Iterable[Delta]) -> list[list[Delta]]:
    """Deltas grouped by the pair of snapshots they lie between, newest first."""
    groups: dict[tuple[str, str], list[Delta]] = {}
    for delta in deltas:
        groups.setdefault((delta.older, delta.newer), []).append(delta)
    return [groups[pair] for pair in sorted(groups, reverse=True)]


def changes_of(records: Sequence[Record], deltas: Iterable[Delta], transport: str) -> list[Change]:
    """The changes of one port on one transport, oldest first.

    ``records``: the rows that cover the port today; ``deltas``: all that touch it.
    """
    found: list[Change] = []
    after = list(records)
    for step in steps(deltas):
        before = undo(after, step)
        found[:0] = _compare(before, after, step, transport)
        after = before
    return found


def _compare(before: Sequence[Record], after: Sequence[Record], step: Sequence[Delta], transport: str) -> list[Change]:
    between = (step[0].older, step[0].newer)
    old_status, old_rows = state(before, transport)
    new_status, new_rows = state(after, transport)
    old, new = names_of(old_status, old_rows), names_of(new_status, new_rows)
    ports = (new_rows or old_rows or [step[0].record])[0].number

    def change(kind: ChangeKind, name: str, was: str, now: str, field: str = "") -> Change:
        return Change(between, kind, ports, transport, name, was, now, field)

    found = []
    if set(old) != set(new):
        if not old:
            was = "" if old_status is Status.ASSIGNED else old_status
            found.append(change(ChangeKind.ASSIGNED, new[0], was, " ".join(new)))
        elif not new:
            found.append(change(ChangeKind.REMOVED, old[0], " ".join(old), new_status))
        elif set(old) & set(new):
            found += [change(ChangeKind.NAME_REMOVED, n, n, "") for n in old if n not in new]
            found += [change(ChangeKind.NAME_ADDED, n, "", n) for n in new if n not in old]
        else:
            kept = any(_same_holder(a, b) for a in old_rows for b in new_rows)
            kind = ChangeKind.RENAMED if kept else ChangeKind.REASSIGNED
            found.append(change(kind, new[0], " ".join(old), " ".join(new)))
    elif old_status is not new_status and not (between[0] == FLAT_DATE and old_status is Status.NO_ENTRY):
        # The list of 2005 has no rows for unassigned ports: a row that says so later is no change.
        found.append(change(ChangeKind.STATUS, "", old_status, new_status))
    for delta in step:
        if delta.sign == "~" and delta.column != "marks" and transport in delta.record.applies_to:
            found.append(change(ChangeKind.FIELD, delta.record.name, delta.before, delta.after, delta.column))
    return found


def _same_holder(old: Record, new: Record) -> bool:
    """Whether a new name went to the old holder (renamed) or to another one (reassigned)."""
    kept = (
        (old.name.lower(), new.name.lower()),
        (old.assignee, new.assignee),
        (old.contact, new.contact),
        (old.description, new.description),
    )
    return any(was and was == now for was, now in kept)


def service_changes(deltas: Iterable[Delta]) -> list[Change]:
    """Service names without a port that came or went."""
    return [
        Change(
            (d.older, d.newer),
            ChangeKind.NAME_ADDED if d.sign == "+" else ChangeKind.NAME_REMOVED,
            "",
            transport,
            d.record.name,
            "" if d.sign == "+" else d.record.name,
            d.record.name if d.sign == "+" else "",
        )
        for d in deltas
        if d.sign in "+-" and not d.record.number
        for transport in (d.record.transports.split() or [""])
    ]
