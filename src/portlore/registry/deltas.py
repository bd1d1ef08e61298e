"""The differences between neighbouring snapshots, row by row: the table from which every past state is rebuilt.

A heading per pair of snapshots, then one line per difference::

    @  2013-02-18  2015-01-09
    -  <record>                                      a row that went
    +  502  tcp udp  mbap                            a row that came; what it says stands in the state after
    ~  465  tcp  urd  assignee  before  after        one column of a row that stayed

The list of 2005 has four columns only, so that first step compares those four; going back to it cuts the others.
"""

from __future__ import annotations

from portlore.errors import DataError
from portlore.registry.record import COLUMNS, Record, format_record, merge, order, parse_record, split
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Key = tuple[str, str, str, int]  # number, transport, name, and which of several such rows

FLAT_DATE = "2005-12-22"  # the flat list, the oldest state there is
KEY = 3  # number, transports, name
ASK = "reading the registry's history"
DO = "reinstall portlore"


class Delta(Value):
    """One difference. ``sign``: ``-`` ``+`` ``~``; ``column``, ``before``, ``after`` only for ``~``."""

    older: str
    newer: str
    sign: str
    record: Record
    column: str = ""
    before: str = ""
    after: str = ""


def format_delta(delta: Delta) -> str:
    """A delta as a line, without its dates."""
    record = delta.record
    if delta.sign == "-":
        return f"-\t{format_record(record)}"
    cells = (delta.sign, record.number, record.transports, record.name, delta.column, delta.before, delta.after)
    return "\t".join(cells).rstrip("\t")


def parse_delta(line: str, older: str, newer: str) -> Delta:
    """A line as a delta between two days; :class:`DataError` when it has no such form."""
    sign, _, rest = line.partition("\t")
    cells = [*rest.split("\t"), "", "", ""]
    try:
        if sign == "~":
            return Delta(older, newer, sign, Record(*cells[:KEY]), *cells[KEY : KEY + 3])
        if sign == "+":
            return Delta(older, newer, sign, Record(*cells[:KEY]))
        if sign == "-":
            return Delta(older, newer, sign, parse_record(rest))
    except TypeError:
        pass
    raise DataError(ASK, f"a line that is no difference: {line[:60]!r}", DO)


def flat(record: Record) -> Record:
    """The four columns that the list of 2005 has."""
    return Record(record.number, record.transports, record.name, record.description)


def _keyed(records: Iterable[Record]) -> dict[Key, Record]:
    """Every row, one transport each, under its identity; the last part tells apart rows with the same one."""
    keyed: dict[Key, Record] = {}
    for record in records:
        for single in split(record):
            copy = 0
            while (key := (single.number, single.transports, single.name, copy)) in keyed:
                copy += 1
            keyed[key] = single
    return keyed


def deltas_between(older: str, before: Iterable[Record], newer: str, after: Iterable[Record]) -> list[Delta]:
    """What changed from one state to the next, merged over transports, in the table's order."""
    old, new = _keyed(before), _keyed(after)
    if older == FLAT_DATE:
        new = {key: flat(record) if key in old else record for key, record in new.items()}
    found: list[Delta] = []
    gone = [old[key] for key in old if key not in new]
    come = [new[key] for key in new if key not in old]
    found += [Delta(older, newer, "-", record) for record in merge(sorted(gone, key=order))]
    come_keys = (Record(r.number, r.transports, r.name) for r in sorted(come, key=order))
    found += [Delta(older, newer, "+", record) for record in merge(come_keys)]
    changed: dict[tuple[str, str, str, str, str], list[Record]] = {}
    for key in new:
        if key in old and old[key] != new[key]:
            for column in COLUMNS[KEY:]:
                a, b = getattr(old[key], column), getattr(new[key], column)
                if a != b:
                    changed.setdefault((key[0], key[2], column, a, b), []).append(new[key])
    for (number, name, column, a, b), rows in changed.items():
        transports = " ".join(row.transports for row in rows)
        found.append(Delta(older, newer, "~", Record(number, transports, name), column, a, b))
    return sorted(found, key=lambda delta: (*order(delta.record), delta.sign != "-", delta.column))


def undo(records: Iterable[Record], *steps: Iterable[Delta]) -> list[Record]:
    """The state before some steps, newest first, from the state after them; rows stay in order.

    Works on a part of the state too (the rows that cover one port), given the deltas that touch that part.
    """
    keyed = _keyed(records)
    oldest = ""
    for step in steps:
        for delta in step:
            oldest = delta.older
            for single in split(delta.record):
                _undo_one(keyed, delta, single)
    rows = list(keyed.values())
    return [flat(row) for row in rows] if oldest == FLAT_DATE else rows


def _undo_one(keyed: dict[Key, Record], delta: Delta, single: Record) -> None:
    copies = list(_copies(keyed, (single.number, single.transports, single.name, 0)))
    if delta.sign == "-":
        keyed[single.number, single.transports, single.name, len(copies)] = single
    elif copies and delta.sign == "+":
        del keyed[copies[-1]]
    elif copies:
        column = delta.column
        match = next((key for key in copies if getattr(keyed[key], column) == delta.after), copies[0])
        keyed[match] = keyed[match].replace(**{column: delta.before})


def _copies(keyed: dict[Key, Record], key: Key) -> Iterator[Key]:
    while key in keyed:
        yield key
        key = (*key[:3], key[3] + 1)
