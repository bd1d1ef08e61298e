"""``portlore netinfo export`` and ``import``: what they say, what they change, how they end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import VECTORS, start_domain
from netinfo.strange import domains

from portlore.netinfo.bridges import FORMS
from portlore.netinfo.bridges.changes import CHANGED, GONE, MADE, take
from portlore.netinfo.bridges.nodes import Node, domain_of, tree_of
from portlore.netinfo.domain import Domain
from portlore.netinfo.store import Store, faults
from portlore.netinfo.values import properties

RECORDS = VECTORS / "start.records.json"
BASE = ("--base", "dc=example,dc=com")
LDIF = "dn: dc=x\nobjectClass: domain\ndc: x\n\ndn: uid=ann,dc=x\nobjectClass: posixAccount\nuid: ann\nuidNumber: {}\n"


def run(*words: str, given_: str = "", colour: bool = False) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | ({"FORCE_COLOR": "1"} if colour else {})
    return subprocess.run(
        [sys.executable, "-m", "portlore", "netinfo", *words],
        input=given_, capture_output=True, text=True, check=False, timeout=120, env=environment,
    )  # fmt: skip


def stored(path: Path) -> Domain:
    with Store(str(path), exclusive=False) as store:
        return store.load()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "office"
    with Store(str(path), create=True) as store:
        store.write_all(start_domain())
    return path


@pytest.mark.parametrize("form", FORMS)
def test_an_export_makes_the_same_domain_again_and_changes_nothing_here(
    database: Path, tmp_path: Path, form: str
) -> None:
    there, copy = tmp_path / f"there.{form}", tmp_path / "copy"
    written = run("export", str(database), "--to", form, "-o", str(there), *BASE)
    assert written.returncode == 0, written.stderr
    assert stat.S_IMODE(there.stat().st_mode) & 0o077 == 0  # password hashes are in it
    assert run("import", str(copy), str(there), "--from", form).returncode == 0
    assert list(stored(copy).records()) == list(start_domain().records())
    for more in ((), ("--replace",)):
        same = run("import", str(database), str(there), "--from", form, "--dry-run", *more)
        assert (same.returncode, same.stdout) == (0, "")


def test_standard_output_and_input_serve_where_a_form_is_a_text(database: Path, tmp_path: Path) -> None:
    text = run("export", str(database), "--to", "ldif", *BASE).stdout
    assert run("import", str(tmp_path / "copy"), "-", "--from", "ldif", given_=text).returncode == 0
    assert list(stored(tmp_path / "copy").records()) == list(start_domain().records())


def test_the_first_forms_of_both_commands_are_what_they_were(database: Path, tmp_path: Path) -> None:
    text = run("export", str(database)).stdout
    (tmp_path / "records.json").write_text(text)
    assert run("import", str(tmp_path / "copy"), str(tmp_path / "records.json")).returncode == 0
    assert stored(tmp_path / "copy").checksum == stored(database).checksum
    told = run("import", str(database), str(RECORDS), "--dry-run")
    assert told.returncode == 0


def test_a_dry_run_tells_what_would_change_and_changes_nothing(database: Path) -> None:
    before = list(stored(database).records())
    text = LDIF.format(77) + "userPassword: {CRYPT}secret\n"
    told = run("import", str(database), "-", "--from", "ldif", "--dry-run", given_=text)
    assert told.returncode == 1
    assert told.stdout.splitlines() == ["+ /users/ann", "    + name: ann", "    + passwd: (hidden)", "    + uid: 77"]
    assert told.stderr == "portlore: would be 1 made\n"
    assert list(stored(database).records()) == before

    assert run("import", str(database), "-", "--from", "ldif", given_=text).returncode == 0
    changed = run("import", str(database), "-", "--from", "ldif", "--dry-run", given_=LDIF.format(78))
    assert changed.stdout.splitlines() == ["~ /users/ann", "    - uid: 77", "    + uid: 78"]
    coloured = run("import", str(database), "-", "--from", "ldif", "--dry-run", given_=LDIF.format(78), colour=True)
    assert "\x1b[33m~ /users/ann\x1b[0m" in coloured.stdout
    assert "\x1b[31m    - uid: 77\x1b[0m" in coloured.stdout


def test_what_a_source_does_not_have_goes_only_when_it_is_to_replace(database: Path) -> None:
    count = len(stored(database).directories)
    assert run("import", str(database), "-", "--from", "ldif", given_=LDIF.format(77)).returncode == 0
    assert len(stored(database).directories) == count + 1
    told = run("import", str(database), "-", "--from", "ldif", "--replace", "--dry-run", given_=LDIF.format(77))
    assert told.returncode == 1
    assert f"{count - 2:,} gone" in told.stderr  # all but the root, /users and ann
    assert run("import", str(database), "-", "--from", "ldif", "--replace", given_=LDIF.format(77)).returncode == 0
    assert len(stored(database).directories) == 3
    assert not list(faults(stored(database)))


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (("export", "DB", "--to", "ldif"), 2, "--base"),
        (("export", "DB", "--to", "dslocal"), 2, "folder"),
        (("export", "DB", "--to", "etc", "-o", "FULL"), 2, "something already"),
        (("export", "DB", "--to", "ldif", "--base", "uid=x"), 2, "begin with one of"),
        (("import", "NEW", "NONE", "--from", "ldif"), 2, "No such file"),
        (("import", "NEW", "NONE", "--from", "dslocal"), 2, "no folder"),
        (("import", "NEW", "BAD", "--from", "ldif"), 2, "BAD: line 3"),
        (("import", "NEW", "BAD", "--from", "csv"), 2, "line 1"),
        (("import", "NEW", "http://127.0.0.1/", "--from", "ldif"), 2, "No such file"),
        (("import", "NEW", "ldap://127.0.0.1:1/dc=x"), 3, "refused"),
        (("import", "NEW", "ldap://127.0.0.1:1/dc=x", "--from", "csv"), 2, "csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_leaves_nothing_behind(
    database: Path, tmp_path: Path, words: tuple[str, ...], code: int, found: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    (tmp_path / "BAD").write_text("dn: cn=a\ncn: a\nnonsense\n")
    places = {
        "DB": database,
        "FULL": tmp_path / "full",
        "NEW": tmp_path / "new",
        "NONE": tmp_path / "none",
        "BAD": tmp_path / "BAD",
    }
    done = run(*[str(places.get(word, word)) for word in words])
    assert (done.returncode, done.stdout) == (code, "")
    assert found in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    text = "dn: dc=x\nobjectClass: domain\n\ndn:: Y249YRtbMm0sZGM9eA==\nobjectClass: device\ncn:: YRtbMm0=\n"
    told = run("import", str(tmp_path / "new"), "-", "--from", "ldif", "--dry-run", given_=text)
    assert told.returncode == 1
    assert "\x1b" not in told.stdout


def test_a_plain_export_says_what_it_leaves_out(database: Path, tmp_path: Path) -> None:
    where = tmp_path / "plain.ldif"
    told = run("export", str(database), "--to", "ldif", *BASE, "--plain", "-o", str(where)).stderr
    kept = where.read_text().count("\ndn: ")
    left = len(stored(database).directories) - kept
    assert f"left out: {left:,} directories" in told
    assert "portlore" not in where.read_text().rpartition("# left out")[0]


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (tmp_path / "secret").write_text("ann:hash:1:1:Ann:/:/bin/sh\n")
    (folder / "passwd").symlink_to(tmp_path / "secret")
    assert run("import", str(tmp_path / "new"), str(folder), "--from", "etc").returncode == 0
    assert stored(tmp_path / "new").path(b"users") is None


def test_the_schema_is_printed_for_slapd() -> None:
    told = run("ldap-schema").stdout
    assert told.startswith("dn: cn=portlore,cn=schema,cn=config\n")
    assert "NAME 'portloreProperty'" in told


# Changes


def _domain(*names: str, place: str = "users", **more: list[str]) -> Domain:
    root = Node()
    for name in names:
        pairs = [("name", [name]), *more.items()]
        root.child(place.encode()).children.append(Node(properties(pairs)))
    return domain_of(root)


def _kinds(domain: Domain, other: Domain, *, replace: bool = False) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in take(domain, other, replace=replace)]


def test_properties_take_the_values_of_the_other_and_keep_their_places() -> None:
    here = domain_of(_one([("name", ["ann"]), ("a", ["1"]), ("b", ["2"]), ("a", ["3"])]))
    there = domain_of(_one([("name", ["ann"]), ("c", ["9"]), ("a", ["7"])]))
    assert _kinds(here, there) == [(CHANGED, "/ann")]
    wanted = [("name", ["ann"]), ("a", ["7"]), ("b", ["2"]), ("a", ["3"]), ("c", ["9"])]
    assert here.directories[1].properties == properties(wanted)


def _one(pairs: list[tuple[str, list[str]]]) -> Node:
    root = Node()
    root.children.append(Node(properties(pairs)))
    return root


def test_directories_of_one_name_are_told_apart_by_what_they_hold() -> None:
    here, there = _domain("x", "x"), _domain("x", "x", "x", b=["1"])
    assert _kinds(here, there) == [(MADE, "/users/x"), (CHANGED, "/users/x"), (CHANGED, "/users/x")]
    assert _kinds(here, there) == []


def test_a_service_of_another_protocol_is_another_one() -> None:
    here = _domain("dns", place="services", port=["53"], protocol=["tcp"])
    there = _domain("dns", place="services", port=["53"], protocol=["udp"])
    assert _kinds(here, there) == [(MADE, "/services/dns")]


def test_whole_trees_come_and_go() -> None:
    root = Node()
    root.child(b"a").child(b"b").child(b"c")
    deep = domain_of(root)
    empty = domain_of(Node())
    assert _kinds(empty, deep) == [(MADE, "/a"), (MADE, "/a/b"), (MADE, "/a/b/c")]
    assert _kinds(deep, domain_of(Node()), replace=True) == [(GONE, "/a/b/c"), (GONE, "/a/b"), (GONE, "/a")]


@settings(deadline=None, max_examples=60)
@given(domains(), domains())
def test_taking_twice_changes_nothing_the_second_time(here: Domain, there: Domain) -> None:
    for replace in (False, True):
        mine = domain_of(tree_of(here))
        list(take(mine, there, replace=replace))
        assert not list(faults(mine))
        assert list(take(mine, there, replace=replace)) == []
        assert not replace or len(mine.directories) == len(there.directories)
