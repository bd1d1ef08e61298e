"""Edge: ``nicl``: directories as records, properties and their access rules apart."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError
from portlore.netinfo.disk.reading import Disk
from portlore.netinfo.handle import NOPROP, parse_path
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
from portlore.netinfo.values import NUMBERS, ROOT, NiId, first, properties
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from portlore.netinfo.client import Handle
    from portlore.netinfo.handle import Entry
    from portlore.netinfo.tools.running import Options
    from portlore.netinfo.values import Properties

    Do = Callable[["Session", list[bytes]], None]

VERSION_OF = 0xFFFF_FFFE  # SELF of this object: the version of the directory that stands in the instance
MANY = 1 << 30
BASE = 200  # exits: 200 and the status


class Session:
    """One domain that is worked on, and where the answers go."""

    def __init__(self, handle: Handle, options: Options, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self.handle, self.options, self.stdout, self.stderr = handle, options, stdout, stderr

    def find(self, path: bytes) -> NiId:
        """The directory of a path or id. Slashes at the ends of a path do not matter; ``..`` is the one above."""
        if path.isdigit():
            return directory(self.handle, path)
        here = NiId(ROOT, 0)
        for key, value in parse_path(b"/" + path.rstrip(b"/")):
            if (key, value) == (b"name", b".."):
                here = NiId(self.handle.parent(here), 0)
            elif (key, value) != (b"name", b"."):
                here = NiId(self.handle.lookup(here, key, value)[0], 0)
        return self.handle.itself(here)


class Command(Value):
    """What ``nicl`` does, and how many words it takes."""

    do: Do
    least: int
    most: int
    writes: bool = False


def _sorted(found: Properties) -> tuple[Properties, Properties]:
    """The properties, and the access rules among them."""
    metas = tuple(one for one in found if one.name.startswith(b"_"))
    return tuple(one for one in found if not one.name.startswith(b"_")), metas


def _read(session: Session, words: list[bytes]) -> None:
    """A directory; of named properties those that are there, in the order in which they are named."""
    found = session.handle.read(session.find(words[0]))
    if words[1:]:
        named = [(key, first(found.properties, key)) for key in words[1:]]
        shown = tuple(one for _, one in named if one is not None)
    else:
        named, (plain, metas) = [], _sorted(found.properties)
        shown = (*plain, *metas)
    if session.options.json:
        print_json(session.stdout, id=found.id.object, instance=found.id.instance, props=pairs(shown))
    else:
        session.stdout.write(lines(shown) if words[1:] else _shown(session, found))
        session.stderr.writelines(b"No such key: %b\n" % key for key, one in named if one is None)


def _shown(session: Session, one: Entry) -> bytes:
    """A whole directory; ``-v``: with all that there is to say of it."""
    plain, metas = _sorted(one.properties)
    if "-v" not in session.options.flags:
        return lines((*plain, *metas))
    handle = session.handle
    try:
        version = handle.itself(NiId(VERSION_OF, one.id.object)).instance
    except NetInfoError:  # the NeXTSTEP generation knows of no versions
        version = 0
    head = b"Record: %d   Version: %d   Serial: %d\n" % (one.id.object, version, one.id.instance)
    head += b"Parent: %d\n" % handle.parent(one.id)
    if below := handle.children(one.id):
        head += b"Children (%d):%b\n" % (len(below), b"".join(b" %d" % number for number in below))
    for title, part in ((b"Attributes:\n", plain), (b"Meta-attributes:\n", metas)):
        if part:
            head += title + b"".join(b"    " + lines((one,)) for one in part)
    return head


def _list(session: Session, words: list[bytes]) -> None:
    found = session.handle.list_values(session.find(words[0]), words[1] if len(words) > 1 else b"name")
    rows = [(number, values) for number, values in found if values]
    if session.options.json:
        print_json(session.stdout, directories=[{"id": number, "values": texts(values)} for number, values in rows])
    else:
        session.stdout.writelines(b"%-10d %b\n" % (number, b" ".join(values)) for number, values in rows)


def _search(session: Session, words: list[bytes]) -> None:
    """Directories between two depths below a path (0: itself, -1: any) that have all of some keys with these values."""
    try:
        least, most = int(words[1]), int(words[2])
    except ValueError:
        raise Misused from None
    wanted = list(zip(words[3::2], words[4::2], strict=False))
    if len(words) % 2 == 0:
        raise Misused(b"Error: expecting a value", None)
    path = words[0]
    found = [
        (where, entry)
        for depth, where, entry in walk(session.handle, session.find(path), path, most if most >= 0 else MANY)
        if depth >= least and all(_has(entry.properties, key, value) for key, value in wanted)
    ]
    if session.options.json:
        print_json(session.stdout, matches=[{"id": one.id.object, "path": text(where)} for where, one in found])
        return
    session.stdout.write(b"Search found %d match%b\n" % (len(found), b"" if len(found) == 1 else b"es"))
    for _, entry in found:
        session.stdout.write(b"\n" + _shown(session, entry))


def _has(found: Properties, key: bytes, value: bytes) -> bool:
    one = first(found, key)
    return one is not None and value in one.values


def _create(session: Session, words: list[bytes]) -> None:
    one = session.find(words[0]) if words[0].isdigit() else create_path(session.handle, words[0])
    if len(words) > 1:
        set_values(session.handle, one, words[1], tuple(words[2:]))


def _append(session: Session, words: list[bytes]) -> None:
    new = tuple(words[2:])
    change_values(session.handle, session.find(words[0]), words[1], lambda old: (*old, *new), new)


def _merge(session: Session, words: list[bytes]) -> None:
    new = tuple(words[2:])
    change_values(session.handle, session.find(words[0]), words[1], lambda old: merged(old, new), new)


def _delete(session: Session, words: list[bytes]) -> None:
    """A directory with all below it, a property, or of each value the first in a property."""
    handle, one = session.handle, session.find(words[0])
    if len(words) == 1:
        destroy_tree(handle, one)
    elif len(words) == 2:
        destroy_properties(handle, one, words[1])
    elif words[1] not in handle.list_properties(one):
        raise Ended(BASE + NOPROP, b"No such key: " + words[1], None)
    else:

        def left(old: tuple[bytes, ...]) -> tuple[bytes, ...]:
            values = list(old)
            for value in words[2:]:
                if value in values:
                    values.remove(value)
            return tuple(values)

        change_values(handle, one, words[1], left)


def _statistics(session: Session, words: list[bytes]) -> None:
    """How a server is, or a store on disk, of which nothing was fetched, saved or removed."""
    connection = session.handle.connection
    if isinstance(connection, Disk):
        domain = connection.domain
        counts = {"checksum": domain.checksum, "version": domain.version, "max_dsid": domain.highest}
        counts |= {"fetch_count": 0, "save_count": 0, "remove_count": 0}
        found = properties((name, [str(number)]) for name, number in counts.items())
    else:
        found = session.handle.statistics()
    if session.options.json:
        print_json(session.stdout, props=pairs(found))
    else:
        session.stdout.write(lines(found))


COMMANDS = {
    "read": Command(_read, 1, MANY),
    "list": Command(_list, 1, 2),
    "search": Command(_search, 5, MANY),
    "statistics": Command(_statistics, 0, 0),
    "stats": Command(_statistics, 0, 0),
    "create": Command(_create, 1, MANY, writes=True),
    "append": Command(_append, 3, MANY, writes=True),
    "merge": Command(_merge, 3, MANY, writes=True),
    "delete": Command(_delete, 1, MANY, writes=True),
}


def nicl(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Do one command, or without one those that stdin has, a line each."""
    options = parse_options(arguments, ("-v", "-raw", "-ro", "-q"), 1)
    options.streams = stdin, stderr
    if not options.words:
        raise Misused
    domain, *words = options.words
    if words:
        _chosen(options, words[0], len(words) - 1)
    with opened(options, domain) as handle:
        session = Session(handle, options, stdout, stderr)
        if words:
            _do(session, words)
        else:
            _converse(session, stdin)


def _chosen(options: Options, name: str, words: int) -> Command:
    """The command of a name; :class:`Misused` for none, or one that does not take so many words."""
    command = COMMANDS.get(name.removeprefix("-"))
    if command is None or words > command.most:
        raise Misused
    if words < command.least:
        raise Misused(b"Too few parameters for %b operation" % os.fsencode(name.removeprefix("-")), None)
    if command.writes and "-ro" in options.flags:
        raise Ended(BASE + NUMBERS["RDONLY"], b"-ro: nothing is written", do="leave -ro out")
    return command


def _do(session: Session, words: Sequence[str]) -> None:
    name, *rest = words
    command, given = _chosen(session.options, name, len(rest)), [os.fsencode(word) for word in rest]
    try:
        if command.writes:
            session.handle.transaction(lambda: command.do(session, given))
        else:
            command.do(session, given)
    except NetInfoError as refusal:
        failed(given[0] if given else os.fsencode(name), refusal, base=BASE)
    if session.options.json and command.writes:
        print_json(session.stdout, done=True)


def _converse(session: Session, stdin: BinaryIO) -> None:
    """Do what each line says until one says ``quit``; what fails is told, and its exit code is the one in the end."""
    import shlex

    code = 0
    for line in stdin:
        try:
            words = shlex.split(os.fsdecode(line))
            if words in (["quit"], ["exit"], ["q"]):
                break
            if words:
                _do(session, words)
        except (ValueError, Misused) as misuse:
            code, told = 1, getattr(misuse, "text", b"") or b"no such command: " + line.strip()
            session.stderr.write(b"nicl: %b\n" % told)
        except Ended as end:
            code = end.code
            session.stderr.write(b"nicl: %b\n" % end.text)
    if code:
        raise Ended(code)
