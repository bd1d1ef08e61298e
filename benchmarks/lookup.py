"""How fast Portlore answers, each figure a ratio to a peer or a physical limit measured in the same run.

    python benchmarks/lookup.py [--command PATH] [--runs N]

``--command`` is an installed ``portlore`` (default: the one of this checkout's .venv). Wall times are the smallest and
the median of N runs of a whole process, peers and product taken in turn, so that a busy machine hits both alike.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "src/portlore/built"
PEER = ROOT / ".check/whatportis"


def once(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False)
    return time.perf_counter() - began


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Wall times in ms of every command, in turn."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "FORCE_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        once(command, environment)
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(1000 * once(command, environment))
    return taken


def peer_whatportis() -> str | None:
    """Install whatportis aside and fill its database by hand with the same registry: it ships none."""
    import json

    import portlore
    from portlore.registry.record import split

    command = PEER / "bin/whatportis"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        done = subprocess.run([str(PEER / "bin/pip"), "install", "-q", "whatportis"], capture_output=True, check=False)
        if done.returncode:
            print("whatportis cannot be installed here: left out")
            return None
    rows = [row for record in portlore.load().registry.records() for row in split(record) if row.name and row.number]
    entries = [
        {"name": r.name, "port": r.number, "protocol": on, "description": r.description}
        for r in rows
        for on in r.applies_to
    ]
    database = {"_default": {str(number): entry for number, entry in enumerate(entries, 1)}}
    (PEER / ".whatportis_db.json").write_text(json.dumps(database))
    return str(command)


def processes(command: str, runs: int) -> None:
    python = str(Path(command).parent / "python")
    if not Path(python).exists():
        python = sys.executable
    commands = {
        "python -I -c pass": [python, "-I", "-c", "pass"],
        "portlore 703 --json": [command, "703", "--json"],
        "portlore 703 (coloured page)": [command, "703"],
        "portlore 600-1023": [command, "600-1023"],
        "portlore search postgersql": [command, "search", "postgersql"],
    }
    if getent := shutil.which("getent"):
        commands["getent services 703/tcp"] = [getent, "services", "703/tcp"]
    if whatportis := peer_whatportis():
        commands["whatportis 703"] = ["env", f"HOME={PEER}", whatportis, "703"]
    taken = measure(commands, runs)
    base = min(taken["python -I -c pass"]), statistics.median(taken["python -I -c pass"])
    print(f"\nwhole process, {runs} runs in turn      smallest ms  median ms   x bare python (smallest, median)")
    for name, times in taken.items():
        low, middle = min(times), statistics.median(times)
        print(f"  {name:<32} {low:10.2f} {middle:10.2f}   {low / base[0]:6.2f} {middle / base[1]:6.2f}")


def in_process() -> None:
    began = time.perf_counter()
    import portlore

    book = portlore.load()
    opened = time.perf_counter() - began
    print(f"\nload: {1000 * opened:.1f} ms with the imports, and every port can be asked")
    began = time.perf_counter()
    records = sum(1 for _ in book.registry.records())
    decoded = 1000 * (time.perf_counter() - began)
    print(f"  decoding all {records:,} lines of the registry into records: {decoded:.1f} ms more")
    numbers = [number * 7919 % 65536 for number in range(65536)]
    count = 3_000_000
    some = numbers[:50_000]
    for number in some:
        portlore.name(number, "tcp")
    name, lookup = portlore.name, portlore.lookup
    began = time.perf_counter()
    for _ in range(count // 50_000):
        for number in some:
            name(number, "tcp")
    per_second = count / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(count // 50_000):
        for number in some:
            abs(number)
    limit = count / (time.perf_counter() - began)
    print(f"name(port, transport): {per_second / 1e6:.2f} million/s {per_second / limit:.2f} of abs() in the loop")
    for label in ("cold", "warm"):
        began = time.perf_counter()
        for number in numbers:
            lookup(number, "tcp")
        print(f"lookup(port, transport), all 65,536, {label}: {65536 / (time.perf_counter() - began):,.0f}/s")


def memory(command: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    subprocess.run([command, "703", "--json"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    size = sum(path.stat().st_size for path in BUILT.glob("*.plb"))
    print(f"peak memory of a look-up: {max(before, after) / 1024:.1f} MiB")
    print(f"shipped data: {size / 1e6:.3f} MB in {len(list(BUILT.glob('*.plb')))} files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / ".venv/bin/portlore"))
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    memory(args.command)
    in_process()
    processes(args.command, args.runs)


if __name__ == "__main__":
    main()
