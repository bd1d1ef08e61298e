"""HTTP/1 and HTTP/2: real servers' answers, cut and mangled ones, and requests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.vectors import Conversation, hold, read_vectors

from portlore.probes import http, http2
from portlore.probes.http import find_title, product, read_response, request

MODULES = {"http": http, "http2": http2}
VECTORS = [(name, one) for name in MODULES for one in read_vectors(name)]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html%s\r\n\r\n<html><TITLE lang=en> %s </TITLE>"


@pytest.mark.parametrize(("name", "one"), VECTORS, ids=lambda one: one if isinstance(one, str) else one.name)
def test_what_was_said_is_understood_by_probe_and_recogniser(name: str, one: Conversation) -> None:
    module = MODULES[name]
    recogniser = module.RECOGNISERS[0]
    assert recogniser.server is not None
    assert recogniser.client is not None
    said = b"".join(one.said_by("server"))
    if not one.protocol:
        assert hold(module.PROBES[0], one.said_by("server")) is None
        assert recogniser.server(said) is None
    elif said:
        one.check(hold(module.PROBES[0], one.said_by("server")))
        one.check(recogniser.server(said))
    else:
        one.check(recogniser.client(b"".join(one.said_by("client"))))


REQUESTS = [  # host, port, TLS, what the Host field says (RFC 9110 section 7.2, RFC 3986 section 3.2.2)
    ("example.org", 80, False, b"example.org"),
    ("example.org", 8080, False, b"example.org:8080"),
    ("example.org", 443, True, b"example.org"),
    ("example.org", 443, False, b"example.org:443"),
    ("192.0.2.1", 703, False, b"192.0.2.1:703"),
    ("2001:db8::1", 80, False, b"[2001:db8::1]"),
    ("fe80::1%eth0", 8080, False, b"[fe80::1]:8080"),
    ("bücher.example", 80, False, b"xn--bcher-kva.example"),
    ("b\udc80" + "x" * 70, 80, False, b"b" + b"x" * 70),
]


@pytest.mark.parametrize(("host", "port", "tls", "field"), REQUESTS)
def test_a_request_names_its_host(host: str, port: int, tls: bool, field: bytes) -> None:
    made = request("/a", host, port, tls=tls)
    assert made.startswith(b"GET /a HTTP/1.1\r\nHost: " + field + b"\r\n")
    assert made.endswith(b"\r\nConnection: close\r\n\r\n")
    assert b"Connection" not in request("/a", host, port, keep=True)


def test_our_own_request_is_recognised() -> None:
    found = http.recognise_client(request("/v2/keys?a", "db.example", 2379))
    assert found is not None
    told = (("request", "GET /v2/keys?a"), ("host", "db.example:2379"), ("user agent", "portlore"))
    assert found.facts == told


LENGTHS = [  # head, body, whether the response is whole
    (b"Content-Length: 3", b"abc", True),
    (b"Content-Length: 3", b"ab", False),
    (b"Content-Length: 3", b"abcd", True),
    (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", True),
    (b"Transfer-Encoding: chunked", b"3\r\nab", False),
    (b"Transfer-Encoding: chunked", b"zz\r\nab", False),
    (b"Server: x", b"abc", False),
]


@pytest.mark.parametrize(("head", "body", "whole"), LENGTHS)
def test_a_response_knows_whether_more_belongs_to_it(head: bytes, body: bytes, whole: bool) -> None:
    response = read_response(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
    assert response is not None
    assert response.whole is whole
    if whole:
        assert response.body == b"abc"


TITLES = [  # parameters of the content type, bytes of the title, title
    (b"", b"Fish &amp; chips", "Fish & chips"),
    (b"", "Überblick".encode(), "Überblick"),
    (b"; charset=iso-8859-1", "Überblick".encode("latin-1"), "Überblick"),
    (b"; charset=utf-7", b"a\xff", "a\N{REPLACEMENT CHARACTER}"),
    (b"", b"one\r\n\ttwo", "one two"),
    (b"", b"x" * 5000, "x" * 200),
]


@pytest.mark.parametrize(("charset", "told", "title"), TITLES)
def test_a_title_is_text(charset: bytes, told: bytes, title: str) -> None:
    response = read_response(ANSWER % (charset, told))
    assert response is not None
    assert find_title(response) == title


def test_a_title_far_down_or_without_an_end_is_none() -> None:
    for body in (b"x" * 20_000 + b"<title>late</title>", b"<title>endless", b"<title", b"</title><title"):
        response = read_response(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        assert response is not None
        assert find_title(response) == ""


SERVERS = [  # a Server field (RFC 9110 section 10.2.4), product, version
    ("nginx/1.22.1", "nginx", "1.22.1"),
    ("Apache/2.4.57 (Debian) OpenSSL/3.0.9", "Apache", "2.4.57"),
    ("Jetty(9.4.z-SNAPSHOT)", "Jetty", ""),
    ("Docker/20.10.24 (linux)", "Docker", "20.10.24"),
    ("cloudflare", "cloudflare", ""),
    ("", "", ""),
    ("///", "", ""),
]


@pytest.mark.parametrize(("field", "name", "version"), SERVERS)
def test_product_and_version_come_from_the_server_field(field: str, name: str, version: str) -> None:
    assert product(field) == (name, version)


def test_a_server_that_expects_tls_says_so() -> None:
    go = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"  # Go 1.19 net/http
    found = http.recognise_server(go)
    assert found is not None
    assert ("expects", "TLS") in found.facts


def test_interim_responses_are_passed_over_however_many_there_are() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"  # RFC 8297 section 2
    final = b"HTTP/1.1 200 OK\r\nServer: real/1.0\r\nContent-Length: 0\r\n\r\n"
    for before in (early, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 \r\n\r\n" + early):
        found = hold(http.PROBES[0], [before, final])
        assert found is not None
        assert (found.product, found.version) == ("real", "1.0")
        assert ("status", "200 OK") in found.facts
    switched = http.read_response(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + final)
    assert switched is not None
    assert (switched.status, switched.whole) == (101, True)
    endless = hold(http.PROBES[0], [early * 300] * 3)
    assert endless is not None
    assert endless.facts[0][1].startswith("103")


ALPHABET = [b"HTTP/1.1 200 OK\r\n", b"\r\n", b"Content-Length: 9", b"Transfer-Encoding: chunked\r\n\r\n", b"ffffff\r\n",
            b"<title>", b"</title>", b"WWW-Authenticate: Basic realm=", b'"', b"&#x110000;", b": "]  # fmt: skip


@given(st.lists(st.sampled_from(ALPHABET) | st.binary(max_size=200), max_size=15))
def test_noise_is_none_or_bounded(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    for recognise in (http.recognise_server, http.recognise_client, http2.read_settings, http2.recognise_client):
        recognise(data)
    hold(http2.PROBES[0], pieces)
    found = hold(http.PROBES[0], pieces)
    if found is not None:
        assert all(len(value) <= 1000 for _, value in found.facts)


@given(st.integers(0, len(VECTORS) - 1), st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_mangled_answers_never_raise(which: int, at: int, bytes_: bytes) -> None:
    name, one = VECTORS[which]
    data = bytearray(b"".join(one.said_by("server")))
    data[at : at + len(bytes_)] = bytes_
    hold(MODULES[name].PROBES[0], [bytes(data)])
