"""SOCKS 5 (RFC 1928) and 4: whether a proxy is there, without asking it for a connection. Pure.

Version 5 has a greeting. Version 4 has none; it is sent a command that does not exist, which it refuses.
"""

from __future__ import annotations

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import evidence, hear

NAME = "socks"
NOTHING, GSSAPI, PASSWORD, NONE_FITS = 0, 1, 2, 0xFF
METHODS = {NOTHING: "none", GSSAPI: "GSSAPI", PASSWORD: "user name and password", NONE_FITS: "none of those offered"}
NEXT = (b"", b"\1", b"\5")  # what may follow: nothing yet, user name and password (RFC 1929), a request or its reply
GREETING = bytes((5, 3, NOTHING, GSSAPI, PASSWORD))
COMMAND_4 = bytes((4, 0, 0, 0, 0, 0, 0, 0, 0))  # no such command, port 0, address 0.0.0.0, no user
REFUSED_4 = (91, 92, 93)
CONNECT, BIND = 1, 2


def _told(data: bytes, probe: str, sent: bytes, sure: Confidence) -> Identification | None:
    if len(data) < 2 or data[0] != 5 or data[1] not in METHODS or data[2:3] not in NEXT:
        return None
    facts = (("version", "5"), ("authentication", METHODS[data[1]]))
    return Identification(NAME, confidence=sure, facts=facts, evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Offer three ways to authenticate, and hear which one the proxy wants; then go."""
    data = yield from hear(GREETING, lambda heard: len(heard) >= 2)
    return _told(data, "socks5", GREETING, Confidence.LIKELY) if len(data) == 2 else None


def talk_4(asked: Asked) -> Dialogue:
    """Be refused by a proxy of version 4."""
    data = yield from hear(COMMAND_4, lambda heard: len(heard) >= 8)
    if len(data) != 8 or data[0] != 0 or data[1] not in REFUSED_4:
        return None
    proof = evidence("socks4", COMMAND_4, data)
    return Identification(NAME, confidence=Confidence.LIKELY, facts=(("version", "4"),), evidence=proof)


def recognise_server(data: bytes) -> Identification | None:
    """The method that was chosen; two bytes, so only a guess without the greeting before them."""
    return _told(data, "", b"", Confidence.GUESS)


def recognise_client(data: bytes) -> Identification | None:
    """A greeting of version 5, or a request of version 4 for a connection. A user's name in it is not kept."""
    if len(data) >= 3 and data[0] == 5 and len(data) >= 2 + data[1] and data[2 + data[1] :][:1] in NEXT:
        methods = set(data[2 : 2 + data[1]])
        if len(methods) == data[1] and methods <= set(METHODS) - {NONE_FITS}:
            facts = (("version", "5"),)
            return Identification(NAME, confidence=Confidence.LIKELY, facts=facts, evidence=evidence("", b"", data))
    if len(data) >= 9 and data[0] == 4 and data[1] in (CONNECT, BIND) and data[2:4] != b"\0\0" and data[-1] == 0:
        names = data[8:].split(b"\0")
        by_name = data[4:7] == b"\0\0\0" and data[7] != 0  # SOCKS 4A: the host's name follows the user's
        if (
            len(names) == (3 if by_name else 2)
            and all(name.isascii() for name in names)
            and (by_name or data[4] not in (0, 127))
        ):
            facts = (("version", "4"),)
            proof = evidence("", b"", data[:8])
            return Identification(NAME, confidence=Confidence.LIKELY, facts=facts, evidence=proof)
    return None


PROTOCOLS = (
    Protocol(NAME, "SOCKS", ("socks",), (),
             ("SOCKS proxies (MicroSocks, Dante)", "V2Ray local SOCKS inbound", "Tor SOCKS proxy", "i2pd SOCKS proxy"),
             "A proxy without authentication lets anybody act in your name: let it listen on loopback."),
)  # fmt: skip
PROBES = (
    Probe("socks5", NAME, "tcp", talk, rank=65),
    Probe("socks4", NAME, "tcp", talk_4, everywhere=False, rank=90),
)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
