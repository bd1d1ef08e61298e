"""One row of the registry and its line in our table.

A line holds the columns of :class:`Record`, tab separated, trailing empty columns cut. Neighbouring rows that differ
only in their transport share a line (``tcp udp``). No mail address and no prose note stands in a shipped line:
``marks`` says that the registry has one, and ``update`` adds the text as two more columns.
"""

from __future__ import annotations

from portlore.model import Transport
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = (
    "number",
    "transports",
    "name",
    "description",
    "assignee",
    "contact",
    "registered",
    "modified",
    "reference",
    "service_code",
    "marks",
    "unauthorized_use",
    "note",
)
BOTH = ("tcp", "udp")
SAME = "="  # contact equal to the assignee: four rows in five


class Record(Value):
    """A registry row. ``number``: as written, or empty; ``transports``: blank separated, empty when the row has none.

    ``marks``, blank separated: ``note`` and ``unauthorized`` (the registry has such text), ``alias=NAME`` (an alias or
    duplicate of that service), ``widespread`` (the registry calls it an unassigned but widespread use).
    """

    number: str
    transports: str = ""
    name: str = ""
    description: str = ""
    assignee: str = ""
    contact: str = ""
    registered: str = ""
    modified: str = ""
    reference: str = ""
    service_code: str = ""
    marks: str = ""
    unauthorized_use: str = ""
    note: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """First and last port; ``(-1, -1)`` for a service name without a port."""
        if not self.number:
            return (-1, -1)
        first, _, last = self.number.partition("-")
        return int(first), int(last or first)

    @property
    def applies_to(self) -> tuple[str, ...]:
        """The transports it speaks of; a row without a transport means TCP and UDP, not SCTP or DCCP."""
        return tuple(self.transports.split()) if self.transports else BOTH

    @property
    def alias_of(self) -> str | None:
        """The service this row repeats under another name."""
        for mark in self.marks.split():
            if mark.startswith("alias="):
                return mark[6:]
        return None

    def without_prose(self) -> Record:
        """The row as it is shipped: flags instead of the registry's prose."""
        return self.replace(unauthorized_use="", note="") if self.note or self.unauthorized_use else self


def format_record(record: Record) -> str:
    """A record as a line of the table."""
    values = [getattr(record, column) for column in COLUMNS]
    if values[5] and values[5] == values[4]:
        values[5] = SAME
    return "\t".join(values).rstrip("\t")


def parse_record(line: str) -> Record:
    """A line of the table as a record; ``TypeError`` for more columns than there are, which readers translate."""
    values = line.split("\t")
    if len(values) > 5 and values[5] == SAME:
        values[5] = values[4]
    return Record(*values)


def merge(records: Iterable[Record]) -> Iterator[Record]:
    """Neighbours that differ only in transport become one record, ``tcp udp``."""
    held: Record | None = None
    for record in records:
        if (
            held is not None
            and record.transports
            and held.transports
            and record.transports not in held.transports.split()
            and record.number == held.number
            and record.name == held.name
            and record.replace(transports=held.transports) == held
        ):
            held = held.replace(transports=f"{held.transports} {record.transports}")
            continue
        if held is not None:
            yield held
        held = record
    if held is not None:
        yield held


def split(record: Record) -> Iterator[Record]:
    """One record per transport that it names, the opposite of :func:`merge`."""
    names = record.transports.split()
    if len(names) < 2:
        yield record
    else:
        for name in names:
            yield record.replace(transports=name)


def order(record: Record) -> tuple[int, int, str, int]:
    """Sort key of the table: by port, then range, then name, then transport; names without a port last."""
    first, last = record.span
    transports = record.transports.split()
    place = list(Transport).index(Transport(transports[0])) if transports else -1
    return (first if first >= 0 else 1 << 17, last, record.name, place)
