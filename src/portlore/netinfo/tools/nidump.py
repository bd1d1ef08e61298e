"""Edge: ``nidump``: directories as the files of ``/etc`` they stand for, or as nested text."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError
from portlore.netinfo.dumping import FORMATS, Reads
from portlore.netinfo.handle import NODIR
from portlore.netinfo.raw import Tree, write_raw
from portlore.netinfo.tools.running import Ended, Misused, failed, opened, pairs, parse_options, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.dumping import Format
    from portlore.netinfo.values import NiId, Properties


ALL = 1 << 30


def nidump(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Print one format's directory, or a tree; the domain may stand behind -t, wherever that is."""
    options = parse_options(arguments, ("-r",), ALL, credentials=False, tagged=_names_a_domain)
    what, *rest = options.words or [""]
    if options.domain is None:
        options.domain, *rest = rest or [""]
    if not options.words or not options.domain:
        raise Misused
    raw = "-r" in options.flags
    row = None if raw else FORMATS.get(what)
    if (not raw and row is None) or len(rest) > (row is not None and row.named is not None):
        raise Misused
    path = os.fsencode(what) if row is None else row.path
    with opened(options, options.domain) as handle:
        try:
            if row is None:
                tree = read_tree(handle, handle.search(path))
                if options.json:
                    _print_tree(stdout, tree)
                else:
                    stdout.write(write_raw(tree))
            else:
                found = _rows(handle, row, *map(os.fsencode, rest))
                if options.json:
                    print_json(stdout, directories=[pairs(one) for one in found])
                elif rest and row.named is not None:
                    stdout.write(row.named(found))
                else:
                    stdout.write(row.write(found))
        except NetInfoError as refusal:
            if refusal.status != NODIR:
                failed(b"can't read directory " + path, refusal)
            if options.json:
                print_json(stdout, **({"tree": None} if raw else {"directories": None}))


def _names_a_domain(word: str) -> bool:
    """Whether a word behind -t is the domain, and not what is to be dumped from the one that follows."""
    return not word.startswith(("-", "/")) and word not in FORMATS


def _rows(handle: Handle, row: Format, *name: bytes) -> list[Properties]:
    """The properties that a format writes; ``name``: of the directories below that one of its directory's children."""
    one = handle.search(b"/".join((row.path, *name)))
    if row.reads == Reads.ITSELF:
        return [handle.read(one).properties]
    return [entry.properties for entry in handle.entries(one)]


def read_tree(handle: Handle, top: NiId) -> Tree:
    """A directory with all that is below it, read level by level, many calls at a time."""
    levels: list[list[tuple[int, Properties, tuple[int, ...]]]] = []
    waiting = [top.object]
    seen: set[int] = set()
    while waiting:
        fresh = [number for number in dict.fromkeys(waiting) if number not in seen]
        seen.update(fresh)
        entries = list(handle.read_many(fresh))
        below = handle.children_many([entry.id.object for entry in entries])
        level = [
            (entry.id.object, entry.properties, found)
            for entry, found in zip(entries, below, strict=True)
            if found is not None
        ]
        levels.append(level)
        waiting = [number for _, _, found in level for number in found]
    trees: dict[int, Tree] = {}
    for level in reversed(levels):
        for number, properties, found in level:
            trees[number] = Tree(properties, tuple(trees[child] for child in found if child in trees))
    if top.object not in trees:
        raise NetInfoError(NODIR)
    return trees[top.object]


def _print_tree(stdout: BinaryIO, tree: Tree) -> None:
    try:
        print_json(stdout, tree=_nested(tree))
    except RecursionError:
        raise Ended(1, b"too many directories within one another for JSON", do="leave --json out") from None


def _nested(tree: Tree) -> dict[str, Any]:
    return {"props": pairs(tree.properties), "children": [_nested(child) for child in tree.children]}
