"""The static site on a host of files, below a prefix, in a real Chromium: its 404 page and its search."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import portlore
from portlore.web.catalogues import words

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip("needs Debian's chromium", allow_module_level=True)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'"
)
FREE = 39999  # a port that nobody has and nobody speaks of


class Host(SimpleHTTPRequestHandler):
    """A host of files that knows 404.html, as most do; the site lies below ``prefix``."""

    prefix = "/"

    def do_GET(self) -> None:
        if self.path.startswith(self.prefix):
            self.path = "/" + self.path[len(self.prefix) :]
            super().do_GET()
        else:
            self.send_error(404)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def send_error(self, code: int, *_: Any) -> None:
        body = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def folder(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site") / "site"
    build = [*command, "build", str(made), "--ports", "22,703", "--lang", "en,ug"]
    subprocess.run(build, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return made


@pytest.fixture(params=["/", "/lore/", "/a/en/"])
def host(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of the site: at the top of a host, and below two prefixes, one of which looks like a language."""
    handler = type("Here", (Host,), {"prefix": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{request.param}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, host: str) -> Iterator[Any]:
    """A page whose programs may not fail, nor ask elsewhere."""
    context = browser.new_context()
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda one: faults.append(one.text) if "Content Security" in one.text else None)
    opened.on("request", lambda one: None if one.url.startswith("http://127.0.0.1:") else faults.append(one.url))
    yield opened
    context.close()
    assert faults == []


def opened(page: Any, address: str) -> None:
    assert page.goto(address).status == 404
    page.locator("#missing .statuses").wait_for(state="visible")


def status_of(address: str, page: Any) -> int:
    return int(page.request.get(address).status)


@pytest.mark.parametrize("address", [f"en/ports/{FREE}/", f"en/ports/{FREE}", f"en/ports/{FREE}.json"])
def test_the_404_page_says_what_is_known_of_a_port(page: Any, host: str, address: str) -> None:
    facts = [portlore.load().lookup(FREE, on) for on in ("tcp", "udp")]
    opened(page, host + address)
    assert page.locator("h1").inner_text() == f"Port {FREE}"
    assert page.title() == f"Port {FREE} · Portlore"
    assert page.locator(".lead").inner_text() == f"{FREE}: officially nobody's."
    assert page.locator("#missing .statuses td").all_inner_texts() == [str(one.status) for one in facts]
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", "its style was not found"
    link = page.locator("#missing .range a")
    assert link.evaluate("(a) => a.href") == f"{host}en/ranges/39936-40191/"
    link.click()
    assert page.url == f"{host}en/ranges/39936-40191/"
    assert page.locator("h1").inner_text() == "Ports 39936-40191"


def test_every_link_of_the_404_page_leads_on(page: Any, host: str) -> None:
    opened(page, f"{host}en/ports/{FREE}")
    links = page.eval_on_selector_all("a[href], link[href]", "(all) => all.map((one) => one.href)")
    assert len(links) > 10
    for link in set(links):
        if "#" not in link and f"/ports/{FREE}" not in link:
            assert link.startswith(host)
            assert status_of(link, page) == 200, link


def test_the_404_page_speaks_the_language_of_the_address(page: Any, host: str) -> None:
    opened(page, f"{host}ug/ports/{FREE}/")
    said = words("ug")
    assert page.locator("html").get_attribute("lang") == "ug"
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert page.locator("h1").inner_text() == said.say("Port {port}", port=FREE)
    assert page.locator(".lead").inner_text() == said.say("{port}: officially nobody's.", port=FREE)
    assert page.locator("#missing .range a").evaluate("(a) => a.href") == f"{host}ug/ranges/39936-40191/"
    page.locator("footer [hreflang=en]").click()
    page.locator("#missing .statuses").wait_for(state="visible")
    assert page.url == f"{host}en/ports/{FREE}/"
    assert page.locator("h1").inner_text() == f"Port {FREE}"


def test_the_404_page_is_in_the_first_language_for_one_that_was_not_built(page: Any, host: str) -> None:
    opened(page, f"{host}de/ports/{FREE}/")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator(".lead").inner_text() == f"{FREE}: officially nobody's."
    assert page.locator("#missing .range a").evaluate("(a) => a.href") == f"{host}en/ranges/39936-40191/"


KINDS = [
    (50000, "50000: a dynamic port, never assigned to anybody."),
    (1023, "1023: officially reserved."),
    (80, ""),  # assigned, and not chosen: the table says so, and the sentence would need its name
    (65535, "65535: a dynamic port, never assigned to anybody."),
]


@pytest.mark.parametrize(("port", "sentence"), KINDS)
def test_the_404_page_has_a_sentence_for_what_has_no_name(page: Any, host: str, port: int, sentence: str) -> None:
    opened(page, f"{host}en/ports/{port}/")
    assert page.locator(".lead").inner_text() == sentence
    facts = [portlore.load().lookup(port, on) for on in ("tcp", "udp")]
    shown = page.eval_on_selector_all("#missing .status", "(all) => all.map((one) => one.className.split(' ')[1])")
    assert shown == [str(one.status) for one in facts]


@pytest.mark.parametrize(
    "address", ["en/ports/65536/", "en/ports/0703/", "en/nosuch", "nosuch", "en/ports/7/8/9", "xx/"]
)
def test_the_404_page_says_no_more_of_what_is_no_port(page: Any, host: str, address: str) -> None:
    assert page.goto(host + address).status == 404
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").inner_text() == "There is no such page"
    assert page.locator("#missing .statuses").is_hidden()
    if address.count("/") < 4:
        for link in page.locator("#missing .near a").all():
            assert status_of(link.evaluate("(a) => a.href"), page) == 200


def test_without_javascript_the_404_page_of_a_link_has_the_three_ranges(browser: Any, host: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{host}en/ports/703/")
    page.goto(f"{host}en/ports/{FREE}/")
    page.locator("#missing .near a").nth(1).click()
    assert page.url == f"{host}en/ranges/1024-49151/"
    assert page.locator("h1").inner_text() == "Ports 1024-49151"
    context.close()


# Searching without a server.


def test_the_search_finds_names_and_leads_to_their_pages(page: Any, host: str) -> None:
    page.goto(f"{host}en/ports/703/")
    page.fill("header input[name=q]", "ssh")
    page.press("header input[name=q]", "Enter")
    first = page.locator(".hits a").first
    first.wait_for()
    assert page.url == f"{host}en/search/?q=ssh"
    assert page.locator("#found").inner_text() == "Results for ssh"
    assert first.inner_text() == "ssh"
    first.click()
    assert page.url == f"{host}en/ports/22/"
    assert page.locator("h1").inner_text() == "Port 22"


def test_the_search_finds_as_you_type(page: Any, host: str) -> None:
    page.goto(f"{host}ug/search/")
    page.wait_for_load_state("networkidle")
    said = words("ug")
    assert page.locator("#found").inner_text() == said.say("Type a port, a name or a few words.")
    page.type("header input[name=q]", "mod")
    page.locator(".hits a").first.wait_for()
    page.type("header input[name=q]", "bus")
    names = [name.lower() for name in page.locator(".hits a").all_inner_texts()]
    assert names
    assert all("modbus" in name for name in names)
    page.fill("header input[name=q]", "qqqzzz<b>")
    assert page.locator("#found").inner_text() == said.say("Nothing was found for {query}.", query="qqqzzz<b>")
    assert page.locator(".hits li").count() == 0


def test_the_search_leads_to_a_port_by_its_number(page: Any, host: str) -> None:
    page.goto(f"{host}en/search/?q={FREE}")
    first = page.locator(".hits a").first
    first.wait_for()
    assert first.evaluate("(a) => a.href") == f"{host}en/ports/{FREE}/"


def test_without_javascript_the_search_lists_the_ranges(browser: Any, host: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{host}en/search/?q=ssh")
    page.locator("main .near a").first.click()
    assert page.url == f"{host}en/ranges/0-1023/"
    context.close()
