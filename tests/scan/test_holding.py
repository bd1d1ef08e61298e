"""Said against seen, for open ports of any host: every word of the judgement, exposure, advice and the summary."""

from __future__ import annotations

import pytest

from portlore.judging import Spoken, judge_spoken
from portlore.model import OwnLabel
from portlore.observed import Identification, Observation, Outcome, Target
from portlore.opening import load
from portlore.probes import PROTOCOLS
from portlore.scan.holding import advice, exposure_of, hold, spoken_of, summarise

HTTP, REDIS, SSH = Identification("http"), Identification("redis"), Identification("ssh")
HTTPS, REDIS_IN_TLS = Identification("tls", inside=HTTP), Identification("tls", inside=REDIS)
NOTHING = Identification("")
OPAQUE = Identification("tls", inside=NOTHING)

JUDGEMENTS = [  # port, transport, what speaks, word, words of the reason
    (80, "tcp", HTTP, "expected", "registered for http, and it speaks HTTP"),
    (443, "tcp", HTTPS, "expected", "HTTP within TLS"),
    (443, "tcp", HTTP, "squatting", "registered for https, but it speaks HTTP"),
    (80, "tcp", HTTPS, "squatting", "registered for http"),
    (443, "tcp", OPAQUE, "unknown", "it speaks TLS, and what is within was not recognised"),
    (443, "tcp", Identification("tls"), "unknown", "it speaks TLS"),
    (22, "tcp", SSH, "expected", "SSH"),
    (6379, "tcp", REDIS, "expected", "Redis"),
    (6379, "tcp", REDIS_IN_TLS, "expected", "within TLS"),
    (5432, "tcp", REDIS, "squatting", "registered for postgresql, but"),
    (5432, "tcp", NOTHING, "unknown", "what speaks there was not recognised"),
    (5432, "tcp", None, "unknown", "nobody asked"),
    (502, "tcp", Identification("mbap"), "expected", "Modbus"),
    (703, "tcp", Identification("mbap"), "refuted", "703 speaks Modbus"),
    (703, "tcp", HTTP, "refuted", "703 speaks HTTP; the story that 703 is"),
    (703, "tcp", NOTHING, "refuted", "look"),
    (973, "tcp", HTTP, "refuted", "973 speaks HTTP"),
    (2379, "tcp", Identification("etcd"), "expected", "etcd"),
    (8080, "tcp", Identification("etcd"), "expected", "http-alt"),
    (9200, "tcp", Identification("elasticsearch"), "customary", "by custom"),
    (7035, "tcp", HTTP, "unregistered", "nobody registered this port; it speaks HTTP"),
    (50123, "tcp", NOTHING, "unregistered", "was not recognised"),
    (51820, "udp", Identification("wireguard"), "customary", "WireGuard"),
]


def seen(port: int, found: Identification | None, transport: str = "tcp", address: str = "192.0.2.1") -> Observation:
    return Observation(Target(address, port, transport), Outcome.OPEN, "syn-ack", 0.001, 0.0, found)


@pytest.mark.parametrize(("port", "transport", "found", "word", "why"), JUDGEMENTS)
def test_an_open_port_is_judged(port: int, transport: str, found: Identification | None, word: str, why: str) -> None:
    one = hold(seen(port, found, transport), load(), PROTOCOLS)
    assert one.judgement is not None
    assert (one.judgement.word, why in one.judgement.why) == (word, True), one.judgement.why
    assert "\n" not in one.judgement.why


def test_the_story_of_703_is_told_as_the_story_that_it_is() -> None:
    one = hold(seen(703, Identification("mbap")), load(), PROTOCOLS)
    assert one.judgement is not None
    told = "703 speaks Modbus/TCP; the story that 703 is Modbus's is false, so this is somebody's choice: look"
    assert one.judgement.why == told.replace("Modbus/TCP", PROTOCOLS["mbap"].title)


def test_what_portlore_toml_gives_a_port_to_is_expected() -> None:
    book = load().joined(own=[OwnLabel("7035", "tcp", "Our relay", "", "", "portlore.toml")])
    said, judgement = judge_spoken(book, "tcp", 7035, Spoken("SSH", ("ssh",)), asked=True)
    assert (judgement.word, said.names) == ("expected", ())
    assert judgement.why == "your portlore.toml gives this port to Our relay; it speaks SSH"


def test_a_closed_port_is_not_judged() -> None:
    one = hold(seen(22, None).replace(outcome=Outcome.REFUSED), load(), PROTOCOLS)
    assert one.judgement is None
    assert one.exposure == "public"


REACHES = [  # address, from where it can be reached
    ("127.0.0.1", "loopback"),
    ("::1", "loopback"),
    ("10.1.2.3", "private"),
    ("fe80::1%eth0", "link-local"),
    ("2001:4860::8", "public"),
    ("192.88.0.1", "public"),
]


@pytest.mark.parametrize(("address", "reach"), REACHES)
def test_exposure_comes_from_the_address(address: str, reach: str) -> None:
    assert exposure_of(address) == reach


def test_advice_is_given_beyond_loopback_alone() -> None:
    for address, told in (("10.0.0.1", PROTOCOLS["redis"].advice), ("127.0.0.1", "")):
        assert advice(hold(seen(6379, REDIS, address=address), load(), PROTOCOLS), PROTOCOLS) == told
    assert PROTOCOLS["redis"].advice
    assert advice(hold(seen(22, None), load(), PROTOCOLS), PROTOCOLS) == ""


def test_within_tls_a_protocol_is_at_home_where_the_registry_has_it_within_tls() -> None:
    plain, within = spoken_of(HTTP, PROTOCOLS), spoken_of(HTTPS, PROTOCOLS)
    assert plain is not None
    assert within is not None
    assert "http" in plain.services
    assert within.services == ("https",)


def test_the_summary_counts_and_names_what_to_look_at() -> None:
    book = load()
    ports = [(22, SSH), (80, HTTP), (703, HTTP), (5432, REDIS), (5433, NOTHING)]
    told = summarise([hold(seen(port, found), book, PROTOCOLS) for port, found in ports])
    assert told.startswith("5 open ports: 2 expected, 1 refuted (703/tcp), 1 squatting (5432/tcp), ")
    assert told.endswith("; 1 not recognised")
    assert summarise([]) == "no open port"
    hosts = [hold(seen(22, SSH, address=f"10.0.0.{n}"), book, PROTOCOLS) for n in (1, 2)]
    assert summarise(hosts) == "2 open ports of 2 hosts: 2 expected"
