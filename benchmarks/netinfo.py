"""How fast a NetInfo server is, beside an echo server on the same event loop with messages of the same size.

    python benchmarks/netinfo.py [--users N …] [--seconds S]

Both are processes of their own; 16 connections each send a call, read its reply, send the next. Figures are calls a
second, and the ratio to the echo server's in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.domain import Domain
from portlore.netinfo.passwords import make_des
from portlore.netinfo.store import Store
from portlore.netinfo.values import Record, properties
from portlore.oncrpc.xdr import opaque, uint

CONNECTIONS = 16
ECHO = """
import asyncio, sys
size, reply = int(sys.argv[1]), bytes(int(sys.argv[2]))
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.got = transport, 0
    def data_received(self, data):
        self.got += len(data)
        while self.got >= size:
            self.got -= size
            self.transport.write(reply)
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def user(number: int, identifier: int) -> Record:
    name = f"user{number:06d}"
    pairs = (
        ("name", [name]), ("passwd", ["s10K8viGfT4Ww"]), ("uid", [str(1000 + number)]), ("gid", ["20"]),
        ("class", [""]), ("change", ["0"]), ("expire", ["0"]), ("realname", [f"Test User {number}"]),
        ("home", [f"/home/{name}"]), ("shell", ["/bin/tcsh"]), ("_writers_passwd", [name]),
    )  # fmt: skip
    return Record(identifier, 0, 1, properties(pairs), ())


FREE = 1_000_000  # ids from here on: directories that anybody may create in


def domain_of(users: int) -> Domain:
    many = [user(number, number + 2) for number in range(users)]
    hashed = make_des(b"secret").decode()
    pairs = (("name", ["root"]), ("uid", ["0"]), ("passwd", [hashed]))
    many.append(Record(users + 2, 0, 1, properties(pairs), ()))
    free = [
        Record(FREE + n, 0, 0, properties([("name", [f"free{n}"]), ("_writers", ["*"])]), ())
        for n in range(CONNECTIONS)
    ]
    root = Record(0, 1, 0, properties([("master", ["here/bench"])]), (1, *(one.id for one in free)))
    below = Record(1, users + 1, 0, properties([("name", ["users"])]), tuple(one.id for one in many))
    return Domain.of([root, below, *many, *free])


def call(procedure: int, arguments: bytes, xid: int = 7) -> bytes:
    head = (xid, 0, 2, 200100000, 2, procedure, 0, 0, 0, 0)
    record = b"".join(map(uint, head)) + arguments
    return (0x8000_0000 | len(record)).to_bytes(4, "big") + record


class Client(asyncio.Protocol):
    """Sends one request after the other for a while."""

    def __init__(self, request: bytes, done: asyncio.Future[int], until: float) -> None:
        self.request, self.done, self.until = request, done, until
        self.count = self.got = 0
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.size:
            self.size = 4 + (int.from_bytes(data[:4], "big") & 0x7FFF_FFFF) or 4
        self.got += len(data)
        if self.got >= self.size:
            self.got = 0
            self.count += 1
            if time.monotonic() > self.until:
                self.transport.close()
                self.done.set_result(self.count)
            else:
                self.transport.write(self.request)  # type: ignore[attr-defined]


async def load(port: int, requests: list[bytes], seconds: float, size: int = 0) -> float:
    loop = asyncio.get_running_loop()
    until = time.monotonic() + seconds
    waiting = []
    for request in requests:
        done: asyncio.Future[int] = loop.create_future()
        made = Client(request, done, until)
        made.size = size
        await loop.create_connection(lambda made=made: made, "127.0.0.1", port)  # type: ignore[misc]
        waiting.append(done)
    return sum(await asyncio.gather(*waiting)) / seconds


def reply_size(port: int, request: bytes) -> int:
    import socket

    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request)
        data = line.recv(1 << 20)
    return len(data)


class Creator(Client):
    """Creates a user after the other as root would: anybody may write below a directory with ``_writers *``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += 1
        if int.from_bytes(data[28:32], "big"):
            self.done.set_exception(RuntimeError(f"status {data[28:32].hex()}"))
            return
        below = data[40:48]  # the parent's new id: the next call's
        self.count += 1
        if time.monotonic() > self.until:
            self.transport.close()
            self.done.set_result(self.count)
        else:
            self.transport.write(call(5, below + self.request))  # type: ignore[attr-defined]


async def creates(port: int, clients: int, seconds: float) -> float:
    """Creates a second, each acknowledged when it is on disk; every client below a directory of its own."""
    loop = asyncio.get_running_loop()
    until = time.monotonic() + seconds
    given = encoded(properties([("name", ["new"]), ("uid", ["5"])])) + uint(0xFFFF_FFFF) + uint(0)
    waiting = []
    for number in range(clients):
        done: asyncio.Future[int] = loop.create_future()
        made = Creator(given, done, until)
        transport, _ = await loop.create_connection(lambda made=made: made, "127.0.0.1", port)  # type: ignore[misc]
        line = await current(port, FREE + number)
        transport.write(call(5, line + given))
        waiting.append(done)
    return sum(await asyncio.gather(*waiting)) / seconds


LOADED = 10_000


def load_users(port: int, environment: dict[str, str], path: Path) -> float:
    """Seconds that ``niload passwd`` takes for a file of new users, below a directory that anybody may write."""
    home = "/home/x"
    path.write_text("".join(f"new{n}:*:{n}:20::0:0:New {n}:{home}:/bin/sh\n" for n in range(LOADED)))
    tool = [sys.executable, "-m", "portlore.netinfo.tools"]
    began = time.perf_counter()
    with path.open() as file:
        words = ["niload", "-t", "-u", "root", "-P", "secret", "passwd", f"127.0.0.1:{port}/bench"]
        subprocess.run([*tool, *words], stdin=file, env=environment, check=True)
    took = time.perf_counter() - began
    words = ["niutil", "-list", "-t", f"127.0.0.1:{port}/bench", "/users"]
    listed = subprocess.run([*tool, *words], env=environment, check=True, capture_output=True, text=True).stdout
    assert listed.count("new") >= LOADED, "niload left some out"
    return took


async def current(port: int, identifier: int) -> bytes:
    """A directory's id with its instance."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(call(3, uint(identifier) + uint(0)))
    data = await reader.readexactly(40)
    writer.close()
    return data[32:40]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for users in args.users:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "bench.nidb")
            with Store(str(path), create=True) as store:
                store.write_all(domain_of(users))
            began = time.perf_counter()
            with Store(str(path)) as store:
                store.load()
            opened = time.perf_counter() - began
            words = ["-m", "portlore", "netinfo", "serve", "--domain", f"bench={path}", "--port", "0", "--classic"]
            log = Path(folder, "log")  # a file: nobody reads a pipe while the audit fills it
            with log.open("w") as file:
                server = subprocess.Popen([sys.executable, *words], stderr=file, env=environment)
            while "port=" not in log.read_text():
                time.sleep(0.05)
            port = int(log.read_text().split("port=")[1].split()[0])
            print(f"{users:,} users: opened in {opened:.2f} s")
            name = [opaque(b"name") + opaque(f"user{n:06d}".encode()) for n in range(0, users, users // CONNECTIONS)]
            kinds = {
                "LOOKUP": [call(10, uint(1) + uint(0) + one) for one in name[:CONNECTIONS]],
                "READ": [call(7, uint(2 + n) + uint(0)) for n in range(CONNECTIONS)],
                "LOOKUPREAD": [call(28, uint(1) + uint(0) + one) for one in name[:CONNECTIONS]],
            }
            for kind, requests in kinds.items():
                size = reply_size(port, requests[0])
                shape = [str(len(requests[0])), str(size)]
                echo = subprocess.Popen([sys.executable, "-c", ECHO, *shape], stdout=subprocess.PIPE, text=True)
                assert echo.stdout is not None
                other = int(echo.stdout.readline())
                ours, bare = [], []
                for _ in range(3):
                    ours.append(asyncio.run(load(port, requests, args.seconds)))
                    bare.append(asyncio.run(load(other, requests, args.seconds, size)))
                echo.kill()
                echo.wait()
                best = max(ours), max(bare)
                ratio = f"{best[0] / best[1]:.2f} of an echo of {size} bytes"
                print(f"  {kind:<11} {best[0]:>8,.0f}/s   {ratio} ({best[1]:,.0f}/s)")
            for clients in (1, CONNECTIONS):
                each = asyncio.run(creates(port, clients, args.seconds))
                print(f"  durable creates by {clients:>2} clients: {each:,.0f}/s")
            took = load_users(port, environment, Path(folder, "passwd"))
            print(f"  niload passwd of {LOADED:,} users: {took:.1f} s")
            status = Path(f"/proc/{server.pid}/status").read_text()
            resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
            print(f"  memory: {resident / 1024:.0f} MiB, {resident * 1024 / (users + 2):,.0f} bytes a directory in all")
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
