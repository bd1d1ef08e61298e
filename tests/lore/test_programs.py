"""The table of programs: sourced, consistent with registry and claims, and found by what a process shows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.building import PROGRAMS, all_programs
from portlore.errors import ParseError
from portlore.lore.program_schema import parse_programs
from portlore.lore.program_store import Programs, pack_programs
from portlore.opening import load, open_programs
from portlore.packed import unpack

needs_source = pytest.mark.skipif(not PROGRAMS.is_dir(), reason="needs the source tree")
ROW = """
[[program]]
names = ["webd"]
arguments = ["org.example.Web", "web serve"]
services = ["http"]
uses = []
what = "a web server"
[program.source]
title = "webd 1"
url = "pkg:deb/debian/webd@1#etc/webd.conf"
how = "package file"
evidence = "port 80"
retrieved = 2026-11-21
"""


@needs_source
def test_at_least_150_programs_are_known_each_with_a_source() -> None:
    rows = all_programs()
    assert len(rows) >= 150
    assert all(source.url and source.evidence and source.retrieved for _, source in rows)
    kinds = Counter(source.how for _, source in rows)
    assert kinds["package file"] >= 0.85 * len(rows)


@needs_source
def test_no_two_rows_share_a_name_or_an_argument() -> None:
    for field in ("names", "arguments"):
        words = Counter(word for program, _ in all_programs() for word in getattr(program, field))
        assert [word for word, count in words.items() if count > 1] == []


def test_every_service_is_registered_and_every_use_is_a_claims_name() -> None:
    book = load()
    claims = {claim.name for claim in book.lore}
    for program in open_programs():
        assert all(book.registry.named(service) for service in program.services), program
        assert claims.issuperset(program.uses), program


@needs_source
def test_the_packed_programs_are_those_of_the_tables() -> None:
    assert list(open_programs()) == [program for program, _ in all_programs()]


FOUND = [  # what a process shows: its own name, its executable, its command line
    ("nginx", "/usr/sbin/nginx", [], "nginx"),
    ("postgres", "/usr/lib/postgresql/15/bin/postgres", [], "postgres"),
    ("php-fpm8.2", "/usr/sbin/php-fpm8.2", [], "php-fpm"),
    ("x", "/nix/store/abc-nginx/bin/.nginx-wrapped", [], "nginx"),
    ("python3", "/usr/bin/python3.11", ["python3", "-m", "http.server", "8000"], "http.server"),
    ("gunicorn", "/usr/bin/python3.11", ["/usr/bin/python3", "/usr/bin/gunicorn", "app:app"], "gunicorn"),
    ("java", "/usr/lib/jvm/bin/java", ["java", "-Xmx1g", "org.apache.zookeeper.server.quorum.QuorumPeerMain"],
     "org.apache.zookeeper.server.quorum.QuorumPeerMain"),
    ("java", "/usr/lib/jvm/bin/java", ["java", "-jar", "/opt/jenkins/jenkins.war"], "jenkins.war"),
    ("node", "/usr/bin/node", ["node", "/app/node_modules/.bin/vite", "--port", "3000"], ".bin/vite"),
    ("beam.smp", "/usr/lib/erlang/erts-13/bin/beam.smp",
     ["/usr/lib/erlang/erts-13/bin/beam.smp", "-W", "w", "-MBas", "ageffcbf", "--", "-s", "rabbit", "boot"], "rabbit"),
    ("python3", "/usr/bin/python3", ["python3", "-u", "manage.py", "runserver", "0:8000"], "runserver"),
    ("java", "/usr/bin/java", ["java", "-Xmx1g", "-DSTOP.KEY=solrrocks", "-jar", "start.jar"], "-DSTOP.KEY=solrrocks"),
    ("nginx", "", [], "nginx"),  # a hidden executable: only its own name is left
    ("httpd", "/bin/busybox", ["httpd", "-f"], "httpd"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "command", "word"), FOUND)
def test_a_process_is_known_by_what_it_shows(name: str, path: str, command: list[str], word: str) -> None:
    found = open_programs().find(name, path, lambda: command)
    assert found is not None
    assert word in (*found.names, *found.arguments)


NOT_FOUND = [
    ("nginx", "/home/me/evil", []),  # what a process calls itself does not count where its file can be seen
    ("python3", "/usr/bin/python3.11", ["python3", "/home/me/script.py"]),
    ("python3", "/usr/bin/python3.11", ["python3", "/home/me/my-http.server-notes.py"]),
    ("java", "/usr/bin/java", ["java", "-cp", "a.jar", "com.example.Main"]),
    ("", "", []),
    ("python3", "/usr/bin/python3", ["python3", "-c", "import x", "--broker", "rabbit@mq1"]),
    ("python3", "/usr/bin/python3", ["python3", "app.py", "--folder", "/srv/jekyll"]),
    ("java", "/usr/bin/java", ["java", "-cp", "/opt/jenkins.war", "com.example.Main"]),
]


@pytest.mark.parametrize(("name", "path", "command"), NOT_FOUND)
def test_what_only_resembles_a_program_is_not_taken_for_it(name: str, path: str, command: list[str]) -> None:
    assert open_programs().find(name, path, lambda: command) is None


def test_a_command_line_is_not_read_where_the_file_tells() -> None:
    def never() -> list[str]:
        raise AssertionError("not needed")

    assert open_programs().find("x", "/usr/sbin/nginx", never) is not None
    assert open_programs().find("x", "/opt/unknown", never) is None


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=4))
def test_any_name_and_command_line_are_looked_up(name: str, command: list[str]) -> None:
    open_programs().find(name, f"/usr/bin/{name}", lambda: command)
    open_programs().find(name, "/usr/bin/python3", lambda: command)


def test_programs_survive_packing() -> None:
    rows = [program for program, _ in parse_programs(ROW, "test")]
    assert list(Programs.of(unpack(memoryview(pack_programs(rows))))) == rows
    programs = Programs.of(unpack(memoryview(pack_programs(rows))))
    assert programs.find("java", "/bin/java", lambda: ["java", "web serve"]) == rows[0]
    assert programs.find("java", "/bin/java", lambda: ["java", "web", "serve", "--fast"]) == rows[0]
    assert programs.find("java", "/bin/java", lambda: ["java", "cobweb", "serve"]) is None


WRONG = [
    ("[[program]", "not TOML"),
    ("[[other]]", "no list"),
    (ROW.replace('names = ["webd"]', 'names = ["python3"]'), "the name"),
    (ROW.replace('names = ["webd"]', 'names = ["/usr/bin/webd"]'), "the name"),
    (ROW.replace('names = ["webd"]', "names = [3]"), "names"),
    (ROW.replace('names = ["webd"]', "").replace('arguments = ["org.example.Web", "web serve"]', ""), "neither names"),
    (ROW.replace('services = ["http"]', ""), "neither services"),
    (ROW.replace('what = "a web server"', 'what = ""'), "what"),
    (ROW.replace("uses = []", "users = []"), "keys"),
    (ROW.replace('how = "package file"', 'how = "memory"'), "source"),
    (ROW.replace("pkg:deb/debian/webd@1#etc/webd.conf", "https://x"), "source"),
    (ROW.replace('evidence = "port 80"', 'evidence = ""'), "empty text"),
    (ROW.replace('evidence = "port 80"\n', ""), "source"),
    (ROW.replace("2026-11-21", '"today"'), "retrieved"),
]


@pytest.mark.parametrize(("text", "found"), WRONG)
def test_a_row_that_is_wrong_is_refused_with_its_place(text: str, found: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_programs(text, "web.toml")
    assert "web.toml" in caught.value.asked
    assert found in caught.value.found
