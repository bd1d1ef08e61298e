"""A NetInfo domain: a tree of directories in memory, its reads and its writes. Pure.

A directory keeps its properties encoded, as they go out: a read copies them, and 100,000 users fit into memory. What
is looked for is found through an index by (directory, key), made at the first search and kept up to date.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush

from portlore.errors import DataError, NetInfoError
from portlore.netinfo.coding import MOST_IDS, MOST_NAMES, decode_properties, first_values
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.values import NUMBERS, ROOT, NiId, Property, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias, TypeVar

    Item = TypeVar("Item")

    from portlore.netinfo.history import Touched
    from portlore.netinfo.values import Properties

    Row: TypeAlias = tuple[int, int, int, float, int, bytes]  # id, instance, parent, place, version, data
    Index: TypeAlias = dict[bytes, list[int]]  # children of a directory by the values of one key, in their order

STALE, NODIR, NOPROP, NONAME = (NUMBERS[name] for name in ("STALE", "NODIR", "NOPROP", "NONAME"))
NOTEMPTY, UNRELATED, NOSPACE = NUMBERS["NOTEMPTY"], NUMBERS["UNRELATED"], NUMBERS["NOSPACE"]
BASE, FULL = 0, 0xFFFF_FFFF
NOTHING = encoded(())
MOST_EMPTY, LONGEST_EMPTY = 1024, 255  # indexes by keys that no child has, bytes of such a key


class Directory:
    """One directory. ``data``: its properties as XDR. ``version``: the domain's count of writes at its last one.

    ``place``: a number that grows from one sibling to the next.
    """

    __slots__ = ("children", "data", "id", "instance", "parent", "place", "version")

    def __init__(self, id: int, instance: int, parent: int, data: bytes, children: list[int], version: int) -> None:  # noqa: A002
        self.id, self.instance, self.parent = id, instance, parent
        self.data, self.children, self.version, self.place = data, children, version, 0.0

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


class Domain:
    """A domain. Mutable; one writer at a time.

    Writes raise :class:`NetInfoError`; what they touched stands in ``touched`` (``None`` for a directory that is gone)
    until :meth:`take` takes it away to be stored. ``last``: what the last write touched.
    """

    def __init__(self, directories: Iterable[Directory] = ()) -> None:
        self.directories = {one.id: one for one in directories}
        self.touched: dict[int, Directory | None] = {}
        self._indexes: dict[int, dict[bytes, Index]] = {}
        self._empty: dict[tuple[int, bytes], None] = {}  # indexes that had nothing in them, the oldest first
        self.checksum = sum((one.id + 1) * one.instance for one in self.directories.values()) & FULL
        self._lowest = 0  # no id below it is free, but for those in the heap
        self._freed: list[int] = []
        self.version = max([one.version for one in self.directories.values()], default=0)
        self._newest: Directory | None = None  # the one written last, where that is known
        self.last: Touched | None = None
        for one in self.directories.values():
            self._number(one.children)

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

    def take(self) -> dict[int, Directory | None]:
        """What has been written since the last call, by id; ``None`` for a directory that is gone."""
        taken, self.touched = self.touched, {}
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
        return self._index(self.at(number), key).get(value, [])

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
        if self._newest is None:
            self._newest = max(self.directories.values(), key=lambda one: one.version, default=None)
        return self._newest

    def _index(self, directory: Directory, key: bytes) -> Index:
        of_directory = self._indexes.get(directory.id)
        if of_directory is None:
            of_directory = self._indexes[directory.id] = {}
        index = of_directory.get(key)
        if index is None:
            index = of_directory[key] = {}
            for number in directory.children:
                values = first_values(self.directories[number].data, key)
                if values:
                    for value in values if len(values) == 1 else dict.fromkeys(values):
                        index.setdefault(value, []).append(number)
            if not index:
                self._keep_empty(directory.id, key)
        return index

    def _keep_empty(self, number: int, key: bytes) -> None:
        """Remember that no child has a key; not for ever, as anybody may ask for any key."""
        self._empty[number, key] = None
        if len(self._empty) <= MOST_EMPTY and len(key) <= LONGEST_EMPTY:
            return
        gone = next(iter(self._empty)) if len(key) <= LONGEST_EMPTY else (number, key)
        del self._empty[gone]
        of_directory = self._indexes.get(gone[0], {})
        if not of_directory.get(gone[1]):
            of_directory.pop(gone[1], None)

    # Writes

    def writable(self, target: NiId) -> Directory:
        """A directory that a write may touch: NODIR without one, STALE when its instance is another."""
        found = self.at(target.object)
        if found.instance != target.instance:
            raise NetInfoError(STALE)
        return found

    def create(self, parent: Directory, properties: Properties, where: int, target: NiId | None = None) -> Directory:
        """A new directory below ``parent``, at a place among its children.

        ``target``: the id and instance that it gets, an id that nobody has; else the lowest such, and 0.
        """
        if len(parent.children) >= MOST_IDS:
            raise NetInfoError(NOSPACE)
        number, instance = (self.free_id(), BASE) if target is None else (target.object, target.instance)
        child = Directory(number, instance, parent.id, encoded(properties), [], 0)
        self.checksum = (self.checksum + (number + 1) * instance) & FULL
        at = min(where, len(parent.children))
        child.place = self._place(parent.children, at)
        self.directories[number] = child
        parent.children.insert(at, number)
        self._reindex(child, NOTHING, child.data)
        self._write(child, touch=False)
        self._write(parent)
        self.last = number, parent.id, at, None, child.data
        return child

    def _place(self, siblings: list[int], at: int) -> float:
        """A number between those of two siblings; where there is none, all of them are numbered anew."""
        if not siblings:
            return 0.0
        if at == len(siblings):
            return self.directories[siblings[-1]].place + 1
        after = self.directories[siblings[at]].place
        if at == 0:
            return after - 1
        before = self.directories[siblings[at - 1]].place
        place = (before + after) / 2
        if before < place < after:
            return place
        self._number(siblings)
        self.touched.update((number, self.directories[number]) for number in siblings)
        return at - 0.5

    def _number(self, siblings: list[int]) -> None:
        for place, number in enumerate(siblings):
            self.directories[number].place = float(place)

    def _standing(self, members: list[int], one: Directory) -> int | None:
        """Where a directory stands in a list of siblings, if it does."""
        at = bisect_left(members, one.place, key=lambda number: self.directories[number].place)
        return at if at < len(members) and members[at] == one.id else None

    def free_id(self) -> int:
        """The lowest id that nobody has."""
        while self._freed and self._freed[0] in self.directories:
            heappop(self._freed)
        if self._freed:
            return self._freed[0]
        while self._lowest in self.directories:
            self._lowest += 1
        return self._lowest

    def destroy(self, parent: Directory, child: Directory) -> None:
        """Take a directory away: NOTEMPTY with children, UNRELATED when it is not ``parent``'s."""
        if child.children:
            raise NetInfoError(NOTEMPTY)
        at = self._standing(parent.children, child)
        if at is None:
            raise NetInfoError(UNRELATED)
        self._reindex(child, child.data, NOTHING)
        del parent.children[at]
        del self.directories[child.id]
        self._indexes.pop(child.id, None)
        self.checksum = (self.checksum - (child.id + 1) * child.instance) & FULL
        self.touched[child.id] = None
        if child.id < self._lowest:
            heappush(self._freed, child.id)
        self._write(parent)
        self.last = child.id, parent.id, at, child.data, None

    def write(self, directory: Directory, properties: Properties) -> None:
        """Replace a directory's properties."""
        before, directory.data = directory.data, encoded(properties)
        if directory.id != ROOT:
            self._reindex(directory, before, directory.data)
        self._write(directory)
        self.last = directory.id, directory.parent, 0, before, directory.data

    # What another copy of the domain wrote

    def replay(self, rows: Iterable[Row], gone: Iterable[int], checksum: int, version: int) -> None:
        """Have what another copy of this domain has after some writes: rows of what they touched, ids that are gone.

        Rows are (id, instance, parent, place, version, data). :class:`DataError` when the checksum is another one
        afterwards: the two were not copies. May be repeated.
        """
        for number in gone:
            self._forget(number)
        new, moved = [], set()
        for row in rows:
            one = self.directories.get(row[0])
            if one is not None and one.parent != row[2]:  # its id was free in between
                self._forget(row[0])
                one = None
            if one is None:
                one = self.directories[row[0]] = Directory(row[0], BASE, row[2], NOTHING, [], row[4])
                one.place = row[3]
                new.append(row)
            else:
                if one.place != row[3]:  # the siblings were numbered anew
                    self._indexes.pop(one.parent, None)
                    moved.add(one.parent)
                    one.place = row[3]
                before, one.data = one.data, row[5]
                if one.id != ROOT:
                    self._reindex(one, before, row[5])
            self.checksum = (self.checksum + (one.id + 1) * (row[1] - one.instance)) & FULL
            one.instance, one.version = row[1], row[4]
            if self._newest is not None and one.version >= self._newest.version:
                self._newest = one
        for row in new:
            one, above = self.directories[row[0]], self.directories.get(row[2])
            one.data = row[5]
            if one.id == ROOT or above is None:
                continue
            if row[2] in moved:
                above.children.append(one.id)
            else:
                insort(above.children, one.id, key=lambda number: self.directories[number].place)
                self._reindex(one, NOTHING, one.data)
        for number in moved & self.directories.keys():
            self._indexes.pop(number, None)
            self.directories[number].children.sort(key=lambda child: self.directories[child].place)
        self.version = version
        if self.checksum != checksum:
            found = f"the checksum {self.checksum}, not {checksum}"
            raise DataError("following a domain's writes", found, "read it anew")

    def _forget(self, number: int) -> None:
        """Take a directory away without a trace of who did; whatever hangs on it goes by itself."""
        one = self.directories.get(number)
        if one is None:
            return
        above = self.directories.get(one.parent)
        at = self._standing(above.children, one) if above is not None else None
        if above is not None and at is not None:
            self._reindex(one, one.data, NOTHING)
            del above.children[at]
        del self.directories[number]
        self._indexes.pop(number, None)
        self._newest = None if self._newest is one else self._newest
        self.checksum = (self.checksum - (number + 1) * one.instance) & FULL
        if number < self._lowest:
            heappush(self._freed, number)

    def _reindex(self, child: Directory, before: bytes, after: bytes) -> None:
        """Have the indexes of a child's parent say what follows from its properties after a write, not before it."""
        for key, index in self._indexes.get(child.parent, {}).items():
            old, new = first_values(before, key) or (), first_values(after, key) or ()
            for value in dict.fromkeys(old) if old != new else ():
                members = index.get(value, [])
                at = self._standing(members, child)
                if at is not None:
                    del members[at]
                    if not members:
                        del index[value]
            for value in dict.fromkeys(new) if old != new else ():
                insort(index.setdefault(value, []), child.id, key=lambda number: self.directories[number].place)

    def _write(self, directory: Directory, *, touch: bool = True) -> None:
        """Count a write: the directory's instance (not for a new one), the checksum, the version."""
        if touch:
            directory.instance = (directory.instance + 1) & FULL
            self.checksum = (self.checksum + directory.id + 1) & FULL
        self.version += 1
        directory.version, self._newest = self.version, directory
        self.touched[directory.id] = directory


def changed(properties: Properties, at: int, one: Property | None) -> Properties:
    """Properties with the one at a place replaced, or taken away; NOPROP beyond the end."""
    if at >= len(properties):
        raise NetInfoError(NOPROP)
    return (*properties[:at], *(() if one is None else (one,)), *properties[at + 1 :])


def inserted(items: tuple[Item, ...], item: Item, where: int) -> tuple[Item, ...]:
    """Items with one more at a place; any place beyond the end appends. NOSPACE for more than can be sent."""
    if len(items) >= MOST_NAMES:
        raise NetInfoError(NOSPACE)
    at = min(where, len(items))
    return (*items[:at], item, *items[at:])
