"""``portlore scan``: what answers there, and with ``--identify`` what really speaks."""

from __future__ import annotations

import sys

from portlore.errors import HostError, InputError
from portlore.opening import load
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from portlore.book import Book
    from portlore.cli.output import Output
    from portlore.scan.ports import Ports
    from portlore.scan.running import Plan
    from portlore.scan.targets import Found

USAGE = "scan TARGET… [-p PORTS | --top N] [--identify] [options]"
DESCRIPTION = """\
Which ports of a host answer, fast and without missing one, and what the scan may have missed all the same. Private,
loopback and link-local addresses are asked freely, others with --i-am-allowed.

  portlore scan 10.0.0.5 -p-              all 65,535 TCP ports
  portlore scan 10.0.0.0/24 -p 22,80,8000-8100,http,U:53
  portlore scan db.example --identify     and what really speaks there
  portlore scan -iL hosts.txt --exclude 10.0.0.7 --json -o found.json
  portlore scan 10.0.0.0/16 --top 20 --shard 1/4 --resume part1.state
  portlore compare monday.json found.json what changed

TARGET: a name, an address, 10.0.0.0/24, 10.0.0.1-20, or - for a list on stdin.

--top N asks the first N ports of our own ranking of what people really run:
made from the book's claims and their sources, the programs known to serve a
port, and the registry; no survey of anybody's. Default: --top 1000.

The rate follows the answers: it grows while they keep pace and falls when they
do not; at public addresses never above 5,000 packets/s. --identify only asks:
it logs in nowhere and writes nothing.
"""
FORMATS = ("text", "json", "ndjson", "csv", "xml")
DEFAULT_TOP = 1000
LARGEST = 1 << 28  # bytes of a list of targets


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    from portlore.cli.parser import seconds

    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="who is asked")
    add("-iL", dest="lists", action="append", default=[], metavar="FILE", help="more targets, from a file")
    add("-p", "--ports", metavar="PORTS", help="22,8000-8100,http,U:53,161 (U: and T: for what follows); - for all")
    add("--top", type=_count, metavar="N", help=f"the N likeliest ports (default: {DEFAULT_TOP})")
    add("--udp", action="store_true", help="UDP, where PORTS do not say T: or U:")
    add("--exclude", action="append", default=[], metavar="TARGETS", help="not these (with commas)")
    add("--exclude-file", action="append", default=[], metavar="FILE", help="not those of a file")
    add("--i-am-allowed", action="store_true", help="the owners of public addresses let me; is recorded")
    add("--engine", choices=("auto", "connect", "syn"), default="auto", help="how TCP is asked (default: auto)")
    add("--rate", type=_rate, metavar="N", help="packets a second, fixed")
    add("--max-rate", type=_rate, metavar="N", help="packets a second, at most")
    add("--tries", type=_tries, default=4, metavar="N", help="how often a port is asked (default: 4)")
    add("--budget", type=seconds, default=0.0, metavar="SECONDS", help="end after so long, with what is known")
    add("--identify", action="store_true", help="find out which protocol speaks, on whatever port")
    add("--gentle", action="store_true", help="identify with single read-only requests, for frail devices")
    add("--shard", default="1/1", metavar="I/N", help="one part of N; the others need not know of it")
    add("--resume", metavar="FILE", help="keep the state there, and go on from it")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--open", action="store_true", help="show open ports only (default)")
    shown.add_argument("--all", action="store_true", help="show refused and silent ports too")
    add("--format", choices=FORMATS, default="text", help="how to answer (default: text)")
    add("--json", dest="format", action="store_const", const="json", help="short for --format json")
    add("-o", "--output", metavar="FILE", help="write the answer there")


def _count(text: str) -> int:
    from portlore.query import parse_limit

    return parse_limit(text)


def _tries(text: str) -> int:
    from portlore.query import parse_limit

    return parse_limit(text, 20)


def _rate(text: str) -> float:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        number = 0.0
    if not 0 < number <= 1e8:
        raise InputError(f"a rate of {text[:24]!r}", "not a number of packets a second", "write one such as 1000")
    return number


def run(args: Namespace, output: Output) -> int:
    """Scan; 0 when something is open, 1 when nothing is, 130 after Ctrl-C."""
    plan, book = plan_of(args, output)
    from portlore.cli.scanning import Show, Stoppable
    from portlore.scan.running import Scan

    with Show(args, plan, book, output) as show:
        scan = Scan(plan, show, book)
        with Stoppable():
            try:
                scan.run()
            except KeyboardInterrupt:  # between two blocks
                scan.ended = "interrupted"
            except HostError:
                scan.ended = "failed"
                if show.begun:
                    show.end(scan.summary())
                raise
        show.end(scan.summary())
    if scan.ended == "interrupted":
        return 130
    return 0 if scan.tally.open_hosts else 1


def plan_of(args: Namespace, output: Output) -> tuple[Plan, Book]:
    """All that is to be done, admitted by the policy; nothing has been sent yet but look-ups of names."""
    from portlore.scan.addresses import format_address
    from portlore.scan.grid import Shard, check_size
    from portlore.scan.machine import look_around, resolver, with_zones
    from portlore.scan.plan import Settings
    from portlore.scan.policy import decide
    from portlore.scan.running import PUBLIC_CEILING, Plan
    from portlore.scan.targets import Targets, parse_list, parse_targets

    if args.rate and args.max_rate:
        raise InputError("portlore scan", "--rate and --max-rate both", "use one or the other")
    book = load().joined(own=read_own())
    ports = ports_of(args, book)
    shard = Shard.parse(args.shard)
    words = [*(word for word in args.targets if word != "-")]
    for name in [*args.lists, *(["-"] if "-" in args.targets else [])]:
        words += parse_list(_read(name))
    excluded = [word for text in args.exclude for word in parse_list(text)]
    excluded += [word for name in args.exclude_file for word in parse_list(_read(name))]
    if not words:
        raise InputError("portlore scan", "no target", "name one: portlore scan 10.0.0.5")
    here = look_around()
    targets = parse_targets(words, first_told(resolver(), output), excluded)
    if not targets.spans:
        raise InputError("portlore scan", "every target is excluded", "name one that is not")
    targets, broadcasts = targets.without_broadcast(here.broadcasts)
    for number in broadcasts:
        output.say(f"portlore: {format_address(4, number)} is left out: it is the broadcast address of a network here")
    zoned = Targets(with_zones(targets.spans, here.interfaces), targets.names)
    check_size(zoned, ports)
    decision = decide(zoned, allowed=args.i_am_allowed, broadcasts=here.broadcasts)
    ceiling = args.max_rate or (PUBLIC_CEILING if decision.public else None)
    settings = Settings(args.rate, ceiling, args.tries, budget=args.budget)
    state = None
    if args.resume:
        from pathlib import Path

        state = Path(args.resume)
    _have_numpy(args.engine, ports, output)
    return Plan(
        zoned, ports, settings, decision, here, args.engine, shard, args.all, args.identify, args.gentle, state
    ), book


def ports_of(args: Namespace, book: Book) -> Ports:
    """The ports that are asked for."""
    on = "udp" if args.udp else "tcp"
    if args.ports is not None and args.top:
        raise InputError("portlore scan", "-p and --top both", "use one or the other")
    if args.ports is None:
        from portlore.opening import open_programs
        from portlore.scan.ranking import top

        return {on: tuple(sorted(top(args.top or DEFAULT_TOP, book, open_programs(), on)))}
    from portlore.scan.ports import parse_ports

    return parse_ports(args.ports, lambda name, transport: _named(book, name, transport), on)


def _named(book: Book, name: str, transport: str) -> Sequence[int]:
    return [facts.port for facts in book.service(name, transport)[0]]


def first_told(resolve: Callable[[str], Sequence[Found]], output: Output) -> Callable[[str], Sequence[Found]]:
    """Look-ups that say when a name has more addresses than the one that is asked."""

    def told(name: str) -> Sequence[Found]:
        from portlore.scan.addresses import format_address

        found = resolve(name)
        if len(found) > 1:
            others = ", ".join(format_address(*one) for one in found[1:4])
            output.say(f"portlore: {name} is {format_address(*found[0])}; it has {others} too, not asked")
        return found

    return told


def _read(name: str) -> str:
    asked = f"the list {name}"
    try:
        if name == "-":
            return sys.stdin.read(LARGEST) if sys.stdin else ""
        from pathlib import Path

        with Path(name).open(encoding="utf-8") as file:
            return file.read(LARGEST)
    except UnicodeDecodeError:
        raise InputError(asked, "not UTF-8", "give a list of targets, one a line") from None
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), "name a file with a target on each line") from None


def _have_numpy(engine: str, ports: Ports, output: Output) -> None:
    """Get NumPy where the SYN engine lacks nothing else; without a network the connect engine does it all the same."""
    if engine == "connect" or "tcp" not in ports:
        return
    import os

    from portlore.scan.syn import why_not

    if why_not() != "NumPy is not installed" or (engine == "auto" and os.geteuid()):
        return
    from portlore.extras import require
    from portlore.scan.extra import SCAN

    try:
        require(SCAN, output.say)
    except HostError as error:
        if engine == "syn":
            raise
        output.say(f"portlore: without NumPy, which makes it quicker: {error.found}")
