"""Edge: one dialogue over one connection or socket, within limits that no server can stretch."""

from __future__ import annotations

import asyncio
import errno
import socket
import time

from portlore.observed import MOST_EVIDENCE
from portlore.probes.dialogue import MOST_BYTES
from portlore.scan.schedule import CLOSED, REFUSED, SILENT, Heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.observed import Identification
    from portlore.scan.schedule import Ask

FLOOR, CEILING = 0.25, 5.0  # seconds that an answer may take: usually, and at most
ROUND_TRIPS = 4.0  # what is added to that for the way there and back, with a delayed acknowledgement
LONGEST = 4  # waits that a whole dialogue may take
CONNECT = 3.0  # seconds that a connection may take at most
MOST_READ = 16_384  # bytes taken at once
LARGEST_DATAGRAM = 65_535
GONE = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL)


class Line:
    """The way to one host: how long a round trip takes, learned from every connection made."""

    def __init__(self) -> None:
        self.rtt = 0.0

    def learn(self, took: float) -> None:
        """The shortest so far: what a busy server adds is not the way's."""
        self.rtt = min(self.rtt, took) if self.rtt else took

    def patience(self, share: float) -> float:
        """Seconds to wait for an answer."""
        return min(CEILING, FLOOR * share + ROUND_TRIPS * self.rtt)


class Unanswered(Exception):
    """There is no connection: ``error`` says why, ``None`` for silence."""

    def __init__(self, error: int | None) -> None:
        super().__init__(error)
        self.error = error


async def dial(address: tuple[object, ...], family: int, transport: str, ask: Ask, line: Line, share: float) -> Heard:
    """Run a dialogue; never raises for what the other end does, but :class:`Unanswered` without a connection.

    A dialogue that raises has a fault of ours: it has found nothing, and :attr:`Heard.failed` says so.
    """
    datagrams = transport == "udp"
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    loop = asyncio.get_running_loop()
    with socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as link:
        began = time.monotonic()
        try:
            async with asyncio.timeout(CONNECT):
                await loop.sock_connect(link, address)
        except TimeoutError:
            raise Unanswered(None) from None
        except OSError as error:
            raise Unanswered(error.errno or 0) from None
        if not datagrams:
            line.learn(time.monotonic() - began)
            if _met_itself(link):
                raise Unanswered(errno.ECONNREFUSED)
        return await _converse(link, ask, line, share, datagrams=datagrams)


def _met_itself(link: socket.socket) -> bool:
    """Whether one's own ephemeral port was the one that was asked."""
    try:
        return bool(link.getsockname() == link.getpeername())
    except OSError:  # reset meanwhile
        return False


async def _converse(link: socket.socket, ask: Ask, line: Line, share: float, *, datagrams: bool) -> Heard:
    loop = asyncio.get_running_loop()
    dialogue = ask.dialogue()
    most = LARGEST_DATAGRAM if datagrams else MOST_READ
    first_sent = first_received = b""
    ended, failed, left, open_ = "", "", MOST_BYTES, True
    found: Identification | None = None
    wait = line.patience(ask.first or share)
    end = loop.time() + wait + LONGEST * line.patience(share)
    try:
        said = next(dialogue)
        for _ in range(ask.steps):
            heard = b""
            try:
                if open_:
                    async with asyncio.timeout_at(min(end, loop.time() + wait)):
                        if said:
                            if not first_received:
                                first_sent = said[:MOST_EVIDENCE]
                            await loop.sock_sendall(link, said)
                        heard = await loop.sock_recv(link, min(most, left))
                        if not heard and not datagrams:
                            open_, ended = False, ended or CLOSED
            except TimeoutError:
                ended = SILENT if not first_received else ended
                open_ = loop.time() < end
            except OSError as error:
                open_ = False
                ended = ended or (REFUSED if datagrams and error.errno == errno.ECONNREFUSED else CLOSED)
            first_received = first_received or heard[:MOST_EVIDENCE]
            left -= len(heard)
            open_ = open_ and left > 0
            wait = line.patience(share)
            said = dialogue.send(heard)
            if ended == SILENT and said:  # listened in vain, and asks now
                ended = ""
        for _ in range(ask.steps):  # enough: for the dialogue the other end has closed
            dialogue.send(b"")
    except StopIteration as stop:
        found = stop.value
    except Exception as error:  # noqa: BLE001 - one probe's fault is not to be the end of all others
        failed = type(error).__name__
    finally:
        dialogue.close()
    return Heard(ask, found, first_sent, first_received, ended if not first_received else "", failed)
