"""``portlore wait PORT``: until something listens there, or until it is free."""

from __future__ import annotations

import time

from portlore.cli.parser import add_format, seconds
from portlore.errors import InputError
from portlore.filtering import parse_wanted
from portlore.listeners import Machine
from portlore.opening import load, open_programs
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from portlore.cli.output import Output
    from portlore.filtering import Wanted

USAGE = "wait PORT[/TRANSPORT] [--free] [--timeout SECONDS] [--json]"
DESCRIPTION = """\
Wait until something on this machine listens on a port (tcp unless you say otherwise), or with --free until nothing
does. Nothing is connected to: the kernel's own table is read.

  portlore wait 5432 && ./migrate
  portlore wait 53/udp --timeout 30
  portlore wait 3000 --free --timeout 10

Exit status: 0 when it is so, 1 when the time ran out.
"""
SHORTEST, LONGEST = 0.02, 0.25  # seconds between two looks: growing, so that a long wait costs little
SILENT = 2.0  # seconds before the progress is told


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("port", metavar="PORT", help="5432 or 53/udp")
    parser.add_argument("--free", action="store_true", help="wait until nothing listens there")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="give up after (default: never)")
    add_format(parser)


def one_port(text: str, command: str) -> Wanted:
    """A question for a single port; :class:`InputError` otherwise."""
    wanted = parse_wanted(text)
    if wanted.ports is None or len(wanted.ports) != 1:
        found = "not a single port"
        raise InputError(f"portlore {command} {text}", found, f"name one, such as `portlore {command} 5432`")
    return wanted


def run(args: Namespace, output: Output) -> int:
    """Wait; 1 when the time runs out."""
    wanted = one_port(args.port, "wait")
    number, transport = next(iter(wanted.ports or ())), wanted.transport or "tcp"
    machine = Machine(load().joined(own=read_own()), open_programs(), output.say)
    began = time.monotonic()
    pause = SHORTEST
    while True:
        there = any(
            one.port == number and one.transport == transport and wanted.address in ("", "*", one.address)
            for one in machine.offered()
        )
        waited = time.monotonic() - began
        if there is not args.free:
            break
        left = None if args.timeout is None else args.timeout - waited
        if left is not None and left <= 0:
            break
        if waited > SILENT:
            output.progress(_progress(f"{number}/{transport}", waited, args))
        time.sleep(pause if left is None else min(pause, left))
        pause = min(LONGEST, pause * 1.5)
    output.progress("")
    _tell(f"{number}/{transport}", there, waited, args, output, machine, wanted, transport)
    return 0 if there is not args.free else 1


def _progress(port: str, waited: float, args: Namespace) -> str:
    until = "is free" if args.free else "has a listener"
    end = f" of {args.timeout:g} s" if args.timeout is not None else " s"
    return f"waiting until {port} {until}: {waited:.0f}{end}"


def _tell(
    port: str, there: bool, waited: float, args: Namespace, output: Output, machine: Machine, wanted: Wanted, on: str
) -> None:
    found = [
        one
        for one in (machine.look().listeners if there else ())
        if one.socket.port in (wanted.ports or ()) and one.socket.transport == on and one.judgement
    ]
    if args.format != "text":
        from portlore.render.formats import Document
        from portlore.render.sockets import encoded, flat

        rows: Iterator[Any] = map(flat, found) if args.format == "csv" else encoded(found)
        head = {"port": next(iter(wanted.ports or ())), "transport": on, "free": not there, "waited": round(waited, 3)}
        output.document(Document(head, (("listeners", rows),)), args.format)
        return
    from portlore.render.listening import address_text, owner_text

    times = f"after {waited:.1f} s"
    if not there:
        output.lines([f"{port}: nothing listens there, {times}"])
    for one in found:
        output.lines([f"{port}: {owner_text(one.owners)} listens on {address_text(one)}, {times}"])
