"""Edge: sending a master's writes to its clones: a task for each, so that one that is away holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from functools import partial

from portlore.errors import HostError, NetInfoError, PortloreError
from portlore.netinfo import channel
from portlore.netinfo.calling import Connection
from portlore.netinfo.client import reach
from portlore.netinfo.handle import Handle, Place
from portlore.netinfo.introducing import name_own
from portlore.netinfo.replicating import CLEANUP, CRASHED, Clone, pause
from portlore.netinfo.secure import Sealing
from portlore.netinfo.tuning import tuning
from portlore.netinfo.values import NUMBERS, STATUS
from portlore.oncrpc.xdr import uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from portlore.netinfo.replicating import Leading, Server
    from portlore.netinfo.server import Serving

    Result = TypeVar("Result")

RDONLY = NUMBERS["RDONLY"]
PATIENCE = 10.0  # seconds for a server that should be there
KEPT = 10.0  # seconds for which a connection is kept: reserved ports are few, and rest for a minute after each use
LAST_WORDS = 5.0  # seconds that an ending master takes to send what is left


async def away(work: Callable[[], Result]) -> Result:
    """Do what may wait for the network, on a thread that holds up nobody, not even the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def tell(set_it: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lambda: None if future.done() else set_it())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            problem = error
            tell(lambda: future.set_exception(problem))
        else:
            tell(lambda: future.set_result(result))

    threading.Thread(target=run, daemon=True, name="portlore-netinfo-replica").start()
    return await future


def dial(place: Server, listen: str, timeout: float = PATIENCE, sealing: Sealing | None = None) -> Connection:
    """A connection to a server from one of our reserved ports, its own port asked of its binder."""
    made = Connection(place.address, reach(Place(place.address, place.tag), timeout), timeout)
    made.sealing = sealing
    made.source = "" if listen == "0.0.0.0" else listen  # noqa: S104 - compared with
    return made


def explained(error: Exception) -> str:
    """A failure in words."""
    if isinstance(error, NetInfoError):
        cause = error.__cause__
        if isinstance(cause, PermissionError):
            return "ports below 1024 are root's, and servers believe no others: run as root"
        return str(cause) if cause is not None and str(cause) else STATUS.get(error.status, ("", str(error)))[1]
    return str(error)


def _check_role(line: Connection, clone: Clone) -> None:
    """Raise HostError for a clone that says it is a master itself: it would take some of what it is sent, or nothing.

    Who was told everything and follows is not asked; who does not say (G1, G2) is taken for what the domain calls it.
    """
    if not clone.behind:
        return
    try:
        told = {one.name: one.values for one in Handle(line).statistics()}
    except PortloreError:
        return
    if told.get(b"tag", ())[1:2] == (b"master",):
        do = "make it a clone (`portlore netinfo clone`), or take it out of /machines here; compare the two before"
        raise HostError("sending to it", "it takes writes itself: there are two masters", do)


def _check_known(clone: Clone, line: Connection, results: list[bytes]) -> None:
    """Hang up where a clone takes nothing because it did not know our key when the line was made."""
    if line.sealing is not None and line.sealing.has_key and not line.sealing.shown and uint(RDONLY) in results:
        asked = f"sending to {clone.place}"
        raise HostError(asked, "it takes nothing from here", "see in its log whose key it has for its master")


class Pushing:
    """The clones of one domain that is served by its master. ``listen``: the address that it is served at."""

    def __init__(self, serving: Serving, leading: Leading, listen: str, note: str = "") -> None:
        self._serving, self._leading, self._listen, self._note = serving, leading, listen, note
        self._tasks: dict[Server, asyncio.Task[None]] = {}
        self._news: dict[Server, asyncio.Event] = {}
        self._ending, self._under_way = asyncio.Event(), 0
        self._sending = asyncio.Semaphore(tuning(serving.service.domain).threads)  # as long as it is served
        self._key: asyncio.Task[None] | None = None
        leading.news = self._look
        serving.service.leading, serving.service.clock = leading, time.time

    def start(self) -> None:
        """Greet the clones: one that has another checksum reads all."""
        if self._note:
            self._serving.log(self._note)
        self._look()

    def _look(self) -> None:
        """Tend every clone that there is, and none that there is not; wake those that have something to be sent."""
        clones = self._leading.clones
        if clones and self._key is None:
            self._key = asyncio.get_running_loop().create_task(self._have_key())
        for place in [*self._tasks]:
            if place not in clones:
                self._tasks.pop(place).cancel()
                del self._news[place]
        for place, clone in clones.items():
            if place not in self._tasks:
                news = self._news[place] = asyncio.Event()
                self._tasks[place] = asyncio.get_running_loop().create_task(self._tend(clone, news))
            if clone.is_waited_for:
                clone.since = clone.since or time.time()
                self._news[place].set()

    async def _have_key(self) -> None:
        """Have a key, and the domain say it, as soon as there is somebody to show it to."""
        keyring = self._serving.keyring
        own = await away(keyring.ensure) if keyring is not None else None
        if keyring is not None:
            keyring.tell()
        if own is not None:
            name_own(self._serving, own)

    def _sealing(self, clone: Clone) -> Sealing | None:
        keyring, domain = self._serving.keyring, self._serving.service.domain
        known = channel.pins(domain, channel.machines_at(domain, clone.place.address, clone.place.tag))
        return Sealing(keyring, known, str(clone.place)) if keyring is not None else None

    async def _tend(self, clone: Clone, news: asyncio.Event) -> None:
        line: Connection | None = None
        if self._key is not None:
            await asyncio.shield(self._key)
        try:
            while True:
                if not clone.is_waited_for:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), KEPT if line is not None else CLEANUP)
                news.clear()
                if not clone.is_waited_for:
                    if line is not None:
                        line.close()
                        line = None
                    continue
                await self._gather(clone)
                try:
                    async with self._sending:
                        if line is None:
                            line = await away(partial(dial, clone.place, self._listen, sealing=self._sealing(clone)))
                            await away(partial(_check_role, line, clone))
                        calls = clone.batch(self._leading.checksum)
                        clone.behind = False  # what is written from now on comes after these
                        self._under_way += 1
                        try:
                            results = await away(partial(line.calls, calls))
                        finally:
                            self._under_way -= 1
                    _check_known(clone, line, results)
                except Exception as error:  # noqa: BLE001 - a fault of ours, too, is said, and this goes on
                    if line is not None:
                        line.close()
                    clone.behind, clone.waiting, clone.greeting, line = True, [], None, None
                    clone.failures += 1
                    self._say(clone, explained(error))
                    with suppress(TimeoutError):  # it may tell that it is back
                        await asyncio.wait_for(self._back(clone, news), pause(clone.failures))
                    continue
                self._reached(clone, line)
                self._sent(clone, calls, results)
        finally:
            if line is not None:
                line.close()

    def _reached(self, clone: Clone, line: Connection) -> None:
        """Log how a clone is reached when it changes."""
        word = line.sealing.word if line.sealing is not None else ""
        if word != clone.channel:
            clone.channel = word
            self._serving.log(f"clone={clone.place} tag={self._tag} {word}")

    async def _gather(self, clone: Clone) -> None:
        """Wait as long as the domain wants writes to be gathered."""
        latency = tuning(self._serving.service.domain).latency
        if latency and not clone.behind and clone.greeting is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), latency)

    async def _back(self, clone: Clone, news: asyncio.Event) -> None:
        """Wait for a clone that fails to be heard of."""
        while clone.failures:
            await news.wait()
            news.clear()

    def _sent(self, clone: Clone, calls: list[tuple[int, bytes]], results: list[bytes]) -> None:
        clone.failures, clone.last = 0, time.time()
        clone.since = clone.last if clone.is_waited_for else 0.0
        clone.sent += sum(procedure < CRASHED for procedure, _ in calls)
        refused = [int.from_bytes(one[:4], "big") for one in results if one[:4] not in (b"", bytes(4))]
        word = STATUS[refused[0]][1] if refused and refused[0] in STATUS else ""
        self._say(clone, word)

    def _say(self, clone: Clone, word: str) -> None:
        """Log what is wrong with a clone when it changes."""
        if word != clone.word:
            clone.word = word
            self._serving.log(f"clone={clone.place} tag={self._tag} {word or 'follows again'}")

    @property
    def _tag(self) -> str:
        return self._serving.service.tag.decode("utf-8", "backslashreplace")

    async def finish(self) -> None:
        """Send what is left, as far as that goes quickly."""
        self._ending.set()
        rounds = int(LAST_WORDS / 0.02)
        for _ in range(rounds):
            waiting = any(one.waiting and not one.failures for one in self._leading.clones.values())
            if not waiting and not self._under_way:
                return
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Send no more."""
        for task in self._tasks.values():
            task.cancel()
        if self._key is not None:
            self._key.cancel()
        self._tasks.clear()
