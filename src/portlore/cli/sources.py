"""``portlore sources``: where the data comes from, how old it is, what is read on this machine."""

from __future__ import annotations

from portlore.cli.parser import add_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "sources [--format FORMAT | --json]"
DESCRIPTION = """\
Where the data comes from, under which licence, how old it is, and which of this machine's own lists are read.

  portlore sources
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """List the sources."""
    from portlore.provenance import sources_of

    found = sources_of()
    if args.format == "text":
        output.lines(
            output.style.table(
                [(s["layer"], s["date"], f"{s['title']} {s['detail']}".strip()) for s in found], indent=0
            )
        )
    else:
        from portlore.render.formats import Document

        output.document(Document({}, (("sources", found),)), args.format)
    return 0
