"""Edge: the hierarchy of domains (SPEC 3.5): the one above, those below, all up to the root, and their names.

A climb ends at the root, or is told why not by :class:`Astray`: a parent that does not answer costs PATIENCE seconds
for its binder, and as many for itself; a domain that was passed before is a loop.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import ExitStack

from portlore.errors import NetInfoError
from portlore.netinfo.answering import REPLICAS
from portlore.netinfo.binding import Binding, State, parse_binding, shown
from portlore.netinfo.client import connect, located, told
from portlore.netinfo.handle import NODIR, Place
from portlore.netinfo.values import NUMBERS, ROOT, NiId, first
from portlore.render.terminal import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.netinfo.handle import Handle

LOG = logging.getLogger("portlore.netinfo.hierarchy")
PATIENCE = 1.0  # seconds for a server above or below: its binder's answer, then its own
DEEPEST = 32  # domains above one another
NETROOT, NORESPONSE, INVALIDDOMAIN = (NUMBERS[name] for name in ("NETROOT", "NORESPONSE", "INVALIDDOMAIN"))
NAME, MACHINES, SERVES = b"name", b"machines", b"serves"
SEE = "see what runs there, and the ../TAG in /machines of the domain below: portlore netinfo status"
MEND = "one of them names the wrong parent: correct ../TAG in its /machines"


class Astray(NetInfoError):
    """A climb that comes to no root. ``found`` names the domains as ADDRESS/TAG.

    ``status``: NORESPONSE for a parent that does not answer, INVALIDDOMAIN for a loop of parents.
    """

    def __init__(self, status: int, asked: str, found: str, do: str) -> None:
        super().__init__(status)
        self.asked, self.found, self.do = clean(asked), clean(found), do


def upwards(handle: Handle) -> Iterator[Handle]:
    """A domain and those above it, up to the root; who takes one closes it. :class:`Astray` where there is no root."""
    line = handle.connection
    way, passed = [shown(line.address, handle.tag)], {(line.address, line.port): 0}
    start = line.port if line.address.startswith("127.") else 0
    yield handle
    for level in range(1, DEEPEST + 1):
        try:
            handle = parent_of(handle)
        except NetInfoError as refusal:
            if refusal.status != NETROOT:
                raise
            return
        line = handle.connection
        if start:  # this machine, by the address that others know it by
            passed.setdefault((line.own_address, start), 0)
        way.append(shown(line.address, handle.tag))
        began = passed.setdefault((line.address, line.port), level)
        if began != level:
            handle.close()
            found = "a loop of parents: " + " > ".join(way[began:])
            raise Astray(INVALIDDOMAIN, f"climbing from {way[0]}", found, MEND)
        yield handle
    found = f"more than {DEEPEST} domains above one another, the last {way[-1]}"
    raise Astray(INVALIDDOMAIN, f"climbing from {way[0]}", found, MEND)


def parent_of(handle: Handle) -> Handle:
    """The domain above; NETROOT for the root, :class:`Astray` where one is named that does not answer.

    Its server is the one that ours is bound to. What it says of the domain's servers is kept; if it is none of them
    itself, it has no business to answer, and they are asked instead (SPEC 3.5).
    """
    itself, timeout = shown(handle.connection.address, handle.tag), handle.connection.timeout
    try:
        tag, address = handle.rparent()
    except NetInfoError as refusal:
        if refusal.status not in (NETROOT, NORESPONSE):
            raise
        if lost := why_lost(handle, sought=refusal.status == NORESPONSE):
            raise lost from None
        raise
    if address.startswith("127.") and not handle.connection.address.startswith("127."):
        address = handle.connection.address  # its server's own machine, not ours
    try:
        above = connect((Place(address, tag),), timeout, patience=PATIENCE)
    except NetInfoError as refusal:
        found = f"{told(NORESPONSE)}: {shown(address, tag)} ({told(refusal.status)})"
        raise Astray(NORESPONSE, f"the parent of {itself}", found, SEE) from refusal
    above.connection.timeout = timeout
    try:
        servers = servers_of(above)
    except BaseException:
        above.close()
        raise
    if _rogue(Place(address, tag), servers):
        LOG.warning("the parent's server %s is a rogue: not among the servers of its domain", address)
        above.close()
        above = connect(servers, timeout, patience=PATIENCE)
        above.connection.timeout = timeout
        return above
    if servers:
        above.servers = servers
        above.connection.locate = lambda left: located(servers, left)
    return above


def why_lost(handle: Handle, *, sought: bool = False) -> Astray | None:
    """Why a domain is bound to no parent although one is named; ``None`` for a root.

    ``sought``: its server says that it is looking for one.
    """
    lost = binding_of(handle)
    itself, named = shown(handle.connection.address, handle.tag), ", ".join(lost.sought) or "those in its /machines"
    asked = f"the parent of {itself}"
    if lost.state == State.ITSELF:
        return Astray(INVALIDDOMAIN, asked, f"a loop of parents: {itself} > {named}, which is the same server", MEND)
    if lost.state == State.MISSING:
        return Astray(NORESPONSE, asked, f"{told(NORESPONSE)}: none answers of {named}", SEE)
    if lost.state == State.SOUGHT or sought:
        return Astray(NORESPONSE, asked, f"{told(NORESPONSE)}: being sought at {named}", "try again in a few seconds")
    return None


def binding_of(handle: Handle) -> Binding:
    """How a domain's server says that it is bound; ``unknown`` for one that does not tell."""
    kept = handle.connection.credential
    try:
        handle.set_password(REPLICAS)
        return parse_binding(handle.statistics())
    except NetInfoError:
        return Binding(State.UNKNOWN)
    finally:
        handle.connection.credential = kept


def _rogue(server: Place, servers: Iterable[Place]) -> bool:
    """Whether a server that others told us of is none of its domain's; one of this machine's always is."""
    addresses = {place.address for place in servers}
    return bool(addresses) and server.address not in addresses and not server.address.startswith("127.")


def servers_of(handle: Handle) -> tuple[Place, ...]:
    """The servers of a domain: those of its statistics, which newer servers give, else those in its ``/machines``."""
    try:
        given = first(handle.statistics(), b"domain_servers")
    except NetInfoError:
        given = None
    if given is not None:
        pairs = [value.partition(b"/") for value in given.values]
        return _places((address, tag) for address, _, tag in pairs)
    try:
        return _places(_serving(handle, b"."))
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        return ()


def _served(handle: Handle) -> Iterator[tuple[int, bytes, bytes]]:
    """What the machines of a domain serve: the machine, the domain's name as seen from here, the tag."""
    machines = handle.lookup(NiId(ROOT, 0), NAME, MACHINES)[0]
    for number, values in handle.list_values(NiId(machines, 0), SERVES):
        for value in values or ():
            name, slash, tag = value.partition(b"/")
            if slash:
                yield number, name, tag


def _addresses(handle: Handle, number: int) -> tuple[bytes, ...]:
    found = first(handle.read(NiId(number, 0)).properties, b"ip_address")
    return found.values if found else ()


def _serving(handle: Handle, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (address, tag) of every server of a domain, named as it is seen from here."""
    for number, called, tag in list(_served(handle)):
        if called == name:
            for address in _addresses(handle, number):
                yield address, tag


def _places(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[Place, ...]:
    """Servers, each once; what is no IPv4 address is none."""
    found = []
    for address, tag in pairs:
        try:
            found.append(Place(socket.inet_ntoa(socket.inet_aton(os.fsdecode(address))), tag))
        except OSError:
            continue
    return tuple(dict.fromkeys(found))


def children_of(handle: Handle) -> list[tuple[bytes, bytes]]:
    """The domains below: the name of each, once, and its tag on the first machine that serves it."""
    found: dict[bytes, bytes] = {}
    for _, name, tag in _served(handle):
        if name not in (b"", b".", b".."):
            found.setdefault(name, tag)
    return list(found.items())


def child_of(handle: Handle, name: bytes) -> Handle:
    """A domain below, by the first of its servers that answers; NODIR without any."""
    timeout = handle.connection.timeout
    below = connect(_places(_serving(handle, name)), timeout, patience=PATIENCE)
    below.connection.timeout = timeout
    return below


def name_of(handle: Handle) -> bytes:
    """A domain's name: its place in the hierarchy; where its parent does not list it, ``tag@address`` there."""
    steps: list[bytes] = []
    here = handle
    with ExitStack() as closing:
        for above in upwards(handle):
            if above is handle:
                continue
            closing.enter_context(above)
            steps.append(_name_below(above, here))
            here = above
    return b"/" + b"/".join(reversed(steps))


def _name_below(above: Handle, here: Handle) -> bytes:
    """What a domain's parent calls it: by the address and tag of a server of it, on this machine by any address."""
    address = here.connection.address
    servers = {(address.encode(), here.tag), *((one.address.encode(), one.tag) for one in here.servers)}
    if address.startswith("127."):
        given = first(here.statistics(), b"ip_address")
        own = {above.connection.own_address.encode(), *(given.values if given else ())}
        servers |= {(one, here.tag) for one in own}
        address = above.connection.own_address
    name = _listed(above, servers)
    if name is None and address.startswith("127."):  # both on this machine: what it says of itself
        name = _listed(above, {(one.address.encode(), one.tag) for one in servers_of(here)})
    return here.tag + b"@" + address.encode() if name is None else name


def _listed(above: Handle, servers: set[tuple[bytes, bytes]]) -> bytes | None:
    """The name by which a domain lists the child that one of these serves, each an address and a tag; escaped."""
    tags = {tag for _, tag in servers}
    for number, name, tag in _served(above):
        if name in (b".", b"..") or tag not in tags:
            continue
        if servers.intersection((one, tag) for one in _addresses(above, number)):
            return name.replace(b"\\", b"\\\\").replace(b"/", b"\\/")
    return None
