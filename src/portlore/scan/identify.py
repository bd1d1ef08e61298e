"""Edge: asks open ports what they speak: many at once, few connections per host, within a time, and never in vain."""

from __future__ import annotations

import asyncio
import errno
import socket
import time

from portlore.observed import CUT_SHORT, UNFINISHED, Confidence, Outcome
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS, Asked
from portlore.scan.dial import Line, Unanswered, dial
from portlore.scan.holding import hold
from portlore.scan.schedule import CUT, REFUSED, Course, Heard, Table, expected
from portlore.scan.sockets import Descriptors
from portlore.seen import Exposure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from portlore.book import Book
    from portlore.observed import Observation
    from portlore.scan.schedule import Ask, Stage

    Where = tuple[tuple[object, ...], int, str]  # socket address, family, transport

PER_HOST, PER_PORT = 24, 12  # connections at once
AT_ONCE = 128  # ports that are asked at once
MOST = AT_ONCE * PER_PORT  # connections to all hosts at once, if this process may have so many
PORT_BUDGET = 20.0  # seconds for one port, where nobody says how long all may take
TICK = 0.2  # seconds between two ticks
TABLE = Table(PROBES, PROTOCOLS, RECOGNISERS)
OUTCOMES = {
    None: (Outcome.TIMEOUT, "silence"),
    errno.ECONNREFUSED: (Outcome.REFUSED, "rst"),
    errno.ECONNRESET: (Outcome.CLOSED_EARLY, "reset"),
    errno.EACCES: (Outcome.BLOCKED, "not allowed here"),
    errno.EPERM: (Outcome.BLOCKED, "not allowed here"),
}


def identify(
    observations: Iterable[Observation],
    book: Book,
    found: Callable[[Observation], None],
    *,
    gentle: bool = False,
    budget: float = 0.0,
    per_host: int = PER_HOST,
    tick: Callable[[], None] | None = None,
) -> None:
    """Ask what speaks, and give each observation to ``found`` with its identification and judgement, as it is known.

    ``gentle``: one connection per host at a time, and only questions that fragile devices bear. ``budget``: seconds
    for all of them, 0 for :data:`PORT_BUDGET` each. ``tick`` is called some times a second. What is known is given
    also when the time is over or somebody presses Ctrl-C (:class:`KeyboardInterrupt` follows).
    """
    with Descriptors(MOST) as most:
        run = _Run(iter(observations), book, found, gentle=gentle, per_host=1 if gentle else per_host, most=most)
        asyncio.run(run.all(budget, tick))


def is_unfinished(one: Observation) -> bool:
    """Whether the time was over, or Ctrl-C was pressed, before all was asked."""
    told = one.identification
    return one.reason == UNFINISHED or (told is not None and CUT_SHORT in told.facts)


class _Host:
    """What is shared by the ports of a host."""

    def __init__(self, connections: int) -> None:
        self.line, self.free = Line(), asyncio.Semaphore(connections)


class _Clock:
    """Counts a port's time while it has a connection; while it waits for its turn, others have theirs."""

    def __init__(self, timer: asyncio.Timeout, most: float) -> None:
        self._timer, self._left, self._runs = timer, most, most > 0
        self._open, self._since = 0, 0.0

    def __enter__(self) -> None:
        if self._runs and not self._open:
            self._since = asyncio.get_running_loop().time()
            self._timer.reschedule(self._since + self._left)
        self._open += 1

    def __exit__(self, *_: object) -> None:
        self._open -= 1
        if self._runs and not self._open and not self._timer.expired():
            self._left -= asyncio.get_running_loop().time() - self._since
            self._timer.reschedule(None)


class _Run:
    def __init__(
        self,
        observations: Iterator[Observation],
        book: Book,
        found: Callable[[Observation], None],
        *,
        gentle: bool,
        per_host: int,
        most: int,
    ) -> None:
        self._observations, self._book, self._found = observations, book, found
        self._gentle, self._per_host = gentle, per_host
        self._hosts: dict[str, _Host] = {}
        self._free = asyncio.Semaphore(most)

    async def all(self, budget: float, tick: Callable[[], None] | None) -> None:
        try:
            async with asyncio.timeout(budget or None), asyncio.TaskGroup() as workers:
                ticking = workers.create_task(_tick(tick)) if tick is not None else None
                works = [workers.create_task(self._work(0.0 if budget else PORT_BUDGET)) for _ in range(AT_ONCE)]
                await asyncio.wait(works)
                if ticking is not None:
                    ticking.cancel()
        except BaseException as error:
            if isinstance(error, BaseExceptionGroup):  # ``found`` or ``tick`` raised it
                raise error.exceptions[0] from None
            for observation in self._observations:  # what nobody came to
                known = {} if observation.reason else {"outcome": Outcome.TIMEOUT, "reason": UNFINISHED}
                self._found(hold(observation.replace(**known), self._book, PROTOCOLS))
            if not isinstance(error, TimeoutError):
                raise

    async def _work(self, most: float) -> None:
        for observation in self._observations:
            await self._port(observation, most)

    async def _port(self, observation: Observation, most: float) -> None:
        target = observation.target
        host = self._hosts.setdefault(target.address, _Host(self._per_host))
        said = hold(observation.replace(outcome=Outcome.OPEN), self._book).said
        asked = Asked(target.host or target.address, target.port, target.transport)
        local = hold(observation, self._book).exposure is Exposure.LOOPBACK
        names = said.names if said is not None else ()
        uses = [claim.name for claim in said.claims] if said is not None else ()
        course = Course(expected(asked, names, uses, gentle=self._gentle, local=local), TABLE)
        heard: list[Heard] = []
        outcome, reason, whole, began = Outcome.TIMEOUT, UNFINISHED, False, time.monotonic()
        try:
            async with asyncio.timeout(None) as timer:
                await self._follow(course, observation, host, heard, _Clock(timer, most))
                whole = True
        except TimeoutError:
            pass
        except Unanswered as unanswered:
            default = (Outcome.UNREACHABLE, errno.errorcode.get(unanswered.error or 0, "no route").lower())
            outcome, reason = OUTCOMES.get(unanswered.error, default)
            observation = observation.replace(reason="")
        finally:  # also when all is given up
            if heard or whole or observation.reason:
                outcome, reason = _outcome(observation, heard, whole=whole)
            observation = observation.replace(outcome=outcome, reason=reason)
            if outcome is Outcome.OPEN:
                told = course.conclude()
                if not whole and not told.protocol:
                    told = told.replace(facts=(*told.facts, CUT_SHORT))
                took = observation.took if observation.took is not None else time.monotonic() - began
                observation = observation.replace(took=took, identification=told)
            self._found(hold(observation, self._book, PROTOCOLS))

    async def _follow(
        self, course: Course, observation: Observation, host: _Host, heard: list[Heard], clock: _Clock
    ) -> None:
        """Walk through the stages; ``heard`` takes what came of them."""
        target = observation.target
        try:
            info = socket.getaddrinfo(target.address, target.port, flags=socket.AI_NUMERICHOST)[0]
        except OSError:  # the interface of its zone is gone
            raise Unanswered(errno.ENODEV) from None
        stages = course.run()
        answer: tuple[Heard, ...] | None = None
        while True:
            try:
                stage = next(stages) if answer is None else stages.send(answer)
            except StopIteration:
                break
            answer = await self._stage(stage, (info[4], info[0], target.transport), host, clock, strict=not heard)
            heard += answer
            silent = not any(one.received for one in heard)
            if target.transport == "udp" and silent and any(one.ended == REFUSED for one in answer):
                break

    async def _stage(
        self, stage: Stage, where: Where, host: _Host, clock: _Clock, *, strict: bool
    ) -> tuple[Heard, ...]:
        """Ask what a stage wants asked. ``strict``: without a connection there is no open port."""
        heard: list[Heard] = []
        if not stage.together:
            for ask in stage.asks:
                heard.append(await self._ask(ask, stage.patience, where, host, clock, strict=strict))
                if stage.decides and _is_certain(heard[-1]):
                    break
            return tuple(heard)
        free = asyncio.Semaphore(PER_PORT)

        async def one(ask: Ask) -> Heard:
            async with free:
                return await self._ask(ask, stage.patience, where, host, clock, strict=False)

        tasks = {asyncio.create_task(one(ask)): ask for ask in stage.asks}
        try:
            for done in asyncio.as_completed(tasks):
                heard.append(await done)
                if stage.decides and _is_certain(heard[-1]):
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        answered = {one.ask.probe for one in heard}
        return (*heard, *(Heard(ask, None, ended=CUT) for ask in stage.asks if ask.probe not in answered))

    async def _ask(self, ask: Ask, patience: float, where: Where, host: _Host, clock: _Clock, *, strict: bool) -> Heard:
        async with host.free, self._free:
            try:
                with clock:
                    return await dial(*where, ask, host.line, patience)
            except Unanswered:
                if strict:
                    raise
                return Heard(ask, None, ended=REFUSED)


def _outcome(observation: Observation, heard: list[Heard], *, whole: bool) -> tuple[Outcome, str]:
    """What becomes of a port that took a connection, or a datagram, or was found open before."""
    if observation.target.transport != "udp":
        return Outcome.OPEN, observation.reason or "connected"
    if observation.reason or any(one.received for one in heard):
        return Outcome.OPEN, observation.reason or "udp answer"
    if any(one.ended == REFUSED for one in heard):
        return Outcome.REFUSED, "icmp port unreachable"
    return Outcome.TIMEOUT, "silence" if whole else UNFINISHED


def _is_certain(heard: Heard) -> bool:
    return heard.found is not None and heard.found.confidence is Confidence.CERTAIN


async def _tick(tick: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(TICK)
        tick()
