"""The tools, held against what the original ones printed; then the client behind them, against bad servers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import HOST, VECTORS, binding, listening, serving, start_domain

from portlore.errors import NetInfoError, ProtocolError
from portlore.netinfo import calling, client
from portlore.netinfo.calling import FAILED
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import NODIR, NOUSER, PERM, STALE, parse_path
from portlore.netinfo.tools import TOOLS
from portlore.netinfo.tools.nigrep import parse_expression
from portlore.netinfo.values import NiId, Property, Record
from portlore.oncrpc import message

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
MACHINE = {"id": 2, "values": {"ip_address": ["10.77.0.1"], "en_address": []}}
JSON = [  # argv without options and domain, the answer
    (("niutil", "-read", "/misc/5"), None),
    (("niutil", "-read", "/machines/alpha"), {"id": 2, "instance": 0, "props": ALPHA}),
    (("niutil", "-list", "/misc"), [{"id": 102, "values": []}, {"id": 103, "values": []}, *NAMED]),
    (("niutil", "-readprop", "/misc", "multi"), ["one", "two", "three", "two"]),
    (("niutil", "-readval", "/misc", "utf8", "0"), "Zürich λ"),
    (("niutil", "-rparent"), None),
    (("niutil", "-domainname"), "/"),
    (("nireport", "/machines", "ip_address", "en_address"), [MACHINE]),
    (("nicl", "list", "/misc"), NAMED),
    (("nicl", "search", "/", "0", "9", "key", "value"), [{"id": 102, "path": "/misc/key=value"}]),
]


@pytest.mark.parametrize(("words", "answer"), JSON, ids=[" ".join(words) for words, _ in JSON])
def test_json_is_the_same_answer_for_scripts(port: int, words: tuple[str, ...], answer: Any) -> None:
    name, *rest = words
    verb = [rest.pop(0)] if name == "niutil" else []
    _, out, _ = use(name, *verb, "--json", "-t", f"{HOST}:{port}/conv", *rest)
    found: Any = json.loads(out) if out else None
    if name == "nireport":
        found = found[:1]
    assert found == answer


def test_json_of_the_other_tools(port: int) -> None:
    where = ("--json", "-t", f"{HOST}:{port}/conv")

    def asked(*words: str) -> Any:
        code, out, err = use(*words)
        assert (code, err) == (0, b"")
        return json.loads(out)

    assert asked("nidump", "group", *where)[0][0] == ["gid", ["0"]]
    assert asked("nidump", "-r", "/misc", *where)["children"][0]["props"] == [["key", ["value"]]]
    assert asked("nidump", "-r", "/nosuch", *where) is None
    assert asked("nigrep", "^Z.*rich", *where) == [{"id": 100, "path": "/misc", "key": "utf8", "values": ["Zürich λ"]}]
    assert asked("nifind", "--json", "-t", "/misc", f"{HOST}:{port}/conv") == [{"domain": "/", "id": 100}]
    assert asked("nidomain", "-l", "--json", HOST) == [{"tag": "conv", "udp": port, "tcp": port}]


NICL = [
    (("-read", "/machines/alpha"), 0, "name: alpha\nip_address: 10.77.0.1\nserves: ./conv\n"),
    (("-read", "/acl/u2"), 0, "name: u2\n_writers: user02\n"),
    (("-read", "/misc", "_writers", "after_meta"), 0, "after_meta: x\n_writers: user02\n"),
    (("-list", "/protocols"), 0, "69         tcp TCP\n70         udp UDP\n71         icmp ICMP\n"),
    (("-list", "/misc", "a"), 0, "105        1 2 3\n"),
    (("-read", "/nosuch"), 205, ""),
    (("-search", "/acl", "2", "2", "name", "alias2", "kid2"), 0, None),
    (("-search", "/misc", "0", "0", "name", "misc"), 0, "Search found 1 match\n100        /misc\n"),
    (("-search", "/misc", "1", "1", "name", "misc"), 0, "Search found 0 matches\n"),
    (("-nosuch", "/"), 1, ""),
    (("-search", "/", "x", "1", "name", "misc"), 1, ""),
]


@pytest.mark.parametrize(("words", "code", "text"), NICL, ids=[" ".join(words) for words, _, _ in NICL])
def test_nicl_puts_access_rules_last_and_exits_from_200(
    port: int, words: tuple[str, ...], code: int, text: str | None
) -> None:
    found, out, _ = use("nicl", "-t", f"{HOST}/conv", *words)
    assert found == code
    assert (
        out.decode() == text
        if text is not None
        else out.startswith(b"Search found 15 matches\n123        /acl/open/kid2\n")
    )


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
        ("-delete", "/fresh/one", "k", "b"),
    ):
        assert use(*root, *words) == (0, b"", b""), words
    assert use(*root, "read", "/fresh/one")[1] == b"name: one\nk: a a c\n"
    assert use(*root, "-delete", "/fresh")[0] == 0
    assert use(*root, "-read", "/fresh") == (205, b"", b"nicl: /fresh: No such directory\n")
    assert use("nicl", "-t", f"{HOST}/conv", "-create", "/fresh")[0] == 204
    assert b"not there yet" in use("nicl", "-raw", "/var/db/x.nidb", "-read", "/")[2]


REFUSED = [  # argv, exit, the end of stderr
    (("niutil", "-list", "-t", "/conv", "/"), 218, "(No host)"),
    (("niutil", "-list", "-t", "127.0.0.1/", "/"), 219, "(No tag)"),
    (("niutil", "-list", "-t", "127.0.0.1:x/conv", "/"), 217, "(Bad format)"),
    (("niutil", "-list", "-t", "no..host/conv", "/"), 221, "(Host not found)"),
    (("niutil", "-list", ".", "/"), 200, "niutil: can't connect to server for domain ."),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "/users/user02/"), 105, "No such directory"),
    (("niutil", "-read", "-t", "127.0.0.1/conv", "users"), 105, "No such directory"),
    (("niutil", "-list", "-t", "127.0.0.1/conv", "/no"), 105, "niutil can't open directory /no: No such directory"),
    (("niutil", "-insertval", "-P", "rootpw", "-t", "127.0.0.1/conv", "/misc", "no", "x", "0"), 106, "such property"),
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
    (("nidump", "passwd", "-t", "127.0.0.1/nosuch"), 1, "Communication failure"),
    (("niload", "nosuch", "-t", "127.0.0.1/conv"), 1, "usage:"),
    (("niload", "passwd"), 1, "usage:"),
    (("niload", "-r", "/x", "-t", "127.0.0.1/conv"), 1, "there is nothing in it"),
    (("nigrep", "[", "-t", "127.0.0.1/conv"), 1, "[ is no regular expression"),
    (("nigrep", "x", "-t", "127.0.0.1/conv", "/nosuch"), 105, "can't open directory /nosuch: No such directory"),
    (("nigrep", "x"), 1, "usage:"),
    (("nireport", "-t", "127.0.0.1/conv", "/nosuch", "name"), 105, "No such directory"),
    (("nireport", "-t", "127.0.0.1/conv", "/users"), 1, "usage:"),
    (("nifind",), 1, "usage:"),
    (("nidomain", "-g", "nosuch", "127.0.0.1"), 1, "nidomain: operation failed - No such tag"),
    (("nidomain", "-m", "new", "127.0.0.1"), 1, "nidomain: operation failed - Permission denied"),
    (("nidomain", "-l", "no..host"), 1, "host not found: no..host"),
    (("nidomain", "-c", "clone", "127.0.0.1/conv", "127.0.0.1"), 1, "operation failed - Permission denied"),
    (("nidomain", "-c", "clone", "master", "127.0.0.1"), 1, "usage:"),
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
    assert use("niload", "-r", *root, "/misc/x/y", "-t", f"{HOST}/conv", stdin=b'"name" = "z";')[0] == 0
    assert use("nidump", "-r", "/misc/x", "-t", f"{HOST}/conv")[1].count(b"CHILDREN") == 1


def test_extended_regular_expressions_are_posix() -> None:
    assert parse_expression(rb"^[[:digit:]]+$").search(b"42")
    assert not parse_expression(rb"^[[:digit:]]+$").search(b"4x")
    assert parse_expression(rb"[]x]").search(b"]")
    assert parse_expression(rb"[\]").search(b"\\")
    assert not parse_expression(rb"[^[:space:]a]").search(b" a")
    assert parse_expression(rb"\[x").search(b"[x")


def test_domains_are_found_by_their_place_in_the_hierarchy(monkeypatch: pytest.MonkeyPatch) -> None:
    here = (
        Property(b"name", (b"here",)),
        Property(b"ip_address", (HOST.encode(),)),
        Property(b"serves", (b"./network", b"sales/local")),
    )
    above = Domain.of(
        [
            Record(0, 1, 0, (Property(b"master", (b"here/network",)),), (1,)),
            Record(1, 1, 0, (Property(b"name", (b"machines",)),), (2,)),
            Record(2, 0, 1, here, ()),
        ]
    )
    below = Domain.of([Record(0, 1, 0, (), (1,)), Record(1, 0, 0, (Property(b"name", (b"machines",)),), ())])
    with (
        serving(b"local", below, b"network") as local,
        serving(b"network", above) as network,
        binding((b"local", local), (b"network", network)) as binder,
    ):
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        for where, tag in [
            (".", b"local"),
            ("..", b"network"),
            ("/", b"network"),
            ("/sales", b"local"),
            (f"x/network@{HOST}", b"network"),
            ("./..", b"network"),
        ]:
            with client.open(where) as domain:
                assert domain.tag == tag
        with client.open(".") as domain:
            assert client.name_of(domain) == b"/sales"
        with pytest.raises(NetInfoError) as refusal:
            client.open("/nosuch")
        assert refusal.value.status == NODIR
        assert use("niutil", "-domainname", ".") == (0, b"/sales\n", b"")
        assert use("niutil", "-rparent", "-n", ".") == (0, b"127.0.0.1/network\n", b"")
        assert use("niutil", "-list", "/nosuch", "/") == (
            200,
            b"",
            b"niutil: can't connect to server for domain /nosuch\n",
        )
        assert use("nifind", "/machines") == (
            0,
            b"/machines found in /sales, id = 1\n/machines found in /, id = 1\n",
            b"",
        )
        assert use("nifind", "-nv", "/nosuch")[1] == b"/nosuch not found in /\n"
        assert use("nifind", "-ap", "/machines/here") == (
            0,
            b"/machines/here found in /, id = 2\nname: here\nip_address: 127.0.0.1\nserves: ./network sales/local\n",
            b"",
        )


def test_the_library_opens_reads_writes_and_iterates(port: int) -> None:
    with client.open(f"{HOST}:{port}/conv", user="root", password="rootpw") as domain:
        assert [entry.id.object for entry in domain][:2] == [1, 3]
        misc = domain.search(b"/misc")
        assert domain.read_values(misc, 3) == (b"one", b"two", b"three", b"two")
        assert domain.read_value(misc, 3, 1) == b"two"
        assert domain.list_properties(misc)[:2] == (b"name", b"empty")
        assert len(domain.list_all(misc)) == 5
        assert domain.lookup_read(misc, b"key", b"value") == (Property(b"key", (b"value",)),)
        assert domain.statistics()[0].name == b"checksum"
        new, above = domain.create(misc, (Property(b"name", (b"t",)),))
        assert above.instance == misc.instance + 1
        new = domain.create_property(new, Property(b"k", (b"a", b"c")))
        new = domain.create_value(new, 1, b"b", 1)
        new = domain.write_value(new, 1, 0, b"A")
        new = domain.destroy_value(new, 1, 2)
        assert domain.read(new).properties == (Property(b"name", (b"t",)), Property(b"k", (b"A", b"b")))
        new = domain.change(new, lambda found: found[:1])
        assert domain.destroy(domain.itself(misc), new).object == misc.object
        domain.resync()


def test_a_transaction_is_tried_again_when_others_write_in_between(port: int) -> None:
    with client.open(f"{HOST}/conv", user="root", password="rootpw") as domain, client.open(f"{HOST}/conv") as other:
        other.set_user(b"root", b"rootpw")
        one = domain.search(b"/misc/good")
        left = [1, 2, 3]

        def edit(found: Any) -> Any:
            if left:
                other.create_property(other.itself(one), Property(b"p%d" % left.pop(), ()))
            return (*found, Property(b"mine", ()))

        domain.change(one, edit)
        assert [found.name for found in domain.read(one).properties] == [b"name", b"p3", b"p2", b"p1", b"mine"]
        left = list(range(99))
        with pytest.raises(NetInfoError) as refusal:
            domain.change(one, edit)
        assert refusal.value.status == STALE


def test_credentials(port: int) -> None:
    with pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}/conv", user="nosuchuser")
    assert refusal.value.status == NOUSER
    with client.open(f"{HOST}/conv", user="user02", password="pw2") as domain:
        u2 = domain.create_property(domain.search(b"/acl/u2"), Property(b"k", ()))
        domain.set_password(None)
        with pytest.raises(NetInfoError) as refusal:
            domain.create_property(u2, Property(b"k", ()))
        assert refusal.value.status == PERM


def test_a_password_is_asked_for_at_the_terminal(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "rootpw")
    assert use("niutil", "-create", "-p", "-t", f"{HOST}/conv", "/asked")[0] == 0
    assert use("niutil", "-create", "-u", "user01", "-t", f"{HOST}/conv", "/asked2")[0] == 120

    def none(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", none)
    assert use("niutil", "-create", "-p", "-t", f"{HOST}/conv", "/x") == (
        1, b"", b"niutil: no terminal to ask for a password; -P gives it\n",
    )  # fmt: skip


def test_paths() -> None:
    assert parse_path(b"") == parse_path(b"///") == []
    assert parse_path(b"//a///uid=5/x\\/y\\=z") == [(b"name", b"a"), (b"uid", b"5"), (b"name", b"x/y=z")]
    for bad in (b"a", b"/a/", b"a/b"):
        with pytest.raises(NetInfoError):
            parse_path(bad)
    started = time.monotonic()
    parse_path(b"/" + b"a" * 100_000)
    assert time.monotonic() - started < 2


# Bad servers


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with listening(lambda caller, record: None, lambda caller, record: None) as port:
        started = time.monotonic()
        with pytest.raises(NetInfoError) as refusal:
            client.open(f"{HOST}:{port}/conv", timeout=0.3)
        assert refusal.value.status == FAILED
        code, _, err = use("niutil", "-T", "0.3", "-list", "-t", f"{HOST}:{port}/conv", "/")
        assert (code, err.endswith(b": Communication failure\n")) == (199, True)
        os.environ["PORTLORE_NIBIND_PORT"] = str(port)
        try:
            assert use("niutil", "-T", "0.3", "-list", "-t", f"{HOST}/conv", "/")[0] == 199
        finally:
            del os.environ["PORTLORE_NIBIND_PORT"]
        assert time.monotonic() - started < 5


def test_a_server_that_hangs_up_between_calls_is_called_again() -> None:
    import socket
    import threading

    calls = []
    with socket.create_server((HOST, 0)) as door:

        def serve() -> None:
            for keeps in (1, 1, 0, 0):  # how many calls each connection lives for
                line, _ = door.accept()
                with line:
                    for _ in range(keeps):
                        calls.append(line.recv(1000))
                        xid = calls[-1][4:8]
                        line.sendall(
                            (0x8000_0000 | 36).to_bytes(4, "big")
                            + message.success(int.from_bytes(xid, "big"), bytes(12))
                        )
                    if not keeps:
                        line.recv(1000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        line = calling.Connection(HOST, door.getsockname()[1], 5)
        domain = client.Handle(line)
        assert domain.root() == NiId(0, 0)
        time.sleep(0.1)
        assert domain.root() == NiId(0, 0)
        time.sleep(0.1)
        with pytest.raises(NetInfoError) as refusal:  # hangs up instead of answering: once is enough
            domain.root()
        assert refusal.value.status == FAILED
        domain.close()
        with pytest.raises(NetInfoError):
            domain.root()
        thread.join(5)
        assert len(calls) == 2


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time() -> None:
    import socket
    import threading

    stop = threading.Event()
    with socket.create_server((HOST, 0)) as door:

        def serve() -> None:
            line, _ = door.accept()
            with line:
                line.sendall(b"\x80\0\0\x24")
                while not stop.wait(0.05):
                    try:
                        line.sendall(b"\0")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        started = time.monotonic()
        with pytest.raises(NetInfoError):
            client.open(f"{HOST}:{door.getsockname()[1]}/conv", timeout=0.4)
        assert time.monotonic() - started < 2
        stop.set()
        thread.join(5)


GARBAGE = [b"", b"\0" * 4, b"\xff" * 60, b"garbage" * 9]


@pytest.mark.parametrize("reply", GARBAGE)
def test_an_answer_that_is_none_is_a_protocol_error(reply: bytes) -> None:
    with listening(lambda caller, record: reply) as port:
        with pytest.raises(ProtocolError):
            client.open(f"{HOST}:{port}/conv", timeout=2)
        code, out, err = use("niutil", "-T", "2", "-list", "-t", f"{HOST}:{port}/conv", "/")
        assert (code, out) == (199, b"")
        assert err.startswith(b"niutil: can't connect to server ")


def test_results_that_are_none_are_a_protocol_error_too() -> None:
    def short(caller: Any, record: bytes) -> bytes:
        return message.success(int.from_bytes(record[:4], "big"), bytes(8))

    with listening(short) as port, pytest.raises(ProtocolError):
        client.open(f"{HOST}:{port}/conv", timeout=2)


def test_refusals_of_rpc_are_statuses() -> None:
    def refuse(caller: Any, record: bytes) -> bytes:
        return message.denied(int.from_bytes(record[:4], "big"), message.TOO_WEAK)

    with listening(refuse) as port, pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}:{port}/conv", timeout=2)
    assert refusal.value.status == 20


def test_nobody_at_the_port_is_a_failure_at_once() -> None:
    with listening(lambda caller, record: None) as port:
        pass
    started = time.monotonic()
    with pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}:{port}/conv")
    assert refusal.value.status == FAILED
    assert time.monotonic() - started < 2
