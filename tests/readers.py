"""Readers of the site for tests: a real server, a real Chromium, and whether a page does what it should not."""

from __future__ import annotations

import os
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
PATIENCE = 60.0  # seconds that anything may take before a test fails: far beyond what it takes
NOT_FOUND = "Failed to load resource: the server responded with a status of 404"  # said of a page that is not there


class Readers:
    """The site's address and the browser; what tests open is closed together, and fails them for its faults.

    A fault is a request to another host, or anything that the browser complains of: an error of a script, something
    that the page's policy (CSP) forbids, a file that is missing.
    """

    def __init__(self, site: str, browser: Any, folder: Path) -> None:
        self.site, self.browser, self.folder = site, browser, folder
        self.faults: list[str] = []
        self._contexts: list[Any] = []

    def open(self, path: str, **options: Any) -> Any:
        """A page, read by somebody new; ``options``: those of a browser's context."""
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        context = self.browser.new_context(**options)
        context.set_default_timeout(1000 * PATIENCE)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda one: self._heard(one.type, one.text))
        page.on("request", lambda one: self._asked(one.url))
        self.go(page, path)
        return page

    def go(self, page: Any, path: str) -> None:
        """Go to another page; the atlas is waited for."""
        page.goto(self.site + path)
        if path.endswith("/atlas") and page.evaluate("typeof drawNow") == "function":  # where scripts run
            page.wait_for_selector("#atlas[data-ready]")

    def finish(self) -> None:
        """Close what a test has opened; fails when it has done what it should not."""
        contexts, self._contexts = self._contexts, []
        for context in contexts:
            context.close()
        faults, self.faults = self.faults, []
        assert not faults, faults

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(NOT_FOUND):
            self.faults.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.site}/", "data:")):
            self.faults.append(url)


def until(page: Any, expression: str) -> None:
    """Wait until something is so (Playwright's own way needs an eval that the page's policy rightly forbids)."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression} never came true"
        page.wait_for_timeout(20)


@contextmanager
def reading(command: list[str], folder: Path) -> Iterator[Readers]:
    """A server that keeps its votes in ``folder``, and a browser; skips where one of them is missing."""
    for needed in ("uvicorn", "fastapi", "babel", "sqlalchemy"):
        pytest.importorskip(needed)
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    environment = {**os.environ, "PORTLORE_DATA": str(folder)}
    log = folder / "log"
    with (
        log.open("w") as told,
        subprocess.Popen([*command, "serve", "--port", "0"], stderr=told, env=environment) as server,
    ):
        try:
            site = _address(server, log)
            with playwright.sync_playwright() as play:
                browser = play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
                yield Readers(site, browser, folder)
                browser.close()
        finally:
            server.terminate()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + PATIENCE
    while not (found := re.search(r"http://[\d.]+:\d+", log.read_text("utf-8"))):
        assert server.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < end, log.read_text("utf-8")
        time.sleep(0.05)
    return found[0]
