"""MongoDB's wire protocol (its manual, "MongoDB Wire Protocol"; bsonspec.org): hello and buildInfo. Pure."""

from __future__ import annotations

import struct

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013
MOST_MESSAGE = 48_000_000  # maxMessageSizeBytes
MOST_FIELDS = 200
FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0xFF: 0, 0x7F: 0}
Fields = dict[str, str | int | float | bool]


def command(name: str, number: int) -> bytes:
    """A message that runs a command without arguments on ``admin``."""
    fields = b"\x10" + name.encode() + b"\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    body = struct.pack("<iB", 0, 0) + struct.pack("<i", len(fields) + 5) + fields + b"\0"
    return struct.pack("<iiii", 16 + len(body), number, 0, OP_MSG) + body


HELLO, BUILD = command("hello", 1), command("buildInfo", 2)


def talk_mongodb(_asked: Asked) -> Dialogue:
    """hello, which every driver says first, and buildInfo, which most servers tell without a login."""
    answer = yield from hear(HELLO, _whole)
    hello = read_reply(answer)
    if hello is None or not ({"maxWireVersion", "ok"} & set(hello)):
        return None
    told = read_reply((yield from hear(BUILD, _whole))) or {}
    version = text(str(told.get("version", "")).encode())
    product = "FerretDB" if any("ferret" in name.lower() for name in told) else "MongoDB"
    facts = bounded(
        [
            ("role", "router" if hello.get("msg") == "isdbgrid" else "replica set" if "setName" in hello else ""),
            ("replica set", text(str(hello.get("setName", "")).encode())),
            ("wire version", str(hello.get("maxWireVersion", ""))),
            ("refused", text(str(told.get("errmsg", "")).encode())),
        ]
    )
    return Identification("mongodb", product, version, facts=facts, evidence=evidence("mongodb", HELLO, answer))


def read_reply(data: bytes) -> Fields | None:
    """The outermost fields of the document in a reply (OP_MSG or OP_REPLY) that carries one."""
    head = _header(data)
    if head is None:
        return None
    at = {OP_MSG: 21, OP_REPLY: 36}.get(head[3])
    if at is None or head[2] == 0 or (head[3] == OP_MSG and data[20:21] != b"\0"):
        return None
    return read_document(data[at:])


def read_document(data: bytes) -> Fields | None:
    """The outermost texts, numbers and truth values of a BSON document that has come whole; "" for one within it."""
    if len(data) < 5:
        return None
    size = int(struct.unpack_from("<i", data)[0])
    if not 5 <= size <= len(data) or data[size - 1] != 0:
        return None
    found: Fields = {}
    at, end = 4, size - 1
    for _ in range(MOST_FIELDS):
        if at >= end:
            break
        kind, stop = data[at], data.find(b"\0", at + 1, end)
        if stop < 0:
            return None
        name, at = text(data[at + 1 : stop]), stop + 1
        length = FIXED.get(kind)
        if length is None:
            if kind not in (0x02, 0x03, 0x04, 0x05, 0x0D, 0x0E) or at + 4 > end:
                return found
            (length,) = struct.unpack_from("<i", data, at)
            length += {0x03: 0, 0x04: 0, 0x05: 5}.get(kind, 4)
        if length < 0 or at + length > end:
            return None
        if kind in (0x02, 0x08, 0x10, 0x12, 0x01):
            found[name] = _value(kind, data[at : at + length])
        elif kind == 0x03:
            found[name] = ""
        at += length
    return found


def recognise_server(data: bytes) -> Identification | None:
    """A reply; hello's tells the version of the protocol."""
    head = _header(data)
    if head is None or head[2] == 0 or not _sound(data, head[3]):
        return None
    said = read_reply(data) or {}
    facts = bounded([("wire version", str(said.get("maxWireVersion", "")))])
    return Identification("mongodb", facts=facts, evidence=evidence("mongodb", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """A message that answers none."""
    head = _header(data)
    if head is None or head[2] != 0 or head[3] == OP_REPLY or not _sound(data, head[3]):
        return None
    return Identification("mongodb", evidence=evidence("mongodb", b"", data))


def _header(data: bytes) -> tuple[int, int, int, int] | None:
    """Size, number, number answered, code of a message; ``None`` where they cannot be."""
    if len(data) < 26:
        return None
    size, number, to, code = struct.unpack_from("<iiii", data)
    fits = 26 <= size <= MOST_MESSAGE and code in (OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG)
    return (size, number, to, code) if fits else None


def _sound(data: bytes, code: int) -> bool:
    """Whether what follows the header is of its form."""
    if code == OP_MSG:  # flags: checksum, more to come, exhaust allowed
        flags, kind = struct.unpack_from("<IB", data, 16)
        return flags & ~0x10003 == 0 and kind in (0, 1)
    if code == OP_COMPRESSED:
        return int(struct.unpack_from("<i", data, 16)[0]) in (OP_MSG, OP_QUERY, OP_REPLY) and data[24] <= 3
    if code == OP_REPLY:
        return (
            len(data) >= 36
            and int.from_bytes(data[16:20], "little") <= 15
            and data[32:36] in (b"\0\0\0\0", b"\1\0\0\0")
        )
    return b".$cmd\0" in data[20:300]


def _value(kind: int, data: bytes) -> str | int | float | bool:
    if kind == 0x02:
        return text(data[4:-1])
    if kind == 0x08:
        return data != b"\0"
    if kind == 0x01:
        return float(struct.unpack("<d", data)[0])
    return int.from_bytes(data, "little", signed=True)


def _whole(heard: bytes) -> bool:
    return len(heard) >= 4 and len(heard) >= int.from_bytes(heard[:4], "little")


PROTOCOLS = (
    Protocol(
        "mongodb",
        "MongoDB",
        ("mongodb",),
        uses=("MongoDB", "MongoDB shard server", "MongoDB configuration server", "MongoDB mongocryptd"),
        advice="Without security.authorization, who reaches it reads and writes all of it; bind it to loopback.",
    ),
)
PROBES = (Probe("mongodb", "mongodb", "tcp", talk_mongodb, (27017, 27018, 27019), rank=20),)
RECOGNISERS = (Recogniser("mongodb", "tcp", recognise_server, recognise_client),)
