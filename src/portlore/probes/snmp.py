"""SNMP: the discovery of an engine (RFC 3414 section 4), which needs neither user nor community. Pure.

A community is a password: ``public`` is the one that everybody tries, and trying it is a log-in. So versions 1 and 2c
are not asked; an agent that speaks those alone stays silent here. Captures recognise every version, and never keep
the community.
"""

from __future__ import annotations

from portlore import ber
from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, text

NAME = "snmp"
MESSAGE_ID = 0x504C
V3, USM, REPORTABLE = 3, 3, b"\x04"
LONGEST = 65_507
GET, NEXT, RESPONSE, SET, TRAP, BULK, INFORM, TRAP2, REPORT = range(0xA0, 0xA9)
FROM_AGENT = (RESPONSE, REPORT)
VERSIONS = {0: "1", 1: "2c", V3: "3"}
KINDS = {GET: "get", NEXT: "get-next", RESPONSE: "response", SET: "set", TRAP: "trap", BULK: "get-bulk",
         INFORM: "inform", TRAP2: "trap", REPORT: "report"}  # fmt: skip
NET_SNMP = 8072
ENTERPRISES = {  # rows of IANA's registry of private enterprise numbers, names shortened; others show their number
    9: "Cisco", 11: "Hewlett-Packard", 43: "3Com", 63: "Apple", 171: "D-Link", 207: "Allied Telesis", 231: "Fujitsu",
    253: "Xerox", 311: "Microsoft", 318: "APC", 343: "Intel", 367: "Ricoh", 534: "Eaton", 641: "Lexmark", 674: "Dell",
    789: "NetApp", 890: "Zyxel", 1347: "Kyocera", 1588: "Brocade", 1602: "Canon", 1916: "Extreme Networks",
    1991: "Foundry (Brocade)", 2011: "Huawei", 2021: "UC Davis", 2435: "Brother", 2636: "Juniper", 3375: "F5",
    3808: "CyberPower", 4329: "Siemens", 4413: "Broadcom", 4526: "Netgear", 6027: "Force10", 6574: "Synology",
    6876: "VMware", NET_SNMP: "net-snmp", 8691: "Moxa", 8741: "SonicWall", 11863: "TP-Link", 12356: "Fortinet",
    13742: "Raritan", 14823: "Aruba", 14988: "MikroTik", 24681: "QNAP", 25461: "Palo Alto Networks", 25506: "H3C",
    30065: "Arista", 41112: "Ubiquiti", 47196: "Hewlett Packard Enterprise",
}  # fmt: skip


def _empty() -> bytes:
    return ber.element(ber.OCTETS)


def discovery() -> bytes:
    """The request of RFC 3414 section 4: everything empty, to be told by a report what it should have been."""
    data = ber.element(
        ber.SEQUENCE,
        ber.integer(MESSAGE_ID),
        ber.integer(LONGEST),
        ber.element(ber.OCTETS, REPORTABLE),
        ber.integer(USM),
    )
    security = ber.element(ber.SEQUENCE, _empty(), ber.integer(0), ber.integer(0), _empty(), _empty(), _empty())
    pdu = ber.element(GET, ber.integer(MESSAGE_ID), ber.integer(0), ber.integer(0), ber.element(ber.SEQUENCE))
    scoped = ber.element(ber.SEQUENCE, _empty(), _empty(), pdu)
    return ber.element(ber.SEQUENCE, ber.integer(V3), data, ber.element(ber.OCTETS, security), scoped)


REQUEST = discovery()


class _None(Exception):
    """Not SNMP."""


def _parts(data: bytes, *tags: int) -> list[bytes]:
    """The contents of elements that fill the data and bear these tags."""
    found = ber.children(data)
    if found is None or [tag for tag, _ in found] != list(tags):
        raise _None
    return [content for _, content in found]


def _whole(data: bytes, tag: int = ber.SEQUENCE) -> bytes:
    return _parts(data, tag)[0]


def engine_facts(engine: bytes) -> list[tuple[str, str]]:
    """What an engine's id tells (RFC 3411 section 5, SnmpEngineID): who made it, and sometimes an address or a text."""
    if not 5 <= len(engine) <= 32:
        return []
    facts = [("engine id", engine.hex())]
    number = int.from_bytes(engine[:4], "big") & 0x7FFF_FFFF
    facts.append(("enterprise", ENTERPRISES.get(number, str(number))))
    if engine[0] & 0x80:
        kind, rest = engine[4], engine[5:]
        if kind == 1 and len(rest) == 4:
            facts.append(("engine address", ".".join(map(str, rest))))
        elif kind == 3 and len(rest) == 6:
            facts.append(("engine MAC", rest.hex(":")))
        elif kind == 4:
            facts.append(("engine text", text(rest)))
    return facts


def _decode(data: bytes) -> tuple[int, int, list[tuple[str, str]], int] | None:
    """The version, the kind of PDU (0: encrypted), facts and the id of a message; ``None`` for anything else."""
    try:
        content = _whole(data)
        found = ber.children(content)
        if found is None or len(found) < 3 or found[0][0] != ber.INTEGER:
            return None
        version = ber.number(found[0][1])
        if version in (0, 1):
            if len(found) != 3 or found[1][0] != ber.OCTETS or found[2][0] not in KINDS:
                return None
            kind, pdu = found[2]
            if kind != TRAP:
                _parts(pdu, ber.INTEGER, ber.INTEGER, ber.INTEGER, ber.SEQUENCE)
            return version, kind, [], 0
        if version != V3:
            return None
        _, head, security, scoped = _v3(content)
        number, _, flags, model = _parts(head, *[ber.INTEGER] * 2, ber.OCTETS, ber.INTEGER)
        facts: list[tuple[str, str]] = []
        if ber.number(model) == USM:
            engine, boots, time, *_ = _parts(_whole(security), ber.OCTETS, *[ber.INTEGER] * 2, *[ber.OCTETS] * 3)
            facts = engine_facts(engine)
            if facts and ber.number(boots) > 0:
                facts += [("boots", str(ber.number(boots))), ("up", f"{ber.number(time)} s")]
        kind = 0
        if not (flags and flags[0] & 2):  # not encrypted
            inside = ber.children(scoped)
            kind = inside[2][0] if inside is not None and len(inside) == 3 else -1
            if kind not in KINDS:
                return None
        return version, kind, facts, ber.number(number)
    except _None:
        return None


def _v3(content: bytes) -> list[bytes]:
    found = ber.children(content)
    if found is None or len(found) != 4 or found[3][0] not in (ber.SEQUENCE, ber.OCTETS):
        raise _None
    if [tag for tag, _ in found[:3]] != [ber.INTEGER, ber.SEQUENCE, ber.OCTETS]:
        raise _None
    return [content for _, content in found]


def _identified(
    version: int, kind: int, facts: list[tuple[str, str]], probe: str, sent: bytes, data: bytes
) -> Identification:
    told = [("version", VERSIONS[version]), ("message", KINDS.get(kind, "encrypted")), *facts]
    product = "Net-SNMP" if ("enterprise", ENTERPRISES[NET_SNMP]) in facts else ""
    return Identification(NAME, product, facts=bounded(told), evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Ask which engine is there."""
    data = yield REQUEST
    found = _decode(data)
    if found is None or found[0] != V3 or found[1] != REPORT or found[3] != MESSAGE_ID:
        return None
    return _identified(found[0], found[1], found[2], "snmp-v3", REQUEST, data)


def _recognise(data: bytes, *, agent: bool) -> Identification | None:
    found = _decode(data)
    if found is None or (found[1] and (found[1] in FROM_AGENT) is not agent):
        return None
    return _identified(found[0], found[1], found[2], "", b"", data)


def recognise_server(data: bytes) -> Identification | None:
    """A response or report of an agent."""
    return _recognise(data, agent=True)


def recognise_client(data: bytes) -> Identification | None:
    """A request; a trap too, whose sender is the client of port 162."""
    return _recognise(data, agent=False)


PROTOCOLS = (
    Protocol(NAME, "SNMP", ("snmp", "snmptrap"),
             advice="It shows the device's inside, and versions 1 and 2c send the community in clear: filter it."),
)  # fmt: skip
PROBES = (Probe("snmp-v3", NAME, "udp", talk, rank=30),)
RECOGNISERS = (Recogniser(NAME, "udp", recognise_server, recognise_client),)
