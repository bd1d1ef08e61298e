"""``portlore QUESTION…``: what is said of ports, ranges and names."""

from __future__ import annotations

from portlore.cli.opening import open_book, with_lists
from portlore.errors import InputError
from portlore.model import PortRange, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence
    from typing import Any

    from portlore.book import Book, Located
    from portlore.cli.output import Output
    from portlore.model import Change, PortFacts, Service
    from portlore.query import Query

USAGE = "[lookup] QUESTION… [--json | --format FORMAT] [--as-of DATE] …"
DESCRIPTION = """\
What is said of ports: the registry's status and names, its history, claims with their verdicts, this machine's lists.

  portlore 703 53/udp       ports, on all transports or on one
  portlore 600-1023         a range: summed up when it has more than 16 ports
  portlore 600-1023 --all   a page for each of its ports instead
  portlore ssh              a registered name
  portlore lookup search    a name that is also a command's
  portlore 502 --as-of 2013-06-01
  portlore 7031 --domain office
                            with the /services of a NetInfo domain
"""
MANY = 1024  # ports above which changes are gathered over all of them at once
PAGES = 16  # a range of more ports is summed up


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    from portlore.cli.parser import add_as_of, add_format

    parser.add_argument("questions", nargs="+", metavar="QUESTION", help="703, 53/udp, 600-1023 or ssh")
    parser.add_argument("--all", action="store_true", help="a page for every port of a range, however long")
    help_domain = "a NetInfo domain whose /services counts too: a name, a file, HOST/TAG or HOST:PORT/TAG"
    parser.add_argument("--domain", metavar="DOMAIN", help=help_domain)
    add_as_of(parser)
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Answer; 1 when a name is asked that nobody has."""
    book = open_book(args.as_of)
    more: list[Located] = []
    if args.domain:
        from portlore.netinfo.viewing import services_of

        more = services_of(args.domain)
        book = book.joined(more, book.own)
    asked = [(text, book.parse(text)) for text in args.questions]
    wanted = {number for _, query in asked for number in query.ports or ()}
    wanted |= {facts.port for _, query in asked for facts in _answer(book, query)[0]}
    book = with_lists(book, wanted, more)
    if args.format == "text":
        return _pages(book, asked, args, output)
    from portlore.render.formats import Document
    from portlore.render.plain import plain, plain_facts

    answers = [(text, query, *_answer(book, query)) for text, query in asked]
    missing = [text for text, query, ports, services in answers if query.name and not ports and not services]

    def ports() -> Iterator[dict[str, Any]]:
        for text, query, facts, _ in answers:
            for one in book.facts_of(query) if query.name is None else facts:
                yield plain_facts(one, text)

    services = [plain(service) for _, _, _, found in answers for service in found]
    head: dict[str, Any] = {"snapshot": book.snapshot, "queries": list(args.questions)}
    if args.as_of:
        ports_asked = sorted(wanted)
        changes = _changes_before_next(book, ports_asked)
        head["next"] = {"snapshot": book.registry.next_snapshot() or None, "changes": [plain(c) for c in changes]}
    output.document(Document(head, (("ports", ports()), ("services", services))), args.format)
    for text in missing:
        _say_missing(book, text, output, as_json=args.format != "csv")
    return 1 if missing else 0


def _answer(book: Book, query: Query) -> tuple[list[PortFacts], list[Service]]:
    return book.service(query.name, query.transport) if query.name else ([], [])


def _pages(book: Book, asked: Sequence[tuple[str, Query]], args: Namespace, output: Output) -> int:
    from portlore.render.page import page, service_page

    style, organisation = output.style, book.registry.organisation
    missing = 0
    blank: list[str] = []
    if args.as_of:
        output.lines(style.paragraph(_as_of_line(book, args.as_of), 0))
        _tell_next(book, asked, output)
        blank = [""]
    for text, query in asked:
        if query.ports is not None and len(query.ports) > PAGES and not args.all:
            from portlore.ranges import summarise
            from portlore.render.summary import summary_page

            output.lines(blank + summary_page(summarise(book, query.ports, query.transport), style))
            blank = ["", ""]
            continue
        facts, services = _answer(book, query)
        by_port: dict[int, list[PortFacts]] = {}
        if query.ports is not None:
            for number in query.ports:
                one_port = [book.lookup(number, query.transport)] if query.transport else book.port(number)
                output.lines(blank + page(one_port, style, organisation))
                blank = ["", ""]
            continue
        for one in facts:
            by_port.setdefault(one.port, []).append(one)
        if len(by_port) > PAGES and not args.all:
            from portlore.render.listing import service_ports

            output.lines(blank + service_ports(query.name or "", facts, style))
            blank = ["", ""]
        else:
            for one_port in by_port.values():
                output.lines(blank + page(one_port, style, organisation))
                blank = ["", ""]
        if services:
            output.lines(blank + service_page(services, style, organisation))
            blank = ["", ""]
        if not facts and not services:
            _say_missing(book, text, output)
            missing += 1
    return 1 if missing else 0


def _as_of_line(book: Book, date: str) -> str:
    snapshot, newer = book.snapshot, book.registry.next_snapshot()
    if not newer:
        return f"As of {date}: from the newest snapshot, of {snapshot}."
    return f"As of {date}: from the snapshot of {snapshot}, the last one on or before that day; the next is of {newer}."


def _changes_before_next(book: Book, ports: Sequence[int]) -> list[Change]:
    """What the registry changed of some ports between the snapshot asked for and the next one."""
    from portlore.opening import load

    step = (book.snapshot, book.registry.next_snapshot())
    now = load().registry
    if len(ports) > MANY:
        from portlore.chronicle import between

        wanted = set(ports)
        found = [c for c in between(load(), *step) if c.ports] if step[1] else []
        return [c for c in found if not wanted.isdisjoint(PortRange.parse(c.ports))]
    found = [c for port in ports for on in Transport for c in now.changes(port, on) if c.between == step]
    return list(dict.fromkeys(found))


def _tell_next(book: Book, asked: Sequence[tuple[str, Query]], output: Output) -> None:
    newer = book.registry.next_snapshot()
    ports = {n for _, q in asked if q.ports is not None and len(q.ports) <= PAGES for n in q.ports}
    if not newer or not ports:
        return
    from portlore.render.page import change_text

    told = dict.fromkeys(f"{c.ports}: {change_text(c)}" for c in _changes_before_next(book, sorted(ports)))
    text = "; ".join(told) if told else "nothing of what is asked"
    output.lines(output.style.paragraph(f"Changed before the next one: {text}.", 0))


def _say_missing(book: Book, text: str, output: Output, *, as_json: bool = False) -> None:
    """A name that nobody registered: what comes near."""
    from portlore.searching import near_names

    near = near_names(book, text)
    claims = book.claimed(text)
    known = list(dict.fromkeys(f"{c.name} uses {c.ports}/{c.transport}" for c in claims))[:3]
    found = "nobody registered that name"
    do = f"did you mean {', '.join(near)}?" if near else "try `portlore search` with other words"
    if known:
        do = f"known without a registration: {'; '.join(known)}" + (
            f"; or did you mean {', '.join(near)}?" if near else ""
        )
    output.complain(InputError(f"the name {text!r}", found, do), as_json=as_json)
