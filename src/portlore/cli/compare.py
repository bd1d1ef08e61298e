"""``portlore compare A [B]``: what changed between two lists of listeners, or since one."""

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

USAGE = "compare BEFORE [AFTER] [--exit-code] [--format FORMAT | --json]"
DESCRIPTION = """\
What appeared, vanished or changed between two answers of `portlore listening --json` (NDJSON will do), of one machine
at two times or of two machines; with one file, between it and this machine now.

A listener is known by its container, unit or program, its address and port:
a service that was started again is no change.

  portlore listening --json > monday.json
  portlore compare monday.json                 what changed since
  portlore compare web1.json web2.json         two machines
  portlore compare monday.json --exit-code     exit 1 after a change
"""
LARGEST = 1 << 30  # bytes of a list


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("before", metavar="BEFORE", help="a file of `portlore listening --json`, - for stdin")
    parser.add_argument("after", metavar="AFTER", nargs="?", help="another one (default: this machine, now)")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 when anything changed")
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Show the changes; 0 unless ``--exit-code`` is given and there are any."""
    before, asked = _rows(args.before)
    after, asked_after = _rows(args.after) if args.after else (_now(output, asked, args.before), asked)
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


def _rows(name: str) -> Any:
    asked = f"reading {name}"
    try:
        if name == "-":
            import sys

            return parse_listeners(sys.stdin.read(LARGEST), "standard input")
        path = Path(name)
        if path.stat().st_size > LARGEST:
            raise InputError(asked, f"more than {LARGEST:,} bytes", "give a list of `portlore listening --json`")
        return parse_listeners(path.read_text("utf-8"), name)
    except UnicodeDecodeError:
        raise InputError(asked, "not UTF-8", "give a list of `portlore listening --json`") from None
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), "name a file of `portlore listening --json`") from None


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
