"""``portlore netinfo tail``: the changes of a domain as they happen."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from portlore.cli.recalling import database, lines_of, opened, path_of
from portlore.errors import InputError, NetInfoError, PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator

    from portlore.cli.output import Output
    from portlore.netinfo.handle import Handle
    from portlore.netinfo.history import Change
    from portlore.netinfo.mirroring import Mirror

QUICK, SLOW = 0.2, 1.0  # seconds between two looks at a file, at a server
TIMEOUT = 10.0  # seconds for one call
DESCRIPTION = """\
The changes of a domain as they happen, until Ctrl-C: from its file, which also knows who made them, or from any
server, also an original one, which is asked for its checksum every second and then for what differs.

  portlore netinfo tail office /users
                                   a file: who, from where, what
  portlore netinfo tail office --since 0 --json
                                   all that is kept, then what comes; a line each
  portlore netinfo tail 10.0.0.1/network
                                   a server: what

A server that goes away is waited for, and what it changed meanwhile is told when it is back.
"""


def add_action(actions: _SubParsersAction[ArgumentParser]) -> None:
    """The command."""
    from portlore.cli.parser import Formatter

    follow = actions.add_parser(
        "tail",
        help="the changes of a domain as they happen",
        prog="portlore netinfo tail",
        description=DESCRIPTION,
        formatter_class=Formatter,
    )
    follow.add_argument("domain", metavar="DATABASE|HOST/TAG", help="a domain's file or TAG, or a server")
    follow.add_argument("path", nargs="?", metavar="PATH", help="of this directory and those below it, such as /users")
    help_since = "of a file: also what came after the change of this number (0: all)"
    follow.add_argument("--since", type=int, metavar="NUMBER", help=help_since)
    help_every = f"seconds between two looks (default: {QUICK} at a file, {SLOW:.0f} at a server)"
    follow.add_argument("--every", type=float, metavar="SECONDS", help=help_every)
    follow.add_argument("--show-secrets", action="store_true", help="password hashes too")
    follow.add_argument("--json", action="store_true", help="as JSON, an object a line")


def tail(args: Namespace, output: Output) -> int:
    """Follow a domain; it ends with Ctrl-C, as KeyboardInterrupt, or when the reader goes away."""
    path = None if args.path is None else path_of(args.path)
    if args.every is not None and not 0.01 <= args.every <= 86400:
        raise InputError(f"--every {args.every:g}", "not from 0.01 to 86,400 seconds", "write 1")
    if _is_server(args.domain):
        if args.since is not None:
            raise InputError("--since with a server", "it keeps no numbers", "name the file where it is served")
        found = _of_server(args.domain, args.every or SLOW, output)
    else:
        found = _of_file(database(args.domain), args.since, args.every or QUICK, output)
    from portlore.netinfo.history import concerns, told_as_json

    for change in found:
        if path is not None and not concerns(change, path):
            continue
        if args.json:
            output.write(json.dumps(told_as_json(change, secrets=args.show_secrets)) + "\n")
            output.flush()
        else:
            output.lines(lines_of(change, output, secrets=args.show_secrets))
    return 0


def _is_server(text: str) -> bool:
    """Whether a word names a server, ``HOST/TAG``, and not a file."""
    host, slash, tag = text.partition("/")
    return bool(slash and host and tag) and "/" not in tag and not text.startswith(".") and not Path(text).exists()


def _of_file(path: str, since: int | None, every: float, output: Output) -> Iterator[Change]:
    """What a store records, from now on, or from a number on; another file in its place is followed as well."""
    at, away, told = since, "", False
    while True:
        try:
            with opened(path) as store:
                if at is None or at > store.newest_change():  # another store begins anew
                    at = store.newest_change()
                if away or not told:
                    output.say(f"portlore: {path}: {'is back' if away else f'what comes after change {at:,} follows'}")
                    away, told = "", True
                identity = _identity(path)
                while _identity(path) == identity:
                    for change in store.history(at):
                        at = change.number
                        yield change
                    time.sleep(every)
        except PortloreError as error:
            if not told:  # it never was there
                raise
            if error.found != away:
                away = error.found
                output.say(f"portlore: {path}: {away}; waiting for it")
            time.sleep(every)


def _identity(path: str) -> tuple[int, int] | None:
    if "://" in path:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _of_server(where: str, every: float, output: Output) -> Iterator[Change]:
    """What differs from one look at a server to the next."""
    from portlore.netinfo import client
    from portlore.netinfo.mirroring import changes, checksum, look, sum_of

    handle: Handle | None = None
    known: Mirror = {}
    away = ""
    while True:
        try:
            if handle is None:
                handle = client.open(where, timeout=TIMEOUT)
            told = checksum(handle)
            if away:
                output.say(f"portlore: {where}: answers again")
                away = ""
            if not known:
                known = look(handle, {}, told)
                output.say(f"portlore: {where}: {len(known):,} directories; what changes follows")
            elif told != sum_of(known):
                now = look(handle, known, told)
                yield from changes(known, now, time.time())
                known = now
        except (PortloreError, OSError) as error:
            if handle is not None:
                handle.close()
                handle = None
            word = client.told(error.status) if isinstance(error, NetInfoError) else str(error)
            if not known:
                from portlore.errors import HostError

                raise HostError(f"following {where}", word, "see whether it is served there") from None
            if word != away:
                away = word
                output.say(f"portlore: {where}: {away}; waiting for it")
        time.sleep(every)
