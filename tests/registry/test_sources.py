"""The registry's upstream forms: what is read of them, and what hostile or broken files get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore import ParseError
from portlore.registry.reading import Reading, squeeze
from portlore.registry.sources.iana_csv import parse_csv
from portlore.registry.sources.iana_xml import parse_xml

HEAD = "<?xml version='1.0' encoding='UTF-8'?>"
NEW = """{head}
<registry xmlns="http://www.iana.org/assignments" id="service-names-port-numbers">
  <updated>2026-08-17</updated>
  <record date="2015-11-17" updated="2025-02-13">
    <name>mbap-s</name><protocol>tcp</protocol>
    <xref type="person" data="Modbus_Org"/>
    <description>Modbus Application<br/>Protocol Secure
       IANA assigned this well-formed service name as a replacement for "mbap_s".</description>
    <number>802</number><xref type="rfc" data="rfc6335"/>
    <assignee><xref type="person" data="Acme"/></assignee>
    <note>See <xref type="rfc" data="rfc1"/>, or write to ann&amp;example.org.</note>
    <unauthorized>by some</unauthorized>
  </record>
  <record><description>Unassigned</description><number>717-728</number></record>
  <people><person id="Acme"><org>Acme Corp.</org><uri>mailto:ann&amp;example.org</uri></person></people>
</registry>"""


def test_an_xml_record_becomes_the_cells_that_the_csv_has() -> None:
    reading = parse_xml(NEW.format(head=HEAD).encode())
    assert reading.date == "2026-08-17"
    record, gap = reading.records
    assert record.number == "802"
    assert record.name == "mbap-s"
    assert record.description == "Modbus Application Protocol Secure"
    assert (record.assignee, record.contact) == ("[Acme]", "[Modbus_Org]")
    assert (record.registered, record.modified, record.reference) == ("2015-11-17", "2025-02-13", "[RFC6335]")
    assert record.note == "See [RFC1], or write to ."
    assert record.marks == "note unauthorized"
    assert (gap.number, gap.transports, gap.description) == ("717-728", "", "Unassigned")
    assert reading.organisations == (("Acme", "Acme Corp."),)


def test_an_old_snapshot_without_category_and_assignee_is_read_too() -> None:
    text = f"""{HEAD}<registry xmlns="http://www.iana.org/assignments"><updated>2013-02-18</updated>
    <record><name>ssh</name><protocol>tcp</protocol><description>x</description><number>22</number>
    <xref type="person" data="T"/></record></registry>"""
    (record,) = parse_xml(text.encode()).records
    assert record.assignee == record.contact == "[T]"


BOMB = """<?xml version="1.0"?><!DOCTYPE registry [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><registry><updated>&c;</updated></registry>"""
BROKEN_XML = [
    ("an entity bomb", BOMB, "document type or entities"),
    ("a file cut in the middle", NEW.format(head=HEAD)[:600], "not well-formed"),
    ("another document", "<html><body/></html>", "'html'"),
    ("a registry without a date", "<registry><record><number>1</number></record></registry>", "no <updated>"),
    ("a registry without records", "<registry><updated>2026-01-01</updated></registry>", "no <record>"),
    ("a port that is none", NEW.format(head=HEAD).replace("802", "80200"), "record 1"),
    ("a transport that is none", NEW.format(head=HEAD).replace(">tcp<", ">icmp<"), "unknown transport 'icmp'"),
    ("a day that is none", NEW.format(head=HEAD).replace("2026-08-17", "2031-13-45"), "no <updated> date"),
    ("nothing", "", "not well-formed"),
    ("an unknown encoding", NEW.format(head="<?xml version='1.0' encoding='none'?>"), "not well-formed"),
]


@pytest.mark.parametrize(("text", "found"), [row[1:] for row in BROKEN_XML], ids=[row[0] for row in BROKEN_XML])
def test_a_broken_xml_gets_one_line_that_says_where(text: str, found: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_xml(text.encode())
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.binary(max_size=300))
def test_noise_is_our_error_not_a_registry(data: bytes) -> None:
    for parse in (parse_xml, parse_csv):
        with pytest.raises(ParseError):
            parse(data)


@given(st.integers(0, 1200), st.binary(min_size=1, max_size=8))
def test_damage_anywhere_gives_a_reading_or_our_error(at: int, piece: bytes) -> None:
    whole = NEW.format(head=HEAD).encode()
    damaged = whole[: at % len(whole)] + piece + whole[at % len(whole) :]
    try:
        assert isinstance(parse_xml(damaged), Reading)
    except ParseError:
        pass


TWELVE = (
    "Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,Registration Date,Modification Date,"
    "Reference,Service Code,{unauthorized},Assignment Notes"
)


@pytest.mark.parametrize("unauthorized", ["Unauthorized Use Reported", "Known Unauthorized Uses"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_csv_is_read_by_its_headings_with_breaks_inside_cells(unauthorized: str, newline: str) -> None:
    row = f'ssh,22,tcp,"The Secure{newline}Shell",[T],[T],,2017-03-16,[RFC4251],,used by x,'
    text = newline.join((TWELVE.format(unauthorized=unauthorized), row, ""))
    (record,) = parse_csv(text.encode(), "2018-01-01").records
    assert record.description == "The Secure Shell"
    assert record.unauthorized_use == "used by x"


def test_the_flat_list_of_2005_is_read() -> None:
    reading = parse_csv(b"Service Name,Port Number,Transport Protocol,Description\nx11,6000-6063,tcp,X\n", "2005-12-22")
    assert reading.date == "2005-12-22"
    assert reading.records[0].span == (6000, 6063)


BROKEN_CSV = [
    ("cut inside a quoted cell", TWELVE.format(unauthorized="U") + '\nssh,22,tcp,"The Sec', "cut or damaged"),
    ("cut inside a row", TWELVE.format(unauthorized="U") + "\nssh,22,tc", "has 3 cells"),
    ("a missing column", "Service Name,Port Number\nssh,22", "no column for description, transport"),
    (
        "cut at the end of its last row",
        TWELVE.format(unauthorized="U") + "\nssh,22,tcp,x,,,,,,,,",
        "ends inside a line",
    ),
    ("a leading zero", TWELVE.format(unauthorized="U") + "\nssh,080,tcp,x,,,,,,,,\n", "line 2"),
    ("a heading alone", TWELVE.format(unauthorized="U"), "no row"),
    ("a wrong number", "Service Name,Port Number,Transport Protocol,Description\nssh,twenty,tcp,x", "line 2"),
]


@pytest.mark.parametrize(("text", "found"), [row[1:] for row in BROKEN_CSV], ids=[row[0] for row in BROKEN_CSV])
def test_a_broken_csv_gets_one_line_that_says_where(text: str, found: str) -> None:
    with pytest.raises(ParseError, match="reading") as caught:
        parse_csv(text.encode())
    assert found in str(caught.value)


def test_bytes_that_are_not_utf_8_are_told() -> None:
    with pytest.raises(ParseError, match="byte 3 is not UTF-8"):
        parse_csv(b"abc\xff")


def test_one_line_without_control_characters_or_mail_addresses_is_kept() -> None:
    assert squeeze("a\x1b[2J\n b\u2028c") == "a [2J b c"
    assert squeeze("mail bob.smith&example.com now") == "mail  now"
    assert squeeze("AT&T and Miele@home") == "AT&T and Miele@home"
