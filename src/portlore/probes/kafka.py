"""Apache Kafka (its protocol guide, "The Messages: ApiVersions"): which requests a broker knows. Pure."""

from __future__ import annotations

import struct

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

API_VERSIONS = 18
NUMBER = 0x706F7274  # of the request, which the answer repeats
CLIENT_ID = b"portlore"
BODY = struct.pack(">hhih", API_VERSIONS, 0, NUMBER, len(CLIENT_ID)) + CLIENT_ID
ASK = struct.pack(">i", len(BODY)) + BODY
MOST_APIS = 200
HIGHEST_KEY = 1000


def talk_kafka(_asked: Asked) -> Dialogue:
    """ApiVersions of version 0, which every broker since 0.10 knows; it comes before a login (KIP-152)."""
    answer = yield from hear(ASK, _whole)
    found = recognise_server(answer)
    if found is None or answer[4:8] != struct.pack(">i", NUMBER):
        return None
    return Identification("kafka", "", "", facts=found.facts, evidence=evidence("kafka", ASK, answer))


def read_apis(data: bytes) -> dict[int, tuple[int, int]] | None:
    """Lowest and highest version by key of an answer of versions 0 to 4; ``None`` where it is none, to the byte."""
    if len(data) < 14:
        return None
    size, _, error = struct.unpack_from(">iih", data)
    if len(data) != size + 4 or error not in (0, 35):
        return None
    (count,) = struct.unpack_from(">i", data, 10)
    if 1 <= count <= MOST_APIS and size in (10 + 6 * count, 14 + 6 * count):
        return _rows(data[14 : 14 + 6 * count], 6)
    few = data[10] - 1  # version 3 and later: the count as a varint, a byte of tags after each row
    return _rows(data[11 : 11 + 7 * few], 7) if 1 <= few <= 126 and len(data) >= 11 + 7 * few + 5 else None


def recognise_server(data: bytes) -> Identification | None:
    """An answer to ApiVersions, with which every client begins."""
    apis = read_apis(data)
    if apis is None or API_VERSIONS not in apis:
        return None
    facts = (("requests", str(len(apis))), ("fetch", f"version {apis[1][1]}") if 1 in apis else ("", ""))
    return Identification("kafka", facts=bounded(list(facts)), evidence=evidence("kafka", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """ApiVersions asked for."""
    if len(data) < 14 or len(data) != 4 + int.from_bytes(data[:4], "big"):
        return None
    _, key, version, _, length = struct.unpack_from(">ihhih", data)
    if key != API_VERSIONS or not 0 <= version <= 6 or not -1 <= length <= 200 or 14 + max(0, length) > len(data):
        return None
    facts = bounded([("client", text(data[14 : 14 + max(0, length)]))])
    return Identification("kafka", facts=facts, evidence=evidence("kafka", b"", data))


def _rows(data: bytes, step: int) -> dict[int, tuple[int, int]] | None:
    found: dict[int, tuple[int, int]] = {}
    for at in range(0, len(data), step):
        key, lowest, highest = struct.unpack_from(">hhh", data, at)
        if not (0 <= key <= HIGHEST_KEY and 0 <= lowest <= highest <= 100) or key in found:
            return None
        found[key] = (lowest, highest)
    return found


def _whole(heard: bytes) -> bool:
    return len(heard) >= 4 and len(heard) >= 4 + int.from_bytes(heard[:4], "big")


PROTOCOLS = (
    Protocol(
        "kafka",
        "Apache Kafka",
        (),
        uses=("Apache Kafka", "Apache Kafka controller (KRaft)"),
        advice="As shipped it asks nobody who they are, and speaks in the clear: use SASL within TLS.",
    ),
)
PROBES = (Probe("kafka", "kafka", "tcp", talk_kafka, (9092, 9093, 9094), rank=23),)
RECOGNISERS = (Recogniser("kafka", "tcp", recognise_server, recognise_client),)
