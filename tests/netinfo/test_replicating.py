"""What a master and its clones owe one another, without a network: who they are, what is sent, what is taken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from portlore.errors import NetInfoError, ProtocolError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.coding import ids, names
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.contents import Contents
from portlore.netinfo.domain import Domain
from portlore.netinfo.replicating import (
    MOST_BYTES,
    Following,
    Leading,
    Server,
    clones,
    decode_all,
    is_master,
    lists,
    machines,
    masters,
    pause,
    refusal,
    replayed,
)
from portlore.netinfo.tuning import CLEANUP, Tuning, tuning
from portlore.netinfo.values import LAST, NUMBERS, Property, Record, properties
from portlore.oncrpc.message import NOBODY, Auth, Call, decode_reply, encode_call
from portlore.oncrpc.xdr import opaque, uint

TAG = b"net"
ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
RDONLY, STALE = NUMBERS["RDONLY"], NUMBERS["STALE"]
CREATE, DESTROY, WRITE, STATISTICS, READALL, CRASHED, RESYNC = 5, 6, 8, 1, 25, 26, 27
Given = dict[str, list[str]]


def office(*further: Given, root: Given | None = None) -> Domain:
    """A domain whose master is m/net at ONE, c at TWO a clone, and further machines."""
    given = {"master": ["m/net"], **(root or {})}
    domain = Domain.of([Record(0, 0, 0, properties(list(given.items())), ())])
    above = domain.create(domain.at(0), properties([("name", ["machines"])]), LAST)
    first = {"name": ["m"], "ip_address": [ONE], "serves": ["./net", "c/local"]}
    second = {"name": ["c"], "ip_address": [TWO], "serves": ["./net"]}
    for one in (first, second, *further):
        domain.create(above, properties(list(one.items())), LAST)
    return domain


def own(address: str) -> bool:
    return address == ONE


def root_at(address: str, port: int = 700) -> Caller:
    return Caller(address, port, local=False)


def answered(service: Service, caller: Caller, procedure: int, arguments: bytes = b"") -> bytes:
    reply = service.answer(caller, encode_call(Call(1, 200100000, 2, procedure, NOBODY, NOBODY, arguments)))
    assert reply is not None
    return decode_reply(reply).results


# Who is who


def test_the_root_names_the_master_and_machines_name_the_clones() -> None:
    domain = office()
    assert masters(domain) == [Server(ONE, TAG)]
    assert is_master(domain, own, TAG)
    assert not is_master(domain, own, b"other")
    assert clones(domain, own, TAG) == [Server(TWO, TAG)]
    assert lists(domain, TWO, TAG)
    assert not lists(domain, TWO, b"other")
    assert str(Server(TWO, b"n\xff")) == "10.0.0.2/n\\xff"


@pytest.mark.parametrize("master", ["", "m", "m/", "/net", "nobody/net"])
def test_a_root_that_names_no_machine_and_tag_names_no_master(master: str) -> None:
    assert masters(office(root={"master": [master]})) == []


def test_a_domain_without_machines_or_without_a_master_has_neither() -> None:
    bare = Domain.of([Record(0, 0, 0, (), ())])
    assert (machines(bare), masters(bare), clones(bare, own, TAG)) == ([], [], [])


def test_a_machine_may_serve_a_domain_twice_under_two_tags_and_the_master_does_not_clone_itself() -> None:
    twice = {
        "name": ["d"],
        "ip_address": [THREE, "10.9.9.9"],
        "serves": ["./a", "./b", "./a", "../up", "x/y", ".", "./"],
    }
    nowhere = {"name": ["e"], "serves": ["./net"]}
    here_too = {"name": ["m2"], "ip_address": [ONE], "serves": ["./second"]}
    nameless = {"ip_address": ["10.0.0.9"]}
    found = clones(office(twice, nowhere, here_too, nameless), own, TAG)
    assert found == [Server(TWO, TAG), Server(THREE, b"a"), Server(THREE, b"b"), Server(ONE, b"second")]


def test_the_more_failures_the_longer_the_pause_up_to_half_a_minute() -> None:
    assert [pause(number) for number in (0, 1, 2)] == [0.2, 0.4, 0.8]
    assert pause(7) < pause(8) == pause(10_000) == 30.0


# What a clone is sent of a write


def create(parent: int, instance: int, target: tuple[int, int] | None = None) -> bytes:
    wish = uint(0) if target is None else uint(1) + uint(target[0]) + uint(target[1])
    return uint(parent) + uint(instance) + encoded((Property(b"name", (b"x",)),)) + uint(LAST) + wish


def test_a_creation_is_sent_on_with_the_id_that_the_directory_got() -> None:
    domain, done = office(), uint(0) + uint(7) + uint(0) + uint(1) + uint(3)
    wanted = create(1, 2, (7, 0))
    assert replayed(CREATE, create(1, 2), done, domain) == wanted
    assert replayed(CREATE, create(1, 2, (7, 5)), done, domain) == wanted, "an instance nobody has got"
    assert replayed(CREATE, create(1, 2, (500, 5)), done, domain) == create(1, 2, (500, 5)), "as recorded"


def test_a_whole_directory_is_sent_on_as_it_was_stored_and_other_writes_as_they_came() -> None:
    domain = office()
    came = uint(2) + uint(0) + encoded((Property(b"passwd", (b"*",)),))
    assert replayed(WRITE, came, uint(0), domain) == uint(2) + uint(0) + domain.at(2).data
    assert replayed(DESTROY, b"any", uint(0), domain) == b"any"


# A whole domain over the wire


def whole(checksum: int, *records: tuple[int, int, list[int]], highest: int = 9) -> bytes:
    """READALL's results behind the status: of each directory id, parent, children, all with the instance 1."""
    told = [
        uint(1) + uint(number) + uint(1) + encoded(()) + uint(parent) + ids(children)
        for number, parent, children in records
    ]
    return uint(checksum) + uint(highest) + b"".join(told) + uint(0)


def test_a_tree_with_its_checksum_is_taken() -> None:
    found = decode_all(whole(1 + 2 + 4, (0, 0, [1]), (1, 0, [3]), (3, 1, [])))  # the sum of (id + 1) · instance
    assert found is not None
    assert sorted(found.directories) == [0, 1, 3]
    assert decode_all(uint(0) * 3) is None, "you are current"


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (whole(8, (0, 0, [1]), (1, 0, [3]), (3, 1, [])), "the checksum 8, but directories of 7"),
        (whole(4, (0, 0, [1]), (1, 0, []), (1, 0, [])), "directory 1 twice"),
        (whole(3, (0, 0, []), (1, 0, [])), "no tree"),  # 1 is nobody's child
        (whole(3, (0, 0, [1]), (1, 5, [])), "no tree"),  # and says it is another's
        (whole(1, (0, 0, [0])), "no tree"),
        (whole(2, (1, 0, [])), "no tree"),  # without a root
        (whole(1 + 2 + 3, (0, 0, []), (1, 2, [2]), (2, 1, [1])), "their own ancestors"),
        (whole(1, (0, 0, []))[:-5], "reading a whole domain"),
        (b"", "reading a whole domain"),
    ],
)
def test_what_is_no_domain_is_refused_with_a_word(sent: bytes, word: str) -> None:
    with pytest.raises(ProtocolError, match=word):
        decode_all(sent)


def many(count: int) -> Domain:
    domain = office()
    people = domain.create(domain.at(0), properties([("name", ["users"])]), LAST)
    for number in range(count):
        domain.create(people, properties([("name", [str(number)])]), LAST)
    return domain


@pytest.mark.parametrize(
    ("held", "sent", "taken"),
    [(5, 5, True), (5, 0, True), (200, 50, True), (200, 14, False), (95, 0, True), (3000, 280, False)],
)
def test_a_domain_that_has_lost_nine_in_ten_is_not_taken_unasked(held: int, sent: int, taken: bool) -> None:
    word = refusal(many(held), many(sent), TWO, TAG, accept_empty=False)
    assert (word == "") is taken
    assert refusal(many(held), many(sent), TWO, TAG, accept_empty=True) == ""


def test_a_clone_that_its_master_does_not_list_takes_nothing_and_is_told_what_to_write_there() -> None:
    word = refusal(many(3), many(3), THREE, TAG, accept_empty=True)
    assert "append ./net to `serves` of the machine with the ip_address 10.0.0.3" in word


# A clone


def test_a_clone_takes_writes_from_root_at_its_masters_address_and_from_nobody_else() -> None:
    domain, following = office(), Following(lambda: None)
    assert following.takes(domain, root_at(ONE))
    assert not following.takes(domain, root_at(ONE, 1024))
    assert not following.takes(domain, root_at(TWO))
    assert not following.takes(domain, root_at(ONE).replace(credential=Auth(1, b"")))
    following.held = "the master came back empty"
    assert not following.takes(domain, root_at(ONE))


def test_a_masters_word_is_looked_into_at_once_and_a_strangers_when_there_is_reason() -> None:
    domain, told = office(), list[str]()
    following = Following(lambda: told.append("missed"), lambda: told.append("asked"))
    following.greeted(domain, root_at(ONE), same=True)  # an equal checksum proves no equal contents
    following.greeted(domain, root_at(ONE), same=False)
    following.greeted(domain, root_at(THREE), same=True)
    following.greeted(domain, root_at(THREE), same=False)
    assert told == ["missed", "missed", "asked"]
    following.fresh = True  # what it has just read is told after it, and is no news
    following.greeted(domain, root_at(ONE), same=True)
    assert told == ["missed", "missed", "asked"]
    following.greeted(domain, root_at(ONE), same=True)
    assert told.pop() == "missed"
    following.fresh = True
    following.greeted(domain, root_at(ONE), same=False)
    assert told.pop() == "missed"
    following.held = "the master came back empty"  # it may have been restored to just what is here
    following.greeted(domain, root_at(ONE), same=True)
    assert told[3:] == ["asked"]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_clone_follows_also_where_nobody_may_write(read_only: bool) -> None:
    service = Service(office(), TAG, lambda given, kept: False, Policy(read_only=read_only))
    missed = list[int]()
    service.following = Following(lambda: missed.append(1))
    above = service.domain.at(1)
    push = create(1, above.instance, (service.domain.free_id(), 0))
    assert answered(service, root_at(TWO), CREATE, push) == uint(RDONLY)
    assert answered(service, root_at(ONE), CREATE, push)[:4] == uint(0)
    assert missed == []
    assert answered(service, root_at(ONE), CREATE, push)[:4] == uint(STALE), "it has missed something, then"
    assert missed == [1]
    service.broken = True  # the disk takes nothing: what is not kept must not be said to be there
    assert answered(service, root_at(ONE), CREATE, push) == uint(RDONLY)


def test_a_clone_sends_nobody_the_whole_domain_unless_its_root_says_so() -> None:
    for given, status in (({}, NUMBERS["NOTMASTER"]), ({"cloneReplyReadall": ["YES"]}, 0)):
        service = Service(office(root=given), TAG, lambda given, kept: False)
        service.following = Following(lambda: None)
        assert answered(service, root_at(TWO), READALL, uint(1))[:4] == uint(status)


def test_a_master_heeds_no_word_of_masters() -> None:
    service = Service(office(), TAG, lambda given, kept: False)
    assert answered(service, root_at(TWO), CRASHED, uint(1)) == b""
    assert answered(service, root_at(TWO), RESYNC) == uint(0)


# A master


def leading(domain: Domain) -> Leading:
    """A master whose clones are told, and follow."""
    made = Leading(domain, own, TAG)
    for clone in made.clones.values():
        assert clone.batch(domain.checksum) == [(CRASHED, uint(domain.checksum))]
        clone.behind = False
        assert not clone.is_waited_for
    return made


def wrote(made: Leading, domain: Domain, arguments: bytes = b"", number: int = 2) -> None:
    """A write of a directory that is on disk."""
    domain.write(domain.at(number), domain.at(number).properties)
    made.wrote(12, arguments or uint(number), uint(0), domain)
    made.stored(made.take(), domain, domain.checksum)


def test_a_write_waits_for_every_clone_once_it_is_on_disk() -> None:
    domain = office({"name": ["d"], "ip_address": [THREE], "serves": ["./net"]})
    made = leading(domain)
    made.wrote(12, uint(3), uint(0), domain)
    assert made.pending == 0
    assert not any(clone.is_waited_for for clone in made.clones.values())
    made.stored(made.take(), domain, 77)
    assert made.pending == 1
    assert [clone.batch(77) for clone in made.clones.values()] == [[(12, uint(3))]] * 2
    assert made.pending == 0


def test_who_is_behind_is_told_the_checksum_and_no_writes() -> None:
    domain = office()
    made = Leading(domain, own, TAG)
    wrote(made, domain)
    (clone,) = made.clones.values()
    assert clone.batch(made.checksum) == [(CRASHED, uint(domain.checksum))]


def test_calls_of_too_many_bytes_are_not_kept_for_a_clone_that_is_away() -> None:
    domain = office()
    made = leading(domain)
    wrote(made, domain, uint(2) + bytes(MOST_BYTES))
    (clone,) = made.clones.values()
    assert (clone.behind, clone.waiting) == (True, [])


def test_who_has_read_all_gets_what_is_written_later_and_is_told_what_it_read() -> None:
    domain = office()
    made = leading(domain)
    (clone,) = made.clones.values()
    made.wrote(12, uint(2), uint(0), domain)  # in what it reads, not on disk yet
    clone.failures = 3
    made.heard(root_at(TWO, 5000), 99)
    assert clone.failures == 3, "not root: anybody may read"
    made.heard(root_at(TWO), None)
    assert (clone.failures, clone.greeting) == (0, None)
    made.heard(root_at(TWO), 99)
    made.stored(made.take(), domain, 99)
    assert clone.batch(99) == [(CRASHED, uint(99))]
    wrote(made, domain)
    assert clone.batch(0) == [(12, uint(2))]


def test_a_new_machine_is_a_clone_from_its_entry_on_and_one_that_is_taken_out_none() -> None:
    domain = office()
    made = leading(domain)
    news = list[int]()
    made.news = lambda: news.append(1)
    given = properties([("name", ["d"]), ("ip_address", [THREE]), ("serves", ["./net"])])
    fresh = domain.create(domain.at(1), given, LAST)
    made.wrote(CREATE, create(1, 0), uint(0) + uint(fresh.id) + uint(0), domain)
    made.stored(made.take(), domain, domain.checksum)
    assert set(made.clones) == {Server(TWO, TAG), Server(THREE, TAG)}
    assert made.clones[Server(THREE, TAG)].behind
    assert made.clones[Server(TWO, TAG)].waiting, "who stays keeps what waits for it"
    domain.write(fresh, properties([("name", ["d"])]))
    wrote(made, domain, number=fresh.id)
    assert set(made.clones) == {Server(TWO, TAG)}
    assert len(news) == 2


def test_a_master_that_is_one_no_more_keeps_its_clones_until_it_ends() -> None:
    domain = office()
    made = leading(domain)
    domain.write(domain.at(0), properties([("master", ["c/net"])]))
    made.wrote(WRITE, uint(0) * 2, uint(0), domain)
    made.stored(made.take(), domain, domain.checksum)
    assert set(made.clones) == {Server(TWO, TAG)}


def test_resync_has_every_clone_look_at_its_master() -> None:
    domain = office()
    service = Service(domain, TAG, lambda given, kept: False)
    service.leading = made = leading(domain)
    assert answered(service, root_at(TWO), RESYNC) == uint(0)
    (clone,) = made.clones.values()
    assert clone.is_waited_for
    assert clone.batch(5) == [(RESYNC, b"")]


def test_what_several_servers_wrote_is_read_whole_by_the_clones() -> None:
    domain = office()
    made = leading(domain)
    made.changed_elsewhere(domain)
    (clone,) = made.clones.values()
    assert clone.behind


def test_nobody_has_to_wait_where_there_is_no_clone() -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    made = Leading(domain, own, TAG)
    made.wrote(12, uint(0), uint(0), domain)
    assert (made.take(), made.pending) == ([], 0)


# Contents


def test_contents_are_the_same_exactly_when_everything_is() -> None:
    first, second = office(), Domain.of(office().records())  # by another way to the same directories
    assert Contents().of(first) == Contents().of(second)
    summed = Contents()
    before = summed.of(second)
    for change in ((Property(b"name", (b"s", b"m")),), (Property(b"name", (b"sm",)),), (Property(b"names", (b"m",)),)):
        second.write(second.at(2), change)
        assert summed.of(second) == Contents().of(second) != before
        before = summed.of(second)


def test_of_two_forks_with_one_checksum_the_contents_differ() -> None:
    ann, bob = office(), office()
    for domain, name in ((ann, "ann"), (bob, "bob")):
        domain.create(domain.at(0), properties([("name", [name])]), LAST)
    assert ann.checksum == bob.checksum
    assert Contents().of(ann) != Contents().of(bob)


def test_a_sum_that_is_kept_up_is_the_one_that_is_made_anew() -> None:
    domain, summed = office(), Contents()
    for number in range(30):
        one = domain.create(domain.at(0), properties([("name", [str(number)])]), number % 3)
        if number % 5 == 0:
            assert summed.of(domain) == Contents().of(domain)
        if number % 4 == 0:
            domain.destroy(domain.at(0), one)
    assert summed.of(domain) == summed.of(domain) == Contents().of(domain)
    assert summed.of(office()) == Contents().of(office()), "of another domain it begins anew"


def test_the_order_of_children_is_content() -> None:
    def pair(*order: int) -> Domain:
        return Domain.of([Record(0, 0, 0, (), order), Record(1, 0, 0, (), ()), Record(2, 0, 0, (), ())])

    assert Contents().of(pair(1, 2)) != Contents().of(pair(2, 1))


def test_contents_are_told_to_root_at_a_server_and_to_nobody_else() -> None:
    service = Service(office(), TAG, lambda given, kept: True)
    word = bytes(byte ^ 0xFF for byte in b"replicas")
    credential = Auth(1, uint(0) + opaque(word) + uint(0) * 3)
    asked = encode_call(Call(1, 200100000, 2, STATISTICS, credential, NOBODY, b""))
    told = [service.answer(caller, asked) or b"" for caller in (root_at(TWO), root_at(TWO, 5000), root_at(THREE))]
    assert [b"content" in one for one in told] == [True, False, False]
    assert Contents().of(service.domain).encode() in told[0]
    assert service.authentications[1] == 0, "the word is no wrong password"


# Tuning


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, Tuning()),
        ({"update_latency": ["2"], "cleanup_wait": ["60"], "subthreads": ["5"]}, Tuning(2, 60, 5)),
        ({"update_latency": ["7200"], "cleanup_wait": ["604800"]}, Tuning(7200, 604_800)),
        ({"update_latency": ["7201"], "cleanup_wait": ["0"], "subthreads": ["0"]}, Tuning()),
        ({"update_latency": ["-1"], "cleanup_wait": [], "subthreads": ["many"]}, Tuning()),
        ({"update_latency": ["9" * 4000], "cleanup_wait": ["²"]}, Tuning()),
    ],
)
def test_the_root_tunes_its_servers_within_bounds(given: Given, wanted: Tuning) -> None:
    assert tuning(office(root=given)) == wanted


def test_statistics_tell_how_a_server_is_tuned() -> None:
    domain = office(root={"update_latency": ["9"], "cleanup_wait": ["120"]})
    told = answered(Service(domain, TAG, lambda given, kept: False), root_at(TWO), STATISTICS)
    assert opaque(b"cleanup_wait") + names((b"2", b"2")) in told  # minutes
    assert opaque(b"notify_threads") + names((b"0", b"0", b"9")) in told
    assert CLEANUP == 30 * 60


def test_a_write_that_fails_for_a_stranger_makes_no_clone_look() -> None:
    service = Service(office(), TAG, lambda given, kept: False)
    told = list[int]()
    service.following = Following(lambda: told.append(1))
    with pytest.raises(NetInfoError):
        service.writer(root_at(THREE))
    assert answered(service, root_at(THREE), DESTROY, uint(0) * 4) == uint(RDONLY)
    assert told == []
