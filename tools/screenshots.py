"""Take the pictures of the site that README and docs show: a real server, a real Chromium.

.check/oldest/bin/python tools/screenshots.py        needs Debian's chromium; fonts-noto-core makes them look well
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent.parent / "docs/images"
MOST = 150_000  # bytes of a picture
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PICTURES = (  # file, address, width, height, colours
    ("site-703.png", "/en/ports/703", 1280, 890, "light"),
    ("site-703-dark-ar.png", "/ar/ports/703", 1280, 868, "dark"),
    ("atlas.png", "/en/atlas#port=703", 1280, 1090, "light"),
)


def take(browser: Any, site: str, name: str, address: str, width: int, height: int, colours: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce")
    page.goto(site + address)
    if "/atlas" in address:
        page.wait_for_selector("#atlas[data-ready]")
        page.evaluate(DRAWN)
    picture = page.screenshot(path=IMAGES / name)
    print(f"{name}: {len(picture):,} bytes")
    assert len(picture) <= MOST, "too large: make the page's part smaller"
    page.close()


def main() -> None:
    words = [sys.executable, "-m", "portlore", "serve", "--port", "0", "--feedback", "none"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server, sync_playwright() as play:
        try:
            assert server.stderr is not None
            found = re.search(r"http://[\d.]+:\d+", server.stderr.readline())
            assert found, "the server did not start"
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-quic"])
            for picture in PICTURES:
                take(browser, found[0], *picture)
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
