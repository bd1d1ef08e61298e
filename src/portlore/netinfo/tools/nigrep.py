"""Edge: ``nigrep``: properties whose name or a value matches a regular expression."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError, ParseError
from portlore.netinfo.tools.expressions import parse_expression
from portlore.netinfo.tools.running import Misused, failed, opened, parse_options, print_json, text, texts
from portlore.netinfo.values import NiId, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.handle import Entry
    from portlore.netinfo.values import Properties

ALL = 1 << 30


def nigrep(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Print what matches, below each path; :class:`Misused` for no expression."""
    options = parse_options(arguments, (), ALL, credentials=False, tagged=lambda word: True, strict=False)
    expression, *words = options.words or [""]
    if options.domain is None:
        options.domain, *words = words or [""]
    if not options.words or not options.domain:
        raise Misused
    try:
        pattern = parse_expression(os.fsencode(expression))
    except ParseError:
        raise Misused(b"Bad expression: " + os.fsencode(expression), None) from None
    hits: list[dict[str, Any]] = []
    with opened(options, options.domain) as handle:
        for path in map(os.fsencode, words or ["/"]):
            try:
                for _, where, entry in walk(handle, handle.search(path), path):
                    for one in entry.properties:
                        if not any(map(pattern.search, (one.name, *one.values))):
                            continue
                        if options.json:
                            shown = {"key": text(one.name), "values": texts(one.values)}
                            hits.append({"id": entry.id.object, "path": text(where)} | shown)
                        else:
                            found = b" ".join((one.name, *one.values))
                            stdout.write(b"%d %b:  %b\n" % (entry.id.object, where, found))
            except NetInfoError as refusal:
                failed(b"ni_pathsearch", refusal, None)
    if options.json:
        print_json(stdout, hits=hits)


def walk(handle: Handle, top: NiId, path: bytes, deepest: int = ALL) -> Iterator[tuple[int, bytes, Entry]]:
    """A directory and all that is below it, each before its children: its depth, its path, itself."""
    waiting = [(0, path, handle.read(top), handle.children(top))]
    seen = set()
    while waiting:
        depth, where, entry, numbers = waiting.pop()
        if entry.id.object in seen:
            continue
        seen.add(entry.id.object)
        yield depth, where, entry
        if not numbers or depth == deepest:
            continue
        below = list(handle.read_many(numbers))
        further = handle.children_many([child.id.object for child in below])
        above = b"" if where == b"/" else where
        steps = [above + b"/" + step(child.properties, child.id.object) for child in below]
        found = [(depth + 1, *one) for one in zip(steps, below, further, strict=True)]
        waiting += [(n, path, child, more or ()) for n, path, child, more in reversed(found)]


def step(found: Properties, number: int) -> bytes:
    """How nigrep calls a directory: by its name as it is, without one by its id."""
    name = first(found, b"name")
    return name.values[0] if name is not None and name.values else b"dir: %d" % number
