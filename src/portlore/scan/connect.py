"""Edge: the engine that needs no rights: thousands of non-blocking connects at once, without a thread or task for each.

What a port costs decides. On Linux a refused socket can be connected again, so a closed port takes two system calls:
one that asks, and one that fetches the refusal and makes the socket ready for the next port. Where the network answers
at once (loopback, a container's veth), the answer is there before the first call is back, and the kernel's event queue
is not needed at all. Elsewhere sockets stay registered with it, edge-triggered, and are used over and over.

Open connections are reset (SO_LINGER 0): no TIME_WAIT holds a port of ours. A silent one is given up when the time is
over that the measured round-trip times call for, and is asked again in a later round: the kernel's own second SYN
would come after a second only.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from itertools import chain
from struct import pack

from portlore.errors import HostError
from portlore.scan.account import NEGLIGIBLE, Tally, resets_limited
from portlore.scan.pace import Pace
from portlore.scan.plan import BLOCKED, CLOSED_EARLY, OPEN, REFUSED, TIMEOUT, UNASKED, UNREACHABLE
from portlore.scan.sockets import LINUX, PROHIBITED, RECVERR, Descriptors, Places, Socket, errors, unasked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from portlore.scan.plan import Account, Block, Report, Settings

MOST_SOCKETS = 16_384 if LINUX else 1_024  # poll() looks at all of them each time
BATCH = 256  # connects between two looks at the clock
LEAST_TIMEOUT = 0.025  # seconds, for the first try: this engine sees answers later than they come
KERNEL_ASKS_AGAIN = 0.95  # seconds: an answer after that may be to the kernel's own second SYN (RFC 6298 section 2.1)
TICK = 0.2  # seconds between reports of progress
NO_ROOM_PAUSE = 0.05  # seconds until a connection of others may have ended
NO_ROOM = (errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN)
UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY)
REFUSAL, CONNECTED = errno.ECONNREFUSED, (0, errno.EISCONN)
ANSWERS = (*CONNECTED, REFUSAL)  # of the host itself, and so after a round trip
FAILED = select.POLLERR | select.POLLHUP
EVENTS = select.EPOLLOUT | select.EPOLLET if LINUX else select.POLLOUT
KIND = socket.SOCK_STREAM | (socket.SOCK_NONBLOCK if LINUX else 0)


class Connect:
    """Asks TCP ports by connecting to them (:class:`portlore.scan.plan.Engine`)."""

    def run(
        self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
    ) -> Account:
        """See the protocol. :class:`HostError` when this machine gives us no sockets at all."""
        with Descriptors(MOST_SOCKETS) as most:
            run = _Run(block, outcomes, settings, report, tick, most)
            try:
                return run.all()
            finally:
                run.close()


class _Run:
    """One block. ``waiting``: what was asked, in that order: (socket, probe, when) by descriptor."""

    def __init__(
        self,
        block: Block,
        outcomes: bytearray,
        settings: Settings,
        report: Report,
        tick: Callable[[Account], None],
        most: int,
    ) -> None:
        self.block, self.outcomes, self.settings, self.report, self.tick = block, outcomes, settings, report, tick
        self.pace = Pace(settings.rate, settings.ceiling, settings.patience)
        self.tally = Tally()
        self.most, self.places = most, Places(block)
        self.anywhere = self.places.of(0)  # for calls that do not look at it
        self.longest = min(settings.patience, KERNEL_ASKS_AGAIN) if settings.patience <= 1 else settings.patience
        self.begun = self.ticked = time.perf_counter()
        self.end = self.begun + settings.budget if settings.budget else float("inf")
        self.walk: Iterator[int] = iter(())
        self.walked = False  # all were asked in this round
        self.held: list[int] = []  # what there was no room for
        self.waiting: dict[int, tuple[Socket, int, float]] = {}
        self.idle: list[Socket] = []
        self.registered: set[int] = set()
        self.events: Any = select.epoll() if LINUX else select.poll()
        self.prompt = True  # answers are there at once
        self.refused = 0
        self.not_before = self.look_again = 0.0

    def all(self) -> Account:
        """All rounds."""
        for tries in range(self.settings.tries):
            if UNASKED not in self.outcomes or (
                tries >= 2 and self.tally.missed(self.outcomes.count(OPEN)) < NEGLIGIBLE
            ):
                break
            self.tally.begin_round()
            self.pace.begin_round()
            self.walk, self.walked = unasked(self.outcomes, self.settings.seed), False
            if not self._round(tries):
                break
        self._end()
        return self._account()

    def close(self) -> None:
        """Give all sockets back."""
        for sock in chain(self.idle, (sock for sock, _, _ in self.waiting.values())):
            sock.close()
        if LINUX:
            self.events.close()

    def _round(self, tries: int) -> bool:
        """Ask all unasked once; whether there was time for it."""
        pace, waiting = self.pace, self.waiting
        while not self.walked or waiting:
            now = time.perf_counter()
            if now >= self.end:
                return False
            if now - self.ticked >= TICK:
                self.ticked = now
                self.tick(self._account())
            self.tally.sample(now, self.refused)
            room = self.most - len(waiting)
            may = 0 if self.walked or now < self.not_before else min(pace.allowance(now), room, BATCH)
            if may > 0:
                self._ask(now, may, tries)
            patience = min(max(pace.timeout(tries), LEAST_TIMEOUT * 2**tries), self.longest)
            if now >= self.look_again:
                self.look_again = now + patience / 8
                self._give_up(now - patience)
            if self.walked or room <= 0:
                self._hear(tries, min(patience / 8, 0.05))
            elif may > 0:
                self._hear(tries, 0.0)
            else:
                self._hear(tries, max(pace.wait(now), min(self.not_before - now, NO_ROOM_PAUSE)))
        return True

    def _ask(self, now: float, count: int, tries: int) -> None:
        """Ask the next ones, which were asked ``tries`` times before."""
        outcomes, ports, texts, tail = self.outcomes, self.places.ports, self.places.texts, self.places.tail
        many, sent, local, refused, quick, look, held = len(ports), 0, 0, 0, 0, True, self.held
        sock = self._socket()
        while sock is not None and sent < count:
            if (probe := held.pop() if held else next(self.walk, -1)) < 0:
                self.walked = True
                break
            address, port = divmod(probe, many)
            where: tuple[str | int, ...] = (texts[address], ports[port], *tail)  # as Places.of, without the call
            code = sock.connect_ex(where)
            if code == errno.EINPROGRESS and look:
                code = sock.connect_ex(where)
                quick += code != errno.EALREADY
                look = self.prompt
            sent += 1
            if code == REFUSAL and LINUX:
                outcomes[probe] = REFUSED
                refused += 1
                continue
            if code in UNDER_WAY:
                self._await(sock, probe, now)
            elif code in NO_ROOM and self._is_passing(code, where, now):
                held.append(probe)
                sock.close()
                sent, sock = sent - 1, None
                break
            else:
                local += self._settle(sock, probe, tries, now, code)
            sock = self._socket()
        if sock is not None:
            self.idle.append(sock)
        self.prompt = quick > 0
        self.refused += refused
        self.tally.answers[tries] += refused
        self.tally.sent += sent - local
        self.tally.reasked += (sent - local) * (tries > 0)
        self.pace.sent(now, sent)
        if quick:
            after = time.perf_counter()
            self.pace.answered(after, quick, (after - now) / sent)

    def _socket(self) -> Socket | None:
        """One that is ready to ask; ``None`` when there is none to be had until others are given back."""
        if self.idle:
            return self.idle.pop()
        try:
            sock = Socket(self.places.family, KIND, socket.IPPROTO_TCP)
        except OSError as error:
            self.most = len(self.waiting)
            if error.errno in (errno.EMFILE, errno.ENFILE, *NO_ROOM) and self.most:
                return None
            raise HostError("scanning by connecting", f"no socket: {error.strerror}", "raise ulimit -n") from None
        if LINUX:
            sock.setsockopt(*RECVERR[self.block.version], 1)
        else:
            sock.setblocking(False)
        return sock

    def _await(self, sock: Socket, probe: int, now: float) -> None:
        descriptor = sock.fileno()
        self.waiting[descriptor] = (sock, probe, now)
        if descriptor not in self.registered:
            self.events.register(descriptor, EVENTS)
            self.registered.add(descriptor)

    def _hear(self, tries: int, timeout: float) -> None:
        """Take what has come, waiting at most ``timeout`` seconds for it."""
        waiting = self.waiting
        if not waiting:
            time.sleep(max(timeout, 0.0))
            return
        heard, latest = 0, 0.0
        for descriptor, flags in self.events.poll(timeout if LINUX else timeout * 1000):
            if descriptor not in waiting:
                continue  # one that was given back when its answer was there at once
            sock, probe, asked = waiting[descriptor]
            code = 0
            if flags & FAILED:
                code = sock.connect_ex(self.anywhere) if LINUX else sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == errno.EALREADY and not flags & select.POLLERR:
                    continue
            del waiting[descriptor]
            heard += 1
            if code in ANSWERS:
                latest = asked
            if code == REFUSAL and LINUX:
                self.outcomes[probe] = REFUSED
                self.refused += 1
                self.tally.answers[tries] += 1
                self.idle.append(sock)
            else:
                self._settle(sock, probe, tries, asked, code)
        if heard:
            now = time.perf_counter()
            self.pace.answered(now, heard, now - latest if now - latest < KERNEL_ASKS_AGAIN else None)

    def _settle(self, sock: Socket, probe: int, tries: int, asked: float, code: int) -> bool:
        """Write an outcome and give the socket back. Whether nothing was sent, as this machine knew of no way."""
        told = list(errors(sock)) if LINUX and code not in ANSWERS else []
        local = False
        if code in CONNECTED:
            # Both ends the same: a port of ours met itself (RFC 9293 section 3.5), so nobody listens there.
            outcome = REFUSED if sock.getsockname()[:2] == self.places.of(probe)[:2] else OPEN
        elif code == REFUSAL:
            outcome = REFUSED
        elif code == errno.ECONNRESET:
            outcome = CLOSED_EARLY
        elif code == errno.ETIMEDOUT:
            outcome = UNASKED
        elif code in (errno.EACCES, errno.EPERM) or (told and told[0][0] in PROHIBITED):
            outcome = BLOCKED
        else:
            outcome = UNREACHABLE
        if outcome == OPEN:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
            self.tally.opened[tries] += 1
            self.report(probe, "connected", time.perf_counter() - asked)
        if outcome in (OPEN, REFUSED, CLOSED_EARLY):
            self.tally.answers[tries] += 1
        elif told:
            self.tally.icmp += 1
        elif outcome != UNASKED:
            self.tally.local += 1
            local = True
        self.outcomes[probe] = outcome
        self._close(sock)
        return local

    def _give_up(self, before: float) -> None:
        """Give back the sockets that were asked before then. Their ports are asked again in the next round."""
        over = []
        for descriptor, (_, _, asked) in self.waiting.items():
            if asked > before:
                break
            over.append(descriptor)
        for descriptor in over:
            self._close(self.waiting.pop(descriptor)[0])

    def _close(self, sock: Socket) -> None:
        descriptor = sock.fileno()
        if descriptor in self.registered:
            self.registered.remove(descriptor)
            if not LINUX:
                self.events.unregister(descriptor)
        sock.close()

    def _is_passing(self, code: int, where: tuple[str | int, ...], now: float) -> bool:
        """Whether it is for want of room that will be there again, and not of an address of ours to ask from."""
        if code == errno.EADDRNOTAVAIL:
            with_no_port = Socket(self.places.family, socket.SOCK_DGRAM)
            try:
                if with_no_port.connect_ex(where):
                    return False
            finally:
                with_no_port.close()
            self.tally.note(
                "All of this machine's ephemeral ports to some ports were in use; the scan waited for them."
            )
        else:
            self.pace.limited(now)
        self.not_before = now + NO_ROOM_PAUSE
        return True

    def _end(self) -> None:
        """Silence is an outcome now, but not of ports that there was no time to ask at all."""
        outcomes = self.outcomes
        never = [*self.held, *self.walk] if self.tally.rounds == 1 else []
        outcomes[:] = outcomes.replace(bytes([UNASKED]), bytes([TIMEOUT]))
        for probe in never:
            outcomes[probe] = UNASKED
        if not self.walked or self.waiting:
            some = f"{len(never):,} ports were not asked at all" if never else "some ports were asked less often"
            self.tally.note(f"The time for this scan was over: {some}.")
        if limit := self.tally.refusals_limited():
            self.tally.note(resets_limited(limit))

    def _account(self) -> Account:
        return self.tally.account(self.outcomes.count(OPEN), self.pace.rtt, time.perf_counter() - self.begun)
