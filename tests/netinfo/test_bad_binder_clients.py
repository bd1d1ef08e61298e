"""Clients of the binder that flood it, ask without listening, or make up names: the domains do not feel it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    DONE,
    MEGABYTE,
    PATIENCE,
    Line,
    Server,
    ask_without_reading,
    flood,
    is_served,
    limited,
    server,
    stored,
    wait_for,
)
from netinfo.serving import HOST

from portlore.netinfo import binder as nibind
from portlore.netinfo.answering import Policy
from portlore.netinfo.hosting import Host
from portlore.oncrpc.message import NOBODY, Call, encode_call
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import opaque, uint

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's memory in /proc")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, for a reserved port")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stored(tmp_path / "conv.nidb")


def binder_call(procedure: int, arguments: bytes = b"") -> bytes:
    return encode_call(Call(1, nibind.PROGRAM, nibind.VERSION, procedure, NOBODY, NOBODY, arguments))


@contextlib.contextmanager
def host(store: Path, *before: str) -> Iterator[tuple[Server, int]]:
    """A server with a binder: both, and the binder's port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        mapper = str(free.getsockname()[1])
    with server(store, "--mapper-port", mapper, port=None, tag="t" * 200, before=before) as made:
        yield made, int(made.line(r"binder address=\S+ port=(\d+)")[1])


def reserved(port: int) -> socket.socket:
    """A connection from a port below 1024."""
    for number in range(1023, 600, -1):
        line = socket.socket()
        line.settimeout(PATIENCE)
        try:
            line.bind((HOST, number))
            line.connect((HOST, port))
        except OSError:
            line.close()
            continue
        return line
    raise AssertionError("no reserved port is free")


def test_connections_to_the_binder_are_closed_at_the_end(tmp_path: Path) -> None:
    """Left open, each of them is a traceback of Python 3.13 when the process ends."""

    async def ask_and_stay() -> bytes:
        host = Host(HOST, str(tmp_path), Policy(), print)
        await host.bind(0)
        reader, writer = await asyncio.open_connection(HOST, host.binder_port)
        writer.write(marked(binder_call(nibind.PING)))
        assert await reader.read(100)
        await host.close()
        try:
            return await asyncio.wait_for(reader.read(1), 10)
        finally:
            writer.close()

    assert asyncio.run(ask_and_stay()) == b""


@linux
def test_who_asks_the_binder_and_never_reads_costs_a_bounded_memory(store: Path) -> None:
    with host(store) as (made, port):
        before = made.peak
        line, _ = ask_without_reading(port, binder_call(nibind.LISTREG), 200_000)
        with line:
            assert is_served(made.port)
        assert made.peak - before < 16 * MEGABYTE


def test_connections_to_the_binder_do_not_keep_clients_from_the_domain(store: Path) -> None:
    with host(store, *limited(n=128)) as (made, port), flood(port, 200, b""):
        with Line(made.port) as line:
            line.socket.settimeout(10)
            assert line.ask(0) == DONE
        made.kill()


@root
def test_questions_after_a_server_that_died_hold_up_nobody_else(store: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))  # takes what it is sent, and never answers
        silent.settimeout(PATIENCE)
        with host(store) as (made, port):
            with reserved(port) as line:
                number = silent.getsockname()[1]
                line.sendall(marked(binder_call(nibind.REGISTER, opaque(b"dead") + uint(number) * 2)))
                assert line.recv(100)[-4:] == uint(0)
            with socket.create_connection((HOST, port), PATIENCE) as asking, Line(made.port) as client:
                asking.sendall(marked(binder_call(nibind.GETREGISTER, opaque(b"dead"))) * 200)
                assert silent.recv(100)  # the server is at it
                client.socket.settimeout(10)  # one after another they would take a minute
                assert client.ask(0) == DONE
            made.process.kill()


@root
def test_a_tag_that_a_client_makes_up_is_no_second_line_of_the_log(store: Path, tmp_path: Path) -> None:
    with host(store) as (made, port):
        for tag in (b"x\n2026-01-01T00:00:00+0000 portlore-netinfo forged", b"\x1b[2Jx", b"\xff\n"):
            with reserved(port) as line:
                line.sendall(marked(binder_call(nibind.CREATEMASTER, opaque(tag))))
                assert line.recv(100)
        wait_for(lambda: sum("serving tag=" in line for line in made.lines) == 4)
        made.end()
        assert all(line.isprintable() and line.startswith("2") for line in made.lines)
        assert not [line for line in made.lines if line.split(maxsplit=2)[2:] == ["forged"]]


@root
def test_domains_that_are_being_made_at_the_end_do_not_upset_it(store: Path) -> None:
    with host(store) as (made, port), reserved(port) as line:
        calls = [binder_call(nibind.CREATEMASTER, opaque(b"new%d" % number)) for number in range(20)]
        line.sendall(b"".join(map(marked, calls)))
        assert line.recv(100)
        assert made.end() == 0
