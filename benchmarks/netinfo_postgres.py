"""What several servers of one domain over PostgreSQL give, beside one of them, and one that serves a file.

    python benchmarks/netinfo_postgres.py [--servers N] [--users N] [--seconds S]

Reads: READ of users, 32 calls at a time over each of two connections for each server, from a process of its own for
each server (so that clients cost little beside the servers). Writes: creates, each client below a directory of its own
and one after the other, acknowledged when every server has seen them. PostgreSQL (Debian's package, as in the tests),
servers and clients share this machine's cores: what is measured is what is left of them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from databases import postgres  # noqa: E402

from portlore.netinfo.storing import open_store  # noqa: E402
from portlore.oncrpc.xdr import uint  # noqa: E402

AT_ONCE, CONNECTIONS = 32, 2
spec = importlib.util.spec_from_file_location("netinfo_benchmark", HERE / "netinfo.py")
assert spec is not None
assert spec.loader is not None
single: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(single)


def read(port: int, seconds: float) -> None:
    """Read users for a while; print the calls a second."""
    calls = b"".join(single.call(7, uint(2 + number) + uint(0)) for number in range(AT_ONCE))
    counts = [0] * CONNECTIONS

    def talk(place: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            size, room = 0, bytearray(1 << 20)
            for number in range(AT_ONCE):
                line.sendall(single.call(7, uint(2 + number) + uint(0)))
                size += line.recv_into(room)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                line.sendall(calls)
                left = size
                while left:
                    left -= line.recv_into(room)
                counts[place] += AT_ONCE

    threads = [threading.Thread(target=talk, args=(place,)) for place in range(CONNECTIONS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    print(sum(counts) / seconds)


def reads(ports: list[int], seconds: float) -> float:
    """Calls a second of all servers together."""
    words = [sys.executable, __file__, "--seconds", str(seconds), "--read"]
    many = [subprocess.Popen([*words, str(port)], stdout=subprocess.PIPE, text=True) for port in ports]
    return sum(float(one.communicate()[0]) for one in many)


def writes(ports: list[int], clients: int, seconds: float) -> float:
    """Creates a second of all servers together, each with as many clients, which write below other directories."""
    free = single.FREE

    async def all_of_them() -> float:
        tasks = []
        for place, port in enumerate(ports):
            single.FREE = free + place * clients  # read by each when it begins
            tasks.append(asyncio.ensure_future(single.creates(port, clients, seconds)))
            await asyncio.sleep(0.3)
        return float(sum(await asyncio.gather(*tasks)))

    try:
        return asyncio.run(all_of_them())
    finally:
        single.FREE = free


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read is not None:
        read(args.read, args.seconds)
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address, file = f"{cluster.make()}?domain=bench", str(folder / "bench.nidb")
        for path in (address, file):
            with open_store(path, create=True) as store:
                began = time.perf_counter()
                store.write_all(single.domain_of(args.users))
                wrote, began = time.perf_counter() - began, time.perf_counter()
                store.load()
                kind = "database" if path == address else "file"
                took = time.perf_counter() - began
                print(f"{args.users:,} users: written to the {kind} in {wrote:.2f} s, read in {took:.2f} s")
        started = 0

        def serve(path: str) -> int:
            nonlocal started
            started += 1
            log = folder / f"log{started}"
            words = ["-m", "portlore", "netinfo", "serve", "--domain", f"bench={path}", "--port", "0", "--classic"]
            with log.open("w") as told:
                process = subprocess.Popen([sys.executable, *words], stderr=told, env=environment)
            stack.callback(process.wait)
            stack.callback(process.kill)
            while " port=" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            return int(log.read_text().split(" port=")[1].split()[0])

        rates: dict[str, tuple[float, list[float]]] = {}
        alone = serve(file)
        first = serve(address)
        for name, ports in (("one on a file", [alone]), ("one on PostgreSQL", [first])):
            rate = max(reads(ports, args.seconds) for _ in range(2))
            rates[name] = rate, [writes(ports, clients, args.seconds) for clients in (1, 5)]
        many = [first, *(serve(address) for _ in range(args.servers - 1))]
        rate = max(reads(many, args.seconds) for _ in range(2))
        rates[f"{args.servers} on PostgreSQL"] = rate, [writes(many, clients, args.seconds) for clients in (1, 5)]
        base = rates["one on PostgreSQL"][0]
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for name, (rate, created) in rates.items():
            told = " ".join(f"{each:>7,.0f}/s" for each in created)
            print(f"  {name:<18} reads {rate:>9,.0f}/s ({rate / base:.2f})   creates by 1 and 5 clients each {told}")


if __name__ == "__main__":
    main()
