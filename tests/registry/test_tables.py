"""Records, tables, indexes and the packed form: every writer has its reader, and they are inverses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore import DataError
from portlore.model import Snapshot
from portlore.packed import Lines, check_whole, number_bytes, numbers, pack, unpack
from portlore.registry.cover import cover
from portlore.registry.deltas import Delta, deltas_between, parse_delta, undo
from portlore.registry.history_table import HistoryTable, format_history, parse_history
from portlore.registry.record import Record, format_record, merge, order, parse_record, split
from portlore.registry.registry import Registry
from portlore.registry.store import cover_of, cover_sections, delta_lines, delta_of, pack_registry
from portlore.registry.table import Table, format_table, parse_table

WORDS = st.text("abc _-/.é", max_size=8).map(str.strip)
SPANS = st.tuples(st.integers(0, 65535), st.integers(0, 40)).map(lambda p: (p[0], min(65535, p[0] + p[1])))
NUMBERS = st.one_of(st.just(""), SPANS.map(lambda span: str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"))
RECORDS = st.builds(
    Record,
    number=NUMBERS,
    transports=st.sampled_from(["", "tcp", "udp", "sctp", "dccp"]),
    name=WORDS,
    description=WORDS,
    assignee=WORDS,
    contact=WORDS,
    registered=st.sampled_from(["", "2013-06", "2013-06-01"]),
)
STATES = st.lists(RECORDS, max_size=8, unique_by=lambda r: (r.number, r.transports, r.name))


@given(RECORDS)
def test_a_record_is_one_line_and_back(record: Record) -> None:
    line = format_record(record)
    assert "\n" not in line
    assert parse_record(line) == record


@given(st.lists(RECORDS, max_size=12))
def test_merged_records_split_into_the_same_rows(records: list[Record]) -> None:
    assert [row for record in merge(records) for row in split(record)] == records


@given(STATES)
def test_a_table_is_text_and_back(records: list[Record]) -> None:
    table = Table(Snapshot("2026-08-17", "abc", "here"), tuple(records), (("A_B", "Acme"),))
    if any(format_record(record).startswith("#") or not format_record(record) for record in records):
        return
    assert parse_table(format_table(table)) == table


@given(st.lists(SPANS, max_size=12), st.integers(0, 65535))
def test_the_index_finds_what_a_walk_over_all_spans_finds(spans: list[tuple[int, int]], port: int) -> None:
    index = cover((first, last, line) for line, (first, last) in enumerate(spans))
    expected = [line for line, (first, last) in enumerate(spans) if first <= port <= last]
    assert list(index.at(port)) == expected
    runs = index.runs()
    assert [run[0] for run in runs[1:]] == [run[1] + 1 for run in runs[:-1]]
    assert next(list(run[2]) for run in runs if run[0] <= port <= run[1]) == expected
    packed = unpack(memoryview(pack(cover_sections("x", ((*span, i) for i, span in enumerate(spans))))))
    assert list(cover_of(packed, "x").at(port)) == expected


@given(STATES, STATES)
def test_undoing_the_differences_gives_the_state_before(before: list[Record], after: list[Record]) -> None:
    deltas = deltas_between("2020-01-01", before, "2020-01-02", after)
    assert sorted(undo(after, deltas), key=order_all) == sorted(before, key=order_all)


def order_all(record: Record) -> tuple[object, ...]:
    return (*order(record), format_record(record))


def test_the_first_step_compares_only_the_four_columns_of_the_flat_list() -> None:
    before = [Record("22", "tcp", "ssh", "SSH Remote Login Protocol")]
    after = [Record("22", "tcp", "ssh", "The Secure Shell (SSH) Protocol", "[Tatu]", modified="2017-03-16")]
    (delta,) = deltas_between("2005-12-22", before, "2013-02-18", after)
    assert (delta.sign, delta.column, delta.before) == ("~", "description", "SSH Remote Login Protocol")
    assert undo(after, [delta]) == before


DATES = ("2005-12-22", "2013-02-18", "2015-01-09")
HISTORY = HistoryTable(
    DATES,
    (
        Delta(DATES[0], DATES[1], "+", Record("703", "")),
        Delta(DATES[1], DATES[2], "-", Record("502", "tcp udp", "asa-appl-proto", "asa-appl-proto", "[D]", "[D]")),
        Delta(DATES[1], DATES[2], "~", Record("465", "tcp", "urd"), "assignee", "", "[Toerless_Eckert]"),
        Delta(DATES[1], DATES[2], "~", Record("466", "tcp", "x"), "assignee", "[A]", ""),
    ),
)


def test_a_history_is_text_and_back() -> None:
    assert parse_history(format_history(HISTORY)) == HISTORY


def test_a_difference_is_a_line_that_stands_alone_and_back() -> None:
    assert [delta_of(line, DATES) for line in delta_lines(HISTORY)] == list(HISTORY.deltas)


TABLE = Table(Snapshot("2026-08-17", "ab", "x"), (Record("703", "", "", "Unassigned"), Record("22", "tcp", "ssh", "S")))


def test_a_packed_registry_answers_as_the_table_it_was_made_from() -> None:
    registry = Registry.of(unpack(memoryview(pack_registry(TABLE, HISTORY))))
    assert registry.snapshot == TABLE.snapshot
    assert tuple(registry.records()) == TABLE.records
    assert registry.dates == DATES
    assert registry.deltas() == list(HISTORY.deltas)
    assert [record.number for record in registry.named("SSH")] == ["22"]


@given(st.binary(max_size=200))
def test_noise_is_no_packed_file(data: bytes) -> None:
    with pytest.raises(DataError):
        unpack(memoryview(data))


@given(st.data())
def test_a_damaged_or_cut_packed_file_is_our_error(data: st.DataObject) -> None:
    whole = bytearray(pack_registry(TABLE, HISTORY))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError):
        unpack(memoryview(bytes(whole[:cut])))
    check_whole(memoryview(bytes(whole)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    if at >= 16:  # what lies before the checksum is looked at by unpack
        with pytest.raises(DataError):
            check_whole(memoryview(bytes(whole)))
    else:
        with pytest.raises(DataError):
            unpack(memoryview(bytes(whole)))


@pytest.mark.parametrize("text", ["", "# something else", "# portlore registry table 1\n" + "\t" * 40])
def test_a_wrong_table_says_so(text: str) -> None:
    with pytest.raises(DataError):
        parse_table(text)


@pytest.mark.parametrize("text", ["", "# portlore registry history 1\n", "# portlore registry history 1\n@\tx\ty\n"])
def test_a_wrong_history_says_so(text: str) -> None:
    with pytest.raises(DataError):
        parse_history(text)


@given(st.lists(st.integers(0, 65535)), st.sampled_from("HI"))
def test_numbers_are_bytes_and_back(values: list[int], code: str) -> None:
    assert list(numbers(memoryview(number_bytes(values, code)), code)) == values


@given(st.lists(st.text("abc é\t", max_size=6)))
def test_lines_are_sections_and_back(lines: list[str]) -> None:
    packed = unpack(memoryview(pack(Lines.sections("l", lines))))
    assert list(Lines.of(packed, "l")) == lines
    assert [Lines.of(packed, "l")[i] for i in range(len(lines))] == lines


def test_numbers_are_stored_alike_on_machines_of_either_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    other = "big" if sys.byteorder == "little" else "little"
    here = number_bytes([1, 703], "H")
    monkeypatch.setattr("portlore.packed.sys.byteorder", other)
    swapped = number_bytes([1, 703], "H")
    assert swapped == b"".join(here[at : at + 2][::-1] for at in (0, 2))
    assert list(numbers(memoryview(swapped), "H")) == [1, 703]


def test_a_packed_file_of_another_form_or_with_a_wrong_section_is_our_error() -> None:
    whole = bytearray(pack({"a": b"x"}))
    with pytest.raises(DataError, match="form 99"):
        unpack(memoryview(bytes(whole[:8] + (99).to_bytes(4, "little") + whole[12:])))
    with pytest.raises(DataError, match="past its end"):
        unpack(memoryview(bytes(whole[:40] + (9999).to_bytes(4, "little") + whole[44:])))
    for read in (lambda s: Lines.of(s, "rows"), lambda s: cover_of(s, "rows"), Registry.of):
        with pytest.raises(DataError):
            read(unpack(memoryview(bytes(whole))))


def test_an_index_of_many_lines_is_stored_in_four_bytes_a_number() -> None:
    spans = [(0, 5, 0), (3, 9, 70_000)]
    packed = unpack(memoryview(pack(cover_sections("x", spans))))
    assert "x.ends.I" in packed
    assert list(cover_of(packed, "x").at(4)) == [0, 70_000]


@pytest.mark.parametrize("line", ["?\tx", "-\t" + "\t" * 40, ""])
def test_a_line_that_is_no_difference_says_so(line: str) -> None:
    with pytest.raises(DataError, match="no difference"):
        parse_delta(line, "2005-12-22", "2013-02-18")
