"""The server held against SPEC.md clause by clause: a plain reading of it, and what only a second reading finds."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.plainly import ROOT_HERE, STRANGER, Plain, Refused, encoded, ni_id, plain_match

from portlore.errors import ParseError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.domain import MOST_EMPTY, Domain
from portlore.netinfo.exchange import domain_json, parse_domain
from portlore.netinfo.parents import Parent, candidates
from portlore.netinfo.procedures import PROCEDURES
from portlore.netinfo.values import LAST, NUMBERS, Property, Record
from portlore.oncrpc.message import NOBODY, Auth, Call, UnixAuth, encode_call, encode_unix
from portlore.oncrpc.xdr import Reader, opaque, uint

OK, PERM, NODIR, NOSPACE, AUTHERROR = (uint(NUMBERS[n]) for n in ("OK", "PERM", "NODIR", "NOSPACE", "AUTHERROR"))
NOTHING = uint(0)
Pairs = list[tuple[bytes, list[bytes]]]


def login(uid: int, password: bytes) -> Auth:
    """AUTH_UNIX with the password's bytes inverted as the machine name (SPEC 2.6)."""
    return Auth(1, encode_unix(UnixAuth(7, bytes(byte ^ 0xFF for byte in password), uid, 0, ())))


def given_properties(pairs: Pairs) -> tuple[Property, ...]:
    return tuple(Property(name, tuple(values)) for name, values in pairs)


def service(*pairs: Pairs, classic: bool = True, children: bool = True) -> Service:
    """A domain of a root and directories 1, 2, 3 …, which are the root's children or each the one before's."""
    count = len(pairs)
    below = [tuple(range(1, count)) if children else (1,)] + [
        () if children or number + 1 == count else (number + 1,) for number in range(1, count)
    ]
    records = [
        Record(
            number, 0, 0 if children else max(number - 1, 0), given_properties(one), below[number] if count > 1 else ()
        )
        for number, one in enumerate(pairs)
    ]
    return Service(Domain.of(records), b"conv", plain_match, Policy(classic=classic), b"alpha")


def ask(
    who: Service, procedure: int, arguments: bytes = b"", credential: Auth = NOBODY, caller: Caller = STRANGER
) -> bytes:
    """The results of a call, or its accept_stat where it is not SUCCESS, as the reply's bytes from there on."""
    reply = who.answer(caller, encode_call(Call(1, 200100000, 2, procedure, credential, NOBODY, arguments)))
    assert reply is not None
    assert reply[:20] == uint(1) + uint(1) + uint(0) + bytes(8)
    return reply[24:] if reply[20:24] == NOTHING else reply[20:]


# 2.4 to 3.2, 10.1, 10.2, 10.6, 10.7, 10.8: any calls in a row, and what a plain reading of those sections answers

NAMES = [b"name", b"x", b"", b"_writers", b"_writers_x", b"_writers_", b"uid", b"passwd"]
VALUES = [b"a", b"b", b"", b"*", b"ann", b"bob", b"0", b"-2", b"501", b"pw", b"cut\0off"]
name = st.sampled_from(NAMES)
values = st.lists(st.sampled_from(VALUES), max_size=3)
pairs = st.lists(st.tuples(name, values), max_size=3)
small = st.sampled_from([0, 1, 2, 3, 2**31, LAST])
LOGINS = [
    NOBODY,
    *(login(uid, word) for uid in (0, 501, 0xFFFF_FFFE) for word in (b"pw", b"", b"wrong", b"pw\xffinverted")),
]
START: list[
    Pairs
] = [  # /, /users, and in it a superuser, two with one uid, nobody, one without a name, one without passwd
    [(b"_writers", [b"ann"])],
    [(b"name", [b"users"])],
    [(b"name", [b"root"]), (b"uid", [b"0"]), (b"passwd", [b"pw"])],
    [(b"name", [b"ann", b"anne"]), (b"uid", [b"501"]), (b"passwd", [b"pw"])],
    [(b"name", [b"bob"]), (b"uid", [b"500", b"501"]), (b"passwd", [b"", b"pw"])],
    [(b"name", [b"nobody"]), (b"uid", [b"-2"]), (b"passwd", [b"other", b"pw"])],
    [(b"uid", [b"501"]), (b"passwd", [b"wrong"])],
    [(b"name", [b"lack"]), (b"uid", [b"0"])],
]
step = st.tuples(
    st.sampled_from([*range(2, 22), 23, 25, 28, 5, 5, 5, 6, 8, 10, 10, 12]),
    st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 0, 0, 0, 1])),  # a directory, how far off its instance is
    st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 0, 0, 1])),
    st.tuples(pairs, name, values, st.sampled_from(VALUES)),
    st.tuples(small, small, small),
    st.tuples(st.integers(0, len(LOGINS) - 1), st.sampled_from([True, False, False])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(step, max_size=40))
def test_calls_in_a_row_are_answered_as_the_specification_reads(steps: list[Any]) -> None:
    parents = [0, 0, *[1] * 6]
    plain = Plain([(parent, [(n, list(v)) for n, v in one]) for parent, one in zip(parents, START, strict=True)])
    records = [
        Record(number, 0, parent, given_properties(one), tuple(plain.directories[number].children))
        for number, (parent, one) in enumerate(zip(parents, START, strict=True))
    ]
    real = Service(Domain.of(records), b"conv", plain_match, Policy(classic=True), b"alpha")
    plain.version = real.domain.version
    for one in real.domain.directories.values():
        plain.directories[one.id].version = one.version
    for procedure, target, other, (props, key, many, value), numbers, (who, here) in steps:
        ids = [plain.picked(*target), plain.picked(*other)]
        arguments, act = plain.prepared(procedure, ids, props, key, many, value, numbers)
        caller = ROOT_HERE if here else STRANGER
        try:
            wanted = OK + act(plain.acting(LOGINS[who], caller) if PROCEDURES[procedure].writes else None)
        except Refused as refusal:
            wanted = uint(NUMBERS[str(refusal)])
        assert ask(real, procedure, arguments, LOGINS[who], caller) == wanted, PROCEDURES[procedure].name
    assert real.domain.checksum == plain.checksum()


# 2.4: what cannot be decoded is GARBAGE_ARGS, whatever it is about

UNKNOWN = ni_id(99_999, 0)
WHOLE = {
    3: UNKNOWN, 4: UNKNOWN, 5: UNKNOWN + encoded([]) + uint(LAST) + NOTHING, 6: UNKNOWN + UNKNOWN, 7: UNKNOWN,
    8: UNKNOWN + encoded([]), 9: UNKNOWN, 10: UNKNOWN + opaque(b"key") + opaque(b"value"), 11: UNKNOWN + opaque(b"key"),
    12: UNKNOWN + opaque(b"name") + NOTHING + uint(LAST), 13: UNKNOWN + NOTHING, 14: UNKNOWN + NOTHING,
    15: UNKNOWN + NOTHING + NOTHING, 16: UNKNOWN + NOTHING + opaque(b"name"), 17: UNKNOWN,
    18: UNKNOWN + NOTHING + opaque(b"name") + NOTHING, 19: UNKNOWN + NOTHING + NOTHING, 20: UNKNOWN + NOTHING + NOTHING,
    21: UNKNOWN + NOTHING + NOTHING + opaque(b"name"), 23: UNKNOWN, 28: UNKNOWN + opaque(b"name") + opaque(b"value"),
}  # fmt: skip


@pytest.mark.parametrize("procedure", WHOLE, ids=lambda number: PROCEDURES[number].name)
def test_arguments_are_decoded_before_anything_is_looked_at(procedure: int) -> None:
    who, whole = service([]), WHOLE[procedure]
    assert ask(who, procedure, whole, caller=ROOT_HERE) == NODIR
    assert ask(who, procedure, whole + b"more", caller=ROOT_HERE) == NODIR
    for size in range(0, len(whole), 4):
        assert ask(who, procedure, whole[:size], caller=ROOT_HERE) == uint(4)


# 2.2: no list grows longer than what can be sent


def test_a_list_that_is_full_has_no_space() -> None:
    who = service([(b"many", [b"v"] * 65535)])
    assert ask(who, 18, ni_id(0, 0) + uint(0) + opaque(b"w") + uint(0), caller=ROOT_HERE) == NOSPACE
    assert ask(who, 8, ni_id(0, 0) + encoded([(b"", [])] * 65535), caller=ROOT_HERE)[:4] == OK
    assert ask(who, 12, ni_id(0, 1) + opaque(b"one more") + NOTHING + uint(0), caller=ROOT_HERE) == NOSPACE
    assert ask(who, 17, ni_id(0, 0))[:8] == OK + uint(65535)


# 2.6


@pytest.mark.parametrize(
    ("machine", "status"),
    [
        (b"\x8f\x88", OK),  # "pw" inverted
        (b"\x8f\x88\0\xff", OK),  # a NUL ends the string that was sent …
        (b"\x8f\x88\xff\x8f", OK),  # … and an inverted one the password
        (b"\x8f\x88\x8f", AUTHERROR),
    ],
)
def test_a_password_ends_where_a_string_of_c_does(machine: bytes, status: bytes) -> None:
    who = service(
        [], [(b"name", [b"users"])], [(b"name", [b"root"]), (b"uid", [b"0"]), (b"passwd", [b"pw"])], children=False
    )
    credential = Auth(1, encode_unix(UnixAuth(7, machine, 0, 0, ())))
    assert ask(who, 8, ni_id(0, 0) + encoded([]), credential)[:4] == status


def test_the_word_checksum_ends_likewise() -> None:
    machine = bytes(byte ^ 0xFF for byte in b"checksum")
    for sent in (machine, machine + b"\0\x55", machine + b"\xff\x55"):
        found = ask(service([]), 1, credential=Auth(1, encode_unix(UnixAuth(0, sent, 501, 0, ()))))
        assert found == encoded([(b"checksum", [b"0"])])


# 3.2

DESTROYS = [  # SPEC 3.2: the parent and its instance; permission; the child and its instance; its children; whose it is
    ("an unknown parent", 99, 0, 99, 0, False, "NODIR"),
    ("a stale parent, not permitted", 0, 5, 99, 0, False, "STALE"),
    ("not permitted, an unknown child", 0, 0, 99, 0, False, "PERM"),
    ("not permitted, a stale child", 0, 0, 1, 5, False, "PERM"),
    ("an unknown child", 0, 0, 99, 0, True, "NODIR"),
    ("a stale child with children", 0, 0, 1, 5, True, "STALE"),
    ("a child with children", 0, 0, 1, 0, True, "NOTEMPTY"),
    ("another's child", 0, 0, 2, 0, True, "UNRELATED"),
    ("the root of itself", 0, 0, 0, 0, True, "NOTEMPTY"),
    ("a leaf of itself", 2, 0, 2, 0, True, "UNRELATED"),
    ("the child", 1, 0, 2, 0, True, "OK"),
]


@pytest.mark.parametrize(
    ("what", "parent", "instance", "child", "of_child", "permitted", "status"),
    DESTROYS,
    ids=[row[0] for row in DESTROYS],
)
def test_destroy_looks_at_one_thing_after_the_other(
    what: str, parent: int, instance: int, child: int, of_child: int, permitted: bool, status: str
) -> None:
    who = service([], [(b"name", [b"a"])], [(b"name", [b"b"])], children=False)
    caller = ROOT_HERE if permitted else STRANGER
    assert ask(who, 6, ni_id(parent, instance) + ni_id(child, of_child), caller=caller)[:4] == uint(NUMBERS[status])


def test_list_gives_the_first_property_of_a_name_that_has_a_value_and_lookup_searches_the_first() -> None:
    # LIST: "if the child has that property with at least one value"; so do the published servers of 1989 and of 2005.
    who = service([], [(b"k", []), (b"k", [b"v"]), (b"k", [b"w"])], [(b"k", [])], [(b"k", [b""])], [(b"j", [b"v"])])
    listed = [uint(1) + uint(1) + uint(1) + opaque(b"v"), uint(2) + uint(0), uint(3) + uint(1) + uint(1) + opaque(b"")]
    assert ask(who, 11, ni_id(0, 9) + opaque(b"k")) == OK + uint(4) + b"".join([*listed, uint(4) + uint(0)]) + ni_id(
        0, 0
    )
    assert ask(who, 10, ni_id(0, 9) + opaque(b"k") + opaque(b"v")) == NODIR


STATISTICS = (
    b"checksum server_version tag ip_address hostname write_locked notify_threads notifications_pending "
    b"authentications readall_proxies cleanup_wait total_calls binding "
    b"ping statistics root self parent create destroy read write children lookup list createprop destroyprop readprop "
    b"writeprop renameprop listprops createname destroyname readname writename rparent listall bind readall crashed "
    b"resync lookupread"
).split()


def test_statistics_come_in_their_order_with_as_many_values_as_they_have() -> None:
    who = service([(b"master", [b"alpha/conv"])])
    ask(who, 2)
    reader = Reader(ask(who, 1))
    found = [(reader.opaque(99), [reader.opaque(99) for _ in range(reader.uint())]) for _ in range(reader.uint())]
    assert [name for name, _ in found] == STATISTICS
    several = {b"tag": 3, b"notify_threads": 3, b"authentications": 4, b"readall_proxies": 2, b"cleanup_wait": 2}
    calls = STATISTICS[13:]
    assert {name: len(values) for name, values in found} == {
        name: 3 if name in calls else several.get(name, 1) for name in STATISTICS
    }
    told = dict(found)
    assert [told[name][0] for name in calls] == [b"%d" % number for number in range(29)]
    assert (told[b"root"][1], told[b"lookup"][1]) == (b"1", b"0")
    assert told[b"tag"][:2] == [b"conv", b"master"]


@pytest.mark.parametrize("word", [b"YES", b"1", b"y"])
def test_a_domain_that_says_it_is_the_root_is_forced_to_be(word: bytes) -> None:
    machine = [(b"name", [b"up"]), (b"ip_address", [b"10.0.0.9"]), (b"serves", [b"../network"])]
    who = service([(b"isRoot", [word])], [(b"name", [b"machines"])], machine, children=False)
    assert b"forcedRoot" in ask(who, 1)
    assert candidates(who.domain) == []


# 4: who may be a parent


def test_parents_are_sought_where_an_address_and_a_tag_are() -> None:
    def up(address: bytes, *serves: bytes) -> Pairs:
        return [(b"ip_address", [address]), (b"serves", list(serves))]

    asked = [
        up(b"10.0.0.1", b"./other", b"../network"), up(b"255.255.255.255", b"../up"), up(b"10.0.0.2", b"child/local"),
        up(b"here", b"../network"), up(b"255.255.255.255", b"../-DHCP-"), up(b"10.0.0.3", b"../-BOOTPARAMS-"),
        [(b"serves", [b"../network"])],
    ]  # fmt: skip
    many = [Record(number, 0, 1, given_properties(one), ()) for number, one in enumerate(asked, 2)]
    top = Record(1, 0, 0, given_properties([(b"name", [b"machines"])]), tuple(one.id for one in many))
    domain = Domain.of([Record(0, 0, 0, (), (1,)), top, *many])
    assert candidates(domain) == [("10.0.0.1", b"network"), ("255.255.255.255", b"up"), ("255.255.255.255", b"-DHCP-")]


def test_a_domain_is_not_its_own_parent() -> None:
    for serves, elsewhere in (([b"../conv"], [("10.0.0.7", b"conv")]), ([b"./conv", b"../conv"], [])):
        own = [(b"name", [b"own"]), (b"ip_address", [b"10.0.0.7", b"10.0.0.8"]), (b"serves", serves)]
        who = service([], [(b"name", [b"machines"])], own, children=False)
        parent = Parent(who)
        who.parent_of = parent.server
        assert parent.known("10.0.0.9") == elsewhere
        assert parent.known("10.0.0.7") == []
        assert ask(who, 22) == uint(NUMBERS["NETROOT"])


# 3.3: what an index costs


class Counted(dict[int, Any]):
    """Directories, and how often one was looked at."""

    looks = 0

    def __getitem__(self, key: int) -> Any:
        self.looks += 1
        return super().__getitem__(key)

    def get(self, key: int, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)


def test_a_write_anywhere_among_many_siblings_does_not_look_at_them_all() -> None:
    many = 2000
    children = [
        Record(n, 0, 0, given_properties([(b"name", [b"%d" % n]), (b"gid", [b"20"])]), ()) for n in range(1, many)
    ]
    domain = Domain.of([Record(0, 0, 0, (), tuple(range(1, many))), *children])
    root, new = domain.at(0), given_properties([(b"name", [b"new"]), (b"gid", [b"20"])])
    assert len(domain.find(0, b"name", b"5")) == 1
    assert len(domain.find(0, b"gid", b"20")) == many - 1
    counted = domain.directories = Counted(domain.directories)
    for where in (0, many // 2, LAST, 1):
        made = domain.create(root, new, where)
        assert made.id in domain.find(0, b"gid", b"20")
        domain.write(made, given_properties([(b"name", [b"newer"]), (b"gid", [b"20"])]))
        domain.destroy(root, made)
        assert domain.find(0, b"name", b"newer") == []
    assert counted.looks < many // 2


def test_order_holds_when_all_come_between_the_same_two_siblings() -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    root, new = domain.at(0), given_properties([(b"gid", [b"20"])])
    for where in (LAST, LAST, *[1] * 200):  # halves between two numbers run out after some fifty
        domain.create(root, new, where)
        assert domain.find(0, b"gid", b"20") == root.children
    domain.destroy(root, domain.at(202))
    assert domain.find(0, b"gid", b"20") == root.children == [1, *range(201, 2, -1), 2]


def test_what_anybody_may_ask_for_does_not_fill_the_memory() -> None:
    who = service([], [(b"name", [b"a"])], [(b"name", [b"b"])])
    for number in range(MOST_EMPTY + 50):
        assert ask(who, 10, ni_id(0, 0) + opaque(b"%d" % number) + opaque(b"x")) == NODIR
        assert ask(who, 10, ni_id(0, 0) + opaque(b"long" * 100 + b"%d" % number) + opaque(b"x")) == NODIR
    found = ask(who, 10, ni_id(0, 0) + opaque(b"name") + opaque(b"b"))
    assert found == OK + uint(1) + uint(2) + ni_id(0, 0)
    assert sum(map(len, who.domain._indexes.values())) <= MOST_EMPTY + 1


def test_a_key_that_nobody_had_is_found_once_somebody_has_it() -> None:
    who = service([], [(b"name", [b"a"])])
    lookup = ni_id(0, 0) + opaque(b"rare") + opaque(b"x")
    assert ask(who, 10, lookup) == NODIR
    ask(who, 8, ni_id(1, 0) + encoded([(b"rare", [b"x"])]), caller=ROOT_HERE)
    for number in range(MOST_EMPTY + 1):
        ask(who, 10, ni_id(0, 0) + opaque(b"%d" % number) + opaque(b"x"))
    assert ask(who, 10, lookup) == OK + uint(1) + uint(1) + ni_id(0, 0)


# The safe defaults, in place of classic ones: what one read hides, every read hides

USERS: list[Pairs] = [
    [(b"master", [b"alpha/conv"])],
    [(b"name", [b"ann"]), (b"uid", [b"501"]), (b"passwd", [b"secret"]), (b"_writers_passwd", [b"ann"])],
    [(b"name", [b"bob"]), (b"uid", [b"502"]), (b"passwd", [b"secret", b"", b"older"]), (b"hint", [b"passwd"])],
    [(b"name", [b"none"]), (b"passwd", [b""]), (b"uid", [b"503"])],
    [(b"name", [b"shut"]), (b"passwd", [b"*"]), (b"ntpasswd", [b"secret"]), (b"password_hint", [b"secret"])],
    [(b"name", [b"twice"]), (b"passwd", []), (b"passwd", [b"secret"])],
    [(b"name", [b"users"]), (b"uid", [b"0"]), (b"passwd", [b"rootpw"])],
]


def users(*, classic: bool = False) -> Service:
    """/users with the users above; its own entry, 6, is the superuser's too."""
    many = [Record(n, 3 * n, 6, given_properties(USERS[n]), ()) for n in range(1, 6)]
    top = Record(6, 1, 0, given_properties([(b"name", [b"users"])]), (*range(1, 6), 7))
    root = Record(7, 0, 6, given_properties([(b"name", [b"root"]), *USERS[6][1:]]), ())
    records = [Record(0, 2, 0, given_properties(USERS[0]), (6,)), *many, top, root]
    return Service(Domain.of(records), b"conv", plain_match, Policy(classic=classic), b"alpha")


VIEWERS = [
    (STRANGER, NOBODY), (STRANGER, login(501, b"secret")), (STRANGER, login(501, b"wrong")),
    (STRANGER, login(502, b"secret")), (STRANGER, login(503, b"")), (STRANGER, login(0, b"rootpw")),
    (ROOT_HERE, NOBODY),
]  # fmt: skip


@pytest.mark.parametrize(("caller", "credential"), VIEWERS)
def test_every_read_says_the_same_of_a_hash(caller: Caller, credential: Auth) -> None:
    real = users()
    shown = []
    for record in real.domain.records():
        reader = Reader(ask(real, 7, ni_id(record.id, 0), credential, caller)[12:])
        found = [(reader.opaque(99), [reader.opaque(99) for _ in range(reader.uint())]) for _ in range(reader.uint())]
        shown.append(record.replace(properties=given_properties(found)))
    plain = Service(
        Domain.of(shown), b"conv", plain_match, Policy(classic=True), b"alpha"
    )  # all that is known is shown
    keys = [b"passwd", b"ntpasswd", b"password_hint", b"_writers_passwd", b"name", b"hint"]
    words = [b"secret", b"*", b"", b"older", b"rootpw", b"ann", b"passwd"]
    calls = [(23, ni_id(6, 0)), (25, uint(0)), *((11, ni_id(6, 0) + opaque(key)) for key in keys)]
    calls += [(n, ni_id(6, 0) + opaque(key) + opaque(word)) for n in (10, 28) for key in keys for word in words]
    for number in real.domain.directories:
        for at in range(5):
            calls += [
                (14, ni_id(number, 0) + uint(at)),
                *((20, ni_id(number, 0) + uint(at) + uint(n)) for n in range(4)),
            ]
    for procedure, arguments in calls:
        got = ask(real, procedure, arguments, credential, caller)
        assert got == ask(plain, procedure, arguments), (PROCEDURES[procedure].name, arguments)


def test_a_hash_of_another_is_seen_by_root_alone_and_an_own_one_by_its_owner() -> None:
    sees = [
        [n for n in range(1, 8) if b"secret" in ask(users(), 7, ni_id(n, 0), who, caller)] for caller, who in VIEWERS
    ]
    everyone = [1, 2, 4, 5]
    assert sees == [[], [1], [], [2], [], everyone, everyone]


def test_a_namesake_elsewhere_is_no_owner() -> None:
    who = users()
    group = encoded([(b"name", [b"ann"]), (b"passwd", [b"secret"])])
    ask(who, 5, ni_id(0, 2) + group + uint(LAST) + NOTHING, caller=ROOT_HERE)
    assert b"secret" not in ask(who, 7, ni_id(8, 0), login(501, b"secret"))


def test_reading_asks_crypt_once_for_all_that_a_call_shows_and_a_guess_counts_as_one() -> None:
    asked = []

    def match(given: bytes, hashed: bytes) -> bool:
        asked.append(given)
        return given == hashed

    who = users()
    who._matches = match
    for _ in range(3):
        ask(who, 23, ni_id(6, 0), login(501, b"wrong"))
    assert (asked, who.authentications) == ([b"wrong"], [0, 1, 0, 0])
    ask(who, 23, ni_id(6, 0), login(501, b"guess"))
    assert (asked, who.authentications) == ([b"wrong", b"guess"], [0, 2, 0, 0])
    ask(who, 15, ni_id(1, 3) + uint(2) + uint(1) + opaque(b"guess"), caller=ROOT_HERE)
    assert b"guess" in ask(who, 7, ni_id(1, 0), login(501, b"guess"))  # what was remembered of it no longer holds


def test_writing_back_what_was_read_does_not_destroy_what_was_hidden() -> None:
    who = users()
    pairs = [(b"name", [b"bob"]), (b"passwd", [b"secret", b"", b"older"]), (b"_writers", [b"ann"])]
    assert ask(who, 8, ni_id(2, 6) + encoded(pairs), caller=ROOT_HERE)[:4] == OK
    ann = login(501, b"secret")
    shown = [(b"name", [b"robert"]), (b"passwd", [b"*", b"", b"*"]), (b"_writers", [b"ann"])]
    assert ask(who, 7, ni_id(2, 0), ann)[12:] == encoded([(b"name", [b"bob"]), *shown[1:]])
    assert ask(who, 8, ni_id(2, 7) + encoded(shown), ann)[:4] == OK
    assert ask(who, 7, ni_id(2, 0), caller=ROOT_HERE)[12:] == encoded([(b"name", [b"robert"]), *pairs[1:]])
    assert ask(who, 8, ni_id(2, 8) + encoded([(b"passwd", [b"new"]), shown[2]]), ann)[:4] == OK
    assert (
        ask(who, 15, ni_id(2, 9) + uint(0) + uint(1) + opaque(b"*"), ann)[:4] == OK
    )  # said of this value alone: meant
    assert ask(who, 7, ni_id(2, 0), caller=ROOT_HERE)[12:] == encoded([(b"passwd", [b"*"]), shown[2]])


def test_who_sees_hashes_writes_a_star_that_stays_one() -> None:
    who = users()
    assert ask(who, 8, ni_id(2, 6) + encoded([(b"passwd", [b"*", b"", b"*"])]), login(0, b"rootpw"))[:4] == OK
    assert ask(who, 7, ni_id(2, 0), caller=ROOT_HERE)[12:] == encoded([(b"passwd", [b"*", b"", b"*"])])


def test_another_name_does_not_uncover_a_hash() -> None:
    who = users()
    ask(who, 12, ni_id(2, 6) + opaque(b"_writers") + uint(1) + opaque(b"ann") + uint(LAST), caller=ROOT_HERE)
    ann, to_plain, to_hidden = login(501, b"secret"), opaque(b"plain"), opaque(b"old_passwd")
    assert ask(who, 16, ni_id(2, 7) + uint(2) + to_plain, ann) == PERM
    assert ask(who, 16, ni_id(2, 7) + uint(2) + to_hidden, ann)[:4] == OK
    assert ask(who, 16, ni_id(2, 8) + uint(2) + to_plain, caller=ROOT_HERE)[:4] == OK


WITHOUT = [  # the caller, its credential; whether it writes a directory that * may write, as it was, and by default
    ("nobody in particular", STRANGER, NOBODY, True, False),
    ("a user whose password is empty", STRANGER, login(503, b"anything"), True, False),
    ("a user with a password", STRANGER, login(501, b"secret"), True, True),
    ("a user with another", STRANGER, login(501, b""), False, False),
    ("root on this machine", ROOT_HERE, NOBODY, True, True),
]


@pytest.mark.parametrize(("what", "caller", "credential", "classic", "safe"), WITHOUT, ids=[row[0] for row in WITHOUT])
def test_without_a_password_only_root_on_this_machine_writes(
    what: str, caller: Caller, credential: Auth, classic: bool, safe: bool
) -> None:
    for who, may in ((users(classic=True), classic), (users(), safe)):
        ask(who, 12, ni_id(0, 2) + opaque(b"_writers") + uint(1) + opaque(b"*") + uint(LAST), caller=ROOT_HERE)
        before = who.domain.checksum
        ask(who, 12, ni_id(0, 3) + opaque(b"x") + uint(0) + uint(0), credential, caller)
        assert (who.domain.checksum != before) is may


# A domain as JSON

text = st.binary(max_size=6).map(lambda data: data.replace(b"\0", b""))


@given(st.lists(st.tuples(text, st.lists(text, max_size=3)), max_size=4), st.integers(0, 2**32 - 1))
def test_any_bytes_go_through_json_unchanged(many: Pairs, instance: int) -> None:
    records = [Record(0, instance, 0, given_properties(many), (5,)), Record(5, 0, 0, given_properties(many), ())]
    written = "".join(domain_json(Domain.of(records)))
    assert written.isascii()
    assert list(parse_domain(written, "again").records()) == records


BEYOND: dict[str, list[Any]] = {  # properties that SPEC 2.2 has no room for; and the most that it has
    "a value of 65,536 bytes": [[["name", ["x" * size]]] for size in (65536, 65535)],
    "a name of 65,536 bytes": [[["x" * size, []]] for size in (65536, 65535)],
    "65,536 values": [[["name", [""] * count]] for count in (65536, 65535)],
    "65,536 properties": [[["", []]] * count for count in (65536, 65535)],
}


@pytest.mark.parametrize(("beyond", "within"), BEYOND.values(), ids=BEYOND)
def test_what_no_client_could_read_is_not_taken_in(beyond: Any, within: Any) -> None:
    def document(props: Any) -> str:
        return json.dumps({"records": [{"id": 0, "instance": 0, "parent": 0, "children": [], "props": props}]})

    with pytest.raises(ParseError, match=re.escape("beyond NetInfo's limits")):
        parse_domain(document(beyond), "it")
    assert len(parse_domain(document(within), "it").directories) == 1


def test_the_root_is_its_own_parent() -> None:
    with pytest.raises(ParseError, match="the root"):
        parse_domain('{"records": [{"id": 0, "instance": 0, "parent": 1, "children": [], "props": []}]}', "it")
