"""Full disks, crashes, ports that are taken, logs that nobody reads: nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    COMMAND,
    DONE,
    PATIENCE,
    WRITERS,
    Line,
    Writer,
    check_kept,
    is_served,
    limited,
    named,
    ni_id,
    one_line,
    run,
    server,
    stored,
    wait_for,
    writers,
)
from netinfo.serving import HOST

from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.server import Connection, Limits, Serving
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, NUMBERS, Property
from portlore.oncrpc.message import success
from portlore.oncrpc.xdr import uint

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
SYSTEMERR, RDONLY = NUMBERS["SYSTEMERR"], NUMBERS["RDONLY"]


# Crashes


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_kill_9_while_16_clients_write_loses_nothing_that_was_acknowledged(rounds: int, tmp_path: Path) -> None:
    for number in range(rounds):
        path = stored(tmp_path / f"conv{number}.nidb")
        with server(path, "--classic") as made, writers(made.port, enough=100 + 37 * (number % 10)) as many:
            made.kill()
        check_kept(path, many)
        assert run("check", path).returncode == 0


def test_sigterm_while_clients_write_finishes_what_is_under_way_and_no_more(tmp_path: Path) -> None:
    """The end does not wait for clients to stop: after it is said, each has the write answered that was under way."""
    rounds, clients, after = 6, 4, 0
    for number in range(rounds):
        path = stored(tmp_path / f"conv{number}.nidb")
        with server(path, "--classic") as made, writers(made.port, clients) as many:
            made.process.send_signal(signal.SIGTERM)
            made.line("ending: ")
            told = sum(len(one.acknowledged) for one in many)
            assert made.process.wait(PATIENCE) == 0
        made.end()
        after += sum(len(one.acknowledged) for one in many) - told
        check_kept(path, many)
        assert run("check", path).returncode == 0
    assert after <= 2 * clients * rounds


# A full disk


def new_child(number: int, instance: int) -> bytes:
    """The arguments of a CREATE."""
    return ni_id(number, instance) + named((b"name", [b"more"])) + uint(LAST) + uint(0)


def check_full(port: int, many: list[Writer]) -> None:
    """What a server answers on a full disk: reads, and to every write an error."""
    for one in many:
        one.join(PATIENCE)
        assert one.status
    with Line(port) as line:
        instance = int.from_bytes(line.ask(3, ni_id(1))[-4:], "big")
        assert instance == len(many[0].acknowledged)  # each has written its directory once
        assert line.ask(7, ni_id(1))[: len(DONE) + 4] == DONE + uint(0)
        assert line.ask(5, new_child(1, instance)) == DONE + uint(RDONLY)


def test_a_file_that_may_not_grow_ends_writing_and_nothing_else(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb")
    with server(path, "--classic", before=limited(f=4000)) as made:
        with writers(made.port, enough=0, size=20_000) as many:
            made.line("the store failed: .*the disk does not take it.*read-only, from now on")
        check_full(made.port, many)
        assert made.end() == 0
    check_exactly_kept(path, many)
    with server(path, "--classic") as made, Line(made.port) as line:  # with room again, it goes on
        assert line.ask(5, new_child(1, len(many[0].acknowledged)))[: len(DONE) + 4] == DONE + uint(0)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[list[str]]:
    """A disk of its own at a folder, in a mount namespace that lasts as long as the block: words that lead into it."""
    folder.mkdir()
    with subprocess.Popen(["unshare", "-m", "cat"], stdin=subprocess.PIPE) as holder:
        own = Path("/proc/self/ns/mnt").readlink()
        wait_for(lambda: Path(f"/proc/{holder.pid}/ns/mnt").readlink() != own)
        into = ["nsenter", "-t", str(holder.pid), "-m"]
        subprocess.run([*into, "mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        yield into


needs_disk = pytest.mark.skipif(
    not ROOT or not shutil.which("unshare") or not shutil.which("nsenter"), reason="needs root, to mount a small disk"
)


@needs_disk
def test_a_full_disk_ends_writing_and_nothing_else(tmp_path: Path) -> None:
    path, small, copy = stored(tmp_path / "conv.nidb"), tmp_path / "small", tmp_path / "copy"
    copy.mkdir()
    with small_disk(small, "3m") as into:
        subprocess.run([*into, "cp", path, small], check=True)
        with server(small / "conv.nidb", "--classic", before=into) as made:
            with writers(made.port, enough=0, size=20_000) as many:
                made.line("the store failed: .*the disk does not take it.*read-only, from now on")
            check_full(made.port, many)
            assert made.end() == 0
        assert run("check", small / "conv.nidb", before=into).returncode == 0  # there is still no room
        subprocess.run([*into, "cp", "-r", f"{small}/.", copy], check=True)
    check_exactly_kept(copy / "conv.nidb", many)


def check_exactly_kept(path: Path, many: list[Writer]) -> None:
    """All that was acknowledged is there, and nothing else: what was answered with an error was not done."""
    check_kept(path, many)
    with Store(str(path)) as store:
        domain = store.load()
    for one in many:
        assert len(domain.directories[one.directory].children) == len(one.acknowledged)


def test_a_write_that_came_while_a_commit_failed_is_not_acknowledged(tmp_path: Path) -> None:
    """The same without luck: a commit that is too large for the disk, and a small write that comes meanwhile."""
    path = str(stored(tmp_path / "conv.nidb"))
    replies: dict[str, list[bytes]] = {}

    class Noted(Connection):
        name = ""

        def written(self, replies_: list[bytes]) -> None:
            replies[self.name] = replies_

    async def write() -> None:
        with Store(path) as store:
            service = Service(store.load(), b"conv", lambda given, kept: False, Policy(classic=True))
            serving = Serving(service, store, print, Limits())
            for name, size in (("large", 400_000), ("small", 1)):
                service.domain.create(service.domain.at(1), (Property(b"name", (name.encode() * size,)),), LAST)
                connection = Noted(serving)
                connection.name = name
                serving.write(connection, [success(7, uint(0))])
                await asyncio.sleep(0)  # the commit of the first begins
            await asyncio.wait_for(serving.idle.wait(), PATIENCE)
            serving.close()

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        asyncio.run(write())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    with Store(path) as store:
        assert store.load().at(1).children == []
    assert replies == {name: [success(7, uint(SYSTEMERR))] for name in ("large", "small")}


@needs_disk
def test_a_server_that_starts_on_a_full_disk_says_so_and_does_not_call_the_store_damaged(tmp_path: Path) -> None:
    path, small = stored(tmp_path / "conv.nidb"), tmp_path / "small"
    with small_disk(small, "200k") as into:
        subprocess.run([*into, "cp", path, small], check=True)
        subprocess.run([*into, "sh", "-c", f"cat /dev/zero > {quote(str(small))}/rest 2>/dev/null"], check=False)
        done = run("serve", "--port", "0", "--domain", f"x={small}/conv.nidb", before=into)
        assert done.returncode == 3
        assert "make room" in one_line(done.stderr)


# Ports


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["TCP", "UDP"])
def test_a_port_that_is_taken_is_said_in_a_line(kind: int, tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb")
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = str(taken.getsockname()[1])
        done = run("serve", "--domain", f"conv={path}", "--port", port)
        assert done.returncode == 3
        assert port in one_line(done.stderr)
    with server(path) as made:  # nothing of it is left behind
        assert is_served(made.port)


def test_ports_beyond_the_last_are_refused_in_a_line(tmp_path: Path) -> None:
    words = [f"--domain={tag}={stored(tmp_path / tag)}" for tag in ("a", "b")]
    done = run("serve", *words, "--port", "65535")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    one_line("\n".join(line for line in done.stderr.splitlines() if "serving tag=a" not in line))


# Whoever reads the log


@pytest.mark.parametrize("reader", ["stops", "is gone"])
def test_nobody_who_should_read_the_log_holds_up_the_server(reader: str, tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb")
    words = [*COMMAND, "serve", "--domain", f"conv={path}", "--listen", HOST, "--port", "0", "--classic"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)  # full after some forty lines
            match = re.search(rb"serving tag=conv .* port=(\d+)", process.stderr.readline())
            assert match is not None
            if reader == "is gone":
                process.stderr.close()
            with writers(int(match[1]), WRITERS, most=100) as many:  # each of them is a line
                pass
            assert [len(one.acknowledged) for one in many] == [100] * WRITERS
            assert is_served(int(match[1]))
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    check_kept(path, many)
