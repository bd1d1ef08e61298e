"""Edge: ``niload``: files of ``/etc``, or nested text, into directories."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError, ParseError
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.handle import CREATE, NODIR, STALE, TRIES, WRITE, creation, decoded, ni_id, read_id
from portlore.netinfo.loading import FORMATS
from portlore.netinfo.raw import parse_raw
from portlore.netinfo.tools.editing import create_many, create_path, destroy_below, merged
from portlore.netinfo.tools.running import Ended, Misused, failed, lines, opened, parse_options, print_json
from portlore.netinfo.values import NiId, Property, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO, NoReturn

    from portlore.netinfo.client import Handle
    from portlore.netinfo.raw import Tree
    from portlore.netinfo.values import Properties

AHEAD = 64  # entries that are written at a time


def niload(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Load what stdin holds."""
    options = parse_options(arguments, ("-d", "-m", "-v", "-r"), 2)
    if len(options.words) != 2:
        raise Misused
    what, domain = options.words
    if "-r" in options.flags:
        try:
            tree = parse_raw(stdin.read())
        except ParseError as error:
            raise Ended(1, f"{error.asked}: {error.found}".encode("utf-8", "surrogateescape")) from None
        with opened(options, domain, "root") as handle:
            count = _load_tree(handle, os.fsencode(what), tree)
    else:
        row = FORMATS.get(what)
        if row is None:
            raise Misused
        entries = list(row.parse(stdin.read()))
        with opened(options, domain, "root") as handle:
            flags = options.flags
            load = _Load(handle, row.path, stderr if "-v" in flags else None, merge="-m" in flags)
            load.run(entries, first_destroy="-d" in flags)
            count = len(entries)
    if options.json:
        print_json(stdout, {"loaded": count})


class _Load:
    """Entries on their way into a directory: ``path`` is its own, ``told`` where progress goes to."""

    def __init__(self, handle: Handle, path: bytes, told: BinaryIO | None, *, merge: bool) -> None:
        self._handle, self._path, self._told, self._merge = handle, path, told, merge
        self._above = NiId(0, 0)
        self._known: dict[bytes, int] = {}  # the first child of each name

    def run(self, entries: list[Properties], *, first_destroy: bool) -> None:
        """Write them all, in order; :class:`Ended` at the first that is refused."""
        self._tell(b"%d items read from input\n" % len(entries))
        try:
            self._above = create_path(self._handle, self._path)
            if first_destroy:
                self._above = destroy_below(self._handle, self._above)
            self._look()
        except NetInfoError as refusal:
            self._end(self._path, refusal)
        self._tell(b"Netinfo %b contains %d items\n" % (self._path, len(self._handle.children(self._above))))
        for batch in _batches(entries):
            self._write(batch)

    def _tell(self, text: bytes) -> None:
        if self._told is not None:
            self._told.write(text)

    def _end(self, path: bytes, refusal: NetInfoError) -> NoReturn:
        failed(b"can't update NetInfo " + path, refusal)

    def _look(self) -> None:
        """See who is there already."""
        self._above = self._handle.itself(self._above)
        self._known = {}
        for number, values in self._handle.list_values(self._above, b"name"):
            for value in values or ():
                self._known.setdefault(value, number)

    def _write(self, batch: list[Properties]) -> None:
        """Write entries of different names; those that somebody else's write made stale are tried again."""
        tries = TRIES
        while tries:
            left = self._attempt(batch)
            if not left:
                return
            tries = TRIES if len(left) < len(batch) else tries - 1
            batch = left
            self._look()
        self._end(self._path, NetInfoError(STALE))

    def _attempt(self, batch: list[Properties]) -> list[Properties]:
        """What is left of a batch: all from the first on that is stale."""
        handle = self._handle
        there = {number for entry in batch if (number := self._known.get(_name(entry))) is not None}
        old = {entry.id.object: entry for entry in handle.read_many(sorted(there))}
        calls = []
        above, renamed = self._above, False
        for entry in batch:
            found = old.get(self._known.get(_name(entry), -1))
            if found is None:
                calls.append((CREATE, creation(above, entry)))
                above = NiId(above.object, (above.instance + 1) & 0xFFFF_FFFF)
            else:
                given = _merged(entry, found.properties) if self._merge else entry
                calls.append((WRITE, ni_id(found.id) + encoded(given)))
        for place, (entry, results) in enumerate(zip(batch, handle.connection.calls(calls), strict=True)):
            name = _name(entry)
            new = calls[place][0] == CREATE
            try:
                one = decoded(results, read_id)
            except NetInfoError as refusal:
                if refusal.status in (STALE, NODIR):
                    return batch[place:]
                self._tell_of(entry, name, new=new)
                self._end(self._path + b"/" + name, refusal)
            self._tell_of(entry, name, new=new)
            if not new:
                renamed |= set(_names(entry)) != set(_names(old[one.object].properties))
            else:
                self._above = NiId(above.object, (self._above.instance + 1) & 0xFFFF_FFFF)
                for value in _names(entry):
                    self._known.setdefault(value, one.object)
        if renamed:
            self._look()
        return []

    def _tell_of(self, entry: Properties, name: bytes, *, new: bool) -> None:
        kind = b"new directory" if new else b"directory"
        self._tell(b"\nProcessing input item:\n%b\nwriting %b %b/%b\n" % (lines(entry), kind, self._path, name))


def _names(entry: Properties) -> tuple[bytes, ...]:
    found = first(entry, b"name")
    return found.values if found else ()


def _name(entry: Properties) -> bytes:
    return (*_names(entry), b"")[0]


def _batches(entries: list[Properties]) -> Iterator[list[Properties]]:
    """The entries in order, no name twice in one batch: the later one is to find the earlier."""
    batch: list[Properties] = []
    taken: set[bytes] = set()
    for entry in entries:
        if len(batch) >= AHEAD or taken.intersection(_names(entry)):
            yield batch
            batch, taken = [], set()
        batch.append(entry)
        taken.update(_names(entry))
    if batch:
        yield batch


def _merged(entry: Properties, old: Properties) -> Properties:
    """The entry with the values that were there behind its own, and then the other properties that were there."""
    names = {one.name for one in entry}
    there = {one.name: one.values for one in reversed(old)}
    both = (Property(one.name, merged(one.values, there.get(one.name, ()))) for one in entry)
    return (*both, *(one for one in old if one.name not in names))


def _load_tree(handle: Handle, path: bytes, tree: Tree) -> int:
    """Replace the directory of a path, made if need be, by a tree; how many directories that were."""
    try:
        top = create_path(handle, path)
        top = destroy_below(handle, top)
        handle.write(top, tree.properties)
        waiting, count = [(top.object, tree)], 1
        while waiting:
            number, one = waiting.pop()
            above = handle.itself(NiId(number, 0)) if one.children else NiId(0, 0)
            for child, made in zip(
                one.children, create_many(handle, above, [c.properties for c in one.children]), strict=True
            ):
                waiting.append((made, child))
                count += 1
    except NetInfoError as refusal:
        failed(b"can't update NetInfo " + path, refusal)
    return count
