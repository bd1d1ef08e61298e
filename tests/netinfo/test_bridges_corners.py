"""Corners of the bridges and of old stores: messages of LDAP byte by byte, values that other systems write."""

from __future__ import annotations

import datetime
import plistlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from portlore.errors import ParseError, ProtocolError
from portlore.netinfo.bridges import Options, dslocal, syntaxes
from portlore.netinfo.bridges import ldap_messages as m
from portlore.netinfo.bridges.changes import take
from portlore.netinfo.bridges.dn import parse_dn
from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.disk.findings import DOUBTFUL, LOST, REPAIRED, Findings
from portlore.netinfo.disk.mending import mend
from portlore.netinfo.disk.records import Raw, pack_record, slot_size
from portlore.netinfo.disk.recovering import recover
from portlore.netinfo.disk.writing import pack_store
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import Property, Record, properties
from portlore.oncrpc.xdr import uint

OPTIONS = Options("there")


def b(text: str) -> bytes:
    return bytes.fromhex(text)


# LDAP, with the bytes that RFC 4511 and X.690 prescribe


def test_a_simple_bind_is_the_message_that_the_standard_prescribes() -> None:
    # LDAPMessage { 1, [APPLICATION 0] { version 3, name "cn=a", [0] "pw" } }
    assert m.bind(1, "cn=a", b"pw") == b("30 12 020101 60 0d 020103 0404636e3d61 80027077")
    assert m.unbind(2) == b("30 05 020102 42 00")
    assert m.start_tls(3) == b("30 1d 020103 77 18 80 16") + b"1.3.6.1.4.1.1466.20037"


def test_a_search_asks_for_all_below_an_entry_page_by_page() -> None:
    sent = m.search(4, "dc=e", 500, b"c")
    found = m.message(sent)
    # base, wholeSubtree, neverDerefAliases, no limits, values too, (objectClass=*), all attributes of users'
    wanted = b("0404") + b"dc=e" + b("0a0102 0a0100 020100 020100 010100 870b") + b"objectClass" + b("3003 04012a")
    assert (found.number, found.kind, found.content) == (4, m.SEARCH, wanted)
    value = b("3007 020201f4 0401 63")  # RFC 2696: size 500, cookie
    assert found.controls == b("3023 0416") + b"1.2.840.113556.1.4.319" + b("0409") + value
    assert m.cookie(found.controls) == b"c"


def test_the_last_page_has_no_cookie_and_other_controls_none_either() -> None:
    assert m.cookie(b"") == b""
    assert m.cookie(b("3005 0403 312e32")) == b""
    assert m.cookie(b("301a 0416") + b"1.2.840.113556.1.4.319" + b("0400")) == b""


def test_a_result_is_told_in_words() -> None:
    done = m.message(b("30 0e 020105 65 09 0a0120 0400 0402 6e6f"))
    assert (done.number, done.kind, done.controls) == (5, m.DONE, b"")
    assert m.result(done.content).told == "no such object: no"
    assert m.Result(9999, "").told == "result 9999"


def test_an_entry_has_its_name_and_attributes_with_their_values() -> None:
    content = b("0404") + b"dc=e" + b("3011 300f 0402") + b"cn" + b("3109 0401 61 0400 0402 6263")
    name, listed = m.attributes(content)
    assert name == "dc=e"
    assert list(listed) == [("cn", [b"a", b"", b"bc"])]


@pytest.mark.parametrize("data", ["", "3000", "30 03 020101", "31 05 020102 4200", "30 06 040102 42 00 00", "30 85"])
def test_what_is_no_message_is_refused(data: str) -> None:
    with pytest.raises(ProtocolError, match="no message of LDAP"):
        m.message(b(data))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("0400", "an entry that is none"),
        ("0404", "an entry that is none"),
        ("0400 3002 0405", "attributes make no sense"),
        ("0400 3004 3002 0400", "an attribute that is none"),
        ("0400 3002 3000", "an attribute that is none"),
        ("0400 3008 3006 0400 3102 0405", "values make no sense"),
    ],
)
def test_entries_that_make_no_sense_are_refused(content: str, word: str) -> None:
    with pytest.raises(ProtocolError, match=word):
        list(m.attributes(b(content))[1])


def test_a_result_that_is_none_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a result that is none"):
        m.result(b("0a0100 0400"))


# Values


def test_hashes_and_days_go_both_ways_where_they_can() -> None:
    given = (b"abz3GtcEvEtv6", b"{SSHA}abc", b"{crypt}x", b"{odd", b"$6$x$y")
    written = syntaxes.passwords(given)
    assert written == (b"{CRYPT}abz3GtcEvEtv6", b"{SSHA}abc", b"{CRYPT}{crypt}x", b"{CRYPT}{odd", b"{CRYPT}$6$x$y")
    assert syntaxes.plain_passwords(written) == given
    assert syntaxes.passwords((b"a", b"a")) is None
    assert syntaxes.days((b"172800",)) == (b"2",)
    for odd in ((b"86401",), (b"0",), (b"-86400",), (b"x",), (b"86400", b"86400")):
        assert syntaxes.days(odd) is None
    assert syntaxes.seconds((b"2", b"x")) == (b"172800", b"x")


@pytest.mark.parametrize("text", ["\\", "cn=a\\"])
def test_a_name_that_ends_in_a_backslash_is_none(text: str) -> None:
    with pytest.raises(ParseError):
        parse_dn(text)


# Property lists


def test_values_that_are_no_strings_become_what_they_say() -> None:
    when = datetime.datetime(2007, 10, 26, 18, 0)  # noqa: DTZ001 - a property list has no zones
    record = {"name": ["ann"], "on": True, "off": [False], "n": 7, "x": [1.5], "at": when, "more": {"a": ["b"]}}
    told = dslocal.read([("users/ann.plist", plistlib.dumps(record))], OPTIONS).domain
    place = told.path(b"users", b"ann")
    assert place is not None
    found = {one.name: one.values for one in told.at(place).properties}
    assert [found[key] for key in (b"on", b"off", b"n", b"x", b"at")] == [
        (b"1",), (b"0",), (b"7",), (b"1.5",), (b"2007-10-26T18:00:00",)
    ]  # fmt: skip
    assert plistlib.loads(found[b"more"][0]) == {"a": ["b"]}


def test_base64_that_is_none_or_not_as_it_would_be_written_stays_text() -> None:
    root = Node()
    for name, values in ((b"a", (b"YQ=",)), (b"b", (b"YR==",)), (b"c", (b"YQ==", b"")), (b"d", ())):
        root.child(b"users").children.append(Node((Property(b"name", (name,)), Property(b"x;base64", values))))
    twice = (Property(b"name", (b"e",)), Property(b"x;base64", (b"YQ==",)), Property(b"x", (b"text",)))
    root.child(b"users").children.append(Node(twice))
    wanted = domain_of(root)
    files = dict(dslocal.write(wanted, OPTIONS))
    assert [plistlib.loads(files[f"users/{name}.plist"]).get("x") for name in "abcde"] == [
        None, None, [b"a", b""], None, ["text"]
    ]  # fmt: skip
    assert list(dslocal.read(files.items(), OPTIONS).domain.records()) == list(wanted.records())


def test_directories_that_are_their_own_ancestors_are_refused() -> None:
    ring = [{"name": [str(n)], dslocal.NUMBERS: [str(n), "0", str(3 - n), "0"]} for n in (1, 2)]
    with pytest.raises(ParseError, match="directories that nobody reaches"):
        dslocal.read([(dslocal.SIDE, plistlib.dumps({dslocal.DIRECTORIES: ring}))], OPTIONS)


# Changes


def test_a_tree_that_is_not_there_goes_from_its_leaves_up() -> None:
    here = Node()
    here.child(b"a").child(b"b").child(b"c")
    here.child(b"keep")
    there = Node()
    there.child(b"keep")
    told = [(one.kind, one.path) for one in take(domain_of(here), domain_of(there), replace=True)]
    assert told == [("gone", "/a/b/c"), ("gone", "/a/b"), ("gone", "/a")]


# Old stores


def test_a_root_that_has_a_parent_has_none_and_its_ring_ends() -> None:
    found = Findings()
    raws = {0: Raw(0, 0, 1, encoded(()), [1], 0), 1: Raw(1, 0, 0, encoded(()), [0], 1)}
    domain = mend(raws, found)
    assert [(one.id, one.parent, one.children) for one in domain.directories.values()] == [(0, 0, [1]), (1, 0, [])]
    assert found.counts[REPAIRED] == 2


def small() -> Domain:
    one = properties([("name", ["a"])])
    return Domain.of([Record(0, 0, 0, (), (1,)), Record(1, 0, 0, one, ())])


def test_an_index_with_two_directories_in_one_place_is_in_doubt() -> None:
    files = pack_store(small())
    files["Index"] = files["Index"] + files["Index"][-16:-12].replace(uint(1), uint(2)) + files["Index"][-12:]
    found = recover(files, "there")
    assert found.counts[DOUBTFUL]
    assert any("is where" in one.text for one in found.findings)


def test_a_file_whose_name_is_no_size_of_slots_is_left_out_and_said() -> None:
    found = recover(pack_store(small()) | {"Store.33": b"x" * 33}, "there")
    assert any("no slot has 33 bytes" in one.text for one in found.findings)
    assert len(found.domain.directories) == 2


def test_two_directories_of_one_version_are_in_doubt() -> None:
    domain = small()
    slots = [pack_record(one, 7) for one in domain.directories.values()]
    files = {"Config": uint(1)}
    for slot in slots:
        files[f"Store.{len(slot)}"] = files.get(f"Store.{len(slot)}", b"") + slot
    assert any("version 7, as directory" in one.text for one in recover(files, "there").findings)


def test_a_last_write_that_is_older_than_the_store_is_not_taken() -> None:
    domain = small()
    files = pack_store(domain)
    del files["Clean"]
    domain.at(1).data = encoded(properties([("name", ["old"])]))
    domain.at(0).version = domain.at(1).version = 0
    create = bytearray(pack_record(domain.at(1), 0))
    versions = {one.version for one in recover(pack_store(small()), "there").domain.directories.values()}
    assert max(versions) > 0
    found = recover(files | {"Create": bytes(create)}, "there")
    assert found.domain.values(1, b"name") == (b"a",)
    assert any("the store has" in one.text for one in found.findings)
    assert slot_size(24) == 32


def test_an_extension_that_no_directory_can_have_is_lost() -> None:
    root = uint(0) * 2 + encoded(()) + uint(0) + uint(0)
    far = 0xFFFF_FFFE
    other = uint(far) + uint(0) + encoded(()) + uint(0) + uint(0)
    free = b"\xff" * 4 + bytes(508)
    files = {"Collection": root.ljust(512, b"\0") + free, f"extension_{far}": other, "extension_1": other}
    found = recover(files, "there")
    assert found.counts[LOST] == 1
    assert any("no directory can have that id" in one.text for one in found.findings)
    assert any("the directory is free" in one.text for one in found.findings)
