"""How fast and how right ``portlore identify`` is on 22 real services, beside ``nmap -sV`` in the same run.

    python benchmarks/identify.py [--runs N] [--nmap]

Needs root, and the Debian packages of the servers. It makes a network namespace for itself, in which the servers
listen on loopback: on their own ports, on others (SSH on 8022, HTTP on 973, Modbus on 703, SMTP on 2500, Redis on
7777), within TLS (OpenSSL's server of one client at a time on 5433, Redis behind a relay on 6380), and one that says
nothing. ``--nmap`` takes three minutes more. A service counts as right when the protocol, the product and the version
are those of its Debian package, and when nothing is claimed of what its server does not tell strangers: OpenSMTPD,
OpenLDAP and PostgreSQL tell no version, rpcbind, Mosquitto and OpenSSL's server neither product nor version, and the
silent one nothing at all. How many were checked in which way is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path[:1] = [str(ROOT / "src"), str(ROOT / "tests")]  # not this folder, whose scan.py would hide tests/scan
from probes import driving, infrastructure, services  # noqa: E402
from scan import speaking  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

UNTOLD = ""  # not told to strangers: then nothing may be claimed
EXPECTED = {  # port: protocols from the outside in, product, its version or the Debian package of that
    21: ("ftp", "vsFTPd", "vsftpd"), 22: ("ssh", "OpenSSH", "openssh-server"), 25: ("smtp", "OpenSMTPD", UNTOLD),
    53: ("domain", "dnsmasq", "dnsmasq-base"), 80: ("http", "nginx", "nginx"), 111: ("sunrpc", UNTOLD, UNTOLD),
    389: ("ldap", "OpenLDAP", UNTOLD), 443: ("tls/http", "nginx", "nginx"), 502: ("mbap", "Portlore Works PW-7", "4.2"),
    703: ("mbap", "Portlore Works PW-7", "4.2"), 973: ("http", "SimpleHTTP", "0.6"), 1883: ("mqtt", UNTOLD, UNTOLD),
    2500: ("smtp", "OpenSMTPD", UNTOLD), 3306: ("mysql", "MariaDB", "mariadb-server"),
    5432: ("postgresql", "PostgreSQL", UNTOLD), 5433: ("tls/http", UNTOLD, UNTOLD),
    6379: ("redis", "Redis", "redis-server"), 6380: ("tls/redis", "Redis", "redis-server"),
    7777: ("redis", "Redis", "redis-server"), 8022: ("ssh", "OpenSSH", "openssh-server"), 9999: ("", UNTOLD, UNTOLD),
    11211: ("memcache", "memcached", "memcached"),
}  # fmt: skip
_ports: list[int] = []


def chosen(_: object = None) -> int:
    """In place of a free port: the one that the benchmark wants; it is alone in its namespace."""
    return _ports.pop(0)


def world(stack: contextlib.ExitStack) -> list[int]:
    """Start all there is; the ports of what started."""
    started: list[int] = []
    python, plant = sys.executable, ROOT / "tests/probes/plant.py"

    def start(made: Callable[[], Any], *ports: int) -> None:
        _ports[:] = ports
        try:
            stack.enter_context(made())
            started.extend(ports)
        except (AssertionError, OSError, subprocess.SubprocessError, pytest.skip.Exception) as error:
            print(f"not started: {ports}: {str(error)[:100]!r}", file=sys.stderr)

    for module in (services, infrastructure, speaking):
        setattr(module, "free_port", chosen)  # noqa: B010 - theirs by import, as type checkers see it
    for made, *ports in (
        (services.vsftpd, 21), (speaking.sshd, 22), (speaking.sshd, 8022), (services.opensmtpd, 25),
        (services.opensmtpd, 2500), (infrastructure.dnsmasq, 53), (speaking.nginx, 80, 443),
        (infrastructure.slapd, 389), (services.mosquitto, 1883), (services.mariadb, 3306), (speaking.s_server, 5433),
        (services.redis, 6379), (services.redis, 7777), (services.memcached, 11211), (postgresql, 5432),
    ):  # fmt: skip
        start(made, *ports)
    start(lambda: driving.running([driving.need("rpcbind", "rpcbind"), "-f", "-w"], 111), 111)
    start(lambda: driving.running([python, plant, "127.0.0.1", "502", "703"], 703), 502, 703)
    start(lambda: driving.running([python, "-m", "http.server", "973", "-d", "/var/empty"], 973), 973)
    start(relay, 6380)
    start(silent, 9999)
    return started


@contextlib.contextmanager
def postgresql() -> Iterator[int]:
    """A cluster of its own."""
    port, home = chosen(), max(Path("/usr/lib/postgresql").iterdir()) / "bin"
    with driving.folder("postgres") as where:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run([*as_user, str(home / "initdb"), "-D", str(where / "data")], check=True, capture_output=True)
        words = [*as_user, str(home / "postgres"), "-D", str(where / "data"), "-k", str(where), "-p", str(port)]
        with driving.running(words, port):
            yield port


@contextlib.contextmanager
def relay() -> Iterator[int]:
    """TLS in front of the Redis on 6379, in Python."""
    with driving.folder() as where:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*speaking.certificate(where))
        with speaking.serving(lambda link: speaking.relay(context, link, 6379), port=chosen()) as port:
            yield port


@contextlib.contextmanager
def silent() -> Iterator[socket.socket]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", chosen()), backlog=512) as door:
        yield door


@cache
def version_of(told: str) -> str:
    """The upstream version of a Debian package (deb-version(7)); a version by itself stays."""
    if not told or told[0].isdigit():
        return told
    line = ["dpkg-query", "-W", "-f", "${Version}", told]
    whole = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\d+:|[-+][^-]*$", "", whole).partition("+")[0]


def right(row: dict[str, Any]) -> bool:
    """Whether a row is what was started there: no less, and no more than its server tells."""
    layers, product, version = EXPECTED[row["port"]]
    told = "/".join([*row["within"], row["protocol"] or ""])
    return (told, row["product"] or "", row["version"] or "") == (layers, product, version_of(version))


def checked(ports: Iterable[int]) -> str:
    """What "right" means for how many of them."""
    kinds = {
        "protocol, product and version": [port for port in ports if EXPECTED[port][2]],
        "protocol and product (no version is told)": [p for p in ports if EXPECTED[p][1] and not EXPECTED[p][2]],
        "protocol (neither is told)": [p for p in ports if EXPECTED[p][0] and not EXPECTED[p][1]],
        "silence": [port for port in ports if not EXPECTED[port][0]],
    }
    return "; ".join(f"{len(some)} by {kind}" for kind, some in kinds.items() if some)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nmap", action="store_true", help="also nmap -sV, once")
    args = parser.parse_args()
    if not os.environ.get("PORTLORE_INSIDE"):
        line = ["unshare", "-n", "-m", sys.executable, *sys.argv]
        sys.exit(subprocess.run(line, env={**os.environ, "PORTLORE_INSIDE": "1"}, check=False).returncode)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    with contextlib.ExitStack() as stack:
        ports = sorted(world(stack))
        text = ",".join(map(str, ports))
        times, correct = list[float](), list[int]()
        rows: list[dict[str, Any]] = []
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        for _ in range(args.runs):
            began = time.perf_counter()
            line = [sys.executable, "-m", "portlore", "identify", f"127.0.0.1:{text}", "--json"]
            done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
            times.append(time.perf_counter() - began)
            rows = json.loads(done.stdout)["observations"]
            correct.append(sum(map(right, rows)))
            for row in rows:
                if not right(row):
                    print("wrong:", [row[key] for key in ("port", "within", "protocol", "product", "version")])
        early, middle = statistics.median(row["took"] or 0 for row in rows), statistics.median(times)
        print(
            f"{len(ports)} services, right {min(correct)} to {max(correct)}; {min(times):.2f} s, median {middle:.2f} s"
        )
        print(f"checked: {checked(ports)}")
        print(f"half of them are known after {early:.2f} s")
        if args.nmap:
            began = time.perf_counter()
            subprocess.run(["nmap", "-sV", "-p", text, "127.0.0.1"], capture_output=True, check=False)
            took = time.perf_counter() - began
            print(f"nmap -sV: {took:.1f} s; ratio {middle / took:.4f}")


if __name__ == "__main__":
    main()
