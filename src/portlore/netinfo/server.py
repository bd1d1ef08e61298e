"""Edge: NetInfo domains on TCP and UDP, on one event loop.

Reads are answered at once, from memory. Writes are answered when they are on disk: what came in while a commit was
under way shares the next one. Every connection is bounded in size, time and number.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from portlore.errors import HostError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Service
from portlore.netinfo.channel import asks
from portlore.netinfo.domain import Domain
from portlore.netinfo.guests import Guests
from portlore.netinfo.secure import seal
from portlore.netinfo.talking import Talk
from portlore.netinfo.values import NUMBERS, ROOT
from portlore.oncrpc.message import SYSTEM_ERR, accepted, success
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.secure import Keyring
    from portlore.netinfo.sharing import Sharing
    from portlore.netinfo.sockets import Pair
    from portlore.netinfo.store import Store

    Answer = Callable[[Caller, bytes, bool], bytes | None]  # caller, record, whether it came over UDP

LONGEST = 1 << 24  # bytes of a request
SHORT = 1 << 14  # bytes of a call to the binder
MOST_CONNECTIONS = 1024
PATIENCE = 30.0  # seconds that the rest of a begun record may take
ENOUGH = 1 << 18  # bytes of answers that are sent before more are made
BACKLOG, AT_ONCE = 512, 16  # connections that may wait to be accepted; those accepted before others are answered
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

    def __init__(
        self,
        service: Service,
        store: Store | None,
        log: Callable[[str], None],
        limits: Limits,
        guests: Guests | None = None,
    ) -> None:
        self.service, self._store, self.log, self.limits = service, store, log, limits
        self.guests = guests or Guests(limits.connections)
        self._waiting: list[tuple[Connection, list[bytes]]] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "portlore-netinfo-store")
        self.broken = False
        self.connections: dict[Connection, None] = {}
        self._failures: dict[str, list[float]] = {}
        self.keyring: Keyring | None = None  # for callers who want TLS
        self.sharing: Sharing | None = None  # a domain that several servers write
        self._held: list[Connection] = []  # the master's, while all is being read from it
        self.commits, self.commit_seconds = 0, 0.0
        self.idle = asyncio.Event()
        self.idle.set()

    def answer(self, caller: Caller, record: bytes) -> bytes | None:
        """The reply to a record, if it gets one."""
        try:
            return self.service.answer(caller, record)
        except Exception as error:  # noqa: BLE001 - the border: a fault of ours ends one call, not the server
            self.log(f"fault {type(error).__name__}: {error}; call={record[:40].hex()}")
            return accepted(int.from_bytes(record[:4], "big"), SYSTEM_ERR)

    def write(self, connection: Connection, replies: list[bytes]) -> None:
        """Answer calls, writes among them, once those are on disk."""
        if self.sharing is not None:  # nothing was written: what is served is what everybody has
            asyncio.get_running_loop().call_soon(connection.written, replies)
            return
        self._waiting.append((connection, replies))
        self.idle.clear()
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        store, leading, checksum = self._store, self.service.leading, self.service.domain.checksum
        written = leading.take() if leading is not None else []
        changes = self.service.history.take() if self.service.history is not None else ()
        begun = time.monotonic()

        def done(error: BaseException | None) -> None:
            self.commits, self.commit_seconds = self.commits + 1, self.commit_seconds + time.monotonic() - begun
            if leading is not None and error is None:
                leading.stored(written, self.service.domain, checksum)
            self._done(waiting, error)

        if store is None:
            self.service.domain.take()
            done(None)
            return
        try:
            batch = store.batch(self.service.domain, changes)
        except Exception as error:  # noqa: BLE001 - a fault of ours: nobody waits for ever for it
            done(error)
            return
        future = asyncio.get_running_loop().run_in_executor(self._thread, store.commit, batch)
        future.add_done_callback(lambda ended: done(ended.exception()))

    def _done(self, waiting: list[tuple[Connection, list[bytes]]], error: BaseException | None) -> None:
        if error is not None:  # what came meanwhile was done to a domain that is given up
            waiting, self._waiting = waiting + self._waiting, []
            self._fail(error)
        for connection, replies in waiting:
            if error is not None:
                replies = [success(int.from_bytes(reply[:4], "big"), uint(SYSTEMERR)) for reply in replies]
            connection.written(replies)
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._commit()
        else:
            self._busy = False
            self.idle.set()

    async def replace(self, domain: Domain) -> None:
        """Serve another domain from now on, once it is on disk, in one commit. Meanwhile nobody may write the old one.

        :class:`HostError` when the disk does not take it.
        """
        while self._busy:
            await self.idle.wait()
        self._busy = True
        self.idle.clear()
        try:
            if self._store is not None:
                history = self.service.history
                changes = () if history is None else (history.read_all(domain),)
                write = partial(self._store.write_all, domain, changes)
                await asyncio.get_running_loop().run_in_executor(self._thread, write)
            self.service.domain = domain
            self.broken = self.service.broken = False  # it took this
        except HostError as error:
            self._fail(error)
            raise
        finally:
            self._next()

    def holds(self, connection: Connection) -> bool:
        """Whether what comes over a connection has to wait: a master's word, while all is being read from it."""
        following = self.service.following
        if following is None or not following.loading or not following.takes(self.service.domain, connection.caller):
            return False
        self._held.append(connection)
        return True

    def release(self) -> None:
        """All was read."""
        held, self._held = self._held, []
        for connection in held:
            connection.written([])

    def _fail(self, error: BaseException) -> None:
        """The disk took nothing: go back to what it has, and write no more."""
        self.log(f"the store failed: {error}; serving what is on disk, read-only, from now on")
        self.broken = self.service.broken = True
        if self.service.leading is not None:
            self.service.leading.take()  # writes that are no more
        if self.service.history is not None:
            self.service.history.take()
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
        if self.sharing is not None:
            self.sharing.close()
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


class Connection(Talk):
    """One TCP connection to a domain: records in, replies out in the same order."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving.guests, serving.limits.longest, serving.limits.patience, serving.log)
        self._serving = serving
        self._is_new = True
        self._sealing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless its network is not trusted."""
        super().connection_made(transport)
        if self._serving.admits(self.caller.address, local=self.caller.local):
            self._serving.connections[self] = None
        else:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._serving.connections.pop(self, None)

    def work(self, records: list[bytes]) -> None:
        """Answer; what was written, and all that was answered after it, waits for the disk."""
        serving = self._serving
        service = serving.service
        if self._is_new:
            self._is_new = False
            if serving.keyring is not None and self._seals(serving.keyring, records):
                return
        if serving.holds(self):
            self.queue, self.busy = records + self.queue, True
            return
        if serving.sharing is not None and not (records := serving.sharing.admitted(self, records)):
            return
        domain, counts = service.domain, service.authentications
        version, wrong, size = domain.version, counts[1], 0
        replies: list[bytes] = []
        for number, record in enumerate(records, 1):
            reply = serving.answer(self.caller, record)
            if reply is not None:
                replies.append(reply)
                size += len(reply)
            if counts[1] != wrong and not service.policy.classic:
                wrong = counts[1]
                if pause := serving.failed_password(self.caller.address):
                    self.queue = records[number:] + self.queue
                    self.busy = True
                    asyncio.get_running_loop().call_later(pause, self._send, replies, domain.version != version)
                    return
            if size > ENOUGH and number < len(records):  # the rest when these are on their way
                self.queue = records[number:] + self.queue
                break
        if domain.version != version or service.sent_whole:  # nobody gets what a crash could take back
            service.sent_whole = False
            self.busy = True
            self._send(replies, wrote=True)
        elif replies and self.transport is not None:
            self.transport.write(b"".join(map(marked, replies)))

    def _seals(self, keyring: Keyring, records: list[bytes]) -> bool:
        """Whether the first call asks for TLS, and is given it. What came with it in the clear ends the connection."""
        xid = asks(records[0])
        context = keyring.serving(self._serving.service.domain) if xid is not None else None
        if xid is None or context is None or self.transport is None:
            return False
        if len(records) > 1 or not self.is_between:
            self.drop()
            return True
        self.busy = True
        self.transport.pause_reading()
        self._sealing = asyncio.get_running_loop().create_task(seal(self, xid, keyring, context, self._serving.log))
        return True

    def _send(self, replies: list[bytes], wrote: bool) -> None:
        if wrote:
            self._serving.write(self, replies)
        else:
            self.written(replies)

    def written(self, replies: list[bytes]) -> None:
        """Writes are on disk: answer them, then go on with what came meanwhile."""
        if self.transport is not None:
            self.transport.write(b"".join(map(marked, replies)))
        self.busy = False
        self.go_on()


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


class Plain(Talk):
    """A TCP connection of calls that are answered at once, the binder's; it may not be silent for long."""

    def __init__(self, answer: Answer, is_own: Callable[[str], bool], guests: Guests) -> None:
        super().__init__(guests, SHORT, PATIENCE, lambda text: None)
        self._answer, self._is_own = answer, is_own

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep an eye on the clock from the beginning."""
        super().connection_made(transport)
        self.caller = self.caller.replace(local=self._is_own(self.caller.address))
        self.wait()

    def work(self, records: list[bytes]) -> None:
        """Answer, as long as the answers are read."""
        for number, record in enumerate(records, 1):
            reply = self._answer(self.caller, record, False)
            if reply is not None and self.transport is not None:
                self.transport.write(marked(reply))
            if self.unread:
                self.queue = records[number:] + self.queue
                break
        self.wait()


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
        server = await loop.create_server(connection, sock=pair.tcp, backlog=AT_ONCE)
        pair.tcp.listen(BACKLOG)  # asyncio takes one number for both
        transport, _ = await loop.create_datagram_endpoint(datagrams, sock=pair.udp)
    except OSError as error:
        pair.close()
        asked, found = f"serving port {pair.port}", error.strerror or str(error)
        raise HostError(asked, found, "see who has it with `portlore listening`") from None
    return server, transport
