"""The static site as `portlore build` writes it: the same bytes each time, whole or not there; all links lead on."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import portlore
from portlore.cli.build import Bar
from portlore.cli.output import Output
from portlore.model import ChangeKind, PortRange, Status
from portlore.render.page import width_of
from portlore.web.maps import map_files
from portlore.web.pages.listings import all_changes
from portlore.web.selection import is_folder, languages_of, ports_of
from portlore.web.sitemap import MOST
from portlore.web.staging import MANIFEST, WORK, Stage, measure
from portlore.web.static_site import BATCH, Plan, Press

SMALL = ("--ports", "22,80,703,6000-6010", "--lang", "en,ug")
SMALL_PLAN = Plan("en,ug", "22,80,703,6000-6010")
PATIENCE = 120.0  # seconds that anything may take before a test fails


def build(command: list[str], folder: Path, *words: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    """One run of the command, without a terminal."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(
        [*command, "build", str(folder), *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment, timeout=600,
    )  # fmt: skip


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def until(so: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)


def log_lines(folder: Path) -> list[str]:
    log = folder / WORK / "done"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(scope="module")
def small(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a few ports in two languages, built without a break by one process."""
    folder = tmp_path_factory.mktemp("site") / "small"
    done = build(command, folder, *SMALL, "--workers", "1", seed="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def whole(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as it is built by default."""
    folder = tmp_path_factory.mktemp("site") / "whole"
    done = build(command, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_still_picture_of_the_atlas_is_there_for_light_and_dark(small: Path) -> None:
    made = map_files(portlore.load())
    for name in ("atlas.png", "atlas-dark.png"):
        assert (small / "static" / name).read_bytes() == made[name][1]
        for page in ("en/index.html", "en/atlas/index.html", "index.html"):
            assert f"static/{name}" in (small / page).read_text(), page


def test_two_builds_are_equal_byte_for_byte_whatever_the_processes_and_the_seed(
    command: list[str], small: Path, tmp_path: Path
) -> None:
    assert build(command, tmp_path / "other", *SMALL, "--workers", "3", seed="2").returncode == 0
    assert tree(tmp_path / "other") == tree(small)


def test_a_build_that_is_killed_goes_on_where_it_was(command: list[str], small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    words = [*command, "build", str(folder), *SMALL, "--workers", "2"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: len(log_lines(folder)) >= 4 or process.poll() is not None)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        children = [int(pid) for pid in workers.read_text().split()] if workers.exists() else []
        process.kill()
    assert process.returncode == -9
    until(lambda: not any(map(is_alive, children)))
    assert not (folder / MANIFEST).exists()
    assert [path.name for path in folder.iterdir()] == [WORK], "something was shown before all was there"

    press = Press(SMALL_PLAN)
    numbers = {int(line.split()[0]) for line in log_lines(folder)[1:]}
    assert 2 <= len(numbers) < press.batches
    made = {name for number in numbers for name, _ in press.batch(number)}
    times = {name: (folder / WORK / "site" / name).stat().st_mtime_ns for name in made}
    missed = next(number for number in range(press.batches - 1, -1, -1) if number not in numbers)
    cut = folder / WORK / "site" / next(name for name, _ in press.batch(missed))
    cut.parent.mkdir(parents=True, exist_ok=True)
    cut.write_bytes(b"<!doctype html>\n<html la")  # as if the end had come in the middle of this file
    with (folder / WORK / "done").open("a") as log:
        log.write(f"{missed} 20")  # and in the middle of this line

    again = build(command, folder, *SMALL)
    assert again.returncode == 0, again.stderr
    fresh = int(re.search(r"([\d,]+) made", again.stdout)[1].replace(",", ""))  # type: ignore[index]
    assert fresh == press.pages - sum(len(press.pages_of(number)) for number in numbers)
    assert {name: (folder / name).stat().st_mtime_ns for name in made} == times
    assert tree(folder) == tree(small)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_build_that_is_whole_is_left_alone_and_one_that_was_touched_is_made_anew(
    command: list[str], small: Path, tmp_path: Path
) -> None:
    before = tree(small)
    again = build(command, small, *SMALL)
    assert again.returncode == 0
    assert "all there already" in again.stdout
    (small / "en" / "ports" / "703" / "index.html").write_text("no page")
    assert " made in " in build(command, small, *SMALL).stdout
    assert tree(small) == before


def test_another_plan_takes_the_place_of_the_old_site_at_once_and_leaves_what_is_not_its_own(
    command: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "CNAME").write_text("ports.example.org\n")
    assert build(command, folder, "--ports", "703", "--lang", "en,de").returncode == 0
    old = (folder / "en/ports/703/index.html").read_bytes()
    words = [*command, "build", str(folder), "--ports", "703", "--workers", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        until(lambda: len(log_lines(folder)) >= 2 or process.poll() is not None)
        assert process.poll() is None
        assert (folder / "en/ports/703/index.html").read_bytes() == old
        assert (folder / "de/index.html").exists()
    assert process.returncode == 0
    page = (folder / "en/ports/703/index.html").read_text()
    assert 'hreflang="en"' in page
    assert 'hreflang="de"' not in page
    assert sorted(path.name for path in folder.iterdir()) == [
        MANIFEST, "404.html", "CNAME", "en", "index.html", "robots.txt", "static",
    ]  # fmt: skip


def test_a_folder_with_somebody_elses_pages_is_refused_and_untouched(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "mine.html").write_text("mine")
    done = build(command, tmp_path, "--ports", "703")
    assert done.returncode == 2
    assert "en is there, and portlore did not write it" in done.stderr
    assert tree(tmp_path) == {"en/mine.html": b"mine"}


INPUTS = {"registry": "2026-08-17"}


def test_what_was_written_before_the_machine_started_anew_does_not_count(tmp_path: Path) -> None:
    with Stage(tmp_path, INPUTS, ["en"]) as stage:
        stage.record(1, 2, 30)
    with Stage(tmp_path, INPUTS, ["en"]) as stage:
        assert (stage.done, stage.files, stage.bytes) == ({1}, 2, 30)
    log = tmp_path / WORK / "done"
    log.write_text(re.sub(r'"boot": "[^"]*"', '"boot": "another"', log.read_text()))
    with Stage(tmp_path, INPUTS, ["en"]) as stage:
        assert (stage.done, stage.files, stage.bytes) == (set(), 0, 0)


def test_what_was_made_from_other_inputs_does_not_count(tmp_path: Path) -> None:
    with Stage(tmp_path, INPUTS, ["en"]) as stage:
        (stage.site / "en").mkdir()
        stage.record(1, 2, 30)
    with Stage(tmp_path, {"registry": "2026-08-18"}, ["en"]) as stage:
        assert stage.done == set()
        assert list(stage.site.iterdir()) == []


@pytest.mark.parametrize("steps", range(4))
def test_taking_its_place_can_be_ended_at_any_step_and_done_again(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("en", "de"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("old")
    about = '{"names": ["en", "de"], "files": 2, "bytes": 6, "inputs": {}}'
    (tmp_path / MANIFEST).write_text(about)
    rename = Path.rename
    left = [steps]

    def failing(self: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(self, target)

    with Stage(tmp_path, INPUTS, ["ar", "en"]) as stage:
        for name in ("ar", "en"):
            (stage.site / name).mkdir()
            (stage.site / name / "index.html").write_text("new")
        stage.record(0, 2, 6)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", failing)
            with pytest.raises(KeyboardInterrupt):
                stage.publish()
    with Stage(tmp_path, INPUTS, ["ar", "en"]) as stage:
        assert stage.done == {0}
        stage.publish()
    assert {name: text for name, text in tree(tmp_path).items() if name != MANIFEST} == {
        "ar/index.html": b"new", "en/index.html": b"new",
    }  # fmt: skip
    with Stage(tmp_path, INPUTS, ["ar", "en"]) as stage:
        assert stage.is_finished


def test_two_builds_do_not_work_in_one_folder(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portlore.web.staging.PATIENCE", 0.2)
    with (
        Stage(tmp_path, INPUTS, ["en"]),
        pytest.raises(portlore.HostError, match="another build"),
        Stage(tmp_path, INPUTS, ["en"]),
    ):
        pass


def test_a_full_disk_is_told_of_and_the_build_goes_on_when_there_is_room(
    command: list[str], small: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "portlore-test", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    try:
        done = build(command, disk / "site", *SMALL)
        assert done.returncode == 3
        assert "No space left on device" in done.stderr
        assert "goes on where it ended" in done.stderr
        assert "Traceback" not in done.stderr
        kept = len(log_lines(disk / "site"))
        assert kept > 1
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        done = build(command, disk / "site", *SMALL)
        assert done.returncode == 0, done.stderr
        assert tree(disk / "site") == tree(small)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# What has a page.


def test_every_port_with_something_of_its_own_has_a_page_and_no_other(whole: Path) -> None:
    book = portlore.load()
    assert {int(path.name) for path in (whole / "en/ports").iterdir() if path.is_dir()} == {
        port for port in range(65536) if has_something_of_its_own(book.port(port))
    }


def has_something_of_its_own(facts: list[portlore.PortFacts]) -> bool:
    """The same rule, read off the answers to one port."""
    rows = [(one.status, len(PortRange.parse(one.row))) for one in facts if one.row]  # some are written 6345-6345
    named = any(size == 1 or (size <= 256 and status is not Status.UNASSIGNED) for status, size in rows)
    claimed = any(
        number in part and len(part) <= 64
        for one in facts
        for claim in one.claims
        for part in [PortRange.parse(text.strip()) for text in claim.ports.split(",")]
        for number in [one.port]
    )
    return named or claimed or any(event.kind is not ChangeKind.FIELD for one in facts for event in one.history)


def test_wide_claims_give_no_page_of_their_own() -> None:
    book = portlore.load()
    wide = [claim for claim in book.lore if width_of(claim) > 1000]
    assert wide
    ports = ports_of(book, all_changes(book), "")
    assert len(ports) < 10_000


def test_every_page_is_there_for_programs_too(whole: Path) -> None:
    pages = {path.parent for path in (whole / "en").rglob("index.html")} - {whole / "en", whole / "en/search"}
    assert len(pages) > 10_000
    assert [page for page in pages if not Path(f"{page}.json").is_file()] == []
    assert (whole / "en/index.json").is_file()


def test_the_files_are_as_many_as_the_manifest_says(whole: Path) -> None:
    files = {name: body for name, body in tree(whole).items() if name != MANIFEST}
    names = [path.name for path in whole.iterdir() if path.name != MANIFEST]
    assert measure(whole, names) == (len(files), sum(map(len, files.values())))


SERVICES = [
    ("ssh", True), ("EtherNet/IP-1", True), ("sql*net", True), ("whois++", True), ("", False), ("..", False),
    ("../../etc/cron.d/x", False), ("/etc", False), ("a//b", False), ("a\\..\\b", False), ("a\0b", False),
    ("x" * 201, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "can"), SERVICES)
def test_a_service_name_that_leads_elsewhere_becomes_no_folder(name: str, can: bool) -> None:
    assert is_folder(name) is can


class Links(HTMLParser):
    """Everything in a page that names another file, and the places in it that can be linked to."""

    NAMES = ("href", "src", "action", "data-names", "data-source", "data-runs", "data-ranges")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.places: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.places.add(named.get("id") or "")
        for name in self.NAMES:
            link = named.get(name)
            if link and (tag != "a" or not link.startswith(("http://", "https://"))):  # else a source, to follow
                self.found.append(link)


def target(folder: Path, page: str, link: str) -> Path:
    """The file that a host gives for a link of a page, whose address is below ``/lore/``."""
    parts = urlsplit(urljoin(f"http://host/lore/{page}", link))
    assert parts.netloc == "host"
    assert parts.path.startswith("/lore/"), f"{link} of {page} leads out of the site"
    path = folder / unquote(parts.path.removeprefix("/lore/"))
    return path / "index.html" if parts.path.endswith("/") else path


def dead_links(folder: Path, pages: list[Path]) -> list[tuple[str, str]]:
    """Links without a file; those to ports are left out, which the 404 page answers."""
    dead = []
    for path in pages:
        page = str(path.relative_to(folder)).removesuffix("index.html")
        links = Links(path.read_text("utf-8"))
        for link in dict.fromkeys(links.found):
            if link.startswith("#"):
                alive = link[1:] in links.places
            elif re.search(r"(^|/)ports/(\d+/)?$", link):
                alive = True
            elif re.search(r"(^|/)ranges/$", link):
                alive = page == ""
            else:
                alive = not link.startswith("/") and target(folder, page, link).is_file()
            if not alive:
                dead.append((page, link))
    return dead


@pytest.mark.no_cover  # nothing of ours runs here
def test_every_link_is_relative_and_leads_to_a_file(whole: Path) -> None:
    pages = sorted((whole / "en").rglob("index.html"))
    fixed = [path for path in pages if "ports" not in path.parts and "services" not in path.parts]
    assert len(fixed) > 300
    assert dead_links(whole, [whole / "index.html", *fixed, *pages[::17]]) == []


@pytest.mark.no_cover  # nothing of ours runs here
def test_every_link_of_a_site_in_several_languages_leads_to_a_file(small: Path) -> None:
    pages = [path for path in sorted(small.rglob("index.html")) if "changes" not in path.parts]
    dead = dead_links(small, pages)
    assert {link for _, link in dead if "/services/" not in link} == set()
    assert dead == [], "the services of the ports that were chosen have their pages"


def test_the_languages_of_a_page_are_those_that_were_built(small: Path) -> None:
    page = (small / "ug/ports/703/index.html").read_text("utf-8")
    assert set(re.findall(r'hreflang="([a-z-]+)"', page)) == {"en", "ug", "x-default"}
    assert 'dir="rtl"' in page


# Sizes.


def test_the_estimate_is_honest(whole: Path, small: Path) -> None:
    for folder, plan in ((whole, Plan()), (small, SMALL_PLAN)):
        estimate = Press(plan).estimate()
        files = [len(body) for name, body in tree(folder).items() if name != MANIFEST]
        assert estimate.files == len(files)
        assert abs(estimate.bytes - sum(files)) < 0.2 * sum(files)
        folders = sum(path.is_dir() for path in folder.rglob("*"))
        blocks = 4096 * (sum(-(-size // 4096) for size in files) + folders)
        assert abs(estimate.disk - blocks) < 0.2 * blocks


def test_everything_is_asked_for_first_and_refused_where_nobody_can_be_asked(
    command: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    done = build(command, folder, "--ports", "all", "--lang", "all")
    assert done.returncode == 2
    told = re.search(r"([\d,]+) pages, about ([\d,]+) files, ([\d.]+) GB", done.stderr)
    assert told, done.stderr
    pages, files = (int(one.replace(",", "")) for one in told.groups()[:2])
    assert pages > 14 * 65536
    assert files > 2 * 14 * 65536
    assert float(told[3]) > 2
    assert "--yes" in done.stderr
    assert not folder.exists()


def test_somebody_at_a_terminal_can_say_no(command: list[str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = [*command, "build", str(tmp_path / "all"), "--ports", "all", "--lang", "all"]
    with subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.write(ours, b"n\n")
        out, talk = process.communicate(timeout=PATIENCE)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 1
    assert out == b"nothing was written\n"
    assert b"[y/N]" in talk
    assert not (tmp_path / "all").exists()


WRONG = [
    (("--lang", "en,tlh"), "the language 'tlh'"),
    (("--ports", "70000"), "ports go from 0 to 65535"),
    (("--ports", "9-3"), "did you mean 3-9?"),
    (("--site", "ftp://ports.example.org"), "not an address of the web"),
    (("--site", "https://ports.example.org/a?b"), "not an address of the web"),
    (("--site", 'https://ports.example.org/"><script>'), "with some that need a %"),
    (("--workers", "0"), "counts go from 1 to 64"),
]


@pytest.mark.parametrize(("words", "told"), WRONG)
def test_a_wrong_plan_is_told_in_one_line(
    words: tuple[str, ...], told: str, command: list[str], tmp_path: Path
) -> None:
    done = build(command, tmp_path / "site", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_progress_is_told_on_a_terminal_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("portlore.cli.build.time.monotonic", lambda: now[0])
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as talk:
        bar = Bar(Output(io.TextIOWrapper(io.BytesIO(), "utf-8"), talk))
        for now[0], done in ((101.0, 0), (101.5, 250), (103.0, 500)):
            bar.show(done, 1000)
        talk.flush()
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "25 %" not in shown
    assert "████████████░░░░░░░░░░░░ 50 %  500 of 1,000 pages, 250/s, 2 s left" in shown


# Sitemaps.


def test_sitemaps_are_split_as_the_protocol_demands_and_name_every_page() -> None:
    site = "https://ports.example.org/lore"
    press = Press(Plan("en,ar", "all", site))
    files = {name: body.decode() for name, body in press.others() if name.endswith((".xml", ".txt"))}
    assert f"Sitemap: {site}/sitemap.xml\n" in files["robots.txt"]
    named = re.findall(r"<loc>(.*?)</loc>", files["sitemap.xml"])
    maps = [name for name in files if name.startswith("sitemap-")]
    assert sorted(named) == sorted(f"{site}/{name}" for name in maps)
    assert len(maps) == 4
    told: list[str] = []
    for name in maps:
        addresses = re.findall(r"<loc>(.*?)</loc>", files[name])
        assert 0 < len(addresses) <= MOST == 50_000
        assert len(files[name].encode()) <= 50 << 20
        assert all(len(address) < 2048 for address in addresses)
        told += addresses
    assert len(told) == len(set(told)) == press.pages - 2, "all but the search pages"
    assert f"{site}/ar/ports/65535/" in told
    page = next(body for name, body in press.page(press.pages - 1)).decode()
    assert f'<link rel="canonical" href="{site}/ar/ports/65535/">' in page


def test_every_address_of_a_sitemap_is_a_page(whole: Path) -> None:
    site = "https://ports.example.org"
    files = dict(Press(Plan("en", "", site)).others())
    told = re.findall(r"<loc>(.*?)</loc>", files["sitemap-en-1.xml"].decode())
    assert [one for one in told if not (whole / unquote(one.removeprefix(site + "/")) / "index.html").is_file()] == []


def test_all_languages_can_be_asked_for() -> None:
    assert len(languages_of("all")) == 14
    assert languages_of("de, en,de") == ("de", "en")


def test_a_batch_is_small_enough_to_be_made_again() -> None:
    press = Press(SMALL_PLAN)
    pages = [page for number in range(press.batches) for page in press.pages_of(number)]
    assert pages == list(range(press.pages))
    assert max(len(press.pages_of(number)) for number in range(press.batches)) <= BATCH
