"""``portlore search WORDS…``: find ports by words."""

from __future__ import annotations

from portlore.cli.opening import open_book
from portlore.cli.parser import add_as_of, add_format, count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "search WORDS… [-n N] [--format FORMAT | --json] [--as-of DATE]"
DESCRIPTION = """\
Find ports by words: names, descriptions, assignees, claims, your own labels; best first.

  portlore search postgresql
  portlore search remote desktop
  portlore search postgersql      a slip of the keyboard is forgiven
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument("-n", type=count, default=20, metavar="N", help="at most N hits (default: 20)")
    add_as_of(parser)
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Search; 1 without a hit."""
    from portlore.searching import search_book

    words = " ".join(args.words)
    found = search_book(open_book(args.as_of), words, limit=args.n)
    if args.format == "text":
        from portlore.render.listing import hits

        output.lines(hits(found, output.style))
        if not found:
            output.say(f"portlore: nothing found for {words!r}; try fewer or other words")
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        output.document(Document({"query": words}, (("hits", (plain(hit) for hit in found)),)), args.format)
    return 0 if found else 1
