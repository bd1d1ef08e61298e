"""A domain's writes, followed by a copy; two copies that are kept in step."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import call, named, ni_id, open_domain

from portlore.errors import DataError, NetInfoError
from portlore.netinfo.lockstep import Commit, Lockstep, copy_of, written
from portlore.netinfo.values import Record, properties
from portlore.oncrpc.xdr import uint

if TYPE_CHECKING:
    from portlore.netinfo.domain import Domain

KEYS = (b"name", b"uid")
VALUES = (b"a", b"b", b"c")


def content(domain: Domain) -> tuple[list[Record], int, int, int, list[tuple[int, int]]]:
    """All that anybody can be told of a domain but for look-ups."""
    versions = [(one.id, one.version) for one in domain.directories.values()]
    return list(domain.records()), domain.checksum, domain.version, domain.free_id(), sorted(versions)


def found(domain: Domain) -> dict[tuple[int, bytes, bytes], list[int]]:
    """What every look-up finds."""
    return {
        (n, key, value): list(domain.find(n, key, value))
        for n in domain.directories
        for key in KEYS
        for value in VALUES
    }


def any_write(domain: Domain, rng: random.Random) -> None:
    """A write of any kind anywhere; what cannot be done is left."""
    given = properties([("name", [rng.choice("abc")]), ("uid", rng.sample("abc", rng.randint(0, 3)))])
    one = domain.at(rng.choice(list(domain.directories)))
    kind = rng.random()
    if kind < 0.45:
        domain.create(one, given, rng.choice([0, 1, 2, 0xFFFF_FFFF]))
    elif kind < 0.75:
        domain.write(one, given)
    elif one.children:
        try:
            domain.destroy(one, domain.at(rng.choice(one.children)))
        except NetInfoError:
            return


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_that_is_told_of_the_writes_is_the_same_in_everything(seed: int) -> None:
    rng = random.Random(seed)
    domain = open_domain(3)
    copy = copy_of(domain)
    for version in range(30):
        found(domain), found(copy)  # have indexes
        for _ in range(rng.randint(1, 6)):
            any_write(domain, rng)
        commit = written(domain, version)
        for _ in range(rng.choice([1, 1, 2])):  # told twice is told once
            copy.replay(commit.rows, commit.gone, commit.checksum, commit.writes)
        assert content(copy) == content(domain)
        assert found(copy) == found(domain)
        newest = domain.newest()
        assert newest is not None
        assert copy.newest().id == newest.id  # type: ignore[union-attr]


def test_siblings_that_were_numbered_anew_stand_in_the_same_order_in_the_copy() -> None:
    domain = open_domain(2)
    copy = copy_of(domain)
    root = domain.at(0)
    for version in range(80):  # halving the room between two runs out after 50 or so
        found(copy)
        domain.create(root, properties([("name", ["a"])]), 1)
        commit = written(domain, version)
        copy.replay(commit.rows, commit.gone, commit.checksum, commit.writes)
        assert copy.at(0).children == root.children
    assert found(copy) == found(domain)


def test_what_does_not_follow_is_refused() -> None:
    domain = open_domain(2)
    copy = copy_of(domain)
    domain.write(domain.at(1), properties([("name", ["a"])]))
    domain.take()  # nobody is told
    domain.write(domain.at(2), properties([("name", ["b"])]))
    commit = written(domain, 0)
    with pytest.raises(DataError, match="checksum"):
        copy.replay(commit.rows, commit.gone, commit.checksum, commit.writes)


def read_of(number: int) -> bytes:
    return call(7, ni_id(number))


def other(steps: Lockstep, number: int, value: str) -> Commit:
    """What another server commits next: a write of one directory."""
    domain = copy_of(steps.draft)
    domain.write(domain.at(number), properties([("name", [value])]))
    return written(domain, steps.known)


def test_a_commit_is_served_when_everybody_has_seen_it_and_its_reads_wait_until_then() -> None:
    steps = Lockstep(open_domain(3), 5)
    steps.take(other(steps, 1, "a"))
    assert steps.waits(read_of(1))
    assert steps.waits(call(10, ni_id(0) + named()))  # a look-up among its siblings
    assert not steps.waits(read_of(2))
    assert not steps.waits(call(1))
    assert steps.waits(call(25, uint(0)))
    assert not steps.tell(5)
    assert steps.served.values(1, b"name") == (b"c1",)
    assert steps.draft.values(1, b"name") == (b"a",)
    assert steps.tell(6)
    assert steps.served.values(1, b"name") == (b"a",)
    assert not steps.waits(read_of(1))


def test_an_own_write_that_failed_leaves_nothing_and_what_came_meanwhile_stays() -> None:
    steps = Lockstep(open_domain(3), 0)
    theirs = other(steps, 2, "theirs")
    steps.begin()
    steps.draft.write(steps.draft.at(1), properties([("name", ["mine"])]))
    mine = written(steps.draft, steps.known)
    steps.begin([row[0] for row in mine.rows])
    assert steps.waits(read_of(1))
    steps.take(theirs)
    steps.end(None)
    assert not steps.waits(read_of(1))
    steps.tell(1)
    for domain in (steps.served, steps.draft):
        assert domain.values(1, b"name") == (b"c1",)
        assert domain.values(2, b"name") == (b"theirs",)


def test_an_own_commit_and_one_after_it_that_was_seen_first_are_both_there() -> None:
    steps = Lockstep(open_domain(3), 0)
    steps.begin()
    steps.draft.write(steps.draft.at(1), properties([("name", ["mine"])]))
    mine = written(steps.draft, 0)
    after = copy_of(steps.draft)
    after.write(after.at(2), properties([("name", ["theirs"])]))
    theirs = written(after, 1)
    both = Commit(2, (*mine.rows, *theirs.rows), (), theirs.checksum, theirs.writes)  # as the database tells it
    steps.take(both)
    steps.end(mine)
    steps.tell(2)
    assert content(steps.served) == content(after) == content(steps.draft)


def test_a_domain_that_was_replaced_is_taken_as_a_whole() -> None:
    steps = Lockstep(open_domain(3), 4)
    new = open_domain(5)
    rows = tuple(
        (one.id, one.instance, one.parent, one.place, one.version, one.data) for one in new.directories.values()
    )
    steps.take(Commit(4, rows, (), new.checksum, new.version, whole=True))
    assert steps.waits(read_of(3))
    steps.tell(4)
    assert content(steps.served) == content(new) == content(steps.draft)
