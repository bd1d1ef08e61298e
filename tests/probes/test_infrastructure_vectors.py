"""What holds a network together, byte by byte: vectors, forms that must be refused, and noise."""

from __future__ import annotations

import operator
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.infrastructure import converse
from probes.vectors import Conversation, hold, read_vectors, replay

from portlore import ber
from portlore.observed import MOST_EVIDENCE, Confidence
from portlore.probes import PROBES, RECOGNISERS, dns, modbus, rpc, smb, wireguard
from portlore.probes.dialogue import Asked
from portlore.probes.fragile import FRAGILE, find_fragile, may_ask
from portlore.probes.gathering import MOST_FACTS, MOST_TEXT, headers, split_version, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.observed import Identification
    from portlore.probes import Probe, Recogniser

FILES = ("dhcp", "dns", "git", "ipp", "ldap", "modbus", "ntp", "quic", "rdp", "rpc", "sip", "smb", "snmp", "socks",
         "wireguard", "x11", "xmpp")  # fmt: skip
VECTORS = [one for name in FILES for one in read_vectors(name)]
HELD = [one for one in VECTORS if one.probe]
LISTENED = [one for one in VECTORS if not one.probe]
TABLES = [import_module(f"portlore.probes.{name}") for name in (*FILES, "fgcp", "netinfo")]
MINE = [probe for module in TABLES for probe in module.PROBES]
ROWS = [row for module in TABLES for row in module.RECOGNISERS]
BY_NAME = {probe.name: probe for probe in PROBES}
SAID = [said for one in VECTORS for _, said in one.turns]


def name_of(one: Conversation | Probe) -> str:
    return one.name


def matches(one: Conversation, side: str) -> list[Identification]:
    """What the recognisers make of all that a side said."""
    said = one.said_by(side)
    data = b"".join(said) if one.transport == "tcp" else said[0]
    reads = [getattr(row, side) for row in RECOGNISERS if row.transport == one.transport]
    return [found for read in reads if read is not None and (found := read(data)) is not None]


@pytest.mark.parametrize("one", HELD, ids=name_of)
def test_a_dialogue_finds_what_the_vector_says(one: Conversation) -> None:
    one.check(hold(BY_NAME[one.probe], one.said_by("server")))


@pytest.mark.parametrize("one", [one for one in HELD if one.transport == "tcp"], ids=name_of)
def test_an_answer_byte_by_byte_is_the_same_answer(one: Conversation) -> None:
    whole = b"".join(one.said_by("server"))
    rest = iter(whole)
    dialogue = BY_NAME[one.probe].dialogue(Asked("test.example", 4))
    one.check(converse(dialogue, lambda sent: bytes([next(rest)]) if operator.length_hint(rest) else b""))


@pytest.mark.parametrize("one", LISTENED, ids=name_of)
def test_a_recogniser_knows_its_own(one: Conversation) -> None:
    side = one.turns[0][0]
    found = matches(one, side)
    assert {match.protocol for match in found} == {one.protocol}
    one.check(found[0])


@pytest.mark.parametrize("one", [one for one in HELD if one.probe not in ("ipp", "socks4")], ids=name_of)
def test_what_a_probe_and_its_server_say_is_recognised_too(one: Conversation) -> None:
    """IPP passes by as HTTP; a refusal of SOCKS 4 is eight bytes that anything might say."""
    for side in {side for side, _ in one.turns}:
        assert matches(one, side), side


@pytest.mark.parametrize("one", VECTORS, ids=name_of)
def test_a_side_of_which_a_capture_kept_the_beginning_is_recognised_as_much(one: Conversation) -> None:
    """256 bytes are the least that portlore.capture keeps of a side of TCP."""
    if one.transport == "tcp":
        for side in {side for side, _ in one.turns}:
            data = b"".join(one.said_by(side))
            found = [row for row in ROWS if row.transport == "tcp" and (read := getattr(row, side)) and read(data)]
            assert all(getattr(row, side)(data[:256]) for row in found)


def test_what_follows_on_a_connection_does_not_hide_how_it_began() -> None:
    hello = bytes.fromhex("16030100050100000100")
    for name, after in (("rdp", hello), ("x11", b"\x62\0\5\0\7\0\0\0BIG-REQUESTS\0\0\0\0"), ("socks", b"\5\1\0\1")):
        for one in read_vectors(name):
            for side in {side for side, _ in one.turns}:
                data = b"".join(one.said_by(side))
                for row in [row for row in ROWS if row.transport == "tcp" and row.protocol == one.protocol]:
                    read = row.server if side == "server" else row.client
                    if read is not None and read(data) is not None and "4" not in dict(one.facts).get("version", ""):
                        assert read(data + after) is not None, one.name


@pytest.mark.parametrize("probe", MINE, ids=name_of)
def test_silence_and_an_echo_are_nothing(probe: Probe) -> None:
    for port in (4, 139, 5269):
        dialogue = probe.dialogue(Asked("test.example", port, probe.transport))
        assert replay(dialogue, [])[0] is None
        dialogue = probe.dialogue(Asked("test.example", port, probe.transport))
        assert converse(dialogue, lambda sent: sent) is None


@pytest.mark.parametrize("one", HELD, ids=name_of)
def test_the_evidence_is_what_was_said(one: Conversation) -> None:
    found, sent = replay(BY_NAME[one.probe].dialogue(Asked("h", 4, one.transport)), one.said_by("server"))
    assert found is not None
    (proof,) = found.evidence
    assert proof.probe == one.probe
    assert proof.received[:64] in b"".join(one.said_by("server"))
    assert any(said.startswith(proof.sent) for said in sent)
    assert len(proof.received) <= MOST_EVIDENCE >= len(proof.sent)


SECRETS = {"ldap": b"secret", "snmp": b"public", "socks": b"ann"}


def test_facts_hold_no_password_and_no_community() -> None:
    for one in VECTORS:
        for found in [match for side in {side for side, _ in one.turns} for match in matches(one, side)]:
            told = " ".join(value for _, value in found.facts).encode()
            assert all(secret not in told for secret in SECRETS.values()), one.name


def held(probe: Probe, answers: list[bytes]) -> Identification | None:
    found, _ = replay(probe.dialogue(Asked("test.example", 4, probe.transport)), answers)
    return found


def bounded(found: Identification | None) -> None:
    """Whether what was found is of bounded size."""
    if found is not None:
        assert len(found.facts) <= MOST_FACTS + 2
        assert all(len(value) <= 2 * MOST_TEXT for _, value in found.facts)
        assert len(found.product) <= 2 * MOST_TEXT
        assert len(found.version) <= MOST_TEXT


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_noise_is_no_error_in_any_dialogue(answers: list[bytes]) -> None:
    for probe in MINE:
        bounded(held(probe, answers))


@given(st.binary(max_size=400))
def test_noise_is_recognised_by_nobody_for_sure(data: bytes) -> None:
    for row in ROWS:
        for read in (row.server, row.client):
            found = read(data) if read is not None else None
            assert found is None or found.confidence is not Confidence.CERTAIN or row.protocol == "domain"


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """Something that was really said, with some bytes changed, cut or doubled."""
    data = bytearray(draw(st.sampled_from(SAID)))
    for _ in range(draw(st.integers(0, 6))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    data = data[draw(st.integers(0, min(8, len(data)))) :]
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    return bytes(data * draw(st.integers(1, 3)))


@given(bent(), bent())
def test_bent_answers_are_no_error(first: bytes, second: bytes) -> None:
    for probe in MINE:
        bounded(held(probe, [first, second]))
        dialogue = probe.dialogue(Asked("test.example", 139, probe.transport))
        bounded(replay(dialogue, [first, second])[0])


@given(bent())
def test_bent_messages_are_no_error_for_a_recogniser(data: bytes) -> None:
    for row in ROWS:
        for read in (row.server, row.client):
            if read is not None:
                bounded(read(data))


@pytest.mark.parametrize(
    "filler", [b"\0", b"\xff", b"0", b"<", b"\x30\x80", b"\xc0\x0c", b"a.", b"{", b"\x03\0\xff\xff"]
)
def test_the_most_that_may_come_costs_no_time_worth_speaking_of(filler: bytes) -> None:
    """64 KiB of the same, alone and behind a true beginning; the limit is hundreds of times what it takes."""
    block = (filler * 65_536)[:65_536]
    starts = [b"", *[one.said_by("server")[0][:40] for one in HELD]]
    begin = time.process_time()
    for start in starts:
        for row in ROWS:
            for read in (row.server, row.client):
                if read is not None:
                    read(start + block)
    assert time.process_time() - begin < 30


def framed(function: str, transaction: int = 1) -> bytes:
    """A Modbus message of unit 1."""
    return modbus.encode_message(modbus.Message(transaction, 1, bytes.fromhex(function)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (framed("030000007e"), "126 registers are one too many (section 6.3)"),
        (framed("0300000000"), "no register at all"),
        (framed("63"), "no such function"),
        (framed("0300000001") + b"\0", "a byte too many"),
        (framed("0300000001")[:-1], "a byte too few"),
        (b"\0\1\0\1\0\6\1" + bytes.fromhex("0300000001"), "protocol 1 is not Modbus (implementation guide 3.1.3)"),
        (b"\0\1\0\0\0\5\1" + bytes.fromhex("0300000001"), "a length that lies"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_modbus_is_strict_about_its_form(data: bytes, why: str) -> None:
    assert modbus.recognise_client(data) is None, why


def test_modbus_messages_one_behind_the_other_are_modbus() -> None:
    both = framed("0300000001") + framed("0400000001", 2)
    assert modbus.recognise_client(both) is not None
    assert modbus.recognise_client(both + b"x") is None
    assert modbus.recognise_server(both) is None


def test_an_exception_of_another_function_or_transaction_is_no_answer_to_us() -> None:
    probe = BY_NAME["modbus"]
    assert hold(probe, [bytes.fromhex("504c00000003ff8301")]) is None
    assert hold(probe, [bytes.fromhex("504d00000003ffab01")]) is None
    assert hold(probe, [bytes.fromhex("504c00000003ffab07")]) is None  # 7 is no exception of section 7


def test_a_name_of_netbios_is_not_taken_for_dns() -> None:
    """RFC 1002 section 4.2.12: a question for the name of sixteen asterisks, as a node status request has it."""
    name = b"\x20" + b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + b"\0"
    data = bytes.fromhex("123400000001000000000000") + name + bytes.fromhex("00210001")
    assert dns.recognise_client(data) is None


def test_pointers_that_lead_in_a_circle_end() -> None:
    data = bytes.fromhex("504c84000001000100000000") + b"\xc0\x0c" + bytes.fromhex("00100003")
    assert dns.decode_message(data) is None


@pytest.mark.parametrize(
    ("told", "product", "version"),
    [
        ("dnsmasq-2.90", "dnsmasq", "2.90"),
        ("9.18.49-1~deb12u3-Debian", "BIND", "9.18.49-1~deb12u3-Debian"),
        ("unbound 1.17.1", "Unbound", "1.17.1"),
        ("PowerDNS Recursor 4.8.8 (built Apr 18 2024)", "PowerDNS Recursor", "4.8.8"),
        ("none of your business", "", ""),
    ],
)
def test_the_version_that_a_resolver_tells_is_split(told: str, product: str, version: str) -> None:
    answer = (
        dns.VERSION[:2]
        + bytes.fromhex("8400000100010000 0000")
        + dns.VERSION[12:]
        + b"\xc0\x0c"
        + bytes.fromhex("0010000300000000")
        + (len(told) + 1).to_bytes(2, "big")
        + bytes((len(told),))
        + told.encode()
    )
    found = hold(BY_NAME["dns-udp"], [answer])
    assert found is not None
    assert (found.product, found.version) == (product, version)
    assert ("version.bind", told) in found.facts


def test_a_resolver_that_is_silent_to_chaos_is_asked_something_plain() -> None:
    refusal = dns.LOCALHOST[:2] + bytes.fromhex("8005") + dns.LOCALHOST[4:]
    found, sent = replay(BY_NAME["dns-udp"].dialogue(Asked("h", 53, "udp")), [b"", refusal])
    assert sent == [dns.VERSION, dns.LOCALHOST]
    assert found is not None
    assert ("answer", "refused") in found.facts


def test_lengths_of_ber_go_both_ways() -> None:
    for size in (0, 1, 127, 128, 255, 256, 65_535, 65_536):
        data = ber.element(ber.OCTETS, b"x" * size)
        assert ber.read(data) == (ber.OCTETS, b"x" * size, len(data))
        assert ber.read(data[:-1]) is None
    assert ber.element(ber.OCTETS, b"x" * 128)[:3].hex() == "048180"  # X.690 section 8.1.3.5
    assert ber.integer(128).hex() == "02020080"  # section 8.3: the highest bit is the sign


def test_smb_over_netbios_calls_first() -> None:
    """RFC 1002 section 4.3.2 on: a session request, then everything as on 445."""
    (one,) = [one for one in HELD if one.probe == "smb"]
    dialogue = BY_NAME["smb"].dialogue(Asked("h", smb.NETBIOS_PORT))
    found, sent = replay(dialogue, [b"\x82\0\0\0", *one.said_by("server")])
    assert sent[0][:4] == b"\x81\0\0\x44"
    assert b" CKFDENECFDEFFCFGEFFCCACACACACACA\0" in sent[0]  # *SMBSERVER, padded with blanks
    assert sent[1] == smb.REQUEST
    one.check(found)
    refused = hold(BY_NAME["smb"], [b"\x83\0\0\1\x82"], smb.NETBIOS_PORT)
    assert refused is not None
    assert refused.facts == (("NetBIOS", "refused"),)


def test_a_host_name_cannot_put_lines_or_tags_into_a_request() -> None:
    evil = "h\r\nX: y'><a>\0"
    for name in ("sip-tcp", "sip-udp", "rtsp", "xmpp", "git"):
        sent = next(BY_NAME[name].dialogue(Asked(evil, 4, BY_NAME[name].transport)))
        assert b"\nX: y" not in sent
        assert b"'><a>" not in sent
        assert sent.count(b"\0") in (0, 2)


def test_nothing_is_sent_to_raw_printers_and_to_plants_only_what_they_bear() -> None:
    for port in (*range(9100, 9108), 515, 102, 2404, 20000, 44818):
        assert not any(may_ask(probe.protocol, port, "tcp") for probe in PROBES), port
    assert {probe.name for probe in PROBES if may_ask(probe.protocol, 502, "tcp")} == {"modbus"}
    assert may_ask("http", 80, "tcp")
    assert find_fragile(47808, "udp") is not None
    assert find_fragile(47808, "tcp") is None
    assert all(row.why.endswith(".") for row in FRAGILE)


def test_texts_of_strangers_are_bounded() -> None:
    assert text(b"a" * 1000) == "a" * (MOST_TEXT - 1) + "…"
    assert text(b"\xff\xfe") == "\ufffd\ufffd"
    assert split_version("Asterisk PBX 20.5.0") == ("Asterisk PBX", "20.5.0")
    assert split_version("kamailio (5.6.3 (x86_64/linux))") == ("kamailio", "")
    assert headers(b"SIP/2.0 200 OK\r\nA: b\r\n c\r\nA: d\r\n\r\n") == {"a": "b"}
    assert headers(b"SIP/2.0 200 OK\r\nno colon\r\n\r\n") is None
    assert headers(b"SIP/2.0 200 OK\r\nA: b\r\n") is None


def test_what_wireguard_hides_is_said() -> None:
    assert set(wireguard.UNSEEN) == {use for row in wireguard.PROTOCOLS for use in row.uses}
    assert not wireguard.PROBES


def test_a_captured_reply_of_rpc_needs_its_whole_form() -> None:
    """RFC 5531 section 9: a denial is 20 bytes for the credential and 24 for the version."""
    denial = bytes.fromhex("00000001 00000001 00000001 00000001 00000005")
    assert rpc.recognise_server(denial) is not None
    assert rpc.recognise_server(denial + bytes(4)) is None
    assert rpc.recognise_server(bytes.fromhex("00000001 00000001 00000000 00000063 00000000 00000000")) is None


def rows_of(protocol: str) -> list[Recogniser]:
    return [row for row in ROWS if row.protocol == protocol]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 8, 11, 12])
def test_a_beginning_of_a_few_bytes_decides_nothing(size: int) -> None:
    for one in VECTORS:
        for said in one.said_by("server")[:1]:
            for row in rows_of("mbap") + rows_of("ldap") + rows_of("microsoft-ds"):
                if row.server is not None and len(said) > size and one.protocol != row.protocol:
                    assert row.server(said[:size]) is None


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5])
def test_a_name_server_that_knows_nothing_of_the_link_is_no_multicast_one(code: int) -> None:
    """As dnsmasq 2.90 answers the question for services: with the question, and no record."""
    from portlore.probes import dns

    answer = dns.SERVICES[:2] + (0x8180 | code).to_bytes(2, "big") + dns.SERVICES[4:]
    assert replay(dns.talk_mdns(Asked("h", 5353, "udp")), [answer])[0] is None
    found = dns.recognise_server(answer)
    assert found is not None
    assert found.protocol == "domain"
