"""The port mapper, version 2 (RFC 1833 section 3): its types, its calls, and one to embed. Pure."""

from __future__ import annotations

from portlore.oncrpc.message import (
    GARBAGE_ARGS,
    PROC_UNAVAIL,
    PROG_MISMATCH,
    PROG_UNAVAIL,
    Call,
    accepted,
    success,
)
from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM, VERSION, PORT = 100000, 2, 111
NULL, SET, UNSET, GETPORT, DUMP, CALLIT = range(6)
TCP, UDP = 6, 17  # prot: the numbers of IP
MOST_MAPPINGS = 4096
LONGEST_ARGUMENTS = 8800  # bytes of a CALLIT's arguments: UDP messages of old


class Mapping(Value):
    """Where a program listens: ``protocol`` is :data:`TCP` or :data:`UDP`."""

    program: int
    version: int
    protocol: int
    port: int


class Indirect(Value):
    """A call to be passed on (CALLIT)."""

    program: int
    version: int
    procedure: int
    arguments: bytes


def read_mapping(reader: Reader) -> Mapping:
    """A mapping as XDR."""
    return Mapping(reader.uint(), reader.uint(), reader.uint(), reader.uint())


def mapping(one: Mapping) -> bytes:
    """A mapping's XDR."""
    return b"".join(map(uint, (one.program, one.version, one.protocol, one.port)))


def read_mappings(reader: Reader) -> list[Mapping]:
    """The result of DUMP: an XDR list; :class:`XdrError` beyond :data:`MOST_MAPPINGS`."""
    found: list[Mapping] = []
    while reader.boolean():
        if len(found) >= MOST_MAPPINGS:
            raise XdrError("reading mappings", f"more than {MOST_MAPPINGS}", "ask another port mapper")
        found.append(read_mapping(reader))
    return found


def mappings(many: list[Mapping]) -> bytes:
    """The result of DUMP as XDR."""
    return b"".join(uint(1) + mapping(one) for one in many) + uint(0)


def read_indirect(reader: Reader) -> Indirect:
    """The arguments of CALLIT."""
    return Indirect(reader.uint(), reader.uint(), reader.uint(), reader.opaque(LONGEST_ARGUMENTS))


def indirect(one: Indirect) -> bytes:
    """The arguments of CALLIT as XDR."""
    return uint(one.program) + uint(one.version) + uint(one.procedure) + opaque(one.arguments)


class PortMap:
    """The mappings of one machine. Mutable; no socket of its own."""

    def __init__(self) -> None:
        self._ports: dict[tuple[int, int, int], int] = {}

    def set(self, one: Mapping) -> bool:
        """Register; False when there is a mapping already, or too many of them."""
        key = (one.program, one.version, one.protocol)
        if key in self._ports or len(self._ports) >= MOST_MAPPINGS:
            return False
        self._ports[key] = one.port
        return True

    def unset(self, program: int, version: int) -> bool:
        """Forget a program's version on every protocol; False when there was none."""
        keys = [key for key in self._ports if key[:2] == (program, version)]
        for key in keys:
            del self._ports[key]
        return bool(keys)

    def port(self, program: int, version: int, protocol: int) -> int:
        """Where a program listens; 0 for nowhere. Another version of it will do, as the RFC has it."""
        exact = self._ports.get((program, version, protocol))
        if exact is not None:
            return exact
        return next((port for key, port in self._ports.items() if (key[0], key[2]) == (program, protocol)), 0)

    def all(self) -> list[Mapping]:
        """Every mapping."""
        return [Mapping(*key, port) for key, port in self._ports.items()]


def answer(
    table: PortMap, call: Call, *, local: bool, passed_on: Callable[[Indirect], tuple[int, bytes] | None]
) -> bytes | None:
    """The reply to a call; ``None`` for silence. ``local``: the caller may change the table.

    ``passed_on`` does an indirect call and gives (port, results), or ``None``: CALLIT answers only success.
    """
    if call.program != PROGRAM:
        return accepted(call.xid, PROG_UNAVAIL)
    if call.version != VERSION:
        return accepted(call.xid, PROG_MISMATCH, VERSION, VERSION)
    reader = Reader(call.arguments)
    try:
        if call.procedure == NULL:
            return success(call.xid, b"")
        if call.procedure == SET:
            one = read_mapping(reader)
            return success(call.xid, uint(local and table.set(one)))
        if call.procedure == UNSET:
            one = read_mapping(reader)
            return success(call.xid, uint(local and table.unset(one.program, one.version)))
        if call.procedure == GETPORT:
            one = read_mapping(reader)
            return success(call.xid, uint(table.port(one.program, one.version, one.protocol)))
        if call.procedure == DUMP:
            return success(call.xid, mappings(table.all()))
        if call.procedure == CALLIT:
            done = passed_on(read_indirect(reader))
            return None if done is None else success(call.xid, uint(done[0]) + opaque(done[1]))
    except XdrError:
        return None if call.procedure == CALLIT else accepted(call.xid, GARBAGE_ARGS)
    return accepted(call.xid, PROC_UNAVAIL)
