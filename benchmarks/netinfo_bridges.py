"""How long a domain of many users takes into other forms and back, and how much memory.

python benchmarks/netinfo_bridges.py [USERS]        the goal: 100,000 users to LDIF in 5 s
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from portlore.netinfo.domain import Domain
from portlore.netinfo.store import Store
from portlore.netinfo.values import Record, properties

GOAL = 5.0  # seconds, for LDIF as it is written by default
COUNT = 100_000
WAYS = (
    ("ldif", ("--base", "dc=example,dc=com")), ("ldif", ("--base", "dc=example,dc=com", "--schema", "apple")),
    ("ldif", ("--base", "dc=example,dc=com", "--plain")), ("json", ()), ("csv", ()),
)  # fmt: skip


def domain_of_users(count: int) -> Domain:
    """Users as niload makes them of master.passwd."""
    records = [
        Record(0, 1, 0, properties([("master", ["office/network"])]), (1,)),
        Record(1, count, 0, properties([("name", ["users"])]), tuple(range(2, count + 2))),
    ]
    for number in range(count):
        name = f"user{number:06}"
        pairs = [
            ("_writers_passwd", [name]), ("change", ["0"]), ("class", [""]), ("expire", ["0"]), ("gid", ["20"]),
            ("home", [f"/home/{name}"]), ("name", [name]), ("passwd", ["abJnggxhB/yWI"]),
            ("realname", [f"User {number}"]), ("shell", ["/bin/csh"]), ("uid", [str(1000 + number)]),
        ]  # fmt: skip
        records.append(Record(number + 2, 0, 1, properties(pairs), ()))
    return Domain.of(records)


def timed(*words: str) -> tuple[float, float, float]:
    """Seconds of a command of ours, its start included; those of a processor; the most memory of all so far in MB."""
    begin, before = perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "portlore", "netinfo", *words], check=True, stderr=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return perf_counter() - begin, used, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> int:
    """Measure and tell; 1 when the goal is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    slow = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(str(folder / "office"), create=True) as store:
            store.write_all(domain_of_users(count))
        print(f"{count:,} users, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for form, more in WAYS:
            file = folder / form
            export, used, memory = timed("export", str(folder / "office"), "--to", form, "-o", str(file), *more)
            size = file.stat().st_size / 1e6
            line = f"{form:5} {' '.join(more[2:]):15} export {export:5.2f} s ({used:5.2f} of a core)  {size:5.1f} MB"
            if "--plain" not in more:
                copy = folder / f"copy{len(more)}{form}"
                taken, work, memory = timed("import", str(copy), str(file), "--from", form)
                line += f"  import {taken:5.2f} s ({work:5.2f})  memory so far {memory:.0f} MB"
            print(line)
            slow = slow or (form == "ldif" and len(more) == 2 and export > GOAL * count / COUNT)
    print("missed" if slow else "within the goal")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
