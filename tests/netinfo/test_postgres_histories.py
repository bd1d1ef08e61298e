"""Three servers of one domain over PostgreSQL, clients that remember what they saw, and all that can befall servers.

What the clients saw of each directory has to be linearizable, but for answers of a server that said that it is cut off.
"""

from __future__ import annotations

import random
import re
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Unix", allow_module_level=True)
import socket
import subprocess

from databases import postgres
from netinfo.histories import READ, WRITE, Operation, is_linearizable
from netinfo.processes import COMMAND, PATIENCE, Line, Server, call, named, ni_id, open_domain
from netinfo.relays import HOST, Relay

from portlore.netinfo.storing import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from databases import Postgres

DIRECTORIES = (1, 2, 3)
OK, STALE, RDONLY, SYSTEMERR, MASTERBUSY = 0, 2, 13, 14, 22


def free_port() -> int:
    with socket.create_server((HOST, 0)) as door:
        return int(door.getsockname()[1])


class Member:
    """A server with its own way to the database: it can be killed, held up, cut off, and started again."""

    def __init__(self, stack: ExitStack, cluster: Postgres, address: str) -> None:
        self.relay = stack.enter_context(Relay(cluster.port))
        self._address = address.replace(f":{cluster.port}/", f":{self.relay.port}/")
        self.port = free_port()
        self.start()
        stack.callback(lambda: self.server.kill())

    def start(self) -> None:
        words = [*COMMAND, "serve", "--domain", f"conv={self._address}", "--port", str(self.port), "--classic"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.server = Server(process)
        assert self.server.port == self.port

    def kill(self) -> None:
        self.server.kill()
        assert self.server.process.stderr is not None
        self.server.process.stderr.close()

    def signal(self, number: signal.Signals) -> None:
        self.server.process.send_signal(number)


class Client(threading.Thread):
    """Reads and writes at one server, one call at a time, and remembers; never the same value twice."""

    def __init__(self, number: int, port: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self._number, self._port, self._ending = number, port, ending
        self._rng = random.Random(number)
        self._writes = 0
        self.seen: dict[int, list[Operation]] = {number: [] for number in DIRECTORIES}
        self.fault: BaseException | None = None
        self.old = 0  # reads at a server that was cut off

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                with suppress(ConnectionError), Line(self._port) as line:
                    while not self._ending.is_set():
                        self._once(line)
                        time.sleep(self._rng.random() * 0.01)
                time.sleep(0.05)
        except BaseException as fault:  # noqa: BLE001 - the test raises it
            self.fault = fault

    def _once(self, line: Line) -> None:
        where = self._rng.choice(DIRECTORIES)
        started = time.monotonic()
        line.send(call(1), call(7, ni_id(where)), call(1))
        before, told, after = line.reply()[4:], line.reply()[4:], line.reply()[4:]
        ended = time.monotonic()
        version = int.from_bytes(told[28:32], "big")
        value = re.search(rb"<(\d+-\d+)>", told[32:])
        if b"cut off" in before or b"cut off" in after:
            self.old += 1
        else:
            seen = (version, value[1] if value else b"")
            self.seen[where].append(Operation(READ, started, ended, told=seen))
        if self._rng.random() < 0.5:
            self._write(line, where, version)

    def _write(self, line: Line, where: int, version: int) -> None:
        self._writes += 1
        value = b"%d-%d" % (self._number, self._writes)
        data = named((b"name", [b"c%d" % where]), (b"_writers", [b"*"]), (b"v", [b"<" + value + b">"]))
        started = time.monotonic()
        try:
            status = int.from_bytes(line.ask(8, ni_id(where, version) + data)[20:24], "big")
        except ConnectionError:
            self.seen[where].append(Operation(WRITE, started, inf, version, value))
            raise
        ended = time.monotonic()
        if status == SYSTEMERR:
            self.seen[where].append(Operation(WRITE, started, inf, version, value))
        elif status in (OK, STALE):
            self.seen[where].append(Operation(WRITE, started, ended, version, value, status == OK))
        else:  # refused, so that it may never be seen
            assert status in (RDONLY, MASTERBUSY), status


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


def live_through(
    cluster: Postgres, events: Sequence[Callable[[list[Member]], None]], *, clients: int, between: float
) -> list[Client]:
    """Have clients read and write at three servers while events follow one another; what they saw is checked."""
    address = f"{cluster.make()}?domain=conv"
    with open_store(address, create=True) as store:
        store.write_all(open_domain(4))
    ending = threading.Event()
    with ExitStack() as stack:
        members = [Member(stack, cluster, address) for _ in range(3)]
        many = [Client(number, members[number % 3].port, ending) for number in range(clients)]
        for one in many:
            one.start()
        time.sleep(between)
        for event in events:
            event(members)
            time.sleep(between)
        ending.set()
        for one in many:
            one.join(PATIENCE)
            assert not one.is_alive()
            assert one.fault is None, repr(one.fault)
        states = set()
        for member in members:
            with Line(member.port) as line:
                end = time.monotonic() + PATIENCE
                while b"cut off" in line.ask(1):  # all come back
                    assert time.monotonic() < end, member.server.lines[-5:]
                    time.sleep(0.05)
                states.add(tuple(line.ask(7, ni_id(where)) for where in DIRECTORIES))
        assert len(states) == 1
        for member in members:
            told = "\n".join(line for line in member.server.lines if " write " not in line)
            assert "Traceback" not in told, told
            assert "fault" not in told, told
            member.kill()
    for where in DIRECTORIES:
        history = [one for client in many for one in client.seen[where]]
        if not is_linearizable(history, (0, b"")):
            pytest.fail(f"directory {where}: {culprits(history)}")
    return many


def culprits(history: list[Operation]) -> list[Operation]:
    """The last of the operations up to the first that nothing explains: what was answered before it has an order."""
    ends = sorted(one.end for one in history)
    first, last = 0, len(ends) - 1
    while first < last:
        half = (first + last) // 2
        known = [one if one.end <= ends[half] else one._replace(end=inf, told=None) for one in history]
        known = [one for one in known if one.end < inf or (one.kind == WRITE and one.start <= ends[half])]
        first, last = (half + 1, last) if is_linearizable(known, (0, b"")) else (first, half)
    return sorted((one for one in history if one.start <= ends[first]), key=lambda one: one.start)[-25:]


def killed(members: list[Member]) -> None:
    members[2].kill()
    members[2].start()


def stands_still(members: list[Member]) -> None:
    members[0].signal(signal.SIGSTOP)
    time.sleep(4.5)  # beyond its lease
    members[0].signal(signal.SIGCONT)


def stands_still_shortly(members: list[Member]) -> None:
    members[0].signal(signal.SIGSTOP)
    time.sleep(0.5)
    members[0].signal(signal.SIGCONT)


def cut_off(members: list[Member]) -> None:
    members[1].relay.cut()
    time.sleep(4.5)
    members[1].relay.mend()


def lines_end(members: list[Member]) -> None:
    for member in members:
        member.relay.reset()


def all_seen(many: list[Client]) -> tuple[int, int, int]:
    """Reads, writes that were done, writes that were stale."""
    seen = [one for client in many for history in client.seen.values() for one in history]
    done = [one for one in seen if one.kind == WRITE and one.told is True]
    stale = [one for one in seen if one.kind == WRITE and one.told is False]
    return sum(one.kind == READ for one in seen), len(done), len(stale)


def test_what_clients_of_three_servers_see_is_linearizable_though_one_is_killed_and_one_stands_still(
    cluster: Postgres,
) -> None:
    many = live_through(cluster, [killed, lines_end, stands_still], clients=6, between=0.7)
    reads, done, stale = all_seen(many)
    assert reads > 100
    assert done > 20
    assert stale > 0  # they did meet


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_so_it_is_whatever_befalls_them(cluster: Postgres, seed: int) -> None:
    def database_fails(members: list[Member]) -> None:
        cluster.stop()
        time.sleep(2)
        cluster.start()

    def database_stands_still(members: list[Member]) -> None:
        with cluster.held_up():
            time.sleep(4.5)

    kinds = [killed, stands_still, stands_still_shortly, cut_off, lines_end, database_fails, database_stands_still]
    rng = random.Random(seed)
    events = [rng.choice(kinds) for _ in range(8)]
    many = live_through(cluster, events, clients=9, between=1.0)
    assert all_seen(many)[1] > 20
