"""What people type, and what they are told when they mistype it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore import InputError, PortRange, Transport
from portlore.query import parse_date, parse_query

NAMES = {"ssh", "914c/g", "3com-tsmux", "whois++"}

GOOD = [
    ("703", PortRange(703, 703), None, None),
    (" 703 ", PortRange(703, 703), None, None),
    ("53/udp", PortRange(53, 53), None, Transport.UDP),
    ("600-1023", PortRange(600, 1023), None, None),
    ("600-1023/TCP", PortRange(600, 1023), None, Transport.TCP),
    ("ssh", None, "ssh", None),
    ("ssh/udp", None, "ssh", Transport.UDP),
    ("914c/g", None, "914c/g", None),
    ("3com-tsmux", None, "3com-tsmux", None),
    ("nobody", None, "nobody", None),
]
BAD = [
    ("", "empty", "703"),
    ("   ", "empty", "703"),
    ("70000", "70000", "0 to 65535"),
    ("99999999999999999999", "99999999999999999999", "0 to 65535"),
    ("080", "080", "did you mean 80?"),
    ("7O3", "7O3", "did you mean 703?"),
    ("l024", "", ""),
    ("600-", "600-", "one bound is missing"),
    ("-1", "-1", "one bound is missing"),
    ("1023-600", "1023-600", "did you mean 600-1023?"),
    ("53/upd", "upd", "did you mean 53/udp?"),
    ("53/", "", "not one of"),
    ("53/xyz", "xyz", "write one of those"),
    ("a" * 200, "200 characters", "703"),
    ("ssh\x1b[2J", "", "cannot be printed"),
]


@pytest.mark.parametrize(("text", "ports", "name", "transport"), GOOD)
def test_a_question_is_understood(
    text: str, ports: PortRange | None, name: str | None, transport: Transport | None
) -> None:
    query = parse_query(text, NAMES.__contains__)
    assert (query.ports, query.name, query.transport) == (ports, name, transport)


@pytest.mark.parametrize(("text", "asked", "helpful"), [row for row in BAD if row[0] != "l024"])
def test_a_wrong_question_says_what_was_asked_found_and_meant(text: str, asked: str, helpful: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_query(text, NAMES.__contains__)
    message = str(caught.value)
    assert asked in message
    assert helpful in message
    assert "\n" not in message
    assert message.isprintable()


def test_a_name_that_begins_with_a_letter_is_never_taken_for_a_number() -> None:
    assert parse_query("l024").name == "l024"


@given(st.text(max_size=40))
def test_any_text_is_a_question_or_our_error(text: str) -> None:
    try:
        query = parse_query(text)
    except InputError:
        return
    assert (query.ports is None) != (query.name is None)


@pytest.mark.parametrize("text", ["2013-13-01", "yesterday", "2013", "2013-02-30", ""])
def test_a_wrong_date_is_our_error(text: str) -> None:
    with pytest.raises(InputError):
        parse_date(text)
