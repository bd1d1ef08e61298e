"""The argument parser of one command: our error form, our exit codes, the options that every command shares."""

from __future__ import annotations

import argparse

from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

ALSO_SERVICES = (" search", " identify")  # commands whose word is a registered service name too
FORMATS = ("text", "json", "ndjson", "csv")


class Parser(argparse.ArgumentParser):
    """Complains as the rest of Portlore does."""

    def parse_args(self, words: Sequence[str]) -> argparse.Namespace:  # type: ignore[override]
        """Parse; an option that there is not is named before anything that is missing."""
        for word in words if self._subparsers is None else ():  # an action of its own knows its options
            if word == "--":
                break
            name = word.partition("=")[0]
            if word.startswith("--") and name not in self._option_string_actions:
                self.error(f"there is no option {name}")
        return super().parse_args(words)

    def error(self, message: str) -> NoReturn:
        """A wrong option or argument is an :class:`InputError`."""
        do = f"see `{self.prog} --help`"
        if self.prog.endswith(ALSO_SERVICES):
            name = self.prog.rpartition(" ")[2]
            do += f"; for the service of that name ask `portlore lookup {name}`"
        raise InputError(self.prog, message, do)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Paragraphs fill 80 columns; what is indented, the examples, stays as it is written.

    With a width of its own: argparse else imports ``shutil`` with every archiver (4 ms) for each option added.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        from textwrap import fill

        return "\n\n".join(
            part if "\n " in f"\n{part}" else fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in text.strip("\n").split("\n\n")
        )


def parser_for(command: str, usage: str, description: str) -> Parser:
    """A parser for one command, without its own arguments yet. ``description``: one sentence, then examples."""
    return Parser(
        prog=f"portlore {command}",
        usage=f"portlore {usage}",
        description=description,
        formatter_class=Formatter,
        allow_abbrev=False,
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """``--format`` and ``--json``, on every command that answers."""
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to answer (default: text)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def add_as_of(parser: argparse.ArgumentParser) -> None:
    """``--as-of``, where the registry of another day makes sense."""
    parser.add_argument("--as-of", metavar="DATE", help="answer from the registry as it was on that day (YYYY-MM-DD)")


def count(text: str) -> int:
    """A positive count, as an argument's type."""
    from portlore.query import parse_limit

    return parse_limit(text)


def seconds(text: str) -> float:
    """A positive number of seconds, as an argument's type."""
    try:
        number = float(text.removesuffix("s"))
    except ValueError:
        number = 0.0
    if not 0 < number < 1e8:
        raise InputError(f"a time of {text[:24]!r}", "not a positive number of seconds", "write 10 or 0.5")
    return number
