"""A terminal for tests of full-screen views: what it shows, the keys that are pressed on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

LINE = re.compile(r"\x1b\[(\d+);1H(.*?)\x1b\[K", re.DOTALL)
COLOUR = re.compile(r"\x1b\[[\d;]*m")
OURS = re.compile(r"\x1b\[(?:\d+;\d+H|K|2J|\?\d+[hl]|[\d;]*m)")  # all that a view may send beside text
PATIENCE = 60.0  # seconds that anything may take before a test fails


class Screen:
    """A terminal of some columns and lines that a command runs on; ``more``: of its environment."""

    def __init__(self, command: list[str], *words: str, size: tuple[int, int] = (100, 30), **more: str) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            resize(0, size)
            os.environ |= {"TERM": "xterm", "LC_ALL": "C.UTF-8", **more}
            os.execvp(command[0], [*command, *words])
        self.text = ""

    def until(self, words: str, seconds: float = PATIENCE) -> str:
        """Read until some words were sent; the text since the last call."""
        start = len(self.text)
        self._read_until(lambda: words in self.text[start:], words, seconds)
        return self.text[start:]

    def sees(self, *words: str) -> str:
        """Read until all words are on the screen; the screen."""
        self._read_until(lambda: all(one in self.shown for one in words), repr(words), PATIENCE)
        return self.shown

    def _read_until(self, done: object, words: str, seconds: float) -> None:
        assert callable(done)
        end_at = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end_at, f"{words!r} never came:\n{self.shown}\n{self.text[-2000:]!r}"
            if select.select([self.file], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.file, 1 << 16).decode("utf-8", "replace")
                except OSError:
                    break
        assert done(), f"{words!r} never came:\n{self.shown}\n{self.text[-2000:]!r}"

    @property
    def shown(self) -> str:
        """What is on the screen."""
        rows: dict[int, str] = {}
        for number, line in LINE.findall(self.text[max(0, self.text.rfind("\x1b[2J")) :]):
            rows[int(number)] = COLOUR.sub("", line)
        return "\n".join(rows.get(number, "") for number in range(1, max(rows, default=0) + 1))

    @property
    def raw(self) -> str:
        """What was sent to the terminal that is neither text nor one of the sequences of a view."""
        return "".join(c for c in OURS.sub("", self.text) if not c.isprintable() and c not in "\r\n")

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.file, keys.encode())

    def resize(self, size: tuple[int, int]) -> None:
        """Make it another size."""
        resize(self.file, size)

    def close(self) -> int:
        """Wait for the command; its exit status."""
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.file)
        return os.waitstatus_to_exitcode(status)


def resize(file: int, size: tuple[int, int]) -> None:
    """Set a terminal's columns and lines."""
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
