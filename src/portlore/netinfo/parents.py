"""Edge: finding the parent domain's server: where /machines says, or by broadcast (SPEC 4)."""

from __future__ import annotations

import random
import socket
import time

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo import binder as nibind
from portlore.netinfo.coding import first_values
from portlore.netinfo.values import NUMBERS, ROOT
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.portmap import Indirect
from portlore.oncrpc.xdr import XdrError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.answering import Service
    from portlore.netinfo.domain import Domain

NETROOT, NORESPONSE = NUMBERS["NETROOT"], NUMBERS["NORESPONSE"]
EVERYBODY = "255.255.255.255"
RESENT = (0.5, 0.5, 1.0)  # seconds to wait after each broadcast
PATIENCE = 1.0  # seconds for a server whose address is known
YES = (b"YES", b"1", b"y")


def candidates(domain: Domain) -> list[tuple[str, bytes]]:
    """Where a parent may be: (address, tag) of every machine that serves ``../TAG``; none where ``isRoot`` says so."""
    root = domain.directories.get(ROOT)
    if root is None or (first_values(root.data, b"isRoot") or (b"",))[0] in YES:
        return []
    machines = domain.path(b"machines")
    found = []
    for number in domain.directories[machines].children if machines is not None else ():
        addresses = domain.values(number, b"ip_address")
        for value in domain.values(number, b"serves") or ():
            name, slash, tag = value.partition(b"/")
            if name == b".." and slash and addresses:
                found.append((addresses[0].decode("ascii", "replace"), tag))
    return found


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
        raise NetInfoError(NORESPONSE if candidates(self._service.domain) and not self._sought else NETROOT)

    def seek(self, own: str) -> None:
        """Look for the parent: those whose address is known first, in any order, then by broadcast."""
        known = candidates(self._service.domain)
        random.shuffle(known)  # as the original does: so that no server has all the children
        direct = [one for one in known if one[0] != EVERYBODY]
        for address, tag in direct:
            if answers(address, tag):
                self.found, self._sought = (tag, int.from_bytes(socket.inet_aton(address), "big")), True
                return
        for _, tag in [one for one in known if one[0] == EVERYBODY]:
            address = broadcast(own, self._service.tag, tag)
            if address:
                self.found, self._sought = (tag, int.from_bytes(socket.inet_aton(address), "big")), True
                return
        self.found, self._sought = None, True


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
    """Call for a parent on the network (CALLIT of the binder's BIND); the address that answered, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        given = nibind.encode_arguments(nibind.Binding(int.from_bytes(socket.inet_aton(own), "big"), own_tag, tag))
        inner = Indirect(nibind.PROGRAM, nibind.VERSION, 8, given)
        call = Call(1, portmap.PROGRAM, portmap.VERSION, portmap.CALLIT, NOBODY, NOBODY, portmap.indirect(inner))
        try:
            line.bind((own, 0))
            for wait in RESENT:
                line.sendto(encode_call(call), (EVERYBODY, portmap.PORT))
                until = time.monotonic() + wait
                while (left := until - time.monotonic()) > 0:
                    line.settimeout(left)
                    try:
                        data, peer = line.recvfrom(8800)
                    except TimeoutError:
                        break
                    if _is_success(data):
                        return str(peer[0])
        except OSError:
            return ""
    return ""


def _is_success(data: bytes) -> bool:
    try:
        return decode_reply(data).accepted == SUCCESS
    except XdrError:
        return False
