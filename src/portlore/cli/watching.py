"""Edge of the command: the full-screen view on a terminal. What it shows and what keys do is in render/watching."""

from __future__ import annotations

import time

from portlore.cli.fullscreen import Terminal
from portlore.cli.listening import host, when
from portlore.listeners.watching import Watcher
from portlore.render.watching import FOOT, HEAD, Screen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from portlore.cli.output import Output
    from portlore.filtering import Choice
    from portlore.listeners import Machine

SHORTEST = 0.1  # seconds between two looks


def watch(machine: Machine, choice: Choice, args: Namespace, output: Output) -> int:
    """Show listeners until q; :class:`InputError` without a terminal to show them on."""
    terminal = Terminal(output, "portlore listening --watch", "run it in a terminal, or use --json in a loop")
    watcher = Watcher(machine, connections=args.connections, all_namespaces=args.all_namespaces)
    screen = Screen(f"listening on {host()}", choice, args.sort, when, machine.with_details)
    try:
        with terminal:
            _loop(screen, watcher, terminal, max(SHORTEST, args.every), output)
    finally:
        machine.close()
    return 0


def _loop(screen: Screen, watcher: Watcher, terminal: Terminal, every: float, output: Output) -> None:
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
        style, height = terminal.fit(output.style)
        terminal.draw(screen.frame(style, height, time.strftime("%H:%M:%S")))
        keys = terminal.wait(max(0.0, next_look - time.monotonic()))
        if keys is None:
            return
        for key in keys:
            screen.press(key, max(1, height - HEAD - FOOT - 1))
