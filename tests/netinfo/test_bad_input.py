"""Records that lie, sizes at the edge, names meant for whoever reads the log: the real server answers what is legal."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    ACCEPTED,
    DONE,
    GARBAGE,
    MEGABYTE,
    PATIENCE,
    Line,
    Server,
    call,
    is_closed,
    is_served,
    login,
    named,
    ni_id,
    one_line,
    run,
    server,
    stored,
)
from netinfo.serving import HOST, VECTORS, listening, start_domain

from portlore.errors import ProtocolError
from portlore.netinfo.calling import Connection
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import Handle
from portlore.netinfo.values import LAST, NiId, Record, properties
from portlore.oncrpc.message import decode_call, success
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import opaque, uint

FULL = 0xFFFF_FFFF
HEADER = 40  # bytes of a call before its arguments, without credentials (RFC 5531 section 9)
MILLION = 1_000_000
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's memory in /proc")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(stored(tmp_path_factory.mktemp("served") / "conv.nidb"), "--classic") as made:
        yield made


# Lengths that lie

EMPTY = named((b"name", []))
LIES = {  # the arguments of a procedure; SPEC 2.4: what cannot be decoded, or is beyond 2.2's limits, is GARBAGE_ARGS
    "no arguments at all": (5, b""),
    "half an id": (7, uint(0)),
    "a million properties in 20 bytes": (5, ni_id(0) + uint(MILLION) + bytes(8)),
    "four thousand million properties": (8, ni_id(0) + uint(FULL) + bytes(8)),
    "one property more than there is": (8, ni_id(0) + uint(2) + EMPTY[4:]),
    "a million values in 20 bytes": (15, ni_id(0) + uint(0) + uint(MILLION) + bytes(4)),
    "65,535 values in 20 bytes": (15, ni_id(0) + uint(0) + uint(65535) + bytes(4)),
    "a list of values that is longer than its property list": (8, ni_id(0) + uint(1) + opaque(b"name") + uint(9)),
    "a value that is longer than its list": (8, ni_id(0) + uint(1) + opaque(b"name") + uint(1) + uint(8) + b"four"),
    "a name of four thousand million bytes": (10, ni_id(0) + uint(FULL) + b"name" + opaque(b"x")),
    "a name whose padding makes its length wrap": (10, ni_id(0) + uint(0xFFFF_FFFD) + b"name" + opaque(b"x")),
    "a name of 65,536 bytes, all of them there": (10, ni_id(0) + opaque(b"n" * 65536) + opaque(b"x")),
    "a value of 65,536 bytes, all of them there": (10, ni_id(0) + opaque(b"name") + opaque(b"x" * 65536)),
    "65,536 properties, all of them there": (8, ni_id(0) + uint(65536) + bytes(8 * 65536)),
    "65,536 values, all of them there": (15, ni_id(0) + uint(0) + uint(65536) + bytes(4 * 65536)),
    "a name without its padding": (10, ni_id(0) + opaque(b"name") + uint(5) + b"users"),
    "a create that breaks off before its place": (5, ni_id(0) + EMPTY),
    "a create that breaks off before its target": (5, ni_id(0) + EMPTY + uint(LAST)),
    "a create whose target is announced and not there": (5, ni_id(0) + EMPTY + uint(LAST) + uint(1) + uint(7)),
}


@linux
def test_arguments_that_lie_about_their_lengths_are_garbage_and_cost_nothing(served: Server) -> None:
    before = served.peak
    with Line(served.port) as line:
        for why, (procedure, arguments) in LIES.items():
            assert line.ask(procedure, arguments) == GARBAGE, why
        for why, (_, arguments) in LIES.items():  # neither does any other procedure make more of them than it can
            for procedure in range(29):
                assert line.ask(procedure, arguments)[: len(ACCEPTED)] == ACCEPTED, (procedure, why)
        assert line.ask(0) == DONE
    assert served.peak - before < 16 * MEGABYTE


CREDENTIALS = [  # flavor, body; the auth_stat it is refused with (SPEC 10.5), None for silence (10.4)
    ("a machine name longer than the body", 1, uint(0) + uint(FULL) + bytes(12), 1),
    ("a million groups in 20 bytes", 1, uint(0) + opaque(b"") + ni_id(501) + uint(MILLION), 1),
    ("nothing", 1, b"", 1),
    ("half a number", 1, b"\0\0", 1),
    ("a flavor of its own", FULL, bytes(8), 2),
    ("401 bytes", 1, bytes(401), None),
]


def test_credentials_that_lie_are_refused_or_met_with_silence(served: Server) -> None:
    with Line(served.port) as line:
        for why, flavor, body, status in CREDENTIALS:
            head = call(2)[:24] + uint(flavor) + opaque(body) + bytes(8)
            line.send(head, call(0, xid=7))
            if status is not None:
                assert line.reply() == uint(1) * 4 + uint(status), why
            assert line.reply() == uint(7) + DONE, why
        line.send(call(2)[:24] + uint(0) + uint(FULL) + bytes(12), call(0, xid=8))  # longer than the record
        assert line.reply() == uint(8) + DONE


def test_a_recorded_call_cut_anywhere_is_met_with_silence_or_garbage_args_and_changes_nothing(tmp_path: Path) -> None:
    """The shortest recorded call of each procedure: silence where its header is cut (SPEC 10.4), else GARBAGE_ARGS."""
    shortest: dict[int, bytes] = {}
    for number in (1, 3):
        told = json.loads(gzip.decompress((VECTORS / f"conversation-{number}.json.gz").read_bytes()))
        for one in told["calls"]:
            found = decode_call(bytes.fromhex(one["request_hex"]))
            if found is not None and found.procedure < 29 and bytes.fromhex(one["reply_hex"])[4:][: len(DONE)] == DONE:
                record = call(found.procedure, found.arguments)
                if len(record) < len(shortest.get(found.procedure, bytes(1 << 16))):
                    shortest[found.procedure] = record
    assert len(shortest) > 25
    stored(tmp_path / "start.nidb", start_domain())
    with server(tmp_path / "start.nidb", "--classic") as made, Line(made.port) as line:
        before = line.ask(25, uint(FULL))
        for procedure, record in sorted(shortest.items()):
            for size in range(len(record)):
                line.send(record[:size], call(0, xid=9))
                if size >= HEADER:
                    assert line.reply() == record[:4] + GARBAGE, (procedure, size)
                assert line.reply() == uint(9) + DONE, (procedure, size)
        assert line.ask(25, uint(FULL)) == before


TOO_LONG = {
    "two thousand million bytes": b"\xff\xff\xff\xff",
    "one byte more than the limit": (0x8000_0000 | (1 << 24) + 1).to_bytes(4, "big"),
    "fragments that add up to more": uint(1 << 20) + bytes(1 << 20) + uint(0xF0_0001),
    "empty fragments without end": bytes(4) * 70_000,
}


@linux
@pytest.mark.parametrize("lie", TOO_LONG.values(), ids=TOO_LONG)
def test_a_record_beyond_the_limit_is_let_go_before_it_is_taken(lie: bytes, served: Server) -> None:
    before = served.peak
    with Line(served.port) as line:
        line.socket.sendall(lie)
        assert is_closed(line.socket)
    assert is_served(served.port)
    assert served.peak - before < 8 * MEGABYTE
    served.line(r"127\.0\.0\.1: a record of \d+ bytes in \d+ fragments; connection closed")


def test_a_record_may_come_in_single_bytes_and_in_fragments_of_one_byte(served: Server) -> None:
    record = call(2, xid=5)
    with Line(served.port) as line:
        for byte in marked(record):
            line.socket.send(bytes([byte]))
        assert line.reply()[:4] == uint(5)
        line.socket.sendall(b"".join(uint(1) + bytes([byte]) for byte in record) + uint(0x8000_0000))
        assert line.reply()[:4] == uint(5)


def test_datagrams_that_lie_are_met_with_silence_or_a_refusal(served: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect((HOST, served.port))
        line.settimeout(30)
        for bad in (b"", b"\0", call(0)[:39], bytes(60_000), call(24, uint(FULL)), call(24, uint(MILLION) + b"tag\0")):
            line.send(bad)
        line.send(call(0, xid=77))
        replies: list[bytes] = []
        while not replies or replies[-1][:4] != uint(77):
            replies.append(line.recv(9000))
    assert replies == [uint(1) + GARBAGE] * 2 + [uint(77) + DONE]


# Sizes

LONG = b"v" * 60_000


def test_values_of_60_000_bytes_and_thousands_of_properties_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    many = [(b"p%d" % number, [b"value"]) for number in range(5000)]
    given = named((b"name", [b"big"]), (b"long", [LONG] * 100), *many)  # 6 MB in one record
    path = stored(tmp_path / "conv.nidb")
    with server(path, "--classic") as made, Line(made.port) as line:
        created = line.ask(5, ni_id(1) + given + uint(LAST) + uint(0))
        assert created[: len(DONE) + 4] == DONE + uint(0)
        number = created[len(DONE) + 4 : len(DONE) + 12]
        assert line.ask(7, number) == DONE + uint(0) + number + given
        assert line.ask(14, number + uint(1)) == DONE + uint(0) + uint(100) + opaque(LONG) * 100 + number
        assert line.ask(28, ni_id(1) + opaque(b"long") + opaque(LONG))[len(DONE) :][:4] == uint(0)
        names = b"".join(opaque(name) for name, _ in [(b"name", 0), (b"long", 0), *many])
        assert line.ask(17, number) == DONE + uint(0) + uint(5002) + names + number
    with server(path) as made, Line(made.port) as line:
        assert line.ask(7, number) == DONE + uint(0) + number + given
    assert run("check", path).returncode == 0


MOST = 65535  # entries of a list (SPEC 2.2)


FULL_LISTS = {  # a property list at its limit, and the write that adds one more
    "properties": (uint(MOST) + (opaque(b"a") + uint(0)) * MOST, 12, opaque(b"b") + uint(0) + uint(LAST)),
    "values": (uint(1) + opaque(b"a") + uint(MOST) + uint(0) * MOST, 18, uint(0) + opaque(b"b") + uint(LAST)),
}


@pytest.mark.parametrize(("given", "procedure", "more"), FULL_LISTS.values(), ids=FULL_LISTS)
def test_a_list_at_its_limit_takes_no_more(given: bytes, procedure: int, more: bytes, served: Server) -> None:
    """What a client may not send, a server may not come to hold: nobody could read that directory again."""
    with Line(served.port) as line:
        created = line.ask(5, ni_id(2, _instance(line, 2)) + given + uint(LAST) + uint(0))
        assert created[: len(DONE) + 4] == DONE + uint(0)
        number = created[len(DONE) + 4 : len(DONE) + 12]
        refused = line.ask(procedure, number + more)
        assert refused[: len(DONE)] == DONE
        assert len(refused) == len(DONE) + 4  # a status alone, not OK
        assert line.ask(7, number) == DONE + uint(0) + number + given


def _instance(line: Line, number: int) -> int:
    return int.from_bytes(line.ask(3, ni_id(number))[-4:], "big")


# The log

HOSTILE = [
    b"ann\n2026-01-01T00:00:00+0000 forged",
    b"\x1b[2J\x1b]0;owned\x07",
    b"a b=c",
    b"\xff\xfe",
    b"\xe2\x80\xae\xe2\x80\xa8",
]
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} portlore-netinfo "
WRITE = r"write tag=conv call=create directory=1 by=(\S+|'.*'|\".*\") from=127\.0\.0\.1:\d+ status=OK"


def test_no_name_of_a_client_is_more_than_a_word_in_the_log(tmp_path: Path) -> None:
    users = [
        Record(n, 0, 1, properties([("name", [os.fsdecode(name)]), ("uid", [str(n)]), ("passwd", [""])]), ())
        for n, name in enumerate(HOSTILE, 2)
    ]
    top = Record(1, 0, 0, properties([("name", ["users"]), ("_writers", [os.fsdecode(one) for one in HOSTILE])]), ())
    top = top.replace(children=tuple(one.id for one in users))
    domain = Domain.of([Record(0, 0, 0, properties([("master", ["localhost/conv"])]), (1,)), top, *users])
    with server(stored(tmp_path / "conv.nidb", domain), "--classic") as made:
        with Line(made.port) as line:
            for number in range(2, 2 + len(HOSTILE)):
                arguments = ni_id(1, _instance(line, 1)) + EMPTY + uint(LAST) + uint(0)
                assert line.ask(5, arguments, login(number))[len(DONE) :][:4] == uint(0)
        made.end()
    assert sum(re.fullmatch(STAMP + WRITE, line) is not None for line in made.lines) == len(HOSTILE)
    assert all(re.fullmatch(STAMP + ".*", line) and line.isprintable() for line in made.lines)


# Addresses: IPv4 only, and only one that was named; `--listen "$ADDRESS"` without such a variable names none


@pytest.mark.parametrize("address", ["::", "::1", "256.0.0.1", "192.0.2.1", ""])
def test_an_address_that_cannot_be_served_is_refused_in_a_line(address: str, tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb")
    done = run("serve", "--domain", f"conv={path}", "--listen", address, "--port", "0", timeout=10)
    assert done.returncode in (2, 3)
    one_line(done.stderr)


def test_ipv4_in_the_form_of_ipv6_is_taken_for_what_it_is(tmp_path: Path) -> None:
    with server(stored(tmp_path / "conv.nidb"), "--listen", "::ffff:127.0.0.1") as made:
        assert is_served(made.port)


# A server that lies to a client

LYING = {
    "a million entries in 20 bytes": uint(0) + uint(MILLION) * 5,
    "lengths of four thousand million bytes": uint(0) + uint(FULL) * 6,
    "nothing": b"",
    "half a status": b"\0\0",
}
QUESTIONS: list[Callable[[Handle], object]] = [
    lambda handle: handle.read(NiId(0, 0)),
    lambda handle: handle.children(NiId(0, 0)),
    lambda handle: handle.lookup(NiId(0, 0), b"name", b"users"),
    lambda handle: handle.list_values(NiId(0, 0), b"name"),
    lambda handle: handle.list_all(NiId(0, 0)),
    lambda handle: handle.list_properties(NiId(0, 0)),
]


@pytest.mark.parametrize("results", LYING.values(), ids=LYING)
def test_a_server_that_lies_costs_a_client_an_error_and_no_memory(results: bytes) -> None:
    with listening(lambda caller, record: success(int.from_bytes(record[:4], "big"), results)) as port:
        handle = Handle(Connection(HOST, port, PATIENCE))
        tracemalloc.start()
        try:
            for ask in QUESTIONS:
                with pytest.raises(ProtocolError):
                    ask(handle)
            assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
        finally:
            tracemalloc.stop()
            handle.close()
