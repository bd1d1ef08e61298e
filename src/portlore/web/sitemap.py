"""Sitemaps (sitemaps.org protocol 0.9): an index, and files of at most 50,000 addresses. Pure."""

from __future__ import annotations

import re
from html import escape

from portlore.model import LAST_PORT, PortRange
from portlore.web.pages.range import parts_of
from portlore.web.words import LANGUAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.book import Book

MOST = 50_000  # addresses of a file, by the protocol
MAP = re.compile(r"/sitemap-(?P<language>[a-z]{2})-(?P<part>\d{1,3})\.xml\Z")
OPENING = '<?xml version="1.0" encoding="UTF-8"?>\n'
SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
FIXED = ("", "changes", "ghosts", "about", "atlas")


def paths(ports: Iterable[int]) -> Iterator[str]:
    """The pages that search engines are told of, below a language: the fixed ones, ranges, ports."""
    yield from FIXED
    for first, last in ((0, 1023), (1024, 49151), (49152, LAST_PORT)):
        yield f"ranges/{first}-{last}"
    for first, last in parts_of(PortRange(0, LAST_PORT)):
        yield f"ranges/{first}-{last}"
    for port in ports:
        yield f"ports/{port}"


def parts(addresses: Iterable[str]) -> list[list[str]]:
    """Addresses in files' worth."""
    many = list(addresses)
    return [many[at : at + MOST] for at in range(0, len(many), MOST)]


def urlset(addresses: Iterable[str]) -> str:
    """One file of addresses."""
    rows = "".join(f"<url><loc>{escape(one)}</loc></url>\n" for one in addresses)
    return f"{OPENING}<urlset {SPACE}>\n{rows}</urlset>\n"


def index(addresses: Iterable[str], day: str) -> str:
    """The file that names the others. ``day``: of the registry."""
    rows = "".join(f"<sitemap><loc>{escape(one)}</loc><lastmod>{day}</lastmod></sitemap>\n" for one in addresses)
    return f"{OPENING}<sitemapindex {SPACE}>\n{rows}</sitemapindex>\n"


def sitemap_index(book: Book, site: str) -> str:
    """The index of the whole site."""
    pages = len(parts(paths(range(LAST_PORT + 1))))
    return index(
        (f"{site}/sitemap-{one.code}-{n}.xml" for one in LANGUAGES for n in range(1, pages + 1)), book.snapshot
    )


def sitemap(site: str, language: str, part: int) -> str | None:
    """One of its files; ``None`` for one that is not there."""
    many = parts(paths(range(LAST_PORT + 1)))
    if language not in {one.code for one in LANGUAGES} or not 1 <= part <= len(many):
        return None
    return urlset(f"{site}/{language}/{path}" for path in many[part - 1])
