"""A blocking driver for probe dialogues, and real servers for them to talk to (scan/dial.py is the scan's driver)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from portlore.probes.dialogue import MOST_BYTES, MOST_STEPS, Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from portlore.observed import Identification
    from portlore.probes.dialogue import Probe

PATIENCE = 60.0  # seconds that a server may take to start


def talk(
    probe: Probe,
    port: int,
    host: str = "127.0.0.1",
    *,
    wait: float = 1.0,
    tls: bool = False,
    heard: list[tuple[str, bytes]] | None = None,
) -> Identification | None:
    """Hold a dialogue with a port; ``wait`` seconds for each answer; ``heard`` takes what was said, to be recorded."""
    kind = socket.SOCK_DGRAM if probe.transport == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dialogue = probe.dialogue(Asked(host, port, probe.transport, tls))
    heard = [] if heard is None else heard
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(socket.socket(family, kind))
        line.settimeout(wait)
        line.connect((host, port))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            line = stack.enter_context(context.wrap_socket(line))
        answer, total = None, 0
        for _ in range(MOST_STEPS):
            try:
                sending = dialogue.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            with contextlib.suppress(OSError):
                if sending:
                    heard.append(("client", sending))
                    line.sendall(sending)
            answer = b""
            with contextlib.suppress(OSError):
                answer = line.recv(MOST_BYTES - total)
            if answer:
                heard.append(("server", answer))
            total += len(answer)
    return None


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that is free now."""
    with socket.socket(socket.AF_INET, kind) as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None, log: Path | None = None) -> None:
    """Until something listens on a TCP port; fails with the log when the process ends or the patience does."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        said = log.read_text("utf-8", "replace") if log and log.exists() else ""
        assert process is None or process.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.05)


def need(command: str, package: str) -> str:
    """The path of a command, or the test is skipped."""
    found = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"needs {command} (Debian: {package})")
    return found


@contextlib.contextmanager
def folder(user: str | None = None) -> Iterator[Path]:
    """A folder of a server's own, perhaps a user's, with a short path; it goes with the test."""
    made = Path(tempfile.mkdtemp(prefix="portlore-probe-"))
    try:
        made.chmod(0o755)
        if user:
            shutil.chown(made, user)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def running(words: Sequence[str | Path], port: int, **named: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process group of its own, listening on a TCP port (0: not waited for); stopped at the end."""
    with tempfile.NamedTemporaryFile(prefix="portlore-log-") as log:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **named,
        )
        try:
            if port:
                wait_for(port, process, Path(log.name))
            yield process
        finally:
            for how, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, PATIENCE)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
                    if how is signal.SIGTERM:
                        with contextlib.suppress(ProcessLookupError):
                            os.killpg(process.pid, signal.SIGKILL)
                    break
