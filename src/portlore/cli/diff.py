"""``portlore diff DATE [DATE]``: what changed in the registry between two days."""

from __future__ import annotations

from portlore.cli.opening import open_book
from portlore.cli.parser import add_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "diff DATE [DATE] [--format FORMAT | --json]"
DESCRIPTION = """\
What changed in the registry from one day to another (to today without a second date). A day stands for the last
snapshot on or before it; each change is dated between two snapshots.

  portlore diff 2018-01-01 2026-08-17
  portlore diff 2026-01-01 --format csv
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("older", metavar="DATE", help="YYYY-MM-DD, from 2005-12-22 on")
    parser.add_argument("newer", metavar="DATE", nargs="?", help="YYYY-MM-DD (default: the newest snapshot)")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Tell what changed."""
    from portlore.chronicle import between
    from portlore.errors import InputError
    from portlore.query import parse_date

    book = open_book()
    older = parse_date(args.older)
    newer = parse_date(args.newer) if args.newer else book.snapshot
    if newer < older:
        raise InputError(f"diff {older} {newer}", "the second day is before the first", f"ask for diff {newer} {older}")
    found = between(book, older, newer)
    first, last = book.registry.snapshot_on(older), book.registry.snapshot_on(newer)
    if args.format == "text":
        from portlore.render.listing import changes

        output.lines([f"From the snapshot of {first} to the one of {last}: {len(found):,} changes.", ""])
        output.lines(changes(found, output.style))
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        head = {"between": [first, last]}
        output.document(Document(head, (("changes", (plain(change) for change in found)),)), args.format)
    return 0
