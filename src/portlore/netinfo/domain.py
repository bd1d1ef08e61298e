"""A NetInfo domain: a tree of directories in memory, its reads and its writes. Pure.

A directory keeps its properties encoded, as they go out: a read copies them, and 100,000 users fit into memory. What
is looked for is found through an index by (directory, key), made at the first search and kept up to date.
"""

from __future__ import annotations

from bisect import insort
from heapq import heappop, heappush

from portlore.errors import NetInfoError
from portlore.netinfo.coding import decode_properties, first_values
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.values import NUMBERS, ROOT, NiId, Property, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    Item = TypeVar("Item")

    from portlore.netinfo.values import Properties

STALE, NODIR, NOPROP, NONAME = (NUMBERS[name] for name in ("STALE", "NODIR", "NOPROP", "NONAME"))
NOTEMPTY, UNRELATED = NUMBERS["NOTEMPTY"], NUMBERS["UNRELATED"]
BASE, FULL = 0, 0xFFFF_FFFF


class Directory:
    """One directory. ``data``: its properties as XDR. ``version``: the domain's count of writes at its last one."""

    __slots__ = ("children", "data", "id", "instance", "parent", "version")

    def __init__(self, id: int, instance: int, parent: int, data: bytes, children: list[int], version: int) -> None:  # noqa: A002
        self.id, self.instance, self.parent = id, instance, parent
        self.data, self.children, self.version = data, children, version

    @property
    def properties(self) -> Properties:
        """Its properties, decoded."""
        return decode_properties(self.data)

    @property
    def ni_id(self) -> NiId:
        """Its id and instance."""
        return NiId(self.id, self.instance)

    def record(self) -> Record:
        """The directory as a value."""
        return Record(self.id, self.instance, self.parent, self.properties, tuple(self.children))


class Index:
    """Children of one directory by the values of one key, in the order of children."""

    def __init__(self) -> None:
        self.by_value: dict[bytes, list[int]] = {}


class Domain:
    """A domain. Mutable; one writer at a time.

    Writes raise :class:`NetInfoError`; what they touched stands in ``touched`` (``None`` for a directory that is gone)
    until :meth:`take` takes it away to be stored.
    """

    def __init__(self, directories: Iterable[Directory] = ()) -> None:
        self.directories = {one.id: one for one in directories}
        self.touched: dict[int, Directory | None] = {}
        self.destroyed: set[int] = set()
        self._indexes: dict[int, dict[bytes, Index]] = {}
        self._order: dict[int, dict[int, int]] = {}
        self.checksum = sum((one.id + 1) * one.instance for one in self.directories.values()) & FULL
        self._lowest = 0  # no id below it is free, but for those in the heap
        self._freed: list[int] = []
        self.version = max([one.version for one in self.directories.values()], default=0)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Domain:
        """A domain from records, which do not tell in which order they were written.

        Versions are counted as if the directories had been made in the order of their ids, each parent written once
        for a child, and what is left of an instance written right after its directory was made.
        """
        many = sorted(records, key=lambda one: one.id)
        versions: dict[int, int] = {}
        version = -1
        for one in many:
            version += 1 + max(0, one.instance - len(one.children))
            versions[one.id] = version
            if one.id != ROOT:
                version += 1
                versions[one.parent] = version
        domain = cls(
            Directory(one.id, one.instance, one.parent, encoded(one.properties), list(one.children), versions[one.id])
            for one in many
        )
        domain.version = max(version, 0)
        return domain

    @property
    def highest(self) -> int:
        """The largest id there is; -1 without any."""
        return max(self.directories, default=-1)

    def records(self) -> Iterator[Record]:
        """Every directory, by id."""
        return (self.directories[number].record() for number in sorted(self.directories))

    def take(self) -> tuple[dict[int, Directory | None], set[int]]:
        """What has been written since the last call; and the ids destroyed, which others may have by now."""
        taken = self.touched, self.destroyed
        self.touched, self.destroyed = {}, set()
        return taken

    # Reads

    def at(self, number: int) -> Directory:
        """A directory by its id; NODIR without one."""
        found = self.directories.get(number)
        if found is None:
            raise NetInfoError(NODIR)
        return found

    def find(self, number: int, key: bytes, value: bytes) -> list[int]:
        """The children whose first property of a key has a value, in order; empty when there are none.

        The list is the index's own: callers do not change it.
        """
        return self._index(self.at(number), key).by_value.get(value, [])

    def values(self, number: int, key: bytes) -> tuple[bytes, ...] | None:
        """The values of a directory's first property of a name; ``None`` without one, or without the directory."""
        found = self.directories.get(number)
        return None if found is None else first_values(found.data, key)

    def path(self, *steps: bytes) -> int | None:
        """The id at the end of a path of names from the root; ``None`` where there is none."""
        here = ROOT
        for step in steps:
            found = self.find(here, b"name", step) if here in self.directories else []
            if not found:
                return None
            here = found[0]
        return here

    def depth_first(self) -> Iterator[Directory]:
        """Every directory, each before its children."""
        waiting = [ROOT] if ROOT in self.directories else []
        seen = set()
        while waiting:
            number = waiting.pop()
            one = self.directories.get(number)
            if one is None or number in seen:
                continue
            seen.add(number)
            yield one
            waiting += reversed(one.children)

    def newest(self) -> Directory | None:
        """The directory that was written last."""
        return max(self.directories.values(), key=lambda one: one.version, default=None)

    def _index(self, directory: Directory, key: bytes) -> Index:
        of_directory = self._indexes.get(directory.id)
        if of_directory is None:
            of_directory = self._indexes[directory.id] = {}
        index = of_directory.get(key)
        if index is None:
            index = of_directory[key] = Index()
            by_value, directories = index.by_value, self.directories
            for number in directory.children:
                child = directories.get(number)
                values = first_values(child.data, key) if child is not None else None
                for value in dict.fromkeys(values or ()):
                    by_value.setdefault(value, []).append(number)
        return index

    def _places(self, directory: Directory) -> dict[int, int]:
        """Where each child stands among its siblings, as a number that grows."""
        order = self._order.get(directory.id)
        if order is None:
            order = self._order[directory.id] = {number: n for n, number in enumerate(directory.children)}
        return order

    # Writes

    def writable(self, target: NiId) -> Directory:
        """A directory that a write may touch: NODIR without one, STALE when its instance is another."""
        found = self.at(target.object)
        if found.instance != target.instance:
            raise NetInfoError(STALE)
        return found

    def create(self, parent: Directory, properties: Properties, where: int) -> Directory:
        """A new directory below ``parent``, at a place among its children."""
        number = self._free_id()
        child = Directory(number, BASE, parent.id, encoded(properties), [], 0)
        self.directories[number] = child
        self._write(child, touch=False)
        at = min(where, len(parent.children))
        if at == len(parent.children):
            order = self._order.get(parent.id)
            if order is not None:
                order[number] = order.get(parent.children[-1], 0) + 1 if parent.children else 0
            parent.children.append(number)
            for key, index in self._indexes.get(parent.id, {}).items():
                for value in dict.fromkeys(first_values(child.data, key) or ()):
                    index.by_value.setdefault(value, []).append(number)
        else:
            parent.children.insert(at, number)
            self._indexes.pop(parent.id, None)
            self._order.pop(parent.id, None)
        self._write(parent)
        return child

    def _free_id(self) -> int:
        """The lowest id that nobody has."""
        if self._freed:
            return heappop(self._freed)
        while self._lowest in self.directories:
            self._lowest += 1
        self._lowest += 1
        return self._lowest - 1

    def destroy(self, parent: Directory, child: Directory) -> None:
        """Take a directory away: NOTEMPTY with children, UNRELATED when it is not ``parent``'s."""
        if child.children:
            raise NetInfoError(NOTEMPTY)
        if child.id not in parent.children:
            raise NetInfoError(UNRELATED)
        self._unindex(child, parent)
        parent.children.remove(child.id)
        order = self._order.get(parent.id)
        if order is not None:
            order.pop(child.id, None)
        del self.directories[child.id]
        self._indexes.pop(child.id, None)
        self._order.pop(child.id, None)
        self.checksum = (self.checksum - (child.id + 1) * child.instance) & FULL
        self.touched[child.id] = None
        self.destroyed.add(child.id)
        if child.id < self._lowest:
            heappush(self._freed, child.id)
        self._write(parent)

    def write(self, directory: Directory, properties: Properties) -> None:
        """Replace a directory's properties."""
        parent = self.directories.get(directory.parent)
        indexed = parent is not None and parent.id in self._indexes and directory.id != ROOT
        if indexed and parent is not None:
            self._unindex(directory, parent)
        directory.data = encoded(properties)
        if indexed and parent is not None:
            places = self._places(parent)
            place: Callable[[int], int] = places.__getitem__
            for key, index in self._indexes[parent.id].items():
                for value in dict.fromkeys(first_values(directory.data, key) or ()):
                    members = index.by_value.setdefault(value, [])
                    if directory.id in places:
                        insort(members, directory.id, key=place)
        self._write(directory)

    def _unindex(self, directory: Directory, parent: Directory) -> None:
        for key, index in self._indexes.get(parent.id, {}).items():
            for value in dict.fromkeys(first_values(directory.data, key) or ()):
                members = index.by_value.get(value)
                if members and directory.id in members:
                    members.remove(directory.id)
                    if not members:
                        del index.by_value[value]

    def _write(self, directory: Directory, *, touch: bool = True) -> None:
        """Count a write: the directory's instance (not for a new one), the checksum, the version."""
        if touch:
            directory.instance = (directory.instance + 1) & FULL
            self.checksum = (self.checksum + directory.id + 1) & FULL
        self.version += 1
        directory.version = self.version
        self.touched[directory.id] = directory


def changed(properties: Properties, at: int, one: Property | None) -> Properties:
    """Properties with the one at a place replaced, or taken away; NOPROP beyond the end."""
    if at >= len(properties):
        raise NetInfoError(NOPROP)
    return (*properties[:at], *(() if one is None else (one,)), *properties[at + 1 :])


def inserted(items: tuple[Item, ...], item: Item, where: int) -> tuple[Item, ...]:
    """Items with one more at a place; any place beyond the end appends."""
    at = min(where, len(items))
    return (*items[:at], item, *items[at:])
