"""Edge: ``nifind``: in which domains a directory is, from the local one upwards, or in all of them."""

from __future__ import annotations

import os
from contextlib import ExitStack

from portlore.errors import HostError, NetInfoError, PortloreError
from portlore.netinfo.handle import NODIR
from portlore.netinfo.hierarchy import Astray, child_of, children_of, name_of, upwards
from portlore.netinfo.tools.running import (
    Ended,
    Misused,
    Unknown,
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
    from portlore.netinfo.tools.running import Options

ALL = 1 << 30
LOCAL = b"local"  # the tag that a machine's own domain has by custom


def nifind(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Look for a path in each domain; with ``-t`` a server stands for the local domain."""
    try:
        options = parse_options(arguments, ("-a", "-n", "-p", "-v"), ALL, credentials=False)
    except Unknown as unknown:
        raise Misused(b"unknown option: " + os.fsencode(unknown.option), None) from None
    if not 1 <= len(options.words) <= 2:
        raise Misused
    path = os.fsencode(options.words[0])
    shown: list[dict[str, Any]] = []
    lost: list[Astray] = []
    with ExitStack() as closing:
        try:
            for handle in _everywhere(options) if "-a" in options.flags else _upwards(options, lost):
                closing.enter_context(handle)
                if "-n" in options.flags and handle.tag == LOCAL:
                    continue
                told, found = _look(handle, path, options, lost)
                shown.append(found)
                stdout.write(b"" if options.json else told)
        except NetInfoError as refusal:
            if options.json and isinstance(refusal, Astray):  # what is below is found all the same
                print_json(stdout, domains=shown)
            failed(b"can't search " + path, refusal)
        except HostError as error:
            raise Ended(1, str(error).encode(), asked=error.asked, found=error.found, do=error.do) from None
    if options.json:
        print_json(stdout, domains=shown)


def _look(handle: Handle, path: bytes, options: Options, lost: list[Astray]) -> tuple[bytes, dict[str, Any]]:
    """What is said of one domain, to people and to scripts."""
    name, properties = _name(handle, lost), "-p" in options.flags
    try:
        one = handle.search(path)
        found = handle.read(one).properties if properties else ()
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        missing = b"%b not found in %b\n" % (path, name) if "-v" in options.flags else b""
        return missing, {"domain": text(name), "id": None}
    said = b"%b found in %b, id = %d\n" % (path, name, one.object)
    if not properties:
        return said, {"domain": text(name), "id": one.object}
    return said + lines(found) + b"\n", {"domain": text(name), "id": one.object, "props": pairs(found)}


def _name(handle: Handle, lost: list[Astray]) -> bytes:
    """A domain's name; below a parent that is not there, by which address and tag it goes.

    ``lost``: that the parent is not there, once that is known; it is not waited for again.
    """
    try:
        if not lost:
            return name_of(handle)
    except Astray as error:
        lost.append(error)
    return handle.tag + b"@" + handle.connection.address.encode()


def _opened(options: Options, domain: str) -> Handle:
    try:
        return opened(options, domain)
    except Ended as end:
        what = b"error: can't open domain " + os.fsencode(domain)
        raise Ended(1, what, None, asked=end.asked, found=end.found, do=end.do) from None


def _upwards(options: Options, lost: list[Astray]) -> Iterator[Handle]:
    """The local domain and those above it, up to the one that is named, else to the root."""
    if "-t" in options.flags:
        yield from upwards(_opened(options, (*options.words, "")[1]))
        return
    highest = None
    if len(options.words) > 1:
        with _opened(options, options.words[1]) as top:
            highest = name_of(top)
    for handle in upwards(_opened(options, ".")):
        last = highest is not None and _name(handle, lost) == highest
        yield handle
        if last:
            return


def _everywhere(options: Options) -> Iterator[Handle]:
    """The root, or the domain that is named, and every domain below; those whose servers do not answer are left out."""
    top = _opened(options, (*options.words, "/")[1])
    if "-t" in options.flags:
        *below, top = upwards(top)
        for handle in below:
            handle.close()
    waiting, seen = [top], {_place(top)}
    while waiting:
        handle = waiting.pop()
        yield handle
        try:
            found = children_of(handle)
        except NetInfoError:
            continue
        for name, tag in reversed(found):
            if "-n" in options.flags and tag == LOCAL:
                continue
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
