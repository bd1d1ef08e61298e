"""The atlas page for tests: a real server, a real Chromium, and what is read off the page and done to it."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
PATIENCE = 60.0  # seconds that anything may take before a test fails
OF_CHROMIUM = "Applying inline style violates"  # its own document on broken XML is styled so, and the policy blocks it
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def until(page: Any, expression: str) -> None:
    """Wait until something is so (Playwright's own way needs an eval that the page's policy rightly forbids)."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression} never came true"
        page.wait_for_timeout(20)


class Map:
    """The page, opened; whatever it asks of other hosts or complains about fails the test when it is closed."""

    def __init__(self, browser: Any, site: str, path: str, **options: Any) -> None:
        self.site = site
        self.faults: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 1000}, **options})
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda one: self.faults.append(one.text) if one.type == "error" else None)
        self.page.on("request", lambda one: None if one.url.startswith(site) else self.faults.append(one.url))
        self.page.goto(site + path)
        self.page.wait_for_selector("#atlas[data-ready]", timeout=1000 * PATIENCE)
        self.canvas = self.page.locator("#atlas-map")

    @property
    def said(self) -> str:
        """What the page tells of a port."""
        return str(self.page.locator("#atlas-said").text_content())

    def press(self, *keys: str) -> str:
        """Type on the map; what is said then."""
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)
        return self.said

    def told(self, name: str, value: str) -> None:
        """Wait until the address says so."""
        until(self.page, f"new URLSearchParams(location.hash.slice(1)).get({name!r}) === {value!r}")

    def colours(self, *ports: int) -> list[str]:
        """The colours in the middle of ports' cells, the whole map in view."""
        self.page.evaluate(DRAWN)
        found = self.page.evaluate(
            """(ports) => ports.map((port) => {
              const canvas = document.getElementById("atlas-map"), cell = canvas.width / 256;
              const x = Math.floor((port % 256 + 0.5) * cell), y = Math.floor((Math.floor(port / 256) + 0.5) * cell);
              return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
            })""",
            ports,
        )
        return ["#" + bytes(rgb).hex() for rgb in found]

    def upload(self, name: str, text: str) -> str:
        """Give a file to the page; what it says of it."""
        self.page.select_option("#atlas-layer", "scan")
        self.page.evaluate("document.getElementById('atlas-read').textContent = ''")
        self.page.set_input_files("#atlas-file", {"name": name, "mimeType": "text/plain", "buffer": text.encode()})
        return self._read()

    def upload_much(self, head: str, much: str, times: int) -> str:
        """The same for a file that is too large to be carried into the browser: it is made there."""
        self.page.select_option("#atlas-layer", "scan")
        self.page.evaluate(
            """([head, much, times]) => {
              document.getElementById("atlas-read").textContent = "";
              const given = new DataTransfer(), input = document.getElementById("atlas-file");
              given.items.add(new File([head, much.repeat(times)], "scan"));
              input.files = given.files;
              input.dispatchEvent(new Event("change"));
            }""",
            [head, much, times],
        )
        return self._read()

    def _read(self) -> str:
        until(self.page, "document.getElementById('atlas-read').textContent !== ''")
        return str(self.page.locator("#atlas-read").text_content())

    def open_ports(self) -> set[int]:
        """The ports that the scan's layer shows as open."""
        return set(self.page.evaluate("[...layers.scan.picture.keys()].filter((port) => !layers.scan.picture[port])"))

    def close(self) -> None:
        """Close it; fails when it has done what it should not."""
        self.context.close()
        faults = [fault for fault in self.faults if not fault.startswith(OF_CHROMIUM)]
        assert not faults, faults


class Atlas:
    """The server's address and the browser; pages that are opened through it are closed together."""

    def __init__(self, site: str, browser: Any) -> None:
        self.site, self.browser = site, browser
        self._opened: list[Map] = []

    def open(self, path: str = "/en/atlas", **options: Any) -> Map:
        """The page; ``options``: those of a browser's context."""
        self._opened.append(Map(self.browser, self.site, path, **options))
        return self._opened[-1]

    def finish(self) -> None:
        """Close what a test has opened."""
        opened, self._opened = self._opened, []
        for one in opened:
            one.close()


@contextmanager
def serving(command: list[str]) -> Iterator[Atlas]:
    """A server that may tell of this machine's listeners, and a browser; skips where one of them is missing."""
    for needed in ("uvicorn", "fastapi", "babel"):
        pytest.importorskip(needed)
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    words = [*command, "serve", "--port", "0", "--listeners", "--feedback", "none"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            found = re.search(r"http://[\d.]+:\d+", line)
            assert found, line
            with playwright.sync_playwright() as play:
                browser = play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
                yield Atlas(found[0], browser)
                browser.close()
        finally:
            server.terminate()
