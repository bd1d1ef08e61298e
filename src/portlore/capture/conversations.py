"""Who talked with whom: flows by both ends and ports, counted both ways, and the first bytes of each side. Pure.

Counting is done by NumPy for all packets of a batch at once; only packets whose payload is among the first of a side
are looked at one by one. How many conversations are kept is bounded, and so are their first bytes; the rest is counted.
"""

from __future__ import annotations

import numpy as np

from portlore.capture import decoding as head
from portlore.capture.decoding import ACK, FLOW, RST, SYN, TCP, UDP
from portlore.capture.ends import ethernet_text, ip4_text, ip6_text
from portlore.capture.streams import Datagrams, Stream
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from portlore.capture.decoding import Batch, Decoded, Numbers, Words

ASKED, ANSWERED = 64, 128  # of a side's flags, in place of ECE and CWR: a SYN without ACK, and one with it
EPHEMERAL = 32_768  # from here on systems take the ports of clients: Linux; others from 49152 (RFC 6335 section 6)
MOST = 100_000  # conversations
MOST_HELD = 1 << 26  # bytes of payload and of what holds it, of all conversations; beyond it a side has FEW
HOLDING = 100  # bytes that a piece costs beside what it says
FEW = 256
TRIES = {TCP: 40, UDP: 3}  # packets with payload of a side that are looked at
FACTORS = tuple(np.uint64(number) for number in (
    0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F,
))  # fmt: skip
SHIFT = np.uint64(29)


class Conversation(Value):
    """A conversation; every pair is (of the client, of the server).

    ``transport``: ``tcp`` ``udp`` ``sctp`` ``dccp`` ``udplite``, or ``ethernet``: then the addresses are MAC addresses,
    the ports 0, and ``ethertype`` tells the rest. ``sizes``: bytes on the wire, with all headers. ``first``: when each
    side was first heard, ``None`` if never; ``last``: when either was last. ``flags``: all TCP flags of a side, with
    ASKED and ANSWERED in place of two. ``told_by``: how it is known who the client is (``syn`` ``content`` ``port``
    ``first``). ``said``: the first bytes of each side: of TCP one piece after the other as sent, of UDP a datagram
    each. ``whole``: whether TCP's are from its beginning.
    """

    transport: str
    ethertype: int
    addresses: tuple[str, str]
    ports: tuple[int, int]
    packets: tuple[int, int]
    sizes: tuple[int, int]
    first: tuple[float | None, float | None]
    last: float
    flags: tuple[int, int]
    told_by: str
    said: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    whole: bool

    def turned(self, told_by: str) -> Conversation:
        """The same with client and server changed over."""
        pairs = ("addresses", "ports", "packets", "sizes", "first", "flags", "said")
        return self.replace(told_by=told_by, **{name: getattr(self, name)[::-1] for name in pairs})


class Conversations:
    """Takes decoded batches in order; :meth:`gather` gives what they come to.

    ``packets`` in all, of which ``broken`` (shorter than their headers need, or headers that make no sense), on
    ``unknown_links``, later ``fragments``; ``without_ports``: IP packets by protocol number; ``not_ip``: by EtherType.
    ``untold`` packets belong to conversations beyond the ``most`` that are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self.packets = self.bytes = self.broken = self.unknown_links = self.fragments = self.untold = 0
        self.without_ports: dict[int, int] = {}
        self.not_ip: dict[int, int] = {}
        self.begun: float | None = None
        self.ended: float | None = None
        self.short_of_room = False
        self._most, self._held = most, 0
        self._known: dict[bytes, int] = {}
        self._sides: list[list[Stream | Datagrams | None]] = [[], []]
        self._room = 0
        self._counts = np.zeros((4, 0), np.int64)  # packets of both sides, bytes of both
        self._times = np.zeros((3, 0))  # first of both sides, last
        self._flags = np.zeros((2, 0), np.uint8)
        self._left = np.zeros((2, 0), np.int16)  # packets still to be looked at

    def take(self, batch: Batch, decoded: Decoded, chosen: NDArray[np.bool_] | None = None) -> None:
        """Count a batch, or the packets ``chosen`` of it."""
        outcome = decoded.outcome if chosen is None else np.where(chosen, decoded.outcome, -1)
        self._count(batch, decoded, outcome)
        flows = np.flatnonzero(outcome == FLOW)
        if not flows.size:
            return
        words, turned = _words(decoded, flows)
        rest = np.arange(len(flows))
        salt = 0
        while rest.size:  # twice only if two flows have one hash, which the next salt tells apart
            rest = self._group(batch, decoded, flows, words, turned, rest, salt)
            salt += 1

    def _count(self, batch: Batch, decoded: Decoded, outcome: NDArray[np.int8]) -> None:
        mine = outcome >= 0
        total = int(mine.sum())
        if not total:
            return
        self.packets += total
        self.bytes += int(batch.length[mine].sum())
        times = batch.time[mine]
        first, last = float(times.min()), float(times.max())
        self.begun = first if self.begun is None else min(first, self.begun)
        self.ended = last if self.ended is None else max(last, self.ended)
        kinds = np.bincount(outcome[mine], minlength=6).tolist()
        self.broken += kinds[head.BROKEN]
        self.unknown_links += kinds[head.UNKNOWN_LINK]
        self.fragments += kinds[head.FRAGMENT]
        for code, numbers, counts in (
            (head.NO_PORTS, decoded.protocol, self.without_ports), (head.NOT_IP, decoded.ethertype, self.not_ip)
        ):  # fmt: skip
            if kinds[code]:
                values, many = np.unique(numbers[outcome == code], return_counts=True)
                for value, count in zip(values.tolist(), many.tolist(), strict=True):
                    counts[value] = counts.get(value, 0) + count

    def _group(
        self, batch: Batch, decoded: Decoded, flows: Numbers, words: Words, turned: Any, rest: Numbers, salt: int
    ) -> Numbers:
        """Count packets ``rest`` of the ``flows``; those whose hash is another flow's are given back."""
        mixed = _mixed(words[rest], salt)
        order = np.argsort(mixed, kind="stable")
        mixed = mixed[order]
        fresh = np.empty(len(mixed), bool)
        fresh[0] = True
        np.not_equal(mixed[1:], mixed[:-1], out=fresh[1:])
        starts = np.flatnonzero(fresh)
        order = rest[order]
        group = np.cumsum(fresh) - 1
        one_of_each = words[order[starts]]
        alike = (words[order] == one_of_each[group]).all(axis=1)
        left: Numbers = order[~alike]
        if left.size:
            left.sort()
            order, group = order[alike], group[alike]
            starts = np.flatnonzero(np.diff(group, prepend=-1))
        rows = self._rows(one_of_each, decoded, flows[order[starts]])
        packets, side = flows[order], turned[order]
        self._add(batch, decoded, packets, side, starts, rows)
        self._look(batch, decoded, packets, side, rows[group])
        return left

    def _rows(self, words: Words, decoded: Decoded, example: Numbers) -> Numbers:
        """The row of each flow, made where it is new; -1 where there is no room."""
        raw, found = np.ascontiguousarray(words).tobytes(), [-1] * len(words)
        known = self._known
        tries = [TRIES.get(protocol, 1) for protocol in decoded.protocol[example].tolist()]
        for number in np.argsort(example).tolist():
            key = raw[40 * number : 40 * number + 40]
            row = known.get(key, -1)
            if row < 0 and len(known) < self._most:
                row = known[key] = len(known)
                if row >= self._room:
                    self._grow()
                self._left[:, row] = tries[number]
                self._sides[0].append(None)
                self._sides[1].append(None)
            found[number] = row
        return np.array(found, np.int64)

    def _grow(self) -> None:
        more = min(max(1024, self._room), self._most - self._room + 1)
        self._room += more
        self._counts = np.pad(self._counts, ((0, 0), (0, more)))
        self._times = np.pad(self._times, ((0, 0), (0, more)), constant_values=np.inf)
        self._times[2, -more:] = -np.inf
        self._flags = np.pad(self._flags, ((0, 0), (0, more)))
        self._left = np.pad(self._left, ((0, 0), (0, more)))

    def _add(self, batch: Batch, decoded: Decoded, packets: Numbers, side: Any, starts: Numbers, rows: Numbers) -> None:
        """Add packets, sorted by flow, to the rows of their flows."""
        kept = rows >= 0
        to = rows[kept]
        ones = np.add.reduceat(np.ones(len(packets), np.int64), starts)
        self.untold += int(ones[~kept].sum())
        length, time, flags = batch.length[packets], batch.time[packets], decoded.flags[packets]
        begins = flags & (SYN | ACK)
        flags = flags & np.uint8(ASKED - 1) | np.where(begins == SYN, np.uint8(ASKED), np.uint8(0))
        flags |= np.where(begins == SYN | ACK, np.uint8(ANSWERED), np.uint8(0))
        for number in (0, 1):
            mine = side == number
            self._counts[number, to] += np.add.reduceat(mine.astype(np.int64), starts)[kept]
            self._counts[2 + number, to] += np.add.reduceat(np.where(mine, length, 0), starts)[kept]
            first = np.minimum.reduceat(np.where(mine, time, np.inf), starts)[kept]
            self._times[number, to] = np.minimum(self._times[number, to], first)
            self._flags[number, to] |= np.bitwise_or.reduceat(np.where(mine, flags, np.uint8(0)), starts)[kept]
        self._times[2, to] = np.maximum(self._times[2, to], np.maximum.reduceat(time, starts)[kept])

    def _look(self, batch: Batch, decoded: Decoded, packets: Numbers, side: Any, rows: Numbers) -> None:
        """Keep the payload of packets that are among the first of their side."""
        begins = (decoded.flags[packets] & SYN != 0) & (decoded.protocol[packets] == TCP)
        wanted = (rows >= 0) & ((decoded.size[packets] > 0) | begins)
        wanted &= self._left[side.astype(np.int64), np.maximum(rows, 0)] > 0
        which = np.flatnonzero(wanted)
        which = which[np.argsort(packets[which], kind="stable")]  # in the order of the capture
        chosen = packets[which]
        left = [side.data for side in self._left]  # quicker to index than arrays
        fields = ("start", "size", "sequence", "flags", "protocol")
        for row, number, start, size, sequence, flags, protocol in zip(
            rows[which].tolist(),
            side[which].astype(np.int8).tolist(),
            *(getattr(decoded, name)[chosen].tolist() for name in fields),
            strict=True,
        ):  # fmt: skip
            if left[number][row] <= 0:
                continue
            kept = self._sides[number][row]
            if kept is None:
                kept = self._sides[number][row] = Stream() if protocol == TCP else Datagrams()
            most = None
            if self._held > MOST_HELD:
                self.short_of_room, most = True, FEW
            took, ended = kept.add(batch.data, start, size, sequence, flags, most)
            self._held += took + HOLDING * (took > 0)
            left[number][row] = 0 if ended else left[number][row] - (size > 0)

    def gather(self, registered: Callable[[str, int], bool]) -> list[Conversation]:
        """All conversations, in the order of the capture. ``registered``: of a transport and a port."""
        return [self._conversation(key, row, registered) for key, row in self._known.items()]

    def _conversation(self, key: bytes, row: int, registered: Callable[[str, int], bool]) -> Conversation:
        high, low, other, other_low, rest = np.frombuffer(key, np.uint64).tolist()
        family, protocol = rest >> 48, rest >> 32 & 0xFFFF
        ports = rest >> 16 & 0xFFFF, rest & 0xFFFF
        if family == head.FRAME:
            addresses = ethernet_text(high), ethernet_text(other)
        elif family == head.FOUR:
            addresses = ip4_text(high), ip4_text(other)
        else:
            addresses = ip6_text(high, low), ip6_text(other, other_low)
        times, counts = self._times[:, row].tolist(), self._counts[:, row].tolist()
        flags = self._flags[:, row].tolist()
        sides = [self._sides[number][row] for number in (0, 1)]
        said = tuple(one.pieces() if one is not None else () for one in sides)
        found = Conversation(
            "ethernet" if family == head.FRAME else head.WITH_PORTS[protocol],
            protocol if family == head.FRAME else 0,
            addresses,
            ports,
            (counts[0], counts[1]),
            (counts[2], counts[3]),
            (times[0] if counts[0] else None, times[1] if counts[1] else None),
            times[2],
            (flags[0], flags[1]),
            "first",
            (said[0], said[1]),
            all(one is None or one.whole for one in sides),
        )
        server, told_by = server_side(found, registered)
        return found.replace(told_by=told_by) if server == 1 else found.turned(told_by)


def server_side(found: Conversation, registered: Callable[[str, int], bool]) -> tuple[int, str]:
    """Which of the two sides serves (0 or 1), and what tells: the handshake, the ports, or who was heard first."""
    asked = [bool(flags & ASKED) for flags in found.flags]
    answered = [bool(flags & ANSWERED) for flags in found.flags]
    if asked[0] != asked[1]:
        return (1 if asked[0] else 0), "syn"
    if answered[0] != answered[1]:
        return (0 if answered[0] else 1), "syn"
    one, two = found.ports
    if one != two:
        known = registered(found.transport, one), registered(found.transport, two)
        lasting = one < EPHEMERAL, two < EPHEMERAL
        for tells in (lasting, known):
            if tells[0] != tells[1]:
                return (0 if tells[0] else 1), "port"
        return (0 if one < two else 1), "port"
    times = [time if time is not None else float("inf") for time in found.first]
    return (1 if times[0] <= times[1] else 0), "first"


def outcome_of(found: Conversation) -> tuple[str, str]:
    """What became of a conversation, in the words of :class:`portlore.observed.Outcome`, and the reason."""
    client, server = found.flags
    if found.transport == "tcp":
        if server & ANSWERED:
            return "open", "syn-ack"
        if found.said[1]:
            return "open", "tcp answer"
        if server & RST:
            return ("refused", "rst") if client & ASKED else ("open", "tcp answer")
        if found.packets[1]:
            return "open", "tcp answer"
        if client & ACK and not client & RST:  # nobody acknowledges or goes on without an answer
            return "open", "only the client was heard"
        return "timeout", "silence"
    if found.packets[1]:
        return "open", f"{found.transport} answer"
    first = found.addresses[1].split(".")[0]
    if found.addresses[1].startswith("ff") or (first.isdigit() and (224 <= int(first) < 240 or first == "255")):
        return "open", "sent to many"
    return "timeout", "silence"


def _words(decoded: Decoded, flows: Numbers) -> tuple[Words, NDArray[np.bool_]]:
    """What flows are told apart by, the smaller end first, and which packets go from the larger to the smaller."""
    ends = [getattr(decoded, name)[flows] for name in ("source", "source_low", "target", "target_low")]
    source_port = decoded.source_port[flows].astype(np.uint64)
    target_port = decoded.target_port[flows].astype(np.uint64)
    source, source_low, target, target_low = ends
    same = source == target
    turned = (source > target) | (same & (source_low > target_low))
    turned |= same & (source_low == target_low) & (source_port > target_port)
    words = np.empty((len(flows), 5), np.uint64)
    words[:, 0], words[:, 2] = np.where(turned, target, source), np.where(turned, source, target)
    words[:, 1], words[:, 3] = np.where(turned, target_low, source_low), np.where(turned, source_low, target_low)
    one, two = np.where(turned, target_port, source_port), np.where(turned, source_port, target_port)
    kind = decoded.family[flows] << np.uint64(48) | decoded.protocol[flows].astype(np.uint64) << np.uint64(32)
    words[:, 4] = kind | one << np.uint64(16) | two
    return words, turned


def _mixed(words: Words, salt: int) -> Words:
    """A hash of each row."""
    total = np.full(len(words), salt, np.uint64)
    for place, factor in enumerate(FACTORS):
        total ^= words[:, place] * (factor + np.uint64(2 * salt))
        total ^= total >> SHIFT
        total *= FACTORS[-1 - place]
    return total
