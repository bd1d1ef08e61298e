"""An organisation's own labels, and the ports that are free to take."""

from __future__ import annotations

import os
import socket
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore import ParseError, PortRange
from portlore.local.machine import is_bound, read_machine
from portlore.model import LocalLine
from portlore.own.finding import read_own
from portlore.own.free import Machine, free_ports, objection
from portlore.own.labels import parse_labels

TEXT = """
[ports]
7031 = "billing"
"8100-8119" = { name = "previews", owner = "web team", transport = "tcp", note = "one per branch" }
"53/udp" = "our resolver"
"""


def test_labels_are_read_from_short_and_long_forms() -> None:
    labels = [(label.ports, label.transport, label.name, label.owner) for label in parse_labels(TEXT, "p.toml")]
    assert labels == [
        ("7031", "tcp/udp", "billing", ""),
        ("8100-8119", "tcp", "previews", "web team"),
        ("53", "udp", "our resolver", ""),
    ]


WRONG = [
    ("[ports", "not TOML"),
    ("ports = 3", "not a table"),
    ('[ports]\n"7O31" = "x"', "7O31"),
    ("[ports]\n7031 = 5", "7031"),
    ('[ports]\n7031 = { name = "x", colour = "red" }', "owner"),
    ('[ports]\n7031 = { name = "x", transport = "icmp" }', "icmp"),
    ("[ports]\n7031 = { }", "it says nothing"),
    (f'[ports]\n7031 = "{"x" * 300}"', "over 200"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_file_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ParseError, match="p\\.toml") as caught:
        parse_labels(text, "p.toml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=120))
def test_noise_is_labels_or_our_error(text: str) -> None:
    try:
        parse_labels(text, "p.toml")
    except ParseError:
        pass


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (tmp_path / "portlore.toml").write_text('[ports]\n7031 = "far"\n')
    assert [label.name for label in read_own(str(inner))] == ["far"]
    (tmp_path / "a/portlore.toml").write_text('[ports]\n7031 = "near"\n')
    assert [label.name for label in read_own(str(inner))] == ["near"]


def test_a_file_that_is_there_and_cannot_be_read_is_told_not_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "portlore.toml")  # opening it would wait without end
    with pytest.raises(ParseError, match="it is no file"):
        read_own(str(tmp_path))


def test_own_labels_are_joined_into_the_facts() -> None:
    book = portlore.load().joined(own=parse_labels(TEXT, "p.toml"))
    assert [label.name for label in book.lookup(8105, "tcp").own] == ["previews"]
    assert book.lookup(8105, "udp").own == ()


CALM = Machine(PortRange(32768, 60999), PortRange(665, 1023), (), lambda number: False)

OBJECTIONS = [
    (22, "a system port"),
    (50000, "a dynamic port"),
    (8080, "assigned on tcp"),
    (49151, "reserved on tcp"),
    (5173, "used by Vite"),
]


@pytest.mark.parametrize(("number", "why"), OBJECTIONS)
def test_a_port_is_refused_for_a_reason(number: int, why: str) -> None:
    found = objection(portlore.load(), CALM, number)
    assert found is not None
    assert found.startswith(why)


def test_own_ephemeral_refused_and_bound_ports_are_not_free() -> None:
    book = portlore.load()
    (free,) = islice(free_ports(book, CALM), 1)
    labelled = book.joined(own=parse_labels(f'[ports]\n{free.port} = "mine"', "p.toml"))
    assert objection(labelled, CALM, free.port) == "your own: mine"
    assert objection(book, CALM.replace(bound=lambda number: True), free.port) == "bound here now"
    around = PortRange(free.port - 1, free.port + 1)
    assert "ephemeral" in str(objection(book, CALM.replace(ephemeral=around), free.port))
    listed = book.joined(
        local=[(PortRange(free.port, free.port), LocalLine("services", "/etc/services", "", "x", "tcp"))]
    )
    assert objection(listed, CALM, free.port) == "in this machine's services list"
    assert "RPC source port" in str(objection(book, CALM.replace(rpc=around), free.port))
    assert "kernel" in str(objection(book, CALM.replace(reserved=(around,)), free.port))


def test_every_free_port_named_is_free_by_every_rule() -> None:
    book = portlore.load()
    for free in islice(free_ports(book, CALM), 20):
        for transport in ("tcp", "udp"):
            facts = book.lookup(free.port, transport)
            assert facts.status == "unassigned"
            assert facts.claims == ()
        assert free.port not in book.lore.refused
        assert not 32768 <= free.port <= 60999
        assert len(free.reasons) >= 4


def test_near_asks_for_the_nearest() -> None:
    found = [free.port for free in islice(free_ports(portlore.load(), CALM, 8000), 3)]
    assert found == sorted(found, key=lambda port: abs(port - 8000))
    assert abs(found[0] - 8000) < 60


def test_a_bound_port_is_seen() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as holder:
            holder.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                holder.listen()
            assert is_bound(holder.getsockname()[1])


def test_this_machine_tells_its_ranges() -> None:
    machine = read_machine()
    assert 1024 <= machine.ephemeral.first < machine.ephemeral.last
