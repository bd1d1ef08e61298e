"""1,360 calls recorded from the original server, answered byte for byte: in process, and by the real server process."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.exchange import domain_json, parse_domain
from portlore.netinfo.passwords import matches
from portlore.oncrpc.message import Auth, UnixAuth, encode_unix
from portlore.oncrpc.records import RecordReader

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
START = VECTORS / "start.records.json"
STRANGER = Caller("127.0.0.1", 40000, local=True)
NUMBERS = (1, 3, 4)


def conversation(number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((VECTORS / f"conversation-{number}.json.gz").read_bytes()))
    return found


def served(*, classic: bool = True) -> Service:
    domain = parse_domain(START.read_text("utf-8"), "start")
    return Service(domain, b"conv", matches, Policy(classic=classic), b"alpha")


def agrees(got: bytes | None, call: dict[str, Any]) -> bool:
    """As recorded; or, where the original's index was out of date, as computed from the directories."""
    if call["reply_hex"] is None:
        return got is None
    wanted = [bytes.fromhex(call[key]) for key in ("reply_hex", "spec_reply_hex") if call.get(key)]
    return got is not None and any(got[4:] == one[4:] for one in wanted) and got[:4].hex() == call["request_hex"][:8]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_recorded_call_is_answered_byte_for_byte(number: int) -> None:
    told, service = conversation(number), served()
    for call in told["calls"]:
        got = service.answer(STRANGER, bytes.fromhex(call["request_hex"]))
        assert agrees(got, call), (call["index"], call["name"], call["auth"], call["what"])
    assert service.domain.checksum == told["final_checksum"]
    final = told.get("final_readall")
    assert final


@contextmanager
def server(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A real server process on a fresh copy of the starting domain."""
    command = [sys.executable, "-m", "portlore", "netinfo"]
    path = folder / "conv.nidb"
    if not path.exists():
        subprocess.run([*command, "import", path, START], check=True, stderr=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*command, "serve", "--domain", f"conv={path}", "--listen", "127.0.0.1", "--port", str(port), *options]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert b"serving tag=conv" in line, line
            yield process, port
        finally:
            process.terminate()


def exchange(line: socket.socket, record: bytes, fragments: list[int]) -> bytes:
    stream, at = b"", 0
    for size in fragments:
        stream += size.to_bytes(4, "big") + record[at : at + size]
        at += size
    line.sendall(stream + (0x8000_0000 | (len(record) - at)).to_bytes(4, "big") + record[at:])
    reader = RecordReader()
    while True:
        data = line.recv(1 << 16)
        assert data, "the connection was closed"
        if found := reader.feed(data):
            return found[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_real_server_answers_the_conversation_over_tcp_and_keeps_it(number: int, tmp_path: Path) -> None:
    told = conversation(number)
    with server(tmp_path, "--classic") as (process, port):
        with socket.create_connection(("127.0.0.1", port), 20) as line:
            for call in told["calls"]:
                record = bytes.fromhex(call["request_hex"])
                if call["reply_hex"] is None:  # silence: shown by the next call's reply being its own
                    line.sendall((0x8000_0000 | len(record)).to_bytes(4, "big") + record)
                    continue
                got = exchange(line, record, call.get("fragments", []))
                assert agrees(got, call), (call["index"], call["name"], call["what"])
        process.send_signal(signal.SIGKILL)  # nothing that was answered may be lost
    command = [sys.executable, "-m", "portlore", "netinfo"]
    done = subprocess.run([*command, "check", tmp_path / "conv.nidb"], capture_output=True, text=True, check=True)
    assert f"checksum {told['final_checksum']}" in done.stdout
    out = subprocess.run(
        [*command, "export", tmp_path / "conv.nidb"], capture_output=True, text=True, check=True
    ).stdout
    kept = parse_domain(out, "export")
    service = served()
    for call in told["calls"]:
        service.answer(STRANGER, bytes.fromhex(call["request_hex"]))
    assert list(kept.records()) == list(service.domain.records())


def ask(
    service: Service, procedure: int, arguments: str = "", auth: Auth | None = None, caller: Caller = STRANGER
) -> bytes:
    credential = (
        b"\0" * 8 if auth is None else auth.flavor.to_bytes(4, "big") + len(auth.body).to_bytes(4, "big") + auth.body
    )
    head = bytes.fromhex("0000000100000000000000020bed48a000000002") + procedure.to_bytes(4, "big")
    reply = service.answer(caller, head + credential + bytes(8) + bytes.fromhex(arguments))
    assert reply is not None
    return reply[24:]


def login(password: str, uid: int) -> Auth:
    return Auth(1, encode_unix(UnixAuth(0, bytes(b ^ 0xFF for b in password.encode()), uid, 0, ())))


READ_USER01 = "00000007" + "00000000"  # directory 7: /users/user01
HASH = b"s10K8viGfT4Ww"


def test_password_hashes_are_hidden_unless_classic() -> None:
    assert HASH in ask(served(), 7, READ_USER01)
    hidden = ask(served(classic=False), 7, READ_USER01)
    assert HASH not in hidden
    assert b"passwd" in hidden


VIEWERS = [
    ("a stranger", STRANGER, None, False),
    ("root on this machine", Caller("127.0.0.1", 700, local=True), None, True),
    ("root on a machine of /machines that serves a domain", Caller("10.77.0.1", 700, local=False), None, True),
    ("an unprivileged port of that machine", Caller("10.77.0.1", 7000, local=False), None, False),
    ("root on an unlisted machine", Caller("10.99.0.1", 700, local=False), None, False),
    ("the owner", STRANGER, login("pw1", 501), True),
    ("the owner with a wrong password", STRANGER, login("pw2", 501), False),
    ("somebody else", STRANGER, login("pw2", 502), False),
    ("the superuser by password", STRANGER, login("rootpw", 0), True),
]


@pytest.mark.parametrize(("who", "caller", "auth", "sees"), VIEWERS, ids=[viewer[0] for viewer in VIEWERS])
def test_hashes_go_to_those_who_need_them(who: str, caller: Caller, auth: Auth | None, sees: bool) -> None:
    name = len(b"name").to_bytes(4, "big").hex() + b"name".hex()
    user = "00000006" + b"user01".hex() + "0000"
    calls = [(7, READ_USER01), (28, "0000000300000000" + name + user), (23, "0000000300000000"), (25, "00000000")]
    for procedure, arguments in calls:
        assert (HASH in ask(served(classic=False), procedure, arguments, auth, caller)) is sees, procedure


def test_a_hash_cannot_be_guessed_by_looking_it_up() -> None:
    arguments = "0000000300000000" + "00000006" + b"passwd".hex() + "0000" + f"{len(HASH):08x}" + HASH.hex() + "000000"
    assert ask(served(), 10, arguments)[:4] == bytes(4)
    assert ask(served(classic=False), 10, arguments) == (5).to_bytes(4, "big")  # NODIR


def test_a_read_only_server_refuses_every_write_with_rdonly() -> None:
    service = served()
    service.policy = Policy(classic=True, read_only=True)
    for procedure in (5, 6, 8, 12, 13, 15, 16, 18, 19, 21):
        told = conversation(1)
        record = next(
            bytes.fromhex(c["request_hex"])
            for c in told["calls"]
            if c["proc"] == procedure and "root right" in c["auth"]
        )
        reply = service.answer(STRANGER, record)
        assert reply is not None
        assert reply[24:] == (13).to_bytes(4, "big")
    assert service.domain.checksum == served().domain.checksum


def test_every_write_is_noted_with_who_did_it_and_what_came_of_it() -> None:
    service = served()
    lines: list[str] = []
    service.audit = lines.append
    told = conversation(1)
    for call in told["calls"]:
        service.answer(STRANGER, bytes.fromhex(call["request_hex"]))
    ended = Counter(line.rpartition("=")[2] for line in lines)
    wrong = ended["AUTHERROR"] + ended["NOUSER"]
    assert service.authentications[1:] == [wrong, ended["OK"], ended["PERM"]]  # SPEC 3.2: bad, done, refused
    assert any("by=root from=127.0.0.1:40000 status=OK" in line for line in lines)
    assert any("by=user03 " in line for line in lines)
    assert any("by=nobody " in line and line.endswith("status=AUTHERROR") for line in lines)
    assert all(line.isprintable() for line in lines)


def test_udp_answers_ping_and_bind_alone() -> None:
    service = served()
    head = bytes.fromhex("0000000100000000000000020bed48a000000002")
    for procedure in range(29):
        reply = service.answer(STRANGER, head + procedure.to_bytes(4, "big") + bytes(16) + bytes(8), udp=True)
        assert reply is not None
        if procedure not in (0, 24):
            assert reply[4:].hex() == "00000001" + "00000001" + "00000001" + "00000005"  # AUTH_TOOWEAK


@given(st.binary(max_size=300))
def test_any_record_gets_a_legal_reply_or_none(record: bytes) -> None:
    SERVICE.answer(STRANGER, record)
    reply = SERVICE.answer(STRANGER, bytes.fromhex("0000000100000000000000020bed48a000000002") + record)
    assert reply is None or (reply[:4] == b"\0\0\0\1" and len(reply) % 4 == 0)


SERVICE = served()


@given(st.integers(0, 28), st.binary(max_size=120), st.booleans())
def test_any_arguments_leave_the_domain_whole(procedure: int, arguments: bytes, root: bool) -> None:
    caller = Caller("127.0.0.1", 700 if root else 40000, local=True)
    head = bytes.fromhex("0000000100000000000000020bed48a000000002") + procedure.to_bytes(4, "big") + bytes(16)
    reply = SERVICE.answer(caller, head + arguments)
    assert reply is not None
    domain = SERVICE.domain
    assert domain.checksum == sum((d.id + 1) * d.instance for d in domain.directories.values()) % 2**32


def test_a_domain_goes_through_json_unchanged() -> None:
    domain = parse_domain(START.read_text("utf-8"), "start")
    text = "".join(domain_json(domain))
    assert list(parse_domain(text, "again").records()) == list(domain.records())
    told = json.loads(text)
    recorded = json.loads(START.read_text("utf-8"))
    assert (told["checksum"], told["highestid"]) == (recorded["checksum"], recorded["highestid"])
    assert told["records"] == sorted(recorded["records"], key=lambda one: one["id"])


def test_a_client_that_sends_slowly_too_much_or_nothing_is_let_go(tmp_path: Path) -> None:
    with server(tmp_path) as (_, port):
        with socket.create_connection(("127.0.0.1", port), 20) as line:
            line.sendall(b"\xff\xff\xff\xff")  # a record of two gigabytes
            assert line.recv(10) == b""
        with socket.create_connection(("127.0.0.1", port), 20) as line:
            line.sendall(bytes(4) * 70_000)  # fragments without end
            assert line.recv(10) == b""
        floods = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(1100)]
        with socket.create_connection(("127.0.0.1", port), 20) as line:
            ping = bytes.fromhex("0000000100000000000000020bed48a0000000020000000000000000000000000000000000000000")
            assert exchange(line, ping, [])[:4] == b"\0\0\0\1"  # served all the same
        for one in floods:
            one.close()


def test_two_servers_on_one_store_and_a_file_that_is_none_are_refused_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portlore", "netinfo", "serve", "--port", "0", "--domain"]
    with server(tmp_path):
        done = subprocess.run([*command, f"x={tmp_path / 'conv.nidb'}"], capture_output=True, text=True, check=False)
        assert (done.returncode, "another server holds it" in done.stderr) == (3, True)
    other = tmp_path / "other"
    other.write_bytes(b"SQLite format 3\0" + os.urandom(4000))
    for path in (other, tmp_path / "missing"):
        done = subprocess.run([*command, f"x={path}"], capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert len(done.stderr.splitlines()) == 1
    done = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_wrong_passwords_are_slowed_down_where_the_defaults_are_safe(tmp_path: Path) -> None:
    wrong = next(c for c in conversation(1)["calls"] if c["auth"] == "dup uid, wrong password")
    record = bytes.fromhex(wrong["request_hex"])
    with server(tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 20) as line:
        began = time.monotonic()
        for _ in range(8):
            exchange(line, record, [])
        quick = time.monotonic() - began
        began = time.monotonic()
        exchange(line, record, [])
        assert time.monotonic() - began > 0.9
        assert quick < 5
