"""QUIC (RFC 8999, RFC 9000): a version that nobody has, answered by the versions that the server has. Pure."""

from __future__ import annotations

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence
from portlore.value import Value

NAME = "quic"
LONG, FIXED = 0x80, 0x40
FORCED = 0x1A2A3A4A  # 0x?a?a?a?a is kept free to force a negotiation (RFC 9000 section 15)
LEAST = 1200  # bytes of a client's first datagram (section 14.1), and more than the answer, so that nothing grows
LONGEST_ID = 20
OURS, THEIRS = b"portlore", b"whoareyo"
VERSIONS = {1: "1", 0x6B3343CF: "2", 0x51303433: "Q043", 0x51303436: "Q046", 0x51303530: "Q050"}  # RFC 9369; gQUIC
MOST_VERSIONS = 64
INITIAL = {1: 0, 0x6B3343CF: 1}  # the type bits of an Initial packet (RFC 9000 section 17.2.2, RFC 9369 section 3.2)


class Head(Value):
    """The invariant part of a long header (RFC 8999 section 5.1) and where it ends."""

    first: int
    version: int
    destination: bytes
    source: bytes
    end: int


def decode_head(data: bytes) -> Head | None:
    """A long header; ``None`` for anything else."""
    if len(data) < 7 or not data[0] & LONG:
        return None
    at = 6 + data[5]
    if at >= len(data):
        return None
    end = at + 1 + data[at]
    if end > len(data):
        return None
    return Head(data[0], int.from_bytes(data[1:5], "big"), data[6:at], data[at + 1 : end], end)


def request() -> bytes:
    """A long header of the forced version, padded."""
    head = bytes((LONG | FIXED,)) + FORCED.to_bytes(4, "big")
    return (head + bytes((len(THEIRS),)) + THEIRS + bytes((len(OURS),)) + OURS).ljust(LEAST, b"\0")


REQUEST = request()


def version_name(number: int) -> str:
    """A version's name; drafts by their numbers."""
    if number >> 8 == 0xFF0000:
        return f"draft-{number & 0xFF}"
    return VERSIONS.get(number, f"0x{number:08x}")


def _offered(data: bytes, head: Head, probe: str, sent: bytes) -> Identification | None:
    """A Version Negotiation packet (RFC 8999 section 6): version 0, then the versions."""
    rest = data[head.end :]
    if head.version or not rest or len(rest) % 4 or len(rest) // 4 > MOST_VERSIONS:
        return None
    numbers = [int.from_bytes(rest[at : at + 4], "big") for at in range(0, len(rest), 4)]
    facts = [("version", version_name(one)) for one in numbers if one & 0x0F0F0F0F != 0x0A0A0A0A]
    return Identification(NAME, facts=bounded(facts), evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Offer a version that does not exist; the answer has the two connection ids the other way round."""
    data = yield REQUEST
    head = decode_head(data)
    if head is None or head.destination != OURS or head.source != THEIRS:
        return None
    return _offered(data, head, "quic", REQUEST)


def _initial(data: bytes, head: Head) -> Identification | None:
    if max(len(head.destination), len(head.source)) > LONGEST_ID or not head.first & FIXED:
        return None
    kind = head.first >> 4 & 3
    if head.version & 0x0F0F0F0F == FORCED & 0x0F0F0F0F and len(data) >= LEAST:
        return Identification(NAME, confidence=Confidence.LIKELY, evidence=evidence("", b"", data))
    expected = 0 if head.version >> 8 == 0xFF0000 else INITIAL.get(head.version)
    if expected is None or kind != expected:
        return None
    facts = (("version", version_name(head.version)),)
    return Identification(NAME, facts=facts, evidence=evidence("", b"", data))


def recognise_server(data: bytes) -> Identification | None:
    """A Version Negotiation packet with a version that is known, or an Initial packet of a known version."""
    head = decode_head(data)
    if head is None:
        return None
    found = _offered(data, head, "", b"") if max(len(head.destination), len(head.source)) <= LONGEST_ID else None
    if found is not None:
        known = any(not value.startswith("0x") for _, value in found.facts)
        return found if known else None
    return _initial(data, head) if len(data) >= 24 else None


def recognise_client(data: bytes) -> Identification | None:
    """An Initial packet of a known version; a client pads the datagram (RFC 9000 section 14.1)."""
    head = decode_head(data)
    if head is None or len(data) < LEAST or len(head.destination) < 8:
        return None
    return _initial(data, head)


PROTOCOLS = (Protocol(NAME, "QUIC", ("https", "domain-s")),)
PROBES = (Probe("quic", NAME, "udp", talk, ports=(443,), rank=15),)
RECOGNISERS = (Recogniser(NAME, "udp", recognise_server, recognise_client),)
