"""What taking one domain into another changes: told, and done. Pure.

Directories are the same when they have the same path; among several of one name those with the same properties, then
the first with the first (services of one name: those with a protocol in common). Nothing that the other domain does not
speak of is touched, unless it is to be replaced whole.
"""

from __future__ import annotations

from portlore.netinfo.bridges.residue import pairs_of
from portlore.netinfo.values import LAST, ROOT, Property
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.domain import Directory, Domain

MADE, CHANGED, GONE = "made", "changed", "gone"
NAME, PROTOCOL, SERVICES = b"name", b"protocol", b"services"


class Change(Value):
    """A directory that is made, changed or gone, with its properties before and after."""

    kind: str
    path: str
    before: tuple[Property, ...] = ()
    after: tuple[Property, ...] = ()
    number: int = -1  # of the directory here


def take(domain: Domain, other: Domain, *, replace: bool = False) -> Iterator[Change]:
    """Have a domain say what another one says, change by change as it is done.

    Without ``replace`` a property takes the values that the other domain has for it; others stay, and so do
    directories. With it, what the other domain does not have goes; the order of directories alone stays.
    """
    waiting = [(ROOT, ROOT, "")]
    while waiting:
        mine, theirs, path = waiting.pop()
        here, there = domain.directories[mine], other.directories[theirs]
        before, wanted = pairs_of(here.data), pairs_of(there.data)
        after = wanted if replace else merged(before, wanted)
        if before != after:
            domain.write(here, _properties(after))
            yield Change(CHANGED, path or "/", _properties(before), _properties(after), mine)
        pairs, new, old = _matched(domain, here, other, there)
        for one in new:
            yield from _make(domain, here, other, one, path)
        if replace:
            for one in old:
                yield from _destroy(domain, here, one, path)
        waiting += [(a, b, f"{path}/{_step(domain.directories[a])}") for a, b in reversed(pairs)]


def merged(before: list[Pair], wanted: list[Pair]) -> list[Pair]:
    """Properties with the values of others of the same name; of several of one name the first takes the first's."""
    fresh: dict[bytes, list[Pair]] = {}
    for one in wanted:
        fresh.setdefault(one[0], []).append(one)
    kept = [fresh[name].pop(0) if fresh.get(name) else (name, values) for name, values in before]
    return kept + [one for rest in fresh.values() for one in rest]


def _matched(
    domain: Domain, here: Directory, other: Domain, there: Directory
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """The children that are the same, those that only the other domain has, those that only this one has."""
    mine: dict[bytes, list[int]] = {}
    for number in here.children:
        mine.setdefault(_name(domain.directories[number]), []).append(number)
    theirs: dict[bytes, list[int]] = {}
    for number in there.children:
        theirs.setdefault(_name(other.directories[number]), []).append(number)
    is_services = there.parent == ROOT and _name(there) == SERVICES
    pairs: list[tuple[int, int]] = []
    new: list[int] = []
    for name, many in theirs.items():
        left = dict.fromkeys(mine.get(name, ()))
        if len(many) == len(left) == 1 and name and not is_services:
            pairs.append((left.popitem()[0], many[0]))
            mine[name] = []
            continue
        alike: dict[bytes, list[int]] = {}  # by their properties, the first last
        for number in reversed(left):
            alike.setdefault(domain.directories[number].data, []).append(number)
        rest = []
        for number in many:
            same = alike.get(other.directories[number].data)
            if same:
                pairs.append((same.pop(), number))
                del left[pairs[-1][0]]
            else:
                rest.append(number)
        speaking = _speaking(domain, left, is_services) if name else {}
        for number in rest:
            match = _first(left, speaking, other.directories[number], is_services)
            if match is None:
                new.append(number)
            else:
                del left[match]
                pairs.append((match, number))
        if name in mine:
            mine[name] = list(left)
    order = {number: place for place, number in enumerate(there.children)}
    pairs.sort(key=lambda pair: order[pair[1]])
    new.sort(key=lambda number: order[number])
    return pairs, new, [number for left in mine.values() for number in left]


def _speaking(domain: Domain, left: Iterable[int], is_services: bool) -> dict[bytes, list[int]]:
    """Directories by what tells them apart where their names are one, the first last: services by protocol."""
    found: dict[bytes, list[int]] = {}
    for number in reversed(list(left)):
        told = dict(pairs_of(domain.directories[number].data)).get(PROTOCOL, ()) if is_services else (b"",)
        for protocol in dict.fromkeys(told):
            found.setdefault(protocol, []).append(number)
    return found


def _first(left: dict[int, None], speaking: dict[bytes, list[int]], wanted: Directory, is_services: bool) -> int | None:
    """A directory that is left and speaks a protocol that is wanted."""
    protocols = dict(pairs_of(wanted.data)).get(PROTOCOL, ()) if is_services else (b"",)
    for many in (speaking.get(protocol, []) for protocol in protocols):
        while many and many[-1] not in left:
            many.pop()
        if many:
            return many[-1]
    return None


def _make(domain: Domain, above: Directory, other: Domain, number: int, path: str) -> Iterator[Change]:
    waiting = [(above, number, path)]
    while waiting:
        parent, one, where = waiting.pop()
        there = other.directories[one]
        made = domain.create(parent, there.properties, LAST)
        step = f"{where}/{_step(there)}"
        yield Change(MADE, step, (), there.properties, made.id)
        waiting += [(made, child, step) for child in reversed(there.children)]


def _destroy(domain: Domain, above: Directory, number: int, path: str) -> Iterator[Change]:
    """Take a directory away, those below it first."""
    waiting = [(above, domain.directories[number], f"{path}/{_step(domain.directories[number])}", False)]
    while waiting:
        parent, one, where, bare = waiting.pop()
        if bare or not one.children:
            before = one.properties
            domain.destroy(parent, one)
            yield Change(GONE, where, before, (), one.id)
            continue
        waiting.append((parent, one, where, True))
        below = [domain.directories[child] for child in one.children]
        waiting += [(one, child, f"{where}/{_step(child)}", False) for child in below]


def _name(one: Directory) -> bytes:
    for name, values in pairs_of(one.data):
        if name == NAME:
            return values[0] if values else b""
    return b""


def _step(one: Directory) -> str:
    text = _name(one).decode("utf-8", "surrogateescape")
    return text.replace("\\", "\\\\").replace("/", "\\/") or f"dir:{one.id}"


def _properties(pairs: list[Pair]) -> tuple[Property, ...]:
    return tuple([Property(name, values) for name, values in pairs])
