"""Edge: the thread by which a server follows what others do to a shared domain, and by which it goes on living."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial

from portlore.errors import PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from portlore.netinfo.lockstep import Commit
    from portlore.netinfo.postgres_store import PostgresStore
    from portlore.netinfo.sharing import Sharing

    Result = TypeVar("Result")

RENEW = 0.5  # seconds between two renewals of the lease
AGAIN = 0.3, 2.0  # seconds between two attempts at a database that is away: the first, the longest
LEAVING = 2.0  # seconds for the thread to end


class Follower:
    """Joins, sees what is committed, says so, renews the lease; joins again where that was lost."""

    def __init__(self, sharing: Sharing, store: PostgresStore, loop: asyncio.AbstractEventLoop, place: str) -> None:
        self._sharing, self._store, self._loop, self._place = sharing, store, loop, place
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="portlore-netinfo-follow")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Have nobody wait for this server any more, and end."""
        self._closing.set()
        self._store.wake()
        self._thread.join(LEAVING)

    def _on_loop(self, work: Callable[[], Result]) -> Result:
        """Do something on the event loop, and wait for it."""

        async def do() -> Result:
            return work()

        future = asyncio.run_coroutine_threadsafe(do(), self._loop)
        while True:
            try:
                return future.result(0.2)
            except TimeoutError:
                if self._closing.is_set():  # the event loop waits for us
                    raise CancelledError from None

    def _follow(self) -> None:
        pause = AGAIN[0]
        while not self._closing.is_set():
            try:
                commit, floor, until = self._store.join(self._sharing.known, self._place)
                self._on_loop(partial(self._sharing.enter, commit, floor, until))
                pause = AGAIN[0]
                self._keep_up()
                if self._closing.is_set():
                    self._store.leave()
                    return
                why = "its lease was over"
            except (PortloreError, OSError) as error:
                why = str(error)
            except (RuntimeError, CancelledError):  # the event loop has ended
                return
            if self._closing.is_set() or self._store.is_closed:
                return
            with suppress(RuntimeError, CancelledError):
                self._on_loop(partial(self._sharing.lost, why))
            self._closing.wait(pause)
            pause = min(pause * 2, AGAIN[1])

    def _keep_up(self) -> None:
        """Follow until the lease is lost; errors are raised."""
        store, sharing, next_renewal = self._store, self._sharing, 0.0
        while not self._closing.is_set():
            now = time.monotonic()
            if now >= next_renewal:
                renewed = store.renew()
                if renewed is None:
                    return
                next_renewal = now + RENEW
                seen, until = renewed
                self._on_loop(partial(sharing.leased, until))
                if seen < (known := sharing.known):  # a crash of the database forgot it
                    store.seen(known)
            commit, floor = store.look(sharing.known)
            known = self._on_loop(partial(self._told, commit, floor))
            if commit is not None:
                self._on_loop(partial(sharing.tell, store.seen(known)))
            store.wait(next_renewal - time.monotonic())

    def _told(self, commit: Commit | None, floor: int | None) -> int:
        known = self._sharing.see(commit)
        self._sharing.tell(floor)
        return known
