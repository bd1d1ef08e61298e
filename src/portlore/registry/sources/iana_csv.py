"""The registry as IANA's CSV: 12 columns (two spellings of the eleventh), or the 4 columns of the flat list of 2005."""

from __future__ import annotations

import csv
import io

from portlore.errors import ParseError
from portlore.registry.reading import Reading, is_day, record_of

COLUMNS = {  # heading: cell
    "Service Name": "name",
    "Port Number": "number",
    "Transport Protocol": "transport",
    "Description": "description",
    "Assignee": "assignee",
    "Contact": "contact",
    "Registration Date": "registered",
    "Modification Date": "modified",
    "Reference": "reference",
    "Service Code": "service_code",
    "Unauthorized Use Reported": "unauthorized_use",
    "Known Unauthorized Uses": "unauthorized_use",  # the heading until 2018
    "Known Unauthorized Use": "unauthorized_use",
    "Assignment Notes": "note",
}
REQUIRED = {"name", "number", "transport", "description"}
CELL_LIMIT = 1 << 16  # characters; the longest cell seen in any snapshot has under 2,000
ASK = "reading the registry's CSV"


def parse_csv(data: bytes, date: str = "") -> Reading:
    """The bytes of a registry CSV as a :class:`Reading`, dated ``date`` (the form itself has no date).

    :class:`ParseError` when it is not UTF-8, lacks a column, has a short or long row, or ends inside a quoted cell.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(ASK, f"byte {error.start} is not UTF-8", "get the file again") from None
    if date and not is_day(date):
        raise ParseError(ASK, f"it is dated {date[:40]!r}, which is no day", "name the file YYYY-MM-DD.csv")
    csv.field_size_limit(CELL_LIMIT)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    records = []
    try:
        heading = next(rows, [])
        cells = [COLUMNS.get(title.strip(), "") for title in heading]
        if missing := REQUIRED.difference(cells):
            raise ParseError(
                ASK, f"no column for {', '.join(sorted(missing))}", "use IANA's service-names-port-numbers.csv"
            )
        for row in rows:
            if not row:
                continue
            if len(row) != len(cells):
                found = f"line {rows.line_num} has {len(row)} cells, the heading {len(cells)}"
                raise ParseError(ASK, found, "the file is cut or damaged: get it again")
            records.append(record_of(dict(zip(cells, row, strict=True)), f"line {rows.line_num}"))
    except csv.Error as error:
        raise ParseError(ASK, f"line {rows.line_num}: {error}", "the file is cut or damaged: get it again") from None
    if records and not text.endswith("\n"):
        raise ParseError(ASK, "it ends inside a line", "the file is cut: get it again")
    if not records:
        raise ParseError(ASK, "a heading and no row", "the file is cut: get it again")
    return Reading(date, tuple(records))
