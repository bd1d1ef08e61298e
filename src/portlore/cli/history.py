"""``portlore history QUESTION``: every recorded change."""

from __future__ import annotations

from portlore.cli.opening import open_book
from portlore.cli.parser import add_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "history QUESTION [--format FORMAT | --json]"
DESCRIPTION = """\
Every recorded change of a port, a range or a service name, dated between two snapshots of the registry.
The oldest snapshot is of 2005-12-22, the next of 2013-02-18; since 2017 there is one for almost every change.

  portlore history 465
  portlore history mbap
  portlore history 600-1023
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("question", metavar="QUESTION", help="703, 53/udp, 600-1023 or ssh")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Tell the history; 1 for a name that nobody has or had."""
    from portlore.chronicle import history_of

    book = open_book()
    found = history_of(book, args.question)
    if args.format == "text":
        from portlore.render.listing import changes

        output.lines(changes(found, output.style))
        if not found:
            dates = book.registry.dates
            output.say(f"portlore: no recorded change of {args.question} between {dates[0]} and {book.snapshot}")
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        head = {"snapshot": book.snapshot, "query": args.question}
        output.document(Document(head, (("changes", (plain(change) for change in found)),)), args.format)
    if not found and book.parse(args.question).name and not book.registry.named(args.question):
        return 1
    return 0
