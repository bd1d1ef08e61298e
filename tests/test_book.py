"""The library: what it answers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import portlore
from portlore import InputError, PortKind, Status, Transport

LOOKUPS = [  # port, transport, status, preferred name: read by hand in the registry of 2026-08-17
    (22, "tcp", "assigned", "ssh"),
    (22, "sctp", "assigned", "ssh"),
    (80, "tcp", "assigned", "http"),
    (465, "tcp", "assigned", "submissions"),
    (465, "udp", "assigned", "igmpv3lite"),
    (502, "tcp", "assigned", "mbap"),
    (512, "udp", "assigned", "comsat"),
    (514, "tcp", "assigned", "shell"),
    (514, "udp", "assigned", "syslog"),
    (0, "tcp", "reserved", None),
    (2, "tcp", "reserved", None),
    (24, "tcp", "assigned", None),
    (703, "tcp", "unassigned", None),
    (703, "sctp", "no-entry", None),
    (720, "udp", "unassigned", None),
    (973, "tcp", "unassigned", None),
    (2049, "tcp", "assigned", "nfs"),
    (6010, "tcp", "assigned", "x11"),
    (14001, "udp", "de-registered", None),
    (49151, "tcp", "reserved", None),
    (49152, "tcp", "dynamic", None),
    (65535, "dccp", "dynamic", None),
]


@pytest.mark.parametrize(("number", "transport", "status", "name"), LOOKUPS)
def test_a_look_up_answers_with_the_registry_word(number: int, transport: str, status: str, name: str | None) -> None:
    facts = portlore.lookup(number, transport)
    assert facts.status is Status(status)
    assert facts.name == name
    assert portlore.name(number, transport) == name
    assert (facts.port, facts.transport) == (number, Transport(transport))


def test_all_names_of_a_port_come_preferred_first_with_their_aliases() -> None:
    names = [(a.name, a.alias_of) for a in portlore.lookup(80, "tcp").assignments]
    assert names == [("http", None), ("www", "http"), ("www-http", "http")]
    assert [a.alias_of for a in portlore.lookup(63, "tcp").assignments] == [None, "whoispp"]


def test_a_range_is_shown_as_the_registry_writes_it() -> None:
    assert portlore.lookup(720, "tcp").row == "717-728"
    assert portlore.lookup(6010, "tcp").assignments[0].row == "6000-6063"
    assert portlore.lookup(703, "tcp").row == "703"


def test_a_note_is_flagged_and_not_shipped() -> None:
    (http, *_) = portlore.lookup(80, "tcp").assignments
    assert http.has_note
    assert http.note is None
    pop3 = portlore.lookup(106, "tcp").assignments[0]
    assert pop3.has_unauthorized_use
    assert pop3.unauthorized_use is None


def test_names_of_the_registry_are_found_without_case_and_shown_with_it() -> None:
    answer = portlore.ask("ETHERNET-IP-1")
    assert {facts.port for facts in answer.ports} == {2222}
    assert answer.ports[0].assignments[0].name == "EtherNet-IP-1"


def test_a_service_without_a_port_is_found_too() -> None:
    answer = portlore.ask("snif-cln")
    assert answer.ports == ()
    assert {service.name for service in answer.services} == {"snif-cln"}
    assert answer.services[0].port is None


def test_a_name_on_one_transport_is_answered_on_that_one() -> None:
    assert [(f.port, f.transport) for f in portlore.ask("domain/udp").ports] == [(53, Transport.UDP)]


def test_a_port_is_answered_on_tcp_and_udp_and_where_else_it_has_a_row() -> None:
    assert [f.transport for f in portlore.ask("703").ports] == ["tcp", "udp"]
    assert [f.transport for f in portlore.ask("22").ports] == ["tcp", "udp", "sctp"]
    assert [f.transport for f in portlore.ask("1021").ports] == ["tcp", "udp", "sctp", "dccp"]


def test_a_name_that_nobody_has_is_an_empty_answer_not_an_error() -> None:
    answer = portlore.ask("nobody-has-this-name")
    assert (answer.ports, answer.services) == ((), ())


@pytest.mark.parametrize(("number", "transport"), [(-1, "tcp"), (65536, "tcp"), (22, "icmp"), (22, "")])
def test_what_is_no_port_is_our_error(number: int, transport: str) -> None:
    with pytest.raises(InputError):
        portlore.lookup(number, transport)
    with pytest.raises(InputError):
        portlore.name(number, transport)


def test_the_kind_of_a_port_is_its_range() -> None:
    assert portlore.lookup(703).kind is PortKind.SYSTEM


def test_as_of_answers_from_the_last_snapshot_on_or_before_the_day() -> None:
    book = portlore.load(as_of="2013-06-01")
    assert book.snapshot == "2013-02-18"
    assert book.lookup(502, "tcp").name == "asa-appl-proto"
    assert book.registry.next_snapshot() == "2015-01-09"
    assert portlore.load(as_of="2099-01-01").snapshot == portlore.load().snapshot


@pytest.mark.parametrize("date", ["2005-12-21", "1990-01-01"])
def test_before_the_oldest_snapshot_there_is_no_answer(date: str) -> None:
    with pytest.raises(InputError, match="2005-12-22"):
        portlore.load(as_of=date)


def test_history_tells_what_happened_to_a_port_between_two_days() -> None:
    told = [(c.between, c.kind, c.before, c.after) for c in portlore.history("502/tcp")]
    assert told == [(("2013-02-18", "2015-01-09"), "renamed", "asa-appl-proto", "mbap")]
    added = [c for c in portlore.history("465/tcp") if c.kind == "name-added"]
    assert [(c.between, c.after) for c in added] == [(("2017-11-29", "2017-12-13"), "submissions")]


def test_history_of_a_name_follows_it_even_after_it_is_gone() -> None:
    gone = portlore.history("asa-appl-proto")
    assert {(c.ports, c.kind) for c in gone} == {("502", "renamed")}
    compressnet = portlore.history("compressnet")  # lost 2 and 3 on TCP and UDP, lives on as a name without a port
    assert [c.kind for c in compressnet] == ["removed"] * 4 + ["name-added"] * 2


def test_only_the_public_names_are_public() -> None:
    assert set(dir(portlore)) == set(portlore.__all__)
    for name in portlore.__all__:
        assert getattr(portlore, name) is not None
    with pytest.raises(AttributeError):
        _ = portlore.nothing_of_that_name


def test_importing_opens_nothing_and_needs_no_third_party_package() -> None:
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == 'open' else None)
import portlore
outside = [p for p in map(str, opened) if '.plb' in p or '.tsv' in p or '.toml' in p]
third = sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'portlore', '__main__'})
print(outside, [m for m in third if not m.startswith('_')])
import portlore.cli.lookup, portlore.cli.search, portlore.cli.update, portlore.library, portlore.updating
third = sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'portlore', '__main__'})
print([m for m in third if not m.startswith('_')])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n[]\n"


def test_a_look_up_imports_little() -> None:
    """The start-up budget: none of the modules that cost more than the whole answer."""
    code = (
        "import sys; from portlore.cli import main; main(['703', '--json']);"
        "heavy = {'dataclasses', 'inspect', 'typing', 're', 'enum', 'argparse', 'json', 'pathlib', 'tomllib'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
