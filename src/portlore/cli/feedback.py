"""``portlore feedback``: which pages fail their readers."""

from __future__ import annotations

import os

from portlore.cli.parser import add_format, count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "feedback [--feedback URL] [-n N]"
DESCRIPTION = """\
What readers said of the pages of `portlore serve`, the unhappiest first.

  portlore feedback                       the file that `serve` keeps by default
  portlore feedback --at-least 5          pages with five votes or more
  portlore feedback --feedback postgresql://user:password@host/database --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--feedback", default="", metavar="URL", help="the database (default: as `portlore serve`)")
    parser.add_argument("-n", type=count, default=50, metavar="N", help="at most N pages (default: 50)")
    parser.add_argument("--at-least", type=count, default=1, metavar="N", help="of pages with N votes or more")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Show the tallies; 1 when nobody has voted."""
    from portlore.extras import require
    from portlore.web.extra import WEB

    require(WEB, output.say)
    from portlore.opening import user_directory
    from portlore.web.feedback.store import FILE, Votes

    own = f"{user_directory()}/{FILE}"
    found = []
    if args.feedback or os.path.exists(own):  # noqa: PTH110
        votes = Votes(args.feedback or f"sqlite:///{own}", make=False)
        try:
            found = votes.report(args.n, args.at_least)
        finally:
            votes.close()
    if args.format != "text":
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        output.document(Document({}, (("feedback", (plain(one) for one in found)),)), args.format)
    elif found:
        style = output.style
        rows = [("page", "language", "no", "not sure", "yes", "score")]
        rows += [(t.page, t.language, str(t.sad), str(t.unsure), str(t.happy), f"{t.score:+.2f}") for t in found]
        output.lines(style.table(rows))
    else:
        output.say("portlore: nobody has voted yet")
    return 0 if found else 1
