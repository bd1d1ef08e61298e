"""Edge: what a NetInfo host asks of the machine it runs on: addresses, descriptors, root's password, other servers."""

from __future__ import annotations

import socket

from portlore.listeners.forwarders import local_addresses
from portlore.netinfo.passwords import matches
from portlore.netinfo.server import MOST_CONNECTIONS
from portlore.oncrpc.message import Call, decode_reply, encode_call
from portlore.oncrpc.xdr import XdrError

PING_PATIENCE = 0.3  # seconds for a server that is not ours to answer
KEPT_BACK = 96  # descriptors for the port mapper's clients, stores, and what a process needs besides


def connections() -> int:
    """How many connections there may be, all domains and the binder together: descriptors of this process set it."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + KEPT_BACK
    if 0 <= soft < wanted:
        soft = wanted if hard < 0 else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft < 0 else max(16, min(MOST_CONNECTIONS, soft - KEPT_BACK))


def ask_udp(port: int, call: Call) -> bytes | None:
    """A call to a server on this machine; ``None`` without an answer in time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(PING_PATIENCE)
        try:
            line.sendto(encode_call(call), ("127.0.0.1", port))
            reply = line.recv(8800)
            decode_reply(reply)
        except (OSError, XdrError):
            return None
    return reply


def is_nobody(password: bytes) -> bool:
    """Never: where root's password opens nothing."""
    return False


def is_root(password: bytes) -> bool:
    """Whether a password is this machine's root's; never where the password file may not be read."""
    try:
        with open("/etc/shadow", "rb") as file:  # noqa: PTH123
            for line in file:
                fields = line.split(b":")
                if fields[0] == b"root" and len(fields) > 1:
                    return matches(password, fields[1])
    except OSError:
        return False
    return False


def addresses() -> set[str]:
    """This machine's addresses of IPv4, as the kernel's routes tell them."""
    try:
        with open("/proc/net/fib_trie") as file:  # noqa: PTH123
            return local_addresses(file.read(), "")
    except OSError:
        return set()


def is_within(address: str, network: str) -> bool:
    """Whether an address lies in ``net/mask`` or ``net&mask``, both dotted."""
    net, mark, mask = network.replace("&", "/").partition("/")
    try:
        numbers = [[int(part) for part in text.split(".")] for text in (address, net, mask)]
    except ValueError:
        return False
    if not mark or any(len(parts) != 4 for parts in numbers):
        return False
    return all(a & m == n & m for a, n, m in zip(*numbers, strict=True))
