"""SMB: the NEGOTIATE of version 2 and 3 ([MS-SMB2] section 2.2.3), which comes before any log-in. Pure.

Version 1 is not offered: a server that knows nothing else closes, and one that answers with it is told of as a fact.
"""

from __future__ import annotations

from struct import Struct

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear

NAME = "microsoft-ds"
V1, V2 = b"\xffSMB", b"\xfeSMB"
HEAD = Struct("<4sHHIHHIIQIIQ16s")  # section 2.2.1.2
NEGOTIATE = 0
FROM_SERVER = 1  # of flags
RESPONSE = Struct("<HHHH16sIIIIQQHH")  # section 2.2.4, up to the security buffer
DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1", 0x02FF: "2.?"}
OFFERED = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
SIGNING = {0: "off", 1: "offered", 2: "required", 3: "required"}
NETBIOS_PORT = 139
SESSION, POSITIVE, NEGATIVE = 0x81, 0x82, 0x83  # RFC 1002 section 4.3.1
LONGEST = 0x1FFFF
COMMANDS = 19
CLIENT_GUID = b"portlore" + bytes(8)
SALT = b"portlore" * 4  # of the pre-authentication hash, which we never go on to


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def negotiate() -> bytes:
    """The request, with the one context that 3.1.1 demands (section 2.2.3.1.1)."""
    head = HEAD.pack(V2, 64, 0, 0, NEGOTIATE, 1, 0, 0, 0, 0, 0, 0, bytes(16))
    dialects = b"".join(one.to_bytes(2, "little") for one in OFFERED)
    fixed = 36 + len(dialects)
    gap = -(64 + fixed) % 8
    hashes = Struct("<HHH").pack(1, len(SALT), 1) + SALT
    context = Struct("<HHI").pack(1, len(hashes), 0) + hashes
    body = Struct("<HHHHI16sIHH").pack(36, len(OFFERED), 1, 0, 0, CLIENT_GUID, 64 + fixed + gap, 1, 0)
    return _framed(head + body + dialects + bytes(gap) + context)


REQUEST = negotiate()


def _netbios(name: bytes) -> bytes:
    """A NetBIOS name of the first level (RFC 1001 section 14.1)."""
    padded = name.ljust(16)
    return b"\x20" + b"".join(bytes((0x41 + (one >> 4), 0x41 + (one & 15))) for one in padded) + b"\0"


CALLING = _netbios(b"*SMBSERVER") + _netbios(b"PORTLORE")
SESSION_REQUEST = bytes((SESSION, 0)) + len(CALLING).to_bytes(2, "big") + CALLING


def is_whole(data: bytes) -> bool:
    """Whether the first message has come, or it is none of SMB's."""
    return len(data) >= 4 and (data[0] != 0 or len(data) >= 4 + int.from_bytes(data[1:4], "big"))


def _told(data: bytes, probe: str, sent: bytes) -> Identification | None:
    if len(data) < 8 or data[0] != 0 or not 0 < int.from_bytes(data[1:4], "big") <= LONGEST:
        return None
    message = data[4:]
    proof = evidence(probe, sent, data)
    if message[:4] == V1 and len(message) >= 32 and message[9] & 0x80:
        return Identification(NAME, facts=(("dialect", "1"),), evidence=proof)
    if message[:4] != V2 or len(message) < HEAD.size:
        return None
    _, size, _, status, command, _, flags, *_ = HEAD.unpack_from(message)
    if size != 64 or command >= COMMANDS or not flags & FROM_SERVER:
        return None
    if command != NEGOTIATE or status or len(message) < HEAD.size + RESPONSE.size:
        facts = bounded([("status", f"0x{status:08x}" if status else "")])
        return Identification(NAME, facts=facts, evidence=proof)
    told = RESPONSE.unpack_from(message, HEAD.size)
    _, security, dialect, _, guid, *_ = told
    facts_told = [
        ("dialect", DIALECTS.get(dialect, f"0x{dialect:04x}")),
        ("signing", SIGNING[security & 3]),
        (
            "server GUID",
            "-".join(part.hex() for part in (guid[3::-1], guid[5:3:-1], guid[7:5:-1], guid[8:10], guid[10:])),
        ),
    ]
    name = guid.rstrip(b"\0")
    if name.isascii() and name.decode("ascii", "replace").isprintable():  # Samba puts its NetBIOS name there
        facts_told.append(("host", name.decode("ascii", "replace")))
    return Identification(NAME, facts=bounded(facts_told), evidence=proof)


def talk(asked: Asked) -> Dialogue:
    """Negotiate; on NetBIOS' port only after its session request."""
    if asked.port == NETBIOS_PORT:
        data = yield from hear(SESSION_REQUEST, lambda heard: len(heard) >= 4)
        if data[:1] not in (bytes((POSITIVE,)), bytes((NEGATIVE,))):
            return None
        if data[0] == NEGATIVE:
            found = len(data) == 5 and data[2:4] == b"\0\x01" and data[4] in (0x80, 0x81, 0x82, 0x83, 0x8F)
            proof = evidence("smb", SESSION_REQUEST, data)
            return Identification(NAME, facts=(("NetBIOS", "refused"),), evidence=proof) if found else None
    data = yield from hear(REQUEST, is_whole)
    return _told(data, "smb", REQUEST)


def recognise_server(data: bytes) -> Identification | None:
    """A response."""
    return _told(data, "", b"")


def recognise_client(data: bytes) -> Identification | None:
    """A request of any version, framed."""
    message = data[4:]
    if len(message) < 32 or data[0] != 0 or not 0 < int.from_bytes(data[1:4], "big") <= LONGEST:
        return None
    if message[:4] == V1 and not message[9] & 0x80:
        return Identification(NAME, facts=(("dialect", "1"),), evidence=evidence("", b"", data))
    if message[:4] != V2 or len(message) < HEAD.size:
        return None
    _, size, _, _, command, _, flags, *_ = HEAD.unpack_from(message)
    if size != 64 or command >= COMMANDS or flags & FROM_SERVER:
        return None
    return Identification(NAME, evidence=evidence("", b"", data))


PROTOCOLS = (
    Protocol(NAME, "SMB", ("microsoft-ds", "netbios-ssn"), (), ("Windows file sharing (SMB)",),
             "File sharing is not for the internet: worms live on it. Let only your own networks reach it."),
)  # fmt: skip
PROBES = (Probe("smb", NAME, "tcp", talk, in_tls=False, rank=40),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
