"""Edge: finding domains: the binder of a machine, the hierarchy of domains; :func:`open` is the way in.

``open("host/tag")`` names a server, ``open("host:port/tag")`` one that no binder knows (our own form), ``open(".")``,
``open("..")``, ``open("/")`` and ``open("/sales/lab")`` a domain by its place in the hierarchy (SPEC 3.5).
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from time import monotonic

from portlore.errors import HostError, InputError, NetInfoError, ProtocolError
from portlore.netinfo import binder
from portlore.netinfo.calling import FAILED, TIMEOUT, Connection, ask_udp
from portlore.netinfo.handle import NODIR, STEP, Entry, Handle, Place, unescape
from portlore.netinfo.values import STATUS
from portlore.oncrpc import message, portmap
from portlore.oncrpc.message import Call
from portlore.oncrpc.xdr import XdrError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self, TypeVar

    from portlore.netinfo.binder import Given, Registration

    Result = TypeVar("Result")

__all__ = ["Binder", "Connection", "Entry", "Handle", "Place", "open", "open_domain", "open_server", "told"]

LOCAL = Place("127.0.0.1", b"local")


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
    if not slash or (colon and not (port.isdigit() and len(port) < 6 and 0 < int(port) < 1 << 16)):
        raise InputError(os.fsdecode(where), "Bad format", "write HOST/TAG or HOST:PORT/TAG")
    if not name:
        raise InputError(os.fsdecode(where), "No host", "write HOST/TAG or HOST:PORT/TAG")
    if not tag:
        raise InputError(os.fsdecode(where), "No tag", "write HOST/TAG or HOST:PORT/TAG")
    return Server(os.fsdecode(name), int(port or b"0"), tag)


def resolve(host: str) -> str:
    """The IPv4 address of a host."""
    try:
        return socket.gethostbyname(host or "no host")  # none would be this machine
    except (OSError, UnicodeError):
        raise HostError(host, "Host not found", "name a host or an IPv4 address") from None


def _port(variable: str) -> int:
    """The port that a variable of the environment names; 0 for none."""
    named = os.environ.get(variable, "")
    return int(named) if named.isdigit() and len(named) < 6 and int(named) < 1 << 16 else 0


class Binder:
    """The binder of a machine (nibind, SPEC 2.5); all of its verbs together take ``timeout`` seconds at most.

    ``PORTLORE_NIBIND_PORT`` is its port where no port mapper runs.
    """

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.address, self._deadline = address, monotonic() + timeout
        self._line: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.close()

    @property
    def _left(self) -> float:
        return max(self._deadline - monotonic(), 0.001)

    def port(self, protocol: int) -> int:
        """Where it listens; FAILED where it does not."""
        if named := _port("PORTLORE_NIBIND_PORT"):
            return named
        asked = portmap.mapping(portmap.Mapping(binder.PROGRAM, binder.VERSION, protocol, 0))
        call = _call(portmap.PROGRAM, portmap.VERSION, portmap.GETPORT, asked)
        number = int.from_bytes(ask_udp(self.address, portmap.PORT, call, self._left)[:4], "big")
        if not 0 < number < 1 << 16:
            raise NetInfoError(FAILED)
        return number

    def find(self, tag: bytes) -> tuple[int, int]:
        """The ports of a domain's server, UDP and TCP, asked for by a datagram; NOTAG without it."""
        call = _call(binder.PROGRAM, binder.VERSION, binder.GETREGISTER, binder.encode_arguments(tag))
        port = self.port(portmap.UDP)
        return _checked(ask_udp(self.address, port, call, self._left), binder.decode_ports)

    def call(self, procedure: int, given: Given = None) -> bytes:
        """The results of a call over a stream, the same one for all of them."""
        if self._line is None:
            self._line = Connection(self.address, self.port(portmap.TCP), self._left)
        return self._line.call(procedure, binder.encode_arguments(given), binder.PROGRAM, binder.VERSION)

    def registered(self, tag: bytes) -> Registration:
        """The ports of a domain's server, asked for over the stream; NOTAG without it."""
        return binder.Registration(tag, *_checked(self.call(binder.GETREGISTER, tag), binder.decode_ports))

    def registrations(self) -> list[Registration]:
        """Every domain."""
        return _checked(self.call(binder.LISTREG), binder.decode_registrations)

    def order(self, procedure: int, given: Given) -> None:
        """A call that only gives a status."""
        _checked(self.call(procedure, given), binder.check_status)


def _checked(results: bytes, decode: Callable[[bytes], Result]) -> Result:
    try:
        return decode(results)
    except XdrError as error:
        raise ProtocolError("asking a binder", error.found, "see what runs there") from None


def _call(program: int, version: int, procedure: int, arguments: bytes) -> Call:
    xid = int.from_bytes(os.urandom(4), "big")
    return Call(xid, program, version, procedure, message.NOBODY, message.NOBODY, arguments)


def reach(place: Place, timeout: float = TIMEOUT) -> int:
    """The TCP port of a server, as its binder tells. ``PORTLORE_NETINFO_PORT`` is its port where no binder runs."""
    return _port("PORTLORE_NETINFO_PORT") or Binder(place.address, timeout).find(place.tag)[1]


def connect(servers: Sequence[Place], timeout: float = TIMEOUT, port: int = 0, *, patience: float = TIMEOUT) -> Handle:
    """A domain by its servers: the first that answers, within ``timeout`` seconds for all of them together.

    When that one is gone later on, the others are asked. ``port``: where the only server is, if its binder is not to
    be asked. ``patience``: seconds that each one's binder may take to answer, and then it itself. The refusal of the
    last server where none answers; NODIR where there is none.
    """
    deadline = monotonic() + timeout
    refusal: NetInfoError | ProtocolError = NetInfoError(NODIR)
    for number, place in enumerate(servers):
        share = max((deadline - monotonic()) / (len(servers) - number), 0.001)
        until, step = monotonic() + share, min(share, patience)
        try:
            at = port or reach(place, step)
            line = Connection(place.address, at, max(min(until - monotonic(), step), 0.001))
            handle = Handle(line, place.tag, servers, reach)
            try:
                handle.root()
            except BaseException:
                handle.close()
                raise
        except (NetInfoError, ProtocolError) as error:
            refusal = error
            continue
        line.timeout = timeout
        if not port:
            line.locate = lambda left: located(servers, left)
        return handle
    raise refusal


def located(servers: Sequence[Place], timeout: float) -> Iterator[tuple[str, int]]:
    """The address and port of each server that its binder knows."""
    for place in servers:
        try:
            yield place.address, reach(place, timeout / len(servers))
        except NetInfoError:
            continue


def open_server(where: bytes, timeout: float = TIMEOUT) -> Handle:
    """A server by ``host/tag`` or ``host:port/tag``."""
    server = parse_server(where)
    return connect((Place(resolve(server.host), server.tag),), timeout, server.port)


def open_domain(name: bytes, timeout: float = TIMEOUT) -> Handle:
    """A domain by its name, seen from this machine's local domain."""
    steps = [unescape(step) for step in STEP.findall(name)]
    from portlore.netinfo.hierarchy import child_of, parent_of, upwards

    tag, at, host = steps[-1].partition(b"@") if steps else (b"", b"", b"")
    if at:
        return connect((Place(resolve(os.fsdecode(host)), tag),), timeout)
    with ExitStack() as closing:
        here = closing.enter_context(connect((LOCAL,), timeout))
        if name.startswith(b"/"):
            for above in upwards(here):
                here = closing.enter_context(above)
        for step in steps:
            if step != b".":
                here = closing.enter_context(parent_of(here) if step == b".." else child_of(here, step))
    return here  # hung up with the others; its next call connects again


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
