"""Edge: which way packets leave this Linux machine, and the link addresses of the neighbours that take them on.

Routes are asked of the kernel over rtnetlink, for each address, so that policy rules, own addresses and broadcast are
what the kernel says they are. Neighbours that its table knows are taken from there; we ask for the rest ourselves (ARP,
RFC 826; neighbour discovery, RFC 4861): the kernel keeps 1,024 by default, and only tries once a second.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from array import array
from ctypes import CDLL, addressof, create_string_buffer, get_errno
from struct import Struct, pack, unpack_from

from portlore.errors import HostError
from portlore.scan.pace import Pace
from portlore.scan.plan import BLOCKED, UNREACHABLE
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HEAD, ROUTE, ATTRIBUTE, LINK, NEIGHBOUR = map(Struct, ("=IHHII", "=BBBBBBBBI", "=HH", "=BxHiII", "=BxxxiHBB"))
GET_LINK, NEW_NEIGHBOUR, GET_NEIGHBOUR, GET_ROUTE, ERROR, DONE = 18, 28, 30, 26, 2, 3  # linux/rtnetlink.h
REQUEST, DUMP = 0x1, 0x300
DESTINATION, INTERFACE, GATEWAY, PREFERRED, VIA = 1, 4, 5, 7, 18  # RTA_*
UNICAST, LOCAL, PROHIBITED = 1, 2, 8  # RTN_*
NO_ARP, LOOPBACK = 0x80, 0x8  # IFF_*
USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # NUD_*: reachable, stale, delay, probe, no ARP, permanent
AT_ONCE = 64  # questions in one datagram to the kernel, whose answers have to find room
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
ARP = 0x0806
TRIES = 3
FIRST_WAIT = 0.2  # seconds for an answer, doubled each time: sleeping wireless stations take that long
ATTACH_FILTER = 26  # SO_ATTACH_FILTER
ADVERTISEMENTS = [  # socket filter: ICMPv6 neighbour advertisements
    (0x30, 0, 0, 6), (0x15, 0, 3, 58), (0x30, 0, 0, 40), (0x15, 0, 1, 136), (0x06, 0, 0, 128), (0x06, 0, 0, 0),
]  # fmt: skip
_libc = CDLL(None, use_errno=True)


class Way(Value):
    """How a packet gets to an address: the interface's ``index``, our ``source`` address, the ``hop`` to hand it to.

    ``hop`` is empty for what is on the link itself; of 16 bytes where an IPv4 route goes by an IPv6 neighbour. ``own``:
    the address is one of this machine's. ``outcome``: :data:`UNREACHABLE` or :data:`BLOCKED` where there is no way.
    """

    index: int = 0
    source: bytes = b""
    hop: bytes = b""
    own: bool = False
    outcome: int = 0


class Interface(Value):
    """``hardware``: its link address, empty where links need none (tunnels)."""

    name: str
    hardware: bytes
    mtu: int


def find_ways(version: int, targets: Sequence[bytes], zone: str = "") -> tuple[list[Way], array[int]]:
    """The different ways to some addresses (4 or 16 bytes each), and for each address which of them it is."""
    ways: dict[Way, int] = {}
    known: dict[bytes, int] = {}
    found = array("H", bytes(2 * len(targets)))
    family, bits = (socket.AF_INET, 32) if version == 4 else (socket.AF_INET6, 128)
    zoned = ATTRIBUTE.pack(8, INTERFACE) + pack("=I", _zone(zone)) if zone else b""
    body = ROUTE.pack(family, bits, 0, 0, 0, 0, 0, 0, 0) + zoned
    size = HEAD.size + len(body) + 4 + bits // 8
    head = ATTRIBUTE.pack(4 + bits // 8, DESTINATION)
    with _netlink() as line:
        for begin in range(0, len(targets), AT_ONCE):
            part = targets[begin : begin + AT_ONCE]
            line.send(b"".join([
                HEAD.pack(size, GET_ROUTE, REQUEST, begin + at, 0) + body + head + target
                for at, target in enumerate(part)
            ]))  # fmt: skip
            for _ in part:
                data = line.recv(4096)
                _, kind, _, sequence, _ = HEAD.unpack_from(data)
                # The same but for the number and the address, which stands at 40 (after the table's attribute).
                key = data[4:8] + data[16:40] + data[40 + bits // 8 :]
                which = known.get(key)
                if which is None:
                    which = known[key] = ways.setdefault(_way(data, kind), len(ways))
                found[sequence] = which
    return list(ways), found


def _way(data: bytes, kind: int) -> Way:
    if kind == ERROR:
        code = -unpack_from("=i", data, HEAD.size)[0]
        return Way(outcome=BLOCKED if code == errno.EACCES else UNREACHABLE)
    sort = data[HEAD.size + 7]
    rows = dict(_attributes(data, HEAD.size + ROUTE.size))
    if sort not in (UNICAST, LOCAL) or INTERFACE not in rows:
        return Way(outcome=BLOCKED if sort == PROHIBITED else UNREACHABLE)
    hop = rows.get(GATEWAY) or rows.get(VIA, b"")[2:]
    return Way(unpack_from("=I", rows[INTERFACE])[0], rows.get(PREFERRED, b""), hop, sort == LOCAL)


def find_interface(index: int) -> Interface:
    """An interface by its index."""
    with _netlink() as line:
        line.send(HEAD.pack(HEAD.size + LINK.size, GET_LINK, REQUEST, 1, 0) + LINK.pack(0, 0, index, 0, 0))
        data = line.recv(1 << 17)
    if HEAD.unpack_from(data)[1] == ERROR:
        raise HostError(f"interface {index}", "it is gone", "try again")
    flags = LINK.unpack_from(data, HEAD.size)[3]
    rows = dict(_attributes(data, HEAD.size + LINK.size))
    bare = flags & (NO_ARP | LOOPBACK)
    name = rows[3].rstrip(b"\0").decode("utf-8", "replace")
    return Interface(name, b"" if bare else rows.get(1, b""), unpack_from("=I", rows[4])[0])


def find_neighbours(
    index: int, interface: Interface, source: bytes, hops: Iterable[bytes], pace: Pace
) -> dict[bytes, bytes]:
    """The link addresses of neighbours on an interface; those who do not answer are missing.

    ``hops`` are of one size. Where that is not the source's (IPv4 by way of an IPv6 neighbour), only those count that
    the kernel knows, as there is no source to ask with.
    """
    wanted = set(hops)
    known = {hop: link for hop, link in _known_neighbours(index) if hop in wanted}
    missing = sorted(wanted - known.keys())
    if not missing or len(interface.hardware) != 6 or len(missing[0]) != len(source):
        return known
    protocol, admitted = (ARP, []) if len(source) == 4 else (ETHERTYPE[6], ADVERTISEMENTS)
    line = packet_socket(protocol, admitted, index)
    try:
        for attempt in range(TRIES):
            known |= _ask(line, protocol, interface, source, missing, attempt, pace)
            missing = [hop for hop in missing if hop not in known]
            if not missing:
                break
    finally:
        let_go(line)
    return known


def _ask(
    line: socket.socket,
    protocol: int,
    interface: Interface,
    source: bytes,
    hops: Sequence[bytes],
    attempt: int,
    pace: Pace,
) -> dict[bytes, bytes]:
    """Ask each neighbour once, wait, and tell who answered."""
    asked: dict[bytes, float] = dict.fromkeys(hops, 0.0)
    found: dict[bytes, bytes] = {}

    def hear(wait: float) -> None:
        if not poll.poll(wait * 1000 + 1 if wait else 0):
            return
        while True:
            try:
                data = line.recv(256)
            except BlockingIOError:
                return
            hop, link = _answer(data)
            if asked.get(hop) and hop not in found:
                found[hop] = link
                now = time.perf_counter()
                pace.answered(now, 1, now - asked[hop])

    poll = select.poll()
    poll.register(line, select.POLLIN)
    for hop in hops:
        while delay := pace.wait(time.perf_counter()):
            hear(delay)
        data, link = _question(interface.hardware, source, hop)
        try:
            line.sendto(data, (interface.name, protocol, 0, 0, link))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise HostError(f"asking for neighbours on {interface.name}", str(error), "is it up?") from None
        asked[hop] = time.perf_counter()
        pace.sent(asked[hop], 1)
        hear(0)
    wait = FIRST_WAIT * 2**attempt
    until = time.perf_counter() + (max(wait, pace.timeout(attempt)) if pace.rtt else wait)
    while len(found) < len(hops) and (left := until - time.perf_counter()) > 0:
        hear(left)
    return found


def _question(hardware: bytes, source: bytes, hop: bytes) -> tuple[bytes, bytes]:
    """An ARP request, or an IPv6 packet with a neighbour solicitation (RFC 4861 section 4.3), and where it goes."""
    if len(hop) == 4:
        return pack("!HHBBH6s4s6x4s", 1, ETHERTYPE[4], 6, 4, 1, hardware, source, hop), b"\xff" * 6
    group = bytes.fromhex("ff0200000000000000000001ff") + hop[13:]
    body = pack("!BBHI16sBB6s", 135, 0, 0, 0, hop, 1, 1, hardware)
    words = unpack_from("!36H", source + group + pack("!II", len(body), 58) + body)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    check = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = pack("!IHBB16s16s", 6 << 28, len(body), 58, 255, source, group)
    return header + body[:2] + pack("!H", check) + body[4:], b"\x33\x33" + group[12:]


def _answer(data: bytes) -> tuple[bytes, bytes]:
    """Who an ARP reply or a neighbour advertisement is about, and its link address; empty when it is neither."""
    if len(data) >= 28 and data[:8] == b"\0\1\x08\0\6\4\0\2":
        return data[14:18], data[8:14]
    if len(data) >= 72 and data[6:8] == b"\x3a\xff" and data[40] == 136 and data[64:66] == b"\2\1":
        return data[48:64], data[66:72]
    return b"", b""


def packet_socket(protocol: int, admitted: Sequence[tuple[int, int, int, int]] = (), index: int = 0) -> socket.socket:
    """A packet socket without the link's headers, not blocking; what comes before it is filtered never shows up."""
    try:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    except PermissionError:
        raise HostError(
            "raw packets", "not permitted (CAP_NET_RAW)", "run as root, or use the connect engine"
        ) from None
    try:
        line.setblocking(False)
        if admitted:
            rows = b"".join([pack("=HBBI", *row) for row in admitted])
            place = create_string_buffer(rows, len(rows))
            program = pack("@HP", len(admitted), addressof(place))
            line.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
        # Python's own bind wants an interface; 0 is all of them.
        name = pack("=H2siHBB8s", socket.AF_PACKET, protocol.to_bytes(2, "big"), index, 0, 0, 0, b"")
        if _libc.bind(line.fileno(), name, len(name)):
            raise HostError("raw packets", os.strerror(get_errno()), "is the interface up?")
    except BaseException:
        line.close()
        raise
    return line


def let_go(*lines: socket.socket) -> None:
    """Close packet sockets without waiting.

    Closing one takes the kernel an RCU grace period, 10 to 50 ms, and so does the exit of the process that has it. A
    socket whose last reference lies in a message that nobody can receive any more is closed by the kernel's own garbage
    collector (since Linux 6.10 on another thread; before, it takes as long as closing).
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        try:
            socket.send_fds(here, [b"x"], [there.fileno(), *[line.fileno() for line in lines]])
        except OSError:
            pass  # too many descriptors under way: close it the slow way
        for line in lines:
            line.close()


def _known_neighbours(index: int) -> Iterator[tuple[bytes, bytes]]:
    with _netlink() as line:
        line.send(
            HEAD.pack(HEAD.size + NEIGHBOUR.size, GET_NEIGHBOUR, REQUEST | DUMP, 1, 0) + NEIGHBOUR.pack(0, 0, 0, 0, 0)
        )
        while True:
            data = line.recv(1 << 17)
            at = 0
            while at + HEAD.size <= len(data):
                size, kind, *_ = HEAD.unpack_from(data, at)
                if kind in (DONE, ERROR) or size < HEAD.size:
                    return
                _, where, state, _, _ = NEIGHBOUR.unpack_from(data, at + HEAD.size)
                rows = dict(_attributes(data[: at + size], at + HEAD.size + NEIGHBOUR.size))
                if where == index and state & USABLE and 1 in rows and 2 in rows:  # NDA_DST, NDA_LLADDR
                    yield rows[1], rows[2]
                at += size + 3 & ~3


def _attributes(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + ATTRIBUTE.size <= len(data):
        size, kind = ATTRIBUTE.unpack_from(data, at)
        if size < ATTRIBUTE.size:
            return
        yield kind, data[at + 4 : at + size]
        at += size + 3 & ~3


def _netlink() -> socket.socket:
    line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    line.settimeout(10)
    return line


def _zone(zone: str) -> int:
    try:
        return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    except OSError:
        raise HostError(f"zone {zone}", "no such interface", "see: ip link") from None
