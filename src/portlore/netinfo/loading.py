"""The flat formats of ``niload``: files of ``/etc`` as directories of NetInfo. Pure.

As the original: lines that begin with ``#`` are skipped, those that cannot be understood are dropped without a word,
and so is an entry without a name; the properties of an entry come in the order of the alphabet. An entry goes to the
child of ``Format.path`` that has its first name; of several of one name, the last one wins there.
"""

from __future__ import annotations

import re

from portlore.netinfo.values import Property
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portlore.netinfo.values import Properties

    Parse = Callable[[bytes], Iterator[Properties]]
    Found = dict[bytes, tuple[bytes, ...]]

BLANKS = b" \t"
COLON, COMMA, BLANK = (  # the blanks before a field, the field, what ends it
    re.compile(rb"[ \t]*+([^%b]*)([%b]?)" % (ends, ends), re.DOTALL) for ends in (b":", b",", BLANKS)
)


class Format(Value):
    """One format: the path of the directory that its entries go to, and how a text is read."""

    path: bytes
    parse: Parse


def _entry(found: Found) -> Iterator[Properties]:
    """Properties in the order in which niload writes them; nothing without a name."""
    if found[b"name"][0]:
        yield tuple(Property(name, found[name]) for name in sorted(found))


def _singles(names: Sequence[bytes], values: Sequence[bytes]) -> Found:
    return {name: (value,) for name, value in zip(names, values, strict=True)}


def _lines(data: bytes) -> Iterator[bytes]:
    """The lines; a NUL ends its line, as no value can hold one."""
    for line in data.split(b"\n"):
        yield line.partition(b"\0")[0]


def _rows(data: bytes, ends: re.Pattern[bytes], *, comments: bool = False) -> Iterator[tuple[bytes, ...]]:
    """The fields of each line that is no comment."""
    for line in _lines(data):
        if not line.startswith(b"#"):
            yield _fields(line, ends, comments=comments)


def _fields(line: bytes, ends: re.Pattern[bytes], *, comments: bool = False) -> tuple[bytes, ...]:
    """The fields of a line, without the blanks around them; ``comments``: a field that begins with ``#`` ends it.

    A separator at the end of a line is followed by an empty field, blanks behind it are none. The original had an empty
    field behind a last blank as well, an alias without letters for every line that nidump ends with a tab: not so here.
    """
    fields, at = [], 0
    while at < len(line):
        found = ends.match(line, at)
        if found is None or found.start(1) == len(line) or (comments and found[1].startswith(b"#")):
            break
        fields.append(found[1].rstrip(BLANKS))
        at = found.end()
        if not found[2]:
            break
        if at == len(line) and found[2] not in (b" ", b"\t"):
            fields.append(b"")
    return tuple(fields)


def _joined(data: bytes) -> Iterator[bytes]:
    """The lines, those that end in a backslash with the next one."""
    held: list[bytes] = []
    for line in _lines(data):
        if not held and line.startswith(b"#"):
            continue
        held.append(line.removesuffix(b"\\"))
        if not line.endswith(b"\\"):
            yield b"".join(held)
            held.clear()
    yield b"".join(held)


def _folded(data: bytes) -> Iterator[bytes]:
    """The lines, those that begin with a blank joined to the one before, without that blank."""
    held: list[bytes] = []
    for line in _lines(data):
        if held and line.startswith((b" ", b"\t")):
            held.append(line[1:])
        else:
            yield b"".join(held)
            held = [] if line.startswith(b"#") else [line]
    yield b"".join(held)


MASTER = (b"name", b"passwd", b"uid", b"gid", b"class", b"change", b"expire", b"realname", b"home", b"shell")
SEVENTH = (*MASTER[:4], *MASTER[7:])


def _users(columns: tuple[bytes, ...]) -> Parse:
    """Lines of passwd(5): all its columns; users may change their own password."""

    def parse(data: bytes) -> Iterator[Properties]:
        for values in _rows(data, COLON):
            if len(values) == len(columns) and not values[0].startswith(b"+"):
                found = {b"class": (b"",), b"change": (b"0",), b"expire": (b"0",)} | _singles(columns, values)
                yield from _entry(found | {b"_writers_passwd": (values[0],)})

    return parse


def _group(data: bytes) -> Iterator[Properties]:
    """Lines of group(5); without a fourth column the users are one empty value, with an empty one there are none."""
    for values in _rows(data, COLON):
        if len(values) >= 3 and not values[0].startswith(b"+"):
            users = _fields(values[3], COMMA) if len(values) > 3 else (b"",)
            yield from _entry(_singles((b"name", b"passwd", b"gid"), values[:3]) | {b"users": users})


def _hosts(data: bytes) -> Iterator[Properties]:
    for words in _rows(data, BLANK, comments=True):
        if len(words) >= 2:
            yield from _entry({b"ip_address": (words[0],), b"name": words[1:]})


def _by_name(column: bytes) -> Parse:
    """Lines of a name, a number and further names."""

    def parse(data: bytes) -> Iterator[Properties]:
        for words in _rows(data, BLANK, comments=True):
            if len(words) >= 2:
                yield from _entry({b"name": (words[0], *words[2:]), column: (words[1],)})

    return parse


def _services(data: bytes) -> Iterator[Properties]:
    for words in _rows(data, BLANK, comments=True):
        port, _, protocol = words[1].partition(b"/") if len(words) >= 2 else (b"", b"", b"")
        if port and protocol:
            yield from _entry({b"name": (words[0], *words[2:]), b"port": (port,), b"protocol": (protocol,)})


FSTAB = (b"name", b"dir", b"vfstype", b"opts", b"dump_freq", b"passno")
BOOTPTAB = (b"name", b"htype", b"en_address", b"ip_address", b"bootfile")


def _fstab(data: bytes) -> Iterator[Properties]:
    for words in _rows(data, BLANK):
        if len(words) >= len(FSTAB):
            yield from _entry(_singles(FSTAB, words[: len(FSTAB)]) | {b"opts": _fields(words[3], COMMA)})


def _bootptab(data: bytes) -> Iterator[Properties]:
    """Lines of five words behind the ``%%`` that ends the header."""
    lines = data.split(b"\n")
    ends = [number for number, line in enumerate(lines) if line.startswith(b"%%")]
    body = b"\n".join(lines[ends[0] + 1 :]) if ends else b""
    for words in _rows(body, BLANK):
        if len(words) >= len(BOOTPTAB):
            yield from _entry(_singles(BOOTPTAB, words[: len(BOOTPTAB)]))


def _aliases(data: bytes) -> Iterator[Properties]:
    """``name: member, member``; a second colon ends the members."""
    for line in _folded(data):
        fields = _fields(line, COLON)
        if len(fields) >= 2:
            yield from _entry({b"name": fields[:1], b"members": _fields(fields[1], COMMA)})


def _assigned(separator: bytes) -> Parse:
    """Lines of a name and ``key=value`` each; other fields are dropped, of one key the last stays."""

    def parse(data: bytes) -> Iterator[Properties]:
        for line in _joined(data):
            name, *fields = line.split(separator)
            found: Found = {b"name": (name,)}
            for field in fields:
                key, _, value = field.partition(b"=")
                if field.count(b"=") == 1 and key:
                    found[key] = (value,)
            yield from _entry(found)

    return parse


FORMATS = {
    "passwd": Format(b"/users", _users(MASTER)),
    "passwd.43": Format(b"/users", _users(SEVENTH)),
    "group": Format(b"/groups", _group),
    "hosts": Format(b"/machines", _hosts),
    "networks": Format(b"/networks", _by_name(b"address")),
    "protocols": Format(b"/protocols", _by_name(b"number")),
    "rpc": Format(b"/rpcs", _by_name(b"number")),
    "services": Format(b"/services", _services),
    "fstab": Format(b"/mounts", _fstab),
    "aliases": Format(b"/aliases", _aliases),
    "printcap": Format(b"/printers", _assigned(b":")),
    "bootparams": Format(b"/machines", _assigned(b"\t")),
    "bootptab": Format(b"/machines", _bootptab),
}
