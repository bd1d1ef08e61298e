"""Edge: NetInfo domains on TCP and UDP, on one event loop.

Reads are answered at once, from memory. Writes are answered when they are on disk: what came in while a commit was
under way shares the next one. Every connection is bounded in size, time and number.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from portlore.errors import HostError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Service
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import NUMBERS, ROOT
from portlore.oncrpc.message import success
from portlore.oncrpc.records import RecordReader, RecordTooLong, marked
from portlore.oncrpc.xdr import uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.sockets import Pair
    from portlore.netinfo.store import Store

    Answer = Callable[[Caller, bytes, bool], bytes | None]  # caller, record, whether it came over UDP

LONGEST = 1 << 24  # bytes of a request
SHORT = 1 << 14  # bytes of a call to the binder
MOST_CONNECTIONS = 1024
PATIENCE = 30.0  # seconds that the rest of a begun record may take
ARRIVING = 1 << 16  # bytes taken from a socket at once
BACKLOG = 512  # connections that may wait to be accepted
UNREAD = 1 << 20  # bytes of answers that a client may leave unread before it is not listened to
SYSTEMERR = NUMBERS["SYSTEMERR"]
FAILURES = 8  # wrong passwords from one address within FORGOTTEN seconds before answers are held back
FORGOTTEN, HELD_BACK = 60.0, 1.0  # seconds


class Limits(Value):
    """What a server bears."""

    longest: int = LONGEST
    connections: int = MOST_CONNECTIONS
    patience: float = PATIENCE


class Serving:
    """One domain being served: the service, its store, the writes that wait for the disk."""

    def __init__(self, service: Service, store: Store | None, log: Callable[[str], None], limits: Limits) -> None:
        self.service, self._store, self.log, self.limits = service, store, log, limits
        self._waiting: list[tuple[Connection, list[bytes]]] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "portlore-netinfo-store")
        self.broken = False
        self.connections: dict[Connection, None] = {}
        self._failures: dict[str, list[float]] = {}
        self.arriving = memoryview(bytearray(ARRIVING))
        self.idle = asyncio.Event()
        self.idle.set()

    def write(self, connection: Connection, replies: list[bytes]) -> None:
        """Answer calls, writes among them, once those are on disk."""
        self._waiting.append((connection, replies))
        self.idle.clear()
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        store = self._store
        if store is None:
            self.service.domain.take()
            self._done(waiting, None)
            return
        batch = store.batch(self.service.domain)
        future = asyncio.get_running_loop().run_in_executor(self._thread, store.commit, batch)
        future.add_done_callback(lambda done: self._done(waiting, done.exception()))

    def _done(self, waiting: list[tuple[Connection, list[bytes]]], error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
        for connection, replies in waiting:
            if error is not None:
                replies = [success(int.from_bytes(reply[:4], "big"), uint(SYSTEMERR)) for reply in replies]
            connection.written(replies)
        if self._waiting:
            self._commit()
        else:
            self._busy = False
            self.idle.set()

    def _fail(self, error: BaseException) -> None:
        """The disk took nothing: go back to what it has, and write no more."""
        self.log(f"the store failed: {error}; serving what is on disk, read-only, from now on")
        self.broken = True
        if self._store is not None:
            try:
                self.service.domain = self._store.load()
            except Exception as worse:  # noqa: BLE001 - then memory is all there is
                self.log(f"and it cannot be read again: {worse}")
        self.service.policy = self.service.policy.replace(read_only=True)

    def failed_password(self, address: str) -> float:
        """Note a wrong password; how long to hold the answer back."""
        now = time.monotonic()
        if len(self._failures) > 4096:
            self._failures.clear()
        recent = [at for at in self._failures.get(address, []) if now - at < FORGOTTEN]
        self._failures[address] = [*recent, now][-FAILURES - 1 :]
        return HELD_BACK if len(recent) >= FAILURES else 0.0

    def admits(self, address: str, *, local: bool) -> bool:
        """Whether ``trusted_networks`` lets an address in (SPEC 3.4); this machine's own are always let in."""
        domain = self.service.domain
        trusted = domain.values(ROOT, b"trusted_networks")
        return trusted is None or local or any(_is_within(address, network, domain) for network in trusted)

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=True)


def _is_within(address: str, network: bytes, domain: Domain) -> bool:
    """Whether an address begins with a network's numbers (up to three that are not 0), given by itself or by name."""
    text = network.decode("utf-8", "surrogateescape")
    if not text.replace(".", "").isdigit():
        networks = domain.path(b"networks")
        found = [] if networks is None else domain.find(networks, b"name", network)
        values = domain.values(found[0], b"address") if found else None
        text = values[0].decode("ascii", "replace") if values else ""
    parts = text.split(".")[:3]
    while parts and parts[-1] in ("0", ""):
        parts.pop()
    return bool(parts) and address.split(".")[: len(parts)] == parts


class Connection(asyncio.BufferedProtocol):
    """One TCP connection: records in, replies out in the same order."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._reader = RecordReader(serving.limits.longest)
        self._queue: list[bytes] = []
        self._writing = False
        self._transport: asyncio.Transport | None = None
        self._caller = Caller("", 0, local=False)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless its network is not trusted or there are too many: then the oldest goes."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        address = str(peer[0]).removeprefix("::ffff:") if peer else ""
        local = address.startswith("127.") or (own is not None and address == str(own[0]).removeprefix("::ffff:"))
        self._caller = Caller(address, peer[1] if peer else 0, local)
        serving = self._serving
        if not serving.admits(address, local=local):
            transport.abort()
            return
        transport.set_write_buffer_limits(UNREAD)
        serving.connections[self] = None
        while len(serving.connections) > serving.limits.connections:
            oldest = next(iter(serving.connections))
            del serving.connections[oldest]
            oldest.drop()

    def drop(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._serving.connections.pop(self, None)
        self._transport = None
        self._stop_timer()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes: one place for all, as it is taken out at once."""
        return self._serving.arriving

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what is complete."""
        try:
            records = self._reader.feed(bytes(self._serving.arriving[:nbytes]))
        except RecordTooLong as error:
            self._serving.log(f"{self._caller.address}: {error.found}; connection closed")
            self.drop()
            return
        if self._timer is not None and records:
            self._stop_timer()
        connections = self._serving.connections
        if self in connections:  # the least recently used one is the first to go
            connections[self] = connections.pop(self)
        if self._queue or self._writing:
            self._queue += records
            self._hold()
        elif records:
            self._work(records)
        if self._timer is None and self._reader.waiting:
            self._timer = asyncio.get_running_loop().call_later(self._serving.limits.patience, self.drop)

    def _work(self, records: list[bytes]) -> None:
        serving, transport = self._serving, self._transport
        service = serving.service
        domain = service.domain
        counts = service.authentications
        version, wrong, replies = domain.version, counts[1], list[bytes]()
        for number, record in enumerate(records):
            reply = service.answer(self._caller, record)
            if reply is not None:
                replies.append(reply)
            if counts[1] != wrong and not service.policy.classic:
                wrong = counts[1]
                pause = serving.failed_password(self._caller.address)
                if pause:
                    self._writing = True
                    self._queue = records[number + 1 :] + self._queue
                    asyncio.get_running_loop().call_later(pause, self._send, replies, domain.version != version)
                    return
        if domain.version != version:  # what was written, and all that was answered with it, waits for the disk
            self._writing = True
            self._send(replies, wrote=True)
        elif transport is not None:
            for reply in replies:
                transport.write(marked(reply))

    def _send(self, replies: list[bytes], wrote: bool) -> None:
        if wrote:
            self._serving.write(self, replies)
            self._hold()
        else:
            self.written(replies)

    def written(self, replies: list[bytes]) -> None:
        """Writes are on disk: answer them, then go on with what came meanwhile."""
        self._writing = False
        if self._transport is None:
            return
        self._transport.write(b"".join(map(marked, replies)))
        queue, self._queue = self._queue, []
        if queue:
            self._work(queue)
        if not self._queue and not self._writing and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read its answers: do not listen to it either."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._transport is not None and not self._writing:
            self._transport.resume_reading()

    def _hold(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and len(self._queue) > 64:
            self._transport.pause_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Datagrams(asyncio.DatagramProtocol):
    """PING and BIND over UDP."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a datagram."""
        caller = Caller(str(addr[0]), addr[1], str(addr[0]).startswith("127."))
        reply = self._serving.service.answer(caller, data, udp=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


class Plain(asyncio.Protocol):
    """A TCP connection of calls that are answered at once: the binder's."""

    def __init__(self, answer: Answer, is_own: Callable[[str], bool]) -> None:
        self._answer, self._is_own = answer, is_own
        self._reader = RecordReader(SHORT)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back, and an eye on the clock."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._caller = Caller(str(peer[0]), peer[1], self._is_own(str(peer[0])))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._wait()
        try:
            records = self._reader.feed(data)
        except RecordTooLong:
            self._transport.abort()
            return
        for record in records:
            reply = self._answer(self._caller, record, False)
            if reply is not None:
                self._transport.write(marked(reply))

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)


class PlainDatagrams(asyncio.DatagramProtocol):
    """The same over UDP."""

    def __init__(self, answer: Answer, is_own: Callable[[str], bool]) -> None:
        self._answer, self._is_own = answer, is_own
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a datagram."""
        caller = Caller(str(addr[0]), addr[1], self._is_own(str(addr[0])))
        reply = self._answer(caller, data, True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


async def serve_pair(
    pair: Pair, connection: Callable[[], asyncio.BaseProtocol], datagrams: Callable[[], asyncio.DatagramProtocol]
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    """Serve both sockets of a port; :class:`HostError` where another has the port after all."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(connection, sock=pair.tcp, backlog=BACKLOG)
        transport, _ = await loop.create_datagram_endpoint(datagrams, sock=pair.udp)
    except OSError as error:
        pair.close()
        asked, found = f"serving port {pair.port}", error.strerror or str(error)
        raise HostError(asked, found, "see who has it with `portlore listening`") from None
    return server, transport
