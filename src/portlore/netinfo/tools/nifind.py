"""Edge: ``nifind``: in which domains a directory is, from the local one upwards, or in all of them."""

from __future__ import annotations

import os
from contextlib import ExitStack

from portlore.errors import HostError, NetInfoError, PortloreError
from portlore.netinfo.client import child_of, children_of, name_of, upwards
from portlore.netinfo.handle import NODIR
from portlore.netinfo.tools.running import (
    Ended,
    Misused,
    failed,
    lines,
    opened,
    pairs,
    parse_options,
    print_json,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, BinaryIO

    from portlore.netinfo.client import Handle


def nifind(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Look for a path in each domain."""
    options = parse_options(arguments, ("-a", "-n", "-p", "-v"), 2, credentials=False)
    if not 1 <= len(options.words) <= 2:
        raise Misused
    path, domain = os.fsencode(options.words[0]), (*options.words, ".")[1]
    shown: list[dict[str, Any]] = []
    verbose, properties = "-v" in options.flags, "-p" in options.flags
    with ExitStack() as closing:
        first = closing.enter_context(opened(options, domain))
        try:
            for handle in everywhere(first) if "-a" in options.flags else upwards(first):
                closing.enter_context(handle)
                if handle is first and "-n" in options.flags:
                    continue
                told, found = _look(handle, path, name_of(handle), verbose=verbose, properties=properties)
                shown.append(found)
                stdout.write(b"" if options.json else told)
        except NetInfoError as refusal:
            failed(b"can't search " + path, refusal)
        except HostError as error:
            raise Ended(1, str(error).encode()) from None
    if options.json:
        print_json(stdout, shown)


def _look(handle: Handle, path: bytes, name: bytes, *, verbose: bool, properties: bool) -> tuple[bytes, dict[str, Any]]:
    """What is said of one domain, to people and to scripts."""
    try:
        one = handle.search(path)
        found = handle.read(one).properties if properties else ()
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        return b"%b not found in %b\n" % (path, name) if verbose else b"", {"domain": text(name), "id": None}
    said = b"%b found in %b, id = %d\n" % (path, name, one.object) + lines(found)
    return said, {"domain": text(name), "id": one.object} | ({"props": pairs(found)} if properties else {})


def everywhere(first: Handle) -> Iterator[Handle]:
    """Every domain of a hierarchy, the root first; a domain whose servers do not answer is passed over."""
    *below, root = upwards(first)
    for handle in below:
        handle.close()
    waiting, seen = [root], {_place(root)}
    while waiting:
        handle = waiting.pop()
        yield handle
        try:
            names = children_of(handle)
        except NetInfoError:
            continue
        for name in reversed(names):
            try:
                child = child_of(handle, name)
            except PortloreError:
                continue
            if _place(child) in seen:
                child.close()
                continue
            seen.add(_place(child))
            waiting.append(child)


def _place(handle: Handle) -> tuple[str, int, bytes]:
    return handle.connection.address, handle.connection.port, handle.tag
