"""Record what this kernel says of the tests' world of sockets, as vectors for the decoders.

    python tools/record_listeners.py

Needs root, nsenter and ss. Writes tests/vectors/listeners: the datagrams of each sock_diag dump as they came, the same
sockets as /proc/net and as ``ss`` told them in the same second, and the kernel they are of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VECTORS = ROOT / "tests/vectors/listeners"
INSIDE = """
import sys
from portlore.listeners import netlink
from portlore.listeners.linux import datagrams, open_diag
for transport in ("tcp", "udp"):
    for name, family in (("4", netlink.INET), ("6", netlink.INET6)):
        for kind, states in (("offered", netlink.LISTENING | netlink.UNCONNECTED), ("all", netlink.EVERY)):
            diag = open_diag()
            with open(f"{sys.argv[1]}/{transport}{name}.{kind}.bin", "wb") as file:
                for data in datagrams(diag, netlink.request(family, netlink.PROTOCOLS[transport], states)):
                    file.write(len(data).to_bytes(4, "little") + data)
                    if netlink.is_last(data):
                        break
for name in ("tcp", "tcp6", "udp", "udp6", "raw", "protocols"):
    with open(f"/proc/thread-self/net/{name}") as source, open(f"{sys.argv[1]}/proc.{name}", "w") as file:
        file.write(source.read())
"""


def main() -> None:
    VECTORS.mkdir(parents=True, exist_ok=True)
    world = subprocess.Popen(
        [sys.executable, ROOT / "tests/listeners/world.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert world.stdout is not None
    assert world.stdin is not None
    made = json.loads(world.stdout.readline())
    inside = ["nsenter", "-t", str(made["pid"]), "-n"]
    subprocess.run([*inside, sys.executable, "-c", INSIDE, VECTORS], check=True)
    for kind, options in (("offered", "-Hlntu"), ("all", "-Hantu")):
        told = subprocess.run([*inside, "ss", options, "-e"], capture_output=True, text=True, check=True).stdout
        (VECTORS / f"ss.{kind}.txt").write_text(told, "utf-8")
    kernel = os.uname()
    (VECTORS / "README.md").write_text(
        "# Recorded sockets\n\nMade by tools/record_listeners.py from the world of tests/listeners/world.py on "
        f"{kernel.sysname} {kernel.release} ({kernel.machine}).\n\n"
        "`*.bin`: the datagrams of one sock_diag dump, each after its length as a little-endian u32. `proc.*`: files\n"
        "of /proc/net. `ss.*.txt`: the same sockets as iproute2's `ss -Hlntu -e` and `ss -Hantu -e` printed them.\n",
        "utf-8",
    )
    world.stdin.close()
    world.wait()


if __name__ == "__main__":
    main()
