"""Edge: where Portlore's data lies on this machine, and opening it. Decides nothing about ports."""

from __future__ import annotations

import os
import sys

from portlore.book import Book
from portlore.errors import DataError, HostError
from portlore.lore.store import Lore
from portlore.packed import check_whole, unpack
from portlore.registry.registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from portlore.lore.program_store import Programs

PACKAGE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs a look-up 10 ms
BUILT = os.path.join(PACKAGE, "built")  # noqa: PTH118
FORCED = "forced "  # how the origin of a registry begins that is used although it is older
REGISTRY, CLAIMS, PROGRAMS = "registry.plb", "claims.plb", "programs.plb"

_books: dict[str | None, Book] = {}
_programs: list[Programs] = []


def user_directory() -> str:
    """Where ``update`` keeps a newer registry: ``PORTLORE_DATA``, else the platform's place for a user's data."""
    environment = os.environ
    if named := environment.get("PORTLORE_DATA"):
        return named
    home = os.path.expanduser("~")  # noqa: PTH111
    if sys.platform == "darwin":
        return f"{home}/Library/Application Support/portlore"
    if sys.platform == "win32":
        return os.path.join(environment.get("LOCALAPPDATA", home), "portlore")  # noqa: PTH118
    return f"{environment.get('XDG_DATA_HOME') or home + '/.local/share'}/portlore"


def _read(path: str, *, check: bool = False) -> Mapping[str, memoryview]:
    """The sections of a packed file, read whole: quicker than mapping it, whose module alone takes longer to import.

    ``check`` looks at every byte: for what ``update`` has stored. The package's own files are the installer's to check.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            data = memoryview(file.read())
    except OSError as error:
        raise DataError(f"opening {path}", error.strerror or "it cannot be read", "reinstall portlore") from None
    if check:
        check_whole(data)
    return unpack(data)


def registry_paths() -> list[str]:
    """The packed registries there are: the package's own, and the user's after an update."""
    updated = f"{user_directory()}/{REGISTRY}"
    own = f"{BUILT}/{REGISTRY}"
    if not os.path.exists(own):  # noqa: PTH110
        build_here()
    return [own, updated] if os.path.exists(updated) else [own]  # noqa: PTH110


def build_here() -> None:
    """Build the run-time form from the tables beside it, in a checkout that has none yet."""
    if not os.path.exists(f"{PACKAGE}/registry/data/registry.tsv"):  # noqa: PTH110
        raise DataError("opening Portlore's data", f"there is none in {BUILT}", "reinstall portlore")
    from portlore.building import build

    try:
        build(BUILT)
    except OSError as error:
        remedy = f"make {PACKAGE} writable once, or run ./portlore there"
        raise HostError("building Portlore's data", str(error), remedy) from None


def open_registry() -> Registry:
    """The newest registry of this machine; a broken one of the user's never hides the package's own."""
    paths = registry_paths()
    registry = Registry.of(_read(paths[0]))
    for path in paths[1:]:
        try:
            updated = Registry.of(_read(path, check=True))
        except DataError as error:
            print(f"portlore: {error.asked}: {error.found}; using the one of {registry.snapshot.date}", file=sys.stderr)
            continue
        forced = updated.snapshot.origin.startswith(FORCED)
        if updated.snapshot.date >= registry.snapshot.date or forced:
            registry = updated
    return registry


def open_programs() -> Programs:
    """Which program serves what; :class:`DataError` when Portlore's own data is missing or broken."""
    from portlore.lore.program_store import Programs

    if not _programs:
        path = f"{BUILT}/{PROGRAMS}"
        if not os.path.exists(path):  # noqa: PTH110
            build_here()
        _programs.append(Programs.of(_read(path)))
    return _programs[0]


def load(*, as_of: str | None = None) -> Book:
    """The book of ports, read once and kept; ``as_of`` (``YYYY-MM-DD``) asks the registry as it was.

    :class:`DataError` when Portlore's own data is missing or broken, :class:`InputError` for a day before 2005-12-22.
    """
    book = _books.get(as_of)
    if book is None:
        if as_of is None:
            book = Book(open_registry(), Lore.of(_read(f"{BUILT}/{CLAIMS}")))
        else:
            from portlore.query import parse_date

            now = load()
            book = Book(now.registry.as_of(parse_date(as_of)), now.lore)
        _books[as_of] = book
    return book
