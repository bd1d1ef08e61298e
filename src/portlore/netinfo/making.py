"""A new domain that old machines can bind to: its master, its machines, a first user. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import LAST, Property, Record, properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from portlore.netinfo.domain import Directory

EMPTY = ("aliases", "locations", "mounts", "networks", "printers")  # what tools of old expect to find
STAFF, WHEEL = "20", "0"


def machine(text: str) -> tuple[str, str]:
    """``NAME=ADDRESS`` as both; :class:`InputError` otherwise."""
    name, equals, address = text.partition("=")
    parts = address.split(".")
    right = len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)
    if not name or not equals or not right or "/" in name:
        raise InputError(f"the machine {text!r}", "not NAME=ADDRESS", "write one such as next1=10.0.0.5")
    return name, address


def minimal_domain(tag: str, hostname: str, address: str) -> Domain:
    """What a server makes when it is told to create a master (SPEC 1): itself as the master, and nothing else."""
    domain = Domain.of([Record(0, 0, 0, properties([("master", [f"{hostname}/{tag}"])]), ())])
    machines = domain.create(domain.at(0), properties([("name", ["machines"])]), LAST)
    own = [address] if not address.startswith(("127.", "0.0.0.0")) else []  # noqa: S104 - not an address to be known by
    pairs = [("name", [hostname]), ("ip_address", own), ("serves", [f"./{tag}"])]
    domain.create(machines, properties(pairs), LAST)
    domain.take()
    return domain


def minimal_clone(master: str, address: str, tag: str) -> Domain:
    """What a server makes when it is told to create a clone (SPEC 1): who the master is, and nothing else."""
    domain = Domain.of([Record(0, 2, 0, properties([("master", [f"{master}/{tag}"])]), ())])
    machines = domain.create(domain.at(0), properties([("name", ["machines"])]), LAST)
    domain.create(machines, properties([("name", [master]), ("ip_address", [address]), ("serves", [f"./{tag}"])]), LAST)
    domain.take()
    return domain


def new_domain(
    tag: str, host: tuple[str, str], machines: Iterable[tuple[str, str]], user: str, uid: int, hashed: bytes
) -> Domain:
    """A domain whose master is ``host`` (name, address) under a tag, with machines that may bind and a first user.

    ``hashed``: the user's password as crypt(3) gives it. The user is in the group wheel; root's password is ``*``, so
    that nobody is root here by password until somebody sets one.
    """
    domain = Domain.of([Record(0, 0, 0, properties([("master", [f"{host[0]}/{tag}"])]), ())])
    root = domain.at(0)

    def add(parent: Directory, *pairs: tuple[str, list[str]]) -> Directory:
        return domain.create(parent, properties(pairs), LAST)

    known = add(root, ("name", ["machines"]))
    add(known, ("name", [host[0]]), ("ip_address", [host[1]] if host[1] else []), ("serves", [f"./{tag}"]))
    for name, address in machines:
        add(known, ("name", [name]), ("ip_address", [address]), ("serves", [f"{name}/local"]))
    users = add(root, ("name", ["users"]))
    add(users, *_user("root", 0, WHEEL, "*", "/"))
    one = add(users, *_user(user, uid, STAFF, "", f"/home/{user}"))
    given = one.properties
    at = [each.name for each in given].index(b"passwd")
    domain.write(one, (*given[:at], Property(b"passwd", (hashed,)), *given[at + 1 :]))
    groups = add(root, ("name", ["groups"]))
    add(groups, ("name", ["wheel"]), ("gid", [WHEEL]), ("passwd", ["*"]), ("users", ["root", user]))
    add(groups, ("name", ["staff"]), ("gid", [STAFF]), ("passwd", ["*"]), ("users", [user]))
    for name in EMPTY:
        add(root, ("name", [name]))
    domain.take()
    return domain


def _user(name: str, uid: int, gid: str, passwd: str, home: str) -> tuple[tuple[str, list[str]], ...]:
    return (
        ("name", [name]),
        ("passwd", [passwd]),
        ("uid", [str(uid)]),
        ("gid", [gid]),
        ("realname", [name]),
        ("home", [home]),
        ("shell", ["/bin/csh"]),
        ("_writers_passwd", [name]),
    )
