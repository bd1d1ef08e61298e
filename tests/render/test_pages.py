"""Pages for eyes: every kind of change has its words, every status its meaning, and tables fit their width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore import Assignment, Change, ChangeKind, Service, Status
from portlore.model import ClaimKind, Source, Verdict
from portlore.render.formats import FORMATS, Document, encode
from portlore.render.meaning import meaning, verdict_line
from portlore.render.page import change_text, page, service_page
from portlore.render.plain import cell, plain
from portlore.render.terminal import Style, clean, columns_of, wrap

CHANGES = [
    (ChangeKind.ASSIGNED, "unassigned", "ssh", "", "assigned to ssh (was unassigned)"),
    (ChangeKind.ASSIGNED, "no-entry", "ssh", "", "assigned to ssh"),
    (ChangeKind.REMOVED, "iad1", "reserved", "", "iad1 removed; reserved since"),
    (ChangeKind.RENAMED, "a", "b", "", "renamed from a to b"),
    (ChangeKind.REASSIGNED, "a", "b", "", "reassigned from a to b"),
    (ChangeKind.NAME_ADDED, "", "b", "", "name b added"),
    (ChangeKind.NAME_REMOVED, "a", "", "", "name a removed"),
    (ChangeKind.STATUS, "unassigned", "reserved", "", "from unassigned to reserved"),
    (ChangeKind.FIELD, "", "[X]", "assignee", "n: assignee (none) → [X]"),
]


@pytest.mark.parametrize(("kind", "before", "after", "field", "words"), CHANGES)
def test_every_change_has_its_words(kind: ChangeKind, before: str, after: str, field: str, words: str) -> None:
    assert change_text(Change(("2013-02-18", "2015-01-09"), kind, "1", "tcp", "n", before, after, field)) == words


LINES = [
    (703, "officially nobody's"),
    (24, "officially for private use, without a name"),
    (0, "officially reserved"),
    (50000, "dynamic, never assigned to anybody"),
    (22, "officially ssh"),
]


@pytest.mark.parametrize(("port", "words"), LINES)
def test_the_first_sentence_says_whose_a_port_is(port: int, words: str) -> None:
    assert verdict_line(portlore.load().port(port)).startswith(words)


def test_a_port_that_was_given_back_says_so_and_is_nobody_elses_yet() -> None:
    gone = portlore.lookup(14001, "udp")
    assert verdict_line([gone]).startswith("officially given back")
    told = meaning([gone])
    assert any("RFC 6335, section 8.2" in sentence for sentence in told)
    assert not any("Can be registered" in sentence for sentence in told)


def test_the_first_sentence_counts_confirmed_uses_of_the_port_alone_and_names_no_alias() -> None:
    facts = portlore.load().port(703)
    some = facts[0].claims[0].replace(ports="703", kind=ClaimKind.CUSTOMARY)
    confirmed = some.replace(name="Real", verdict=Verdict.CONFIRMED)
    rumour = confirmed.replace(name="Rumour", verdict=Verdict.UNVERIFIED)
    around = confirmed.replace(name="Around", ports="600-1023")
    source = confirmed.replace(name="Caller (source port)")
    four = [confirmed.replace(name=name) for name in ("A", "B", "C", "D")]
    for claims, words in [
        ([rumour, around], "officially nobody's"),
        ([rumour, confirmed, source], "officially nobody's; really Real"),
        ([source], "officially nobody's; really Caller (source port)"),
        (four, "officially nobody's; really A, B, C and 1 more"),
        (four[:3], "officially nobody's; really A, B and C"),
    ]:
        assert verdict_line([one.replace(claims=tuple(claims)) for one in facts]) == words
    assert verdict_line(portlore.load().port(80)) == "officially http"  # www and www-http are its aliases


def test_a_reserved_port_says_what_that_means() -> None:
    assert any(sentence.startswith("Reserved:") for sentence in meaning([portlore.lookup(0, "tcp")]))


def test_a_note_is_shown_once_it_is_there() -> None:
    facts = portlore.lookup(80, "tcp")
    noted = facts.assignments[0].replace(note="Careful.", unauthorized_use="By some.")
    text = "\n".join(page([facts.replace(assignments=(noted,))], Style(80), lambda who: "Acme"))
    assert "Note: Careful." in text
    assert "Unauthorized use reported: By some." in text
    assert "portlore update" not in text


def test_an_empty_column_and_a_private_use_are_told() -> None:
    text = "\n".join(page([portlore.lookup(24, "tcp"), portlore.lookup(24, "udp")], Style(80)))
    assert "any private mail system" in text
    assert "(no name)" in text


def test_a_service_without_a_port_says_how_it_is_found() -> None:
    given = Assignment(
        "toy", "A toy", "[Ann]", "", "", "", (), "", "", None, has_note=False, has_unauthorized_use=False
    )
    text = "\n".join(service_page([Service("toy", None, None, given)], Style(60), lambda who: ""))
    assert "no transport" in text
    assert "DNS SRV" in text


def test_a_status_without_a_row_tells_why() -> None:
    text = "\n".join(page([portlore.lookup(703, "sctp"), portlore.lookup(703, "tcp")], Style(100)))
    assert "no row of the registry speaks of it" in text


@given(st.text(max_size=60), st.integers(4, 40))
def test_wrapped_text_keeps_its_words_and_its_width(text: str, width: int) -> None:
    shown = clean(text)
    lines = wrap(shown, width)
    assert "".join("".join(lines).split()) == "".join(shown.split())
    if shown.isascii():
        assert all(len(line) <= width for line in lines)


@given(st.text(max_size=30))
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    assert all(c.isprintable() for c in clean(text))


WIDTHS = [("abc", 3), ("日本", 4), ("e\u0301", 1)]


@pytest.mark.parametrize(("text", "columns"), WIDTHS)
def test_columns_count_what_a_terminal_shows(text: str, columns: int) -> None:
    assert columns_of(text) == columns


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_our_json_is_what_the_standard_library_reads(value: object) -> None:
    import json

    assert json.loads(encode(value)) == value


def test_values_become_plain_dictionaries_with_their_field_names() -> None:
    assert plain({"s": Source("t", "u", "page read", "2026-11-21", "e")}) == {
        "s": {"title": "t", "url": "u", "how": "page read", "retrieved": "2026-11-21"}
    }
    assert plain(portlore.lookup(703))["status"] == "unassigned"
    assert plain((Status.ASSIGNED, 1, None)) == ["assigned", 1, None]


def test_cells_of_a_csv_are_flat_and_no_formula() -> None:
    assert cell(None) == ""
    assert cell([{"name": "a b", "kind": "x"}, "c"]) == "a_b:x c"
    (head, row) = "".join(FORMATS["csv"](Document({}, (("rows", [{"a": "=1+1"}]),)))).splitlines()
    assert (head, row) == ("a", "'=1+1")
