"""The tables hang together: names are unique, and what they refer to exists in the registry and among the claims."""

from __future__ import annotations

from collections import Counter

import pytest

from portlore.opening import load
from portlore.probes import MODULES, PROBES, PROTOCOLS, RECOGNISERS, Asked, Probe, Protocol, Recogniser
from portlore.probes.dialogue import MOST_BYTES, MOST_STEPS
from portlore.probes.fragile import FRAGILE

ASKED = [Asked("test.example", 703), Asked("192.0.2.1", 703), Asked("2001:db8::1", 703, tls=True)]
# What would log in, write, change or stop something, in the protocols that people read: none of it may ever be sent.
NEVER = (
    b"PASS ", b"AUTH ", b"LOGIN", b"STOR ", b"DELE ", b"RCPT TO", b"MAIL FROM", b"DATA\r\n", b"POST ", b"PUT ",
    b"DELETE ", b"PATCH ", b"FLUSHALL", b"CONFIG", b"SHUTDOWN", b"flush_all", b"set ", b"DEBUG", b"PUBLISH ",
    b"PRIVMSG", b"@PJL",
)  # fmt: skip


def name_of(one: object) -> str:
    return str(getattr(one, "name", None) or getattr(one, "protocol", None) or one)


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(probe.name for probe in PROBES).items() if count > 1] == []
    assert len(set(MODULES)) == len(MODULES)
    assert all(key == protocol.name for key, protocol in PROTOCOLS.items())


@pytest.mark.parametrize("probe", PROBES, ids=name_of)
def test_a_probe_finds_a_protocol_of_the_table(probe: Probe) -> None:
    assert probe.protocol in PROTOCOLS
    assert probe.transport in ("tcp", "udp")
    assert all(0 < port < 65536 for port in probe.ports)


@pytest.mark.parametrize("one", RECOGNISERS, ids=name_of)
def test_a_recogniser_knows_a_side_of_a_protocol_of_the_table(one: Recogniser) -> None:
    assert one.protocol in PROTOCOLS
    assert one.transport in ("tcp", "udp")
    assert one.server is not None or one.client is not None


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=name_of)
def test_a_protocol_refers_to_services_and_claims_that_exist(protocol: Protocol) -> None:
    book = load()
    for service in protocol.services + protocol.tls_services:
        assert book.service(service)[0] or book.service(service)[1], service
    claims = {claim.name for claim in book.lore}
    assert set(protocol.uses) - claims == set()
    assert protocol.over == "" or protocol.over in PROTOCOLS
    assert protocol.title
    assert not protocol.advice or protocol.advice.endswith(".")


@pytest.mark.parametrize("row", FRAGILE, ids=lambda row: row.why[:20])
def test_what_fragile_devices_bear_is_a_protocol(row: object) -> None:
    allowed = getattr(row, "allowed", ())
    assert set(allowed) <= set(PROTOCOLS)
    assert all(probe.gentle for probe in PROBES if probe.protocol in allowed and probe.name != "tls")


@pytest.mark.parametrize("probe", PROBES, ids=name_of)
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.host)
def test_a_probe_comes_to_an_end_and_sends_nothing_that_it_must_not(probe: Probe, asked: Asked) -> None:
    for answer in (b"", b"220 ready\r\n", b"+OK\r\n", b"\0" * 64, b"HTTP/1.1 200 OK\r\n\r\n{}", b"\xff" * MOST_BYTES):
        dialogue, sent = probe.dialogue(asked), b""
        try:
            said = next(dialogue)
            assert not probe.banner or said == b""
            for _ in range(4 * MOST_STEPS):
                sent += said
                said = dialogue.send(answer)
        except StopIteration:
            pass
        for word in NEVER:
            assert word not in sent or (word == b"POST " and probe.protocol == "ipp")
        if probe.protocol == "ipp" and sent:  # RFC 8010 section 3.1.1: version, then Get-Printer-Attributes, a question
            assert sent.partition(b"\r\n\r\n")[2][2:4] == b"\x00\x0b"
        assert len(sent) < 16_384
        dialogue.close()


def test_the_kinds_of_service_that_are_promised_are_there() -> None:
    promised = """ssh http http2 tls smtp imap pop3 ftp telnet ntp snmp ldap mysql postgresql redis mqtt amqp kafka
        cassandra elasticsearch etcd docker kubernetes zookeeper sip socks rsync git irc x11 wireguard"""
    assert set(promised.split()) - set(PROTOCOLS) == set()
