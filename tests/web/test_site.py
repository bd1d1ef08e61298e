"""The pages as a server gives them: what is there and what is not, in 14 languages, to friends and to others."""

from __future__ import annotations

import gzip
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from site_server import Reply, Server, serving

pytest.importorskip("babel")
pytest.importorskip("jinja2")

if TYPE_CHECKING:
    from portlore.web.site import Site

CODES = ("en", "bn", "ug", "ar", "es", "fr", "de", "hi", "id", "ja", "pt", "ru", "tr", "zh")
SITE = "https://ports.example.org"
KINDS = ("", "ports/703", "ranges/600-1023", "services/ssh", "search?q=printer", "changes", "ghosts", "about", "atlas")


@pytest.fixture(scope="module")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(command, tmp_path_factory.mktemp("data"), "--site", SITE) as one:
        yield one


@pytest.fixture(scope="module")
def site() -> Site:
    """The same pages without a server."""
    from portlore.opening import load
    from portlore.web.site import Site

    return Site(load(), [])


class Page(HTMLParser):
    """What a page says and loads. ``text``: what is read; ``values``: those of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.values: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]


def language_of(reply: Reply) -> str:
    return Page(reply.text).all("html")[0]["lang"]


# What there is, and what there is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_kind_of_page_is_there_in_every_language(server: Server, code: str) -> None:
    for path in KINDS:
        reply = server.ask(f"/{code}/{path}")
        assert (path, reply.status, language_of(reply)) == (path, 200, code)
        assert reply.headers["content-language"] == code
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
    told = server.ask(f"/{code}/ports/703.json")
    assert (told.status, told.headers["content-type"], told.json["language"]) == (200, "application/json", code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/en/ports/70000", 404, "en"),
        ("/ja/ports/70000", 404, "ja"),
        ("/ug/ports/65536", 404, "ug"),
        ("/en/ports/-1", 404, "en"),
        ("/en/ports/0703", 404, "en"),
        ("/en/ports/7e2", 404, "en"),
        ("/en/ports/%C2%B2", 404, "en"),  # a digit, and no number
        ("/en/ports/%D9%A7%D9%A0%D9%A3", 404, "en"),  # 703 in Arabic digits
        ("/en/ports/" + "9" * 400, 404, "en"),
        ("/en/ports/703/x", 404, "en"),
        ("/en/ports/703%00", 404, "en"),
        ("/en/ranges/9-3", 400, "en"),
        ("/ru/ranges/0-70000", 400, "ru"),
        ("/en/ranges/x", 400, "en"),
        ("/en/services/nobody-has-this", 404, "en"),
        ("/en/services/%00", 404, "en"),
        ("/en/ports/", 404, "en"),
        ("/en/ports/70000/", 404, "en"),
        ("/en/ports/%2537", 404, "en"),  # written twice over
        ("/en/ports/%%33%37", 404, "en"),
        ("/en/changes/yesterday", 404, "en"),
        ("/en/changes/9999-99-99", 404, "en"),
        ("/en/changes/2019-02-29", 404, "en"),
        ("/en/changes/2019-W01-1", 404, "en"),
        ("/en/changes/20190101", 404, "en"),
        ("/en/changes/%D9%A2%D9%A0%D9%A1%D9%A9-01-01", 404, "en"),  # 2019 in Arabic digits
        ("/de/changes?until=2019-13-01", 404, "de"),
        ("/en/changes/2020-02-29", 200, "en"),
        ("/en/changes/9999-12-31", 200, "en"),  # the latest
        ("/en/changes/1970-01-01", 200, "en"),  # none
        ("/en/search/printer", 404, "en"),
        ("/en/nothing", 404, "en"),
        ("/hi/search?q=%00", 400, "hi"),
        ("/hi/search?q=" + "a" * 199, 400, "hi"),
        ("/en/search?page=99999999999999999999", 200, "en"),
        ("/xx/", 404, "de"),  # no language: as Accept-Language has it
        ("/xx/ports/703", 404, "de"),
        ("/EN/", 404, "de"),
        ("/en%2fports%2f703", 404, "de"),
        ("//evil.example/", 404, "de"),
        ("/nothing", 404, "de"),
        ("/.env", 404, "de"),
        ("/en/../../etc/passwd", 404, "en"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "de"),
        ("/en/services/..%2f..%2f..%2fetc%2fpasswd", 404, "en"),
        ("/static/../app.py", 404, "de"),
        ("/static/%2e%2e/app.py", 404, "de"),
        ("/static/..%2fapp.py", 404, "de"),
        ("/static/%2fetc%2fpasswd", 404, "de"),
        ("/static/", 404, "de"),
        ("/sitemap-xx-1.xml", 404, "de"),
        ("/sitemap-en-0.xml", 404, "de"),
        ("/sitemap-en-999.xml", 404, "de"),
        ("/sitemaps", 404, "de"),
    ],
)
def test_what_is_not_there_is_told_in_the_readers_language(server: Server, path: str, status: int, code: str) -> None:
    reply = server.raw(
        f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Language: xx, de;q=0.5\r\nConnection: close\r\n\r\n".encode()
    )
    assert (reply.status, language_of(reply)) == (status, code)
    assert "root:" not in reply.text
    if status != 200:
        assert Page(reply.text).all("meta", name="robots") == [{"name": "robots", "content": "noindex"}]
        assert not Page(reply.text).all("form", method="post")  # nothing to vote on
    assert not any("fault=" in line for line in server.lines)


@pytest.mark.parametrize("path", ["/en/ports/70000.json", "/en/services/nobody-has-this.json", "/en/nothing.json"])
def test_programs_are_told_so_in_json(server: Server, path: str) -> None:
    reply = server.ask(path)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/json")
    assert reply.json["status"] == 404


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", "/de/"),
        ("/en/ports/703/", "/en/ports/703"),
        ("/en/ghosts/", "/en/ghosts"),
        ("/en/services/ssh//", "/en/services/ssh"),
        ("/en", "/en/"),
        ("/en//", "/en/"),
        ("/en/.json", "/en/index.json"),
        ("/en/search/?q=a+%26+b", "/en/search?q=a+%26+b"),
        ("/en/ports/%37%30%33", "/en/ports/703"),
        ("/en/ports/7%303.json", "/en/ports/703.json"),
        ("/en/ports/%37%30%33/", "/en/ports/703"),
        ("/en/ranges/600%2d1023", "/en/ranges/600-1023"),
        ("/en/changes/2020-02-2%39", "/en/changes/2020-02-29"),
        ("/en/services/SSH", "/en/services/ssh"),
        ("/ja/services/SsH.json", "/ja/services/ssh.json"),
        ("/en/services/%73%73%68", "/en/services/ssh"),
        ("/en/services/%e2%84%aaerberos", "/en/services/kerberos"),  # the kelvin sign is a K
        ("/en/services/WHOIS++", "/en/services/whois%2B%2B"),
        ("/en/services/whois%2b%2B", "/en/services/whois%2B%2B"),
        ("/en/services/CL%2f1.json", "/en/services/cl%2F1.json"),
        ("/en/services/MongoDB", "/en/services/mongodb"),  # as registered, whatever others write
        ("/en/services/netinfo", "/en/services/NetInfo"),  # not registered: as the claims have it
        ("/en/services/fortigate%20ha", "/en/services/FortiGate%20HA"),
    ],
)
def test_other_spellings_lead_to_the_page_at_once(server: Server, path: str, place: str) -> None:
    reply = server.ask(path, Accept_Language="de", Host="evil.example")
    assert (reply.status, reply.headers["location"]) in ((301, place), (302, place))
    assert reply.headers["vary"] == "accept-language"
    assert server.ask(place).status == 200


def test_no_service_is_led_away_from_its_address_however_a_proxy_writes_it(site: Site) -> None:
    """A proxy that decodes a path and writes it anew would make a loop of such a redirect."""
    names = {record.name for record in site.book.registry.records()} | {claim.name for claim in site.book.lore}
    names = {name for name in names if re.search(r"[^\w-]|[A-Z]", name)}
    assert names >= {"whois++", "cl/1", "EtherNet/IP-1", "RabbitMQ (AMQP)"}
    for name in names:
        strict = site.get(f"/en/services/{quote(name, safe='')}", {})
        place = strict.location or f"/en/services/{quote(name, safe='')}"
        if strict.status == 404:  # of a claim that was found wrong
            continue
        for written in (place, quote(unquote(place), safe="/!$&'()*+,;=:@"), unquote(place).replace(" ", "%20")):
            reply = site.get(written, {})
            assert (written, reply.status, f"/en/{reply.path}") == (written, 200, place)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("zh-Hant-TW, en;q=0.1", "zh"),
        ("xx, fr;q=0.3, ru;q=0.7", "ru"),
        ("fr;q=0.7, ru;q=0.7", "fr"),  # of the same worth, the first
        ("de;q=0, ar;q=0.1", "ar"),
        ("*", "en"),
        ("xx;q=1, *;q=0.5, ja;q=0.1", "en"),  # anything before Japanese
        ("ug , de;q=0.9", "ug"),
        ("tr;q=abc, id;q=0.1", "id"),
        ("tr; q=0.2, id;q=0.1", "tr"),
        (";;;,,,;q=,", "en"),
        ("pt;q=nan, es;q=0.5", "es"),
        ("<script>", "en"),
        ("de," * 3000, "de"),
    ],
)
def test_accept_language_chooses_the_first_page(server: Server, header: str, code: str) -> None:
    reply = server.ask("/", Accept_Language=header)
    assert (reply.status, reply.headers["location"]) == (302, f"/{code}/")


def test_behind_a_proxy_nobody_is_this_machine_without_the_token(server: Server) -> None:
    """The server listens on loopback, and a proxy may say nothing of whom it asks for."""
    token = re.findall("machine: (.*)", "".join(server.lines))[0]
    assert server.ask("/metrics").status == 403
    assert server.ask("/metrics", Authorization=f"Bearer {token}").status == 200


# What strangers put into it -------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</title><marquee>",
    "]]>", "\x1b[31mred\x07", "\u202ethe wrong way", "\u2066\u2069", "{{7*7}}${7*7}", "javascript:alert(1)",
    "a\r\nSet-Cookie: b=c",
    "\x00", "\u009b31m", "\u2028\u2029", "\ufeff", "a\tb", "𝕏" * 60, "%", "&lt;", "\\u003cscript\\u003e",
)  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_that_is_sent_comes_back_as_anything_but_text(server: Server, hostile: str) -> None:
    sent = quote(hostile, safe="")
    header = hostile.encode("utf-8").translate(None, b"\r\n\x00").decode("latin-1")
    for reply in [
        server.ask(f"/en/search?q={sent}"),
        server.ask(f"/en/search?q=printer&page={sent}"),
        server.ask(f"/en/services/{sent}"),
        server.ask(f"/en/ports/{sent}"),
        server.ask(f"/en/{sent}"),
        server.ask(f"/{sent}"),
        server.ask(f"/en/changes?until={sent}"),
        server.ask(f"/en/ports/703?{sent}={sent}", Cookie=header, Referer=header, User_Agent=header),
        server.raw(
            b"GET /nothing HTTP/1.0\r\nHost: %b\r\nAccept-Language: %b\r\n\r\n" % ((header.encode("latin-1"),) * 2)
        ),
        server.raw(b"GET /sitemap.xml HTTP/1.0\r\nHost: %b\r\n\r\n" % header.encode("latin-1")),
        server.raw(b"GET /robots.txt HTTP/1.0\r\nHost: %b\r\n\r\n" % header.encode("latin-1")),
        server.ask("/en/feedback", "POST", f"path={sent}&face={sent}".encode()),
    ]:
        assert reply.status in (200, 400, 404, 414, 429)
        assert "set-cookie" not in reply.headers
        text = reply.text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        if not reply.headers["content-type"].startswith("text/html"):
            continue
        page = Page(text)
        assert not page.all("img")
        assert not page.all("marquee")
        for _, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")]
        assert {one.get("src", "") for one in page.all("script")} <= {"/static/site.js", "/static/atlas.js"}
        for one in page.all("a"):
            assert re.match(r"/|\?|#|https?://", one["href"])
    assert not any("fault=" in line for line in server.lines)


def test_what_was_asked_for_is_shown_as_it_was_written(server: Server) -> None:
    for hostile in ("<script>alert(1)</script>", '"><img src=x>', "{{7*7}}", "&lt;"):
        sent = quote(hostile, safe="")
        assert hostile in Page(server.ask(f"/en/search?q={sent}").text).text
        assert hostile in Page(server.ask(f"/en/services/{sent}").text).text


# One page, two forms --------------------------------------------------------------------------------------------------

PAGES = (
    "", "ports/703", "ports/0", "ports/80", "ports/973", "ports/585", "ports/5000", "ports/6000", "ports/49152",
    "ports/65535", "ranges/600-1023", "ranges/49152-65535", "services/ssh", "services/x11",
    "services/kerberos", "services/NetInfo", "services/FortiGate%20HA", "search?q=printer", "search?q=port&page=2",
    "search?q=zzzzzz", "changes", "changes/2019-01-01", "ghosts", "about", "atlas", "nothing",
)  # fmt: skip
UNSHOWN = {  # codes whose words are shown, dates that are shown as people write them, numbers that are shown as text
    "kind", "layer", "snapshot", "older", "newer", "status", "number", "percent", "page",
    "around.kind_word", "around.era", "around.why", "around.later",  # what is said of ranges, told in fewer words
}  # fmt: skip


def strings(value: Any, *names: str) -> Iterator[tuple[str, str]]:
    """Every text and number of a document that people should find on the page, with the names of its fields."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key not in UNSHOWN and ".".join((*names, key)) not in UNSHOWN:
                yield from strings(one, *names, key)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, *names)
    elif isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        yield ".".join(names), str(value)


def folded(text: str) -> str:
    return " ".join(text.split()).casefold()


@pytest.mark.parametrize("code", ["en", "ar", "ja"])
@pytest.mark.parametrize("path", PAGES)
def test_programs_are_told_what_people_are_shown(server: Server, path: str, code: str) -> None:
    name, _, query = path.partition("?")
    told = server.ask(f"/{code}/{name or 'index'}.json?{query}").json
    page = Page(server.ask(f"/{code}/{path}").text)
    shown = folded(page.text) + " " + folded(" ".join(page.values))
    found = list(strings(told))
    assert len(found) >= 3
    missing = [(name, text) for name, text in found if folded(text) not in shown]
    assert missing == []


# For search engines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "ports/703", "ranges/600-1023", "services/ssh", "changes", "ghosts", "about"])
def test_a_page_names_itself_and_its_other_languages(server: Server, path: str) -> None:
    for code in ("en", "ug"):
        page = Page(server.ask(f"/{code}/{path}").text)
        assert [one["href"] for one in page.all("link", rel="canonical")] == [f"{SITE}/{code}/{path}"]
        others = {one["hreflang"]: one["href"] for one in page.all("link", rel="alternate") if "hreflang" in one}
        assert others == {**{one: f"{SITE}/{one}/{path}" for one in CODES}, "x-default": f"{SITE}/en/{path}"}
    assert not Page(server.ask("/en/search?q=ssh").text).all("link", rel="canonical")


def test_the_sitemap_is_whole_and_within_the_limits_of_its_protocol(server: Server) -> None:
    """At most 50,000 addresses and 50 MB a file (sitemaps.org)."""
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    assert f"Sitemap: {SITE}/sitemap.xml\n" in server.ask("/robots.txt").text
    index = ET.fromstring(server.ask("/sitemap.xml").body)
    files = [one.text or "" for one in index.iter(f"{space}loc")]
    assert index.tag == f"{space}sitemapindex"
    assert len(files) == len(set(files)) <= 50_000
    seen: dict[str, int] = {}
    every: set[str] = set()
    for address in files:
        assert address.startswith(f"{SITE}/")
        code = re.findall(r"sitemap-(..)-", address)[0]
        reply = server.ask(address.removeprefix(SITE))
        assert len(reply.body) <= 50 * 1024 * 1024
        assert reply.headers["content-type"] == "application/xml"
        found = re.findall("<loc>([^<]*)</loc>", reply.text)
        if code in ("en", "zh"):
            assert [one.text for one in ET.fromstring(reply.body).iter(f"{space}loc")] == found
            every.update(found)
        assert len(found) <= 50_000
        assert all(one.startswith(f"{SITE}/{code}/") for one in found)
        seen[code] = seen.get(code, 0) + len(found)
    assert set(seen) == set(CODES)
    assert len(set(seen.values())) == 1
    assert len(every) == seen["en"] + seen["zh"]  # none twice
    assert {f"{SITE}/en/ports/{port}" for port in range(65536)} <= every
    for address in sorted(every)[::3001]:
        assert server.ask(address.removeprefix(SITE)).status == 200


# As bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "is_packed"),
    [("", False), ("gzip", True), ("deflate, gzip;q=0.5", True), ("GZIP", True), ("gzip;q=0", False), ("br", False),
     ("gzip; q=0.0", False), ("identity", False)],
)  # fmt: skip
def test_a_page_is_packed_for_who_takes_it_so(server: Server, header: str, is_packed: bool) -> None:
    plain, reply = server.ask("/en/ports/703"), server.ask("/en/ports/703", Accept_Encoding=header)
    assert ("content-encoding" in reply.headers) == is_packed
    assert (gzip.decompress(reply.body) if is_packed else reply.body) == plain.body
    assert reply.headers["vary"] == plain.headers["vary"] == "accept-encoding"


def check_port_page(site: Site, port: int) -> None:
    answer = site.get(f"/en/ports/{port}", {})
    assert answer.status == 200
    assert len(answer.body) <= 35_000, port
    assert f"<h1>Port {port}</h1>" in answer.body.decode()
    told = json.loads(site.get(f"/en/ports/{port}.json", {}).body)
    assert told["port"] == port
    assert told["verdict"].startswith(f"{port}: ")


def test_a_sample_of_all_ports_has_its_page(site: Site) -> None:
    for port in [*range(0, 65536, 101), *range(600, 1024, 7), 65535]:
        check_port_page(site, port)


@pytest.mark.slow
def test_every_port_has_its_page(site: Site) -> None:
    for port in range(65536):
        check_port_page(site, port)
