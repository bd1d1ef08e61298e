"""Following a domain: `tail` of a file and of a server, metrics and health over HTTP, what clones are told to have."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    COMMAND,
    PATIENCE,
    Line,
    named,
    ni_id,
    one_line,
    open_domain,
    run,
    server,
    stored,
    wait_for,
)
from netinfo.replicas import CLONES, MASTER, MISSING, TAG, add, apart, group, handle, in_step, office, served
from netinfo.serving import HOST, start_domain

from portlore.errors import InputError
from portlore.netinfo import mirroring, telling
from portlore.netinfo.answering import Service
from portlore.netinfo.calling import Connection
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import Handle
from portlore.netinfo.history import PUSH, RESYNC
from portlore.netinfo.metrics import BEHIND_FOR_LONG, Family, View, ailments, families, text
from portlore.netinfo.replicating import Following
from portlore.netinfo.store import Store
from portlore.netinfo.telling import LONGEST, MOST, is_loopback, parse_place
from portlore.netinfo.values import LAST, properties
from portlore.oncrpc.message import NOBODY, Call, decode_reply, encode_call
from portlore.oncrpc.xdr import opaque, uint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netinfo.processes import Server

    from portlore.netinfo.history import Change

namespaces = pytest.mark.skipif(MISSING, reason="needs Linux, root, ip and nft")


# The text form, read strictly

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,?)')
KINDS = {"counter": ("",), "gauge": ("",), "summary": ("_sum", "_count", "")}


def parsed(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Prometheus's text form 0.0.4, read by its specification; an AssertionError for what it does not allow."""
    assert page.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    family = ""
    for line in page.split("\n")[:-1]:
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in helped, f"{family} comes in two groups"
            assert "\\" not in re.sub(r"\\[\\n]", "", line.split(" ", 3)[3])
            helped.add(family)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family
            assert kind in KINDS
            kinds[name] = kind
            continue
        match = NAME.match(line)
        assert match, line
        name, rest = match[0], line[match.end() :]
        assert any(name == family + end for end in KINDS[kinds[family]]), f"{name} stands below {family}"
        if kinds[family] == "counter":
            assert family.endswith("_total")
        labels: dict[str, str] = {}
        if rest.startswith("{"):
            rest = rest[1:]
            while not rest.startswith("}"):
                label = LABEL.match(rest)
                assert label, line
                assert label[1] not in labels
                labels[label[1]] = re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], label[2])
                rest = rest[label.end() :]
            rest = rest[1:]
        assert rest.startswith(" ")
        key = name, frozenset(labels.items())
        assert key not in found, f"{line} comes twice"
        found[key] = float(rest[1:])
    return found


def test_the_reader_refuses_what_the_format_does_not_allow() -> None:
    head = "# HELP a_total x\n# TYPE a_total counter\n"
    assert parsed(head + 'a_total{b="c"} 1\n') == {("a_total", frozenset({("b", "c")})): 1.0}
    for wrong in (
        "a_total 1", "b_total 1\n", 'a_total{b="c"} 1\na_total{b="c"} 2\n', 'a_total{b="c\n"} 1\n', "a_total{b=c} 1\n",
        'a_total{b="\\x"} 1\n', "a_total one\n",
    ):  # fmt: skip
        with pytest.raises((AssertionError, ValueError)):
            parsed(head + wrong)


def test_labels_and_helps_of_any_text_are_escaped() -> None:
    strange = 'a"b\\c\nd\udcff'
    page = text([Family("x", "gauge", "one\nline \\ here", (("", (("tag", strange),), 1.5),))])
    ((_, labels),) = parsed(page)
    assert dict(labels)["tag"] == 'a"b\\c\nd\\udcff'


def view(service: Service) -> View:
    return View("t", service, 2, 1, 3, 0.25)


def service(domain: Domain | None = None) -> Service:
    return Service(domain or start_domain(), b"t", lambda given, hashed: False)


def value(page: str, name: str, **labels: str) -> float:
    return parsed(page)[f"portlore_netinfo_{name}", frozenset(labels.items())]


def test_calls_are_counted_by_procedure_and_by_what_came_of_them() -> None:
    from portlore.netinfo.access import Caller

    one = service()
    for procedure, arguments in (
        (7, ni_id(0)),
        (7, ni_id(0)),
        (7, ni_id(9999)),
        (7, b""),
        (24, opaque(b"x") + uint(1)),
    ):
        one.answer(
            Caller("127.0.0.1", 5000, True), encode_call(Call(1, 200100000, 2, procedure, NOBODY, NOBODY, arguments))
        )
    page = text(families([view(one)], 0.0, "1"))
    assert value(page, "calls_total", tag="t", procedure="read", status="OK") == 2
    assert value(page, "calls_total", tag="t", procedure="read", status="NODIR") == 1
    assert value(page, "calls_total", tag="t", procedure="read", status="GARBAGE_ARGS") == 1
    assert value(page, "calls_total", tag="t", procedure="bind", status="NO_SUCCESS") == 1
    assert value(page, "commit_seconds_sum", tag="t") == 0.25
    assert value(page, "connections", tag="t", channel="tls") == 1


def test_a_server_is_not_well_without_its_disk_or_long_behind_its_master() -> None:
    one = service()
    assert ailments([view(one)], 1000.0) == []
    assert ailments([], 1000.0) == ["no domain is served"]
    one.following = Following(lambda: None, lambda: None)
    one.following.since = 1000.0
    assert ailments([view(one)], 1000.0 + BEHIND_FOR_LONG) == []
    assert len(ailments([view(one)], 1001.0 + BEHIND_FOR_LONG)) == 1
    assert value(text(families([view(one)], 1003.0, "1")), "behind_seconds", tag="t") == 3
    one.following.since, one.broken = 0.0, True
    assert ailments([view(one)], 1000.0) == ["t: the store takes nothing any more"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("9703", ("127.0.0.1", 9703)),
        (":0", ("127.0.0.1", 0)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_a_place_is_an_address_and_a_port(given: str, place: tuple[str, int]) -> None:
    assert parse_place(given) == place


@pytest.mark.parametrize("given", ["", "x", "127.0.0.1", "host:80", "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3:80"])
def test_what_is_no_place_is_refused(given: str) -> None:
    with pytest.raises(InputError):
        parse_place(given)


def test_loopback_is_this_machine_alone() -> None:
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("10.0.0.1")


# Over HTTP


def asked(port: int, request: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to a request."""
    with socket.create_connection((HOST, port), PATIENCE) as line:
        line.sendall(request)
        data = b""
        while more := line.recv(1 << 16):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


def get(port: int, path: str, *headers: str, method: str = "GET") -> tuple[int, bytes, bytes]:
    lines = [f"{method} {path} HTTP/1.1", *(headers or ["Host: localhost"]), "", ""]
    return asked(port, "\r\n".join(lines).encode())


def metrics_port(one: Server) -> int:
    return int(one.line(r"metrics http://\S+:(\d+)/metrics")[1])


@contextmanager
def measured(path: Path, *options: str) -> Iterator[tuple[Server, int]]:
    with server(path, "--classic", "--metrics", f"{HOST}:0", *options) as one:
        yield one, metrics_port(one)


def test_metrics_tell_what_clients_did(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with measured(path) as (one, port):
        with Line(one.port) as line:
            line.ask(5, ni_id(1, 0) + named((b"name", [b"n"])) + uint(LAST) + uint(0))
            line.ask(7, ni_id(0))
            status, head, body = get(port, "/metrics")
        assert status == 200
        assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
        page = body.decode()
        assert value(page, "calls_total", tag="conv", procedure="create", status="OK") == 1
        assert value(page, "calls_total", tag="conv", procedure="read", status="OK") == 1
        assert value(page, "writes_total", tag="conv", outcome="done") == 1
        assert value(page, "connections", tag="conv", channel="plain") == 1
        assert value(page, "commit_seconds_count", tag="conv") == 1
        assert value(page, "commit_seconds_sum", tag="conv") > 0
        before = open_domain()
        assert value(page, "directories", tag="conv") == len(before.directories) + 1
        assert value(page, "checksum", tag="conv") == 2  # (1 + 1) x 1: directory 1 was written once (SPEC 3.1)
        assert value(page, "store_broken", tag="conv") == 0
        assert get(port, "/healthz")[::2] == (200, b"ok\n")
        status, head, body = get(port, "/metrics", method="HEAD")
        assert (status, body) == (200, b"")
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 1000  # type: ignore[index]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9703\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: [::1]:9703\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /../metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * LONGEST * 2 + b"\r\n\r\n", 431),
    ],
)
def test_requests_are_answered_by_the_book(measured_port: int, request_: bytes, status: int) -> None:
    assert asked(measured_port, request_)[0] == status


@pytest.fixture(scope="module")
def measured_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with measured(stored(tmp_path_factory.mktemp("measured") / "x")) as (_, port):
        yield port


def test_too_many_idle_connections_do_not_grow_and_the_next_is_answered(measured_port: int) -> None:
    many = [socket.create_connection((HOST, measured_port), PATIENCE) for _ in range(MOST + 5)]
    closed = [one for one in many[MOST:] if one.recv(1) == b""]
    assert len(closed) == 5
    for one in many:
        one.close()
    wait_for(lambda: _status(measured_port) == 200)


def _status(port: int) -> int:
    try:
        return get(port, "/healthz")[0]
    except (OSError, IndexError):
        return 0


def test_a_request_that_never_ends_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PATIENCE", 0.1)

    async def talk() -> bytes:
        made = telling.Telling(SimpleNamespace(domains={}), HOST, 0, "")  # type: ignore[arg-type]
        await made.start()
        reader, writer = await asyncio.open_connection(HOST, made.port)
        writer.write(b"GET /met")
        answer = await reader.read(1)
        writer.close()
        made.close()
        return answer

    assert asyncio.run(talk()) == b""


def test_elsewhere_the_token_is_needed_and_health_tells_strangers_nothing(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-24-characters\n")
    with measured(stored(tmp_path / "x"), "--metrics-token-file", str(token)) as (_, port):
        assert get(port, "/metrics")[0] == 401
        assert get(port, "/metrics", "Authorization: Bearer wrong")[0] == 401
        assert get(port, "/metrics", "Authorization: Bearer a-token-of-24-characters")[0] == 200
        basic = base64.b64encode(b"prometheus:a-token-of-24-characters").decode()
        assert get(port, "/metrics", f"Authorization: Basic {basic}")[0] == 200
        assert get(port, "/metrics", "Authorization: Basic %%%")[0] == 401
        assert get(port, "/healthz")[::2] == (200, b"ok\n")


def test_without_a_token_metrics_stay_on_this_machine(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    for options, found in (
        (["--metrics", "0.0.0.0:0"], "others than this machine can reach it"),
        (["--metrics-token-file", str(tmp_path / "no")], "nothing to guard"),
        (["--metrics", "nowhere"], "not ADDRESS:PORT"),
    ):
        told = run("serve", "--domain", f"t={path}", "--port", "0", *options)
        assert told.returncode == 2
        assert found in one_line(told.stderr)


def test_a_port_for_metrics_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        place = f"{HOST}:{taken.getsockname()[1]}"
        told = run("serve", "--domain", f"t={stored(tmp_path / 'x')}", "--port", "0", "--metrics", place)
    assert told.returncode == 3
    assert "address already in use" in told.stderr.lower()


def test_a_server_whose_store_is_gone_is_not_well(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with measured(path) as (one, port):
        path.rename(tmp_path / "elsewhere")
        path.touch()
        with Line(one.port) as line:
            line.ask(5, ni_id(1, 0) + named((b"name", [b"n"])) + uint(LAST) + uint(0))
        status, _, body = get(port, "/healthz")
        assert status == 503
        assert b"conv: the store takes nothing any more" in body
        assert value(get(port, "/metrics")[2].decode(), "store_broken", tag="conv") == 1


# Looking at a server of any age


class Direct(Connection):
    """Calls to a service in memory."""

    def __init__(self, one: Service) -> None:
        super().__init__(HOST, 0)
        self.service, self.count = one, 0

    def call(self, procedure: int, arguments: bytes = b"", program: int = 200100000, version: int = 2) -> bytes:
        from portlore.netinfo.access import Caller

        self.count += 1
        record = encode_call(Call(1, program, version, procedure, self.credential, NOBODY, arguments))
        reply = self.service.answer(Caller(HOST, 1, local=True), record)
        assert reply is not None
        return decode_reply(reply).results

    def calls(self, many: list[tuple[int, bytes]]) -> list[bytes]:  # type: ignore[override]
        return [self.call(*one) for one in many]


def looked(line: Direct, old: mirroring.Mirror) -> mirroring.Mirror:
    one = Handle(line)
    return mirroring.look(one, old, mirroring.checksum(one))


def is_equal(mirror: mirroring.Mirror, domain: Domain) -> bool:
    return mirror == {
        number: mirroring.Seen(one.instance, one.parent, one.data, tuple(one.children))
        for number, one in domain.directories.items()
    }


def test_a_second_look_reads_what_changed_and_nothing_else() -> None:
    domain = open_domain(50)
    line = Direct(service(domain))
    first = looked(line, {})
    assert is_equal(first, domain)
    domain.write(domain.at(7), properties([("name", ["seven"])]))
    new = domain.create(domain.at(3), properties([("name", ["new"])]), LAST)
    line.count = 0
    second = looked(line, first)
    assert is_equal(second, domain)
    assert line.count <= 51 + 10  # SELF for each, and a few reads
    found = [(one.call, one.path) for one in mirroring.changes(first, second, 0.0)]
    assert found == [("create", b"/c3/new"), ("write", b"/c7")]
    domain.destroy(domain.at(3), new)
    third = looked(line, second)
    assert is_equal(third, domain)
    assert [(one.call, one.path) for one in mirroring.changes(second, third, 0.0)] == [("destroy", b"/c3/new")]


def test_a_child_swapped_for_another_under_its_number_is_seen() -> None:
    domain = open_domain(3)
    line = Direct(service(domain))
    first = looked(line, {})
    domain.destroy(domain.at(0), domain.at(3))
    swapped = domain.create(domain.at(0), properties([("name", ["eve"])]), LAST)
    assert (swapped.id, swapped.instance) == (3, first[3].instance)
    second = looked(line, first)
    assert is_equal(second, domain)
    assert [one.directory for one in mirroring.changes(first, second, 0.0)] == [3]


def test_a_whole_tree_that_goes_and_one_that_comes_are_told_in_order() -> None:
    domain = open_domain(1)
    below = domain.create(domain.at(1), properties([("name", ["x"])]), LAST)
    deeper = domain.create(below, properties([("name", ["y"])]), LAST)
    line = Direct(service(domain))
    first = looked(line, {})
    domain.destroy(below, deeper)
    domain.destroy(domain.at(1), below)
    second = looked(line, first)
    assert [one.path for one in mirroring.changes(first, second, 0.0)] == [b"/c1/x/y", b"/c1/x"]
    below = domain.create(domain.at(1), properties([("name", ["x"])]), LAST)
    domain.create(below, properties([("name", ["y"])]), LAST)
    third = looked(line, second)
    assert [one.path for one in mirroring.changes(second, third, 0.0)] == [b"/c1/x", b"/c1/x/y"]


# Tail, as a process


class Tail:
    """``portlore netinfo tail``, its lines as they come."""

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "tail", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
        self.lines: list[str] = []
        self.talk: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.talk))
        ]
        for one in self._threads:
            one.start()

    def _read(self, stream: object, lines: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            lines += [line.rstrip("\n")]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        for one in self._threads:
            one.join(PATIENCE)
        assert not any("Traceback" in line for line in self.talk), self.talk
        return status


@contextmanager
def tailing(*words: str | Path) -> Iterator[Tail]:
    made = Tail(*words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(PATIENCE)
        for stream in (made.process.stdout, made.process.stderr):
            assert stream is not None
            stream.close()


def add_child(port: int, parent: int, name: bytes) -> None:
    with Line(port) as line:
        instance = int.from_bytes(line.ask(3, ni_id(parent))[-4:], "big")
        given = named((b"name", [name]), (b"passwd", [b"abcdefgh"]))
        assert line.ask(5, ni_id(parent, instance) + given + uint(LAST) + uint(0))[-20:-16] == uint(0)


def test_a_file_is_followed_as_it_is_written_and_over_a_restart(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with server(path, "--classic") as one:
        add_child(one.port, 1, b"before")
        with tailing(path, "/c2", "--json") as part, tailing(path, "--since", "0") as whole:
            wait_for(lambda: "    + name: before" in whole.lines and len(part.talk) > 0)
            add_child(one.port, 2, b"during")
            add_child(one.port, 3, b"beside")
            wait_for(lambda: "    + name: beside" in whole.lines and len(part.lines) > 0)
            one.end()
            with server(path, "--classic") as again:
                add_child(again.port, 2, b"after")
            wait_for(lambda: "    + name: after" in whole.lines and len(part.lines) > 1)
            assert part.end() == 130
            assert whole.end() == 130
    found = [json.loads(line) for line in part.lines]
    assert [one["path"] for one in found] == ["/c2/during", "/c2/after"]
    assert [one["number"] for one in found] == [2, 4]
    assert "abcdefgh" not in "".join([*part.lines, *whole.lines])


def test_a_file_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with tailing(path, "--since", "0") as tail:
        wait_for(lambda: any("what comes after change 0 follows" in line for line in tail.talk))
        path.rename(tmp_path / "y")
        wait_for(lambda: any("waiting for it" in line for line in tail.talk))
        (tmp_path / "y").rename(path)
        wait_for(lambda: any("is back" in line for line in tail.talk))
        with server(path, "--classic") as one:
            add_child(one.port, 1, b"new")
        wait_for(lambda: "    + name: new" in tail.lines)
        assert tail.end() == 130


def test_a_server_is_followed_by_asking_and_over_a_restart(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with server(path, "--classic") as one:
        port = one.port
        with tailing(f"{HOST}:{port}/conv", "--every", "0.1") as tail:
            wait_for(lambda: any("17 directories" in line for line in tail.talk))
            add_child(port, 1, b"seen")
            wait_for(lambda: "    + name: seen" in tail.lines)
            assert "    create, who: not told by the protocol" in tail.lines
            one.kill()
            wait_for(lambda: any("waiting for it" in line for line in tail.talk))
            with server(path, "--classic", port=str(port)) as again:
                add_child(again.port, 2, b"meanwhile")
                wait_for(lambda: "    + name: meanwhile" in tail.lines)
            assert any("answers again" in line for line in tail.talk)
            assert tail.end() == 130


def test_nobody_to_follow_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as nobody:
        port = nobody.getsockname()[1]
    told = run("tail", f"{HOST}:{port}/conv")
    assert told.returncode == 3
    assert "Communication failure" in one_line(told.stderr)


# Between servers


@namespaces
def test_pushes_and_resyncs_stand_in_a_clones_history_as_the_masters(tmp_path: Path) -> None:
    copy = tmp_path / "c0"
    tried: list[str] = []

    def recorded() -> list[Change]:
        with Store(str(copy), exclusive=False) as store:
            return list(store.history())

    with apart(), group(tmp_path) as (master, clones, people):

        def pushed() -> bool:
            tried.append(f"zoe{len(tried)}")
            with handle(master, MASTER) as one:
                add(one, people, tried[-1])
            in_step(master, clones)
            return any(one.kind == PUSH and one.path == b"/users/" + tried[-1].encode() for one in recorded())

        wait_for(pushed)  # the first ones may come by a transfer, while the two get to know one another
        last = next(one for one in recorded() if one.path.endswith(tried[-1].encode()))
        told = run("undo", copy, str(last.number))
        assert told.returncode == 3
        assert "name the domain's master" in told.stderr
        dry = run("undo", copy, str(last.number), "--dry-run")
        assert dry.stdout == f"would /users/{tried[-1]}: destroy the directory\n"
    found = {one.kind: one for one in reversed(recorded())}
    assert found[RESYNC].address == last.address == MASTER
    assert found[RESYNC].directories >= len(office()[0].directories)
    assert last.call == "create"


@namespaces
def test_status_and_metrics_tell_what_waits_for_a_clone_that_is_away(tmp_path: Path) -> None:
    path = stored(tmp_path / "m", office(1)[0])
    with apart(), served(MASTER, path, "--classic", "--metrics", f"{HOST}:0") as master:

        def row() -> dict[str, object]:
            told = run("status", f"{MASTER}:{master.port}/{TAG}", "--json")
            assert told.returncode == 1
            (domain,) = json.loads(told.stdout)["domains"]
            assert domain["healthy"] is False
            return next(row for row in domain["servers"] if row["server"] == f"{CLONES[0]}/{TAG}")

        wait_for(lambda: bool(row().get("failures")))
        assert row()["lag"] > 0  # type: ignore[operator]
        assert "failures in a row" in run("status", f"{MASTER}:{master.port}/{TAG}").stdout
        page = get(metrics_port(master), "/metrics")[2].decode()
        assert value(page, "clone_lag_seconds", tag=TAG, clone=f"{CLONES[0]}/{TAG}") > 0
        assert value(page, "clone_failures", tag=TAG, clone=f"{CLONES[0]}/{TAG}") >= 1
        assert value(page, "clone", tag=TAG) == 0
        assert get(metrics_port(master), "/healthz")[0] == 200  # a master is well also while a clone is not
