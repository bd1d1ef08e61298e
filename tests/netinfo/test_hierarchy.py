"""Domains above one another: three levels on three machines, loops, parents that are away and back, or told by DHCP."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.levels import DEPT, DEPT_ABOVE, NEXT1, OFFICE, domain, levels
from netinfo.levels import MISSING as NO_LEVELS
from netinfo.processes import PATIENCE, run, stored
from netinfo.replicas import MISSING, apart, gone, launch
from netinfo.test_tools import use

from portlore.errors import NetInfoError
from portlore.netinfo import calling, client, dhcp, hierarchy
from portlore.netinfo.answering import Service
from portlore.netinfo.binding import NAME, Binding, State, encoded, in_one_word, parse_binding
from portlore.netinfo.domain import Domain
from portlore.netinfo.hierarchy import INVALIDDOMAIN, NORESPONSE, Astray
from portlore.netinfo.parents import Parent
from portlore.netinfo.values import Property

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netinfo.levels import Levels
    from netinfo.processes import Server

on_machines = pytest.mark.skipif(NO_LEVELS, reason="needs Linux, root and ip, to make network namespaces")
alone = pytest.mark.skipif(MISSING, reason="needs Linux, root, ip and nft, to make a network namespace")


# Three levels on three machines


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Levels]:
    with levels(tmp_path_factory.mktemp("levels")) as made:
        made.servers["next1"].line(f"tag=local bound={DEPT}/sales")
        made.servers["dept"].line(f"tag=sales bound={OFFICE}/network")
        made.servers["dept"].line("tag=local bound=127.0.0.1/sales")
        yield made


@on_machines
def test_every_level_names_its_parent(three: Levels) -> None:
    told = three.tools(
        "next1",
        ("niutil", "-rparent", "-n", "."),
        ("niutil", "-rparent", "-n", ".."),
        ("niutil", "-rparent", "-n", "/"),
        ("niutil", "-rparent", "-n", "-t", f"{DEPT}/local"),
    )
    assert told[0] == (0, f"{DEPT}/sales\n", "")  # found by a broadcast
    assert told[1] == (0, f"{OFFICE}/network\n", "")  # by its address
    assert told[2] == (111, "root domain: no parent\n", "")
    assert told[3] == (0, "127.0.0.1/sales\n", "")
    assert not three.servers["office"].lines[-1].endswith("none answers")


PLACES = {  # from next1: what a name is, and what domain that is
    ".": "next1's",
    "..": "department",
    "../..": "root",
    "/": "root",
    "/department": "department",
    "/department/next1": "next1's",
    "/department/dept": "dept's",
    "../next1": "next1's",
    "../dept": "dept's",
    "../../department/..": "root",
    "./.././next1/..": "department",
    f"sales@{DEPT}": "department",
    f"sales@{DEPT_ABOVE}": "department",  # the answers come from there, although the way back begins at the other
    f"/no/where/network@{OFFICE}": "root",
}


@on_machines
def test_a_domain_is_found_by_each_of_its_names(three: Levels) -> None:
    told = three.tools("next1", *(("niutil", "-readprop", name, "/here", "where") for name in PLACES))
    assert {name: one.out for name, one in zip(PLACES, told, strict=True)} == {
        name: f"{where}\n" for name, where in PLACES.items()
    }
    wrong = three.tools(
        "next1", *(("niutil", "-read", name, "/") for name in ("/nosuch", "/department/nosuch", "../../.."))
    )
    assert [one.code for one in wrong] == [200, 200, 200]


@on_machines
def test_names_lead_both_ways(three: Levels) -> None:
    """A domain has its names in its parent alone; the root lists the department by the address that we do not call."""
    names = ("/", "/department", "/department/next1", "/department/dept")
    told = three.tools("next1", *(("niutil", "-domainname", name) for name in names), ("niutil", "-domainname", "."))
    assert [one.out for one in told] == [f"{name}\n" for name in (*names, "/department/next1")]
    (other,) = three.tools("dept", ("niutil", "-domainname", "."))
    assert other.out == "/department/dept\n"
    (by_server,) = three.tools("dept", ("niutil", "-domainname", "-t", f"{NEXT1}/local"))
    (from_above,) = three.tools("office", ("niutil", "-domainname", "-t", f"{NEXT1}/local"))
    assert by_server.out == from_above.out == "/department/next1\n"
    for host, address, tags in (("dept", DEPT, {"local", "sales"}), ("office", OFFICE, {"network"})):
        here, there = three.tools(host, ("nidomain", "-l"))[0], three.tools("next1", ("nidomain", "-l", address))[0]
        assert here.out == there.out
        assert set(re.findall(r"tag=(\S+) udp=\d+ tcp=\d+", here.out)) == tags


@on_machines
def test_look_ups_climb_to_the_root(three: Levels) -> None:
    told = three.tools(
        "next1",
        ("nifind", "/machines/office"),
        ("nifind", "-v", "/machines/next1"),
        ("nifind", "-v", "/machines/next1", "/department"),
        ("nifind", "-a", "/here"),
        ("nigrep", "root", ".."),
        ("nigrep", "root", "/"),
        ("nicl", "..", "-read", "/here", "where"),
        ("nicl", "/", "-read", "/here", "where"),
        ("niutil", "-read", "..", "/here"),
    )
    assert told[0].out == "/machines/office found in /department, id = 4\n/machines/office found in /, id = 3\n"
    assert told[1].out.splitlines() == [
        "/machines/next1 found in /department/next1, id = 3",
        "/machines/next1 found in /department, id = 5",
        "/machines/next1 not found in /",
    ]
    assert told[2].out.splitlines() == told[1].out.splitlines()[:2]
    assert re.findall(r"found in (\S+),", told[3].out) == [
        *("/", "/department", "/department/dept", "/department/next1")
    ]
    assert told[4] == (0, "", "")
    assert told[5].out == "2 /here:  where root\n"
    assert (told[6].out, told[7].out) == ("where: department\n", "where: root\n")
    assert told[8].out == "name: here\nwhere: department\n"


@on_machines
def test_status_tells_the_binding_and_the_way_up(three: Levels) -> None:
    command = (sys.executable, "-m", "portlore", "netinfo", "status", "127.0.0.1/local")
    told = json.loads(three.run("next1", *command, "--json").stdout)["domains"][0]
    assert told["way"] == {
        "name": "/department/next1",
        "above": [f"{DEPT}/sales", f"{OFFICE}/network"],
        "word": "",
    }
    parent = told["servers"][0]["parent"]
    assert (parent["state"], parent["server"], parent["sought"]) == (
        "bound", f"{DEPT}/sales", ["255.255.255.255/sales"],
    )  # fmt: skip
    began = time.strptime(parent["since"], "%Y-%m-%dT%H:%M:%SZ")
    assert time.gmtime(time.time() - 3600) < began <= time.gmtime()
    shown = three.run("next1", *command).stdout
    assert f"parent: {DEPT}/sales since 20" in shown
    assert f"name: /department/next1, root at {OFFICE}/network" in shown
    root = three.run("office", *command[:-1], "127.0.0.1/network").stdout
    assert "parent: none, this is the root" in root


@on_machines
@pytest.mark.skipif(not shutil.which("dnsmasq"), reason="needs dnsmasq")
def test_a_parent_is_found_by_what_dhcp_tells(three: Levels) -> None:
    """Options 112 and 113 of a real DHCP server (SPEC 4)."""
    assert not any("tag=lab bound=10" in line for line in three.servers["next1"].lines)
    words = "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=eth0 --bind-interfaces --pid-file="
    options = [f"--dhcp-option=112,{DEPT}", "--dhcp-option=113,sales", "--dhcp-authoritative", "--user=root"]
    options += ["--dhcp-range=10.91.1.100,10.91.1.110", f"--dhcp-leasefile={three.folder / 'leases'}"]
    with subprocess.Popen([*three.at("dept"), *words.split(), *options], stderr=subprocess.PIPE) as process:
        try:
            three.servers["next1"].line(f"tag=lab bound={DEPT}/sales")
            (unlisted,) = three.tools("dept", ("niutil", "-domainname", "-t", f"{NEXT1}/lab"))
            assert unlisted.out == f"/department/lab@{NEXT1}\n"  # the parent does not know of it
        finally:
            process.terminate()


@on_machines
def test_a_parent_that_dies_is_missed_and_bound_to_again_when_it_is_back(three: Levels) -> None:
    """Meanwhile the child answers, and a climb ends long before its timeout, which is longer than a test may take."""
    dept = three.servers["dept"]
    gone(three.servers["office"])
    climbs = (
        ("niutil", "-T", "1000", "-readprop", "/", "/here", "where"),
        ("niutil", "-T", "1000", "-domainname", "."),
        ("nifind", "-T", "1000", "/here"),
        ("niutil", "-T", "1000", "-readprop", "..", "/here", "where"),
    )
    for _ in range(2):  # before the department's server knows, and when it does
        top, name, found, above = three.tools("next1", *climbs)
        assert (top.code, name.code, found.code) == (200, 112, 112)
        for one in (top, name, found):
            assert "No response from remote parent" in one.err
            assert f"{OFFICE}/network" in one.err
            assert one.err.count("\n") == 1
        assert found.out.splitlines() == [
            "/here found in local@127.0.0.1, id = 2",
            f"/here found in sales@{DEPT}, id = 2",
        ]
        assert above == (0, "department\n", "")
        dept.line(f"tag=sales bound=none sought={OFFICE}/network: none answers")
    (gone_,) = three.tools("dept", ("niutil", "-rparent", "-n", "-t", "127.0.0.1/sales"))
    assert (gone_.code, gone_.out) == (111, "root domain: no parent\n")  # as the originals say (SPEC 4)
    assert f"none answers of {OFFICE}/network" in gone_.err
    told = three.run("dept", sys.executable, "-m", "portlore", "netinfo", "status", "127.0.0.1/sales")
    assert told.returncode != 0
    assert f"parent: none answers of {OFFICE}/network since 20" in told.stdout
    known = len(dept.lines)
    three.start("office")
    assert three.servers["office"].port
    deadline = time.monotonic() + PATIENCE
    while not any(f"tag=sales bound={OFFICE}/network" in line for line in dept.lines[known:]):
        assert time.monotonic() < deadline, dept.lines[known:]
        time.sleep(0.05)
    top, name = three.tools("next1", *climbs[:2])
    assert (top.out, name.out) == ("root\n", "/department/next1\n")


# Loops: real servers at loopback addresses of a namespace, each with its binder


@contextmanager
def chain(folder: Path, *parents: tuple[str, ...], **more: list[str]) -> Iterator[list[Server]]:
    """Servers at 127.0.1.1/t1 and so on, each with the machines (ADDRESS/TAG) that it names as its parent."""
    running: list[Server] = []
    with apart():
        try:
            for number, named in enumerate(parents, 1):
                machines = [("own", [f"127.0.1.{number}"], [f"./t{number}"])]
                for place in named:
                    address, _, tag = place.partition("/")
                    machines.append((f"up{place}", [address], [f"../{tag}"]))
                path = folder / f"t{number}"
                if not path.exists():
                    stored(path, domain(f"t{number}", *machines, master=f"own/t{number}", **more))
                running.append(launch(f"127.0.1.{number}", path, tag=f"t{number}"))
            for one in running:
                assert one.port
            yield running
        finally:
            for one in running:
                gone(one)


def up(number: int) -> str:
    return f"127.0.1.{number}/t{number}"


def climb(below: client.Handle, climbed: list[str]) -> None:
    """Go up to the end, noting where that led."""
    with ExitStack() as closing:
        for each in hierarchy.upwards(below):
            closing.enter_context(each)
            climbed.append(f"{each.connection.address}/{each.tag.decode()}")


@alone
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_loop_of_parents_ends_every_climb_with_a_clear_word(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "own_uid", lambda: 65534)
    named = [(up(number % size + 1),) for number in range(1, size + 1)]
    with chain(tmp_path, *named) as running:
        for number, one in enumerate(running, 1):
            one.line("parent tag=.* loop" if size == 1 else f"parent tag=t{number} bound={up(number % size + 1)}")
        around = " > ".join(up(number) for number in (*range(1, size + 1), 1))
        with client.open_server(up(1).encode(), 5) as below:
            climbed: list[str] = []
            with pytest.raises(Astray) as lost:
                climb(below, climbed)
        assert climbed == [up(number) for number in range(1, size + 1)]
        assert (lost.value.status, f"a loop of parents: {around}" in str(lost.value)) == (INVALIDDOMAIN, True)
        for words in (("niutil", "-domainname", "-t", up(1)), ("nifind", "/here", "-t", up(1))):
            code, out, err = use(*words)
            assert (code, out.count(b"/here found in t")) == (123, size * ("/here" in words))
            assert f"a loop of parents: {around}" in err.decode()
        told = run("status", up(1), "--json")
        assert told.returncode != 0
        assert f"a loop of parents: {around}" in json.loads(told.stdout)["domains"][0]["way"]["word"]
        shown = run("status", up(1)).stdout
        assert "NOT HEALTHY" in shown
        assert f"a loop of parents: {around}" in shown
        deadline = time.monotonic() + PATIENCE
        while not any("loop" in line for one in running for line in one.lines):  # who closes it says so
            assert time.monotonic() < deadline, [one.lines for one in running]
            time.sleep(0.05)


@alone
def test_a_loop_above_a_domain_is_told_without_that_domain(tmp_path: Path) -> None:
    with chain(tmp_path, (up(2),), (up(3),), (up(2),)) as running:
        for one in running:
            one.line("parent tag=.* bound=127")
        told = run("status", up(1)).stdout
        assert f"a loop of parents: {up(2)} > {up(3)} > {up(2)}" in told


@alone
def test_a_server_on_all_addresses_is_not_its_own_parent_by_any_of_them(tmp_path: Path) -> None:
    """It is named by an address that its domain does not list."""
    path = stored(tmp_path / "own", domain("own", ("up", ["127.0.1.77"], ["../own"]), master="x/own"))
    with apart("127.0.1.77"):
        made = launch("0.0.0.0", path, tag="own")
        try:
            made.line("parent tag=own bound=none loop: .*127.0.1.77/own")
            told = run("status", "127.0.0.1/own")
            assert "parent: none but itself: 127.0.1.77/own" in told.stdout
            assert "a loop of parents: 127.0.0.1/own > 127.0.1.77/own, which is the same server" in told.stdout
        finally:
            gone(made)


@alone
def test_a_parent_that_hangs_is_left_behind_long_before_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "own_uid", lambda: 65534)
    with chain(tmp_path, (up(2),), ()) as running:
        running[0].line(f"bound={up(2)}")
        running[1].process.send_signal(signal.SIGSTOP)
        try:
            with client.open_server(up(1).encode(), 100_000) as below:
                with pytest.raises(Astray) as lost:
                    hierarchy.parent_of(below)
                assert (lost.value.status, up(2) in lost.value.found) == (NORESPONSE, True)
                assert below.root().object == 0
        finally:
            running[1].process.send_signal(signal.SIGCONT)
        running[1].end()


@alone
def test_a_parent_is_kept_while_it_answers_and_another_takes_its_place(tmp_path: Path) -> None:
    """Of two, a look at random would take the other one half of the time."""
    with chain(tmp_path, (), ()) as running:
        child = Service(
            domain("child", ("a", ["127.0.1.1"], ["../t1"]), ("b", ["127.0.1.2"], ["../t2"]), master="x/child"),
            b"child",
            lambda password, hashed: False,
        )
        parent = Parent(child)
        child.parent_of, child.binding_of = parent.server, parent.binding
        seen = set()
        for _ in range(15):
            parent.seek("127.0.1.9", parent.known("127.0.1.9"))
            seen.add(str(parent))
        assert len(seen) == 1
        (kept,) = seen
        other = {up(1): up(2), up(2): up(1)}[kept]
        running[kept == up(2)].kill()
        parent.seek("127.0.1.9", parent.known("127.0.1.9"))
        assert (str(parent), parent.binding().state) == (other, State.BOUND)
        running[kept != up(2)].kill()
        parent.seek("127.0.1.9", parent.known("127.0.1.9"))
        assert parent.binding().state == State.MISSING
        with pytest.raises(NetInfoError):
            parent.server()


def test_the_states_of_a_binding_and_how_the_originals_say_them() -> None:
    """The words of ``binding`` among the statistics are SPEC 3.2's."""

    def binding(domain: Domain, *, looked: bool = False) -> Binding:
        service = Service(domain, b"own", lambda password, hashed: False)
        parent = Parent(service)
        parent.known("127.0.0.1")
        parent._sought = parent._sought or looked
        service.parent_of, service.binding_of = parent.server, parent.binding
        parent._since = 1_700_000_000.125
        found = parent.binding()
        assert parse_binding((Property(NAME, tuple(value.encode() for value in encoded(found))),)) == found
        assert service._binding() == in_one_word(found)
        return found

    above = ("up", ["10.0.0.9"], ["../network"])
    itself = ("own", ["10.0.0.7"], ["./own", "../own"])
    cases = [
        (binding(domain("a", master="x/own")), State.ROOT, "unknown", ()),
        (binding(domain("a", above, master="x/own")), State.SOUGHT, "notResponding", ("10.0.0.9/network",)),
        (
            binding(domain("a", above, master="x/own"), looked=True),
            State.MISSING,
            "notResponding",
            ("10.0.0.9/network",),
        ),
        (binding(domain("a", above, master="x/own", isRoot=["YES"])), State.FORCED_ROOT, "forcedRoot", ()),
        (binding(domain("a", itself, master="x/own")), State.ITSELF, "unknown", ("10.0.0.7/own",)),
    ]
    later = domain("a", master="x/own")
    parent = Parent(Service(later, b"own", lambda password, hashed: False))
    assert parent.known("127.0.0.1") == []
    later.create(later.at(1), (Property(b"ip_address", (b"10.0.0.9",)), Property(b"serves", (b"../network",))), 9)
    assert parent.binding().state == State.SOUGHT  # named a moment ago, and not looked for
    for found, state, word, sought in cases:
        assert (found.state, in_one_word(found), found.sought) == (state, word, sought)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([], State.UNKNOWN),
        ([b"unknown"], State.ROOT),
        ([b"root"], State.ROOT),
        ([b"forcedRoot"], State.FORCED_ROOT),
        ([b"notResponding"], State.MISSING),
        ([b"10.0.0.1/network"], State.BOUND),
        ([b"what"], State.UNKNOWN),
        ([b"bound", b"10.0.0.1/network"], State.UNKNOWN),
        ([b"bound", b"10.0.0.1/network", b"nan"], State.BOUND),
        ([b"bound", b"10.0.0.1/network", b"9" * 400], State.BOUND),
        ([b"glued", b"", b"0"], State.UNKNOWN),
    ],
)
def test_bindings_of_all_servers_are_understood(values: list[bytes], state: State) -> None:
    found = parse_binding((Property(NAME, tuple(values)),))
    assert (found.state, found.since) == (state, 0)
    assert parse_binding(()).state == State.UNKNOWN


# DHCP: RFC 2131 figure 1 for where things are, RFC 2132 for the options


XID, MAC = b"\x01\x02\x03\x04", bytes.fromhex("020000000005")


def ack(*options: tuple[int, bytes], xid: bytes = XID, op: int = 2) -> bytes:
    fixed = bytes((op, 1, 6, 0)) + xid + bytes(4) + bytes(16) + MAC.ljust(16, b"\0") + bytes(192)
    return fixed + bytes((99, 130, 83, 99)) + b"".join(bytes((n, len(v))) + v for n, v in options) + b"\xff"


def test_an_inform_is_as_the_rfc_has_it() -> None:
    sent = dhcp.encode_inform(XID, "10.0.0.5", MAC)
    assert len(sent) == 300
    assert sent[:12] == b"\x01\x01\x06\x00" + XID + bytes(4)
    assert sent[12:28] == bytes((10, 0, 0, 5)) + bytes(12)  # ciaddr; the server fills in no other
    assert sent[28:44] == MAC + bytes(10)
    assert sent[236:].rstrip(b"\0") == bytes((99, 130, 83, 99, 53, 1, 8, 55, 2, 112, 113, 255))


def test_answers_of_dhcp() -> None:
    said = (53, b"\x05")
    two = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
    assert dhcp.decode_ack(ack(said, (112, two), (113, b"sales")), XID) == [
        ("10.0.0.1", b"sales"),
        ("10.0.0.2", b"sales"),
    ]
    assert dhcp.decode_ack(ack(said, (112, two[:3]), (113, b"sa"), (112, two[3:4]), (113, b"les\0")), XID) == [
        ("10.0.0.1", b"sales")
    ]
    assert dhcp.decode_ack(ack(said, (112, two[:4])), XID) == [("10.0.0.1", b"network")]
    assert dhcp.decode_ack(ack(said), XID) == []
    for other in (
        ack((53, b"\x06"), (112, two)), ack((112, two)), ack(said, (112, two), xid=b"else"),
        ack(said, (112, two), op=1), ack(said, (112, two))[:-3], b"",
    ):  # fmt: skip
        assert dhcp.decode_ack(other, XID) is None


@given(st.binary(max_size=80))
def test_noise_from_dhcp_is_servers_or_nothing(noise: bytes) -> None:
    found = dhcp.decode_ack(ack()[:-1] + noise, XID)
    assert found is None or all(socket.inet_aton(address) for address, _ in found)
