"""Edge: the site's connections: Uvicorn's protocol, made to hang up on who does not get on with it."""

from __future__ import annotations

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from portlore.web.asking import LONGEST_HEAD, PATIENCE, SECURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LINGER = 2.0  # seconds in which what is still being sent to a refusal is read, so that the refusal arrives
MOST_CONNECTIONS = 1000  # of a worker


class Patient(HttpToolsProtocol):
    """Uvicorn's protocol on httptools, which hangs up on who does not get on with it.

    The head of a request has to end in time and below a length, what nobody waits for is not read for ever, and what
    is sent has to be taken. Beyond the most connections, a further one is told so.
    """

    patience = PATIENCE
    _timer: asyncio.TimerHandle | None = None  # while something is owed to us
    _stall: asyncio.TimerHandle | None = None  # while what we send is not taken
    _left = _size = 0  # bytes to be taken; of a head so far, without the piece that it began in
    _in_head = _begun = _deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            self.transport.close()
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        super().connection_lost(exc)
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """A piece of requests."""
        if self._is_over():
            return
        self._begun = False
        super().data_received(data)
        if self._is_over():
            return
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it, and sets it to None until the first
        if not self._in_head and cycle is not None and not cycle.response_complete:  # it is our turn
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        if self._in_head and not self._begun:
            self._size += len(data)
            if self._size > LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        if self._timer is None:
            self._await()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._begun = True
        self._size = 0

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """What is sent is not taken for now."""
        super().pause_writing()
        self._left = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.patience, self._see_it_taken)

    def resume_writing(self) -> None:
        """It is being taken."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self._hang_up()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _is_over(self) -> bool:
        return self._deaf or self.transport.is_closing()

    def _await(self) -> None:
        self._timer = self.loop.call_later(self.patience, self._hang_up)

    def _see_it_taken(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= self._left:
            self.transport.abort()
            return
        self._left = left
        self._stall = self.loop.call_later(self.patience, self._see_it_taken)

    def _hang_up(self) -> None:
        self.transport.close()
        self._stall = self.loop.call_later(self.patience, self.transport.abort)

    def _refuse(self, status: HTTPStatus) -> None:
        """Say no to what cannot be read as a request, and read no further; what still comes is thrown away."""
        body = f"{status} {status.phrase}\n".encode()
        head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        lines = [b": ".join(pair) for pair in (*head, *SECURE, (b"connection", b"close"))]
        start = f"HTTP/1.1 {status} {status.phrase}".encode()
        self.transport.write(b"\r\n".join((start, *lines, b"", body)))
        self._deaf = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self._hang_up)
