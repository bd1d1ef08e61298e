"""Edge: ``nicl``: directories as records, properties and their access rules apart."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError
from portlore.netinfo.tools.editing import (
    change_values,
    create_path,
    destroy_properties,
    destroy_tree,
    merged,
    set_values,
)
from portlore.netinfo.tools.nigrep import walk
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
from portlore.netinfo.values import NiId
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.handle import Entry
    from portlore.netinfo.tools.running import Options

    Do = Callable[[Handle, Options, list[bytes], BinaryIO], None]

VERSION_OF = 0xFFFF_FFFE  # SELF of this object: the version of the directory that stands in the instance
MANY = 1 << 30
BASE = 200  # exits: 200 and the status


class Command(Value):
    """What ``nicl`` does, and how many words it takes."""

    do: Do
    least: int
    most: int


def _read(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.read(directory(handle, words[0]))
    wanted = [one for one in found.properties if not words[1:] or one.name in words[1:]]
    plain = tuple(one for one in wanted if not one.name.startswith(b"_"))
    metas = tuple(one for one in wanted if one.name.startswith(b"_"))
    if options.json:
        id_and_instance = {"id": found.id.object, "instance": found.id.instance}
        print_json(stdout, id_and_instance | {"props": pairs((*plain, *metas))})
    elif "-v" in options.flags:
        stdout.write(_head(handle, found))
        stdout.write(b"Attributes:\n" + b"".join(b"    " + lines((one,)) for one in plain))
        stdout.write(b"Meta-attributes:\n" + b"".join(b"    " + lines((one,)) for one in metas))
    else:
        stdout.write(lines((*plain, *metas)))


def _head(handle: Handle, one: Entry) -> bytes:
    try:
        version = handle.itself(NiId(VERSION_OF, one.id.object)).instance
    except NetInfoError:  # the NeXTSTEP generation knows of no versions
        version = 0
    below = handle.children(one.id)
    children = b"".join(b" %d" % number for number in below)
    return b"Record: %d   Version: %d   Serial: %d\nParent: %d\nChildren (%d):%b\n" % (
        one.id.object, version, one.id.instance, handle.parent(one.id), len(below), children,
    )  # fmt: skip


def _list(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    found = handle.list_values(directory(handle, words[0]), words[1] if len(words) > 1 else b"name")
    rows = [(number, values) for number, values in found if values]
    if options.json:
        print_json(stdout, [{"id": number, "values": texts(values)} for number, values in rows])
    else:
        stdout.writelines(b"%-11d%b\n" % (number, b" ".join(values)) for number, values in rows)


def _search(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    """Directories between two depths below a path (0: itself) that have all of some values of a property."""
    if not words[1].isdigit() or not words[2].isdigit():
        raise Misused
    path, key, wanted = words[0], words[3], set(words[4:])
    least, most = int(words[1]), int(words[2])
    found = [
        (where, entry)
        for depth, where, entry in walk(handle, directory(handle, path), path, most)
        if depth >= least and any(one.name == key and wanted.issubset(one.values) for one in entry.properties)
    ]
    if options.json:
        print_json(stdout, [{"id": entry.id.object, "path": text(where)} for where, entry in found])
        return
    stdout.write(b"Search found %d match%b\n" % (len(found), b"" if len(found) == 1 else b"es"))
    stdout.writelines(b"%-11d%b\n" % (entry.id.object, where) for where, entry in found)


def _create(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    one = create_path(handle, words[0])
    if len(words) > 1:
        set_values(handle, one, words[1], tuple(words[2:]))


def _append(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    change_values(handle, directory(handle, words[0]), words[1], lambda old: (*old, *words[2:]), make=True)


def _merge(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    change_values(handle, directory(handle, words[0]), words[1], lambda old: merged(old, tuple(words[2:])), make=True)


def _delete(handle: Handle, options: Options, words: list[bytes], stdout: BinaryIO) -> None:
    one = directory(handle, words[0])
    if len(words) == 1:
        destroy_tree(handle, one)
    elif len(words) == 2:
        destroy_properties(handle, one, words[1])
    else:
        change_values(
            handle, one, words[1], lambda old: tuple(value for value in old if value not in words[2:]), make=False
        )


COMMANDS = {
    "-read": Command(_read, 1, MANY),
    "-list": Command(_list, 1, 2),
    "-search": Command(_search, 5, MANY),
    "-create": Command(_create, 1, MANY),
    "-append": Command(_append, 3, MANY),
    "-merge": Command(_merge, 3, MANY),
    "-delete": Command(_delete, 1, MANY),
}


def nicl(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Do one command."""
    options = parse_options(arguments, ("-v", "-raw"), 1)
    if "-raw" in options.flags:
        raise Ended(1, b"-raw is not there yet: name a served domain")
    if len(options.words) < 2:
        raise Misused
    domain, name, *rest = options.words
    command = COMMANDS.get("-" + name.removeprefix("-"))
    words = [os.fsencode(word) for word in rest]
    if command is None or not command.least <= len(words) <= command.most:
        raise Misused
    with opened(options, domain) as handle:
        try:
            handle.transaction(lambda: command.do(handle, options, words, stdout))
        except NetInfoError as refusal:
            failed(words[0], refusal, base=BASE)
