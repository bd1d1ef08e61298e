"""The two forms of the shipped data are equal: the text that stands in git and what is opened at run time."""

from __future__ import annotations

from pathlib import Path

import pytest

import portlore
from portlore.registry.history_table import format_history, parse_history
from portlore.registry.registry import Registry
from portlore.registry.table import format_table, parse_table

TABLES = Path(portlore.__file__).parent / "registry/data"
if not TABLES.is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return portlore.load().registry


def test_the_run_time_form_holds_every_row_of_the_table_and_no_other(registry: Registry) -> None:
    table = parse_table((TABLES / "registry.tsv").read_text("utf-8"))
    assert tuple(registry.records()) == table.records
    assert registry.snapshot == table.snapshot
    for person, organisation in table.organisations:
        assert registry.organisation(f"[{person}]") == organisation


def test_the_run_time_form_holds_every_difference_of_the_history(registry: Registry) -> None:
    history = parse_history((TABLES / "history.tsv").read_text("utf-8"))
    assert tuple(registry.deltas()) == history.deltas
    assert registry.dates == history.dates
    assert len(history.dates) == 424


@pytest.mark.parametrize("name", ["registry.tsv", "history.tsv"])
def test_the_text_is_in_the_form_that_the_writer_gives_it(name: str) -> None:
    text = (TABLES / name).read_text("utf-8")
    again = format_table(parse_table(text)) if name == "registry.tsv" else format_history(parse_history(text))
    assert again == text


def test_every_name_is_found_by_its_name(registry: Registry) -> None:
    for record in registry.records():
        if record.name:
            assert record in registry.named(record.name.upper())


def test_the_provenance_is_told(registry: Registry) -> None:
    assert registry.snapshot.date == "2026-08-17"
    assert registry.snapshot.sha256 == "4bbf00ef4dd194ea3098d090b42a832c0f8aef704699956a4a7e24576a49631b"
    assert registry.snapshot.licence == "CC0-1.0"
