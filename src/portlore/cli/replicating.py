"""``portlore netinfo clone|status``: make a clone of a domain; see whether its servers have the same."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from portlore.errors import InputError, NetInfoError, PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any

    from portlore.cli.output import Output
    from portlore.netinfo.handle import Handle
    from portlore.netinfo.replicating import Server

TIMEOUT = 5.0  # seconds for one server
STATUS = """\
Whether the servers of a domain have the same, what waits for its clones, when they took something last, and to which
domain above they are bound. JSON has the same, and `healthy`, which the exit status says as well.

  portlore netinfo status 10.0.0.1/network
  portlore netinfo status --json || alert
                                   every domain that this machine's binder names

Exit status: 0 all answer and agree, 1 a server does not answer, lags or has something else, there is no master or
more than one, or no domain above answers; 2 the question is wrong, 3 this machine or its network failed.
"""


def add_actions(actions: _SubParsersAction[ArgumentParser]) -> None:
    """The two commands."""
    from portlore.cli import keys
    from portlore.cli.parser import Formatter

    copy = actions.add_parser("clone", help="make a clone of a domain", prog="portlore netinfo clone")
    copy.add_argument("master", metavar="HOST/TAG", help="the domain's master, which lists this machine (as root)")
    copy.add_argument("database", metavar="DATABASE", help="the file to make")
    copy.add_argument("--tag", metavar="TAG", help="the tag that it will be served by (default: the master's)")
    copy.add_argument("--pin", metavar="sha256:…", help="the master's key, as `netinfo key` tells it there")
    keys.add_arguments(copy)
    look = actions.add_parser(
        "status",
        help="whether a domain's servers have the same",
        prog="portlore netinfo status",
        description=STATUS,
        formatter_class=Formatter,
    )
    help_domain = "a server of the domain, or HOST:PORT/TAG (default: every domain that this machine's binder names)"
    look.add_argument("domains", nargs="*", metavar="HOST/TAG", help=help_domain)
    look.add_argument("--json", action="store_true", help="as JSON")


def clone(args: Namespace, output: Output) -> int:
    """Read all of a domain into a new store."""
    import os

    from portlore.cli.keys import keyring, parsed_pin
    from portlore.netinfo.calling import TIMEOUT as PATIENCE
    from portlore.netinfo.cloning import clone_from
    from portlore.render.terminal import clean

    if Path(args.database).exists():
        found = "there is such a file"
        raise InputError(f"making the clone {args.database}", found, "choose another name, or remove it first")
    where = os.fsencode(args.master)
    tag = os.fsencode(args.tag) if args.tag else where.partition(b"/")[2]
    if tag == b"local":
        raise InputError("the tag local", "a machine's own domain is never a clone", "choose another --tag")
    said: list[str] = []
    ring = keyring(args, args.database, said.append, output.say)
    master, domain, more = clone_from(where, args.database, tag, PATIENCE, ring, parsed_pin(args.pin))
    name = os.fsdecode(tag)
    output.lines(
        [
            f"{args.database}: a clone of {master}, {len(domain.directories):,} directories",
            *(clean(one) for one in [*said, *more]),
            f"next: sudo portlore netinfo serve --domain {name}={args.database} --listen ADDRESS",
        ]
    )
    return 0


def status(args: Namespace, output: Output) -> int:
    """Tell of the servers of domains; 1 where one does not answer, or does not have what its master has."""
    import os

    from portlore.netinfo.client import Binder

    wanted = [os.fsencode(one) for one in args.domains]
    if not wanted:
        try:
            with Binder("127.0.0.1", TIMEOUT) as binder:
                wanted = [b"127.0.0.1/" + one.tag for one in binder.registrations()]
        except NetInfoError:
            do = "name a domain as HOST/TAG or HOST:PORT/TAG"
            raise InputError("asking the binder of this machine", "none answers", do) from None
    told = [_domain(one) for one in wanted]
    healthy = all(one["healthy"] for one in told)
    if args.json:
        output.write(json.dumps({"domains": told, "healthy": healthy}, indent=2) + "\n")
        output.flush()
    else:
        output.lines([line for one in told for line in _lines(one)])
    return 0 if healthy else 1


def _domain(where: bytes) -> dict[str, Any]:
    """What the servers of a domain say, by one of them."""
    from portlore.cli.bound import climbed
    from portlore.netinfo.client import open_server, parse_server, resolve
    from portlore.netinfo.replicating import Server

    named = parse_server(where)
    first = Server(resolve(named.host), named.tag)
    told: dict[str, Any] = {"domain": str(first), "healthy": False, "master": None, "way": None, "servers": []}
    servers = {first: where}
    try:
        with open_server(where, TIMEOUT) as handle:
            masters, others = _known(handle)
            told["way"] = climbed(handle)
    except (PortloreError, OSError) as error:
        told["servers"].append({"server": str(first), "role": None, "word": _said(error)})
        return told
    told["master"] = str(masters[0]) if masters else None
    itself = first.address.startswith("127.")  # one of those that are listed, by another address
    for one in dict.fromkeys([*masters, *others]):
        if one not in servers and not (itself and one.tag == first.tag and _is_here(one.address)):
            servers[one] = f"{one.address}/".encode() + one.tag
    rows = [_server(one, text) for one, text in servers.items()]
    told["servers"] = rows
    leaders = [row for row in rows if row["role"] == "master"]
    for row in rows:
        row["equal"] = None if not leaders or row["role"] is None else row["checksum"] == leaders[0]["checksum"]
        if row["equal"] and row["content"] and leaders[0]["content"]:  # what is equal may still be a fork
            row["equal"] = row["content"] == leaders[0]["content"]
        row["fork"] = row["equal"] is False and row["checksum"] == leaders[0]["checksum"]
        pushed = next((one for lead in leaders for one in lead["clones"] if one["clone"] == row["server"]), None)
        if pushed is not None:
            row |= {name: pushed[name] for name in ("waiting", "last_push", "failures", "lag")}
            row["word"] = row["word"] or pushed["word"]
    if len(leaders) > 1:
        told["word"] = "two masters: each takes writes that the other does not have"
    elif not leaders:
        told["word"] = "no master answers: nobody can write"
    lost = told["way"]["word"] != ""
    told["healthy"] = not lost and len(leaders) == 1 and all(row["equal"] and not row["word"] for row in rows)
    return told


def _known(handle: Handle) -> tuple[list[Server], list[Server]]:
    """The master and all servers that a domain lists."""
    from portlore.netinfo.hierarchy import servers_of
    from portlore.netinfo.replicating import Server
    from portlore.netinfo.values import ROOT, NiId, first

    master = first(handle.read(NiId(ROOT, 0)).properties, b"master")
    tag = master.values[0].partition(b"/")[2] if master and master.values else b""
    servers = [Server(one.address, one.tag) for one in servers_of(handle)]
    at = [Server(address, tag) for address in handle._master_addresses()]  # noqa: SLF001 - of our own package
    return at, servers


def _server(one: Server, where: bytes) -> dict[str, Any]:
    """What one server says of itself."""
    from portlore.cli.bound import told_parent
    from portlore.netinfo.client import open_server

    told: dict[str, Any] = {"server": str(one), "role": None, "checksum": None, "content": None, "word": ""}
    told |= {"clones": [], "parent": None}
    try:
        with open_server(where, TIMEOUT) as handle:
            given = {each.name: each.values for each in handle.statistics()}
            handle.set_password(b"replicas")
            more = handle.statistics()
    except (PortloreError, OSError) as error:
        return told | {"word": _said(error)}
    role = (given.get(b"tag") or (b"", b""))[1:2]
    told["parent"] = told_parent(more)
    told["role"] = role[0].decode("ascii", "replace") if role else "master"
    checksum = (given.get(b"checksum") or (b"",))[0]
    told["checksum"] = int(checksum) if checksum.isdigit() and len(checksum) < 11 else 0
    if not any(each.name == b"server_version" for each in more):  # who does not know our word tells all again
        for each in more:
            if each.name == b"content" and each.values:  # told to root alone
                told["content"] = each.values[0].decode("utf-8", "replace")
            if each.name == b"clone" and len(each.values) >= 5:
                with suppress(ValueError, OverflowError, OSError):  # what is no number is not ours
                    told["clones"].append(_clone(*[value.decode("utf-8", "replace") for value in each.values[:7]]))
            elif each.name == b"held" and each.values:
                told["word"] = each.values[0].decode("utf-8", "replace")
    return told


def _clone(
    place: str, waiting: str, sent: str, last: str, word: str, failures: str = "0", lag: str = "0"
) -> dict[str, Any]:
    """A clone, as its master tells of it."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(last))) if float(last) else None
    return {
        "clone": place, "waiting": int(waiting), "sent": int(sent), "last_push": when, "word": word,
        "failures": int(failures), "lag": float(lag),
    }  # fmt: skip


def _is_here(address: str) -> bool:
    """Whether an address other than loopback's is this machine's."""
    from portlore.netinfo.surroundings import addresses

    return not address.startswith("127.") and address in addresses()


def _said(error: Exception) -> str:
    from portlore.netinfo.client import told

    return told(error.status) if isinstance(error, NetInfoError) else str(error)


def _lines(one: dict[str, Any]) -> list[str]:
    """A domain as people read it."""
    from portlore.cli.bound import parent_lines
    from portlore.render.terminal import clean

    word = f": {one['word']}" if one.get("word") else ""
    found = [f"{clean(one['domain'])}  {'healthy' if one['healthy'] else 'NOT HEALTHY'}{clean(word)}"]
    for row in one["servers"]:
        parts = [f"  {row['server']:24} {row['role'] or 'no answer':9}"]
        if row["role"] is not None:
            parts.append(f"checksum {row['checksum']}")
            other = "OTHER CONTENTS THAN THE MASTER'S" if row.get("fork") else "OTHER THAN THE MASTER'S"
            parts.append("" if row["equal"] is None else "equal" if row["equal"] else other)
        if row.get("waiting"):
            parts.append(f"{row['waiting']:,} writes wait")
        if row.get("lag"):
            parts.append(f"waited for since {row['lag']:,.0f} s")
        if row.get("failures"):
            parts.append(f"{row['failures']:,} failures in a row")
        if row.get("last_push"):
            parts.append(f"last push {row['last_push']}")
        parts.append(row["word"])
        found.append(clean("  ".join(part for part in parts if part)))
    return [*found, *map(clean, parent_lines(one, one["servers"][0]))]
