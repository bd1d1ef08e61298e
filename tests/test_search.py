"""Searching: exact name, prefix, words, claims, assignees, slips of the keyboard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore import InputError
from portlore.searching import distance

FIRST = [  # words, port and name of the first hit
    ("ssh", "22", "ssh"),
    ("SSH", "22", "ssh"),
    ("postgersql", "5432", "postgresql"),
    ("postgresql", "5432", "postgresql"),
    ("http-alt", "591", "http-alt"),
    ("modbus", "502", None),
    ("world wide web http", "80", "http"),
    ("grafana", "3000", "Grafana"),
    ("submission", "587", "submission"),
]


@pytest.mark.parametrize(("words", "port", "name"), FIRST)
def test_the_best_hit_comes_first(words: str, port: str, name: str | None) -> None:
    best = portlore.search(words)[0]
    assert best.ports == port
    assert name is None or best.name == name


def test_a_prefix_ranks_above_a_word_inside() -> None:
    begins = [hit.name.lower().startswith("postgre") for hit in portlore.search("postgre", limit=8)]
    assert begins == sorted(begins, reverse=True)
    assert any(begins)


def test_a_port_that_several_transports_share_is_one_hit() -> None:
    hits = [hit for hit in portlore.search("ssh") if hit.ports == "22" and hit.layer == "registry"]
    assert len(hits) == 1
    assert hits[0].transport == "tcp/udp/sctp"


def test_nothing_found_is_an_empty_list() -> None:
    assert portlore.search("qqqqzzzzqqqqzzzz") == []


@pytest.mark.parametrize("words", ["", "   ", "x" * 200, "a\x00b"])
def test_a_search_for_nothing_is_our_error(words: str) -> None:
    with pytest.raises(InputError):
        portlore.search(words)


SLIPS = [
    ("ssh", "ssh", 0),
    ("shs", "ssh", 1),
    ("postgersql", "postgresql", 1),
    ("kafka", "kafak", 1),
    ("abc", "xyz", 3),
]


@pytest.mark.parametrize(("a", "b", "edits"), SLIPS)
def test_distance_counts_slips_of_the_keyboard(a: str, b: str, edits: int) -> None:
    assert distance(a, b, 2) == min(edits, 3)
    assert distance(b, a, 2) == min(edits, 3)


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_distance_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert distance(a, b, 3) == distance(b, a, 3)
    assert (distance(a, b, 3) == 0) == (a == b)


@given(st.text(max_size=20))
def test_any_words_give_hits_or_our_error(words: str) -> None:
    try:
        hits = portlore.search(words, limit=3)
    except InputError:
        return
    assert len(hits) <= 3
