"""Edge: one TCP connection that brings records: bounded in size, time and what its client leaves unread."""

from __future__ import annotations

import asyncio

from portlore.netinfo.access import Caller
from portlore.oncrpc.records import RecordReader, RecordTooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.guests import Guests

ARRIVING = memoryview(bytearray(1 << 16))  # where sockets put what comes, which is taken out at once: one for all
UNREAD = 1 << 20  # bytes of answers that a client may leave unread before it is not listened to
MANY = 64  # records that wait before no more are read


class Talk(asyncio.BufferedProtocol):
    """Takes records, hands them to :meth:`work` in order; what that leaves in ``queue`` waits for :meth:`go_on`.

    ``busy``: answers are under way, and no record is worked on. ``unread``: the client leaves its answers unread.
    """

    def __init__(self, guests: Guests, longest: int, patience: float, log: Callable[[str], None]) -> None:
        self._guests, self._patience, self._log = guests, patience, log
        self._reader = RecordReader(longest)
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        self.queue: list[bytes] = []
        self.busy = self.unread = False
        self.gone = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self.caller = Caller("", 0, local=False)

    def work(self, records: list[bytes]) -> None:
        """Answer records."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; when there are too many, the oldest goes."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport
        transport.set_write_buffer_limits(UNREAD)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        address = str(peer[0]) if peer else ""
        local = address.startswith("127.") or (own is not None and address == str(own[0]))
        self.caller = Caller(address, peer[1] if peer else 0, local)
        self._guests.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._guests.leave(self)
        self.transport = None
        self.gone.set()
        self.queue = []
        self._stop_timer()

    def sealed(self, transport: asyncio.Transport, key: str) -> None:
        """Go on through TLS, with a caller who has shown a key, or none."""
        self.transport = transport
        transport.set_write_buffer_limits(UNREAD)
        self.caller = self.caller.replace(sealed=True, key=key)
        self.busy = False
        self.go_on()

    @property
    def is_between(self) -> bool:
        """Whether nothing has come beyond the records that are being worked on."""
        return not self._reader.held and not self.queue

    def drop(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def end(self) -> None:
        """Take no more; what is under way is answered."""
        self._ending = True
        self.queue = []
        if self.transport is not None:
            self.transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        return ARRIVING

    def buffer_updated(self, nbytes: int) -> None:
        """Work on what is complete."""
        reader = self._reader
        try:
            records = reader.feed(bytes(ARRIVING[:nbytes]))
        except RecordTooLong as error:
            self._log(f"{self.caller.address}: {error.found}; connection closed")
            self.drop()
            return
        if records:
            if self._timer is not None:
                self._stop_timer()
            if self.queue or self.busy or self.unread:
                self.queue += records
            else:
                self.work(records)
                if self.queue:
                    self.go_on()
            if len(self.queue) > MANY and self.transport is not None:
                self.transport.pause_reading()
        self._guests.use(self, reader.held + sum(map(len, self.queue)) if self.queue else reader.held)
        if self._timer is None and reader.held:
            self.wait()

    def go_on(self) -> None:
        """Work on what waits, then listen again."""
        while self.queue and not (self.busy or self.unread):
            queue, self.queue = self.queue, []
            self.work(queue)
        if not self.queue:
            self._guests.use(self, self._reader.held)
        if len(self.queue) <= MANY and not (self.busy or self.unread or self._ending) and self.transport is not None:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read its answers: do not listen to it either."""
        self.unread = True
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.unread = False
        self.go_on()

    def wait(self) -> None:
        """Hang up unless more comes in time."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._patience, self.drop)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
