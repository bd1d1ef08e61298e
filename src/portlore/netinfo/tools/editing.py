"""Edge: what several tools do to a directory: making paths, taking trees away, changing one property."""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.handle import CREATE, NODIR, NOPROP, creation, decoded, parse_path, read_id
from portlore.netinfo.values import NiId, Property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.client import Handle
    from portlore.netinfo.values import Properties

    Values = tuple[bytes, ...]


def create_path(handle: Handle, path: bytes) -> NiId:
    """The directory of a path, made with all that is missing above it."""
    here = handle.root()
    for key, value in parse_path(path):
        try:
            here = NiId(handle.lookup(here, key, value)[0], 0)
        except NetInfoError as refusal:
            if refusal.status != NODIR:
                raise
            here = handle.create(handle.itself(here), (Property(key, (value,)),))[0]
    return handle.itself(here)


def create_many(handle: Handle, above: NiId, many: list[Properties]) -> list[int]:
    """New directories below one, sent ahead of their replies: each counts on the writes before it."""
    instances = ((above.instance + n) & 0xFFFF_FFFF for n in range(len(many)))
    calls = [(CREATE, creation(NiId(above.object, n), given)) for n, given in zip(instances, many, strict=True)]
    return [decoded(results, read_id).object for results in handle.connection.calls(calls)]


def destroy_below(handle: Handle, one: NiId) -> NiId:
    """Take away all that is below a directory, deepest first; its id as it is then."""
    for number in handle.children(one):
        child = destroy_below(handle, NiId(number, 0))
        one = handle.destroy(handle.itself(one), child)
    return handle.itself(one)


def destroy_tree(handle: Handle, one: NiId) -> None:
    """Take a directory away with all that is below it."""
    above = handle.parent(one)
    gone = destroy_below(handle, one)
    handle.destroy(handle.itself(NiId(above, 0)), gone)


def places(handle: Handle, one: NiId, key: bytes) -> list[int]:
    """Where the properties of a name stand."""
    return [place for place, name in enumerate(handle.list_properties(one)) if name == key]


def change_values(handle: Handle, one: NiId, key: bytes, edit: Callable[[Values], Values], *, make: bool) -> None:
    """Replace the values of the first property of a name by what ``edit`` makes of them, if that is something else.

    ``make``: without one, make it of no values; otherwise it is left at that.
    """
    found = places(handle, one, key)
    if not found:
        if make:
            handle.create_property(one, Property(key, edit(())))
        return
    old = handle.read_values(one, found[0])
    new = edit(old)
    if new != old:
        handle.write_values(one, found[0], new)


def set_values(handle: Handle, one: NiId, key: bytes, values: Values) -> None:
    """Replace the values of the first property of a name, or make it."""
    found = places(handle, one, key)
    if found:
        handle.write_values(one, found[0], values)
    else:
        handle.create_property(one, Property(key, values))


def merged(old: Values, new: Values) -> Values:
    """The values of old, and those of new that are not among them, each once."""
    return (*old, *(value for value in dict.fromkeys(new) if value not in old))


def insert_value(handle: Handle, one: NiId, key: bytes, value: bytes, where: int) -> None:
    """A new value at a place; NOPROP without the property."""
    found = places(handle, one, key)
    if not found:
        raise NetInfoError(NOPROP)
    handle.create_value(one, found[0], value, where)


def destroy_properties(handle: Handle, one: NiId, key: bytes) -> None:
    """Take away all properties of a name."""
    for place in reversed(places(handle, one, key)):
        one = handle.destroy_property(one, place)


def rename_property(handle: Handle, one: NiId, old: bytes, new: bytes) -> None:
    """Give the first property of a name another; NOPROP without it."""
    found = places(handle, one, old)
    if not found:
        raise NetInfoError(NOPROP)
    handle.rename_property(one, found[0], new)
