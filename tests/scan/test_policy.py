"""Who may be asked: every special-purpose network of IANA's registries, its borders, and the disguises of IPv4."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.errors import PolicyRefused
from portlore.scan.addresses import parse_address
from portlore.scan.policy import Reach, decide, parts, reach_of
from portlore.scan.targets import Span, Targets, parse_targets

NETWORKS = [  # by hand from IANA's special-purpose address registries and RFC 6890: network, RFC, what to do
    ("0.0.0.0/8", "RFC 791", Reach.NEVER),
    ("10.0.0.0/8", "RFC 1918", Reach.PRIVATE),
    ("100.64.0.0/10", "RFC 6598", Reach.PRIVATE),
    ("127.0.0.0/8", "RFC 1122", Reach.LOOPBACK),
    ("169.254.0.0/16", "RFC 3927", Reach.LINK_LOCAL),
    ("172.16.0.0/12", "RFC 1918", Reach.PRIVATE),
    ("192.0.0.0/24", "RFC 6890", Reach.PUBLIC),
    ("192.0.0.0/29", "RFC 7335", Reach.PUBLIC),
    ("192.0.2.0/24", "RFC 5737", Reach.PUBLIC),
    ("192.31.196.0/24", "RFC 7535", Reach.PUBLIC),
    ("192.52.193.0/24", "RFC 7450", Reach.PUBLIC),
    ("192.88.99.0/24", "RFC 7526", Reach.PUBLIC),
    ("192.168.0.0/16", "RFC 1918", Reach.PRIVATE),
    ("192.175.48.0/24", "RFC 7534", Reach.PUBLIC),
    ("198.18.0.0/15", "RFC 2544", Reach.PUBLIC),
    ("198.51.100.0/24", "RFC 5737", Reach.PUBLIC),
    ("203.0.113.0/24", "RFC 5737", Reach.PUBLIC),
    ("224.0.0.0/4", "RFC 5771", Reach.NEVER),
    ("240.0.0.0/5", "RFC 1112", Reach.PUBLIC),
    ("255.255.255.255/32", "RFC 919", Reach.NEVER),
    ("::1/128", "RFC 4291", Reach.LOOPBACK),
    ("::/128", "RFC 4291", Reach.NEVER),
    ("::ffff:0:0/96", "RFC 4291", Reach.NEVER),
    ("64:ff9b:1::/48", "RFC 8215", Reach.PUBLIC),
    ("100::/64", "RFC 6666", Reach.PUBLIC),
    ("100:0:0:1::/64", "RFC 9780", Reach.PUBLIC),
    ("2001:1::1/128", "RFC 7723", Reach.PUBLIC),
    ("2001:2::/48", "RFC 5180", Reach.PUBLIC),
    ("2001:3::/32", "RFC 7450", Reach.PUBLIC),
    ("2001:4:112::/48", "RFC 7535", Reach.PUBLIC),
    ("2001:20::/28", "RFC 7343", Reach.PUBLIC),
    ("2001:30::/28", "RFC 9374", Reach.PUBLIC),
    ("2001:db8::/32", "RFC 3849", Reach.PUBLIC),
    ("2620:4f:8000::/48", "RFC 7534", Reach.PUBLIC),
    ("3fff::/20", "RFC 9637", Reach.PUBLIC),
    ("5f00::/16", "RFC 9602", Reach.PUBLIC),
    ("fc00::/7", "RFC 4193", Reach.PRIVATE),
    ("fe80::/10", "RFC 4291", Reach.LINK_LOCAL),
    ("fec0::/10", "RFC 3879", Reach.PRIVATE),
    ("ff00::/8", "RFC 4291", Reach.NEVER),
]
BEYOND = {  # what lies just before and after, where that is not public too
    "0.0.0.0/8": (None, Reach.PUBLIC), "127.0.0.0/8": (Reach.PUBLIC, Reach.PUBLIC),
    "224.0.0.0/4": (Reach.PUBLIC, Reach.PUBLIC),
    "240.0.0.0/5": (Reach.NEVER, Reach.PUBLIC), "255.255.255.255/32": (Reach.PUBLIC, None),
    "fe80::/10": (Reach.PUBLIC, Reach.PRIVATE), "fec0::/10": (Reach.LINK_LOCAL, Reach.NEVER),
    "ff00::/8": (Reach.PRIVATE, None), "fc00::/7": (Reach.PUBLIC, Reach.PUBLIC),
    "::/128": (None, Reach.LOOPBACK), "::1/128": (Reach.NEVER, Reach.NEVER),
    "::ffff:0:0/96": (Reach.PUBLIC, Reach.PUBLIC),
}  # fmt: skip


@pytest.mark.parametrize(("network", "rfc", "reach"), NETWORKS, ids=lambda value: str(value))
def test_every_special_network_is_what_its_rfc_says_up_to_its_borders(network: str, rfc: str, reach: Reach) -> None:
    there = ipaddress.ip_network(network)
    first, last = int(there.network_address), int(there.broadcast_address)
    assert {reach_of(there.version, number) for number in (first, (first + last) // 2, last)} == {reach}, rfc
    before, after = BEYOND.get(network, (Reach.PUBLIC, Reach.PUBLIC))
    if first and before is not None:
        assert reach_of(there.version, first - 1) == before
    if last < 2 ** (32 if there.version == 4 else 128) - 1 and after is not None:
        assert reach_of(there.version, last + 1) == after


DISGUISED = [  # an IPv6 address that stands for an IPv4 one, and what to do
    ("64:ff9b::10.0.0.1", Reach.PUBLIC),  # RFC 6052: leaves this network through a translator
    ("64:ff9b::8.8.8.8", Reach.PUBLIC),
    ("64:ff9b::127.0.0.1", Reach.NEVER),
    ("64:ff9b::224.0.0.1", Reach.NEVER),
    ("64:ff9b::255.255.255.255", Reach.NEVER),
    ("64:ff9b::0.0.0.0", Reach.NEVER),
    ("2002:a00:1::1", Reach.PUBLIC),  # RFC 3056: 6to4 of 10.0.0.1
    ("2002:7f00:1::1", Reach.NEVER),
    ("2002:e000:1::1", Reach.NEVER),
    ("2002:ffff:ffff::1", Reach.NEVER),
    ("2001::f5ff:fffe", Reach.PUBLIC),  # RFC 4380: Teredo of 10.0.0.1, inverted
    ("2001::80ff:fffe", Reach.NEVER),  # of 127.0.0.1
    ("2001::1fff:fffe", Reach.NEVER),  # of 224.0.0.1
    ("::10.0.0.1", Reach.PUBLIC),  # RFC 4291 section 2.5.5.1, deprecated
    ("::127.0.0.1", Reach.NEVER),
    ("::224.0.0.1", Reach.NEVER),
]


@pytest.mark.parametrize(("address", "reach"), DISGUISED)
def test_an_ipv4_address_in_disguise_is_never_freer_than_itself(address: str, reach: Reach) -> None:
    known = parse_address(address)
    assert known is not None
    assert reach_of(*known) == reach


def test_an_ipv4_mapped_target_is_its_ipv4_address_for_the_policy() -> None:
    assert decide(targets("::ffff:10.0.0.1")).addresses == ((Reach.PRIVATE, 1),)
    for word in ("::ffff:8.8.8.8", "::ffff:224.0.0.1", "::ffff:0:0/90"):
        with pytest.raises(PolicyRefused):
            decide(targets(word))


def targets(*words: str) -> Targets:
    return parse_targets(words, lambda name: [])


def test_private_loopback_and_link_local_are_asked_freely() -> None:
    decision = decide(targets("10.0.0.0/8", "127.0.0.1", "169.254.1.1", "fd00::1", "::1", "fe80::1%eth0"))
    assert dict(decision.addresses) == {Reach.PRIVATE: (1 << 24) + 1, Reach.LOOPBACK: 2, Reach.LINK_LOCAL: 2}
    assert not decision.public


def test_public_addresses_need_somebody_s_word_which_is_recorded() -> None:
    with pytest.raises(PolicyRefused, match="--i-am-allowed") as refused:
        decide(targets("10.0.0.1", "8.8.8.0/24"))
    assert refused.value.exit_code == 4
    assert "255 more" in str(refused.value)
    decision = decide(targets("10.0.0.1", "8.8.8.0/24"), allowed=True)
    assert decision.allowed
    assert decision.public
    assert dict(decision.addresses) == {Reach.PRIVATE: 1, Reach.PUBLIC: 256}


@pytest.mark.parametrize(
    "word", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "0.0.0.0/0", "::/0", "239.0.0.0/8"]
)
def test_what_is_no_single_host_is_never_asked_whatever_is_allowed(word: str) -> None:
    with pytest.raises(PolicyRefused, match="nothing was sent"):
        decide(targets(word), allowed=True)


def test_one_refused_address_refuses_the_whole_set_and_says_which() -> None:
    with pytest.raises(PolicyRefused, match=r"224\.0\.0\.0"):
        decide(targets("10.0.0.1", "223.255.255.0-224.0.0.0"), allowed=True)


def test_a_network_s_broadcast_address_is_refused_where_the_machine_knows_it() -> None:
    with pytest.raises(PolicyRefused, match=r"--exclude 10\.66\.0\.255"):
        decide(targets("10.66.0.0/24"), broadcasts=(0x0A4200FF,))
    assert decide(targets("10.66.0.0-254"), broadcasts=(0x0A4200FF,)).addresses == ((Reach.PRIVATE, 255),)


SPAN = st.one_of(
    st.tuples(st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1)),
    st.tuples(st.just(6), st.integers(0x2001 << 112, 0x2003 << 112), st.integers(0x2001 << 112, 0x2003 << 112)),
    st.tuples(st.just(6), st.integers(0, 2**34), st.integers(0, 2**34)),
).map(lambda told: Span(told[0], min(told[1:]), max(told[1:])))


@given(SPAN, st.data())
def test_the_parts_of_a_span_are_all_of_it_and_no_address_is_freer_in_it_than_alone(
    span: Span, data: st.DataObject
) -> None:
    found = list(parts(span))
    assert found[0].span.first == span.first
    assert found[-1].span.last == span.last
    for before, after in pairwise(found):
        assert after.span.first == before.span.last + 1
    for part in found[:40]:
        inside = data.draw(st.integers(part.span.first, part.span.last))
        alone = {reach_of(span.version, number) for number in (part.span.first, inside, part.span.last)}
        assert part.reach is Reach.NEVER or alone == {part.reach}


def test_a_span_of_many_teredo_relays_is_refused_whole() -> None:
    assert [part.reach for part in parts(Span(6, 0x20010000 << 96, (0x20010000 << 96) + (1 << 40)))] == [Reach.NEVER]
