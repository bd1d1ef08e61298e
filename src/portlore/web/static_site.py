"""Edge: the site as files, for any host that serves files and knows ``404.html``: what ``portlore build`` writes.

A page is ``LANGUAGE/PATH/index.html`` and, for programs, ``LANGUAGE/PATH.json``; every link in it is relative, so that
the whole may lie below any path. ``404.html`` answers for addresses at every depth, so that its links cannot be: with
the site's address they begin with its path; without, they go three folders up, which is right for every address that
the site's own links have (``en/ports/40000/``), and ``missing.js`` puts them right for all others.

Pages are made in batches by a process a core. :mod:`portlore.web.staging` keeps what is done, and puts the site in its
place when all of it is there.
"""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portlore import __version__
from portlore.errors import HostError
from portlore.opening import BUILT, CLAIMS, load
from portlore.provenance import sources_of
from portlore.value import Value
from portlore.web.catalogues import words
from portlore.web.maps import map_files
from portlore.web.pages.fixed import missing_page
from portlore.web.rendering import Links, page_json
from portlore.web.selection import ALL, languages_of, name_table, paths_of, ports_of, status_table
from portlore.web.site import PAGES, Kind, Site
from portlore.web.sitemap import index, parts, urlset
from portlore.web.staging import Stage, checksum, write
from portlore.web.words import BY_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[int, int], None]

HERE = Path(__file__).parent
PUBLIC = ("registry", "history", "claims")  # the sources that are told of: none of this machine's own
BATCH = 100  # pages: what is done again at most, per process, after an end in the middle
SAMPLE = 400  # pages that an estimate is made from
BLOCK = 4096  # bytes that a file system gives at a time
WATCH = 0.5  # seconds between two looks of a worker at whether its parent lives
MISSING = Kind("missing.html", lambda site, argument, query, said: missing_page(said), indexed=False)
KINDS = {**PAGES, "search": PAGES["search"].replace(template="finding.html")}


class Plan(Value):
    """What to build: languages and ports as people write them, the site's address (without a slash at its end)."""

    languages: str = "en"
    ports: str = ""
    site: str = ""


class Size(Value):
    """How much it is: pages, files, their bytes, and those bytes on a disk that gives ``BLOCK`` at a time."""

    pages: int
    files: int
    bytes: int
    disk: int


class Built(Value):
    """What was done: the site's size, and how many of its pages were made this time."""

    pages: int
    files: int
    bytes: int
    fresh: int


class Press:
    """Makes the files of a plan; one in each process. :class:`InputError` for languages or ports that are none."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.book = plan, load()
        self.languages = [BY_CODE[code] for code in languages_of(plan.languages)]
        rows = [{"source": row["layer"], "date": row["date"], "text": row["title"]} for row in sources_of()]
        self.site = Site(self.book, [row for row in rows if row["source"] in PUBLIC])
        ports = ports_of(self.book, self.site.changes, plan.ports)
        self.paths = paths_of(self.book, self.site.changes, ports, chosen=plan.ports not in ("", ALL))
        self.pages = len(self.paths) * len(self.languages)
        self.batches = 1 + -(-self.pages // BATCH)  # the first: what is no page
        self._links = [Links("../" * depth, plan.site, folders=True) for depth in range(4)]

    def names(self) -> list[str]:
        """What lies at the top of the site."""
        maps = ["sitemap.xml", *(name for name, _ in self._sitemaps())] if self.plan.site else []
        return sorted(["404.html", "index.html", "robots.txt", "static", *(one.code for one in self.languages), *maps])

    def page(self, number: int) -> Iterator[tuple[str, bytes]]:
        """The files of a page by its number in the whole site."""
        which, at = divmod(number, len(self.paths))
        code, path = self.languages[which].code, self.paths[at]
        part, _, argument = path.partition("/")
        kind = KINDS[part]
        page = kind.make(self.site, unquote(argument), {}, words(code))
        if page is None:
            raise AssertionError(f"{path} was selected and is no page")
        folder = unquote(f"{code}/{path}")
        yield f"{folder.rstrip('/')}/index.html", self._html(kind, page, code, path, self._links[_depth(path)])
        if kind.indexed:
            yield f"{unquote(path and folder) or f'{code}/index'}.json", page_json(page).encode("utf-8", "replace")

    def others(self) -> Iterator[tuple[str, bytes]]:
        """The files that are no pages, and the first page once more, at the top."""
        first = self.languages[0].code
        home = KINDS[""].make(self.site, "", {}, words(first))
        assert home is not None  # noqa: S101 - it takes no argument
        yield "index.html", self._html(KINDS[""], home, first, "", self._links[0])
        root = f"{urlsplit(self.plan.site).path}/" if self.plan.site else "../../../"
        for one in self.languages:
            links = Links(root, self.plan.site, folders=True)
            body = self._html(MISSING, missing_page(words(one.code)), one.code, "", links)
            yield f"{one.code}/404.html", body
            if one.code == first:
                yield "404.html", body
        for path in sorted((HERE / "static").iterdir()):
            yield f"static/{path.name}", path.read_bytes()
        for name, (_, made) in map_files(self.book).items():
            yield f"static/{name}", made
        yield "static/status.json", _compact(status_table(self.book))
        yield "static/names.json", _compact(name_table(self.book, set(self.paths)))
        robots = "User-agent: *\nAllow: /\n"
        if self.plan.site:
            maps = list(self._sitemaps())
            yield from ((name, urlset(addresses).encode()) for name, addresses in maps)
            yield "sitemap.xml", index((f"{self.plan.site}/{name}" for name, _ in maps), self.book.snapshot).encode()
            robots += f"Sitemap: {self.plan.site}/sitemap.xml\n"
        yield "robots.txt", robots.encode()

    def _sitemaps(self) -> Iterator[tuple[str, list[str]]]:
        wanted = [path for path in self.paths if KINDS[path.partition("/")[0]].indexed]
        for one in self.languages:
            addresses = (self._links[0].absolute(one.code, path) for path in wanted)
            for number, some in enumerate(parts(addresses), 1):
                yield f"sitemap-{one.code}-{number}.xml", some

    def _html(self, kind: Kind, page: Value, code: str, path: str, links: Links) -> bytes:
        return self.site.html(kind, page, code, path, links, languages=self.languages).encode("utf-8", "replace")

    def pages_of(self, batch: int) -> range:
        """The pages of a batch."""
        return range(max(0, batch - 1) * BATCH, min(batch * BATCH, self.pages))

    def batch(self, number: int) -> Iterator[tuple[str, bytes]]:
        """The files of a batch."""
        if number == 0:
            yield from self.others()
        for page in self.pages_of(number):
            yield from self.page(page)

    def estimate(self) -> Size:
        """How much it will be: counted where it is small, else judged by ``SAMPLE`` pages spread evenly over it."""
        step = max(1, self.pages / SAMPLE)
        sample = [int(at * step) for at in range(min(self.pages, SAMPLE))]
        others = [len(body) for _, body in self.others()]
        some = [len(body) for number in sample for _, body in self.page(number)]
        plain = len(self.languages)  # the search pages, which have no JSON
        disk = sum(-(-size // BLOCK) for size in some) + len(sample)  # and their folders
        return Size(
            self.pages,
            2 * self.pages - plain + len(others),
            int(sum(some) * self.pages / len(sample)) + sum(others),
            BLOCK * int(disk * self.pages / len(sample) + sum(-(-size // BLOCK) for size in others)),
        )

    def inputs(self) -> dict[str, str]:
        """What the bytes of the site depend on."""
        snapshot = self.book.registry.snapshot
        return {
            "portlore": __version__,
            "registry": f"{snapshot.date} {snapshot.sha256}",
            "claims": hashlib.sha256(Path(BUILT, CLAIMS).read_bytes()).hexdigest(),
            "pages": checksum(HERE),
            "languages": ",".join(one.code for one in self.languages),
            "ports": self.plan.ports,
            "site": self.plan.site,
        }


def _depth(path: str) -> int:
    return path.count("/") + 2 if path else 1


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


press_of = cache(Press)


def build(plan: Plan, folder: Path, workers: int, progress: Progress) -> Built:
    """Build a site in a folder, on ``workers`` processes; goes on where a build of the same inputs was ended.

    ``progress`` is told pages done, and pages in all. :class:`InputError` where the folder holds what is not ours,
    :class:`HostError` when it cannot be written or another build is at work there.
    """
    press = press_of(plan)
    fresh = 0
    try:
        with Stage(folder, press.inputs(), press.names()) as stage:
            if not stage.is_finished:
                done = sum(len(press.pages_of(number)) for number in stage.done)
                todo = [number for number in range(press.batches) if number not in stage.done]
                for number, files, size in _made(plan, os.fspath(stage.site), todo, workers):
                    stage.record(number, files, size)
                    fresh += len(press.pages_of(number))
                    progress(done + fresh, press.pages)
                stage.publish()
            return Built(press.pages, stage.files, stage.bytes, fresh)
    except OSError as error:
        found = f"{error.strerror or error} {error.filename or ''}".rstrip()
        do = "make room or set it right there; the same command then goes on where it ended"
        raise HostError(f"building in {folder}", found, do) from None


def _made(plan: Plan, site: str, todo: list[int], workers: int) -> Iterator[tuple[int, int, int]]:
    """Batches as they are written: number, files, bytes."""
    way = "fork" if "fork" in multiprocessing.get_all_start_methods() else None  # its child has the press ready
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(way), _begin, (os.getpid(),))
    try:
        for future in as_completed([pool.submit(_make, plan, site, number) for number in todo]):
            yield future.result()
    except BrokenProcessPool:
        do = "see whether memory is short; the same command then goes on where it ended"
        raise HostError("building the site", "one of its processes was killed", do) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """A worker's beginning: it leaves Ctrl-C to its parent, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.enable()  # the command, which soon ends, goes without
    gc.freeze()
    gc.set_threshold(50_000)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _make(plan: Plan, site: str, number: int) -> tuple[int, int, int]:
    files = size = 0
    for name, body in press_of(plan).batch(number):
        write(site, name, body)
        files += 1
        size += len(body)
    return number, files, size
