"""SYN packets and the recognition of their answers, held against dpkt, the kernel's own packets and noise."""

from __future__ import annotations

import random
import socket
import struct

import dpkt  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portlore.scan.packets import (
    SIZE,
    SNAPSHOT,
    Answers,
    Packets,
    fold,
    raw_addresses,
    sieve,
    straighten,
    word_sums,
)
from portlore.scan.plan import BLOCKED, OPEN, REFUSED, UNREACHABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_PORT, TRIES = 61000, 3
PORTS = (22, 80, 703, 65535)
TARGETS = {4: ("10.66.0.2", "192.168.255.254", "10.66.0.3"), 6: ("fd66::2", "fe80::1", "2001:db8::ffff:ffff")}
SOURCES = {4: ("10.66.0.1", "192.168.0.1"), 6: ("fd66::1", "fe80::ff")}
SOURCE_OF = (0, 1, 0)
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def raw(version: int, texts: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    numbers = tuple(int.from_bytes(socket.inet_pton(FAMILY[version], text), "big") for text in texts)
    return raw_addresses(version, numbers)


def packets(version: int) -> Packets:
    count = len(TARGETS[version]) * len(PORTS)
    cookies = np.array([0, 0xFFFFFFFF, *random.Random(703).sample(range(1 << 32), count - 2)], np.uint32)
    rows = raw(version, TARGETS[version]), raw(version, SOURCES[version])
    return Packets(rows[0], PORTS, rows[1], np.array(SOURCE_OF, np.uint16), FIRST_PORT, TRIES, cookies)


def written(version: int, attempt: int = 1) -> list[bytes]:
    """All packets of a try, in the order of the probes."""
    count = len(TARGETS[version]) * len(PORTS)
    out = np.full((count + 2, SIZE[version]), 0xAA, np.uint8)
    targets = packets(version).build(np.arange(count), attempt, out)
    assert targets.tolist() == [probe // len(PORTS) for probe in range(count)]
    assert (out[count:] == 0xAA).all()
    return [row.tobytes() for row in out[:count]]


def parse(packet: bytes) -> Any:
    return dpkt.ip.IP(packet) if packet[0] >> 4 == 4 else dpkt.ip6.IP6(packet)


def decode(version: int, *captured: bytes, sizes: list[int] | None = None) -> list[tuple[int, int, int, int]]:
    """Probe, try, outcome and reason of each answer that is recognised."""
    data = np.zeros((len(captured), SNAPSHOT), np.uint8)
    for row, packet in zip(data, captured, strict=True):
        row[: len(packet[:SNAPSHOT])] = np.frombuffer(packet[:SNAPSHOT], np.uint8)
    lengths = np.array(sizes or [min(len(packet), SNAPSHOT) for packet in captured], np.int64)
    found: Answers = packets(version).decode(data, lengths)
    columns = (found.probes, found.tries, found.outcomes, found.reasons)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def answer(probe: bytes, flags: int, *, ack: int = 1, options: bytes = b"") -> bytes:
    """What a host sends back, made by dpkt: the ends exchanged, the sequence number acknowledged."""
    asked = parse(probe)
    tcp = dpkt.tcp.TCP(sport=asked.data.dport, dport=asked.data.sport, seq=7, flags=flags)
    tcp.ack = (asked.data.seq + ack) & 0xFFFFFFFF
    return wrap(asked, tcp, 6, options)


def wrap(asked: Any, body: Any, protocol: int, options: bytes = b"", source: bytes = b"") -> bytes:
    """An IP packet from who was asked, or from a router, to who asked."""
    if isinstance(asked, dpkt.ip.IP):
        packet = dpkt.ip.IP(src=source or asked.dst, dst=asked.src, p=protocol, data=body, opts=options)
        packet.hl = 5 + len(options) // 4
        packet.len = len(packet)
        whole: bytes = bytes(packet)
        return whole
    data = bytes(body)
    head = struct.pack("!IHBB", 6 << 28, len(data), protocol, 64)
    ends: bytes = (source or asked.dst) + asked.src
    return head + ends + data


def error(probe: bytes, kind: int, code: int, quoted: bytes | None = None) -> bytes:
    """A router's ICMP error that quotes a probe: all of it for ICMPv6, eight bytes of its TCP header for ICMP."""
    version = probe[0] >> 4
    quoted = (probe[:28] if version == 4 else probe) if quoted is None else quoted
    body = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    router = socket.inet_pton(FAMILY[version], "10.9.9.9" if version == 4 else "fd99::9")
    return wrap(parse(probe), body, 1 if version == 4 else 58, source=router)


def test_the_checksum_is_that_of_rfc_1071() -> None:
    # Section 3: the words 0001, f203, f4f5, f6f7 add up to 2ddf0, which folds to ddf2.
    assert fold(word_sums(np.array([[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]], np.uint8)))[0] == 0xDDF2 ^ 0xFFFF


@pytest.mark.parametrize("sums", [(0, 0xFFFF), (0xFFFF, 0), (0x1FFFE, 0), (0xFFFFFFFF, 0)])
def test_carries_are_added_until_there_are_none(sums: tuple[int, int]) -> None:
    assert fold(np.array([sums[0]], np.uint32))[0] == sums[1]


@pytest.mark.parametrize("version", [4, 6])
def test_packets_are_what_an_independent_decoder_reads_and_their_checksums_are_right(version: int) -> None:
    made = packets(version)
    for probe, packet in enumerate(written(version, attempt=2)):
        target, place = divmod(probe, len(PORTS))
        ip = parse(packet)
        assert len(packet) == SIZE[version]
        assert ip.src == socket.inet_pton(FAMILY[version], SOURCES[version][SOURCE_OF[target]])
        assert ip.dst == socket.inet_pton(FAMILY[version], TARGETS[version][target])
        tcp = ip.data
        assert (tcp.sport, tcp.dport, tcp.flags) == (FIRST_PORT + 2, PORTS[place], dpkt.tcp.TH_SYN)
        assert (tcp.seq, tcp.ack, tcp.off) == (int(made.cookies[probe]), 0, 6)
        assert dpkt.tcp.parse_opts(tcp.opts) == [
            (dpkt.tcp.TCP_OPT_MSS, struct.pack("!H", 1460 if version == 4 else 1440))
        ]
        pseudo = ip.src + ip.dst + struct.pack("!II", len(bytes(tcp)), 6)
        assert dpkt.dpkt.in_cksum(pseudo + bytes(tcp)) == 0
        if version == 4:
            assert dpkt.dpkt.in_cksum(packet[:20]) == 0
            assert ip.len == len(packet)
        else:
            assert (ip.plen, ip.nxt) == (24, 6)


@pytest.mark.parametrize("version", [4, 6])
def test_each_answer_is_matched_to_its_probe_and_try(version: int) -> None:
    asked = written(version, attempt=1)
    syn_acks = [answer(packet, 0x12) for packet in asked]
    resets = [answer(packet, 0x14) for packet in asked]
    assert decode(version, *syn_acks) == [(probe, 1, OPEN, 0) for probe in range(len(asked))]
    assert decode(version, *resets) == [(probe, 1, REFUSED, 1) for probe in range(len(asked))]


def test_an_answer_may_carry_ip_options_and_padding() -> None:
    asked = written(4)
    for options in (b"\x01" * 4, b"\x94\x04\x00\x00", b"\x01" * 40):  # no-operation; RFC 2113 router alert; the most
        assert decode(4, answer(asked[5], 0x12, options=options) + bytes(6)) == [(5, 1, OPEN, 0)]


@pytest.mark.parametrize("version", [4, 6])
def test_only_what_acknowledges_exactly_our_sequence_number_counts(version: int) -> None:
    asked = written(version)
    for ack in (0, 2, -1, 1 << 31, 703):
        assert decode(version, *(answer(packet, 0x12, ack=ack) for packet in asked)) == []
        assert decode(version, *(answer(packet, 0x14, ack=ack) for packet in asked)) == []


@pytest.mark.parametrize("version", [4, 6])
def test_other_tcp_packets_are_not_answers(version: int) -> None:
    asked = written(version)
    for flags in (0x02, 0x10, 0x18, 0x11, 0x04, 0x00, 0x16):  # SYN; ACK; PSH; FIN; RST alone; nothing; SYN and RST
        assert decode(version, *(answer(packet, flags) for packet in asked)) == []
    assert decode(version, *asked) == []


@pytest.mark.parametrize("version", [4, 6])
def test_an_answer_for_another_port_address_or_source_port_is_not_ours(version: int) -> None:
    good = bytearray(answer(written(version)[0], 0x12))
    header, source = (20, 12) if version == 4 else (40, 8)
    assert decode(version, bytes(good)) == [(0, 1, OPEN, 0)]
    for at, value in (
        (header + 1, 23),
        (header + 3, good[header + 3] + 5),
        (source + 3, 99),
        (0, 0x55),
        (header + 2, 0),
    ):
        assert decode(version, bytes(good[:at]) + bytes([value]) + bytes(good[at + 1 :])) == []


ERRORS = [  # version, type, code, outcome; RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3
    (4, 3, 0, UNREACHABLE), (4, 3, 1, UNREACHABLE), (4, 3, 3, REFUSED), (4, 3, 9, BLOCKED), (4, 3, 10, BLOCKED),
    (4, 3, 13, BLOCKED), (4, 11, 0, UNREACHABLE), (6, 1, 0, UNREACHABLE), (6, 1, 1, BLOCKED), (6, 1, 3, UNREACHABLE),
    (6, 1, 4, REFUSED), (6, 1, 5, BLOCKED), (6, 3, 0, UNREACHABLE),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "code", "outcome"), ERRORS)
def test_icmp_errors_say_why_no_answer_comes(version: int, kind: int, code: int, outcome: int) -> None:
    asked = written(version)
    expected = [(probe, 1, outcome, kind << 8 | code) for probe in range(len(asked))]
    assert decode(version, *(error(packet, kind, code) for packet in asked)) == expected


@pytest.mark.parametrize("version", [4, 6])
def test_icmp_that_is_no_verdict_or_quotes_something_else_is_passed_over(version: int) -> None:
    asked = written(version)[3]
    kind = 3 if version == 4 else 1
    forged = bytearray(asked)
    forged[20 + 7 if version == 4 else 40 + 7] ^= 1  # the last byte of the sequence number
    assert decode(version, error(asked, kind, 1, bytes(forged[:28] if version == 4 else forged))) == []
    assert decode(version, error(asked, kind, 1, asked[: 27 if version == 4 else 47])) == []
    for other in ((8, 0), (0, 0), (3, 4), (3, 200)) if version == 4 else ((128, 0), (2, 0), (136, 0), (1, 200)):
        assert decode(version, error(asked, *other)) == []
    as_udp = bytearray(asked)
    as_udp[9 if version == 4 else 6] = 17
    assert decode(version, error(asked, kind, 1, bytes(as_udp))) == []


def test_answers_and_errors_of_one_batch_are_all_found() -> None:
    asked = written(4)
    mixed = (answer(asked[0], 0x12), error(asked[1], 3, 13), b"\x45", answer(asked[2], 0x14), asked[3])
    assert sorted(decode(4, *mixed)) == [(0, 1, OPEN, 0), (1, 1, BLOCKED, 0x030D), (2, 1, REFUSED, 1)]


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_cut_short_is_no_answer_whatever_stood_in_the_buffer_before(version: int) -> None:
    whole = answer(written(version)[0], 0x12)
    needed = 34 if version == 4 else 54  # the header and the flags
    for size in range(len(whole)):
        assert bool(decode(version, whole, sizes=[size])) == (size >= needed)


@pytest.mark.parametrize("version", [4, 6])
def test_later_fragments_are_not_taken_for_tcp_headers(version: int) -> None:
    packet = bytearray(answer(written(version)[0], 0x12))
    if version == 4:
        packet[7] = 3
    else:
        packet[6] = 44
    assert decode(version, bytes(packet)) == []


@settings(max_examples=150)
@given(st.sampled_from([4, 6]), st.lists(st.binary(max_size=SNAPSHOT), min_size=1, max_size=8))
def test_noise_is_never_an_answer_and_never_an_error(version: int, captured: list[bytes]) -> None:
    assert decode(version, *captured) == []


@settings(max_examples=300)
@given(st.sampled_from([4, 6]), st.integers(0, 3), st.data())
def test_a_mutated_answer_is_the_same_probe_or_nothing(version: int, kind: int, data: st.DataObject) -> None:
    asked = written(version)
    probe = data.draw(st.integers(0, len(asked) - 1))
    made = bytearray((answer(asked[probe], 0x12), answer(asked[probe], 0x14), error(asked[probe], 3, 1),
                      error(asked[probe], 1, 1))[kind])  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(made)))
    assert {found[0] for found in decode(version, bytes(made), sizes=[size])} <= {probe}


def test_options_are_taken_out_without_touching_the_capture() -> None:
    packet = answer(written(4)[0], 0x12, options=b"\x01" * 8)
    data = np.zeros((2, SNAPSHOT), np.uint8)
    data[0, : len(packet)] = np.frombuffer(packet, np.uint8)
    data[1, 0] = 0x4F  # claims 60 bytes of header, has none
    before = data.copy()
    plain, lengths = straighten(data, np.array([len(packet), 4], np.int64))
    assert (data == before).all()
    assert plain[0, 20 : len(packet) - 8].tobytes() == packet[28:]
    assert lengths.tolist() == [len(packet) - 8, 4]


def admits(steps: list[tuple[int, int, int, int]], packet: bytes) -> bool:
    """Run classic BPF as Linux does (Documentation/networking/filter.rst); the packet is "to us"."""
    a = x = at = 0
    while True:
        code, yes, no, k = steps[at]
        at += 1
        if code == 0x06:
            return k > 0
        if code in (0x30, 0x28, 0x50, 0x48, 0x20):
            if k == 0xFFFFF004:
                a = 0
                continue
            size, begin = {0x30: 1, 0x28: 2, 0x50: 1, 0x48: 2, 0x20: 4}[code], k + (x if code & 0x40 else 0)
            if begin + size > len(packet):
                return False
            a = int.from_bytes(packet[begin : begin + size], "big")
        elif code == 0xB1:
            if k >= len(packet):
                return False
            x = 4 * (packet[k] & 15)
        elif code == 0x14:
            a = (a - k) & 0xFFFFFFFF
        else:
            taken = {0x15: a == k, 0x45: bool(a & k), 0x35: a >= k}[code]
            at += yes if taken else no


@pytest.mark.parametrize("version", [4, 6])
def test_the_socket_filter_lets_through_what_the_decoder_takes_and_little_else(version: int) -> None:
    steps = sieve(version, FIRST_PORT, TRIES)
    asked = written(version, attempt=2)
    kind = 3 if version == 4 else 1
    for packet in asked:
        assert admits(steps, answer(packet, 0x12))
        assert admits(steps, answer(packet, 0x14))
        assert admits(steps, error(packet, kind, 1))
        assert not admits(steps, packet)  # our own
        assert not admits(steps, answer(packet, 0x10))
        assert not admits(steps, answer(packet, 0x02))
        assert not admits(steps, error(packet, 8 if version == 4 else 135, 0))
    assert not admits(sieve(version, FIRST_PORT + 3, TRIES), answer(asked[0], 0x12))
    assert not admits(sieve(version, FIRST_PORT - 1, TRIES), answer(asked[0], 0x12))
    if version == 4:
        assert admits(steps, answer(asked[0], 0x12, options=b"\x01" * 12))


@settings(max_examples=200)
@given(st.sampled_from([4, 6]), st.binary(max_size=SNAPSHOT))
def test_what_the_filter_drops_the_decoder_would_not_have_taken(version: int, packet: bytes) -> None:
    if not admits(sieve(version, FIRST_PORT, TRIES), packet):
        assert decode(version, packet) == []
