"""Changes of the registry: of one question, or of all ports between two days. Pure."""

from __future__ import annotations

from portlore.model import Change, PortRange, Transport
from portlore.registry.history import changes_of, service_changes
from portlore.registry.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.book import Book
    from portlore.registry.deltas import Delta
    from portlore.registry.registry import Registry


def history_of(book: Book, query: str) -> list[Change]:
    """Every recorded change of a port, a range or a name, oldest first."""
    asked = book.parse(query) if not _once_named(book, query) else None
    if asked is not None and asked.ports is not None:
        transports = [asked.transport] if asked.transport else list(Transport)
        return in_ports(book.registry, asked.ports, transports)
    name = (asked.name if asked else query.strip()) or ""
    return of_name(book.registry, name.lower())


def _once_named(book: Book, query: str) -> bool:
    wanted = query.strip().lower()
    return not wanted.isdigit() and any(delta.record.name.lower() == wanted for delta in book.registry.deltas())


def in_ports(registry: Registry, ports: PortRange, transports: Iterable[str]) -> list[Change]:
    """The changes of a range, neighbours with the same change joined."""
    found: list[tuple[int, int, Change]] = []
    for first, last in registry.touched_runs(ports.first, ports.last):
        for begin, end, _ in registry.runs(first, last):  # same differences and same rows: same changes
            for on in transports:
                found += [(begin, end, change) for change in registry.changes(begin, on)]
    return sorted_changes(_joined(found))


def _joined(found: Iterable[tuple[int, int, Change]]) -> Iterator[Change]:
    open_: dict[tuple[object, ...], tuple[int, int, Change]] = {}
    for begin, end, change in found:
        key = (change.between, change.kind, change.transport, change.name, change.before, change.after, change.field)
        held = open_.get(key)
        if held is not None and held[1] + 1 == begin:
            open_[key] = (held[0], end, held[2])
            continue
        if held is not None:
            yield held[2].replace(ports=str(PortRange(held[0], held[1])))
        open_[key] = (begin, end, change)
    for begin, end, change in open_.values():
        yield change.replace(ports=str(PortRange(begin, end)))


def of_name(registry: Registry, name: str) -> list[Change]:
    """The changes of a service name: of the ports that have or had it, and of its rows without a port."""
    deltas = registry.deltas()
    rows = registry.named(name) + [d.record for d in deltas if d.record.name.lower() == name]
    found: list[Change] = []
    for ports in sorted({row.span for row in rows if row.number}):
        changes = in_ports(registry, PortRange(*ports), list(Transport))
        found += [c for c in changes if name in (c.name.lower(), *c.before.lower().split(), *c.after.lower().split())]
    mine = [delta for delta in deltas if delta.record.name.lower() == name and not delta.record.number]
    return sorted_changes({*found, *service_changes(mine), *portless_fields(mine)})


def portless_fields(deltas: Iterable[Delta]) -> Iterator[Change]:
    """Columns that changed in rows without a port."""
    for delta in deltas:
        if delta.sign == "~" and not delta.record.number and delta.column != "marks":
            record = Record("", delta.record.transports, delta.record.name)
            for on in delta.record.transports.split() or [""]:
                yield from (change.replace(transport=on) for change in changes_of([record], [delta], on or "tcp"))


def between(book: Book, older: str, newer: str) -> list[Change]:
    """All changes after the snapshot of ``older`` up to the one of ``newer`` (``YYYY-MM-DD``), oldest first.

    The days count as the last snapshot on or before them; a day before the oldest one is an :class:`InputError`.
    """
    registry = book.registry
    first, last = registry.snapshot_on(older), registry.snapshot_on(newer)
    mine = [delta for delta in registry.deltas() if delta.newer > first and delta.newer <= last]
    changes = in_ports(registry, PortRange(0, 0xFFFF), list(Transport))
    found = [change for change in changes if change.between[0] >= first and change.between[1] <= last]
    return sorted_changes([*found, *service_changes(mine), *portless_fields(mine)])


def sorted_changes(changes: Iterable[Change]) -> list[Change]:
    """Oldest first, then by port, transport, kind and name."""
    transports = list(map(str, Transport))

    def key(change: Change) -> tuple[object, ...]:
        port = PortRange.parse(change.ports).first if change.ports else 1 << 17
        on = transports.index(change.transport) if change.transport in transports else -1
        return (change.between[1], port, on, change.kind, change.name.lower(), change.field, change.after)

    return sorted(changes, key=key)
