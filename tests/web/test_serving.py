"""The server as strangers find it: what it refuses, how long it waits, what it tells whom, how it ends."""

from __future__ import annotations

import resource
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from site_server import PATIENCE, Reply, Server, read_reply, serving, serving_plan

TOKEN = "a-token-of-this-test-alone"  # nobody else's
SECURE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
CODES = ("en", "bn", "ug", "ar", "es", "fr", "de", "hi", "id", "ja", "pt", "ru", "tr", "zh")


@pytest.fixture(scope="module")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(command, tmp_path_factory.mktemp("data")) as one:
        yield one


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with little patience."""
    with serving_plan(tmp_path_factory.mktemp("data"), patience=0.5, listeners=True) as one:
        yield one


@pytest.fixture(scope="module")
def guarded(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that shows listeners, to who has the token."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "token").write_text(f"{TOKEN}\n", "ascii")
    with serving(command, folder, "--listeners", "--token-file", "token", "--log-format", "json") as one:
        yield one


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/de/" + "x" * 508, {}, 404),
        ("/de/" + "x" * 509, {}, 414),
        ("/de/search?q=" + "x" * 2046, {}, 400),
        ("/de/search?q=" + "x" * 2047, {}, 414),
        ("/de/search?" + "&".join(["a=1"] * 16), {}, 200),
        ("/de/search?" + "&".join(["a=1"] * 17), {}, 400),
        ("/de/", {"X_Long": "x" * 16000}, 200),
        ("/de/", {"X_Long": "x" * 17000}, 431),
    ],
)
def test_what_is_too_long_is_refused_in_the_readers_language(
    server: Server, path: str, headers: dict[str, str], status: int
) -> None:
    reply = server.ask(path, **headers)
    assert reply.status == status
    assert '<html lang="de"' in reply.text


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),  # TLS
        b"GET\r\n\r\n",
        b"GET /en/ HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
        b"GET /en/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /en/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET //[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /en/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /en/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /en/feedback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n",
    ],
)
def test_what_is_no_http_gets_one_answer_and_the_end(server: Server, data: bytes) -> None:
    with server.line() as line:
        line.sendall(data)
        reply = read_reply(line)
        assert reply.status in (400, 404)
        assert reply.headers.items() >= SECURE.items()
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
    assert server.ask("/healthz").body == b"ok\n"


def test_a_head_without_end_is_refused_before_it_fills_memory(server: Server) -> None:
    with server.line() as line:
        line.sendall(b"GET /en/ HTTP/1.1\r\nHost: a\r\n")
        sender = threading.Thread(target=_send_until_refused, args=(line, b"X-More: " + b"x" * 990 + b"\r\n"))
        sender.start()
        reply = read_reply(line)
        sender.join()
    assert reply.status == 431
    assert reply.headers.items() >= SECURE.items()


def _send_until_refused(line: socket.socket, piece: bytes) -> None:
    try:
        for _ in range(10_000):
            line.sendall(piece)
    except OSError:
        return


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/en/feedback", 5000, 413), ("/api/v1/lookup", (2 << 20) + 1, 413), ("/en/ports/703", 5000, 405)],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused_and_the_rest_of_it_thrown_away(
    server: Server, path: str, size: int, status: int, chunked: bool
) -> None:
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%b\r\n\r\n" % (path.encode(), length)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size) if chunked else b"x" * size
    with server.line() as line:
        line.sendall(head + body)
        reply = read_reply(line)
        assert reply.status == status
        assert ("problem+json" in reply.headers["content-type"]) == path.startswith("/api/")
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection is still in step
        assert read_reply(line).body == b"ok\n"


# How long it waits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "trickle"),
    [
        (b"", b""),
        (b"GET /en/ HTTP/1.1\r\nHost: ", b""),
        (b"GET /en/ HTTP/1.1\r\nHost: ", b"x"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"),  # between two requests
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /en/ HTTP/1.1\r\nX: ", b"x"),  # in the second
        (b"POST /en/ports/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", b"x"),  # nobody waits for it
        (b"POST /en/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", b""),
        (b"POST /api/v1/lookup HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", b"{"),
    ],
)
def test_who_does_not_get_on_with_it_is_hung_up_on(hasty: Server, first: bytes, trickle: bytes) -> None:
    with hasty.line() as line:
        line.sendall(first)
        line.settimeout(0.1)
        seen = b""
        for _ in range(int(PATIENCE / 0.1)):
            try:
                piece = line.recv(65536)
            except TimeoutError:
                try:
                    line.sendall(trickle)
                except OSError:
                    break
                continue
            except OSError:
                break
            seen += piece
            if not piece:
                break
        else:
            pytest.fail("the connection stayed")
    if first.startswith((b"POST /en/feedback", b"POST /api")):
        assert seen.startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_is_not_taken_is_given_up(hasty: Server) -> None:
    """Some 30 MB, of which the client reads nothing until the server has had enough."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(PATIENCE)
        line.connect(("127.0.0.1", hasty.port))
        line.sendall(b"GET /api/v1/lookup?q=0-9999 HTTP/1.1\r\nHost: a\r\n\r\n")
        hasty.until_said("path=/api/v1/lookup .*bytes=[0-9]{5}")
        seen = b""
        try:
            while piece := line.recv(1 << 20):
                seen += piece
        except ConnectionResetError:
            pass
    assert seen.startswith(b"HTTP/1.1 200 ")
    assert not seen.endswith(b"0\r\n\r\n")
    assert hasty.ask("/healthz").status == 200


def test_a_thousand_are_answered_at_once_and_one_more_is_told_to_wait(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1300:
        pytest.skip("needs 1,300 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1300), hard))
    try:
        with ExitStack() as stack:
            lines = [stack.enter_context(server.line()) for _ in range(1000)]
            for number, line in enumerate(lines):
                line.sendall(b"GET /en/ports/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (number % 50))
            assert {read_reply(line).status for line in lines} == {200}
            with server.line() as line:
                reply = read_reply(line)
            assert reply.status == 503
            assert reply.headers.items() >= SECURE.items()
        server.ask("/healthz")  # the places are free again
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# What it tells whom ---------------------------------------------------------------------------------------------------


def test_listeners_are_off_unless_asked_for(server: Server) -> None:
    assert server.ask("/api/v1/listeners").status == 404
    assert "On this machine, now" not in server.ask(f"/en/ports/{server.port}").text
    assert "/api/v1/listeners" not in server.ask("/en/atlas").text
    assert "/api/v1/listeners" not in server.ask("/api/v1/openapi.json").json["paths"]


HERE = ("localhost", "LOCALHOST:8703", "127.0.0.1", "127.0.0.1:1", "127.8.9.10", "[::1]", "[::1]:8703")
ELSEWHERE = ("evil.example", "my_evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil",
             "192.0.2.1", "[2001:db8::1]:80", "0.0.0.0", "", "é", "localhost:80:80", "a b")  # fmt: skip


@pytest.mark.parametrize("host", [*HERE, *ELSEWHERE])
def test_a_name_that_leads_here_from_elsewhere_learns_nothing_of_this_machine(hasty: Server, host: str) -> None:
    """DNS rebinding: a page of somebody else's whose name has come to mean 127.0.0.1."""
    shown = [_ask_as(hasty, path, host) for path in ("/api/v1/listeners", "/metrics", f"/en/ports/{hasty.port}")]
    if host in HERE:
        assert [reply.status for reply in shown] == [200, 200, 200]
        assert "On this machine, now" in shown[2].text
    else:
        assert [reply.status for reply in shown] == [403, 403, 200]
        assert "On this machine, now" not in shown[2].text


def _ask_as(server: Server, path: str, host: str) -> Reply:
    return server.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "Via", "X_Real_IP"])
def test_who_comes_through_a_proxy_is_not_this_machine(hasty: Server, header: str) -> None:
    reply = hasty.ask("/api/v1/listeners", **{header: "192.0.2.7"})
    assert reply.status == 403


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("", 403),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Basic YW55Ym9keTphLXRva2VuLW9mLXRoaXMtdGVzdC1hbG9uZQ==", 200),  # anybody:a-token-of-this-test-alone
        (f"Bearer {TOKEN[:-1]}", 403),
        (f"Bearer {TOKEN} ", 200),  # blanks around a header's value are not of it (RFC 9110 section 5.5)
        (f"Bearer {TOKEN}x", 403),
        ("Bearer", 403),
        ("Bearer ë", 403),
        ("Basic !", 403),
        ("Basic YW55Ym9keQ==", 403),
        (TOKEN, 403),
    ],
)
def test_what_is_about_this_machine_needs_the_token_from_everywhere(guarded: Server, given: str, status: int) -> None:
    for path in ("/api/v1/listeners", "/metrics"):
        reply = guarded.ask(path, **({"Authorization": given} if given else {}))
        assert (path, reply.status) == (path, status)
    page = guarded.ask(f"/en/ports/{guarded.port}", **({"Authorization": given} if given else {})).text
    assert ("On this machine, now" in page) == (status == 200)
