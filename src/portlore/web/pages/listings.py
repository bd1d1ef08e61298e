"""Pages that list: search results, registry news, ghosts, and the page about sources. Pure."""

from __future__ import annotations

from unicodedata import decimal

from portlore.chronicle import between
from portlore.errors import InputError
from portlore.model import ChangeKind, Status
from portlore.query import parse_query
from portlore.searching import search_book
from portlore.value import Value
from portlore.web.pages.port import happened, happened_between
from portlore.web.pages.terms import STATUSES, VERDICTS, term

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.book import Book
    from portlore.model import Change
    from portlore.web.words import Words

NEWS = 20  # snapshots with news on a page
PAGE = 20  # hits of a search on a page
READ = ("registry", "history", "claims")  # the sources that pages are made of: this machine's own lists are not


class Hit(Value):
    """A thing found. ``path``: its page below the language, such as ``ports/703``."""

    path: str
    ports: str
    transport: str
    name: str
    description: str
    layer: str


class SearchPage(Value):
    """What a search found. ``page`` counts from 1; ``more``: there is another."""

    language: str
    title: str
    query: str
    summary: str
    hits: tuple[Hit, ...]
    page: int
    more: bool


def search_page(book: Book, query: str, words: Words, page: int = 1) -> SearchPage:
    """Search the book."""
    wanted = "".join(str(decimal(sign, sign)) for sign in query.strip())  # digits of all scripts
    found = search_book(book, wanted, limit=page * PAGE + 1) if wanted else []
    shown = found[(page - 1) * PAGE : page * PAGE]
    itself = _itself(wanted) if page == 1 else ()
    if not wanted:
        summary = words.say("Type a port, a name or a few words.")
    elif not found and not itself:
        summary = words.say("Nothing was found for {query}.", query=wanted)
    else:
        summary = words.say("Results for {query}", query=wanted)
    hits = tuple(Hit(path_of(h.ports, h.name), h.ports, h.transport, h.name, h.description, h.layer) for h in shown)
    title = words.say("Search")
    return SearchPage(words.language.code, title, query, summary, itself + hits, page, len(found) > page * PAGE)


def _itself(wanted: str) -> tuple[Hit, ...]:
    """The port or the range that was typed, which has a page even where nothing is said of it."""
    try:
        ports = parse_query(wanted).ports
    except InputError:
        return ()
    if ports is None:
        return ()
    return (Hit(path_of(str(ports), ""), str(ports), "", "", "", ""),)


def path_of(ports: str, name: str) -> str:
    """Where a hit leads: the page of its port, its range, or its service name."""
    from urllib.parse import quote

    if ports.isdigit():
        return f"ports/{ports}"
    first = ports.split(",")[0].strip()
    if first.isdigit():
        return f"ports/{first}"
    return f"ranges/{first}" if first else f"services/{quote(name, safe='')}"


class NewsItem(Value):
    """One change of the registry."""

    path: str
    ports: str
    transports: tuple[str, ...]
    what: str


class News(Value):
    """What changed between two snapshots."""

    older: str
    newer: str
    when: str
    items: tuple[NewsItem, ...]


class ChangesPage(Value):
    """Registry news, the latest first. ``before``: the date that the next older page begins at, empty for none."""

    language: str
    title: str
    summary: str
    snapshot: str
    news: tuple[News, ...]
    before: str


def all_changes(book: Book) -> list[Change]:
    """Every change of the registry but those of details, oldest first: for :func:`changes_page`."""
    dates = book.registry.dates
    found = between(book, dates[0], dates[-1]) if dates else []
    return [change for change in found if change.kind is not ChangeKind.FIELD]


def changes_page(book: Book, changes: Sequence[Change], words: Words, until: str = "") -> ChangesPage:
    """The latest news of the registry, or those up to a snapshot's date."""
    grouped: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if not until or change.between[1] <= until:
            grouped.setdefault(change.between, []).append(change)
    latest = sorted(grouped, key=lambda days: (days[1], days[0]), reverse=True)
    news = []
    for older, newer in latest[:NEWS]:
        items = tuple(_news(grouped[older, newer], words))
        news.append(News(older, newer, happened_between((older, newer), words), items))
    return ChangesPage(
        words.language.code,
        words.say("Registry news"),
        words.say("What IANA changed, between one dated state of the registry and the next."),
        book.snapshot,
        tuple(news),
        latest[NEWS][1] if len(latest) > NEWS else "",
    )


def _news(changes: Sequence[Change], words: Words) -> Iterable[NewsItem]:
    seen: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        seen.setdefault((change.ports, change.name, happened(change, words)), []).append(change.transport)
    for (ports, name, what), on in seen.items():
        yield NewsItem(path_of(ports, name), ports, tuple(part for part in on if part), what)


class Ghost(Value):
    """A port with a past and no present."""

    port: int
    names: tuple[str, ...]
    word: str
    when: str


class GhostsPage(Value):
    """The ports that were given away once and are not any more."""

    language: str
    title: str
    summary: str
    ghosts: tuple[Ghost, ...]


def ghosts_page(book: Book, words: Words) -> GhostsPage:
    """Every ghost, by number."""
    ghosts = tuple(_ghosts(book, words))
    summary = words.count(
        "{n} port had a name once and has none today.",
        "{n} ports had a name once and have none today.",
        len(ghosts),
    )
    return GhostsPage(words.language.code, words.say("Ghosts"), summary, ghosts)


def _ghosts(book: Book, words: Words) -> Iterable[Ghost]:
    for first, last in book.registry.touched_runs():
        for port in range(first, last + 1):
            facts = [book.lookup(port, on) for on in ("tcp", "udp")]
            if any(one.status is Status.ASSIGNED for one in facts):
                continue
            lost = [
                (change.before, change.between)
                for one in facts
                for change in one.history
                if change.kind in (ChangeKind.REMOVED, ChangeKind.NAME_REMOVED, ChangeKind.STATUS)
                and change.before not in STATUSES
            ]
            if lost:
                word = term(STATUSES, facts[0].status, words)
                names = tuple(dict.fromkeys(name for name, _ in lost))
                days = max((days for _, days in lost), key=lambda days: days[1])
                yield Ghost(port, names, word, happened_between(days, words))


class Provenance(Value):
    """A source of the site: what it is, its date, its words about itself (English)."""

    name: str
    day: str
    text: str


class AboutPage(Value):
    """Where everything comes from, under which licences."""

    language: str
    title: str
    summary: str
    paragraphs: tuple[str, ...]
    sources: tuple[Provenance, ...]
    verdicts: tuple[tuple[str, str], ...]


def about_page(rows: Sequence[dict[str, str]], words: Words) -> AboutPage:
    """The page about the site; ``rows``: as ``portlore sources`` prints them, of which this machine's are left out."""
    say = words.say
    explained = (
        ("confirmed", say("A source that should know says so, and nothing read speaks against it.")),
        ("disputed", say("Sources that should know contradict one another.")),
        ("unverified", say("It is said, but nothing that was read confirms it.")),
        ("contradicted", say("What was read shows that it is false.")),
    )
    return AboutPage(
        words.language.code,
        say("About"),
        say("What is said of every TCP and UDP port, with its source and a verdict."),
        (
            say(
                "The registry is IANA's, in the public domain (CC0). Its history is read from dated copies of it:"
                " a change is dated between the last copy without it and the first with it."
            ),
            say(
                "Claims are statements that the registry does not make. Each names where it was read; the words are"
                " ours and in English, the verdict says how far to trust it. A claim never changes a port's status."
            ),
            say(
                "Portlore is free software under the Apache License 2.0. No page of this site loads anything from"
                " another host."
            ),
        ),
        tuple(Provenance(row["source"], words.day(row["date"]), row["text"]) for row in rows if row["source"] in READ),
        tuple((term(VERDICTS, code, words), text) for code, text in explained),
    )
