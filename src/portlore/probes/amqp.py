"""AMQP 0-9-1 (amqp.org's specification, sections 2.2 and 4.2) and 1.0 (OASIS, part 2 section 2.2). Pure."""

from __future__ import annotations

import re
import struct

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

HEADER = b"AMQP\x00\x00\x09\x01"
HEADERS = re.compile(rb"AMQP(?:\x00\x00\x09\x01|\x01\x01[\x00\x08\x09][\x00-\x0a\x5b]|[\x00\x02\x03]\x01\x00\x00)")
START = re.compile(rb"\x01\0\0(.{4})\0\x0a\0\x0a\0\x09", re.DOTALL)  # a method, channel 0: connection.start of 0-9
SIZES = {b"t": 1, b"b": 1, b"B": 1, b"U": 2, b"u": 2, b"s": 2, b"I": 4, b"i": 4, b"L": 8, b"l": 8, b"f": 4, b"d": 8,
         b"D": 5, b"T": 8, b"V": 0}  # fmt: skip
LONG = (b"S", b"A", b"F", b"x")
MOST_FIELDS = 100


def talk_amqp(_asked: Asked) -> Dialogue:
    """The header of 0-9-1: answered with the server's properties, or with the header that it would rather have."""
    answer = yield from hear(HEADER, _whole)
    found = recognise_server(answer)
    if found is None:
        return None
    seen = evidence("amqp", HEADER, answer)
    return Identification("amqp", found.product, found.version, facts=found.facts, evidence=seen)


def recognise_server(data: bytes) -> Identification | None:
    """connection.start, or a header."""
    seen = evidence("amqp", b"", data)
    start = START.match(data)
    if start is None:
        header = HEADERS.match(data)
        return Identification("amqp", facts=(("protocol", _version(header[0])),), evidence=seen) if header else None
    body = data[13 : 7 + int.from_bytes(start[1], "big")]
    said, at = read_table(body)
    mechanisms = body[at + 4 : at + 4 + int.from_bytes(body[at : at + 4], "big")] if at else b""
    facts = bounded(
        [
            ("protocol", "0-9-1"),
            ("mechanisms", text(mechanisms)),
            ("cluster", said.get("cluster_name", "")),
            ("platform", said.get("platform", "")),
        ]
    )
    return Identification("amqp", said.get("product", ""), said.get("version", ""), facts=facts, evidence=seen)


def recognise_client(data: bytes) -> Identification | None:
    """A header."""
    header = HEADERS.match(data)
    if header is None:
        return None
    return Identification("amqp", facts=(("protocol", _version(header[0])),), evidence=evidence("amqp", b"", data))


def read_table(data: bytes) -> tuple[dict[str, str], int]:
    """The long strings of a field table (section 4.2.5.5), as far as they came, and where it ends, or 0."""
    found: dict[str, str] = {}
    end = 4 + int.from_bytes(data[:4], "big")
    at = 4
    for _ in range(MOST_FIELDS):
        if at >= min(end, len(data)):
            break
        name = text(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
        kind = data[at : at + 1]
        at += 1
        if kind in LONG:
            if at + 4 > len(data):
                break
            (size,) = struct.unpack_from(">I", data, at)
            at += 4
            if kind == b"S":
                found[name] = text(data[at : at + size])
            at += size
        elif kind in SIZES:
            at += SIZES[kind]
        else:
            break
    return found, end if end <= len(data) else 0


def _version(header: bytes) -> str:
    kind = {0: "", 2: " within TLS", 3: " with SASL"}
    return "0-9-1" if header == HEADER else f"1.0{kind[header[4]]}" if header[5:] == b"\x01\0\0" else "0-8 to 0-10"


def _whole(heard: bytes) -> bool:
    if heard[:4] == b"AMQP"[: len(heard)]:
        return len(heard) >= 8
    return len(heard) >= 7 and len(heard) >= 8 + int.from_bytes(heard[3:7], "big")


PROTOCOLS = (
    Protocol(
        "amqp",
        "AMQP",
        ("amqp",),
        ("amqps",),
        ("RabbitMQ (AMQP)", "RabbitMQ (AMQP over TLS)", "Apache ActiveMQ Artemis (AMQP)",
         "Apache ActiveMQ Artemis (all protocols)"),
        "Names and passwords cross the network in the clear; offer amqps instead, and take away the user guest.",
    ),
)  # fmt: skip
PROBES = (Probe("amqp", "amqp", "tcp", talk_amqp, (5672, 5671), rank=21),)
RECOGNISERS = (Recogniser("amqp", "tcp", recognise_server, recognise_client),)
