"""A whole domain as JSON, ids and instances exact: what ``netinfo import`` and ``export`` read and write. Pure."""

from __future__ import annotations

import json

from portlore.errors import ParseError
from portlore.netinfo.coding import LONGEST_NAME, MOST_IDS, MOST_NAMES, MOST_PROPERTIES
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import ROOT, Record, properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DO = "give the form that `portlore netinfo export` writes"
HIGHEST, FULL = 0xFFFF_FFFD, 0xFFFF_FFFF  # of ids, as SELF has a use of its own for the last two; of instances


def parse_domain(text: str, where: str) -> Domain:
    """The domain of ``{"records": [{"id", "instance", "parent", "children", "props"}, …]}``; or :class:`ParseError`."""
    asked = f"reading the domain {where}"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(asked, f"not JSON: {error}", DO) from None
    listed = document.get("records") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ParseError(asked, 'no list "records" in it', DO)
    records: dict[int, Record] = {}
    for number, entry in enumerate(listed, 1):
        record = _record(entry)
        if record is None or record.id in records:
            raise ParseError(asked, f"record {number} is none, is beyond NetInfo's limits, or has an id twice", DO)
        records[record.id] = record
    if ROOT not in records or records[ROOT].parent != ROOT:
        raise ParseError(asked, "no record of id 0 with the parent 0, the root", DO)
    parents: dict[int, int] = {}
    for record in records.values():
        for child in record.children:
            if child not in records or child == ROOT or child in parents or records[child].parent != record.id:
                raise ParseError(asked, f"record {record.id} has a child {child} that is not its own", DO)
            parents[child] = record.id
    lost = records.keys() - parents.keys() - {ROOT}
    if lost:
        raise ParseError(asked, f"record {min(lost)} is nobody's child", DO)
    domain = Domain.of(records.values())
    if sum(1 for _ in domain.depth_first()) != len(records):
        raise ParseError(asked, "some records are their own ancestors", DO)
    return domain


def _record(entry: object) -> Record | None:
    if not isinstance(entry, dict):
        return None
    numbers = [entry.get(key) for key in ("id", "instance", "parent")]
    children, props = entry.get("children"), entry.get("props")
    if not all(_is_number(number) for number in numbers) or not isinstance(children, list):
        return None
    if not all(_is_number(child) for child in children) or not isinstance(props, list):
        return None
    for pair in props:
        right = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], list)
        if not right or not all(isinstance(text, str) and "\0" not in text for text in (pair[0], *pair[1])):
            return None
    try:
        given = properties(props)
    except UnicodeEncodeError:
        return None
    record = Record(numbers[0], numbers[1], numbers[2], given, tuple(children))  # type: ignore[arg-type]
    return record if _can_be_sent(record) else None


def _can_be_sent(record: Record) -> bool:
    """Whether a record is within the limits of SPEC 2.2: else no client could read it."""
    many = [len(record.properties) <= MOST_PROPERTIES, len(record.children) <= MOST_IDS, record.id <= HIGHEST]
    names = [one for given in record.properties for one in (given.name, *given.values)]
    return (
        all(many)
        and all(len(one.values) <= MOST_NAMES for one in record.properties)
        and all(len(name) <= LONGEST_NAME for name in names)
    )


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= FULL


def domain_json(domain: Domain) -> Iterator[str]:
    """A domain as JSON text, a record a line; bytes that are not UTF-8 stand as surrogate escapes."""
    yield f'{{"checksum": {domain.checksum}, "highestid": {max(domain.highest, 0)}, "records": ['
    between = "\n"
    for record in domain.records():
        entry: dict[str, Any] = {
            "id": record.id,
            "instance": record.instance,
            "parent": record.parent,
            "children": list(record.children),
            "props": [[_text(one.name), [_text(value) for value in one.values]] for one in record.properties],
        }
        yield between + json.dumps(entry)
        between = ",\n"
    yield "\n]}\n"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
