"""Edge: finding domains: the binder of a machine, the hierarchy of domains; :func:`open` is the way in.

``open("host/tag")`` names a server, ``open("host:port/tag")`` one that no binder knows (our own form), ``open(".")``,
``open("..")``, ``open("/")`` and ``open("/sales/lab")`` a domain by its place in the hierarchy (SPEC 3.5).
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

from portlore.errors import HostError, InputError, NetInfoError, ProtocolError
from portlore.netinfo import binder
from portlore.netinfo.calling import FAILED, TIMEOUT, Connection, ask_udp
from portlore.netinfo.handle import NODIR, STEP, Entry, Handle, unescape
from portlore.netinfo.values import NUMBERS, ROOT, STATUS, NiId, first
from portlore.oncrpc import message, portmap
from portlore.oncrpc.message import Call
from portlore.oncrpc.xdr import XdrError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from portlore.netinfo.binder import Given, Registration

    Result = TypeVar("Result")

__all__ = ["Binder", "Connection", "Entry", "Handle", "open", "open_domain", "open_server", "told"]

LOCAL = ("127.0.0.1", b"local")
DEEPEST = 32  # domains above one another
NETROOT = NUMBERS["NETROOT"]
NAME, MACHINES, SERVES = b"name", b"machines", b"serves"


class Server(Value):
    """Where a domain is served, as people write it: ``host/tag`` or ``host:port/tag``; port 0 is not known."""

    host: str
    port: int
    tag: bytes


def told(status: int) -> str:
    """What the tools print for a status."""
    return STATUS[status][1] if status in STATUS else "(unknown error)"


def parse_server(where: bytes) -> Server:
    """``host/tag`` or ``host:port/tag``; the InputError's ``found`` is what the tools print."""
    host, slash, tag = where.partition(b"/")
    name, colon, port = host.partition(b":")
    if not slash or b"/" in tag or (colon and not (port.isdigit() and 0 < int(port) < 1 << 16)):
        raise InputError(os.fsdecode(where), "Bad format", "write HOST/TAG or HOST:PORT/TAG")
    if not name:
        raise InputError(os.fsdecode(where), "No host", "write HOST/TAG or HOST:PORT/TAG")
    if not tag:
        raise InputError(os.fsdecode(where), "No tag", "write HOST/TAG or HOST:PORT/TAG")
    return Server(os.fsdecode(name), int(port or b"0"), tag)


def resolve(host: str) -> str:
    """The IPv4 address of a host."""
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError):
        raise HostError(host, "Host not found", "name a host or an IPv4 address") from None


class Binder:
    """The binder of a machine (nibind, SPEC 2.5). ``PORTLORE_NIBIND_PORT`` is its port where no port mapper runs."""

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.address, self.timeout = address, timeout

    def port(self, protocol: int) -> int:
        """Where it listens; FAILED where it does not."""
        named = os.environ.get("PORTLORE_NIBIND_PORT", "")
        if named.isdigit():
            return int(named)
        asked = portmap.mapping(portmap.Mapping(binder.PROGRAM, binder.VERSION, protocol, 0))
        call = _call(portmap.PROGRAM, portmap.VERSION, portmap.GETPORT, asked)
        number = int.from_bytes(ask_udp(self.address, portmap.PORT, call, self.timeout)[:4], "big")
        if not 0 < number < 1 << 16:
            raise NetInfoError(FAILED)
        return number

    def find(self, tag: bytes) -> tuple[int, int]:
        """The ports of a domain's server, UDP and TCP, asked for by a datagram; NOTAG without it."""
        call = _call(binder.PROGRAM, binder.VERSION, binder.GETREGISTER, binder.encode_arguments(tag))
        return _checked(ask_udp(self.address, self.port(portmap.UDP), call, self.timeout), binder.decode_ports)

    def registrations(self) -> list[Registration]:
        """Every domain."""
        return _checked(self.call(binder.LISTREG, None), binder.decode_registrations)

    def order(self, procedure: int, given: Given) -> None:
        """A call that only gives a status."""
        _checked(self.call(procedure, given), binder.check_status)

    def call(self, procedure: int, given: Given) -> bytes:
        """The results of a call over a stream."""
        line = Connection(self.address, self.port(portmap.TCP), self.timeout)
        try:
            return line.call(procedure, binder.encode_arguments(given), binder.PROGRAM, binder.VERSION)
        finally:
            line.close()


def _checked(results: bytes, decode: Callable[[bytes], Result]) -> Result:
    try:
        return decode(results)
    except XdrError as error:
        raise ProtocolError("asking a binder", error.found, "see what runs there") from None


def _call(program: int, version: int, procedure: int, arguments: bytes) -> Call:
    xid = int.from_bytes(os.urandom(4), "big")
    return Call(xid, program, version, procedure, message.NOBODY, message.NOBODY, arguments)


def connect(address: str, tag: bytes, timeout: float = TIMEOUT, port: int = 0) -> Handle:
    """The server of a tag at an address. ``PORTLORE_NETINFO_PORT`` is its port where no binder runs."""
    named = os.environ.get("PORTLORE_NETINFO_PORT", "")
    port = port or (int(named) if named.isdigit() else 0) or Binder(address, timeout).find(tag)[1]
    handle = Handle(Connection(address, port, timeout), tag)
    try:
        handle.root()
    except BaseException:
        handle.close()
        raise
    return handle


def open_server(where: bytes, timeout: float = TIMEOUT) -> Handle:
    """A server by ``host/tag`` or ``host:port/tag``."""
    server = parse_server(where)
    return connect(resolve(server.host), server.tag, timeout, server.port)


def open_domain(name: bytes, timeout: float = TIMEOUT) -> Handle:
    """A domain by its name, seen from this machine's local domain."""
    steps = [unescape(step) for step in STEP.findall(name)]
    tag, at, host = steps[-1].partition(b"@") if steps else (b"", b"", b"")
    if at:
        return connect(resolve(os.fsdecode(host)), tag, timeout)
    with ExitStack() as closing:
        here = closing.enter_context(connect(*LOCAL, timeout))
        if name.startswith(b"/"):
            for above in upwards(here):
                here = closing.enter_context(above)
        for step in steps:
            if step != b".":
                here = closing.enter_context(parent_of(here) if step == b".." else child_of(here, step))
    return here  # hung up with the others; its next call connects again


def upwards(handle: Handle) -> Iterator[Handle]:
    """A domain and those above it, up to the root; who takes one closes it."""
    yield handle
    for _ in range(DEEPEST):
        try:
            handle = parent_of(handle)
        except NetInfoError as refusal:
            if refusal.status != NETROOT:
                raise
            return
        yield handle


def parent_of(handle: Handle) -> Handle:
    """The domain above; NETROOT for the root."""
    tag, address = handle.rparent()
    return connect(address, tag, handle.connection.timeout)


def _served(handle: Handle) -> Iterator[tuple[int, bytes, bytes]]:
    """What the machines of a domain serve: the machine, the domain's name as seen from here, the tag."""
    machines = handle.lookup(NiId(ROOT, 0), NAME, MACHINES)[0]
    for number, values in handle.list_values(NiId(machines, 0), SERVES):
        for value in values or ():
            name, slash, tag = value.partition(b"/")
            if slash:
                yield number, name, tag


def _addresses(handle: Handle, number: int) -> tuple[bytes, ...]:
    found = first(handle.read(NiId(number, 0)).properties, b"ip_address")
    return found.values if found else ()


def children_of(handle: Handle) -> list[bytes]:
    """The names of the domains below, each once."""
    return list(dict.fromkeys(name for _, name, _ in _served(handle) if name not in (b"", b".", b"..")))


def child_of(handle: Handle, name: bytes) -> Handle:
    """A domain below: the first of its servers that answers; NODIR without one."""
    refusal = NetInfoError(NODIR)
    for number, called, tag in list(_served(handle)):
        for address in _addresses(handle, number) if called == name else ():
            try:
                return connect(resolve(os.fsdecode(address)), tag, handle.connection.timeout)
            except NetInfoError as error:
                refusal = error
            except HostError:
                continue
    raise refusal


def name_of(handle: Handle) -> bytes:
    """A domain's name: its place in the hierarchy; where its parent does not list it, ``tag@address``."""
    steps: list[bytes] = []
    here = handle
    with ExitStack() as closing:
        for above in upwards(handle):
            if above is handle:
                continue
            closing.enter_context(above)
            address = here.connection.address
            own = (above.connection.own_address if address.startswith("127.") else address).encode()
            found = (
                name
                for number, name, tag in _served(above)
                if name not in (b".", b"..") and tag == here.tag and own in _addresses(above, number)
            )
            steps.append(next(found, here.tag + b"@" + own).replace(b"\\", b"\\\\").replace(b"/", b"\\/"))
            here = above
    return b"/" + b"/".join(reversed(steps))


def open(where: str, *, user: str | None = None, password: str | None = None, timeout: float = TIMEOUT) -> Handle:  # noqa: A001
    """Open a domain: ``host/tag``, ``host:port/tag``, or its name: ``.``, ``..``, ``/``, ``/a/b``, ``tag@host``.

    With a ``user`` or a ``password`` every call is made as that user (without one, as root). ``timeout``: seconds that
    one call may take.
    """
    name = os.fsencode(where)
    by_name = "/" not in where or where.startswith(("/", "./", "../")) or b"@" in name.rpartition(b"/")[2]
    handle = open_domain(name, timeout) if by_name else open_server(name, timeout)
    if user is not None or password is not None:
        try:
            handle.set_user(os.fsencode(user or "root"), os.fsencode(password or ""))
        except BaseException:
            handle.close()
            raise
    return handle
