"""The open ports of a scan's result, whatever program wrote it. Pure: text in, ports out.

Read are ``portlore scan`` as JSON, NDJSON or CSV, nmap's XML (``-oX``), masscan's JSON and list (``-oJ``, ``-oL``), and
plain lists of numbers. ``web/static/atlas.js`` reads the same in the browser; a test gives both the same files.
"""

from __future__ import annotations

import csv
import json
from itertools import accumulate
from xml.parsers import expat

from portlore.atlas.layers import TRANSPORTS
from portlore.errors import InputError, ParseError
from portlore.model import LAST_PORT, PortRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

OPEN = "open"  # what portlore, nmap and masscan call it
ENDED = "{finished: 1}"  # how masscan before 1.0.4 ends its JSON, which is none
DO = "give the JSON, NDJSON or CSV of `portlore scan`, nmap -oX, masscan -oJ or -oL, or a list of ports"


def open_ports(text: str, where: str) -> frozenset[int]:
    """The ports that were open on any host; :class:`ParseError` for a text of no such form. ``where``: the file."""
    text = text.removeprefix("\ufeff").strip()
    try:
        if not text:
            raise _Wrong("it is empty")
        if text.startswith("<"):
            return frozenset(_of_nmap(text))
        if text[0] in "{[":
            return frozenset(_of_rows(_json_rows(text)))
        lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
        if not lines:
            return frozenset()
        if lines[0].split()[0] in (OPEN, "banner"):
            return frozenset(_of_masscan(lines))
        if "port" in lines[0].strip().split(","):
            return frozenset(_of_rows(csv.DictReader(text.split("\n"), strict=True)))
        return frozenset(_of_list(lines))
    except (_Wrong, expat.ExpatError, csv.Error) as error:
        raise ParseError(f"reading {where}", str(error), DO) from None


class _Wrong(Exception):
    """What is not as it should be, in words."""


def _number(value: object) -> int:
    """A port, written as a number or as digits."""
    text = str(value).strip() if isinstance(value, str) or type(value) is int else ""
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= LAST_PORT:
        return int(text)
    raise _Wrong(f"{str(value)[:24]!r} is no port")


def _json_rows(text: str) -> Iterator[Any]:
    """The objects of a JSON document, of NDJSON, or of masscan's JSON, a row a line."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        lines = [line.strip().strip(",") for line in text.split("\n")]
        rows = [line for line in lines if line not in ("", "[", "]", ENDED)]
        for line in rows or lines:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                raise _Wrong(f"neither JSON nor a line of NDJSON: {line[:24]!r}") from None
        return
    if isinstance(whole, dict) and "observations" in whole:
        whole = whole["observations"]
    yield from whole if isinstance(whole, list) else [whole]


def _of_rows(rows: Iterable[Any]) -> Iterator[int]:
    """Open ports of observations (``port``, ``transport``, ``outcome``) or of masscan's (``ports`` with ``status``)."""
    for row in rows:
        if not isinstance(row, dict):
            raise _Wrong(f"{str(row)[:24]!r} is no observation")
        ports = row.get("ports")
        for one in ports if isinstance(ports, list) else [row]:
            if not isinstance(one, dict) or "port" not in one:
                raise _Wrong("an entry without a port")
            transport = one.get("transport", one.get("proto"))
            if one.get("outcome", one.get("status")) == OPEN and transport in TRANSPORTS:
                yield _number(one["port"])


def _of_masscan(lines: Iterable[str]) -> Iterator[int]:
    for line in lines:
        cells = line.split()
        if len(cells) < 4 or cells[0] not in (OPEN, "closed", "banner"):  # state, transport, port, address
            raise _Wrong(f"no line of masscan: {line[:24]!r}")
        if cells[0] == OPEN and cells[1] in TRANSPORTS:
            yield _number(cells[2])


def _of_list(lines: Iterable[str]) -> Iterator[int]:
    """Numbers and ranges, with or without a transport, between blanks or commas.

    Only where ranges begin and end is noted: a million times 0-65535 costs no more than a million numbers.
    """
    steps = [0] * (LAST_PORT + 2)
    for line in lines:
        for word in line.partition("#")[0].replace(",", " ").split():
            ports, slash, transport = word.partition("/")
            if slash and transport not in TRANSPORTS:
                raise _Wrong(f"{word[:24]!r} is no port")
            try:
                found = PortRange.parse(ports)
            except InputError:
                raise _Wrong(f"{word[:24]!r} is no port") from None
            steps[found.first] += 1
            steps[found.last + 1] -= 1
    yield from (port for port, deep in enumerate(accumulate(steps)) if deep)


def _of_nmap(text: str) -> set[int]:
    """Open ports of nmap's XML; one that declares entities or namespaces is refused: nmap's never does.

    Python would not mind the latter, but a browser would make elements of pages from them.
    """
    found: set[int] = set()
    asked: dict[str, str] = {}
    root: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        root[:] = root or [name]
        if any(key.startswith("xmlns") for key in attributes):
            raise _Wrong("it declares a namespace")
        if name == "port":
            asked.update(attributes)
        elif name == "state" and asked:
            if attributes.get("state") == OPEN and asked.get("protocol") in TRANSPORTS:
                found.add(_number(asked.get("portid")))
            asked.clear()

    def entity(name: str, *_: object) -> None:
        raise _Wrong(f"it declares an entity, {name[:24]!r}")

    reader = expat.ParserCreate("utf-8")
    reader.StartElementHandler = begin
    reader.EntityDeclHandler = entity
    reader.Parse(text.encode("utf-8", "replace"), True)
    if root != ["nmaprun"]:
        raise _Wrong(f"XML of another kind: <{''.join(root)[:24]}>")
    return found
