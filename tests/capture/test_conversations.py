"""Conversations: counted both ways, client told from server, first bytes in order; their number and memory bounded."""

from __future__ import annotations

import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import CLIENT, SERVER, ethernet, ip4, ip6, of_dpkt, talk, tcp, udp

from portlore.capture import conversations
from portlore.capture.choosing import parse_filter
from portlore.capture.conversations import Conversation, Conversations, outcome_of
from portlore.capture.decoding import COOKED, ETHERNET, PAD, Batch, decode
from portlore.capture.streams import MOST, Stream
from portlore.errors import InputError


def batch(frames: list[bytes], link: int = ETHERNET) -> Batch:
    sizes = np.array([len(one) for one in frames], np.int64)
    at = np.cumsum(sizes) - sizes
    links = np.full(len(frames), link, np.int64)
    return Batch(b"".join(frames) + bytes(PAD), at, sizes, sizes, np.arange(len(frames), dtype=float), links)


def gathered(frames: list[bytes], *, most: int = 1000, registered: tuple[int, ...] = ()) -> list[Conversation]:
    into, one = Conversations(most), batch(frames)
    into.take(one, decode(one, (0x8890,)))
    return into.gather(lambda transport, port: port in registered)


def test_packets_and_bytes_of_each_direction_are_those_of_a_plain_count() -> None:
    numbers = random.Random(7)
    frames, theirs, sizes = [], Counter[Any](), Counter[Any]()
    for _ in range(3000):
        hosts: list[str] = numbers.sample([f"10.0.0.{n}" for n in range(1, 6)], 2)
        (one_port, other), data = numbers.sample([53, 80, 703, 5000, 6000], 2), bytes(numbers.randrange(60))
        protocol = numbers.choice([6, 17])
        payload = tcp(one_port, other, data=data) if protocol == 6 else udp(one_port, other, data)
        six = numbers.random() < 0.3
        ends = [f"fd00::{host[-1]}" for host in hosts] if six else hosts
        frames.append(ethernet((ip6 if six else ip4)(payload, protocol, *ends)))
        key = of_dpkt(frames[-1])
        assert key is not None
        theirs[protocol, *key] += 1
        sizes[protocol, *key] += len(frames[-1])
    found: Counter[Any] = Counter()
    weighed: Counter[Any] = Counter()
    for one in gathered(frames):
        protocol = {"tcp": 6, "udp": 17}[one.transport]
        for side in (0, 1):
            key = (protocol, one.addresses[side], one.ports[side], one.addresses[1 - side], one.ports[1 - side])
            found[key] += one.packets[side]
            weighed[key] += one.sizes[side]
    assert +found == theirs
    assert +weighed == sizes


def test_flows_whose_hashes_are_equal_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame for port in range(1, 40) for frame in talk(port, b"a", b"b")]
    right = gathered(frames)
    real = conversations._mixed
    monkeypatch.setattr(conversations, "_mixed", lambda words, salt: real(words, salt) % (2 + salt))
    assert sorted(map(repr, gathered(frames))) == sorted(map(repr, right))
    assert len(right) == 39


CLIENTS = [  # frames, who serves, by what, registered ports
    (talk(50_000, b"", b"", client=22), 50_000, "syn", (22,)),
    ([ethernet(ip4(tcp(7000, 6000, flags=0x12)))], 7000, "syn", ()),
    ([ethernet(ip4(tcp(6000, 7000, flags=0x10)))], 6000, "port", ()),
    ([ethernet(ip4(tcp(6000, 7000, flags=0x10)))], 7000, "port", (7000,)),
    ([ethernet(ip4(udp(703, 2049), 17))], 2049, "port", (2049,)),
    ([ethernet(ip4(udp(703, 40_000), 17))], 703, "port", (40_000,)),
    ([ethernet(ip4(udp(123, 123), 17))], 123, "first", ()),
]


@pytest.mark.parametrize(("frames", "server", "told_by", "registered"), CLIENTS)
def test_the_client_is_who_asked_else_the_ports_tell(
    frames: list[bytes], server: int, told_by: str, registered: tuple[int, ...]
) -> None:
    (one,) = gathered(frames, registered=registered)
    assert (one.ports[1], one.told_by) == (server, told_by)


def test_what_became_of_a_connection_is_told_by_its_flags() -> None:
    def of(*frames: bytes) -> tuple[str, str]:
        return outcome_of(gathered(list(frames))[0])

    asked = ethernet(ip4(tcp(9, 80, 1, 0x02)))
    assert of(asked) == ("timeout", "silence")
    assert of(asked, ethernet(ip4(tcp(80, 9, 1, 0x14), source=SERVER, target=CLIENT))) == ("refused", "rst")
    assert of(*talk(80, b"", b"")) == ("open", "syn-ack")
    assert of(ethernet(ip4(tcp(4000, 80, 1, 0x18, b"x")))) == ("open", "only the client was heard")
    assert of(ethernet(ip4(udp(900, 53), 17))) == ("timeout", "silence")
    assert of(ethernet(ip4(udp(5353, 5353), 17, CLIENT, "224.0.0.251"))) == ("open", "sent to many")


@given(st.binary(min_size=1, max_size=3000), st.randoms(use_true_random=False), st.integers(0, (1 << 32) - 1))
def test_a_stream_is_what_was_sent_in_whatever_order_it_comes(said: bytes, shuffle: random.Random, first: int) -> None:
    cuts = sorted({0, len(said), *(shuffle.randrange(len(said) + 1) for _ in range(4))})
    pieces = list(pairwise(cuts))
    pieces += [shuffle.choice(pieces) for _ in range(3)]  # sent again
    shuffle.shuffle(pieces)
    stream = Stream()
    begun = shuffle.random() < 0.5
    if begun:
        stream.add(b"", 0, 0, first, 0x02)
    for start, end in pieces:
        stream.add(said, start, end - start, (first + 1 + start) % (1 << 32), 0x18)
    assert b"".join(stream.pieces()) == said
    assert stream.whole == begun


@given(st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 255), st.binary(max_size=2000)), max_size=60))
def test_no_stream_holds_more_than_it_may(packets: list[tuple[int, int, bytes]]) -> None:
    stream = Stream()
    for sequence, flags, data in packets:
        stream.add(data, 0, len(data), sequence, flags)
    assert len(b"".join(stream.pieces())) <= MOST
    assert sum(map(len, stream._kept.values())) <= 24 * MOST


def test_conversations_beyond_the_bound_are_counted() -> None:
    frames = [ethernet(ip4(udp(1000 + number, 53), 17)) for number in range(50)]
    into, one = Conversations(10), batch(frames)
    into.take(one, decode(one))
    into.take(one, decode(one))
    found = into.gather(lambda transport, port: False)
    assert len(found) == 10
    assert all(sum(one.packets) == 2 for one in found)
    assert (into.packets, into.untold) == (100, 80)


FRAMES = [
    *talk(703, b"a", b"b"),
    ethernet(ip4(udp(5000, 53), 17, "192.168.1.7", "10.0.0.9")),
    ethernet(ip6(tcp(80, 90))),
    ethernet(ip4(b"\x08\0\0\0", 1)),
    ethernet(bytes(28), 0x0806),
]
FILTERS = {
    "tcp": [0, 1, 2, 3, 5],
    "port 703": [0, 1, 2, 3],
    "src port 703": [1, 3],
    "dst portrange 53-90": [4, 5],
    "host 10.0.0.1": [0, 1, 2, 3, 6],
    "net 192.168.0.0/16": [4],
    "net fd00::/64": [5],
    "host fd00::1": [5],
    "dst host 10.0.0.9": [4],
    "arp or icmp": [6, 7],
    "ip6": [5],
    "not tcp and ip": [4, 6],
    "ip not (tcp or udp)": [6],
    "ether proto 0x0806": [7],
    "tcp port 90 or udp port 53": [4, 5],
    "not tcp port 703": [4, 5, 6, 7],  # not (tcp and port 703)
    "ip host 10.0.0.9": [4],
    "tcp src port 703": [1, 3],
    "tcp or udp and port 53": [4],  # from left to right, as pcap-filter(7) has it
    "port 703 or ip6 && tcp": [0, 1, 2, 3, 5],
    "tcp " * 5000: [0, 1, 2, 3, 5],
}


@pytest.mark.parametrize("text", FILTERS, ids=lambda text: text[:40])
def test_a_filter_takes_the_packets_its_words_say(text: str) -> None:
    chosen = parse_filter(text)(decode(batch(FRAMES)))
    assert np.flatnonzero(chosen).tolist() == FILTERS[text]


@pytest.mark.parametrize(
    "text",
    ["", "port", "port 70000", "port x", "host name.example", "tcp and", "(tcp", "tcp)", "net 10.0.0.0/33", "rm -rf",
     "(" * 5000, "port 1-2", "or tcp", "tcp or or udp", "tcp src", "()", "host 999.1.1.1", "not " * 3000 + "tcp"],
)  # fmt: skip
def test_a_filter_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_filter(text)


HEADS = [b"", *(bytes(12) + kind.to_bytes(2, "big") for kind in (0x8100, 0x8847, 0x8864, 0x86DD))]
HEADS += [ethernet(ip4(b"", number))[:-4] for number in (4, 41, 47)]  # whose last four bytes are anything


@given(
    st.lists(st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=120)), max_size=12),
    st.sampled_from([0, 1, 101, 108, 113, 276, 4242, COOKED + 0x0800, COOKED + 0x8847]),
)
def test_no_bytes_make_the_decoder_point_outside_a_packet(frames: list[bytes], link: int) -> None:
    one = batch(frames, link)
    found = decode(one, (0x8890,))
    flows = found.outcome == 0
    assert (found.size >= 0).all()
    ended = found.start + found.size <= one.at + one.captured
    assert (ended | ~flows | (found.size == 0)).all()
    into = Conversations()
    into.take(one, found)
    assert into.packets == len(frames)
