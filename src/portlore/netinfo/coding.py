"""NetInfo's types as XDR (the protocol's ni_prot), both ways. Pure."""

from __future__ import annotations

from portlore.netinfo.values import Property
from portlore.oncrpc.xdr import U32, Reader, XdrError, opaque, uint, uints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.values import Properties

LONGEST_NAME = 65535
MOST_NAMES = MOST_PROPERTIES = 65535
MOST_IDS = 1_048_576
_number = U32.unpack_from


def read_name(reader: Reader) -> bytes:
    """A name or value: cut at a NUL, as the original's strings are."""
    text = reader.opaque(LONGEST_NAME)
    return text if b"\0" not in text else text[: text.index(b"\0")]


def read_names(reader: Reader) -> tuple[bytes, ...]:
    """A list of values."""
    return tuple([read_name(reader) for _ in range(reader.count(MOST_NAMES))])


def read_property(reader: Reader) -> Property:
    """A name with its values."""
    return Property(read_name(reader), read_names(reader))


def read_properties(reader: Reader) -> Properties:
    """A property list."""
    return tuple([read_property(reader) for _ in range(reader.count(MOST_PROPERTIES, 8))])


def read_ids(reader: Reader) -> tuple[int, ...]:
    """A list of directory ids."""
    return tuple([reader.uint() for _ in range(reader.count(MOST_IDS))])


def names(values: tuple[bytes, ...]) -> bytes:
    """A list of values as XDR."""
    return uint(len(values)) + b"".join(map(opaque, values))


def properties(many: Properties) -> bytes:
    """A property list as XDR."""
    return uint(len(many)) + b"".join([opaque(one.name) + names(one.values) for one in many])


def ids(many: tuple[int, ...] | list[int]) -> bytes:
    """A list of directory ids as XDR."""
    return uints(many)


def decode_properties(data: bytes) -> Properties:
    """The inverse of :func:`properties`; :class:`XdrError` when something follows."""
    reader = Reader(data)
    found = read_properties(reader)
    if reader.at != reader.end:
        raise XdrError("decoding properties", f"{reader.end - reader.at} bytes more", "store what was encoded")
    return found


def first_values(data: bytes, name: bytes, *, filled: bool = False) -> tuple[bytes, ...] | None:
    """The values of the first property of a name in encoded properties, without decoding the others.

    ``filled``: of the first that has any.
    """
    if name not in data:  # quicker than looking at every property
        return None
    length, at = len(name), 4
    (count,) = _number(data)
    for _ in range(count):
        (size,) = _number(data, at)
        begin = at + 4
        at = begin + ((size + 3) & ~3)
        (values,) = _number(data, at)
        at += 4
        if size == length and data.startswith(name, begin) and (values or not filled):
            result = []
            for _ in range(values):
                (size,) = _number(data, at)
                begin = at + 4
                result.append(data[begin : begin + size])
                at = begin + ((size + 3) & ~3)
            return tuple(result)
        for _ in range(values):
            (size,) = _number(data, at)
            at += 4 + ((size + 3) & ~3)
    return None


def masked(data: bytes, is_hidden: Callable[[bytes], bool], mask: bytes) -> bytes:
    """Encoded properties with a mask for every value that is not empty, in the properties of hidden names."""
    parts: list[bytes] = []
    kept, at = 0, 4
    (count,) = _number(data)
    for _ in range(count):
        (size,) = _number(data, at)
        begin = at + 4
        at = begin + ((size + 3) & ~3)
        hidden = is_hidden(data[begin : begin + size])
        (values,) = _number(data, at)
        at += 4
        for _ in range(values):
            (size,) = _number(data, at)
            end = at + 4 + ((size + 3) & ~3)
            if hidden and size:
                parts += data[kept:at], opaque(mask)
                kept = end
            at = end
    return b"".join(parts) + data[kept:]
