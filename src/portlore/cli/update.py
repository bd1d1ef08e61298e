"""``portlore update``: fetch the newest registry."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "update [--from URL|FILE] [--check] [--force]"
DESCRIPTION = """\
Fetch the newest registry from IANA and answer from it. The old one stays in use until the new one has been read
whole and found sound; the history gets the changes between the two. It also brings the registry's notes, which
are not shipped.

  portlore update
  portlore update --check     only look for a newer one (exit 1: there is)
  portlore update --from ./service-names-port-numbers.xml
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--from", dest="origin", metavar="URL|FILE", help="another place: http(s), or a file (.xml, .csv)"
    )
    parser.add_argument("--check", action="store_true", help="only report; nothing is stored")
    parser.add_argument("--force", action="store_true", help="take it although it shrank or is older")


def run(args: Namespace, output: Output) -> int:
    """Update; with ``--check``, 1 when something newer is there."""
    from portlore.updating import REGISTRY_URL, update

    result = update(
        REGISTRY_URL if args.origin is None else args.origin, check=args.check, force=args.force, tell=output.say
    )
    output.write(result.text + "\n")
    return 1 if args.check and result.newer else 0
