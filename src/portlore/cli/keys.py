"""``portlore netinfo key``: this server's key, by which other servers of Portlore know it."""

from __future__ import annotations

import os

from portlore.errors import HostError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Callable

    from portlore.cli.output import Output
    from portlore.netinfo.secure import Keyring


def add_arguments(parser: ArgumentParser) -> None:
    """What commands take that talk to other servers."""
    help_key = "the file of this server's key (default: portlore-netinfo.pem beside the first domain)"
    parser.add_argument("--key", metavar="FILE", help=help_key)
    help_plain = "no encrypted channel between servers, as it was: their keys are neither shown nor looked at"
    parser.add_argument("--plain", action="store_true", help=help_plain)


def add_action(actions: _SubParsersAction[ArgumentParser]) -> None:
    """The command."""
    show = actions.add_parser("key", help="this server's key, which others compare", prog="portlore netinfo key")
    help_database = "a domain that is served with it (default: those in the user's data directory)"
    show.add_argument("database", nargs="?", metavar="DATABASE", help=help_database)
    show.add_argument("--key", metavar="FILE", help="the file itself")
    show.add_argument("--new", action="store_true", help="make it, where there is none yet")


def key_file(named: str | None, database: str | None) -> str:
    """Where a server's key is: where it is said, or beside its first domain."""
    from portlore.netinfo.secure import FILE
    from portlore.opening import user_directory

    if named:
        return named
    if database and "://" not in database:
        return os.path.join(os.path.dirname(os.path.abspath(database)), FILE)  # noqa: PTH100, PTH118, PTH120
    return f"{user_directory()}/netinfo/{FILE}"


def keyring(
    args: Namespace, database: str | None, log: Callable[[str], None], tell: Callable[[str], None] | None = None
) -> Keyring:
    """The key of a server; :class:`HostError` for one that is not in order.

    ``tell``: takes a line when a library is installed to make a key; a server has none, and installs nothing.
    """
    from portlore.extras import require
    from portlore.netinfo.secure import REPLICAS, Keyring

    obtain = (lambda: require(REPLICAS, tell)) if tell is not None else None
    made = Keyring(key_file(args.key, database), log, plain=args.plain, obtain=obtain)
    made.load()
    return made


def parsed_pin(text: str | None) -> str:
    """What ``--pin`` names; :class:`InputError` for what is no key's name."""
    from portlore.netinfo.channel import parse_pin

    found = parse_pin(text) if text else ""
    if text is not None and not found:
        raise InputError(f"--pin {text}", "not sha256: and 43 signs of base64", "ask there: portlore netinfo key")
    return found


def show(args: Namespace, output: Output) -> int:
    """Tell the key's name, and the value of ``portlore_key`` that has others know it."""
    from portlore.extras import require
    from portlore.netinfo import channel
    from portlore.netinfo.secure import REPLICAS, make_key, read_key

    path = key_file(args.key, args.database)
    own = read_key(path)
    if own is None and args.new:
        require(REPLICAS, output.say)
        own = make_key(path)
    if own is None:
        do = "make it: portlore netinfo key --new; a server with clones does so itself"
        raise HostError(f"reading the key {path}", "there is none", do)
    output.lines([own.name, f"{channel.KEY.decode()}: {channel.value(own.certificate).decode()}"])
    return 0
