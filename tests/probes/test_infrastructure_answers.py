"""What other servers than those at hand answer: answers built here field by field as their documents say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.infrastructure import BY_NAME
from probes.vectors import hold

from portlore import ber
from portlore.observed import Confidence, Identification
from portlore.probes import dhcp, ipp, ldap, ntp, quic, rdp, smb, snmp, x11

SEQUENCE, OCTETS = ber.SEQUENCE, ber.OCTETS


def found(name: str, *answers: bytes) -> Identification:
    """What a probe finds in these answers."""
    one = hold(BY_NAME[name], list(answers))
    assert one is not None
    return one


def root_dse(**attributes: list[str]) -> bytes:
    """RFC 4511 section 4.5.2: an entry without a name, then the result."""
    parts = [
        ber.element(
            SEQUENCE,
            ber.element(OCTETS, name.encode()),
            ber.element(ber.SET, *[ber.element(OCTETS, v.encode()) for v in values]),
        )
        for name, values in attributes.items()
    ]
    entry = ber.element(ldap.ENTRY, ber.element(OCTETS), ber.element(SEQUENCE, *parts))
    done = ber.element(ldap.DONE, ber.integer(0, ber.ENUMERATED), ber.element(OCTETS), ber.element(OCTETS))
    return b"".join(ber.element(SEQUENCE, ber.integer(1), one) for one in (entry, done))


@pytest.mark.parametrize(
    ("attributes", "product", "version"),
    [
        ({"supportedCapabilities": ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"]}, "Active Directory", ""),
        ({"supportedCapabilities": ["1.2.840.113556.1.4.1851"]}, "Active Directory LDS", ""),
        ({"vendorName": ["389 Project"], "vendorVersion": ["389-DS/2.3.1"]}, "389 Project", "389-DS/2.3.1"),
        ({"objectClass": ["top"]}, "", ""),
    ],
)  # fmt: skip
def test_directories_are_told_apart_by_what_they_say(
    attributes: dict[str, list[str]], product: str, version: str
) -> None:
    for probe in ("ldap", "ldap-udp"):
        one = found(probe, root_dse(**attributes))
        assert (one.protocol, one.product, one.version) == ("ldap", product, version)


def test_starttls_of_a_directory_is_told() -> None:
    one = found("ldap", root_dse(supportedExtension=["1.3.6.1.4.1.1466.20037"], dnsHostName=["dc1.example"]))
    assert one.facts == (("host", "dc1.example"), ("StartTLS", "offered"))


def test_a_directory_that_refuses_is_a_directory_with_its_code() -> None:
    """RFC 4511 appendix A: 53 is unwillingToPerform, 50 insufficientAccessRights."""
    done = ber.element(ldap.DONE, ber.integer(53, ber.ENUMERATED), ber.element(OCTETS), ber.element(OCTETS, b"no"))
    assert found("ldap", ber.element(SEQUENCE, ber.integer(1), done)).facts == (("result", "53"),)
    assert hold(BY_NAME["ldap"], [ber.element(SEQUENCE, ber.integer(7), done)]) is None  # to another request


def test_a_notice_of_disconnection_is_a_directory_too() -> None:
    """RFC 4511 section 4.4.1: message 0, an extended response."""
    notice = ber.element(ldap.EXTENDED, ber.integer(52, ber.ENUMERATED), ber.element(OCTETS), ber.element(OCTETS))
    assert found("ldap", ber.element(SEQUENCE, ber.integer(0), notice)).protocol == "ldap"


def test_a_long_entry_is_recognised_from_its_beginning() -> None:
    long = root_dse(objectClass=["x" * 500])
    one = ldap.recognise_server(long[:256])
    assert one is not None
    assert one.confidence is Confidence.LIKELY
    assert ldap.recognise_server(b"\x30\x82\xff\xff\x02\x01\x01\x64\x05\x04\x00") is None  # lengths that disagree


@pytest.mark.parametrize(
    ("engine", "facts"),
    [
        ("8000000903001122334455", {"enterprise": "Cisco", "engine MAC": "00:11:22:33:44:55"}),
        ("800002b804" + b"core-1".hex(), {"enterprise": "696", "engine text": "core-1"}),
        ("800007e501c0000201", {"enterprise": "UC Davis", "engine address": "192.0.2.1"}),
    ],
)
def test_an_engine_id_tells_its_maker_and_more(engine: str, facts: dict[str, str]) -> None:
    """RFC 3411 section 5, SnmpEngineID: the enterprise number, a format, and what it says."""
    told = dict(snmp.engine_facts(bytes.fromhex(engine)))
    assert {key: told[key] for key in facts} == facts


def test_an_engine_id_of_a_wrong_length_tells_nothing() -> None:
    assert snmp.engine_facts(b"\x80\0\0\x09") == []
    assert snmp.engine_facts(bytes(33)) == []


@pytest.mark.parametrize(
    "bad", ["3003020103", "300402010330", "30080201020400a0020500", "300a020103300004003002", "3000", "020103"]
)
def test_what_only_begins_like_snmp_is_none(bad: str) -> None:
    assert snmp.recognise_server(bytes.fromhex(bad)) is None
    assert snmp.recognise_client(bytes.fromhex(bad)) is None


def test_a_trap_of_version_1_and_an_encrypted_message_are_recognised() -> None:
    """RFC 1157 section 4.1.6: a trap has its own form; RFC 3412 section 6: the flag of privacy hides the rest."""
    trap = ber.element(
        SEQUENCE, ber.integer(0), ber.element(OCTETS, b"public"), ber.element(snmp.TRAP, ber.element(6, b"\x2b"))
    )
    one = snmp.recognise_client(trap)
    assert one is not None
    assert one.facts == (("version", "1"), ("message", "trap"))
    head = ber.element(SEQUENCE, ber.integer(5), ber.integer(1500), ber.element(OCTETS, b"\x03"), ber.integer(3))
    empty = ber.element(OCTETS)
    security = ber.element(SEQUENCE, empty, ber.integer(0), ber.integer(0), empty, empty, empty)
    hidden = ber.element(SEQUENCE, ber.integer(3), head, ber.element(OCTETS, security), ber.element(OCTETS, b"?" * 40))
    for recognise in (snmp.recognise_client, snmp.recognise_server):
        one = recognise(hidden)
        assert one is not None
        assert ("message", "encrypted") in one.facts


def ntp_answer(first: int, stratum: int, reference: bytes) -> bytes:
    """RFC 5905 section 7.3, with our transmit time as the origin."""
    return ntp.HEAD.pack(first, stratum, 6, -20, 0, 0, reference, 1, ntp.COOKIE, 5 << 32, 5 << 32)


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (ntp_answer(0x24, 1, b"GPS\0"), (("version", "4"), ("stratum", "1"), ("reference clock", "GPS"))),
        (
            ntp_answer(0xE4, 0, b"RATE"),
            (("version", "4"), ("stratum", "0"), ("clock", "not synchronised"), ("kiss of death", "RATE")),
        ),
        (ntp_answer(0x1C, 16, bytes(4)), (("version", "3"), ("stratum", "16"), ("clock", "not synchronised"))),
    ],
)  # fmt: skip
def test_time_servers_tell_what_they_go_by(answer: bytes, facts: tuple[tuple[str, str], ...]) -> None:
    assert found("ntp", answer).facts == facts
    assert ntp.recognise_server(answer) is not None


def test_an_answer_to_somebody_elses_time_is_none() -> None:
    assert hold(BY_NAME["ntp"], [ntp_answer(0x24, 1, b"GPS\0").replace(b"portlore", b"elsewise")]) is None


def test_a_printer_tells_its_model_and_firmware() -> None:
    """RFC 8010 section 3.1 and appendix A.2: groups, attributes, further values without a name."""
    attributes = b"".join((
        ipp.HEAD.pack(1, 1, 0, ipp.REQUEST_ID),
        b"\x01", ipp.attribute(0x47, "attributes-charset", "utf-8"),
        b"\x04", ipp.attribute(0x41, "printer-make-and-model", "Works LaserThing 9"),
        ipp.attribute(0x41, "printer-firmware-string-version", "7.7"),
        ipp.attribute(0x44, "ipp-versions-supported", "1.1", "2.0"), b"\x03",
    ))  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {len(attributes)}\r\n\r\n"
    one = found("ipp", head.encode() + attributes)
    assert (one.protocol, one.product, one.version) == ("ipp", "Works LaserThing 9", "7.7")
    assert ("version", "1.1, 2.0") in one.facts
    html = attributes.replace(b"utf-8", b"xxxxx")
    assert hold(BY_NAME["ipp"], [head.replace("application/ipp", "text/html").encode() + html]) is None
    assert hold(BY_NAME["ipp"], [head.encode() + attributes[:30] + b"\xff" * (len(attributes) - 30)]) is None
    assert ipp.decode_attributes(attributes[:-1]) is None  # which never ends
    assert ipp.decode_attributes(b"\1\1") is None
    assert ipp.decode_attributes(b"\7" + attributes[1:]) is None


def test_remote_desktops_of_old_are_only_guessed() -> None:
    """[MS-RDPBCGR] section 2.2.1.2: the negotiation is optional; ISO transport says the rest for others too."""
    one = found("rdp", bytes.fromhex("0300000b06d00000123400"))
    assert one.confidence is Confidence.GUESS
    assert rdp.recognise_server(bytes.fromhex("0300000b06d00000123400")) is None
    assert rdp.recognise_client(bytes.fromhex("0300000b06e00000000000")) is None
    assert hold(BY_NAME["rdp"], [bytes.fromhex("030000130ed000001234000901080001000000")]) is None


def test_a_display_that_wants_more_says_why() -> None:
    """X11 section 8: status 2 has no version, only a reason."""
    one = found("x11", b"\x02" + bytes(5) + b"\x03\0" + b"no such luck")
    assert ("reason", "no such luck") in one.facts
    assert x11.recognise_server(b"\x02" + bytes(5) + b"\x00\x03" + b"no such luck") is not None  # of the other order
    assert x11.recognise_server(b"\x02" + bytes(5) + b"\x03\0" + b"\1\2\3\4" * 3) is None
    assert x11.recognise_client(b"B\0\0\x0b" + bytes(8)) is not None
    assert x11.recognise_client(b"B\0\x0b\0" + bytes(8)) is None
    assert x11.recognise_server(b"\x01\0\x0b\0\0\0\1\0" + bytes(4)) is None


def test_a_file_server_that_answers_otherwise_is_still_one() -> None:
    """[MS-SMB2] section 2.2.2: an error response; [MS-CIFS] section 2.2.3.1: the flag of a reply."""
    head = smb.HEAD.pack(smb.V2, 64, 0, 0xC00000BB, 0, 1, smb.FROM_SERVER, 0, 0, 0, 0, 0, bytes(16))
    answer = head + bytes.fromhex("090000000000000000")
    one = found("smb", len(answer).to_bytes(4, "big") + answer)
    assert one.facts == (("status", "0xc00000bb"),)
    old = smb.V1 + b"\x72" + bytes(4) + b"\x98" + bytes(26)
    assert found("smb", len(old).to_bytes(4, "big") + old).facts == (("dialect", "1"),)
    assert smb.recognise_client(len(old).to_bytes(4, "big") + old) is None


def test_quic_versions_have_names() -> None:
    assert [quic.version_name(one) for one in (1, 0x6B3343CF, 0xFF00001D, 0x51303530, 7)] == [
        "1", "2", "draft-29", "Q050", "0x00000007",
    ]  # fmt: skip
    assert quic.recognise_server(b"\x80" + bytes(4) + b"\0\0" + bytes.fromhex("12345678")) is None  # no known version
    assert quic.decode_head(b"\xc0\0\0\0\1\xff\0") is None


def test_dhcp_needs_its_cookie_and_its_side() -> None:
    head = b"\x02\x01\x06\x00" + bytes(232)
    good = head + dhcp.COOKIE + bytes.fromhex("00 350105 3c04") + b"works"[:4] + b"\xff"
    one = dhcp.recognise_server(good)
    assert one is not None
    assert one.facts == (("message", "ACK"), ("vendor class", "work"))
    assert dhcp.recognise_client(good) is None
    assert dhcp.recognise_server(head + b"\x63\x82\x53\x64" + bytes(20)) is None


@pytest.mark.parametrize(
    "bad",
    ["01000001", "0100000100010002", "010000010001000a00010001", "0100000100000000", "0100000100010004000900010203"],
)
def test_what_only_begins_like_dhcpv6_is_none(bad: str) -> None:
    assert dhcp.recognise_client_v6(bytes.fromhex(bad)) is None
