"""``portlore capture``: what packets show of who speaks what with whom. Nothing is sent, and no name asked for."""

from __future__ import annotations

from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from typing import Any

    from portlore.capture.conversations import Conversations
    from portlore.capture.decoding import Batch
    from portlore.capture.files import File
    from portlore.capture.interface import Listening
    from portlore.cli.output import Output

MOST_NAMED = 8
MOST_PACKETS = 99_999_999
USAGE = "capture FILE | -i INTERFACE [--filter WORDS] [options]"
DESCRIPTION = """\
What packets show: conversations, the protocol of each by its content whatever the port, whether it belongs on that
port, and who took a reserved source port and why. From a file (pcap or pcapng, also gzip'ed; - for stdin) or from an
interface. It never sends a packet, and asks for no names.

  portlore capture trace.pcapng
  portlore capture trace.pcap --ports 703 --unexpected
  portlore capture -i eth0 --duration 60 --filter 'tcp and not port 22'
  tcpdump -w - -i any | portlore capture - --json

--filter: host ADDRESS, net ADDRESS/BITS, port N, portrange N-M (with src or dst
before), tcp, udp, sctp, icmp, icmp6, ip, ip6, arp, ether proto N; and, or, not, ().
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    from portlore.cli.parser import add_format, seconds

    add = parser.add_argument
    add("file", nargs="?", metavar="FILE", help="a capture file, or - for stdin")
    add("-i", "--interface", metavar="NAME", help="listen there (any: everywhere); root, or CAP_NET_RAW")
    add("--filter", metavar="WORDS", help="count only these packets")
    add("-n", "--count", type=packets, default=0, metavar="N", help="end after so many packets")
    add("--duration", type=seconds, default=0.0, metavar="SECONDS", help="end after so long (-i)")
    add("--promiscuous", action="store_true", help="take what is for others too (-i)")
    add("--ports", metavar="PORTS", help="show only conversations with these: 703,8000-8010,http")
    add("--unexpected", action="store_true", help="show only what to look at; exit 1 if any")
    add_format(parser)


def packets(text: str) -> int:
    """A positive number of packets, as an argument's type."""
    from portlore.query import parse_limit

    return parse_limit(text, MOST_PACKETS)


def run(args: Namespace, output: Output) -> int:
    """Show conversations; 1 when there are none to show, or ``--unexpected`` found any; 130 after Ctrl-C in a file."""
    if (args.file is None) == (args.interface is None):
        found = "a file and an interface" if args.file else "no file and no interface"
        raise InputError("portlore capture", found, "name a FILE, or an interface with -i")
    if args.interface is None and (args.duration or args.promiscuous):
        raise InputError("portlore capture FILE", "--duration and --promiscuous are for interfaces", "leave them out")
    from portlore.capture.extra import CAPTURE
    from portlore.extras import require
    from portlore.opening import load
    from portlore.own.finding import read_own

    require(CAPTURE, output.say)
    from portlore.capture.conversations import Conversations
    from portlore.capture.recognising import Recognition, unexpected
    from portlore.scan.ports import parse_ports

    book = load().joined(own=read_own())
    ports = None
    if args.ports:
        named = parse_ports(args.ports, lambda name, on: [facts.port for facts in book.service(name, on)[0]])
        ports = {port for ones in named.values() for port in ones}
    conversations = Conversations()
    ended, source = _listen(args, output, conversations)
    output.progress("recognising what was said")
    recognition = Recognition(book)
    many = [recognition.know(one) for one in conversations.gather(recognition.registered)]
    if ports is not None:
        many = [one for one in many if not ports.isdisjoint(one.conversation.ports)]
    seen = recognition.observations(many)
    output.progress("")
    if args.unexpected:
        seen = [one for one in seen if unexpected(one)]
        there = {(one.target.address, one.target.port, one.target.transport) for one in seen}
        many = [one for one in many if _place(one) in there]
    summary = _summary(source, conversations, seen, ended)
    _write(args, output, many, seen, summary)
    if ended == "interrupted" and not args.interface:
        return 130
    return int(bool(seen) if args.unexpected else not many)


def _place(known: Any) -> tuple[str, int, str]:
    found = known.conversation
    return found.addresses[1], found.ports[1], found.transport


def _listen(args: Namespace, output: Output, into: Conversations) -> tuple[str, File | Listening]:
    """Take the packets; why it ended, and where they came from."""
    import time

    from portlore.capture.choosing import parse_filter
    from portlore.capture.files import File
    from portlore.capture.interface import Listening
    from portlore.capture.recognising import FGCP_ETHERTYPES
    from portlore.capture.running import run as count

    chosen = parse_filter(args.filter) if args.filter is not None else None
    source: File | Listening
    if args.interface:
        source = Listening(args.interface, promiscuous=args.promiscuous)
        until = time.monotonic() + args.duration if args.duration else None
        words = f"listening on {args.interface}{f' for {args.duration:g} s' if until else '; end with Ctrl-C'}"
        batches = _announced(lambda: output.say(words), source.batches(until))
    else:
        source = File(args.file)
        batches = source.batches()
    begun = time.monotonic()

    def tick() -> None:
        told = f"{into.packets:,} packets"
        if source.size:
            share = source.read / source.size
            took = time.monotonic() - begun
            left = f", {took / share - took:.0f} s left" if share and took > 2 else ""
            told += f", {share:.0%}{left}"
        output.progress(told)

    try:
        ended = count(batches, into, chosen=chosen, frames=FGCP_ETHERTYPES, count=args.count, tick=tick)
        if isinstance(source, Listening) and ended == "interrupted":  # what came by then may not be handed over yet
            last = source.batches(time.monotonic())
            count(last, into, chosen=chosen, frames=FGCP_ETHERTYPES, count=args.count)
    finally:
        output.progress("")
        if isinstance(source, Listening):
            source.count_dropped()
        source.close()
    return ended, source


def _announced(say: Callable[[], None], batches: Iterator[Batch]) -> Iterator[Batch]:
    """Batches, with a word before the first: once it is said, Ctrl-C ends the capture with what is known."""
    say()
    yield from batches


def _summary(source: File | Listening, into: Conversations, seen: Any, ended: str) -> dict[str, Any]:
    from portlore.render.capturing import rest_of
    from portlore.scan.holding import summarise

    notes = list(source.notes)
    if source.dropped:
        notes.append(f"{source.dropped:,} packets were dropped before they could be looked at: figures are too low")
    if into.untold:
        notes.append(f"{into.untold:,} packets belong to conversations beyond the first 100,000, which are not listed")
    if into.short_of_room:
        notes.append("so much was said that of later conversations only the first 256 bytes were kept")
    if ended == "interrupted":
        notes.append("interrupted: this is what was known by then")
    return {
        "source": source.name,
        "packets": into.packets,
        "bytes": into.bytes,
        "begun": into.begun,
        "last": into.ended,
        "ended": ended,
        "dropped": source.dropped,
        "undecoded": {"malformed": into.broken, "unknown-link": into.unknown_links},
        "unlisted": into.untold,
        "others": rest_of(into.without_ports, into.not_ip, into.fragments),
        "notes": notes,
        "sentence": summarise(seen) + _unanswered(seen),
    }


def _unanswered(seen: Any) -> str:
    """Ports whose protocol was recognised though nobody answered, which are not open for all that is known."""
    ports = [f"{one.target.port}/{one.target.transport}" for one in seen if one.judgement and one.outcome != "open"]
    named = ", ".join(dict.fromkeys(ports[:MOST_NAMED])) + (" …" if len(ports) > MOST_NAMED else "")
    return f"; spoken to without an answer: {named}" if ports else ""


def _write(args: Namespace, output: Output, many: Any, seen: Any, summary: dict[str, Any]) -> None:
    from portlore.render import capturing

    if args.format == "text":
        output.lines(capturing.Page(output.style).lines(many, summary))
        return
    from portlore.render.formats import Document

    rows: Any = (capturing.conversation_row(one) for one in many)
    if args.format == "csv":
        output.document(Document({}, (("conversations", map(capturing.flat_conversation, rows)),)), "csv")
        return
    ports = (capturing.observation_row(one) for one in seen)
    lists = (("conversations", rows), ("observations", ports))
    output.document(Document({}, lists, {"summary": summary}), args.format)
