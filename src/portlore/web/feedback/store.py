"""Edge: votes in a database through SQLAlchemy: SQLite by default, PostgreSQL by its address.

One vote a visitor a page, changeable. Every call is one transaction; a database that is away is a :class:`HostError`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    SmallInteger,
    String,
    Table,
    case,
    create_engine,
    desc,
    event,
    func,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from portlore.errors import HostError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import URL, Engine

FACES = {"sad": 0, "unsure": 1, "happy": 2}
PATIENCE = 2  # seconds to wait for a lock, or for one answer of a server: a vote asks twice, and is shown a page then
FILE = "feedback.db"  # in the user's data directory, where no other is named
metadata = MetaData()
votes = Table(
    "votes",
    metadata,
    Column("page", String(200), primary_key=True),
    Column("visitor", String(64), primary_key=True),
    Column("language", String(2), nullable=False),
    Column("face", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),  # seconds since 1970 of the latest vote
)
facts = Table(
    "facts", metadata, Column("name", String(32), primary_key=True), Column("value", String(128), nullable=False)
)


class Tally(Value):
    """What readers of one page said. ``score``: from -1 (all sad) to 1 (all happy)."""

    page: str
    language: str
    sad: int
    unsure: int
    happy: int
    score: float
    latest: int


class Votes:
    """The votes at a database address such as ``sqlite:////var/lib/portlore/feedback.db`` or ``postgresql://…``.

    ``make``: with its tables, where it has none yet; else a file that is not there is a :class:`HostError`.
    """

    def __init__(self, address: str, *, make: bool = True) -> None:
        self._asked = "the feedback database"
        try:
            url = _parsed(address)
            self._asked += f" {url.host}/{url.database}" if url.host else f" {url.database}"  # never a password
            if not make and url.drivername == "sqlite" and not Path(url.database or "").exists():
                raise self._failure(FileNotFoundError("there is no such file"))
            self._engine = _engine(url)
            if make:
                self._make()
        except (SQLAlchemyError, ImportError, ValueError, OSError) as error:
            raise self._failure(error) from None

    def _make(self) -> None:
        try:
            metadata.create_all(self._engine)
        except SQLAlchemyError:  # perhaps another server was first
            metadata.create_all(self._engine)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def secret(self) -> bytes:
        """What visitors' names are signed with: made once, kept with the votes, the same for every server on them."""
        try:
            with self._engine.begin() as line:
                found = line.execute(select(facts.c.value).where(facts.c.name == "secret")).scalar()
                if found is None:
                    found = secrets.token_hex(32)
                    line.execute(insert(facts).values(name="secret", value=found))
            return bytes.fromhex(found)
        except IntegrityError:  # another server was first
            return self.secret()
        except (SQLAlchemyError, OSError, ValueError) as error:
            raise self._failure(error) from None

    def vote(self, page: str, language: str, visitor: str, face: int, at: int) -> str:
        """Keep a vote: ``new``, ``changed`` or ``same``; durable when it returns."""
        where = (votes.c.page == page) & (votes.c.visitor == visitor)
        values = {"language": language, "face": face, "at": at}
        try:
            with self._engine.begin() as line:
                before = line.execute(select(votes.c.face).where(where)).scalar()
                if before is None:
                    line.execute(insert(votes).values(page=page, visitor=visitor, **values))
                    return "new"
                line.execute(update(votes).where(where).values(**values))
                return "same" if before == face else "changed"
        except IntegrityError:  # the same visitor's other window was first
            return self.vote(page, language, visitor, face, at)
        except (SQLAlchemyError, OSError) as error:
            raise self._failure(error) from None

    def report(self, limit: int = 50, at_least: int = 1) -> list[Tally]:
        """The pages that fail their readers, worst first: by the share of unhappy votes, then by their number."""

        def number(face: int) -> Any:
            return func.sum(case((votes.c.face == face, 1), else_=0))

        score = func.avg(votes.c.face) - 1.0
        rows = (
            select(votes.c.page, votes.c.language, number(0), number(1), number(2), score, func.max(votes.c.at))
            .group_by(votes.c.page, votes.c.language)
            .having(func.count() >= at_least)
            .order_by(score, desc(func.count()), votes.c.page, votes.c.language)
            .limit(limit)
        )
        try:
            with self._engine.connect() as line:
                found = line.execute(rows).all()
        except (SQLAlchemyError, OSError) as error:
            raise self._failure(error) from None
        return [Tally(p, on, int(a), int(b), int(c), round(float(s), 3), int(t)) for p, on, a, b, c, s, t in found]

    def _failure(self, error: Exception) -> HostError:
        return HostError(
            self._asked, _told(error), "see that it runs and may be written, or name another with --feedback"
        )


def _told(error: Exception) -> str:
    """What a database says of its fault, in one line; of an address that is none, nothing of it."""
    if isinstance(error, ArgumentError):
        return "its address is none of SQLite or PostgreSQL"
    original = getattr(error, "orig", None) or error
    fields = original.args[0] if original.args else ""
    text = str(fields.get("M", fields) if isinstance(fields, dict) else original)  # PostgreSQL's fields, by letter
    return text.splitlines()[0][:200] if text else type(original).__name__


def _parsed(address: str) -> URL:
    url = make_url(address)
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+pg8000")
    return url


def _engine(url: URL) -> Engine:
    if not url.drivername.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_timeout=PATIENCE, connect_args={"timeout": PATIENCE})
    # A connection a vote: one that is kept would go on writing to a file that has been moved away.
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": PATIENCE})

    @event.listens_for(engine, "connect")
    def durable(connection: Any, record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    return engine
