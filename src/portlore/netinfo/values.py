"""The values of NetInfo: ids, properties, directories, status words. Pure.

Names and values are bytes, as on the wire: ASCII by custom, UTF-8 later, never with a NUL.
"""

from __future__ import annotations

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Properties = tuple["Property", ...]

ROOT = 0  # the id of a domain's root directory
LAST = 0xFFFF_FFFF  # an index: at the end

STATUS = {  # ni_status: the number on the wire, its name, what the tools print
    0: ("OK", "Operation succeeded"),
    1: ("BADID", "ID is invalid"),
    2: ("STALE", "Write attempted on stale version of object"),
    3: ("NOSPACE", "No space available for write operation"),
    4: ("PERM", "Permission denied"),
    5: ("NODIR", "No such directory"),
    6: ("NOPROP", "No such property"),
    7: ("NONAME", "No such name"),
    8: ("NOTEMPTY", "Cannot delete name object with children"),
    9: ("UNRELATED", "Object is not child of parent: cannot destroy"),
    10: ("SERIAL", "Serialization error"),
    11: ("NETROOT", "Hit network root domain"),
    12: ("NORESPONSE", "No response from remote parent"),
    13: ("RDONLY", "No writes allowed: all objects are read-only"),
    14: ("SYSTEMERR", "Remote system error"),
    15: ("ALIVE", "Can't regenerate: already in use"),
    16: ("NOTMASTER", "Operation makes no sense on clone"),
    17: ("CANTFINDADDRESS", "Can't find address of server"),
    18: ("DUPTAG", "Duplicate domain tag: can't serve it"),
    19: ("NOTAG", "No such tag"),
    20: ("AUTHERROR", "Authentication error"),
    21: ("NOUSER", "No such user"),
    22: ("MASTERBUSY", "Master server is busy"),
    23: ("INVALIDDOMAIN", "Invalid domain"),
    24: ("BADOP", "Invalid operation on master"),
    9999: ("FAILED", "Communication failure"),
}
NUMBERS = {name: number for number, (name, _) in STATUS.items()}


class NiId(Value):
    """A directory's number and its instance: a counter of the directory's changes."""

    object: int
    instance: int


class Property(Value):
    """A name with its values, in order."""

    name: bytes
    values: tuple[bytes, ...]


class Record(Value):
    """One directory as it stands in a store: id, instance, parent's id, properties and children's ids in order."""

    id: int
    instance: int
    parent: int
    properties: Properties
    children: tuple[int, ...]


def properties(pairs: Iterable[tuple[str, Iterable[str]]]) -> Properties:
    """Properties from texts; bytes that are not UTF-8 stand as surrogate escapes."""
    return tuple(
        Property(name.encode("utf-8", "surrogateescape"), tuple(v.encode("utf-8", "surrogateescape") for v in values))
        for name, values in pairs
    )


def first(found: Properties, name: bytes) -> Property | None:
    """The first property of a name; ``None`` without one."""
    for one in found:
        if one.name == name:
            return one
    return None


def checksum(records: Iterable[Record]) -> int:
    """The checksum of a domain: it proves that versions are equal, not contents."""
    return sum((one.id + 1) * one.instance for one in records) & 0xFFFF_FFFF
