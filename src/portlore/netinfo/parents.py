"""Edge: finding the parent domain's server: where /machines says, or by broadcast (SPEC 4)."""

from __future__ import annotations

import random
import select
import socket
import time

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo import binder as nibind
from portlore.netinfo.procedures import is_forced_root
from portlore.netinfo.sockets import EVERYBODY, networks
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.portmap import Indirect
from portlore.oncrpc.xdr import XdrError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.answering import Service
    from portlore.netinfo.domain import Domain

NETROOT, NORESPONSE = NUMBERS["NETROOT"], NUMBERS["NORESPONSE"]
ANYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound to
RESENT = (0.5, 0.5, 1.0)  # seconds to wait after each broadcast
PATIENCE = 1.0  # seconds for a server whose address is known
ASKED_ELSEWHERE = (b"-DHCP-", b"-BOOTPARAMS-")  # tags that stand for an answer of DHCP or bootparam, not asked here


def candidates(domain: Domain) -> list[tuple[str, bytes]]:
    """Where a parent may be: (address, tag) of every machine that serves ``../TAG``; none where ``isRoot`` says so.

    Not where this domain itself is (``./TAG``): it would be its own parent for ever.
    """
    if is_forced_root(domain):
        return []
    machines = domain.path(b"machines")
    found: list[tuple[bytes, bytes]] = []
    own: set[tuple[bytes, bytes]] = set()
    for number in domain.directories[machines].children if machines is not None else ():
        addresses = domain.values(number, b"ip_address") or ()
        for value in domain.values(number, b"serves") or ():
            name, slash, tag = value.partition(b"/")
            if name == b".." and slash and _is_address(addresses[:1]) and tag not in ASKED_ELSEWHERE:
                found.append((addresses[0], tag))
            if name == b".":
                own.update((address, tag) for address in addresses)
    return [(address.decode(), tag) for address, tag in found if (address, tag) not in own]


def _is_address(first: tuple[bytes, ...]) -> bool:
    try:
        return bool(first) and bool(socket.inet_pton(socket.AF_INET, first[0].decode("ascii")))
    except (OSError, UnicodeDecodeError):
        return False


class Parent:
    """Who the parent's server is, as far as it was found. :meth:`seek` waits for answers, :meth:`server` does not."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.found: tuple[bytes, int] | None = None
        self._sought = False

    def __str__(self) -> str:
        if self.found is None:
            return "none"
        return (
            f"{socket.inet_ntoa(self.found[1].to_bytes(4, 'big'))}/{self.found[0].decode('utf-8', 'backslashreplace')}"
        )

    def server(self) -> tuple[bytes, int]:
        """(tag, address) at once; NETROOT where there is no parent to be had, NORESPONSE while it is being sought."""
        if self.found is not None:
            return self.found
        sought = self._sought and not self._service.policy.nextstep  # that generation goes on seeking
        raise NetInfoError(NETROOT if sought or not candidates(self._service.domain) else NORESPONSE)

    def known(self, own: str) -> list[tuple[str, bytes]]:
        """The candidates for a domain that is served at an address, which is none itself."""
        itself = [(address, self._service.tag) for address in ("127.0.0.1", own)]
        found = [one for one in candidates(self._service.domain) if one not in itself]
        self._sought = self._sought or not found
        return found

    def seek(self, own: str, known: list[tuple[str, bytes]]) -> None:
        """Look for the parent from our address: those whose address is known first, in any order, then by broadcast.

        It may be called on another thread, so the domain, which has no lock, is not looked at here.
        """
        tries = random.sample(known, len(known))  # as the original does: so that no server has all the children
        for address, tag in sorted(tries, key=lambda one: one[0] == EVERYBODY):
            if address == EVERYBODY:
                address = broadcast(own, self._service.tag, tag)
            elif not answers(address, tag):
                continue
            if address:
                self.found, self._sought = (tag, _number(address)), True
                return
        self.found, self._sought = None, True


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
