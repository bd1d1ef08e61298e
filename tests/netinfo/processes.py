"""Real server processes for tests, clients that talk to them in bytes, writers that remember what they were told."""

from __future__ import annotations

import os
import re
import resource
import select
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from netinfo.serving import HOST

from portlore.netinfo.domain import Domain
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, Record, properties
from portlore.oncrpc.message import NOBODY, Auth, Call, UnixAuth, encode_call, encode_unix
from portlore.oncrpc.records import RecordReader, marked
from portlore.oncrpc.xdr import Reader, opaque, uint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMMAND = [sys.executable, "-m", "portlore", "netinfo"]
PATIENCE = 60  # seconds that anything here may take before a test fails: far beyond what it takes
WRITERS = 16
MEGABYTE = 1 << 20


class Server:
    """A server's process, its port, and the lines of its log so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.lines = process, list[str]()
        self._news, self._ended = threading.Condition(), False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.decode("utf-8", "surrogateescape").removesuffix("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def line(self, pattern: str) -> re.Match[str]:
        """The first line of the log with a pattern, as soon as it is there."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, PATIENCE)
            match = found()
        assert match is not None, (pattern, self.lines)
        return match

    @property
    def port(self) -> int:
        """The port of its domain."""
        return int(self.line(r"serving tag=.* port=(\d+)")[1])

    @property
    def peak(self) -> int:
        """The most memory that it has had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def end(self) -> int:
        """Have it end; its exit status. Its log holds no traceback."""
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        told = "\n".join(line for line in self.lines if " write " not in line)
        assert "Traceback" not in told, told
        return status

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)


@contextmanager
def server(
    path: Path | str, *options: str, port: str | None = "0", tag: str = "conv", before: Sequence[str] = ()
) -> Iterator[Server]:
    """A server of one domain, started by the command; ``before``: words of a command that starts it in its turn."""
    words = [*before, *COMMAND, "serve", "--domain", f"{tag}={path}", "--listen", HOST, *options]
    if port is not None:
        words += ["--port", port]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        made = Server(process)
        try:
            assert made.port
            yield made
            if process.poll() is None:
                made.end()
        finally:
            made.kill()


def limited(**limits: int) -> list[str]:
    """Words that start a command with other limits of its own, by their names in sh's ulimit."""
    return ["sh", "-c", "".join(f"ulimit -{name} {value}; " for name, value in limits.items()) + 'exec "$@"', "sh"]


def run(
    *words: str | Path, before: Sequence[str] = (), user: int | None = None, timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """``portlore netinfo …``, run to its end; ``user``: by root as another one."""
    command = [*before, *COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, user=user, group=user)


@contextmanager
def many_descriptors(count: int) -> Iterator[bool]:
    """Let this process have so many descriptors, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    able = hard == resource.RLIM_INFINITY or hard >= count
    if able and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield able
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# A domain that anybody writes, and calls


def open_domain(children: int = WRITERS, *, size: int = 0) -> Domain:
    """A domain that everybody may write under ``--classic``: a root and its children, ``size`` bytes in each."""
    writers = ("_writers", ["*"])
    many = [
        Record(number, 0, 0, properties([("name", [f"c{number}"]), writers, ("data", ["x" * size])]), ())
        for number in range(1, children + 1)
    ]
    root = Record(0, 0, 0, properties([("master", ["localhost/conv"]), writers]), tuple(one.id for one in many))
    return Domain.of([root, *many])


def stored(path: Path, domain: Domain | None = None) -> Path:
    """A store of a domain, the one above if none is named."""
    with Store(str(path), create=True) as store:
        store.write_all(domain or open_domain())
    return path


def call(procedure: int, arguments: bytes = b"", credential: Auth = NOBODY, xid: int = 1) -> bytes:
    """The record of a call to a NetInfo server."""
    return encode_call(Call(xid, 200100000, 2, procedure, credential, NOBODY, arguments))


def login(uid: int, password: bytes = b"") -> Auth:
    """The credential of a user."""
    return Auth(1, encode_unix(UnixAuth(0, bytes(byte ^ 0xFF for byte in password), uid, 0, ())))


def ni_id(number: int, instance: int = 0) -> bytes:
    """A directory's id as XDR."""
    return uint(number) + uint(instance)


def named(*pairs: tuple[bytes, Sequence[bytes]]) -> bytes:
    """A property list as XDR, spelt out."""
    return uint(len(pairs)) + b"".join(
        opaque(name) + uint(len(values)) + b"".join(map(opaque, values)) for name, values in pairs
    )


class Line:
    """A connection to a server; a test that waits for it too long fails."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._records, self._found = RecordReader(1 << 28, 1 << 20), list[bytes]()

    def send(self, *records: bytes) -> None:
        """Send records, each as one fragment."""
        self.socket.sendall(b"".join(map(marked, records)))

    def reply(self) -> bytes:
        """The next reply; ConnectionError when the server hangs up instead."""
        while not self._found:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the server hung up")
            self._found = self._records.feed(data)
        return self._found.pop(0)

    def ask(self, procedure: int, arguments: bytes = b"", credential: Auth = NOBODY) -> bytes:
        """What follows the xid in the reply to a call."""
        self.send(call(procedure, arguments, credential))
        return self.reply()[4:]

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


ACCEPTED = uint(1) + uint(0) + bytes(8)  # after the xid: a reply, accepted, no verifier; then accept_stat
DONE = ACCEPTED + uint(0)  # SUCCESS: the results follow
GARBAGE = ACCEPTED + uint(4)


def is_served(port: int) -> bool:
    """Whether a new client is answered."""
    with Line(port) as line:
        return line.ask(0) == DONE


def is_closed(line: socket.socket) -> bool:
    """Whether the other side hangs up, in any way, before it says anything."""
    with suppress(ConnectionError):
        return line.recv(1) == b""
    return True


# Bad clients


@contextmanager
def flood(port: int, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent a few bytes; those that the server ended on the way included."""
    many: list[socket.socket] = []
    try:
        for _ in range(count):
            many.append(socket.create_connection((HOST, port), PATIENCE))
            with suppress(ConnectionError):
                many[-1].sendall(first)
        yield many
    finally:
        for one in many:
            one.close()


def ask_without_reading(port: int, record: bytes, most: int) -> tuple[socket.socket, int]:
    """Send a record over and over without reading, until the server stops listening or ``most`` have gone out whole.

    Gives the connection, and how many whole records it has sent.
    """
    line = socket.create_connection((HOST, port), PATIENCE)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    line.setblocking(False)
    one = marked(record)
    sent, data = 0, one * most
    while sent < len(data) and select.select([], [line], [], 2)[1]:
        sent += line.send(data[sent : sent + (1 << 16)])
    line.settimeout(PATIENCE)
    rest = -sent % len(one)

    def send_rest() -> None:
        with suppress(OSError):
            line.sendall(one[len(one) - rest :])

    threading.Thread(target=send_rest, daemon=True).start()
    return line, (sent + rest) // len(one)


# Writers


class Writer(threading.Thread):
    """A client that makes children of its own directory, one after another, and notes the names that were acknowledged.

    It ends with the connection, with the first answer that is not OK (then ``status``), or after ``most``.
    """

    def __init__(self, port: int, directory: int, *, size: int = 20, most: int = 1 << 30) -> None:
        super().__init__(daemon=True)
        self.directory, self._size, self._most = directory, size, most
        self.acknowledged: list[bytes] = []
        self.status = 0
        self._line = Line(port)

    def run(self) -> None:
        """Write until the end."""
        instance = 0
        with suppress(ConnectionError, OSError), self._line as line:
            while len(self.acknowledged) < self._most:
                name = b"%d.%d" % (self.directory, len(self.acknowledged))
                given = named((b"name", [name]), (b"data", [b"y" * self._size]))
                reply = line.ask(5, ni_id(self.directory, instance) + given + uint(LAST) + uint(0))
                assert reply[: len(DONE)] == DONE
                results = Reader(reply[len(DONE) :])
                self.status = results.uint()
                if self.status:
                    return
                instance = [results.uint() for _ in range(4)][3]  # of the new one's id, then of the parent's
                self.acknowledged.append(name)


@contextmanager
def writers(port: int, count: int = WRITERS, enough: int = 200, **more: int) -> Iterator[list[Writer]]:
    """So many writers at work; the block is entered when each has written, or ended, and all together ``enough``."""
    many = [Writer(port, number, **more) for number in range(1, count + 1)]
    for one in many:
        one.start()
    wait_for(lambda: all(one.acknowledged or not one.is_alive() for one in many))
    wait_for(lambda: sum(len(one.acknowledged) for one in many) >= enough)
    yield many
    for one in many:
        one.join(PATIENCE)
        assert not one.is_alive()


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until something is so."""
    news = threading.Event()
    for _ in range(PATIENCE * 100):
        if done():
            return
        news.wait(0.01)
    raise AssertionError("it never came to be so")


def check_kept(path: Path, many: Sequence[Writer]) -> None:
    """All that was acknowledged is in a store, in order, and of each writer at most one more that was under way."""
    with Store(str(path)) as store:
        domain = store.load()
    for one in many:
        found = [domain.values(number, b"name") for number in domain.directories[one.directory].children]
        assert found[: len(one.acknowledged)] == [(name,) for name in one.acknowledged]
        assert len(found) <= len(one.acknowledged) + 1


def one_line(text: str) -> str:
    """The one line that a refusal says."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert os.fsencode(text).decode().rstrip("\n").isprintable()
    return lines[0]
