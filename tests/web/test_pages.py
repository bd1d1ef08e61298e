"""The values of the pages, against what a reader of the registry's table and of the claims writes down by hand."""

from __future__ import annotations

import re

import pytest

import portlore
from portlore.web.catalogues import words
from portlore.web.pages.port import PortPage, assignee_of, port_page
from portlore.web.pages.verdict import SENTENCES, verdict
from portlore.web.words import BY_CODE

BOOK = portlore.load()
SAYS = words("en")
TCP, UDP, BOTH = ("tcp",), ("udp",), ("tcp", "udp")
SYSTEM = "System ports (0-1023) are meant for well-known services."
HOLDS = "Assigned says who holds the number, not what is listening there: look before you trust it."
NOBODY = "Unassigned means that nobody holds the number, not that nobody uses it."
RISK = (
    "If it is assigned later, whatever uses it now is on somebody else's port: firewalls and scanners will call it by"
    " the new name."
)
TAKEN = "It is not free in practice: the uses above took it without registering, and can collide with yours."
ASK_IETF = (
    "Anybody may apply to IANA. For a system port the IETF has to agree (IETF Review or IESG Approval, RFC 6335,"
    " section 8.1.2)."
)
RESERVED = "Reserved: not open to registration without a special reason (RFC 6335, section 6)."
AROUND_600 = {  # claims on 65 to 512 ports that hold 703 and 973
    "Reserved ports on macOS", "NetInfo shared domains (older Mac OS X)", "NetInfo with a port set by hand", "NetInfo",
    "Linux kernel RPC clients (NFS, lock manager)", "bindresvport() and rresvport() in glibc",
    "bindresvport() in libtirpc", "Reserved ports on BSD systems",
}  # fmt: skip


def page(port: int) -> PortPage:
    return port_page(BOOK, port, SAYS)


VERDICTS = [  # a port of each way it can come out that the book has
    (703, "officially nobody's; really FortiGate HA and FortiGate FGSP; not Modbus."),
    (973, "officially nobody's; really NFS and RPC clients (source port); not NetInfo."),
    (961, "officially nobody's; not NetInfo."),
    (502, "officially mbap; used by Modbus/TCP."),
    (80, "officially http."),  # www and www-http are other names for it
    (5000, "officially commplex-main; used by Flask development server, macOS AirPlay Receiver, Docker Registry"
           " (distribution) and 9 more."),
    (445, "officially microsoft-ds; used by Windows file sharing (SMB)."),  # a worm is no user
    (780, "officially wpgs; not NetInfo."),
    (0, "officially reserved."),  # nothing can be there
    (8010, "officially reserved; used by Buildbot web page."),
    (49152, "a dynamic port, never assigned to anybody."),
    (51820, "a dynamic port, never assigned to anybody; used by WireGuard."),
    (3000, "officially hbci and remoteware-cl; used by Grafana, Ruby on Rails development server, Create React App and"
           " 12 more."),
    (77, "officially for private use, without a name."),
    (585, "officially given back."),
    (36412, "officially s1-control."),  # on SCTP alone
    (34197, "officially nobody's."),  # its claim is unverified
    (11434, "officially ollama."),  # its user has the same name
]  # fmt: skip


@pytest.mark.parametrize(("port", "sentence"), VERDICTS)
def test_the_verdict(port: int, sentence: str) -> None:
    assert verdict(BOOK.port(port), SAYS) == page(port).verdict == f"{port}: {sentence}"


def test_every_way_it_can_come_out_is_a_sentence_of_its_own() -> None:
    assert len(SENTENCES) == len(set(SENTENCES.values())) == 6 * 3 * 2
    for (_, uses, false), text in SENTENCES.items():
        assert re.fullmatch(r"\{port\}: [^;.]+(; [^;.]+)*\.", text)
        assert ("{uses}" in text, "{more}" in text, "{false}" in text) == (uses > 0, uses == 2, false), text


STATUSES = {  # as the rows of registry/data/registry.tsv have it
    703: [("tcp", "unassigned", ()), ("udp", "unassigned", ())],
    973: [("tcp", "unassigned", ()), ("udp", "unassigned", ())],
    502: [("tcp", "assigned", ("mbap",)), ("udp", "assigned", ("mbap",))],
    80: [("tcp", "assigned", ("http",)), ("udp", "assigned", ("http",)), ("sctp", "assigned", ("http",))],
    5000: [("tcp", "assigned", ("commplex-main",)), ("udp", "assigned", ("commplex-main",))],
    445: [("tcp", "assigned", ("microsoft-ds",)), ("udp", "assigned", ("microsoft-ds",))],
    0: [("tcp", "reserved", ()), ("udp", "reserved", ())],
    49152: [("tcp", "dynamic", ()), ("udp", "dynamic", ())],
    3000: [("tcp", "assigned", ("hbci", "remoteware-cl")), ("udp", "assigned", ("hbci", "remoteware-cl"))],
    1008: [("tcp", "no-entry", ()), ("udp", "unassigned", ())],
    36412: [("tcp", "reserved", ()), ("udp", "reserved", ()), ("sctp", "assigned", ("s1-control",))],
    585: [("tcp", "de-registered", ()), ("udp", "de-registered", ())],
}


@pytest.mark.parametrize("port", STATUSES)
def test_status_and_names_per_transport(port: int) -> None:
    made = page(port)
    assert [(row.transport, row.status, row.names) for row in made.statuses] == STATUSES[port]
    rows = {703: "703", 973: "954-988", 502: "502", 49152: ""}
    assert {row.row for row in made.statuses} == {rows.get(port, str(port))} or port in (1008, 0, 585)
    assert (made.title, made.language) == (f"Port {port}", "en")
    assert (made.snapshot, made.snapshot_day) == ("2026-08-17", "17 August 2026")


def test_registered_names_say_who_has_them_since_when() -> None:
    assert [(one.name, one.transports, one.description, one.about) for one in page(80).names] == [
        ("http", BOTH, "World Wide Web HTTP",
         ("Assigned to IESG.", "Modified: 1 October 2021.", "Described in RFC 9110.")),
        ("www", BOTH, "World Wide Web HTTP", ("Another name for http.", "Assigned to IESG.",
                                              "Modified: 1 October 2021.", "Described in RFC 9110.")),
        ("www-http", BOTH, "World Wide Web HTTP", ("Another name for http.", "Assigned to Tim Berners Lee.")),
        ("http", ("sctp",), "HTTP",
         ("Assigned to Randall Stewart IETF TSVWG.", "Modified: 7 February 2022.", "Described in RFC 9260.")),
    ]  # fmt: skip
    assert [(one.name, one.description, one.about) for one in page(502).names] == [
        ("mbap", "Modbus Application Protocol", ("Assigned to modbus.org.", "Modified: 10 June 2014."))
    ]
    assert [(one.name, one.description, one.about) for one in page(5000).names] == [("commplex-main", "", ())]
    assert [(one.name, one.transports, one.about) for one in page(11434).names] == [
        ("ollama", TCP, ("Assigned to Jesse Gross.", "Registered: 26 September 2025."))
    ]


@pytest.mark.parametrize(
    ("identifier", "organisation", "name"),
    [
        ("[Dave_Katz][Dave_Ward]", "", "Dave Katz, Dave Ward"),
        ("[Oracle_6]", "Oracle Corp.", "Oracle Corp."),  # the number tells the registry's persons apart
        ("[_3GPP_2]", "3GPP2", "3GPP2"),
        ("[Pilz_GmbH_and_Co._KG]", "Pilz GmbH & Co. KG", "Pilz GmbH & Co. KG"),
        ("[DCI]", "Digital Cinema Initiatives, LLC", "DCI (Digital Cinema Initiatives, LLC)"),
        ("[Tim_Berners_Lee]", "", "Tim Berners Lee"),
    ],
)
def test_assignees_are_named_as_people_would(identifier: str, organisation: str, name: str) -> None:
    assert assignee_of(identifier, organisation) == name


def test_who_may_bind() -> None:
    system = page(703).binding
    assert system[0] == SYSTEM
    assert len(system) == 3
    for told in ("CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start", "1024 by default"):
        assert told in system[1]  # ip-sysctl.rst of Linux
    assert "macOS, since 10.14" in system[2]
    assert "Windows any program may" in system[2]
    assert all(page(port).binding == system for port in (1, 80, 445, 502, 973, 1023))
    assert len(page(1024).binding) == len(page(32767).binding) == 1
    assert page(5000).binding == page(3000).binding == page(1024).binding
    moment = page(49152).binding[1]
    assert "32768 to 60999" in moment  # ip(7), ip_local_port_range
    assert page(32768).binding == (page(1024).binding[0], moment) == page(49151).binding
    assert len(page(0).binding) == 1
    assert "any free port" in page(0).binding[0]
    for port, bounds in ((0, (0, 1023)), (5000, (1024, 49151)), (49152, (49152, 65535))):
        assert (page(port).range_first, page(port).range_last) == bounds


USES = {  # of lore/claims: what there is now, before what was and malware; confirmed, disputed, unverified
    703: [("FortiGate HA", "confirmed", "TCP/UDP", ""), ("FortiGate FGSP", "confirmed", "TCP", "since 2016"),
          ("NFS and RPC clients (source port)", "confirmed", "TCP/UDP", ""),
          ("FortiGate HA heartbeat", "disputed", "TCP", ""),
          ("NetInfo (older Mac OS X)", "unverified", "TCP/UDP", "")],
    973: [("NFS and RPC clients (source port)", "confirmed", "TCP/UDP", ""),
          ("NetInfo (older Mac OS X)", "unverified", "TCP/UDP", "")],
    502: [("Modbus/TCP", "confirmed", "TCP", "")],
    80: [],
    445: [("Windows file sharing (SMB)", "confirmed", "TCP", ""),
          ("Sasser worm (entry)", "confirmed", "TCP", "since 1 May 2004")],
    0: [("Port 0 in bind(): any free port", "confirmed", "TCP/UDP", "")],
    49152: [("libvirt live migration", "confirmed", "TCP 49152-49215", "")],
}  # fmt: skip
STORIES = {703: ["Modbus"], 973: ["NetInfo"], 0: ["port 0 cannot be used or sent"]}
WIDER = {0: 2, 5000: 1, 3000: 1, 49152: 5, 11434: 0}  # claims on more than 512 ports; 6 on a system port


@pytest.mark.parametrize("port", [*USES, 5000, 3000, 11434])
def test_uses_stories_and_what_is_said_of_the_range(port: int) -> None:
    made = page(port)
    if port in USES:
        assert [(one.name, one.verdict, one.where, one.era) for one in made.uses] == USES[port]
    assert [one.name for one in made.stories] == STORIES.get(port, [])
    assert {one.verdict for one in made.stories} <= {"contradicted"}
    assert {one.name for one in made.around} == (AROUND_600 if port in (703, 973) else set())
    wider = {0: "", 1: "One claim speaks of a wider range."}
    count = WIDER.get(port, 6)
    assert made.wider == wider.get(count, f"{count} claims speak of wider ranges.")


def test_what_was_comes_after_what_is() -> None:
    uses = page(5000).uses
    assert len(uses) == 15
    assert [one.name for one in uses[-2:]] == ["OpenVPN (before 2.0-beta17)", "Windows UPnP events (old)"]
    assert {one.kind for one in uses[:-2]} == {"vendor-documented", "customary"}
    assert [one.name for one in page(3000).uses][-1] == "Vite (up to version 2)"
    assert len(page(3000).uses) == 18


@pytest.mark.parametrize("port", [703, 973, 502, 5000, 445, 0])
def test_footnotes_are_numbered_as_they_are_met_and_lead_to_a_source(port: int) -> None:
    made = page(port)
    met = [note for one in (*made.uses, *made.stories, *made.around) for note in one.notes]
    assert list(dict.fromkeys(met)) == [one.number for one in made.sources] == list(range(1, len(made.sources) + 1))
    assert all(one.notes for one in (*made.uses, *made.stories, *made.around))
    for source in made.sources:
        assert bool(source.url) != bool(source.locator)
        assert re.match("https?://|$", source.url), "no other scheme is ever a link"


def test_the_sources_of_modbus_on_502() -> None:
    header, server = page(502).sources
    assert (header.title, header.url) == ("modbus-tcp.h in Debian's libmodbus-dev 3.1.6-2.1+deb12u1", "")
    assert header.locator == "pkg:deb/debian/libmodbus-dev@3.1.6-2.1%2Bdeb12u1#usr/include/modbus/modbus-tcp.h"
    assert header.read == server.read == "package file, 21 November 2026"


HISTORY = {  # of registry/data/history.tsv
    502: [("Between 18 February 2013 and 9 January 2015", "Renamed from asa-appl-proto to mbap.", BOTH)],
    80: [("Between 22 December 2005 and 18 February 2013", "Assigned to http.", ("sctp",))],
    585: [("Between 22 December 2005 and 18 February 2013", "imap4-ssl was removed; given back since.", BOTH)],
    11434: [("Between 23 January 2026 and 2 February 2026", "Assigned to ollama.", TCP),
            ("Between 23 January 2026 and 2 February 2026", "From unassigned to reserved.", UDP)],
    703: [], 5000: [], 49152: [],
}  # fmt: skip


@pytest.mark.parametrize("port", HISTORY)
def test_the_history(port: int) -> None:
    assert [(one.when, one.what, one.transports) for one in page(port).history] == HISTORY[port]


@pytest.mark.parametrize("code", BY_CODE)
def test_events_come_in_the_order_of_time_and_transports_in_every_language(code: str) -> None:
    assert [one.transports for one in port_page(BOOK, 11434, words(code)).history] == [TCP, UDP]


MEANINGS = {
    703: [NOBODY, ASK_IETF, "Open for registration on TCP and UDP.", RISK, TAKEN],
    961: [NOBODY, ASK_IETF, "Open for registration on TCP and UDP.", RISK],
    502: [HOLDS],
    80: [HOLDS],
    0: [RESERVED],
    11434: [RESERVED, HOLDS],
    585: ["Given back: nobody else gets it before all other ports of its range are taken (RFC 6335, section 8.2)."],
    49152: ["Nobody can apply for a dynamic port. A program may take any that is free, but must not count on a"
            " particular one (RFC 6335, section 8.1.2)."],
}  # fmt: skip


@pytest.mark.parametrize("port", MEANINGS)
def test_what_it_means(port: int) -> None:
    assert list(page(port).meaning) == MEANINGS[port]


def test_a_user_port_asks_for_an_expert_and_a_half_free_one_says_which_half() -> None:
    told = page(5090).meaning  # car has it on SCTP alone; TCP and UDP have no entry
    assert "expert" in told[0]
    assert told[1:] == ("Open for registration on TCP and UDP.", RISK, HOLDS)


def test_the_commands_are_for_this_number_and_port_0_has_none() -> None:
    commands = [one.command for one in page(973).checks]
    for program in ("ss ", "lsof ", "netstat -ano", "nmap ", "portlore "):
        assert any(program in command for command in commands)
    assert all(re.search(r"\b973\b", command) for command in commands)
    assert page(0).checks == ()


def test_the_neighbours() -> None:
    assert [(one.port, one.word) for one in page(703).neighbours] == [
        (700, "epp"), (701, "lmp"), (702, "iris-beep"), (704, "elcsd"), (705, "agentx"), (706, "silc"),
    ]  # fmt: skip
    assert [(one.port, one.word) for one in page(0).neighbours] == [(1, "tcpmux"), (2, "reserved"), (3, "reserved")]
    assert [one.port for one in page(65535).neighbours] == [65532, 65533, 65534]
    assert (page(80).neighbours[0].word, page(80).neighbours[3].word) == ("assigned", "unassigned")  # 77 has no name
