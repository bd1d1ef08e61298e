"""Who is asked and which ports: words to targets and ports and back, the ranking, blocks and shards."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.errors import InputError
from portlore.opening import load, open_programs
from portlore.scan.addresses import format_address, parse_address
from portlore.scan.grid import MOST_ASKED, Shard, blocks, check_size, prefilled, probes
from portlore.scan.machine import Here, look_around, parse_fib, parse_inet6, with_zones
from portlore.scan.plan import ELSEWHERE, MOST_PROBES, UNASKED, Block
from portlore.scan.ports import format_numbers, format_ports, parse_ports
from portlore.scan.ranking import ranked, top
from portlore.scan.targets import Span, Targets, parse_list, parse_span, parse_targets

if TYPE_CHECKING:
    from portlore.scan.targets import Found

V4, V6 = st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1)
NAMES = {"one.example": [(4, 0x0A000001, "")], "two.example": [(4, 0x0A000002, ""), (6, 0xFD << 120 | 2, "")]}


def resolve(name: str) -> list[Found]:
    return NAMES[name]


def targets(*words: str, excluded: tuple[str, ...] = ()) -> Targets:
    return parse_targets(words, resolve, excluded)


def addresses(found: Targets) -> list[str]:
    return [
        format_address(s.version, number, s.zone)
        for s in found.spans
        for number in range(s.first, min(s.last + 1, s.first + 99))
    ]


@given(V4)
def test_an_ipv4_address_goes_to_text_and_back_as_the_standard_library_has_it(number: int) -> None:
    text = format_address(4, number)
    assert text == str(ipaddress.IPv4Address(number))
    assert parse_address(text) == (4, number)


@given(st.one_of(V6, st.integers(0, 7).map(lambda group: 0xFFFF << 16 * group), st.integers(0, 2**40)))
def test_an_ipv6_address_goes_to_text_and_back_as_the_standard_library_has_it(number: int) -> None:
    text = format_address(6, number)
    assert ipaddress.IPv6Address(text) == ipaddress.IPv6Address(number)
    if number >> 32 != 0xFFFF:  # RFC 5952 section 5: mapped ones are written with their IPv4 address
        assert text == str(ipaddress.IPv6Address(number))
    assert parse_address(text) == (6, number)


@given(st.text("0123456789abcdefABCDEF:.%", max_size=45))
def test_what_is_taken_for_an_address_is_one_for_the_standard_library_too(text: str) -> None:
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        assert parse_address(text) is None
        return
    if "%" not in text:  # zones are the caller's
        assert parse_address(text) == (expected.version, int(expected))


FORMS = [
    ("10.0.0.5", "10.0.0.5"),
    ("10.0.0.1-20", "10.0.0.1-10.0.0.20"),
    ("10.0.0.1-10.0.1.20", "10.0.0.1-10.0.1.20"),
    ("10.0.0.77/24", "10.0.0.0-10.0.0.255"),
    ("10.0.0.77/32", "10.0.0.77"),
    ("10.0.0.0/8", "10.0.0.0-10.255.255.255"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("fe80::/120%eth0", None),
    ("fe80::%eth0/126", "fe80::%eth0-fe80::3%eth0"),
    ("fe80::1%br-lan-fe80::9", "fe80::1%br-lan-fe80::9%br-lan"),
    ("fe80::1-fe80::9%eth0", "fe80::1%eth0-fe80::9%eth0"),
    ("2001:db8::/126", "2001:db8::-2001:db8::3"),
    ("::ffff:10.0.0.1", "10.0.0.1"),
    ("::ffff:10.0.0.0/120", "10.0.0.0-10.0.0.255"),
]


@pytest.mark.parametrize(("word", "text"), FORMS)
def test_every_form_of_a_target_is_a_span(word: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(InputError):
            parse_span(word)
    else:
        assert str(parse_span(word)) == text


@pytest.mark.parametrize(
    "word", ["one.example", "web-1", "10-0-0-1.example", "_dmarc.example", "xn--bcher-kva", "a.b."]
)
def test_a_name_is_left_to_be_looked_up(word: str) -> None:
    assert parse_span(word) is None


WRONG = [
    "", " ", "10.0.0", "127.1", "0x7f000001", "0x7f.1", "010.0.0.1", "10.0.0.256", "2130706433", "10.0.0.0/33",
    "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.20-10", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1%eth0",
    "http://a/", "host:80", "[::1]:80", "a b", "a..b", "-x", "fe80::1%", "x" * 400, "10.0.0.1-300",
    "1.2.3.4/24%eth0", "a\x1b[2J",
]  # fmt: skip


@pytest.mark.parametrize("word", WRONG)
def test_what_different_programs_read_differently_is_refused(word: str) -> None:
    with pytest.raises(InputError):
        parse_span(word)


@given(st.text(max_size=60))
def test_any_text_is_a_span_a_name_or_an_input_error(word: str) -> None:
    try:
        span = parse_span(word)
    except InputError:
        return
    assert span is None or span.first <= span.last


@given(V4, st.integers(0, 2**20))
def test_a_span_s_text_is_a_target_again(first: int, more: int) -> None:
    span = Span(4, first, min(2**32 - 1, first + more))
    assert parse_span(str(span)) == span


def test_a_slash_8_costs_no_more_than_an_address() -> None:
    assert targets("10.0.0.0/8").spans == (Span(4, 10 << 24, (11 << 24) - 1),)
    assert targets("10.0.0.0/8").count == 1 << 24
    assert targets("::/0").count == 1 << 128


def test_what_several_words_name_is_asked_once() -> None:
    found = targets("10.0.0.1", "10.0.0.0/30", "10.0.0.3-10", "one.example", "::ffff:10.0.0.2")
    assert found.spans == (Span(4, 0x0A000000, 0x0A00000A),)
    assert found.name_of(4, 0x0A000001) == "one.example"


def test_of_a_name_the_first_address_is_asked_and_all_are_excluded() -> None:
    assert addresses(targets("two.example")) == ["10.0.0.2"]
    assert addresses(targets("10.0.0.1-3", "fd00::1-fd00::3", excluded=("two.example",))) == [
        "10.0.0.1", "10.0.0.3", "fd00::1", "fd00::3"]  # fmt: skip


def test_an_exclusion_holds_for_every_disguise_of_the_address() -> None:
    words = ("10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::5", "::ffff:10.0.0.1", "64:ff9b::10.0.0.2")
    assert addresses(targets(*words, excluded=("10.0.0.1",))) == ["64:ff9b::a00:2"]


def test_an_exclusion_without_a_zone_holds_on_every_interface() -> None:
    words = ("fe80::1%eth0", "fe80::1%eth1", "fe80::2%eth0")
    assert addresses(targets(*words, excluded=("fe80::1",))) == ["fe80::2%eth0"]
    assert addresses(targets(*words, excluded=("fe80::1%eth0",))) == ["fe80::2%eth0", "fe80::1%eth1"]


@pytest.mark.parametrize(
    ("word", "excluded"),
    [
        ("fe80::1", "fe80::1%eth0"),  # which the only interface makes of it later
        ("fe80::1%2", "fe80::1%eth0"),  # which may be number 2
        ("fe80::1%eth0", "fe80::1%2"),
        ("fd00::1", "fd00::1%eth0"),  # where a zone means nothing
        ("fd00::1%eth1", "fd00::1%eth0"),
        ("::ffff:10.0.0.1", "10.0.0.0/30"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("10.0.0.2", "two.example"),
    ],
)
def test_exclusions_always_win(word: str, excluded: str) -> None:
    assert targets(word, excluded=(excluded,)).spans == ()


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda p: Span(4, p[0], p[0] + p[1])), max_size=8)


@given(SPANS, SPANS)
def test_exclusion_is_set_difference_whatever_overlaps(asked: list[Span], gone: list[Span]) -> None:
    words, excluded = [str(span) for span in asked], [str(span) for span in gone]
    found = parse_targets(words, resolve, excluded)
    wanted = {n for s in asked for n in range(s.first, s.last + 1)} - {
        n for s in gone for n in range(s.first, s.last + 1)
    }
    assert [n for s in found.spans for n in range(s.first, s.last + 1)] == sorted(wanted)
    inside = parse_targets(words, resolve).within(gone)
    assert {n for s in inside.spans for n in range(s.first, s.last + 1)} == {
        n for s in asked for n in range(s.first, s.last + 1)} - wanted  # fmt: skip


def test_a_list_has_words_and_remarks() -> None:
    assert parse_list("10.0.0.1, 10.0.0.2\n# all\nhost # mine\n\n ::1\r\n") == ["10.0.0.1", "10.0.0.2", "host", "::1"]


BOOK = {("http", "tcp"): [80], ("domain", "udp"): [53], ("http-alt", "tcp"): [591, 8008, 8080]}


def ports(text: str, on: str = "tcp") -> dict[str, tuple[int, ...]]:
    return parse_ports(text, lambda name, transport: BOOK.get((name, transport), []), on)


PORTS = [
    ("22", {"tcp": (22,)}),
    ("80,22,22", {"tcp": (22, 80)}),
    ("8000-8003", {"tcp": (8000, 8001, 8002, 8003)}),
    ("-3", {"tcp": (1, 2, 3)}),
    ("65533-", {"tcp": (65533, 65534, 65535)}),
    ("http,http-alt", {"tcp": (80, 591, 8008, 8080)}),
    ("22,U:53,67,T:80", {"tcp": (22, 80), "udp": (53, 67)}),
    ("U:domain,u:67", {"udp": (53, 67)}),
    ("22,53/udp,80", {"tcp": (22, 80), "udp": (53,)}),
    ("0", {"tcp": (0,)}),
]


@pytest.mark.parametrize(("text", "found"), PORTS)
def test_ports_are_numbers_ranges_and_names_of_each_transport(text: str, found: dict[str, tuple[int, ...]]) -> None:
    assert ports(text) == found


def test_a_minus_alone_is_every_port() -> None:
    assert ports("-")["tcp"] == tuple(range(1, 65536))
    assert ports("-", "udp") == {"udp": tuple(range(1, 65536))}


@pytest.mark.parametrize(
    "text", ["", ",", "22,", "65536", "8O", "x:1", "5-3", "080", "nobody", "22/sctp", "U:", "a\n", "1-2-3", "--"]
)
def test_what_is_no_port_is_told(text: str) -> None:
    with pytest.raises(InputError):
        ports(text)


@given(st.sets(st.integers(0, 65535), max_size=60), st.sets(st.integers(0, 65535), max_size=9))
def test_ports_go_to_text_and_back(tcp: set[int], udp: set[int]) -> None:
    wanted = {on: tuple(sorted(numbers)) for on, numbers in (("tcp", tcp), ("udp", udp)) if numbers}
    if wanted:
        assert ports(format_ports(wanted)) == wanted


@given(st.sets(st.integers(0, 200)))
def test_numbers_are_written_as_the_fewest_runs(numbers: set[int]) -> None:
    runs = sum(before + 1 != now for before, now in pairwise([-9, *sorted(numbers)]))
    assert len([part for part in format_numbers(sorted(numbers)).split(",") if part]) == runs


def test_the_first_hundred_of_the_ranking_are_what_people_run() -> None:
    first = top(100, load(), open_programs())
    assert {22, 80, 443, 25, 53, 3306, 5432, 6379, 8080, 3389, 445} <= set(first)
    assert {53, 123, 161, 67, 5353} <= set(top(200, load(), open_programs(), "udp"))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_ranking_has_every_port_once_and_is_the_same_each_time(transport: str) -> None:
    whole = list(ranked(load(), open_programs(), transport))
    assert sorted(whole) == list(range(1, 65536))
    assert whole == list(ranked(load(), open_programs(), transport))
    assert top(65535, load(), open_programs(), transport) == tuple(whole)
    assert top(1000, load(), open_programs(), transport) == tuple(whole[:1000])


@given(st.integers(1, 200), st.sets(st.integers(0, 65535), min_size=1, max_size=40), st.integers(1, 12))
def test_shards_ask_every_port_of_every_address_exactly_once(count: int, numbers: set[int], shards: int) -> None:
    asked = {"tcp": tuple(sorted(numbers)), "udp": (53,)}
    found = parse_targets([f"10.0.0.1-10.0.0.{count}" if count > 1 else "10.0.0.1", "fd00::1"], resolve)
    for block in blocks(found, asked):
        parts = [prefilled(block, Shard(index, shards)) for index in range(1, shards + 1)]
        for probe in range(len(block)):
            assert sorted(part[probe] for part in parts) == [UNASKED] + [ELSEWHERE] * (shards - 1)


@pytest.mark.parametrize(
    ("words", "numbers"), [("10.0.0.1", range(1, 65536)), ("10.0.0.0/22", (22, 80)), ("10.0.0.0/16", (80,))]
)
def test_shards_are_even(words: str, numbers: range | tuple[int, ...]) -> None:
    block = next(blocks(targets(words), {"tcp": tuple(numbers)}))
    for count in (2, 7):
        sizes = [prefilled(block, Shard(index, count)).count(UNASKED) for index in range(1, count + 1)]
        fair = len(block) / count
        assert all(abs(size - fair) < 6 * fair**0.5 for size in sizes)  # six standard deviations of chance


def test_a_shard_is_a_function_of_address_and_port_alone() -> None:
    """So that machines with other lists never both ask a port, nor both leave it out."""
    wide = next(blocks(targets("10.0.0.0/24"), {"tcp": tuple(range(1, 500))}))
    narrow = next(blocks(targets("10.0.0.77"), {"tcp": (22, 80, 443)}))
    shard = Shard(2, 3)
    here, there = prefilled(narrow, shard), prefilled(wide, shard)
    for place, port in enumerate(narrow.ports):
        assert here[place] == there[77 * len(wide.ports) + wide.ports.index(port)]


def test_blocks_hold_all_ports_of_their_addresses_and_are_bounded() -> None:
    every = {"tcp": tuple(range(1, 65536)), "udp": (53,)}
    found = list(blocks(targets("10.0.0.0/25", "fe80::1%eth0", "fe80::2%eth1"), every))
    assert all(len(block) <= MOST_PROBES for block in found)
    assert sum(map(len, found)) == probes(targets("10.0.0.0/25", "fe80::1%eth0", "fe80::2%eth1"), every) == 130 * 65536
    assert {(block.version, block.zone) for block in found} == {(4, ""), (6, "eth0"), (6, "eth1")}


def test_a_network_beyond_all_measure_is_refused_before_it_is_begun() -> None:
    with pytest.raises(InputError, match="more than can be asked"):
        check_size(targets("fd00::/64"), {"tcp": (80,)})
    check_size(targets("10.0.0.0/8"), {"tcp": tuple(range(1, 65536))})
    assert probes(targets("10.0.0.0/8"), {"tcp": tuple(range(1, 65536))}) < MOST_ASKED


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "1/100001", "-1/3", "1/3/5", ""])
def test_a_wrong_shard_is_told(text: str) -> None:
    with pytest.raises(InputError):
        Shard.parse(text)


def test_a_shard_goes_to_text_and_back() -> None:
    assert Shard.parse("2/5") == Shard(2, 5)
    assert str(Shard(2, 5)) == "2/5"


FIB = """\
Local:
  +-- 0.0.0.0/0 3 0 4
     |-- 10.66.0.1
        /32 host LOCAL
     |-- 10.66.0.255
        /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.255.255.255
           /32 link BROADCAST
"""


def test_own_and_broadcast_addresses_are_read_from_the_kernel_s_table() -> None:
    assert parse_fib(FIB) == ([Span(4, 0x0A420001, 0x0A420001)], (0x0A4200FF,))
    own, interfaces = parse_inet6("fe80000000000000000000000000" + "0002 03 40 20 80     eth0\n")
    assert own == [Span(6, 0xFE80 << 112 | 2, 0xFE80 << 112 | 2, "eth0")]
    assert interfaces == ("eth0",)
    assert Span(4, 127 << 24, (128 << 24) - 1) in look_around().own


def test_a_link_local_address_without_its_interface_is_the_only_one_s_or_asked_back() -> None:
    span = Span(6, 0xFE80 << 112 | 1, 0xFE80 << 112 | 1)
    assert with_zones((span,), ("eth0",)) == (span.replace(zone="eth0"),)
    with pytest.raises(InputError, match="without its interface"):
        with_zones((span,), ("eth0", "eth1"))
    with pytest.raises(InputError, match="no interface"):
        with_zones((span.replace(zone="nope"),), ("eth0",))
    assert Here((), (), ()) == Here((), (), ())


def test_an_interface_by_number_is_the_one_by_name() -> None:
    import socket

    number, name = socket.if_nameindex()[0]
    span = Span(6, 0xFE80 << 112 | 1, 0xFE80 << 112 | 1, str(number))
    assert with_zones((span,), (name,)) == (span.replace(zone=name),)
    with pytest.raises(InputError, match="no interface"):
        with_zones((span.replace(zone="4000000000"),), (name,))


@given(st.integers(1, 6), st.integers(0, 2**128 - 1), st.sampled_from((4, 6)), st.sampled_from(("tcp", "udp")))
def test_a_shard_says_of_any_port_whether_it_asks_it(count: int, number: int, version: int, transport: str) -> None:
    number %= 2 ** (32 if version == 4 else 128)
    block = Block(version, (number,), tuple(range(1, 30)), transport)
    for index in range(1, count + 1):
        one = Shard(index, count)
        told = [one.asks(version, number, port, transport) for port in block.ports]
        assert told == [code == UNASKED for code in prefilled(block, one)]
