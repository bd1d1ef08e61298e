"""The pages that list, against the registry's tables; the order of a page; HTML and JSON say the same."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

import portlore
from portlore.model import PortRange
from portlore.web.catalogues import words
from portlore.web.pages.fixed import error_page, home_page
from portlore.web.pages.listings import about_page, all_changes, changes_page, ghosts_page, path_of, search_page
from portlore.web.pages.port import port_page
from portlore.web.pages.range import parts_of, piece_of, range_page
from portlore.web.pages.service import service_page
from portlore.web.rendering import page_json
from portlore.web.site import Site

BOOK = portlore.load()
SAYS = words("en")
SITE = Site(BOOK, [], feedback=True)


def html(path: str) -> str:
    return SITE.get(path, {}).body.decode()


def test_the_range_600_to_1023_counts_as_the_rows_do() -> None:
    """Counted in registry.tsv row by row, with a program that shares nothing with ours."""
    made = range_page(BOOK, PortRange(600, 1023), SAYS)
    assert made.summary == "600-1023: 217 of 424 ports are officially nobody's."
    assert [(one.transport, one.status, one.number, one.share) for one in made.counts] == [
        ("tcp", "assigned", 188, "44%"), ("tcp", "unassigned", 216, "51%"), ("tcp", "reserved", 17, "4%"),
        ("tcp", "de-registered", 1, "0.2%"), ("tcp", "no-entry", 2, "0.5%"),
        ("udp", "assigned", 188, "44%"), ("udp", "unassigned", 217, "51%"), ("udp", "reserved", 18, "4%"),
        ("udp", "de-registered", 1, "0.2%"),
    ]  # fmt: skip
    assert list(made.free) == [
        "703", "708", "717-728", "732-740", "743", "745-746", "755-757", "766", "768", "778-779", "781-799", "803-809",
        "811-827", "834-846", "849-852", "855-859", "863-872", "874-885", "889-899", "904-909", "916-952", "954-988",
        "1002-1009",
    ]  # fmt: skip
    assert sum(len(PortRange.parse(one)) for one in made.free) == 217
    assert [one.port for one in made.members] == list(range(600, 1024))
    assert made.parts == ()
    assert made.binding == port_page(BOOK, 703, SAYS).binding


def test_a_range_shows_first_what_is_said_of_exactly_it() -> None:
    uses = range_page(BOOK, PortRange(600, 1023), SAYS).uses
    exact = [one.where for one in uses].index("TCP/UDP 665-1023")
    assert {one.where for one in uses[:exact]} == {"TCP/UDP 600-1023"}
    assert exact == 6
    assert {one.where.split()[-1] for one in uses} == {"600-1023", "665-1023", "512-1023", "1-1023", "0-1023"}


@pytest.mark.parametrize(
    ("first", "last", "summary"),
    [
        (703, 703, "703-703: 1 of 1 ports is officially nobody's."),
        (80, 80, "80-80: 0 of 1 ports are officially nobody's."),
        (0, 1023, "0-1023: 283 of 1,024 ports are officially nobody's."),  # 282 on TCP and UDP, 1008 without entry
        (49152, 65535, "49152-65535: 0 of 16,384 ports are officially nobody's."),
    ],
)
def test_the_sentence_of_a_range(first: int, last: int, summary: str) -> None:
    assert range_page(BOOK, PortRange(first, last), SAYS).summary == summary


def test_a_wide_range_lists_pieces_that_cover_it() -> None:
    parts = list(parts_of(PortRange(0, 65535)))
    assert [port for first, last in parts for port in (first, last)][:6] == [0, 255, 256, 511, 512, 767]
    assert [first for first, _ in parts[1:]] == [last + 1 for _, last in parts[:-1]]
    assert parts[-1][1] == 65535
    assert piece_of(703) == (512, 767)
    assert piece_of(1024) == (1024, 1279)
    assert range_page(BOOK, PortRange(0, 1023), SAYS).members == ()
    assert range_page(BOOK, PortRange(1000, 1100), SAYS).binding == (), "two kinds of ports: no one rule"


def test_ghosts_had_a_name_once_and_have_none() -> None:
    made = ghosts_page(BOOK, SAYS)
    ghosts = {one.port: one for one in made.ghosts}
    assert made.summary == f"{len(ghosts)} ports had a name once and have none today."
    assert list(ghosts) == sorted(ghosts)
    known = [(one.names, one.word, one.when) for one in (ghosts[2], ghosts[585], ghosts[8730])]
    assert known == [
        (("compressnet",), "reserved", "Between 23 January 2025 and 13 February 2025"),
        (("imap4-ssl",), "given back", "Between 22 December 2005 and 18 February 2013"),
        (("semi-grpc",), "unassigned", "Between 10 January 2020 and 16 January 2020"),
    ]
    assert all(one.status != "assigned" for port in ghosts for one in BOOK.port(port)[:2])
    assert not {80, 502, 703, 973, 1033} & set(ghosts)


def test_news_come_latest_first_and_say_between_what() -> None:
    changes = all_changes(BOOK)
    made = changes_page(BOOK, changes, SAYS)
    assert [(one.older, one.newer, one.when) for one in made.news[:2]] == [
        ("2026-08-11", "2026-08-17", "Between 11 August 2026 and 17 August 2026"),
        ("2026-08-05", "2026-08-11", "Between 5 August 2026 and 11 August 2026"),
    ]
    assert [(one.path, one.ports, one.what, one.transports) for one in made.news[0].items] == [
        ("services/ok-connect", "", "The name ok-connect was added.", ("tcp",)),
        ("services/ok-control", "", "The name ok-control was added.", ("tcp",)),
    ]
    seen = [one.newer for one in made.news]
    while made.before:
        made = changes_page(BOOK, changes, SAYS, made.before)
        seen += [one.newer for one in made.news]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == len({change.between for change in changes})


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("ssh", "ssh is registered for port 22."),
        ("http-alt", "http-alt is registered for the ports 591, 8008 and 8080."),
        ("x11", "x11 is registered for the ports 6000-6063."),
        ("wico", "wico is registered without a port: it is found by name (DNS SRV or DNS-SD, RFC 6335, section 5)."),
        ("grafana", "Nobody has registered the name Grafana; others use it."),
    ],
)
def test_the_sentence_of_a_service(name: str, summary: str) -> None:
    made = service_page(BOOK, name, SAYS)
    assert made is not None
    assert made.summary == summary


def test_a_service_says_at_which_port_it_is_used() -> None:
    made = service_page(BOOK, "ssh", SAYS)
    assert made is not None
    assert ("Gerrit SSH", "TCP 29418") in [(one.name, one.where) for one in made.uses]
    assert service_page(BOOK, "qqqq", SAYS) is None


def test_the_page_about_the_site_leaves_this_machine_out() -> None:
    rows = [{"source": name, "date": "2026-08-17", "text": name} for name in ("registry", "services", "ufw", "own")]
    made = about_page(rows, SAYS)
    assert [(one.name, one.day) for one in made.sources] == [("registry", "17 August 2026")]
    assert [word for word, _ in made.verdicts] == ["confirmed", "disputed", "unverified", "contradicted"]


def test_search_and_errors_say_what_to_do() -> None:
    assert search_page(BOOK, " ", SAYS).summary == "Type a port, a name or a few words."
    assert search_page(BOOK, "qqqq", SAYS).summary == "Nothing was found for qqqq."
    assert search_page(BOOK, "modbus", SAYS).hits[0].path == "ports/502"
    assert [path_of(*hit) for hit in (("600-1023", ""), ("80, 81", ""), ("", "a b/c"))] == [
        "ranges/600-1023", "ports/80", "services/a%20b%2Fc",
    ]  # fmt: skip
    assert "0 to 65535" in error_page(404, "ports/70000", SAYS, miswritten=True).remedy
    assert "0 to 65535" in html("/en/ports/70000")
    assert "0 to 65535" not in html("/en/services/qqqq")
    assert error_page(599, "", SAYS).status == 599


def test_the_first_page_shows_verdicts_of_ports() -> None:
    made = home_page(BOOK, SAYS)
    assert [one.path for one in made.examples] == ["ports/703", "ports/5000", "ports/502", "ports/445", "ports/8080"]
    assert all(one.what.startswith(f"{one.ports}: ") for one in made.examples)


ORDER = [  # issue 5, point 1
    'class="crumbs"', 'class="lead"', 'class="statuses"', 'id="range"', 'id="uses"', 'id="stories"', 'id="around"',
    'id="history"', 'id="meaning"', 'id="check"', 'id="near"', 'id="sources"', 'class="feedback"',
]  # fmt: skip


@pytest.mark.parametrize(
    ("port", "without"), [(703, {"history"}), (502, {"stories"}), (80, {"uses", "stories", "sources"})]
)
def test_a_page_is_read_in_its_order(port: int, without: set[str]) -> None:
    text = html(f"/en/ports/{port}")
    there = [mark for mark in ORDER if mark.split('"')[1] not in without]
    places = [text.index(mark) for mark in there]
    assert places == sorted(places)
    assert not [mark for mark in ORDER if mark not in there and mark in text]
    assert [text.count(f'value="{face}"') for face in ("sad", "unsure", "happy")] == [1, 1, 1]


CODES = {"url", "kind", "status", "row", "path", "snapshot", "language"}  # for programs, or what is behind a link
LESS = {"why", "kind_word", "era"}  # of what is said of the range around a port


def texts(one: object, unseen: set[str]) -> list[str]:
    """Every text of a JSON value that readers are shown."""
    if isinstance(one, dict):
        codes = CODES | {"verdict"} if "verdict_word" in one else CODES  # else it is the sentence at the head
        return [
            text
            for key, value in one.items()
            if key not in codes | unseen
            for text in texts(value, LESS if key == "around" else unseen)
        ]
    return [text for value in one for text in texts(value, unseen)] if isinstance(one, list) else [str(one)] * bool(one)


@pytest.mark.parametrize("path", ["ports/703", "ports/80", "ports/5000", "ghosts", "services/ssh", "ranges/1000-1100"])
def test_html_says_what_json_says(path: str) -> None:
    shown = unescape(re.sub(r"<[^>]+>", "", html(f"/de/{path}")))
    said = texts(json.loads(SITE.get(f"/de/{path}.json", {}).body), set())
    assert len(said) > 20
    assert [text for text in said if text not in shown and text.upper() not in shown] == []


def test_json_is_made_of_the_page_itself() -> None:
    assert SITE.get("/de/ports/703.json", {}).body.decode() == page_json(port_page(BOOK, 703, words("de")))
