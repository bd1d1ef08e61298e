"""How fast clones follow: three on this machine after an acknowledged write, and one that reads all of 10,000 users.

    sudo python benchmarks/netinfo_replicas.py [--users N] [--writes N]

Servers are processes of their own at 127.0.0.1 to 127.0.0.4, in a network namespace (`unshare -n`, Linux, root).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portlore.netinfo.calling import Connection
from portlore.netinfo.cloning import make_clone
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import Handle
from portlore.netinfo.replicating import Server
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, NiId, Record, properties

TAG, CLONES, HASH = "net", 3, "abz3GtcEvEtv6"


def domain(users: int) -> tuple[Domain, int]:
    """A domain of so many users with seven properties, and the id of their directory."""
    made = Domain.of([Record(0, 0, 0, properties([("master", [f"m/{TAG}"])]), ())])
    machines = made.create(made.at(0), properties([("name", ["machines"])]), LAST)
    for number in range(CLONES + 1):
        pairs = [("name", [f"c{number}" if number else "m"]), ("ip_address", [f"127.0.0.{number + 1}"])]
        made.create(machines, properties([*pairs, ("serves", [f"./{TAG}"])]), LAST)
    people = made.create(made.at(0), properties([("name", ["users"])]), LAST)
    for number in range(users):
        name = f"user{number:05}"
        pairs = [("name", [name]), ("passwd", [HASH]), ("uid", [str(number)]), ("gid", ["20"]), ("realname", [name])]
        made.create(people, properties([*pairs, ("home", [f"/home/{name}"]), ("shell", ["/bin/csh"])]), LAST)
    return made, people.id


def start(number: int, path: Path, options: list[str]) -> tuple[subprocess.Popen[str], Path]:
    """A server at the address of a number, and its log."""
    log = path.with_suffix(".log")
    words = ["netinfo", "serve", "--listen", f"127.0.0.{number + 1}", "--domain", f"{TAG}={path}", *options]
    environment = {**os.environ, "PORTLORE_DATA": str(path.parent)}
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "portlore", *words], stderr=file, env=environment, text=True
        ), log


def own(path: Path, options: list[str]) -> list[str]:
    """The options, and a key for each server, so that every clone has to be known by its own."""
    return [*options, "--key", str(path.with_suffix(".pem"))]


def wait(log: Path, pattern: str) -> re.Match[str]:
    """A line of a log, as soon as it is there."""
    while not (found := re.search(pattern, log.read_text())):
        time.sleep(0.002)
    return found


def line(number: int, log: Path) -> Handle:
    """A server as root there sees it."""
    connection = Connection(f"127.0.0.{number + 1}", int(wait(log, r"serving tag=.* port=(\d+)")[1]))
    connection.source = connection.address
    return Handle(connection)


def checksum(one: Handle) -> bytes:
    """What tells that two have the same."""
    return one.statistics()[0].values[0]


def main() -> int:
    """Measure, print, end the servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--writes", type=int, default=50)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        inside = ["sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, *sys.argv, "--inside"]
        return subprocess.run(["unshare", "-n", *inside], check=False).returncode
    for options, through in ((["--plain"], "in the clear"), ([], "through TLS 1.3")):
        measure(args.users, args.writes, options, through)
    return 0


def measure(users: int, writes: int, options: list[str], through: str) -> None:
    """Start, load, write, print."""
    running: list[tuple[subprocess.Popen[str], Path]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            made, people = domain(users)
            with Store(str(folder / "m"), create=True) as store:
                store.write_all(made)
            running.append(start(0, folder / "m", own(folder / "m", options)))
            master, loads = line(0, running[0][1]), []
            for number in range(1, CLONES + 1):
                make_clone(str(folder / f"c{number}"), Server("127.0.0.1", TAG.encode()), "m")
                path = folder / f"c{number}"
                running.append(start(number, path, own(path, options)))
                wait(running[-1][1], "serving tag=")
                began = time.monotonic()
                found = wait(running[-1][1], "read all tag=.*channel=(tls|plain)")
                assert found[1] == ("plain" if options else "tls")
                loads.append(time.monotonic() - began)
            clones = [line(number, running[number][1]) for number in range(1, CLONES + 1)]
            time.sleep(2)  # the master has greeted them
            took = []
            for number in range(writes):
                master.create(master.itself(NiId(people, 0)), properties([("name", [f"new{number}"])]))
                began, wanted = time.monotonic(), checksum(master)
                while any(checksum(one) != wanted for one in clones):
                    time.sleep(0.001)
                took.append(time.monotonic() - began)
        finally:
            for process, _ in running:
                process.terminate()
            for process, _ in running:
                process.wait()
    print(f"{through}:")
    print(f"  {users:,} users into a clone, from its first line to all on disk: {max(loads):.2f} s at most")
    print(f"  a write at {CLONES} clones after its answer: median {sorted(took)[len(took) // 2] * 1000:.0f} ms, "
          f"at most {max(took) * 1000:.0f} ms, of {len(took)}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
