"""Edge: what changes in a domain, found out by asking its server, of whatever age, again and again (SPEC 2.4, 3.1).

A server tells a checksum of all instances; every directory tells its own. So one call says whether anything changed,
one for each directory which, and only those are read again. Who it was, no server tells.
"""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.handle import NODIR, decoded, ni_id, read_entry, read_id
from portlore.netinfo.history import SEEN, Change
from portlore.netinfo.values import ROOT, NiId
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.netinfo.handle import Handle

    Mirror = dict[int, "Seen"]

SELF, CREATE, DESTROY, READ, WRITE, CHILDREN = 3, 5, 6, 7, 8, 9
GONE = (NODIR, 1)  # what servers say of a directory that is not there: NODIR, of old BADID
TRIES = 5  # readings, while others write
CHECKSUM = b"checksum"  # in place of a password: tell that alone


class Seen(Value):
    """A directory as it was read: its instance, parent, properties as XDR, children."""

    instance: int
    parent: int
    data: bytes
    children: tuple[int, ...]


def checksum(handle: Handle) -> int:
    """The checksum that a server tells; the handle has no password afterwards."""
    handle.set_password(CHECKSUM)
    try:
        given = handle.statistics()
    finally:
        handle.set_password(None)
    value = given[0].values[0] if given and given[0].values else b""
    return int(value) if value.isdigit() else 0


def sum_of(mirror: Mirror) -> int:
    """The checksum of what was read (SPEC 3.1)."""
    return sum((number + 1) * one.instance for number, one in mirror.items()) & 0xFFFF_FFFF


def look(handle: Handle, old: Mirror, told: int) -> Mirror:
    """A domain as it is now, read as far as it differs from what is known; ``told``: the checksum it should have.

    While others write, what is read may be older here and newer there; the next look mends that.
    """
    new = old
    for _ in range(TRIES):
        new = _refreshed(handle, new) if new else _walked(handle, {ROOT: ROOT}, {})
        if sum_of(new) == told:
            break
        told = checksum(handle)
    return new


def _refreshed(handle: Handle, old: Mirror) -> Mirror:
    instances = dict(_selves(handle, old))
    changed = {number: one.parent for number, one in old.items() if instances.get(number, one.instance) != one.instance}
    new = {number: one for number, one in old.items() if number in instances}
    _walked(handle, changed, new)
    doubtful = [  # where a child may be another one under the same number and instance
        number for number in changed if number in new and not _accounted(old[number], new[number])
    ]
    again = {child: number for number in doubtful for child in new[number].children if child not in changed}
    _walked(handle, again, new)
    return _reached(new)


def _accounted(old: Seen, new: Seen) -> bool:
    """Whether a parent's instance grew by as many changes as are to be seen: no child was swapped for another."""
    seen = len(set(old.children) ^ set(new.children)) + (old.data != new.data)
    return new.instance - old.instance == seen


def _selves(handle: Handle, numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Numbers and instances of the directories that are still there."""
    for results in handle.connection.calls([(SELF, ni_id(NiId(number, 0))) for number in numbers]):
        try:
            found = decoded(results, read_id)
        except NetInfoError as refusal:
            if refusal.status not in GONE:
                raise
            continue
        yield found.object, found.instance


def _walked(handle: Handle, wanted: dict[int, int], found: Mirror) -> Mirror:
    """Read directories, by their parents, and all below them that nobody has read yet."""
    while wanted:
        entries = handle.connection.calls([(READ, ni_id(NiId(number, 0))) for number in wanted])
        below = handle.children_many(wanted)
        more: dict[int, int] = {}
        for (number, parent), results, children in zip(wanted.items(), entries, below, strict=True):
            try:
                entry = decoded(results, read_entry)
            except NetInfoError as refusal:
                if refusal.status not in GONE:
                    raise
                found.pop(number, None)
                continue
            found[number] = Seen(entry.id.instance, parent, encoded(entry.properties), children or ())
            more |= {child: number for child in children or () if child not in found}
        wanted = more
    return found


def _reached(mirror: Mirror) -> Mirror:
    """What stands below the root."""
    waiting, kept = [ROOT], {}
    while waiting:
        number = waiting.pop()
        if number in mirror and number not in kept:
            kept[number] = mirror[number]
            waiting += mirror[number].children
    return kept


def changes(old: Mirror, new: Mirror, at: float) -> Iterator[Change]:
    """What differs between two looks, seen at a time: what is gone, what is new, what was written."""
    swapped = {number for number in old.keys() & new.keys() if _is_another(old[number], new[number])}
    for number in sorted((old.keys() - new.keys()) | swapped, reverse=True):
        yield _change(old, number, DESTROY, at, old[number].data, None)
    for number in sorted((new.keys() - old.keys()) | swapped):
        yield _change(new, number, CREATE, at, None, new[number].data)
    for number in sorted(old.keys() & new.keys() - swapped):
        if old[number].data != new[number].data:
            yield _change(old, number, WRITE, at, old[number].data, new[number].data)


def _is_another(old: Seen, new: Seen) -> bool:
    """Whether a number is another directory's by now: an instance only grows."""
    return old.parent != new.parent or new.instance < old.instance


def _change(
    mirror: Mirror, number: int, procedure: int, at: float, before: bytes | None, after: bytes | None
) -> Change:
    one = mirror[number]
    siblings = mirror[one.parent].children if one.parent in mirror else ()
    place = siblings.index(number) if number in siblings else 0
    path = _path(mirror, number)
    return Change(at, SEEN, procedure, b"", "", 0, number, one.parent, place, path, before, after)


def _path(mirror: Mirror, number: int) -> bytes:
    from portlore.netinfo.domain import Directory, Domain
    from portlore.netinfo.history import path_of

    above: dict[int, Directory] = {}
    here = number
    while here in mirror and here not in above:
        one = mirror[here]
        above[here] = Directory(here, one.instance, one.parent, one.data, [], 0)
        here = one.parent
    return path_of(Domain(above.values()), mirror[number].parent, number, mirror[number].data)
