"""Edge: a domain in PostgreSQL, for several servers at once.

**Tables**, in a schema of their own (``netinfo_NAME``, which is also the channel of NOTIFY): ``domain``, one row: the
form, the version, the checksum; its lock is the writer's. ``directories``, each with the version that changed it last.
``gone``: ids by the version that took them. ``commits``: who made which version, by which an unknown outcome is found
out. ``servers``: who has the domain in memory, up to which version, and until when that may be relied on. ``history``.

**Versions** are given under the writer's lock, one a commit, without gaps, so that their order is that of the commits.
What followed a version is everything marked with a later one, read in one statement, hence of one moment.

**Leases**: a row of ``servers`` may be taken away by anybody once its time is over by the database's clock, and is
renewed only while it is there and not over. So who counts the rows never misses a server that still believes in its
own, which ends earlier by the server's clock.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time

from portlore.errors import DataError, HostError, InputError
from portlore.netinfo.history import KEPT, from_row
from portlore.netinfo.lockstep import Commit, domain_of, written
from portlore.netinfo.postgres_address import DEFAULT_DOMAIN, EMPTY, MISSING, parse_address
from portlore.netinfo.postgres_line import Line, Refused
from portlore.netinfo.postgres_statements import (
    AT_ONCE,
    FETCH,
    FLOOR,
    FORM,
    GRACE,
    LEASE,
    LOCK,
    NAMES,
    TABLES,
    Missed,
    both,
    commit_of,
    literal,
    quoted,
    read,
    until,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Self

    from portlore.netinfo.domain import Domain
    from portlore.netinfo.history import Change

PATIENCE, PATIENCE_FOLLOWING = 10.0, 2.0  # seconds for one word of the database
UNDEFINED = ("3F000", "42P01")  # no such schema, no such table


class PostgresStore:
    """A domain in a database. ``create``: have its tables made where there are none.

    :class:`InputError` for an address that is none; :class:`HostError` when the database is away or refuses us;
    :class:`DataError` where there is no such domain in it, or one of another form.
    """

    is_clone = False

    def __init__(self, text: str, *, create: bool = False, domain: str = DEFAULT_DOMAIN) -> None:
        self._address, password = parse_address(text, domain)
        self._password = password or os.environ.get("PGPASSWORD", "")
        self.path = str(self._address)  # without a password: it goes into the log
        self.id = f"{socket.gethostname().partition('.')[0]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.version, self._turn, self._kept = 0, 0, KEPT
        self._checksum: int | None = None
        self._writing: Line | None = None
        self._following: Line | None = None
        self._bell: Line | None = None
        self._ended = threading.Event()
        try:
            if create:
                self._make()
            self._check()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        """Make the tables, all or none of them; two that make them at once make them once."""
        schema = quoted(self._address.schema)
        line = self._line()
        if not line.run(f"SELECT 1 FROM pg_namespace WHERE nspname = '{self._address.schema}'"):
            try:
                line.run(
                    f"BEGIN; SELECT pg_advisory_xact_lock(hashtext('{self._address.schema}'));"
                    f"CREATE SCHEMA IF NOT EXISTS {schema}; {TABLES}"
                    f"INSERT INTO domain (form, version, oldest, checksum, writes) VALUES ({FORM}, 0, 0, 0, 0); COMMIT"
                )
            except Refused as error:
                self._drop_writing()
                if error.code != "42P07":  # another one has made them meanwhile
                    raise

    def _check(self) -> None:
        asked = f"opening the domain {self.path}"
        try:
            found = self._line().run("SELECT form FROM domain")
        except Refused as error:
            self._drop_writing()
            if error.code in UNDEFINED:
                do = f"make it: portlore netinfo init '{self.path}'"
                raise DataError(asked, MISSING, do) from None
            raise
        if not found or found[0][0] != FORM:
            form = found[0][0] if found else "none"
            raise DataError(asked, f"its tables have form {form}, not {FORM}", "use the Portlore that made them")

    # Lines

    def _open(self, patience: float) -> Line:
        return Line(self._address, self._password, patience)

    def _line(self) -> Line:
        if self._ended.is_set():
            raise HostError(f"the domain {self.path}", "it is closed", "open it again")
        if self._writing is None:
            self._writing = self._open(PATIENCE)
        return self._writing

    def _drop_writing(self) -> None:
        line, self._writing = self._writing, None
        if line is not None:
            line.close()

    def _run(self, text: str) -> list[list[Any]]:
        """Run statements on the writer's line; after any failure that is given up, and with it the transaction."""
        try:
            return self._line().run(text)
        except BaseException:
            self._drop_writing()
            raise

    def close(self) -> None:
        """Give it back; who waits for the database on another thread is told that it is gone."""
        self._ended.set()
        for line in (self._writing, self._following, self._bell):
            if line is not None:
                line.close()
        self._writing = self._following = self._bell = None

    @property
    def is_closed(self) -> bool:
        """Whether it was given back."""
        return self._ended.is_set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a store does

    def load(self) -> Domain:
        """The whole domain, in memory, as it was committed last; or :class:`DataError`."""
        asked = f"reading the domain {self.path}"
        commit, _ = _since(self._run, -1)
        if commit is None or not commit.rows:
            raise DataError(asked, EMPTY, "import it again")
        domain = domain_of(commit.rows, commit.writes)
        if domain.checksum != commit.checksum:
            raise DataError(asked, "it is not what was written: the checksum differs", "restore it from a backup")
        self.version, self._checksum = commit.version, commit.checksum
        return domain

    def write_all(self, domain: Domain, changes: Sequence[Change] = ()) -> None:
        """Replace all that is stored by a domain; servers of it follow."""
        domain.take()
        before = self.begin(-1)
        rows = tuple((one.id, one.instance, one.parent, one.place, one.version, one.data)
                     for one in domain.directories.values())  # fmt: skip
        kept = {row[0] for row in rows}
        gone = tuple(row[0] for row in before.rows if row[0] not in kept) if before is not None else ()
        commit = Commit(self.version + 1, rows, gone, domain.checksum, domain.version)
        self.finish(commit, changes)
        self._checksum = domain.checksum

    def batch(self, domain: Domain, changes: Sequence[Change] = ()) -> tuple[Commit, Sequence[Change]]:
        """What a domain that was loaded has written since."""
        return written(domain, self.version), changes

    def commit(self, batch: tuple[Commit, Sequence[Change]]) -> None:
        """Write that; :class:`HostError` when others have written meanwhile, or the database is away."""
        commit, changes = batch
        if self.begin(commit.version - 1) is not None:
            self.rollback()
            raise HostError(f"writing the domain {self.path}", "others have written meanwhile", "do it again")
        self.finish(commit, changes)
        self._checksum = commit.checksum

    def stored_checksum(self) -> int | None:
        """The checksum that stood beside what was loaded or written last; ``None`` before either."""
        return self._checksum

    def mark_clone(self) -> None:
        """A clone has a file of its own: :class:`InputError`."""
        raise InputError(f"a clone in {self.path}", "clones are kept in files", "name a file")

    def backup(self, path: str) -> None:
        """A copy of the domain as it is, as a file that can be served; :class:`HostError` where there is one."""
        from portlore.netinfo.store import Store

        if os.path.lexists(path):
            raise HostError(f"copying {self.path} to {path}", "there is such a file", "name another one")
        domain = self.load()
        with Store(path, create=True) as copy:
            copy.write_all(domain)

    def keep(self, count: int) -> None:
        """How many changes the history keeps."""
        self._kept = count

    def tell(self, server: str) -> None:
        """Nothing: who serves it stands in the table."""

    def history(self, after: int = 0, *, newest_first: bool = False) -> Iterator[Change]:
        """The changes with a larger number, oldest or newest first."""
        order, edge, at = ("DESC", "<", (1 << 63) - 1) if newest_first else ("ASC", ">", after)
        while True:
            found = self._run(
                f"SELECT number, {NAMES} FROM history WHERE number {edge} {at} AND number > {after} "
                f"ORDER BY number {order} LIMIT {AT_ONCE}"
            )
            for number, *values in found:
                yield from_row(number, values)
            if len(found) < AT_ONCE:
                return
            at = found[-1][0]

    def newest_change(self) -> int:
        """The number of the last change that was ever recorded; 0 without any."""
        return int(self._run("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM history_number_seq")[0][0])

    # Writing: begin, then commit or roll back, on one thread

    def begin(self, known: int) -> Commit | None:
        """Take the writer's lock; what was written since a version. :class:`Refused` when others hold it too long."""
        commit, _ = _since(self._run, known, LOCK)
        self.version = known if commit is None else commit.version
        return commit

    def rollback(self) -> None:
        """Give the lock back without a word."""
        self._run("ROLLBACK")

    def finish(self, commit: Commit, changes: Sequence[Change] = ()) -> int:
        """Commit and tell everybody: the version that all living servers have seen.

        After any error it is not known whether it is there: :meth:`outcome` finds out.
        """
        self._turn += 1
        origin = f"{self.id}:{self._turn}"
        found = self._run(commit_of(commit, changes, self._kept, self.id, origin, self._address.schema))
        self.version = commit.version
        return int(found[-1][0])

    def outcome(self) -> int | None:
        """The version that the last :meth:`finish` became; ``None`` if it never will be one."""
        found = self._run(f"{LOCK} SELECT version, origin FROM commits WHERE origin = '{self.id}:{self._turn}'")
        self._run("ROLLBACK")
        return next((int(one[0]) for one in found if len(one) == 2), None)

    # Following, on another thread

    def _follower(self) -> Line:
        if self._following is None:
            raise HostError(f"the domain {self.path}", "the database is away", "see that it runs")
        return self._following

    def join(self, known: int, place: str) -> tuple[Commit | None, int, float]:
        """Become one of the living servers: what was missed, what everybody has seen, until when that holds.

        The end is by this machine's monotonic clock, and earlier than the database's.
        """
        self.part()
        if self._ended.is_set():
            raise HostError(f"the domain {self.path}", "it is closed", "open it again")
        self._bell = self._open(PATIENCE_FOLLOWING)
        self._bell.run(f"LISTEN {quoted(self._address.schema)}")
        line = self._following = self._open(PATIENCE_FOLLOWING)
        commit, _ = _since(line.run, known)  # most of it, without holding anybody up
        version = known if commit is None else commit.version
        late, _ = _since(line.run, version, LOCK)
        version = version if late is None else late.version
        commit = late if late is not None and late.whole else both(commit, late)
        began = time.monotonic()
        floor = line.run(
            f"INSERT INTO servers (id, place, seen, until) VALUES ('{self.id}', {literal(place)}, {version}, "
            f"{until()}) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, until = excluded.until; "
            f"NOTIFY {quoted(self._address.schema)}; COMMIT; {FLOOR}"
        )
        return commit, int(floor[-1][0]), began + LEASE - GRACE

    def part(self) -> None:
        """Give the lines of a follower up."""
        for line in (self._following, self._bell):
            if line is not None:
                line.close()
        self._following = self._bell = None

    def leave(self) -> None:
        """Have nobody wait for this server any more."""
        if self._following is not None:
            self._following.run(f"DELETE FROM servers WHERE id = '{self.id}'; NOTIFY {quoted(self._address.schema)}")

    def wake(self) -> None:
        """Have :meth:`wait` end at once; from any thread."""
        self._ended.set()
        if self._bell is not None:
            self._bell.shut()

    def wait(self, seconds: float) -> None:
        """Wait for word that something has happened, so long at most; :class:`HostError` when the line is gone."""
        if self._bell is not None and not self._ended.is_set():
            try:
                self._bell.wait(seconds)
            except HostError:
                if not self._ended.is_set():
                    raise

    def look(self, known: int) -> tuple[Commit | None, int | None]:
        """What was committed since a version, and what every living server has seen (``None``: nobody lives)."""
        return _since(self._follower().run, known)

    def seen(self, version: int) -> int:
        """Tell that reads of the old are held back here: what every living server has seen."""
        found = self._follower().run(  # a crash may forget it: renew() finds that out
            f"BEGIN; SET LOCAL synchronous_commit = off; "
            f"UPDATE servers SET seen = greatest(seen, {version}) WHERE id = '{self.id}'; "
            f"NOTIFY {quoted(self._address.schema)}; COMMIT; {FLOOR}"
        )
        return int(found[-1][0])

    def renew(self) -> tuple[int, float] | None:
        """Go on living: the version that the table says was seen here, until when; ``None`` if it is too late.

        The rows of servers whose time is over are taken away, but for those that somebody is renewing right now.
        """
        began = time.monotonic()
        found = self._follower().run(
            f"UPDATE servers SET until = {until()} WHERE id = '{self.id}' AND until > clock_timestamp() "
            "RETURNING seen; "
            "WITH over AS (DELETE FROM servers WHERE id IN (SELECT id FROM servers WHERE "
            f"until < clock_timestamp() - interval '{GRACE} s' FOR UPDATE SKIP LOCKED) RETURNING id) "
            f"SELECT pg_notify('{self._address.schema}', 'over'), id FROM over"
        )
        mine = [int(one[0]) for one in found if len(one) == 1]
        return (mine[0], began + LEASE - GRACE) if mine else None


def _since(run: Callable[[str], list[list[Any]]], known: int, before: str = "") -> tuple[Commit | None, int | None]:
    """What was committed since a version, and the version that all have seen; the whole where too much was missed."""
    try:
        return read(run(before + FETCH.format(known=known)), known)
    except Missed:
        return read(run(FETCH.format(known=-1)), -1)
