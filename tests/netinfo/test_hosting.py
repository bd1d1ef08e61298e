"""The whole host as an old machine meets it: port mapper, binder, domain; alone, beside rpcbind, and by broadcast."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="needs Linux and root, to make network namespaces with ports below 1024",
)
SOURCE = [sys.executable, "-m", "portlore", "netinfo"]
WALK = """
import json, socket, struct, sys
from portlore.netinfo.binder import decode_ports, decode_registrations
from portlore.oncrpc.message import NOBODY, Call, decode_reply, encode_call
from portlore.oncrpc.portmap import Indirect, Mapping, indirect, mapping
from portlore.oncrpc.records import RecordReader, marked
from portlore.oncrpc.xdr import Reader, opaque, uint
import time
told = {}
where = sys.argv[1]
def reserved(kind):
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for port in range(1000, 600, -1):
        try:
            s.bind(("", port)); break
        except OSError: pass
    return s
def udp(port, program, version, procedure, arguments=b"", to=None, wait=20, known=b""):
    # With ``known``, arguments that are answered: the first call has silence when it has no reply soon after theirs.
    line, told = reserved(socket.SOCK_DGRAM), {}
    line.settimeout(wait)
    try:
        for xid, given in ((7, arguments), (8, known))[:2 if known else 1]:
            line.sendto(encode_call(Call(xid, program, version, procedure, NOBODY, NOBODY, given)), (to or where, port))
        while 7 not in told:
            data, peer = line.recvfrom(9000)
            told[int.from_bytes(data[:4], "big")] = decode_reply(data), peer[0]
            if 8 in told: line.settimeout(0.5)
    except TimeoutError: assert not known or 8 in told, "nobody answers"
    finally: line.close()
    return told.get(7)
for _ in range(100):
    try: answer = udp(111, 100000, 2, 3, mapping(Mapping(200100001, 1, 17, 0)), wait=0.3)
    except OSError: answer = None
    port = Reader(answer[0].results).uint() if answer else 0
    if port: break
    time.sleep(0.1)
told["binder"] = port
for _ in range(200):  # the domains come one after the other
    told["tags"] = sorted(r.tag.decode() for r in decode_registrations(udp(port, 200100001, 1, 4)[0].results))
    if len(told["tags"]) >= 2: break
    time.sleep(0.1)
told["network"] = decode_ports(udp(port, 200100001, 1, 3, opaque(b"network"))[0].results)
told["unknown"] = Reader(udp(port, 200100001, 1, 3, opaque(b"nobody"))[0].results).uint()
with socket.create_connection((where, told["network"][1])) as line:
    line.sendall(marked(encode_call(Call(8, 200100000, 2, 2, NOBODY, NOBODY, b""))))
    told["root"] = decode_reply(RecordReader().feed(line.recv(4096))[0]).results.hex()
def asking(address, tag=b"local"):
    number = struct.unpack(">I", socket.inet_aton(address))[0]
    return indirect(Indirect(200100001, 1, 8, uint(number) + opaque(tag) + opaque(b"network")))
def bind(address, known=b""):
    found = udp(111, 100000, 2, 5, asking(address), sys.argv[2], known=known)
    return None if found is None else [found[0].accepted, found[1], Reader(found[0].results).uint()]
told["bound"] = bind("10.0.0.5")
told["stranger"] = bind("10.0.0.6", asking("10.0.0.5"))
print(json.dumps(told))
"""
SERVE = """
ip link set lo up
{mapper}
"$@" netinfo serve --domain network={path} --domain other={other} --listen {listen} 2>{log} &
server=$!
{walk}
{after}
kill -TERM $server; wait $server; echo "exit $?" >&2
"""


@pytest.fixture
def domains(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("office", "other"):
        words = ["init", tmp_path / name, "--user", "ann", "--machine", "next1=10.0.0.5", "--host", "office=10.0.0.1"]
        subprocess.run([*SOURCE, *map(str, words)], input="secret\n", text=True, check=True, capture_output=True)
    return tmp_path / "office", tmp_path / "other"


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "walk.py").write_text(WALK)
    words = ["unshare", "-n", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "portlore"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return done


def script(domains: tuple[Path, Path], folder: Path, **parts: str) -> str:
    values = {
        "mapper": "",
        "after": "",
        "listen": "127.0.0.1",
        "path": quote(str(domains[0])),
        "other": quote(str(domains[1])),
    }
    walk = f"{quote(sys.executable)} {quote(str(folder))}/walk.py 127.0.0.1 127.0.0.1"
    return SERVE.format(**{**values, "walk": walk, "log": quote(str(folder / "log")), **parts})


def check(told: dict[str, Any], server: str) -> None:
    """What a client finds on its way from port 111 to the domain's root."""
    assert 0 < told["binder"] < 1024
    assert told["tags"] == ["network", "other"]
    assert all(0 < port < 1024 for port in told["network"])
    assert told["unknown"] == 19  # NOTAG
    assert told["root"].startswith("00000000" + "00000000")  # OK, the root's id
    assert told["stranger"] is None  # silence: the machine is not in /machines
    assert told["bound"] == [0, server, told["binder"]]


def test_a_client_finds_the_domain_through_our_own_port_mapper(domains: tuple[Path, Path], tmp_path: Path) -> None:
    done = run(script(domains, tmp_path), tmp_path)
    check(json.loads(done.stdout), "127.0.0.1")
    assert "exit 0" in done.stderr
    assert "port mapper: our own" in (tmp_path / "log").read_text()


@pytest.mark.skipif(not shutil.which("rpcbind") or not shutil.which("rpcinfo"), reason="needs rpcbind")
def test_rpcbind_knows_the_binder_where_it_runs(domains: tuple[Path, Path], tmp_path: Path) -> None:
    parts = {
        "mapper": "mount -t tmpfs none /run; mkdir -p /run/rpcbind; rpcbind -f -r -i & mapper=$!; "
        "until rpcinfo -p 127.0.0.1 >/dev/null 2>&1; do sleep 0.1; done",
        "after": "rpcinfo -p 127.0.0.1 >&2; kill $mapper",
    }
    done = run(script(domains, tmp_path, **parts), tmp_path)
    told = json.loads(done.stdout)
    assert told["binder"] > 0
    assert told["tags"] == ["network", "other"]
    lines = [line.split() for line in done.stderr.splitlines()]
    assert "registered with the one that runs here" in (tmp_path / "log").read_text()
    assert ["200100001", "1", "udp", str(told["binder"])] in [line[:4] for line in lines]
    assert ["200100001", "1", "tcp", str(told["binder"])] in [line[:4] for line in lines]


@pytest.mark.parametrize(
    ("listen", "called"),
    [("0.0.0.0", "10.0.0.255"), ("10.0.0.1", "10.0.0.255"), ("10.0.0.1", "255.255.255.255")],
    ids=["on all addresses", "on one address", "on one address, called by everybody's"],
)
def test_two_hosts_bind_by_broadcast(domains: tuple[Path, Path], tmp_path: Path, listen: str, called: str) -> None:
    """A server in one namespace, a client in another, a wire between: the client calls 10.0.0.255 for a parent."""
    name = f"pl{os.getpid()}"
    prepare = f"""
    ip link add eth0 type veth peer name eth0 netns {name} || exit 9
    ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up
    ip -n {name} addr add 10.0.0.5/24 dev eth0; ip -n {name} link set eth0 up; ip -n {name} link set lo up
    ip -n {name} route add default dev eth0
    """
    walk = f"ip netns exec {name} {quote(sys.executable)} {quote(str(tmp_path))}/walk.py 10.0.0.1 {called}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        (tmp_path / "walk.py").write_text(WALK)
        text = script(domains, tmp_path, listen=listen, walk=walk, mapper=prepare)
        words = ["unshare", "-n", "sh", "-c", text, "sh", sys.executable, "-m", "portlore"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
    assert done.stdout, done.stderr
    check(json.loads(done.stdout), "10.0.0.1")
    assert "not encrypted" in (tmp_path / "log").read_text()


def test_trusted_networks_close_strangers_right_after_accept() -> None:
    from portlore.netinfo.answering import Service
    from portlore.netinfo.making import new_domain
    from portlore.netinfo.server import Limits, Serving
    from portlore.netinfo.values import Property

    domain = new_domain("network", ("office", "10.0.0.1"), [], "ann", 501, b"x")
    root = domain.at(0)
    networks = domain.at(domain.path(b"networks") or 0)
    domain.create(networks, (Property(b"name", (b"lab",)), Property(b"address", (b"192.42.172.0",))), 9)

    async def admitted(*values: bytes) -> list[bool]:
        domain.write(root, (*root.properties[:1], Property(b"trusted_networks", values)))
        serving = Serving(Service(domain, b"network", lambda a, b: False), None, print, Limits())
        try:
            return [serving.admits(a, local=False) for a in ("10.1.2.3", "192.42.172.9", "192.42.17.9")] + [
                serving.admits("7.7.7.7", local=True)
            ]
        finally:
            serving.close()

    import asyncio

    assert asyncio.run(admitted(b"10")) == [True, False, False, True]
    assert asyncio.run(admitted(b"192.42.172")) == [False, True, False, True]
    assert asyncio.run(admitted(b"lab", b"10")) == [True, True, False, True]
    assert asyncio.run(admitted()) == [False, False, False, True]


DATAGRAM = f"""{quote(sys.executable)} -c 'import socket; socket.socket(2, 2).sendto(b"x", ("127.0.0.1", 54321))'"""


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_tshark_finds_no_malformed_packet_in_our_traffic(domains: tuple[Path, Path], tmp_path: Path) -> None:
    capture = tmp_path / "lo.pcap"
    parts = {
        "mapper": f"tshark -q -i lo -w {capture} 2>/dev/null & shark=$!; until [ -s {capture} ]; do {DATAGRAM}; done",
        "after": "sleep 1; kill -INT $shark; wait $shark",
    }
    done = run(script(domains, tmp_path, **parts), tmp_path)
    check(json.loads(done.stdout), "127.0.0.1")
    rpc = ["tshark", "-o", "rpc.dissect_unknown_programs:TRUE", "-r", str(capture), "-Y"]
    seen = subprocess.run(
        [*rpc, "rpc.program == 200100000 || rpc.program == 200100001"], capture_output=True, text=True, check=True
    ).stdout
    assert seen.count("\n") >= 1  # tshark takes our calls for what they are
    bad = subprocess.run(
        [*rpc, "_ws.malformed || rpc.fragment.error"], capture_output=True, text=True, check=True
    ).stdout
    assert bad == ""


CHILD = """
import sys
from portlore.netinfo.making import new_domain
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, properties
domain = new_domain("local", ("next1", "10.0.0.5"), [], "ann", 501, b"*")
machines = domain.at(domain.path(b"machines"))
domain.create(machines, properties([("name", ["up"]), ("ip_address", [sys.argv[2]]), ("serves", ["../network"])]), LAST)
with Store(sys.argv[1], create=True) as store:
    store.write_all(domain)
"""


PARENTS = [  # what /machines names, and who is found there
    ("10.0.0.1", "10.0.0.1/network"),
    ("255.255.255.255", "10.0.0.1/network"),
    ("10.0.0.9", "root domain: no parent"),
]


@pytest.mark.parametrize(("parent", "found"), PARENTS)
def test_a_domain_binds_to_its_parent_hard_wired_or_by_broadcast(
    domains: tuple[Path, Path], tmp_path: Path, parent: str, found: str
) -> None:
    """A child on one host, its parent on another; RPARENT is answered at once, also when nobody is there."""
    name = f"pc{os.getpid()}"
    python, child, log_file = quote(sys.executable), quote(str(tmp_path / "local")), quote(str(tmp_path / "child"))
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path / "local"), parent], check=True)
    inside = f"ip netns exec {name}"
    prepare = f"""
    ip link add eth0 type veth peer name eth0 netns {name} || exit 9
    ip addr add 10.0.0.1/24 brd + dev eth0; ip link set eth0 up
    ip -n {name} addr add 10.0.0.5/24 brd + dev eth0; ip -n {name} link set eth0 up; ip -n {name} link set lo up
    ip -n {name} route add 255.255.255.255 dev eth0
    """
    walk = f"""
    until grep -q "binder address=" {quote(str(tmp_path / "log"))}; do sleep 0.1; done
    {inside} {python} -m portlore netinfo serve --domain local={child} --listen 10.0.0.5 2>{log_file} &
    child=$!
    until grep -q "parent tag=local" {log_file}; do sleep 0.1; done
    {inside} timeout 10 {python} -m portlore.netinfo.tools niutil -rparent -n -t 10.0.0.5/local
    kill -TERM $child; wait $child
    """
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        text = script(domains, tmp_path, listen="0.0.0.0", walk=walk, mapper=prepare)
        words = ["unshare", "-n", "sh", "-c", text, "sh", sys.executable, "-m", "portlore"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
    log = (tmp_path / "child").read_text()
    assert done.stdout.strip() == found, (done.stdout, done.stderr, log)
    assert (f"bound={found}" in log) is (parent != "10.0.0.9")
