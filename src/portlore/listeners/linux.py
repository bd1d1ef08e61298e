"""Edge: the socket tables of a Linux kernel, asked over sock_diag, else read from /proc/net."""

from __future__ import annotations

import errno as names
import os
from _socket import AF_NETLINK, SO_RCVBUF, SO_RCVTIMEO, SOCK_RAW, SOL_SOCKET  # the socket module costs 5 ms more
from _socket import socket as raw_socket
from struct import pack

from portlore.errors import HostError
from portlore.listeners.netlink import (
    EVERY,
    INET,
    INET6,
    LISTENING,
    PROTOCOLS,
    STATES,
    UNCONNECTED,
    Decoder,
    is_last,
    request,
    without_queues,
)
from portlore.listeners.procnet import parse_table, protocols_in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.seen import Socket

SOCK_DIAG = 4  # NETLINK_SOCK_DIAG, linux/netlink.h
BUFFER = 1 << 22  # bytes of answers that may wait; the kernel gives what it allows
DATAGRAM = 1 << 17  # more than the kernel ever puts into one
PATIENCE = 10  # seconds without an answer
SECOND_TRIES = 3  # for a table that changed while it was told
NAMES = {  # in /proc/net/protocols: by address family
    "tcp": ("tcp", "tcpv6"),
    "udp": ("udp", "udpv6"),
    "udplite": ("udp-lite", "udplitev6"),
    "sctp": ("sctp", "sctpv6"),
    "dccp": ("dccp", "dccpv6"),
    "raw": ("raw", "rawv6"),
    "mptcp": ("mptcp", "mptcpv6"),
}
OFFERING = {"tcp": LISTENING, "sctp": LISTENING, "dccp": LISTENING, "mptcp": LISTENING}  # else bound, unconnected
TABLES = ("tcp", "udp", "udplite", "sctp", "dccp", "raw")


def read(path: str) -> str | None:
    """A small file of /proc, bytes that are not UTF-8 kept as escapes; ``None`` where it cannot be read."""
    data = read_bytes(path)
    return None if data is None else data.decode("utf-8", "backslashreplace")


def read_bytes(path: str, most: int = 1 << 24) -> bytes | None:
    """The bytes of a file of /proc, at most ``most``; ``None`` where it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(file, 1 << 16)
        if len(data) < 4096:  # /proc gives a short file in one piece
            return data
        pieces = [data]
        while data and len(pieces) << 16 < most:
            data = os.read(file, 1 << 16)
            pieces.append(data)
        return b"".join(pieces)
    except OSError:
        return None
    finally:
        os.close(file)


def open_diag() -> raw_socket | None:
    """A sock_diag socket of the calling thread's network namespace; ``None`` where there is none to be had."""
    try:
        diag = raw_socket(AF_NETLINK, SOCK_RAW | getattr(os, "O_CLOEXEC", 0), SOCK_DIAG)
    except OSError:
        return None
    diag.setsockopt(SOL_SOCKET, SO_RCVBUF, BUFFER)
    diag.setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack("@ll", PATIENCE, 0))
    return diag


def datagrams(diag: raw_socket, asked: bytes) -> Iterator[bytes]:
    """Send a request and give what comes back; the reader stops at the last one."""
    diag.send(asked)
    while True:
        yield diag.recv(DATAGRAM)


def dump(diag: raw_socket, transport: str, family: int, states: int, devices: dict[int, str]) -> list[Socket] | None:
    """All sockets of one kind; ``None`` where the kernel does not tell of that kind."""
    for _ in range(SECOND_TRIES):
        sockets: list[Socket] = []
        decoder = Decoder(transport, devices)
        failed = 0
        try:
            for data in datagrams(diag, request(family, PROTOCOLS[transport], states)):
                answer = decoder.decode(data)
                sockets += answer.sockets
                failed = answer.error
                if answer.done:
                    break
        except OSError as error:
            if error.errno in (names.EAGAIN, names.ENOBUFS, names.EINTR):
                continue
            return None
        return None if failed else sockets
    raise HostError("the kernel's socket table", "it changed or stalled three times while it was read", "ask again")


class Table:
    """The sockets of one network namespace: the caller's, unless ``diag`` was opened in another.

    ``proc``: the folder whose ``net`` describes the namespace (``/proc/thread-self``, ``/proc/PID``). ``through``:
    ``netlink`` or ``proc``, by default the first that answers.
    """

    def __init__(self, diag: raw_socket | None, proc: str = "/proc/thread-self", through: str = "") -> None:
        self._proc = proc
        if through == "proc" and diag is not None:
            diag.close()
            diag = None
        self._diag = diag
        if self._diag is None and through == "netlink":
            raise HostError("sock_diag", "the kernel does not answer over netlink", "leave out --through")
        self.through = "netlink" if self._diag is not None else "proc"
        counted = read(f"{proc}/net/protocols")
        self._counts = None if counted is None else protocols_in_use(counted)
        self._devices: dict[int, str] | None = None

    def close(self) -> None:
        """Give the socket back."""
        if self._diag is not None:
            self._diag.close()

    @property
    def devices(self) -> dict[int, str]:
        """Names of interfaces by index."""
        if self._devices is None:
            from _socket import if_nameindex

            try:
                self._devices = dict(if_nameindex())
            except OSError:
                self._devices = {}
        return self._devices

    def sockets(self, *, connections: bool = False) -> list[Socket]:
        """What listens or is bound; with ``connections`` every other socket too.

        :class:`HostError` where neither way tells anything.
        """
        found: list[Socket] = []
        answered = False
        for transport in TABLES:
            states = EVERY if connections else OFFERING.get(transport, UNCONNECTED)
            for family, name in zip((INET, INET6), NAMES[transport], strict=True):
                if self._has(name, transport):
                    told = self._told(transport, family, states)
                    answered = answered or told is not None
                    found += told or ()
        if not answered:
            where = f"neither netlink nor {self._proc}/net tells"
            raise HostError("the sockets of this machine", where, "mount /proc, or allow netlink to this process")
        return found

    def _has(self, name: str, transport: str) -> bool:
        """Whether it is worth asking: a kind that is not there would have the kernel look for a module."""
        if self._counts is None:
            return transport in ("tcp", "udp")
        return self._counts.get(name, 0) != 0 or (transport in ("tcp", "udp") and name in self._counts)

    def _told(self, transport: str, family: int, states: int) -> Iterable[Socket] | None:
        if self._diag is not None:
            devices = self.devices
            told = dump(self._diag, transport, family, states, devices)
            if told is not None:
                return told
        name = transport + ("6" if family == INET6 else "")
        if transport == "sctp":
            return None  # /proc/net/sctp has a form of its own, and kernels with SCTP have sctp_diag
        text = read(f"{self._proc}/net/{name}")
        if text is None:
            return None
        return [one for one in parse_table(text, transport) if _state_bit(one.state) & states]

    def raw(self) -> list[bytes] | None:
        """The datagrams on all that listens or is bound, queues blanked; ``None`` where netlink does not answer.

        They differ when anything has changed but the queues.
        """
        if self._diag is None:
            return None
        found: list[bytes] = []
        for transport in TABLES:
            states = OFFERING.get(transport, UNCONNECTED)
            for family, name in zip((INET, INET6), NAMES[transport], strict=True):
                if self._has(name, transport):
                    try:
                        for data in datagrams(self._diag, request(family, PROTOCOLS[transport], states)):
                            found.append(without_queues(data))
                            if is_last(data):
                                break
                    except OSError:
                        return None
        return found

    def multipath(self) -> dict[tuple[str, int], int]:
        """The inode of every listening MPTCP socket by address and port.

        The TCP table shows a listener of MPTCP by its first subflow, which no process holds; the process holds this.
        """
        found = {}
        if self._diag is not None and self._counts:
            for family, name in zip((INET, INET6), NAMES["mptcp"], strict=True):
                if self._counts.get(name, 0):
                    for one in dump(self._diag, "mptcp", family, LISTENING, self.devices) or ():
                        found[one.address, one.port] = one.inode
        return found


def _state_bit(state: str) -> int:
    return 1 << STATES.index(state) if state in STATES else 0
