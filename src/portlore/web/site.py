"""The site as a function: what is asked for in, status, headers and bytes out. No socket; the static site uses it too.

PAGES is the table of its pages: the first part of their path below the language, how the page's values are made, the
template that lays them out.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import OrderedDict
from threading import Lock
from urllib.parse import quote, unquote, unquote_to_bytes, urlencode

from portlore.errors import InputError, PortloreError
from portlore.model import PortRange, parse_number
from portlore.query import parse_date
from portlore.value import Value
from portlore.web.catalogues import words
from portlore.web.pages.fixed import atlas_page, error_page, home_page
from portlore.web.pages.listings import about_page, all_changes, changes_page, ghosts_page, search_page
from portlore.web.pages.port import port_page
from portlore.web.pages.range import range_page
from portlore.web.pages.service import ServicePage, service_page
from portlore.web.rendering import Links, Pages, page_json
from portlore.web.words import BY_CODE, LANGUAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from portlore.book import Book
    from portlore.model import Change
    from portlore.web.words import Words

    Make = Callable[["Site", str, Mapping[str, str], Words], "Value | None"]

KEPT = 20_000  # rendered pages in memory
MOST_BYTES = 16 << 20  # of them together
LONGEST_QUERY = 200  # characters of a search
ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


class Answer(Value):
    """What is sent back. ``packed``: the same bytes in gzip, where that is shorter."""

    status: int
    kind: str
    body: bytes
    etag: str = ""
    location: str = ""
    packed: bytes = b""
    language: str = ""
    path: str = ""


class Kind(Value):
    """A kind of page. ``cached``: its answers may be kept; ``indexed``: search engines may list it."""

    template: str
    make: Make
    cached: bool = True
    indexed: bool = True


def _port(site: Site, argument: str, query: Mapping[str, str], said: Words) -> Value | None:
    return port_page(site.book, parse_number(argument), said)


def _range(site: Site, argument: str, query: Mapping[str, str], said: Words) -> Value | None:
    return range_page(site.book, PortRange.parse(argument), said)


def _service(site: Site, argument: str, query: Mapping[str, str], said: Words) -> Value | None:
    return service_page(site.book, argument, said) if argument else None


def _search(site: Site, argument: str, query: Mapping[str, str], said: Words) -> Value | None:
    if argument:
        return None
    page = query.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 4 else 1
    return search_page(site.book, " ".join(query.get("q", "")[:LONGEST_QUERY].split()), said, max(1, number))


def _changes(site: Site, argument: str, query: Mapping[str, str], said: Words) -> Value | None:
    until = argument or query.get("until", "")
    try:
        return changes_page(site.book, site.changes, said, until and parse_date(until))
    except InputError:  # what a page says of that is about ports
        return None


def _only(make: Callable[[Site, Words], Value]) -> Make:
    """A page that takes no argument."""
    return lambda site, argument, query, said: None if argument else make(site, said)


PAGES: dict[str, Kind] = {
    "": Kind("home.html", _only(lambda site, said: home_page(site.book, said))),
    "ports": Kind("port.html", _port),
    "ranges": Kind("range.html", _range),
    "services": Kind("service.html", _service),
    "search": Kind("search.html", _search, cached=False, indexed=False),
    "changes": Kind("changes.html", _changes),
    "ghosts": Kind("ghosts.html", _only(lambda site, said: ghosts_page(site.book, said))),
    "about": Kind("about.html", _only(lambda site, said: about_page(site.provenance, said))),
    "atlas": Kind("atlas.html", _only(lambda site, said: atlas_page(said, listeners=bool(site.links.listeners)))),
}
VOTE = Kind("vote.html", lambda site, argument, query, said: None, indexed=False)


class Site:
    """Answers for pages. ``provenance``: the rows of ``portlore sources``; ``feedback``: readers may vote."""

    def __init__(
        self, book: Book, provenance: Sequence[dict[str, str]], links: Links | None = None, *, feedback: bool = False
    ) -> None:
        self.book: Book = book
        self.provenance: Sequence[dict[str, str]] = provenance
        self.links: Links = links or Links()
        self.feedback = feedback
        self._pages: dict[str, Pages] = {}
        self._kept: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._bytes = 0
        self._changes: list[Change] | None = None
        self._room = Lock()

    @property
    def changes(self) -> list[Change]:
        """Every change of the registry, read once."""
        if self._changes is None:
            self._changes = all_changes(self.book)
        return self._changes

    def pages(self, code: str) -> Pages:
        """The renderer of a language."""
        found = self._pages.get(code)
        if found is None:
            found = self._pages[code] = Pages(words(code))
        return found

    def known(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """An answer that has been made before and still holds."""
        return self._kept.get(_key(path, query))

    def get(
        self,
        path: str,
        query: Mapping[str, str],
        accepted: str = "",
        listeners: Sequence[object] | None = None,
    ) -> Answer:
        """The answer to GET. ``path`` as sent; ``accepted``: the Accept-Language header.

        ``listeners``: what listens on the port that is asked for, where that may be told; such a page is not kept.
        """
        if path == "/":
            return Answer(302, "text/plain", b"", location=f"{self.links.root}{best(accepted)}/")
        code, _, rest = path[1:].partition("/")
        if code not in BY_CODE:
            return self.problem(404, best(accepted), unquote(path[:80]))
        rest = rest.rstrip("/")
        as_json = rest.endswith(".json")
        if as_json:
            rest = rest.removesuffix(".json")
        part, _, argument = ("" if as_json and rest == "index" else rest).partition("/")
        kind = PAGES.get(part)
        if kind is None:
            return self.problem(404, code, unquote(rest[:80]), as_json=as_json)
        key = _key(path, query)
        if listeners is None and (known := self._kept.get(key)):
            return known
        try:
            page = kind.make(self, unquote(argument), query, words(code))
        except InputError as error:
            return self.problem(404 if part == "ports" else 400, code, unquote(rest[:80]), error, as_json=as_json)
        if page is None:
            return self.problem(404, code, unquote(rest[:80]), as_json=as_json)
        name = page.name if isinstance(page, ServicePage) else unquote(argument)
        rest = f"{part}/{quote(name, safe='')}" if argument else part
        address = f"{code}/{rest or 'index'}.json" if as_json else f"{code}/{rest}"
        if unquote(path) != f"/{unquote(address)}" or _normal(path) != path:
            asked = f"?{urlencode(query)}" if query else ""
            return Answer(301, "text/plain", b"", location=f"{self.links.root}{address}{asked}")
        if as_json:
            answer = whole(200, "application/json", page_json(page).encode(), code, rest)
        else:
            body = self.html(kind, page, code, rest, listeners=listeners).encode("utf-8", "replace")
            answer = whole(200, "text/html; charset=utf-8", body, code, rest)
        if kind.cached and listeners is None:
            self._keep(key, answer)
        return answer

    def html(self, kind: Kind, page: Value, code: str, path: str, links: Links | None = None, **more: object) -> str:
        """A page as HTML; ``path`` below the language."""
        description = getattr(page, "verdict", None) or getattr(page, "summary", "")
        day = words(code).day(self.book.snapshot)
        return self.pages(code).html(
            kind.template,
            page,
            links or self.links,
            path=path,
            description=description,
            snapshot_day=day,
            indexed=kind.indexed,
            feedback=self.feedback,
            query=getattr(page, "query", ""),
            **more,
        )

    def has(self, code: str, path: str) -> bool:
        """Whether there is such a page, which readers may vote on."""
        if code not in BY_CODE or len(path) > LONGEST_QUERY:
            return False
        return self.get(f"/{code}/{path}", {}).status == 200 and PAGES[path.partition("/")[0]].indexed

    def problem(
        self, status: int, code: str, asked: str, error: PortloreError | None = None, *, as_json: bool = False
    ) -> Answer:
        """A page that says what went wrong, in the reader's language."""
        page = error_page(status, _shown(asked), words(code), miswritten=error is not None)
        if as_json:
            return whole(status, "application/json", page_json(page).encode(), code, "")
        kind = Kind("error.html", _only(lambda site, said: page), indexed=False)
        return whole(status, "text/html; charset=utf-8", self.html(kind, page, code, "").encode(), code, "")

    def _keep(self, key: tuple[str, str], answer: Answer) -> None:
        with self._room:
            if key in self._kept:  # another thread was first
                return
            self._kept[key] = answer
            self._bytes += len(answer.body) + len(answer.packed)
            while len(self._kept) > KEPT or self._bytes > MOST_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.body) + len(oldest.packed)


def whole(status: int, kind: str, body: bytes, code: str = "", path: str = "") -> Answer:
    """An answer with its ETag and its bytes in gzip."""
    packed = gzip.compress(body, 5, mtime=0) if len(body) > 1024 else b""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Answer(status, kind, body, etag, packed=packed, language=code, path=path)


def _normal(path: str) -> str:
    """A path without needless escapes, those that stay in upper case (RFC 3986 section 6.2.2).

    What else may be written in two ways (``/`` and ``%2F``) is no other address: a proxy may have changed it on its way
    here, and would again after a redirect.
    """
    return ESCAPE.sub(lambda escape: quote(unquote_to_bytes(escape[0]), safe=""), path)


def _key(path: str, query: Mapping[str, str]) -> tuple[str, str]:
    """What an answer is kept under: its path, and the one field that a page of those that are kept looks at."""
    return path, query.get("until", "") if path[4:].startswith("changes") else ""


def _shown(text: str) -> str:
    """A word of the address bar, without what has no business on a page."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def best(accepted: str) -> str:
    """The site's language that an Accept-Language header wants most (RFC 9110 section 12.5.4); English without one."""
    wanted = []
    for place, part in enumerate(accepted[:1000].split(",")):
        tag, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            quality = 0.0
        wanted.append((-quality, place, tag.strip().lower()))
    for quality, _, tag in sorted(wanted):
        code = tag.partition("-")[0]
        if quality < 0 and code in BY_CODE:
            return code
        if quality < 0 and tag == "*":
            break
    return LANGUAGES[0].code
