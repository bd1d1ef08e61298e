"""Votes on both databases: kept once a visitor a page, counted, reported; the databases are real, the server too."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from databases import PASSWORD, Postgres, postgres
from site_server import PATIENCE, Reply, Server, serving

pytest.importorskip("sqlalchemy")

if TYPE_CHECKING:
    from portlore.web.feedback.store import Tally, Votes

SAD, UNSURE, HAPPY = 0, 1, 2
BOTH = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
ELSEWHERE = (f"192.0.2.{number}" for number in count(1))  # readers behind the proxy that the server trusts


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


@pytest.fixture
def address(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A new database's."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/votes.db"
    made: str = request.getfixturevalue("cluster").make()
    return made


@pytest.fixture
def opened(address: str) -> Iterator[Callable[[], Votes]]:
    """Opens the database, as a server does when it starts."""
    from portlore.web.feedback.store import Votes

    all_: list[Votes] = []

    def opened() -> Votes:
        all_.append(Votes(address))
        return all_[-1]

    yield opened
    for one in all_:
        one.close()


def shares(tallies: list[Tally]) -> list[tuple[str, str, int, int, int]]:
    return [(one.page, one.language, one.sad, one.unsure, one.happy) for one in tallies]


# The store ------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_visitor_has_one_vote_a_page_which_can_be_changed(opened: Callable[[], Votes]) -> None:
    votes = opened()
    assert votes.vote("ports/703", "en", "a", SAD, 1) == "new"
    assert votes.vote("ports/703", "en", "a", SAD, 2) == "same"
    assert votes.vote("ports/703", "en", "a", HAPPY, 3) == "changed"
    assert votes.vote("ports/703", "de", "a", HAPPY, 4) == "same"  # in whatever language it is read
    assert votes.vote("ports/703", "en", "b", SAD, 5) == "new"
    assert votes.vote("ports/502", "en", "a", SAD, 6) == "new"
    expected = [("ports/502", "en", 1, 0, 0), ("ports/703", "en", 1, 0, 0), ("ports/703", "de", 0, 0, 1)]
    assert shares(votes.report()) == expected
    assert shares(opened().report()) == expected  # another that opens it sees the same


@BOTH
def test_the_same_visitor_in_many_windows_at_once_still_has_one_vote(opened: Callable[[], Votes]) -> None:
    windows = [opened(), opened()]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: windows[n % 2].vote("ports/703", "en", "a", n % 3, n), range(40)))
    assert told.count("new") == 1
    assert set(told) <= {"new", "same", "changed"}
    (tally,) = windows[0].report()
    assert tally.sad + tally.unsure + tally.happy == 1


@BOTH
def test_the_votes_of_many_at_once_are_all_kept(opened: Callable[[], Votes]) -> None:
    windows = [opened(), opened()]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: windows[n % 2].vote(f"ports/{n % 5}", "en", str(n), UNSURE, n), range(100)))
    assert told == ["new"] * 100
    assert shares(windows[0].report()) == [(f"ports/{n}", "en", 0, 20, 0) for n in range(5)]


@BOTH
def test_servers_that_open_an_empty_database_at_once_share_one_secret(address: str) -> None:
    from portlore.web.feedback.store import Votes

    def open_and_ask(_: int) -> bytes:
        votes = Votes(address)
        try:
            return votes.secret()
        finally:
            votes.close()

    with ThreadPoolExecutor(6) as threads:
        found = set(threads.map(open_and_ask, range(6)))
    assert len(found) == 1
    assert len(found.pop()) == 32


VOTES = [  # page, its votes
    ("ports/1", [SAD, SAD, SAD]),
    ("ports/2", [SAD]),
    ("ports/3", [SAD, UNSURE]),
    ("ports/4", [SAD, HAPPY, HAPPY]),
    ("ports/5", [UNSURE, UNSURE]),
    ("ports/6", [HAPPY]),
    ("services/a%2Fb", [SAD]),
]
REPORT = [  # by hand: the mean of -1, 0 and 1; of the same, the page with more votes, then by name
    ("ports/1", -1.0), ("ports/2", -1.0), ("services/a%2Fb", -1.0), ("ports/3", -0.5), ("ports/5", 0.0),
    ("ports/4", 0.333), ("ports/6", 1.0),
]  # fmt: skip


@BOTH
def test_the_report_begins_with_the_unhappiest_page(opened: Callable[[], Votes]) -> None:
    votes = opened()
    for page, faces in VOTES:
        for visitor, face in enumerate(faces):
            votes.vote(page, "en", str(visitor), face, 1_000 + visitor)
    assert [(one.page, one.score) for one in votes.report()] == REPORT
    assert [one.page for one in votes.report(limit=2)] == ["ports/1", "ports/2"]
    assert [one.page for one in votes.report(at_least=2)] == ["ports/1", "ports/3", "ports/5", "ports/4"]
    assert votes.report()[0].latest == 1_002
    assert votes.report(at_least=9) == []


def run(command: list[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PORTLORE_DATA": str(folder), "COLUMNS": "80"}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*command, "feedback", *words], env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return done


@BOTH
def test_the_command_reports_in_every_form(
    command: list[str], tmp_path: Path, address: str, opened: Callable[[], Votes]
) -> None:
    votes = opened()
    long = "services/" + "a-very-long-name-" * 6
    for page, faces in [*VOTES, (long, [SAD, SAD])]:
        for visitor, face in enumerate(faces):
            votes.vote(page, "ug", str(visitor), face, 1_700_000_000)
    text = run(command, tmp_path, "--feedback", address)
    assert (text.returncode, text.stderr) == (0, "")
    lines = text.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["page", "language", "no", "not", "sure", "yes", "score"]
    assert lines[1].split() == ["ports/1", "ug", "3", "0", "0", "-1.00"]
    columns = [lines[0].index(word) for word in ("page", "language", "no ", "not sure", "yes", "score")]
    for line in lines[1:]:
        if line[columns[1] : columns[1] + 2] == "ug":  # else the rest of a name that is longer than its column
            assert all(line[at - 1] == " " and line[at] != " " for at in columns), line
    assert sum(line[columns[1] : columns[1] + 2] == "ug" for line in lines) == len(VOTES) + 1
    told = json.loads(run(command, tmp_path, "--feedback", address, "--json", "-n", "1").stdout)
    row = {
        "page": "ports/1",
        "language": "ug",
        "sad": 3,
        "unsure": 0,
        "happy": 0,
        "score": -1.0,
        "latest": 1_700_000_000,
    }
    assert told == {"feedback": [row]}
    rows = list(csv.DictReader(run(command, tmp_path, "--feedback", address, "--format", "csv").stdout.splitlines()))
    assert [one["page"] for one in rows][:2] == ["ports/1", long]
    nobody = run(command, tmp_path, "--feedback", address, "--at-least", "100")
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (1, "", "portlore: nobody has voted yet\n")


def test_the_command_makes_no_database_where_there_is_none(command: list[str], tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert (done.returncode, done.stderr) == (1, "portlore: nobody has voted yet\n")
    assert list(tmp_path.iterdir()) == []
    done = run(command, tmp_path, "--feedback", f"sqlite:///{tmp_path}/mistyped.db")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert list(tmp_path.iterdir()) == []


# From readers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(command, tmp_path_factory.mktemp("data"), "--site", "https://ports.example.org") as one:
        yield one


def vote(server: Server, page: str, face: str, code: str = "en", **headers: str) -> Reply:
    """From a reader's address of its own, unless it is named."""
    return server.vote(code, page, face, **{"X_Forwarded_For": next(ELSEWHERE), **headers})


def reported(command: list[str], folder: Path, address: str = "") -> dict[str, tuple[int, int, int]]:
    words = ["--feedback", address] if address else []
    done = run(command, folder, "--json", *words)
    rows = json.loads(done.stdout)["feedback"] if done.stdout else []
    return {row["page"]: (row["sad"], row["unsure"], row["happy"]) for row in rows}


@BOTH
def test_a_reader_votes_changes_it_and_is_told_so_in_their_language(
    command: list[str], tmp_path: Path, address: str
) -> None:
    with serving(command, tmp_path, "--feedback", address) as one:
        first = vote(one, "ports/703", "sad", "de")
        assert first.status == 200
        assert '<html lang="de"' in first.text
        assert 'href="/de/ports/703"' in first.text
        cookie, *attributes = first.headers["set-cookie"].split("; ")
        assert attributes == ["Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Strict"]
        again = vote(one, "ports/703", "happy", "de", Cookie=cookie, Accept="application/json")
        assert again.json["outcome"] == "changed"
        assert "set-cookie" not in again.headers
        assert vote(one, "ports/703", "happy", Cookie=cookie, Accept="application/json").json["outcome"] == "same"
        assert vote(one, "ports/703", "unsure", Accept="application/json").json["outcome"] == "new"  # somebody else
        assert one.process.poll() is None
        one.process.kill()  # at once after the last was acknowledged: no time to write anything
        one.process.wait()
    assert reported(command, tmp_path, address) == {"ports/703": (0, 1, 1)}
    assert PASSWORD not in "".join(one.lines)


def test_a_forged_cookie_is_nobodys(server: Server) -> None:
    mine = vote(server, "ports/22", "happy").headers["set-cookie"].partition(";")[0]
    name, _, sign = mine.removeprefix("visitor=").partition(".")
    forged = [f"visitor={name}", f"visitor={name}.", f"visitor={name}.{sign[::-1]}", f"visitor=x.{sign}",
              f"visitor={name}.{sign[:-1]}", "visitor=", f"visitor={name}.{sign}0", f"visitors={name}.{sign}",
              "visitor=\xe9." + sign]  # fmt: skip
    for cookie in forged:
        reply = vote(server, "ports/22", "sad", Cookie=cookie, Accept="application/json")
        assert (cookie, reply.json["outcome"]) == (cookie, "new")
        assert name not in reply.headers["set-cookie"]
    reply = vote(server, "ports/22", "happy", Cookie=f"a=b; {mine}; c=d", Accept="application/json")
    assert reply.json["outcome"] == "same"


def test_the_cookie_of_a_public_site_goes_over_https_alone(server: Server) -> None:
    assert vote(server, "ports/23", "happy").headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 400),
        ({"Sec_Fetch_Site": "cross-site"}, 400),
        ({"Sec_Fetch_Site": "none"}, 400),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://ports.example.org"}, 400),
        ({"Origin": "https://ports.example.org"}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "https://other.example"}, 400),
        ({"Origin": "https://ports.example.org.other.example"}, 400),
        ({"Origin": "null"}, 400),
    ],
)
def test_a_form_on_another_site_cannot_vote(server: Server, headers: dict[str, str], status: int) -> None:
    named = {name: value.replace("{port}", str(server.port)) for name, value in headers.items()}
    reply = vote(server, "ports/24", "happy", **named)
    assert reply.status == status
    assert ("set-cookie" in reply.headers) == (status == 200)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("path=ports/703&face=happy", 200),
        ("path=&face=happy", 200),  # the first page
        ("path=services/ssh&face=sad", 200),
        ("path=ranges/600-1023&face=unsure", 200),
        ("path=changes/2020-01-01&face=happy", 200),
        ("face=happy", 200),
        ("path=ports/703", 400),
        ("path=ports/703&face=angry", 400),
        ("path=ports/703.json&face=happy", 400),
        ("path=index.json&face=happy", 400),
        ("path=ghosts.json&face=happy", 400),
        ("path=ports/%2537%2530%2533&face=happy", 400),  # 703 by another spelling
        ("path=ports/0703&face=happy", 400),
        ("path=ports/70000&face=happy", 400),
        ("path=search&face=happy", 400),
        ("path=feedback&face=happy", 400),
        ("path=../en/ports/703&face=happy", 400),
        ("path=/ports/703&face=happy", 400),
        ("path=ports/703/&face=happy", 400),
        ("path=services/" + "x" * 300 + "&face=happy", 400),
        ("path=ports/703%00&face=happy", 400),
        ("path=ports/703%0a&face=happy", 400),
        ("path=%1b%5b31m&face=%3Cscript%3E", 400),
        ("path=%ff%fe&face=happy", 400),
        ("&".join(["a=1"] * 20), 400),
        ("", 400),
        ("x" * 5000, 413),
    ],
)
def test_only_the_faces_and_pages_that_there_are_can_be_voted_for(server: Server, form: str, status: int) -> None:
    reply = server.ask("/fr/feedback", "POST", form.encode(), X_Forwarded_For=next(ELSEWHERE))
    assert reply.status == status
    assert '<html lang="fr"' in reply.text
    assert "<script>" not in reply.text
    assert "\x1b" not in reply.text
    assert not any("fault=" in line for line in server.lines)


def test_votes_go_to_a_language_that_there_is(server: Server) -> None:
    assert server.vote("xx", "ports/703", "happy").status == 405
    assert server.ask("/en/feedback").status == 405
    assert server.ask("/en/feedback").headers["allow"] == "POST"


def test_every_service_can_be_voted_for_by_the_name_that_its_page_gives(server: Server) -> None:
    from portlore.opening import load
    from portlore.web.voting import _is_own_name

    names = {record.name for record in load().registry.records() if record.name}
    assert len(names) > 5000
    assert not [name for name in names if not _is_own_name(f"services/{quote(name, safe='')}")]


def test_one_address_cannot_vote_for_ever(server: Server) -> None:
    """Ten in a minute; a network of IPv6 is one address; others are not held up by it."""
    told = [vote(server, f"ports/{n}", "happy", X_Forwarded_For="198.51.100.1").status for n in range(12)]
    assert told == [200] * 10 + [429] * 2
    told = [vote(server, f"ports/{n}", "happy", X_Forwarded_For=f"2001:db8::{n:x}").status for n in range(11)]
    assert told == [200] * 10 + [429]
    assert vote(server, "ports/7", "happy", X_Forwarded_For="2001:db8:0:1::1").status == 200
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(
            lambda n: vote(server, f"ports/{n}", "happy", X_Forwarded_For="198.51.100.2").status, range(24)
        ))  # fmt: skip
    assert (at_once.count(200), at_once.count(429)) == (10, 14)


def test_no_feedback_means_no_form_and_no_database(command: list[str], tmp_path: Path) -> None:
    with serving(command, tmp_path, "--feedback", "none") as one:
        assert 'class="feedback"' not in one.ask("/en/ports/703").text
        assert one.vote("en", "ports/703", "happy").status == 405
        assert list(tmp_path.iterdir()) == []


def test_the_file_of_votes_is_its_owners_alone(command: list[str], tmp_path: Path) -> None:
    """It holds what visitors' names are signed with."""
    with serving(command, tmp_path) as one:
        assert stat.S_IMODE((tmp_path / "feedback.db").stat().st_mode) == 0o600
        assert one.vote("en", "ports/703", "happy").status == 200
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())
    assert reported(command, tmp_path) == {"ports/703": (0, 0, 1)}
