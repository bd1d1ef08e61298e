"""The tools, held against what the original ones printed; ``test_clients.py`` has the library behind them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import HOST, VECTORS, binding, serving, start_domain

from portlore.errors import ParseError
from portlore.netinfo import calling, client
from portlore.netinfo.tools import TOOLS
from portlore.netinfo.tools.expressions import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED: list[dict[str, Any]] = [
    json.loads(line) for line in (VECTORS / "tools-a.jsonl").read_text("utf-8").splitlines()
]
KNOWN: dict[int, str] = {}  # which of the recorded invocations end differently here, and why
NOBODY = 65534  # the recordings were made as that uid


def shown(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def use(*argv: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a tool in this process: exit code, stdout, stderr."""
    out, err = io.BytesIO(), io.BytesIO()
    code = TOOLS[argv[0]](argv[1:], io.BytesIO(stdin), out, err)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def _not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "own_uid", lambda: NOBODY)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The recorded domain under the tag conv, and a binder that knows it."""
    with serving() as port, binding((b"conv", port)) as binder:
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        yield port


def test_every_recorded_invocation_prints_and_exits_as_the_original_did(port: int) -> None:
    different = {}
    for number, case in enumerate(RECORDED):
        argv = [word.replace("HOST", HOST) for word in case["argv"]]
        code, out, err = use(*argv, stdin=shown(case["stdin"] or ""))
        wanted = (
            case["exit"],
            shown(case["stdout"]).replace(b"UDP", b"%d" % port).replace(b"TCP", b"%d" % port),
            shown(case["stderr"]).replace(b"HOST", HOST.encode()),
        )
        if (code, out, err) != wanted:
            different[number] = (case["argv"], (code, out, err), wanted)
    assert {number: found for number, found in different.items() if number not in KNOWN} == {}
    assert set(KNOWN) <= set(different), "what is known to differ does not any more"


PROCESSES = [  # of the recorded: reading, refusing, loading, dumping what was loaded
    "a list", "a directory that is missing", "a domain without a tag", "a usage", "a load", "a dump of it",
]  # fmt: skip


@pytest.mark.parametrize(("number", "what"), list(zip([0, 5, 81, 82, 67, 68], PROCESSES, strict=True)), ids=PROCESSES)
def test_the_tools_run_as_processes(port: int, number: int, what: str, tmp_path: Path) -> None:
    def ran(case: dict[str, Any]) -> tuple[int, bytes, bytes]:
        words = [word.replace("HOST", HOST) for word in case["argv"]]
        command = [sys.executable, "-m", "portlore.netinfo.tools", *words]
        done = subprocess.run(command, input=shown(case["stdin"] or ""), capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    case = RECORDED[number]
    if what == "a dump of it":
        ran(RECORDED[number - 1])
    assert ran(case) == (case["exit"], shown(case["stdout"]), shown(case["stderr"]).replace(b"HOST", HOST.encode()))


def test_python_m_names_the_tools() -> None:
    done = subprocess.run([sys.executable, "-m", "portlore.netinfo.tools", "nix"], capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"niutil|nidump" in done.stderr


ALPHA = [["name", ["alpha"]], ["ip_address", ["10.77.0.1"]], ["serves", ["./conv"]]]
NAMED = [{"id": 104, "values": ["with/slash"]}, {"id": 105, "values": ["pushed"]}, {"id": 106, "values": ["good"]}]
RESOLVER = [
    ["name", ["resolver"]], ["domain", ["example.com"]], ["nameserver", ["10.77.0.1", "10.77.0.2"]],
    ["search", ["example.com", "lab.example.com"]],
]  # fmt: skip
JSON: list[tuple[tuple[str, ...], Any]] = [  # argv without options and domain, the answer
    (("niutil", "-read", "/misc/5"), None),
    (("niutil", "-read", "/machines/alpha"), {"id": 2, "instance": 0, "props": ALPHA}),
    (
        ("niutil", "-list", "/misc"),
        {"directories": [{"id": 102, "values": []}, {"id": 103, "values": []}, *NAMED]},
    ),
    (("niutil", "-readprop", "/misc", "multi"), {"values": ["one", "two", "three", "two"]}),
    (("niutil", "-readval", "/misc", "utf8", "0"), {"value": "Zürich λ"}),
    (("niutil", "-readval", "/misc", "utf8", "1"), {"value": None}),
    (("niutil", "-rparent"), {"parent": None}),
    (("niutil", "-domainname"), {"name": "/"}),
    (("niutil", "-createprop", "/acl/open", "k", "v"), {"done": True}),
    (("niutil", "-resync"), {"done": True}),
    (("nireport", "/machines/alpha", "ip_address"), {"directories": []}),
    (("nicl", "list", "/misc"), {"directories": NAMED}),
    (("nicl", "search", "/", "0", "9", "key", "value"), {"matches": [{"id": 102, "path": "/misc/dir: 102"}]}),
    (("nicl", "append", "/acl/open", "k", "w"), {"done": True}),
    (("nigrep", "^Z.*rich"), {"hits": [{"id": 100, "path": "/misc", "key": "utf8", "values": ["Zürich λ"]}]}),
    (("nifind", "/misc"), {"domains": [{"domain": "/", "id": 100}]}),
    (("nidump", "-r", "/misc/good"), {"tree": {"props": [["name", ["good"]]], "children": []}}),
    (("nidump", "-r", "/nosuch"), {"tree": None}),
    (("nidump", "resolv.conf"), {"directories": [RESOLVER]}),
    (("niload", "group"), {"loaded": 0}),
]


@pytest.mark.parametrize(("words", "answer"), JSON, ids=[" ".join(words) for words, _ in JSON])
def test_json_is_the_same_answer_for_scripts(port: int, words: tuple[str, ...], answer: Any) -> None:
    name, *rest = words
    before = [rest.pop(0)] if name in ("niutil", "nigrep", "nifind") or rest[0] == "-r" else []
    before += [rest.pop(0)] if before == ["-r"] or name in ("nidump", "niload") else []
    code, out, err = use(name, *before, "--json", "-t", f"{HOST}:{port}/conv", *rest)
    assert json.loads(out or "null") == answer
    if answer is None:
        assert (code, json.loads(err)) == (105, {"error": {
            "asked": "can't open directory /misc/5", "found": "No such directory",
            "do": "see what is there: niutil -list DOMAIN /",
        }})  # fmt: skip
    else:
        assert (code, err) == (111 if answer == {"parent": None} else 0, b"")


def test_json_of_nidomain(port: int) -> None:
    one = {"servers": [{"tag": "conv", "udp": port, "tcp": port}]}
    for words in (("-l", "--json", HOST), ("--json", "-g", "conv", HOST)):
        code, out, err = use("nidomain", *words)
        assert (code, json.loads(out), err) == (0, one, b"")


ERRORS = [  # argv, exit, what is asked and found
    (("niutil", "--json"), 1, "niutil", "words that make no sense"),
    (("niutil", "-read", "--json", "-t", HOST, "/"), 217, HOST, "Bad format"),
    (("niutil", "-read", "--json", "-t", "no..host/conv", "/"), 221, "no..host/conv", "Host not found"),
    (("niutil", "-read", "--json", "."), 1, "niutil", "insufficient number of arguments for -read"),
    (("niutil", "-list", "--json", ".", "/"), 200, "can't connect to server for domain .", "No such tag"),
    (
        ("niutil", "-create", "--json", "-t", f"{HOST}/conv", "/x"),
        104,
        "can't create directory /x",
        "Permission denied",
    ),
    (("nidump", "--json", "nosuch", "-t", f"{HOST}/conv"), 1, "nidump", "words that make no sense"),
    (("nidump", "--json", "hosts", "-t", f"{HOST}/no"), 1, f"can't connect to server {HOST}/no", "No such tag"),
    (("niload", "--json", "-r", "/x", "-t", f"{HOST}/conv"), 1, "reading a raw dump", "line 1: there is nothing in it"),
    (("nigrep", "--json", "(", "-t", f"{HOST}/conv"), 1, "nigrep", "Bad expression: ("),
    (("nigrep", "--json", "x", "-t", f"{HOST}/conv", "/no"), 105, "ni_pathsearch", "No such directory"),
    (("nireport", "--json", "-t", f"{HOST}/conv", "/users"), 1, "nireport", "no properties"),
    (("nifind", "--json", "/users"), 1, "can't connect to server for domain .", "No such tag"),
    (("nidomain", "--json", "-g", "no", HOST), 1, "nidomain", "No such tag"),
    (("nicl", "--json", "-t", f"{HOST}/conv", "-read", "/no"), 205, "/no", "No such directory"),
]


@pytest.mark.parametrize(("argv", "code", "asked", "found"), ERRORS, ids=[" ".join(argv) for argv, *_ in ERRORS])
def test_an_error_is_a_document_too(port: int, argv: tuple[str, ...], code: int, asked: str, found: str) -> None:
    done, out, err = use(*argv)
    document = json.loads(err)["error"]
    assert (done, out, document.pop("asked"), document.pop("found")) == (code, b"", asked, found)
    assert list(document) == ["do"]
    assert document["do"]


NICL = [
    (("-read", "/machines/alpha"), 0, "name: alpha\nip_address: 10.77.0.1\nserves: ./conv\n"),
    (("-read", "/acl/u2"), 0, "name: u2\n_writers: user02\n"),
    (("-read", "/misc", "_writers", "nosuch", "after_meta"), 0, "_writers: user02\nafter_meta: x\n"),
    (("-read", "machines/alpha/"), 0, "name: alpha\nip_address: 10.77.0.1\nserves: ./conv\n"),
    (("-read", "/machines/./../protocols/.."), 0, "master: alpha/conv\n"),
    (("-read", "2", "serves"), 0, "serves: ./conv\n"),
    (("-list", "/protocols"), 0, "69         tcp TCP\n70         udp UDP\n71         icmp ICMP\n"),
    (("-list", "/misc", "a"), 0, "105        1 2 3\n"),
    (("-read", "/nosuch"), 205, ""),
    (
        ("-search", "/acl", "2", "2", "name", "alias2", "name", "kid2"),
        0,
        "Search found 15 matches\n" + "\nname: kid2 alias2\n_writers: user02\n" * 15,
    ),
    (("-search", "/protocols", "0", "-1", "number", "6"), 0, "Search found 1 match\n\nname: tcp TCP\nnumber: 6\n"),
    (("-search", "/misc", "1", "1", "name", "misc"), 0, "Search found 0 matches\n"),
    (("-search", "/", "0", "1", "name", "misc", "uid"), 1, ""),
    (("-search", "/", "0", "1", "name"), 1, ""),
    (("-nosuch", "/"), 1, ""),
    (("-ro", "-create", "/x"), 1, ""),
    (("-search", "/", "x", "1", "name", "misc"), 1, ""),
]


@pytest.mark.parametrize(("words", "code", "text"), NICL, ids=[" ".join(words) for words, _, _ in NICL])
def test_nicl_puts_access_rules_last_and_exits_from_200(
    port: int, words: tuple[str, ...], code: int, text: str
) -> None:
    found, out, err = use("nicl", "-t", f"{HOST}/conv", *words)
    assert (found, out.decode()) == (code, text)
    assert bool(err) == (code != 0 or "nosuch" in words)


SAMPLES = [  # a file of sample.expected, what prints it
    ("nigrep.user0", ("nigrep", "user0", "-t", "HOST/sample", "/users")),
    ("nireport.users", ("nireport", "-t", "HOST/sample", "/users", "name", "uid", "gid", "home", "shell")),
    ("niutil.list_", ("niutil", "-list", "-t", "HOST/sample", "/")),
    ("niutil.list_machines", ("niutil", "-list", "-t", "HOST/sample", "/machines")),
    ("niutil.list_misc", ("niutil", "-list", "-t", "HOST/sample", "/misc")),
    ("niutil.list_users", ("niutil", "-list", "-t", "HOST/sample", "/users")),
    ("niutil.list_users.uid", ("niutil", "-list", "-t", "HOST/sample", "/users", "uid")),
    ("niutil.read_", ("niutil", "-read", "-t", "HOST/sample", "/")),
    ("niutil.read_machines_alpha", ("niutil", "-read", "-t", "HOST/sample", "/machines/alpha")),
    ("niutil.read_misc", ("niutil", "-read", "-t", "HOST/sample", "/misc")),
    ("niutil.read_users_user01", ("niutil", "-read", "-t", "HOST/sample", "/users/user01")),
    ("nicl.raw.v.read_misc", ("nicl", "-v", "-t", "HOST/sample", "-read", "/misc")),
    ("nidump.raw.root", ("nidump", "-r", "/", "-t", "HOST/sample")),
    ("nidump.mountmaps", ("nidump", "mountmaps", "-t", "HOST/sample")),
    ("nidump.mountmaps.auto_home", ("nidump", "mountmaps", "-t", "HOST/sample", "auto_home")),
    ("nidump.resolv.conf", ("nidump", "resolv.conf", "-t", "HOST/sample")),
]


@pytest.mark.parametrize(("file", "argv"), SAMPLES, ids=[file for file, _ in SAMPLES])
def test_another_store_prints_as_the_originals_did(
    file: str, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(b"sample", start_domain("sample.expected/records.json")) as port:
        monkeypatch.setenv("PORTLORE_NETINFO_PORT", str(port))
        code, out, err = use(*(word.replace("HOST", HOST) for word in argv))
    assert (code, err) == (0, b"")
    wanted = (VECTORS / "sample.expected" / file).read_bytes()
    if argv[0] == "nicl":  # recorded to 200 columns; an export does not tell in which order the original wrote
        wanted = wanted.replace(b"Version: 239", b"Version: 240")
        out = b"".join(line.rstrip(b"\n")[:200] + b"\n" for line in out.splitlines(keepends=True))
    assert out == wanted


def test_nicl_writes(port: int) -> None:
    root = ("nicl", "-P", "rootpw", "-t", f"{HOST}/conv")
    for words in (
        ("-create", "/fresh/one", "k", "a"),
        ("-append", "/fresh/one", "k", "a", "b"),
        ("-merge", "/fresh/one", "k", "b", "c"),
        ("-create", "/fresh/one", "gone", "x"),
        ("-delete", "/fresh/one", "gone"),
        ("-delete", "/fresh/one", "k", "b", "a", "absent"),
    ):
        assert use(*root, *words) == (0, b"", b""), words
    assert use(*root, "read", "/fresh/one")[1] == b"name: one\nk: a c\n"
    assert use(*root, "-delete", "/fresh/one", "gone", "x") == (206, b"", b"No such key: gone\n")
    assert use(*root, "-delete", "/")[0] == 208  # NOTEMPTY, and nothing is gone
    assert use(*root, "-delete", "/fresh")[0] == 0
    assert use(*root, "-read", "/fresh") == (205, b"", b"nicl: /fresh: No such directory\n")
    assert use("nicl", "-t", f"{HOST}/conv", "-create", "/fresh")[0] == 204
    assert b"No such file" in use("nicl", "-raw", "/nosuch/x.nidb", "-read", "/")[2]


def test_nicl_does_what_the_lines_of_stdin_say(port: int) -> None:
    text = b"""read /machines/alpha ip_address
read "/misc/with\\\\/slash"
nosuch

delete
read /nosuch
list '/protocols' number
quit
read /
"""
    assert use("nicl", "-t", f"{HOST}/conv", stdin=text) == (
        205,
        b"ip_address: 10.77.0.1\nname: with/slash\n69         6\n70         17\n71         1\n",
        b"nicl: no such command: nosuch\nnicl: Too few parameters for delete operation\n"
        b"nicl: /nosuch: No such directory\n",
    )
    assert use("nicl", "-t", f"{HOST}/conv", stdin=b"q\n") == (0, b"", b"")


REFUSED = [  # argv, exit, the end of stderr
    (("niutil", "-list", "-t", "/conv", "/"), 218, "(No host)"),
    (("niutil", "-list", "-t", "127.0.0.1/", "/"), 219, "(No tag)"),
    (("niutil", "-list", "-t", "127.0.0.1:x/conv", "/"), 217, "(Bad format)"),
    (("niutil", "-list", "-t", "no..host/conv", "/"), 221, "(Host not found)"),
    (("niutil", "-list", ".", "/"), 200, "niutil: can't connect to server for domain ."),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "/users/user02/"), 105, "No such directory"),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "users"), 105, "No such directory"),
    (("niutil", "-list", "-t", "127.0.0.1/conv", "/no"), 105, "niutil can't open directory /no: No such directory"),
    (("niutil",), 1, "usage:"),
    (("niutil", "-T"), 1, "niutil: insufficient number of arguments for -T\nusage:"),
    (("niutil", "-t", "-read", "127.0.0.1/conv"), 1, "niutil: insufficient number of arguments for -t\nusage:"),
    (("niutil", "-insertval", ".", "/misc", "multi", "x", "00"), 3, "must be an integer\nfound 00"),
    (("niutil", "-destroyprop", "-t", "127.0.0.1/conv", "/misc", "multi"), 104, "can't destroy multi in directory"),
    (("niutil", "-rparent", "-t", "no..host/x"), 221, "Can't find address for no..host\nniutil: incorrect format for"),
    (("niutil", "-createprop", "-t", "127.0.0.1/conv", "/misc", "k", "-2"), 104, "Permission denied"),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "4294967295"), 105, "No such directory"),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "9" * 5000), 105, "No such directory"),
    (("niutil", "-T", "0", "-read", ".", "/"), 1, "usage:"),
    (("niutil", "-read", "-create", ".", "/"), 1, "usage:"),
    (("niutil", "-read", "-u"), 1, "usage:"),
    (("niutil", "-resync", "-t", "127.0.0.1/conv", "more"), 1, "usage:"),
    (("nidump", "passwd", "-t", "127.0.0.1"), 1, "(Bad format)"),
    (("nidump", "nosuch", "-t", "127.0.0.1/conv"), 1, "usage:"),
    (("nidump", "passwd", "-t", "127.0.0.1/conv", "name"), 1, "usage:"),
    (("nidump", "passwd", "-t", "127.0.0.1/no"), 1, "to server 127.0.0.1/no: Communication failure\nusage: nidump"),
    (("niload", "passwd", "-t", "127.0.0.1/no"), 1, "to server 127.0.0.1/no: Communication failure\nusage: niload"),
    (("nigrep", "x", "-t", "127.0.0.1/no"), 1, "to server 127.0.0.1/no: Communication failure\nusage: nigrep"),
    (("nireport", "-t", "127.0.0.1/no", "/", "x"), 199, "server 127.0.0.1/no: Communication failure\n"),
    (("nidump", "-r", "-t", "127.0.0.1/conv"), 1, "usage: nidump"),
    (("nidump", "-x", "passwd", "."), 1, "usage: nidump"),
    (("niload", "passwd", ".", "more"), 1, "niload: unknown argument: more\nusage:"),
    (("niload", "-x", "passwd", "."), 1, "niload unknown option: -x\nusage:"),
    (("niload", "passwd", ".", "-u"), 1, "niload: insufficient number of arguments for -u\nusage:"),
    (("niload", "passwd"), 1, "usage:"),
    (("niload", "-r", "/x", "-t", "127.0.0.1/conv"), 1, "there is nothing in it"),
    (("nigrep", "[", "-t", "127.0.0.1/conv"), 1, "Bad expression: [\nusage:"),
    (("nigrep", "x", "-t", "127.0.0.1/conv", "/nosuch"), 105, "ni_pathsearch: No such directory"),
    (("nigrep", "x"), 1, "usage:"),
    (("nigrep", "-t", "127.0.0.1/conv"), 1, "usage:"),
    (("nireport", "-t", "127.0.0.1/conv", "/nosuch", "name"), 105, "ni_pathsearch: No such directory"),
    (("nireport", "-t", "127.0.0.1/conv", "/users"), 1, "no properties\nusage:"),
    (("nireport",), 1, "usage:"),
    (("nifind",), 1, "usage:"),
    (("nifind", "-x", "/users"), 1, "unknown option: -x\nusage:"),
    (("nifind", "-a", "/users"), 1, "error: can't open domain /"),
    (("nidomain", "-g", "nosuch", "127.0.0.1"), 1, "nidomain: operation failed - No such tag"),
    (("nidomain", "-m", "new", "127.0.0.1"), 1, "nidomain: operation failed - Permission denied"),
    (("nidomain", "-l", "no..host"), 1, "nidomain: unknown host - no..host"),
    (("nidomain", "-a", "nosuch", "alias", "127.0.0.1"), 1, "nidomain: unknown tag nosuch"),
    (("nidomain", "-a", "conv", "alias", "127.0.0.1"), 1, "operation failed - Permission denied"),
    (("nidomain", "-c", "clone", "127.0.0.1/conv", "127.0.0.1"), 1, "operation failed - Permission denied"),
    (("nidomain", "-c", "clone", "master", "127.0.0.1"), 1, "nidomain: missing '/' in master"),
    (("nidomain", "-u", "conv", "127.0.0.1"), 1, "operation failed - Permission denied"),
    (("nidomain", "-d", "conv", "127.0.0.1"), 1, "operation failed - Permission denied"),
    (("nidomain",), 1, "usage:"),
    (("nidomain", "-l", "a", "b"), 1, "usage:"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "code", "text"), REFUSED, ids=[" ".join(argv)[:80] for argv, _, _ in REFUSED])
def test_what_cannot_be_done_is_said_on_stderr(port: int, argv: tuple[str, ...], code: int, text: str) -> None:
    found, out, err = use(*argv)
    assert (found, out) == (code, b"")
    assert text in err.decode()


def test_a_format_that_niload_does_not_know_is_named_on_stdout_as_it_was(port: int) -> None:
    code, out, err = use("niload", "nosuch", "-t", f"{HOST}/conv")
    assert (code, out, err.startswith(b"usage: ")) == (1, b"niload: unknown format: nosuch\n", True)


def test_niload_writes_many_entries_and_finds_those_that_are_there(port: int) -> None:
    root = ("-P", "rootpw")
    many = b"".join(b"load%d:*:%d:20::0:0:N:/h:/s\n" % (n, 5000 + n) for n in range(300))
    assert use("niload", *root, "passwd", "-t", f"{HOST}/conv", stdin=many) == (0, b"", b"")
    assert use("niload", "-v", *root, "passwd", "-t", f"{HOST}/conv", stdin=many)[2].count(b"writing directory ") == 300
    with client.open(f"{HOST}/conv") as domain:
        users = domain.search(b"/users")
        assert len(domain.children(users)) == 57 + 300
        assert domain.itself(users).instance == 57 + 300
    twice = b"one 1/tcp\none 2/tcp\n"
    assert use("niload", "-d", *root, "services", "-t", f"{HOST}/conv", stdin=twice) == (0, b"", b"")
    assert use("nidump", "services", "-t", f"{HOST}/conv")[1] == b"one\t2/tcp\t\n"
    assert use("niload", "passwd", "-t", f"{HOST}/conv", stdin=many) == (
        1, b"", b"niload: can't update NetInfo /users/load0: Authentication error\n",
    )  # fmt: skip


def test_extended_regular_expressions_are_posix() -> None:
    assert parse_expression(rb"^[[:digit:]]+$").search(b"42")
    assert not parse_expression(rb"^[[:digit:]]+$").search(b"4x")
    assert parse_expression(rb"[]x]").search(b"]")
    assert parse_expression(rb"[\]").search(b"\\")
    assert not parse_expression(rb"[^[:space:]a]").search(b" a")
    assert parse_expression(rb"\[x").search(b"[x")


EXPRESSIONS = [  # of POSIX 9.4 and glibc: the expression, what it finds, what it does not
    (rb"a.c", b"a\nc", b"ac"),
    (rb"^b", b"b", b"a\nb"),
    (rb"b$", b"ab", b"b\n"),
    (rb"^a+?b$", b"b", b"ac"),
    (rb"^a++a$", b"aaa", b"b"),
    (rb"^(ab){2,3}$", b"ababab", b"ab"),
    (rb"^a{,2}$", b"aa", b"aaa"),
    (rb"^(a|b)\1$", b"bb", b"ab"),
    (rb"a)", b"a)", b"a"),
    (rb"^[a-c-]+$", b"a-b", b"d"),
    (rb"^[^]^]$", b"a", b"^"),
    (rb"[[.-.]]", b"-", b"."),
    (rb"\<ann\>", b"an ann", b"anna"),
    (rb"^\d$", b"d", b"1"),
    (rb"(?:x)", b"", b""),
    (rb"*a", b"", b""),
    (rb"a|*b", b"", b""),
    (rb"a{2", b"", b""),
    (rb"a{2,1}", b"", b""),
    (rb"[[:nosuch:]]", b"", b""),
    (rb"[a", b"", b""),
    (rb"(a", b"", b""),
    (b"a\\", b"", b""),
]


@pytest.mark.parametrize(("words", "yes", "no"), EXPRESSIONS)
def test_an_expression_finds_what_posix_says_or_is_none(words: bytes, yes: bytes, no: bytes) -> None:
    if not yes and not no:
        with pytest.raises(ParseError):
            parse_expression(words)
        return
    pattern = parse_expression(words)
    assert pattern.search(yes)
    assert not pattern.search(no)


def test_a_password_is_asked_for_at_the_terminal(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "rootpw")
    assert use("niutil", "-create", "-p", "-t", f"{HOST}/conv", "/asked")[0] == 0
    assert use("niutil", "-create", "-u", "user01", "-t", f"{HOST}/conv", "/asked2")[0] == 120

    def none(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", none)
    assert use("niutil", "-create", "-p", "-t", f"{HOST}/conv", "/x") == (1, b"", b"niutil: no password\n")


def test_without_a_terminal_it_is_the_first_line_of_stdin_but_not_of_what_is_loaded(port: int) -> None:
    def ran(*words: str, stdin: bytes) -> tuple[int, bytes]:
        command = [sys.executable, "-m", "portlore.netinfo.tools", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, start_new_session=True)
        return done.returncode, done.stderr

    where = ("-u", "root", "-t", f"{HOST}/conv")
    assert ran("niutil", "-create", *where, "/asked", stdin=b"rootpw\nmore\n") == (0, b"Password: ")
    assert ran("niutil", "-create", *where, "/not", stdin=b"") == (1, b"Password: niutil: no password\n")
    assert ran("nicl", *where, stdin=b"rootpw\ncreate /there\n") == (0, b"Password: ")
    code, err = ran("niload", "group", *where, stdin=b"rootpw\n")
    assert (code, err) == (1, b"niload: no terminal to ask for a password; -P gives it\n")
    assert use("niutil", "-list", "-t", f"{HOST}/conv", "/")[1].endswith(b"\t asked\n179\t there\n")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux lets a process change its command line")
def test_a_password_behind_the_option_is_overwritten_in_the_list_of_processes(port: int) -> None:
    words = ["nicl", "-u", "root", "-P", "rootpw", "-t", f"{HOST}/conv"]
    command = [sys.executable, "-m", "portlore.netinfo.tools", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"read 2 serves\n")
        shown = b"rootpw"
        for _ in range(600):
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            if b"xxxxxx" in shown:
                break
            time.sleep(0.05)
        process.stdin.close()
        assert process.stdout.read() == b"serves: ./conv\n"
        assert process.wait(60) == 0
    assert shown.split(b"\0")[-6:] == [b"root", b"-P", b"xxxxxx", b"-t", f"{HOST}/conv".encode(), b""]
