"""Edge: the history of a domain in its SQLite store: a table beside the directories, written in the same transaction.

The newest are kept, so many rows and so many bytes of properties; what goes beyond takes the oldest away.
"""

from __future__ import annotations

from portlore.netinfo.history import COLUMNS, MOST_BYTES, from_row, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from portlore.netinfo.history import Change

OLD_FORM = 2  # of a store, without this table
TABLE = """CREATE TABLE history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, procedure INTEGER NOT NULL,
    user BLOB NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL, directory INTEGER NOT NULL,
    parent INTEGER NOT NULL, place INTEGER NOT NULL, path BLOB NOT NULL, before BLOB, after BLOB,
    directories INTEGER NOT NULL, is_cut INTEGER NOT NULL
) STRICT;
"""
BYTES = "history_bytes"  # a fact: the bytes of all properties in the table
SIZE = "coalesce(length(before), 0) + coalesce(length(after), 0)"
INSERT = f"INSERT INTO history ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names
SELECT = f"SELECT number, {', '.join(COLUMNS)} FROM history"  # noqa: S608 - likewise
SIZES = f"SELECT number, {SIZE} FROM history ORDER BY number"  # noqa: S608 - likewise
DELETE = f"DELETE FROM history WHERE number <= ? RETURNING {SIZE}"  # noqa: S608 - likewise
COUNT = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
AT_ONCE = 256  # rows


def add(base: sqlite3.Connection, changes: Sequence[Change], kept: int) -> None:
    """Add changes to the table within a transaction, and take the oldest away."""
    if changes and kept:
        base.executemany(INSERT, map(row, changes))
        many = sum(len(one.before or b"") + len(one.after or b"") for one in changes)
        base.execute(COUNT, (BYTES, many))
    if changes or not kept:
        trim(base, kept)


def trim(base: sqlite3.Connection, kept: int) -> None:
    """Take away all but the newest, within a transaction."""
    newest = base.execute("SELECT max(number) FROM history").fetchone()[0] or 0
    _take_away(base, newest - kept)
    held = base.execute("SELECT value FROM facts WHERE name = ?", (BYTES,)).fetchone()
    over = (held[0] if held else 0) - MOST_BYTES
    last = 0
    if over > 0:
        for number, size in base.execute(SIZES):
            over, last = over - size, number
            if over <= 0:
                break
        _take_away(base, last)


def _take_away(base: sqlite3.Connection, last: int) -> None:
    """Delete up to a number, that one included."""
    if last > 0:
        gone = base.execute(DELETE, (last,)).fetchall()
        if gone:
            base.execute(COUNT, (BYTES, -sum(size for (size,) in gone)))


def read(base: sqlite3.Connection, after: int, *, newest_first: bool) -> Iterator[Change]:
    """The changes with a larger number, a few rows at a time: whoever reads slowly keeps no transaction open."""
    if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'history'").fetchone():
        return  # a store of an older form that nobody has served since
    order, edge = ("DESC", "number < ?") if newest_first else ("ASC", "number > ?")
    at = (1 << 63) - 1 if newest_first else after
    while True:
        found = base.execute(
            f"{SELECT} WHERE {edge} AND number > ? ORDER BY number {order} LIMIT {AT_ONCE}", (at, after)
        ).fetchall()
        for number, *values in found:
            yield from_row(number, values)
        if len(found) < AT_ONCE:
            return
        at = found[-1][0]


def newest(base: sqlite3.Connection) -> int:
    """The number of the last change that was ever recorded; 0 without any."""
    if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        return 0
    found = base.execute("SELECT seq FROM sqlite_sequence WHERE name = 'history'").fetchone()
    return int(found[0]) if found else 0
