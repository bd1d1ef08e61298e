"""The kernel's socket tables as text: /proc/net/tcp, udp, raw and their kin, where sock_diag does not answer. Pure."""

from __future__ import annotations

import sys

from portlore.listeners.addresses import describe
from portlore.listeners.netlink import STATES
from portlore.seen import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_table(text: str, transport: str) -> Iterator[Socket]:
    """The sockets of one table; a line that is none is passed over.

    Columns (proc(5)): slot, local address:port and remote one in hexadecimal of the machine's byte order, state, queues
    as sent:received, timers, retransmissions, uid, timeout, inode. Whether an IPv6 socket serves IPv4 too is not told.
    """
    for line in text.splitlines()[1:]:
        words = line.split()
        try:
            source, _, port = words[1].partition(":")
            destination, _, peer_port = words[2].partition(":")
            state = int(words[3], 16)
            sent, _, received = words[4].partition(":")
            address, family, exposure = describe(_address(source), only6=None)
            other = _address(destination)
            peer_number = int(peer_port, 16)
            yield Socket(
                transport,
                family,
                address,
                int(port, 16),
                exposure,
                "",
                STATES[state] if state < len(STATES) else f"state {state}",
                describe(other, only6=True)[0] if peer_number or any(other) else "",
                peer_number,
                int(words[7]),
                int(words[9]),
                0,
                int(received, 16),
                int(sent, 16),
            )
        except (IndexError, ValueError):
            continue


def _address(text: str) -> bytes:
    """Hexadecimal words of the machine's byte order as the address on the wire."""
    data = bytes.fromhex(text)
    if len(data) not in (4, 16):
        raise ValueError(text)
    if sys.byteorder == "big":
        return data
    return b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))


def protocols_in_use(text: str) -> dict[str, int]:
    """How many sockets of each protocol there are, from /proc/net/protocols; names in small letters, ``tcpv6``.

    -1 where the kernel does not count them.
    """
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 2 and words[2].lstrip("-").isdigit():
            found[words[0].lower()] = int(words[2])
    return found
