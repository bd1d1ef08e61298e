"""Bad input for the bridges: what is strange comes through whole, what is too much ends with a word, and in time."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import run, stored

from portlore.errors import InputError, ParseError
from portlore.netinfo.bridges import Options, etc, module, records, special, table
from portlore.netinfo.bridges.changes import take
from portlore.netinfo.bridges.from_ldap import from_entries
from portlore.netinfo.bridges.ldif import parse_ldif
from portlore.netinfo.bridges.nodes import Node, check_property, checked, domain_of, paths, tree_of
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import Property, Record, properties

OPTIONS = Options("there", "dc=example,dc=com")
Given = dict[str, "list[str] | str"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs rights and links as Unix has them")


def domain(*places: tuple[str, list[Given]]) -> Domain:
    root = Node()
    for place, many in places:
        for one in many:
            given = properties([(name, [value] if isinstance(value, str) else value) for name, value in one.items()])
            root.child(place.encode()).children.append(Node(given))
    return domain_of(root)


def values(found: Domain, *path: bytes) -> dict[str, list[str]]:
    number = found.path(*path)
    assert number is not None, path
    return {one.name.decode(): [value.decode() for value in one.values] for one in found.at(number).properties}


def ldif(text: str) -> Domain:
    return from_entries(
        parse_ldif(("dn: dc=e\nobjectClass: domain\ndc: e\n\n" + text).encode().splitlines(True), "x")
    ).domain


# Tables


def test_a_table_holds_the_longest_values_and_paths_there_are() -> None:
    root = Node()
    here = root
    for _ in range(3):  # three signs for a byte that is no text: more than csv's own limit
        below = Node((Property(b"name", (b"\xff" * 65_535,)),))
        here.children.append(below)
        here = below
    wanted = domain_of(root)
    written = "".join(table.write(wanted, OPTIONS)).encode().splitlines(keepends=True)
    before = csv.field_size_limit()
    assert list(table.read(written, OPTIONS).domain.records()) == list(wanted.records())
    assert csv.field_size_limit() == before, "the process's own limit is what it was"


# Groups


def groups(count: int, back: str = "") -> str:
    """Each group around the next, and one user; the last around ``back``."""
    found = ["dn: uid=ann,dc=e\nobjectClass: posixAccount\nuid: ann\ncn: ann\nuidNumber: 1\ngidNumber: 1\n"
             "homeDirectory: /\n"]  # fmt: skip
    for number in range(count):
        below = f"cn=g{number + 1},dc=e" if number + 1 < count else back or "uid=ann,dc=e"
        found.append(f"dn: cn=g{number},dc=e\nobjectClass: posixGroup\ncn: g{number}\ngidNumber: 1\nmember: {below}\n")
    return "\n".join(found)


def test_a_chain_of_groups_and_a_ring_of_them_have_the_members_of_all() -> None:
    for back, wanted in (("", ["ann"]), ("cn=g0,dc=e", [])):
        found = ldif(groups(150, back))
        assert values(found, b"groups", b"g0")["users"] == wanted
        assert values(found, b"groups", b"g149")["users"] == wanted


def test_groups_whose_members_come_to_too_many_are_refused_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special, "MOST_STEPS", 100)
    assert len(ldif(groups(9)).directories) > 9
    with pytest.raises(InputError, match="more than 100, written out group by group"):
        ldif(groups(60))


@pytest.mark.slow
def test_a_chain_of_1000_groups_ends() -> None:
    assert values(ldif(groups(1000)), b"groups", b"g0")["users"] == ["ann"]


# Many of one name


def test_ten_thousand_directories_of_one_name_are_told_apart_in_time() -> None:
    def alike(first: int, count: int) -> Domain:
        return domain(("x", [{"name": "same", "value": str(first + number)} for number in range(count)]))

    here, there = alike(0, 10_000), alike(5_000, 10_000)
    kinds = [change.kind for change in take(here, there)]
    assert kinds == ["changed"] * 5_000  # half of them are there already; the others take the others' places
    wanted = {one.data for one in there.directories.values()}
    assert {one.data for one in here.directories.values()} == wanted


def test_services_of_one_name_are_the_same_by_a_protocol_in_common_the_first_first() -> None:
    here = domain(("services", [{"name": "s", "port": "1", "protocol": p} for p in ("tcp", "udp", "udp")]))
    there = domain(("services", [{"name": "s", "port": "2", "protocol": p} for p in ("udp", "ddp", "udp")]))
    told = [(one.kind, {p.name: p.values for p in one.after}[b"protocol"][0]) for one in take(here, there)]
    assert sorted(told) == [("changed", b"udp"), ("changed", b"udp"), ("made", b"ddp")]


def test_entries_without_the_ones_above_them_make_those_once_each() -> None:
    text = "".join(
        f"dn: cn={number},ou=o{number % 700},dc=e\nobjectClass: person\ncn: {number}\nsn: x\n\n"
        for number in range(2100)
    )
    found = ldif(text)
    assert len(found.at(0).children) == 700
    assert [len(found.at(number).children) for number in found.at(0).children] == [3] * 700


def test_a_child_is_found_by_its_first_name_however_it_came() -> None:
    root = Node()
    first = root.child(b"a")
    assert root.child(b"a") is first
    late, second = Node((Property(b"name", (b"b", b"a")),)), Node((Property(b"name", (b"b",)),))
    root.children += [late, second]
    assert root.child(b"b") is late
    assert root.child(b"") is not late
    assert [one.name for one in root.children] == [b"a", b"b", b"b", b""]


# Files as in /etc


ANN: Given = {
    "name": "ann", "passwd": "abz3GtcEvEtv6", "uid": "501", "gid": "20", "realname": "Ann", "home": "/home/ann",
    "shell": "/bin/sh", "picture": "/ann.tiff", "expire": "86400",
}  # fmt: skip
NEXT1: Given = {"name": "next1", "ip_address": "10.0.0.5", "en_address": "0:f:0:1:2:3", "serves": "./net"}


def files(found: Domain) -> dict[str, bytes]:
    return dict(etc.write(found, OPTIONS))


def reread(given: dict[str, bytes]) -> Domain:
    return etc.read(given.items(), OPTIONS).domain


def test_whoever_is_taken_out_of_one_file_of_several_stays_in_the_others() -> None:
    given = files(domain(("users", [ANN]), ("machines", [NEXT1])))
    given |= {"shadow": b"", "ethers": b"# none\n"}
    found = reread(given)
    assert values(found, b"machines", b"next1") == {
        "name": ["next1"], "ip_address": ["10.0.0.5"], "serves": ["./net"]
    }  # fmt: skip
    ann = values(found, b"users", b"ann")
    assert "passwd" not in ann, "without the property nobody logs in; an empty one would let everybody in"
    assert ann["picture"] == ["/ann.tiff"]


def test_a_boot_file_that_is_taken_out_leaves_the_machine_its_addresses() -> None:
    given = files(domain(("machines", [NEXT1 | {"bootfile": "mach"}])))
    given["bootptab"] = given["bootptab"].partition(b"next1")[0]
    found = values(reread(given), b"machines", b"next1")
    assert "bootfile" not in found
    assert found["en_address"] == ["0:f:0:1:2:3"]
    assert found["ip_address"] == ["10.0.0.5"]


def test_whoever_is_taken_out_of_the_file_that_is_about_him_is_gone() -> None:
    given = files(
        domain(("users", [ANN, ANN | {"name": "bob"}]), ("groups", [{"name": "g", "gid": "7", "users": "ann"}]))
    )
    given["passwd"] = b"".join(line for line in given["passwd"].splitlines(True) if not line.startswith(b"ann"))
    given["group"] = b""
    found = reread(given)
    assert found.path(b"users", b"ann") is None
    assert values(found, b"users", b"bob")["picture"] == ["/ann.tiff"]
    assert found.path(b"groups", b"g") is None


def test_a_user_who_cannot_log_in_can_do_so_nowhere_else() -> None:
    nobody, free = {**ANN, "name": "nobody"}, {**ANN, "name": "free", "passwd": ""}
    del nobody["passwd"]
    given = files(domain(("users", [nobody, free])))
    assert given["passwd"].splitlines()[0].startswith(b"nobody:x:501:")
    assert given["shadow"].splitlines()[0].startswith(b"nobody:*:")
    assert given["master.passwd"].splitlines()[0].startswith(b"nobody:*:501:")
    assert given["passwd"].splitlines()[1].startswith(b"free::501:"), "who needs no password here needs none there"
    given["passwd"] = given["passwd"].replace(b"/bin/sh", b"/bin/csh")
    found = values(reread(given), b"users", b"nobody")
    assert found["shell"] == ["/bin/csh"]
    assert "passwd" not in found
    del given["netinfo.json"], given["master.passwd"]
    assert values(reread(given), b"users", b"nobody")["passwd"] == ["*"]


def test_of_two_services_that_are_gone_one_that_comes_takes_the_place_of_one_alone() -> None:
    services: list[Given] = [{"name": "s", "port": port, "protocol": "tcp", "note": port} for port in ("1", "2")]
    given = files(domain(("services", services)))
    given["services"] = b"s\t3/tcp\t\n"
    found = reread(given)
    place = found.path(b"services")
    assert place is not None
    assert len(found.at(place).children) == 1
    assert values(found, b"services", b"s") == {"name": ["s"], "port": ["3"], "protocol": ["tcp"], "note": ["1"]}


def test_two_protocols_of_a_service_are_one_directory_and_two_lines() -> None:
    found = reread({"services": b"domain 53/tcp name # DNS\ndomain 53/udp\nodd\n\n"})
    assert values(found, b"services", b"domain") == {
        "name": ["domain", "name"], "port": ["53"], "protocol": ["tcp", "udp"]
    }  # fmt: skip
    assert files(found)["services"] == b"domain\t53/tcp\tname\ndomain\t53/udp\tname\n"


def test_files_that_only_some_systems_have_are_read() -> None:
    found = reread({
        "ethers": b"0:1:2:3:4:5 next1 alias # here\nbad\n",
        "exports": b"# all\n/home /usr -ro -root=next1 next1 next2\n\n/\n",
        "shadow": b"ann:abz3GtcEvEtv6::::::2:\n+nis\n#x\nbare\nbob:*:::::::\n",
        "passwd": b"ann:x:501:20:Ann:/:/bin/sh\n",
        "unknown": b"left out",
    })  # fmt: skip
    assert values(found, b"machines", b"next1") == {"en_address": ["0:1:2:3:4:5"], "name": ["next1", "alias"]}
    exported = values(found, b"exports", b"/home")
    assert exported == {"name": ["/home", "/usr"], "opts": ["ro", "root=next1"], "clients": ["next1", "next2"]}
    ann = values(found, b"users", b"ann")
    assert (ann["passwd"], ann["expire"]) == (["abz3GtcEvEtv6"], ["172800"])  # two days after 1970 began
    assert values(found, b"users", b"bob") == {"name": ["bob"], "passwd": ["*"]}


def test_a_service_without_a_name_or_a_protocol_has_no_line_and_is_kept() -> None:
    wanted = domain(("services", [{"port": "1", "protocol": "tcp"}, {"name": "p", "port": "2"}, {"name": []}]))
    given = files(wanted)
    assert "services" not in given
    assert list(reread(given).records()) == list(wanted.records())


# What NetInfo cannot hold


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ((b"n", (b"v",) * 65_536), "65,536 values; a property holds at most 65,535"),
        ((b"n" * 65_536, ()), "65,536 bytes; at most 65,535 fit"),
        ((b"n", (b"v", b"v" * 65_536)), "65,536 bytes"),
        ((b"n", (b"a\0b",)), "a NUL in it"),
        ((b"n\0m", ()), "a NUL in it"),
    ],
)
def test_what_the_protocol_cannot_carry_is_named(given: tuple[bytes, tuple[bytes, ...]], word: str) -> None:
    with pytest.raises(InputError, match=word):
        checked([given], "there")
    with pytest.raises(InputError, match=word):
        check_property(Property(*given), "there")


def test_more_properties_than_can_be_sent_are_refused_by_the_path_of_their_directory() -> None:
    root = Node()
    root.child(b"a").child(b"b").properties = (Property(b"x", ()),) * 65_536
    with pytest.raises(InputError, match="taking /a/ into NetInfo: 65,536 properties"):
        domain_of(root)


def test_numbers_that_nobody_can_have_or_two_have_are_given_anew() -> None:
    root = Node(id=7, instance=-3)
    root.children = [Node(id=5, instance=9), Node(id=5), Node(id=0xFFFF_FFFE), Node(id=1, instance=-1), Node(id=1)]
    found = domain_of(root)
    assert {number: found.at(number).instance for number in found.at(0).children} == {5: 9, 2: 0, 3: 0, 4: 0, 1: 0}
    assert found.at(0).instance == 0


def test_places_order_siblings_and_who_has_none_comes_last() -> None:
    root = Node()
    root.children = [Node(id=1), Node(id=2, place=1), Node(id=3, place=0)]
    assert domain_of(root).at(0).children == [3, 2, 1]


def test_a_path_tells_names_with_slashes_and_directories_without_a_name() -> None:
    found = domain_of(tree_of(domain(("a/b", [{"name": "c\\d"}, {"uid": "1"}]))))
    assert [path for _, _, path in paths(found)] == ["/", "/a\\/b", "/a\\/b/c\\\\d", "/a\\/b/dir:3"]


def test_json_that_is_no_text_is_refused() -> None:
    with pytest.raises(ParseError, match="not UTF-8"):
        records.read([b'{"records": "\xff"}'], OPTIONS)


@pytest.mark.parametrize("form", ["records", "to_ldap", "table"])
def test_a_bare_root_is_a_domain(form: str) -> None:
    bare = Domain.of([Record(0, 0, 0, (), ())])
    written = "".join(module(form).write(bare, OPTIONS)).encode().splitlines(keepends=True)
    reader = module({"to_ldap": "from_ldap"}.get(form, form))
    assert list(reader.read(written, OPTIONS).domain.records()) == list(bare.records())


# The command's files


@posix
def test_an_export_is_its_owners_alone_whatever_stood_there(tmp_path: Path) -> None:
    store, out, bait = stored(tmp_path / "store"), tmp_path / "out", tmp_path / "bait"
    out.write_text("old")
    out.chmod(0o666)
    bait.write_text("keep")
    (tmp_path / "out.part").symlink_to(bait)  # where a part was once written: a trap in a folder that others write
    assert run("export", store, "-o", out).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert bait.read_text() == "keep"
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("out")) == ["out", "out.part"]


@posix
def test_an_export_to_a_pipe_goes_into_it_and_leaves_it_there(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert run("export", stored(tmp_path / "store"), "-o", pipe).returncode == 0
        told = reader.communicate(timeout=30)[0]
    assert told.startswith(b'{"checksum"')
    assert pipe.is_fifo()


@posix
def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    store = stored(tmp_path / "store")
    for target in (tmp_path / "new", tmp_path / "deeper/new", tmp_path / "empty"):
        if target.name == "empty":
            target.mkdir()
        assert run("export", store, "--to", "etc", "-o", target).returncode == 0
        assert [one.name for one in target.iterdir()] == ["netinfo.json"]
        assert target.stat().st_mode & 0o777 == 0o700
        assert not list(target.parent.glob("*.part"))
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    again = run("export", store, "--to", "etc", "-o", tmp_path / "link")
    assert again.returncode == 2
    assert "there is something already" in again.stderr
