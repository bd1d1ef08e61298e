"""A record of a ``Store.N`` file, both ways (SPEC 6.2): one directory. Pure.

Everything is big-endian; strings carry their type, their length and a NUL, without padding. Properties whose name
begins with ``_`` stand behind the others, without it; ``ni_attribute_order`` tells where each belongs.
"""

from __future__ import annotations

from struct import Struct, error

from portlore.netinfo.coding import LONGEST_NAME, MOST_IDS, MOST_NAMES, MOST_PROPERTIES
from portlore.oncrpc.xdr import U32, opaque, uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.domain import Directory

RECORD = 256  # the type of a slot that is taken; 0 is free
GRAIN = 32  # slots are multiples of it
STRING, UTF8, INT32 = 6, 7, 3
NUMBERS = (2, 3, 4, 253)  # types of four bytes: bool, int32, uint32, directory id
ORDER = b"ni_attribute_order\0"
HIGHEST = 0xFFFF_FFFD  # of ids: SELF has a use of its own for the last two
HEAD = Struct(">7I")  # type, length, dsid, serial, version, parent, number of children
_PREFIX = Struct(">2I")  # of a string or number: type, length
_POSITION = Struct(">3I")
_head, _pair, _number = HEAD.unpack_from, _PREFIX.unpack_from, U32.unpack_from


class Broken(Exception):
    """Bytes that are no record, and why."""


class Raw:
    """A directory as it was read: like a domain's, with ``doubts``, and with the ``end`` of its bytes."""

    __slots__ = ("children", "data", "doubts", "end", "id", "instance", "parent", "version")

    def __init__(self, id: int, instance: int, parent: int, data: bytes, children: list[int], version: int) -> None:  # noqa: A002
        self.id, self.instance, self.parent = id, instance, parent
        self.data, self.children, self.version = data, children, version
        self.doubts: list[str] = []
        self.end = 0


def slot_size(length: int) -> int:
    """The size of the slot that a record of a length stands in."""
    return (length + 8 + GRAIN - 1) & -GRAIN


def unpack_record(data: bytes, at: int, end: int) -> Raw:
    """The record that begins at a byte and ends before another; its type and length are not looked at. Or Broken."""
    try:
        return _unpacked(data, at, end)
    except error:
        raise Broken("it ends in the middle of a record") from None


def _unpacked(data: bytes, at: int, end: int) -> Raw:
    _, _, number, instance, version, parent, many = _head(data, at)
    at += HEAD.size
    if many > MOST_IDS or at + 4 * many + 4 > end:
        raise Broken(f"it names {many:,} children, which do not fit in")
    if number > HIGHEST:
        raise Broken(f"its id is {number}, which no directory can have")
    children = list(Struct(f">{many}I").unpack_from(data, at))
    raw = Raw(number, instance, parent, b"", children, version)
    at += 4 * many
    encoded: list[bytes] = []
    order: list[int] = []
    for prefix in (b"", b"_"):
        (count,) = _number(data, at)
        at += 4
        for place in range(count):
            start = at
            key, at = _text(data, at, end, raw)
            (values,) = _number(data, at)
            at += 4
            if prefix and place == count - 1 and key == ORDER[:-1]:
                found = _positions(data, at, values)
                if found is not None:
                    order, at = found
                    continue
            if values > MOST_NAMES:
                raise Broken(f"a property at byte {start} has {values:,} values")
            parts = [opaque(prefix + key), uint(values)]
            for _ in range(values):
                value, at = _text(data, at, end, raw)
                parts.append(opaque(value))
            encoded.append(b"".join(parts))
    if at > end:
        raise Broken("it ends in the middle of a record")
    if len(encoded) > MOST_PROPERTIES:
        raise Broken(f"it has {len(encoded):,} properties, more than can be sent")
    if order:
        if sorted(order) == list(range(len(encoded))):
            encoded = [one for _, one in sorted(zip(order, encoded, strict=True))]
        else:
            raw.doubts.append("the order of its properties is not known: its ni_attribute_order makes no sense")
    raw.end = at
    raw.data = uint(len(encoded)) + b"".join(encoded)
    return raw


def _text(data: bytes, at: int, end: int, raw: Raw) -> tuple[bytes, int]:
    """A string, and where it ends; of other types what a reader can make of them, with a doubt."""
    kind, size = _pair(data, at)
    begin = at + 8
    stop = begin + size
    if stop > end:
        raise Broken(f"a string of {size:,} bytes at byte {at} does not fit in")
    if size > LONGEST_NAME + 1:
        raise Broken(f"a string of {size:,} bytes at byte {at} is longer than can be sent")
    text = data[begin:stop]
    if kind in (STRING, UTF8) and text.find(0) == size - 1 != -1:
        return text[:-1], stop
    if kind not in (STRING, UTF8) and not (text[-1:] == b"\0" and text.count(0) == 1):
        raw.doubts.append(f"a value of type {kind} stands where a string should")
        if kind in NUMBERS and size == 4:
            return b"%d" % int.from_bytes(text, "big", signed=kind == INT32), stop
        return text.partition(b"\0")[0], stop
    if kind not in (STRING, UTF8):
        raw.doubts.append(f"a string has type {kind}")
    elif text[-1:] != b"\0":
        raw.doubts.append("a string does not end in a NUL")
    else:
        raw.doubts.append("a string has a NUL in it, and ends there")
    return text.partition(b"\0")[0][:LONGEST_NAME], stop


def _positions(data: bytes, at: int, count: int) -> tuple[list[int], int] | None:
    """The numbers of ni_attribute_order, and where they end; ``None`` where they are no numbers."""
    if count > MOST_PROPERTIES or not count or at + count * _POSITION.size > len(data):
        return None
    found = []
    for _ in range(count):
        kind, size, number = _POSITION.unpack_from(data, at)
        if (kind, size) != (INT32, 4):
            return None
        found.append(number)
        at += _POSITION.size
    return found, at


def pack_record(one: Directory, version: int) -> bytes:
    """A directory as a slot, padding and all."""
    given = one.properties
    plain = [place for place, each in enumerate(given) if not each.name.startswith(b"_")]
    metas = [place for place, each in enumerate(given) if each.name.startswith(b"_")]
    order = plain + metas
    moved = order != sorted(order)
    parts = [uint(len(plain))]
    for number, place in enumerate(order):
        if number == len(plain):
            parts.append(uint(len(metas) + moved))
        each = given[place]
        parts += [_string(each.name.removeprefix(b"_") if number >= len(plain) else each.name), uint(len(each.values))]
        parts += map(_string, each.values)
    if not metas:
        parts.append(uint(0))
    if moved:
        parts += [_PREFIX.pack(STRING, len(ORDER)), ORDER, uint(len(order))]
        parts += [_POSITION.pack(INT32, 4, place) for place in order]
    body = b"".join(parts)
    length = HEAD.size - 8 + 4 * len(one.children) + len(body)
    head = HEAD.pack(RECORD, length, one.id, one.instance, version, one.parent, len(one.children))
    children = Struct(f">{len(one.children)}I").pack(*one.children)
    return (head + children + body).ljust(slot_size(length), b"\0")


def _string(text: bytes) -> bytes:
    return _PREFIX.pack(STRING, len(text) + 1) + text + b"\0"
