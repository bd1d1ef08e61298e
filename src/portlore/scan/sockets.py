"""Edge: what engines on ordinary sockets share: addresses as socket calls want them, ICMP errors, descriptors."""

from __future__ import annotations

import _socket
import os
import socket
import sys
from math import gcd
from struct import unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.scan.plan import Block

    Error = tuple[int, int, int]

Socket = _socket.socket  # socket.socket adds Python code to each call; an engine makes millions
LINUX = sys.platform == "linux"
SPARE_DESCRIPTORS = 64  # left for the rest of the program
# linux/in.h, linux/in6.h, linux/socket.h: the option that has ICMP errors kept with type and code, and how to read them
RECVERR = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
MSG_ERRQUEUE = 0x2000
ICMP, ICMP6 = 2, 3  # the origin of an error (linux/errqueue.h)
PROHIBITED = {(ICMP, 3, 9), (ICMP, 3, 10), (ICMP, 3, 13), (ICMP6, 1, 1), (ICMP6, 1, 5)}  # origin, type, code
NO_SUCH_PORT = {(ICMP, 3, 3), (ICMP6, 1, 4)}


class Places:
    """Where the probes of a block go, as a socket call wants it."""

    def __init__(self, block: Block) -> None:
        self.family = socket.AF_INET if block.version == 4 else socket.AF_INET6
        size = 4 if block.version == 4 else 16
        self.texts = [socket.inet_ntop(self.family, number.to_bytes(size, "big")) for number in block.addresses]
        self.ports = block.ports
        zone = socket.if_nametoindex(block.zone) if block.zone else 0
        self.tail: tuple[int, ...] = () if block.version == 4 else (0, zone)

    def of(self, probe: int) -> tuple[str | int, ...]:
        """The socket address of a probe."""
        address, port = divmod(probe, len(self.ports))
        return (self.texts[address], self.ports[port], *self.tail)


def unasked(outcomes: bytearray, seed: int) -> Iterator[int]:
    """All probes without an outcome, each once, far from the one before: over addresses and over ports alike."""
    count = len(outcomes)
    step, place = max(1, int(count * 0.618) + seed % 97), seed % count if count else 0
    while gcd(step, count) != 1:
        step += 1
    for _ in range(count):
        if not outcomes[place]:
            yield place
        place = (place + step) % count


def errors(sock: Socket) -> Iterator[tuple[Error, bytes, tuple[str, int]]]:
    """ICMP errors that a socket got (struct sock_extended_err; recvmsg(2), ip(7)), until there is none.

    Each with origin, type and code, the packet's data that came back, and where that had been sent.
    """
    while True:
        try:
            data, told, _, sent_to = sock.recvmsg(64, 512, MSG_ERRQUEUE)
        except OSError:
            return
        for _, _, about in told:
            if len(about) >= 8:
                origin, kind, code = unpack_from("BBB", about, 4)
                yield (origin, kind, code), data, (sent_to or ("", 0))[:2]


class Descriptors:
    """As many descriptors as this process may have, without anybody setting a limit first, and back again."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.before: tuple[int, int] | None = None

    def __enter__(self) -> int:
        """How many can be opened, of those wanted."""
        try:
            import resource
        except ImportError:  # Windows
            return min(self.wanted, 512)
        soft, hard = self.before = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = self.wanted + 2 * SPARE_DESCRIPTORS
        if soft != resource.RLIM_INFINITY and soft < enough:
            soft = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        try:
            used = len(os.listdir("/dev/fd"))  # noqa: PTH208
        except OSError:
            used = SPARE_DESCRIPTORS
        free = self.wanted if soft == resource.RLIM_INFINITY else soft - used - SPARE_DESCRIPTORS
        return max(16, min(self.wanted, free))

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, self.before)
