"""The connect engine against real hosts in namespaces of their own: those that reset, drop, limit, lose and lie."""

from __future__ import annotations

import errno
import ipaddress
import os
import random
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from scan.hosts import Hosts, needs_namespaces

from portlore.scan import plan
from portlore.scan.connect import Connect
from portlore.scan.plan import Account, Block, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = needs_namespaces
SOME = (22, 703, 8080, 9000, 60_000)
PORTS = tuple(range(1, 4001)) + SOME[2:]
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def _host() -> Iterator[Hosts]:
    with Hosts(tcp=SOME) as hosts:
        yield hosts


@pytest.fixture
def host(_host: Hosts) -> Hosts:
    _host.behave()
    return _host


class Seen:
    """What a run came to: ports by outcome, and what was reported."""

    def __init__(self, block: Block, outcomes: bytearray, account: Account, told: list[tuple[int, str, float]]) -> None:
        self.block, self.outcomes, self.account, self.told = block, outcomes, account, told

    def ports(self, outcome: int) -> set[int]:
        return {self.block.place(probe)[1] for probe, code in enumerate(self.outcomes) if code == outcome}

    @property
    def reported(self) -> set[int]:
        return {self.block.place(probe)[1] for probe, _, _ in self.told}


def block_of(address: str, ports: Sequence[int]) -> Block:
    text, _, zone = address.partition("%")
    parsed = ipaddress.ip_address(text)
    return Block(parsed.version, (int(parsed),), tuple(ports), zone=zone)


def scan(hosts: Hosts, address: str = "", ports: Sequence[int] = PORTS, **settings: Any) -> Seen:
    block, told = block_of(address or hosts.address, ports), list[tuple[int, str, float]]()
    outcomes = bytearray(len(block))
    with hosts.inside():
        account = Connect().run(
            block,
            outcomes,
            Settings(**settings),
            lambda probe, reason, took: told.append((probe, reason, took)),
            lambda _: None,
        )
    return Seen(block, outcomes, account, told)


@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2", "fe80::2%scan0", "10.67.200.1"])
def test_every_open_port_of_a_resetting_host_is_found_and_the_rest_refused(host: Hosts, address: str) -> None:
    seen = scan(host, address)
    assert seen.ports(plan.OPEN) == seen.reported == set(SOME)
    assert seen.ports(plan.REFUSED) == set(PORTS) - set(SOME)
    assert len(seen.told) == len(SOME)
    assert {reason for _, reason, _ in seen.told} == {"connected"}
    assert seen.account.answered == len(PORTS) == seen.account.sent
    assert (seen.account.unanswered, seen.account.missed, seen.account.notes) == (0, 0.0, ())


def test_all_65535_ports_are_asked_and_none_is_missed(host: Hosts) -> None:
    seen = scan(host, ports=range(1, 65_536))
    assert seen.ports(plan.OPEN) == set(SOME)
    assert len(seen.ports(plan.REFUSED)) == 65_535 - len(SOME)


def test_a_host_that_drops_shows_its_open_ports_and_silence(host: Hosts) -> None:
    host.behave(silent=True)
    seen = scan(host)
    assert seen.ports(plan.OPEN) == set(SOME)
    assert seen.ports(plan.TIMEOUT) == set(PORTS) - set(SOME)
    assert seen.account.unanswered == len(PORTS) - len(SOME)
    assert seen.account.reasked > 0
    assert 0 < seen.account.missed < 0.05


@pytest.mark.parametrize("silent", [False, True])
def test_two_percent_lost_each_way_hides_no_open_port(silent: bool) -> None:
    chosen = sorted(random.Random(7).sample(range(1, 12_000), 50))
    with Hosts(tcp=chosen) as hosts:
        hosts.behave(silent=silent, loss=0.02)
        for _ in range(3):
            seen = scan(hosts, ports=range(1, 12_001))
            assert seen.ports(plan.OPEN) == set(chosen)
            if not silent:
                assert seen.account.lost == pytest.approx(1 - 0.98**2, abs=0.015)


@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2"])
def test_a_firewall_that_says_so_is_told_from_a_host_that_is_not_there(host: Hosts, address: str) -> None:
    host.behave(prohibit=True, icmp_limited=False)
    seen = scan(host, address)
    assert seen.ports(plan.BLOCKED) == set(PORTS) - set(SOME)
    assert seen.account.icmp == len(PORTS) - len(SOME)
    host.behave(unreachable=True, icmp_limited=False)
    seen = scan(host, address)
    assert seen.ports(plan.UNREACHABLE) == set(PORTS) - set(SOME)
    assert seen.ports(plan.OPEN) == set(SOME)


def test_no_way_to_an_address_is_unreachable_and_nothing_is_counted_as_sent(host: Hosts) -> None:
    seen = scan(host, "198.51.100.9", ports=(22, 80))
    assert seen.ports(plan.UNREACHABLE) == {22, 80}
    assert (seen.account.sent, seen.account.answered) == (0, 2)


def test_an_address_without_a_host_is_silent_or_unreachable_and_tells_no_round_trip(host: Hosts) -> None:
    seen = scan(host, "10.66.0.77", ports=range(1, 1001), tries=1)
    assert len(seen.ports(plan.TIMEOUT) | seen.ports(plan.UNREACHABLE)) == 1000
    assert seen.account.rtt == 0


def test_limited_resets_are_recognised_and_said(host: Hosts) -> None:
    host.behave(resets=400)
    seen = scan(host, ports=range(1, 20_001))
    assert seen.ports(plan.OPEN) == {port for port in SOME if port <= 20_000}
    assert any("resets a second" in note for note in seen.account.notes)


def test_every_port_of_a_tarpit_is_open(host: Hosts) -> None:
    host.behave(tarpit=True)
    seen = scan(host, ports=range(1, 2001))
    assert seen.ports(plan.OPEN) == set(range(1, 2001))


def test_a_far_host_is_waited_for() -> None:
    with Hosts(tcp=SOME, delay=0.05) as hosts:
        hosts.behave(silent=True)
        seen = scan(hosts, ports=range(1, 1001))
    assert seen.ports(plan.OPEN) == {22, 703}
    assert seen.account.rtt >= 0.1  # 0.05 each way


def test_many_addresses_are_one_block(host: Hosts) -> None:
    first = int(ipaddress.ip_address("10.67.1.0"))
    block = Block(4, tuple(range(first, first + 256)), (21, 22, 703))
    outcomes = bytearray(len(block))
    with host.inside():
        account = Connect().run(block, outcomes, Settings(), lambda *_: None, lambda _: None)
    assert outcomes == bytes([plan.REFUSED, plan.OPEN, plan.OPEN]) * 256
    assert account.answered == 768


def test_what_is_known_already_or_is_of_another_shard_is_not_asked(host: Hosts) -> None:
    block = block_of(host.address, (21, 22, 23, 703))
    outcomes, told = bytearray([plan.ELSEWHERE, plan.OPEN, plan.UNASKED, plan.UNASKED]), []
    with host.inside():
        account = Connect().run(block, outcomes, Settings(), lambda probe, *_: told.append(probe), lambda _: None)
    assert list(outcomes) == [plan.ELSEWHERE, plan.OPEN, plan.REFUSED, plan.OPEN]
    assert (account.sent, told) == (2, [3])


def test_no_connection_is_left_behind(host: Hosts) -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    host.behave(tarpit=True)
    scan(host, ports=range(1, 501))
    with host.inside():
        lines = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
    assert [line for line in lines if line[3] in ("01", "02", "06")] == []  # established, SYN sent, TIME_WAIT
    assert len(list(DESCRIPTORS.iterdir())) == before


FEW_DESCRIPTORS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 120))
from portlore.scan.connect import Connect
from portlore.scan.plan import OPEN, Block, Settings
block = Block(4, (int(sys.argv[1]),), tuple(range(1, 2001)))
outcomes = bytearray(len(block))
Connect().run(block, outcomes, Settings(tries=2, patience=0.1), lambda *_: None, lambda _: None)
print([place + 1 for place, code in enumerate(outcomes) if code == OPEN], resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_it_makes_do_with_the_descriptors_there_are_and_gives_the_limit_back(host: Hosts) -> None:
    host.behave(silent=True)
    number = str(int(ipaddress.ip_address(host.address)))
    done = host.run([sys.executable, "-c", FEW_DESCRIPTORS, number])
    assert done.stdout.strip() == "[22, 703] (60, 120)", done.stderr


def test_descriptors_that_others_take_meanwhile_are_no_end(host: Hosts) -> None:
    host.behave(silent=True)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []

    def take(_progress: Account) -> None:
        try:
            while len(taken) < 20_000:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            for _ in range(min(40, len(taken))):  # they leave a few
                os.close(taken.pop())

    block = block_of(host.address, range(1, 2001))
    outcomes = bytearray(len(block))
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, limit[1]))
    try:
        with host.inside():
            Connect().run(block, outcomes, Settings(tries=2, rate=4000.0), lambda *_: None, take)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert taken
    assert (outcomes[21], outcomes[702], outcomes.count(plan.TIMEOUT)) == (plan.OPEN, plan.OPEN, 1998)


def ephemeral(hosts: Hosts, first: int, last: int) -> None:
    subprocess.run(
        ["ip", "netns", "exec", hosts.scanner, "sysctl", "-qw", f"net.ipv4.ip_local_port_range={first} {last}"],
        check=True,
    )


def test_it_waits_when_all_ephemeral_ports_are_taken(host: Hosts) -> None:
    ephemeral(host, 40_000, 40_003)
    try:
        with host.inside():
            held = [socket.socket() for _ in range(5)]
            assert [one.connect_ex((host.address, 703)) for one in held] == [0, 0, 0, 0, errno.EADDRNOTAVAIL]

        def let_go() -> None:
            for one in held:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()

        timer = threading.Timer(0.5, let_go)
        timer.start()
        seen = scan(host, ports=(702, 703, 704))
        timer.join()
    finally:
        ephemeral(host, 32_768, 60_999)
    assert (seen.ports(plan.OPEN), seen.ports(plan.REFUSED)) == ({703}, {702, 704})
    assert any("ephemeral" in note for note in seen.account.notes)


def test_a_connection_to_itself_is_no_open_port(host: Hosts) -> None:
    ephemeral(host, 40_000, 40_003)
    try:
        with host.inside():
            met = 0
            for _ in range(200):  # what a scanner without care would see
                with socket.socket() as one:
                    met += one.connect_ex(("127.0.0.1", 40_000)) == 0
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert met > 0
        for _ in range(50):
            seen = scan(host, "127.0.0.1", ports=range(40_000, 40_004))
            assert seen.ports(plan.REFUSED) == {40_000, 40_001, 40_002, 40_003}
    finally:
        ephemeral(host, 32_768, 60_999)


def test_a_budget_ends_it_and_says_what_was_not_asked(host: Hosts) -> None:
    seen = scan(host, rate=100.0, budget=0.3)
    assert 0 < len(seen.ports(plan.REFUSED)) + len(seen.ports(plan.OPEN)) < 100
    assert len(seen.ports(plan.UNASKED)) > len(PORTS) - 100
    assert not seen.ports(plan.TIMEOUT)
    assert any("were not asked at all" in note for note in seen.account.notes)


def test_a_fixed_rate_is_kept(host: Hosts) -> None:
    seen = scan(host, ports=range(1, 601), rate=1000.0)
    assert seen.account.took >= 0.55
    assert len(seen.ports(plan.REFUSED)) == 599


class Enough(Exception):
    """Somebody pressed Ctrl-C."""


def test_an_interruption_leaves_what_is_known_and_nothing_open(host: Hosts) -> None:
    host.behave(silent=True)
    block, before = block_of(host.address, PORTS), len(list(DESCRIPTORS.iterdir()))
    outcomes, told = bytearray(len(block)), []

    def tick(account: Account) -> None:
        if account.rounds > 1:
            raise Enough

    with host.inside(), pytest.raises(Enough):
        Connect().run(
            block, outcomes, Settings(rate=20_000.0), lambda probe, *_: told.append(block.place(probe)[1]), tick
        )
    assert set(told) == set(SOME)
    assert outcomes.count(plan.TIMEOUT) == 0
    assert outcomes.count(plan.OPEN) == len(SOME)
    assert len(list(DESCRIPTORS.iterdir())) == before
