"""Edge: packets of an interface of this machine, through a ring of bounded memory that the kernel fills (packet(7)).

Nothing is sent, and the interface is not switched to promiscuous mode unless that is asked for.
"""

from __future__ import annotations

import mmap
import select
import socket
import sys
import time
from struct import Struct

import numpy as np

from portlore.capture.decoding import COOKED, ETHERNET, PAD, Batch
from portlore.errors import HostError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ANY = "any"
BLOCK, BLOCKS, FRAME = 1 << 19, 32, 2048  # bytes of a block of the ring, how many of them
RETIRE = 100  # milliseconds after which a block is handed over though it is not full
GRACE = 2.5 * RETIRE / 1000  # seconds that are waited for the last block
EVERY_PROTOCOL = 0x0003  # ETH_P_ALL of linux/if_ether.h
# linux/if_packet.h and linux/socket.h
SOL_PACKET, RX_RING, GET_STATISTICS, VERSION, ADD_MEMBERSHIP, IGNORE_OUTGOING = 263, 5, 6, 10, 1, 23
V3, PROMISCUOUS, OUTGOING = 2, 1, 4
USER, KERNEL = 1, 0  # whose a block is
HEAD = Struct(
    "=IIIIIIHH"
)  # tpacket3_hdr: next, seconds, nanoseconds, captured, length, status, link head, network head
SENDER = Struct("=HHiHBB")  # sockaddr_ll, at the end of the head: family, protocol, interface, hardware, packet type …
SENDER_AT = 48
BLOCK_HEAD = Struct("=IIIIII")  # version, private, status, packets, first, length
HARDWARE_OF = 0x8927  # SIOCGIFHWADDR of linux/sockios.h
REQUEST = Struct("=16sH22x")  # ifreq: the name, then an address that begins with the kind of hardware
ETHERNET_LIKE = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK
LOOPBACK = "lo"


class Listening:
    """An interface that is listened to.

    :meth:`batches` gives its packets until ``until`` (seconds of the clock that :func:`time.monotonic` reads) or for
    ever; an empty batch when there were none for a while. Asked again, it goes on where it was.

    ``dropped``: packets that came when the ring was full. ``notes`` as of a file.
    """

    def __init__(self, name: str, *, promiscuous: bool = False) -> None:
        self.name, self.notes = name, list[str]()
        self.dropped, self.read, self.size = 0, 0, 0
        self._next = 0  # block of the ring
        asked = f"portlore capture -i {name[:40]}"
        if sys.platform != "linux":
            raise HostError(asked, "listening to interfaces is there on Linux only", "capture to a file and read that")
        index = 0
        if name != ANY:
            try:
                index = socket.if_nametoindex(name)
            except (OSError, ValueError):
                known = ", ".join(one for _, one in socket.if_nameindex())
                raise InputError(asked, "there is no such interface", f"name one of {known}, any") from None
        elif promiscuous:
            raise InputError(asked, "--promiscuous is for one interface", "name it, or leave the option out")
        self._cooked = name == ANY or not _is_ethernet(name)  # without the link's header, whatever that is
        try:
            # Of no protocol it hears nothing until it is bound; without an interface to be bound to, all from now on.
            kind = socket.SOCK_DGRAM if self._cooked else socket.SOCK_RAW
            on = 0 if index else socket.htons(EVERY_PROTOCOL)
            self._socket = socket.socket(socket.AF_PACKET, kind, on)
        except PermissionError:
            do = "run as root, or with CAP_NET_RAW (setcap cap_net_raw+ep on this Python)"
            raise HostError(asked, "this user may not listen to packets", do) from None
        try:
            self._set_up(index, promiscuous=promiscuous)
        except OSError as error:
            self._socket.close()
            raise HostError(asked, f"the kernel refused: {error.strerror}", "see `ip link`") from None

    def _set_up(self, index: int, *, promiscuous: bool) -> None:
        line = self._socket
        line.setsockopt(SOL_PACKET, VERSION, V3)
        ring = Struct("=7I").pack(BLOCK, BLOCKS, FRAME, BLOCK * BLOCKS // FRAME, RETIRE, 0, 0)
        line.setsockopt(SOL_PACKET, RX_RING, ring)
        if self.name == LOOPBACK:  # there every packet comes twice: sent, and received
            line.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        self._skip = socket.if_nametoindex(LOOPBACK) if self.name == ANY else -1
        if promiscuous and index:
            line.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, Struct("=iHH8s").pack(index, PROMISCUOUS, 0, b""))
        self._ring = mmap.mmap(line.fileno(), BLOCK * BLOCKS)
        if index:
            line.bind((self.name, EVERY_PROTOCOL))

    def close(self) -> None:
        """Stop listening."""
        self._ring.close()
        self._socket.close()

    def count_dropped(self) -> None:
        """Ask the kernel what it dropped since the last time."""
        self.dropped += Struct("=III").unpack(self._socket.getsockopt(SOL_PACKET, GET_STATISTICS, 12))[1]

    def batches(self, until: float | None = None) -> Iterator[Batch]:
        """The packets, as they come."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN | select.POLLERR)
        end = float("inf") if until is None else until + GRACE
        latest = float("inf") if until is None else time.time() + until - time.monotonic()  # by the packets' clock
        while time.monotonic() < end:
            at = self._next * BLOCK
            if not BLOCK_HEAD.unpack_from(self._ring, at)[2] & USER:
                left = min(RETIRE, (end - time.monotonic()) * 1000)
                if not waiting.poll(max(1, left)):
                    self.count_dropped()
                    yield self._batch(b"", [])
                elif self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.notes.append(f"the interface {self.name} is down")
                    return
                continue
            data = self._ring[at : at + BLOCK]
            self._ring[at + 8 : at + 12] = KERNEL.to_bytes(4, sys.byteorder)  # the block is the kernel's again
            self._next = (self._next + 1) % BLOCKS
            self.count_dropped()
            found = self._walk(data)
            yield self._batch(data, [one for one in found if one[3] <= latest])
            if found and found[-1][3] > latest:
                return

    def _walk(self, data: bytes) -> list[tuple[int, int, int, float, int]]:
        """Where the packets of a block are: begin, captured, length, time, link."""
        _, _, _, count, at, _ = BLOCK_HEAD.unpack_from(data)
        found = []
        for _ in range(count):
            after, seconds, parts, captured, length, _, begin, _ = HEAD.unpack_from(data, at)
            link = ETHERNET
            if self._cooked:
                _, protocol, index, _, kind, _ = SENDER.unpack_from(data, at + SENDER_AT)
                link = COOKED + socket.ntohs(protocol)
                if kind == OUTGOING and index == self._skip:
                    at += after
                    continue
            found.append((at + begin, captured, length, seconds + parts / 1e9, link))
            at += after
        return found

    def _batch(self, data: bytes, found: list[tuple[int, int, int, float, int]]) -> Batch:
        at, captured, length, link = (np.array([one[field] for one in found], np.int64) for field in (0, 1, 2, 4))
        return Batch(data + bytes(PAD), at, captured, length, np.array([one[3] for one in found]), link)


def _is_ethernet(name: str) -> bool:
    """Whether frames there begin with Ethernet's header. Asked of this network namespace, which /sys may not show."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        answer = fcntl.ioctl(line, HARDWARE_OF, REQUEST.pack(name.encode(), 0))
    return REQUEST.unpack(answer)[1] in ETHERNET_LIKE
