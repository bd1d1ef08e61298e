"""Values behave like frozen dataclasses, vocabularies like StrEnums."""

from __future__ import annotations

import pickle

import pytest

from portlore.model import ChangeKind, Port, PortRange, Source, Status, Transport
from portlore.value import Value
from portlore.word import Word


class Pair(Value):
    left: int
    right: str = "none"


def test_a_value_takes_its_fields_in_order_or_by_name() -> None:
    assert Pair(1, "a") == Pair(left=1, right="a")
    assert Pair(1).right == "none"


def test_a_value_wants_all_fields_without_default_and_no_others() -> None:
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Pair(1, "a", 2)  # type: ignore[call-arg]


def test_a_value_cannot_be_changed() -> None:
    pair = Pair(1)
    with pytest.raises(AttributeError, match="frozen"):
        pair.left = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del pair.left
    with pytest.raises(AttributeError):
        pair.extra = 1


def test_values_are_equal_by_content_and_kind_and_can_be_keys() -> None:
    assert Pair(1) == Pair(1)
    assert Pair(1) != Pair(2)
    assert Pair(703, "x") != PortRange(703, 703)
    assert {Pair(1): "one"}[Pair(1)] == "one"


def test_a_value_shows_itself_and_survives_a_pickle() -> None:
    port = Port(53, Transport.UDP)
    assert repr(port) == "Port(number=53, transport=<Transport.UDP: 'udp'>)"
    assert pickle.loads(pickle.dumps(port)) == port


def test_a_value_matches_by_position() -> None:
    match PortRange(600, 1023):
        case PortRange(first, last):
            assert (first, last) == (600, 1023)


def test_replace_gives_a_changed_copy() -> None:
    source = Source("title", "https://example.org")
    assert source.replace(title="other").title == "other"
    assert source.title == "title"


def test_a_vocabulary_is_read_called_and_iterated_like_a_str_enum() -> None:
    assert Transport("udp") is Transport.UDP
    assert [str(t) for t in Transport] == ["tcp", "udp", "sctp", "dccp"]
    assert str(Transport.TCP) == "tcp"
    assert f"{Transport.TCP:>5}" == "  tcp"
    assert Status.NO_ENTRY.name == "NO_ENTRY"
    assert Status.NO_ENTRY.value == "no-entry"
    assert "renamed" in list(ChangeKind)
    assert len(Transport) == 4
    assert pickle.loads(pickle.dumps(Transport.UDP)) is Transport.UDP


def test_a_vocabulary_is_closed() -> None:
    with pytest.raises(ValueError, match="'icmp' is not a valid Transport"):
        Transport("icmp")
    with pytest.raises(AttributeError):
        Transport.ICMP = "icmp"  # type: ignore[attr-defined]


def test_a_vocabulary_is_what_type_checkers_are_told_it_is() -> None:
    from enum import StrEnum

    class Light(Word):
        RED = "red"
        GREEN = "green"

    class Real(StrEnum):
        RED = "red"
        GREEN = "green"

    assert [(w.name, w.value, str(w), f"{w}", hash(w)) for w in Light] == [
        (w.name, w.value, str(w), f"{w}", hash(w)) for w in Real
    ]
