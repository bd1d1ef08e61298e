"""The page of a range, such as /ranges/600-1023: counts, what is free, what is said of the whole of it. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import groupby, pairwise

from portlore.model import DYNAMIC_FIRST, USER_FIRST, PortRange, Status, kind_of
from portlore.render.page import width_of
from portlore.value import Value
from portlore.web.pages.notes import Footnote, Notes
from portlore.web.pages.port import NEAR, Use, binding, bounds, use
from portlore.web.pages.terms import STATUSES, term

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.book import Book
    from portlore.model import PortFacts
    from portlore.web.words import Words

    Run = tuple[PortRange, list[PortFacts]]

FREE = (Status.UNASSIGNED, Status.NO_ENTRY)
SHOWN = 512  # ports listed on one page; a wider range lists the ranges in it instead


class Count(Value):
    """How many ports of a range have a status on a transport. ``shown``, ``share``: as the language writes them."""

    transport: str
    status: str
    word: str
    number: int
    shown: str
    share: str


class Member(Value):
    """A port of the range: its names, or its status."""

    port: int
    status: str
    word: str
    names: tuple[str, ...]
    description: str


class RangePage(Value):
    """Everything on the page of a range."""

    language: str
    first: int
    last: int
    title: str
    summary: str
    snapshot: str
    snapshot_day: str
    counts: tuple[Count, ...]
    binding: tuple[str, ...]
    free: tuple[str, ...]
    uses: tuple[Use, ...]
    members: tuple[Member, ...]
    parts: tuple[tuple[int, int], ...]
    sources: tuple[Footnote, ...]


def range_page(book: Book, ports: PortRange, words: Words) -> RangePage:
    """The page of a range of ports."""
    runs = list(_runs(book, ports))
    notes = Notes(words)
    told = {id(one.claims): one.claims for _, both in runs for one in both}
    claims = dict.fromkeys(claim for some in told.values() for claim in some)
    wide = [claim for claim in claims if width_of(claim) > NEAR]
    wide.sort(key=lambda claim: (claim.ports != str(ports), width_of(claim)))
    free = sum(len(run) for run, both in runs if all(one.status in FREE for one in both))
    kinds = {kind_of(ports.first), kind_of(ports.last)}
    return RangePage(
        words.language.code,
        ports.first,
        ports.last,
        words.say("Ports {first}-{last}", first=ports.first, last=ports.last),
        words.count(
            "{first}-{last}: {n} of {ports} ports is officially nobody's.",
            "{first}-{last}: {n} of {ports} ports are officially nobody's.",
            free,
            first=ports.first,
            last=ports.last,
            ports=words.number(len(ports)),
        ),
        book.snapshot,
        words.day(book.snapshot),
        tuple(_counts(runs, len(ports), words)),
        tuple(binding(kinds.pop(), ports.last, words)) if len(kinds) == 1 else (),
        tuple(str(gap) for gap in _gaps(runs)),
        tuple(use(claim, words, notes) for claim in wide),
        tuple(_members(runs, words)) if len(ports) <= SHOWN else (),
        tuple(parts_of(ports)) if len(ports) > SHOWN else (),
        notes.all(),
    )


def _runs(book: Book, ports: PortRange) -> Iterable[Run]:
    """The range in runs of ports of which the same is said, each with that, on TCP and UDP."""
    begins = {ports.first, *(border for border in (USER_FIRST, DYNAMIC_FIRST) if border in ports)}
    for starts in (book.registry.starts, book.lore.starts):
        begins.update(starts[bisect_left(starts, ports.first) : bisect_right(starts, ports.last)])
    ends = [*sorted(begins), ports.last + 1]
    for first, after in pairwise(ends):
        yield PortRange(first, after - 1), [book.lookup(first, on) for on in ("tcp", "udp")]


def _gaps(runs: Sequence[Run]) -> Iterable[PortRange]:
    """Where nobody has anything on either transport."""
    for is_free, some in groupby(runs, key=lambda run: all(one.status in FREE for one in run[1])):
        if is_free:
            group = [run for run, _ in some]
            yield PortRange(group[0].first, group[-1].last)


def _counts(runs: Sequence[Run], size: int, words: Words) -> Iterable[Count]:
    for at, transport in enumerate(("tcp", "udp")):
        counts: dict[str, int] = {}
        for run, both in runs:
            counts[both[at].status] = counts.get(both[at].status, 0) + len(run)
        for status in STATUSES:
            if found := counts.get(status):
                share = words.percent(found, size)
                yield Count(transport, status, term(STATUSES, status, words), found, words.number(found), share)


def _members(runs: Sequence[Run], words: Words) -> Iterable[Member]:
    for run, both in runs:
        first = both[0] if both[0].assignments or not both[1].assignments else both[1]
        names = tuple(dict.fromkeys(a.name for one in both for a in one.assignments if a.name and a.alias_of is None))
        description = first.assignments[0].description if first.assignments else ""
        word = term(STATUSES, first.status, words)
        for port in run:
            yield Member(port, first.status, word, names, description)


def parts_of(ports: PortRange) -> Iterable[tuple[int, int]]:
    """A wide range in pieces that a page can list: by 256, cut where the kinds of ports meet."""
    at = ports.first
    while at <= ports.last:
        last = min(at | 0xFF, ports.last, bounds(kind_of(at))[1])
        yield at, last
        at = last + 1


def piece_of(port: int) -> tuple[int, int]:
    """The piece of 256 ports, within one kind, that a port lies in: its page on a site without all of them."""
    low, high = bounds(kind_of(port))
    return max(port & ~0xFF, low), min(port | 0xFF, high)
