"""NTP (RFC 5905): one request of a client, which every server answers. Pure.

Mode 6 (``readvar``) would tell product and version, and mode 7 more; both answer with far more than they are asked, are
switched off where people know of it, and are read as an attack where they do not. They are not used.
"""

from __future__ import annotations

from struct import Struct

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, text

NAME = "ntp"
HEAD = Struct(">BBbb2I4s4Q")  # first byte, stratum, poll, precision, root delay and dispersion, refid, four times
CLIENT, SERVER = 3, 4
COOKIE = 0x706F_7274_6C6F_7265  # our transmit time, which need not be one: it comes back as the origin
REQUEST = HEAD.pack(4 << 3 | CLIENT, 0, 0, 0, 0, 0, bytes(4), 0, 0, 0, COOKIE)
UNSYNCHRONISED = 16
MOST_DELAY = 64 << 16  # root delay and dispersion are seconds in 16.16; 16 s is the most that counts (MAXDISP)
QUICK = 2  # seconds a server takes to answer at most, by its own times


def _answer(data: bytes, probe: str, sent: bytes, sure: Confidence) -> Identification:
    first, stratum, _, _, _, _, reference, *_ = HEAD.unpack_from(data)
    facts = [("version", str(first >> 3 & 7)), ("stratum", str(stratum))]
    if first >> 6 == 3 or stratum >= UNSYNCHRONISED:
        facts.append(("clock", "not synchronised"))
    if stratum == 0:
        facts.append(("kiss of death", text(reference)))
    elif stratum == 1:
        facts.append(("reference clock", text(reference)))
    elif stratum < UNSYNCHRONISED:  # an IPv4 address, or of an IPv6 address the first bytes of its MD5
        facts.append(("reference", ".".join(map(str, reference))))
    return Identification(NAME, confidence=sure, facts=bounded(facts), evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Ask for the time; the answer proves itself by giving our own transmit time back."""
    data = yield REQUEST
    if len(data) < HEAD.size:
        return None
    first, *_, origin, _, _ = HEAD.unpack_from(data)
    if first & 7 != SERVER or origin != COOKIE:
        return None
    return _answer(data, "ntp", REQUEST, Confidence.CERTAIN)


def _is_sane(data: bytes, mode: int) -> bool:
    if len(data) < HEAD.size or len(data) % 4:
        return False
    first, stratum, poll, precision, delay, dispersion, *_ = HEAD.unpack_from(data)
    sane = first & 7 == mode and 1 <= first >> 3 & 7 <= 4 and stratum <= UNSYNCHRONISED and 0 <= poll <= 17
    return bool(sane and -32 <= precision <= 32 and delay < MOST_DELAY and dispersion < MOST_DELAY)


def recognise_server(data: bytes) -> Identification | None:
    """An answer: sane numbers, and sent within two seconds of what it answers by its own times."""
    if not _is_sane(data, SERVER):
        return None
    *_, origin, received, sent = HEAD.unpack_from(data)
    if not origin or not received or not 0 <= (sent >> 32) - (received >> 32) <= QUICK:
        return None
    return _answer(data, "", b"", Confidence.CERTAIN)


def recognise_client(data: bytes) -> Identification | None:
    """A request: sane numbers, a transmit time, and nothing after the 48 bytes but whole extension fields."""
    if not _is_sane(data, CLIENT) or not HEAD.unpack_from(data)[-1]:
        return None
    version = str(data[0] >> 3 & 7)
    return Identification(
        NAME, confidence=Confidence.LIKELY, facts=(("version", version),), evidence=evidence("", b"", data)
    )


PROTOCOLS = (
    Protocol(NAME, "NTP", ("ntp",), advice="If it is not meant for the public, let only your own networks ask it."),
)
PROBES = (Probe("ntp", NAME, "udp", talk, rank=20),)
RECOGNISERS = (Recogniser(NAME, "udp", recognise_server, recognise_client),)
