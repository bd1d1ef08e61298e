"""Real sockets of every kind, in a network namespace of the tests' own, held one to one against ``ss`` and ``lsof``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WORLD = HERE / "world.py"
MOUNTINFO = Path("/proc/self/mountinfo")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("nsenter"),
    reason="needs Linux, root and nsenter to make a network namespace",
)


class World:
    """The sockets that world.py made, and a way to run commands beside them."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.pid: int = told["pid"]
        self.made: list[dict[str, Any]] = told["made"]
        self.command = command

    def run(self, *words: str, status: int | None = 0, **options: Any) -> str:
        inside = ["nsenter", f"--net=/proc/{self.pid}/ns/net", *words]
        environment = {**os.environ, "COLUMNS": "100", "PYTHONUTF8": "1"}
        done = subprocess.run(inside, capture_output=True, text=True, check=False, env=environment, **options)
        assert status is None or done.returncode == status, done.stderr
        self.said = done.stderr
        return str(done.stdout)

    def listening(self, *words: str, status: int | None = 0) -> list[dict[str, Any]]:
        return list(json.loads(self.run(*self.command, "listening", "--json", *words, status=status))["listeners"])

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def world(command: list[str]) -> Iterator[World]:
    world = World(command)
    yield world
    world.close()


@pytest.fixture(scope="module")
def rows(world: World) -> list[dict[str, Any]]:
    return world.listening()


def made(world: World, kind: str) -> dict[str, Any]:
    return next(one for one in world.made if one["kind"] == kind)


def at(rows: list[dict[str, Any]], port: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["port"] == port and row["transport"] != "raw"]


def pids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(owner["process"].get("pid", 0) for row in rows for owner in row["owners"])


def test_every_socket_is_seen_with_its_processes_and_nothing_else(world: World, rows: list[dict[str, Any]]) -> None:
    def place(port: int | None, transport: str, address: str) -> tuple[object, ...]:
        return (1 if transport == "raw" else port, transport, address)

    seen: dict[tuple[object, ...], list[int]] = {}
    for row in rows:
        seen.setdefault(place(row["port"], row["transport"], row["address"]), []).extend(pids([row]))
    expected = {place(one["port"], one["transport"], one["address"]): one["pids"] for one in world.made}
    assert {key: sorted(found) for key, found in seen.items()} == expected


def test_dual_stack_and_exposure_are_told(rows: list[dict[str, Any]]) -> None:
    told = {port: (at(rows, port)[0]["family"], at(rows, port)[0]["exposure"]) for port in range(7001, 7008)}
    assert told == {
        7001: ("ipv4", "loopback"),
        7002: ("ipv4", "all"),
        7003: ("ipv6", "loopback"),
        7004: ("dual", "all"),
        7005: ("ipv6", "all"),
        7006: ("ipv4-mapped", "loopback"),
        7007: ("ipv4", "loopback"),
    }
    assert at(rows, 7007)[0]["device"] == "lo"


def test_all_owners_of_shared_forked_and_inherited_sockets_are_shown(world: World, rows: list[dict[str, Any]]) -> None:
    assert len(at(rows, 7030)) == 2  # SO_REUSEPORT: two sockets
    assert pids(at(rows, 7030)) == made(world, "reuseport")["pids"]
    assert len(at(rows, 7031)) == 1
    assert pids(at(rows, 7031)) == made(world, "forked")["pids"]
    (inherited,) = at(rows, 7032)
    assert inherited["owners"][0]["process"]["name"] == "sleep"


def test_the_user_is_the_processs_own(rows: list[dict[str, Any]]) -> None:
    (row,) = at(rows, 7033)
    assert (row["owners"][0]["uid"], row["owners"][0]["user"]) == (65534, "nobody")
    assert at(rows, 7001)[0]["owners"][0]["user"] == "root"


def test_a_multipath_tcp_listener_has_its_owner(world: World, rows: list[dict[str, Any]]) -> None:
    if not any(one["kind"] == "mptcp" for one in world.made):
        pytest.skip("this kernel has no MPTCP")
    assert pids(at(rows, 7020)) == [world.pid]


def test_each_judgement_is_met(rows: list[dict[str, Any]]) -> None:
    words = {
        port: (at(rows, port)[0]["judgement"], at(rows, port)[0]["unexpected"]) for port in (80, 973, 5432, 7033, 7035)
    }
    assert words == {
        80: ("expected", False),
        973: ("refuted", True),
        5432: ("squatting", True),
        7033: ("unregistered", False),
        7035: ("unregistered", True),
    }


def test_unexpected_exits_1_for_cron_and_0_when_there_is_nothing(world: World) -> None:
    assert {row["port"] for row in world.listening("--unexpected", status=1)} == {973, 5432, 7035}
    assert world.listening("--unexpected", "nobody-is-this", status=0) == []
    assert world.listening("7033", "--unexpected", status=0) == []


def test_a_hostile_name_reaches_no_terminal_raw(world: World, rows: list[dict[str, Any]]) -> None:
    (row,) = at(rows, 7034)
    assert row["owners"][0]["process"]["name"] == "ev\x1b]0;il\n\x07é"
    for form in ("text", "csv", "ss", "netstat", "lsof"):
        text = world.run(*world.command, "listening", "7034", "--full", "--format", form)
        assert not {"\x1b", "\x07"} & set(text), form
        if form in ("text", "csv", "ss"):  # netstat has the name of the program's file, lsof nine characters
            assert "ev\\x1b]0;il" in text, form


def test_filters_choose_among_real_sockets(world: World) -> None:
    assert {row["port"] for row in world.listening(":7030-7033")} == {7030, 7031, 7032, 7033}
    assert {row["port"] for row in world.listening("nginx")} == {80, 5432}
    assert {row["port"] for row in world.listening("--user", "nobody")} == {7033}
    assert {row["port"] for row in world.listening("--transport", "udp")} == {7011, 7012, 7013}
    assert 7001 not in {row["port"] for row in world.listening("--exposed")}
    assert world.listening("6666", status=1) == []


def test_a_clients_reserved_source_port_is_explained_where_nothing_listens(world: World) -> None:
    (row,) = world.listening("703", status=1)
    assert (row["state"], row["peer"], row["judgement"]) == ("established", "127.0.0.1:2049", None)
    assert "source port of a connection to 127.0.0.1:2049 (nfs)" in row["why"]
    assert "nothing listens there" in world.said


def test_connections_have_their_peers(world: World) -> None:
    found = {(row["port"], row["peer"]) for row in world.listening("--connections") if row["peer"]}
    assert found == {(703, "127.0.0.1:2049"), (2049, "127.0.0.1:703")}


def test_details_are_read_when_asked_for(world: World) -> None:
    (plain,) = world.listening("7032")
    assert "command" not in plain["owners"][0]["process"]
    (full,) = world.listening("7032", "--full")
    process = full["owners"][0]["process"]
    assert process["command"] == ["sleep", "600"]
    assert process["directory"] == str(Path.cwd())
    assert abs(process["started"] - time.time()) < 600


def test_proc_net_tells_the_same_when_netlink_does_not(world: World, rows: list[dict[str, Any]]) -> None:
    told = world.listening("--through", "proc")

    def keys(found: list[dict[str, Any]]) -> list[str]:
        return sorted(
            str((row["port"], row["transport"], row["address"], pids([row]))) for row in found if row["port"] != 7020
        )

    assert keys(told) == keys(rows)
    assert {row["family"] for row in at(told, 7004)} == {"ipv6-or-dual"}
    assert "read from /proc/net" in world.run(*world.command, "listening", "--json", "--through", "proc")


def test_psutil_tells_the_same_sockets(world: World, rows: list[dict[str, Any]]) -> None:
    pytest.importorskip("psutil")
    if "PORTLORE_COMMAND" in os.environ:
        pytest.skip("the wheel's environment has no psutil")

    def keys(found: list[dict[str, Any]]) -> set[str]:
        wanted = [row for row in found if row["transport"] in ("tcp", "udp") and row["port"] not in (7020, 7031)]
        return {str((row["port"], row["transport"], row["address"], pids([row]), row["judgement"])) for row in wanted}

    assert keys(world.listening("--through", "psutil")) == keys(rows)


def tokens(text: str) -> list[list[str]]:
    """Lines as words; the order of the several users of a socket is the tool's own."""
    found = []
    for line in text.replace("ev\x1b]0;il\n\x07é", "HOSTILE").splitlines():  # ss lets that name through as it is
        plain, _, users = line.partition("users:(")
        plain += ",".join(sorted(re.findall(r"\([^()]*\)", users)))
        found.append(plain.split())
    return found


def without_hostile(lines: list[list[str]]) -> list[list[str]]:
    return sorted(line for line in lines if not any("7034" in word for word in line))


def test_the_view_of_ss_has_its_columns_and_lines(world: World) -> None:
    if not shutil.which("ss"):
        pytest.skip("needs ss (iproute2)")
    real = tokens(world.run("ss", "-ltnup"))
    ours = tokens(world.run(*world.command, "listening", "--format", "ss"))
    assert " ".join(ours[0]) == " ".join(real[0]).replace("PortProcess", "Port Process")
    assert without_hostile(ours[1:]) == without_hostile(real[1:])


def test_the_view_of_netstat_is_what_netstat_prints(world: World) -> None:
    if not shutil.which("netstat"):
        pytest.skip("needs netstat (net-tools)")
    real = world.run("netstat", "-ltnup").splitlines()
    ours = world.run(*world.command, "listening", "--format", "netstat").splitlines()
    assert ours[:2] == real[:2]

    def comparable(lines: list[str]) -> list[str]:
        kept = [line for line in lines if ":7034 " not in line]
        return sorted(
            re.sub(r"\d+/\S+", "PID", line) if ":703" in line else line.rstrip() for line in kept
        )  # several owners

    assert comparable(ours[2:]) == comparable(real[2:])


def test_the_view_of_lsof_is_what_lsof_prints(world: World) -> None:
    if not shutil.which("lsof"):
        pytest.skip("needs lsof")
    members = ",".join(str(pid) for one in world.made for pid in one["pids"])
    real = world.run("lsof", "-nP", "-i", "-a", "-p", members, status=None).splitlines()
    ours = world.run(*world.command, "listening", "--format", "lsof").splitlines()

    def comparable(lines: list[str]) -> list[list[str]]:
        listening = [line for line in lines if "->" not in line and ":7034" not in line]
        return sorted(line.split() for line in listening)

    assert comparable(ours) == comparable(real)


def test_connections_in_the_view_of_ss_are_its_own(world: World) -> None:
    if not shutil.which("ss"):
        pytest.skip("needs ss (iproute2)")
    real = tokens(world.run("ss", "-tnp", "state", "established"))[1:]
    ours = [
        line
        for line in tokens(world.run(*world.command, "listening", "--connections", "--format", "ss"))
        if "ESTAB" in line
    ]
    assert sorted(line[2:] for line in ours) == sorted(real)


def test_another_namespace_is_seen_from_outside_by_root(world: World, command: list[str]) -> None:
    done = subprocess.run(
        [*command, "listening", ":7001", "--json", "--all-namespaces"], capture_output=True, text=True, check=False
    )
    found = [row for row in json.loads(done.stdout)["listeners"] if pids([row]) == [world.pid]]
    assert [row["address"] for row in found] == ["127.0.0.1"]
    assert found[0]["namespace"].startswith("net:[")


UNPRIVILEGED = """
import os, sys
from portlore.cli import main
from portlore.listeners import Machine
from portlore.opening import load, open_programs
from portlore.render import sockets
import portlore.listeners.kernel, portlore.listeners.units, portlore.listeners.containers, json, encodings.idna
import portlore.cli.listening, portlore.render.formats, portlore.render.listening, portlore.local.kernel
Machine(load(), open_programs()).look()
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
sys.exit(main(sys.argv[1:]))
"""


def as_nobody(world: World, *words: str) -> dict[str, Any]:
    """What a user sees who is neither root nor the owner."""
    told: dict[str, Any] = json.loads(
        world.run(sys.executable, "-c", UNPRIVILEGED, "listening", "--json", *words, cwd="/")
    )
    return told


def test_without_root_processes_are_hidden_with_the_reason_and_the_remedy(world: World) -> None:
    if "PORTLORE_COMMAND" in os.environ:
        pytest.skip("asks this interpreter")
    told = as_nobody(world)
    (theirs,), (own,) = at(told["listeners"], 7001), at(told["listeners"], 7033)
    assert theirs["owners"][0]["process"] == {
        "hidden": "permission",
        "what": "a process of another user",
        "do": "run it as root",
    }
    assert theirs["owners"][0]["user"] == "root"
    assert own["owners"][0]["user"] == "nobody"
    assert any("run it as root" in note for note in told["notes"])


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A place to make control groups of version 2 in."""
    mount = next((line.split()[4] for line in MOUNTINFO.read_text().splitlines() if " - cgroup2 " in line), None)
    folder = Path(mount or "/nonexistent") / f"portlore-test-{os.getpid()}.slice"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no control groups of version 2 that can be written")
    yield folder
    for inner in sorted(folder.rglob("*"), reverse=True):
        if inner.is_dir():
            inner.rmdir()
    folder.rmdir()


SERVE = """
import socket, sys, time
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text("0")
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[2]))); s.listen()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("folder", "unit", "container"),
    [
        ("web.service", "web.service", None),
        (
            f"docker-{'ab' * 32}.scope",
            f"docker-{'ab' * 32}.scope",
            {"runtime": "docker", "id": "ab" * 32, "name": None},
        ),
    ],
)
def test_unit_and_container_are_named_for_root_and_for_any_user(
    world: World, cgroup: Path, folder: str, unit: str, container: object
) -> None:
    if "PORTLORE_COMMAND" in os.environ:
        pytest.skip("asks this interpreter")
    group = cgroup / folder
    group.mkdir()
    inside = ["nsenter", f"--net=/proc/{world.pid}/ns/net", sys.executable, "-c", SERVE, str(group), "7050"]
    with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline() == "up\n"
        (seen,) = world.listening("7050")
        (hidden,) = as_nobody(world, "7050")["listeners"]
        server.stdin.close()
    for row in (seen, hidden):
        assert (row["owners"][0]["unit"], row["owners"][0]["container"]) == (unit, container)
    assert seen["owners"][0]["process"]["pid"] > 0
    assert hidden["owners"][0]["process"]["hidden"] == "permission"


PROXY = """
import socket, sys
open("/proc/self/comm", "w").write("docker-proxy")
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
print("up", flush=True)
sys.stdin.read()
"""
INSIDE = """
import ctypes, socket, struct, sys
from fcntl import ioctl
assert not ctypes.CDLL(None).unshare(0x40000000)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    ioctl(s, 0x8916, struct.pack("16sH2s4s8s", b"lo", 2, b"", socket.inet_aton("172.30.0.2"), b""))  # SIOCSIFADDR
    ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x41))
s = socket.socket(); s.bind(("0.0.0.0", 80)); s.listen()
open("/proc/self/comm", "w").write("nginx")
print("up", flush=True)
sys.stdin.read()
"""


def test_the_process_behind_docker_proxy_is_the_answer_and_never_docker_proxy(world: World, tmp_path: Path) -> None:
    """Python under that name stands in for docker-proxy, whose file and command line are all that is looked at."""
    proxy = tmp_path / "docker-proxy"
    shutil.copy(Path(sys.executable).resolve(), proxy)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
    arguments = ["-proto", "tcp", "-host-port", "8080", "-container-ip", "172.30.0.2", "-container-port"]
    beside = ["nsenter", f"--net=/proc/{world.pid}/ns/net"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with (
        subprocess.Popen([sys.executable, "-c", INSIDE], **{**pipes, "env": None}) as inside,
        subprocess.Popen([*beside, proxy, "-c", PROXY, "8080", *arguments, "80"], **pipes) as true,
        subprocess.Popen([*beside, proxy, "-c", PROXY, "8081", *arguments, "81"], **pipes) as useless,
        subprocess.Popen(
            [*beside, sys.executable, "-c", PROXY, "8082", *arguments, "80"], **{**pipes, "env": None}
        ) as false,
    ):
        everybody = (inside, true, useless, false)
        for one in everybody:
            assert one.stdout is not None
            assert one.stdout.readline() == "up\n"
        (row,) = world.listening("8080")
        (nobody,) = world.listening("8081")
        (liar,) = world.listening("8082")
        lines = world.run(*world.command, "listening", "8080", "--format", "lsof")
        refused = world.run(*world.command, "stop", "8080", "--yes", status=4)
        for one in everybody:
            assert one.stdin is not None
            one.stdin.close()
    assert (row["owners"][0]["process"]["pid"], row["owners"][0]["process"]["name"]) == (inside.pid, "nginx")
    assert row["judgement"] == "expected"  # http-alt, which nginx serves
    assert nobody["owners"][0]["process"]["hidden"] == "elsewhere"
    assert "172.30.0.2:81" in nobody["owners"][0]["process"]["what"]
    assert liar["owners"][0]["process"]["pid"] == false.pid  # anybody may call themselves docker-proxy
    assert "docker-pr" in lines  # lsof's view has who really holds it
    assert refused == ""
    assert "a forwarder holds it" in world.said


def test_hidepid_hides_processes_but_neither_sockets_nor_the_reason(world: World) -> None:
    if "PORTLORE_COMMAND" in os.environ:
        pytest.skip("asks this interpreter")
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"]
    told = json.loads(world.run(*mounted, sys.executable, "-c", UNPRIVILEGED, "listening", "--json", cwd="/"))
    (theirs,) = at(told["listeners"], 7001)
    assert theirs["owners"][0]["process"]["hidden"] == "permission"
    assert any("hidepid" in note for note in told["notes"])


def test_a_process_that_ends_while_it_is_looked_at_is_no_error() -> None:
    from portlore.listeners.owners import Owners
    from portlore.listeners.processes import Holding, holders, look_at
    from portlore.opening import open_programs
    from portlore.seen import Exposure, Family, Hidden, Reason, Socket

    process = subprocess.Popen(["true"])
    process.wait()
    assert look_at(process.pid) is None
    assert holders(None, [process.pid]) == Holding({}, 0)
    owners = Owners(Holding({}, 0), open_programs())
    gone = Socket("tcp", Family.IPV4, "127.0.0.1", 1, Exposure.LOOPBACK, "", "listen", "", 0, 0, 9, 0)
    ((owner,), _) = owners.resolve(gone, [(process.pid, 3)])
    assert isinstance(owner.process, Hidden)
    assert owner.process.reason is Reason.ENDED


def test_a_namespace_that_vanishes_is_told(command: list[str]) -> None:
    from portlore.listeners.namespaces import Namespace, inside

    assert inside(Namespace("gone", "/run/netns/portlore-never-was", 0), lambda: 1) is None


def test_a_protocol_that_this_kernel_does_not_have_is_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from portlore.listeners.linux import Table, open_diag

    table = Table(open_diag())
    asked: list[str] = []

    def note(transport: str, family: int, states: int) -> list[object]:
        asked.append(transport)
        return []

    monkeypatch.setattr(table, "_told", note)
    table.sockets()
    table.close()
    assert {"tcp", "udp"} <= set(asked)
    assert ("sctp" in asked) <= ("SCTP" in Path("/proc/net/protocols").read_text())


NGINX = """\
pid {0}/pid; error_log {0}/log;
events {{}}
http {{ access_log off; server {{ listen 80; }} server {{ listen 5432; }} }}
"""
SERVERS = """\
ip link set lo up
nginx -c {0}/nginx.conf
redis-server --bind 127.0.0.1 --port 6379 --daemonize yes --dir {0} --save "" >/dev/null
"$@" wait 6379 --timeout 20 >/dev/null; "$@" wait 80 --timeout 20 >/dev/null
"$@" listening --json
kill $(cat {0}/pid); redis-cli -p 6379 shutdown nosave
"""


@pytest.mark.skipif(
    not shutil.which("nginx") or not shutil.which("redis-server"), reason="needs nginx and redis-server"
)
def test_real_servers_are_known_and_a_squatter_among_them(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(NGINX.format(tmp_path))
    script = SERVERS.format(tmp_path)
    inside = ["unshare", "-n", "sh", "-c", script, "sh", *command]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    rows = json.loads(done.stdout)["listeners"]
    told = {row["port"]: (row["judgement"], row["owners"][0]["process"]["name"]) for row in rows}
    assert told == {80: ("expected", "nginx"), 5432: ("squatting", "nginx"), 6379: ("expected", "redis-server")}
    (web,) = at(rows, 80)
    assert {owner["user"] for owner in web["owners"]} == {"root", "www-data"} or len(
        web["owners"]
    ) > 1  # master and workers
