"""Domains in other forms and back: nothing is lost, and what the standards show is read as they mean it."""

from __future__ import annotations

import csv
import io
import plistlib
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import start_domain
from netinfo.strange import domains

from portlore.errors import InputError, ParseError
from portlore.netinfo.bridges import FORMS, Options, module
from portlore.netinfo.bridges.dn import format_dn, key, parse_dn
from portlore.netinfo.bridges.from_ldap import from_entries
from portlore.netinfo.bridges.kinds import SCHEMAS
from portlore.netinfo.bridges.ldif import format_entry, parse_ldif
from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.bridges.residue import residue, restored
from portlore.netinfo.bridges.to_ldap import Exporter
from portlore.netinfo.values import properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.netinfo.domain import Domain

OPTIONS = Options("there", "dc=example,dc=com")
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
Given = dict[str, "list[str] | str"]


def there_and_back(domain: Domain, name: str, options: Options = OPTIONS) -> Domain:
    form = FORMS[name]
    written = list(module(form.writer).write(domain, options))
    source = written if form.is_folder else "".join(written).encode().splitlines(keepends=True)
    found = module(form.reader).read(source, Options("there")).domain
    assert hasattr(found, "records")
    return found  # type: ignore[no-any-return]


def domain(*places: tuple[str, list[Given]]) -> Domain:
    root = Node()
    for place, many in places:
        above = root.child(place.encode())
        for one in many:
            given = properties([(name, [value] if isinstance(value, str) else value) for name, value in one.items()])
            above.children.append(Node(given))
    return domain_of(root)


def entries(domain: Domain, schema: str = "rfc2307", *, plain: bool = False) -> dict[str, dict[str, list[bytes]]]:
    exporter = Exporter(domain, OPTIONS.base, schema, plain=plain)
    return {
        name: {key: [one.encode() if isinstance(one, str) else one for one in values] for key, values in held}
        for name, held in exporter.entries()
    }


def told(text: str, base: str = "") -> dict[str, list[dict[str, list[str]]]]:
    """What an LDIF text is as a domain: the directories of each directory of the root."""
    found = from_entries(
        parse_ldif(text.encode("utf-8", "surrogateescape").splitlines(keepends=True), "text"), base
    ).domain

    def named(number: int) -> dict[str, list[str]]:
        return {
            one.name.decode(): [value.decode("utf-8", "surrogateescape") for value in one.values]
            for one in found.directories[number].properties
        }

    root = found.directories[0]
    return {
        named(number)["name"][0]: [named(child) for child in found.directories[number].children]
        for number in root.children
    }


# Round trips


@pytest.mark.parametrize("form", FORMS)
def test_the_recorded_domain_comes_back_from_every_form_with_every_number(form: str) -> None:
    before = start_domain()
    after = there_and_back(before, form)
    assert list(after.records()) == list(before.records())
    assert after.checksum == before.checksum


@pytest.mark.parametrize("form", FORMS)
def test_whatever_a_domain_holds_comes_back_from_every_form(form: str) -> None:
    @SLOW
    @given(domains())
    def check(before: Domain) -> None:
        assert list(there_and_back(before, form).records()) == list(before.records())

    check()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_whatever_a_domain_holds_comes_back_from_every_schema_of_ldap(schema: str) -> None:
    @SLOW
    @given(domains())
    def check(before: Domain) -> None:
        after = there_and_back(before, "ldif", Options("there", "dc=example,dc=com", schema))
        assert list(after.records()) == list(before.records())

    check()


pair = st.tuples(st.binary(max_size=3), st.lists(st.binary(max_size=3), max_size=3).map(tuple))


@SLOW
@given(st.lists(pair, max_size=8), st.lists(pair, max_size=5, unique_by=lambda one: one[0]))
def test_a_residue_makes_any_properties_out_of_any_others(wanted: list[object], derived: list[object]) -> None:
    order, lines = residue(wanted, derived)  # type: ignore[arg-type]
    assert restored(derived, order, lines, "x") == wanted  # type: ignore[arg-type]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_who_changes_an_attribute_of_an_export_has_changed_the_property() -> None:
    before = domain(
        ("users", [{"name": "ann", "uid": "501", "gid": "20", "home": "/home/ann", "shell": "/bin/csh", "x": "y"}])
    )
    text = "".join(Exporter(before, "dc=example").ldif())
    assert "loginShell: /bin/csh" in text
    users = told(text.replace("loginShell: /bin/csh", "loginShell: /bin/zsh"))["users"]
    assert users == [
        {"name": ["ann"], "uid": ["501"], "gid": ["20"], "home": ["/home/ann"], "shell": ["/bin/zsh"], "x": ["y"]}
    ]


# LDIF: RFC 2849


def test_ldif_as_the_standard_shows_it() -> None:
    # RFC 2849, examples 1, 2 and 3, shortened: base64 of "What a careful reader you are! …" and a folded line.
    text = b"""version: 1
dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com
objectclass: top
cn: Barbara Jensen
cn: Babs Jensen
description: Babs is a big sailing fan, and travels extensively in sea
 rch of perfect sailing conditions.

# a comment that
 is folded too
dn: cn=Gern Jensen, ou=Product Testing, dc=airius, dc=com
title:Product Manager, Rod and Reel Division
description:: V2hhdCBhIGNhcmVmdWwgcmVhZGVyIHlvdSBhcmUhICBUaGlzIHZhbHVl

dn:: b3U95Za25qWt6YOoLG89QWlyaXVz
ou;lang-ja:: 5Za25qWt6YOo
"""
    one, two, three = parse_ldif(text.splitlines(keepends=True), "text")
    assert one.dn == "cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com"
    assert one.values["cn"] == [b"Barbara Jensen", b"Babs Jensen"]
    assert one.texts("description") == [
        "Babs is a big sailing fan, and travels extensively in search of perfect sailing conditions."
    ]
    assert two.texts("title") == ["Product Manager, Rod and Reel Division"]
    assert two.texts("description") == ["What a careful reader you are!  This value"]
    assert three.dn == "ou=営業部,o=Airius"
    assert three.texts("ou;lang-ja") == ["営業部"]
    assert two.where == "text, line 11"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("dn: cn=a\ncn: a\nphoto:< file:///etc/passwd\n", 3, "URL"),
        ("dn: cn=a\nchangetype: delete\n", 2, "changetype"),
        ("dn: cn=a\ncontrol: 1.2.3 true\n", 2, "control"),
        ("dn: cn=a\nno colon\n", 2, "no attribute"),
        ("dn: cn=a\ncn:: YQ=\n", 2, "base64"),
        ("dn: cn=a\ncn:: %%%%\n", 2, "base64"),
        ("cn: a\n", 1, "instead of dn"),
        (" cn: a\n", 1, "goes on with nothing"),
        ("version: 2\n", 1, "version"),
        ("dn: cn=a\ncn: a\ndn: cn=b\n", 3, "second dn"),
        ("dn: cn=a\ncn: a\n\n\n# one\n more\nx y\n", 7, "no attribute"),
        ("dn: cn=a\ncn: a\n folded\n-\n", 4, "change of an entry"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named(text: str, line: int, word: str) -> None:
    with pytest.raises(ParseError) as refused:
        list(parse_ldif(text.encode().splitlines(keepends=True), "text"))
    assert f"line {line}:" in refused.value.found
    assert word in refused.value.found


def test_what_ldapsearch_and_slapcat_say_of_themselves_is_passed_over() -> None:
    text = (
        "# extended LDIF\n#\n\n# ann, example.com\ndn: uid=ann,dc=example\nchangetype: add\nuid: ann\n\n"
        "# search result\nsearch: 2\nresult: 0 Success\n"
    )
    assert [one.dn for one in parse_ldif(text.encode().splitlines(keepends=True), "text")] == ["uid=ann,dc=example"]


@SLOW
@given(st.lists(st.tuples(st.sampled_from(["cn", "x-y"]), st.lists(st.binary(max_size=200), min_size=1)), max_size=3))
def test_every_value_comes_back_from_lines_of_76_columns(given_: list[tuple[str, list[bytes]]]) -> None:
    text = format_entry("cn=a", given_)
    assert all(len(line) <= 76 and line.isascii() for line in text.splitlines())
    (entry,) = parse_ldif(text.encode().splitlines(keepends=True), "text")
    wanted: dict[str, list[bytes]] = {}
    for name, values in given_:
        wanted.setdefault(name, []).extend(values)
    assert entry.values == wanted


# Names: RFC 4514


@pytest.mark.parametrize(
    ("text", "steps"),
    [  # RFC 4514 section 4, and what RFC 2253 allowed
        ("UID=jsmith,DC=example,DC=net", [[("uid", "jsmith")], [("dc", "example")], [("dc", "net")]]),
        ("OU=Sales+CN=J.  Smith,DC=net", [[("ou", "Sales"), ("cn", "J.  Smith")], [("dc", "net")]]),
        (r"CN=James \"Jim\" Smith\, III,DC=net", [[("cn", 'James "Jim" Smith, III')], [("dc", "net")]]),
        (r"CN=Before\0dAfter,DC=net", [[("cn", "Before\rAfter")], [("dc", "net")]]),
        (r"CN=Lu\C4\8Di\C4\87", [[("cn", "Lučić")]]),
        (r"cn=\ two\ ,o=x", [[("cn", " two ")], [("o", "x")]]),
        ("cn = ann , o = x", [[("cn", "ann")], [("o", "x")]]),
        ("1.3.6.1.4.1.1466.0=a\\+b", [[("1.3.6.1.4.1.1466.0", "a+b")]]),
        ("cn=a=b", [[("cn", "a=b")]]),
        ("", []),
    ],
)
def test_names_as_the_standard_shows_them(text: str, steps: list[list[tuple[str, str]]]) -> None:
    found = parse_dn(text)
    assert [list(step) for step in found] == steps
    assert parse_dn(format_dn(found)) == found


@pytest.mark.parametrize("text", ["ann", "cn=a,", "cn=a,,dc=b", "=a", "cn=a\\", "c n=a", "cn=\\zz", "cn=a+"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_dn(text)


@given(st.lists(st.lists(st.tuples(st.sampled_from(["cn", "ou"]), st.text(min_size=1)), min_size=1), min_size=1))
def test_every_name_comes_back(steps: list[list[tuple[str, str]]]) -> None:
    name = tuple(tuple(step) for step in steps)
    assert parse_dn(format_dn(name)) == name


def test_names_are_the_same_whatever_their_case_and_blanks() -> None:
    assert key(parse_dn("CN=Ann  Lee+ou=X,dc=B")) == key(parse_dn("OU=x+cn=ann lee , DC=b"))
    assert key(parse_dn("cn=ann")) != key(parse_dn("cn=anna"))


# RFC 2307


def test_the_examples_of_rfc_2307_as_netinfo() -> None:
    text = """dn: dc=aja, dc=com
objectClass: domain
dc: aja

dn: uid=lester, dc=aja, dc=com
objectClass: top
objectClass: account
objectClass: posixAccount
uid: lester
cn: Lester the Nightfly
userPassword: {crypt}X5/DBrWPOQQaI
gecos: Lester
loginShell: /bin/csh
uidNumber: 10
gidNumber: 10
homeDirectory: /home/lester

dn: cn=peg.aja.com, dc=aja, dc=com
objectClass: top
objectClass: device
objectClass: ipHost
objectClass: bootableDevice
objectClass: ieee802Device
cn: peg.aja.com
cn: www.aja.com
ipHostNumber: 10.0.0.1
macAddress: 00:00:92:90:ee:e2
bootFile: mach
bootParameter: root=fs:/nfsroot/peg
bootParameter: swap=fs:/nfsswap/peg
bootParameter: dump=fs:/nfsdump/peg

dn: cn=nightfly, dc=aja, dc=com
objectClass: nisNetgroup
cn: nightfly
nisNetgroupTriple: (charlemagne,peg,dunes.aja.com)
nisNetgroupTriple: (lester,-,)
memberNisNetgroup: kamakiriad
"""
    found = told(text)
    assert found["users"] == [
        {
            "name": ["lester"], "passwd": ["X5/DBrWPOQQaI"], "uid": ["10"], "gid": ["10"], "realname": ["Lester"],
            "home": ["/home/lester"], "shell": ["/bin/csh"], "cn": ["Lester the Nightfly"],
        }
    ]  # fmt: skip
    assert found["machines"] == [
        {
            "name": ["peg.aja.com", "www.aja.com"], "ip_address": ["10.0.0.1"], "en_address": ["00:00:92:90:ee:e2"],
            "bootfile": ["mach"],
            "bootparams": ["root=fs:/nfsroot/peg", "swap=fs:/nfsswap/peg", "dump=fs:/nfsdump/peg"],
        }
    ]  # fmt: skip
    assert found["netgroups"] == [
        {
            "name": ["nightfly"], "netgroups": ["kamakiriad"], "hosts": ["charlemagne", "lester"], "users": ["peg"],
            "domains": ["dunes.aja.com"], "nisNetgroupTriple": ["(charlemagne,peg,dunes.aja.com)", "(lester,-,)"],
        }
    ]  # fmt: skip


def test_a_user_is_the_entry_that_rfc_2307_shows() -> None:
    user: Given = {
        "name": "lester", "passwd": "X5/DBrWPOQQaI", "uid": "10", "gid": "10", "realname": "Lester",
        "home": "/home/lester", "shell": "/bin/sh",
    }  # fmt: skip
    found = entries(domain(("users", [user])), plain=True)["uid=lester,ou=people,dc=example,dc=com"]
    assert found == {
        "objectClass": [b"account", b"posixAccount"], "uid": [b"lester"], "userPassword": [b"{CRYPT}X5/DBrWPOQQaI"],
        "uidNumber": [b"10"], "gidNumber": [b"10"], "gecos": [b"Lester"], "homeDirectory": [b"/home/lester"],
        "loginShell": [b"/bin/sh"], "cn": [b"Lester"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "place", "given_", "dn", "attributes"),
    [
        ("rfc2307", "services", {"name": ["smtp", "mail"], "port": "25", "protocol": ["tcp", "udp"]},
         "cn=smtp,ou=services", {"ipServicePort": [b"25"], "ipServiceProtocol": [b"tcp", b"udp"]}),
        ("rfc2307", "groups", {"name": "staff", "gid": "20", "users": ["ann", "bob"]},
         "cn=staff,ou=group", {"memberUid": [b"ann", b"bob"], "gidNumber": [b"20"]}),
        ("rfc2307", "protocols", {"name": "tcp", "number": "6"}, "cn=tcp,ou=protocols", {"ipProtocolNumber": [b"6"]}),
        ("rfc2307", "rpcs", {"name": "nfs", "number": "100003"}, "cn=nfs,ou=rpc", {"oncRpcNumber": [b"100003"]}),
        ("rfc2307", "networks", {"name": "loop", "address": "127"},
         "cn=loop,ou=networks", {"ipNetworkNumber": [b"127"]}),
        ("rfc2307", "netgroups", {"name": "t", "hosts": ["h"], "users": ["u"], "domains": ["d"]},
         "cn=t,ou=netgroup", {"nisNetgroupTriple": [b"(h,,)", b"(,u,)", b"(,,d)"]}),
        ("rfc2307", "aliases", {"name": "post", "members": ["ann", "bob@x.org"]},
         "cn=post,ou=aliases", {"rfc822MailMember": [b"ann", b"bob@x.org"]}),
        ("rfc2307bis", "mounts", {"name": "srv:/home", "dir": "/home", "vfstype": "nfs", "opts": ["rw", "net"]},
         "automountKey=/home,ou=mounts", {"automountInformation": [b"-fstype=nfs,rw,net srv:/home"]}),
        ("apple", "mounts", {"name": "srv:/home", "dir": "/home", "vfstype": "nfs", "opts": ["rw", "net"]},
         "cn=srv:/home,cn=mounts",
         {"mountDirectory": [b"/home"], "mountType": [b"nfs"], "mountOption": [b"rw", b"net"]}),
        ("apple", "groups", {"name": "staff", "gid": "20", "realname": "All of us", "generateduid": "4508EE9C"},
         "cn=staff,cn=groups", {"apple-group-realname": [b"All of us"], "apple-generateduid": [b"4508EE9C"]}),
    ],
)  # fmt: skip
def test_directories_are_the_entries_that_each_schema_has_for_them(
    schema: str, place: str, given_: Given, dn: str, attributes: dict[str, list[bytes]]
) -> None:
    found = entries(domain((place, [given_])), schema, plain=True)[f"{dn},dc=example,dc=com"]
    assert {name: found[name] for name in attributes} == attributes


def test_members_are_named_by_their_entries_where_the_schema_wants_that() -> None:
    user: Given = {"name": "o, b", "uid": "1", "gid": "1", "home": "/"}
    before = domain(
        ("groups", [{"name": "g", "gid": "1", "users": ["o, b"]}, {"name": "h", "gid": "2", "users": ["zoe"]}]),
        ("users", [user]),
    )
    found = entries(before, "rfc2307bis")
    assert found["cn=g,ou=group,dc=example,dc=com"]["member"] == [rb"uid=o\, b,ou=people,dc=example,dc=com"]
    assert found["cn=h,ou=group,dc=example,dc=com"]["memberUid"] == [b"zoe"]


def test_siblings_of_one_name_get_names_of_their_own() -> None:
    services: list[Given] = [
        {"name": name, "port": port, "protocol": protocol}
        for name, port, protocol in (("dns", "53", "tcp"), ("DNS", "53", "udp"), ("dns", "54", "udp"))
    ]
    found = list(entries(domain(("services", services))))[2:]
    assert found[0] == "cn=dns,ou=services,dc=example,dc=com"
    assert found[1] == "cn=DNS+ipServiceProtocol=udp,ou=services,dc=example,dc=com"
    assert found[2].startswith("cn=dns+ipServiceProtocol=udp+portloreId=")


def test_entries_of_others_keep_what_netinfo_has_no_word_for() -> None:
    text = """dn: dc=x
objectClass: domain
dc: x

dn: ou=sales,dc=x
objectClass: organizationalUnit
ou: sales

dn: uid=ann,ou=sales,dc=x
objectClass: inetOrgPerson
objectClass: posixAccount
uid: ann
cn: Ann Lee
sn: Lee
mail: ann@x.org
jpegPhoto:: AAEC
uidNumber: 501
gidNumber: 20
homeDirectory: /home/ann
entryUUID: 3f0
createTimestamp: 2020

dn: cn=lp,ou=printers,ou=sales,dc=x
objectClass: printer
cn: lp
location: hall
"""
    found = told(text)
    assert found["users"] == [
        {
            "name": ["ann"], "uid": ["501"], "gid": ["20"], "home": ["/home/ann"], "realname": ["Ann Lee"],
            "sn": ["Lee"], "mail": ["ann@x.org"], "jpegPhoto;base64": ["AAEC"],
        }
    ]  # fmt: skip
    assert found["sales"] == [{"name": ["printers"]}]


def test_groups_within_groups_are_written_out_and_cycles_end() -> None:
    def group(name: str, *members: str) -> str:
        lines = "".join(f"member: {one},dc=x\n" for one in members)
        return f"dn: cn={name},dc=x\nobjectClass: posixGroup\ncn: {name}\ngidNumber: 1\n{lines}\n"

    text = group("a", "uid=ann", "cn=b") + group("b", "uid=bob", "cn=a", "cn=B") + group("c", "cn=a", "uid=gone")
    found = told("dn: dc=x\nobjectClass: domain\ndc: x\n\n" + text)["groups"]
    assert [one["users"] for one in found] == [["ann", "bob"], ["bob", "ann"], ["ann", "bob", "gone"]]
    read = from_entries(
        parse_ldif(("dn: dc=x\nobjectClass: domain\n\n" + text).encode().splitlines(keepends=True), "x")
    )
    assert (read.nested, read.cyclic) == (2, 2)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("dn: cn=a\nobjectClass: x\n\ndn: CN = A\nobjectClass: x\n", "entry of this name"),
        ("dn: nothing\nobjectClass: x\n", "type=value"),
        ("", "there is none"),
        ("dn: uid=a,dc=x\nobjectClass: posixAccount\nuid: a\ngecos: " + "x" * 70_000 + "\n", "70,000 bytes"),
        ("dn: cn=a\nobjectClass: portloreRecord\nportloreId: 0\nportloreProperty: nonsense\n", "no property"),
        ("dn: cn=a,dc=x\nobjectClass: posixGroup\ncn: a\nmember: who\n", "type=value"),
    ],
)
def test_entries_that_cannot_be_taken_are_refused_with_a_word(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        told(text)


def _large_group(count: int) -> Iterator[bytes]:
    yield b"dn: cn=big,dc=x\n"
    yield b"objectClass: posixGroup\n"
    for number in range(count):
        yield b"memberUid: user%d\n" % number


def test_a_group_of_500_000_is_refused_in_bounded_memory() -> None:
    lines = _large_group(500_000)
    tracemalloc.start()
    try:
        with pytest.raises(ParseError) as refused:
            from_entries(parse_ldif(lines, "text"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.found == "line 65538: more than 65,535 values of memberUid in 'cn=big,dc=x'"
    assert peak < 32 << 20
    assert next(lines) == b"memberUid: user65537\n"  # one line ahead was read, the rest never


def test_a_group_of_65_535_goes_both_ways() -> None:
    names = [f"user{number}" for number in range(65_535)]
    before = domain(("groups", [{"name": "big", "gid": "1", "users": names}]))
    assert list(there_and_back(before, "ldif").records()) == list(before.records())


def test_a_base_that_cannot_hold_a_domain_is_refused() -> None:
    for base in ("", "uid=ann", "nothing", "dc=a+dc=b"):
        with pytest.raises(InputError):
            list(module("to_ldap").write(start_domain(), Options("x", base)))


# dslocal


def _files(domain: Domain) -> dict[str, bytes]:
    return dict(module("dslocal").write(domain, OPTIONS))


def test_records_are_plists_of_arrays_by_netinfos_own_names() -> None:
    user: Given = {"name": ["ann", "annie"], "uid": "501", "ShadowHashData;base64": "AAEC", "empty": []}
    record = plistlib.loads(_files(domain(("users", [user])))["users/ann.plist"])
    assert record["name"] == ["ann", "annie"]
    assert record["uid"] == ["501"]
    assert record["ShadowHashData"] == [b"\0\1\2"]
    assert record["empty"] == []
    assert len(record["generateduid"][0]) == 36


def test_every_file_is_a_property_list_as_its_dtd_has_it() -> None:
    allowed = {"plist", "dict", "array", "key", "string", "data"}
    for name, data in _files(start_domain()).items():
        assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>'), name
        assert {one.tag for one in ElementTree.fromstring(data).iter()} <= allowed, name
        record = plistlib.loads(data)
        assert all(isinstance(held, list) for held in record.values()), name


def test_a_record_as_mac_os_x_writes_it_is_read() -> None:
    record = {
        "name": ["gl", "georg"], "uid": ["501"], "home": ["/Users/gl"], "passwd": ["********"],
        "authentication_authority": [";ShadowHash;HASHLIST:<SALTED-SHA512>", ";SecureToken;"],
        "ShadowHashData": [b"\1\2\3"], "IsHidden": ["1"],
    }  # fmt: skip
    for form in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        files = [("users/gl.plist", plistlib.dumps(record, fmt=form)), ("sqlindex", b"x")]
        found = module("dslocal").read(files, OPTIONS)
        number = found.domain.path(b"users", b"georg")
        given_ = {
            one.name.decode(): [v.decode() for v in one.values] for one in found.domain.directories[number].properties
        }
        assert given_ == {
            "name": ["gl", "georg"], "uid": ["501"], "home": ["/Users/gl"], "passwd": ["********"],
            "authentication_authority": [";ShadowHash;HASHLIST:<SALTED-SHA512>", ";SecureToken;"],
            "ShadowHashData;base64": ["AQID"], "IsHidden": ["1"],
        }  # fmt: skip
        assert found.remarks == ("1 files are no records, and were left out",)


def test_names_that_no_file_can_have_get_one() -> None:
    names = ["a/b", "A/B", ".hidden", "..", "", "x" * 300, "a\nb", "é", "C:"]
    files = _files(domain(("users", [{"name": name} for name in names])))
    made = [name.removeprefix("users/") for name in files if name.startswith("users/")]
    assert len({name.casefold() for name in made}) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name.encode()) < 256 for name in made)


@pytest.mark.parametrize("data", [b"", b"bplist00", b"<plist>", b"<plist><string/></plist>", b"\xff" * 40])
def test_a_file_that_is_no_record_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(ParseError, match=r"there/users/ann\.plist"):
        module("dslocal").read([("users/ann.plist", data)], OPTIONS)


# etc


def _etc(domain: Domain, **changed: bytes) -> dict[str, bytes]:
    return dict(module("etc").write(domain, OPTIONS)) | {name.replace("_", "."): data for name, data in changed.items()}


def _users(domain: Domain) -> dict[str, dict[str, list[str]]]:
    number = domain.path(b"users")
    assert number is not None
    found = {}
    for child in domain.directories[number].children:
        given_ = {one.name.decode(): [v.decode() for v in one.values] for one in domain.directories[child].properties}
        found[given_["name"][0]] = given_
    return found


ANN: Given = {
    "name": "ann", "passwd": "abc", "uid": "501", "gid": "20", "class": "", "change": "0", "expire": "864000",
    "realname": "Ann", "home": "/home/ann", "shell": "/bin/csh", "picture": "/a.tiff",
}  # fmt: skip


def test_etc_files_say_what_their_manuals_say() -> None:
    files = _etc(domain(("users", [ANN]), ("services", [{"name": "dns", "port": "53", "protocol": ["tcp", "udp"]}])))
    assert files["passwd"] == b"ann:x:501:20:Ann:/home/ann:/bin/csh\n"
    assert files["shadow"] == b"ann:abc::::::10:\n"
    assert files["master.passwd"] == b"ann:abc:501:20::0:864000:Ann:/home/ann:/bin/csh\n"
    assert files["services"].split(b"\n")[:2] == [b"dns\t53/tcp\t", b"dns\t53/udp\t"]


def test_of_a_file_that_was_changed_the_changed_entries_count() -> None:
    before = domain(("users", [ANN, {**ANN, "name": "bob"}]))
    passwd = b"ann:x:501:20:Ann:/home/ann:/bin/zsh\nzoe:x:502:20:Zoe:/home/zoe:/bin/sh\n"
    read = module("etc").read(list(_etc(before, passwd=passwd).items()), OPTIONS)
    users = _users(read.domain)
    assert list(users) == ["ann", "zoe"]
    assert users["ann"] == {
        name: ["/bin/zsh"] if name == "shell" else [value] if isinstance(value, str) else value
        for name, value in ANN.items()
    }
    assert users["zoe"]["home"] == ["/home/zoe"]
    assert read.remarks == ("changed since they were written: passwd",)


def test_a_service_with_another_port_is_the_same_directory() -> None:
    before = domain(("services", [{"name": "a", "port": "1", "protocol": ["tcp"], "note": "n"}]))
    read = module("etc").read(list(_etc(before, services=b"a 2/tcp\nb 3/udp\nb 3/tcp\n").items()), OPTIONS)
    number = read.domain.path(b"services")
    rows = [read.domain.directories[one].properties for one in read.domain.directories[number].children]
    assert rows == [
        properties([("name", ["a"]), ("port", ["2"]), ("protocol", ["tcp"]), ("note", ["n"])]),
        properties([("name", ["b"]), ("port", ["3"]), ("protocol", ["udp", "tcp"])]),
    ]


def test_a_folder_such_as_etc_is_read_file_by_file() -> None:
    files = {"passwd": b"ann:x:501:20:Ann:/home/ann:/bin/sh\n", "shadow": b"ann:$6$x:19000:0:::::\n",
             "group": b"staff:*:20:ann,bob\n", "hosts": b"127.0.0.1 localhost # here\n"}  # fmt: skip
    read = module("etc").read(list(files.items()), OPTIONS)
    assert _users(read.domain)["ann"]["passwd"] == ["$6$x"]
    group = read.domain.directories[read.domain.path(b"groups", b"staff")].properties
    assert properties([("users", ["ann", "bob"])])[0] in group
    assert read.domain.path(b"machines", b"localhost") is not None


# csv


def test_a_table_is_safe_to_open_and_plain_to_read() -> None:
    before = domain(("users", [{"name": "=cmd()", "note": ["+1", "-1", "@x", "a,b", 'say "x"', "two\nlines"]}]))
    text = "".join(module("table").write(before, OPTIONS))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["id", "instance", "parent", "place", "path", "property", "values"]
    assert rows[2] == ["1", "0", "0", "0", "/users", "name", "users"]
    assert rows[3][5:] == ["name", "%3Dcmd()"]
    assert rows[4][5:] == ["note", "%2B1", "%2D1", "%40x", "a,b", 'say "x"', "two%0Alines"]
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("0,0,0,0,/\r\nx,0,0,0,/a\r\n", "line 3"),
        ("0,0,0,0,/\r\n1,0,7,0,/a\r\n", "parent 7"),
        ("0,0,0,0,/\r\n1,0,2,0,/a\r\n2,0,1,0,/b\r\n", "ancestors"),
        ("0,0,0,0,/\r\n1,0,0,0,/a,name,a\r\n1,0,2,0,/a,x,y\r\n", "another parent"),
        ("5,0,5,0,/\r\n", "no directory 0"),
        ('0,0,0,0,"/\r\n', "line"),
        ("0,0,0,0,/,\udcff\r\n", "UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused(rows: str, word: str) -> None:
    data = f"id,instance,parent,place,path,property,values\r\n{rows}".encode("utf-8", "surrogateescape")
    with pytest.raises(ParseError, match=word):
        module("table").read(data.splitlines(keepends=True), OPTIONS)
