"""LDAP (RFC 4511): the root DSE, which a server shows to everybody and without a bind (RFC 4512 section 5.1). Pure."""

from __future__ import annotations

from portlore import ber
from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

NAME = "ldap"
SEARCH, ENTRY, DONE, REFERENCE, EXTENDED = 0x63, 0x64, 0x65, 0x73, 0x78
BIND = 0x60
REQUESTS = {BIND: "bind", 0x42: "unbind", SEARCH: "search", 0x66: "modify", 0x68: "add", 0x4A: "delete",
            0x6C: "rename", 0x6E: "compare", 0x50: "abandon", 0x77: "extended"}  # fmt: skip
RESPONSES = {0x61: "bind", ENTRY: "entry", DONE: "search", REFERENCE: "reference", 0x67: "modify", 0x69: "add",
             0x6B: "delete", 0x6D: "rename", 0x6F: "compare", EXTENDED: "extended", 0x79: "intermediate"}  # fmt: skip
RESULTS = (0x61, DONE, 0x67, 0x69, 0x6B, 0x6D, 0x6F, EXTENDED)  # which begin with a code, a name and a message
CONTROLS = 0xA0
PRESENT = 0x87
START_TLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14
ACTIVE_DIRECTORY = (b"1.2.840.113556.1.4.800", b"1.2.840.113556.1.4.1670")  # capabilities of [MS-ADTS] 3.1.1.3.4.3
LIGHTWEIGHT = b"1.2.840.113556.1.4.1851"  # and of AD LDS
MESSAGE_ID = 1
WANTED = (
    b"vendorName", b"vendorVersion", b"namingContexts", b"supportedLDAPVersion", b"supportedExtension",
    b"supportedSASLMechanisms", b"supportedCapabilities", b"dnsHostName", b"structuralObjectClass", b"objectClass",
)  # fmt: skip
SHOWN = {b"namingcontexts": "naming context", b"supportedldapversion": "version", b"dnshostname": "host",
         b"supportedsaslmechanisms": "SASL"}  # fmt: skip
MOST_VALUES = 8  # of one attribute that are shown


def search() -> bytes:
    """The request: base object, no dereferencing, one entry, ten seconds, who is present at all."""
    attributes = ber.element(ber.SEQUENCE, *[ber.element(ber.OCTETS, name) for name in WANTED])
    body = ber.element(
        SEARCH,
        ber.element(ber.OCTETS),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(1),
        ber.integer(10),
        ber.element(0x01, b"\0"),
        ber.element(PRESENT, b"objectClass"),
        attributes,
    )
    return ber.element(ber.SEQUENCE, ber.integer(MESSAGE_ID), body)


REQUEST = search()


def _message(data: bytes, at: int = 0) -> tuple[int, int, bytes, int] | None:
    """Id, kind, content and end of a message; ``None`` for what is none or not whole."""
    found = ber.read(data, at)
    if found is None or found[0] != ber.SEQUENCE:
        return None
    parts = ber.children(found[1])
    if parts is None or not 2 <= len(parts) <= 3 or parts[0][0] != ber.INTEGER or not 1 <= len(parts[0][1]) <= 4:
        return None
    if len(parts) == 3 and parts[2][0] != CONTROLS:
        return None
    return ber.number(parts[0][1]), parts[1][0], parts[1][1], found[2]


def _is_result(content: bytes) -> bool:
    parts = list(ber.elements(content, 3))
    return [tag for tag, _ in parts] == [ber.ENUMERATED, ber.OCTETS, ber.OCTETS]


def _is_sound(kind: int, content: bytes) -> bool:
    """Whether a message holds what its kind demands (RFC 4511 section 4.2 on), as far as that is unmistakable."""
    if kind in RESULTS:
        return _is_result(content)
    tags = [tag for tag, _ in ber.elements(content, 8)]
    if kind == BIND:
        version = ber.read(content)
        return tags[:2] == [ber.INTEGER, ber.OCTETS] and version is not None and 2 <= ber.number(version[1]) <= 3
    if kind == SEARCH:
        return len(tags) == 8 and tags[:3] == [ber.OCTETS, ber.ENUMERATED, ber.ENUMERATED]
    if kind == ENTRY:
        return tags == [ber.OCTETS, ber.SEQUENCE]
    if kind == 0x42:
        return not content
    if kind in (0x4A, 0x50):
        return 0 < len(content) < 1024
    return bool(tags)


def is_whole(data: bytes) -> bool:
    """Whether the result of the search has come."""
    at = 0
    for _ in range(100):
        found = _message(data, at)
        if found is None:
            return data[at : at + 1] not in (b"", b"\x30")
        if found[1] != ENTRY and found[1] != REFERENCE:
            return True
        at = found[3]
    return True


def _attributes(content: bytes) -> dict[bytes, list[bytes]]:
    """The attributes of an entry, names in small letters."""
    found: dict[bytes, list[bytes]] = {}
    parts = list(ber.elements(content, 2))
    if len(parts) < 2:
        return found
    for tag, pair in ber.elements(parts[1][1], 200):
        halves = list(ber.elements(pair, 2))
        if tag == ber.SEQUENCE and len(halves) == 2 and halves[1][0] == ber.SET:
            found[halves[0][1][:100].lower()] = [value for _, value in ber.elements(halves[1][1], 400)]
    return found


def _product(found: dict[bytes, list[bytes]]) -> tuple[str, str]:
    name, version = (text((found.get(key) or [b""])[0]) for key in (b"vendorname", b"vendorversion"))
    capabilities = found.get(b"supportedcapabilities", [])
    if name or version:
        return name, version
    if LIGHTWEIGHT in capabilities:
        return "Active Directory LDS", ""
    if any(one in capabilities for one in ACTIVE_DIRECTORY):
        return "Active Directory", ""
    classes = found.get(b"structuralobjectclass", []) + found.get(b"objectclass", [])
    return ("OpenLDAP", "") if b"OpenLDAProotDSE" in classes else ("", "")


def _told(data: bytes, probe: str) -> Identification | None:
    at, product, version = 0, "", ""
    facts: list[tuple[str, str]] = []
    sure = False
    for _ in range(100):
        found = _message(data, at)
        if found is None or found[0] not in (0, MESSAGE_ID) or not _is_sound(found[1], found[2]):
            break
        _, kind, content, at = found
        if kind not in RESPONSES:
            break
        sure = True
        if kind == ENTRY:
            attributes = _attributes(content)
            product, version = _product(attributes)
            for name, title in SHOWN.items():
                facts += [(title, text(value)) for value in attributes.get(name, [])[:MOST_VALUES]]
            facts.append(("StartTLS", "offered" if START_TLS in attributes.get(b"supportedextension", []) else ""))
        elif kind == DONE:
            code = ber.read(content)
            if code is not None and ber.number(code[1]):
                facts.append(("result", str(ber.number(code[1]))))
    if not sure:
        return None
    return Identification(NAME, product, version, facts=bounded(facts), evidence=evidence(probe, REQUEST, data))


def talk_tcp(asked: Asked) -> Dialogue:
    """Ask for the root DSE."""
    data = yield from hear(REQUEST, is_whole)
    return _told(data, "ldap")


def talk_udp(asked: Asked) -> Dialogue:
    """The same over UDP, which domain controllers alone answer ([MS-ADTS] section 3.1.1.3)."""
    data = yield REQUEST
    return _told(data, "ldap-udp")


def _recognise(data: bytes, kinds: dict[int, str]) -> Identification | None:
    found = _message(data)
    if found is None:
        return _begun(data, kinds)
    number, kind, content, _ = found
    if kind not in kinds or number < 0 or not _is_sound(kind, content):
        return None
    return Identification(NAME, facts=(("message", kinds[kind]),), evidence=evidence("", b"", data))


def _begun(data: bytes, kinds: dict[int, str]) -> Identification | None:
    """A long entry, of which only the beginning has come: the lengths of the three heads must agree."""
    outer = ber.head(data)
    number = None if outer is None else ber.read(data, outer[1])
    inner = None if number is None else ber.head(data, number[2])
    if outer is None or number is None or inner is None or outer[0] != ber.SEQUENCE or number[0] != ber.INTEGER:
        return None
    name = ber.head(data, inner[1])
    if inner[0] != ENTRY or ENTRY not in kinds or inner[2] != outer[2] or name is None or name[0] != ber.OCTETS:
        return None
    return Identification(
        NAME, confidence=Confidence.LIKELY, facts=(("message", "entry"),), evidence=evidence("", b"", data)
    )


def recognise_server(data: bytes) -> Identification | None:
    """A response."""
    return _recognise(data, RESPONSES)


def recognise_client(data: bytes) -> Identification | None:
    """A request."""
    return _recognise(data, REQUESTS)


PROTOCOLS = (
    Protocol(NAME, "LDAP", ("ldap", "ldaps"), ("ldaps",),
             ("Active Directory DC Locator", "Active Directory Global Catalog",
              "Active Directory Global Catalog (TLS)"),
             "It shows the directory's outline to anybody and is used to flood others; filter it at the border."),
)  # fmt: skip
PROBES = (
    Probe("ldap", NAME, "tcp", talk_tcp, rank=50),
    Probe("ldap-udp", NAME, "udp", talk_udp, rank=70),
)
RECOGNISERS = (
    Recogniser(NAME, "tcp", recognise_server, recognise_client),
    Recogniser(NAME, "udp", recognise_server, recognise_client),
)
