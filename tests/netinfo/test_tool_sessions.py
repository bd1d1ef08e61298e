"""The tools against a real server, one call after another: what no recording in the repository shows.

Each row says what SPEC.md (7 and 10) and the tools' manuals of Mac OS X demand of it; nothing here was printed by ours
first. D stands for the domain, ROOT for root's name and password, ME for those of user02.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import server, stored
from netinfo.serving import HOST, start_domain
from netinfo.test_tools import use

from portlore.netinfo import calling
from portlore.netinfo.tools import TOOLS, helps, usages

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[str, str, int, str, str]  # words, stdin, exit, stdout, stderr
SHORT = {"ROOT": ["-u", "root", "-P", "rootpw"], "ME": ["-u", "user02", "-P", "pw2"]}


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The recorded domain, served by a process; the tools are not root's."""
    monkeypatch.setattr(calling, "own_uid", lambda: 65534)
    with server(stored(tmp_path / "conv.nidb", start_domain()), "--classic") as process:
        yield process.port


def check(port: int, rows: list[Row]) -> None:
    for words, stdin, code, out, err in rows:
        argv: list[str] = []
        for word in words.split(" "):
            argv += ["-t", f"{HOST}:{port}/conv"] if word == "D" else SHORT.get(word, [word])
        found = use(*argv, stdin=stdin.encode())
        assert (found[0], found[1].decode(), found[2].decode()) == (code, out, err), words


PERM, NODIR = "Permission denied\n", "No such directory\n"
NIUTIL: list[Row] = [
    # mkdir -p; components may be key=value; an id is one only if it is there; slashes at the ends do not matter
    ("niutil -create ROOT D rel/path", "", 0, "", ""),
    ("niutil -read D /rel/path", "", 0, "name: path\n", ""),
    ("niutil -create ROOT D /kv/uid=7/x", "", 0, "", ""),
    ("niutil -list D /kv", "", 0, "181\t\n", ""),
    ("niutil -list D /kv uid", "", 0, "181\t 7\n", ""),
    ("niutil -read D 181", "", 0, "uid: 7\n", ""),
    ("niutil -read D //kv//uid=7///x", "", 0, "name: x\n", ""),
    ("niutil -create D /kv/uid=7/", "", 0, "", ""),
    ("niutil -create D /rel//path", "", 0, "", ""),
    ("niutil -create ROOT D /a\\/b/c\\=d", "", 0, "", ""),
    ("niutil -read D /a\\/b/c\\=d", "", 0, "name: c=d\n", ""),
    ("niutil -create D 180", "", 0, "", ""),
    # SPEC 10.11
    ("niutil -read D /users/user02/", "", 105, "", f"niutil: can't open directory /users/user02/: {NODIR}"),
    ("niutil -read D users/user02", "", 105, "", f"niutil: can't open directory users/user02: {NODIR}"),
    # a property that is made has the values as they are given; -mergeprop skips those that are there
    ("niutil -mergeprop ROOT D /rel k a a", "", 0, "", ""),
    ("niutil -mergeprop ROOT D /rel k a b b", "", 0, "", ""),
    ("niutil -appendprop ROOT D /rel new x x", "", 0, "", ""),
    ("niutil -insertval ROOT D /rel made y 5", "", 0, "", ""),
    ("niutil -insertval ROOT D /rel k first 0", "", 0, "", ""),
    ("niutil -insertval ROOT D /rel k second 1x", "", 0, "", ""),
    ("niutil -insertval ROOT D /rel k last -1", "", 0, "", ""),
    ("niutil -read D /rel", "", 0, "name: rel\nk: first second a a b last\nnew: x x\nmade: y\n", ""),
    ("niutil -readval D /rel k 1", "", 0, "second\n", ""),
    ("niutil -readval D /rel k word", "", 0, "first\n", ""),
    ("niutil -readval D /rel k 05", "", 0, "last\n", ""),
    (
        "niutil -readval D /rel k -1", "", 0, "",
        "niutil: property k in directory /rel has no value at index -1\n",
    ),
    # all occurrences go; what is absent is well
    ("niutil -destroyval ROOT D /rel k a first absent", "", 0, "", ""),
    ("niutil -destroyval ROOT D /rel absent a", "", 0, "", ""),
    ("niutil -destroyprop ROOT D /rel new absent made", "", 0, "", ""),
    ("niutil -createprop ROOT D /rel name", "", 0, "", ""),
    ("niutil -read D 178", "", 0, "name:\nk: second b last\n", ""),
    ("niutil -readprop D 178 name", "", 0, "\n", ""),
    # a write that changes nothing is a write: who may not write is told so
    ("niutil -mergeprop D /misc multi one", "", 104, "", f"niutil: can't modify multi in directory /misc: {PERM}"),
    ("niutil -destroyval D /misc multi no", "", 104, "", f"niutil: can't modify multi in directory /misc: {PERM}"),
    ("niutil -destroyprop D /misc a b", "", 0, "", ""),
    ("niutil -destroyprop D /misc multi", "", 104, "", f"niutil: can't destroy multi in directory /misc: {PERM}"),
    ("niutil -renameprop D /misc multi m", "", 104, "", f"niutil: can't rename multi in directory /misc: {PERM}"),
    # the root cannot be destroyed, and what is below it is not either
    ("niutil -destroy D /", "", 104, "", f"niutil: can't destroy directory /: {PERM}"),
    (
        "niutil -destroy ROOT D /", "", 108, "",
        "niutil: can't destroy directory /: Cannot delete name object with children\n",
    ),
    ("niutil -read D /machines/alpha", "", 0, "name: alpha\nip_address: 10.77.0.1\nserves: ./conv\n", ""),
    ("niutil -resync D", "", 0, "", ""),
    ("niutil -domainname D", "", 0, "/\n", ""),
    ("niutil -rparent -n D", "", 111, "root domain: no parent\n", ""),
    # -R waits for a busy master only
    ("niutil -create -R D /none", "", 104, "", f"niutil: can't create directory /none: {PERM}"),
]  # fmt: skip
ITEM = "\nProcessing input item:\nname: {0} {1}\nnumber: {2}\n\n{3} directory /protocols/{0}\n"
NILOAD: list[Row] = [
    # nothing to load: nothing is touched, not even with -d
    ("niload -v -d ROOT protocols D", "bad\n# line\n", 0, "", "0 items read from input\n"),
    ("niload -d ROOT protocols D", "", 0, "", ""),
    (
        "niload -v -m ROOT protocols D", "tcp 66 T\nnew 9 N\n", 0, "",
        "2 items read from input\nNetinfo /protocols contains 3 items\n"
        + ITEM.format("tcp", "T", "66", "merging") + ITEM.format("new", "N", "9", "writing new"),
    ),
    ("nidump protocols D", "", 0, "tcp\t66\tT\tTCP\nudp\t17\tUDP\nicmp\t1\tICMP\nnew\t9\tN\n", ""),
    ("niutil -read D /protocols/tcp", "", 0, "name: tcp T TCP\nnumber: 66 6\n", ""),
    # -d destroys the directory itself
    ("niutil -createprop ROOT D /protocols of its own", "", 0, "", ""),
    (
        "niload -vd ROOT protocols D", "udp 17 U\n", 0, "",
        "1 items read from input\nDeleting exiting NetInfo directory /protocols\n"
        "Creating NetInfo directory /protocols\nNetinfo /protocols contains 0 items\n"
        + ITEM.format("udp", "U", "17", "writing new"),
    ),
    ("niutil -read D /protocols", "", 0, "name: protocols\n", ""),
    ("niutil -destroy ROOT D /rpcs", "", 0, "", ""),
    ("niload -d ROOT rpc D", "x 1\n", 1, "", f"niload: can't delete NetInfo directory /rpcs: {NODIR}"),
    ("niload ME rpc D", "x 1\n", 1, "", f"niload: can't create NetInfo directory /rpcs: {PERM}"),
    ("nidump rpc D", "", 0, "", ""),
    # options may stand anywhere; a slash in a name is shown escaped
    (
        "niload fstab D -v ROOT", "a:/b /c nfs rw 0 0", 0, "",
        "1 items read from input\nNetinfo /mounts contains 3 items\n\nProcessing input item:\ndir: /c\ndump_freq: 0\n"
        "name: a:/b\nopts: rw\npassno: 0\nvfstype: nfs\n\nwriting new directory /mounts/a:\\/b\n",
    ),
    # the first that is refused ends it: what follows is not written
    ("niutil -createprop ROOT D /groups/admin _writers user02", "", 0, "", ""),
    (
        "niload ME group D", "admin:x:80:\nstaff:x:20:\nadmin:y:80:\n", 1, "",
        f"niload: can't update NetInfo /groups/staff: {PERM}",
    ),
    ("niutil -readprop D /groups/admin passwd", "", 0, "x\n", ""),
    ("niload group D", "g:*:1:\n", 1, "", "niload: can't update NetInfo /groups/g: Authentication error\n"),
]  # fmt: skip
STALE = "Write attempted on stale version of object\n"
RAW: list[Row] = [
    # SPEC 10.12: below an existing directory STALE, exit 0
    ("niload -r ROOT /misc/x D", "name = x;", 0, "", f"Can't create directory /misc/x: {STALE}"),
    ("nidump -r /misc/x D", "", 0, "", ""),
    ("niload -r ROOT /n/o D", "name = other; k = (a, b); CHILDREN = ({ name = c; }, { name = d; })", 0, "", ""),
    ("nidump -r /n D", "", 0, """\
{
  "name" = ( "n" );
  CHILDREN = (
    {
      "name" = ( "other" );
      "k" = ( "a", "b" );
      CHILDREN = (
        {
          "name" = ( "c" );
        },
        {
          "name" = ( "d" );
        }
      )
    }
  )
}
""", ""),
    # the properties and all children are replaced, so that it may be renamed
    ("niload -r ROOT /n D", "name = m; CHILDREN = { name = e; }", 0, "", ""),
    ("nigrep . D /m", "", 0, "178 /m:  name m\n179 /m/e:  name e\n", ""),
    # refused, and nothing is gone
    ("niload -r ME /m D", "name = n;", 0, "", f"Can't write directory: {PERM}"),
    ("niutil -list D /m", "", 0, "179\t e\n", ""),
    ("niload -r ROOT m D", "name = n;", 0, "", "Raw load requires an absolute directory pathname, found m\n"),
    ("niload -r ROOT /m D", "name = n", 0, "", ""),
    ("niload -r ROOT /n D", "name = ", 0, "", ""),
    ("niutil -read D 178", "", 0, "name:\n", ""),
]  # fmt: skip
NIDUMP: list[Row] = [
    ("nidump D ethers", "", 0, "0:5:2:1:2:3\tzeta\n0:5:2:aa:bb:cc\teta\n", ""),
    ("nidump -r D /misc/good", "", 0, '{\n  "name" = ( "good" );\n}\n', ""),
    ("nidump -T 5 -r /misc/good D", "", 0, '{\n  "name" = ( "good" );\n}\n', ""),
    ("nidump mountmaps D auto_home", "", 0, "user01 -rw,soft gamma:/export/home/user01\n", ""),
    ("nidump mountmaps D name=auto_home", "", 0, "user01 -rw,soft gamma:/export/home/user01\n", ""),
    ("nidump mountmaps D nosuch", "", 0, "", ""),
    ("nidump -r 100 D", "", 0, "", ""),
    # a directory without a name is shown by its id, a name as it is
    ("nigrep ^77$ D /misc", "", 0, "103 /misc/dir: 103:  uid 77\n", ""),
    ("nigrep ^with D", "", 0, "104 /misc/with/slash:  name with/slash\n", ""),
    ("nigrep D ^with /misc /machines", "", 0, "104 /misc/with/slash:  name with/slash\n", ""),
    ("nigrep -2 D /users", "", 0, "5 /users/nobody:  gid -2\n5 /users/nobody:  uid -2\n", ""),
    ("nigrep -T 5 ^pushed D /misc/pushed /misc", "", 0,
     "105 /misc/pushed:  name pushed\n105 /misc/pushed:  name pushed\n", ""),
    ("nireport D /misc name uid", "", 0,
     "#NoValue#\t#NoValue#\t\n#NoValue#\t77\t\nwith/slash\t#NoValue#\t\npushed\t#NoValue#\t\ngood\t#NoValue#\t\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    "rows", [NIUTIL, NILOAD, RAW, NIDUMP], ids=["niutil", "niload", "niload -r", "those that read"]
)
def test_a_session_prints_and_exits_as_it_was(port: int, rows: list[Row]) -> None:
    check(port, rows)


def test_a_tag_before_the_words_that_it_goes_with_is_understood_too(port: int) -> None:
    """As the manual of nidump has it: nidump -t -r PATH HOST/TAG."""
    where, good = f"{HOST}:{port}/conv", b'{\n  "name" = ( "good" );\n}\n'
    assert use("nidump", "-t", "-r", "/misc/good", where) == (0, good, b"")
    assert use("nidump", "-t", "ethers", where)[1].count(b"\n") == 2


def test_nicl_says_nothing_of_what_a_record_does_not_have(port: int) -> None:
    code, out, err = use("nicl", "-v", "-t", f"{HOST}:{port}/conv", "read", "/misc/good")
    assert (code, err) == (0, b"")
    found = re.fullmatch(rb"Record: 106   Version: \d+   Serial: 0\nParent: 100\nAttributes:\n    name: good\n", out)
    assert found, out
    out = use("nicl", "-v", "-t", f"{HOST}:{port}/conv", "read", "/")[1]
    assert b"\nChildren (16): 1 3 48 " in out
    assert b"Meta-attributes" not in out


def test_a_tree_deeper_than_any_stack_is_dumped_and_destroyed(port: int) -> None:
    where, deep = ("-t", f"{HOST}:{port}/conv"), "/d" * 1500
    assert use("niutil", "-create", "-P", "rootpw", *where, deep) == (0, b"", b"")
    assert use("nidump", "-r", "/d", *where)[1].count(b"CHILDREN") == 1499
    code, out, err = use("nidump", "--json", "-r", "/d", *where)
    assert (code, out, json.loads(err)["error"]["do"]) == (1, b"", "leave --json out")
    assert use("niutil", "-destroy", "-P", "rootpw", *where, "/d") == (0, b"", b"")
    assert use("nigrep", "^d$", *where) == (0, b"", b"")


def test_a_refused_raw_load_is_a_failure_for_scripts(port: int) -> None:
    words = ("niload", "--json", "-r", "-P", "rootpw", "/misc/x", "-t", f"{HOST}:{port}/conv")
    code, out, err = use(*words, stdin=b"name = x;")
    error = {"asked": "Can't create directory /misc/x", "found": STALE.rstrip(), "do": "try again"}
    assert (code, out, json.loads(err)) == (1, b"", {"error": error})


@pytest.mark.parametrize("name", TOOLS)
def test_help_teaches_by_examples_that_the_tool_understands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example is run where nobody is served: it fails for want of a domain, not for its words."""
    monkeypatch.setenv("PORTLORE_NETINFO_PORT", "1")
    monkeypatch.setenv("PORTLORE_NIBIND_PORT", "1")
    code, out, err = use(name, "--help")
    assert (code, err) == (0, b"")
    assert out == TOOLS[name].usage + b"\n" + TOOLS[name].help
    assert max(map(len, TOOLS[name].help.splitlines())) <= 80
    examples = [line for line in TOOLS[name].help.decode().splitlines() if line.startswith(f"  {name} ")]
    assert len(examples) >= 3
    for example in examples:
        words = re.split(r"  +| [<>] ", example.strip())[0]
        argv = [word.replace("10.0.0.1", HOST) for word in shlex.split(words) if word != "-p"]
        code, _, err = use(*argv, stdin=b"x = y;")
        assert code, example
        assert re.search(b"can't open domain|can't connect|cannot connect|no binder answers", err), (example, err)


def test_every_tool_has_a_usage_and_a_help_of_its_own() -> None:
    assert {tool.usage for tool in TOOLS.values()} == {getattr(usages, name.upper()) for name in TOOLS}
    assert {tool.help for tool in TOOLS.values()} == {getattr(helps, name.upper()) for name in TOOLS}
