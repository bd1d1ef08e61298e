"""``portlore free``: ports that are free to take, and why."""

from __future__ import annotations

from itertools import islice

from portlore.cli.parser import add_format, count
from portlore.local.machine import read_machine
from portlore.opening import load
from portlore.own.finding import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "free [-n N] [--near PORT] [--format FORMAT | --json]"
DESCRIPTION = """\
Ports that are free to take, each with its reasons: unassigned on TCP and UDP, no known custom, in none of this
machine's lists nor your portlore.toml, outside the ephemeral, RPC and browser-refused ranges, nothing bound here.

  portlore free
  portlore free -n 5 --near 8000
"""


def port(text: str) -> int:
    """A port number, as an argument's type."""
    from portlore.model import parse_number

    return parse_number(text)


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("-n", type=count, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--near", type=port, metavar="PORT", help="the nearest to this port")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Name free ports; 1 when there are fewer than asked for."""
    from portlore.local import read_local
    from portlore.own.free import free_ports

    book = load().joined(read_local(()), read_own())
    found = list(islice(free_ports(book, read_machine(), args.near), args.n))
    if args.format == "text":
        from portlore.render.listing import free

        output.lines(free(found, output.style))
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        document = Document({"snapshot": book.snapshot}, (("ports", (plain(one) for one in found)),))
        output.document(document, args.format)
    if len(found) < args.n:
        output.say(f"portlore: {args.n} free ports asked for, {len(found)} found; no more are left on this machine")
    return 0 if len(found) == args.n else 1
