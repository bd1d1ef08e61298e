"""TCP SYN packets as NumPy arrays, and what comes back. Pure; needs NumPy.

Packets begin at the IP header (RFC 791, RFC 8200): a packet socket of the kind SOCK_DGRAM adds and takes away whatever
the link puts before it. A probe's **sequence number** is 32 random bits that are kept for it (four bytes a probe), and
an answer counts only when it acknowledges them (RFC 9293 section 3.10.7.3: ``SEG.ACK = ISS + 1``); an ICMP error, only
when it quotes them. Who does not see our packets has one chance in 2**32 a guess. A keyed hash would need no memory;
to compute it anew for small batches of answers costs more than to send them, and random bits cannot be broken.

The **source port** tells which try is answered (the first one plus the number of the try), so that round-trip times and
losses are known without doubt. It must differ anyhow: a second SYN with another sequence number on a connection that
the host holds half-open is answered by a reset, as if the port were closed (RFC 9293 section 3.10.7.4).
"""

from __future__ import annotations

import numpy as np

from portlore.scan.plan import BLOCKED, OPEN, REFUSED, UNASKED, UNREACHABLE
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.int64]

SNAPSHOT = 128  # bytes of an answer that are looked at: IPv4 options, ICMP, a quoted header with the sequence number
TCP, ICMP, ICMP6 = 6, 1, 58  # IP protocol numbers
SYN, RST, ACK = 0x02, 0x04, 0x10
WINDOW, HOPS = 64240, 64
MSS = {4: 1460, 6: 1440}  # of Ethernet; hosts that are told none assume 536 (RFC 9293 section 3.7.1), and stand out
TCP_SIZE = 24  # with the option for the maximum segment size
HEADER = {4: 20, 6: 40}
SIZE = {version: size + TCP_SIZE for version, size in HEADER.items()}


def _layout(version: int) -> np.dtype[np.void]:
    """Where the fields that differ between packets stand; everything else is the same in all of them."""
    tcp = HEADER[version]
    fields = {"sport": (tcp, ">u2"), "dport": (tcp + 2, ">u2"), "seq": (tcp + 4, ">u4"), "sum": (tcp + 16, ">u2")}
    if version == 4:
        fields |= {"ip_sum": (10, ">u2"), "source": (12, "V4"), "target": (16, "V4")}
    else:
        fields |= {"source": (8, "V16"), "target": (24, "V16")}
    shape = {
        "names": list(fields),
        "formats": [kind for _, kind in fields.values()],
        "offsets": [at for at, _ in fields.values()],
        "itemsize": SIZE[version],
    }
    return np.dtype(shape)  # type: ignore[call-overload, no-any-return]


LAYOUT = {version: _layout(version) for version in HEADER}
# What is read of an answer whose IP header has the usual size: its TCP part, and the packet that an ICMP error quotes.
TCP4 = np.dtype({"names": ["source", "sport", "dport", "ack", "flags"], "offsets": [12, 20, 22, 28, 33],
                 "formats": ["V4", ">u2", ">u2", ">u4", "u1"], "itemsize": SNAPSHOT})  # fmt: skip
TCP6 = np.dtype({"names": ["source", "sport", "dport", "ack", "flags"], "offsets": [8, 40, 42, 48, 53],
                 "formats": ["V16", ">u2", ">u2", ">u4", "u1"], "itemsize": SNAPSHOT})  # fmt: skip
QUOTE4 = np.dtype({"names": ["type", "code", "shape", "protocol", "target", "sport", "dport", "seq"],
                   "offsets": [20, 21, 28, 37, 44, 48, 50, 52], "itemsize": SNAPSHOT,
                   "formats": ["u1", "u1", "u1", "u1", "V4", ">u2", ">u2", ">u4"]})  # fmt: skip
QUOTE6 = np.dtype({"names": ["type", "code", "shape", "protocol", "target", "sport", "dport", "seq"],
                   "offsets": [40, 41, 48, 54, 72, 88, 90, 92], "itemsize": SNAPSHOT,
                   "formats": ["u1", "u1", "u1", "u1", "V16", ">u2", ">u2", ">u4"]})  # fmt: skip
LEAST = {4: (34, 56), 6: (54, 96)}  # bytes that an answer has to have: TCP with its flags; ICMP with what it quotes


def _outcomes(version: int) -> Bytes:
    """The outcome for each ICMP type and code, as a table of 65,536; :data:`UNASKED` for those that say nothing."""
    table = np.zeros((256, 256), np.uint8)
    if version == 4:  # RFC 792, RFC 1812 section 5.2.7.1
        table[3, :16] = UNREACHABLE
        table[3, [9, 10, 13, 14, 15]] = BLOCKED
        table[3, 3] = REFUSED
        table[3, 4] = UNASKED  # too big: not for 44 bytes
        table[11, :2] = UNREACHABLE
    else:  # RFC 4443 sections 3.1 and 3.3
        table[1, :8] = UNREACHABLE
        table[1, [1, 5, 6]] = BLOCKED
        table[1, 4] = REFUSED
        table[3, :2] = UNREACHABLE
    return table.reshape(-1)


ICMP_OUTCOMES = {4: _outcomes(4), 6: _outcomes(6)}


def raw_addresses(version: int, numbers: tuple[int, ...]) -> Bytes:
    """Addresses as an array of rows of 4 or 16 bytes."""
    if version == 4:
        return np.array(numbers, ">u4").view(np.uint8).reshape(-1, 4)
    return np.frombuffer(b"".join([one.to_bytes(16, "big") for one in numbers]), np.uint8).reshape(-1, 16)


def word_sums(rows: Bytes) -> NDArray[np.uint32]:
    """The sum of the 16-bit words of each row, whose length is even; not folded (RFC 1071)."""
    sums: NDArray[np.uint32] = np.sum(rows.view(">u2"), axis=-1, dtype=np.uint32)
    return sums


def fold(sums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The Internet checksum of unfolded sums (RFC 1071): the carries added, the complement taken."""
    low, carry = np.uint32(0xFFFF), np.uint32(16)
    sums = (sums & low) + (sums >> carry)
    return ((sums & low) + (sums >> carry)) ^ low


def template(version: int) -> Bytes:
    """A packet with all that is the same in every one, zero elsewhere."""
    packet = np.zeros(SIZE[version], np.uint8)
    if version == 4:  # version and size; total length; don't fragment; time to live; protocol
        packet[[0, 3, 6, 8, 9]] = 0x45, SIZE[4], 0x40, HOPS, TCP
    else:  # version; payload length; next header; hop limit
        packet[[0, 5, 6, 7]] = 0x60, TCP_SIZE, TCP, HOPS
    tcp = packet[HEADER[version] :]
    tcp[[12, 13, 14, 15]] = TCP_SIZE << 2, SYN, WINDOW >> 8, WINDOW & 0xFF
    tcp[20:24] = 2, 4, MSS[version] >> 8, MSS[version] & 0xFF
    return packet


class Answers(Value):
    """What a batch of packets says, as arrays of one length: only what answers a probe of ours.

    ``probes``: their numbers; ``tries``: which try of it is answered, from 0; ``outcomes``: bytes of scan/plan;
    ``reasons``: 0 for a SYN-ACK, 1 for a reset, else ``type << 8 | code`` of ICMP.
    """

    probes: Numbers
    tries: NDArray[np.uint8]
    outcomes: Bytes
    reasons: NDArray[np.uint16]


class Packets:
    """Writes the probes of a block and recognises their answers.

    ``targets``: rows of 4 or 16 bytes, an address each; ``ports``; ``sources``: our own addresses in the same form, and
    ``source_of`` an index into them for each target; ``first_port``: our port for the first of ``tries`` tries;
    ``cookies``: a random 32-bit number for each probe (``target * len(ports) + port``).
    """

    def __init__(
        self,
        targets: Bytes,
        ports: tuple[int, ...],
        sources: Bytes,
        source_of: NDArray[np.uint16],
        first_port: int,
        tries: int,
        cookies: NDArray[np.uint32],
    ) -> None:
        self.version = 4 if targets.shape[1] == 4 else 6
        self.size = SIZE[self.version]
        self.first_port, self.tries, self.cookies = first_port, tries, cookies
        self._ports = np.array(ports, np.uint32)
        self._places = np.full(65536, -1, np.int64)
        self._places[self._ports] = np.arange(len(ports))
        self._targets, self._sources, self._source_of = self._whole(targets), self._whole(sources), source_of
        keys = self._keys(self._targets)
        self._order = np.argsort(keys, kind="stable").astype(np.uint32)
        self._sorted = keys[self._order]
        self._template = template(self.version)
        # The parts of the checksums that an address has: both addresses; what is the same in all of them.
        self._sums = word_sums(targets) + word_sums(sources)[source_of]
        header = HEADER[self.version]
        self._ip_rest = word_sums(self._template[None, :header])[0]
        self._tcp_rest = word_sums(self._template[None, header:])[0] + np.uint32(TCP + TCP_SIZE)

    def build(self, probes: Numbers, attempt: int, out: Bytes) -> Numbers:
        """Write the packets of some probes, for a try, to the first rows of ``out``; back come their targets' indices.

        ``out``: rows of :attr:`size` bytes, contiguous.
        """
        target, place = np.divmod(probes, len(self._ports))
        out = out[: len(probes)]
        out[:] = self._template
        fields = out.reshape(-1).view(LAYOUT[self.version])
        port, seq, sums = self._ports[place], self.cookies[probes], self._sums[target]
        fields["source"] = self._sources[self._source_of[target]]
        fields["target"] = self._targets[target]
        fields["sport"] = self.first_port + attempt
        fields["dport"] = port
        fields["seq"] = seq
        rest = self._tcp_rest + np.uint32(self.first_port + attempt)
        fields["sum"] = fold(sums + port + (seq >> 16) + (seq & 0xFFFF) + rest)
        if self.version == 4:
            fields["ip_sum"] = fold(sums + self._ip_rest)
        return target

    def decode(self, data: Bytes, lengths: Numbers) -> Answers:
        """Find the answers in packets as captured: rows of :data:`SNAPSHOT` bytes, of which so many are real.

        Whatever the bytes, nothing is raised; what is not ours is left out.
        """
        least_tcp, least_icmp = LEAST[self.version]
        if self.version == 4:
            data, lengths = straighten(data, lengths)
            whole = (data[:, 0] == 0x45) & ((data[:, 6] & 0x1F) == 0) & (data[:, 7] == 0)  # not a later fragment
            protocol, error = data[:, 9], ICMP
        else:
            whole = (data[:, 0] >> 4) == 6
            protocol, error = data[:, 6], ICMP6
        rows = np.flatnonzero(whole & (protocol == TCP) & (lengths >= least_tcp))
        found = self._tcp(data if len(rows) == len(data) else data[rows])
        rows = np.flatnonzero(whole & (protocol == error) & (lengths >= least_icmp))
        if not len(rows):
            return found
        more = self._icmp(data[rows])
        join = np.concatenate
        return Answers(
            join((found.probes, more.probes)),
            join((found.tries, more.tries)),
            join((found.outcomes, more.outcomes)),
            join((found.reasons, more.reasons)),
        )

    def _tcp(self, data: Bytes) -> Answers:
        fields = data.reshape(-1).view(TCP4 if self.version == 4 else TCP6)
        flags = fields["flags"] & (SYN | RST | ACK)
        outcomes = np.where(flags == SYN | ACK, np.uint8(OPEN), np.where(flags == RST | ACK, np.uint8(REFUSED), 0))
        seq = fields["ack"] - np.uint32(1)
        reasons = (outcomes != OPEN).astype(np.uint16)
        return self._ours(fields["source"], fields["sport"], fields["dport"], seq, outcomes.astype(np.uint8), reasons)

    def _icmp(self, data: Bytes) -> Answers:
        fields = data.reshape(-1).view(QUOTE4 if self.version == 4 else QUOTE6)
        reasons = (fields["type"].astype(np.uint16) << np.uint16(8)) | fields["code"]
        quoted = (fields["shape"] == 0x45) if self.version == 4 else (fields["shape"] >> 4) == 6
        outcomes = np.where(quoted & (fields["protocol"] == TCP), ICMP_OUTCOMES[self.version][reasons], np.uint8(0))
        return self._ours(fields["target"], fields["dport"], fields["sport"], fields["seq"], outcomes, reasons)

    def _ours(
        self,
        address: NDArray[np.void],
        port: NDArray[np.uint16],
        own: NDArray[np.uint16],
        seq: NDArray[np.uint32],
        outcomes: Bytes,
        reasons: NDArray[np.uint16],
    ) -> Answers:
        """Those whose address, ports and sequence number are a probe's."""
        tries = own.astype(np.int64) - self.first_port
        keys = self._keys(np.ascontiguousarray(address))
        at = np.searchsorted(self._sorted, keys).clip(max=len(self._sorted) - 1)
        place = self._places[port]
        good = (self._sorted[at] == keys) & (place >= 0) & (outcomes != UNASKED) & (tries >= 0) & (tries < self.tries)
        probes = self._order[at].astype(np.int64) * len(self._ports) + place
        good &= self.cookies[np.where(good, probes, 0)] == seq
        if good.all():
            return Answers(probes, tries.astype(np.uint8), outcomes, reasons)
        return Answers(probes[good], tries[good].astype(np.uint8), outcomes[good], reasons[good])

    def _whole(self, rows: Bytes) -> NDArray[np.void]:
        return np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").reshape(-1)

    def _keys(self, rows: NDArray[np.void]) -> NDArray[np.uint32] | NDArray[np.bytes_]:
        """Addresses as something that can be sorted and searched."""
        if self.version == 4:
            return rows.view(">u4").astype(np.uint32)
        return rows.view("S16")


def straighten(data: Bytes, lengths: Numbers) -> tuple[Bytes, Numbers]:
    """IPv4 packets with their options taken out, so that every field stands where it stands without them."""
    sizes = (data[:, 0] & 15).astype(np.int64) * 4
    odd = np.flatnonzero((sizes > 20) & (lengths > sizes))
    if not len(odd):
        return data, lengths
    data, lengths = data.copy(), lengths.copy()
    for row in odd.tolist():  # rare: not worth a vector
        size = int(sizes[row])
        data[row, 20 : SNAPSHOT - size + 20] = data[row, size:].copy()
        data[row, 0] = 0x45
        lengths[row] -= size - 20
    return data, lengths


def sieve(version: int, first_port: int, tries: int) -> list[tuple[int, int, int, int]]:
    """The socket filter (classic BPF: code, jump if true, jump if false, value) that lets answers to us through.

    For a packet socket of the kind SOCK_DGRAM: offsets count from the IP header. TCP to one of our ports with ACK and
    one of SYN and RST; ICMP errors that quote TCP from one of our ports.
    """
    byte, half, byte_x, half_x = 0x30, 0x28, 0x50, 0x48  # A = the byte at k, the 16 bits at k; the same at X + k
    equal, any_bit, at_least, minus, header_size, end = 0x15, 0x45, 0x35, 0x14, 0xB1, 0x06
    ours = [(minus, "", "", first_port), (at_least, "drop", "", tries)]
    answer = [(any_bit, "", "drop", ACK), (any_bit, "keep", "drop", SYN | RST)]
    rows: list[tuple[int, str, str, int] | str]
    if version == 4:
        rows = [
            (half, "", "", 6), (any_bit, "drop", "", 0x1FFF),  # a later fragment
            (header_size, "", "", 0), (byte, "", "", 9), (equal, "", "error", TCP),
            (half_x, "", "", 2), *ours, (byte_x, "", "", 13), *answer, "error",
            (equal, "", "drop", ICMP), (byte_x, "", "", 0), (equal, "quote", "", 3), (equal, "", "drop", 11), "quote",
            (byte_x, "", "", 17), (equal, "", "drop", TCP), (half_x, "", "", 28), *ours,
        ]  # fmt: skip
    else:
        rows = [
            (byte, "", "", 6), (equal, "", "error", TCP),
            (half, "", "", 42), *ours, (byte, "", "", 53), *answer, "error",
            (equal, "", "drop", ICMP6), (byte, "", "", 40), (equal, "quote", "", 1), (equal, "", "drop", 3), "quote",
            (byte, "", "", 54), (equal, "", "drop", TCP), (half, "", "", 88), *ours,
        ]  # fmt: skip
    kind = (0x20, "", "", 0xFFFF_F004)  # A = the packet's type, SKF_AD_OFF + SKF_AD_PKTTYPE: 0 for "to us"
    rows = [kind, (equal, "", "drop", 0), *rows, "keep", (end, "", "", SNAPSHOT), "drop", (end, "", "", 0)]
    places: dict[str, int] = {}
    steps: list[tuple[int, str, str, int]] = []
    for row in rows:
        if isinstance(row, str):
            places[row] = len(steps)
        else:
            steps.append(row)
    return [
        (code, places[yes] - at - 1 if yes else 0, places[no] - at - 1 if no else 0, value)
        for at, (code, yes, no, value) in enumerate(steps)
    ]
