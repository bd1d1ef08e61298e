"""The Linux kernel's own ranges: ephemeral and reserved ports, and where its RPC clients take their source ports."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import LAST_PORT, LocalLine, PortRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

IPV4, SUNRPC = "/proc/sys/net/ipv4", "/proc/sys/sunrpc"
EPHEMERAL = f"{IPV4}/ip_local_port_range"
RESERVED = f"{IPV4}/ip_local_reserved_ports"
RPC_FIRST = f"{SUNRPC}/min_resvport"
RPC_DEFAULT = (665, 1023)  # RPC_DEF_MIN_RESVPORT and RPC_DEF_MAX_RESVPORT, linux/sunrpc/xprtsock.h


def ranges(text: str, path: str) -> list[PortRange]:
    """The ranges that one of these files names; empty for a text that is none of its own."""
    try:
        if path == EPHEMERAL:
            first, last = map(int, text.split())
            return [PortRange(first, last)] if 0 <= first <= last <= LAST_PORT else []
        if path == RESERVED:
            return [PortRange.parse(part.strip()) for part in text.split(",") if part.strip()]
        number = int(text)
    except (ValueError, InputError):
        return []
    if path == RPC_FIRST:
        return [PortRange(number, RPC_DEFAULT[1])] if 0 <= number <= RPC_DEFAULT[1] else []
    return []


WORDS = {
    EPHEMERAL: ("ephemeral range", "the kernel takes source ports of outgoing connections from {ports}"),
    RESERVED: ("reserved ports", "the kernel never gives {ports} away by itself"),
    RPC_FIRST: ("RPC source ports", "the kernel's RPC clients (NFS) take reserved source ports from {ports}"),
}


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """The kernel's ranges that hold a wanted port."""
    for ports in ranges(text, path):
        if not wanted or any(number in ports for number in wanted):
            name, words = WORDS[path]
            yield ports, LocalLine("kernel", path, "", name, "tcp/udp", words.format(ports=ports))
