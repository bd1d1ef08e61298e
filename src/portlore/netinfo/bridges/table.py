"""The form ``csv``: a property a row, for spreadsheets and scripts (RFC 4180). Pure.

The columns: id, instance, parent and place of the directory, its path (for eyes alone), the property's name, its
values. A directory without properties has one row that ends with its path. Signs that spreadsheets or terminals would
take for more than text, and bytes that are no UTF-8, stand as in addresses of the web: ``%3D`` for a first ``=``.
"""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import unquote_to_bytes

from portlore.errors import ParseError
from portlore.netinfo.bridges import Told
from portlore.netinfo.bridges.nodes import Node, checked, domain_of, paths
from portlore.netinfo.bridges.residue import pairs_of
from portlore.netinfo.exchange import FULL
from portlore.netinfo.values import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.domain import Domain

HEAD = ("id", "instance", "parent", "place", "path", "property", "values")
FIXED = 5  # columns before the property
SPECIAL = re.compile(r"[%\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^[=+@-]|^ | \Z")
LONGEST_CELL = (1 << 31) - 1  # of the csv module's own limit: a path has many names, of which each sign may take three
DO = "give the table that `portlore netinfo export --to csv` writes"


def _cell(value: bytes) -> str:
    text = value.decode("utf-8", "surrogateescape")
    return SPECIAL.sub(lambda found: _escaped(found[0]), text)


def _escaped(sign: str) -> str:
    return "".join([f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogateescape")])


def write(domain: Domain, _: Options) -> Iterator[str]:
    """The table, row by row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEAD)
    for number, place, path in paths(domain):
        one = domain.directories[number]
        shown = SPECIAL.sub(lambda found: _escaped(found[0]), path)
        fixed = (number, one.instance, one.parent, place, shown)
        pairs = pairs_of(one.data)
        for name, values in pairs:
            writer.writerow((*fixed, _cell(name), *map(_cell, values)))
        if not pairs:
            writer.writerow(fixed)
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def read(source: Iterable[bytes], options: Options) -> Told:
    """The domain that a table tells; :class:`ParseError` names the line."""
    asked = f"reading {options.where}"
    at = 0

    def refuse(found: str) -> NoReturn:
        raise ParseError(asked, f"line {at}: {found}", DO)

    def lines() -> Iterator[str]:
        for line in source:
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                refuse("it is not UTF-8")

    reader = csv.reader(lines(), strict=True)
    before = csv.field_size_limit(LONGEST_CELL)  # the process's, not the reader's: given back below
    nodes: dict[int, Node] = {}
    parents: dict[int, int] = {}
    given: dict[int, list[Pair]] = {}
    try:
        for row in reader:
            at = reader.line_num
            if at == 1 or not row:
                if at == 1 and tuple(row[:FIXED]) != HEAD[:FIXED]:
                    refuse("the first row is not the head of such a table")
                continue
            numbers = [int(text) for text in row[:4] if text.isascii() and text.isdigit() and len(text) < 11]
            if len(numbers) != 4 or len(row) < FIXED or max(numbers) > FULL:
                refuse("it does not begin with the four numbers of a directory")
            number, instance, parent, place = numbers
            if number not in nodes:
                nodes[number], parents[number] = Node(id=number, instance=instance, place=place), parent
                given[number] = []
            elif parents[number] != parent:
                refuse(f"directory {number} has another parent than before")
            if len(row) > FIXED:
                given[number].append((_bytes(row[FIXED]), tuple([_bytes(cell) for cell in row[FIXED + 1 :]])))
    except csv.Error as error:
        at = reader.line_num
        refuse(str(error))
    finally:
        csv.field_size_limit(before)
    if ROOT not in nodes:
        raise ParseError(asked, "no directory 0, the root", DO)
    for number, one in nodes.items():
        one.properties = checked(given[number], f"directory {number}")
        if number != ROOT:
            if parents[number] not in nodes:
                raise ParseError(asked, f"directory {number} has the parent {parents[number]}, which is not there", DO)
            nodes[parents[number]].children.append(one)
    domain = domain_of(nodes[ROOT])
    if len(domain.directories) != len(nodes):
        raise ParseError(asked, "some directories are their own ancestors", DO)
    return Told(domain)


def _bytes(cell: str) -> bytes:
    return unquote_to_bytes(cell) if "%" in cell else cell.encode()
