"""Edge: ``nigrep``: properties whose name or a value matches a regular expression."""

from __future__ import annotations

import os
import re

from portlore.errors import NetInfoError
from portlore.netinfo.tools.running import Ended, Misused, failed, opened, parse_options, print_json, text, texts
from portlore.netinfo.values import NiId, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.handle import Entry
    from portlore.netinfo.values import Properties

CLASSES = {
    b"alnum": b"0-9A-Za-z", b"alpha": b"A-Za-z", b"blank": b" \\t", b"cntrl": b"\\x00-\\x1f\\x7f", b"digit": b"0-9",
    b"graph": b"!-~", b"lower": b"a-z", b"print": b" -~", b"punct": b"!-/:-@\\[-`{-~", b"space": b"\\s",
    b"upper": b"A-Z", b"xdigit": b"0-9A-Fa-f",
}  # fmt: skip
BRACKET = re.compile(rb"\\.|\[(\^?)(\]?(?:\[:[a-z]+:\]|[^\]])*)\]", re.DOTALL)
CLASS = re.compile(rb"\[:([a-z]+):\]")


def parse_expression(words: bytes) -> re.Pattern[bytes]:
    """A POSIX extended regular expression as one of ours; :class:`Ended` for none."""

    def bracket(found: re.Match[bytes]) -> bytes:
        if found[2] is None:
            return found[0]
        inside = b""
        for n, part in enumerate(CLASS.split(found[2])):
            inside += CLASSES.get(part, b"") if n % 2 else re.sub(rb"([\\\[\]&~|])", rb"\\\1", part)
        return b"[" + found[1] + inside + b"]"

    try:
        return re.compile(BRACKET.sub(bracket, words))
    except (re.error, OverflowError) as error:
        raise Ended(1, b"%b is no regular expression: %b" % (words, str(error).encode())) from None


def nigrep(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Print what matches, below each path."""
    options = parse_options(arguments, (), 2)
    if len(options.words) < 2:
        raise Misused
    expression, domain, *paths = options.words
    pattern = parse_expression(os.fsencode(expression))
    hits: list[dict[str, Any]] = []
    with opened(options, domain) as handle:
        for path in map(os.fsencode, paths or ["/"]):
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
                failed(b"can't open directory " + path, refusal)
    if options.json:
        print_json(stdout, hits)


def walk(handle: Handle, top: NiId, path: bytes, deepest: int = 1 << 30) -> Iterator[tuple[int, bytes, Entry]]:
    """A directory and all that is below it, each before its children: its depth, its path, itself."""
    waiting = [(0, path if path.strip(b"/") else b"", handle.read(top), handle.children(top))]
    seen = set()
    while waiting:
        depth, where, entry, numbers = waiting.pop()
        if entry.id.object in seen:
            continue
        seen.add(entry.id.object)
        yield depth, where or b"/", entry
        if not numbers or depth == deepest:
            continue
        below = list(handle.read_many(numbers))
        further = handle.children_many([child.id.object for child in below])
        steps = [where + b"/" + step(child.properties, child.id.object) for child in below]
        found = [(depth + 1, *one) for one in zip(steps, below, further, strict=True)]
        waiting += [(n, path, child, more or ()) for n, path, child, more in reversed(found)]


def step(found: Properties, number: int) -> bytes:
    """How a path names a directory: by its name, without one by its first value, without any by its id."""
    name = first(found, b"name")
    if name is not None and name.values:
        return _escaped(name.values[0])
    for one in found:
        if one.values:
            return _escaped(one.name) + b"=" + _escaped(one.values[0])
    return b"dir:%d" % number


def _escaped(value: bytes) -> bytes:
    return re.sub(rb"([\\/=])", rb"\\\1", value)
