"""Edge: a domain on disk, in SQLite. What was committed survives kill -9 and power loss; reads never come here.

A row a directory: its place among its siblings stands with it, so that a new child writes two small rows however many
siblings it has. SQLite does not notice a page that went bad and still reads as one; a seal, the sum of the checksums of
all rows, written with every commit, does. One server at a time holds a store (a lock file beside it); others may read
it meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
from contextlib import closing, suppress
from zlib import crc32

from portlore.errors import DataError, HostError, PortloreError
from portlore.netinfo import history_table
from portlore.netinfo.domain import Directory, Domain
from portlore.netinfo.history import KEPT
from portlore.netinfo.values import ROOT
from portlore.netinfo.whereabouts import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

    from portlore.netinfo.history import Change

FORM = 3  # of the tables, in user_version; form 2 had no history; form 1, never published, no seal
MAGIC = 0x4E49_4442  # application_id: NIDB
SCHEMA = f"""
BEGIN;
CREATE TABLE directories (
    id INTEGER PRIMARY KEY, instance INTEGER NOT NULL, parent INTEGER NOT NULL, place REAL NOT NULL,
    version INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
{history_table.TABLE}PRAGMA application_id = {MAGIC};
PRAGMA user_version = {FORM};
COMMIT;
"""
UPSERT = "INSERT OR REPLACE INTO directories (id, instance, parent, place, version, data) VALUES (?, ?, ?, ?, ?, ?)"
Row = tuple[int, int, int, float, int, bytes]
PLAIN = struct.Struct(">QQQdQ")  # a row without its data, as it is sealed
CLONE = "clone"  # a fact: 1 in the store of a clone
ALLOW = "let this user read and write it and its folder"
REMEDIES = {  # what SQLite says of this machine rather than of the file (the low byte of its result codes)
    sqlite3.SQLITE_PERM: ALLOW,
    sqlite3.SQLITE_BUSY: "end the program that holds it",
    sqlite3.SQLITE_READONLY: ALLOW,
    sqlite3.SQLITE_IOERR: "make room there, or look after the disk",
    sqlite3.SQLITE_FULL: "make room there",
    sqlite3.SQLITE_CANTOPEN: ALLOW,
}


class Batch:
    """What one commit writes: rows, ids that are gone; checksum, count of writes and seal afterwards; its history."""

    __slots__ = ("changes", "checksum", "gone", "rows", "seal", "version")

    def __init__(
        self,
        rows: list[Row],
        gone: list[int],
        checksum: int,
        version: int,
        seal: int,
        changes: Sequence[Change] = (),
    ) -> None:
        self.rows, self.gone, self.checksum, self.version, self.seal = rows, gone, checksum, version, seal
        self.changes = changes


class Store:
    """A store's file. ``exclusive``: for the one server that writes it.

    :class:`HostError` when another server holds it or it cannot be reached, :class:`DataError` when it is no store, or
    a damaged one.
    """

    def __init__(self, path: str, *, create: bool = False, exclusive: bool = True) -> None:
        self.path, self._whole_path = path, os.path.abspath(path)  # noqa: PTH100
        self._lock = -1
        self._seals: dict[int, int] = {}  # the checksum of every row that is stored, and their sum
        self._seal = 0
        self._checksum: int | None = None
        self._kept = KEPT
        self.is_clone = False  # what is stored is a clone's; known after load
        asked = f"opening the domain {path}"
        _check_kind(path, asked, create)
        try:
            if create:
                _make_private(path)
            self._base = base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            form = base.execute("PRAGMA user_version").fetchone()[0]
            kind = base.execute("PRAGMA application_id").fetchone()[0]
            is_empty = not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            is_new = create and is_empty and kind == 0 and form == 0
            is_old = kind == MAGIC and form == history_table.OLD_FORM
            if not is_new and not is_old and (kind != MAGIC or form != FORM):
                found = f"it has form {form}, not {FORM}" if kind == MAGIC else "it is another program's database"
                raise DataError(asked, "it is empty" if is_empty else found, "name a domain that portlore has made")
            if exclusive:  # only now: no lock file is left beside what is not ours
                self._lock = _locked(path, asked)
            if is_new:
                base.executescript(SCHEMA)
            elif is_old and exclusive:  # who only looks leaves it as it is
                base.executescript(f"BEGIN IMMEDIATE; {history_table.TABLE} PRAGMA user_version = {FORM}; COMMIT;")
            self._file = _identity(self._whole_path)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = FULL")
        except PortloreError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise HostError(asked, error.strerror or str(error), "choose another place") from None
        except (sqlite3.Error, UnicodeDecodeError) as error:  # sqlite's own words quote what it found
            self.close()
            raise _told(asked, "not a store", error) from None

    def close(self) -> None:
        """Give it back."""
        if hasattr(self, "_base"):
            self._base.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self) -> Domain:
        """The whole domain, in memory: exactly what was committed last, or :class:`DataError`."""
        asked = f"reading the domain {self.path}"
        try:
            rows, facts = self._read()
            seals = {row[0]: _row_checksum(row) for row in rows}
            seal, checksum, version = sum(seals.values()), facts.get("checksum", 0), facts.get("version", 0)
            is_whole = facts.get("seal") == seal + checksum + version
        except (sqlite3.Error, UnicodeDecodeError, TypeError, struct.error) as error:
            raise _told(asked, "the store is damaged", error) from None
        if not rows and facts.keys() <= {CLONE}:
            raise DataError(asked, "nothing is in it: making it was broken off", "import it again")
        if not is_whole:
            raise DataError(asked, "the store is damaged: it is not what was written", "restore it from a backup")
        found = {row[0]: Directory(row[0], row[1], row[2], row[5], [], row[4]) for row in rows}
        for row in rows:
            if row[0] != ROOT and row[2] in found:
                found[row[2]].children.append(row[0])
        self._seals, self._seal, self._checksum = seals, seal, checksum
        self.is_clone = bool(facts.get(CLONE))
        domain = Domain(found.values())
        for row in rows:
            found[row[0]].place = row[3]
        domain.version = max(domain.version, version)
        return domain

    def _read(self) -> tuple[list[Row], dict[str, int]]:
        """Rows and facts of one moment, also while a server writes."""
        base = self._base
        base.execute("BEGIN")
        try:
            rows = base.execute(
                "SELECT id, instance, parent, place, version, data FROM directories ORDER BY parent, place"
            ).fetchall()
            return rows, dict(base.execute("SELECT name, value FROM facts").fetchall())
        finally:
            base.execute("ROLLBACK")

    def batch(self, domain: Domain, changes: Sequence[Change] = ()) -> Batch:
        """What the domain has written since the last batch, as it is now; its ``changes`` as they are told."""
        rows: list[Row] = []
        gone = []
        for number, one in domain.take().items():
            if one is None:
                gone.append(number)
            else:
                rows.append(_row(one))
        return self._sealed(rows, gone, domain, changes)

    def _sealed(self, rows: list[Row], gone: list[int], domain: Domain, changes: Sequence[Change]) -> Batch:
        """A batch with the seal of all rows as they are after it."""
        for number in gone:
            self._seal -= self._seals.pop(number, 0)
        for row in rows:
            checksum = _row_checksum(row)
            self._seal += checksum - self._seals.get(row[0], 0)
            self._seals[row[0]] = checksum
        return Batch(rows, gone, domain.checksum, domain.version, self._seal, changes)

    def commit(self, batch: Batch) -> None:
        """Write a batch, durably; :class:`HostError` when the disk does not take it: then nothing of it is there."""
        base, asked = self._base, f"writing the domain {self.path}"
        if _identity(self._whole_path) != self._file:  # who moves or restores it while it is served would lose all this
            raise HostError(asked, "the file is gone, or another one is in its place", "start the server again")
        try:
            base.execute("BEGIN IMMEDIATE")
            base.executemany("DELETE FROM directories WHERE id = ?", [(number,) for number in batch.gone])
            base.executemany(UPSERT, batch.rows)
            sealed = batch.seal + batch.checksum + batch.version
            facts = (("checksum", batch.checksum), ("version", batch.version), ("seal", sealed))
            base.executemany("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", facts)
            if batch.changes:
                history_table.add(base, batch.changes, self._kept)
            base.execute("COMMIT")
        except sqlite3.Error as error:
            if base.in_transaction:
                base.execute("ROLLBACK")
            found = f"the disk does not take it: {error}"
            raise HostError(asked, found, "make room, then start the server again") from None
        self._checksum = batch.checksum

    def write_all(self, domain: Domain, changes: Sequence[Change] = ()) -> None:
        """Replace all that is stored by a domain, but for its history."""
        domain.take()
        rows = list(map(_row, domain.directories.values()))
        try:
            gone = [row[0] for row in self._base.execute("SELECT id FROM directories").fetchall()]
        except sqlite3.Error as error:
            raise _told(f"writing the domain {self.path}", "the store is damaged", error) from None
        self._seals, self._seal = {}, 0
        self.commit(self._sealed(rows, gone, domain, changes))

    def mark_clone(self) -> None:
        """Have it known that this is a clone's: its server takes writes from the domain's master alone."""
        try:
            self._base.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, 1)", (CLONE,))
        except sqlite3.Error as error:
            raise _told(f"writing the domain {self.path}", "the store is damaged", error) from None
        self.is_clone = True

    def history(self, after: int = 0, *, newest_first: bool = False) -> Iterator[Change]:
        """The changes that are recorded with a number larger than one, also while a server writes more."""
        try:
            yield from history_table.read(self._base, after, newest_first=newest_first)
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise _told(f"reading the history of {self.path}", "the store is damaged", error) from None

    def newest_change(self) -> int:
        """The number of the last change that was recorded; 0 without any."""
        try:
            return history_table.newest(self._base)
        except sqlite3.Error as error:
            raise _told(f"reading the history of {self.path}", "the store is damaged", error) from None

    def keep(self, changes: int) -> None:
        """Have no more than so many changes in the history from now on; what is beyond goes at once."""
        self._kept = changes
        try:
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                history_table.trim(self._base, changes)
        except sqlite3.Error as error:
            raise _told(f"writing the domain {self.path}", "the store is damaged", error) from None

    def tell(self, where: str) -> None:
        """Have it known to others that it is served, and where: ``HOST:PORT/TAG``."""
        tell(self._lock, where)

    def stored_checksum(self) -> int | None:
        """The checksum that stood beside what was loaded or committed last; ``None`` before either."""
        return self._checksum

    def backup(self, path: str) -> None:
        """A copy of the store as it is, also while a server writes it; what stood at ``path`` stays unless it is whole.

        :class:`HostError` when a server holds that, this store itself included; :class:`DataError` for a damaged store.
        """
        asked, part = f"copying {self.path} to {path}", f"{path}.part"
        held = _locked(path, asked) if os.path.exists(f"{os.path.realpath(path)}.lock") else -1  # noqa: PTH110
        try:
            if os.path.exists(path) and os.path.samefile(path, self.path):  # noqa: PTH110, PTH121
                raise HostError(asked, "they are one file", "name another one")
            _remove(part)
            _make_private(part)
            with closing(sqlite3.connect(part)) as copy:
                self._base.backup(copy)
            with Store(part, exclusive=False) as copied:
                copied.load()
            _remove(f"{path}-wal", f"{path}-shm")  # what a crash left of the old one would be played onto the new one
            os.replace(part, path)  # noqa: PTH105
        except DataError as error:
            _remove(part)
            raise DataError(asked, error.found, error.do) from None
        except (sqlite3.Error, OSError) as error:
            _remove(part)
            raise HostError(asked, str(error), "make room there") from None
        finally:
            if held >= 0:
                os.close(held)


def _check_kind(path: str, asked: str, create: bool) -> None:
    """Raise HostError unless there is a file, or, where it may be made, nothing."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            raise HostError(asked, "it is no file", "name a file")
    except FileNotFoundError:
        if not create:
            do = "make one with `portlore netinfo init` or `import`"
            raise HostError(asked, "there is no such file", do) from None
    except OSError as error:
        raise HostError(asked, error.strerror or str(error), ALLOW) from None


def _make_private(path: str) -> None:
    """Have a file that is its owner's alone: password hashes are in it."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _row(one: Directory) -> Row:
    return one.id, one.instance, one.parent, one.place, one.version, one.data


def _locked(path: str, asked: str) -> int:
    """The descriptor that holds a store's lock, whatever name the store goes by; -1 where the system has no locks."""
    try:
        import fcntl
    except ImportError:
        return -1
    lock = -1
    try:
        lock = os.open(f"{os.path.realpath(path)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if lock >= 0:
            os.close(lock)
        if isinstance(error, BlockingIOError):
            raise HostError(asked, "another server holds it", "stop that one, or name another domain") from None
        raise HostError(asked, error.strerror or str(error), "make its folder writable") from None
    return lock


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from one that takes its name; ``None`` without a file."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove(*paths: str) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


def _row_checksum(row: Row) -> int:
    return crc32(row[5], crc32(PLAIN.pack(*row[:5])))


def _told(asked: str, found: str, error: Exception) -> PortloreError:
    """What SQLite or a row of a strange form says, as our own error: whether the machine or the store is at fault."""
    remedy = REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if remedy is not None:
        return HostError(asked, str(error), remedy)
    words = " ".join(str(error).split())[:200]  # it may quote a whole table
    return DataError(asked, f"{found}: {words}", "restore it from a backup")


def faults(domain: Domain) -> Iterable[str]:
    """What is wrong with a domain: links that lead nowhere, directories that nobody reaches; each as a sentence."""
    if ROOT not in domain.directories:
        yield "there is no root directory"
        return
    reached = {one.id for one in domain.depth_first()}
    for one in domain.directories.values():
        if one.id not in reached:
            yield f"directory {one.id} is not reached from the root"
        if one.id != ROOT and one.parent not in domain.directories:
            yield f"directory {one.id} has the parent {one.parent}, which is not there"
        try:
            one.properties  # noqa: B018
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is the answer
            yield f"the properties of directory {one.id} cannot be read: {error}"
