"""Edge of the command: a terminal taken over for a full-screen view, the keys that it sends, and giving it back."""

from __future__ import annotations

import os
import re
import sys

from portlore.errors import InputError
from portlore.render.terminal import NARROW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from portlore.cli.output import Output
    from portlore.render.terminal import Style

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # xterm's other screen, the cursor hidden, long lines cut
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
PASTING, PLAIN = "\x1b[?2004h", "\x1b[?2004l"  # what is pasted comes between two marks, so that it is no command
PASTE, PASTED = "\x1b[200~", "\x1b[201~"
SEQUENCES = {  # what terminals send for keys (ECMA-48, xterm)
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\x1b[5~": "page-up", "\x1b[6~": "page-down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1bOH": "home", "\x1bOF": "end",
    "\x1b[C": "right", "\x1b[D": "left", "\x1bOC": "right", "\x1bOD": "left", "\x1b[3~": "delete",
    "\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\t": "tab", "\x1b[Z": "tab",
    "\x1b": "escape", "\x06": "page-down", "\x02": "page-up",
}  # fmt: skip
BEGUN = re.compile(r"\x1b(\[[0-9;?]*|O)?\Z")
REST = 0.05  # seconds that the rest of a sequence may take
MOST = 1 << 20  # characters of one paste


def keys_of(text: str) -> list[str]:
    """What a terminal sent, as keys; a sequence that is none of ours is passed over.

    A key is a character or a word of :data:`SEQUENCES`; what was pasted is ``paste:`` and its text.
    """
    found = []
    while text:
        if text.startswith(PASTE):
            pasted, _, text = text[len(PASTE) :].partition(PASTED)
            found.append(f"paste:{pasted}")
            continue
        for length in (4, 3, 1):
            if text[:length] in SEQUENCES and (length > 1 or text[0] != "\x1b" or len(text) == 1):
                found.append(SEQUENCES[text[:length]])
                text = text[length:]
                break
        else:
            if text[0] == "\x1b":
                end = next((n for n, c in enumerate(text[2:], 2) if c.isalpha() or c == "~"), len(text) - 1)
                text = text[end + 1 :]
            else:
                found.append(text[0])
                text = text[1:]
    return found


def unfinished(text: str) -> bool:
    """Whether what a terminal sent may go on: a paste without its end, the beginning of a sequence."""
    if text.rfind(PASTE) > text.rfind(PASTED):
        return len(text) < MOST
    return BEGUN.search(text) is not None


class Terminal:
    """The terminal, taken over and given back: also when the view is suspended (Ctrl-Z) or told to end.

    ``asked`` and ``instead`` are for the :class:`InputError` where there is none: the command, and what to do then.
    ``pastes``: what is pasted comes as one key.
    """

    def __init__(self, output: Output, asked: str, instead: str, *, pastes: bool = False) -> None:
        if sys.stdin is None or not (sys.stdin.isatty() and output.terminal):
            raise InputError(asked, "the output or the input is no terminal", instead)
        try:
            import termios
        except ImportError:
            raise InputError(asked, "this system has no terminals of that kind", instead) from None
        from codecs import getincrementaldecoder

        self._file, self._output, self._pastes = sys.stdin.fileno(), output, pastes
        self._before = termios.tcgetattr(self._file)
        self._handlers: dict[int, Any] = {}
        self._shown: list[str] = []
        self._size = (0, 0)
        self._decoder = getincrementaldecoder("utf-8")("ignore")
        self._bell, self._button = os.pipe()  # a byte in it ends a wait: a signal's, or another thread's
        os.set_blocking(self._bell, False)
        os.set_blocking(self._button, False)

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        """Take it over."""
        import signal
        import tty

        tty.setcbreak(self._file)
        self._output.write(ENTER + PASTING * self._pastes)
        self._output.flush()
        self._size = (0, 0)  # nothing of what was drawn is there any more
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            self._handlers[number] = signal.signal(number, _end)
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: None)  # it ends a wait
        signal.set_wakeup_fd(self._button, warn_on_full_buffer=False)

    def leave(self) -> None:
        """Give it back as it was."""
        import signal
        import termios

        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        try:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
            self._output.write(PLAIN * self._pastes + LEAVE)
            self._output.flush()
        except (OSError, termios.error):  # it hung up
            self._output.abandon()

    def _suspend(self, *_: object) -> None:
        import signal

        self.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.enter()  # here again after fg

    def fit(self, style: Style) -> tuple[Style, int]:
        """The style for the screen as wide as it is now, and its height in lines."""
        size = os.get_terminal_size(self._file)
        if size != self._size:
            self._size, self._shown = size, []
            self._output.write("\x1b[2J")
        return style.replace(width=max(NARROW, size.columns - 1)), size.lines

    def draw(self, frame: list[str], caret: tuple[int, int] | None = None) -> None:
        """Show lines; only those that are others than before are written. ``caret``: line and column from 0."""
        shown = self._shown
        changed = [f"\x1b[{n};1H{line}\x1b[K" for n, line in enumerate(frame, 1) if shown[n - 1 : n] != [line]]
        if self._pastes:  # a view in which something is written
            changed.append("\x1b[?25l" if caret is None else f"\x1b[{caret[0] + 1};{caret[1] + 1}H\x1b[?25h")
        if changed:
            self._output.write("".join(changed))
            self._output.flush()
        self._shown = frame

    def wait(self, seconds: float | None = None) -> list[str] | None:
        """The keys that come, none when the time is over or somebody wakes it; ``None``: the terminal is gone."""
        import select

        ready = select.select([self._file, self._bell], [], [], seconds)[0]
        if self._bell in ready:
            os.read(self._bell, 1 << 12)
        if self._file not in ready:
            return []
        try:
            text = self._read()
            while unfinished(text) and select.select([self._file], [], [], REST)[0]:
                text += self._read()
        except OSError:
            return None
        return keys_of(text)

    def wake(self) -> None:
        """End a wait, from another thread."""
        try:
            os.write(self._button, b"\0")
        except BlockingIOError:  # it is full: it will wake
            pass

    def _read(self) -> str:
        sent = os.read(self._file, 1 << 14)
        if not sent:
            raise OSError("the terminal is gone")
        return self._decoder.decode(sent)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
