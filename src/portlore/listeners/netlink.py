"""The kernel's socket tables over sock_diag: requests as bytes, answers as :class:`Socket` values. Pure.

The wire is linux/netlink.h and linux/inet_diag.h: a ``nlmsghdr``, an ``inet_diag_msg``, then attributes. Numbers are
the machine's, ports and addresses the network's.
"""

from __future__ import annotations

from operator import itemgetter
from struct import Struct

from portlore.listeners.addresses import describe
from portlore.seen import Exposure, Socket
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from portlore.seen import Family

    Row = tuple[Any, ...]

LOOPBACK_DEVICE = "lo"  # linux/drivers/net/loopback.c gives it this name in every namespace
INET, INET6 = 2, 10  # address families, linux/socket.h
PROTOCOLS = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136, "raw": 255, "mptcp": 262}
STATES = (  # the kernel's numbers, linux/tcp_states.h
    "", "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2", "time-wait",
    "unconnected", "close-wait", "last-ack", "listen", "closing", "syn-received",
)  # fmt: skip
LISTENING, UNCONNECTED = 1 << 10, 1 << 7
EVERY = 0xFFF & ~1  # all states
BY_FAMILY, DUMP = 20, 0x301  # SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST | NLM_F_DUMP
ERROR, DONE = 2, 3  # nlmsg_type
ONLY6, CGROUP = 11, 21  # INET_DIAG_SKV6ONLY, INET_DIAG_CGROUP_ID
REQUEST_PROTOCOL = 3  # INET_DIAG_REQ_PROTOCOL, for numbers that a byte does not hold
REQUEST = Struct("=IHHIIBBBBI48s")
MESSAGE = Struct("=IHH8xBB2xHH16s16sI12xIIII")
LENGTH, TYPE, _, FAMILY, STATE, SPORT, DPORT, SOURCE, DESTINATION, DEVICE, RECEIVED, QUEUED, UID, INODE = range(14)
HEAD = Struct("=IHH8x")
QUEUES = 72  # where idiag_rqueue and idiag_wqueue stand in a message
ATTRIBUTE = Struct("=HH")


def request(family: int, protocol: int, states: int) -> bytes:
    """The request for all sockets of an address family (``INET``, ``INET6``) and protocol in some states (a mask)."""
    more = Struct("=HHI").pack(8, REQUEST_PROTOCOL, protocol) if protocol > 0xFF else b""
    size = REQUEST.size + len(more)
    return REQUEST.pack(size, BY_FAMILY, DUMP, 1, 0, family, protocol & 0xFF, 0, 0, states, bytes(48)) + more


def is_last(data: bytes) -> bool:
    """Whether a datagram ends a dump; it is not decoded."""
    at, size = 0, len(data)
    first = data[:4]
    step = int.from_bytes(first, _ORDER)
    if step >= HEAD.size and size % step == 0 and data[size - step : size - step + 6] == data[:6]:
        return data[4:6] != _BY_FAMILY  # messages of one length: the last one tells
    while size - at >= HEAD.size:
        length, kind, _ = HEAD.unpack_from(data, at)
        if kind in (DONE, ERROR) or length < HEAD.size:
            return True
        at += (length + 3) & ~3
    return False


def without_queues(data: bytes) -> bytes:
    """A datagram with the queues of its sockets blanked: they change all the time, and nothing else with them."""
    first = data[:4]
    step = int.from_bytes(first, _ORDER)
    blank = bytearray(data)
    if step >= MESSAGE.size and len(data) % step == 0 and data[4:6] == _BY_FAMILY:
        count = len(data) // step
        if data[len(data) - step : len(data) - step + 4] == first:
            for place in range(QUEUES, QUEUES + 8):
                blank[place::step] = bytes(count)
            return bytes(blank)
    at = 0
    while len(data) - at >= HEAD.size:
        length, kind, _ = HEAD.unpack_from(data, at)
        if length < HEAD.size:
            break
        if kind == BY_FAMILY and length >= MESSAGE.size and len(data) - at >= MESSAGE.size:
            blank[at + QUEUES : at + QUEUES + 8] = bytes(8)
        at += (length + 3) & ~3
    return bytes(blank)


class Answer(Value):
    """What one datagram told. ``done``: nothing follows. ``error``: the kernel's errno, 0 without one."""

    sockets: list[Socket]
    done: bool
    error: int


class _Layout(Value):
    """How messages of one length lie: their fields and attributes in one go."""

    struct: Struct
    check: Callable[[Row], object]
    expected: object
    only6: int | None
    cgroup: int | None


class Decoder:
    """Decodes the datagrams of one dump; ``transport`` and ``devices`` (names by index) go into each socket.

    Messages of one dump look alike: after the first of a length, a datagram is unpacked whole, and taken so only when
    every message in it has the same length and the same attributes.
    """

    def __init__(self, transport: str, devices: Mapping[int, str]) -> None:
        self._transport, self._devices = transport, devices
        self._described: dict[tuple[int, bytes, int | None], tuple[str, Family, Exposure]] = {}
        self._layouts: dict[int, _Layout] = {}

    def decode(self, data: bytes) -> Answer:
        """The sockets of one datagram; a message cut short or of a wrong length ends it."""
        sockets: list[Socket] = []
        at, size = 0, len(data)
        first = int.from_bytes(data[:4], _ORDER)
        layout = self._layouts.get(first)
        if layout is not None and size % first == 0:
            rows = list(layout.struct.iter_unpack(data))
            if {*map(layout.check, rows)} == {layout.expected}:
                only6, cgroup, make = layout.only6, layout.cgroup, self._socket
                return Answer(
                    [make(row, row[only6] if only6 else None, row[cgroup] if cgroup else 0) for row in rows], False, 0
                )
        while size - at >= HEAD.size:
            length, kind, _ = HEAD.unpack_from(data, at)
            if kind == DONE:
                return Answer(sockets, done=True, error=-_errno(data, at, length))
            if kind == ERROR:
                return Answer(sockets, done=True, error=-_errno(data, at, length))
            if length < HEAD.size or length > size - at:
                break
            if kind == BY_FAMILY and length >= MESSAGE.size:
                self._one(data, at, length, sockets)
            at += (length + 3) & ~3
        return Answer(sockets, done=False, error=0)

    def _one(self, data: bytes, at: int, length: int, sockets: list[Socket]) -> None:
        row = MESSAGE.unpack_from(data, at)
        found: list[tuple[int, int]] = []  # header and payload length of each attribute
        only6: int | None = None
        cgroup = 0
        place, end = at + MESSAGE.size, at + length
        while end - place >= 4:
            size, kind = ATTRIBUTE.unpack_from(data, place)
            if size < 4 or size > end - place:
                break
            if kind == ONLY6 and size == 5:
                only6 = data[place + 4]
            elif kind == CGROUP and size == 12:
                cgroup = int.from_bytes(data[place + 4 : place + 12], _ORDER)
            found.append((size, kind))
            place += (size + 3) & ~3
        if row[FAMILY] in (INET, INET6):
            sockets.append(self._socket(row, only6, cgroup))
        if place == end and length not in self._layouts:
            self._layouts[length] = _layout(row, found)

    def _socket(self, row: Row, only6: int | None, cgroup: int) -> Socket:
        _, _, _, family, state, port, peer_port, source, destination, device, received, queued, uid, inode = row[:14]
        known = self._described.get((family, source, only6))
        if known is None:
            address = source[:4] if family == INET else source
            known = self._described[family, source, only6] = describe(address, None if only6 is None else bool(only6))
        address_text, serves, exposure = known
        bound = (self._devices.get(device) or f"interface {device}") if device else ""
        if bound == LOOPBACK_DEVICE:
            exposure = Exposure.LOOPBACK
        peer = ""
        if peer_port or destination != _NOWHERE:
            peer = describe(destination[:4] if family == INET else destination, True)[0]
        return Socket(
            self._transport,
            serves,
            address_text,
            port >> 8 | (port & 0xFF) << 8 if _LITTLE else port,
            exposure,
            bound,
            STATES[state] if state < len(STATES) else f"state {state}",
            peer,
            peer_port >> 8 | (peer_port & 0xFF) << 8 if _LITTLE else peer_port,
            uid,
            inode,
            cgroup,
            received,
            queued,
        )


_LITTLE = Struct("=H").pack(1)[0] == 1
_NOWHERE = bytes(16)
_BY_FAMILY = Struct("=H").pack(BY_FAMILY)
_ORDER: Any = "little" if _LITTLE else "big"


def _errno(data: bytes, at: int, length: int) -> int:
    """The errno after a header, as the negative number it is; 0 where there is none."""
    if length < 20 or len(data) - at < 20:
        return 0
    return int.from_bytes(data[at + 16 : at + 20], _ORDER, signed=True)


def _layout(row: Row, attributes: list[tuple[int, int]]) -> _Layout:
    form, place = MESSAGE.format, 14
    expected: list[object] = [row[LENGTH], row[TYPE], row[FAMILY]]
    compared = [LENGTH, TYPE, FAMILY]
    only6 = cgroup = None
    for size, kind in attributes:
        form += "HH"
        expected += [size, kind]
        compared += [place, place + 1]
        place += 2
        payload = ((size + 3) & ~3) - 4
        if kind == ONLY6 and size == 5:
            form += f"B{payload - 1}x"
            only6, place = place, place + 1
        elif kind == CGROUP and size == 12:
            form += "Q"
            cgroup, place = place, place + 1
        else:
            form += f"{payload}x"
    return _Layout(Struct(form), itemgetter(*compared), tuple(expected), only6, cgroup)
