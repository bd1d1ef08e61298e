"""The API: the command's answers over HTTP, held against its own description and against those who ask badly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from site_server import PATIENCE, Reply, Server, serving

AS_JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(command, tmp_path_factory.mktemp("data"), "--listeners") as one:
        yield one


@pytest.fixture(scope="module")
def described(server: Server) -> Any:
    return server.ask("/api/v1/openapi.json").json


def post(server: Server, queries: object) -> Reply:
    return server.ask("/api/v1/lookup", "POST", json.dumps({"queries": queries}).encode(), **AS_JSON)


def told_by(command: list[str], folder: Path, *words: str) -> Any:
    """What the command prints with ``--json``, away from any ``portlore.toml``."""
    done = subprocess.run([*command, *words, "--json"], capture_output=True, check=False, cwd=folder, timeout=PATIENCE)
    return json.loads(done.stdout)


# Against its description ----------------------------------------------------------------------------------------------

SCHEMATHESIS = """
[checks]
# That a text has the form of a question is said in words: no schema says which letters look like digits.
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 403, 404, 405, 413, 414, 422]
"""


def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    """Every check of the tool but the one above: wrong values, missing ones, other methods, types, statuses, shapes."""
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS, "utf-8")
    address = f"http://127.0.0.1:{server.port}/api/v1/openapi.json"
    words = ["--config-file", "schemathesis.toml", "run", address, "--max-examples", "20", "--seed", "703"]
    words += ["--no-color", "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"]
    found = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), *words],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=4 * PATIENCE,
        env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr
    assert re.search(r"[1-9]\d* generated", found.stdout)
    assert not any("fault=" in line for line in server.lines)


def operations(described: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def validator(described: Any, schema: Any) -> Any:
    """Of JSON Schema 2020-12, the dialect of OpenAPI 3.1."""
    tool = pytest.importorskip("jsonschema_rs")
    return tool.validator_for({**schema, "components": described["components"]})


def test_every_operation_has_an_example_of_its_question_and_its_answer(server: Server, described: Any) -> None:
    assert described["openapi"].startswith("3.1")
    asked = 0
    for path, method, operation in operations(described):
        answer = operation["responses"]["200"]["content"]["application/json"]
        validator(described, answer["schema"]).validate(answer["example"])
        assert operation["summary"]
        assert operation["description"]
        assert operation["x-example"].startswith("curl ")
        if path.endswith("/listeners"):
            continue  # differs from machine to machine
        values = {one["name"]: _example(one["schema"]) for one in operation.get("parameters", ())}
        given = {name: value for name, value in values.items() if value is not None}
        if method == "post":
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            shape = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            reply = post(server, shape["properties"]["queries"]["examples"][0])
        else:
            assert given, "no example of a question"
            reply = server.ask(_filled(path, given))
        shown = {**reply.json}
        if path.endswith("/search"):  # its example has two hits
            shown["hits"], shown["next"] = shown["hits"][:2], 2
        if "ports/" in path:  # its question is another spelling of the one in the example
            assert shown["ports"][0] | {"query": ""} == answer["example"]["ports"][0] | {"query": ""}
        else:
            assert shown == answer["example"]
        asked += 1
    assert asked == 5


def _example(schema: Any) -> Any:
    return schema["examples"][0] if "examples" in schema else None


def _filled(path: str, values: dict[str, Any]) -> str:
    query = []
    for name, value in values.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", str(value))
        else:
            query += [f"{name}={one}" for one in (value if isinstance(value, list) else [value])]
    return path + ("?" + "&".join(query) if query else "")


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/api/v1/ports/703", "Lookup"),
        ("/api/v1/ports/9?transport=sctp", "Lookup"),
        ("/api/v1/lookup?q=600-1023&q=ssh&q=www&q=sctp-tunneling/udp&q=nobody-has-this", "Lookup"),
        ("/api/v1/lookup?q=_http", "Lookup"),
        ("/api/v1/search?q=remote+desktop", "Search"),
        ("/api/v1/search?q=", "Search"),
        ("/api/v1/history?q=0-65535&limit=1000", "History"),
        ("/api/v1/listeners", "Listeners"),
        ("/api/v1/ports/70000", "Problem"),
        ("/api/v1/ports/7?transport=icmp", "Problem"),
        ("/api/v1/lookup", "Problem"),
        ("/api/v1/lookup?q=8O", "Problem"),
        ("/api/v1/history?q=9-3", "Problem"),
        ("/api/v1/nothing", "Problem"),
        ("/api/v1/" + "x" * 600, "Problem"),
    ],
)
def test_answers_have_the_shape_that_is_described(server: Server, described: Any, path: str, schema: str) -> None:
    reply = server.ask(path)
    validator(described, {"$ref": f"#/components/schemas/{schema}"}).validate(reply.json)
    kind = "application/problem+json" if schema == "Problem" else "application/json"
    assert reply.headers["content-type"] == kind
    if schema == "Problem":
        assert reply.json["status"] == reply.status


class Page(HTMLParser):
    """What a page loads and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads += [values[name] or "" for name in ("src", "href", "action") if name in values]
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "script" and "src" not in values:
            self.inline.append(tag)


def test_the_documentation_is_served_here_and_tells_of_every_operation(server: Server, described: Any) -> None:
    reply = server.ask("/api/v1/docs")
    page = Page(reply.text)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert page.inline == []
    assert not [one for one in page.loads if "//" in one]
    for path, method, _ in operations(described):
        assert f"{method.upper()} {path}" in reply.text
    for name in described["components"]["schemas"]:
        assert f'id="{name}"' in reply.text


# Against the command --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [["703"], ["53/udp", "ssh", "600-640"], ["x11", "nobody-has-this", "_http"]])
def test_look_ups_are_those_of_the_command(
    server: Server, command: list[str], tmp_path: Path, queries: list[str]
) -> None:
    """But for what the lists of the machine say that the command runs on."""
    expected = told_by(command, tmp_path, "lookup", *queries)
    for facts in expected["ports"]:
        facts["local"] = []
    assert server.ask("/api/v1/lookup?" + "&".join(f"q={one}" for one in queries)).json == expected
    assert post(server, queries).json == expected
    if queries == ["703"]:
        assert server.ask("/api/v1/ports/703").json == expected


@pytest.mark.parametrize("words", ["printer", "remote desktop", "postgersql", "703", "zzzzzzzz"])
def test_a_search_is_that_of_the_command(server: Server, command: list[str], tmp_path: Path, words: str) -> None:
    expected = told_by(command, tmp_path, "search", *words.split())
    found = server.ask(f"/api/v1/search?q={words.replace(' ', '+')}").json
    assert [{key: value for key, value in hit.items() if key != "path"} for hit in found["hits"]] == expected["hits"]
    assert found["query"] == words
    for hit in found["hits"]:
        assert server.ask(f"/en/{hit['path']}").status == 200


@pytest.mark.parametrize("query", ["465", "mbap", "600-700", "9/udp", "nobody-has-this"])
def test_a_history_is_that_of_the_command(server: Server, command: list[str], tmp_path: Path, query: str) -> None:
    found = server.ask(f"/api/v1/history?q={query}&limit=1000").json
    assert found.pop("next") is None
    assert found == told_by(command, tmp_path, "history", query)


def test_listeners_are_those_of_the_command(server: Server, command: list[str], tmp_path: Path) -> None:
    """Others come and go on this machine: the server's own socket is there for both."""
    expected = told_by(command, tmp_path, "listening")
    found = server.ask("/api/v1/listeners").json
    told = [(one.pop("listeners"), one) for one in (expected, found)]
    mine = [[row for row in rows if row["port"] == server.port] for rows, _ in told]
    assert mine[0] == mine[1]
    assert len(mine[0]) == 1
    assert told[0][1] == told[1][1]


# Much at once, and page by page ---------------------------------------------------------------------------------------


def test_ten_thousand_questions_are_answered_and_one_more_is_refused(server: Server) -> None:
    queries = [str(number) for number in range(9996)] + ["ssh", "domain", "nobody-has-this", "703/tcp"]
    reply = post(server, queries)
    assert reply.status == 200
    told = reply.json
    assert told["queries"] == queries
    numbered = [facts for facts in told["ports"] if facts["query"].isdigit()]
    assert {int(facts["query"]) for facts in numbered} == set(range(9996))
    assert all(facts["port"] == int(facts["query"]) for facts in numbered)
    assert told["ports"][-1]["query"] == "703/tcp"
    refused = post(server, [*queries, "7"])
    assert refused.status == 422
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("queries", [["0-65535"], ["0-9999", "10000-20000"], ["x11"] * 400])
def test_an_answer_about_too_many_ports_is_refused_before_it_is_made(server: Server, queries: list[str]) -> None:
    reply = post(server, queries)
    assert reply.status == 400
    assert "20,000" in reply.json["found"]


@pytest.mark.parametrize(
    ("path", "rows", "most", "step"),
    [("/api/v1/search?q=a", "hits", 100, 37), ("/api/v1/history?q=0-65535", "changes", 1000, 190)],
)
def test_pages_joined_are_the_whole(server: Server, path: str, rows: str, most: int, step: int) -> None:
    """In steps of a size that does not divide the whole."""
    whole = server.ask(f"{path}&limit={most}").json
    joined: list[Any] = []
    after: int | None = 0
    while after is not None and len(joined) < most:
        page = server.ask(f"{path}&limit={step}&offset={after}").json
        assert len(page[rows]) == step or page["next"] is None
        joined += page[rows]
        after = page["next"]
    assert joined[:most] == whole[rows]
    last = server.ask(f"{path}&offset=100000").json
    assert (last[rows], last["next"]) == ([], None)


# What HTTP asks for ---------------------------------------------------------------------------------------------------

KNOWN = ['{}', 'W/{}', '"a", {}', '{}, "b"', '"a" , W/{} ,"b"', "*"]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/v1/ports/703", "/api/v1/search?q=ssh", "/en/ports/703", "/static/style.css"])
def test_what_the_reader_has_is_not_sent_again(server: Server, path: str) -> None:
    first = server.ask(path)
    etag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]+"', etag)
    assert server.ask(path).headers["etag"] == etag
    for form in KNOWN:
        again = server.ask(path, If_None_Match=form.format(etag))
        assert (form, again.status, again.body, again.headers["etag"]) == (form, 304, b"", etag)
        assert server.ask(path, "HEAD", If_None_Match=form.format(etag)).status == 304
    for form in ('"a"', '"a", "b"', etag.strip('"'), "", 'W/"a"'):
        assert server.ask(path, If_None_Match=form).body == first.body
    assert server.ask("/api/v1/ports/704").headers["etag"] != etag


def test_other_sites_may_read_what_anybody_may_and_nothing_else(server: Server) -> None:
    other = {"Origin": "https://other.example"}
    for path in ("/api/v1/ports/703", "/api/v1/lookup?q=8O", "/api/v1/openapi.json", "/api/v1/nothing"):
        headers = server.ask(path, **other).headers
        assert (path, headers.get("access-control-allow-origin")) == (path, "*")
        assert "access-control-allow-credentials" not in headers
    for reply in [
        server.ask("/api/v1/listeners", **other),
        server.ask("/api/v1/lookup", "POST", b'{"queries": ["7"]}', **AS_JSON, **other),
        server.ask("/api/v1/lookup", "OPTIONS", Access_Control_Request_Method="POST", **other),
        server.ask("/en/ports/703", **other),
        server.ask("/metrics", **other),
        server.vote("en", "ports/703", "happy", **other),
    ]:
        assert "access-control-allow-origin" not in reply.headers


def test_head_is_get_without_a_body_and_other_methods_are_told_what_there_is(server: Server) -> None:
    for path in ("/api/v1/ports/703", "/api/v1/nothing", "/en/ports/703", "/en/ports/70000", "/static/style.css"):
        get, head = server.ask(path), server.ask(path, "HEAD")
        assert (path, head.status, head.body) == (path, get.status, b"")
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    for path, methods in (("ports/703", "GET, HEAD"), ("lookup", "GET, HEAD, POST"), ("search?q=a", "GET, HEAD")):
        for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
            reply = server.ask(f"/api/v1/{path}", method)
            assert (reply.status, reply.headers["allow"]) == (405, methods)
            assert reply.headers["content-type"] == "application/problem+json"


DEEP = b'{"queries": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 422),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"queries": "703"}', "application/json", 422),
        (b'{"queries": [703]}', "application/json", 422),
        (b'{"queries": [null]}', "application/json", 422),
        (b'{"queries": [""]}', "application/json", 422),
        (b'{"queries": ["703"], "more": 1}', "application/json", 422),
        (b'{"queries": ["\\ud800"]}', "application/json", 422),
        (b'{"queries": ["a\\u0000b"]}', "application/json", 400),
        (b'{"queries": ["\\u001b[31m"]}', "application/json", 400),
        (b'{"queries": ["703"', "application/json", 422),
        (b'{"queries": ["703"]} x', "application/json", 422),
        (b"\xff\xfe\x00", "application/json", 400),
        (DEEP, "application/json", 400),
        (b'{"a": ' * 50_000, "application/json", 400),
        (b'{"queries": [' + b"9" * 5000 + b"]}", "application/json", 400),
        (b'{"queries": ["703"]}', "text/plain", 422),
        (b'{"queries": ["703"]}', "application/xml", 422),
        (b'{"queries": ["703"]}', "", 422),
        (b"queries=703", "application/x-www-form-urlencoded", 422),
        (b'{"queries": ["703"]}', "application/json; charset=utf-8", 200),
        (b'{"queries": ["703"]}', "application/problem+json", 200),
        (b'{"queries": []}', "application/json", 200),
    ],
)  # fmt: skip
def test_a_body_that_is_no_batch_is_a_problem_and_never_a_fault(
    server: Server, body: bytes, kind: str, status: int
) -> None:
    reply = server.ask("/api/v1/lookup", "POST", body, Content_Type=kind)
    assert reply.status == status, reply.text
    assert reply.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")
    assert not any("fault=" in line for line in server.lines)
