"""How long an old store takes to read from its folder, and to write; beside reading the same bytes and nothing else.

    python benchmarks/netinfo_disk.py [--directories N …] [--turns T]

The store is one of users as our writer makes it; ``--zeros`` adds the files of zeros that a server leaves behind as
such a directory grows (SPEC 6.2): one for every eight users.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from portlore.netinfo.disk.collection import BLOCKS
from portlore.netinfo.disk.folders import read_store, write_store
from portlore.netinfo.disk.writing import pack_store
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import Record, properties
from portlore.oncrpc.xdr import uint, uints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def user(number: int) -> Record:
    name = f"user{number:06d}"
    pairs = (
        ("name", [name]), ("passwd", ["s10K8viGfT4Ww"]), ("uid", [str(1000 + number)]), ("gid", ["20"]),
        ("class", [""]), ("change", ["0"]), ("expire", ["0"]), ("realname", [f"Test User {number}"]),
        ("home", [f"/home/{name}"]), ("shell", ["/bin/tcsh"]), ("_writers_passwd", [name]),
    )  # fmt: skip
    return Record(number + 2, 0, 1, properties(pairs), ())


def users_only(many: int) -> Domain:
    below = Record(1, many, 0, properties([("name", ["users"])]), tuple(range(2, many + 2)))
    root = Record(0, 1, 0, properties([("master", ["here/bench"])]), (1,))
    return Domain.of([root, below, *(user(number) for number in range(many))])


def old_store(domain: Domain) -> dict[str, bytes]:
    """The same domain as NEXTSTEP's server would leave it (SPEC 6.1)."""
    files, block = {}, BLOCKS["Collection"]
    data = bytearray()
    for number in range(domain.highest + 1):
        one = domain.directories.get(number)
        if one is None:
            data += b"\xff" * 4 + bytes(block - 4)
            continue
        body = uint(number) + uint(one.instance) + one.data + uint(one.parent) + uints(one.children)
        if len(body) > block:
            files[f"extension_{number}"] = body
            body = b""
        data += body.ljust(block, b"\0")
    return files | {"Collection": bytes(data), "checksum": uint(domain.checksum)}


def plainly(folder: Path) -> int:
    return sum(len(path.read_bytes()) for path in folder.iterdir())


def best(turns: int, what: Callable[[], object]) -> float:
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        what()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directories", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--zeros", action="store_true")
    args = parser.parse_args()
    print(f"{'store':<12} {'directories':>11} {'MB':>6} {'read s':>7} {'plain s':>8} {'ratio':>6} {'a second':>9}")
    for users in args.directories:
        domain = users_only(users - 2)
        files = pack_store(domain)
        if args.zeros:
            files |= {f"Store.{n}": bytes(n) for n in range(32, 4 * users, 32) if f"Store.{n}" not in files}
        with tempfile.TemporaryDirectory() as top:
            for name, given in (("Store", files), ("Collection", old_store(domain))):
                folder = Path(top) / f"{name}.nidb"
                write_store(folder, given)
                assert read_store(folder).is_whole
                seconds, plain = (best(args.turns, partial(what, folder)) for what in (read_store, plainly))
                size = sum(map(len, given.values())) / 1e6
                rate = len(domain.directories) / seconds
                print(f"{name:<12} {len(domain.directories):>11,} {size:>6.0f} {seconds:>7.2f} {plain:>8.3f}"
                      f" {seconds / plain:>6.0f} {rate:>9,.0f}", flush=True)  # fmt: skip
        print(
            f"{'':<12} written as Store in {best(1, partial(pack_store, domain)):.2f} s, without the disk", flush=True
        )


if __name__ == "__main__":
    main()
