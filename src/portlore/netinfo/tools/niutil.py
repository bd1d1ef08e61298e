"""Edge: ``niutil``: reads and changes directories, one property at a time."""

from __future__ import annotations

import os
import socket

from portlore.errors import NetInfoError
from portlore.netinfo.client import name_of
from portlore.netinfo.handle import NOPROP
from portlore.netinfo.tools.editing import (
    change_values,
    create_path,
    destroy_properties,
    destroy_tree,
    insert_value,
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

    ``about`` is filled in with the path and, in front of it, the property's name.
    """

    do: Do
    least: int
    most: int
    about: bytes = b""


MANY = 1 << 30
MODIFIES = b"can't modify %(key)b in directory %(path)b"


def _create(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    if words[0].isdigit():
        directory(handle, words[0])
    else:
        create_path(handle, words[0])


def _destroy(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    destroy_tree(handle, directory(handle, words[0]))


def _create_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    set_values(handle, directory(handle, words[0]), words[1], tuple(words[2:]))


def _append_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    change_values(handle, directory(handle, words[0]), words[1], lambda old: (*old, *words[2:]), make=True)


def _merge_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    change_values(handle, directory(handle, words[0]), words[1], lambda old: merged(old, tuple(words[2:])), make=True)


def _number(word: bytes, verb: bytes) -> int:
    try:
        return int(word) & 0xFFFF_FFFF
    except ValueError:
        raise Ended(3, b"index for %b must be an integer\nfound %b" % (verb, word)) from None


def _insert_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    where = _number(words[3], b"-insertval")
    insert_value(handle, directory(handle, words[0]), words[1], words[2], where)


def _destroy_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    for key in words[1:]:
        destroy_properties(handle, directory(handle, words[0]), key)


def _destroy_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    def left(old: tuple[bytes, ...]) -> tuple[bytes, ...]:
        return tuple(value for value in old if value not in words[2:])

    change_values(handle, directory(handle, words[0]), words[1], left, make=False)


def _rename_property(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    rename_property(handle, directory(handle, words[0]), words[1], words[2])


def _read(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.read(directory(handle, words[0]))
    if options.json:
        id_and_instance = {"id": found.id.object, "instance": found.id.instance}
        print_json(stdout, id_and_instance | {"props": pairs(found.properties)})
    else:
        stdout.write(lines(found.properties))


def _list(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    key = words[1] if len(words) > 1 else b"name"
    found = handle.list_values(directory(handle, words[0]), key)
    if options.json:
        print_json(stdout, [{"id": number, "values": texts(values or ())} for number, values in found])
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
        print_json(stdout, texts(values))
    else:
        stdout.write(b" ".join(values) + b"\n")


def _read_value(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    place = _number(words[2], b"-readval")
    values = _values(handle, words)
    if place >= len(values):  # the original says so and takes it for no failure
        raise Ended(0, b"property %b in directory %b has no value at index %b" % (words[1], words[0], words[2]))
    if options.json:
        print_json(stdout, text(values[place]))
    else:
        stdout.write(values[place] + b"\n")


def _rparent(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    try:
        tag, address = handle.rparent()
    except NetInfoError as refusal:
        if refusal.status != NUMBERS["NETROOT"]:
            raise
        if options.json:
            print_json(stdout, None)
        else:
            stdout.write(b"root domain: no parent\n")
        raise Ended(100 + refusal.status) from None
    host = address
    if "-n" not in options.flags:
        try:
            host = socket.gethostbyaddr(address)[0]
        except OSError:
            pass  # a machine without a name
    if options.json:
        print_json(stdout, {"host": host, "address": address, "tag": text(tag)})
    else:
        stdout.write(b"%b/%b\n" % (host.encode(), tag))


def _resync(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    handle.resync()


def _statistics(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.statistics()
    if options.json:
        print_json(stdout, pairs(found))
    else:
        stdout.write(lines(found))


def _domain_name(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    name = name_of(handle)
    if options.json:
        print_json(stdout, text(name))
    else:
        stdout.write(name + b"\n")


VERBS = {
    "-create": Verb(_create, 1, 1, b"can't create directory %(path)b"),
    "-destroy": Verb(_destroy, 1, 1, b"can't destroy directory %(path)b"),
    "-createprop": Verb(_create_property, 2, MANY, MODIFIES),
    "-appendprop": Verb(_append_property, 3, MANY, MODIFIES),
    "-mergeprop": Verb(_merge_property, 3, MANY, MODIFIES),
    "-insertval": Verb(_insert_value, 4, 4, MODIFIES),
    "-destroyprop": Verb(_destroy_property, 2, MANY, MODIFIES),
    "-destroyval": Verb(_destroy_value, 3, MANY, MODIFIES),
    "-renameprop": Verb(_rename_property, 3, 3, b"can't rename %(key)b in directory %(path)b"),
    "-read": Verb(_read, 1, 1, b"can't open directory %(path)b"),
    "-list": Verb(_list, 1, 2, b"can't open directory %(path)b"),
    "-readprop": Verb(_read_property, 2, 2, b"can't open directory %(path)b"),
    "-readval": Verb(_read_value, 3, 3, b"can't open directory %(path)b"),
    "-rparent": Verb(_rparent, 0, 0, b"can't get parent"),
    "-resync": Verb(_resync, 0, 0, b"can't resync"),
    "-statistics": Verb(_statistics, 0, 0, b"can't get statistics"),
    "-stat": Verb(_statistics, 0, 0, b"can't get statistics"),
    "-domainname": Verb(_domain_name, 0, 0, b"can't get domain name"),
}


def niutil(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Do what the one verb among the arguments says."""
    options = parse_options(arguments, ("-n", "-R", *VERBS), 1)
    named = [name for name in VERBS if name in options.flags]
    words = [os.fsencode(word) for word in options.words[1:]]
    if len(named) != 1 or not options.words:
        raise Misused
    verb = VERBS[named[0]]
    if not verb.least <= len(words) <= verb.most:
        raise Misused
    with opened(options, options.words[0]) as handle:
        try:
            handle.transaction(lambda: verb.do(handle, options, words, stdout), wait_for_master="-R" in options.flags)
        except NetInfoError as refusal:
            about: dict[bytes, Any] = {b"path": words[0] if words else b"", b"key": words[1] if words[1:] else b""}
            mark = b" " if named[0] == "-list" else b": "  # as it was
            failed(verb.about % about, refusal, mark)
