"""Real databases for tests: a PostgreSQL of their own on loopback, as Debian packages it, and files of SQLite."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BINARIES = Path("/usr/lib/postgresql")
PATIENCE = 60.0  # seconds that anything may take before a test fails
PASSWORD = "s3cr@t/of?this#test"  # with every sign that an address gives a meaning to
QUOTED = "s3cr%40t%2Fof%3Fthis%23test"


class Postgres:
    """A cluster in a folder: it may be stopped, started and held up."""

    def __init__(self, binaries: Path, folder: Path, port: int, user: str | None) -> None:
        self._binaries, self._folder, self.port, self._user = binaries, folder, port, user
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def start(self) -> None:
        """Start it; it answers when this returns."""
        words = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        words += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, user=self._user, cwd=self._folder)
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(Exception):
                self.run("SELECT 1")
                return
            assert time.monotonic() < end, (self._folder / "log").read_text("utf-8")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it, by default at once, as if the power had failed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """All its processes stand still: connections stay open, and new ones are taken by the kernel alone."""
        assert self._process is not None
        stopped: list[int] = []
        while new := set(self._processes()) - set(stopped):  # the first one stopped starts no more
            for pid in sorted(new):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def _processes(self) -> Iterator[int]:
        assert self._process is not None
        yield self._process.pid
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(path.read_text("ascii").rpartition(")")[2].split()[1]) == self._process.pid:
                    yield int(path.parent.name)

    def run(self, statement: str) -> None:
        """Run a statement as its owner."""
        line = pytest.importorskip("pg8000.native").Connection(
            "portlore", "127.0.0.1", "postgres", self.port, PASSWORD, timeout=PATIENCE
        )
        try:
            line.run(statement)
        finally:
            line.close()

    def make(self) -> str:
        """A new database; its address."""
        self._made += 1
        self.run(f"CREATE DATABASE votes{self._made}")
        return f"postgresql://portlore:{QUOTED}@127.0.0.1:{self.port}/votes{self._made}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A cluster of its own, which goes with the test; skips where Debian's package is missing."""
    pytest.importorskip("pg8000")
    found = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    binaries = found[-1].parent
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root; the package makes this user
    folder = Path(tempfile.mkdtemp(prefix="portlore-postgres-"))
    server = Postgres(binaries, folder, _free_port(), user)
    try:
        (folder / "password").write_text(PASSWORD, "ascii")
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        words = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "portlore", "-A", "scram-sha-256"]
        words += ["--pwfile", str(folder / "password"), "-E", "UTF8", "--locale", "C", "--no-instructions"]
        subprocess.run(words, check=True, capture_output=True, user=user, cwd=folder)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
