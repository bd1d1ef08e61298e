"""Apache Cassandra's native protocol, CQL binary (native_protocol_v4.spec): OPTIONS, answered with SUPPORTED. Pure."""

from __future__ import annotations

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

ASK = b"\x04\x00\x00\x00\x05\x00\x00\x00\x00"  # version 4, no flags, stream 0, OPTIONS, no body
ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, SUPPORTED = 0, 1, 2, 3, 5, 6
MOST_NAMES = 50
VERSIONS = (3, 4, 5)
PROTOCOL_ERROR = 0x000A


def talk_cassandra(_asked: Asked) -> Dialogue:
    """What is supported; it is told before a login. A server too old or too new for version 4 says so in this form."""
    answer = yield from hear(ASK, _whole)
    found = recognise_server(answer)
    if found is None:
        return None
    return Identification(
        "cassandra", found.product, "", facts=found.facts, evidence=evidence("cassandra", ASK, answer)
    )


def read_multimap(body: bytes) -> dict[str, list[str]] | None:
    """A string multimap (section 3) that fills the body to the byte."""
    found: dict[str, list[str]] = {}
    at, count = 2, int.from_bytes(body[:2], "big")
    if count > MOST_NAMES:
        return None
    for _ in range(count):
        name, at = _string(body, at)
        many, at = int.from_bytes(body[at : at + 2], "big"), at + 2
        values = []
        for _ in range(min(many, MOST_NAMES)):
            value, at = _string(body, at)
            values.append(value)
        found[name] = values
    return found if at == len(body) else None


def recognise_server(data: bytes) -> Identification | None:
    """The answer to OPTIONS or to STARTUP."""
    if len(data) < 9 or data[0] - 0x80 not in VERSIONS:
        return None
    flags, code, size = data[1], data[4], int.from_bytes(data[5:9], "big")
    body, seen = data[9 : 9 + size], evidence("cassandra", b"", data)
    if flags & ~0x1F or len(data) < 9 + size:
        return None
    if code == SUPPORTED:
        said = read_multimap(body)
        if said is None or "CQL_VERSION" not in said:
            return None
        product = "ScyllaDB" if any(name.startswith("SCYLLA_") for name in said) else ""
        facts = bounded(
            [
                ("CQL", ", ".join(said["CQL_VERSION"])[:100]),
                ("protocols", ", ".join(said.get("PROTOCOL_VERSIONS", ()))[:200]),
                ("compression", ", ".join(said.get("COMPRESSION", ()))[:100]),
            ]
        )
        return Identification("cassandra", product, facts=facts, evidence=seen)
    if code == READY and size == 0 and len(data) == 9:
        return Identification("cassandra", facts=(("login", "not required"),), evidence=seen)
    if code == AUTHENTICATE and size >= 2 and len(_string(body, 0)[0]) == size - 2:
        return Identification("cassandra", facts=(("login", "required"),), evidence=seen)
    if code == ERROR and size >= 6 and int.from_bytes(body[:4], "big") == PROTOCOL_ERROR:
        return Identification("cassandra", facts=(("refused", _string(body, 4)[0]),), evidence=seen)
    return None


def recognise_client(data: bytes) -> Identification | None:
    """OPTIONS or STARTUP."""
    if len(data) < 9 or data[0] not in VERSIONS or data[1] & ~0x1F or len(data) != 9 + int.from_bytes(data[5:9], "big"):
        return None
    if (data[4] == OPTIONS and len(data) == 9) or (data[4] == STARTUP and b"\0\x0bCQL_VERSION\0" in data):
        return Identification("cassandra", evidence=evidence("cassandra", b"", data))
    return None


def _string(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return text(body[at + 2 : end]), end


def _whole(heard: bytes) -> bool:
    return len(heard) >= 9 and len(heard) >= 9 + int.from_bytes(heard[5:9], "big")


PROTOCOLS = (
    Protocol(
        "cassandra",
        "Apache Cassandra (CQL)",
        (),
        uses=("Apache Cassandra and ScyllaDB clients (CQL)", "Apache Cassandra clients (TLS)"),
        advice="As shipped it asks nobody for a password (AllowAllAuthenticator): bind it to where its clients are.",
    ),
)
PROBES = (Probe("cassandra", "cassandra", "tcp", talk_cassandra, (9042, 9142), rank=24),)
RECOGNISERS = (Recogniser("cassandra", "tcp", recognise_server, recognise_client),)
