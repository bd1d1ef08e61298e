"""Edge: finding the parent domain's server: where /machines or DHCP says, or by broadcast (SPEC 4)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import select
import socket
import time

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo import binder as nibind
from portlore.netinfo import dhcp
from portlore.netinfo.binding import Binding, State, shown
from portlore.netinfo.procedures import is_forced_root
from portlore.netinfo.sockets import ANYWHERE, EVERYBODY, networks
from portlore.netinfo.surroundings import addresses
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.portmap import Indirect
from portlore.oncrpc.xdr import XdrError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.netinfo.answering import Service
    from portlore.netinfo.domain import Domain

NETROOT, NORESPONSE = NUMBERS["NETROOT"], NUMBERS["NORESPONSE"]
RESENT = (0.5, 0.5, 1.0)  # seconds to wait after each broadcast
PATIENCE = 1.0  # seconds for a server whose address is known
AT_FIRST = 0.25  # seconds: the parent's server may come up in this very process; each wait is twice the last
SOONEST, SELDOM = 2.0, 30.0  # seconds between two looks: while somebody asks for one that is missing, and else
LONGEST = 5.0  # seconds after which a look tries nobody else
DHCP, BOOTPARAMS = b"-DHCP-", b"-BOOTPARAMS-"  # tags that stand for what others tell


def candidates(domain: Domain) -> list[tuple[str, bytes]]:
    """Where a parent may be: (address, tag) of every machine that serves ``../TAG``; none where ``isRoot`` says so.

    Not where this domain itself is (``./TAG``): it would be its own parent for ever. The tag DHCP stands for what that
    tells; ``-BOOTPARAMS-`` likewise for bootparam, which is not asked here.
    """
    return [] if is_forced_root(domain) else _named(domain)[0]


def _named(domain: Domain) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """All that are named as the parent: others, and this domain itself."""
    machines = domain.path(b"machines")
    found: list[tuple[bytes, bytes]] = []
    own: set[tuple[bytes, bytes]] = set()
    for number in domain.directories[machines].children if machines is not None else ():
        addresses = domain.values(number, b"ip_address") or ()
        for value in domain.values(number, b"serves") or ():
            name, slash, tag = value.partition(b"/")
            if name == b".." and slash and _is_address(addresses[:1]) and tag != BOOTPARAMS:
                found.append((addresses[0], tag))
            if name == b".":
                own.update((address, tag) for address in addresses)
    others = [(address.decode(), tag) for address, tag in found if (address, tag) not in own]
    return others, [(address.decode(), tag) for address, tag in found if (address, tag) in own]


def _is_address(first: tuple[bytes, ...]) -> bool:
    try:
        return bool(first) and bool(socket.inet_pton(socket.AF_INET, first[0].decode("ascii")))
    except (OSError, UnicodeDecodeError):
        return False


class Parent:
    """Who the parent's server is, as far as it was found: :meth:`follow` looks now and then, the rest never waits.

    A parent that is found is kept for as long as it answers (SPEC 4); one that is gone is sought anew.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.found: tuple[bytes, int] | None = None
        self._by: tuple[str, bytes] | None = None  # the candidate that led to it
        self._known: Sequence[tuple[str, bytes]] = ()
        self._itself = False  # nobody else is named
        self._sought = False
        self._since = time.time()
        self._asked = asyncio.Event()
        self._circle = ""
        self._ended = False

    def __str__(self) -> str:
        return "none" if self.found is None else shown(_dotted(self.found[1]), self.found[0])

    def server(self) -> tuple[bytes, int]:
        """(tag, address) at once; NETROOT where there is no parent to be had, NORESPONSE while it is being sought."""
        if self.found is not None:
            return self.found
        self._asked.set()
        sought = self._sought and not self._service.policy.nextstep  # that generation goes on seeking
        raise NetInfoError(NETROOT if sought or not candidates(self._service.domain) else NORESPONSE)

    def binding(self) -> Binding:
        """What there is to tell of it."""
        domain = self._service.domain
        others, itself = _named(domain)
        named = () if is_forced_root(domain) else tuple(shown(*one) for one in others + itself)
        if self.found is not None:
            return Binding(State.BOUND, str(self), self._since, named)
        if not named:
            return Binding(State.FORCED_ROOT if is_forced_root(domain) else State.ROOT)
        if self._itself:
            return Binding(State.ITSELF, "", self._since, named)
        looked = self._sought and self._known  # else it was named a moment ago
        return Binding(State.MISSING if looked else State.SOUGHT, "", self._since, named)

    def known(self, own: str) -> list[tuple[str, bytes]]:
        """The candidates for a domain that is served at an address (0.0.0.0: at all), which is none itself."""
        here = {"127.0.0.1", own} | (addresses() if own == ANYWHERE else set())
        itself = [(address, self._service.tag) for address in here]
        self._known = found = [one for one in candidates(self._service.domain) if one not in itself]
        self._sought = self._sought or not found
        self._itself = not found and not is_forced_root(self._service.domain) and any(_named(self._service.domain))
        return found

    async def follow(self, own: str, served: Callable[[], bool], log: Callable[[str], None]) -> None:
        """Look for the parent for as long as the domain is ``served``, away from the event loop; ``log`` what changed.

        ``own``: the address that the domain is served at.
        """
        told, wait = (State.ROOT, ""), AT_FIRST
        try:
            while served():
                known = self.known(own)
                if known or self.found is not None:
                    await asyncio.to_thread(self.seek, own, known)
                now = self.binding()
                if (now.state, now.parent) != told:
                    told = now.state, now.parent
                    log(f"parent tag={_text(self._service.tag)} {_told(now)}")
                if self._circle:
                    log(f"parent tag={_text(self._service.tag)} {self._circle}")
                    self._circle = ""
                wait = SELDOM if self.found is not None or not known else min(wait * 2, SELDOM)
                await self._pause(wait)
        finally:
            self._ended = True

    async def _pause(self, wait: float) -> None:
        """Wait, but for SOONEST seconds only when somebody asks for the parent meanwhile, and there is none."""
        await asyncio.sleep(min(wait, SOONEST))
        if wait > SOONEST:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), wait - SOONEST)
        self._asked.clear()

    def seek(self, own: str, known: list[tuple[str, bytes]]) -> None:
        """See whether the parent is still there; else look for one from our address, within about LONGEST seconds.

        Those whose address is known come first, in any order, then who answers a broadcast. It may be called on another
        thread, so the domain, which has no lock, is not looked at here.
        """
        if self.found is not None and self._by in known:
            place = _dotted(self.found[1]), self.found[0]
            if answers(*place) or answers(*place):  # a busy one may miss the first
                return
        before, self._by = self.found, None
        found, until = None, time.monotonic() + LONGEST
        tries = random.sample(known, len(known))  # as the original does: so that no server has all the children
        for one in sorted(tries, key=lambda one: (one[0] == EVERYBODY, one[1] == DHCP)):
            if self._ended or time.monotonic() > until:
                break
            found = self._tried(own, one)
            if found is not None:
                self._by = one
                break
        if found != before or not self._sought:
            self._since = time.time()
        self.found, self._sought = found, True
        if found is not None and found != before:
            self._circle = circle(_dotted(found[1]), found[0])

    def _tried(self, own: str, one: tuple[str, bytes]) -> tuple[bytes, int] | None:
        """The parent, if it is to be had by this candidate."""
        address, tag = one
        if tag == DHCP:
            given = [place for place in dhcp.parents(own) if answers(*place)][:1]
            return (given[0][1], _number(given[0][0])) if given else None
        if address == EVERYBODY:
            address = broadcast(own, self._service.tag, tag)
            here = {own} | (addresses() if own == ANYWHERE else set())
            if tag == self._service.tag and address in here:  # our own binder heard it
                return None
            return (tag, _number(address)) if address else None
        return (tag, _number(address)) if answers(address, tag) else None


def _told(now: Binding) -> str:
    """A binding for the log."""
    named = ",".join(now.sought)
    if now.state == State.BOUND:
        return f"bound={now.parent}"
    if now.state == State.MISSING:
        return f"bound=none sought={named}: none answers; it is sought again and again"
    if now.state == State.ITSELF:
        return f"bound=none loop: /machines names this very domain as its own parent ({named})"
    return f"bound=none: the {now.state}"


def _text(tag: bytes) -> str:
    return tag.decode("utf-8", "backslashreplace")


def circle(address: str, tag: bytes) -> str:
    """The loop that a new parent is part of, in words; empty without one, as far as can be seen."""
    from portlore.netinfo.client import Place, connect
    from portlore.netinfo.hierarchy import INVALIDDOMAIN, upwards

    try:
        with contextlib.ExitStack() as closing:
            first = connect((Place(address, tag),), PATIENCE)
            for each in upwards(closing.enter_context(first)):
                if each is not first:
                    closing.enter_context(each)
    except NetInfoError as refusal:
        return str(refusal.found) if refusal.status == INVALIDDOMAIN else ""
    except (PortloreError, OSError):
        pass
    return ""


def _dotted(number: int) -> str:
    return socket.inet_ntoa(number.to_bytes(4, "big"))


def _number(address: str) -> int:
    return int.from_bytes(socket.inet_aton(address), "big")


def answers(address: str, tag: bytes) -> bool:
    """Whether the server of a tag at an address answers, within a second or so."""
    from portlore.netinfo.client import open_server

    try:
        with open_server(address.encode() + b"/" + tag, PATIENCE) as handle:
            handle.root()
    except (PortloreError, OSError):
        return False
    return True


def broadcast(own: str, own_tag: bytes, tag: bytes) -> str:
    """Call for a parent on the network (CALLIT of the binder's BIND); the address that answered, or nothing.

    ``own``: our address; with 0.0.0.0 every network of this machine is called, each with our address in it.
    """
    lines: dict[socket.socket, tuple[Call, str]] = {}
    try:
        for ours, everybody in networks() or [(own, EVERYBODY)]:
            if own in (ours, ANYWHERE):
                line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                lines[line] = _call(ours, own_tag, tag), everybody
                line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                line.bind((ours, 0))
        for wait in RESENT:
            for line, (call, everybody) in lines.items():
                line.sendto(encode_call(call), (everybody, portmap.PORT))
            if found := _first_success(lines, time.monotonic() + wait):
                return found
    except OSError:
        return ""
    finally:
        for line in lines:
            line.close()
    return ""


def _first_success(lines: dict[socket.socket, tuple[Call, str]], until: float) -> str:
    while (left := until - time.monotonic()) > 0:
        for line in select.select(list(lines), [], [], left)[0]:
            data, peer = line.recvfrom(8800)
            if _is_success(data, lines[line][0].xid):
                return str(peer[0])
    return ""


def _call(own: str, own_tag: bytes, tag: bytes) -> Call:
    given = nibind.encode_arguments(nibind.Binding(_number(own), own_tag, tag))
    inner = portmap.indirect(Indirect(nibind.PROGRAM, nibind.VERSION, nibind.BIND, given))
    return Call(random.getrandbits(32), portmap.PROGRAM, portmap.VERSION, portmap.CALLIT, NOBODY, NOBODY, inner)


def _is_success(data: bytes, xid: int) -> bool:
    try:
        reply = decode_reply(data)
    except XdrError:
        return False
    return (reply.xid, reply.accepted) == (xid, SUCCESS)
