"""Edge: a domain on disk, in SQLite. What was committed survives kill -9 and power loss; reads never come here.

A row a directory: its place among its siblings stands with it, so that a new child writes two small rows however many
siblings it has. One server at a time holds a store (a lock file beside it); others may read it meanwhile.
"""

from __future__ import annotations

import os
import sqlite3

from portlore.errors import DataError, HostError
from portlore.netinfo.domain import Directory, Domain
from portlore.netinfo.values import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

FORM = 1  # of the tables, in user_version
MAGIC = 0x4E49_4442  # application_id: NIDB
SCHEMA = """
CREATE TABLE directories (
    id INTEGER PRIMARY KEY, instance INTEGER NOT NULL, parent INTEGER NOT NULL, place REAL NOT NULL,
    version INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
UPSERT = "INSERT OR REPLACE INTO directories (id, instance, parent, place, version, data) VALUES (?, ?, ?, ?, ?, ?)"
Row = tuple[int, int, int, float, int, bytes]


class Batch:
    """What one commit writes: rows, ids that are gone, checksum and count of writes afterwards."""

    __slots__ = ("checksum", "gone", "rows", "version")

    def __init__(self, rows: list[Row], gone: list[int], checksum: int, version: int) -> None:
        self.rows, self.gone, self.checksum, self.version = rows, gone, checksum, version


class Store:
    """A store's file. ``exclusive``: for the one server that writes it.

    :class:`HostError` when another server holds it or it cannot be reached, :class:`DataError` when it is no store.
    """

    def __init__(self, path: str, *, create: bool = False, exclusive: bool = True) -> None:
        self.path = path
        self._lock = -1
        self._places: dict[int, float] = {}
        asked = f"opening the domain {path}"
        if not create and not os.path.isfile(path):  # noqa: PTH113
            raise HostError(asked, "there is no such file", "make one with `portlore netinfo init` or `import`")
        if exclusive:
            self._take_lock(asked)
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            form = self._base.execute("PRAGMA user_version").fetchone()[0]
            kind = self._base.execute("PRAGMA application_id").fetchone()[0]
            tables = self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if kind == 0 and form == 0 and create and not tables:
                self._base.executescript(SCHEMA)
                self._base.execute(f"PRAGMA application_id = {MAGIC}")
                self._base.execute(f"PRAGMA user_version = {FORM}")
                kind, form = MAGIC, FORM
            if kind != MAGIC or form != FORM:
                self.close()
                found = "it is another program's database" if kind != MAGIC else f"it has form {form}, not {FORM}"
                raise DataError(asked, found, "name a domain that portlore has made")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite's own words quote what it found
            self.close()
            raise DataError(asked, f"not a store: {error}", "restore it from a backup") from None

    def _take_lock(self, asked: str) -> None:
        try:
            import fcntl

            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return
        except BlockingIOError:
            raise HostError(asked, "another server holds it", "stop that one, or name another domain") from None
        except OSError as error:
            raise HostError(asked, error.strerror or str(error), "make its folder writable") from None

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
        """The whole domain, in memory."""
        asked = f"reading the domain {self.path}"
        try:
            rows = self._base.execute(
                "SELECT id, instance, parent, version, data, place FROM directories ORDER BY parent, place"
            ).fetchall()
            facts = dict(self._base.execute("SELECT name, value FROM facts").fetchall())
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise DataError(asked, f"the store is damaged: {error}", "restore it from a backup") from None
        found = {row[0]: Directory(row[0], row[1], row[2], row[4], [], row[3]) for row in rows}
        for row in rows:
            if row[0] != ROOT and row[2] in found:
                found[row[2]].children.append(row[0])
        self._places = {row[0]: row[5] for row in rows}
        domain = Domain(found.values())
        domain.version = max(domain.version, facts.get("version", 0))
        return domain

    def batch(self, domain: Domain) -> Batch:
        """What the domain has written since the last batch, as it is now."""
        touched, destroyed = domain.take()
        for number in destroyed:
            self._places.pop(number, None)
        rows: list[Row] = []
        gone = []
        for number, one in touched.items():
            if one is None:
                gone.append(number)
                continue
            place = self._places.get(number)
            if place is None:
                self._settle(domain, one, rows)
                place = self._places[number]
            rows.append((number, one.instance, one.parent, place, one.version, one.data))
        return Batch(rows, gone, domain.checksum, domain.version)

    def _settle(self, domain: Domain, one: Directory, rows: list[Row]) -> None:
        """Give a new directory a place between its siblings; where there is no room left, all of them anew."""
        parent = domain.directories.get(one.parent)
        siblings = parent.children if parent is not None and one.id != ROOT else [one.id]
        at = len(siblings) - 1 if siblings[-1] == one.id else siblings.index(one.id)
        before = after = None
        left, right = at - 1, at + 1
        while left >= 0 and (before := self._places.get(siblings[left])) is None:  # new ones of this batch, perhaps
            left -= 1
        while right < len(siblings) and (after := self._places.get(siblings[right])) is None:
            right += 1
        if before is None:
            place = 0.0 if after is None else after - 1.0
        elif after is None:
            place = before + 1.0
        else:
            place = (before + after) / 2
            if not before < place < after:
                for number, sibling in enumerate(siblings):
                    self._places[sibling] = float(number)
                    child = domain.directories[sibling]
                    rows.append((sibling, child.instance, child.parent, float(number), child.version, child.data))
                return
        self._places[one.id] = place

    def commit(self, batch: Batch) -> None:
        """Write a batch, durably; :class:`HostError` when the disk does not take it: then nothing of it is there."""
        base = self._base
        try:
            base.execute("BEGIN IMMEDIATE")
            base.executemany("DELETE FROM directories WHERE id = ?", [(number,) for number in batch.gone])
            base.executemany(UPSERT, batch.rows)
            facts = (("checksum", batch.checksum), ("version", batch.version))
            base.executemany("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", facts)
            base.execute("COMMIT")
        except sqlite3.Error as error:
            if base.in_transaction:
                base.execute("ROLLBACK")
            found = f"the disk does not take it: {error}"
            raise HostError(
                f"writing the domain {self.path}", found, "make room, then start the server again"
            ) from None

    def write_all(self, domain: Domain) -> None:
        """Replace all that is stored by a domain."""
        domain.take()
        self._places = {ROOT: 0.0}
        for one in domain.directories.values():
            self._places.update({child: float(place) for place, child in enumerate(one.children)})
        rows = [
            (one.id, one.instance, one.parent, self._places.get(one.id, 0.0), one.version, one.data)
            for one in domain.directories.values()
        ]
        gone = [row[0] for row in self._base.execute("SELECT id FROM directories").fetchall()]
        self.commit(Batch(rows, gone, domain.checksum, domain.version))

    def stored_checksum(self) -> int | None:
        """The checksum of the last commit."""
        row = self._base.execute("SELECT value FROM facts WHERE name = 'checksum'").fetchone()
        return None if row is None else int(row[0])

    def backup(self, path: str) -> None:
        """A copy of the store as it is, also while a server writes it; the copy is whole or not there."""
        part = f"{path}.part"
        try:
            with sqlite3.connect(part) as copy:
                self._base.backup(copy)
            copy.close()
            os.replace(part, path)  # noqa: PTH105
        except (sqlite3.Error, OSError) as error:
            raise HostError(f"copying {self.path} to {path}", str(error), "make room there") from None


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
