"""A scanner and a host to scan, each in a network namespace of its own, joined by a veth pair.

::

    @needs_namespaces
    def test_all_open_ports_of_a_resetting_host_are_found() -> None:
        with Hosts(tcp=(22, 703)) as hosts:                      # listens there on v4 and v6, resets everything else
            done = hosts.run([sys.executable, "-m", "portlore", "scan", hosts.address, "-p-"])   # in the scanner's one
            hosts.behave(silent=True)                            # from now on drops what goes to other ports
            with hosts.inside():                                 # this thread is in the scanner's namespace
                Connect().run(...)

The host answers on :attr:`address`, :attr:`address6`, :attr:`link_local` (with its zone), on all of :attr:`NETWORK`
(10.67.0.0/16) and :attr:`NETWORK6`, and on all of :attr:`PUBLIC` (a documentation network, public for the policy).
``delay`` puts a relay between them that holds every frame for so many seconds, each way (the kernel's netem is
not there everywhere; the relay carries some 30,000 packets a second). It needs root, and `ip` and `nft`.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MISSING = [name for name in ("ip", "nft") if shutil.which(name) is None]
needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or bool(MISSING),
    reason=f"needs Linux, root, ip and nft{': no ' + ', '.join(MISSING) if MISSING else ''}",
)
TARPIT = 65_534  # where a tarpit's connections end up; open, once there was a tarpit
PATIENCE = 60  # seconds that anything here may take
CLONE_NEWNET = 0x4000_0000
_count = itertools.count()

LISTENING = """
import selectors, socket, sys
tcp, udp = (tuple(int(port) for port in text.split(",") if port) for text in sys.argv[1:])
chosen = selectors.DefaultSelector()
for port in tcp:
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    listener.setblocking(False)
    chosen.register(listener, selectors.EVENT_READ, False)
for port in udp:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        one = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:  # answer from the address that was asked
            one.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        one.setblocking(False)
        one.bind((address, port))
        chosen.register(one, selectors.EVENT_READ, True)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        try:
            while True:
                if key.data:
                    asked, about, _, asker = key.fileobj.recvmsg(2048, 256)
                    about = [(a, b, c[:4] + c[4:8] + bytes(4) if b == 8 else c) for a, b, c in about]
                    key.fileobj.sendmsg([b"heard " + asked], about, 0, asker)
                else:
                    key.fileobj.accept()[0].close()
        except OSError:
            pass
"""
LISTENER = [sys.executable, "-c", LISTENING]
RELAYING = """
import heapq, select, socket, struct, sys, time
ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2)]
for end, name in zip(ends, ("toscan", "topeer")):
    end.bind((name, 3))
    promiscuous = struct.pack("iHH8s", socket.if_nametoindex(name), 1, 0, bytes(8))
    end.setsockopt(263, 1, promiscuous)  # SOL_PACKET, PACKET_ADD_MEMBERSHIP
    end.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
    end.setblocking(False)
delay, waiting, order = float(sys.argv[1]), [], 0
print("ready", flush=True)
while True:
    due = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    for end in select.select(ends, [], [], due)[0]:
        for _ in range(256):
            try:
                frame, about = end.recvfrom(65536)
            except OSError:
                break
            if about[2] != socket.PACKET_OUTGOING:
                order += 1
                heapq.heappush(waiting, (time.monotonic() + delay, order, ends[end is ends[0]], frame))
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        try:
            waiting[0][2].send(waiting[0][3])
        except OSError:
            pass
        heapq.heappop(waiting)
"""


class Hosts:
    """See the module. ``tcp`` and ``udp``: open ports; every UDP one answers ``b"heard "`` and what was sent."""

    NETWORK, NETWORK6, PUBLIC = "10.67.0.0/16", "fd67::/64", "203.0.113.0/24"

    def __init__(self, tcp: Sequence[int] = (), udp: Sequence[int] = (), *, delay: float = 0.0) -> None:
        self.tcp, self.udp, self.delay = tuple(tcp), tuple(udp), delay
        self.address, self.address6, self.link_local = "10.66.0.2", "fd66::2", "fe80::2%scan0"
        name = f"portlore-{os.getpid()}-{next(_count)}"
        self.scanner, self.peer, self.between = f"{name}s", f"{name}p", f"{name}r"
        self._pit = False
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Hosts:
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the scanner's namespace and wait for it; ``options`` are those of subprocess.run."""
        options = {"capture_output": True, "text": True, "timeout": PATIENCE, "check": False, **options}
        return subprocess.run([*self._in(self.scanner), *command], **options)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command in the scanner's namespace. The caller ends it."""
        return subprocess.Popen([*self._in(self.scanner), *command], **{"text": True, **options})

    def on_the_peer(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a server in the host's namespace; it is ended with the rest."""
        self._processes.append(subprocess.Popen([*self._in(self.peer), *command], **{"text": True, **options}))
        return self._processes[-1]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have this thread in the scanner's namespace (sockets stay in the one they were made in)."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", self.scanner).open() as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(before.fileno(), CLONE_NEWNET)

    def behave(
        self,
        *,
        silent: bool = False,
        loss: float = 0.0,
        resets: int = 0,
        prohibit: bool = False,
        unreachable: bool = False,
        tarpit: bool = False,
        icmp_limited: bool = True,
    ) -> None:
        """From now on do only what is asked for here (nothing: every port that is not open resets).

        ``silent``: packets to other than the open ports are dropped. ``loss``: share of packets lost, each way.
        ``resets``: the most a second. ``prohibit``: other ports answer ICMP 3/13 (v6: 1/1), ``unreachable``: 3/1 (v6:
        1/3). ``tarpit``: every TCP port is open. ``icmp_limited``: one ICMP unreachable a second, as Linux does, or
        all.
        """
        tcp, udp = (", ".join(map(str, ports)) or "0" for ports in (self.tcp, self.udp))
        answer = "drop" if silent else "reject with icmpx admin-prohibited" if prohibit else ""
        answer = answer or ("reject with icmpx host-unreachable" if unreachable else "")
        rules = ["flush ruleset", "table inet behaviour {"]
        lose = f"meta l4proto {{ tcp, udp }} numgen random mod 10000 < {loss * 10_000:.0f} drop"
        if loss:
            rules += ["chain lossy_in {", "type filter hook prerouting priority -300", lose, "}"]
            rules += ["chain lossy_out {", "type filter hook output priority -300", lose, "}"]
        if answer:
            rules += ["chain others {", "type filter hook input priority 0",
                      f"tcp flags & (syn | ack) == syn tcp dport != {{ {tcp} }} {answer}",
                      f"meta l4proto udp udp dport != {{ {udp} }} {answer}", "}"]  # fmt: skip
        if resets:
            rules += ["chain few {", "type filter hook output priority 0",
                      f"tcp flags & rst == rst limit rate over {resets}/second burst {resets} packets drop",
                      "}"]  # fmt: skip
        if tarpit:
            if not self._pit:
                self._ready(self.on_the_peer([*LISTENER, str(TARPIT), ""], stdout=subprocess.PIPE))
                self._pit = True
            rules += ["chain pit {", "type nat hook prerouting priority -100",
                      f"meta l4proto tcp redirect to :{TARPIT}", "}"]  # fmt: skip
        self._do([*self._in(self.peer), "nft", "-f", "-"], input="\n".join([*rules, "}\n"]))
        self._set(self.peer, "net.ipv4.icmp_ratelimit", 1000 if icmp_limited else 0)
        self._set(self.peer, "net.ipv6.icmp.ratelimit", 1000 if icmp_limited else 0)
        self._set(self.peer, "net.ipv4.icmp_msgs_per_sec", 1000 if icmp_limited else 1_000_000)
        self._set(self.peer, "net.ipv4.icmp_msgs_burst", 50 if icmp_limited else 1_000_000)

    def close(self) -> None:
        """End all processes and remove the namespaces."""
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()
        for name in (self.scanner, self.peer, self.between):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=PATIENCE)

    def _set_up(self) -> None:
        names = (self.scanner, self.peer, *((self.between,) if self.delay else ()))
        for name in names:
            self._do(["ip", "netns", "add", name])
            self._ip(name, "link set lo up")
            self._set(name, "net.ipv6.conf.default.accept_dad", 0)
        if self.delay:
            self._ip(self.scanner, f"link add scan0 type veth peer name toscan netns {self.between}")
            self._ip(self.peer, f"link add peer0 type veth peer name topeer netns {self.between}")
            for end in ("toscan", "topeer"):
                self._ip(self.between, f"link set {end} up")
            self._whole_frames()
        else:
            self._ip(self.scanner, f"link add scan0 type veth peer name peer0 netns {self.peer}")
        for name, link, number in ((self.scanner, "scan0", 1), (self.peer, "peer0", 2)):
            self._ip(name, f"address add 10.66.0.{number}/24 dev {link}")
            self._ip(name, f"link set {link} up")
            self._ip(name, f"address add fd66::{number}/64 dev {link} nodad")
            self._ip(name, f"address add fe80::{number}/64 dev {link} nodad")
        for network, gateway in ((self.NETWORK, "10.66.0.2"), (self.PUBLIC, "10.66.0.2"), (self.NETWORK6, "fd66::2")):
            self._ip(self.peer, f"route add local {network} dev lo")
            self._ip(self.scanner, f"route add {network} via {gateway}")
        self._set(self.peer, "net.core.somaxconn", 4096)
        self._set(self.peer, "net.ipv4.ip_local_port_range", "65000 65001")  # none of its own is in the way
        if self.delay:
            relay = subprocess.Popen([*self._in(self.between), sys.executable, "-c", RELAYING, str(self.delay)],
                                     stdout=subprocess.PIPE, text=True)  # fmt: skip
            self._ready(relay)
        for name in names:
            self._carried(name)
        numbers = [",".join(map(str, ports)) for ports in (self.tcp, self.udp)]
        self._ready(self.on_the_peer([*LISTENER, *numbers], stdout=subprocess.PIPE))
        self.behave()

    def _carried(self, name: str) -> None:
        """Wait until all links are up: the kernel tells itself once a second, and drops what is sent until then."""
        shown = ""
        shown = ""
        for _ in range(PATIENCE * 20):
            shown = subprocess.run(["ip", "-n", name, "-br", "link"], capture_output=True, text=True, check=True).stdout
            if all(line.split()[1] == "UP" for line in shown.splitlines() if not line.startswith("lo ")):
                return
            time.sleep(0.05)
        raise AssertionError(shown)

    def _ready(self, process: subprocess.Popen[str]) -> None:
        if process not in self._processes:
            self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the host's server did not start"

    def _whole_frames(self) -> None:
        """Have both ends compute checksums and cut segments themselves: the relay sees frames as they are."""
        for name, link in ((self.scanner, "scan0"), (self.peer, "peer0")):
            with self._namespace(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                for command in (0x17, 0x1F, 0x24):  # ETHTOOL_STXCSUM, STSO, SGSO (linux/ethtool.h)
                    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                    fcntl.ioctl(any_socket, 0x8946, struct.pack("16sP", link.encode(), ctypes.addressof(value)))

    @contextmanager
    def _namespace(self, name: str) -> Iterator[None]:
        mine, self.scanner = self.scanner, name
        try:
            with self.inside():
                yield
        finally:
            self.scanner = mine

    def _set(self, name: str, key: str, value: object) -> None:
        # Some of these are the whole machine's on older kernels, and not to be seen from a namespace there.
        subprocess.run([*self._in(name), "sysctl", "-qw", f"{key}={value}"], capture_output=True, check=False)

    def _ip(self, name: str, words: str) -> None:
        self._do(["ip", "-n", name, *words.split()])

    @staticmethod
    def _in(name: str) -> list[str]:
        return ["ip", "netns", "exec", name]

    @staticmethod
    def _do(command: Sequence[str], **options: Any) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
