"""A port mapper for machines without rpcbind, and registering with rpcbind where it runs. Edge.

What a port mapper answers is :mod:`portlore.oncrpc.portmap`'s business; here are its sockets and who may change it.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time

from portlore.errors import HostError
from portlore.netinfo.access import RESERVED, Caller
from portlore.netinfo.sockets import bound, listening_for_broadcasts
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_call, decode_reply, encode_call
from portlore.oncrpc.portmap import PORT, PROGRAM, SET, UNSET, VERSION, Mapping
from portlore.oncrpc.records import RecordReader, RecordTooLong, marked
from portlore.oncrpc.xdr import Reader, XdrError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.netinfo.sockets import Pair

    PassedOn = Callable[[Caller, portmap.Indirect], tuple[int, bytes] | None]

LARGEST_DATAGRAM = 8800  # bytes: UDP messages of old
LARGEST_RECORD = 16384
MOST_CONNECTIONS = 64
PATIENCE = 30.0  # seconds for a connection to send something, or to take what it is sent


class EmbeddedPortMapper:
    """A port mapper on ``listen``, TCP and UDP; ``table`` is there for its owner to fill.

    ``passed_on(caller, indirect)`` does an indirect call for the one who asked, whose rights it has and no others, and
    gives (port, results), or ``None``: CALLIT answers only success. ``is_own``: an address is this machine's. From
    there, and nowhere else, programs may be registered; what concerns a reserved port, only from a reserved port.
    """

    def __init__(
        self,
        listen: str,
        port: int = PORT,
        passed_on: PassedOn = lambda caller, indirect: None,
        is_own: Callable[[str], bool] = lambda address: address.startswith("127."),
    ) -> None:
        self.listen, self.port, self.table = listen, port, portmap.PortMap()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}  # in the order in which they came
        self._passed_on, self._is_own = passed_on, is_own
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._heard: list[asyncio.DatagramTransport] = []

    async def start(self, pair: Pair | None = None) -> None:
        """Listen on a pair of sockets, or on one of its own (port 0: any free one, then found in ``port``).

        :class:`HostError` where that cannot be.
        """
        try:
            pair = pair or bound(self.listen, [self.port])
        except HostError as error:
            asked = f"opening a port mapper on {self.listen}, port {self.port}"
            raise HostError(asked, error.found, "register with the one that runs there, or be root") from error
        self.port = pair.port
        self._server = await asyncio.start_server(self._serve, sock=pair.tcp)
        self._datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), sock=pair.udp
        )
        for line in listening_for_broadcasts(self.listen, self.port):
            heard, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(self, self._datagrams), sock=line
            )
            self._heard.append(heard)
        for protocol in (portmap.UDP, portmap.TCP):
            self.table.set(Mapping(PROGRAM, VERSION, protocol, self.port))

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        for heard in (self._datagrams, *self._heard):
            if heard is not None:
                heard.close()
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(self._server.wait_closed(), *filter(None, self._open.values()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection: no more is read while replies wait to be taken."""
        peer = writer.get_extra_info("peername") or ("", 0)  # it may be gone already
        if len(self._open) >= MOST_CONNECTIONS:
            self._open.pop(oldest := next(iter(self._open)))
            oldest.transport.abort()
        self._open[writer] = asyncio.current_task()
        records = RecordReader(LARGEST_RECORD)
        try:
            while data := await asyncio.wait_for(reader.read(LARGEST_RECORD), PATIENCE):
                for record in records.feed(data):
                    reply = self.answer(peer, record)
                    writer.write(b"" if reply is None else marked(reply))
                    await asyncio.wait_for(writer.drain(), PATIENCE)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)
        except (OSError, RecordTooLong):  # a timeout is an OSError
            pass
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()

    def answer(self, peer: tuple[str, int], record: bytes) -> bytes | None:
        """The reply to a record from an address and port; ``None`` for silence."""
        call = decode_call(record)
        if call is None:
            return None
        caller = Caller(*peer, self._is_own(peer[0]), call.credential)

        def passed_on(indirect: portmap.Indirect) -> tuple[int, bytes] | None:
            return None if indirect.program == PROGRAM else self._passed_on(caller, indirect)

        return portmap.answer(self.table, call, local=self._may_change(caller, call), passed_on=passed_on)

    def _may_change(self, caller: Caller, call: Call) -> bool:
        if not caller.local or call.procedure not in (SET, UNSET):
            return caller.local
        try:
            one = portmap.read_mapping(Reader(call.arguments))
        except XdrError:
            return False
        same = [old.port for old in self.table.all() if (old.program, old.version) == (one.program, one.version)]
        lowest = min([one.port if call.procedure == SET else RESERVED, *same])
        return one.program != PROGRAM and (caller.port < RESERVED or lowest >= RESERVED)


class _Datagrams(asyncio.DatagramProtocol):
    """Calls over UDP. While a reply waits to be sent, more are lost, as datagrams may be."""

    def __init__(self, mapper: EmbeddedPortMapper, back: asyncio.DatagramTransport | None = None) -> None:
        self._mapper, self._back = mapper, back  # where answers go out, if not where the calls come in

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = self._back or transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) <= LARGEST_DATAGRAM and not self._transport.get_write_buffer_size():  # type: ignore[attr-defined]
            reply = self._mapper.answer(addr, data)
            if reply is not None and len(reply) <= LARGEST_DATAGRAM:
                self._transport.sendto(reply, addr)


def register(mappings: Sequence[Mapping], host: str = "127.0.0.1", *, port: int = PORT, timeout: float = 3.0) -> None:
    """Register programs with the port mapper of ``host``, in place of what it has for their versions.

    :class:`HostError` where it refuses, or leaves a question without an answer for ``timeout`` seconds.
    """
    unregister(mappings, host, port=port, timeout=timeout)
    for one in mappings:
        if not _ask(SET, one, (host, port), timeout):
            asked = f"registering program {one.program} with the port mapper of {host}"
            raise HostError(asked, "it refuses", "be root on that machine: others may not ask it this")


def unregister(mappings: Sequence[Mapping], host: str = "127.0.0.1", *, port: int = PORT, timeout: float = 3.0) -> None:
    """Have the port mapper of ``host`` forget the versions of these programs; :class:`HostError` without an answer."""
    for program, version in dict.fromkeys((one.program, one.version) for one in mappings):
        _ask(UNSET, Mapping(program, version, 0, 0), (host, port), timeout)


def _ask(procedure: int, one: Mapping, where: tuple[str, int], timeout: float) -> bool:
    """What a port mapper says to SET or UNSET: over UDP, and where that is not answered, over TCP."""
    xid = secrets.randbits(32)
    record = encode_call(Call(xid, PROGRAM, VERSION, procedure, NOBODY, NOBODY, portmap.mapping(one)))
    found = "no answer"
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            reply = decode_reply(_exchange(kind, where, record, time.monotonic() + timeout / 2))
            return reply.accepted == SUCCESS and Reader(reply.results).boolean()
        except (OSError, XdrError, RecordTooLong) as error:
            found = str(error)
    raise HostError(f"asking the port mapper of {where[0]}", found, "start rpcbind, or embed a port mapper")


def _exchange(kind: int, where: tuple[str, int], record: bytes, deadline: float) -> bytes:
    reader = RecordReader(LARGEST_RECORD)
    with _reserved(kind) as ours:
        ours.settimeout(max(deadline - time.monotonic(), 0))
        ours.connect(where)
        ours.sendall(record if kind == socket.SOCK_DGRAM else marked(record))
        data = b"begin"
        while data and (left := deadline - time.monotonic()) > 0:
            ours.settimeout(left)
            data = ours.recv(LARGEST_RECORD)
            for reply in [data] if kind == socket.SOCK_DGRAM else reader.feed(data):
                if reply[:4] == record[:4]:
                    return reply
    raise TimeoutError("no answer")


def _reserved(kind: int) -> socket.socket:
    """A socket on a reserved port from 600 on, as port mappers want it; on any where that is not allowed."""
    for number in range(RESERVED - 1, 599, -1):
        ours = socket.socket(socket.AF_INET, kind)
        try:
            ours.bind(("", number))
            return ours
        except OSError as error:
            ours.close()
            if isinstance(error, PermissionError):
                break
    return socket.socket(socket.AF_INET, kind)
