"""``portlore identify HOST:PORT…``: what speaks there, how sure that is, and whether it belongs there."""

from __future__ import annotations

import time

from portlore.cli.parser import add_format, seconds
from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator
    from typing import Any

    from portlore.book import Book
    from portlore.cli.output import Output
    from portlore.observed import Observation, Target
    from portlore.scan.policy import Decision

USAGE = "identify HOST:PORT… [--gentle] [--evidence] [options]"
DESCRIPTION = """\
What speaks on a port, whatever its number: protocol, product and version as the server tells them, within TLS too,
and whether that agrees with what is said of the port. It never logs in and never writes; raw printer ports and
controllers of plants are asked nothing that they do not bear.

  portlore identify 127.0.0.1:703
  portlore identify web.example.net:80,443,8000-8010 --i-am-allowed
  portlore identify '[fe80::1%eth0]:22' 10.0.0.5:502 --gentle
  portlore identify 10.0.0.1:53/udp --evidence
"""
PATIENCE = 2.0  # seconds before progress is told
MOST = 65_536  # ports that are asked in one run: more is a scan
DO = "write HOST:PORT, such as 127.0.0.1:703, web.example.net:80,443 or [::1]:22"


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "where", metavar="HOST:PORT", nargs="+", help="a host and its ports (80, 80,443, 8000-8010, ssh)"
    )
    parser.add_argument("--udp", action="store_true", help="ports are UDP ports (one alone: 53/udp)")
    parser.add_argument(
        "--gentle", action="store_true", help="one connection at a time, and only what any device bears"
    )
    parser.add_argument("--budget", metavar="S", type=seconds, default=0.0, help="seconds for all of it")
    parser.add_argument("--evidence", action="store_true", help="show every fact and the bytes that it rests on")
    parser.add_argument("--i-am-allowed", action="store_true", help="ask public addresses; the answer records it")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Show what speaks; 0 when anything is open, else 1."""
    from portlore.opening import load
    from portlore.own.finding import read_own
    from portlore.probes import PROTOCOLS
    from portlore.scan.holding import advice, summarise, unseen
    from portlore.scan.identify import identify, is_unfinished

    book = load().joined(own=read_own())
    targets, decision = _targets(args.where, book, output, udp=args.udp, allowed=args.i_am_allowed)
    seen: list[Observation] = []
    began, ended = time.time(), "complete"
    sink = _Eyes(args, output, targets) if args.format == "text" else _Rows(args, output)
    silent = unseen(book)

    def found(one: Observation) -> None:
        seen.append(one)
        output.progress("")
        quiet = one.outcome == "timeout" and one.target.transport == "udp"
        sink.found(one, silent.get(one.target.port, "") if quiet else advice(one, PROTOCOLS))

    def tick() -> None:
        if time.time() - began > PATIENCE:
            output.progress(f"{len(seen)} of {len(targets)} ports identified")

    try:
        identify(_open(targets), book, found, gentle=args.gentle, budget=args.budget, tick=tick)
    except KeyboardInterrupt:
        ended = "interrupted"
    output.progress("")
    if ended == "complete" and any(map(is_unfinished, seen)):
        ended = "budget"
    summary = {
        "ended": ended,
        "began": round(began, 3),
        "took": round(time.time() - began, 3),
        "ports": len(seen),
        "open": sum(one.outcome == "open" for one in seen),
        "sentence": summarise(seen),
        "policy": {"allowed": decision.allowed, "addresses": {str(reach): n for reach, n in decision.addresses}},
        "snapshot": book.snapshot,
    }
    sink.end(summary)
    if ended == "interrupted":
        return 130
    return 0 if summary["open"] else 1


def _open(targets: Iterable[Target]) -> Iterator[Observation]:
    """The ports as a scan would give them."""
    from portlore.observed import Observation, Outcome

    for target in targets:
        yield Observation(target, Outcome.OPEN, "", None, time.time())


class _Eyes:
    """Lines as they come; at the end what it comes to."""

    def __init__(self, args: Namespace, output: Output, targets: list[Target]) -> None:
        from portlore.render.scanning import Lines

        self._output, self._evidence = output, args.evidence
        several = len({target.address for target in targets}) > 1
        self._lines = Lines(output.style, several=several, identify=True)
        output.lines([self._lines.heading()])

    def found(self, one: Observation, advice: str) -> None:
        from portlore.render.identifying import details

        self._output.lines(self._lines.lines(one))
        self._output.lines(details(one, self._output.style, evidence=self._evidence, advice=advice))

    def end(self, summary: dict[str, Any]) -> None:
        from portlore.render.scanning import ending

        style = self._output.style
        self._output.lines(["", *style.paragraph(summary["sentence"], 0), *ending(summary, style)])


class _Rows:
    """A document that is valid whenever it ends."""

    def __init__(self, args: Namespace, output: Output) -> None:
        from portlore.render.observations import Feed

        self._output, self._feed = output, Feed(args.format)
        self._advice: dict[str, None] = {}

    def found(self, one: Observation, advice: str) -> None:
        from portlore.render.observations import row

        if advice:
            self._advice[advice] = None
        self._output.write(self._feed.row(row(one)))
        self._output.flush()

    def end(self, summary: dict[str, Any]) -> None:
        self._output.write(self._feed.end({**summary, "advice": list(self._advice)}))
        self._output.flush()


def _targets(
    words: list[str], book: Book, output: Output, *, udp: bool, allowed: bool
) -> tuple[list[Target], Decision]:
    """Every port of every host once, in the order given, admitted by the policy as a whole."""
    from portlore.cli.scan import first_told
    from portlore.observed import Target
    from portlore.scan.addresses import format_address
    from portlore.scan.machine import look_around, resolver, with_zones
    from portlore.scan.policy import decide
    from portlore.scan.ports import parse_ports
    from portlore.scan.targets import Targets, parse_targets

    def named(name: str, transport: str) -> list[int]:
        return [facts.port for facts in book.service(name, transport)[0]]

    resolve, here = first_told(resolver(), output), look_around()
    found: dict[Target, None] = {}
    everybody: list[Any] = []
    names: dict[tuple[int, int, str], str] = {}
    for word in words:
        host, text = _split(word)
        targets = parse_targets([host], resolve)
        spans = with_zones(targets.spans, here.interfaces)
        everybody += spans
        names.update(targets.names)
        ports = parse_ports(text, named, "udp" if udp else "tcp")
        if len(found) + targets.count * sum(map(len, ports.values())) > MOST:
            raise InputError(f"identify {word[:40]}", f"more than {MOST:,} ports", "find the open ones: portlore scan")
        for span in spans:
            for number in range(span.first, span.last + 1):
                address = format_address(span.version, number, span.zone)
                name = targets.name_of(span.version, number, span.zone)
                for transport, numbers in ports.items():
                    found.update(dict.fromkeys(Target(address, port, transport, name) for port in numbers))
    decision = decide(Targets(tuple(everybody), names), allowed=allowed, broadcasts=here.broadcasts)
    return list(found), decision


def _split(word: str) -> tuple[str, str]:
    """Host and ports; an IPv6 address needs its brackets here."""
    bracketed, closing, after = word.partition("]")
    if word.startswith("["):
        host, ports = bracketed[1:], after.removeprefix(":") if closing and after.startswith(":") else ""
    else:
        host, _, ports = word.partition(":")
        if ":" in ports and not any(mark in ports.upper() for mark in ("U:", "T:")):
            raise InputError(f"identify {word[:60]!r}", "an IPv6 address and a port need brackets", DO)
    if not host or not ports:
        raise InputError(f"identify {word[:60]!r}", "no host and port", DO)
    return host, ports
