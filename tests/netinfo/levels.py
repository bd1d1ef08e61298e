"""Three machines for tests, each in a network namespace of its own: next1, the department's server, the company's.

::

    next1 eth0 10.91.1.5 --- 10.91.1.1 eth0 dept eth1 10.91.2.5 --- 10.91.2.1 eth0 office

Their domains are three levels: next1's local, bound by broadcast; the department's, bound to an address; the root. The
department has two addresses, of which the root lists one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from netinfo.processes import PATIENCE, Server, stored
from netinfo.replicas import gone

from portlore.netinfo.domain import Domain
from portlore.netinfo.values import Record, properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MISSING = not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("ip")
NEXT1, DEPT, DEPT_ABOVE, OFFICE = "10.91.1.5", "10.91.1.1", "10.91.2.5", "10.91.2.1"
HOSTS = ("next1", "dept", "office")
SERVE = """
import sys
from portlore.netinfo import parents
parents.SELDOM = 2.0  # half a minute is too long for a test
from portlore.cli import main
sys.exit(main())
"""
BATCH = """
import io, json, sys
from portlore.netinfo.tools import TOOLS
told = []
for name, *words in json.load(sys.stdin):
    out, err = io.BytesIO(), io.BytesIO()
    code = TOOLS[name](words, io.BytesIO(), out, err)
    told.append([code, out.getvalue().decode(), err.getvalue().decode()])
json.dump(told, sys.stdout)
"""


class Told(NamedTuple):
    """What a tool came to."""

    code: int
    out: str
    err: str


def domain(where: str, *machines: tuple[str, list[str], list[str]], master: str, **more: list[str]) -> Domain:
    """A domain whose /here says ``where``: its machines (name, addresses, serves), and more about its root."""
    rows = [
        Record(n, 0, 1, properties([("name", [name]), ("ip_address", addresses), ("serves", serves)]), ())
        for n, (name, addresses, serves) in enumerate(machines, 3)
    ]
    return Domain.of(
        [
            Record(0, 0, 0, properties([("master", [master]), *more.items()]), (1, 2)),
            Record(1, 0, 0, properties([("name", ["machines"])]), tuple(one.id for one in rows)),
            Record(2, 0, 0, properties([("name", ["here"]), ("where", [where])]), ()),
            *rows,
        ]
    )


DOMAINS = {
    "office": {
        "network": domain(
            "root",
            ("office", [OFFICE], ["./network"]),
            ("dept", [DEPT_ABOVE], ["department/sales"]),
            master="office/network",
        )
    },
    "dept": {
        "local": domain(
            "dept's", ("dept", [DEPT], ["./local"]), ("self", ["127.0.0.1"], ["../sales"]), master="dept/local"
        ),
        "sales": domain(
            "department",
            ("dept", [DEPT, DEPT_ABOVE], ["./sales", "dept/local"]),
            ("office", [OFFICE], ["../network"]),
            ("next1", [NEXT1], ["next1/local"]),
            master="dept/sales",
        ),
    },
    "next1": {
        "local": domain(
            "next1's",
            ("next1", [NEXT1], ["./local"]),
            ("broadcasthost", ["255.255.255.255"], ["../sales"]),
            master="next1/local",
        ),
        "lab": domain(
            "lab", ("next1", [NEXT1], ["./lab"]), ("dhcp", ["255.255.255.255"], ["../-DHCP-"]), master="next1/lab"
        ),
    },
}


class Levels:
    """The machines, and what runs in them: ``servers`` by host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: dict[str, Server] = {}

    def name(self, host: str) -> str:
        """Its namespace."""
        return f"portlore-{os.getpid()}-{host}"

    def build(self) -> None:
        """Make the namespaces and the wires."""
        for host in HOSTS:
            _ip("netns", "add", self.name(host))
            self.ip(host, "link set lo up")
        self._wire("next1", "dept", "eth0", NEXT1, DEPT)
        self._wire("office", "dept", "eth1", OFFICE, DEPT_ABOVE)
        self.ip("next1", f"route add default via {DEPT}")
        self.ip("office", f"route add default via {DEPT_ABOVE}")
        self.run("dept", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _wire(self, one: str, other: str, device: str, left: str, right: str) -> None:
        self.ip(one, f"link add eth0 type veth peer name {device} netns {self.name(other)}")
        for host, name, address in ((one, "eth0", left), (other, device, right)):
            self.ip(host, f"addr add {address}/24 brd + dev {name}")
            self.ip(host, f"link set {name} up")

    def remove(self) -> None:
        """Take all of it down."""
        for one in self.servers.values():
            gone(one)
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", self.name(host)], check=False, stderr=subprocess.DEVNULL)

    def ip(self, host: str, words: str) -> None:
        _ip("-n", self.name(host), *words.split())

    def at(self, host: str) -> list[str]:
        """The words that run others on a host."""
        return ["ip", "netns", "exec", self.name(host)]  # which becomes what it runs: a signal reaches that

    def run(self, host: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [*self.at(host), *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE)

    def start(self, host: str) -> Server:
        """Start the server of a host; its domains are made when it is first started."""
        words = ["netinfo", "serve", "--listen", "0.0.0.0"]
        for tag, one in DOMAINS[host].items():
            path = self.folder / f"{host}-{tag}"
            words += ["--domain", f"{tag}={path if path.exists() else stored(path, one)}"]
        environment = {**os.environ, "PORTLORE_DATA": str(self.folder / f"of {host}")}
        command = [*self.at(host), sys.executable, "-c", SERVE, *words]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        made = self.servers[host] = Server(process)
        return made

    def tools(self, host: str, *commands: tuple[str, ...]) -> list[Told]:
        """What tools come to, run on a host one after another."""
        done = self.run(host, sys.executable, "-c", BATCH, given=json.dumps(commands))
        assert done.returncode == 0, done.stderr
        return [Told(*one) for one in json.loads(done.stdout)]


@contextmanager
def levels(folder: Path) -> Iterator[Levels]:
    """The three machines, their servers running."""
    made = Levels(folder)
    try:
        made.build()
        for host in reversed(HOSTS):
            made.start(host)
        for host in HOSTS:
            assert made.servers[host].port
        yield made
    finally:
        made.remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
