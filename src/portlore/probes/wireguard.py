"""WireGuard: seen where packets pass, and never by asking. Pure.

It answers nobody who does not prove to know its public key (the protocol's paper, section 5.1, "Silence is a Virtue"),
so there is no probe here. :data:`UNSEEN` says that where a port's claims name it and the port was silent.
"""

from __future__ import annotations

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Probe, Protocol, Recogniser
from portlore.probes.gathering import evidence

NAME = "wireguard"
UNSEEN = {"WireGuard": "WireGuard answers only who knows its key: silence here is no sign that it is not there."}
SIZES = {1: 148, 2: 92, 3: 64}  # initiation, response, cookie: always of these lengths
KINDS = {1: "handshake initiation", 2: "handshake response", 3: "cookie", 4: "data"}
DATA, LEAST_DATA = 4, 32


def _kind(data: bytes) -> int:
    """The type of a message, 0 for what is none: a byte, three of zero, and a length that fits (section 5.4)."""
    if len(data) < LEAST_DATA or data[1:4] != b"\0\0\0":
        return 0
    kind = data[0]
    if SIZES.get(kind) == len(data):
        return kind
    return DATA if kind == DATA and len(data) % 16 == 0 else 0


def recognise(data: bytes) -> Identification | None:
    """A message of the handshake; data alone says too little."""
    kind = _kind(data)
    if kind not in SIZES or len(set(data[4:])) < 24:  # keys and tags look random
        return None
    proof = evidence("", b"", data)
    return Identification(NAME, confidence=Confidence.LIKELY, facts=(("message", KINDS[kind]),), evidence=proof)


PROTOCOLS = (Protocol(NAME, "WireGuard", (), (), ("WireGuard",)),)
PROBES: tuple[Probe, ...] = ()
RECOGNISERS = (Recogniser(NAME, "udp", recognise, recognise),)
