"""What another form cannot hold of a directory, as text beside it, so that nothing is lost. Pure.

A form derives properties from what it holds (``homeDirectory`` is ``home``). Whatever of a directory is not among those
is written as a line each: ``4 home=/a,/b`` is the property at place 4 (from 0) with two values, ``4 home`` one without
any, ``- realname=ann`` says that a derived property with these values is not there. Where the derived ones stand in
another order than the form gives them, their names in order are told too. So the form's own words stay the truth:
whoever changes ``homeDirectory`` there has changed ``home`` here.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from portlore.errors import ParseError
from portlore.oncrpc.xdr import U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Pair = tuple[bytes, tuple[bytes, ...]]  # a property: its name and its values; quicker than a Value where there are many

SPECIAL = re.compile(rb"[^\x20-\x7e]|[%,=]")
SPECIAL_NAME = re.compile(rb"[^\x21-\x7e]|[%,=]")
LINE = re.compile(r"(-|[0-9]{1,5}) ([^ ,=]*)(?:=(.*))?", re.DOTALL)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def quote_name(name: bytes) -> str:
    """A name without blanks and signs, the others as ``%2C``."""
    return SPECIAL_NAME.sub(_escaped, name).decode("ascii")


_known: dict[Pair, str] = {}  # what most directories of a domain have in common is quoted once
MOST_KNOWN, LONGEST_KNOWN = 1024, 64  # of them, characters of each


def _quoted(one: Pair) -> str:
    text = _known.get(one)
    if text is None:
        name, values = one
        text = quote_name(name)
        if values:
            text += "=" + b",".join([SPECIAL.sub(_escaped, value) for value in values]).decode("ascii")
        if len(_known) < MOST_KNOWN and len(text) < LONGEST_KNOWN:
            _known[one] = text
    return text


_orders: dict[tuple[bytes, ...], str] = {}


def _order(names: tuple[bytes, ...]) -> str:
    text = _orders.get(names)
    if text is None:
        text = " ".join([quote_name(name) for name in names])
        if len(_orders) < MOST_KNOWN and len(text) < MOST_KNOWN:
            _orders[names] = text
    return text


def pairs_of(data: bytes) -> list[Pair]:
    """The properties that are encoded in a directory's ``data``."""
    number = U32.unpack_from
    found = []
    at = 4
    for _ in range(number(data)[0]):
        begin = at + 4
        end = begin + number(data, at)[0]
        at = begin + ((end - begin + 3) & ~3)
        name = data[begin:end]
        values = []
        (count,) = number(data, at)
        at += 4
        for _ in range(count):
            begin = at + 4
            end = begin + number(data, at)[0]
            at = begin + ((end - begin + 3) & ~3)
            values.append(data[begin:end])
        found.append((name, tuple(values)))
    return found


def residue(wanted: Sequence[Pair], derived: Sequence[Pair]) -> tuple[str, list[str]]:
    """The order and the lines that make ``wanted`` out of what a form derives; both empty where that is enough.

    ``derived`` has every name once.
    """
    found = dict(derived)
    kept: list[bytes] = []
    lines = []
    for place, one in enumerate(wanted):
        name = one[0]
        if name in found and found[name] == one[1]:
            del found[name]
            kept.append(name)
        else:
            lines.append(f"{place} {_quoted(one)}")
    lines += [f"- {_quoted(one)}" for one in found.items()]
    given = [name for name, _ in derived if name not in found]
    return (_order(tuple(kept)) if kept != given else ""), lines


def restored(derived: Sequence[Pair], order: str, lines: Iterable[str], where: str) -> list[Pair]:
    """The inverse of :func:`residue`, whatever has changed meanwhile; :class:`ParseError` for a line that is none."""
    placed: list[tuple[int, Pair]] = []
    absent = set()
    for line in lines:
        found = LINE.fullmatch(line)
        if found is None:
            do = "write them as `portlore netinfo export` does"
            raise ParseError(f"reading {where}", f"{line[:60]!r} is no property", do)
        values = () if found[3] is None else tuple([unquote_to_bytes(value) for value in found[3].split(",")])
        one = (unquote_to_bytes(found[2]), values)
        if found[1] == "-":
            absent.add(one)
        else:
            placed.append((int(found[1]), one))
    rest = [one for one in derived if one not in absent] if absent else list(derived)
    if order:
        places = {unquote_to_bytes(name): place for place, name in enumerate(order.split(" "))}
        rest.sort(key=lambda one: places.get(one[0], len(places)))
    placed.sort(key=lambda pair: pair[0])
    for place, one in placed:
        rest.insert(place, one)
    return rest
