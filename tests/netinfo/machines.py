"""Two machines of the recordings, alpha (10.77.0.1) and beta (10.77.0.2): network namespaces with a wire between.

Run as a script it works inside: ``replay`` sends recorded calls and tells the replies, ``watch`` runs a command and
tells what it put on the wire.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from portlore.netinfo.store import Store
from portlore.oncrpc.message import decode_call
from portlore.oncrpc.records import RecordReader, marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portlore.netinfo.domain import Domain
    from portlore.oncrpc.message import Call

ALPHA, BETA = "10.77.0.1", "10.77.0.2"
MISSING = not sys.platform.startswith("linux") or os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare")))
PATIENCE = 20.0  # seconds for a server to come up, and for a reply
AS_HOST = 'echo "$1" > /proc/sys/kernel/hostname && mount --bind "$2" /etc/shadow && shift 2 && exec "$@"'
SHADOW = "root:abz3GtcEvEtv6:19000:0:99999:7:::\n"  # rootpw, as in the recordings, whatever the machine's own is
SERVING, BINDER = re.compile(r"serving tag=(\S+) .* port=(\d+)"), re.compile(r"binder address=\S+ port=(\d+)")


class Sent(NamedTuple):
    """A call that a command sent: over what, where from, where to (addresses and ports)."""

    transport: str
    source: tuple[str, int]
    target: tuple[str, int]
    call: Call


class Machines:
    """The namespaces, and what runs in them. ``ports``: of the servers, by host and tag; the binder's by ``""``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, {"alpha": f"pa{os.getpid()}", "beta": f"pb{os.getpid()}"}
        self._running: list[subprocess.Popen[bytes]] = []
        self.ports: dict[tuple[str, str], int] = {}
        (folder / "shadow").write_text(SHADOW)

    def build(self) -> None:
        """Make the namespaces and the wire."""
        alpha, beta = self._names.values()
        for name in (alpha, beta):
            _ip(f"netns add {name}")
        _ip(f"-n {alpha} link add eth0 type veth peer name eth0 netns {beta}")
        for name, address in ((alpha, ALPHA), (beta, BETA)):
            _ip(f"-n {name} addr add {address}/24 brd + dev eth0")
            _ip(f"-n {name} link set eth0 up")
            _ip(f"-n {name} link set lo up")

    def remove(self) -> None:
        """Take them down."""
        self.stop()
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the servers."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(30)
        self._running.clear()
        self.ports.clear()

    def serve(self, host: str, domains: dict[str, Domain], *options: str, until: str = "") -> None:
        """Start the real server on a host, and wait for it; ``until``: also for that in its log."""
        folder = self._folder / f"{host}{time.monotonic_ns()}"
        folder.mkdir()
        words = ["--listen", "0.0.0.0", "--plain", *options]  # no original has a key in its domain
        for tag, domain in domains.items():
            with Store(str(folder / tag), create=True) as store:
                store.write_all(domain)
            words += ["--domain", f"{tag}={folder / tag}"]
        inside = ["unshare", "-u", "-m", "sh", "-c", AS_HOST, "sh", host, str(self._folder / "shadow")]
        command = [*inside, sys.executable, "-m", "portlore", "netinfo", "serve", *words]
        log = folder / "log"
        with log.open("wb") as file:
            environment = {**os.environ, "PORTLORE_DATA": str(folder)}
            process = subprocess.Popen([*self._at(host), *command], stderr=file, env=environment)
        self._running.append(process)
        deadline = time.monotonic() + PATIENCE
        while True:
            text = log.read_text()
            found = dict(SERVING.findall(text))
            if BINDER.search(text) and found.keys() == domains.keys() and until in text:
                break
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        self.ports |= {(host, tag): int(port) for tag, port in found.items()}
        self.ports[host, ""] = int(BINDER.findall(text)[0])

    def replay(self, steps: list[dict[str, Any]]) -> list[bytes | None]:
        """Send calls one after another, each from the host that it names; the replies, ``None`` for silence."""
        given = [step | {"namespace": f"/run/netns/{self._names[step['host']]}"} for step in steps]
        done = _run([sys.executable, __file__, "replay"], json.dumps(given))
        return [None if one is None else bytes.fromhex(one) for one in json.loads(done.stdout)]

    def watch(self, host: str, words: list[str]) -> tuple[int, bytes, bytes, list[Sent]]:
        """Run a command on a host: its exit code, stdout, stderr, and the calls that were sent meanwhile."""
        told = json.loads(_run([*self._at(host), sys.executable, __file__, "watch", *words]).stdout)
        packets = [bytes.fromhex(one) for one in told["packets"]]
        return told["exit"], told["stdout"].encode(), told["stderr"].encode(), list(calls(packets))

    def _at(self, host: str) -> list[str]:
        return ["timeout", "120", "ip", "netns", "exec", self._names[host]]


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """Both machines, without servers."""
    made = Machines(folder)
    try:
        made.build()
        yield made
    finally:
        made.remove()


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def _run(words: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def calls(packets: list[bytes]) -> Iterator[Sent]:
    """The RPC calls in IPv4 packets: datagrams, and records of streams, which nothing reorders or loses here."""
    streams: dict[tuple[object, ...], RecordReader] = {}
    seen = set()
    for packet in packets:
        body = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        source = socket.inet_ntoa(packet[12:16]), int.from_bytes(body[:2], "big")
        target = socket.inet_ntoa(packet[16:20]), int.from_bytes(body[2:4], "big")
        if packet[9] == socket.IPPROTO_UDP:
            transport, records = "udp", [body[8:]]
        else:
            data, flow = body[(body[12] >> 4) * 4 :], (source, target)
            again = (flow, body[4:8], len(data))
            if not data or again in seen:
                continue
            seen.add(again)
            transport, records = "tcp", streams.setdefault(flow, RecordReader()).feed(data)
        for record in records:
            call = decode_call(record)
            if call is not None:
                yield Sent(transport, source, target, call)


# Inside


def replay(steps: list[dict[str, Any]]) -> list[str | None]:
    """Do the steps: ``host``, ``transport``, ``client`` and ``server`` (address, port), ``request``, and perhaps

    ``silence``: a call that is answered, by which the silence after this one is told; ``until``: again until the
    status is OK. A stream is kept for the calls of one ``line``; a client's port below 1024 becomes one of those.
    """
    lines: dict[str, tuple[socket.socket, RecordReader]] = {}
    replies: list[str | None] = []
    for step in steps:
        request, target = bytes.fromhex(step["request"]), (step["server"][0], step["server"][1])
        deadline = time.monotonic() + PATIENCE
        while True:
            if step["transport"] == "udp":
                with _opened(step, socket.SOCK_DGRAM) as box:
                    reply = _datagram(box, target, request, bytes.fromhex(step.get("silence", "")))
            else:
                if step["line"] not in lines:
                    made = _opened(step, socket.SOCK_STREAM)
                    made.connect(target)
                    lines[step["line"]] = made, RecordReader()
                reply = _record(*lines[step["line"]], request)
            if not step.get("until") or reply is None or reply[24:28] == bytes(4) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        replies.append(None if reply is None else reply.hex())
    for line, _ in lines.values():
        line.close()
    return replies


def _opened(step: dict[str, Any], kind: int) -> socket.socket:
    """A socket of a namespace, at the client's address."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path(step["namespace"]).open() as there:
        assert not libc.setns(there.fileno(), 0x4000_0000), os.strerror(ctypes.get_errno())
        try:
            made = socket.socket(socket.AF_INET, kind)
            made.settimeout(PATIENCE)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            _bind(made, step["client"][0], range(1023, 599, -1) if step["client"][1] < 1024 else (0,))
        finally:
            assert not libc.setns(home.fileno(), 0x4000_0000)
    return made


def _bind(made: socket.socket, address: str, ports: Any) -> None:
    for port in ports:
        try:
            made.bind((address, port))
        except OSError:
            continue
        return
    raise AssertionError(f"no port is free at {address}")


def _datagram(box: socket.socket, target: tuple[str, int], request: bytes, silence: bytes) -> bytes | None:
    box.sendto(request, target)
    if silence:
        box.sendto(silence, target)
    reply = box.recv(1 << 16)
    return None if silence and reply[:4] == silence[:4] else reply


def _record(line: socket.socket, reader: RecordReader, request: bytes) -> bytes | None:
    line.sendall(marked(request))
    while data := line.recv(1 << 16):
        if found := reader.feed(data):
            return found[0]
    return None


def watch(words: list[str]) -> dict[str, Any]:
    """Run a command; what it printed, and the IPv4 packets of this namespace meanwhile."""
    everything = 3  # ETH_P_ALL: what is sent, too
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(everything)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        tap.setblocking(False)
        packets = []
        try:
            while True:
                packet, (name, kind, way, *_) = tap.recvfrom(1 << 17)
                twice = name == "lo" and way == socket.PACKET_OUTGOING  # it comes in as well
                if kind == 0x0800 and packet[9] in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) and not twice:
                    packets.append(packet.hex())
        except BlockingIOError:
            pass
    return {"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr, "packets": packets}


if __name__ == "__main__":
    work: Callable[[], object] = (
        (lambda: replay(json.load(sys.stdin))) if sys.argv[1] == "replay" else (lambda: watch(sys.argv[2:]))
    )
    json.dump(work(), sys.stdout)
