"""Edge: sending a master's writes to its clones: a task for each, so that one that is away holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from functools import partial

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo.calling import Connection
from portlore.netinfo.client import reach
from portlore.netinfo.handle import Place
from portlore.netinfo.replicating import CLEANUP, CRASHED, Clone, pause
from portlore.netinfo.values import STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from portlore.netinfo.replicating import Leading, Server
    from portlore.netinfo.server import Serving

    Result = TypeVar("Result")

PATIENCE = 10.0  # seconds for a server that should be there
KEPT = 10.0  # seconds for which a connection is kept: reserved ports are few, and rest for a minute after each use
LAST_WORDS = 2.0  # seconds that an ending master takes to send what is left


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


def dial(place: Server, listen: str, timeout: float = PATIENCE) -> Connection:
    """A connection to a server from one of our reserved ports, its own port asked of its binder."""
    made = Connection(place.address, reach(Place(place.address, place.tag), timeout), timeout)
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


class Pushing:
    """The clones of one domain that is served by its master. ``listen``: the address that it is served at."""

    def __init__(self, serving: Serving, leading: Leading, listen: str, note: str = "") -> None:
        self._serving, self._leading, self._listen, self._note = serving, leading, listen, note
        self._tasks: dict[Server, asyncio.Task[None]] = {}
        self._news: dict[Server, asyncio.Event] = {}
        leading.news = self._look
        serving.service.leading = leading

    def start(self) -> None:
        """Greet the clones: one that has another checksum reads all."""
        if self._note:
            self._serving.log(self._note)
        self._look()

    def _look(self) -> None:
        """Tend every clone that there is, and none that there is not; wake those that have something to be sent."""
        clones = self._leading.clones
        for place in [*self._tasks]:
            if place not in clones:
                self._tasks.pop(place).cancel()
                del self._news[place]
        for place, clone in clones.items():
            if place not in self._tasks:
                news = self._news[place] = asyncio.Event()
                self._tasks[place] = asyncio.get_running_loop().create_task(self._tend(clone, news))
            if clone.is_waited_for:
                self._news[place].set()

    async def _tend(self, clone: Clone, news: asyncio.Event) -> None:
        line: Connection | None = None
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
                try:
                    if line is None:
                        line = await away(lambda: dial(clone.place, self._listen))
                    calls = clone.batch(self._leading.checksum)
                    clone.behind = False  # what is written from now on comes after these
                    results = await away(partial(line.calls, calls))
                except (PortloreError, OSError) as error:
                    clone.behind, clone.waiting, clone.greeting, line = True, [], None, None
                    clone.failures += 1
                    self._say(clone, explained(error))
                    with suppress(TimeoutError):  # it may tell that it is back
                        await asyncio.wait_for(self._back(clone, news), pause(clone.failures))
                    continue
                self._sent(clone, calls, results)
        finally:
            if line is not None:
                line.close()

    async def _back(self, clone: Clone, news: asyncio.Event) -> None:
        """Wait for a clone that fails to be heard of."""
        while clone.failures:
            await news.wait()
            news.clear()

    def _sent(self, clone: Clone, calls: list[tuple[int, bytes]], results: list[bytes]) -> None:
        clone.failures, clone.last = 0, time.time()
        clone.sent += sum(procedure < CRASHED for procedure, _ in calls)
        refused = [int.from_bytes(one[:4], "big") for one in results if one[:4] not in (b"", bytes(4))]
        word = STATUS[refused[0]][1] if refused and refused[0] in STATUS else ""
        self._say(clone, word)

    def _say(self, clone: Clone, word: str) -> None:
        """Log what is wrong with a clone when it changes."""
        if word != clone.word:
            clone.word = word
            tag = self._serving.service.tag.decode("utf-8", "backslashreplace")
            self._serving.log(f"clone={clone.place} tag={tag} {word or 'follows again'}")

    async def finish(self) -> None:
        """Send what is left, as far as that goes quickly."""
        rounds = int(LAST_WORDS / 0.02)
        for _ in range(rounds):
            if not any(one.waiting and not one.failures for one in self._leading.clones.values()):
                return
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Send no more."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
