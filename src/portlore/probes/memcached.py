"""memcached's text protocol (its doc/protocol.txt): version. Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import evidence, hear, line_ended, text

VERSION = b"version\r\n"
FRAME = bytes.fromhex("706c000000010000")  # over UDP: our number, datagram 0 of 1, reserved
ANSWER = re.compile(rb"VERSION ([\w.+-]{1,40})[^\r\n]*\r\n")
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
STATISTICS = re.compile(rb"STAT pid \d+\r\n(?:STAT [^\r\n]*\r\n)*?STAT version ([\w.+-]{1,40})")
CLIENT = re.compile(
    rb"(?:version|stats(?: \w+)?|flush_all|verbosity \d+)\r\n"
    rb"|(?:set|add|replace|append|prepend|cas) [^\s]{1,250} \d{1,10} -?\d{1,10} \d{1,10}(?: \d+)?(?: noreply)?\r\n"
    rb"|(?:mn|mg [^\s]{1,250}[^\r\n]*)\r\n"
)


def talk_memcached(_asked: Asked) -> Dialogue:
    """The version; with logins switched on (-Y) the refusal of it."""
    answer = yield from hear(VERSION, line_ended)
    found = recognise_server(answer)
    if found is None:
        return None
    return Identification(
        "memcache", "memcached", found.version, facts=found.facts, evidence=evidence("memcached", VERSION, answer)
    )


def talk_udp(_asked: Asked) -> Dialogue:
    """The same in a datagram."""
    sent = FRAME + VERSION
    answer = yield sent
    found = recognise_datagram(answer) if answer[:2] == FRAME[:2] else None
    if found is None:
        return None
    return Identification(
        "memcache", "memcached", found.version, facts=found.facts, evidence=evidence("memcached-udp", sent, answer)
    )


def recognise_server(data: bytes) -> Identification | None:
    """The answer to version or stats."""
    seen = evidence("memcached", b"", data)
    if answer := ANSWER.match(data) or STATISTICS.match(data):
        return Identification(
            "memcache", "memcached", text(answer[1]), facts=(("login", "not required"),), evidence=seen
        )
    if data.startswith(UNAUTHENTICATED):
        return Identification("memcache", "memcached", facts=(("login", "required"),), evidence=seen)
    return None


def recognise_client(data: bytes) -> Identification | None:
    """A command of the text protocol that no other protocol has."""
    return Identification("memcache", evidence=evidence("memcached", b"", data)) if CLIENT.match(data) else None


def recognise_datagram(data: bytes) -> Identification | None:
    """An answer behind the header of a datagram."""
    return recognise_server(data[8:]) if _framed(data) else None


def recognise_asking_datagram(data: bytes) -> Identification | None:
    """A command behind the header of a datagram."""
    return recognise_client(data[8:]) if _framed(data) else None


def _framed(data: bytes) -> bool:
    number, of = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
    return len(data) > 8 and number < of and data[6:8] == b"\0\0"


PROTOCOLS = (
    Protocol(
        "memcache",
        "memcached",
        ("memcache",),
        uses=("memcached", "memcached over UDP"),
        advice="It asks nobody who they are: bind it to loopback, and switch UDP off, which serves to amplify attacks.",
    ),
)
PROBES = (
    Probe("memcached", "memcache", "tcp", talk_memcached, (11211,), rank=11),
    Probe("memcached-udp", "memcache", "udp", talk_udp, (11211,), in_tls=False, rank=40),
)
RECOGNISERS = (
    Recogniser("memcache", "tcp", recognise_server, recognise_client),
    Recogniser("memcache", "udp", recognise_datagram, recognise_asking_datagram),
)
