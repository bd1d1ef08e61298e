"""What every command that answers begins with: the book, this machine's lists, the nearest ``portlore.toml``."""

from __future__ import annotations

from portlore.opening import load
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from portlore.book import Book, Located


def open_book(as_of: str | None = None) -> Book:
    """The book, joined with the labels of the nearest ``portlore.toml``."""
    return load(as_of=as_of).joined(own=read_own())


def with_lists(book: Book, wanted: Collection[int], more: Collection[Located] = ()) -> Book:
    """The same book, joined with what this machine's lists say of the ``wanted`` ports, of none when it is empty.

    ``more``: lines of another list, which are joined whole.
    """
    if not wanted:
        return book
    from portlore.local import read_local

    return book.joined([*read_local(wanted), *more], book.own)
