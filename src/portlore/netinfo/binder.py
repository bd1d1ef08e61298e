"""The binder (nibind): which domains this machine serves, by tag, and on which ports (SPEC 2.5). Pure.

PROCEDURES is the table, a row each. What reaches outside, such as asking a server whether it lives, is handed in as
:class:`Outside`. ``encode_*`` and ``decode_*`` are one codec for who answers and who asks.
"""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.access import RESERVED, password, refused
from portlore.netinfo.coding import read_name
from portlore.netinfo.procedures import NoSuccess
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc import message
from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from portlore.netinfo.access import Caller

    Given: TypeAlias = "bytes | Registration | Cloning | Binding | None"

PROGRAM, VERSION = 200100001, 1
PING, REGISTER, UNREGISTER, GETREGISTER, LISTREG, CREATEMASTER, CREATECLONE, DESTROYDOMAIN, BIND = range(9)
MOST_LISTED = 32
MOST_STORED = 1024
LONGEST_TAG = 255  # bytes; 32 of them fit into one UDP message of 8800
HIGHEST_PORT = 0xFFFF
OK = uint(0)
PERM, NOSPACE, SYSTEMERR = NUMBERS["PERM"], NUMBERS["NOSPACE"], NUMBERS["SYSTEMERR"]
NORESPONSE, NOTAG, DUPTAG = NUMBERS["NORESPONSE"], NUMBERS["NOTAG"], NUMBERS["DUPTAG"]


class Registration(Value):
    """A server: its domain's tag and its ports. The arguments of REGISTER."""

    tag: bytes
    udp_port: int
    tcp_port: int


class Cloning(Value):
    """The arguments of CREATECLONE: the new tag, and where the master is."""

    tag: bytes
    master_name: bytes
    master_address: int
    master_tag: bytes


class Binding(Value):
    """The arguments of BIND: who looks for a parent, and the tag that the parent should have here."""

    client_address: int
    client_tag: bytes
    server_tag: bytes


def encode_arguments(given: Given) -> bytes:
    """The arguments of any procedure: nothing, a tag, or the fields of its value in order."""
    if given is None:
        return b""
    fields = [given] if isinstance(given, bytes) else [getattr(given, name) for name in given.__fields__]
    return b"".join([uint(one) if isinstance(one, int) else opaque(one) for one in fields])


def decode_arguments(procedure: int, arguments: bytes) -> Given:
    """The arguments of one of the nine; what follows them is not looked at, as the originals' CALLIT sends more."""
    return PROCEDURES[procedure].read(Reader(arguments))  # type: ignore[no-any-return]


def encode_ports(one: Registration) -> bytes:
    """The results of GETREGISTER."""
    return OK + uint(one.udp_port) + uint(one.tcp_port)


def decode_ports(results: bytes) -> tuple[int, int]:
    """A server's ports, UDP and TCP; :class:`NetInfoError` when the binder does not give them."""
    reader = check_status(results)
    return reader.uint(), reader.uint()


def encode_registrations(many: list[Registration]) -> bytes:
    """The results of LISTREG: the first :data:`MOST_LISTED`."""
    return OK + uint(min(len(many), MOST_LISTED)) + b"".join(map(encode_arguments, many[:MOST_LISTED]))


def decode_registrations(results: bytes) -> list[Registration]:
    """The inverse; :class:`NetInfoError` when the binder does not give them."""
    reader = check_status(results)
    return [_read_registration(reader) for _ in range(reader.count(MOST_LISTED, 12))]


def check_status(results: bytes) -> Reader:
    """What follows the status OK in the results of any procedure but PING and BIND; else :class:`NetInfoError`."""
    reader = Reader(results)
    status = reader.uint()
    if status:
        raise NetInfoError(status)
    return reader


class Outside(Value):
    """What a binder cannot do itself. None of these raises, or takes longer than a client waits.

    ``alive(tag, udp_port)``: a server answers a PING. ``bind(tag, client_tag, client_address)``: the server of a tag
    serves that client. ``create_master(tag)``, ``create_clone``,
    ``destroy(tag)``: begun; begun; done. ``root_password(password)``: it is
    this machine's root's. ``alias_of(tag, address)``: the tag that a client at an address means by another.
    """

    alive: Callable[[bytes, int], bool]
    bind: Callable[[bytes, bytes, int], bool]
    create_master: Callable[[bytes], bool]
    destroy: Callable[[bytes], bool]
    root_password: Callable[[bytes], bool]
    alias_of: Callable[[bytes, str], bytes | None]
    create_clone: Callable[[Cloning], bool] = lambda given: False


class Binder:
    """The registrations of one machine, by tag. Mutable; no socket of its own.

    ``silent``: a BIND over UDP that comes to nothing is not answered, as NeXTSTEP's binders did; else, and over TCP,
    where nobody calls at random, SYSTEM_ERR. ``udp_register``: NEXTSTEP 3's servers on this machine may register
    over UDP; switch it off beside a port mapper that passes calls on from anywhere as if they were its own.
    """

    def __init__(self, outside: Outside, *, silent: bool = True, udp_register: bool = True) -> None:
        self.outside = outside
        self.registered: dict[bytes, Registration] = {}
        self._silent, self._udp_register = silent, udp_register

    def register(self, one: Registration) -> None:
        """Remember a server, in place of the one that had its tag; NOSPACE beyond the limits."""
        full = len(self.registered) >= MOST_STORED and one.tag not in self.registered
        if full or len(one.tag) > LONGEST_TAG:
            raise NetInfoError(NOSPACE)
        self.registered[one.tag] = one

    def forget(self, tag: bytes) -> None:
        """Forget a server, if there is one; the last in the list takes its place there, as in the originals."""
        if tag in self.registered:
            *others, last = self.registered.items()
            self.registered = dict(last if one[0] == tag else one for one in others)

    def find(self, tag: bytes, address: str) -> Registration | None:
        """The server that a client at an address means by a tag: an alias goes before."""
        alias = self.outside.alias_of(tag, address)
        aliased = None if alias is None else self.registered.get(alias)
        return aliased or self.registered.get(tag)

    def answer(self, caller: Caller, record: bytes, *, udp: bool) -> bytes | None:
        """The reply to a record; ``None`` for silence."""
        call = message.decode_call(record)
        if call is None:
            return None
        xid = call.xid
        if why := refused(call.credential):
            return message.denied(xid, why)
        caller = caller.replace(credential=call.credential)
        if call.program != PROGRAM:
            return message.accepted(xid, message.PROG_UNAVAIL)
        if call.version != VERSION:
            return message.accepted(xid, message.PROG_MISMATCH, VERSION, VERSION)
        row = PROCEDURES[call.procedure] if call.procedure < len(PROCEDURES) else None
        if udp and (row is None or not row.udp or (row.privileged and not self._registers_over_udp(caller))):
            return message.denied(xid, message.TOO_WEAK)
        if row is None:
            return message.accepted(xid, message.PROC_UNAVAIL)
        try:
            given = row.read(Reader(call.arguments))
            if row.privileged and not self._privileged(caller):
                raise NetInfoError(PERM)
            return message.success(xid, row.handle(self, given, caller))
        except XdrError:
            return message.accepted(xid, message.GARBAGE_ARGS)
        except NoSuccess:
            return None if udp and self._silent else message.accepted(xid, message.SYSTEM_ERR)
        except NetInfoError as refusal:
            return message.success(xid, uint(refusal.status))

    def _registers_over_udp(self, caller: Caller) -> bool:
        """Root on this machine; no password counts there."""
        return self._udp_register and _root_here(caller)

    def _privileged(self, caller: Caller) -> bool:
        """Root on this machine, or who knows root's password, whatever uid is sent with it."""
        if caller.credential.flavor != message.AUTH_UNIX or _root_here(caller):
            return _root_here(caller)
        return self.outside.root_password(password(caller.credential))


def _root_here(caller: Caller) -> bool:
    return caller.local and caller.port < RESERVED


def _names_a_file(tag: bytes) -> bool:
    """Whether a tag can be part of a file's name, and never of a path."""
    return 0 < len(tag) <= LONGEST_TAG and b"/" not in tag and not tag.startswith(b".")


def _read_registration(reader: Reader) -> Registration:
    return Registration(read_name(reader), reader.uint(), reader.uint())


def _read_cloning(reader: Reader) -> Cloning:
    return Cloning(read_name(reader), read_name(reader), reader.uint(), read_name(reader))


def _read_binding(reader: Reader) -> Binding:
    return Binding(reader.uint(), read_name(reader), read_name(reader))


def register(binder: Binder, given: Registration, caller: Caller) -> bytes:
    """A server tells its ports."""
    binder.register(given)
    return OK


def unregister(binder: Binder, tag: bytes, caller: Caller) -> bytes:
    """A server leaves; OK also where it was not known."""
    binder.forget(tag)
    return OK


def get_register(binder: Binder, tag: bytes, caller: Caller) -> bytes:
    """The ports of a server, if it is alive."""
    one = binder.find(tag, caller.address)
    if one is None:
        raise NetInfoError(NOTAG)
    if not 0 < one.udp_port <= HIGHEST_PORT or not binder.outside.alive(one.tag, one.udp_port):
        raise NetInfoError(NORESPONSE)
    return encode_ports(one)


def create_master(binder: Binder, tag: bytes, caller: Caller) -> bytes:
    """A new domain; its server registers when it is up."""
    if tag in binder.registered:
        raise NetInfoError(DUPTAG)
    if not _names_a_file(tag) or not binder.outside.create_master(tag):
        raise NetInfoError(SYSTEMERR)
    return OK


def create_clone(binder: Binder, given: Cloning, caller: Caller) -> bytes:
    """A clone of another machine's domain; its server registers when it is up, then reads all."""
    if given.tag in binder.registered:
        raise NetInfoError(DUPTAG)
    if not _names_a_file(given.tag) or not binder.outside.create_clone(given):
        raise NetInfoError(SYSTEMERR)
    return OK


def destroy_domain(binder: Binder, tag: bytes, caller: Caller) -> bytes:
    """The end of a domain here: its server and its store."""
    if tag not in binder.registered:
        raise NetInfoError(NOTAG)
    if not _names_a_file(tag) or not binder.outside.destroy(tag):
        raise NetInfoError(SYSTEMERR)
    binder.forget(tag)  # the server may have said goodbye itself
    return OK


def bind(binder: Binder, given: Binding, caller: Caller) -> bytes:
    """Success if the server of a tag serves the client that looks for a parent."""
    dotted = ".".join(map(str, given.client_address.to_bytes(4, "big")))
    one = binder.find(given.server_tag, dotted)
    if one is None or not binder.outside.bind(one.tag, given.client_tag, given.client_address):
        raise NoSuccess
    return b""


class Procedure(Value):
    """A row: its number and name, how its arguments are read, its handler, who may call it and how."""

    number: int
    name: str
    read: Callable[[Reader], Any]
    handle: Callable[[Binder, Any, Caller], bytes]
    privileged: bool = False
    udp: bool = False


PROCEDURES = (
    Procedure(PING, "ping", lambda _: None, lambda *_: b"", udp=True),
    Procedure(REGISTER, "register", _read_registration, register, privileged=True, udp=True),
    Procedure(UNREGISTER, "unregister", read_name, unregister, privileged=True),
    Procedure(GETREGISTER, "getregister", read_name, get_register, udp=True),
    Procedure(
        LISTREG, "listreg", lambda _: None, lambda me, *_: encode_registrations([*me.registered.values()]), udp=True
    ),
    Procedure(CREATEMASTER, "createmaster", read_name, create_master, privileged=True),
    Procedure(CREATECLONE, "createclone", _read_cloning, create_clone, privileged=True),
    Procedure(DESTROYDOMAIN, "destroydomain", read_name, destroy_domain, privileged=True),
    Procedure(BIND, "bind", _read_binding, bind, udp=True),
)
