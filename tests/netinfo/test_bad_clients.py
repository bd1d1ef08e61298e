"""Clients that flood, dawdle, and ask without listening: memory stays bounded, and who behaves is answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    DONE,
    MEGABYTE,
    PATIENCE,
    Line,
    ask_without_reading,
    call,
    flood,
    is_closed,
    is_served,
    limited,
    many_descriptors,
    named,
    ni_id,
    open_domain,
    server,
    stored,
)
from netinfo.serving import HOST

from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.calling import Connection as ClientConnection
from portlore.netinfo.guests import Guests
from portlore.netinfo.server import MOST_CONNECTIONS, Connection, Datagrams, Limits, Serving, serve_pair
from portlore.netinfo.sockets import bound
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import uint

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's memory in /proc")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, for a reserved port")
ANOTHER = uint(0xFFFF_FFFF)  # a checksum that is not the domain's: READALL sends all of it


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stored(tmp_path / "conv.nidb")


# Floods


FIRST = {  # the beginning of a call
    "nothing": b"",
    "two bytes of a length": marked(call(0))[:2],
    "a length, and nothing": marked(call(0))[:4],
    "half a call": marked(call(0))[:24],
}


@linux
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_thousands_of_half_open_connections_keep_nobody_out(first: bytes, store: Path) -> None:
    """Twice as many as a server keeps: the least recently used ones make room, and the library does not notice."""
    with many_descriptors(2 * MOST_CONNECTIONS + 200) as able, server(store) as made:
        if not able:
            pytest.skip("this process may not open so many connections")
        kept = ClientConnection(HOST, made.port, PATIENCE)
        assert kept.call(0) == b""
        before = made.peak
        with flood(made.port, 2 * MOST_CONNECTIONS, first) as many:
            assert is_served(made.port)
            assert is_closed(many[0])  # the oldest made room
            many[-1].sendall(marked(call(0))[len(first) :])
            assert many[-1].recv(100)[4:] == call(0)[:4] + DONE  # the newest did not
            assert kept.call(0) == b""
        assert made.peak - before < 64 * MEGABYTE
        kept.close()


@pytest.mark.parametrize("first", [b"\x80\0", b""], ids=["half-open", "silent"])
def test_a_flood_under_a_low_limit_of_descriptors_keeps_nobody_out(first: bytes, store: Path) -> None:
    """SPEC 2.1: servers close the least recently used connections when descriptors run out."""
    with server(store, before=limited(n=128)) as made, flood(made.port, 200, first):
        with Line(made.port) as line:
            line.socket.settimeout(10)
            assert line.ask(0) == DONE
        made.end()


# Memory


@linux
def test_many_records_of_many_megabytes_that_never_end_stay_within_one_bound(store: Path) -> None:
    """Each within the limit of a record: 32 clients of 12 MB each are still not given 400 MB."""
    body = bytes(12 * MEGABYTE)
    with server(store) as made:
        before = made.peak
        with contextlib.ExitStack() as closing:
            for _ in range(32):
                line = closing.enter_context(socket.create_connection((HOST, made.port), PATIENCE))
                with contextlib.suppress(ConnectionError):
                    line.sendall((0x8000_0000 | (1 << 24) - 4).to_bytes(4, "big") + body)
            assert is_served(made.port)
        assert made.peak - before < 256 * MEGABYTE


def count_replies(line: socket.socket, reply: bytes, count: int) -> None:
    """Read so many replies, each the same."""
    whole = marked(reply)
    for at in range(count):
        data = bytearray()
        while len(data) < len(whole):
            piece = line.recv(len(whole) - len(data))
            assert piece, f"the server hung up after {at} of {count} replies"
            data += piece
        assert data == whole


@linux
def test_who_asks_and_never_reads_costs_no_more_than_the_backlog(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb", open_domain(1000, size=100))
    with server(path) as made:
        with Line(made.port) as line:
            reply = line.ask(25, ANOTHER)
        assert len(reply) > 100_000
        before = made.peak
        line_, count = ask_without_reading(made.port, call(25, ANOTHER), 600)
        with line_:
            assert is_served(made.port)
            assert made.peak - before < 32 * MEGABYTE
            count_replies(line_, uint(1) + reply, count)  # and when it reads, nothing is missing


@linux
def test_who_writes_and_asks_and_never_reads_costs_no_more_either(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb", open_domain(1000, size=100))
    given = named((b"name", [b"c1"]), (b"_writers", [b"*"]))
    with server(path, "--classic") as made, Line(made.port) as other, Line(made.port) as line:
        before = made.peak
        line.socket.setblocking(False)
        for instance in range(600):  # each round: a write, and 100 kB of answers
            data = marked(call(8, ni_id(1, instance) + given)) + marked(call(25, ANOTHER))
            while data and select.select([], [line.socket], [], 2)[1]:
                data = data[line.socket.send(data) :]
            if data:  # it is not listened to any more
                break
        done = [b"", other.ask(3, ni_id(1))]
        while done[-2] != done[-1]:  # until it has done all that it will do: the instance of the directory tells
            threading.Event().wait(1)
            done.append(other.ask(3, ni_id(1)))
        assert made.peak - before < 32 * MEGABYTE


def test_whole_records_that_wait_for_their_turn_are_held_too() -> None:
    """While a wrong password is paid for, or the disk is slow, one client may send many of the longest records."""

    class Busy(Connection):
        def work(self, records: list[bytes]) -> None:
            self.busy = True
            self.queue += records

    guests = Guests(10, most_held=4 * MEGABYTE)
    with patient(Limits(), Busy, guests) as port, socket.create_connection((HOST, port), PATIENCE) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(marked(bytes(MEGABYTE)) * 20)
        line.settimeout(10)
        assert is_closed(line)


# Slowness, with limits that a test can wait for


@contextlib.contextmanager
def patient(limits: Limits, kind: type[Connection] = Connection, guests: Guests | None = None) -> Iterator[int]:
    """A domain served in this process, with limits of our own: its port."""
    ready, ended = threading.Event(), asyncio.Event()
    port = 0
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        nonlocal port
        service = Service(open_domain(1), b"conv", lambda given, kept: False, Policy(classic=True))
        serving = Serving(service, None, print, limits, guests)
        pair = bound(HOST, [0])
        port = pair.port
        doors = await serve_pair(pair, lambda: kind(serving), lambda: Datagrams(serving))
        ready.set()
        await ended.wait()
        for door in doors:
            door.close()
        for connection in list(serving.connections):
            connection.drop()
        serving.close()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(PATIENCE)
        loop.close()


def drip(line: socket.socket, pieces: Iterator[bytes]) -> bool:
    """Send pieces for as long as the server takes them; whether it hung up before they ended."""
    pause = threading.Event()
    for piece in pieces:
        try:
            line.sendall(piece)
        except ConnectionError:
            return True
        if select.select([line], [], [], 0)[0]:
            return is_closed(line)
        pause.wait(0.02)
    return False


def without_end(first: bytes, piece: bytes) -> Iterator[bytes]:
    yield first
    for _ in range(50 * PATIENCE):
        yield piece


ENDLESS = {
    "a byte at a time": (b"\x80\xff\xff\xff", b"\0"),
    "a fragment of a byte at a time": (b"", b"\0\0\0\1x"),
    "an empty fragment at a time": (b"", bytes(4)),
}


@pytest.mark.parametrize(("first", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_a_record_that_never_ends_is_dropped_when_patience_does(first: bytes, piece: bytes) -> None:
    """Every byte that comes is no new patience: it is for the record as a whole."""
    with patient(Limits(patience=0.5)) as port, socket.create_connection((HOST, port), PATIENCE) as line:
        assert drip(line, without_end(first, piece))
        assert is_served(port)


@pytest.mark.parametrize("begun", [b"\x80", b"\x80\0\0", marked(call(0))[:-1], marked(call(2)) + b"\x80"])
def test_a_record_that_stops_is_dropped_and_a_client_that_is_merely_silent_is_not(begun: bytes) -> None:
    with patient(Limits(patience=0.5)) as port, Line(port) as silent:
        with socket.create_connection((HOST, port), PATIENCE) as line:
            line.sendall(begun)
            while not is_closed(line):
                pass
        assert silent.ask(0) == DONE


def test_the_least_recently_used_connections_make_room() -> None:
    with patient(Limits(connections=3)) as port, contextlib.ExitStack() as closing:
        lines = [closing.enter_context(Line(port)) for _ in range(3)]
        for line in lines:
            assert line.ask(0) == DONE
        assert lines[0].ask(0) == DONE  # now the second is the one that was not used for longest
        newest = closing.enter_context(Line(port))
        assert newest.ask(0) == DONE
        assert is_closed(lines[1].socket)
        assert [line.ask(0) for line in (lines[0], lines[2], newest)] == [DONE] * 3


def test_no_reply_waits_for_the_client_to_acknowledge_the_one_before() -> None:
    """Nagle's algorithm holds the second of two replies back for 40 ms, unless it is switched off."""
    seen: list[int] = []

    class Seen(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            line = transport.get_extra_info("socket")
            seen.append(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    with patient(Limits(), Seen) as port:
        assert is_served(port)
    assert seen == [1]
