"""Edge: ``niutil``: reads and changes directories, one property at a time."""

from __future__ import annotations

import os
import re
import socket

from portlore.errors import NetInfoError
from portlore.netinfo.handle import NODIR, NOPROP
from portlore.netinfo.hierarchy import name_of, why_lost
from portlore.netinfo.tools.editing import (
    change_values,
    create_path,
    destroy_properties,
    destroy_tree,
    merged,
    places,
    rename_property,
    set_values,
)
from portlore.netinfo.tools.running import (
    Ended,
    Misused,
    directory,
    failed,
    lines,
    opened,
    pairs,
    parse_options,
    print_json,
    text,
    texts,
    too_few,
)
from portlore.netinfo.values import NUMBERS
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.tools.running import Options

    Do = Callable[[Handle, Options, list[bytes], BinaryIO], None]


class Verb(Value):
    """What ``niutil`` does: how many words it takes after the domain, and what it is about when it fails.

    ``about`` is filled in with the domain, the path and the property's name; ``mark`` stands in front of it.
    """

    do: Do
    least: int
    most: int
    about: bytes
    mark: bytes = b": "
    writes: bool = False


MANY = 1 << 30
OPENS, MODIFIES = b"can't open directory %(path)b", b"can't modify %(key)b in directory %(path)b"
NUMBER = re.compile(rb"[ \t]*([+-]?[0-9]{1,10})")
FARTHEST = 0x7FFF_FFFF


def _create(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    """A path is one from the root; digits alone are an id, a name where there is no such id."""
    try:
        directory(handle, words[0])
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        create_path(handle, words[0])


def _destroy(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    destroy_tree(handle, directory(handle, words[0]))


def _create_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    set_values(handle, directory(handle, words[0]), words[1], tuple(words[2:]))


def _append_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    new = tuple(words[2:])
    change_values(handle, directory(handle, words[0]), words[1], lambda old: (*old, *new), new)


def _merge_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    new = tuple(words[2:])
    change_values(handle, directory(handle, words[0]), words[1], lambda old: merged(old, new), new)


def _number(word: bytes) -> int:
    """An index as the original read it: the digits that a word begins with, 0 without any."""
    found = NUMBER.match(word)
    return max(min(int(found[1]), FARTHEST), -FARTHEST) if found else 0


def _insert_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    """A new value at a place; at the end for a place that is not there."""
    where, value = _number(words[3]), words[2]

    def inserted(old: tuple[bytes, ...]) -> tuple[bytes, ...]:
        place = where if 0 <= where <= len(old) else len(old)
        return (*old[:place], value, *old[place:])

    change_values(handle, directory(handle, words[0]), words[1], inserted, (value,))


def _destroy_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    for key in words[1:]:
        destroy_properties(handle, directory(handle, words[0]), key)


def _destroy_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    def left(old: tuple[bytes, ...]) -> tuple[bytes, ...]:
        return tuple(value for value in old if value not in words[2:])

    change_values(handle, directory(handle, words[0]), words[1], left)


def _rename_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    rename_property(handle, directory(handle, words[0]), words[1], words[2])


def _read(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.read(directory(handle, words[0]))
    if options.json:
        print_json(stdout, id=found.id.object, instance=found.id.instance, props=pairs(found.properties))
    else:
        stdout.write(lines(found.properties))


def _list(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    key = words[1] if len(words) > 1 else b"name"
    found = handle.list_values(directory(handle, words[0]), key)
    if options.json:
        print_json(stdout, directories=[{"id": number, "values": texts(values or ())} for number, values in found])
        return
    rows = ((number, b"".join(b" " + value for value in values or ())) for number, values in found)
    stdout.writelines(b"%d\t%b\n" % row for row in rows)


def _values(handle: Handle, words: list[bytes]) -> tuple[bytes, ...]:
    one = directory(handle, words[0])
    found = places(handle, one, words[1])
    if not found:
        failed(b"can't get property %b in directory %b" % (words[1], words[0]), NetInfoError(NOPROP))
    return handle.read_values(one, found[0])


def _read_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    values = _values(handle, words)
    if options.json:
        print_json(stdout, values=texts(values))
    else:
        stdout.write(b" ".join(values) + b"\n")


def _read_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    place, values = _number(words[2]), _values(handle, words)
    there = 0 <= place < len(values)
    if options.json:
        print_json(stdout, value=text(values[place]) if there else None)
    elif not there:  # the original says so and takes it for no failure
        raise Ended(0, b"property %b in directory %b has no value at index %d" % (words[1], words[0], place))
    else:
        stdout.write(values[place] + b"\n")


def _rparent(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    try:
        tag, address = handle.rparent()
    except NetInfoError as refusal:
        if refusal.status != NUMBERS["NETROOT"]:
            raise
        if options.json:
            print_json(stdout, parent=None)
        else:
            stdout.write(b"root domain: no parent\n")
        lost = why_lost(handle)  # the original says no more, also where a parent is named
        said = b"" if lost is None else lost.found.encode("utf-8", "backslashreplace")
        raise Ended(100 + refusal.status, said, asked="the parent", found=text(said)) from None
    host = address
    if "-n" not in options.flags:
        try:
            host = socket.gethostbyaddr(address)[0]
        except OSError:
            pass  # a machine without a name
    if options.json:
        print_json(stdout, parent={"host": host, "address": address, "tag": text(tag)})
    else:
        stdout.write(b"%b/%b\n" % (host.encode(), tag))


def _resync(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    handle.resync()


def _statistics(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.statistics()
    if options.json:
        print_json(stdout, props=pairs(found))
    else:
        stdout.write(lines(found))


def _domain_name(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    name = name_of(handle)
    if options.json:
        print_json(stdout, name=text(name))
    else:
        stdout.write(name + b"\n")


VERBS = {
    "-create": Verb(_create, 1, 1, b"can't create directory %(path)b", writes=True),
    "-destroy": Verb(_destroy, 1, 1, b"can't destroy directory %(path)b", writes=True),
    "-createprop": Verb(_create_property, 2, MANY, MODIFIES, writes=True),
    "-appendprop": Verb(_append_property, 3, MANY, MODIFIES, writes=True),
    "-mergeprop": Verb(_merge_property, 3, MANY, MODIFIES, writes=True),
    "-insertval": Verb(_insert_value, 4, 4, MODIFIES, writes=True),
    "-destroyprop": Verb(_destroy_property, 2, MANY, b"can't destroy %(key)b in directory %(path)b", writes=True),
    "-destroyval": Verb(_destroy_value, 3, MANY, MODIFIES, writes=True),
    "-renameprop": Verb(_rename_property, 3, 3, b"can't rename %(key)b in directory %(path)b", writes=True),
    "-read": Verb(_read, 1, 1, OPENS),
    "-list": Verb(_list, 1, 2, OPENS, b" "),  # without the colon, as it was; and so below
    "-readprop": Verb(_read_property, 2, 2, OPENS),
    "-readval": Verb(_read_value, 3, 3, OPENS),
    "-rparent": Verb(_rparent, 0, 0, b"can't find rparent for domain %(domain)b"),
    "-resync": Verb(_resync, 0, 0, b"can't resync domain %(domain)b", b" ", writes=True),
    "-statistics": Verb(_statistics, 0, 0, b"can't get statistics for domain %(domain)b"),
    "-stat": Verb(_statistics, 0, 0, b"can't get statistics for domain %(domain)b"),
    "-domainname": Verb(_domain_name, 0, 0, b"can't get name for domain %(domain)b"),
}


def niutil(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Do what the one verb among the arguments says."""
    options = parse_options(arguments, ("-n", "-R", *VERBS), 1)
    options.streams = stdin, stderr
    named = [name for name in VERBS if name in options.flags]
    if len(named) != 1:
        raise Misused
    domain, *words = [os.fsencode(word) for word in options.words] or [b""]
    verb = VERBS[named[0]]
    if len(options.words) <= verb.least:
        raise too_few(arguments[0])
    if len(words) > verb.most:
        raise Misused
    if named[0] == "-insertval" and not _number(words[3]) and words[3] != b"0":
        raise Ended(3, b"index for -insertval must be an integer\nfound " + words[3])
    with opened(options, os.fsdecode(domain)) as handle:
        try:
            if verb.writes:
                busy = "-R" in options.flags
                handle.transaction(lambda: verb.do(handle, options, words, stdout), wait_for_master=busy)
            else:
                verb.do(handle, options, words, stdout)
        except NetInfoError as refusal:
            path, key = (*words, b"", b"")[:2]
            about: dict[bytes, Any] = {b"domain": domain, b"path": path, b"key": key}
            failed(verb.about % about, refusal, verb.mark)
    if options.json and verb.writes:
        print_json(stdout, done=True)
