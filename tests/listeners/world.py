"""A small world of sockets in a network namespace of its own, for the tests to look at.

    python world.py

Makes the namespace (root), starts a process for each kind of owner, prints one line of JSON saying what is there, and
lives until its standard input closes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path

NOBODY = 65534
HOSTILE = "ev\x1b]0;il\n\x07é"  # a title sequence, a line feed, a bell, a letter that is not ASCII
V6ONLY, MPTCP, UDPLITE = 26, 262, 136
made: list[dict[str, object]] = []
children: list[int] = []


def unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING


def tell(kind: str, transport: str, address: str, port: int, *pids: int, **more: object) -> None:
    made.append({"kind": kind, "transport": transport, "address": address, "port": port, "pids": sorted(pids), **more})


def listener(
    family: int, address: str, port: int, *options: tuple[int, int, object], protocol: int = 0
) -> socket.socket:
    new = socket.socket(family, socket.SOCK_STREAM, protocol)
    for level, name, value in options:
        new.setsockopt(level, name, value)  # type: ignore[call-overload]
    new.bind((address, port))
    new.listen(7)
    return new


def child(work: object, *arguments: object) -> int:
    """A process that does some work and waits; it is ready when this returns."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kept = work(*arguments)  # type: ignore[operator]
            os.write(done, b"!")
            os.close(ready)
            while True:
                signal.pause()
                del kept
        finally:
            os._exit(0)
    os.close(done)
    assert os.read(ready, 1) == b"!", "a process of the world did not come up"
    os.close(ready)
    children.append(pid)
    return pid


def rename(name: str) -> None:
    Path("/proc/self/comm").write_bytes(name.encode())


def plain_listeners() -> list[socket.socket]:
    v4, v6 = socket.AF_INET, socket.AF_INET6
    me = os.getpid()
    kept = [
        listener(v4, "127.0.0.1", 7001),
        listener(v4, "0.0.0.0", 7002),
        listener(v6, "::1", 7003),
        listener(v6, "::", 7004),
        listener(v6, "::", 7005, (socket.IPPROTO_IPV6, V6ONLY, 1)),
        listener(v6, "::ffff:127.0.0.1", 7006),
        listener(v4, "0.0.0.0", 7007, (socket.SOL_SOCKET, 25, b"lo")),  # SO_BINDTODEVICE
    ]
    kinds = ("v4 loopback", "v4 any", "v6 loopback", "dual", "v6 only", "mapped", "bound to lo")
    addresses = ("127.0.0.1", "0.0.0.0", "::1", "::", "::", "::ffff:127.0.0.1", "0.0.0.0")
    for kind, address, one in zip(kinds, addresses, kept, strict=True):
        tell(kind, "tcp", address, one.getsockname()[1], me)
    for number, (family, address) in enumerate(((v4, "127.0.0.1"), (v6, "::1"), (v6, "::")), 7011):
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.bind((address, number))
        tell("udp", "udp", address, number, me)
        kept.append(one)
    try:
        kept.append(listener(v4, "127.0.0.1", 7020, protocol=MPTCP))
        tell("mptcp", "tcp", "127.0.0.1", 7020, me)
    except OSError:
        pass
    try:
        lite = socket.socket(v4, socket.SOCK_DGRAM, UDPLITE)
        lite.bind(("127.0.0.1", 7021))
        tell("udplite", "udplite", "127.0.0.1", 7021, me)
        kept.append(lite)
    except OSError:
        pass
    kept.append(socket.socket(v4, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    tell("raw", "raw", "0.0.0.0", 1, me)
    client = socket.socket()
    client.bind(("127.0.0.1", 703))  # a client with a reserved source port, as NFS has them
    server = listener(v4, "127.0.0.1", 2049)
    client.connect(("127.0.0.1", 2049))
    kept += [client, server, server.accept()[0]]
    tell("server", "tcp", "127.0.0.1", 2049, me)
    return kept


def main() -> None:
    unshare(0x40000000)  # CLONE_NEWNET
    loopback_up()
    reuse = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    pair = [child(listener, socket.AF_INET, "127.0.0.1", 7030, reuse) for _ in range(2)]
    tell("reuseport", "tcp", "127.0.0.1", 7030, *pair)

    shared = listener(socket.AF_INET, "127.0.0.1", 7031)
    forks = [child(lambda: shared) for _ in range(2)]
    shared.close()
    tell("forked", "tcp", "127.0.0.1", 7031, *forks)

    inherited = listener(socket.AF_INET, "127.0.0.1", 7032)
    os.set_inheritable(inherited.fileno(), True)
    sleeper = subprocess.Popen(["sleep", "600"], close_fds=False)
    inherited.close()
    children.append(sleeper.pid)
    tell("inherited", "tcp", "127.0.0.1", 7032, sleeper.pid)

    def as_nobody() -> socket.socket:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        return listener(socket.AF_INET, "127.0.0.1", 7033)

    tell("nobody's", "tcp", "127.0.0.1", 7033, child(as_nobody))

    def hostile() -> socket.socket:
        rename(HOSTILE)
        return listener(socket.AF_INET, "127.0.0.1", 7034)

    tell("hostile", "tcp", "127.0.0.1", 7034, child(hostile))

    def known(name: str, port: int) -> socket.socket:
        rename(name)
        return listener(socket.AF_INET, "0.0.0.0", port)

    tell("expected", "tcp", "0.0.0.0", 80, child(known, "nginx", 80))
    tell("squatting", "tcp", "0.0.0.0", 5432, child(known, "nginx", 5432))
    tell("refuted", "tcp", "0.0.0.0", 973, child(known, "whatever", 973))
    tell("unregistered", "tcp", "0.0.0.0", 7035, child(known, "whatever", 7035))
    kept = plain_listeners()
    print(json.dumps({"pid": os.getpid(), "made": made}), flush=True)
    sys.stdin.read()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    del kept


if __name__ == "__main__":
    main()
