"""What is said to a PostgreSQL that holds a domain, and what its answers mean: SQL. Pure.

Statements carry their values as literals, which are ours: numbers, bytes as hexadecimal, text with its quotes doubled.
So that many of them, a whole commit, are one message and one answer.
"""

from __future__ import annotations

from portlore.netinfo.history import COLUMNS, row
from portlore.netinfo.lockstep import Commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from portlore.netinfo.history import Change

FORM = 1  # of the tables
LEASE = 3.0  # seconds that a server counts as living after it was heard of
GRACE = 0.3  # seconds more, after which others take its row away
KEPT_COMMITS = 10_000  # what a server missed beyond, it reads anew as a whole
AT_ONCE = 500  # rows of one statement
TABLES = """
CREATE TABLE domain (one boolean PRIMARY KEY DEFAULT true CHECK (one), form int NOT NULL, version bigint NOT NULL,
    oldest bigint NOT NULL, checksum bigint NOT NULL, writes bigint NOT NULL);
CREATE TABLE directories (id bigint PRIMARY KEY, instance bigint NOT NULL, parent bigint NOT NULL,
    place double precision NOT NULL, version bigint NOT NULL, data bytea NOT NULL, changed bigint NOT NULL);
CREATE INDEX directories_changed ON directories (changed);
CREATE TABLE gone (version bigint NOT NULL, id bigint NOT NULL, PRIMARY KEY (version, id));
CREATE TABLE commits (version bigint PRIMARY KEY, origin text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE servers (id text PRIMARY KEY, place text NOT NULL, seen bigint NOT NULL, until timestamptz NOT NULL);
CREATE TABLE history (number bigserial PRIMARY KEY, at double precision NOT NULL, kind text NOT NULL,
    procedure int NOT NULL, "user" bytea NOT NULL, address text NOT NULL, port int NOT NULL,
    directory bigint NOT NULL, parent bigint NOT NULL, place bigint NOT NULL, path bytea NOT NULL, before bytea,
    after bytea, directories bigint NOT NULL, is_cut int NOT NULL);
"""
FETCH = """SELECT 0, version, oldest, checksum, 0::float8, writes, ''::bytea FROM domain
UNION ALL SELECT 1, id, instance, parent, place, version, data FROM directories WHERE changed > {known}
UNION ALL SELECT 2, id, 0, 0, 0, 0, '' FROM gone WHERE version > {known}
UNION ALL SELECT 3, min(seen), 0, 0, 0, 0, '' FROM servers ORDER BY 1, 4, 5;"""
LOCK = "BEGIN; SET LOCAL lock_timeout = '5s'; SELECT form FROM domain FOR UPDATE;"
FLOOR = "SELECT coalesce((SELECT min(seen) FROM servers), (SELECT version FROM domain));"
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)


class Missed(Exception):
    """More was missed than is kept: all has to be read anew."""


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def blob(data: bytes) -> str:
    """Bytes in SQL."""
    return f"'\\x{data.hex()}'::bytea"


def until() -> str:
    """The end of a lease that begins now."""
    return f"clock_timestamp() + interval '{LEASE} s'"


def read(found: list[list[Any]], known: int) -> tuple[Commit | None, int | None]:
    """What FETCH found: a commit, if there is anything newer, and the version that everybody has seen."""
    many = [one for one in found if len(one) == 7]
    _, version, oldest, checksum, _, writes, _ = next(one for one in many if one[0] == 0)
    floor = next((one[1] for one in many if one[0] == 3), None)
    if version <= known and known >= 0:
        return None, floor
    if 0 <= known < oldest:
        raise Missed
    rows = tuple((one[1], one[2], one[3], one[4], one[5], bytes(one[6])) for one in many if one[0] == 1)
    gone = tuple(one[1] for one in many if one[0] == 2)
    return Commit(version, rows, gone if known >= 0 else (), checksum, writes, known < 0), floor


def both(first: Commit | None, then: Commit | None) -> Commit | None:
    """Two commits, one after the other, as one."""
    if first is None or then is None:
        return first or then
    rows = {row[0]: row for row in first.rows}
    for number in then.gone:
        rows.pop(number, None)
    rows.update((row[0], row) for row in then.rows)
    many = tuple(sorted(rows.values(), key=lambda row: (row[2], row[3])))
    return Commit(then.version, many, (*first.gone, *then.gone), then.checksum, then.writes, first.whole)


def rows_of(commit: Commit) -> Iterator[str]:
    """The statements that write a commit's directories."""
    ids = list(commit.gone)
    if ids:
        yield f"DELETE FROM directories WHERE id IN ({', '.join(map(str, ids))})"
        values = ", ".join(f"({commit.version}, {number})" for number in ids)
        yield f"INSERT INTO gone (version, id) VALUES {values} ON CONFLICT DO NOTHING"
    for at in range(0, len(commit.rows), AT_ONCE):
        values = ", ".join(
            f"({one[0]}, {one[1]}, {one[2]}, {one[3]!r}, {one[4]}, {blob(one[5])}, {commit.version})"
            for one in commit.rows[at : at + AT_ONCE]
        )
        yield (
            f"INSERT INTO directories (id, instance, parent, place, version, data, changed) VALUES {values} "
            "ON CONFLICT (id) DO UPDATE SET instance = excluded.instance, parent = excluded.parent, "
            "place = excluded.place, version = excluded.version, data = excluded.data, changed = excluded.changed"
        )


def literal(value: object) -> str:
    """A value of ours in SQL: text, a number, bytes, None."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return blob(value)
    if isinstance(value, str):
        return "'" + value.replace("\0", "").replace("'", "''") + "'"
    return repr(value)


def changes_of(changes: Sequence[Change], kept: int) -> Iterator[str]:
    """The statements that write a commit's history, and keep so many of all."""
    if not changes or not kept:
        return
    rows = ", ".join(f"({', '.join(map(literal, row(one)))})" for one in changes)
    yield f"INSERT INTO history ({NAMES}) VALUES {rows}"
    yield f"DELETE FROM history WHERE number <= (SELECT max(number) FROM history) - {kept}"


def commit_of(commit: Commit, changes: Sequence[Change], kept: int, server: str, origin: str, channel: str) -> str:
    """The statements of a whole commit, within the transaction that has the lock; they end it."""
    parts = [*rows_of(commit), *changes_of(changes, kept)]
    parts.append(f"INSERT INTO commits (version, origin) VALUES ({commit.version}, {literal(origin)})")
    oldest = ""
    if commit.version % 1000 == 0:
        old = commit.version - KEPT_COMMITS
        oldest = f", oldest = greatest(oldest, {old})"
        parts += [f"DELETE FROM {table} WHERE version <= {old}" for table in ("gone", "commits")]
    parts.append(
        f"UPDATE domain SET version = {commit.version}, checksum = {commit.checksum}, writes = {commit.writes}{oldest}"
    )
    parts.append(f"UPDATE servers SET seen = {commit.version} WHERE id = {literal(server)}")
    parts.append(f"NOTIFY {quoted(channel)}")
    return ";\n".join(parts) + f";\nCOMMIT; {FLOOR}"
