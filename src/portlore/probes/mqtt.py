"""MQTT 3.1.1 and 5 (OASIS): a CONNECT that every broker has to refuse. Pure.

A CONNECT without a name is a log-in where anonymous clients are let in. One in a protocol level that does not exist can
never be: a broker answers that it does not know it (section 3.1.2.2 of both) before it looks at who is there. Some hang
up instead, RabbitMQ for one. On the ports that are MQTT's they are sent one without an identifier that wants a session
kept, which has to be refused too (3.1.1 section 3.1.3.1). Product and version are told to those alone who have logged
in ($SYS), so that they stay unknown here.
"""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear

NO_SUCH_LEVEL = b"\x10\x14\x00\x04MQTT\x63\x02\x00\x0a\x00\x08portlore"  # level 99, clean session, 10 s
NO_IDENTIFIER = b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x0a\x00\x00"  # 3.1.1, no clean session
CONNECT = re.compile(
    rb"\x10([\x00-\x7f]|[\x80-\xff]{1,3}[\x00-\x7f])\x00(?:\x04MQTT([\x04\x05])|\x06MQIsdp(\x83|\x03))"
)
VERSIONS = {b"\x04": "3.1.1", b"\x05": "5", b"\x03": "3.1", b"\x83": "3.1"}
CODES = {0: "accepted", 1: "unknown version", 2: "client identifier rejected", 3: "unavailable", 4: "wrong password",
         5: "not authorised", 0x84: "unknown version", 0x87: "not authorised", 0x86: "wrong password"}  # fmt: skip


def talk_mqtt(_asked: Asked) -> Dialogue:
    """Ask to connect in a version that there is not."""
    return (yield from _ask("mqtt", NO_SUCH_LEVEL, CODES[1]))


def talk_identifier(_asked: Asked) -> Dialogue:
    """Ask to connect without an identifier, to a session that is to be kept."""
    return (yield from _ask("mqtt-identifier", NO_IDENTIFIER, CODES[2]))


def _ask(probe: str, connect: bytes, refusal: str) -> Dialogue:
    answer = yield from hear(connect, lambda heard: len(heard) >= 4)
    found = recognise_server(answer)
    if found is None or found.facts[0][1] != refusal:
        return None
    return Identification("mqtt", evidence=evidence(probe, connect, answer))


def recognise_server(data: bytes) -> Identification | None:
    """A CONNACK: of 3.1.1 four bytes; of 5 with properties."""
    if data[:1] != b"\x20" or len(data) < 4 or len(data) < 2 + data[1] or data[2] > 1:
        return None
    old = data[1] == 2 and data[3] <= 5
    new = data[1] >= 3 and data[1] < 0x80 and (data[3] == 0 or data[3] >= 0x80) and data[4] == data[1] - 3
    if not old and not new:
        return None
    facts = (("answer", CODES.get(data[3], f"reason {data[3]}")),)
    return Identification("mqtt", "", "", Confidence.LIKELY, facts, evidence("mqtt", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """A CONNECT."""
    asked = CONNECT.match(data)
    if asked is None:
        return None
    facts = bounded([("protocol", VERSIONS[asked[2] or asked[3]])])
    return Identification("mqtt", facts=facts, evidence=evidence("mqtt", b"", data))


PROTOCOLS = (
    Protocol(
        "mqtt",
        "MQTT",
        ("mqtt",),
        ("secure-mqtt",),
        ("Eclipse Mosquitto", "Eclipse Mosquitto (MQTT over TLS)", "RabbitMQ (MQTT)", "Apache ActiveMQ (MQTT)"),
        "Let nobody in without a name and a password, and offer TLS: sensors and switches listen to what is sent here.",
    ),
)
PROBES = (
    Probe("mqtt", "mqtt", "tcp", talk_mqtt, (1883, 8883), rank=22),
    Probe("mqtt-identifier", "mqtt", "tcp", talk_identifier, (1883, 8883), everywhere=False, rank=41),
)
RECOGNISERS = (Recogniser("mqtt", "tcp", recognise_server, recognise_client),)
