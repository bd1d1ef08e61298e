"""Edge: what the packets of a block leave and come in by: sockets, link addresses, source ports.

Packets leave through a packet socket; to this machine's own addresses, through a raw IP socket, as a packet socket
cannot (what it puts on the loopback device has no route, and is dropped as a martian). Answers come in by the packet
socket either way, and only ours do: its filter is there before it is bound.
"""

from __future__ import annotations

import os
import select
import socket
from struct import pack, unpack

import numpy as np

from portlore.errors import HostError
from portlore.scan.link import ETHERTYPE, find_interface, find_neighbours, find_ways, let_go, packet_socket
from portlore.scan.mmsg import MOST, Inbox, Outbox
from portlore.scan.pace import Pace
from portlore.scan.packets import SIZE, SNAPSHOT, Packets, raw_addresses, sieve
from portlore.scan.plan import UNASKED, UNREACHABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portlore.scan.link import Way
    from portlore.scan.plan import Block, Settings

    Bytes = NDArray[np.uint8]

RECEIVE_BUFFER = 1 << 26  # bytes, of the kernel's memory: some 80,000 answers
RECEIVE_BUFFER_FORCE = 33  # SO_RCVBUFFORCE
STATISTICS = (263, 6)  # SOL_PACKET, PACKET_STATISTICS
NEIGHBOURS_RTT = 0.002  # seconds: what to assume on the link itself until it is measured


class Door:
    """A socket to send by, the rows it sends from (two, as two threads do), and which address each target has there."""

    def __init__(
        self,
        line: socket.socket,
        size: int,
        names: Bytes,
        name_of: NDArray[np.uint32],
        targets: NDArray[np.bool_],
    ) -> None:
        self.line, self.name_of, self.targets = line, name_of, targets
        self.boxes = Outbox(size, names), Outbox(size, names)


class Exits:
    """For a block: ``doors``, ``packets`` that writes and recognises, ``line`` and ``inbox`` to receive by.

    Ports of targets to which there is no way get their outcome at once; ``notes`` says of neighbours that nobody is.
    ``near``: all are on the link itself or our own.
    """

    def __init__(self, block: Block, outcomes: Bytes, settings: Settings) -> None:
        self.notes: list[str] = []
        self.doors: list[Door] = []
        self._lines: list[socket.socket] = []
        self._version, self._settings = block.version, settings
        try:
            self._open(block, outcomes.reshape(len(block.addresses), len(block.ports)))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all sockets, without waiting."""
        let_go(*self._lines)
        self._lines.clear()

    def dropped(self) -> int:
        """How many answers found no room since the last call."""
        return int(unpack("=II", self.line.getsockopt(*STATISTICS, 8))[1])

    def _open(self, block: Block, table: Bytes) -> None:
        version, tries = block.version, self._settings.tries
        targets = raw_addresses(version, block.addresses)
        ways, which = find_ways(version, list(map(bytes, targets)), block.zone)
        way_of = np.frombuffer(which, np.uint16)
        for number, way in enumerate(ways):
            if way.outcome:
                _fill(table, way_of == number, way.outcome)
        self.near = not any(way.hop for way in ways)
        first_port = self._reserve_ports(tries)
        self.line = self._keep(packet_socket(ETHERTYPE[version], sieve(version, first_port, tries)))
        self.inbox, self.assistants = (Inbox(MOST, SNAPSHOT, self.line.fileno()) for _ in range(2))
        self.poll = select.poll()
        self.poll.register(self.line, select.POLLIN)
        try:
            self.line.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER_FORCE, RECEIVE_BUFFER)
        except OSError:  # that takes CAP_NET_ADMIN
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sources = sorted({way.source for way in ways if not way.outcome}) or [bytes(targets.shape[1])]
        source_of = np.array([0 if way.outcome else sources.index(way.source) for way in ways], np.uint16)[way_of]
        cookies = np.frombuffer(os.urandom(4 * len(block)), np.uint32)
        rows = np.frombuffer(b"".join(sources), np.uint8).reshape(len(sources), -1)
        self.packets = Packets(targets, block.ports, rows, source_of, first_port, tries, cookies)
        own = np.array([way.own for way in ways])[way_of]
        if not own.all():
            names, name_of = self._link_names(ways, way_of, targets, table)
            if len(names):
                self.doors.append(Door(self.line, SIZE[version], names, name_of, ~own))
        if own.any():
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            raw = self._keep(socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW))
            raw.setblocking(False)
            name_of = (np.cumsum(own) - 1).clip(0).astype(np.uint32)
            self.doors.append(Door(raw, SIZE[version], _raw_names(version, targets[own]), name_of, own))

    def _link_names(
        self, ways: Sequence[Way], way_of: NDArray[np.uint16], targets: Bytes, table: Bytes
    ) -> tuple[Bytes, NDArray[np.uint32]]:
        """The link-layer socket address (``struct sockaddr_ll``) for each target, as rows and an index into them."""
        names: list[bytes] = []
        name_of = np.zeros(len(targets), np.uint32)
        for number, way in enumerate(ways):
            if way.outcome or way.own:
                continue
            interface = find_interface(way.index)
            places = np.flatnonzero((way_of == number) & (table == UNASKED).any(axis=1))
            protocol = ETHERTYPE[self._version]
            if not interface.hardware:  # a tunnel: nobody to address
                name_of[places] = len(names)
                names.append(_link_name(protocol, way.index, b""))
                continue
            hops = [way.hop] * len(places) if way.hop else list(map(bytes, targets[places]))
            # A pace of its own: what it measures is the next hop's, not the targets'.
            pace = Pace(self._settings.rate, self._settings.ceiling, self._settings.patience, NEIGHBOURS_RTT)
            found = find_neighbours(way.index, interface, way.source, hops, pace)
            row_of = {hop: len(names) + row for row, hop in enumerate(found)}
            names += [_link_name(protocol, way.index, link) for link in found.values()]
            rows = np.array([row_of.get(hop, -1) for hop in hops], np.int64)
            name_of[places] = rows.clip(0)
            gone = places[rows < 0]
            if len(gone):
                _fill(table, gone, UNREACHABLE)
                self.notes.append(_nobody(len(gone), interface.name, bool(way.hop)))
        size = len(_link_name(0, 0, b""))
        return np.frombuffer(b"".join(names), np.uint8).reshape(-1, size), name_of

    def _reserve_ports(self, count: int) -> int:
        """The first of some consecutive ports that nobody uses, kept by sockets that are bound to them.

        Outside the range from which the kernel gives ports to connections, so that none begins to use them either.
        """
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:  # noqa: PTH123
            low, high = map(int, file.read().split())
        begin, end = max((high + 1, 65536 - count), (1024, low - count), key=lambda room: room[1] - room[0])
        family = socket.AF_INET if self._version == 4 else socket.AF_INET6
        for _ in range(200):
            first = begin + int.from_bytes(os.urandom(4), "big") % max(end - begin, 1)
            bound: list[socket.socket] = []
            try:
                for port in range(first, first + count):
                    bound.append(socket.socket(family, socket.SOCK_STREAM))
                    bound[-1].bind(("", port))
            except OSError:
                for line in bound:
                    line.close()
                continue
            for line in bound:
                self._keep(line)
            return first
        raise HostError("a source port for the scan", "none is free", "use the connect engine")

    def _keep(self, line: socket.socket) -> socket.socket:
        self._lines.append(line)
        return line


def _fill(table: Bytes, rows: NDArray[np.bool_] | NDArray[np.int64], outcome: int) -> None:
    """Give all unasked ports of some targets an outcome."""
    part = table[rows]
    part[part == UNASKED] = outcome
    table[rows] = part


def _link_name(protocol: int, index: int, link: bytes) -> bytes:
    """``struct sockaddr_ll``."""
    return pack("=H2siHBB8s", socket.AF_PACKET, protocol.to_bytes(2, "big"), index, 0, 0, len(link), link)


def _raw_names(version: int, targets: Bytes) -> Bytes:
    """``struct sockaddr_in`` or ``sockaddr_in6`` for each target, as rows of bytes."""
    names = np.zeros((len(targets), 16 if version == 4 else 28), np.uint8)
    names[:, :2] = np.frombuffer(pack("=H", socket.AF_INET if version == 4 else socket.AF_INET6), np.uint8)
    names[:, slice(4, 8) if version == 4 else slice(8, 24)] = targets
    return names


def _nobody(count: int, interface: str, is_gateway: bool) -> str:
    if is_gateway:
        return f"The gateway on {interface} does not answer: {count:,} addresses behind it were not asked."
    many = "One address does not answer" if count == 1 else f"{count:,} addresses do not answer"
    return f"{many} on {interface} when asked for the link address: nobody has it, or it is switched off."
