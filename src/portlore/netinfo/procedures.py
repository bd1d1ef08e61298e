"""The 29 procedures of a NetInfo server: PROCEDURES is the table, a row each. Pure.

A handler takes the service, the reader of its arguments and the caller, and gives the results' bytes; a status other
than OK is raised as :class:`NetInfoError`. SPEC 2.4 has the types, 3.2 and 10 the semantics.
"""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.access import check
from portlore.netinfo.coding import (
    ids,
    names,
    properties,
    read_name,
    read_names,
    read_properties,
    read_property,
)
from portlore.netinfo.domain import FULL, NODIR, NONAME, NOPROP, changed, inserted
from portlore.netinfo.values import NUMBERS, ROOT, NiId, Property
from portlore.oncrpc.xdr import PAIR, Reader, opaque, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.access import Acting, Caller
    from portlore.netinfo.answering import Service
    from portlore.netinfo.domain import Directory, Domain

    Handler = Callable[[Service, Reader, Caller], bytes]

OK = uint(0)
NETROOT = NUMBERS["NETROOT"]
ANY = 0xFFFF_FFFF  # an id's object that asks for a version (SELF, Mac OS X generation)
VERSION_OF = 0xFFFF_FFFE
YES = (b"YES", b"Yes", b"yes", b"Y", b"y", b"1")


class Procedure(Value):
    """A row: its number and name, its handler, whether it ``writes``, whether its results begin with a ``status``."""

    number: int
    name: str
    handle: Handler
    writes: bool = False
    status: bool = True


class NoSuccess(Exception):
    """The call is answered without success: SYSTEM_ERR."""


def read_id(reader: Reader) -> NiId:
    """A directory's id."""
    return NiId(*reader.pair())


def ni_id(one: Directory) -> bytes:
    """A directory's id as XDR."""
    return PAIR.pack(one.id, one.instance)


def _target(service: Service, reader: Reader) -> Directory:
    """The directory that a read is about, its only argument: its instance is not looked at."""
    number, _ = reader.pair()
    return service.domain.at(number)


def ping(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Nothing, to show that somebody is there."""
    return b""


def statistics(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The server's account of itself, as properties; the checksum alone for who only wants to know what changed."""
    return properties(service.statistics(caller))


def root(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The root's id."""
    return OK + ni_id(service.domain.at(ROOT))


def itself(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A directory's current id; and what the Mac OS X generation asks of versions."""
    asked = read_id(reader)
    domain = service.domain
    if asked.object == ANY:
        newest = domain.newest() if asked.instance == ANY else None
        if asked.instance != ANY:
            newest = next((one for one in domain.directories.values() if one.version == asked.instance), None)
        if newest is None:
            raise NetInfoError(NODIR)
        return OK + uint(newest.id) + uint(newest.version)
    if asked.object == VERSION_OF:
        found = domain.directories.get(asked.instance)
        return OK + uint(asked.instance) + uint(FULL if found is None else found.version)
    return OK + ni_id(domain.at(asked.object))


def parent(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The id of the directory above; the root is above itself."""
    one = _target(service, reader)
    return OK + uint(one.parent) + ni_id(one)


def read(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A directory's properties."""
    one = _target(service, reader)
    return OK + ni_id(one) + service.shown(one, caller)


def children(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The ids of a directory's children."""
    one = _target(service, reader)
    return OK + ids(one.children) + ni_id(one)


def lookup(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The children whose first property of a key has a value; NODIR rather than none."""
    (number, _), key, value = reader.pair(), read_name(reader), read_name(reader)
    one = service.domain.at(number)
    found = service.found(one, key, value, caller)
    return OK + ids(found) + ni_id(one)


def lookup_read(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The properties of the first that a look-up finds, with the id of the directory that was searched."""
    (number, _), key, value = reader.pair(), read_name(reader), read_name(reader)
    one = service.domain.at(number)
    found = service.found(one, key, value, caller)
    return OK + ni_id(one) + service.shown(service.domain.at(found[0]), caller)


def list_values(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Each child with the values of one key: of its first property of that name that has any."""
    (number, _), key = reader.pair(), read_name(reader)
    one = service.domain.at(number)
    parts = [OK, uint(len(one.children))]
    for child in one.children:
        values = service.values(service.domain.directories[child], key, caller)
        parts.append(uint(child) + (uint(1) + names(values) if values else uint(0)))
    return b"".join(parts) + ni_id(one)


def list_all(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The properties of every child."""
    one = _target(service, reader)
    found = [service.shown(service.domain.directories[number], caller) for number in one.children]
    return OK + ni_id(one) + uint(len(found)) + b"".join(found)


def list_properties(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The names of a directory's properties."""
    one = _target(service, reader)
    return OK + names(tuple(found.name for found in one.properties)) + ni_id(one)


def _nth(service: Service, one: Directory, caller: Caller, at: int) -> Property:
    found = service.properties(one, caller)
    if at >= len(found):
        raise NetInfoError(NOPROP)
    return found[at]


def read_values(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A property's values."""
    number = read_id(reader)
    at = reader.uint()
    one = service.domain.at(number.object)
    return OK + names(_nth(service, one, caller, at).values) + ni_id(one)


def read_value(service: Service, reader: Reader, caller: Caller) -> bytes:
    """One value of a property."""
    number = read_id(reader)
    at, place = reader.uint(), reader.uint()
    one = service.domain.at(number.object)
    values = _nth(service, one, caller, at).values
    if place >= len(values):
        raise NetInfoError(NONAME)
    return OK + ni_id(one) + opaque(values[place])


def read_all(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The whole domain, for a clone whose checksum is another."""
    asked = reader.uint()
    domain = service.domain
    if service.following is not None and (domain.values(ROOT, b"cloneReplyReadall") or (b"",))[0] not in YES:
        raise NetInfoError(NUMBERS["NOTMASTER"])
    service.sent_whole = asked != domain.checksum
    if service.leading is not None:
        service.leading.heard(caller, domain.checksum if service.sent_whole else None)
    if not service.sent_whole:
        return OK + uint(0) + uint(0) + uint(0)
    parts = [OK, uint(domain.checksum), uint(max(domain.highest, 0))]
    parts += [
        uint(1) + ni_id(one) + service.shown(one, caller) + uint(one.parent) + ids(one.children)
        for one in domain.depth_first()
    ]
    return b"".join(parts) + uint(0)


def is_forced_root(domain: Domain) -> bool:
    """Whether a domain is the network's root because its own root directory says so (SPEC 4)."""
    return (domain.values(ROOT, b"isRoot") or (b"",))[0] in YES


def rparent(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The server of the parent domain."""
    tag, address = service.parent()
    return OK + opaque(tag) + uint(address)


def bind(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Success for a machine that this domain serves as a parent: its address is in /machines and serves that tag."""
    tag, address = read_name(reader), reader.uint()
    dotted = ".".join(map(str, address.to_bytes(4, "big"))).encode()
    machines = service.domain.path(b"machines")
    found = [] if machines is None else service.domain.find(machines, b"ip_address", dotted)
    for value in (service.domain.values(found[0], b"serves") or ()) if found else ():
        name, slash, serves = value.partition(b"/")
        if slash and serves == tag and name not in (b".", b".."):
            return b""
    raise NoSuccess


def crashed(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Word of a master that started: a clone looks whether it has the same; a master has none above it."""
    told = reader.uint()
    if service.following is not None:
        service.following.greeted(service.domain, caller, same=told == service.domain.checksum)
    return b""


def resync(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Have a clone look at its master, a master at its clones."""
    if service.following is not None:
        service.following.greeted(service.domain, caller, same=False)
    elif service.leading is not None:
        service.leading.resync(service.domain)
    return OK


# Writes: authenticated before anything is looked at, then NODIR, STALE, NOPROP, NONAME, PERM in this order (SPEC 10.1).


def create(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A new directory."""
    asked, given, where = read_id(reader), read_properties(reader), reader.uint()
    target = read_id(reader) if reader.boolean() else None
    who = service.writer(caller)
    above = service.domain.writable(asked)
    check(above, who)
    if service.following is None or (target is not None and target.object != service.domain.free_id()):
        target = None  # the Mac OS X generation leaves ids to itself; its masters send on whatever a client gave
    child = service.domain.create(above, given, where, target)
    return OK + ni_id(child) + ni_id(above)


def destroy(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Take a directory without children away."""
    asked, gone = read_id(reader), read_id(reader)
    who = service.writer(caller)
    above = service.domain.writable(asked)
    check(above, who)
    service.domain.destroy(above, service.domain.writable(gone))
    return OK + ni_id(above)


def write(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Replace a directory's properties."""
    asked, given = read_id(reader), read_properties(reader)
    who = service.writer(caller)
    one = service.domain.writable(asked)
    check(one, who)
    service.domain.write(one, service.kept(one, given, caller))
    return OK + ni_id(one)


def create_property(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A new property at a place."""
    asked, given, where = read_id(reader), read_property(reader), reader.uint()
    who = service.introduced(caller, asked.object, given) or service.writer(caller)
    one = service.domain.writable(asked)
    check(one, who)
    service.domain.write(one, inserted(one.properties, given, where))
    return OK + ni_id(one)


def destroy_property(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Take a property away."""
    asked, at = read_id(reader), reader.uint()
    who = service.writer(caller)
    one = service.domain.writable(asked)
    left = changed(one.properties, at, None)
    check(one, who)
    service.domain.write(one, left)
    return OK + ni_id(one)


def write_values(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Replace a property's values."""
    asked, at, values = read_id(reader), reader.uint(), read_names(reader)
    return _write_values(service, caller, asked, at, lambda old: values)


def rename_property(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Give a property another name."""
    asked, at, name = read_id(reader), reader.uint(), read_name(reader)
    who = service.writer(caller)
    one = service.domain.writable(asked)
    old = one.properties
    if at >= len(old):
        raise NetInfoError(NOPROP)
    check(one, who)
    service.check_rename(one, old[at].name, name, caller)
    service.domain.write(one, changed(old, at, Property(name, old[at].values)))
    return OK + ni_id(one)


def create_value(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A new value at a place."""
    asked, at, value, where = read_id(reader), reader.uint(), read_name(reader), reader.uint()
    return _write_values(service, caller, asked, at, lambda old: inserted(old, value, where))


def destroy_value(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Take a value away."""
    asked, at, place = read_id(reader), reader.uint(), reader.uint()
    return _write_values(service, caller, asked, at, lambda old: (*old[:place], *old[place + 1 :]), place)


def write_value(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Replace a value."""
    asked, at, place, value = read_id(reader), reader.uint(), reader.uint(), read_name(reader)
    return _write_values(service, caller, asked, at, lambda old: (*old[:place], value, *old[place + 1 :]), place)


def _write_values(
    service: Service,
    caller: Caller,
    asked: NiId,
    at: int,
    change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]],
    place: int | None = None,
) -> bytes:
    who: Acting = service.writer(caller)
    one = service.domain.writable(asked)
    old = one.properties
    if at >= len(old):
        raise NetInfoError(NOPROP)
    if place is not None and place >= len(old[at].values):
        raise NetInfoError(NONAME)
    check(one, who, old[at].name)
    service.domain.write(one, changed(old, at, Property(old[at].name, change(old[at].values))))
    return OK + ni_id(one)


PROCEDURES = (
    Procedure(0, "ping", ping, status=False),
    Procedure(1, "statistics", statistics, status=False),
    Procedure(2, "root", root),
    Procedure(3, "self", itself),
    Procedure(4, "parent", parent),
    Procedure(5, "create", create, writes=True),
    Procedure(6, "destroy", destroy, writes=True),
    Procedure(7, "read", read),
    Procedure(8, "write", write, writes=True),
    Procedure(9, "children", children),
    Procedure(10, "lookup", lookup),
    Procedure(11, "list", list_values),
    Procedure(12, "createprop", create_property, writes=True),
    Procedure(13, "destroyprop", destroy_property, writes=True),
    Procedure(14, "readprop", read_values),
    Procedure(15, "writeprop", write_values, writes=True),
    Procedure(16, "renameprop", rename_property, writes=True),
    Procedure(17, "listprops", list_properties),
    Procedure(18, "createname", create_value, writes=True),
    Procedure(19, "destroyname", destroy_value, writes=True),
    Procedure(20, "readname", read_value),
    Procedure(21, "writename", write_value, writes=True),
    Procedure(22, "rparent", rparent),
    Procedure(23, "listall", list_all),
    Procedure(24, "bind", bind, status=False),
    Procedure(25, "readall", read_all),
    Procedure(26, "crashed", crashed, status=False),
    Procedure(27, "resync", resync),
    Procedure(28, "lookupread", lookup_read),
)
