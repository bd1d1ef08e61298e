"""What every upstream form is turned into: dated records, free of mail addresses and of repeated boilerplate."""

from __future__ import annotations

import re
from datetime import date

from portlore.errors import ParseError
from portlore.model import LAST_PORT, Transport
from portlore.registry.record import Record
from portlore.value import Value

MAIL = re.compile(r"(?:mailto:)?[\w.+-]+(?:@|&(?:amp;)?)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
BOILERPLATE = re.compile(
    r'\s*IANA assigned this well-formed service name as a replacement for\s+"[^"]*"\.?\s*', re.IGNORECASE
)
ALIAS = re.compile(r'This (?:entry )?is an? (?:alias to|duplicate of the)\s+"([^"]+)"')
NUMBER = re.compile(r"(0|[1-9]\d{0,4})(?:-(0|[1-9]\d{0,4}))?", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Reading(Value):
    """A registry file, read whole: its date (``YYYY-MM-DD``, empty where the form has none), rows, organisations.

    ``organisations`` maps the identifiers of persons to the organisation that the registry names for them.
    """

    date: str
    records: tuple[Record, ...]
    organisations: tuple[tuple[str, str], ...] = ()


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar, ``YYYY-MM-DD``."""
    try:
        return bool(DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def squeeze(text: str | None) -> str:
    """One line of text: white space folded, control characters and mail addresses gone."""
    if not text:
        return ""
    text = " ".join(CONTROL.sub(" ", text).split())
    return MAIL.sub("", text).strip() if "@" in text or "&" in text else text


def record_of(cells: dict[str, str], where: str) -> Record:
    """A record from the twelve cells of a row, named as in the CSV; :class:`ParseError` says which row is wrong."""
    number = cells.get("number", "").strip()
    if number:
        match = NUMBER.fullmatch(number)
        if match is None:
            raise ParseError(
                "reading a registry file", f"{where}: {number[:40]!r} is not a port or range", "get it again"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= LAST_PORT:
            raise ParseError("reading a registry file", f"{where}: no such ports: {number}", "get it again")
    transport = cells.get("transport", "").strip().lower()
    if transport and transport not in Transport.__members__.values():
        raise ParseError("reading a registry file", f"{where}: unknown transport {transport[:40]!r}", "get it again")
    note, unauthorized = squeeze(cells.get("note")), squeeze(cells.get("unauthorized_use"))
    marks = []
    if alias := ALIAS.search(note):
        marks.append(f"alias={alias[1].replace(' ', '')}")
    if "unassigned but widespread" in note:
        marks.append("widespread")
    if note:
        marks.append("note")
    if unauthorized:
        marks.append("unauthorized")
    return Record(
        number=number,
        transports=transport,
        name=squeeze(cells.get("name")),
        description=BOILERPLATE.sub("", squeeze(cells.get("description"))),
        assignee=squeeze(cells.get("assignee")),
        contact=squeeze(cells.get("contact")),
        registered=squeeze(cells.get("registered")),
        modified=squeeze(cells.get("modified")),
        reference=squeeze(cells.get("reference")),
        service_code=squeeze(cells.get("service_code")),
        marks=" ".join(marks),
        unauthorized_use=unauthorized,
        note=note,
    )
