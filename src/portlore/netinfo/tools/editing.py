"""Edge: what several tools do to a directory: making paths, taking trees away, changing one property."""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.handle import CREATE, NODIR, NOPROP, creation, decoded, parse_path, read_id
from portlore.netinfo.values import ROOT, NiId, Property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.client import Handle
    from portlore.netinfo.values import Properties

    Values = tuple[bytes, ...]


def create_path(handle: Handle, path: bytes) -> NiId:
    """The directory of a path, made with all that is missing above it; slashes at its ends do not matter."""
    here = handle.root()
    steps = parse_path(b"/" + path)
    for key, value in steps[:-1] if steps[-1:] == [(b"name", b"")] else steps:
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
    waiting = [(one, [*reversed(handle.children(one))])]
    while True:
        here, left = waiting[-1]
        if left:
            child = NiId(left.pop(), 0)
            waiting.append((child, [*reversed(handle.children(child))]))
            continue
        waiting.pop()
        here = handle.itself(here)
        if not waiting:
            return here
        handle.destroy(handle.itself(waiting[-1][0]), here)


def destroy_tree(handle: Handle, one: NiId) -> None:
    """Take a directory away with all that is below it; the root is left to the server to refuse."""
    above = handle.parent(one)
    gone = destroy_below(handle, one) if one.object != ROOT else one
    handle.destroy(handle.itself(NiId(above, 0)), gone)


def places(handle: Handle, one: NiId, key: bytes) -> list[int]:
    """Where the properties of a name stand."""
    return [place for place, name in enumerate(handle.list_properties(one)) if name == key]


def change_values(
    handle: Handle, one: NiId, key: bytes, edit: Callable[[Values], Values], absent: Values | None = None
) -> None:
    """Replace the values of the first property of a name by what ``edit`` makes of them, be it the same.

    ``absent``: the values of the property where there is none; without them it is left at that.
    """
    found = places(handle, one, key)
    if found:
        handle.write_values(one, found[0], edit(handle.read_values(one, found[0])))
    elif absent is not None:
        handle.create_property(one, Property(key, absent))


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
