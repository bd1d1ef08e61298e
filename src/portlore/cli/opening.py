"""What every command that answers begins with: the book, this machine's lists, the nearest ``portlore.toml``."""

from __future__ import annotations

from portlore.opening import load
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from portlore.book import Book


def open_book(as_of: str | None = None, wanted: Collection[int] = ()) -> Book:
    """The book, joined with what this machine says of the ``wanted`` ports (of none when it is empty)."""
    book = load(as_of=as_of)
    own = read_own()
    if not wanted:
        return book.joined(own=own)
    from portlore.local import read_local

    return book.joined(read_local(wanted), own)
