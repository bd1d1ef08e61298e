"""A master and its clones for tests: real server processes in a network namespace, at loopback addresses of their own.

``played``: one side is a script, which answers what was recorded, or what a test has it answer.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from netinfo.processes import COMMAND, PATIENCE, Server, wait_for

from portlore.netinfo import binder
from portlore.netinfo.calling import Connection
from portlore.netinfo.cloning import make_clone
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import Handle
from portlore.netinfo.replicating import Server as Place
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, NiId, Record, properties
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, Call, decode_call, encode_call, success
from portlore.oncrpc.records import RecordReader, marked
from portlore.oncrpc.xdr import uint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portlore.netinfo.domain import Directory

MISSING = not sys.platform.startswith("linux") or os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft")))
MASTER, CLONES = "127.0.0.1", ("127.0.0.2", "127.0.0.3", "127.0.0.4")
TAG = "net"
NEWNET = 0x4000_0000
__all__ = ["wait_for"]


@contextmanager
def apart(*addresses: str) -> Iterator[None]:
    """A network namespace of this thread's, with nothing in it but loopback; what it starts is in it as well.

    ``addresses``: more that loopback has.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home:
        assert not libc.unshare(NEWNET), os.strerror(ctypes.get_errno())
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for one in addresses:
                subprocess.run(["ip", "addr", "add", f"{one}/32", "dev", "lo"], check=True)
            yield
        finally:
            assert not libc.setns(home.fileno(), NEWNET), os.strerror(ctypes.get_errno())


def office(clones: int = 1, users: int = 3) -> tuple[Domain, int]:
    """A domain whose master is at MASTER, with machines that serve it, users with hashes; and where anybody writes."""
    domain = Domain.of([Record(0, 0, 0, properties([("master", [f"m/{TAG}"])]), ())])

    def add(above: Directory, *pairs: tuple[str, list[str]]) -> Directory:
        return domain.create(above, properties(pairs), LAST)

    machines = add(domain.at(0), ("name", ["machines"]))
    for name, address in (("m", MASTER), *((f"c{n}", CLONES[n]) for n in range(clones))):
        add(machines, ("name", [name]), ("ip_address", [address]), ("serves", [f"./{TAG}"]))
    people = add(domain.at(0), ("name", ["users"]), ("_writers", ["*"]))
    for number in range(users):
        hashed = ["abz3GtcEvEtv6"]
        add(people, ("name", [f"user{number}"]), ("passwd", hashed), ("uid", [str(number + 100)]))
    domain.take()
    return domain, people.id


def stored(path: Path, domain: Domain) -> Path:
    with Store(str(path), create=True) as store:
        store.write_all(domain)
    return path


def cloned(path: Path) -> Path:
    make_clone(str(path), Place(MASTER, TAG.encode()), "m")
    return path


def content(path: Path) -> tuple[int, list[Record]]:
    """All that is in a store: the checksum, every directory."""
    with Store(str(path), exclusive=False) as store:
        domain = store.load()
    return domain.checksum, list(domain.records())


def launch(address: str, path: Path, *options: str, tag: str = TAG) -> Server:
    """A server process with binder and port mapper at an address; ``.port`` waits for it."""
    words = [*COMMAND, "serve", "--listen", address, "--domain", f"{tag}={path}", *options]
    environment = {**os.environ, "PORTLORE_DATA": str(path.parent / f"of {path.name}")}
    return Server(subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment))


@contextmanager
def served(address: str, path: Path, *options: str, tag: str = TAG) -> Iterator[Server]:
    made = launch(address, path, *options, tag=tag)
    try:
        assert made.port
        yield made
        if made.process.poll() is None:
            made.end()
    finally:
        gone(made)


def gone(server: Server) -> None:
    """Kill it, and close what its log came by."""
    server.kill()
    if server.process.stderr is not None:
        server.process.stderr.close()


@contextmanager
def group(folder: Path, clones: int = 1, users: int = 3) -> Iterator[tuple[Server, list[Server], int]]:
    """A master and clones that have loaded: the servers, and the directory that anybody writes."""
    domain, people = office(clones, users)
    with ExitStack() as closing:
        master = closing.enter_context(served(MASTER, stored(folder / "m", domain), "--classic"))
        others = [closing.enter_context(served(CLONES[n], cloned(folder / f"c{n}"))) for n in range(clones)]
        for one in others:
            one.line("read all tag=net")
        yield master, others, people


def handle(server: Server, address: str, timeout: float = 5) -> Handle:
    """Root there."""
    line = Connection(address, server.port, timeout)
    line.source = address
    return Handle(line, TAG.encode())


def checksum(server: Server, address: str) -> bytes:
    with handle(server, address) as one:
        return one.statistics()[0].values[0]


def in_step(master: Server, clones: list[Server]) -> None:
    """Wait until all have the checksum of the master."""
    until = time.monotonic() + PATIENCE
    wanted = checksum(master, MASTER)
    for number, one in enumerate(clones):
        while checksum(one, CLONES[number]) != wanted:
            assert time.monotonic() < until, (one.lines[-5:], master.lines[-5:])
            time.sleep(0.02)


def add(one: Handle, people: int, name: str) -> None:
    """Write a user."""
    one.create(one.itself(NiId(people, 0)), properties([("name", [name])]))


# One side played


class Script:
    """A server of the other side, on one port: what it was asked; ``answer(call)`` gives the results."""

    def __init__(self, address: str, answer: Callable[[Call], bytes | None]) -> None:
        self.asked: list[tuple[int, Call, bytes]] = []  # the caller's port, the call, its record
        self._answer = answer
        self.door = socket.create_server((address, 0))
        self.box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = self.door.getsockname()[1]
        self.box.bind((address, self.port))
        self.news = threading.Condition()
        self.mapper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.mapper.bind((address, portmap.PORT))
        for work in (self._welcome, lambda: self._read(self.box), lambda: self._read(self.mapper)):
            threading.Thread(target=work, daemon=True).start()

    def _welcome(self) -> None:
        while True:
            try:
                line, peer = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line, peer[1]), daemon=True).start()

    def _talk(self, line: socket.socket, port: int) -> None:
        reader = RecordReader(1 << 24, 1 << 16)
        try:
            with line:
                while data := line.recv(1 << 16):
                    for record in reader.feed(data):
                        reply = self._reply(port, record)
                        if reply is not None:
                            line.sendall(marked(reply))
        except OSError:
            return

    def _read(self, box: socket.socket) -> None:
        while True:
            try:
                record, peer = box.recvfrom(1 << 16)
                reply = self._reply(peer[1], record)
                if reply is not None:
                    box.sendto(reply, peer)
            except OSError:
                return

    def _reply(self, port: int, record: bytes) -> bytes | None:
        call = decode_call(record)
        assert call is not None
        with self.news:
            self.asked.append((port, call, record))
            self.news.notify_all()
        results = self._found(call) or self._answer(call)
        return None if results is None else success(call.xid, results)

    def _found(self, call: Call) -> bytes | None:
        """Where everything is: here."""
        if call.program == portmap.PROGRAM:
            return uint(self.port)
        if call.program == binder.PROGRAM:
            return uint(0) + uint(self.port) * 2
        return None

    def wait(self, done: Callable[[list[Call]], bool]) -> list[tuple[int, Call, bytes]]:
        """Wait until what was asked is enough."""
        with self.news:
            assert self.news.wait_for(lambda: done([call for _, call, _ in self.asked]), PATIENCE), self.asked
            return list(self.asked)

    def close(self) -> None:
        for one in (self.door, self.box, self.mapper):
            one.close()


def reserved(source: str, target: tuple[str, int]) -> socket.socket:
    """A connection from a reserved port of an address."""
    for number in range(1023, 599, -1):
        line = socket.socket()
        try:
            line.bind((source, number))
        except OSError:
            line.close()
            continue
        line.settimeout(PATIENCE)
        assert not line.connect_ex(target)  # connect is for loopback alone; this is loopback's too, in our namespace
        return line
    raise AssertionError("no reserved port is free")


def exchange(line: socket.socket, record: bytes) -> bytes:
    """A record's reply."""
    reader = RecordReader(1 << 24, 1 << 16)
    line.sendall(marked(record))
    while data := line.recv(1 << 16):
        if found := reader.feed(data):
            return found[0]
    raise AssertionError("the server hung up")


def call(procedure: int, arguments: bytes) -> bytes:
    return encode_call(Call(77, 200100000, 2, procedure, NOBODY, NOBODY, arguments))
