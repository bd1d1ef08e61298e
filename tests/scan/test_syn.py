"""The SYN engine against real hosts in network namespaces."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))


from scan.hosts import Hosts, needs_namespaces

from portlore.errors import HostError
from portlore.scan import plan
from portlore.scan.halfopen import spread
from portlore.scan.plan import Account, Block, Settings
from portlore.scan.syn import Syn, why_not

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_namespaces
OPEN_PORTS = (22, 80, 703, 8080, 50000)
FORGER = """
import socket, struct, sys
right = sys.argv[1] == "right"
line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
line.bind(("peer0", 0x0800))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def total(data):
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s & 0xFFFF) + (s >> 16)
    return ~((s & 0xFFFF) + (s >> 16)) & 0xFFFF
print("ready", flush=True)
while True:
    data, about = line.recvfrom(2048)
    if about[2] == socket.PACKET_OUTGOING or len(data) < 40 or data[9] != 6 or data[33] != 2:
        continue
    sport, dport, seq = struct.unpack("!HHI", data[20:28])
    if dport in (22, 80, 703, 8080, 50000):
        continue
    for ack in (seq + 1,) if right else (seq, seq + 2, seq ^ 0x80000000, 0, 1, seq + 256):
        for flags in (0x12,):
            tcp = struct.pack("!HHIIBBHHH", dport, sport, 1, ack & 0xFFFFFFFF, 0x50, flags, 1000, 0, 0)
            check = total(data[16:20] + data[12:16] + struct.pack("!HH", 6, 20) + tcp)
            tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
            head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + data[16:20] + data[12:16]
            raw.sendto(head + tcp, (socket.inet_ntoa(data[12:16]), 0))
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with Hosts(tcp=OPEN_PORTS) as made:
        yield made


def block(addresses: str | list[str], ports: tuple[int, ...] | range) -> Block:
    texts = [addresses] if isinstance(addresses, str) else addresses
    networks = [ipaddress.ip_network(text.partition("%")[0]) for text in texts]
    numbers = [int(one) for network in networks for one in network]
    return Block(networks[0].version, tuple(numbers), tuple(ports), "tcp", texts[0].partition("%")[2])


class Asked:
    """A run of the engine in the scanner's namespace, and what came of it."""

    def __init__(
        self, hosts: Hosts, what: Block, settings: Settings | None = None, known: dict[int, int] | None = None
    ) -> None:
        self.block, self.outcomes = what, bytearray(len(what))
        for probe, outcome in (known or {}).items():
            self.outcomes[probe] = outcome
        self.reports: list[tuple[int, str, float]] = []
        self.ticks: list[Account] = []
        with hosts.inside():
            self.account = Syn().run(
                what, self.outcomes, settings or Settings(), lambda *told: self.reports.append(told), self.ticks.append
            )

    def ports(self, outcome: int) -> set[int]:
        return {self.block.place(probe)[1] for probe, found in enumerate(self.outcomes) if found == outcome}

    def count(self, outcome: int) -> int:
        return self.outcomes.count(outcome)


@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2", "fe80::2%scan0"])
def test_every_port_of_a_resetting_host_is_told_right_without_asking_twice(hosts: Hosts, address: str) -> None:
    hosts.behave()
    asked = Asked(hosts, block(address, range(1, 65536)))
    assert asked.ports(plan.OPEN) == set(OPEN_PORTS)
    assert asked.count(plan.REFUSED) == 65535 - len(OPEN_PORTS)
    account = asked.account
    assert (account.answered, account.unanswered, account.missed, account.icmp) == (65535, 0, 0, 0)
    assert account.sent == 65535 + account.reasked
    assert 0 < account.rtt < 1


def test_each_open_port_is_reported_once_with_the_time_it_took(hosts: Hosts) -> None:
    hosts.behave()
    asked = Asked(hosts, block(hosts.address, range(1, 1001)))
    assert sorted(asked.block.place(probe)[1] for probe, _, _ in asked.reports) == [22, 80, 703]
    assert {reason for _, reason, _ in asked.reports} == {"syn-ack"}
    assert all(0 <= took < 1 for _, _, took in asked.reports)


@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2"])
def test_a_silent_host_shows_its_open_ports_and_what_may_have_been_missed(hosts: Hosts, address: str) -> None:
    hosts.behave(silent=True)
    asked = Asked(hosts, block(address, range(1, 5001)))
    assert asked.ports(plan.OPEN) == {22, 80, 703}
    assert asked.count(plan.TIMEOUT) == 4997
    account = asked.account
    assert (account.answered, account.unanswered) == (3, 4997)
    assert account.rounds >= 3
    assert account.sent == 5000 + account.reasked
    assert 0 < account.missed < 0.1


def test_a_host_that_says_nothing_at_all_is_silent_and_the_chance_of_a_miss_is_not_called_small(hosts: Hosts) -> None:
    hosts.behave(silent=True)
    asked = Asked(hosts, block(hosts.address, range(100, 200)), Settings(patience=0.05))
    assert asked.count(plan.TIMEOUT) == 100
    assert asked.account.rounds == Settings().tries
    assert asked.account.missed > 0.01


@pytest.mark.parametrize("silent", [False, True])
def test_loss_both_ways_is_no_miss(hosts: Hosts, silent: bool) -> None:
    hosts.behave(loss=0.05, silent=silent)
    for seed in range(3):
        asked = Asked(hosts, block(hosts.address, range(1, 10001)), Settings(seed=seed, tries=6))
        assert asked.ports(plan.OPEN) == {22, 80, 703, 8080}
        if not silent:
            assert asked.count(plan.REFUSED) >= 10000 - 4 - 5
            assert 0.05 < asked.account.lost < 0.2  # 1 - 0.95 ** 2 = 0.0975, and of further tries too
            assert asked.account.reasked > 0


@pytest.mark.parametrize("address", ["10.66.0.2", "fd66::2"])
def test_icmp_errors_are_outcomes(hosts: Hosts, address: str) -> None:
    hosts.behave(prohibit=True, icmp_limited=False)
    asked = Asked(hosts, block(address, range(1, 1001)))
    assert (asked.ports(plan.OPEN), asked.count(plan.BLOCKED)) == ({22, 80, 703}, 997)
    assert asked.account.icmp == 997
    hosts.behave(unreachable=True, icmp_limited=False)
    asked = Asked(hosts, block(address, range(1, 1001)))
    assert (asked.ports(plan.OPEN), asked.count(plan.UNREACHABLE)) == ({22, 80, 703}, 997)


def test_a_tarpit_is_open_everywhere(hosts: Hosts) -> None:
    hosts.behave(tarpit=True)
    asked = Asked(hosts, block(hosts.address, range(1, 3001)))
    assert asked.count(plan.OPEN) == len(asked.reports) == 3000


def test_limited_resets_are_said_and_nothing_open_is_missed(hosts: Hosts) -> None:
    hosts.behave(resets=500)
    asked = Asked(hosts, block(hosts.address, range(1, 5001)))
    assert asked.ports(plan.OPEN) == {22, 80, 703}
    assert asked.count(plan.REFUSED) + asked.count(plan.TIMEOUT) == 4997


@pytest.mark.parametrize(("kind", "outcome"), [("wrong", plan.TIMEOUT), ("right", plan.OPEN)])
def test_forged_answers_with_wrong_cookies_open_nothing(hosts: Hosts, kind: str, outcome: int) -> None:
    hosts.behave(silent=True)
    forger = hosts.on_the_peer([sys.executable, "-c", FORGER, kind], stdout=subprocess.PIPE)
    try:
        assert forger.stdout is not None
        assert forger.stdout.readline() == "ready\n"
        asked = Asked(hosts, block(hosts.address, range(60, 120)), Settings(patience=0.1))
        assert asked.ports(outcome) - {80} == set(range(60, 120)) - {80}
        assert asked.ports(plan.OPEN) >= {80}
    finally:
        forger.kill()


def test_own_addresses_and_loopback_are_asked_too(hosts: Hosts) -> None:
    hosts.behave()
    with hosts.inside(), socket.create_server(("::", 4711), family=socket.AF_INET6, dualstack_ipv6=True):
        for address in ("127.0.0.1", "10.66.0.1", "::1", "fd66::1", "fe80::1%scan0"):
            asked = Asked(hosts, block(address, range(4700, 4720)))
            assert (asked.ports(plan.OPEN), asked.count(plan.REFUSED)) == ({4711}, 19), address


def test_neighbours_routes_and_own_addresses_may_be_in_one_block(hosts: Hosts) -> None:
    hosts.behave()
    asked = Asked(hosts, block(["10.66.0.0/30", "10.67.3.0/30", "127.9.0.1", "198.51.100.1"], (22, 23)))
    rows = [bytes(asked.outcomes[at : at + 2]) for at in range(0, len(asked.outcomes), 2)]
    up, own, nobody = (
        bytes((plan.OPEN, plan.REFUSED)),
        bytes((plan.REFUSED, plan.REFUSED)),
        bytes((plan.UNREACHABLE, plan.UNREACHABLE)),
    )
    assert rows == [nobody, own, up, nobody, up, up, up, up, own, nobody]
    assert any("2 addresses do not answer on scan0" in note for note in asked.account.notes)


def test_a_thousand_hosts_behind_a_router_are_all_told_right(hosts: Hosts) -> None:
    hosts.behave()
    asked = Asked(hosts, block("10.67.0.0/22", (21, 22, 80, 81)))
    assert bytes(asked.outcomes) == bytes((plan.REFUSED, plan.OPEN, plan.OPEN, plan.REFUSED)) * 1024


def test_many_neighbours_are_found_though_the_kernel_would_not_keep_them(hosts: Hosts) -> None:
    hosts.behave()
    subprocess.run(["ip", "-n", hosts.scanner, "route", "add", "10.67.240.0/22", "dev", "scan0"], check=True)
    try:
        # Closed ports: the kernel resets what is open, and so would fill its table, which is that of all namespaces.
        asked = Asked(hosts, block("10.67.240.0/22", (21, 23)))
    finally:
        subprocess.run(["ip", "-n", hosts.scanner, "route", "del", "10.67.240.0/22", "dev", "scan0"], check=True)
    assert bytes(asked.outcomes) == bytes((plan.REFUSED, plan.REFUSED)) * 1024


def test_what_is_known_or_another_shards_is_not_asked(hosts: Hosts) -> None:
    hosts.behave()
    known = {0: plan.ELSEWHERE, 1: plan.OPEN, 2: plan.TIMEOUT, 3: plan.REFUSED}
    asked = Asked(hosts, block(hosts.address, range(20, 26)), known=known)
    assert bytes(asked.outcomes) == bytes(
        (plan.ELSEWHERE, plan.OPEN, plan.TIMEOUT, plan.REFUSED, plan.REFUSED, plan.REFUSED)
    )
    assert (asked.account.sent, asked.reports) == (2, [])


def test_a_fixed_rate_is_kept_to(hosts: Hosts) -> None:
    hosts.behave()
    asked = Asked(hosts, block(hosts.address, range(1, 401)), Settings(rate=1000))
    assert asked.ports(plan.OPEN) == {22, 80}
    assert asked.account.took >= 0.35
    assert asked.ticks
    assert all(0 < tick.sent <= 400 for tick in asked.ticks)


def test_what_the_budget_leaves_no_time_for_stays_unasked(hosts: Hosts) -> None:
    hosts.behave()
    asked = Asked(hosts, block(hosts.address, range(1, 2001)), Settings(rate=1000, budget=0.3))
    assert 0 < asked.account.sent < 2000
    assert asked.count(plan.UNASKED) >= 2000 - asked.account.sent
    assert asked.count(plan.TIMEOUT) == 0


def test_an_interrupted_run_leaves_what_it_has_found(hosts: Hosts) -> None:
    hosts.behave()
    outcomes = bytearray(5000)

    def interrupt(account: Account) -> None:
        raise KeyboardInterrupt

    with hosts.inside(), pytest.raises(KeyboardInterrupt):
        Syn().run(block(hosts.address, range(1, 5001)), outcomes, Settings(rate=2000), lambda *_: None, interrupt)
    assert 0 < outcomes.count(plan.REFUSED) < 5000
    assert outcomes.count(plan.UNASKED) > 0
    assert outcomes.count(plan.TIMEOUT) == 0


def test_no_packet_socket_is_left_behind(hosts: Hosts) -> None:
    hosts.behave()
    Asked(hosts, block(hosts.address, range(1, 100)))
    table = hosts.run(["sh", "-c", "for i in $(seq 50); do n=$(wc -l < /proc/net/packet); "
                                   "[ $n = 1 ] && break; sleep 0.1; done; cat /proc/net/packet"])  # fmt: skip
    assert len(table.stdout.splitlines()) == 1, table.stdout


def test_the_round_trip_time_of_a_slow_way_is_measured_and_waited_for() -> None:
    with Hosts(tcp=(22, 703), delay=0.05) as slow:
        asked = Asked(slow, block(slow.address, range(1, 1001)))
    assert (asked.ports(plan.OPEN), asked.count(plan.REFUSED)) == ({22, 703}, 998)
    assert asked.account.rtt >= 0.1


def test_it_says_why_it_cannot_be_used_without_the_right(hosts: Hosts) -> None:
    with hosts.inside():
        assert why_not() == ""
    code = "from portlore.scan.syn import why_not; print(why_not())"
    done = hosts.run(["setpriv", "--bounding-set", "-net_raw", sys.executable, "-c", code])
    assert done.stdout == "raw packets need root or CAP_NET_RAW\n", done.stderr


def test_the_right_that_lacks_is_named_before_a_library_that_lacks_too(hosts: Hosts) -> None:
    code = "import importlib.util as found; found.find_spec = lambda name: None\n"
    code += "from portlore.scan.syn import why_not; print(why_not())"
    without = ["setpriv", "--bounding-set", "-net_raw"]
    said = [hosts.run([*rights, sys.executable, "-c", code]).stdout for rights in (without, [])]
    assert said == ["raw packets need root or CAP_NET_RAW\n", "NumPy is not installed\n"]


def test_an_interface_that_is_not_there_is_named(hosts: Hosts) -> None:
    with pytest.raises(HostError, match="zone nothere"):
        Asked(hosts, block("fe80::2%nothere", (22,)))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 997, 65535, 1 << 21])
def test_every_probe_has_its_turn_once(count: int) -> None:
    step = spread(count)
    sample = min(count, 70000)
    assert len({step * at % count for at in range(sample)}) == sample
