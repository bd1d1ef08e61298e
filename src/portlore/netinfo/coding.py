"""NetInfo's types as XDR (the protocol's ni_prot), both ways. Pure."""

from __future__ import annotations

from portlore.netinfo.values import Property
from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint, uints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.values import Properties

LONGEST_NAME = 65535
MOST_NAMES = MOST_PROPERTIES = 65535
MOST_IDS = 1_048_576


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


def first_values(data: bytes, name: bytes) -> tuple[bytes, ...] | None:
    """The values of the first property of a name in encoded properties, without decoding the others."""
    count = int.from_bytes(data[:4], "big")
    at = 4
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "big")
        found = data[at + 4 : at + 4 + size] == name
        at += 4 + ((size + 3) & ~3)
        values = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if found:
            result = []
            for _ in range(values):
                size = int.from_bytes(data[at : at + 4], "big")
                result.append(data[at + 4 : at + 4 + size])
                at += 4 + ((size + 3) & ~3)
            return tuple(result)
        for _ in range(values):
            size = int.from_bytes(data[at : at + 4], "big")
            at += 4 + ((size + 3) & ~3)
    return None
