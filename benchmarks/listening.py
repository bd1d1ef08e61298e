"""How fast ``portlore listening`` is, beside ss, lsof, netstat and psutil on the same sockets in the same run.

    python benchmarks/listening.py [--command PATH] [--runs N] [--sockets 10000] [--processes 100]

Needs root (every tool then sees every process). It makes namespaces of network and processes for itself: the sockets
of the test listen there on loopback and nowhere else. ``--command`` is an installed ``portlore`` (default: this
checkout's).
Wall times are the smallest and the median of N runs of a whole process, all tools taken in turn.
"""

from __future__ import annotations

import argparse
import os
import pty
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIRST_PORT = 20_000
NAMES = (
    "import psutil\n"
    "for c in psutil.net_connections('inet'):\n"
    "    if c.pid: psutil.Process(c.pid).name()\n"
)  # fmt: skip


def world(sockets: int, processes: int) -> list[int]:
    """Listening sockets on loopback, spread over processes; their numbers."""
    children = []
    each = sockets // processes
    for number in range(processes):
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            kept = []
            for port in range(FIRST_PORT + number * each, FIRST_PORT + (number + 1) * each):
                one = socket.socket()
                one.bind(("127.0.0.1", port))
                one.listen(1)
                kept.append(one)
            os.write(done, b"!")
            signal.pause()
            os._exit(0)
        os.close(done)
        os.read(ready, 1)
        os.close(ready)
        children.append(pid)
    return children


def once(command: list[str], *, terminal: bool = False) -> float:
    """Wall time in ms of one run; on a ``terminal`` its output is read as a terminal would."""
    if not terminal:
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return (time.perf_counter() - began) * 1e3
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    try:
        while os.read(ours, 1 << 16):
            pass
    except OSError:  # the other end is closed
        pass
    process.wait()
    os.close(ours)
    return (time.perf_counter() - began) * 1e3


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Wall times of every command, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        once(command)
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(once(command, terminal="terminal" in name))
    return taken


def told(taken: dict[str, list[float]], peers: tuple[str, ...]) -> None:
    """A line a command, with its ratio to each peer by the smallest times."""
    print(f"  {'':<40} smallest ms  median ms   " + "  ".join(f"x {peer:<9}" for peer in peers))
    for name, times in taken.items():
        ratios = "  ".join(f"{min(times) / min(taken[peer]):<11.2f}" for peer in peers if peer in taken)
        print(f"  {name:<40} {min(times):>11.1f} {statistics.median(times):>10.1f}   {ratios}")


def watching(command: str, seconds: float) -> float:
    """The share of one core that the full-screen view takes at 1 Hz, after its first look."""
    pid, file = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command, [command, "listening", "--watch"])
    tick = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / tick

    time.sleep(3)
    began, before = time.monotonic(), used()
    while time.monotonic() - began < seconds:
        os.read(file, 1 << 16)
    share = (used() - before) / (time.monotonic() - began)
    os.write(file, b"q")
    time.sleep(0.5)
    os.close(file)
    os.waitpid(pid, 0)
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / ".venv/bin/portlore"))
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        if os.geteuid() or not shutil.which("unshare"):
            sys.exit("benchmarks/listening.py: needs root and unshare, to make a network namespace of its own")
        inside = ["unshare", "-n", "-p", "-f", "--mount-proc", sys.executable, __file__, "--inside", *sys.argv[1:]]
        sys.exit(subprocess.run(inside, check=False).returncode)
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]  # as users have it: compiled modules are kept, output is buffered
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    python = str(Path(args.command).parent / "python")
    bare = {"python -I -c pass": [python, "-I", "-c", "pass"]}
    peers = {
        "ss -ltnup": ["ss", "-ltnup"],
        "lsof -nP -i": ["lsof", "-nP", "-i"],
        "netstat -ltnup": ["netstat", "-ltnup"],
        "psutil with names": [sys.executable, "-c", NAMES],
    }
    peers = {name: command for name, command in peers.items() if shutil.which(command[0])}
    product = [args.command, "listening"]
    ours = {
        "portlore listening --json": [*product, "--json"],
        "portlore listening --json --full": [*product, "--json", "--full"],
        "portlore listening, on a terminal": product,
    }
    few = world(10, 5)
    print("10 sockets over 5 processes")
    told(measure({**bare, **peers, **ours}, args.runs), ("python -I -c pass", "ss -ltnup"))
    for pid in few:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    many = world(args.sockets, args.processes)
    print(f"\n{args.sockets:,} sockets over {args.processes} processes")
    told(measure({**peers, **ours}, args.runs), ("ss -ltnup", "lsof -nP -i", "psutil with names"))
    share = watching(args.command, 10)
    print(f"\nportlore listening --watch at 1 Hz with {args.sockets:,} sockets: {share * 100:.1f} % of a core")
    for pid in many:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
