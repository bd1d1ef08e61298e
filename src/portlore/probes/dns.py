"""DNS (RFC 1035), multicast DNS (RFC 6762): who is asked for his version, and for nothing if he will not tell it. Pure.

``version.bind`` in class CHAOS is a read-only question to the server itself (RFC 4892 section 2). The other question,
for localhost without recursion (RFC 6761 section 6.3), makes no server ask another.
"""

from __future__ import annotations

import re
from struct import Struct, error

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text
from portlore.value import Value

NAME, MDNS = "domain", "mdns"
HEAD = Struct(">6H")
TAIL = Struct(">2H")  # of a question
RECORD = Struct(">2HIH")
ID = 0x504C
A, PTR, TXT = 1, 12, 16
IN, CHAOS = 1, 3
CLASSES = {1, 3, 4, 254, 255}
QR, RA = 0x8000, 0x0080
OPCODES = {0, 1, 2, 4, 5, 6}
MOST_RECORDS = 2000
MOST_LABELS = 128
RCODES = {0: "no error", 1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
NETBIOS = re.compile(rb"[A-P]{32}\Z")  # RFC 1002 section 4.1: NetBIOS names look like DNS and are none
PRODUCTS = (  # how servers' answers to version.bind begin: what they say of themselves, and a name for it
    (re.compile(r"dnsmasq-(\S+)"), "dnsmasq"),
    (re.compile(r"unbound (\S+)"), "Unbound"),
    (re.compile(r"PowerDNS (Authoritative Server|Recursor) (\S+)"), "PowerDNS"),
    (re.compile(r"NSD (\S+)"), "NSD"),
    (re.compile(r"Knot DNS (\S+)"), "Knot DNS"),
    (re.compile(r"CoreDNS-?(\S*)"), "CoreDNS"),
    (re.compile(r"(?:named |BIND )?(9\.\d+\.\d+\S*)"), "BIND"),
)


class Record(Value):
    """An answer: its name in small letters, its type, its class, its data; of a PTR, the name that it leads to."""

    name: str
    type: int
    kind: int
    data: bytes


class Message(Value):
    """A message: ``questions`` as (name, type, class); the first label of the first question as ``label``."""

    id: int
    flags: int
    questions: tuple[tuple[str, int, int], ...]
    records: tuple[Record, ...]
    label: bytes


def _name(data: bytes, at: int) -> tuple[bytes, int] | None:
    """A name, its labels joined by dots, and where it ends. Pointers lead backwards only, so that it ends."""
    parts: list[bytes] = []
    end, limit = 0, at
    for _ in range(MOST_LABELS):
        if at >= len(data):
            return None
        size = data[at]
        if size == 0:
            return b".".join(parts), end or at + 1
        if size >= 0xC0:
            if at + 1 >= len(data):
                return None
            end = end or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
            if not HEAD.size <= at < limit:
                return None
            limit = at
        elif size < 0x40:
            parts.append(data[at + 1 : at + 1 + size])
            at += 1 + size
        else:
            return None
    return None


def decode_message(data: bytes) -> Message | None:
    """A message whose sections fill the data exactly; ``None`` for anything else."""
    if len(data) < HEAD.size:
        return None
    number, flags, *counts = HEAD.unpack_from(data)
    if flags >> 11 & 15 not in OPCODES or flags & 0x0040 or sum(counts) > MOST_RECORDS:
        return None
    at = HEAD.size
    questions, records, label = [], [], b""
    try:
        for _ in range(counts[0]):
            found = _name(data, at)
            if found is None:
                return None
            name, at = found
            label = label or name.split(b".")[0]
            questions.append((text(name).lower(), *TAIL.unpack_from(data, at)))
            at += TAIL.size
        for _ in range(sum(counts[1:])):
            found = _name(data, at)
            if found is None:
                return None
            name, at = found
            kind, among, _, size = RECORD.unpack_from(data, at)
            at += RECORD.size
            if at + size > len(data):
                return None
            leads = _name(data, at) if kind == PTR else None  # which may be compressed, so that it is read here
            records.append(Record(text(name).lower(), kind, among, data[at : at + size] if leads is None else leads[0]))
            at += size
    except error:
        return None
    return Message(number, flags, tuple(questions), tuple(records), label) if at == len(data) else None


def question(name: str, kind: int, among: int, flags: int = 0, number: int = ID) -> bytes:
    """A message with one question."""
    labels = b"".join(bytes((len(part),)) + part for part in name.encode().split(b"."))
    return HEAD.pack(number, flags, 1, 0, 0, 0) + labels + b"\0" + TAIL.pack(kind, among)


def _strings(data: bytes) -> bytes:
    """The character strings of a TXT record, joined."""
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)


def _told(version: str) -> tuple[str, str]:
    for pattern, product in PRODUCTS:
        found = pattern.match(version)
        if found:
            if product == "PowerDNS":
                return f"PowerDNS {found[1]}", found[2]
            return product, found[1]
    return "", ""


def _answer(message: Message, probe: str, sent: bytes, received: bytes) -> Identification:
    facts = [("answer", RCODES.get(message.flags & 15, f"code {message.flags & 15}"))]
    if message.flags & RA:
        facts.append(("recursion", "offered"))
    product = version = ""
    for record in message.records:
        if record.type == TXT and record.kind == CHAOS:
            told = text(_strings(record.data))
            facts.append(("version.bind", told))
            product, version = _told(told)
            break
    return Identification(NAME, product, version, facts=bounded(facts), evidence=evidence(probe, sent, received))


VERSION = question("version.bind", TXT, CHAOS)
LOCALHOST = question("localhost", A, IN, number=ID + 1)


def _answers(data: bytes, asked: bytes) -> Message | None:
    """The answer to a question of ours: of its id, with its question or, as after a format error, with none."""
    message = decode_message(data)
    if message is None or not message.flags & QR or message.id != int.from_bytes(asked[:2], "big"):
        return None
    mine = decode_message(asked)
    return message if mine is not None and message.questions in (mine.questions, ()) else None


def talk_udp(asked: Asked) -> Dialogue:
    """Ask for the version; ask something plain of who is silent to that."""
    for request in (VERSION, LOCALHOST):
        data = yield request
        message = _answers(data, request)
        if message is not None:
            return _answer(message, "dns-udp", request, data)
        if data:
            return None
    return None


def _is_framed(data: bytes) -> bool:
    return len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big")


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def talk_tcp(asked: Asked) -> Dialogue:
    """The same over TCP, where a length goes before each message (RFC 7766 section 8)."""
    for request in (VERSION, LOCALHOST):
        data = yield from hear(_framed(request), _is_framed)
        message = _answers(data[2 : 2 + int.from_bytes(data[:2], "big")], request) if _is_framed(data) else None
        if message is not None:
            return _answer(message, "dns-tcp", _framed(request), data)
        if data:
            return None
    return None


SERVICES = question("_services._dns-sd._udp.local", PTR, IN | 0x8000)  # RFC 6763 section 9; answer to me alone, please


def talk_mdns(asked: Asked) -> Dialogue:
    """Which kinds of services are announced, by a question that only we are answered (RFC 6762 section 6.7)."""
    data = yield SERVICES
    message = decode_message(data)
    if message is None or not message.flags & QR or message.id not in (ID, 0):
        return None
    return _services(message, "mdns", SERVICES, data)


def _services(message: Message, probe: str, sent: bytes, received: bytes) -> Identification | None:
    if not _is_multicast(message):
        return None
    browsed = "_services._dns-sd._udp.local"
    found = [one for one in message.records if one.type == PTR and one.name == browsed]
    kinds = [("service type", text(one.data)) for one in found]
    return Identification(MDNS, facts=bounded(kinds), evidence=evidence(probe, sent, received))


def _is_multicast(message: Message) -> bool:
    """Whether it is about names of the link: without an id, or about services (a legacy question has an id).

    Of an answer its records count: a name server says of such a question that there is no such name (RFC 6762 section
    22.1), while nobody answers for a link who has nothing to tell.
    """
    names = [record.name for record in message.records]
    if not message.flags & QR:
        names += [name for name, _, _ in message.questions]
    elif message.flags & 15:
        return False
    ends = (".local",) if not message.id else ("._udp.local", "._tcp.local")
    return any(name.endswith(ends) for name in names)


def _recognise(data: bytes, *, server: bool) -> Identification | None:
    """A DNS message of that side; class, question and names must make sense, as its head is a few small numbers."""
    message = decode_message(data)
    if message is None or bool(message.flags & QR) is not server:
        return None
    if NETBIOS.match(message.label) or not (message.questions or message.records):
        return None
    if len(message.questions) > 64 or any(among & 0x7FFF not in CLASSES for _, _, among in message.questions):
        return None
    if any(not 0 < kind < 0x8000 or "\ufffd" in name for name, kind, _ in message.questions):
        return None
    if _is_multicast(message):
        return _services(message, "", b"", data)
    if len(message.questions) != 1 and message.flags >> 11 & 15 == 0:
        return None
    if server:
        return _answer(message, "", b"", data)
    if any(record.type not in (41, 250, 24) for record in message.records) and message.flags >> 11 & 15 == 0:
        return None  # a question carries EDNS and signatures, nothing else
    return Identification(NAME, confidence=Confidence.CERTAIN, evidence=evidence("", b"", data))


def recognise_server(data: bytes) -> Identification | None:
    """An answer in a datagram."""
    return _recognise(data, server=True)


def recognise_client(data: bytes) -> Identification | None:
    """A question in a datagram."""
    return _recognise(data, server=False)


def recognise_server_tcp(data: bytes) -> Identification | None:
    """An answer on a stream; the first that is there, whole."""
    return _recognise(data[2 : 2 + int.from_bytes(data[:2], "big")], server=True) if _is_framed(data) else None


def recognise_client_tcp(data: bytes) -> Identification | None:
    """A question on a stream."""
    return _recognise(data[2 : 2 + int.from_bytes(data[:2], "big")], server=False) if _is_framed(data) else None


PROTOCOLS = (
    Protocol(NAME, "DNS", ("domain", "domain-s"), ("domain-s",), ("HashiCorp Consul (DNS)", "iodine"),
             "A resolver that anybody may ask is used to flood others; let only your own networks ask it."),
    Protocol(MDNS, "Multicast DNS", ("mdns",), (), ("Multicast DNS (Avahi)",),
             "It is for the local link; from beyond it gives away the host's services and floods others."),
)  # fmt: skip
PROBES = (
    Probe("dns-udp", NAME, "udp", talk_udp, rank=10),
    Probe("dns-tcp", NAME, "tcp", talk_tcp, rank=45),
    Probe("mdns", MDNS, "udp", talk_mdns, rank=60),
)
RECOGNISERS = (
    Recogniser(NAME, "udp", recognise_server, recognise_client),
    Recogniser(NAME, "tcp", recognise_server_tcp, recognise_client_tcp),
)
