"""``portlore netinfo history|undo``: who changed what in a domain, and taking it back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from portlore.errors import HostError, InputError, NetInfoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterable, Iterator, Sequence

    from portlore.cli.output import Output
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.handle import Handle
    from portlore.netinfo.history import Change
    from portlore.netinfo.storing import AnyStore
    from portlore.netinfo.undoing import Step
    from portlore.netinfo.values import NiId

SHOWN = 50  # changes, where nobody says otherwise
HISTORY = """\
Who changed what in a domain, newest first: from its file, also while it is served.

  portlore netinfo history office /users/ann
                                   of a directory and those below it
  portlore netinfo history network --user ann --since 2026-11-01
                                   TAG: a file in the user's data directory

A server keeps the last 100,000 changes (`serve --history N`), at most 256 MB.
Passwords are shown as "(changed)"; --show-secrets shows the hashes.

Exit status: 0 some changes, 1 none that fit, 2 the question is wrong, 3 the file cannot be read.
"""
UNDO = """\
Take changes back, by their numbers in `history`: the smallest calls that put the properties that they touched back
to what they were. What others did since stays; where they touched the same, it is refused, and the later change is
named. Undoing is a change as well, and can be undone.

  portlore netinfo undo office 17 --dry-run
  portlore netinfo undo office 17 15 -u ann
                                   while it is served: by calls to its server
  portlore netinfo undo copy 17 --server 10.0.0.1/network
                                   at another server of the domain, the master
"""


def add_actions(actions: _SubParsersAction[ArgumentParser]) -> None:
    """The two commands."""
    from portlore.cli.parser import Formatter

    look = actions.add_parser(
        "history",
        help="who changed what in a domain",
        prog="portlore netinfo history",
        description=HISTORY,
        formatter_class=Formatter,
    )
    look.add_argument("database", metavar="DATABASE", help="a domain's file, or the TAG of one of one's own")
    look.add_argument(
        "path", nargs="?", metavar="PATH", help="of this directory and those below it, such as /users/ann"
    )
    look.add_argument("--since", metavar="TIME", help="from then on: 2026-11-21, 2026-11-21T13:30, or 90m, 12h, 7d ago")
    look.add_argument("--user", metavar="NAME", help="by this user; root is `root`, nobody in particular an empty name")
    look.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"at most so many (default: {SHOWN})")
    look.add_argument("--show-secrets", action="store_true", help="password hashes too")
    look.add_argument("--json", action="store_true", help="as JSON")
    back = actions.add_parser(
        "undo",
        help="take changes of a domain back",
        prog="portlore netinfo undo",
        description=UNDO,
        formatter_class=Formatter,
    )
    back.add_argument("database", metavar="DATABASE", help="a domain's file, TAG, or 127.0.0.1/TAG")
    back.add_argument("numbers", nargs="+", type=int, metavar="NUMBER", help="of a change, as `history` tells it")
    back.add_argument("--server", metavar="HOST/TAG", help="the server to call (default: who serves the file)")
    back.add_argument("-u", "--user", metavar="USER", help="call as that user, whose password is asked for")
    back.add_argument("-p", "--password", action="store_true", help="ask for a password (without -u: root's)")
    back.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    back.add_argument("--force", action="store_true", help="also where the same was changed later: that is lost then")


def database(text: str) -> str:
    """The file of a domain: as it is named, or ``TAG.nidb`` in the user's data directory."""
    if "://" in text or Path(text).exists():
        return text
    from portlore.opening import user_directory

    host, slash, tag = text.rpartition("/")
    path = f"{user_directory()}/netinfo/{tag}.nidb"
    if (not slash or host.startswith("127.")) and tag and Path(path).exists():
        return path
    if slash and not text.startswith((".", "/")):
        do = "run this on the server's machine, and name its file"
        raise InputError(f"the history of {text}", "it is kept in the file of its server, not told to others", do)
    raise InputError(f"the domain {text}", f"there is no such file, and no {path}", "name a domain's file")


def opened(path: str) -> AnyStore:
    """A domain's store, for looking at it; by another program's leave it may be written meanwhile."""
    from portlore.netinfo.storing import open_store

    return open_store(path, exclusive=False)


def history(args: Namespace, output: Output) -> int:
    """Tell the changes that fit; 1 without any."""
    from portlore.netinfo.history import chosen, told_as_json

    if args.limit < 1:
        raise InputError(f"--limit {args.limit}", "not a number of changes", "write 50")
    since = moment(args.since, time.time()) if args.since else 0.0
    path = None if args.path is None else path_of(args.path)
    user = None if args.user is None else os.fsencode(args.user)
    with opened(database(args.database)) as store:
        found: list[Change] = []
        for one in chosen(store.history(newest_first=True), path, user, since):
            if len(found) == args.limit:
                output.say(f"portlore: there are more: --limit {args.limit * 10}")
                break
            found.append(one)
    if args.json:
        rows = [told_as_json(one, secrets=args.show_secrets) for one in found]
        output.write(json.dumps({"database": args.database, "changes": rows}, indent=2) + "\n")
        output.flush()
    else:
        output.lines(line for one in found for line in lines_of(one, output, secrets=args.show_secrets))
    return 0 if found else 1


def path_of(text: str) -> bytes:
    """A directory's path as the history writes it; :class:`InputError` for a relative one."""
    if not text.startswith("/"):
        raise InputError(f"the path {text}", "it does not begin at the root", "write one such as /users/ann")
    return os.fsencode(text)


def moment(text: str, now: float) -> float:
    """Seconds since 1970 of a day, a time of this machine's zone, or so many minutes, hours or days ago."""
    from datetime import datetime

    units = {"m": 60, "h": 3600, "d": 86400}
    if text[:-1].isascii() and text[:-1].isdigit() and text[-1] in units and len(text) < 10:
        return now - int(text[:-1]) * units[text[-1]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        do = "write 2026-11-21, 2026-11-21T13:30 or 12h"
        raise InputError(f"the time {text}", "not a day, a time or how long ago", do) from None


def lines_of(change: Change, output: Output, *, secrets: bool = False) -> Iterator[str]:
    """A change for people: a line with number, time, call and who, its path, what differs."""
    from portlore.netinfo.history import told, who
    from portlore.render.directory import shown

    style = output.style
    number = f"{change.number}  " if change.number else ""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(change.at))
    yield from style.bold(f"{number}{when}  {shown(change.path)}")
    yield from style.paragraph(f"{change.call}, {who(change)}", 4)
    for line in told(change, secrets=secrets):
        yield from _folded(line, style.width)


def _folded(text: str, width: int) -> Iterator[str]:
    """A line in as many as it takes, every character of it kept."""
    from portlore.render.terminal import columns_of

    line = "    "
    for character in text:
        if columns_of(line) + columns_of(character) > width:
            yield line
            line = "      "
        line += character
    yield line


# Undo


def undo(args: Namespace, output: Output) -> int:
    """Take changes back, by calls to the server, or in the file where nobody serves it."""
    from portlore.netinfo.undoing import told
    from portlore.netinfo.undoing import undo as planned
    from portlore.netinfo.whereabouts import served_at

    path = database(args.database)
    with opened(path) as store:
        domain = store.load()
        is_clone = store.is_clone
        wanted, later = _found(args.numbers, store.history(min(args.numbers) - 1))
    steps = planned(wanted, later, domain, force=args.force)
    where = args.server or (None if "://" in path else served_at(path))
    if is_clone and where is None:
        raise InputError(f"undoing in {args.database}", "it is a clone's copy", "name the master: --server HOST/TAG")
    if where == "":
        do = "name it: --server HOST:PORT/TAG"
        raise InputError(f"undoing in {args.database}", "a server holds it, and does not say where it is", do)
    if where is None and "://" in path:
        raise InputError(f"undoing in {args.database}", "several may serve it", "name one: --server HOST:PORT/TAG")
    if args.dry_run:
        output.lines([f"would {told(step)}" for step in steps] or ["nothing would have to be done"])
        return 0
    handle = _handle(path, where, args)
    try:
        _do(steps, handle, domain, where or args.database, output)
    finally:
        handle.close()
    return 0


def _found(numbers: Sequence[int], changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """The changes of these numbers, and all that came since the first of them."""
    later = list(changes)
    known = {one.number: one for one in later}
    missing = [number for number in dict.fromkeys(numbers) if number not in known]
    if missing:
        do = "see the numbers in `portlore netinfo history`"
        raise InputError(f"undoing change {missing[0]}", "the history does not have it, or no more", do)
    return [known[number] for number in dict.fromkeys(numbers)], later


def _handle(path: str, where: str | None, args: Namespace) -> Handle:
    from portlore.cli.browsing import Stored, credentials
    from portlore.netinfo import client
    from portlore.netinfo.handle import Handle

    if where is None:
        return Handle(Stored(path))
    user, password = credentials(args)
    try:
        return client.open(where, user=user, password=password if user is not None else None)
    except NetInfoError as refusal:
        do = "see whether it is served there, and the name of the user"
        raise HostError(f"calling {where}", client.told(refusal.status), do) from None


def _do(steps: Sequence[Step], handle: Handle, domain: Domain, where: str, output: Output) -> None:
    """Make the calls, each at the instance that was looked at."""
    from portlore.netinfo.client import told as word
    from portlore.netinfo.undoing import told
    from portlore.netinfo.values import NUMBERS, NiId

    remedies = {
        NUMBERS["STALE"]: "somebody wrote it just now: look again, then undo again",
        NUMBERS["PERM"]: "call as somebody who may write it: -u USER",
        NUMBERS["AUTHERROR"]: "try again with the right password",
        NUMBERS["RDONLY"]: "name the domain's master: --server HOST/TAG",
    }
    ids = {number: NiId(number, one.instance) for number, one in domain.directories.items()}
    for count, step in enumerate(steps):
        try:
            _step(step, handle, ids)
        except NetInfoError as refusal:
            done = f", after {count} of {len(steps)} steps" if count else ""
            do = remedies.get(refusal.status, "see `portlore netinfo history`, then try again")
            raise HostError(f"at {where}: {told(step)}", word(refusal.status) + done, do) from None
        output.lines([told(step)])
    if not steps:
        output.lines(["nothing had to be done"])


def _step(step: Step, handle: Handle, ids: dict[int, NiId]) -> None:
    """Make a call; ``ids`` have the instances that directories have by then, those made anew by numbers below 0."""
    from portlore.netinfo.values import Property

    one = ids[step.directory]
    match step.procedure:
        case "create":
            ids[step.gone], ids[step.directory] = handle.create(one, step.given, step.at)
        case "destroy":
            ids[step.directory] = handle.destroy(one, ids[step.gone])
        case "write":
            ids[step.directory] = handle.write(one, step.given)
        case "create_property":
            ids[step.directory] = handle.create_property(one, Property(step.name, step.values), step.at)
        case "destroy_property":
            ids[step.directory] = handle.destroy_property(one, step.at)
        case "rename_property":
            ids[step.directory] = handle.rename_property(one, step.at, step.name)
        case "write_values":
            ids[step.directory] = handle.write_values(one, step.at, step.values)
        case "create_value":
            ids[step.directory] = handle.create_value(one, step.at, step.values[0], step.place)
        case "destroy_value":
            ids[step.directory] = handle.destroy_value(one, step.at, step.place)
        case _:
            ids[step.directory] = handle.write_value(one, step.at, step.place, step.values[0])
