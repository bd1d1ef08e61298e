"""Modbus/TCP: who a device is, and messages that pass by, known by their form. Pure.

Modbus Application Protocol 1.1b3 ("sections" below) and Messaging on TCP/IP Implementation Guide 1.0b. One read-only
request: function 43 with MEI type 14 (section 6.21), which nothing but reading can come of. Whoever does not know that
function answers with an exception, and has shown that it speaks Modbus.
"""

from __future__ import annotations

from struct import Struct

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text
from portlore.value import Value

NAME = "mbap"
HEAD = Struct(">HHHB")  # transaction, protocol (0), length of what follows, unit
LONGEST_PDU = 253
CUT = 256
UNIT = 0xFF  # a device that is no gateway (implementation guide section 4.4.1.2)
TRANSACTION = 0x504C
IDENTIFY, MEI, BASIC = 0x2B, 0x0E, 1
ERROR = 0x80
EXCEPTIONS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure",
              5: "acknowledge", 6: "server device busy", 8: "memory parity error", 10: "gateway path unavailable",
              11: "gateway target failed to respond"}  # fmt: skip
OBJECTS = {0: "vendor", 1: "product code", 2: "revision", 3: "vendor URL", 4: "product name", 5: "model",
           6: "application"}  # fmt: skip
FUNCTIONS = {1: "read coils", 2: "read discrete inputs", 3: "read holding registers", 4: "read input registers",
             5: "write coil", 6: "write register", 7: "read exception status", 8: "diagnostics", 11: "event counter",
             12: "event log", 15: "write coils", 16: "write registers", 17: "report server id", 20: "read file",
             21: "write file", 22: "mask register", 23: "read and write registers", 24: "read FIFO",
             IDENTIFY: "read device identification"}  # fmt: skip
MOST_READ = {1: 2000, 2: 2000, 3: 125, 4: 125}  # the most that one request may ask for


class Message(Value):
    """A whole message: ``pdu`` begins with the function code."""

    transaction: int
    unit: int
    pdu: bytes


def encode_message(one: Message) -> bytes:
    """The bytes of a message."""
    return HEAD.pack(one.transaction, 0, len(one.pdu) + 1, one.unit) + one.pdu


def decode_messages(data: bytes, most: int = 16) -> list[Message] | None:
    """The messages that fill the data exactly; ``None`` when they do not.

    The last may be cut off where a capture may have stopped to keep bytes: from :data:`CUT` on.
    """
    found: list[Message] = []
    at = 0
    while at < len(data) and len(found) < most:
        if at + HEAD.size >= len(data):
            return found if len(data) >= CUT and found else None
        transaction, protocol, length, unit = HEAD.unpack_from(data, at)
        end = at + 6 + length
        if protocol or not 2 <= length <= LONGEST_PDU + 1:
            return None
        if end > len(data):
            return found if len(data) >= CUT and found else None
        found.append(Message(transaction, unit, data[at + HEAD.size : end]))
        at = end
    return found or None


REQUEST = encode_message(Message(TRANSACTION, UNIT, bytes((IDENTIFY, MEI, BASIC, 0))))


def _is_whole(data: bytes) -> bool:
    return len(data) >= 6 and len(data) >= 6 + int.from_bytes(data[4:6], "big")


def _objects(pdu: bytes) -> list[tuple[str, str]] | None:
    """The objects of a device identification (section 6.21); ``None`` for what is none."""
    if len(pdu) < 7 or pdu[:2] != bytes((IDENTIFY, MEI)) or pdu[2] not in (1, 2, 3, 4) or pdu[4] not in (0, 0xFF):
        return None
    found, at = [], 7
    for _ in range(pdu[6]):
        if at + 2 > len(pdu) or at + 2 + pdu[at + 1] > len(pdu):
            return None
        number, size = pdu[at], pdu[at + 1]
        found.append((OBJECTS.get(number, f"object {number}"), text(pdu[at + 2 : at + 2 + size])))
        at += 2 + size
    return found if at == len(pdu) else None


def _identified(message: Message, probe: str, sent: bytes, data: bytes, sure: Confidence) -> Identification | None:
    pdu, facts = message.pdu, [("unit", str(message.unit))]
    product = version = ""
    if pdu[0] & ERROR:
        if len(pdu) != 2 or pdu[1] not in EXCEPTIONS:
            return None
        facts.append(("exception", EXCEPTIONS[pdu[1]]))
    else:
        objects = _objects(pdu)
        if objects is None:
            return None
        facts += objects
        told = dict(objects)
        vendor, name = told.get("vendor", ""), told.get("product name", "") or told.get("product code", "")
        product, version = " ".join(part for part in (vendor, name) if part), told.get("revision", "")
    proof = evidence(probe, sent, data)
    return Identification(NAME, product, version, confidence=sure, facts=bounded(facts), evidence=proof)


def talk(asked: Asked) -> Dialogue:
    """Ask who the device is."""
    data = yield from hear(REQUEST, _is_whole)
    messages = decode_messages(data)
    if messages is None:
        return None
    first = messages[0]
    if first.transaction != TRANSACTION or first.unit != UNIT or first.pdu[0] & ~ERROR != IDENTIFY:
        return None
    return _identified(first, "modbus", REQUEST, data, Confidence.CERTAIN)


def _number(pdu: bytes, at: int) -> int:
    return int.from_bytes(pdu[at : at + 2], "big")


def is_request(pdu: bytes) -> bool:
    """Whether a PDU is a request, by its function's form (sections 6.1 to 6.21)."""
    function, size = pdu[0], len(pdu)
    if function in MOST_READ:
        return size == 5 and 1 <= _number(pdu, 3) <= MOST_READ[function]
    if function in (5, 6):
        return size == 5 and (function == 6 or pdu[3:] in (b"\xff\0", b"\0\0"))
    if function in (7, 11, 12, 17):
        return size == 1
    if function == 8:
        return size >= 5 and size % 2 == 1 and _number(pdu, 1) <= 21
    if function in (15, 16):
        count = _number(pdu, 3)
        most, length = (1968, (count + 7) // 8) if function == 15 else (123, 2 * count)
        return size >= 7 and 1 <= count <= most and pdu[5] == length == size - 6
    if function == 22:
        return size == 7
    if function == 23:
        return size >= 12 and 1 <= _number(pdu, 3) <= 125 and pdu[9] == 2 * _number(pdu, 7) == size - 10
    if function == 24:
        return size == 3
    if function in (20, 21):
        return size >= 3 and pdu[1] == size - 2 and pdu[2] == 6
    return size == 4 and function == IDENTIFY and pdu[1] == MEI and 1 <= pdu[2] <= 4


def is_response(pdu: bytes) -> bool:
    """Whether a PDU is a response or an exception, by its function's form."""
    function, size = pdu[0], len(pdu)
    if function & ERROR:
        return size == 2 and function & ~ERROR in FUNCTIONS and pdu[1] in EXCEPTIONS
    if function in (1, 2):
        return size >= 3 and 1 <= pdu[1] == size - 2 <= 250
    if function in (3, 4, 23):
        return size >= 4 and pdu[1] == size - 2 and not pdu[1] % 2 and pdu[1] <= 250
    if function in (5, 6, 8, 22):
        return is_request(pdu)  # which comes back as it is
    if function in (15, 16):
        return size == 5 and 1 <= _number(pdu, 3) <= 1968
    if function == 7:
        return size == 2
    if function == 11:
        return size == 5
    if function in (12, 17, 20, 21):
        return size >= 3 and pdu[1] == size - 2
    if function == 24:
        return size >= 5 and _number(pdu, 1) == size - 3 and _number(pdu, 3) <= 31
    return function == IDENTIFY and _objects(pdu) is not None


def _recognise(data: bytes, *, server: bool) -> Identification | None:
    """Messages that fill what came, of functions that exist and in their form: hardly anything else looks so."""
    messages = decode_messages(data)
    if messages is None or not all((is_response if server else is_request)(one.pdu) for one in messages):
        return None
    first = messages[0]
    if server and first.pdu[0] in (IDENTIFY, IDENTIFY | ERROR):
        return _identified(first, "", b"", data, Confidence.CERTAIN)
    function = FUNCTIONS[first.pdu[0] & ~ERROR]
    facts = [("unit", str(first.unit)), ("function", function)]
    if first.pdu[0] & ERROR:
        facts.append(("exception", EXCEPTIONS[first.pdu[1]]))
    return Identification(NAME, confidence=Confidence.LIKELY, facts=bounded(facts), evidence=evidence("", b"", data))


def recognise_server(data: bytes) -> Identification | None:
    """Responses."""
    return _recognise(data, server=True)


def recognise_client(data: bytes) -> Identification | None:
    """Requests."""
    return _recognise(data, server=False)


PROTOCOLS = (
    Protocol(NAME, "Modbus/TCP", ("mbap", "mbap-s"), ("mbap-s",), ("Modbus/TCP", "Modbus/TCP Security", "Modbus"),
             "It knows no log-in: whoever reaches it can switch the plant. Let nothing but its controller reach it."),
)  # fmt: skip
PROBES = (Probe("modbus", NAME, "tcp", talk, rank=35),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
