"""The domain's index against a naive search, and the store: restart, kill -9, disk full, order of children."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portlore.errors import DataError, HostError, NetInfoError, ParseError
from portlore.netinfo.coding import decode_properties, first_values, properties
from portlore.netinfo.domain import Domain
from portlore.netinfo.exchange import parse_domain
from portlore.netinfo.store import Store, faults
from portlore.netinfo.values import LAST, Property, Record, checksum, first

NAMES = st.sampled_from([b"name", b"uid", b"x"])
VALUES = st.sampled_from([b"a", b"b", b"c", b""])
PROPERTIES = st.lists(st.builds(Property, NAMES, st.lists(VALUES, max_size=3).map(tuple)), max_size=4).map(tuple)


@given(PROPERTIES, NAMES)
def test_one_property_is_read_from_the_encoded_ones_without_the_others(
    given_ones: tuple[Property, ...], name: bytes
) -> None:
    data = properties(given_ones)
    assert decode_properties(data) == given_ones
    wanted = first(given_ones, name)
    assert first_values(data, name) == (None if wanted is None else wanted.values)


def naive(domain: Domain, number: int, key: bytes, value: bytes) -> list[int]:
    """The children whose first property of a key has a value, looked at one by one."""
    found = []
    for child in domain.directories[number].children:
        one = first(domain.directories[child].properties, key)
        if one is not None and value in one.values:
            found.append(child)
    return found


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 5), PROPERTIES), max_size=40)


@settings(max_examples=150)
@given(STEPS)
def test_what_is_found_is_what_a_look_at_every_child_finds_in_their_order(
    steps: list[tuple[int, int, int, tuple[Property, ...]]],
) -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    for kind, pick, where, given_ones in steps:
        numbers = sorted(domain.directories)
        one = domain.directories[numbers[pick % len(numbers)]]
        if kind in (0, 1):
            domain.create(one, given_ones, LAST if kind else where)
        elif kind == 2 and one.id and not one.children:
            domain.destroy(domain.directories[one.parent], one)
        elif kind == 3:
            domain.write(one, given_ones)
        for key in (b"name", b"uid"):
            for value in (b"a", b""):
                assert domain.find(0, key, value) == naive(domain, 0, key, value)
    assert domain.checksum == checksum(domain.records())
    assert list(faults(domain)) == []
    assert domain.highest == max(domain.directories)


def test_a_new_directory_takes_the_lowest_free_id() -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    root = domain.at(0)
    made = [domain.create(root, (), LAST).id for _ in range(5)]
    assert made == [1, 2, 3, 4, 5]
    for number in (4, 2):
        domain.destroy(root, domain.at(number))
    assert [domain.create(root, (), LAST).id for _ in range(3)] == [2, 4, 6]


def test_writes_ask_for_the_right_instance_and_destroying_for_a_childless_child() -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    child = domain.create(domain.at(0), (), LAST)
    grandchild = domain.create(child, (), LAST)
    for what, status in (
        (lambda: domain.destroy(domain.at(0), child), 8),
        (lambda: domain.destroy(domain.at(0), grandchild), 9),
        (lambda: domain.at(77), 5),
    ):
        with pytest.raises(NetInfoError) as caught:
            what()
        assert caught.value.status == status


def same(one: Domain, other: Domain) -> bool:
    return list(one.records()) == list(other.records()) and one.checksum == other.checksum


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 5))
def test_what_is_loaded_is_what_was_committed_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, tuple[Property, ...]]], every: int
) -> None:
    path = str(tmp_path_factory.mktemp("store") / "x.nidb")
    domain = Domain.of([Record(0, 0, 0, (), ())])
    with Store(path, create=True) as store:
        store.write_all(domain)
        for number, (kind, pick, where, given_ones) in enumerate(steps):
            numbers = sorted(domain.directories)
            one = domain.directories[numbers[pick % len(numbers)]]
            if kind < 2:
                domain.create(one, given_ones, LAST if kind else where)
            elif kind == 2 and one.id and not one.children:
                domain.destroy(domain.directories[one.parent], one)
            elif kind == 3:
                domain.write(one, given_ones)
            if number % every == 0:
                store.commit(store.batch(domain))
        store.commit(store.batch(domain))
        assert store.stored_checksum() == domain.checksum
    with Store(path) as store:
        assert same(store.load(), domain)


def test_places_between_siblings_never_run_out(tmp_path: Path) -> None:
    domain = Domain.of([Record(0, 0, 0, (), ())])
    root = domain.at(0)
    with Store(str(tmp_path / "x"), create=True) as store:
        store.write_all(domain)
        domain.create(root, (), LAST)
        domain.create(root, (), LAST)
        for _ in range(200):  # always between the same two: halves run out after some fifty
            domain.create(root, (), 1)
            store.commit(store.batch(domain))
    with Store(str(tmp_path / "x")) as store:
        assert same(store.load(), domain)


def test_a_store_says_what_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        Store(str(tmp_path / "none"))
    (tmp_path / "noise").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError):
        Store(str(tmp_path / "noise"))
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(DataError) as caught:
        Store(str(tmp_path / "other"), create=True)
    assert "another program" in str(caught.value) or "not a store" in str(caught.value)


def test_a_damaged_store_is_loaded_or_refused_and_never_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with Store(str(path), create=True) as store:
        store.write_all(Domain.of([Record(0, 0, 0, (), (1,)), Record(1, 0, 0, (Property(b"name", (b"a",)),), ())]))
    whole = path.read_bytes()
    loaded = refused = 0
    for seed in range(60):
        damaged = bytearray(whole)
        place = random.Random(seed).randrange(len(damaged))
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            with Store(str(path), exclusive=False) as store:
                list(faults(store.load()))
                loaded += 1
        except (DataError, HostError):
            refused += 1
    assert loaded + refused == 60
    assert refused


WRITER = """
import sys
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, Property
with Store(sys.argv[1]) as store:
    domain = store.load()
    root = domain.at(0)
    for number in range(100_000):
        child = domain.create(root, (Property(b"name", (b"%d" % number,)),), LAST)
        store.commit(store.batch(domain))
        print(child.id, domain.checksum, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    with Store(path, create=True) as store:
        store.write_all(Domain.of([Record(0, 0, 0, (), ())]))
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                last = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            last = (writer.stdout.read().splitlines(keepends=True) or [last])[-1]
            if not last.endswith("\n"):
                continue
        with Store(path) as store:
            domain = store.load()
        assert int(last.split()[0]) in domain.directories
        assert list(faults(domain)) == []


def test_a_full_disk_leaves_the_last_commit(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Store(path, create=True) as store:
        domain = Domain.of([Record(0, 0, 0, (), ())])
        store.write_all(domain)
        kept = domain.checksum
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            domain.create(domain.at(0), (Property(b"big", (b"x" * 400_000,)),), LAST)
            with pytest.raises(HostError) as caught:
                store.commit(store.batch(domain))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert "does not take it" in str(caught.value)
        assert store.load().checksum == kept


def test_a_backup_is_whole_while_the_store_is_held(tmp_path: Path) -> None:
    path, copy = str(tmp_path / "x"), str(tmp_path / "copy")
    domain = Domain.of([Record(0, 0, 0, (), ())])
    with Store(path, create=True) as store:
        store.write_all(domain)
        with pytest.raises(HostError):
            Store(path)
        with Store(path, exclusive=False) as reader:
            reader.backup(copy)
    with Store(copy) as store:
        assert same(store.load(), domain)


WRONG = [
    "", "[]", "{}", '{"records": 3}', '{"records": []}', '{"records": [3]}',
    '{"records": [{"id": 0}]}',
    '{"records": [{"id": 0, "instance": 0, "parent": 0, "children": [5], "props": []}]}',
    '{"records": [{"id": 0, "instance": 0, "parent": 0, "children": [0], "props": []}]}',
    '{"records": [{"id": 0, "instance": -1, "parent": 0, "children": [], "props": []}]}',
    '{"records": [{"id": 0, "instance": 0, "parent": 0, "children": [], "props": [["a"]]}]}',
    '{"records": [{"id": 0, "instance": 0, "parent": 0, "children": [], "props": [["a", ["\\u0000"]]]}]}',
    '{"records": [{"id": 0, "instance": 0, "parent": 0, "children": [], "props": []}, '
    '{"id": 1, "instance": 0, "parent": 0, "children": [], "props": []}]}',
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_json_that_is_no_domain_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_domain(text, "x.json")
    assert "x.json" in str(caught.value)
