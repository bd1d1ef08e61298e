"""Claims: the schema refuses what has no source, and what ships obeys it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore import Claim, ClaimKind, ParseError, PortRange, Source, Verdict
from portlore.building import CLAIMS, all_claims
from portlore.lore.schema import parse_claims
from portlore.lore.store import Lore, pack_claims, ranges
from portlore.packed import unpack

GOOD = """
[[claim]]
ports = "6379"
transport = "tcp"
name = "Redis"
kind = "vendor-documented"
verdict = "confirmed"
statement = "Redis listens here unless told otherwise."
why = "Its default configuration says so."
from = "2009"
[[claim.sources]]
title = "redis.conf of Debian's redis-server"
url = "pkg:deb/debian/redis-server@5%3A7.0.15-1#etc/redis/redis.conf"
how = "package file"
evidence = "port 6379"
retrieved = 2026-11-21
"""


def test_a_claim_is_read_with_its_source() -> None:
    (claim,) = parse_claims(GOOD, "redis.toml")
    assert (claim.ports, claim.transport, claim.name) == ("6379", "tcp", "Redis")
    assert (claim.kind, claim.verdict) == (ClaimKind.VENDOR_DOCUMENTED, Verdict.CONFIRMED)
    assert (claim.since, claim.until) == ("2009", None)
    assert claim.sources[0].how == "package file"
    assert claim.sources[0].retrieved == "2026-11-21"


SOURCE = GOOD[GOOD.index("[[claim.sources]]") :]
WRONG = [
    ("without a source", SOURCE, "", "no source"),
    (
        "with a source that nobody opened",
        'how = "package file"',
        'how = "remembered"',
        "page read, package file, registry",
    ),
    ("without a day of reading", "retrieved = 2026-11-21", "", "write the day"),
    ("without evidence", 'evidence = "port 6379"', "", "no text for 'evidence'"),
    ("with a bad verdict", '"confirmed"', '"certain"', "confirmed, disputed, unverified, contradicted"),
    ("with a bad kind", '"vendor-documented"', '"official"', "vendor-documented, customary"),
    ("with a port that is none", '"6379"\ntransport', '"70000"\ntransport', "ports go from 0 to 65535"),
    ("with a transport that is none", '"tcp"', '"icmp"', "tcp, udp, sctp, dccp"),
    ("with a key that is none", 'from = "2009"', 'form = "2009"', "unknown key 'form'"),
    ("with a vague era", '"2009"', '"long ago"', "write a year"),
    ("with a long statement", "unless told otherwise", "x" * 300, "keep it to 260"),
    ("with a control character", "told otherwise", "told\\u001b[2J", "control character"),
    (
        "with a web address as a package",
        "pkg:deb/debian/redis-server@5%3A7.0.15-1#etc",
        "https://example.org",
        "pkg:TYPE",
    ),
    ("that is no TOML", "[[claim]]", "[[claim", "not TOML"),
    ("that is another table", "[[claim]]", "[other]", "no list of [[claim]]"),
]


@pytest.mark.parametrize(("old", "new", "told"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_claim_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_claims(GOOD.replace(old, new), "redis.toml")
    message = str(caught.value)
    assert told in message
    assert "redis.toml" in message
    assert "\n" not in message


@given(st.text(max_size=200))
def test_noise_is_our_error(text: str) -> None:
    with pytest.raises(ParseError):
        parse_claims(text, "noise.toml")


@given(st.integers(0, len(GOOD)), st.text(max_size=4))
def test_damage_anywhere_gives_claims_or_our_error(at: int, piece: str) -> None:
    try:
        assert all(isinstance(claim, Claim) for claim in parse_claims(GOOD[:at] + piece + GOOD[at:], "x.toml"))
    except ParseError:
        pass


def test_claims_are_packed_and_found_by_port_and_transport() -> None:
    claims = parse_claims(GOOD, "x.toml")
    lore = Lore.of(unpack(memoryview(pack_claims(claims, [1, 7]))))
    assert [claim.name for claim in lore.about(6379, "tcp")] == ["Redis"]
    assert lore.about(6379, "udp") == ()
    assert lore.about(6380, "tcp") == ()
    assert lore.refused == {1, 7}


SHIPPED = all_claims()


def test_what_is_packed_is_what_stands_in_the_files() -> None:
    def shown(claim: Claim) -> Claim:
        return claim.replace(sources=tuple(source.replace(evidence="") for source in claim.sources))

    assert list(portlore.load().lore) == [shown(claim) for claim in SHIPPED]


def test_at_least_400_claims_on_300_ports_ship() -> None:
    assert len(SHIPPED) >= 400
    assert len({claim.ports for claim in SHIPPED}) >= 300


def test_no_claim_stands_twice() -> None:
    seen = [(claim.ports, claim.transport, claim.name, claim.verdict, claim.statement) for claim in SHIPPED]
    assert len(seen) == len(set(seen))


FORBIDDEN = ("wikipedia.org", "nmap-services", "speedguide", "/etc/services", "firewalld", "refpolicy", "connected.app")


@pytest.mark.parametrize("path", sorted(CLAIMS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_claim_of_a_file_has_a_source_that_was_opened_and_may_be_used(path: Path) -> None:
    for claim in parse_claims(path.read_text("utf-8"), path.name):
        assert claim.sources
        for source in claim.sources:
            assert source.retrieved >= "2026-01-01"
            assert not any(word in source.url for word in FORBIDDEN), (claim.name, source.url)


def test_a_vendor_documented_claim_has_more_than_the_registry_behind_it() -> None:
    weak = [
        c.name for c in SHIPPED if c.kind is ClaimKind.VENDOR_DOCUMENTED and {s.how for s in c.sources} == {"registry"}
    ]
    assert weak == []


def showpiece(port: int) -> dict[tuple[str, str], Claim]:
    return {(c.kind, c.verdict): c for c in portlore.lookup(port, "tcp").claims if c.ports == str(port)}


def test_703_tells_the_modbus_story_and_what_is_true() -> None:
    claims = portlore.lookup(703, "tcp").claims
    exact = [c for c in claims if c.ports == "703"]
    assert portlore.lookup(703, "tcp").status is portlore.Status.UNASSIGNED
    assert any(c.name == "Modbus" and c.verdict is Verdict.CONTRADICTED and c.kind is ClaimKind.STORY for c in exact)
    assert any("FortiGate" in c.name and c.verdict is Verdict.CONFIRMED for c in exact)
    assert any("RPC" in c.name and c.verdict is Verdict.CONFIRMED for c in exact)
    assert any("NetInfo" in c.name and c.ports == "600-1023" for c in claims)


def test_973_lies_in_the_range_that_netinfo_drew_from_and_is_not_netinfo() -> None:
    claims = portlore.lookup(973, "udp").claims
    assert any(c.name == "NetInfo" and c.ports == "973" and c.verdict is Verdict.CONTRADICTED for c in claims)
    assert any("RPC" in c.name and c.ports == "973" for c in claims)


def test_the_figures_of_the_system_ports_are_those_of_the_registry() -> None:
    """The story that most system ports went unclaimed is contradicted by figures; they must be the registry's."""
    claim = next(c for c in portlore.lookup(5, "tcp").claims if c.ports == "0-1023" and "unclaimed" in c.name)
    statuses = [portlore.lookup(port, "tcp").status for port in range(1024)]
    counts = {status: statuses.count(status) for status in set(statuses)}
    assert claim.verdict is Verdict.CONTRADICTED
    assert any(source.how == "registry" for source in claim.sources)
    for status in ("assigned", "unassigned", "reserved"):
        assert str(counts[portlore.Status(status)]) in claim.why


def test_a_claim_older_than_an_assignment_says_so() -> None:
    later = {claim.name: claim.later for claim in portlore.lookup(31337, "udp").claims}
    told = "used by Back Orifice since 1998-07, assigned to eldim between 2021-05-06 and 2021-05-14"
    assert later["Back Orifice"] == told


def test_a_program_that_registered_its_own_port_is_no_conflict() -> None:
    assert all(claim.later is None for claim in portlore.lookup(2375, "tcp").claims if "Docker" in claim.name)


def test_a_source_of_a_claim_is_a_value() -> None:
    assert isinstance(SHIPPED[0].sources[0], Source)
    assert all(isinstance(r, PortRange) for r in ranges(SHIPPED[0]))
