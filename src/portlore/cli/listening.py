"""``portlore listening``: what listens here, who owns it, and whether it should."""

from __future__ import annotations

import os
import sys

from portlore.errors import InputError
from portlore.filtering import TRANSPORTS, Choice, choose, parse_wanted
from portlore.listeners import THROUGH, Machine
from portlore.opening import load, open_programs
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from portlore.cli.output import Output
    from portlore.listeners import Seen
    from portlore.render.classic import Holder
    from portlore.seen import Listener

USAGE = "listening [QUERY…] [options] [--format FORMAT | --json]"
DESCRIPTION = """\
Every socket of this machine that listens or is bound, who owns it, from where it can be reached, and whether that
agrees with the book of ports. Root sees every process; other users see unit and container of every socket.

  portlore listening                     all of them
  portlore listening 5432 :8000-9000     on some ports
  portlore listening nginx --user root   of a program, unit, service; of a user
  portlore listening --exposed           not only on loopback
  portlore listening --unexpected        what to look at; exit 1 if any
  portlore listening --watch             live, full-screen
  portlore listening --json > before     to `portlore compare before` later
  portlore listening --format ss         as ss, netstat or lsof would print it

Judgements: expected, customary, refuted, squatting, unregistered, unknown: the
first that fits; --why gives the reason of each.
"""
CLASSIC = ("ss", "netstat", "lsof")
FLAGS = {"--json": ("format", "json"), "--exposed": ("exposed", True), "--unexpected": ("unexpected", True),
         "--connections": ("connections", True), "--full": ("full", True), "--why": ("why", True)}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "queries": [], "format": "text", "exposed": False, "unexpected": False, "connections": False, "full": False,
    "why": False, "user": None, "transport": None, "all_namespaces": False, "sort": "port", "watch": False,
    "through": "", "every": 1.0,
}  # fmt: skip


ASKED: dict[str, Any] = {  # what a list says of the question that it answers, so that it can be asked again
    "queries": [], "user": "", "transport": "", "exposed": False, "unexpected": False, "all_namespaces": False,
}  # fmt: skip


def choice_of(asked: dict[str, Any]) -> Choice:
    """The choice that a question makes, from the words of :data:`ASKED`."""
    wanted = tuple(parse_wanted(str(text)) for text in asked["queries"])
    return Choice(wanted, asked["user"] or None, asked["transport"] or None, asked["exposed"], asked["unexpected"])


class Plain:
    """The arguments of a call with nothing but queries and flags, as argparse would give them."""

    def __init__(self, words: Sequence[str]) -> None:
        self.__dict__.update(DEFAULTS)
        self.queries = [word for word in words if word not in FLAGS]
        self.__dict__.update(FLAGS[word] for word in words if word in FLAGS)


def plain_arguments(words: Sequence[str]) -> Plain | None:
    """The arguments without a parser, whose import a script in a loop would feel; ``None`` where one is needed."""
    return Plain(words) if all(word in FLAGS or not word.startswith("-") for word in words) else None


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    from portlore.cli.parser import FORMATS
    from portlore.filtering import SORTS

    parser.add_argument("queries", nargs="*", metavar="QUERY", help="5432, :8000-9000, 53/udp or nginx")
    parser.add_argument("--connections", action="store_true", help="established and other sockets too, with peers")
    parser.add_argument("--exposed", action="store_true", help="only what can be reached from beyond loopback")
    parser.add_argument("--unexpected", action="store_true", help="only what somebody should look at; exit 1 if any")
    parser.add_argument("--user", metavar="NAME", help="only sockets of this user (a name or a number)")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only sockets of this transport")
    parser.add_argument("--all-namespaces", action="store_true", help="other network namespaces too (root)")
    parser.add_argument("--sort", choices=tuple(SORTS), default="port", help="what comes first (default: port)")
    parser.add_argument("--why", action="store_true", help="the reason of every judgement")
    parser.add_argument("--full", action="store_true", help="command line, directory and start in every format")
    parser.add_argument("--watch", action="store_true", help="full-screen and live, until q")
    parser.add_argument("--every", type=_seconds, default=1.0, metavar="SECONDS", help="how often --watch looks")
    parser.add_argument("--through", choices=THROUGH, default="", help="how to ask the system (default: the quickest)")
    shapes = (*FORMATS, *CLASSIC)
    parser.add_argument("--format", choices=shapes, default="text", help="how to answer (default: text)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def _seconds(text: str) -> float:
    from portlore.cli.parser import seconds

    return seconds(text)


def run(args: Namespace, output: Output) -> int:
    """Show listeners; 1 when a filter fits none, or ``--unexpected`` found any."""
    asked = {key: getattr(args, key) or value for key, value in ASKED.items()}
    choice = choice_of(asked)
    if args.watch and args.format != "text":
        raise InputError("portlore listening --watch", f"with --format {args.format}", "use one or the other")
    book = load()
    own = read_own()
    machine = Machine(book.joined(own=own) if own else book, open_programs(), output.say, args.through)
    if args.watch:
        from portlore.cli.watching import watch

        return watch(machine, choice, args, output)
    seen = machine.look(connections=args.connections, all_namespaces=args.all_namespaces)
    shown = choose(seen.listeners, choice, args.sort)
    only_clients = False
    if not shown and any(wanted.ports for wanted in choice.wanted) and not args.connections:
        shown = _clients(machine, choice, args)  # the usual truth behind "something uses port 703"
        only_clients = bool(shown)
    if args.full or (args.format == "text" and output.terminal):
        shown = machine.with_details(shown)
    status = int(bool(shown) if args.unexpected else only_clients or (choice.narrow and not shown))
    try:
        head = {"snapshot": book.snapshot, "host": host(), "asked": asked, "notes": list(seen.notes)}
        _write(shown, seen, head, choice, args, output)
    except BrokenPipeError:  # the reader has seen enough; the answer is the same
        output.abandon()
        return status
    if only_clients:
        output.say("portlore: nothing listens there; a client's socket has that number")
    return status


def _clients(machine: Machine, choice: Choice, args: Namespace) -> list[Listener]:
    """Connections whose own port is asked for."""
    seen = machine.look(connections=True, all_namespaces=args.all_namespaces)
    return choose([one for one in seen.listeners if one.judgement is None], choice, args.sort)


def _write(
    shown: list[Listener], seen: Seen, head: dict[str, Any], choice: Choice, args: Namespace, output: Output
) -> None:
    if args.format in CLASSIC:
        from portlore.render.classic import CLASSIC as CLASSIC_FORMATS
        from portlore.render.classic import SHOWN

        usual = (one for one in shown if args.transport or one.socket.transport in SHOWN[args.format])
        output.lines(CLASSIC_FORMATS[args.format](usual, known_holders(shown)))
    elif args.format != "text":
        from portlore.render.formats import Document
        from portlore.render.sockets import encoded, flat

        rows: Iterator[Any] = map(flat, shown) if args.format == "csv" else encoded(shown)
        output.document(Document(head, (("listeners", rows),)), args.format)
        return
    else:
        _page(shown, head["snapshot"], choice, args, output)
    for note in seen.notes:
        output.say(f"portlore: {note}")


def _page(shown: list[Listener], snapshot: str, choice: Choice, args: Namespace, output: Output) -> None:
    from portlore.render.listening import Page, summary

    style = output.style
    output.lines(style.title(f"listening on {host()}", f"registry of {snapshot}"))
    if not shown:
        output.lines(["", "  nothing of what is asked" if choice.narrow else "  nothing listens here"])
        return
    page = Page(style, when, explain=args.why or bool(choice.wanted))
    output.lines(["", *page.lines(shown), "", summary(shown)])


def command_of(pid: int) -> tuple[str, ...]:
    """The command line of a process, as this system tells it."""
    if sys.platform.startswith("linux"):
        from portlore.listeners.processes import command_of as told
    else:
        from portlore.listeners.portable import command_of as told
    return told(pid)


def known_holders(shown: Sequence[Listener]) -> Callable[[int], Holder | None]:
    """Processes as the classic views show them, also those that only forward."""
    from portlore.render.classic import Holder
    from portlore.seen import Process

    owners = {o.process.pid: o for one in shown for o in one.owners if isinstance(o.process, Process)}
    found: dict[int, Holder | None] = {}

    def known(pid: int) -> Holder | None:
        if pid not in found:
            found[pid] = None
            owner, argv = owners.get(pid), command_of(pid)
            name = owner.process.name if owner is not None and isinstance(owner.process, Process) else ""
            user = (owner.user or str(owner.uid)) if owner is not None else ""
            if owner is None and sys.platform.startswith("linux"):
                from portlore.listeners.processes import look_at, user_name

                seen = look_at(pid)
                if seen is not None:
                    name, user = seen.process.name, user_name(seen.uid) or str(seen.uid)
            if name:
                found[pid] = Holder(name, user, argv[0] if argv else "")
        return found[pid]

    return known


def host() -> str:
    """This machine's name."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "this machine")


def when(started: float) -> str:
    """A time in this machine's zone: the hour for today, else the day too."""
    import time

    then, now = time.localtime(started), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)
