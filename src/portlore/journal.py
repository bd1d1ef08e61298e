"""Edge: a server's log: a line an event, written by a thread of its own, so that nobody who reads it can hold it up."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

MOST = 10_000  # lines that wait; what comes beyond them is counted, and the count is said
GATHERING = 0.05  # seconds: many lines are written at once, so that a busy server is not interrupted for each
LAST_WORDS = 2.0  # seconds that the end waits for the reader


class Journal:
    """Takes lines (call it), writes ``TIME NAME LINE`` to a file descriptor, control characters escaped."""

    def __init__(self, name: str, descriptor: int = 2) -> None:
        self._name, self._descriptor = name, descriptor
        self._second, self._stamp = -1, ""  # the time as it was last written
        self._lines: deque[str] = deque()
        self._lost = 0
        self._ended = False
        self._there = threading.Event()
        self._thread = threading.Thread(target=self._write, name="portlore-netinfo-log", daemon=True)
        self._thread.start()

    def __call__(self, text: str) -> None:
        """Log a line; never waits."""
        self.line(self._stamped(text))

    def line(self, text: str) -> None:
        """Log a line without time and name; never waits."""
        if len(self._lines) >= MOST:
            self._lost += 1
            return
        self._lines.append(f"{_printable(text)}\n")
        if not self._there.is_set():
            self._there.set()

    def _write(self) -> None:
        while not self._ended or self._lines:
            self._there.wait()
            if not self._ended:
                time.sleep(GATHERING)
            self._there.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._lost:
                lines.append(self._stamped(f"log lost={self._lost}") + "\n")
                self._lost = 0
            data = "".join(lines).encode("utf-8", "backslashreplace")
            try:  # not through sys.stderr: its lock would be held while nobody reads
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:  # nobody will read any more
                continue

    def _stamped(self, text: str) -> str:
        now = int(time.time())
        if now != self._second:
            self._second, self._stamp = now, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z', time.localtime(now))} {self._name}"
        return f"{self._stamp} {text}"

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        self._ended = True
        self._there.set()
        self._thread.join(LAST_WORDS)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])
