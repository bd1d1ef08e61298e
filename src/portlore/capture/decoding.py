"""Headers of many packets at once, as NumPy arrays: links, IPv4, IPv6, TCP, UDP, SCTP, DCCP. Pure; needs NumPy.

What is within VLAN tags, MPLS labels, PPPoE, GRE and IP in IP counts, not what carries it: ports are in there.

A packet is where it lies in the bytes that were read: nothing is copied but the headers. Every length a packet tells
is held against how much of it was captured, so that no header can point outside it.
"""

from __future__ import annotations

import numpy as np

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Words = NDArray[np.uint64]

PAD = 64  # bytes beyond the last packet that can be read (and mean nothing): the longest header looked at

# Link types of https://www.tcpdump.org/linktypes.html
NULL, ETHERNET, LOOP, SLL, SLL2 = 0, 1, 108, 113, 276
RAW_LINKS = (12, 14, 101, 228, 229)  # begin with the IP header
COOKED = 1 << 16  # and an EtherType: begin with that one's header, as the kernel hands packets over; of no file
LINKS = (NULL, ETHERNET, LOOP, SLL, SLL2, *RAW_LINKS)
IP4, IP6 = 0x0800, 0x86DD  # EtherTypes
VLANS = (0x8100, 0x88A8, 0x9100)  # IEEE 802.1Q, 802.1ad, and 802.1ad as it was before
MPLS = (0x8847, 0x8848)  # RFC 3032, RFC 5332
PPPOE = 0x8864  # a session's (RFC 2516); its PPP protocols (RFC 1661):
PPP_IP4, PPP_IP6 = 0x0021, 0x0057
MOST_TAGS, MOST_EXTENSIONS, MOST_TUNNELS = 8, 12, 4
IP4_WITHIN, IP6_WITHIN, GRE = 4, 41, 47  # IP protocol numbers: RFC 2003, RFC 4213, RFC 2784 with RFC 2890
GRE_OPTIONS = (0x8000, 0x2000, 0x1000)  # flags of a checksum, a key, a sequence number: four bytes each
FAMILY_IP6 = (24, 28, 30, 10)  # AF_INET6 of the systems that write LINKTYPE_NULL
SNAP = 0xAAAA_0300_0000  # LLC and SNAP heads with the EtherType after them (RFC 1042)
TCP, UDP, DCCP, SCTP, UDPLITE = 6, 17, 33, 132, 136  # IP protocol numbers
WITH_PORTS = {TCP: "tcp", UDP: "udp", DCCP: "dccp", SCTP: "sctp", UDPLITE: "udplite"}
OPTIONS = (0, 43, 60, 135, 139, 140)  # IPv6 extension headers of the common form (RFC 6564)
FRAGMENT_HEADER, AUTHENTICATION = 44, 51
FIN, SYN, RST, ACK = 1, 2, 4, 16

# What became of a packet
FLOW, NOT_IP, NO_PORTS, FRAGMENT, BROKEN, UNKNOWN_LINK = range(6)
FOUR, SIX, FRAME = 1, 2, 3  # the family of a flow's ends: IPv4, IPv6, Ethernet

IP4_HEAD = np.dtype(
    [("first", "u1"), ("", "u1"), ("length", ">u2"), ("", ">u2"), ("part", ">u2"), ("", "u1"), ("protocol", "u1"),
     ("", ">u2"), ("source", ">u4"), ("target", ">u4")]
)  # fmt: skip
IP6_HEAD = np.dtype(
    [("first", "u1"), ("", "V3"), ("length", ">u2"), ("protocol", "u1"), ("", "u1"), ("source", ">u8"),
     ("source_low", ">u8"), ("target", ">u8"), ("target_low", ">u8")]
)  # fmt: skip
EXTENSION = np.dtype([("next", "u1"), ("size", "u1"), ("part", ">u2")])
TCP_HEAD = np.dtype(
    [("source", ">u2"), ("target", ">u2"), ("sequence", ">u4"), ("", ">u4"), ("offset", "u1"), ("flags", "u1"),
     ("", "V6")]
)  # fmt: skip
MACS = np.dtype([("target", ">u2"), ("target_low", ">u4"), ("source", ">u2"), ("source_low", ">u4")])


class Batch(Value):
    """Packets: ``data`` holds them, with :data:`PAD` bytes after the last.

    Arrays, one number a packet: ``at`` where it begins, ``captured`` how much of it is there, ``length`` how long it
    was on the wire, ``time`` in seconds since 1970, ``link`` its link type.
    """

    data: bytes
    at: Numbers
    captured: Numbers
    length: Numbers
    time: NDArray[np.float64]
    link: Numbers

    def part(self, chosen: Any) -> Batch:
        """Some of the packets: a mask, a slice or indices."""
        return self.replace(
            at=self.at[chosen],
            captured=self.captured[chosen],
            length=self.length[chosen],
            time=self.time[chosen],
            link=self.link[chosen],
        )


class Decoded:
    """Headers of a batch: arrays, one entry a packet.

    ``outcome``: FLOW … UNKNOWN_LINK. Of a flow: ``family``, the ends as two 64-bit words and a port each, and the IP
    ``protocol``; for a frame, the EtherType in its place. ``start`` and ``size``: where the payload is, and how much of
    it was captured. ``ethertype`` is -1 where there is none.
    """

    def __init__(self, count: int) -> None:
        self.outcome = np.full(count, NOT_IP, np.int8)
        self.ethertype = np.full(count, -1, np.int64)
        self.family = np.zeros(count, np.uint64)
        self.source, self.source_low, self.target, self.target_low = (np.zeros(count, np.uint64) for _ in range(4))
        self.protocol, self.source_port, self.target_port = (np.zeros(count, np.int64) for _ in range(3))
        self.sequence, self.flags = np.zeros(count, np.int64), np.zeros(count, np.uint8)
        self.start, self.size = np.zeros(count, np.int64), np.zeros(count, np.int64)


def rows(data: bytes, at: Numbers, kind: np.dtype[np.void]) -> NDArray[np.void]:
    """A structure from each place; places outside the data are moved to its end."""
    last = len(data) - kind.itemsize
    whole = np.ndarray((last + 1,), f"V{kind.itemsize}", data, 0, (1,))
    return whole[np.clip(at, 0, last)].view(kind)


def numbers(data: bytes, at: Numbers, kind: str) -> Numbers:
    """An integer from each place."""
    return rows(data, at, np.dtype([("it", kind)]))["it"].astype(np.int64)


def decode(batch: Batch, frames: tuple[int, ...] = ()) -> Decoded:
    """Read the headers. ``frames``: EtherTypes whose frames count as flows between Ethernet addresses."""
    data, end = batch.data, batch.at + batch.captured
    found = Decoded(len(batch.at))
    network = _links(batch, found, end)
    for kind in frames:
        _frames(batch, found, network, end, kind)
    protocol, place, stop = np.full(len(end), -1, np.int64), network.copy(), end.copy()
    _ip(data, found, network, end, protocol, place, stop)
    for _ in range(MOST_TUNNELS):
        if not _tunnels(data, found, network, end, protocol, place, stop):
            break
        _ip(data, found, network, end, protocol, place, stop)
    found.protocol = np.where(found.outcome == FLOW, found.protocol, protocol)
    _ports(data, found, protocol, place, stop)
    return found


def _links(batch: Batch, found: Decoded, end: Numbers) -> Numbers:
    """Find each packet's EtherType and where its network header begins."""
    data, network = batch.data, batch.at.copy()
    kind: Numbers
    cooked, readable = batch.link >= COOKED, np.isin(batch.link, LINKS)
    found.ethertype[cooked] = batch.link[cooked] - COOKED
    found.outcome[~(cooked | readable)] = UNKNOWN_LINK
    for link in np.unique(batch.link[readable]).tolist():
        one: Any = slice(None) if (batch.link == link).all() else np.flatnonzero(batch.link == link)
        at: Numbers = batch.at[one]
        if link == ETHERNET:
            kind, size = numbers(data, at + 12, ">u2"), 14
        elif link == SLL:
            kind, size = numbers(data, at + 14, ">u2"), 16
        elif link == SLL2:
            kind, size = numbers(data, at, ">u2"), 20
        elif link in (NULL, LOOP):
            little = numbers(data, at, "<u4")
            family = np.where(little < 1 << 16, little, numbers(data, at, ">u4"))
            kind, size = np.where(family == 2, IP4, np.where(np.isin(family, FAMILY_IP6), IP6, -1)), 4
        else:
            version = numbers(data, at, "u1") >> 4
            kind, size = np.where(version == 4, IP4, np.where(version == 6, IP6, -1)), 0
        network[one] += size
        found.ethertype[one] = kind
    _unwrap(data, found, network, batch.link == ETHERNET)
    _labels(data, found.ethertype, network)
    known = found.outcome != UNKNOWN_LINK
    found.outcome[known & (network > end)] = BROKEN
    return network


def _unwrap(data: bytes, found: Decoded, network: Numbers, ethernet: NDArray[np.bool_]) -> None:
    """Go past VLAN tags and, on Ethernet, LLC with SNAP."""
    kinds = found.ethertype
    short = np.flatnonzero(ethernet & (kinds < 0x600) & (kinds >= 0))
    if short.size:
        at = network[short]
        head = numbers(data, at, ">u2") << 32 | numbers(data, at + 2, ">u4")
        snap = short[head == SNAP]
        kinds[snap] = numbers(data, network[snap] + 6, ">u2")
        network[snap] += 8
    for _ in range(MOST_TAGS):
        tagged = np.flatnonzero((kinds == VLANS[0]) | (kinds == VLANS[1]) | (kinds == VLANS[2]))
        if not tagged.size:
            break
        kinds[tagged] = numbers(data, network[tagged] + 2, ">u2")
        network[tagged] += 4


def _labels(data: bytes, kinds: Numbers, network: Numbers) -> None:
    """Go past MPLS labels and PPPoE to IP; where something else is behind them, they stay what they are."""
    mine = np.flatnonzero((kinds == MPLS[0]) | (kinds == MPLS[1]))
    if mine.size:
        at, ended = network[mine], np.zeros(len(mine), bool)
        for _ in range(MOST_TAGS):
            last = numbers(data, at, ">u4") >> 8 & 1 == 1
            at += np.where(ended, 0, 4)
            ended |= last
        version = np.where(ended, numbers(data, at, "u1") >> 4, 0)
        _to_ip(kinds, network, mine, at, np.where(version == 4, IP4, np.where(version == 6, IP6, -1)))
    mine = np.flatnonzero(kinds == PPPOE)
    if mine.size:
        inner = numbers(data, network[mine] + 6, ">u2")
        kind = np.where(inner == PPP_IP4, IP4, np.where(inner == PPP_IP6, IP6, -1))
        _to_ip(kinds, network, mine, network[mine] + 8, kind)


def _to_ip(kinds: Numbers, network: Numbers, mine: Numbers, at: Numbers, kind: Numbers) -> None:
    is_ip = (kind == IP4) | (kind == IP6)
    kinds[mine[is_ip]], network[mine[is_ip]] = kind[is_ip], at[is_ip]


def _tunnels(
    data: bytes, found: Decoded, network: Numbers, end: Numbers, protocol: Numbers, place: Numbers, stop: Numbers
) -> bool:
    """Go into IP within IP and GRE; whether there was any to go into."""
    carries = (protocol == IP4_WITHIN) | (protocol == IP6_WITHIN) | (protocol == GRE)
    mine = np.flatnonzero(carries & (found.outcome == NO_PORTS))
    if not mine.size:
        return False
    at, outer = place[mine], protocol[mine]
    flags, named = numbers(data, at, ">u2"), numbers(data, at + 2, ">u2")
    size = 4 + 4 * sum((flags & flag != 0).astype(np.int64) for flag in GRE_OPTIONS)
    of_gre = np.where(flags & 0x4007 == 0, named, -1)  # no routing (RFC 1701), version 0
    kind = np.where(outer == GRE, of_gre, np.where(outer == IP4_WITHIN, IP4, IP6))
    inside = np.isin(kind, (IP4, IP6)) & ((outer != GRE) | (at + 4 <= stop[mine]))
    mine = mine[inside]
    found.ethertype[mine], found.outcome[mine] = kind[inside], NOT_IP
    network[mine] = (at + np.where(outer == GRE, size, 0))[inside]
    end[mine] = stop[mine]
    return bool(mine.size)


def _frames(batch: Batch, found: Decoded, network: Numbers, end: Numbers, kind: int) -> None:
    """Frames of an EtherType on Ethernet, between their two addresses."""
    mine = np.flatnonzero((found.ethertype == kind) & (batch.link == ETHERNET) & (found.outcome == NOT_IP))
    if not mine.size:
        return
    head = rows(batch.data, batch.at[mine], MACS)
    for side, low in (("source", "source_low"), ("target", "target_low")):
        getattr(found, side)[mine] = head[side].astype(np.uint64) << np.uint64(32) | head[low].astype(np.uint64)
    found.outcome[mine], found.family[mine], found.protocol[mine] = FLOW, FRAME, kind
    found.start[mine] = network[mine]
    found.size[mine] = end[mine] - network[mine]


def _ip(*places: Any) -> None:
    _ip4(*places)
    _ip6(*places)


def _ip4(
    data: bytes, found: Decoded, network: Numbers, end: Numbers, protocol: Numbers, place: Numbers, stop: Numbers
) -> None:
    mine = np.flatnonzero((found.ethertype == IP4) & (found.outcome == NOT_IP))
    if not mine.size:
        return
    at, limit = network[mine], end[mine]
    head = rows(data, at, IP4_HEAD)
    size, length = (head["first"] & 15).astype(np.int64) * 4, head["length"].astype(np.int64)
    right = (head["first"] >> 4 == 4) & (size >= 20) & (at + size <= limit) & ((length >= size) | (length == 0))
    later = (head["part"] & 0x1FFF) != 0
    found.outcome[mine] = np.where(right, np.where(later, FRAGMENT, NO_PORTS), BROKEN)
    protocol[mine], place[mine] = head["protocol"], at + size
    stop[mine] = np.where(length == 0, limit, np.minimum(at + length, limit))  # 0: cut by the card (offload)
    found.family[mine] = FOUR
    found.source[mine], found.target[mine] = head["source"], head["target"]
    found.source_low[mine] = found.target_low[mine] = 0  # an IPv6 header may have been around it


def _ip6(
    data: bytes, found: Decoded, network: Numbers, end: Numbers, protocol: Numbers, place: Numbers, stop: Numbers
) -> None:
    mine = np.flatnonzero((found.ethertype == IP6) & (found.outcome == NOT_IP))
    if not mine.size:
        return
    at, limit = network[mine], end[mine]
    head = rows(data, at, IP6_HEAD)
    right = (head["first"] >> 4 == 6) & (at + 40 <= limit)
    length = head["length"].astype(np.int64)
    here, kind = at + 40, head["protocol"].astype(np.int64)
    last = np.where(length == 0, limit, np.minimum(here + length, limit))  # 0: a jumbogram, or cut by the card
    later = np.zeros(len(mine), bool)
    for _ in range(MOST_EXTENSIONS):
        more = np.isin(kind, (*OPTIONS, FRAGMENT_HEADER, AUTHENTICATION)) & ~later & right
        if not more.any():
            break
        which = np.flatnonzero(more)
        extension = rows(data, here[which], EXTENSION)
        size = extension["size"].astype(np.int64)
        part = kind[which] == FRAGMENT_HEADER
        here[which] += np.where(part, 8, np.where(kind[which] == AUTHENTICATION, size * 4 + 8, size * 8 + 8))
        later[which] = part & (extension["part"] >> 3 != 0)
        kind[which] = extension["next"]
        right &= here <= last
    found.outcome[mine] = np.where(right, np.where(later, FRAGMENT, NO_PORTS), BROKEN)
    protocol[mine], place[mine], stop[mine] = kind, here, last
    found.family[mine] = SIX
    found.source[mine], found.source_low[mine] = head["source"], head["source_low"]
    found.target[mine], found.target_low[mine] = head["target"], head["target_low"]


def _ports(data: bytes, found: Decoded, protocol: Numbers, place: Numbers, stop: Numbers) -> None:
    """Ports and payload of the transports that have them."""
    has = found.outcome == NO_PORTS
    kinds = np.zeros(len(has), bool)
    for kind in WITH_PORTS:
        kinds |= protocol == kind
    mine = np.flatnonzero(has & kinds)
    if not mine.size:
        return
    at: Numbers = place[mine]
    last: Numbers = stop[mine]
    numbered: Numbers = protocol[mine]
    head = rows(data, at, TCP_HEAD)
    found.outcome[mine] = np.where(at + 4 <= last, FLOW, BROKEN)
    found.source_port[mine], found.target_port[mine] = head["source"], head["target"]
    stream = (numbered == TCP) & (at + 14 <= last)
    found.flags[mine] = np.where(stream, head["flags"], 0)
    found.sequence[mine] = np.where(stream, head["sequence"], 0)
    offset = (head["offset"] >> 4).astype(np.int64) * 4
    # the length of UDP stands where TCP has the first half of its sequence number
    told = (head["sequence"] >> 16).astype(np.int64)
    datagram = numbered == UDP
    last = np.where(datagram & (told >= 8), np.minimum(last, at + told), last)
    begin = np.where(stream & (offset >= 20), at + offset, np.where(datagram, at + 8, last))
    found.start[mine], found.size[mine] = begin, np.maximum(last - begin, 0)
