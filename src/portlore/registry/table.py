"""The text form of the registry that stands in git: a heading with provenance, then one line per record."""

from __future__ import annotations

from portlore.errors import DataError
from portlore.model import Snapshot
from portlore.registry.record import COLUMNS, Record, format_record, parse_record
from portlore.value import Value

TITLE = "# portlore registry table 1"
COLUMN_LINE = "#\t" + "\t".join(COLUMNS)
ASK = "reading the registry table"
DO = "run `portlore update`, or reinstall portlore"


class Table(Value):
    """A whole registry: its provenance, its records in the registry's order, organisations of persons."""

    snapshot: Snapshot
    records: tuple[Record, ...]
    organisations: tuple[tuple[str, str], ...] = ()


def format_table(table: Table) -> str:
    """A table as text; :func:`parse_table` is its inverse."""
    snapshot = table.snapshot
    head = [
        TITLE,
        f"# date\t{snapshot.date}",
        f"# sha256\t{snapshot.sha256}",
        f"# origin\t{snapshot.origin}",
        f"# licence\t{snapshot.licence}",
        *(f"# organisation\t{person}\t{organisation}" for person, organisation in table.organisations),
        COLUMN_LINE,
    ]
    return "\n".join([*head, *map(format_record, table.records), ""])


def parse_table(text: str) -> Table:
    """The text of a table; :class:`DataError` says which line is wrong."""
    lines = text.split("\n")
    if lines[0] != TITLE:
        raise DataError(ASK, f"its first line is {lines[0][:60]!r}", DO)
    meta: dict[str, str] = {}
    organisations: list[tuple[str, str]] = []
    records: list[Record] = []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if line.startswith("# organisation\t"):
            _, person, organisation = (line + "\t").split("\t")[:3]
            organisations.append((person, organisation))
        elif line.startswith("# "):
            key, _, value = line[2:].partition("\t")
            meta[key] = value
        elif not line.startswith("#"):
            try:
                records.append(parse_record(line))
            except TypeError:
                raise DataError(ASK, f"line {number} has {line.count(chr(9)) + 1} columns", DO) from None
    if "date" not in meta:
        raise DataError(ASK, "its heading has no date", DO)
    snapshot = Snapshot(meta["date"], meta.get("sha256", ""), meta.get("origin", ""), meta.get("licence", ""))
    return Table(snapshot, tuple(records), tuple(organisations))
