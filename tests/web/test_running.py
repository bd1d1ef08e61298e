"""The server's process: its log, its figures, its memory, its workers, how it begins and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from site_server import PATIENCE, Reply, Server, read_reply, serving

TOKEN = "a-token-of-this-test-alone"  # nobody else's
SECURE = ("content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy")
CODES = ("en", "bn", "ug", "ar", "es", "fr", "de", "hi", "id", "ja", "pt", "ru", "tr", "zh")
BATCH = json.dumps({"queries": [str(number) for number in range(5000)]}).encode()  # some 13 MB of an answer
AS_JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(command, tmp_path_factory.mktemp("data")) as one:
        yield one


def run(command: list[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PORTLORE_DATA": str(folder)}
    options = {"capture_output": True, "text": True, "check": False, "timeout": PATIENCE}
    return subprocess.run([*command, "serve", *words], env=environment, cwd=folder, **options)  # type: ignore[call-overload, no-any-return]


# The log --------------------------------------------------------------------------------------------------------------

HOSTILE = [
    b"GET /en/%1b%5b31mred%07 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /en/%0a2026-01-01T00:00:00+0000%20portlore-web%20status=200 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /en/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /en/%e2%80%ae%c2%9b HTTP/1.1\r\nHost: a\r\n\r\n",  # right-to-left override; CSI of eight bits
    b"GET /en/%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /en/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4%0a\xc2\x9b31m\r\nAccept-Language: \xc2\x9b\r\n\r\n",
    b"G\x1b[31mET /\r\n\r\n",
]


def test_nothing_of_what_strangers_send_reaches_the_log_unescaped(server: Server) -> None:
    for data in HOSTILE:
        server.raw(data)
    server.ask("/en/the-last-one")
    server.until_said("the-last-one")
    for line in server.lines[1:]:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} portlore-web (client|fault|note)=", line), line
        assert line.removesuffix("\n").isprintable(), line


def test_every_line_of_the_json_log_is_an_object_and_none_holds_a_secret(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, "ascii")
    with serving(command, tmp_path, "--token-file", "token", "--log-format", "json") as one:
        for data in HOSTILE:
            one.raw(data)
        one.ask("/metrics", Authorization=f"Bearer {TOKEN}")
        one.ask("/metrics", Authorization=f"Bearer wrong{TOKEN}")
        one.ask("/en/", "BREW")
        one.ask(f"/en/the-last-one?token={TOKEN}", Cookie=f"visitor={TOKEN}")
        one.until_said("the-last-one")
        assert one.end() == 0
        told = [json.loads(line) for line in one.lines]
        assert all("time" in line for line in told)
        assert sum("Invalid HTTP" in str(line.get("what")) for line in told) >= 1  # uvicorn's own words too
        assert TOKEN not in "".join(one.lines)


def test_a_token_is_never_made_where_it_would_stand_in_the_log(command: list[str], tmp_path: Path) -> None:
    done = run(command, tmp_path, "--port", "0", "--site", "https://ports.example.org", "--log-format", "json")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--token-file" in done.stderr


@pytest.mark.parametrize("address", ["postgresql://me:s3cr%40t@127.0.0.1:1/votes?password=s3cr@t", "s3cr@t"])
def test_a_database_that_is_not_there_is_told_without_its_password(
    command: list[str], tmp_path: Path, address: str
) -> None:
    done = run(command, tmp_path, "--port", "0", "--feedback", address)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "the feedback database" in done.stderr
    assert "s3cr" not in done.stderr


# Beginning and end ----------------------------------------------------------------------------------------------------


def test_a_taken_port_is_one_line_and_exit_3(command: list[str], tmp_path: Path, server: Server) -> None:
    done = run(command, tmp_path, "--port", str(server.port))
    assert done.returncode == 3
    assert done.stderr == (
        f"portlore: listening on 127.0.0.1:{server.port}: Address already in use;"
        " see who has it with `portlore listening`, or choose another --port\n"
    )


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--port", "70000"], 2),
        (["--workers", "0"], 2),
        (["--site", "ports.example.org"], 2),
        (["--token-file", "nosuch"], 3),
        (["--token-file", "short"], 2),
        (["--listen", "192.0.2.1", "--token-file", "long"], 3),
        (["--listen", "no.such.name.invalid", "--token-file", "long"], 3),
        (["--feedback", "sqlite:////nosuch/folder/votes.db"], 3),
        (["--feedback", "mysql://host/database"], 3),
    ],
)
def test_what_cannot_be_served_is_one_line(command: list[str], tmp_path: Path, words: list[str], status: int) -> None:
    (tmp_path / "short").write_text("0123456789", "ascii")
    (tmp_path / "long").write_text(TOKEN, "ascii")
    done = run(command, tmp_path, "--port", "0", *words)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert done.stderr.startswith("portlore: ")


@pytest.mark.parametrize(
    ("words", "number"), [((), signal.SIGTERM), ((), signal.SIGINT), (("--workers", "2"), signal.SIGTERM)]
)
def test_at_the_end_what_is_under_way_is_still_answered(
    command: list[str], tmp_path: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    with serving(command, tmp_path, *words) as one, one.line() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_reply(idle).status == 200  # and is kept open: it must hold nothing up
        with closing(HTTPConnection("127.0.0.1", one.port, timeout=PATIENCE)) as line:
            line.request("POST", "/api/v1/lookup", BATCH, {"Content-Type": "application/json"})
            answer = line.getresponse()  # its head: most of it is still to be made
            ended: list[int] = []
            ending = threading.Thread(target=lambda: ended.append(one.end(number)))
            ending.start()
            assert len(json.loads(answer.read())["ports"]) >= 10_000
        ending.join()
        assert ended == [0]
        one.until_said("path=/api/v1/lookup status=200")
        with pytest.raises(ConnectionRefusedError):
            one.line()


def test_two_workers_serve_one_port_and_count_each_for_itself(command: list[str], tmp_path: Path) -> None:
    with serving(command, tmp_path, "--workers", "2") as one:
        workers: set[str] = set()
        while len(workers) < 2:
            workers |= set(re.findall(r'worker="(\d+)"', one.ask("/metrics").text))
        assert one.vote("en", "ports/703", "happy").status == 200
        assert one.end() == 0
        for pid in workers:
            assert not Path(f"/proc/{pid}").exists()


def test_workers_end_after_a_parent_that_was_killed(command: list[str], tmp_path: Path) -> None:
    with serving(command, tmp_path, "--workers", "2") as one, one.line() as idle:
        workers: set[str] = set()
        while len(workers) < 2:
            workers |= set(re.findall(r'worker="(\d+)"', one.ask("/metrics").text))
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_reply(idle).status == 200  # and is kept open
        with closing(HTTPConnection("127.0.0.1", one.port, timeout=PATIENCE)) as line:
            line.request("POST", "/api/v1/lookup", BATCH, {"Content-Type": "application/json"})
            answer = line.getresponse()  # its head
            assert one.end(signal.SIGKILL) == -signal.SIGKILL
            assert len(json.loads(answer.read())["ports"]) >= 10_000  # as with SIGTERM
        end = time.monotonic() + PATIENCE
        while any(map(is_running, workers)):
            assert time.monotonic() < end
            time.sleep(0.05)
        socket.create_server(("127.0.0.1", one.port)).close()


def is_running(pid: str) -> bool:
    """Whether there is such a process, and not just its status that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_others_need_the_token_that_is_printed(command: list[str], tmp_path: Path) -> None:
    """All addresses, in a network of its own: nothing of this machine is reached by it."""
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
import json, pathlib, re, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
from site_server import serving
import http.client
with serving({command!r}, pathlib.Path("."), "--listen", "0.0.0.0", "--listeners") as one:
    token = re.search("machine: (.*)", "".join(one.lines))[1]
    def ask(host, path, **headers):
        line = http.client.HTTPConnection(host, one.port)
        line.request("GET", path, headers=headers)
        return line.getresponse().status
    told = []
    for host in ("127.0.0.1", "192.0.2.1"):
        told += [ask(host, "/en/ports/703")]
        for path in ("/metrics", "/api/v1/listeners"):
            told += [ask(host, path), ask(host, path, Authorization="Bearer " + token)]
print(json.dumps(told))
"""
    words = ["unshare", "-rn", sys.executable, "-c", script]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE)
    except FileNotFoundError:
        pytest.skip("needs unshare of util-linux")
    if "unshare:" in done.stderr or "No such file or directory: 'ip'" in done.stderr:
        pytest.skip("needs a network namespace, and iproute2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200, 403, 200, 403, 200] * 2


# Its figures ----------------------------------------------------------------------------------------------------------


def parse_metrics(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Prometheus' text format 0.0.4: samples by name and labels; fails for a line that is none."""
    types: dict[str, str] = {}
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            kind, name, rest = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)", line).groups()  # type: ignore[union-attr]
            if kind == "TYPE":
                assert name not in types
                assert rest in ("counter", "gauge", "histogram", "summary", "untyped")
                types[name] = rest
            continue
        found = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
        assert found is not None, line
        labels = re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)', found[2] or "")
        assert ",".join(f'{name}="{value}"' for name, value in labels) == (found[2] or ""), line
        family = re.sub("_(bucket|sum|count)$", "", found[1]) if found[1] not in types else found[1]
        assert family in types, f"{line} has no TYPE before it"
        values = samples.setdefault(found[1], {})
        assert tuple(labels) not in values, line
        values[tuple(labels)] = float(found[3])
    return samples


def test_the_figures_are_prometheus_and_count_what_is_asked(command: list[str], tmp_path: Path) -> None:
    asked = ["/en/ports/1"] * 3 + ["/de/ports/70000", "/api/v1/ports/7", "/static/style.css", "/nothing", "/healthz"]
    with serving(command, tmp_path) as one:
        for path in asked:
            one.ask(path)
        one.vote("en", "ports/703", "happy")
        reply = one.ask("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parse_metrics(reply.text)
    counted = {(dict(key)["kind"], dict(key)["status"]): n for key, n in samples["portlore_requests_total"].items()}
    assert counted == {
        ("ports", "200"): 3, ("ports", "404"): 1, ("api", "200"): 1, ("static", "200"): 1, ("other", "404"): 1,
        ("other", "200"): 1, ("feedback", "200"): 1,
    }  # fmt: skip
    buckets = [(float(dict(key)["le"]), n) for key, n in samples["portlore_request_seconds_bucket"].items()]
    assert buckets == sorted(buckets)
    assert [n for _, n in buckets] == sorted(n for _, n in buckets)
    assert buckets[-1] == (float("inf"), float(len(asked) + 1))
    assert samples["portlore_request_seconds_count"][()] == len(asked) + 1
    assert samples["portlore_request_seconds_sum"][()] > 0


def test_a_worker_stays_below_150_mb(command: list[str], tmp_path: Path) -> None:
    """3,000 different pages in 14 languages, every kind of page in each, and what the API answers."""
    with serving(command, tmp_path) as one, closing(HTTPConnection("127.0.0.1", one.port, timeout=PATIENCE)) as line:
        paths = [f"/{CODES[number % 14]}/ports/{number * 7}" for number in range(3000)]
        kinds = ("", "about", "atlas", "ranges/600-1023", "services/ssh", "search?q=printer", "services/ssh.json")
        paths += [f"/{code}/{kind}" for code in CODES for kind in kinds]
        paths += [f"/{code}/{kind}" for code in CODES[:4] for kind in ("ghosts", "changes", "ranges/0-65535")]
        paths += ["/static/atlas.json", "/api/v1/lookup?q=0-9999", "/api/v1/search?q=printer"]
        for path in [*paths, "/api/v1/history?q=0-65535"]:
            line.request("GET", path)
            answer = line.getresponse()
            answer.read()
            assert (path, answer.status) == (path, 200)
        assert one.ask("/api/v1/lookup", "POST", BATCH, **AS_JSON).status == 200
        assert one.peak() <= 150


# What every answer carries --------------------------------------------------------------------------------------------


def test_every_kind_of_answer_keeps_browsers_strict(server: Server) -> None:
    page = server.ask("/en/ports/703")
    known = server.ask("/en/ports/703", If_None_Match=page.headers["etag"])
    replies: dict[int, list[Reply]] = {}
    for reply in [
        page,
        known,
        server.ask("/"),
        server.ask("/en/ghosts/"),
        server.ask("/en/ports/70000"),
        server.ask("/en/ports/703", "HEAD"),
        server.ask("/en/ports/703", "DELETE"),
        server.ask("/en/ports/703.json"),
        server.ask("/en/" + "x" * 600),
        server.ask("/static/style.css"),
        server.ask("/healthz"),
        server.ask("/metrics"),
        server.ask("/robots.txt"),
        server.ask("/sitemap.xml"),
        server.ask("/api/v1/ports/703"),
        server.ask("/api/v1/ports/70000"),
        server.ask("/api/v1/docs"),
        server.ask("/api/v1/openapi.json"),
        server.ask("/api/v1/lookup", "OPTIONS"),
        server.ask("/api/v1/lookup", "POST", BATCH, **AS_JSON),
        server.vote("en", "ports/703", "happy"),
        server.vote("en", "ports/703", "angry"),
        server.raw(b"nonsense\r\n\r\n"),
    ]:
        replies.setdefault(reply.status, []).append(reply)
        for name in SECURE:
            assert reply.headers.get(name), (reply.status, name)
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert "server" not in reply.headers
    assert set(replies) == {200, 301, 302, 304, 400, 404, 405, 414, 422}
    assert known.body == b""
    assert "content-length" not in known.headers  # RFC 9110 section 8.6: that of the page, or none
    assert known.headers["etag"] == page.headers["etag"]
    assert {reply.headers.get("allow") for reply in replies[405]} == {"GET, HEAD", "GET, HEAD, POST"}


def test_connections_send_what_they_have_at_once() -> None:
    """Nagle's algorithm would hold back an answer's body until its head is acknowledged, which takes 40 ms."""
    from portlore.web.running import Plan, _door

    with _door(Plan("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()), door.accept()[0] as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
