"""What the static site has pages for, and the tables that its programs read in place of a server. Pure.

A port has a page when it has something of its own: a row of the registry that names it alone, or a range of at most
``SHORT`` ports that are not just unassigned; a claim on at most ``NEAR`` ports; or an event in its timeline.
"""

from __future__ import annotations

from urllib.parse import unquote

from portlore.errors import InputError
from portlore.lore.store import ranges
from portlore.model import DYNAMIC_FIRST, LAST_PORT, USER_FIRST, PortKind, PortRange, Status, Transport
from portlore.registry.status import status_of
from portlore.web.pages.listings import changes_page, path_of
from portlore.web.pages.port import NEAR, bounds
from portlore.web.pages.range import SHOWN, parts_of
from portlore.web.pages.service import service_page
from portlore.web.pages.verdict import is_story
from portlore.web.words import BY_CODE, LANGUAGES, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portlore.book import Book
    from portlore.model import Change

ALL = "all"
SHORT = 256  # ports of a range whose row is each port's own
LONGEST_NAME = 200  # bytes of a name that is to be a folder's
ENGLISH = Words(BY_CODE["en"], {})


def languages_of(text: str) -> tuple[str, ...]:
    """Languages as people write them, ``en,de`` or ``all``; :class:`InputError` for one that is not there."""
    if text == ALL:
        return tuple(one.code for one in LANGUAGES)
    codes = tuple(dict.fromkeys(code.strip() for code in text.split(",")))
    for code in codes:
        if code not in BY_CODE:
            do = f"write all, or some of {','.join(BY_CODE)}"
            raise InputError(f"the language {code[:24]!r}", "not one of the site's", do)
    return codes


def ports_of(book: Book, changes: Sequence[Change], text: str) -> Sequence[int]:
    """Ports as people write them, ``703,600-1023`` or ``all``; none written: those with something of their own.

    :class:`InputError` for what is no port.
    """
    if text == ALL:
        return range(LAST_PORT + 1)
    if text:
        return sorted({port for part in text.split(",") for port in PortRange.parse(part.strip())})
    return sorted({*_with_row(book), *_with_claim(book), *_with_event(changes)})


def _with_row(book: Book) -> Iterator[int]:
    for record in book.registry.records():
        first, last = record.span
        if 0 <= first == last or (
            last - first < SHORT and status_of(record.name, record.description) is not Status.UNASSIGNED
        ):
            yield from range(max(first, 0), last + 1)


def _with_claim(book: Book) -> Iterator[int]:
    for claim in book.lore:
        for ports in ranges(claim):
            if len(ports) <= NEAR:
                yield from ports


def _with_event(changes: Sequence[Change]) -> Iterator[int]:
    for change in changes:
        if change.ports:
            yield from PortRange.parse(change.ports)


def paths_of(book: Book, changes: Sequence[Change], ports: Sequence[int], *, chosen: bool) -> list[str]:
    """The pages of one language, below it: fixed ones, ranges (the widest first), service names, ports.

    ``chosen``: the ports were named, so that only their service names are wanted.
    """
    linked = {path_of(change.ports, change.name) for change in changes}
    spans = set(map(bounds, PortKind))
    spans |= {(told.first, told.last) for claim in book.lore for told in ranges(claim) if len(told) > 1}
    spans |= {record.span for record in book.registry.records() if record.name and "-" in record.number}
    for path in linked:
        if path.startswith("ranges/"):
            told = PortRange.parse(path.removeprefix("ranges/"))
            spans.add((told.first, told.last))
    spans |= {part for first, last in spans if last - first >= SHOWN for part in parts_of(PortRange(first, last))}
    if chosen:
        names = {given.name for port in ports for one in book.port(port) for given in one.assignments}
    else:
        names = {record.name for record in book.registry.records()}
        once = {unquote(path.removeprefix("services/")) for path in linked if path.startswith("services/")} - names
        names |= {name for name in once if service_page(book, name, ENGLISH) is not None}
    return [
        *("", "changes", *_older(book, changes), "ghosts", "about", "atlas", "search"),
        *(f"ranges/{first}-{last}" for first, last in sorted(spans, key=lambda span: (span[0] - span[1], span[0]))),
        *(path_of("", name) for name in sorted(names) if is_folder(name)),
        *(f"ports/{port}" for port in ports),
    ]


def _older(book: Book, changes: Sequence[Change]) -> list[str]:
    """The pages of older news, as each leads to the next."""
    days: list[str] = []
    day = changes_page(book, changes, ENGLISH).before
    while day and day not in days:
        days.append(day)
        day = changes_page(book, changes, ENGLISH, day).before
    return [f"changes/{day}" for day in days]


def is_folder(name: str) -> bool:
    """Whether a service name can be a folder's, or several: never one that leads elsewhere."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and all(part not in ("", ".", "..") and len(part.encode()) <= LONGEST_NAME for part in parts)
    )


def status_table(book: Book) -> dict[str, object]:
    """The statuses of all ports: ``statuses``, and ``runs`` of (first port, TCP's status, UDP's status) by index."""
    statuses, runs = list(Status), []
    before = None
    for first in sorted({*book.registry.starts, USER_FIRST, DYNAMIC_FIRST}):
        both = [statuses.index(book.lookup(first, on).status) for on in (Transport.TCP, Transport.UDP)]
        if both != before:
            runs.append([first, *both])
        before = both
    return {"statuses": statuses, "runs": runs}


def name_table(book: Book, built: set[str]) -> list[tuple[str, str]]:
    """Names to search in, with their port or range, empty for a service without one whose page is ``built``."""
    records = book.registry.records()
    rows = [(one.name, one.number) for one in records if one.name and (one.number or path_of("", one.name) in built)]
    rows += [(claim.name, claim.ports.partition(",")[0]) for claim in book.lore if not is_story(claim)]
    return list(dict.fromkeys(rows))
