"""The MySQL and MariaDB client/server protocol and the X Protocol: what a server says first. Pure.

https://mariadb.com/kb/en/connection/, MySQL Source Code Documentation "Protocol::HandshakeV10" and "X Protocol".

A handshake that is left counts as an aborted one, and a hundred in a row without a log-in block the host that they came
from (max_connect_errors). So the greeting has to do: one connection.
"""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, starttls, text

MOST_PACKET = 1024  # bytes of a greeting
SSL = 0x0800  # CLIENT_SSL
X_HELLO = bytes.fromhex("050000000b08051a00")  # a frame of type NOTICE with Frame{type: SERVER_HELLO, payload: ""}
VERSION = re.compile(r"(?:5\.5\.5-)?(\d+\.\d+\.\d+)(?:-(MariaDB))?(.*)")  # MariaDB 10 puts 5.5.5- before its own
REFUSALS = {1040: "too many connections", 1129: "host blocked", 1130: "host not allowed", 1203: "too many connections"}


def talk_mysql(asked: Asked) -> Dialogue:
    """The greeting. The handshake is left at that: to finish it would be to log in."""
    greeting = yield from hear(b"", _whole)
    found = recognise_server(greeting)
    if found is None or not asked.tls:
        return found
    facts = tuple((name, value) for name, value in found.facts if name != "starttls")
    return Identification("mysql", found.product, found.version, facts=facts, evidence=found.evidence)


def recognise_server(data: bytes) -> Identification | None:
    """A packet numbered 0 with the handshake of protocol 10, or an error instead of it."""
    if len(data) < 8 or data[3] != 0:
        return None
    size = int.from_bytes(data[:3], "little")
    body = data[4 : 4 + size]
    if body[:1] == b"\n":  # protocol 10
        return _greeting(data, body) if 30 <= size <= MOST_PACKET else None
    code = int.from_bytes(body[1:3], "little")
    if body[:1] == b"\xff" and 1000 <= code < 4500 and 4 < size <= MOST_PACKET and len(data) <= 4 + size:
        words = text(re.sub(rb"\A#[0-9A-Z]{5}", b"", body[3:]))
        if not words.isprintable():
            return None
        product = "MariaDB" if "MariaDB" in words else "MySQL" if "MySQL" in words else ""
        facts = bounded([("refused", REFUSALS.get(code, f"error {code}")), ("message", words)])
        return Identification("mysql", product, facts=facts, evidence=evidence("mysql", b"", data))
    return None


def recognise_x(data: bytes) -> Identification | None:
    """The X Protocol's notice that a server is there (MySQL 8.0.14 and later)."""
    return Identification("mysqlx", "MySQL", evidence=evidence("mysqlx", b"", data)) if data == X_HELLO else None


def talk_x(_asked: Asked) -> Dialogue:
    """The notice."""
    return recognise_x((yield from hear_greeting((X_HELLO,), lambda heard: len(heard) >= len(X_HELLO))))


def _greeting(data: bytes, body: bytes) -> Identification | None:
    said, _, rest = body[1:].partition(b"\0")
    # thread 4, salt 8, a zero, capabilities 2, character set 1, status 2, capabilities 2, length of the salt 1
    if len(rest) < 15 or rest[12] != 0 or not 3 <= len(said) <= 100:
        return None
    version = VERSION.fullmatch(text(said))
    if version is None:
        return None
    mariadb = version[2] is not None or "mariadb" in version[3].lower()
    capabilities = int.from_bytes(rest[13:15], "little")
    plugin = rest[44:].partition(b"\0")[0]
    facts = bounded(
        [
            ("said version", text(said)),
            ("starttls", starttls(bool(capabilities & SSL))),
            ("login", text(plugin)),
        ]
    )
    product = "MariaDB" if mariadb else "MySQL"
    return Identification("mysql", product, version[1], facts=facts, evidence=evidence("mysql", b"", data))


def _whole(heard: bytes) -> bool:
    size = int.from_bytes(heard[:3], "little")
    return len(heard) >= 4 and (len(heard) >= 4 + size or size > MOST_PACKET or heard[3] != 0)  # or is another's


ADVICE = (
    "Databases are best reached by their own programs alone: bind it to loopback or let a firewall name who may come."
)
PROTOCOLS = (
    Protocol("mysql", "MySQL protocol", ("mysql",), (), ("MySQL", "MariaDB", "ClickHouse (MySQL protocol)"), ADVICE),
    Protocol("mysqlx", "MySQL X Protocol", ("mysqlx",), (), ("MySQL X Protocol",), ADVICE),
)
PROBES = (
    Probe("mysql", "mysql", "tcp", talk_mysql, (3306, 3307), banner=True, rank=2),
    Probe("mysqlx", "mysqlx", "tcp", talk_x, (33060,), banner=True, rank=9),
)
RECOGNISERS = (
    Recogniser("mysql", "tcp", recognise_server),
    Recogniser("mysqlx", "tcp", recognise_x),
)
