"""How fast a scan is beside nmap and masscan, what it misses, and what it costs beside a loop in C.

    python benchmarks/scan.py [--quick] [--runs N]

Scanner and host are network namespaces made here and joined by a veth pair; nothing leaves this machine. Needs root and
`ip`, `nft`; nmap, masscan and cc where they are there (Debian: apt-get install nmap masscan gcc). Every figure is of
whole processes, the median of some runs; ratios are to the peer in the same run.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[0] = str(HERE.parent / "tests")  # in place of this folder, where `scan` is this file
from scan.hosts import Hosts  # noqa: E402

PORTLORE = [sys.executable, "-m", "portlore", "scan"]
NMAP = ["nmap", "-n", "-Pn", "--disable-arp-ping"]
TWENTY = (21, 22, 23, 25, 53, 80, 110, 139, 143, 443, 445, 502, 703, 993, 995, 3306, 3389, 5432, 6379, 8080)
OPEN = tuple(sorted(random.Random(703).sample(range(1, 65000), 39) + list(TWENTY[:11])))  # 50
TICKER = """
import socket, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    line.sendto(b"tick", ("10.66.0.1", 9))
    time.sleep(0.1)
"""


class Ran:
    """A process that ended: seconds, seconds of processor time, MiB at most, and the open ports that it named."""

    def __init__(self, hosts: Hosts, command: list[str], *, weigh: bool = False) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as talk:
            began = time.perf_counter()
            process = hosts.popen(command, stdout=out, stderr=talk, env=environment)
            # Asked of the process itself: what wait4 tells begins at the size of the one that started it.
            self.memory = _heaviest(process.pid) if weigh else 0.0
            _, status, usage = os.wait4(process.pid, 0)
            self.took = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            talk.seek(0)
            text = out.read()
            if process.returncode:
                raise RuntimeError(f"{' '.join(command)}: {talk.read()[-2000:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.found = len(set(re.findall(r"(?<![\d,])(\d+)/tcp(?! *(?:closed|filtered))", text)))
        self.lines = len(re.findall(r"(?<![\d,])\d+/tcp(?! *(?:closed|filtered))", text))


def _heaviest(process: int) -> float:
    """MiB that a process had at most, once it has ended."""
    heaviest = 0
    while found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text("ascii", "replace")):
        heaviest = max(heaviest, int(found[1]))
        time.sleep(0.01)
    return heaviest / 1024


def median(hosts: Hosts, command: list[str], runs: int, opened: int = len(OPEN)) -> float:
    """The middle time of some runs; says when one missed something."""
    took = []
    for _ in range(runs):
        ran = Ran(hosts, command)
        if ran.found != opened:
            print(
                f"    {'portlore' if command[0] == sys.executable else ' '.join(command)} found {ran.found} of {opened}"
            )
        took.append(ran.took)
    return statistics.median(took)


def say(what: str, ours: float, peer: str, theirs: float, bound: float) -> None:
    word = "within" if ours <= bound * theirs else "beyond"
    print(f"  {what:<34} {ours:7.3f} s   {ours / theirs:6.3f} × {peer} ({theirs:.3f} s), {word} {bound}", flush=True)


def neighbour(hosts: Hosts) -> str:
    """The host's link address."""
    words = ["ip", "-n", hosts.peer, "-br", "link", "show", "peer0"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[2]


def one_host(hosts: Hosts, runs: int, quick: bool, tools: set[str]) -> None:
    address = hosts.address
    syn, connect = [*PORTLORE, address, "-p-"], [*PORTLORE, address, "-p-", "--engine", "connect"]
    print("65,535 ports of a host that resets, 50 open:")
    hosts.behave()
    times = median(hosts, syn, runs), median(hosts, connect, runs)
    if "nmap" in tools:
        say("SYN", times[0], "nmap -sS -T5", median(hosts, [*NMAP, "-sS", "-T5", "-p-", address], runs), 0.8)
        say("connect", times[1], "nmap -sT -T5", median(hosts, [*NMAP, "-sT", "-T5", "-p-", address], runs), 3)
    else:
        print(f"  SYN {times[0]:.3f} s, connect {times[1]:.3f} s")
    print("65,535 ports of a host that drops, 50 open:")
    hosts.behave(silent=True)
    ours = median(hosts, syn, runs)
    if "masscan" in tools:
        # It notices its end when a packet comes, hence the ticker; it may take its time or lose some.
        ticker = hosts.on_the_peer([sys.executable, "-c", TICKER])
        fast = ["timeout", "60", "masscan", address, "-p1-65535", "--rate", "1000000", "--wait", "1", "-e", "scan0"]
        fast += ["--adapter-ip", "10.66.0.1", "--router-mac", neighbour(hosts)]
        say("SYN", ours, "masscan at 1M", median(hosts, fast, runs), 0.4)
        ticker.kill()
    if "nmap" in tools:
        forced = [*NMAP, "-sS", "-T5", "--min-rate", "10000", "-p-", address]
        say("SYN", ours, "nmap -T5 --min-rate 10000", median(hosts, forced, 1), 0.06)
        if not quick:
            say("SYN", ours, "nmap -sS -T4", median(hosts, [*NMAP, "-sS", "-T4", "-p-", address], 1), 0.01)
    if not tools & {"nmap", "masscan"}:
        print(f"  SYN {ours:.3f} s")


def many_hosts(hosts: Hosts, runs: int, tools: set[str]) -> None:
    print("1,024 addresses × 20 ports, 11,264 open:")
    hosts.behave()
    words = ["10.67.0.0/22", "-p", ",".join(map(str, TWENTY))]
    ours = statistics.median(Ran(hosts, [*PORTLORE, *words]).took for _ in range(runs))
    if "nmap" in tools:
        theirs = statistics.median(Ran(hosts, [*NMAP, "-sS", "-T5", *words]).took for _ in range(runs))
        say("SYN", ours, "nmap -sS -T5", theirs, 0.7)
    else:
        print(f"  SYN {ours:.3f} s")
    heavy = Ran(hosts, [*PORTLORE, "10.67.0.0/16", *words[1:]], weigh=True)
    word = "within" if heavy.memory <= 80 else "beyond"
    print(f"65,536 addresses × 20 ports: {heavy.memory:.0f} MiB at most, {word} 80; {heavy.took:.1f} s")


def misses(hosts: Hosts, runs: int) -> None:
    """Open ports that a scan does not find, loss or none, whatever becomes of the closed ones."""
    for loss in (0, 0.02):
        for silent in (False, True):
            hosts.behave(silent=silent, loss=loss)
            missed = [len(OPEN) - Ran(hosts, [*PORTLORE, hosts.address, "-p-"]).found for _ in range(runs)]
            kind = "drops" if silent else "resets"
            print(f"missed open ports, {loss:.0%} lost each way, a host that {kind}: {sum(missed)} in {runs} runs")


def beside_c(hosts: Hosts, runs: int) -> None:
    """Packets for a second of processor time, of a whole scan and of a bare loop, to the same closed ports."""
    hosts.behave()
    with tempfile.TemporaryDirectory() as folder:
        loop = f"{folder}/loop"
        subprocess.run(["cc", "-O2", "-o", loop, str(HERE / "sendmmsg.c")], check=True)
        floor, ours = [], []
        for _ in range(runs):
            done = hosts.run([loop, "scan0", neighbour(hosts), "10.66.0.1", "10.67.0.0", "16"])
            count, _, _, _, busy = map(float, done.stdout.split())
            floor.append(count / busy)
            ours.append(16 * 65535 / Ran(hosts, [*PORTLORE, "10.67.0.0/28", "-p-"]).cpu)
    best, bare = statistics.median(ours), statistics.median(floor)
    print(f"packets per second of processor time: {best:,.0f}, {best / bare:.2f} of a sendmmsg loop in C ({bare:,.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some minutes less: no nmap -T4, five runs for misses")
    parser.add_argument("--runs", type=int, default=5, help="of which the middle one counts")
    args = parser.parse_args()
    needed = [name for name in ("ip", "nft") if shutil.which(name) is None]
    if os.geteuid() or needed:
        raise SystemExit(f"needs root{''.join(f', {name}' for name in needed)}")
    tools = {name for name in ("nmap", "masscan", "cc") if shutil.which(name)}
    for name in sorted({"nmap", "masscan", "cc"} - tools):
        print(f"{name} is not there: what is measured against it is left out")
    with Hosts(tcp=OPEN) as hosts:
        one_host(hosts, args.runs, args.quick, tools)
        many_hosts(hosts, args.runs, tools)
        if "cc" in tools:
            beside_c(hosts, 1 if args.quick else 3)
        misses(hosts, 5 if args.quick else 20)


if __name__ == "__main__":
    main()
