"""Edge: a domain's procedures as typed verbs, and the paths of its directories."""

from __future__ import annotations

import re
import socket
from time import monotonic, sleep

from portlore.errors import InputError, NetInfoError, ProtocolError
from portlore.netinfo import calling
from portlore.netinfo.access import inverted
from portlore.netinfo.calling import FAILED, WRITES
from portlore.netinfo.coding import MOST_IDS, names, properties, read_ids, read_name, read_names, read_properties
from portlore.netinfo.values import LAST, NUMBERS, ROOT, NiId, Property, first
from portlore.oncrpc.message import AUTH_UNIX, LONGEST_NAME, NOBODY, Auth, UnixAuth, encode_unix
from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self, TypeVar

    from portlore.netinfo.calling import Connection
    from portlore.netinfo.values import Properties

    Result = TypeVar("Result")
    Reach = Callable[["Place", float], int]

TRIES = 10  # of a transaction that meets other writers
STALE, PERM, NODIR, NOPROP, NOUSER, MASTERBUSY = (
    NUMBERS[name] for name in ("STALE", "PERM", "NODIR", "NOPROP", "NOUSER", "MASTERBUSY")
)
CREATE, READ, WRITE, CHILDREN = 5, 7, 8, 9  # the procedures that are called many at a time
STEP = re.compile(rb"(?:[^\\/]|\\.)+", re.DOTALL)
ASSIGNED = re.compile(rb"((?:[^\\=]|\\.)*)=(.*)", re.DOTALL)
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def unescape(text: bytes) -> bytes:
    r"""A path's component without its backslashes."""
    return ESCAPED.sub(rb"\1", text)


def parse_path(path: bytes) -> list[tuple[bytes, bytes]]:
    """The steps of a directory's path as (key, value); NODIR for a relative path.

    A slash at the end is followed by a step to the empty name, which a server hardly ever has.
    """
    if path and not path.startswith(b"/"):
        raise NetInfoError(NODIR)
    steps, end = [], len(path)
    for step in STEP.finditer(path):
        found, end = ASSIGNED.fullmatch(step[0]), step.end()
        steps.append((unescape(found[1]), unescape(found[2])) if found else (b"name", unescape(step[0])))
    return [*steps, (b"name", b"")] if path[end : end + 1] == b"/" else steps


def decoded(results: bytes, decode: Callable[[Reader], Result], *, status: bool = True) -> Result:
    """Results as a value; a ``status`` before them that is not OK is raised."""
    reader = Reader(results)
    try:
        number = reader.uint() if status else 0
        if number:
            raise NetInfoError(number)
        return decode(reader)
    except XdrError as error:
        raise ProtocolError("asking a NetInfo server", error.found, "see what runs there") from None


def read_id(reader: Reader) -> NiId:
    """A directory's id."""
    return NiId(reader.uint(), reader.uint())


def ni_id(one: NiId) -> bytes:
    """A directory's id as XDR."""
    return uint(one.object) + uint(one.instance)


def _read_listed(reader: Reader) -> list[tuple[int, tuple[bytes, ...] | None]]:
    return [(reader.uint(), read_names(reader) if reader.boolean() else None) for _ in range(reader.count(MOST_IDS, 8))]


def _read_many(reader: Reader) -> list[Properties]:
    read_id(reader)
    return [read_properties(reader) for _ in range(reader.count(MOST_IDS))]


class Entry(Value):
    """A directory: its id and its properties."""

    id: NiId
    properties: Properties


def read_entry(reader: Reader) -> Entry:
    """A directory's id and properties."""
    return Entry(read_id(reader), read_properties(reader))


class Place(Value):
    """Where a domain is served: an address and the tag that it has there."""

    address: str
    tag: bytes


def creation(above: NiId, given: Properties, where: int = LAST) -> bytes:
    """The arguments of CREATE."""
    return ni_id(above) + properties(given) + uint(where) + uint(0)


class Handle:
    """An open domain: the protocol's procedures (SPEC 2.4), and what goes with them.

    A status other than OK is raised as :class:`NetInfoError`. Reads do not look at an id's instance, writes do; where
    several ``servers`` of the domain are known, writes go to its master, at the port that ``reach`` finds within some
    seconds. Iterating goes through the directories below the root. ``uid``: who it calls as, once it has a password.
    """

    def __init__(
        self, connection: Connection, tag: bytes = b"", servers: Sequence[Place] = (), reach: Reach | None = None
    ) -> None:
        self.connection, self.tag, self.servers = connection, tag, tuple(servers)
        self.uid = calling.own_uid()
        self._reach = reach

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Entry]:
        return self.entries(self.root())

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def _ask(self, procedure: int, arguments: bytes, decode: Callable[[Reader], Result]) -> Result:
        if procedure in WRITES:
            self.to_master()
        return decoded(self.connection.call(procedure, arguments), decode)

    def to_master(self) -> None:
        """Have this and all further calls go to the domain's master; it is the only server if only one is known.

        The root's ``master`` names its machine, ``/machines`` that one's addresses (SPEC 3.6). A master that they do
        not lead to is looked for no further. Where the master is gone, no other server will do.
        """
        if len(self.servers) < 2 or self._reach is None:
            return
        places = {place.address: place for place in reversed(self.servers)}
        at = next((places[address] for address in self._master_addresses() if address in places), None)
        if at is not None:
            reach, line = self._reach, self.connection
            if at.address != line.address:
                line.move(at.address, reach(at, line.timeout))
                self.tag = at.tag
            line.locate = lambda left: iter([(at.address, reach(at, left))])
        self.servers = self.servers[:0]

    def _master_addresses(self) -> list[str]:
        """The addresses of the machine whose name stands before the slash of the root's ``master``."""
        try:
            master = first(self.read(NiId(ROOT, 0)).properties, b"master")
            host = master.values[0].partition(b"/")[0] if master and master.values else b""
            machines = self.lookup(NiId(ROOT, 0), b"name", b"machines")[0]
            found = first(self.lookup_read(NiId(machines, 0), b"name", host), b"ip_address")
        except NetInfoError as refusal:
            if refusal.status == FAILED:
                raise
            return []
        return [value.decode("ascii", "replace") for value in found.values] if found else []

    # Reads

    def statistics(self) -> Properties:
        """The server's account of itself."""
        return decoded(self.connection.call(1), read_properties, status=False)

    def root(self) -> NiId:
        """The root's id."""
        return self._ask(2, b"", read_id)

    def itself(self, one: NiId) -> NiId:
        """A directory's current id."""
        return self._ask(3, ni_id(one), read_id)

    def parent(self, one: NiId) -> int:
        """The directory above."""
        return self._ask(4, ni_id(one), Reader.uint)

    def read(self, one: NiId) -> Entry:
        """A directory's properties, with its current id."""
        return self._ask(7, ni_id(one), read_entry)

    def read_many(self, many: Iterable[int]) -> Iterator[Entry]:
        """Directories by their numbers; those that are gone are left out."""
        for results in self.connection.calls([(READ, ni_id(NiId(number, 0))) for number in many]):
            try:
                yield decoded(results, read_entry)
            except NetInfoError as refusal:
                if refusal.status != NODIR:
                    raise

    def children_many(self, many: Iterable[int]) -> list[tuple[int, ...] | None]:
        """The children of each of many directories; ``None`` for one that is gone."""
        found: list[tuple[int, ...] | None] = []
        for results in self.connection.calls([(CHILDREN, ni_id(NiId(number, 0))) for number in many]):
            try:
                found.append(decoded(results, read_ids))
            except NetInfoError as refusal:
                if refusal.status != NODIR:
                    raise
                found.append(None)
        return found

    def entries(self, one: NiId) -> Iterator[Entry]:
        """The directories below one, in order."""
        return self.read_many(self.children(one))

    def children(self, one: NiId) -> tuple[int, ...]:
        """The numbers of the directories below one."""
        return self._ask(9, ni_id(one), read_ids)

    def lookup(self, one: NiId, key: bytes, value: bytes) -> tuple[int, ...]:
        """The children that have a value; NODIR rather than none."""
        found = self._ask(10, ni_id(one) + opaque(key) + opaque(value), read_ids)
        if not found:  # what some servers of today answer
            raise NetInfoError(NODIR)
        return found

    def list_values(self, one: NiId, key: bytes) -> list[tuple[int, tuple[bytes, ...] | None]]:
        """Each child with the values of one key; ``None`` without any."""
        return self._ask(11, ni_id(one) + opaque(key), _read_listed)

    def read_values(self, one: NiId, at: int) -> tuple[bytes, ...]:
        """The values of the property at a place."""
        return self._ask(14, ni_id(one) + uint(at), read_names)

    def list_properties(self, one: NiId) -> tuple[bytes, ...]:
        """The names of a directory's properties."""
        return self._ask(17, ni_id(one), read_names)

    def read_value(self, one: NiId, at: int, place: int) -> bytes:
        """One value of the property at a place."""
        return self._ask(
            20, ni_id(one) + uint(at) + uint(place), lambda reader: (read_id(reader), read_name(reader))[1]
        )

    def rparent(self) -> tuple[bytes, str]:
        """The server of the parent domain: its tag and address; NETROOT where there is none."""
        tag, address = self._ask(22, b"", lambda reader: (read_name(reader), reader.uint()))
        return tag, socket.inet_ntoa(address.to_bytes(4, "big"))

    def list_all(self, one: NiId) -> list[Properties]:
        """The properties of every child, in one reply."""
        return self._ask(23, ni_id(one), _read_many)

    def lookup_read(self, one: NiId, key: bytes, value: bytes) -> Properties:
        """The properties of the first child that has a value."""
        return self._ask(28, ni_id(one) + opaque(key) + opaque(value), read_entry).properties

    def search(self, path: bytes) -> NiId:
        """The directory of a path; NODIR without one."""
        here, steps = self.root(), parse_path(path)
        for key, value in steps:
            here = NiId(self.lookup(here, key, value)[0], 0)
        return self.itself(here) if steps else here

    # Writes: each gives the current id of the directory that was written

    def resync(self) -> None:
        """Have a clone look at its master, a master at its clones."""
        self._ask(27, b"", lambda reader: None)

    def create(self, above: NiId, given: Properties, where: int = LAST) -> tuple[NiId, NiId]:
        """A new directory: its id, and the parent's as it is now."""
        return self._ask(5, creation(above, given, where), lambda reader: (read_id(reader), read_id(reader)))

    def destroy(self, above: NiId, one: NiId) -> NiId:
        """Take a directory without children away; gives the parent's id."""
        return self._ask(6, ni_id(above) + ni_id(one), read_id)

    def write(self, one: NiId, given: Properties) -> NiId:
        """Replace all properties."""
        return self._ask(8, ni_id(one) + properties(given), read_id)

    def create_property(self, one: NiId, given: Property, where: int = LAST) -> NiId:
        """A new property at a place."""
        return self._ask(12, ni_id(one) + opaque(given.name) + names(given.values) + uint(where), read_id)

    def destroy_property(self, one: NiId, at: int) -> NiId:
        """Take a property away."""
        return self._ask(13, ni_id(one) + uint(at), read_id)

    def write_values(self, one: NiId, at: int, values: tuple[bytes, ...]) -> NiId:
        """Replace a property's values."""
        return self._ask(15, ni_id(one) + uint(at) + names(values), read_id)

    def rename_property(self, one: NiId, at: int, name: bytes) -> NiId:
        """Give a property another name."""
        return self._ask(16, ni_id(one) + uint(at) + opaque(name), read_id)

    def create_value(self, one: NiId, at: int, value: bytes, where: int = LAST) -> NiId:
        """A new value at a place."""
        return self._ask(18, ni_id(one) + uint(at) + opaque(value) + uint(where), read_id)

    def destroy_value(self, one: NiId, at: int, place: int) -> NiId:
        """Take a value away."""
        return self._ask(19, ni_id(one) + uint(at) + uint(place), read_id)

    def write_value(self, one: NiId, at: int, place: int, value: bytes) -> NiId:
        """Replace a value."""
        return self._ask(21, ni_id(one) + uint(at) + uint(place) + opaque(value), read_id)

    # What goes with them

    def transaction(self, attempt: Callable[[], Result], *, wait_for_master: bool = False) -> Result:
        """Read, decide, write, all at the master: again while others write in between, up to :data:`TRIES` times.

        ``wait_for_master``: also while the master is busy, for as long as a call may take.
        """
        tries, deadline = TRIES, monotonic() + self.connection.timeout
        while True:
            try:
                self.to_master()
                return attempt()
            except NetInfoError as refusal:
                tries -= 1
                if refusal.status == MASTERBUSY and wait_for_master and monotonic() < deadline:
                    sleep(0.5)
                elif refusal.status != STALE or not tries:
                    raise

    def change(self, one: NiId, edit: Callable[[Properties], Properties]) -> NiId:
        """Replace a directory's properties by what ``edit`` makes of them; a transaction."""

        def attempt() -> NiId:
            found = self.read(one)
            return self.write(found.id, edit(found.properties))

        return self.transaction(attempt)

    def set_user(self, name: bytes, password: bytes = b"") -> None:
        """Call as a user of this domain from now on; NOUSER leaves the uid of this process, with that password."""
        try:
            users = self.lookup(NiId(ROOT, 0), b"name", b"users")
            user = self.lookup(NiId(users[0], 0), b"name", name)
            uid = first(self.read(NiId(user[0], 0)).properties, b"uid")
            number = uid.values[0] if uid and uid.values else b""
            if not number.isdigit() or len(number) > 10 or int(number) >> 32:
                raise NetInfoError(NOUSER)
            self.uid = int(number)
        except NetInfoError as refusal:
            if refusal.status == FAILED:
                raise
            raise NetInfoError(NOUSER) from None
        finally:
            self.set_password(password)

    def set_password(self, password: bytes | None) -> None:
        """Call with a password; ``None``: without credentials."""
        if password is None:
            self.connection.credential = NOBODY
            return
        if len(password) > LONGEST_NAME:
            raise InputError("a password", f"{len(password)} bytes", f"at most {LONGEST_NAME} can be sent")
        body = encode_unix(UnixAuth(0, inverted(password), self.uid, 0, ()))
        self.connection.credential = Auth(AUTH_UNIX, body)
