"""Edge: one run of the SYN engine over a block: when to send, how long to wait, what the answers make of it.

One thread sends a batch, takes in what has come, and so on: answers are waiting when the call returns, and a thread
that only receives would wait for the interpreter. When it goes fast, a second thread sends half of each batch: nine
tenths of the time are the kernel's, which another processor can spend as well.

A port is asked in rounds, each of the still unanswered ones only, and each after the answers to the last have had their
measured time. It ends when everything answered, or when the last round brought nothing and it is unlikely
(:data:`portlore.scan.account.NEGLIGIBLE`) that an open port was lost each time; but not before :data:`LEAST_ROUNDS`, as
some hosts may lose more than the rest.
"""

from __future__ import annotations

import errno
import os
import time
from math import gcd

import numpy as np

from portlore.errors import HostError
from portlore.scan.account import NEGLIGIBLE, Tally, resets_limited
from portlore.scan.exits import NEIGHBOURS_RTT, Exits
from portlore.scan.mmsg import MOST, Assistant
from portlore.scan.pace import Pace
from portlore.scan.plan import BLOCKED, OPEN, TIMEOUT, UNASKED, UNREACHABLE, Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from numpy.typing import NDArray

    from portlore.scan.exits import Door
    from portlore.scan.mmsg import Inbox, Outbox
    from portlore.scan.packets import Answers
    from portlore.scan.plan import Block, Report, Settings

    Tick = Callable[[Account], None]
    Numbers = NDArray[np.int64]
    Picks = NDArray[np.uint32]

LEAST_ROUNDS = 3
TICK = 0.2  # seconds between two reports of progress
NAP = 0.001  # seconds: what poll(2) can do
NO_WAY = {errno.ENETUNREACH: UNREACHABLE, errno.EHOSTUNREACH: UNREACHABLE, errno.EINVAL: UNREACHABLE,
          errno.EPERM: BLOCKED, errno.EACCES: BLOCKED}  # fmt: skip


class Run:
    """Asks a block; used with ``with``."""

    def __init__(self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Tick) -> None:
        self.settings, self.report, self.tick = settings, report, tick
        self.width = len(block.ports)
        self.outcomes = np.frombuffer(outcomes, np.uint8)
        self.sent_at = np.full(len(block), -1, np.float32)  # seconds since the beginning; negative: not sent
        self.began = self.ticked = time.perf_counter()
        self.pace = Pace(settings.rate, settings.ceiling, settings.patience)
        self.tally = Tally()
        self.over: list[float] = []  # when the last packet of each round left
        self.dropped = 0  # answers that found no room
        self.waiting = 0  # probes of this round that were sent and are unanswered
        self.assistant: Assistant | None = None
        self.exits = Exits(block, self.outcomes, settings)
        if self.exits.near:
            self.pace.first_rtt = NEIGHBOURS_RTT
        for note in self.exits.notes:
            self.tally.note(note)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.assistant is not None:
            self.assistant.close()
        self.exits.close()

    def go(self) -> Account:
        """Ask in rounds, and give the account."""
        for attempt in range(self.settings.tries):
            pending = np.flatnonzero(self.outcomes == UNASKED).astype(np.uint32)
            if not len(pending) or self._is_over() or (attempt >= LEAST_ROUNDS and self._enough()):
                break
            if attempt:
                self.pace.begin_round()
            self.tally.begin_round()
            self.over.append(0.0)
            self.waiting = 0
            for door in self.exits.doors:
                part = pending if door.targets.all() else pending[door.targets[pending // self.width]]
                if len(part):
                    self._ask(part, attempt, door)
            self.over[attempt] = time.perf_counter()
            self._listen(attempt)
        if not self._is_over():
            self.outcomes[self.outcomes == UNASKED] = TIMEOUT
        self._drops(time.perf_counter())
        if self.dropped:
            self.tally.note(
                f"{self.dropped:,} answers came faster than they could be taken in, and were asked for again."
            )
        if limit := self.tally.refusals_limited():
            self.tally.note(resets_limited(limit))
        return self.account()

    def account(self) -> Account:
        """What has been sent and come back so far."""
        return self.tally.account(sum(self.tally.opened), self.pace.rtt, time.perf_counter() - self.began)

    def _ask(self, pending: Picks, attempt: int, door: Door) -> None:
        """Send a packet to each probe, at the pace, in an order that is spread over ports and hosts."""
        count, at = len(pending), 0
        step, start = spread(count), self.settings.seed + attempt
        while at < count and not self._is_over():
            now = time.perf_counter()
            most = min(self.pace.allowance(now), 2 * MOST, count - at)
            if not most:
                self._nap(max(self.pace.wait(now), NAP), attempt)
                self._tell(now)
                continue
            probes = pending[(start + step * np.arange(at, at + most)) % count].astype(np.int64)
            done = self._send(door, probes, attempt)
            at += most
            now = time.perf_counter()
            self.pace.sent(now, done)
            self._receive(attempt)
            self._tell(now)

    def _send(self, door: Door, probes: Numbers, attempt: int) -> int:
        """Send packets; back comes how many left. More than a batch: half of them on another thread."""
        self.sent_at[probes] = time.perf_counter() - self.began
        box, other = door.boxes
        if len(probes) <= MOST:
            box.address(door.name_of[self.exits.packets.build(probes, attempt, box.rows)])
            return self._finish(door, box, probes, attempt, (0, 0))
        if self.assistant is None:
            self.assistant = Assistant(self.exits.assistants)
        first, second = probes[: len(probes) // 2], probes[len(probes) // 2 :]
        box.address(door.name_of[self.exits.packets.build(first, attempt, box.rows)])
        self.assistant.begin(box, door.line.fileno(), len(first))
        try:
            other.address(door.name_of[self.exits.packets.build(second, attempt, other.rows)])
            done = self._finish(door, other, second, attempt, (0, 0))
        finally:
            result = self.assistant.end()
        self._enter(self.exits.assistants, attempt)
        return done + self._finish(door, box, first, attempt, result)

    def _finish(self, door: Door, box: Outbox, probes: Numbers, attempt: int, result: tuple[int, int]) -> int:
        """Send what is left of a batch after a first result. What this machine refuses to send is settled."""
        at = left = 0
        while True:
            count, code = result
            at += count
            left += count
            if code in (errno.ENOBUFS, errno.EAGAIN):  # our own queue is full
                if code == errno.ENOBUFS:
                    self.pace.limited(time.perf_counter())
                self._nap(NAP, attempt)
            elif code in NO_WAY:
                self.outcomes[probes[at]] = NO_WAY[code]
                self.tally.local += 1
                at += 1
            elif code and code != errno.EINTR:
                raise HostError("sending packets", os.strerror(code), "is the interface up?")
            if at == len(probes):
                break
            result = box.send(door.line.fileno(), at, len(probes), self.exits.inbox)
        self.waiting += left
        self.tally.sent += left
        self.tally.reasked += left if attempt else 0
        return left

    def _nap(self, seconds: float, attempt: int) -> None:
        """Wait for an answer, but not longer; and take in what came."""
        if self.exits.poll.poll(seconds * 1000):
            self._receive(attempt)

    def _listen(self, attempt: int) -> None:
        """Wait until all have answered or the time for it is over."""
        while self.waiting > 0 and not self._is_over():
            now = time.perf_counter()
            left = self.over[attempt] + self.pace.timeout(attempt) - now
            if left <= 0:
                return
            self._nap(max(min(left, TICK), NAP), attempt)
            self._tell(now)

    def _receive(self, attempt: int) -> None:
        """Take in all that has come."""
        inbox = self.exits.inbox
        while self._enter(inbox, attempt) == len(inbox.rows):
            pass

    def _enter(self, inbox: Inbox, attempt: int) -> int:
        """Take in what is in an inbox; how many packets."""
        data, lengths = inbox.receive()
        if len(data):
            self._take(self.exits.packets.decode(data, lengths), attempt)
        return len(data)

    def _take(self, answers: Answers, attempt: int) -> None:
        """Enter answers. A probe's first one counts, but for a SYN-ACK, which proves more than whatever came before."""
        now = time.perf_counter()
        new = np.flatnonzero(self.outcomes[answers.probes] == UNASKED)
        new = new[np.unique(answers.probes[new], return_index=True)[1]]
        probes, outcomes, tries = answers.probes[new], answers.outcomes[new], answers.tries[new]
        self.outcomes[probes] = outcomes
        self.waiting -= len(new)
        told = answers.reasons[new] <= 1  # by the host itself
        self.tally.icmp += len(new) - int(np.count_nonzero(told))
        _count(tries[told], self.tally.answers)
        _count(tries[outcomes == OPEN], self.tally.opened)
        in_time = tries == attempt
        asked = self.sent_at[probes[in_time]]
        if len(asked):  # the slowest of a batch, so that what our own work adds is allowed for
            self.pace.answered(now, len(asked), now - self.began - float(asked.min()))
        if len(asked) < len(new):
            least = now - self.over[int(tries[~in_time].max())]
            if least > self.pace.rtt:  # not lost, but slower than we thought: at least so slow
                self.pace.answered(now, 0, least)
        for probe in answers.probes[answers.outcomes == OPEN].tolist():
            if self.outcomes[probe] != OPEN:  # a reset came first, or an ICMP error
                self.outcomes[probe] = OPEN
                self._report(probe, now)
        for probe in probes[outcomes == OPEN].tolist():
            self._report(probe, now)

    def _report(self, probe: int, now: float) -> None:
        self.report(probe, "syn-ack", now - self.began - float(self.sent_at[probe]))

    def _tell(self, now: float) -> None:
        self.tally.sample(now, sum(self.tally.answers) - sum(self.tally.opened))
        if now - self.ticked >= TICK:
            self.ticked = now
            self._drops(now)
            self.tick(self.account())

    def _drops(self, now: float) -> None:
        dropped = self.exits.dropped()
        if dropped:
            self.dropped += dropped
            self.pace.lost(now, dropped)

    def _enough(self) -> bool:
        """Whether asking again is hardly worth it."""
        return not self.tally.answers[-1] and self.tally.missed(sum(self.tally.opened)) < NEGLIGIBLE

    def _is_over(self) -> bool:
        return 0 < self.settings.budget <= time.perf_counter() - self.began


def _count(tries: NDArray[np.uint8], counts: list[int]) -> None:
    """Add how many of each try there are."""
    for number, count in enumerate(np.bincount(tries).tolist()):
        counts[number] += count


def spread(count: int) -> int:
    """A stride without a common factor with ``count``, near the golden section: neighbours in order lie far apart."""
    step = max(int(count * 0.6180339887), 1)
    while gcd(step, count) != 1:
        step += 1
    return step
