"""Edge: one domain that several servers serve from one database: how a server takes part.

Reads are answered from memory. Writes wait for their turn: the writer's lock is taken on the store's thread, what
others have written is seen, all writes that wait by then are done to the draft, and one commit takes them. They are
answered when every living server has seen the commit (:mod:`portlore.netinfo.lockstep`). Another thread follows: it
sees what others commit, says so, and keeps the lease. A server whose lease has ended is cut off: it says so, refuses
writes, and answers reads from what it has, which may be old, until it has caught up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from portlore.errors import DataError, HostError, PortloreError
from portlore.netinfo.following import Follower
from portlore.netinfo.lockstep import PROCEDURE, WRITES, Commit, Lockstep, written
from portlore.netinfo.postgres_line import LOCKED
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc.message import success
from portlore.oncrpc.xdr import uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.postgres_store import PostgresStore
    from portlore.netinfo.server import Connection, Serving

AGAIN = 0.3  # seconds before what became of a commit is asked again
PATIENCE = 15.0  # seconds after which who wrote is told that nobody knows
ENOUGH = 1 << 18  # bytes of answers to one client in one turn
SYSTEMERR, MASTERBUSY = NUMBERS["SYSTEMERR"], NUMBERS["MASTERBUSY"]


class Waiting:
    """Answers that wait for every living server to have seen a version."""

    __slots__ = ("connection", "pause", "replies", "until", "version")

    def __init__(self, connection: Connection, replies: list[bytes], version: int, pause: float) -> None:
        self.connection, self.replies, self.version, self.pause = connection, replies, version, pause
        self.until = time.monotonic() + PATIENCE


class Sharing:
    """The part of one server in a shared domain."""

    def __init__(self, serving: Serving, store: PostgresStore) -> None:
        self._serving, self._store = serving, store
        self._steps = Lockstep(serving.service.domain, store.version)
        self._policy = serving.service.policy
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadPoolExecutor(1, "portlore-netinfo-store")
        self._queue: list[tuple[Connection, list[bytes]]] = []
        self._held: list[Connection] = []
        self._unanswered: deque[Waiting] = deque()
        self._turns: asyncio.Task[None] | None = None
        self._until = 0.0  # the end of the lease, monotonic
        self._cut = True
        self._is_closing = False
        self._clock: asyncio.Task[None] | None = None
        self._told = False  # that it is cut off
        self._joined = asyncio.Event()
        self._follower: Follower | None = None
        self._why = ""  # why the database was not heard of, as it was told last
        self.anew = False  # what is known is wrong: all has to be read

    async def start(self, place: str) -> None:
        """Begin to take part; it does when this returns, unless the database goes away meanwhile.

        ``place``: where it serves, for those who look at the database.
        """
        self._policy = self._serving.service.policy
        self._follower = Follower(self, self._store, self._loop, place)
        self._follower.start()
        self._clock = self._loop.create_task(self._watch())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._joined.wait(), PATIENCE)
        if self._cut:
            self._cut_off("it does not answer")

    def close(self) -> None:
        """Take part no more."""
        if self._clock is not None:
            self._clock.cancel()
        if self._turns is not None:
            self._turns.cancel()
        self._is_closing = True
        if self._follower is not None:
            self._follower.end()
        self._store.close()
        self._writer.shutdown(wait=False, cancel_futures=True)

    # What comes from clients

    def admitted(self, connection: Connection, records: list[bytes]) -> list[bytes]:
        """The calls that can be answered now; the rest stays with the connection, or waits here."""
        if time.monotonic() > self._until and not self._cut:
            self._cut_off("the lease has ended: the database was not heard of")
        if self._cut:
            return records  # writes are refused by the policy
        steps = self._steps
        for number, record in enumerate(records):
            if record[PROCEDURE] in WRITES or (steps.is_pending and steps.waits(record)):
                if number:
                    connection.queue = records[number:] + connection.queue
                    return records[:number]
                break
        else:
            return records
        connection.busy = True
        if records[0][PROCEDURE] in WRITES:
            self._queue.append((connection, records))
            self._serving.idle.clear()
            if self._turns is None:
                self._turns = self._loop.create_task(self._take_turns())
        else:
            connection.queue = records + connection.queue
            self._held.append(connection)
        return []

    # Turns

    async def _take_turns(self) -> None:
        try:
            while self._queue:
                try:
                    await self._turn()
                except Exception as error:  # noqa: BLE001 - a fault of ours: nobody waits for ever for it
                    self._serving.log(f"fault {type(error).__name__}: {error}; reading all anew")
                    self._start_anew()
        finally:
            self._turns = None
            self._rest()

    def _rest(self) -> None:
        if not self._queue and not self._unanswered and self._turns is None:
            self._serving.idle.set()

    async def _away(self, work: Callable[..., object], *arguments: object) -> object:
        return await self._loop.run_in_executor(self._writer, work, *arguments)

    async def _turn(self) -> None:
        steps, store = self._steps, self._store
        try:
            missed = await self._begin()
            self.see(missed)
        except PortloreError as error:
            self._serving.log(f"tag={self._tag} no turn to write: {error}")
            if isinstance(error, DataError):
                with suppress(PortloreError):
                    await self._away(store.rollback)
            self._refuse(MASTERBUSY)
            return
        if self._cut:  # meanwhile
            await self._away(store.rollback)
            self._refuse(MASTERBUSY)
            return
        waiting, self._queue = self._queue, []
        steps.begin()
        answered = [self._answer(connection, records) for connection, records in waiting]
        commit, changes = self._written()
        version = steps.known if commit is None else commit.version
        self._unanswered.extend(Waiting(connection, replies, version, pause) for connection, replies, pause in answered)
        if commit is None:
            steps.end(Commit(version, (), (), 0, 0))
            with suppress(PortloreError):
                await self._away(store.rollback)
            self._answer_waiting()
            return
        steps.begin([*(number for row in commit.rows for number in (row[0], row[2])), *commit.gone])
        floor: int | None = None
        try:
            floor = await self._away(store.finish, commit, changes)  # type: ignore[assignment]
        except PortloreError as error:
            self._serving.log(f"tag={self._tag} a commit's end is not known: {error}")
            if not await self._find_out(version):
                steps.end(None)
                self._fail(version)
                return
        steps.end(commit)
        self.tell(floor)

    async def _begin(self) -> Commit | None:
        """Take the lock; twice, as a line that was idle may have been lost since."""
        try:
            return await self._away(self._store.begin, self._steps.known)  # type: ignore[return-value]
        except HostError as error:
            if getattr(error, "code", "") == LOCKED:
                raise
            return await self._away(self._store.begin, self._steps.known)  # type: ignore[return-value]

    def _answer(self, connection: Connection, records: list[bytes]) -> tuple[Connection, list[bytes], float]:
        """Do a client's writes to the draft, and answer in it what comes after them."""
        service, serving = self._serving.service, self._serving
        wrong, size, pause = service.authentications[1], 0, 0.0
        replies: list[bytes] = []
        service.domain = self._steps.draft
        try:
            for number, record in enumerate(records, 1):
                reply = serving.answer(connection.caller, record)
                if reply is not None:
                    replies.append(reply)
                    size += len(reply)
                if service.authentications[1] != wrong and not service.policy.classic:
                    wrong = service.authentications[1]
                    pause = serving.failed_password(connection.caller.address)
                if (pause or size > ENOUGH) and number < len(records):
                    connection.queue = records[number:] + connection.queue
                    break
        finally:
            service.domain, service.sent_whole = self._steps.served, False
            service.forget_rights()  # the draft may be given up
        return connection, replies, pause

    def _written(self) -> tuple[Commit | None, object]:
        """What a turn wrote, and its history."""
        draft, service = self._steps.draft, self._serving.service
        if service.leading is not None:
            service.leading.take()  # clones read all, whoever wrote
        changes = service.history.take() if service.history is not None else ()
        commit = written(draft, self._steps.known)
        return commit if commit.rows or commit.gone else None, changes

    async def _find_out(self, version: int) -> bool:
        """Whether a commit is there after all; meanwhile nobody is told anything for sure."""
        while not self._is_closing:
            self._answer_waiting()
            try:
                return await self._away(self._store.outcome) == version
            except PortloreError:
                await asyncio.sleep(AGAIN)
        return False

    def _refuse(self, status: int) -> None:
        """No turn: those who wanted to write are told so; what they asked after that goes on."""
        waiting, self._queue = self._queue, []
        for connection, records in waiting:
            connection.queue = records[1:] + connection.queue
            connection.written([success(int.from_bytes(records[0][:4], "big"), uint(status))])

    def _fail(self, version: int) -> None:
        """What waits for a version that never came is told that it failed."""
        for one in [one for one in self._unanswered if one.version == version]:
            self._unanswered.remove(one)
            self._give_up(one)
        self._release()

    def _start_anew(self) -> None:
        """Nobody knows what the draft is: forget it, and who waits is told that nobody knows."""
        self.anew = True
        self._steps.end(None)
        self._serving.service.domain = self._steps.served
        unanswered, self._unanswered = list(self._unanswered), deque()
        for one in unanswered:
            self._give_up(one)
        self._refuse(SYSTEMERR)
        self._release()

    @staticmethod
    def _give_up(one: Waiting) -> None:
        one.connection.written([success(int.from_bytes(reply[:4], "big"), uint(SYSTEMERR)) for reply in one.replies])

    # What comes from the database, on the event loop

    def see(self, commit: Commit | None) -> int:
        """See what was committed; the version that is known then."""
        if commit is not None:
            try:
                self._steps.take(commit)
            except DataError as error:
                self._serving.log(f"tag={self._tag} {error}")
                self.anew = True
                raise
            self.anew = self.anew and not commit.whole
        return self._steps.known

    def tell(self, floor: int | None) -> None:
        """Serve what everybody has seen, and answer who waits for it."""
        if self._steps.tell(self._steps.known if floor is None else floor):
            service = self._serving.service
            service.domain = self._steps.served
            service.forget_rights()
            if service.leading is not None:
                service.leading.changed_elsewhere(service.domain)
        self._answer_waiting()
        self._release()

    def _answer_waiting(self) -> None:
        now = time.monotonic()
        while self._unanswered:
            one = self._unanswered[0]
            if one.version <= self._steps.floor:
                self._unanswered.popleft()
                if one.pause:
                    self._loop.call_later(one.pause, one.connection.written, one.replies)
                else:
                    one.connection.written(one.replies)
            elif now > one.until:
                self._unanswered.popleft()
                self._give_up(one)
            else:
                break
        self._rest()

    def _release(self) -> None:
        """Those whose reads were held back ask again."""
        held, self._held = self._held, []
        for connection in held:
            connection.written([])

    def leased(self, until: float) -> None:
        """The lease goes on until then, by the monotonic clock."""
        self._until = until
        if self._cut and time.monotonic() < until:
            self._cut = False
            service = self._serving.service
            service.policy, service.cut_off = self._policy, ""
            if self._told:
                self._serving.log(f"tag={self._tag} in step with the database again: version={self._steps.known}")
            self._told, self._why = False, ""
            self._joined.set()

    def _cut_off(self, why: str) -> None:
        if not self._cut or not self._told:
            self._cut = self._told = True
            service = self._serving.service
            service.policy, service.cut_off = self._policy.replace(read_only=True), "cut off from the database"
            self._serving.log(f"tag={self._tag} cut off from the database: {why}; read-only, and reads may be old")
        self._release()

    async def _watch(self) -> None:
        """See that the lease ends in time, and that nobody waits for ever."""
        while True:
            await asyncio.sleep(0.1)
            if time.monotonic() > self._until and not self._cut:
                self._cut_off("the lease has ended: the database was not heard of")
            if self._unanswered:
                self._answer_waiting()

    @property
    def _tag(self) -> str:
        return self._serving.service.tag.decode("utf-8", "backslashreplace")

    # The follower's, called on the event loop

    @property
    def known(self) -> int:
        """The version that is known; -1 where all has to be read."""
        return -1 if self.anew else self._steps.known

    def enter(self, commit: Commit | None, floor: int, until: float) -> None:
        """Take part again, with what was missed."""
        self.see(commit)
        self.tell(floor)
        self.leased(until)

    def lost(self, why: str) -> None:
        """The line is gone: the lease may go on for a while, in which the database may come back."""
        if why != self._why:
            self._why = why
            self._serving.log(f"tag={self._tag} the database is not heard of: {why}")
