"""Redis' protocol, RESP (redis.io/docs/reference/protocol-spec): INFO, or the refusal of it. Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

INFO = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"
BULK = re.compile(rb"(?:\$|=)(\d{1,7})\r\n(?:txt:)?")
REFUSAL = re.compile(
    rb"-(NOAUTH |NOPERM |DENIED Redis|LOADING |MASTERDOWN |MISCONF |WRONGPASS |MOVED \d|READONLY |BUSY Redis"
    rb"|ERR (?:unknown command|max number of clients|operation not permitted|AUTH |Client sent AUTH))[^\r\n]*\r\n"
)
SURE = (b"NOAUTH ", b"NOPERM ", b"DENIED Redis", b"LOADING ", b"MASTERDOWN ", b"MISCONF ", b"WRONGPASS ", b"BUSY Redis")
CLIENT = re.compile(rb"\*[1-9]\d{0,5}\r\n\$[1-9]\d{0,2}\r\n([A-Za-z][A-Za-z.]{1,40})\r\n")
HELLO = re.compile(
    rb"(?:%|\*)\d{1,2}\r\n\$6\r\nserver\r\n\$\d{1,2}\r\n(redis|valkey)\r\n\$7\r\nversion\r\n\$\d{1,2}\r\n([\w.-]{1,20})\r\n"
)
NAMES = {"redis": "Redis", "valkey": "Valkey", "dragonfly": "Dragonfly", "keydb": "KeyDB"}


def talk_redis(_asked: Asked) -> Dialogue:
    """INFO tells product and version; where it is not allowed, the refusal is Redis's own; else PING."""
    answer = yield from hear(INFO, _whole)
    if not answer.startswith((b"$", b"=", b"-")):
        return None
    found = recognise_server(answer)
    if found is not None and found.confidence is Confidence.CERTAIN:
        return Identification(
            "redis", found.product, found.version, facts=found.facts, evidence=evidence("redis", INFO, answer)
        )
    pong = yield from hear(PING, _whole)
    if pong == b"+PONG\r\n":
        return Identification("redis", facts=found.facts if found else (), evidence=evidence("redis", PING, pong))
    return found


def talk_greeting(_asked: Asked) -> Dialogue:
    """A server in protected mode or with too many clients says so before it is asked."""
    answer = yield b""
    return recognise_server(answer) if answer.startswith((b"-DENIED Redis", b"-ERR max number of clients")) else None


def recognise_server(data: bytes) -> Identification | None:
    """INFO, HELLO or PING answered, or refused in Redis's words."""
    seen = evidence("redis", b"", data)
    if refused := REFUSAL.match(data):
        confidence = Confidence.CERTAIN if refused[1] in SURE else Confidence.LIKELY
        login = "required" if refused[1] in (b"NOAUTH ", b"WRONGPASS ") else ""
        facts = bounded([("login", login), ("refused", text(data[1:].split(b"\r\n")[0]))])
        product = "Redis" if b"Redis" in refused[1] else ""
        return Identification("redis", product, "", confidence, facts, seen)
    if hello := HELLO.match(data):
        return Identification("redis", NAMES[text(hello[1])], text(hello[2]), evidence=seen)
    if data == b"+PONG\r\n":
        return Identification("redis", confidence=Confidence.LIKELY, evidence=seen)
    head = BULK.match(data)
    return _info(data[head.end() :], data) if head else None


def recognise_client(data: bytes) -> Identification | None:
    """An array of bulk strings, the first a word: a command."""
    command = CLIENT.match(data)
    if command is None:
        return None
    facts = (("command", text(command[1]).upper()),)
    return Identification("redis", facts=facts, evidence=evidence("redis", b"", data))


def _info(body: bytes, data: bytes) -> Identification | None:
    said = dict[bytes, str]()
    for line in body[:8192].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            said.setdefault(name, text(value))
    if b"redis_version" not in said:
        return None
    product, version = "Redis", said[b"redis_version"]
    for kind, named in NAMES.items():
        if own := said.get(kind.encode() + b"_version") if kind != "redis" else None:
            product, version = named, own.removeprefix("df-").removeprefix("v")
    facts = bounded(
        [
            ("mode", said.get(b"redis_mode", said.get(b"server_mode", ""))),
            ("login", "not required"),
            ("system", said.get(b"os", "")),
        ]
    )
    return Identification("redis", product, version, facts=facts, evidence=evidence("redis", b"", data))


def _whole(heard: bytes) -> bool:
    head = BULK.match(heard)
    if head:
        return len(heard) >= head.end() + int(head[1]) - (4 if heard[:1] == b"=" else 0) + 2
    return heard.endswith(b"\r\n") or not heard.startswith((b"$", b"=", b"-", b"+"))


PROTOCOLS = (
    Protocol(
        "redis",
        "Redis protocol",
        ("redis",),
        uses=("Redis", "Redis Sentinel", "Valkey", "Ray head node"),
        advice="As shipped it asks for no password: who reaches it reads, changes and configures all of it. Bind it to "
        "loopback, or give it users and TLS.",
    ),
)
PROBES = (
    Probe("redis-greeting", "redis", "tcp", talk_greeting, (6379,), banner=True, rank=9),
    Probe("redis", "redis", "tcp", talk_redis, (6379, 26379, 6380), rank=10),
)
RECOGNISERS = (Recogniser("redis", "tcp", recognise_server, recognise_client),)
