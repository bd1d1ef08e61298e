"""The UDP engine against real hosts in namespaces of their own."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from scan.hosts import Hosts, needs_namespaces

from portlore.probes import Probe
from portlore.scan.plan import BLOCKED, OPEN, REFUSED, TIMEOUT, UNASKED, UNREACHABLE, Account, Block, Settings
from portlore.scan.udp import Udp, question, usual_questions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portlore.probes import Asked, Dialogue

SOME = (53, 703, 5000)
PORTS = tuple(range(1, 1001)) + SOME[2:]
PICKY = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("0.0.0.0", 2500))
print("ready", flush=True)
while True:
    data, asker = one.recvfrom(100)
    if data == b"magic":
        one.sendto(b"yes", asker)
"""


def talk_magic(_: Asked) -> Dialogue:
    yield b"magic"
    return None


@pytest.fixture(scope="module")
def _host() -> Iterator[Hosts]:
    with Hosts(udp=SOME) as hosts:
        yield hosts


@pytest.fixture
def host(_host: Hosts) -> Hosts:
    _host.behave(icmp_limited=False)
    return _host


def scan(
    hosts: Hosts,
    address: str = "",
    ports: Sequence[int] = PORTS,
    questions: dict[int, Probe] | None = None,
    **settings: Any,
) -> tuple[dict[int, set[int]], Account, dict[int, str]]:
    """Ports by outcome, the account, and the reasons reported for ports."""
    text, _, zone = (address or hosts.address).partition("%")
    parsed = ipaddress.ip_address(text)
    block = Block(parsed.version, (int(parsed),), tuple(ports), "udp", zone)
    outcomes, told = bytearray(len(block)), dict[int, str]()
    with hosts.inside():
        account = Udp({} if questions is None else questions).run(
            block,
            outcomes,
            Settings(**settings),
            lambda probe, reason, _: told.update({block.place(probe)[1]: reason}),
            lambda _: None,
        )
    found = {code: {port for port, was in zip(ports, outcomes, strict=True) if was == code} for code in set(outcomes)}
    return found, account, told


@needs_namespaces
@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2", "fe80::2%scan0", "10.67.200.1"])
def test_what_answers_is_open_and_what_icmp_refuses_is_refused(host: Hosts, address: str) -> None:
    found, account, told = scan(host, address)
    assert found == {OPEN: set(SOME), REFUSED: set(PORTS) - set(SOME)}
    assert told == dict.fromkeys(SOME, "udp answer")
    assert (account.sent, account.answered, account.unanswered) == (len(PORTS), len(PORTS), 0)


@needs_namespaces
def test_silence_is_shown_as_silence(host: Hosts) -> None:
    host.behave(silent=True)
    found, account, _ = scan(host, tries=2)
    assert found == {OPEN: set(SOME), TIMEOUT: set(PORTS) - set(SOME)}
    assert account.unanswered == len(PORTS) - len(SOME)


@needs_namespaces
def test_a_firewall_that_says_so_is_told_from_a_host_that_is_not_there(host: Hosts) -> None:
    host.behave(prohibit=True, icmp_limited=False)
    found, account, _ = scan(host)
    assert found == {OPEN: set(SOME), BLOCKED: set(PORTS) - set(SOME)}
    assert account.icmp == len(PORTS) - len(SOME)
    found, account, _ = scan(host, "198.51.100.9", ports=(53, 54))
    assert found == {UNREACHABLE: {53, 54}}
    assert account.sent == 0


@needs_namespaces
def test_an_address_without_a_host_takes_no_more_than_the_kernel_holds_and_comes_to_an_end(host: Hosts) -> None:
    found, _, told = scan(host, "10.66.0.77", ports=range(1, 3001), tries=1)
    assert len(found.get(TIMEOUT, set()) | found.get(UNREACHABLE, set())) == 3000
    assert told == {}


@needs_namespaces
def test_lost_datagrams_are_asked_again(host: Hosts) -> None:
    host.behave(loss=0.02, icmp_limited=False)
    found, account, _ = scan(host)
    assert found[OPEN] == set(SOME)
    assert account.reasked > 0


@needs_namespaces
def test_a_host_that_limits_its_icmp_is_asked_slowly_where_few_ports_are_left(host: Hosts) -> None:
    host.behave()
    ports = (*SOME, *range(6000, 6012))
    found, account, _ = scan(host, "10.67.77.1", ports)
    assert found == {OPEN: set(SOME), REFUSED: set(range(6000, 6012))}
    assert any("limit their ICMP errors" in note and "slowed down" in note for note in account.notes)


@needs_namespaces
def test_and_where_many_are_left_the_account_says_what_silence_means(host: Hosts) -> None:
    host.behave()
    found, account, _ = scan(host, "10.67.77.2")
    assert found[OPEN] == set(SOME)
    assert len(found[TIMEOUT]) > len(PORTS) / 2
    assert any("most are closed" in note for note in account.notes)


@needs_namespaces
def test_a_port_is_asked_the_question_of_its_protocol(host: Hosts) -> None:
    server = host.on_the_peer([sys.executable, "-c", PICKY], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    probe = Probe("magic", "magic", "udp", talk_magic)
    assert scan(host, ports=(2500,), tries=1)[0] == {TIMEOUT: {2500}}
    assert scan(host, ports=(2500,), questions={2500: probe}, tries=1)[0] == {OPEN: {2500}}


@needs_namespaces
def test_its_own_port_is_no_open_one(host: Hosts) -> None:
    """On one's own loopback the question to the asking port comes back as if it were an answer."""
    area = ["ip", "netns", "exec", host.scanner, "sysctl", "-qw"]
    subprocess.run([*area, "net.ipv4.ip_local_port_range=40000 40003"], check=True)
    try:
        found, _, told = scan(host, "127.0.0.1", ports=range(40_000, 40_004))
    finally:
        subprocess.run([*area, "net.ipv4.ip_local_port_range=32768 60999"], check=True)
    assert found == {REFUSED: {40_000, 40_001, 40_002, 40_003}}
    assert told == {}


@needs_namespaces
def test_a_budget_ends_it_and_says_what_was_not_asked(host: Hosts) -> None:
    found, account, _ = scan(host, rate=100.0, budget=0.3)
    assert len(found[UNASKED]) > len(PORTS) - 100
    assert any("were not asked at all" in note for note in account.notes)


def test_dns_is_asked_on_53_and_ntp_on_123() -> None:
    questions = usual_questions()
    dns = question(questions[53], "192.0.2.1", 53)
    assert dns[2] & 0x80 == 0  # RFC 1035 section 4.1.1: QR is 0 in a query,
    assert int.from_bytes(dns[4:6], "big") == 1  # and one question follows
    ntp = question(questions[123], "192.0.2.1", 123)
    assert (ntp[0] & 7, len(ntp) >= 48) == (3, True)  # RFC 5905 section 7.3: mode 3 is a client


def test_every_usual_question_is_one_datagram() -> None:
    for port, probe in usual_questions().items():
        assert len(question(probe, "192.0.2.1", port)) <= 1472, probe.name
        assert probe.transport == "udp"


def test_where_nothing_is_usual_an_empty_datagram_is_sent() -> None:
    assert question(None, "192.0.2.1", 9) == b""
