"""Old stores: the recorded ones equal what the original sent of them, those a crash left are finished; writing them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.old_disks import SAMPLES, collection, expected, files_of, named, slot, store, words, xdr

from portlore.errors import DataError, InputError
from portlore.netinfo.disk.recovering import recover
from portlore.netinfo.disk.writing import pack_store
from portlore.netinfo.domain import Domain
from portlore.netinfo.store import faults
from portlore.netinfo.values import LAST, Property, Record, properties

SUMS = {"sample.nidb": 5370, "sample-old.nidb": 10459, "start.nidb": 10334}  # records.json, and Clean of the third


def read(files: dict[str, bytes]) -> dict[int, Record]:
    return {one.id: one for one in recover(files, "x.nidb").domain.records()}


def kinds(files: dict[str, bytes]) -> dict[str, int]:
    return {kind: number for kind, number in recover(files, "x.nidb").counts.items() if number}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_recorded_store_is_what_the_original_sent_of_it(name: str) -> None:
    found = recover(files_of(name), name)
    assert {one.id: one for one in found.domain.records()} == expected(name)
    assert (found.domain.checksum, found.stored, found.clean, found.is_whole) == (SUMS[name], SUMS[name], True, True)
    assert not any(found.counts.values())
    assert list(faults(found.domain)) == []


@pytest.mark.parametrize("name", ["sample.nidb", "start.nidb"])
def test_a_directory_has_the_version_that_the_index_has(name: str) -> None:
    index = files_of(name)["Index"]
    versions = {}
    for at in range(0, len(index), 16):
        versions[int.from_bytes(index[at : at + 4], "big")] = int.from_bytes(index[at + 4 : at + 8], "big")
    domain = recover(files_of(name), name).domain
    assert {one.id: one.version for one in domain.directories.values()} == versions
    assert domain.version == max(versions.values())


# Mac OS X: either byte order, and what a crash leaves


@pytest.mark.parametrize("name", ["sample.nidb", "start.nidb"])
def test_the_checksum_may_be_of_a_powerpc_or_of_an_intel(name: str) -> None:
    files = files_of(name)
    clean = files["Clean"]
    assert clean != clean[::-1], "the sample tells the orders apart"
    found = recover(files | {"Clean": clean[::-1]}, name)
    assert (found.stored, found.is_whole) == (SUMS[name], True)


@pytest.mark.parametrize("gone", [["Clean"], ["Index"], ["Clean", "Index"]], ids=" ".join)
def test_a_store_that_was_not_closed_is_read_from_its_records(gone: list[str]) -> None:
    files = {name: data for name, data in files_of("sample.nidb").items() if name not in gone}
    found = recover(files, "x")
    assert {one.id: one for one in found.domain.records()} == expected("sample.nidb")
    assert (found.clean, found.stored, found.is_whole) == (False, None, True)


def test_an_index_of_a_store_that_was_not_closed_is_not_believed() -> None:
    files = files_of("sample.nidb")
    del files["Clean"]
    assert read(files | {"Index": files["Index"][:800]}) == expected("sample.nidb")


ROOT = slot(0, 9, children=(1, 2), master="a/t")
ONE, TWO = slot(1, 3, name="one"), slot(2, 4, name="two")
WRITTEN = slot(2, 10, name="two", serial=1, uid="7")


def moved_out(data: bytes, file: str, files: dict[str, bytes]) -> dict[str, bytes]:
    assert data in files[file]
    return files | {file: files[file].replace(data, bytes(len(data)))}


def at(name: str, *values: str) -> tuple[Property, ...]:
    return tuple(
        Property(key.encode(), (value.encode(),)) for key, value in (pair.split("=") for pair in (name, *values))
    )


AFTER = {
    0: Record(0, 0, 0, at("master=a/t"), (1, 2)),
    1: Record(1, 0, 0, at("name=one"), ()),
    2: Record(2, 1, 0, at("name=two", "uid=7"), ()),
}


def length(data: bytes) -> bytes:
    """A record as its length has it, without what fills the slot up."""
    return data[: 8 + int.from_bytes(data[4:8], "big")]


STEPS = {  # of a write to directory 2 (SPEC 6.2): what a crash after each of them leaves
    "Temp is there": (store(ROOT, ONE, TWO) | {"Temp": WRITTEN[:40]}, False),
    "Create is there": (store(ROOT, ONE, TWO) | {"Create": WRITTEN}, True),
    "Create is there, not filled up": (store(ROOT, ONE, TWO) | {"Create": length(WRITTEN)}, True),
    "Delete is begun": (store(ROOT, ONE, TWO) | {"Create": WRITTEN, "Delete": b""}, True),
    "Delete is there, PowerPC": (store(ROOT, ONE, TWO) | {"Create": WRITTEN, "Delete": words(2)}, True),
    "Delete is there, Intel": (store(ROOT, ONE, TWO) | {"Create": WRITTEN, "Delete": words(2)[::-1]}, True),
    "the old slot is free": (store(ROOT, ONE, bytes(len(TWO))) | {"Create": WRITTEN, "Delete": words(2)}, True),
    "Delete is gone": (store(ROOT, ONE, bytes(len(TWO))) | {"Create": WRITTEN}, True),
    "the new slot is written": (store(ROOT, ONE, bytes(len(TWO)), WRITTEN) | {"Create": WRITTEN}, True),
    "all is done": (store(ROOT, ONE, bytes(len(TWO)), WRITTEN), True),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_write_counts_from_the_moment_on_that_it_could_be_finished(step: str) -> None:
    files, counts = STEPS[step]
    before = AFTER | {2: Record(2, 0, 0, at("name=two"), ())}
    assert read(files) == (AFTER if counts else before)
    assert recover(files, "x").is_whole


@pytest.mark.parametrize("order", ["big", "little"])
def test_a_destruction_that_was_broken_off_is_finished_whatever_machine_began_it(order: str) -> None:
    files = store(slot(0, 9, children=(1,), master="a/t"), ONE, TWO) | {"Delete": (2).to_bytes(4, order)}  # type: ignore[arg-type]
    assert sorted(read(files)) == [0, 1]
    assert recover(files, "x").is_whole


def test_a_deletion_that_could_mean_two_takes_neither_away_and_says_so() -> None:
    other = 2 << 24
    files = store(slot(0, 9, children=(2, other)), TWO, slot(other, 5, name="far")) | {"Delete": words(2)}
    assert sorted(read(files)) == [0, 2, other]
    assert kinds(files)["doubtful"] == 1


def test_of_two_records_of_a_directory_the_newer_counts_and_it_is_said() -> None:
    for files in (store(ROOT, ONE, TWO, WRITTEN), store(ROOT, ONE, WRITTEN, TWO)):
        assert read(files) == AFTER
        assert kinds(files)["doubtful"] == 1


def test_the_index_tells_which_of_two_records_counts() -> None:
    files = pack_store(recover(store(ROOT, ONE, TWO), "x").domain)
    files[f"Store.{len(WRITTEN)}"] = files.get(f"Store.{len(WRITTEN)}", b"") + WRITTEN
    assert read(files)[2].instance == 0
    assert kinds(files)["doubtful"] >= 1


def test_strings_of_both_types_are_read_and_other_values_are_in_doubt() -> None:
    body = words(1, 0, 3, 0, 0, 1) + text_of(6, b"name\0") + words(3)
    body += text_of(7, "Zürich".encode() + b"\0") + text_of(4, words(77)) + text_of(1, b"blob") + words(0)
    record = (words(256, len(body)) + body).ljust((len(body) + 8 + 31) // 32 * 32, b"\0")
    files = store(slot(0, 9, children=(1,)), record)
    assert read(files)[1].properties == (Property(b"name", ("Zürich".encode(), b"77", b"blob")),)
    assert kinds(files)["doubtful"] == 2


def text_of(kind: int, data: bytes) -> bytes:
    return words(kind, len(data)) + data


# Links


def test_links_are_mended_as_the_original_mends_them() -> None:
    files = store(
        slot(0, 1, children=(1, 3, 9, 1, 0), master="a/t"),  # 3 is not its own, 9 nobody's, 1 named twice
        slot(1, 2, children=(), name="one"),
        slot(2, 3, parent=1, name="two"),  # not named by 1
        slot(3, 4, parent=2, name="three"),
        slot(4, 5, parent=77, name="four"),  # nobody above it
        slot(5, 6, parent=6, children=(6,), name="five"),  # a ring
        slot(6, 7, parent=5, children=(5, 7), name="six"),
        slot(7, 8, parent=6, name="seven"),
    )
    found = recover(files, "x")
    links = {one.id: (one.parent, one.children) for one in found.domain.records()}
    assert links == {
        0: (0, (1, 4, 5)), 1: (0, (2,)), 2: (1, (3,)), 3: (2, ()), 4: (0, ()), 5: (0, (6,)), 6: (5, (7,)), 7: (6, ()),
    }  # fmt: skip
    assert list(faults(found.domain)) == []
    assert (found.counts["lost"], found.counts["repaired"]) == (1, 7)


def test_a_lost_root_leaves_its_children_below_a_new_one() -> None:
    found = recover(store(ONE, TWO), "x")
    assert [one.children for one in found.domain.records()] == [(1, 2), (), ()]
    assert found.counts["lost"] == 1


def test_a_folder_without_a_directory_is_refused() -> None:
    for files in ({"Config": words(1)}, {"Collection": b""}, {"Collection": words(0xFFFFFFFF, 3).ljust(512, b"\0")}):
        with pytest.raises(DataError, match="no directory"):
            recover(files, "x")
    with pytest.raises(InputError, match="no Store"):
        recover({"readme": b"hello"}, "x")


# NeXTSTEP

LONG = Record(3, 5, 0, (Property(b"name", (b"long",)), Property(b"text", (b"x" * 600,))), ())
OLD = [
    Record(0, 4, 0, at("master=h/t"), (1, 3, 5)), named(1, 0, "one", instance=2), LONG, named(5, 0, "five"),
]  # fmt: skip


@pytest.mark.parametrize("block", [256, 512])
@pytest.mark.parametrize("garbage", [0, 0xFF, 0x41])
def test_a_collection_of_either_size_is_read_and_never_beyond_what_was_written(block: int, garbage: int) -> None:
    found = recover(collection(OLD, block, garbage), "x")
    assert list(found.domain.records()) == OLD
    assert (found.clean, found.is_whole, found.stored) == (True, True, 4 + 4 + 20)
    assert found.form.name == ("collection" if block == 256 else "Collection")


def test_the_smaller_collection_wins() -> None:
    files = collection(OLD, 512) | collection([OLD[0].replace(children=())], 256)
    assert recover(files, "x").form.name == "collection"


def test_a_last_block_need_not_be_filled() -> None:
    files = collection(OLD, 512)
    files["Collection"] = files["Collection"][: 5 * 512 + 60]
    assert list(read(files).values()) == OLD


def transaction(one: Record, first: int = 0x1234, last: int | None = None) -> bytes:
    parts = [words(one.id, one.instance, len(one.properties))]
    for each in one.properties:
        parts += [xdr(each.name), words(len(each.values)), *map(xdr, each.values)]
    data = b"".join(parts) + words(one.parent, len(one.children), *one.children)
    return words(first, len(data), one.id) + data + words(first if last is None else last)


SMALL, GROWN = named(3, 0, "small", instance=6), LONG.replace(id=1, instance=3)


@pytest.mark.parametrize(
    "new", [SMALL, GROWN, OLD[1].replace(instance=9)], ids=["into the block", "beyond it", "in it"]
)
def test_a_transaction_that_was_complete_is_finished(new: Record) -> None:
    files = collection(OLD, 512)
    del files["checksum"]
    wanted = {one.id: one for one in OLD} | {new.id: new}
    assert read(files | {"Transaction": transaction(new)}) == wanted
    assert recover(files | {"Transaction": transaction(new) + b"older bytes"}, "x").is_whole


@pytest.mark.parametrize(
    "data",
    [
        b"",
        transaction(SMALL, 0),
        transaction(SMALL, last=0x9999),
        transaction(SMALL)[:30],
        b"\0\0",
        transaction(SMALL)[:-4],
    ],
    ids=["empty", "done", "other code", "cut", "two bytes", "no code"],
)
def test_a_transaction_that_was_not_is_left_out(data: bytes) -> None:
    files = collection(OLD, 512) | {"Transaction": data}
    assert list(read(files).values()) == OLD
    assert recover(files, "x").is_whole


def test_a_transaction_may_destroy_a_directory() -> None:
    free = words(0xFFFFFFFF, 3)
    files = collection([OLD[0].replace(children=(3, 5)), *OLD[1:]], 512) | {
        "Transaction": words(5, 8, 1) + free + words(5)
    }
    assert sorted(read(files)) == [0, 3, 5]


def test_the_first_generation_has_a_transaction_for_each_write() -> None:
    files = collection(OLD, 256)
    new = OLD[1].replace(instance=3, properties=at("name=new"))
    data = transaction(new)[12:-4]
    assert read(files | {"transaction_1": data, "temporary_3": b"junk"})[1] == new
    broken = files | {"transaction_1": data[:20]}
    assert list(read(broken).values()) == OLD
    assert kinds(broken) == {"doubtful": 1}


def test_an_extension_goes_before_the_block() -> None:
    files = collection(OLD, 512)
    files["extension_1"] = transaction(OLD[1].replace(properties=at("name=longer once")))[12:-4]
    assert read(files)[1].properties == at("name=longer once")


def test_an_extension_beyond_the_end_of_the_collection_is_read_and_said() -> None:
    files = collection([OLD[0].replace(children=(1, 9)), OLD[1]], 512)
    files["extension_9"] = transaction(named(9, 0, "nine"))[12:-4]
    assert read(files)[9] == named(9, 0, "nine")
    assert kinds(files)["doubtful"] == 1


def test_a_checksum_that_is_another_is_said() -> None:
    for name, files in (
        ("checksum", collection(OLD, 512)),
        ("Clean", pack_store(recover(collection(OLD, 512), "x").domain)),
    ):
        assert kinds(files) == {}
        assert kinds(files | {name: words(12345)}) == {"doubtful": 1}


def test_a_converted_store_is_read_and_the_old_one_left_alone() -> None:
    new = pack_store(recover(store(ROOT, ONE, TWO), "x").domain)
    found = recover(new | collection(OLD, 512), "x")
    assert (found.form.name, sorted(found.domain.directories), found.is_whole) == ("Store", [0, 1, 2], True)


# Writing


@pytest.mark.parametrize("name", ["sample.nidb", "start.nidb"])
def test_the_sample_is_written_as_the_original_wrote_it_but_for_the_places(name: str) -> None:
    """Where a record stands among free slots, and which files of zeros are left, is history; SPEC has the rest."""
    old = files_of(name)
    new = pack_store(recover(old, name).domain, "little")
    for file in ("Config", "Clean"):
        assert new[file] == old[file]
    for file in (file for file in old if file.startswith("Store.")):
        size = int(file.removeprefix("Store."))
        theirs, ours = (
            sorted(data[at : at + size] for at in range(0, len(data), size) if any(data[at : at + size]))
            for data in (old[file], new.get(file, b""))
        )
        assert ours == theirs, file
    heads = [[data[at : at + 12] for at in range(0, len(data), 16)] for data in (old["Index"], new["Index"])]
    assert heads[0] == heads[1]  # id, version, N; not the slot
    assert set(new) <= set(old)
    assert all(any(data) for data in new.values())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("order", ["big", "little"])
def test_what_is_written_is_read_again(name: str, order: str) -> None:
    domain = recover(files_of(name), name).domain
    files = pack_store(domain, order)
    assert files["Clean"] == SUMS[name].to_bytes(4, order)  # type: ignore[arg-type]
    again = recover(files, name)
    assert list(again.domain.records()) == list(domain.records())
    assert (again.is_whole, again.clean, not any(again.counts.values())) == (True, True, True)
    assert {n: one.version for n, one in again.domain.directories.items()} == {
        n: one.version for n, one in domain.directories.items()
    }


NAMES = st.sampled_from(
    [b"name", b"_writers", b"_", b"", b"x", b"_ni_attribute_order", b"ni_attribute_order", "ö".encode()]
)
VALUES = st.binary(max_size=12).filter(lambda value: 0 not in value)
PROPERTIES = st.lists(st.builds(Property, NAMES, st.lists(VALUES, max_size=3).map(tuple)), max_size=6).map(tuple)


@given(st.lists(st.tuples(st.integers(0, 50), PROPERTIES, st.booleans()), max_size=25))
def test_any_domain_is_read_as_it_was_written(steps: list[tuple[int, tuple[Property, ...], bool]]) -> None:
    domain = Domain.of([Record(0, 0, 0, properties([("master", ["a/t"])]), ())])
    for pick, given_ones, destroys in steps:
        one = domain.directories[sorted(domain.directories)[pick % len(domain.directories)]]
        if destroys and one.id and not one.children:
            domain.destroy(domain.directories[one.parent], one)
        else:
            domain.create(one, given_ones, pick % 3 if pick % 2 else LAST)
    found = recover(pack_store(domain), "x")
    assert list(found.domain.records()) == list(domain.records())
    assert found.is_whole, found.findings


def test_a_short_last_property_that_is_named_like_the_order_of_all_is_one() -> None:
    named = [("_ni_attribute_order", ["1"]), ("_", ["12345"] * 2), ("_ni_attribute_order", [""])]  # to the slot's end
    domain = Domain.of(
        [Record(0, 0, 0, properties([("master", ["a/t"])]), (1,)), Record(1, 0, 0, properties(named), ())]
    )
    found = recover(pack_store(domain), "x")
    assert (list(found.domain.records()), found.is_whole) == (list(domain.records()), True)


def test_directories_of_one_version_are_written_with_two() -> None:
    domain = recover(store(ROOT, ONE, TWO), "x").domain
    domain.directories[2].version = domain.directories[1].version
    found = recover(pack_store(domain), "x")
    assert found.is_whole
    assert sorted(one.version for one in found.domain.directories.values()) == [0, 1, 2]
