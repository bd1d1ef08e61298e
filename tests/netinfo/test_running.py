"""How a server is started and ended: with whose rights, on whose sockets, with or without somebody reading its log."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import start_domain

import portlore.netinfo
from portlore.journal import MOST, Journal
from portlore.netinfo.sockets import bound
from portlore.netinfo.store import Store
from portlore.netinfo.values import properties

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "portlore", "netinfo"]
as_root = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs Linux and root, to become somebody else"
)
LAUNCHER = """
import os, socket, sys
tcp_and_udp = []
for number in range(int(sys.argv[1])):
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    tcp_and_udp += [tcp, udp]
ports = [str(one.getsockname()[1]) for one in tcp_and_udp[::2]]
print(*ports, flush=True)
high = [os.dup2(one.fileno(), 100 + number) for number, one in enumerate(tcp_and_udp)]
for number in range(int(sys.argv[2])):
    os.dup2(high[number], 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[2], "LISTEN_FDNAMES": "a:b"}
command = [word.replace("MAPPER", ports[0]) for word in sys.argv[3:]]
os.execv(command[0], command)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of this machine may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def stored(path: Path) -> Path:
    with Store(str(path), create=True) as store:
        store.write_all(start_domain())
    return path


@contextmanager
def started(*words: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen([*COMMAND, "serve", *words], stderr=file, env=os.environ | environment)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


def said(log: Path, words: str) -> str:
    """The line of a log that holds some words, once it is there."""
    for _ in range(300):
        if found := [line for line in log.read_text().splitlines() if words in line]:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"{words!r} is not in {log.read_text()!r}")


def port_of(log: Path, tag: str) -> int:
    return int(said(log, f"serving tag={tag}").rpartition("port=")[2])


def status(process: subprocess.Popen[bytes]) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def can_be_asked(port: int, tag: str) -> bool:
    with portlore.netinfo.open(f"127.0.0.1:{port}/{tag}") as domain:
        return domain.search(b"/users").object > 0


@as_root
def test_root_becomes_the_owner_of_the_domains_files_and_keeps_only_ports_below_1024(folder: Path) -> None:
    path, nobody = stored(folder / "office"), pwd.getpwnam("nobody")
    for one in (folder, *folder.iterdir()):
        os.chown(one, nobody.pw_uid, nobody.pw_gid)
    with started("--domain", f"network={path}", "--port", "0", log=folder / "log") as process:
        said(folder / "log", "running as user=nobody")
        found = status(process)
        assert set(found["Uid"].split()) == {str(nobody.pw_uid)}
        assert set(found["Gid"].split()) == {str(nobody.pw_gid)}
        assert "0" not in found["Groups"].split()
        assert (int(found["CapPrm"], 16), int(found["CapEff"], 16)) == (1 << 10, 1 << 10)
        assert int(found["CapInh"], 16) == 0
        assert {one.stat().st_uid for one in folder.iterdir() if one.name != "log"} == {nobody.pw_uid}


@as_root
def test_the_user_whom_root_names_may_still_bind_a_port_below_1024(folder: Path) -> None:
    path, nobody = stored(folder / "office"), pwd.getpwnam("nobody")
    for one in (folder, *folder.iterdir()):
        os.chown(one, nobody.pw_uid, nobody.pw_gid)
    words = ["--user", "nobody", "--domain", f"network={path}", "--port", "777"]
    serve = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "-", *COMMAND, "serve", *words]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, stderr=log)
    try:
        assert port_of(folder / "log", "network") == 777
        said(folder / "log", "running as user=nobody")
    finally:
        process.terminate()
        assert process.wait(30) == 0


@as_root
def test_a_user_that_is_not_there_is_refused_before_anything_is_served(folder: Path) -> None:
    words = [*COMMAND, "serve", "--user", "nosuchuser", "--domain", f"network={stored(folder / 'office')}"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 2
    assert "becoming the user nosuchuser" in found.stderr
    assert "there is no such user" in found.stderr
    assert found.stderr.count("\n") == 1


def test_sockets_from_systemd_are_the_port_mappers_the_binders_and_the_domains_in_their_order(folder: Path) -> None:
    path = stored(folder / "office")
    words = [*COMMAND, "serve", "--domain", f"network={path}", "--mapper-port", "MAPPER"]
    launch = [sys.executable, "-c", LAUNCHER, "3", "6", *words]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(launch, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        mapper, binder, domain = map(int, process.stdout.readline().split())
        assert port_of(folder / "log", "network") == domain
        assert said(folder / "log", "binder ").endswith(f"port={binder}")
        assert said(folder / "log", "port mapper: our own").endswith(f"port={mapper}")
        assert can_be_asked(domain, "network")
    finally:
        process.terminate()
        assert process.wait(30) == 0
        assert process.stdout is not None
        process.stdout.close()


def test_a_port_that_systemd_gives_for_tcp_alone_is_refused_in_one_line(folder: Path) -> None:
    words = [*COMMAND, "serve", "--domain", f"network={stored(folder / 'office')}"]
    launch = [sys.executable, "-c", LAUNCHER, "1", "1", *words]
    found = subprocess.run(launch, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 3
    assert "only one of TCP and UDP is there" in found.stderr
    assert "Traceback" not in found.stderr


def test_variables_that_systemd_meant_for_another_process_are_not_believed(folder: Path) -> None:
    path = stored(folder / "office")
    other = {"LISTEN_PID": "1", "LISTEN_FDS": "2"}
    with started("--domain", f"network={path}", "--port", "0", log=folder / "log", **other):
        assert can_be_asked(port_of(folder / "log", "network"), "network")


def test_without_a_domain_every_one_of_the_users_data_directory_is_served_by_the_name_of_its_file(folder: Path) -> None:
    (folder / "netinfo").mkdir()
    stored(folder / "netinfo/network.nidb")
    stored(folder / "netinfo/lab.nidb")
    with started("--port", "0", log=folder / "log", PORTLORE_DATA=str(folder)):
        for tag in ("lab", "network"):
            assert can_be_asked(port_of(folder / "log", tag), tag)


def test_without_any_domain_it_says_where_it_looked(folder: Path) -> None:
    found = subprocess.run(
        [*COMMAND, "serve"], capture_output=True, text=True, timeout=30, check=False,
        env=os.environ | {"PORTLORE_DATA": str(folder)},
    )  # fmt: skip
    assert found.returncode == 2
    assert f"there is no TAG.nidb in {folder}/netinfo" in found.stderr


def test_a_log_that_nobody_reads_does_not_hold_up_the_server(folder: Path) -> None:
    path = stored(folder / "office")
    words = [*COMMAND, "serve", "--domain", f"network={path}", "--port", "0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(b"port=")[2])
        with portlore.netinfo.open(f"127.0.0.1:{port}/network", user="root", password="rootpw") as domain:
            made, _ = domain.create(domain.root(), properties([("name", ["counter"]), ("count", [""])]))
            for number in range(1500):  # each a line of over 100 characters: a pipe takes 64 KiB
                made = domain.write_values(made, 1, (str(number).encode(),))
            assert domain.read_values(made, 1) == (b"1499",)
    finally:
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        process.stderr.close()


def test_what_a_log_cannot_take_is_counted_and_said() -> None:
    reading, writing = os.pipe()
    journal = Journal("portlore-netinfo", writing)
    for number in range(MOST * 3):
        journal(f"line {number}")
    with open(reading, "rb", closefd=False) as file:
        lines: list[bytes] = []
        while not lines or b"log lost=" not in lines[-1]:
            lines.append(file.readline())
    journal.close()
    os.close(reading)
    os.close(writing)
    lost = int(lines[-1].rpartition(b"lost=")[2])
    assert [line.split()[-1] for line in lines[:-1]] == [str(n).encode() for n in range(len(lines) - 1)]
    assert 0 < lost <= MOST * 3 - (len(lines) - 1)


def test_control_characters_of_a_client_reach_the_log_escaped() -> None:
    reading, writing = os.pipe()
    journal = Journal("portlore-netinfo", writing)
    journal("tag=\x1b[2J\nroot \udc80")
    journal.close()
    os.close(writing)
    with open(reading, "rb") as file:  # noqa: PTH123
        assert file.read().endswith(b"portlore-netinfo tag=\\x1b[2J\\nroot \\udc80\n")


def test_a_port_taken_on_udp_alone_is_not_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(portlore.HostError, match="already in use"):
            bound("127.0.0.1", [other.getsockname()[1]])
