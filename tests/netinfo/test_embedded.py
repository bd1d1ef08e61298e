"""The embedded port mapper on real sockets, asked by a client made by hand, by rpcinfo and by our own registering."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import portlore
from portlore.errors import HostError
from portlore.netinfo import embedded
from portlore.netinfo.embedded import EmbeddedPortMapper, register, unregister
from portlore.oncrpc.message import AUTH_UNIX, NOBODY, Auth, Call, UnixAuth, decode_reply, encode_call, encode_unix
from portlore.oncrpc.portmap import (
    CALLIT,
    DUMP,
    GETPORT,
    NULL,
    PROGRAM,
    SET,
    TCP,
    UDP,
    UNSET,
    Indirect,
    Mapping,
    indirect,
    mapping,
    read_mappings,
)
from portlore.oncrpc.records import RecordReader, marked
from portlore.oncrpc.xdr import Reader, uint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from portlore.netinfo.access import Caller

BINDER = 200100001
OURS = [Mapping(BINDER, 1, UDP, 900), Mapping(BINDER, 1, TCP, 903)]
HERE, ROOT_HERE, ELSEWHERE = ("127.0.0.1", 40000), ("127.0.0.1", 900), ("192.0.2.7", 900)


def call(procedure: int, arguments: bytes = b"", credential: Auth = NOBODY) -> bytes:
    return encode_call(Call(7, PROGRAM, 2, procedure, credential, NOBODY, arguments))


def results(record: bytes | None) -> bytes:
    assert record is not None
    reply = decode_reply(record)
    assert (reply.xid, reply.accepted) == (7, 0)
    return reply.results


def ask_udp(port: int, record: bytes, timeout: float = 5.0) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(timeout)
        ours.sendto(record, ("127.0.0.1", port))
        return ours.recv(65536)


def ask_tcp(port: int, *records: bytes) -> list[bytes]:
    """The replies to records that are sent at once, byte by byte the last one."""
    reader, replies = RecordReader(), list[bytes]()
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as ours:
        ours.sendall(b"".join(map(marked, records[:-1])))
        for byte in marked(records[-1]):
            ours.sendall(bytes([byte]))
        ours.shutdown(socket.SHUT_WR)
        while data := ours.recv(65536):
            replies += reader.feed(data)
    return replies


def is_cut_off(ours: socket.socket) -> bool:
    """Whether the other end ends a connection, one way or the other."""
    try:
        return ours.recv(1) == b""
    except ConnectionError:
        return True


@asynccontextmanager
async def running(
    passed_on: Callable[[Caller, Indirect], tuple[int, bytes] | None] = lambda caller, one: None,
) -> AsyncIterator[EmbeddedPortMapper]:
    mapper = EmbeddedPortMapper("127.0.0.1", 0, passed_on)
    await mapper.start()
    try:
        yield mapper
    finally:
        await mapper.close()


# Over sockets


def test_what_is_set_over_udp_is_found_over_tcp_and_the_other_way_round() -> None:
    high = [Mapping(BINDER, 1, UDP, 9000), Mapping(BINDER, 1, TCP, 9003)]

    def talk(port: int) -> list[Mapping]:
        assert results(ask_udp(port, call(NULL))) == b""
        assert results(ask_udp(port, call(SET, mapping(high[0])))) == uint(1)
        set_again, set_other, got = ask_tcp(
            port, call(SET, mapping(high[0])), call(SET, mapping(high[1])), call(GETPORT, mapping(high[0]))
        )
        assert [results(set_again), results(set_other), results(got)] == [uint(0), uint(1), uint(9000)]
        assert results(ask_udp(port, call(GETPORT, mapping(Mapping(BINDER, 1, TCP, 0))))) == uint(9003)
        (dumped,) = ask_tcp(port, call(DUMP))
        assert results(ask_udp(port, call(DUMP))) == results(dumped)
        assert results(ask_udp(port, call(UNSET, mapping(high[0])))) == uint(1)
        assert results(ask_udp(port, call(GETPORT, mapping(high[1])))) == uint(0)
        return read_mappings(Reader(results(dumped)))

    async def main() -> None:
        async with running() as mapper:
            own = [Mapping(PROGRAM, 2, protocol, mapper.port) for protocol in (UDP, TCP)]
            assert await asyncio.to_thread(talk, mapper.port) == own + high

    asyncio.run(main())


def test_registering_replaces_and_unregistering_forgets() -> None:
    async def main() -> None:
        async with running() as mapper:
            own = mapper.table.all()
            mapper.table.set(Mapping(BINDER, 1, TCP, 40001))
            mapper.table.set(Mapping(BINDER, 2, TCP, 40002))
            high = [Mapping(BINDER, 1, UDP, 9000), Mapping(BINDER, 1, TCP, 9003)]
            for _ in range(2):
                await asyncio.to_thread(register, high, port=mapper.port)
                assert mapper.table.all() == [*own, Mapping(BINDER, 2, TCP, 40002), *high]
            await asyncio.to_thread(unregister, high, port=mapper.port)
            assert mapper.table.all() == [*own, Mapping(BINDER, 2, TCP, 40002)]

    asyncio.run(main())


def test_registering_goes_over_tcp_where_udp_is_not_answered() -> None:
    async def main() -> None:
        async with running() as mapper:
            assert mapper._datagrams is not None
            mapper._datagrams.close()
            await asyncio.sleep(0.01)
            await asyncio.to_thread(register, [Mapping(BINDER, 1, TCP, 9003)], port=mapper.port, timeout=1.0)
            assert mapper.table.port(BINDER, 1, TCP) == 9003

    asyncio.run(main())


def test_registering_where_nobody_answers_ends_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:  # takes connections, says nothing
        port = deaf.getsockname()[1]
        with pytest.raises(HostError, match="start rpcbind"):
            register(OURS, port=port, timeout=0.4)
    with pytest.raises(HostError, match="refused"):
        register(OURS, port=port, timeout=0.4)


def test_registering_with_one_that_refuses_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_reserved", lambda kind: socket.socket(socket.AF_INET, kind))

    async def main() -> None:
        async with running() as mapper:
            with pytest.raises(HostError, match="be root"):
                await asyncio.to_thread(register, OURS, port=mapper.port)

    asyncio.run(main())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may take reserved ports")
def test_root_registers_reserved_ports() -> None:
    async def main() -> None:
        async with running() as mapper:
            await asyncio.to_thread(register, OURS, port=mapper.port)
            assert mapper.table.all()[2:] == OURS

    asyncio.run(main())


def test_a_port_in_use_is_this_machines_fault_and_leaves_nothing_open() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            mapper = EmbeddedPortMapper("127.0.0.1", port)
            with pytest.raises(HostError, match="opening a port mapper on"):
                await mapper.start()
            if mapper._server is not None:  # TCP was free, as it mostly is; then it was given back
                assert not mapper._server.sockets

    asyncio.run(main())


# Limits


def test_a_record_too_long_ends_the_connection_before_its_body_and_no_other() -> None:
    def talk(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as ours:
            ours.sendall((0x8000_0000 | embedded.LARGEST_RECORD + 1).to_bytes(4, "big"))
            assert is_cut_off(ours)
        assert results(ask_tcp(port, call(NULL))[0]) == b""

    async def main() -> None:
        async with running() as mapper:
            await asyncio.to_thread(talk, mapper.port)

    asyncio.run(main())


def test_the_oldest_connection_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MOST_CONNECTIONS", 3)

    def talk(port: int) -> list[bool]:
        connections = [socket.create_connection(("127.0.0.1", port), timeout=5.0) for _ in range(8)]
        alive = []
        for one in reversed(connections):  # when the last is answered, all have been accepted
            with one:
                try:
                    one.sendall(marked(call(NULL)))
                    alive.append(bool(one.recv(100)))
                except ConnectionError:
                    alive.append(False)
        return alive

    async def main() -> None:
        async with running() as mapper:
            assert await asyncio.to_thread(talk, mapper.port) == [True] * 3 + [False] * 5

    asyncio.run(main())


def test_who_is_silent_for_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.05)

    def talk(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as ours:
            ours.sendall(b"\x80\0")
            assert is_cut_off(ours)

    async def main() -> None:
        async with running() as mapper:
            await asyncio.to_thread(talk, mapper.port)

    asyncio.run(main())


def test_who_asks_much_and_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.2)

    async def main() -> None:
        async with running() as mapper:
            for number in range(1000):
                mapper.table.set(Mapping(number, 1, TCP, 2000))
            _, writer = await asyncio.open_connection("127.0.0.1", mapper.port, limit=1)

            async def ask() -> None:
                while True:
                    writer.write(marked(call(DUMP)) * 100)
                    await writer.drain()
                    await asyncio.sleep(0.001)

            with pytest.raises(ConnectionError):
                await asyncio.wait_for(ask(), 20.0)
            writer.transport.abort()

    asyncio.run(main())


def test_closing_ends_connections_that_wait() -> None:
    async def main() -> None:
        async with running() as mapper:
            ours = socket.create_connection(("127.0.0.1", mapper.port), timeout=5.0)
            ours.sendall(marked(call(NULL)))
            assert len(await asyncio.to_thread(ours.recv, 100)) == 28
        with ours:
            assert is_cut_off(ours)

    asyncio.run(main())


@pytest.mark.parametrize("noise", [b"", b"?", bytes(60), call(99), call(SET, b"short")])
def test_after_noise_it_still_answers(noise: bytes) -> None:
    def talk(port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.sendto(noise, ("127.0.0.1", port))
            ours.sendto(noise + bytes(embedded.LARGEST_DATAGRAM), ("127.0.0.1", port))
        assert results(ask_udp(port, call(NULL))) == b""
        assert results(ask_tcp(port, noise, call(NULL))[-1]) == b""

    async def main() -> None:
        async with running() as mapper:
            await asyncio.to_thread(talk, mapper.port)

    asyncio.run(main())


# Who may register what; no sockets needed


@pytest.mark.parametrize(
    ("peer", "number", "may"),
    [
        (ROOT_HERE, 900, True),
        (ROOT_HERE, 9000, True),
        (HERE, 900, False),
        (HERE, 1023, False),
        (HERE, 1024, True),
        (HERE, 9000, True),
        (ELSEWHERE, 900, False),
        (ELSEWHERE, 9000, False),
        (("10.77.0.1", 900), 900, True),  # this machine, as the mapper was told
    ],
)
def test_programs_register_from_this_machine_alone_and_reserved_ports_from_reserved_ports(
    peer: tuple[str, int], number: int, may: bool
) -> None:
    mapper = EmbeddedPortMapper("127.0.0.1", is_own=lambda address: address in ("127.0.0.1", "10.77.0.1"))
    assert results(mapper.answer(peer, call(SET, mapping(Mapping(BINDER, 1, UDP, number))))) == uint(may)
    mapper.table.unset(BINDER, 1)
    mapper.table.set(Mapping(BINDER, 1, TCP, number))
    assert results(mapper.answer(peer, call(UNSET, mapping(Mapping(BINDER, 1, 0, 0))))) == uint(may)


def test_who_holds_no_reserved_port_does_not_stand_beside_one_that_is_registered() -> None:
    mapper = EmbeddedPortMapper("127.0.0.1")
    mapper.table.set(OURS[0])
    assert results(mapper.answer(HERE, call(SET, mapping(Mapping(BINDER, 1, TCP, 9003))))) == uint(0)
    assert results(mapper.answer(HERE, call(SET, mapping(Mapping(BINDER, 2, TCP, 9003))))) == uint(1)


@pytest.mark.parametrize("procedure", [SET, UNSET])
def test_nobody_changes_where_the_port_mapper_itself_is(procedure: int) -> None:
    mapper = EmbeddedPortMapper("127.0.0.1")
    mapper.table.set(Mapping(PROGRAM, 2, UDP, 111))
    assert results(mapper.answer(ROOT_HERE, call(procedure, mapping(Mapping(PROGRAM, 2, TCP, 900))))) == uint(0)
    assert mapper.table.all() == [Mapping(PROGRAM, 2, UDP, 111)]


# Calls that are passed on


def test_an_indirect_call_is_done_with_the_rights_of_who_asks() -> None:
    seen: list[tuple[Caller, Indirect]] = []

    def passed_on(caller: Caller, one: Indirect) -> tuple[int, bytes] | None:
        seen.append((caller, one))
        return (900, b"done") if one.arguments == b"good" else None

    mapper = EmbeddedPortMapper("127.0.0.1", passed_on=passed_on)
    good, bad, itself = (
        Indirect(*one) for one in ((BINDER, 1, 8, b"good"), (BINDER, 1, 8, b"bad"), (PROGRAM, 2, 1, b""))
    )
    credential = Auth(AUTH_UNIX, encode_unix(UnixAuth(0, b"", 0, 0, ())))
    done = results(mapper.answer(ELSEWHERE, call(CALLIT, indirect(good), credential)))
    assert done == uint(900) + uint(4) + b"done"
    assert mapper.answer(ELSEWHERE, call(CALLIT, indirect(bad))) is None
    assert mapper.answer(ROOT_HERE, call(CALLIT, indirect(itself))) is None
    assert mapper.answer(ROOT_HERE, call(CALLIT, b"short")) is None
    assert [one for _, one in seen] == [good, bad]
    caller = seen[0][0]
    assert (caller.address, caller.port, caller.local, caller.credential) == (*ELSEWHERE, False, credential)


def test_an_indirect_call_over_udp_is_silent_unless_it_succeeds() -> None:
    def talk(port: int) -> None:
        good, bad = (indirect(Indirect(BINDER, 1, 8, arguments)) for arguments in (b"good", b"bad"))
        assert results(ask_udp(port, call(CALLIT, good))) == uint(900) + uint(0)
        with pytest.raises(TimeoutError):
            ask_udp(port, call(CALLIT, bad), timeout=0.1)

    async def main() -> None:
        async with running(lambda caller, one: (900, b"") if one.arguments == b"good" else None) as mapper:
            await asyncio.to_thread(talk, mapper.port)

    asyncio.run(main())


# Others' programs, in a network of their own

SERVE = """
import asyncio, subprocess
from portlore.netinfo.embedded import EmbeddedPortMapper, register
from portlore.oncrpc.portmap import TCP, UDP, Mapping

async def main():
    mapper = EmbeddedPortMapper("0.0.0.0")
    await mapper.start()
    await asyncio.to_thread(register, [Mapping(200100001, 1, UDP, 900), Mapping(200100001, 1, TCP, 903)])
    for options in (["-p"], ["-T", "udp"]):
        argv = ["rpcinfo", *options, "127.0.0.1"] + ([] if options == ["-p"] else ["100000", "2"])
        process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
        print((await process.communicate())[0].decode(), process.returncode)
    await mapper.close()

asyncio.run(main())
"""
REGISTER = """
import shutil, socket, subprocess, time
from portlore.netinfo.embedded import register, unregister
from portlore.oncrpc.portmap import TCP, UDP, Mapping

rpcbind = subprocess.Popen([shutil.which("rpcbind"), "-f"])
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", 111), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    ours = [Mapping(200100001, 1, UDP, 900), Mapping(200100001, 1, TCP, 903)]
    for _ in range(2):
        register(ours)
    print(subprocess.run(["rpcinfo", "-p", "127.0.0.1"], stdout=subprocess.PIPE, text=True).stdout)
    unregister(ours)
    print("then", subprocess.run(["rpcinfo", "-p", "127.0.0.1"], stdout=subprocess.PIPE, text=True).stdout)
finally:
    rpcbind.kill()
    rpcbind.wait()
"""


def apart(code: str, *, programs: tuple[str, ...]) -> str:
    """What code prints in a network and a /run of its own."""
    missing = [name for name in ("unshare", "ip", *programs) if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs {' and '.join(missing) or 'root'} for a network of its own with port 111")
    script = 'ip link set lo up && mount -t tmpfs tmpfs /run && exec "$@"'
    argv = ["unshare", "-n", "-m", "sh", "-c", script, "sh", sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(Path(portlore.__file__).parent.parent)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux's")
def test_rpcinfo_sees_what_is_registered_with_the_embedded_one() -> None:
    listed, _, versions = apart(SERVE, programs=("rpcinfo",)).partition(" 0\n")
    assert [line.split()[:4] for line in listed.splitlines()[1:] if line] == [
        ["100000", "2", "udp", "111"],
        ["100000", "2", "tcp", "111"],
        ["200100001", "1", "udp", "900"],
        ["200100001", "1", "tcp", "903"],
    ]
    assert "program 100000 version 2 ready and waiting" in versions


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux's")
def test_rpcinfo_sees_what_we_register_with_rpcbind() -> None:
    before, _, after = apart(REGISTER, programs=("rpcbind", "rpcinfo")).partition("then")
    ours = [line.split()[:4] for line in before.splitlines() if "200100001" in line]
    assert sorted(ours) == [["200100001", "1", "tcp", "903"], ["200100001", "1", "udp", "900"]]
    assert "100000" in after
    assert "200100001" not in after
