"""``portlore build DIR``: the site as files."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from pathlib import Path

from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output
    from portlore.web.static_site import Size

USAGE = "build DIR [--lang LANGUAGES] [--ports PORTS] [--site URL] …"
DESCRIPTION = """\
Write the site as files, for any host that serves files: English, and a page for
every port that has something of its own; 404.html works out all others. Every
page is there for programs too, as .json. Links are relative: DIR can be put
below any path.

  portlore build public
  portlore build public --lang en,de,ar --site https://ports.example.org/lore
                                          with sitemaps and full addresses
  portlore build public --ports 703,600-1023
  portlore build public --ports all --lang all
                                          everything: a million pages

DIR keeps the site it has until the new one is whole. Ended in the middle, the
same command goes on where it was.
"""
SILENT = 2.0  # seconds before the progress is told
MANY, ASKED = 20_000, 2_000_000_000  # pages whose size is told before, bytes that are asked for
LONGEST = 500  # characters of the site's address
WIDTH = 24  # columns of the bar
LATELY = 10.0  # seconds that the rate is of


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("folder", metavar="DIR", help="where: a new or empty folder, or one that it has built")
    parser.add_argument("--lang", default="en", metavar="LANGUAGES", help="such as en,de; or all (default: en)")
    parser.add_argument("--ports", default="", metavar="PORTS", help="such as 703,600-1023; or all")
    parser.add_argument("--site", default="", metavar="URL", help="the site's public address")
    parser.add_argument("--workers", type=_workers, default=os.cpu_count() or 1, metavar="N", help="(default: a core)")
    parser.add_argument("--yes", action="store_true", help="do not ask, however much it is")


def _workers(text: str) -> int:
    from portlore.query import parse_limit

    return parse_limit(text, 64)


def run(args: Namespace, output: Output) -> int:
    """Build; 1 when it was too much for somebody who was asked."""
    from portlore.extras import require
    from portlore.web.extra import WEB

    require(WEB, output.say)
    began = time.monotonic()
    from portlore.web.static_site import Plan, build, press_of

    plan = Plan(args.lang, args.ports, _site(args.site))
    press = press_of(plan)
    if press.pages > MANY:
        size = press.estimate()
        output.say(f"portlore: {press.pages:,} pages, about {size.files:,} files, {_bytes(size)}")
        if size.bytes > ASKED and not args.yes and not _agreed(args.folder):
            output.lines(["nothing was written"])
            return 1
    bar = Bar(output)
    try:
        built = build(plan, Path(args.folder), args.workers, bar.show)
    finally:
        output.progress("")
    took = f"{built.fresh:,} made in {time.monotonic() - began:.1f} s" if built.fresh else "all there already"
    size_text = f"{built.files:,} files, {built.bytes / 1e6:,.1f} MB"
    output.lines([f"{args.folder}: {built.pages:,} pages, {size_text}; {took}"])
    return 0


def _site(text: str) -> str:
    from urllib.parse import urlsplit

    site = text.rstrip("/")
    do = "write one such as https://ports.example.org/lore"
    parts = urlsplit(site)
    if site and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise InputError(f"--site {text[:80]}", "not an address of the web", do)
    if len(site) > LONGEST or not (site.isascii() and site.isprintable()) or any(c in site for c in " \"'<>\\"):
        raise InputError(f"--site {text[:80]}", f"longer than {LONGEST} characters, or with some that need a %", do)
    return site


def _bytes(size: Size) -> str:
    return f"{size.bytes / 1e9:,.1f} GB ({size.disk / 1e9:,.1f} GB on a disk that gives 4 kB at a time)"


def _agreed(folder: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError("portlore build", "nobody to ask: the input is no terminal", "add --yes to write it unasked")
    from portlore.render.terminal import clean

    sys.stderr.write(f"write them to {clean(folder)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class Bar:
    """A line of progress: how much is done, how fast it goes now, how long it will take."""

    def __init__(self, output: Output) -> None:
        self._output, self._began = output, time.monotonic()
        self._lately: deque[tuple[float, int]] = deque()
        self._full, self._empty = ("█", "░") if output.style.unicode else ("#", ".")

    def show(self, done: int, pages: int) -> None:
        """``done`` of so many ``pages``."""
        now = time.monotonic()
        self._lately.append((now, done))
        while now - self._lately[0][0] > LATELY:
            self._lately.popleft()
        since, before = self._lately[0]
        if now - self._began > SILENT and done > before:
            rate = (done - before) / (now - since)
            full = WIDTH * done // pages
            bar = self._full * full + self._empty * (WIDTH - full)
            left = _left((pages - done) / rate)
            self._output.progress(f"{bar} {100 * done // pages} %  {done:,} of {pages:,} pages, {rate:,.0f}/s, {left}")


def _left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"
