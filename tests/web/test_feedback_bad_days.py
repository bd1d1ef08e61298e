"""Votes on bad days: the database is away, hangs, is locked, full or broken; pages stay, no vote is lost in silence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from databases import PASSWORD, Postgres, postgres
from site_server import PATIENCE, Reply, Server, serving

pytest.importorskip("sqlalchemy")
ELSEWHERE = (f"192.0.2.{number}" for number in count(1))  # readers behind the proxy that the server trusts


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


@pytest.fixture
def server(command: list[str], tmp_path: Path) -> Iterator[Server]:
    with serving(command, tmp_path) as one:
        yield one


def vote(server: Server, page: str, code: str = "en", **headers: str) -> Reply:
    return server.vote(code, page, "sad", X_Forwarded_For=next(ELSEWHERE), **headers)


def kept(address: str) -> dict[str, int]:
    from portlore.web.feedback.store import Votes

    votes = Votes(address, make=False)
    try:
        return {one.page: one.sad for one in votes.report()}
    finally:
        votes.close()


def check_is_down(server: Server) -> None:
    """The vote says that it was not kept, in the reader's language; the page is served; the log has one line of it."""
    reply = vote(server, "ports/703", "ar")
    assert reply.status == 503
    assert '<html lang="ar" dir="rtl"' in reply.text
    assert 'href="/ar/ports/703"' in reply.text
    assert "set-cookie" not in reply.headers
    assert vote(server, "ports/703", Accept="application/json").json["outcome"] == "down"
    assert server.ask("/en/ports/703").status == 200
    assert server.ask("/en/ports/10703").status == 200  # one that was not made before
    assert PASSWORD not in server.until_said("fault=feedback")


# PostgreSQL -----------------------------------------------------------------------------------------------------------


def test_a_server_that_stops_and_comes_back(command: list[str], tmp_path: Path, cluster: Postgres) -> None:
    address = cluster.make()
    with serving(command, tmp_path, "--feedback", address) as one:
        assert vote(one, "ports/1").status == 200
        cluster.stop()
        try:
            check_is_down(one)
        finally:
            cluster.start()
        assert vote(one, "ports/2").status == 200
        assert one.process.poll() is None
    assert kept(address) == {"ports/1": 1, "ports/2": 1}


def test_a_server_that_hangs_holds_up_votes_and_no_page(command: list[str], tmp_path: Path, cluster: Postgres) -> None:
    """As many votes as the server has threads for; each takes seconds, in which pages come as ever."""
    address = cluster.make()
    with serving(command, tmp_path, "--feedback", address) as one:
        assert vote(one, "ports/1").status == 200
        told: list[int] = []
        with cluster.held_up():
            voters = [
                threading.Thread(target=lambda: told.append(vote(one, "ports/2").status), daemon=True) for _ in range(2)
            ]
            for voter in voters:
                voter.start()
            pages = 20_000
            while len(told) < 2:
                assert one.ask(f"/en/ports/{pages}").status == 200
                pages += 1
            assert told == [503, 503]
            assert pages > 20_010
        assert vote(one, "ports/3").status == 200
        assert one.end() == 0
    assert kept(address)["ports/3"] == 1
    assert PASSWORD not in "".join(one.lines)


def test_a_server_that_is_not_there_at_the_beginning_is_told_in_one_line(
    command: list[str], tmp_path: Path, cluster: Postgres
) -> None:
    wrong = cluster.make().replace("portlore:", "portlore:no")
    words = [*command, "serve", "--port", "0", "--feedback", wrong]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert 'password authentication failed for user "portlore"' in done.stderr
    assert "s3cr" not in done.stderr


# SQLite ---------------------------------------------------------------------------------------------------------------


def test_a_file_that_another_holds_locked(server: Server, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "feedback.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        check_is_down(server)
        other.rollback()
    assert vote(server, "ports/703").status == 200
    assert kept(f"sqlite:///{tmp_path}/feedback.db") == {"ports/703": 1}


def test_a_file_that_is_moved_away_and_back(server: Server, tmp_path: Path) -> None:
    """A connection that stayed open would take votes into the file that nobody reads any more."""
    assert vote(server, "ports/1").status == 200
    with moved(tmp_path):
        check_is_down(server)
    assert vote(server, "ports/2").status == 200
    assert kept(f"sqlite:///{tmp_path}/feedback.db") == {"ports/1": 1, "ports/2": 1}


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    away = folder.with_name(folder.name + "-away")
    folder.rename(away)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)


@pytest.mark.parametrize("broken", [b"this is no database" * 1000, b""])
def test_a_file_that_is_overwritten(server: Server, tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "feedback.db"
    assert vote(server, "ports/1").status == 200
    whole = path.read_bytes()
    for one in tmp_path.glob("feedback.db-*"):
        one.unlink()
    path.write_bytes(broken)
    check_is_down(server)
    path.write_bytes(whole)
    assert vote(server, "ports/2").status == 200
    assert kept(f"sqlite:///{path}") == {"ports/1": 1, "ports/2": 1}


@pytest.mark.parametrize("broken", [b"this is no database" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_broken_file_at_the_beginning_is_told_in_one_line_and_left_as_it_is(
    command: list[str], tmp_path: Path, broken: bytes
) -> None:
    path = tmp_path / "feedback.db"
    path.write_bytes(broken)
    for words in (("serve", "--port", "0"), ("serve", "--port", "0", "--workers", "2"), ("feedback",)):
        environment = {**os.environ, "PORTLORE_DATA": str(tmp_path)}
        done = subprocess.run(
            [*command, *words], env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
        assert str(path) in done.stderr
        assert path.read_bytes() == broken


def test_a_secret_that_is_none_is_told_in_one_line(command: list[str], tmp_path: Path, server: Server) -> None:
    path = tmp_path / "feedback.db"
    with closing(sqlite3.connect(path)) as line, line:
        line.execute("UPDATE facts SET value = 'xyz'")
    words = [*command, "serve", "--port", "0", "--feedback", f"sqlite:///{path}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "portlore-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(command: list[str], small: Path) -> None:
    with serving(command, small) as one:
        assert vote(one, "ports/1").status == 200
        filler = small / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        check_is_down(one)
        filler.unlink()
        assert vote(one, "ports/2").status == 200
        one.end()
        assert kept(f"sqlite:///{small}/feedback.db") == {"ports/1": 1, "ports/2": 1}


def test_votes_that_were_acknowledged_survive_a_kill(command: list[str], tmp_path: Path) -> None:
    for number in range(3):
        with serving(command, tmp_path) as one:
            assert vote(one, f"ports/{number}").status == 200
            one.process.kill()
            one.process.wait()
    assert kept(f"sqlite:///{tmp_path}/feedback.db") == {f"ports/{number}": 1 for number in range(3)}
