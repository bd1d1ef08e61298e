"""Edge: ``niload``: files of ``/etc``, or nested text, into directories."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError, ParseError
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.handle import CREATE, NODIR, STALE, TRIES, WRITE, creation, decoded, ni_id, parse_path, read_id
from portlore.netinfo.loading import FORMATS
from portlore.netinfo.raw import parse_raw
from portlore.netinfo.tools.editing import create_many, create_path, destroy_below, destroy_tree, merged
from portlore.netinfo.tools.running import Ended, Misused, Unknown, failed, lines, opened, parse_options, print_json
from portlore.netinfo.values import ROOT, NiId, Property, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO, NoReturn

    from portlore.netinfo.client import Handle
    from portlore.netinfo.raw import Tree
    from portlore.netinfo.values import Properties

AHEAD = 64  # entries that are written at a time by root, to whom none is refused
ALL = 1 << 30


def niload(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Load what stdin holds."""
    try:
        options = parse_options(arguments, ("-d", "-m", "-v", "-r"), ALL)
    except Unknown as unknown:
        raise Misused(b"unknown option: " + os.fsencode(unknown.option), b" ") from None
    if len(options.words) > 2:
        raise Misused(b"unknown argument: " + os.fsencode(options.words[2]))
    if len(options.words) < 2:
        raise Misused
    (what, domain), flags = options.words, options.flags
    if "-r" in flags:
        try:
            tree = parse_raw(stdin.read())
        except ParseError as error:
            found = f"{error.asked}: {error.found}".encode("utf-8", "surrogateescape")
            raise Ended(1, found, asked=error.asked, found=error.found, do=error.do) from None
        with opened(options, domain, "root") as handle:
            _go_to_master(handle)
            try:
                count = _load_tree(handle, os.fsencode(what), tree)
            except Ended as end:  # the original took it for no failure, but scripts are to know
                raise Ended(int(options.json), end.text, None, asked=end.asked, found=end.found, do=end.do) from None
    else:
        row = FORMATS.get(what)
        if row is None:
            stdout.write(b"" if options.json else b"niload: unknown format: %b\n" % os.fsencode(what))
            raise Misused
        entries = list(row.parse(stdin.read()))
        with opened(options, domain, "root") as handle:
            _go_to_master(handle)
            load = _Load(handle, row.path, stderr if "-v" in flags else None, merge="-m" in flags)
            load.run(entries, first_destroy="-d" in flags)
            count = len(entries)
    if options.json:
        print_json(stdout, loaded=count)


def _go_to_master(handle: Handle) -> None:
    """All that is read before a write is read where it will be written."""
    try:
        handle.to_master()
    except NetInfoError as refusal:
        failed(b"can't reach the master", refusal)


class _Load:
    """Entries on their way into a directory: ``path`` is its own, ``told`` where progress goes to."""

    def __init__(self, handle: Handle, path: bytes, told: BinaryIO | None, *, merge: bool) -> None:
        self._handle, self._path, self._told, self._merge = handle, path, told, merge
        self._above = NiId(0, 0)
        self._known: dict[bytes, int] = {}  # the first child of each name

    def run(self, entries: list[Properties], *, first_destroy: bool) -> None:
        """Write them all, in order; :class:`Ended` at the first that is refused. Without any, nothing is touched."""
        self._tell(b"%d items read from input\n" % len(entries))
        if not entries:
            return
        if first_destroy:
            self._destroy()
        self._find()
        for batch in _batches(entries, AHEAD if self._handle.uid == 0 else 1):
            self._write(batch)

    def _destroy(self) -> None:
        self._tell(b"Deleting exiting NetInfo directory %b\n" % self._path)  # sic: so the original had it
        try:
            destroy_tree(self._handle, self._handle.search(self._path))
        except NetInfoError as refusal:
            failed(b"can't delete NetInfo directory " + self._path, refusal)

    def _find(self) -> None:
        """The directory, made if need be, and who is there already."""
        doing = b"can't access NetInfo directory "
        try:
            try:
                self._above = self._handle.search(self._path)
            except NetInfoError as refusal:
                if refusal.status != NODIR:
                    raise
                self._tell(b"Creating NetInfo directory %b\n" % self._path)
                doing = b"can't create NetInfo directory "
                self._above = create_path(self._handle, self._path)
            doing = b"can't list NetInfo "
            self._tell(b"Netinfo %b contains %d items\n" % (self._path, self._look()))
        except NetInfoError as refusal:
            failed(doing + self._path, refusal)

    def _look(self) -> int:
        """See who is there already, and how many."""
        self._above = self._handle.itself(self._above)
        self._known = {}
        found = self._handle.list_values(self._above, b"name")
        for number, values in found:
            for value in values or ():
                self._known.setdefault(value, number)
        return len(found)

    def _tell(self, text: bytes) -> None:
        if self._told is not None:
            self._told.write(text)

    def _end(self, name: bytes, refusal: NetInfoError) -> NoReturn:
        failed(b"can't update NetInfo %b/%b" % (self._path, name), refusal)

    def _write(self, batch: list[Properties]) -> None:
        """Write entries of different names; those that somebody else's write made stale are tried again."""
        tries = TRIES
        while tries:
            try:
                left = self._attempt(batch)
                if not left:
                    return
                tries = TRIES if len(left) < len(batch) else tries - 1
                batch = left
                self._look()
            except NetInfoError as refusal:
                self._end(_name(batch[0]), refusal)
        self._end(_name(batch[0]), NetInfoError(STALE))

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
            new = calls[place][0] == CREATE
            try:
                one = decoded(results, read_id)
            except NetInfoError as refusal:
                if refusal.status in (STALE, NODIR):
                    return batch[place:]
                self._tell_of(entry, new=new)
                self._end(_name(entry), refusal)
            self._tell_of(entry, new=new)
            if not new:
                renamed |= set(_names(entry)) != set(_names(old[one.object].properties))
            else:
                self._above = NiId(above.object, (self._above.instance + 1) & 0xFFFF_FFFF)
                for value in _names(entry):
                    self._known.setdefault(value, one.object)
        if renamed:
            self._look()
        return []

    def _tell_of(self, entry: Properties, *, new: bool) -> None:
        doing = b"writing new" if new else b"merging" if self._merge else b"writing"
        where = self._path + b"/" + _name(entry).replace(b"/", b"\\/")
        self._tell(b"\nProcessing input item:\n%b\n%b directory %b\n" % (lines(entry), doing, where))


def _names(entry: Properties) -> tuple[bytes, ...]:
    found = first(entry, b"name")
    return found.values if found else ()


def _name(entry: Properties) -> bytes:
    return (*_names(entry), b"")[0]


def _batches(entries: list[Properties], most: int) -> Iterator[list[Properties]]:
    """The entries in order, no name twice in one batch: the later one is to find the earlier."""
    batch: list[Properties] = []
    taken: set[bytes] = set()
    for entry in entries:
        if len(batch) >= most or taken.intersection(_names(entry)):
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
    if not path.startswith(b"/"):
        raise Ended(1, b"Raw load requires an absolute directory pathname, found " + path)
    doing = b"Can't access directory " + path
    try:
        try:
            top = handle.search(path)
        except NetInfoError as refusal:
            if refusal.status != NODIR:
                raise
            doing = b"Can't create directory " + path
            top = _made(handle, path)
        doing = b"Can't write directory"
        top = handle.write(top, tree.properties)
        doing = b"Can't destroy child directories"
        destroy_below(handle, top)
        doing = b"Can't create directory"
        waiting, count = [(top.object, tree)], 1
        while waiting:
            number, one = waiting.pop()
            above = handle.itself(NiId(number, 0)) if one.children else NiId(0, 0)
            made = create_many(handle, above, [child.properties for child in one.children])
            waiting += zip(made, one.children, strict=True)
            count += len(made)
    except NetInfoError as refusal:
        failed(doing, refusal, None)
    return count


def _made(handle: Handle, path: bytes) -> NiId:
    """A path below the root; STALE where its first directory is there already.

    So it was [run], SPEC 10.12: having gone part of the way the original went on from there with the root's instance.
    """
    key, value = parse_path(path)[0]
    try:
        handle.lookup(NiId(ROOT, 0), key, value)
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        return create_path(handle, path)
    raise NetInfoError(STALE)
