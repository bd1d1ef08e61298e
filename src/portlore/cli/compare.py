"""``portlore compare A [B]``: what changed between two lists of listeners or two scans; ``--merge``: shards as one."""

from __future__ import annotations

from pathlib import Path

from portlore.cli.parser import add_format
from portlore.comparing import compare, parse_listeners
from portlore.errors import InputError, ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from portlore.cli.output import Output

USAGE = "compare BEFORE [AFTER…] [--merge] [--exit-code] [--json]"
DESCRIPTION = """\
What appeared, vanished or changed between two answers of `portlore listening --json` (NDJSON will do), of one machine
at two times or of two machines; with one file, between it and this machine now.

A listener is known by its container, unit or program, its address and port:
a service that was started again is no change.

  portlore listening --json > monday.json
  portlore compare monday.json                 what changed since
  portlore compare web1.json web2.json         two machines
  portlore compare monday.json --exit-code     exit 1 after a change

Two scans are compared too, in any form of `portlore scan` and as nmap's XML;
--merge makes one of several shards, and says which are missing or overlap.

  portlore compare before.json after.xml       what opened, closed or changed
  portlore compare --merge part*.json --json > all.json
"""
LARGEST = 1 << 30  # bytes of a list


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("before", metavar="BEFORE", help="what `listening --json` or `scan` wrote, - for stdin")
    parser.add_argument("after", metavar="AFTER", nargs="*", help="another (default: this machine now; not for scans)")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 when anything changed or is missing")
    parser.add_argument("--merge", action="store_true", help="make one of the results of several scans")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Show the changes; 0 unless ``--exit-code`` is given and there are any."""
    if len(args.after) > 1 and not args.merge:
        raise InputError("portlore compare", f"{len(args.after) + 1} files", "two are compared; more with --merge")
    text = _text(args.before)
    from portlore.scan.results import is_scan

    texts = [text, *map(_text, args.after)]
    if args.merge or any(map(is_scan, texts)):
        from portlore.cli.comparing import compare_scans

        return compare_scans(args, output, texts)
    args.after = args.after[0] if args.after else None
    before, asked = parse_listeners(text, _called(args.before))
    if args.after:
        after, asked_after = parse_listeners(texts[1], _called(args.after))
    else:
        after, asked_after = _now(output, asked, args.before), asked
    if asked != asked_after:
        output.say("portlore: the two lists were asked for with other options: what only one of them shows is no news")
    changes = compare(before, after)
    if args.format == "text":
        from portlore.render.listing import listener_changes

        output.lines(listener_changes(changes, output.style) or ["nothing changed"])
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        head = {"before": args.before, "after": args.after or "now"}
        output.document(Document(head, (("changes", (plain(one) for one in changes)),)), args.format)
    return 1 if changes and args.exit_code else 0


def _called(name: str) -> str:
    return "standard input" if name == "-" else name


def _text(name: str) -> str:
    asked, do = f"reading {name}", "name a file of `portlore listening --json` or `portlore scan --json`"
    try:
        if name == "-":
            import sys

            return sys.stdin.read(LARGEST)
        path = Path(name)
        if path.stat().st_size > LARGEST:
            raise InputError(asked, f"more than {LARGEST:,} bytes", do)
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(asked, "not UTF-8", do) from None
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), do) from None


def _now(output: Output, asked: Any, name: str) -> Any:
    """What this machine shows now, asked as the list was."""
    from portlore.cli.listening import ASKED, choice_of
    from portlore.filtering import choose
    from portlore.listeners import Machine
    from portlore.opening import load, open_programs
    from portlore.own.finding import read_own
    from portlore.render.sockets import row

    options = {**ASKED, **asked}
    if set(options) != set(ASKED) or any(type(options[key]) is not type(ASKED[key]) for key in ASKED):
        found = f'"asked" is {asked}'
        raise ParseError(f"reading {name}", found, "write the file with `portlore listening --json`")
    machine = Machine(load().joined(own=read_own()), open_programs(), output.say)
    seen = machine.look(all_namespaces=options["all_namespaces"])
    return [row(one) for one in choose(seen.listeners, choice_of(options))]
