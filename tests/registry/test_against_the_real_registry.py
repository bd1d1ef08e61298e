"""The shipped tables against the official files, read a second time by other code."""

from __future__ import annotations

import csv
import functools
import itertools
import json
import re
import subprocess
import sys
import tarfile
from collections import Counter
from operator import itemgetter
from pathlib import Path

import pytest

import portlore
from portlore.registry.record import Record, format_record, merge, split
from portlore.registry.sources.iana_csv import parse_csv
from portlore.registry.sources.iana_xml import parse_xml

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
MAIL = re.compile(r"[\w.+-]+[@&][\w-]+\.[a-z]{2,}")
TABLES = ROOT / "src/portlore/registry/data"


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, str]]:
    """The official CSV of the day, by the standard library alone."""
    with (shared / "data/iana/2026-08-17.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def naive_answers(rows: list[dict[str, str]]) -> dict[tuple[int, str], tuple[str, set[str]]]:
    """A second, naive reading of the CSV: status and names of every (port, transport).

    Written from the rules in words (design, data/README), sharing no code with the product: paint every row over its
    ports, wide ranges first, so that what stays visible is the most specific row.
    """
    painted: dict[tuple[int, str], tuple[int, list[dict[str, str]]]] = {}
    for row in rows:
        if not row["Port Number"]:
            continue
        bounds = [int(bound) for bound in row["Port Number"].split("-")]
        width = bounds[-1] - bounds[0]
        for transport in [row["Transport Protocol"]] if row["Transport Protocol"] else ["tcp", "udp"]:
            for port in range(bounds[0], bounds[-1] + 1):
                held = painted.get((port, transport))
                if held is None or width < held[0]:
                    painted[port, transport] = (width, [row])
                elif width == held[0]:
                    held[1].append(row)
    answers: dict[tuple[int, str], tuple[str, set[str]]] = {}
    for port in range(65536):
        for transport in ("tcp", "udp", "sctp", "dccp"):
            if (port, transport) not in painted:
                answers[port, transport] = ("dynamic" if port > 49151 else "no-entry", set())
                continue
            _, found = painted[port, transport]
            texts = [row["Description"].lower() for row in found]
            names = {row["Service Name"] for row in found if row["Service Name"]}
            if any("de-registered" in text for text in texts):
                answers[port, transport] = ("de-registered", set())
            elif names:
                answers[port, transport] = ("assigned", names)
            elif any(re.match(r"removed|deprecated|de-?com", text) for text in texts):
                answers[port, transport] = ("de-registered", set())
            elif any(text.startswith("reserved") for text in texts):
                answers[port, transport] = ("reserved", set())
            elif any("unassigned" in text or "possibly used by" in text for text in texts):
                answers[port, transport] = ("unassigned", set())
            else:
                answers[port, transport] = ("assigned", set())
    return answers


def test_all_262144_answers_agree_with_a_second_naive_reading(rows: list[dict[str, str]]) -> None:
    expected = naive_answers(rows)
    assert len(expected) == 262_144
    differences = []
    for (port, transport), (status, names) in expected.items():
        facts = portlore.lookup(port, transport)
        if (facts.status, {a.name for a in facts.assignments if a.name}) != (status, names):
            differences.append((port, transport, status, names, facts.status))
    assert differences == []


def test_every_row_of_the_csv_is_in_the_table_and_nothing_else(rows: list[dict[str, str]]) -> None:
    records = [row for record in portlore.load().registry.records() for row in split(record)]
    mine = Counter((r.name, r.number, r.transports, r.registered, r.modified) for r in records)
    theirs = Counter(
        (
            " ".join(r["Service Name"].split()),
            r["Port Number"],
            r["Transport Protocol"],
            r["Registration Date"],
            r["Modification Date"],
        )
        for r in rows
    )
    assert mine == theirs


def test_the_xml_and_the_csv_give_the_same_table(shared: Path) -> None:
    xml = parse_xml((shared / "data/iana/2026-08-17.xml").read_bytes())
    text = parse_csv((shared / "data/iana/2026-08-17.csv").read_bytes(), "2026-08-17")
    assert [format_record(r) for r in xml.records] == [format_record(r) for r in text.records]


def test_the_shipped_table_is_what_the_builder_makes_of_the_official_file(shared: Path) -> None:
    from build_registry import table

    from portlore.registry.table import format_table

    built = format_table(table(shared / "data/iana/2026-08-17.xml"))
    assert built == (TABLES / "registry.tsv").read_text("utf-8")


def test_no_mail_address_and_no_prose_is_shipped() -> None:
    for name in ("registry.tsv", "history.tsv"):
        text = (TABLES / name).read_text("utf-8")
        assert MAIL.findall(text) == []
    assert all(not r.note and not r.unauthorized_use for r in portlore.load().registry.records())


@pytest.fixture(scope="module")
def newest_snapshots(shared: Path) -> list[tuple[str, list[Record]]]:
    """The newest snapshots of the archive, as many as a quick check can read: their dates and rows."""
    if subprocess.run(["sh", "-c", "command -v zstd"], capture_output=True, check=False).returncode:
        pytest.skip("needs zstd: apt-get install zstd")
    from build_registry import snapshots

    archive = shared / "data/iana/snapshots-2013-2026.tar.zst"
    try:
        found = [parse_xml(data) for data in snapshots(archive, 12)]
    except tarfile.TarError as error:
        pytest.fail(f"the archive cannot be read: {error}")
    return sorted(((one.date, [record.without_prose() for record in one.records]) for one in found), key=itemgetter(0))


def rows_of(records: list[Record]) -> list[str]:
    return sorted(format_record(row.replace(marks="")) for record in records for row in split(record))


def test_going_back_in_time_gives_the_rows_of_the_original_snapshots(
    newest_snapshots: list[tuple[str, list[Record]]],
) -> None:
    for date, original in newest_snapshots[::3]:
        rebuilt = list(portlore.load(as_of=date).registry.records())
        assert rows_of(rebuilt) == rows_of(list(merge(original))), date


def test_going_back_to_2005_gives_the_flat_list(shared: Path) -> None:
    original = parse_csv((shared / "data/iana/2005-12-22.csv").read_bytes(), "2005-12-22").records
    rebuilt = list(portlore.load(as_of="2005-12-22").registry.records())
    assert rows_of(rebuilt) == rows_of(list(original))


def test_the_csv_of_a_february_day_is_the_registry_as_of_that_day(shared: Path) -> None:
    """An original CSV of another day, as published: an independent witness of the history."""
    original = parse_csv((shared / "data/iana/2026-02-13.csv").read_bytes(), "2026-02-13").records
    rebuilt = list(portlore.load(as_of="2026-02-13").registry.records())
    assert {r.name for r in rebuilt} == {r.name for r in original}
    mine = Counter((r.name, r.number, r.transports, r.description) for record in rebuilt for r in split(record))
    theirs = Counter((r.name, r.number, r.transports, r.description) for r in original)
    assert mine == theirs


@pytest.mark.slow
def test_the_shipped_history_is_what_the_builder_makes_of_all_snapshots(shared: Path) -> None:
    from build_registry import history

    from portlore.registry.history_table import format_history

    data = shared / "data/iana"
    built = history(data / "2005-12-22.csv", data / "snapshots-2013-2026.tar.zst")
    assert format_history(built) == (TABLES / "history.tsv").read_text("utf-8")


def test_the_end_of_the_shipped_history_is_what_the_builder_makes_of_the_newest_snapshots(
    newest_snapshots: list[tuple[str, list[Record]]],
) -> None:
    from portlore.registry.deltas import deltas_between

    built = [
        delta
        for (older, before), (newer, after) in itertools.pairwise(newest_snapshots)
        for delta in deltas_between(older, before, newer, after)
    ]
    shipped = [d for d in portlore.load().registry.deltas() if d.older >= newest_snapshots[0][0]]
    assert [(d.newer, d.sign, format_record(d.record), d.column, d.after) for d in built] == [
        (d.newer, d.sign, format_record(d.record), d.column, d.after) for d in shipped
    ]


FIELD = {"mod_date": "modified", "reg_date": "registered"}
PROSE = {"unauthorized", "notes", "note", "unauthorized_use"}
Where = tuple[tuple[str, str], str, str, str, str]  # between, port or range, transport, name, field


def both(transport: str | None, ports: str) -> list[str]:
    """A row without a transport speaks of TCP and UDP; a service name without port and transport has none."""
    return [transport] if transport else ["tcp", "udp"] if ports else [""]


def events(shared: Path) -> dict[str, set[Where]]:
    """The independent count, by its own words for the kinds."""
    found: dict[str, set[Where]] = {}
    for line in (shared / "data/iana/history_events.jsonl").read_text().splitlines():
        e = json.loads(line)
        ports = e.get("port") or ""
        fields = e["changes"] if e["type"] == "field_change" else [""]
        name = e.get("name", "")
        for field in fields:
            if (
                field not in PROSE
            ):  # explained: the registry's prose is not in our tables, so its changes are not either
                for on in both(e.get("transport"), ports):
                    where = (tuple(e["between"]), ports, on, name, FIELD.get(field, field))
                    found.setdefault(e["type"], set()).add(where)
    return found


@functools.cache
def all_changes() -> list[portlore.Change]:
    from portlore.chronicle import between

    return between(portlore.load(), "2013-02-18", "2026-08-17")


def ours(*kinds: str, service: bool = False) -> set[Where]:
    """Our changes of some kinds, of ports or of service names without a port; a joined range as its single rows."""
    found = set()
    for c in all_changes():
        if c.kind in kinds and service is not bool(c.ports):
            name = c.name if service or c.kind == "field" else ""
            rows = {"2-3": ["2", "3"]}.get(c.ports, [c.ports])  # explained: 2 and 3 lost compressnet together: one line
            found |= {(c.between, row, str(c.transport), name, c.field) for row in rows}
    return found


KINDS = [
    ("assigned", ("assigned",), False, 517),
    ("removed", ("removed",), False, 55),
    ("renamed_or_reassigned", ("renamed", "reassigned"), False, 86),  # explained: we tell the two apart
    ("name_added", ("name-added",), False, 2),
    ("service_name_added", ("name-added",), True, 347),
    ("service_name_removed", ("name-removed",), True, 4),
]


@pytest.mark.parametrize(("theirs", "kinds", "service", "count"), KINDS, ids=[row[0] for row in KINDS])
def test_changes_agree_one_by_one_with_an_independent_count(
    shared: Path, theirs: str, kinds: tuple[str, ...], service: bool, count: int
) -> None:
    expected = events(shared)[theirs]
    assert len(expected) == count
    assert ours(*kinds, service=service) == expected


def test_field_changes_agree_with_the_independent_count_but_for_rows_without_a_name(shared: Path) -> None:
    expected = events(shared)["field_change"]
    found = ours("field") | ours("field", service=True)
    assert expected - found == set()
    # Explained: the independent count compares named rows only; ours tells of Reserved and Unassigned rows too.
    assert {where for where in found - expected if where[3]} == set()
    assert len(found - expected) > 0


def test_status_changes_are_ours_alone(shared: Path) -> None:
    """Explained: the independent count has no word for a port that goes from Unassigned to Reserved or back."""
    assert ours("status")
    assert not any("status" in kind for kind in events(shared))
