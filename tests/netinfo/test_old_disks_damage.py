"""Damaged stores: recovered or refused, and never wrong without a word where the form can tell (the rule below)."""

from __future__ import annotations

import random
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.old_disks import VECTORS, collection, files_of, named, slot, store, words

from portlore.errors import PortloreError
from portlore.netinfo.disk.recovering import recover
from portlore.netinfo.store import faults
from portlore.netinfo.values import Property, Record

NAMES = ("sample.nidb", "sample-old.nidb")
WHOLE = {name: list(recover(files_of(name), name).domain.records()) for name in NAMES}


def only_letters(before: list[Record], after: list[Record]) -> bool:
    """Whether two domains differ in nothing but the bytes of names or values: what no form has a sum over."""

    def bones(one: Record) -> object:
        return one.id, one.instance, one.parent, one.children, len(one.properties)

    if list(map(bones, before)) != list(map(bones, after)):
        return False
    pairs = [
        (old, new)
        for one, other in zip(before, after, strict=True)
        for mine, theirs in zip(one.properties, other.properties, strict=True)
        for old, new in zip((mine.name, *mine.values), (theirs.name, *theirs.values), strict=False)
        if len(mine.values) == len(theirs.values)
    ]
    values = [sum(1 + len(each.values) for one in both for each in one.properties) for both in (before, after)]
    return values == [len(pairs)] * 2 and all(len(old) == len(new) for old, new in pairs)


def check(name: str, files: dict[str, bytes], what: str) -> None:
    """The rule: refused, told, the same, or other letters in names and values."""
    try:
        found = recover(files, name)
    except PortloreError:
        return
    records = list(found.domain.records())
    assert list(faults(found.domain)) == [], what
    assert not found.is_whole or records == WHOLE[name] or only_letters(WHOLE[name], records), what


def flip(name: str, step: int, bits: int, seed: int) -> int:
    files = files_of(name)
    chance, tries = random.Random(seed), 0
    for file, data in sorted(files.items()):
        for at in range(chance.randrange(min(step, len(data))), len(data), step):
            for bit in chance.sample(range(8), bits):
                bad = bytearray(data)
                bad[at] ^= 1 << bit
                check(name, files | {file: bytes(bad)}, f"bit {bit} of byte {at} of {file}")
                tries += 1
    return tries


def cut(name: str, step: int) -> int:
    files, tries = files_of(name), 0
    for file, data in sorted(files.items()):
        for size in range(0, len(data), step):
            check(name, files | {file: data[:size]}, f"{file} cut to {size} bytes")
            tries += 1
    return tries


@pytest.mark.parametrize("name", NAMES)
def test_a_bit_that_flipped_is_told_or_is_a_letter(name: str) -> None:
    assert flip(name, 211, 1, 7) > 200


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_is_told(name: str) -> None:
    assert cut(name, 211) > 200


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_bit_that_flipped_anywhere_is_told_or_is_a_letter(name: str) -> None:
    size = sum(path.stat().st_size for path in (VECTORS / name).iterdir())
    assert flip(name, 1, 1, 11) == size


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_anywhere_is_told(name: str) -> None:
    assert cut(name, 1) == sum(path.stat().st_size for path in (VECTORS / name).iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_gone_is_told_where_anything_was_in_it(name: str) -> None:
    files = files_of(name)
    for gone in files:
        rest = {file: data for file, data in files.items() if file != gone}
        check(name, rest, f"{gone} is gone")
        if gone.startswith(("Store", "extension")) and any(files[gone]):
            assert not recover(rest, name).is_whole, gone


@pytest.mark.parametrize("name", NAMES)
def test_two_files_that_changed_names_are_told(name: str) -> None:
    files = files_of(name)
    big = sorted((file for file in files if any(files[file])), key=lambda file: -len(files[file]))[:4]
    for one, other in pairwise(big):
        check(name, files | {one: files[other], other: files[one]}, f"{one} and {other} changed names")


def test_without_a_checksum_an_instance_that_changed_cannot_be_told() -> None:
    """The rule for a store that was not closed in order: counters, too, are only as good as they look."""
    files = store(slot(0, 9, children=(1,)), slot(1, 3, name="one", serial=5))
    found = recover(files, "x")
    assert found.is_whole
    assert found.stored is None


def test_a_letter_that_changed_cannot_be_told() -> None:
    files = collection([named(0, 0, "abc")], 256)
    data = bytearray(files["collection"])
    data[data.index(b"abc")] ^= 1
    found = recover(files | {"collection": bytes(data)}, "x")
    assert found.is_whole
    assert found.domain.directories[0].properties == (Property(b"name", (b"`bc",)),)


NUL_AND_PADDING = [(b"abc\0", b"ab\0\0"), (b"abc\0", b"abcd")]


@pytest.mark.parametrize(("old", "new"), NUL_AND_PADDING, ids=["a NUL in it", "padding that is none"])
def test_a_letter_that_became_a_nul_is_told(old: bytes, new: bytes) -> None:
    files = collection([named(0, 0, "abc")], 256)
    found = recover(files | {"collection": files["collection"].replace(old, new)}, "x")
    assert found.counts["doubtful"] == 1


# Hostile: nothing is believed before its bytes are there


LIE = 0xFFFFFFFF
HOSTILE = {
    "a record of four billion children": ("Store.64", words(256, 24, 0, 0, 1, 0, LIE)),
    "a record of four billion properties": ("Store.64", words(256, 28, 0, 0, 1, 0, 0, LIE, 0)),
    "a property of four billion values": (
        "Store.96",
        words(256, 60, 0, 0, 1, 0, 0, 1, 6, 1) + b"\0" + words(LIE, 6, 1),
    ),
    "a value of four billion bytes": ("Store.64", words(256, 60, 0, 0, 1, 0, 0, 1, 6, LIE)),
    "a block of four billion properties": ("Collection", words(0, 1, LIE)),
    "a block of four billion values": ("Collection", words(0, 1, 1, 0, LIE)),
    "a block of four billion children": ("Collection", words(0, 1, 0, 0, LIE)),
    "a block with a name of four billion bytes": ("Collection", words(0, 1, 1, LIE)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_numbers_that_lie_cost_nothing(what: str) -> None:
    name, data = HOSTILE[what]
    tracemalloc.start()
    try:
        with pytest.raises(PortloreError):
            recover({name: data.ljust(96, b"\0")}, "x")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 1 << 21  # bytes


def test_ids_that_lie_cost_nothing() -> None:
    files = store(slot(0, 1), slot(0xFFFFFFFD, 2, name="far"), slot(0xFFFFFFFF, 3, name="none"))
    found = recover(files, "x")
    assert sorted(found.domain.directories) == [0, 0xFFFFFFFD]
    assert found.counts["lost"] == 1
    far = collection([named(0, 0, "root")], 512) | {"Transaction": words(5, 8, 0xFFFFFFF0) + bytes(8) + words(5)}
    assert sorted(recover(far, "x").domain.directories) == [0]


def test_a_hundred_thousand_faults_are_counted_and_a_thousand_of_a_kind_kept() -> None:
    rings = [slot(number, number, parent=number ^ 1, children=(number ^ 1,)) for number in range(2, 20002)]
    orphans = [slot(number, number, parent=9_999_999) for number in range(30000, 40000)]
    found = recover(store(slot(0, 1, children=(40000,) * 3), *rings, *orphans, *[b"\1" * 64] * 3000), "x")
    assert found.counts["repaired"] == 10000 + 10000
    assert found.counts["lost"] == 1 + 3000
    assert len(found.findings) <= 4000
    assert list(faults(found.domain)) == []


FILES = (
    "Config",
    "Index",
    "Clean",
    "Create",
    "Delete",
    "Store.32",
    "Store.64",
    "Collection",
    "Transaction",
    "checksum",
)


@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=400), min_size=1))
def test_any_bytes_are_recovered_or_refused(files: dict[str, bytes]) -> None:
    try:
        found = recover(files, "x")
    except PortloreError:
        return
    assert list(faults(found.domain)) == []


@given(st.data())
def test_any_bytes_among_good_ones_are_recovered_or_refused(data: st.DataObject) -> None:
    files = store(slot(0, 3, children=(1, 2), master="a/t"), slot(1, 1, name="one"), slot(2, 2, name="two", uid="7"))
    files |= {"Create": slot(2, 9, name="two", serial=1)}
    file = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[file])))
    new = data.draw(st.binary(max_size=8))
    bad = files[file][:at] + new + files[file][at + data.draw(st.integers(0, 12)) :]
    try:
        found = recover(files | {file: bad}, "x")
    except PortloreError:
        return
    assert list(faults(found.domain)) == []
