"""The flat formats of ``niload``: files of ``/etc`` as directories of NetInfo. Pure.

As the original: lines that begin with ``#`` are skipped, those that cannot be understood are dropped without a word,
and the properties of an entry come in the order of the alphabet. An entry goes to the child of ``Format.path`` that
has its first name; of several of one name, the last one wins there.
"""

from __future__ import annotations

from portlore.netinfo.values import Property
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portlore.netinfo.values import Properties

    Parse = Callable[[bytes], Iterator[Properties]]

BLANKS = b" \t"


class Format(Value):
    """One format: the path of the directory that its entries go to, and how a text is read."""

    path: bytes
    parse: Parse


def _entry(found: dict[bytes, tuple[bytes, ...]]) -> Properties:
    """Properties in the order in which niload writes them."""
    names = sorted(found, key=lambda name: (not name.startswith(b"_"), name))
    return tuple(Property(name, found[name]) for name in names)


def _singles(names: Sequence[bytes], values: Sequence[bytes]) -> dict[bytes, tuple[bytes, ...]]:
    return {name: (value,) for name, value in zip(names, values, strict=True)}


def _lines(data: bytes) -> Iterator[bytes]:
    """The lines that are no comment; a NUL ends its line, as no value can hold one."""
    for line in data.split(b"\n"):
        if not line.startswith(b"#"):
            yield line.partition(b"\0")[0]


def _joined(data: bytes) -> Iterator[bytes]:
    """The lines, those that end in a backslash with the next one."""
    held: list[bytes] = []
    for line in _lines(data):
        held.append(line.removesuffix(b"\\"))
        if not line.endswith(b"\\"):
            yield b"".join(held)
            held.clear()
    yield b"".join(held)


def _words(data: bytes) -> Iterator[list[bytes]]:
    """The words of each line, up to a ``#``."""
    for line in _lines(data):
        yield line.partition(b"#")[0].split()


MASTER = (b"name", b"passwd", b"uid", b"gid", b"class", b"change", b"expire", b"realname", b"home", b"shell")
SEVENTH = (*MASTER[:4], *MASTER[7:])


def _users(columns: tuple[bytes, ...]) -> Parse:
    """Lines of passwd(5): all its columns; users may change their own password."""

    def parse(data: bytes) -> Iterator[Properties]:
        for line in _lines(data):
            values = line.split(b":")
            if len(values) == len(columns) and values[0] and not line.startswith(b"+"):
                found = {b"class": (b"",), b"change": (b"0",), b"expire": (b"0",)} | _singles(columns, values)
                yield _entry(found | {b"_writers_passwd": (values[0],)})

    return parse


def _group(data: bytes) -> Iterator[Properties]:
    """Lines of group(5); without a fourth column the users are one empty value, with an empty one there are none."""
    for line in _lines(data):
        values = line.split(b":")
        if len(values) >= 3 and values[0] and not line.startswith(b"+"):
            users = tuple(user for user in values[3].split(b",") if user) if len(values) > 3 else (b"",)
            yield _entry(_singles((b"name", b"passwd", b"gid"), values[:3]) | {b"users": users})


def _hosts(data: bytes) -> Iterator[Properties]:
    for words in _words(data):
        if len(words) >= 2:
            yield _entry({b"ip_address": (words[0],), b"name": tuple(words[1:])})


def _by_name(column: bytes) -> Parse:
    """Lines of a name, a number and further names."""

    def parse(data: bytes) -> Iterator[Properties]:
        for words in _words(data):
            if len(words) >= 2:
                yield _entry({b"name": (words[0], *words[2:]), column: (words[1],)})

    return parse


def _services(data: bytes) -> Iterator[Properties]:
    for words in _words(data):
        port, slash, protocol = words[1].partition(b"/") if len(words) >= 2 else (b"", b"", b"")
        if slash:
            yield _entry({b"name": (words[0], *words[2:]), b"port": (port,), b"protocol": (protocol,)})


FSTAB = (b"name", b"dir", b"vfstype", b"opts", b"dump_freq", b"passno")
BOOTPTAB = (b"name", b"htype", b"en_address", b"ip_address", b"bootfile")


def _fstab(data: bytes) -> Iterator[Properties]:
    for line in _lines(data):
        words = line.split()
        if len(words) == len(FSTAB):
            yield _entry(_singles(FSTAB, words) | {b"opts": tuple(option for option in words[3].split(b",") if option)})


def _bootptab(data: bytes) -> Iterator[Properties]:
    """Lines of five words behind the ``%%`` that ends the header."""
    lines = _lines(data)
    for line in lines:
        if line.strip() == b"%%":
            break
    for line in lines:
        words = line.split()
        if len(words) == len(BOOTPTAB):
            yield _entry(_singles(BOOTPTAB, words))


def _folded(data: bytes) -> Iterator[bytes]:
    """The lines, those that begin with a blank joined to the one before."""
    held: list[bytes] = []
    for line in _lines(data):
        if not line.startswith((b" ", b"\t")):
            yield b"".join(held)
            held = [line]
        elif held:
            held.append(line)
    yield b"".join(held)


def _aliases(data: bytes) -> Iterator[Properties]:
    for line in _folded(data):
        name, colon, members = line.partition(b":")
        if colon and name.strip():
            cleaned = (member.strip() for member in members.split(b","))
            yield _entry({b"name": (name.strip(),), b"members": tuple(member for member in cleaned if member)})


def _assigned(name: bytes, fields: Sequence[bytes]) -> Properties | None:
    """An entry of a name (``n1|n2``) and ``key=value`` each; other fields are dropped, of one key the first stays."""
    found = {b"name": tuple(one for one in name.strip(BLANKS).split(b"|") if one)}
    for field in fields:
        key, _, value = field.strip(BLANKS).partition(b"=")
        if field.count(b"=") == 1 and key:
            found.setdefault(key, (value,))
    return _entry(found) if found[b"name"] else None


def _printcap(data: bytes) -> Iterator[Properties]:
    for line in _joined(data):
        name, *fields = line.split(b":")
        entry = _assigned(name, fields) if fields else None
        if entry is not None:
            yield entry


def _bootparams(data: bytes) -> Iterator[Properties]:
    """Tabs are the separator; spaces are taken for one as well, since bootparams(5) is written with them."""
    for line in _joined(data):
        words = line.split()
        entry = _assigned(words[0], words[1:]) if len(words) >= 2 else None
        if entry is not None:
            yield entry


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
    "printcap": Format(b"/printers", _printcap),
    "bootparams": Format(b"/machines", _bootparams),
    "bootptab": Format(b"/machines", _bootptab),
}
