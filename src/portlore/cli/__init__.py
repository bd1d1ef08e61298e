"""The command: a module each, COMMANDS is the table; :func:`main` is the border where errors become exit codes."""

from __future__ import annotations

import gc
import sys

from portlore.cli.output import Output
from portlore.errors import InputError, PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

COMMANDS = {  # command: what it does, in one line
    "lookup": "what is said of a port, a range or a name (the default command)",
    "search": "find ports by words: names, descriptions, assignees, claims",
    "history": "every recorded change of a port, a range or a name",
    "diff": "what changed in the registry between two days",
    "listening": "what listens on this machine, who owns it, and whether it should",
    "wait": "wait until something listens on a port, or until it is free",
    "stop": "stop what listens on a port, after asking",
    "compare": "what changed between two answers of `listening` or `scan`",
    "identify": "what speaks on a port, whatever its number",
    "scan": "which ports of a host answer, and what may have been missed",
    "capture": "what packets show of who speaks what, without sending one",
    "netinfo": "NetInfo domains: make, serve, check and copy them",
    "atlas": "all 65,536 ports as one picture: PNG, SVG or in the terminal",
    "serve": "the site and its API, on this machine",
    "build": "the same site as files, for any host",
    "feedback": "which pages fail their readers",
    "free": "ports that are free to take, and why",
    "update": "fetch the newest registry from IANA, safely",
    "sources": "where the data comes from, how old it is, what is read here",
    "completion": "print the completion script of a shell",
}
HELP = """\
usage: portlore QUESTION… [--json | --format FORMAT] [--as-of DATE] [--all]
       portlore COMMAND …           (portlore COMMAND --help tells more)

What is said of a TCP/UDP port: the official registry, its history, documented
and customary uses, false stories, each with its source and our verdict; what
is seen on this machine's ports; and whether the two agree.

  portlore 703              a port, on TCP and UDP
  portlore 53/udp 5353      ports, on one transport or on all
  portlore ssh              a registered service name
  portlore 600-1023         a range, summed up
  portlore 502 --as-of 2013-06-01
  portlore 703 --json       the same for scripts
  portlore listening        every listening socket, its owner, and a judgement

commands:
{commands}

A word that is a command and a service name is the command; `portlore lookup
search` asks for the service.

Exit status: 0 answered, 1 asked and nobody has it, 2 the question is wrong,
3 this machine or its network failed, 4 refused on purpose.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    if arguments is None:  # a process of its own that soon ends: looking for cycles costs it more than it frees
        gc.disable()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdout is None or sys.stderr is None:  # closed by the caller: there is nobody to tell
        return 3
    output = Output(sys.stdout, sys.stderr)
    try:
        return _run(list(words), output)
    except PortloreError as error:
        output.complain(error, as_json=_wants_json(words))
        return error.exit_code
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        output.abandon()
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        from portlore.errors import HostError

        where = f" {error.filename}" if error.filename else ""
        found = f"{error.strerror or error}{where}"
        told = HostError(f"portlore {' '.join(words[:4])}", found, "make room or set it right there, and ask again")
        output.complain(told, as_json=_wants_json(words))
        return 3


def _run(words: list[str], output: Output) -> int:
    if words and words[0] in ("-h", "--help", "help"):
        output.write(HELP.format(commands="\n".join(f"  {name:<11} {what}" for name, what in COMMANDS.items())))
        return 0
    if words and words[0] in ("-V", "--version"):
        from portlore import __version__

        output.write(f"portlore {__version__}\n")
        return 0
    if not words:
        raise InputError("portlore without a question", "nothing to look up", "try `portlore 703` or `portlore --help`")
    for before, word in zip(["", *words], words, strict=False):
        # a minus followed by a digit is a question, and a wrong one; after an option it is that one's business
        if word[:1] == "-" and word[1:2].isdigit() and before[:2] != "--":
            plain = word.lstrip("-").partition("/")[0]
            raise InputError(f"port {word!r}", "ports have no sign", f"did you mean {plain}?")
    command = words.pop(0) if words[0] in COMMANDS else "lookup"
    return int(module_of(command).run(arguments_of(command, words), output))


def arguments_of(command: str, words: list[str]) -> Any:
    """The arguments of a command, parsed.

    Questions with nothing but ``--json`` are what scripts ask in loops: they need no parser, and without argparse the
    whole answer takes a quarter less. A test holds the two ways against each other.
    """
    if command == "lookup":
        questions = [word for word in words if word != "--json"]
        if questions and len(words) - len(questions) < 2 and not any(word.startswith("-") for word in questions):
            return Plain(questions, "text" if len(questions) == len(words) else "json")
    elif command == "listening":
        plain = module_of(command).plain_arguments(words)
        if plain is not None:
            return plain
    from portlore.cli.parser import parser_for

    module = module_of(command)
    parser = parser_for(command, module.USAGE, module.DESCRIPTION)
    module.add_arguments(parser)
    return parser.parse_args(words)


class Plain:
    """The arguments of a plain look-up, as argparse would give them."""

    all = False
    as_of = None
    domain = None

    def __init__(self, questions: list[str], form: str) -> None:
        self.questions, self.format = questions, form


def module_of(command: str) -> Any:
    """The module of a command, imported when it is called; importlib itself would cost a look-up 2 ms."""
    return __import__(f"portlore.cli.{command}", fromlist=["run"])


def _wants_json(words: Sequence[str]) -> bool:
    pairs = [f"{words[place - 1]}={words[place]}" for place in range(1, len(words))]
    wanted = {"--json", "--format=json", "--format=ndjson"}
    return not wanted.isdisjoint([*words, *pairs])
