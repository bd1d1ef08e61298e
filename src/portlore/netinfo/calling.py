"""Edge: calls over a stream or by datagrams, each with its deadline."""

from __future__ import annotations

import os
import socket
from time import monotonic

from portlore.errors import NetInfoError, ParseError, ProtocolError
from portlore.netinfo.answering import PROGRAM, VERSION
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc import message
from portlore.oncrpc.message import Call
from portlore.oncrpc.records import RecordReader, marked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portlore.netinfo.secure import Sealing

    Locate = Callable[[float], Iterator[tuple[str, int]]]

TIMEOUT = 30.0  # seconds for one call, where nobody says otherwise: the tools' own
RESENT = 5  # a datagram is sent so often within its time
LONGEST_REPLY, FRAGMENTS = 1 << 28, 1 << 18  # a LISTALL of 100,000 users is 30 MB; the originals cut it to 1 KB pieces
WINDOW, WINDOW_BYTES = 64, 1 << 15  # calls sent ahead of their replies: less than any socket buffer
FAILED, AUTHERROR = NUMBERS["FAILED"], NUMBERS["AUTHERROR"]
WRITES = frozenset({5, 6, 8, 12, 13, 15, 16, 18, 19, 21})
NO_UID = 0xFFFF_FFFE  # nobody's, where the system has no uids


def own_uid() -> int:
    """The uid of this process."""
    return os.getuid() if hasattr(os, "getuid") else NO_UID


class Connection:
    """A stream to one server: calls and their results. One thread at a time.

    A connection that was closed between calls is made anew once, without a word; where nobody answers any more, at one
    of the addresses and ports that ``locate`` gives within as many seconds. Root calls from a reserved port.
    """

    def __init__(self, address: str, port: int, timeout: float = TIMEOUT) -> None:
        self.address, self.port, self.timeout = address, port, timeout
        self.credential = message.NOBODY
        self.locate: Locate | None = None
        self.source: str | None = None  # our address, from whose reserved ports alone calls go out
        self.sealing: Sealing | None = None  # calls go through TLS where the server has it
        self._xid = int.from_bytes(os.urandom(4), "big")
        self._socket: socket.socket | None = None
        self._unreserved: PermissionError | None = None  # why it does not come from a reserved port, as it should
        self._lost = False  # the last connection took all its time: the server may be elsewhere
        self._reader, self._records = RecordReader(LONGEST_REPLY, FRAGMENTS), list[bytes]()

    @property
    def own_address(self) -> str:
        """This machine's address as the server sees it."""
        return str(self._socket.getsockname()[0]) if self._socket is not None else "0.0.0.0"  # noqa: S104 - unknown

    def call(self, procedure: int, arguments: bytes = b"", program: int = PROGRAM, version: int = VERSION) -> bytes:
        """The results of one call; FAILED without an answer in time, ProtocolError for an answer that is none."""
        return self._batch([procedure], [arguments], program, version)[0]

    def calls(self, many: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """The results of many calls, each a procedure and its arguments, sent ahead of their replies."""
        results: list[bytes] = []
        while len(results) < len(many):
            batch = many[len(results) : len(results) + WINDOW]
            while len(batch) > 1 and sum(len(arguments) for _, arguments in batch) > WINDOW_BYTES:
                batch = batch[: len(batch) // 2]
            results += self._batch([one for one, _ in batch], [one for _, one in batch], PROGRAM, VERSION)
        return results

    def move(self, address: str, port: int) -> None:
        """Hang up; the next call goes to another server."""
        self.close()
        self.address, self.port = address, port

    def close(self) -> None:
        """Hang up; the next call connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._reader, self._records = RecordReader(LONGEST_REPLY, FRAGMENTS), []

    def _batch(self, procedures: list[int], many: list[bytes], program: int, version: int) -> list[bytes]:
        calls = []
        for procedure, arguments in zip(procedures, many, strict=True):
            self._xid = (self._xid - 1) & 0xFFFF_FFFF
            calls.append(Call(self._xid, program, version, procedure, self.credential, message.NOBODY, arguments))
        again = True
        while True:
            deadline = monotonic() + self.timeout
            used = self._socket is not None and not _closed(self._socket)
            try:
                line = self._socket if used and self._socket is not None else self._connect(deadline)
                line.settimeout(max(deadline - monotonic(), 0.001))
                line.sendall(b"".join(marked(message.encode_call(one)) for one in calls))
                results = []
                for one in calls:
                    results.append(_results(self._record(line, deadline), one.xid))
                    deadline = monotonic() + self.timeout
                return results
            except OSError as error:
                self.close()
                again = again and used and isinstance(error, ConnectionError) and not WRITES.intersection(procedures)
                if not again:
                    raise NetInfoError(FAILED) from error
                again = False
            except (ParseError, ProtocolError) as error:
                self.close()
                raise ProtocolError(f"calling {self.address}:{self.port}", error.found, "see what runs there") from None

    def _connect(self, deadline: float) -> socket.socket:
        self.close()
        try:
            if self._lost and self.locate is not None:
                raise ConnectionError("nobody answered there")
            made = self._dialled(deadline)
        except TimeoutError:
            self._lost = True
            raise
        except OSError as error:
            made = self._found(deadline, error)
        self._socket, self._lost = made, False
        return made

    def _found(self, deadline: float, refusal: OSError) -> socket.socket:
        """A stream to one of the places that ``locate`` knows; each may take half of the time that is left."""
        for place in self.locate(max(deadline - monotonic(), 0.001)) if self.locate is not None else ():
            self.move(*place)
            try:
                return self._dialled((monotonic() + deadline) / 2)
            except OSError as error:
                refusal = error
        raise refusal

    def _dialled(self, deadline: float) -> socket.socket:
        if self.sealing is None:
            return self._in_the_clear(deadline)
        made = self.sealing(lambda: self._in_the_clear(deadline), deadline)
        if self._unreserved is not None and not self.sealing.shown:
            made.close()
            raise self._unreserved
        return made

    def _in_the_clear(self, deadline: float) -> socket.socket:
        self._unreserved = None
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if own_uid() == 0 or self.source is not None:
                try:
                    _bind_reserved(made, self.source)
                except PermissionError as error:
                    if self.sealing is None or not self.sealing.has_key:
                        raise
                    self._unreserved = error  # a key that the server knows makes up for it
                    made.bind((self.source or "", 0))
            made.settimeout(max(deadline - monotonic(), 0.001))
            made.connect((self.address, self.port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            made.close()
            raise
        return made

    def _record(self, line: socket.socket, deadline: float) -> bytes:
        while not self._records:
            line.settimeout(max(deadline - monotonic(), 0.001))
            data = line.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the server hung up")
            self._records = self._reader.feed(data)
        return self._records.pop(0)


def _closed(line: socket.socket) -> bool:
    """Whether the other side hung up, or spoke without being asked."""
    line.setblocking(False)
    try:
        socket.socket.recv(line, 1, socket.MSG_PEEK)  # of the socket, also where TLS is on it
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _bind_reserved(made: socket.socket, source: str | None = None) -> None:
    """Take a port that only root may take; where all are taken, any port, unless it has to be one of a ``source``."""
    refusal: OSError | None = None
    for n in range(424):
        try:
            made.bind((source or "", 600 + (os.getpid() + n) % 424))
        except OSError as error:
            refusal = error
            continue
        return
    if source is not None and refusal is not None:
        raise refusal


def _results(record: bytes, xid: int) -> bytes:
    reply = message.decode_reply(record)
    if reply.xid != xid:
        raise ProtocolError("reading a reply", "that of another call", "see what runs there")
    if reply.accepted is None:
        raise NetInfoError(AUTHERROR)
    if reply.accepted != message.SUCCESS:
        raise NetInfoError(FAILED)
    return reply.results


def ask_udp(address: str, port: int, call: Call, timeout: float) -> bytes:
    """The results of a call by datagrams; FAILED without an answer to it in time."""
    deadline = monotonic() + timeout
    resend = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            made.connect((address, port))
            while (now := monotonic()) < deadline:
                if now >= resend:
                    made.send(message.encode_call(call))
                    resend = now + timeout / RESENT
                made.settimeout(max(min(deadline, resend) - now, 0.001))
                try:
                    return _results(made.recv(1 << 16), call.xid)
                except (TimeoutError, ParseError, ProtocolError):
                    continue
        except OSError as error:
            raise NetInfoError(FAILED) from error
    raise NetInfoError(FAILED)
