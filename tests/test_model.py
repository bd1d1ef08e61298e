"""Ports and ranges are parsed once, into values that cannot be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore import InputError, Port, PortKind, PortRange, Transport
from portlore.model import kind_of

PORTS = [("0/tcp", 0, "tcp"), ("53/udp", 53, "udp"), ("65535/sctp", 65535, "sctp"), ("33/DCCP", 33, "dccp")]


@pytest.mark.parametrize(("text", "number", "transport"), PORTS)
def test_a_port_is_parsed_and_written_back(text: str, number: int, transport: str) -> None:
    port = Port.parse(text)
    assert (port.number, port.transport) == (number, transport)
    assert str(port) == text.lower()


@given(st.integers(0, 65535), st.sampled_from(list(Transport)))
def test_parse_is_the_inverse_of_str(number: int, transport: Transport) -> None:
    assert Port.parse(str(Port(number, transport))) == Port(number, transport)


@given(st.text(max_size=12))
def test_any_text_is_a_port_or_our_error(text: str) -> None:
    try:
        port = Port.parse(text)
    except InputError:
        return
    assert str(port) == text.lower()


@pytest.mark.parametrize(
    ("number", "kind"), [(0, "system"), (1023, "system"), (1024, "user"), (49151, "user"), (49152, "dynamic")]
)
def test_the_three_ranges_of_rfc_6335(number: int, kind: str) -> None:
    assert kind_of(number) is PortKind(kind)


def test_a_range_counts_and_holds_its_ports() -> None:
    ports = PortRange.parse("600-1023")
    assert len(ports) == 424
    assert 600 in ports
    assert 1024 not in ports
    assert "703" not in ports
    assert str(PortRange.parse("703")) == "703"
    assert list(PortRange(5, 7)) == [5, 6, 7]


@pytest.mark.parametrize("text", ["600-", "-1023", "1023-600", "6-70000", "a-b", "1-2-3", "٣-٤", "²"])
def test_a_wrong_range_is_our_error(text: str) -> None:
    with pytest.raises(InputError):
        PortRange.parse(text)
