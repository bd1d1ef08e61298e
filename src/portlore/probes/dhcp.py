"""DHCP (RFC 2131) and DHCPv6 (RFC 8415): recognised where they are seen. Pure.

Nobody is asked: a question would be a client's, and a server might set an address aside for it.
"""

from __future__ import annotations

from portlore.observed import Identification
from portlore.probes.dialogue import Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, text

V4, V6 = "bootps", "dhcpv6-server"
COOKIE = b"\x63\x82\x53\x63"  # RFC 2131 section 3
FIXED = 236  # bytes before the cookie (RFC 951)
KINDS = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}
MESSAGE_TYPE, VENDOR, CLIENT_ID, SERVER_ID = 53, 60, 1, 2
KINDS_V6 = {1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE",
            9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST"}  # fmt: skip
FROM_SERVER_V6 = (2, 7, 10)
HIGHEST_OPTION_V6 = 200  # RFC 8415 and what came after; IANA had assigned up to 149 in 2026


def _recognise(data: bytes, operation: int) -> Identification | None:
    if len(data) < FIXED + 4 or data[FIXED : FIXED + 4] != COOKIE or data[0] != operation or data[2] > 16:
        return None
    facts = []
    at = FIXED + 4
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:  # padding
            at += 1
            continue
        code, size = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + size]
        if code == MESSAGE_TYPE and size == 1:
            facts.append(("message", KINDS.get(value[0] if value else 0, "")))
        elif code == VENDOR:
            facts.append(("vendor class", text(value)))
        at += 2 + size
    return Identification(V4, facts=bounded(facts), evidence=evidence("", b"", data))


def recognise_server(data: bytes) -> Identification | None:
    """A BOOTREPLY with DHCP's cookie."""
    return _recognise(data, 2)


def recognise_client(data: bytes) -> Identification | None:
    """A BOOTREQUEST with DHCP's cookie."""
    return _recognise(data, 1)


def _recognise_v6(data: bytes, *, server: bool) -> Identification | None:
    if len(data) < 8 or data[0] not in KINDS_V6 or (data[0] in FROM_SERVER_V6) is not server:
        return None
    at, codes = 4, []
    while at < len(data):
        if at + 4 > len(data):
            return None
        code, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
        if not 1 <= code <= HIGHEST_OPTION_V6 or at + size > len(data):
            return None
        if code in (CLIENT_ID, SERVER_ID) and not (size >= 4 and 1 <= int.from_bytes(data[at : at + 2], "big") <= 4):
            return None  # what names somebody is a DUID (section 11)
        codes.append(code)
        at += size
    if (SERVER_ID if server else CLIENT_ID) not in codes:
        return None
    facts = bounded([("message", KINDS_V6[data[0]])])
    return Identification(V6, facts=facts, evidence=evidence("", b"", data))


def recognise_server_v6(data: bytes) -> Identification | None:
    """A DHCPv6 server's message, all options of it sound."""
    return _recognise_v6(data, server=True)


def recognise_client_v6(data: bytes) -> Identification | None:
    """A DHCPv6 client's message."""
    return _recognise_v6(data, server=False)


PROTOCOLS = (
    Protocol(V4, "DHCP", ("bootps", "bootpc"), (), ("Windows network boot (BINL)",)),
    Protocol(V6, "DHCPv6", ("dhcpv6-server", "dhcpv6-client")),
)
PROBES: tuple[Probe, ...] = ()
RECOGNISERS = (
    Recogniser(V4, "udp", recognise_server, recognise_client),
    Recogniser(V6, "udp", recognise_server_v6, recognise_client_v6),
)
