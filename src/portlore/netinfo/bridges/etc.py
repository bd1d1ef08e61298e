"""The form ``etc``: a folder of files as in ``/etc``, written and read as nidump and niload do. Pure.

Such files know no further properties. So ``netinfo.json`` stands beside them and holds the domain whole; a file that
still says what it was written with adds nothing when the folder is read, and of one that was changed, the changed
entries count. A folder without it, such as ``/etc`` itself, is read file by file.
"""

from __future__ import annotations

from portlore.netinfo import dumping, loading
from portlore.netinfo.bridges import Told, records
from portlore.netinfo.bridges.nodes import Node, checked, domain_of, tree_of
from portlore.netinfo.values import Property, first
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.values import Properties

    Rows = Sequence[Properties]
    Key = tuple[bytes, ...]

WHOLE = "netinfo.json"
SHADOW = "shadow"
HIDDEN, LOCKED = b"x", b"*"  # in /etc/passwd, for a password that is in /etc/shadow; for one that nobody has
DAY = 86_400  # seconds
PASSWORD = b"passwd"
NEW_USER = (b"class", b"change", b"expire")  # what niload adds, and passwd does not tell


class File(Value):
    """A file: the directory that it is about, how it is written and read, by what its entries are told apart.

    ``goes``: what goes with a line that is taken out, where that is not the whole directory, of which others tell too.
    """

    place: bytes
    write: Callable[[Rows], bytes]
    parse: Callable[[bytes], Iterator[Properties]]
    key: tuple[bytes, ...] = (b"name",)
    silent: tuple[bytes, ...] = ()  # what parse adds of its own: only to entries that are new
    goes: tuple[bytes, ...] = ()


def _one(row: Properties, name: bytes, default: bytes = b"") -> bytes:
    found = first(row, name)
    return found.values[0] if found and found.values else default


def _password(row: Properties) -> bytes:
    """What stands for a password: to NetInfo nobody is a user without the property, to Unix everybody (SPEC 2.6)."""
    return _one(row, PASSWORD) if first(row, PASSWORD) else LOCKED


def _master_passwd(rows: Rows) -> bytes:
    """As nidump writes it."""
    return dumping.FORMATS["passwd"].write(
        [row if first(row, PASSWORD) else (*row, Property(PASSWORD, (LOCKED,))) for row in rows]
    )


def _passwd(rows: Rows) -> bytes:
    """The seven columns of passwd(5), without the passwords."""
    columns = (b"uid", b"gid", b"realname", b"home", b"shell")
    lines = []
    for row in rows:
        if name := _one(row, b"name"):
            uid, gid, *rest = [_one(row, column) for column in columns]
            lines.append(b":".join((name, HIDDEN if _password(row) else b"", uid, gid, *rest)) + b"\n")
    return b"".join(lines)


def _shadow(rows: Rows) -> bytes:
    """shadow(5): the passwords, and the day an account ends."""
    lines = []
    for row in rows:
        if name := _one(row, b"name"):
            expire = _one(row, b"expire", b"0")
            day = b"%d" % (int(expire) // DAY) if expire.isdigit() and len(expire) < 13 and int(expire) else b""
            lines.append(b"%b:%b::::::%b:\n" % (name, _password(row), day))
    return b"".join(lines)


def _parse_shadow(data: bytes) -> Iterator[Properties]:
    for line in data.split(b"\n"):
        cells = line.partition(b"\0")[0].split(b":")
        if len(cells) >= 2 and cells[0] and cells[0][:1] not in b"#+":
            given = [Property(b"name", (cells[0],)), Property(b"passwd", (cells[1],))]
            if len(cells) > 7 and cells[7].isdigit() and len(cells[7]) < 9:
                given.append(Property(b"expire", (b"%d" % (int(cells[7]) * DAY),)))
            yield tuple(given)


def _parse_passwd(data: bytes) -> Iterator[Properties]:
    for row in loading.FORMATS["passwd.43"].parse(data):
        yield tuple([one for one in row if one.name != b"passwd" or one.values != (HIDDEN,)])


def _services(rows: Rows) -> bytes:
    """A line for each protocol, where nidump has one for the first."""
    lines = []
    for row in rows:
        names, protocols = first(row, b"name"), first(row, b"protocol")
        if names and names.values:
            for protocol in protocols.values if protocols else ():
                further = b"\t".join(names.values[1:])
                lines.append(b"%b\t%b/%b\t%b\n" % (names.values[0], _one(row, b"port"), protocol, further))
    return b"".join(lines)


def _parse_services(data: bytes) -> Iterator[Properties]:
    """The lines of one name and port are one directory, with all their protocols."""
    found: dict[tuple[bytes, bytes], dict[bytes, dict[bytes, None]]] = {}
    for row in loading.FORMATS["services"].parse(data):
        names = first(row, b"name")
        port, protocol = _one(row, b"port"), _one(row, b"protocol")
        entry = found.setdefault((names.values[0] if names else b"", port), {b"name": {}, b"protocol": {}})
        entry[b"name"].update(dict.fromkeys(names.values if names else ()))
        entry[b"protocol"][protocol] = None
    for (_, port), entry in found.items():
        values = {b"name": tuple(entry[b"name"]), b"port": (port,), b"protocol": tuple(entry[b"protocol"])}
        yield tuple([Property(name, given) for name, given in values.items()])


def _ethers(data: bytes) -> Iterator[Properties]:
    for line in data.split(b"\n"):
        words = line.partition(b"#")[0].partition(b"\0")[0].split()
        if len(words) >= 2:
            yield (Property(b"en_address", (words[0],)), Property(b"name", tuple(words[1:])))


def _exports(data: bytes) -> Iterator[Properties]:
    """As nidump writes them: a path, further names, options behind a minus, clients."""
    for line in data.split(b"\n"):
        words = line.partition(b"#")[0].partition(b"\0")[0].split()
        if not words:
            continue
        options = [word[1:] for word in words[1:] if word.startswith(b"-")]
        names = [words[0], *[word for word in words[1:] if word.startswith(b"/")]]
        clients = [word for word in words[1:] if not word.startswith((b"-", b"/"))]
        pairs = ((b"name", names), (b"opts", options), (b"clients", clients))
        yield tuple([Property(name, tuple(values)) for name, values in pairs if values])


def _usual(name: str, *, silent: tuple[bytes, ...] = (), goes: tuple[bytes, ...] = ()) -> File:
    """A format of nidump and niload."""
    written = dumping.FORMATS[name]
    return File(written.path[1:], written.write, loading.FORMATS[name].parse, silent=silent, goes=goes)


FILES = {
    "master.passwd": _usual("passwd", silent=(b"_writers_passwd",)).replace(write=_master_passwd),
    "passwd": File(b"users", _passwd, _parse_passwd, silent=(b"_writers_passwd", *NEW_USER)),
    SHADOW: File(b"users", _shadow, _parse_shadow, goes=(PASSWORD, b"expire")),
    "group": _usual("group"),
    "hosts": _usual("hosts"),
    "ethers": File(b"machines", dumping.FORMATS["ethers"].write, _ethers, goes=(b"en_address",)),
    "bootptab": _usual("bootptab", silent=(b"htype",), goes=(b"htype", b"bootfile")),
    "networks": _usual("networks"),
    "services": File(b"services", _services, _parse_services, (b"name", b"port")),
    "protocols": _usual("protocols"),
    "rpc": _usual("rpc"),
    "fstab": _usual("fstab"),
    "exports": File(b"exports", dumping.FORMATS["exports"].write, _exports),
    "aliases": _usual("aliases"),
}


def write(domain: Domain, options: Options) -> Iterator[tuple[str, bytes]]:
    """The files there is something for, and the whole domain beside them."""
    rows: dict[bytes, Rows] = {}
    for name, file in FILES.items():
        if text := _written(domain, file, rows):
            yield name, text
    yield WHOLE, "".join(records.write(domain, options)).encode()


def _written(domain: Domain, file: File, rows: dict[bytes, Rows]) -> bytes:
    """A file's text; ``rows``: what is in the places that were looked at, as several files are about one."""
    place = domain.path(file.place)
    if place is None:
        return b""
    if file.place not in rows:
        rows[file.place] = [domain.directories[number].properties for number in domain.directories[place].children]
    return file.write(rows[file.place])


def read(source: Iterable[tuple[str, bytes]], options: Options) -> Told:
    """The domain that a folder tells; files that are none of these are left out."""
    given = dict(source)
    domain = None
    if WHOLE in given:
        domain = records.read([given[WHOLE]], options).domain
    root = tree_of(domain) if domain else Node(id=0)
    changed: list[str] = []
    rows: dict[bytes, Rows] = {}
    for name, file in FILES.items():
        before = _written(domain, file, rows) if domain else b""
        after = given.get(name, b"" if domain is None else before)
        if after != before:
            changed.append(name)
            _apply(root, file, before, after, options.where or name)
    if not changed and domain is not None:
        return Told(domain)
    told = (
        f"changed since they were written: {', '.join(changed)}" if domain else f"read: {', '.join(changed) or 'none'}"
    )
    return Told(domain_of(root), (told,))


def _apply(root: Node, file: File, before: bytes, after: bytes, where: str) -> None:
    """Have a tree say what a file says now, where that differs from what it said before."""
    old, new = _by_key(file, before), _by_key(file, after)
    above = root.child(file.place)
    standing: dict[Key, Node] = {}
    moved: dict[bytes, list[Node]] = {}  # entries whose key is gone, by name: a service with another port
    for node in above.children:
        key = _key(file, node.properties)
        if standing.setdefault(key, node) is node and key in old and key not in new:
            moved.setdefault(key[0], []).append(node)
    for key, row in new.items():
        if old.get(key) == row:
            continue
        found = standing.get(key) or (moved[key[0]].pop(0) if moved.get(key[0]) else None)
        was = old.get(key) or (old.get(_key(file, found.properties), ()) if found else ())
        node = found or Node()
        if found is None:
            above.children.append(node)
        silent = () if found is None else file.silent
        now = {one.name: one for one in row if one.name not in silent}
        pairs = _edited(node.properties, {one.name: one for one in was if one.name not in silent}, now)
        node.properties = checked([(one.name, one.values) for one in pairs], where)
    gone = {id(node) for many in moved.values() for node in many}
    if not file.goes:
        above.children = [node for node in above.children if id(node) not in gone]
        return
    for node in above.children:
        if id(node) in gone:
            node.properties = tuple([one for one in node.properties if one.name not in file.goes])


def _edited(given: Properties, was: dict[bytes, Property], now: dict[bytes, Property]) -> Properties:
    """Properties with what a line says now in place of what it said before; what it never tells stays."""
    fresh = {name: one for name, one in now.items() if was.get(name) != one}
    kept = [fresh.pop(one.name, one) for one in given if one.name not in was or one.name in now]
    return (*kept, *fresh.values())


def _key(file: File, row: Properties) -> Key:
    return tuple([_one(row, name) for name in file.key])


def _by_key(file: File, text: bytes) -> dict[Key, Properties]:
    return {_key(file, row): row for row in file.parse(text)}
