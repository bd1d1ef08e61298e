"""The site's server for tests: a real process, what it says on stderr, and ways to ask it, also badly."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0  # seconds that anything may take before a test fails: far beyond what it takes
NEEDED = ("uvicorn", "fastapi", "babel", "sqlalchemy")
PLAN = "import json, sys; from portlore.web.running import Plan, serve; " \
       "serve(Plan(**json.loads(sys.argv[1])), lambda text: print(text, file=sys.stderr, flush=True))"  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A server under test: its process, where it answers, and the lines it has said since."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, /, **headers: str) -> Reply:
        """One request on a connection of its own; ``_`` in a header's name stands for ``-``."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return _reply(line.getresponse())
        finally:
            line.close()

    def vote(self, language: str, page: str, face: str, /, **headers: str) -> Reply:
        """A vote, as the form sends it."""
        form = f"path={page.replace('%', '%25')}&face={face}".encode()
        more = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        return self.ask(f"/{language}/feedback", "POST", form, **more)

    def line(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def raw(self, data: bytes) -> Reply:
        """What comes back for some bytes."""
        with self.line() as line:
            line.sendall(data)
            return read_reply(line)

    def until_said(self, pattern: str) -> str:
        """Wait for a line in which the pattern is found."""
        end = time.monotonic() + PATIENCE
        while True:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            assert time.monotonic() < end, f"{pattern} was never said; it was: {self.lines[-20:]}"
            time.sleep(0.01)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def peak(self) -> int:
        """The most memory that the process has held at once (VmHWM), in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) // 1000

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)


def _reply(response: http.client.HTTPResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


def read_reply(line: socket.socket, method: str = "GET") -> Reply:
    """The next answer on a bare connection."""
    response = http.client.HTTPResponse(line, method=method)
    response.begin()
    return _reply(response)


@contextmanager
def serving(command: list[str], folder: Path, *words: str, **environment: str) -> Iterator[Server]:
    """``portlore serve`` on a free port, its data in ``folder``."""
    with _started([*command, "serve", "--port", "0", *words], folder, environment) as server:
        yield server


@contextmanager
def serving_plan(folder: Path, **plan: object) -> Iterator[Server]:
    """The same with a plan that the command line does not offer, such as less patience."""
    words = json.dumps({"listen": "127.0.0.1", "port": 0, **plan})
    with _started([sys.executable, "-c", PLAN, words], folder, {}) as server:
        yield server


@contextmanager
def _started(words: list[str], folder: Path, more: dict[str, str]) -> Iterator[Server]:
    for needed in NEEDED:
        pytest.importorskip(needed)
    environment = {**os.environ, "PORTLORE_DATA": str(folder), "PYTHONPATH": os.pathsep.join(sys.path), **more}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder) as process:
        try:
            server = Server(process, 0)
            threading.Thread(target=server._listen, daemon=True).start()
            end = time.monotonic() + PATIENCE
            while not (found := re.search(r"http://[^/]+:(\d+)/", "".join(server.lines))):
                assert process.poll() is None, "".join(server.lines)
                assert time.monotonic() < end, "".join(server.lines)
                time.sleep(0.01)
            server.port = int(found[1])
            yield server
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
