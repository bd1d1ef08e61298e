"""Edge of the command: the full-screen view on a terminal. What it shows and what keys do is in render/watching."""

from __future__ import annotations

import os
import sys
import time

from portlore.cli.listening import host, when
from portlore.errors import InputError
from portlore.listeners.watching import Watcher
from portlore.render.terminal import NARROW
from portlore.render.watching import FOOT, HEAD, Screen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from portlore.cli.output import Output
    from portlore.filtering import Choice
    from portlore.listeners import Machine

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # xterm's other screen, the cursor hidden, long lines cut
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
SEQUENCES = {  # what terminals send for keys (ECMA-48, xterm)
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\x1b[5~": "page-up", "\x1b[6~": "page-down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1bOH": "home", "\x1bOF": "end",
    "\x1b[C": "enter", "\x1b[D": "enter", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace",
    "\x1b": "escape", "\x06": "page-down", "\x02": "page-up",
}  # fmt: skip
SHORTEST = 0.1  # seconds between two looks


def keys_of(text: str) -> list[str]:
    """What a terminal sent, as keys; a sequence that is none of ours is passed over."""
    found = []
    while text:
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


def watch(machine: Machine, choice: Choice, args: Namespace, output: Output) -> int:
    """Show listeners until q; :class:`InputError` without a terminal to show them on."""
    if sys.stdin is None or not (sys.stdin.isatty() and output.terminal):
        found = "the output or the input is no terminal"
        raise InputError("portlore listening --watch", found, "run it in a terminal, or use --json in a loop")
    try:
        import termios  # noqa: F401 - only whether it is there
    except ImportError:
        found = "this system has no terminals of that kind"
        raise InputError("portlore listening --watch", found, "use `portlore listening` again and again") from None
    watcher = Watcher(machine, connections=args.connections, all_namespaces=args.all_namespaces)
    screen = Screen(f"listening on {host()}", choice, args.sort, when, machine.with_details)
    terminal = Terminal(sys.stdin.fileno(), output)
    terminal.enter()
    try:
        _loop(screen, watcher, terminal, max(SHORTEST, args.every), output)
    finally:
        machine.close()
        terminal.leave()
    return 0


class Terminal:
    """The terminal, taken over and given back: also when the view is suspended (Ctrl-Z) or told to end.

    ``fresh``: nothing of what was drawn is there any more.
    """

    def __init__(self, file: int, output: Output) -> None:
        import termios

        self.file, self._output = file, output
        self._before = termios.tcgetattr(file)
        self._handlers: dict[int, Any] = {}
        self.fresh = True

    def enter(self) -> None:
        """Take it over."""
        import signal
        import tty

        tty.setcbreak(self.file)
        self._output.write(ENTER)
        self._output.flush()
        self.fresh = True
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _end)
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)

    def leave(self) -> None:
        """Give it back as it was."""
        import signal
        import termios

        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        termios.tcsetattr(self.file, termios.TCSADRAIN, self._before)
        self._output.write(LEAVE)
        self._output.flush()

    def _suspend(self, *_: object) -> None:
        import signal

        self.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.enter()  # here again after fg


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _loop(screen: Screen, watcher: Watcher, terminal: Terminal, every: float, output: Output) -> None:
    import select

    style, file = output.style, terminal.file
    shown: list[str] = []
    size = (0, 0)
    next_look = time.monotonic()
    while not screen.done:
        now = time.monotonic()
        if now >= next_look and not screen.paused:
            seen = watcher.look()
            if seen is not None:
                screen.update(seen.listeners, now, seen.notes)
            screen.tick(now)
        if now >= next_look:
            next_look = max(next_look + every, now)
        width, height = os.get_terminal_size(file)
        if (width, height) != size or terminal.fresh:
            size, shown, terminal.fresh = (width, height), [], False
            output.write("\x1b[2J")
        fitted = style.replace(width=max(NARROW, width - 1))
        frame = screen.frame(fitted, height, time.strftime("%H:%M:%S"))
        changed = [f"\x1b[{n};1H{line}\x1b[K" for n, line in enumerate(frame, 1) if shown[n - 1 : n] != [line]]
        if changed:
            output.write("".join(changed))
            output.flush()
        shown = frame
        left = max(0.0, next_look - time.monotonic())
        if select.select([file], [], [], left)[0]:
            sent = os.read(file, 4096)
            if not sent:  # the terminal is gone
                return
            for key in keys_of(sent.decode("utf-8", "ignore")):
                screen.press(key, max(1, height - HEAD - FOOT - 1))
