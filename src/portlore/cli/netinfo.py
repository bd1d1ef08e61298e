"""``portlore netinfo …``: NetInfo domains: make them, serve them, check them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output
    from portlore.journal import Journal

USAGE = "netinfo ACTION …"
DESCRIPTION = """\
NetInfo, NeXT's and Apple's directory service, alive: a domain is one file, served to NeXTSTEP, Mac OS X up to 10.4 and
the tools of old.

  portlore netinfo init office --user ann --machine next1=10.0.0.5
                                   a new domain; the password is asked for
  sudo portlore netinfo serve --domain network=office --listen 10.0.0.1
                                   for old machines: binder, port mapper
  portlore netinfo serve --domain network=office --port 7100
                                   one domain on one port, for anybody
  portlore netinfo browse 127.0.0.1:7100/network -u ann
                                   look at it and change it
  portlore netinfo export office > records.json
  portlore netinfo import copy records.json
                                   make a domain from an export
  portlore netinfo export office --to ldif --base dc=example,dc=com
                                   for LDAP; also dslocal, etc, csv
  portlore netinfo import office ldap://server/dc=example,dc=com --dry-run
                                   what a live server would change here
  portlore netinfo publish-services office
                                   the labels of portlore.toml in /services
  sudo portlore netinfo clone 10.0.0.1/network copy
                                   a replica, which follows its master
  portlore netinfo status          clones, lag, parents; exit 1 if one lags
  portlore netinfo check office    ids, links, checksum
  portlore netinfo history office  who changed what; `undo` takes it back
  portlore netinfo tail 10.0.0.1/network
                                   changes as they happen
  portlore netinfo backup office copy
                                   also while it is served
  portlore netinfo recover /mnt/etc/netinfo
                                   what the disk of an old machine has

Password hashes go to root here and on listed machines, to their owner and to
the superuser, and nobody writes without a password but root here; --classic
shows and allows what NetInfo did.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    init = actions.add_parser("init", help="make a new domain", prog="portlore netinfo init")
    init.add_argument("database", metavar="DATABASE", help="the file to make, or postgresql://… where to make it")
    init.add_argument("--user", required=True, metavar="NAME", help="a first user, whose password is asked for")
    help_uid = "that user's number (default: 1001; Macs keep 501 for themselves)"
    init.add_argument("--uid", type=int, default=1001, metavar="N", help=help_uid)
    init.add_argument("--machine", action="append", default=[], metavar="NAME=ADDRESS", help="a machine that may bind")
    init.add_argument(
        "--host", metavar="NAME=ADDRESS", help="this machine, as others see it (default: asked of the system)"
    )
    init.add_argument("--tag", default="network", help="the tag that it will be served by (default: network)")
    serve = actions.add_parser("serve", help="serve domains", prog="portlore netinfo serve")
    serve.add_argument(
        "--domain",
        action="append",
        default=[],
        metavar="TAG=PATH",
        help="a domain to serve, by its tag (default: every TAG.nidb in the user's data directory)",
    )
    help_store = "postgresql://…, a database that has every --domain TAG without a PATH, for several servers at once"
    serve.add_argument("--store", metavar="URL", help=help_store)
    serve.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="where (default: 127.0.0.1)")
    help_port = "TCP and UDP port of the first domain, the next ones follow (default: a binder, reserved ports as root)"
    serve.add_argument("--port", type=_port, metavar="N", help=help_port)
    serve.add_argument("--mapper-port", type=_port, default=111, metavar="N", help="of the port mapper (default: 111)")
    help_user = "whose rights the server has when root starts it (default: the owner of the domains' files)"
    serve.add_argument("--user", metavar="NAME", help=help_user)
    help_classic = "as it was: hashes for everybody, and where `_writers` says * everybody writes"
    serve.add_argument("--classic", action="store_true", help=help_classic)
    serve.add_argument("--read-only", action="store_true", help="nobody writes")
    help_empty = "a clone takes what its master has also when that came back with next to nothing"
    serve.add_argument("--accept-empty", action="store_true", help=help_empty)
    help_history = "how many changes each domain keeps for `history` and `undo` (default: 100,000; 0: none)"
    serve.add_argument("--history", type=_count, default=100_000, metavar="N", help=help_history)
    help_generation = "whose answers where they differ: macosx or nextstep (default: macosx)"
    serve.add_argument("--generation", choices=("macosx", "nextstep"), default="macosx", help=help_generation)
    from portlore.cli import bridging, keys, publishing, telling

    keys.add_arguments(serve)
    telling.add_arguments(serve)
    bridging.add_actions(actions)
    publishing.add_action(actions)
    look = actions.add_parser("check", help="verify ids, links and checksum", prog="portlore netinfo check")
    look.add_argument("database", metavar="DATABASE")
    copy = actions.add_parser("backup", help="copy a domain, also while it is served", prog="portlore netinfo backup")
    copy.add_argument("database", metavar="DATABASE")
    copy.add_argument("copy", metavar="COPY")
    from portlore.cli import recalling, recovering, replicating, tailing

    replicating.add_actions(actions)
    recalling.add_actions(actions)
    tailing.add_action(actions)
    keys.add_action(actions)
    old = actions.add_parser(
        "recover",
        help="a domain from the disk of an old machine",
        prog="portlore netinfo recover",
        description=recovering.DESCRIPTION,
        formatter_class=parser.formatter_class,
    )
    recovering.add_arguments(old)
    view = actions.add_parser("browse", help="look at a domain, change it", prog="portlore netinfo browse")
    view.add_argument(
        "domain", metavar="DOMAIN", help="HOST/TAG, HOST:PORT/TAG, a name such as / or .., or a file that is not served"
    )
    view.add_argument("-u", "--user", metavar="USER", help="call as that user, whose password is asked for")
    view.add_argument("-p", "--password", action="store_true", help="ask for a password (without -u: root's)")


def _port(text: str) -> int:
    from portlore.model import parse_number

    return parse_number(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1 << 31:
        raise InputError(f"--history {text}", "not a number of changes", "write 100000, or 0 for none")
    return int(text)


def run(args: Namespace, output: Output) -> int:
    """Do what is asked."""
    named = [one for value in vars(args).values() for one in (value if isinstance(value, list) else [value])]
    if any(isinstance(one, str) and "postgres" in one and "://" in one for one in named):
        from portlore.extras import require
        from portlore.netinfo.storing import POSTGRESQL

        require(POSTGRESQL, output.say)
    return ACTIONS[args.action](args, output)


def _init(args: Namespace, output: Output) -> int:
    from portlore.netinfo.making import machine, new_domain
    from portlore.netinfo.passwords import make_des
    from portlore.netinfo.storing import is_address, is_taken, open_store

    if is_taken(args.database, args.tag):
        asked = "making a domain" if is_address(args.database) else f"making the domain {args.database}"
        raise InputError(asked, "there is one already", "choose another name, or remove it first")
    host = machine(args.host) if args.host else _this_machine()
    machines = [machine(text) for text in args.machine]
    hashed = make_des(_new_password(args.user).encode())  # the form that NeXTSTEP knows
    domain = new_domain(args.tag, host, machines, args.user, args.uid, hashed)
    with open_store(args.database, create=True, domain=args.tag) as store:
        store.write_all(domain)
        path = store.path
    address = host[1] or "ADDRESS"
    bind = f"{len(machines)} machine{'s' * (len(machines) != 1)} that may bind to it"
    place = f"'{args.tag}={path}'" if is_address(path) else f"{args.tag}={path}"
    lines = [f"{path}: a domain with the user {args.user} and {bind}"]
    lines.append(f"next: sudo portlore netinfo serve --domain {place} --listen {address}")
    output.lines(lines)
    return 0


def _this_machine() -> tuple[str, str]:
    """This machine's name and the address it is known by; an empty one where it has none beyond loopback."""
    import socket

    name = socket.gethostname().partition(".")[0]
    try:
        found = [str(one[4][0]) for one in socket.getaddrinfo(name, None, socket.AF_INET)]
    except OSError:
        found = []
    return name, next((address for address in found if not address.startswith("127.")), "")


def _new_password(user: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\n") if sys.stdin is not None else ""
        if not text:
            asked, found = f"the password of {user}", "no terminal to ask on, and nothing on standard input"
            raise InputError(asked, found, "write it there: portlore netinfo init … < password-file")
        return text
    from getpass import getpass

    first = getpass(f"password of {user} (NeXTSTEP looks at 8 characters): ")
    if first != getpass("again: "):
        raise InputError(f"the password of {user}", "the two are not the same", "try again")
    return first


def _bridge(args: Namespace, output: Output) -> int:
    from portlore.cli.bridging import run as bridge

    return bridge(args, output)


def _publish(args: Namespace, output: Output) -> int:
    from portlore.cli.publishing import publish

    return publish(args, output)


def _check(args: Namespace, output: Output) -> int:
    from portlore.netinfo.store import faults
    from portlore.netinfo.storing import open_store

    with open_store(args.database, exclusive=False) as store:
        domain, stored = store.load(), store.stored_checksum()
    found = list(faults(domain))
    if stored is not None and stored != domain.checksum:
        found.append(f"the stored checksum is {stored}, that of the directories {domain.checksum}")
    output.lines([*found, f"{len(domain.directories):,} directories, checksum {domain.checksum}"])
    return 1 if found else 0


def _browse(args: Namespace, output: Output) -> int:
    from portlore.cli.browsing import browse

    return browse(args, output)


def _recover(args: Namespace, output: Output) -> int:
    from portlore.cli.recovering import recover

    return recover(args, output)


def _clone(args: Namespace, output: Output) -> int:
    from portlore.cli.replicating import clone

    return clone(args, output)


def _status(args: Namespace, output: Output) -> int:
    from portlore.cli.replicating import status

    return status(args, output)


def _key(args: Namespace, output: Output) -> int:
    from portlore.cli.keys import show

    return show(args, output)


def _history(args: Namespace, output: Output) -> int:
    from portlore.cli.recalling import history

    return history(args, output)


def _undo(args: Namespace, output: Output) -> int:
    from portlore.cli.recalling import undo

    return undo(args, output)


def _tail(args: Namespace, output: Output) -> int:
    from portlore.cli.tailing import tail

    return tail(args, output)


def _backup(args: Namespace, output: Output) -> int:
    from portlore.netinfo.storing import open_store

    with open_store(args.database, exclusive=False) as store:
        store.backup(args.copy)
    return 0


def _serve(args: Namespace, output: Output) -> int:
    domains = []
    for text in args.domain:
        tag, equals, path = text.partition("=")
        if args.store and not equals:
            equals, path = "=", args.store
        if not tag or not equals or not path or "/" in tag:
            raise InputError(f"--domain {text}", "not TAG=PATH", "write one such as network=office.nidb")
        domains.append((tag, path))
    from portlore.cli.telling import token
    from portlore.journal import Journal
    from portlore.netinfo import hosting, telling  # noqa: F401 - while every file of Python's may be read

    args.token = token(args)  # while every file may be read
    user = _less_than_root(args.user, [path for _, path in domains])
    journal = Journal("portlore-netinfo")
    try:
        asyncio.run(_serve_all(domains or _own_domains(), args, journal, user))
    except KeyboardInterrupt:
        return 0
    finally:
        journal.close()
    return 0


def _less_than_root(name: str | None, paths: list[str]) -> str:
    """Become the user who is named, or, for root, who has the files; who it is, empty where nobody changed.

    Linux leaves such a user the ports below 1024, so that no file is ever opened with root's rights.
    """
    from portlore.netinfo.privileges import become, owner

    if name is None and hasattr(os, "geteuid") and os.geteuid() == 0 and paths:
        name = owner(paths)
    if name is None:
        return ""
    become(name)
    return name


def _folder() -> str:
    from portlore.opening import user_directory

    return f"{user_directory()}/netinfo"


def _own_domains() -> list[tuple[str, str]]:
    """The domains in the user's data directory, by tag."""
    found = [(path.stem, str(path)) for path in sorted(Path(_folder()).glob("*.nidb"))]
    if not found:
        do = "name one with --domain TAG=PATH, or make one: portlore netinfo init"
        raise InputError("serving domains", f"there is no TAG.nidb in {_folder()}", do)
    return found


async def _serve_all(domains: list[tuple[str, str]], args: Namespace, journal: Journal, user: str) -> None:
    from portlore.cli.keys import keyring
    from portlore.netinfo.answering import Policy
    from portlore.netinfo.hosting import Host
    from portlore.netinfo.sockets import handed_over
    from portlore.netinfo.telling import tell

    host = Host(
        args.listen,
        _folder(),
        Policy(args.classic, args.read_only, args.generation == "nextstep", args.accept_empty, args.history),
        journal,
        handed_over(os.environ),
        keyring(args, domains[0][1], journal),
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        if args.port is None:
            await host.bind(args.mapper_port)
        for place, (tag, path) in enumerate(domains):
            port = -1 if args.port is None else args.port + place if args.port else 0
            await host.serve(tag, path, port)
        if args.port is None:
            await host.announce()
        if not args.listen.startswith("127."):
            journal("passwords of writers cross the network inverted, not encrypted: NetInfo knows nothing better")
        if user:
            journal(f"running as user={user}")
        elif hasattr(os, "geteuid") and os.geteuid() == 0:
            journal("running as root: give the domains' files to another user, or say --user NAME")
        told = await tell(host, args.metrics, args.token, journal) if args.metrics else None
        await ended.wait()
        if told is not None:
            told.close()
        journal("ending: no new connections, writes under way are finished")
    finally:
        await host.close()


ACTIONS = {
    "init": _init, "serve": _serve, "browse": _browse, "import": _bridge, "export": _bridge, "check": _check,
    "ldap-schema": _bridge, "publish-services": _publish,
    "backup": _backup, "recover": _recover, "clone": _clone, "key": _key, "status": _status,
    "history": _history, "undo": _undo, "tail": _tail,
}  # fmt: skip
