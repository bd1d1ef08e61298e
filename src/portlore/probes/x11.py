"""X11 (X Window System Protocol, "Connection Setup"): refused or not, the answer tells the protocol. Pure."""

from __future__ import annotations

from struct import Struct

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

NAME = "x11"
SETUP = Struct("<BxHHHHxx")  # byte order, version, lengths of the authorization's name and data
LITTLE, BIG = 0x6C, 0x42  # "l" and "B"
MAJOR = 11
XORG = "The X.Org Foundation"
FAILED, SUCCESS, AUTHENTICATE = 0, 1, 2
REQUEST = SETUP.pack(LITTLE, MAJOR, 0, 0, 0)  # without authorization
ANSWER = {LITTLE: Struct("<BBHHH"), BIG: Struct(">BBHHH")}
OPENED = {LITTLE: Struct("<IIIIHH"), BIG: Struct(">IIIIHH")}  # release, id base and mask, motion, vendor's length …


def is_whole(data: bytes) -> bool:
    """Whether the answer has come as its length says, or is none."""
    return len(data) >= 8 and (data[0] > AUTHENTICATE or len(data) >= 8 + 4 * ANSWER[LITTLE].unpack_from(data)[4])


def _told(data: bytes, probe: str, sent: bytes, order: int) -> Identification | None:
    if len(data) < 8:
        return None
    status, size, major, minor, words = ANSWER[order].unpack_from(data)
    rest = data[8:]
    if status == AUTHENTICATE:  # here there is no version, only a reason
        if not 1 <= words <= 64 or len(rest) < 4 * words or not text(rest).isprintable() or not text(rest):
            return None
        facts = [("access", "wants more authentication"), ("reason", text(rest))]
    elif major != MAJOR or minor > 16 or status > AUTHENTICATE:
        return None
    elif status == FAILED:
        if not size <= 4 * words <= size + 3 or len(rest) < 4 * words:
            return None
        facts = [("version", f"{major}.{minor}"), ("access", "refused"), ("reason", text(rest[:size]))]
    else:
        if words < 8 or len(rest) < 32 or size:
            return None
        release, _, _, _, vendor, _ = OPENED[order].unpack_from(rest)
        if vendor > 1000 or 32 + vendor > 4 * words:
            return None
        facts = [("version", f"{major}.{minor}"), ("access", "let in without asking"),
                 ("vendor", text(rest[32 : 32 + vendor])), ("release", str(release))]  # fmt: skip
    vendor_name, number = dict(facts).get("vendor", ""), dict(facts).get("release", "")
    version = _version(number) if vendor_name == XORG else number
    return Identification(NAME, vendor_name, version, facts=bounded(facts), evidence=evidence(probe, sent, data))


def _version(release: str) -> str:
    """The release number of X.Org's servers as the version that they print: 12101007 is 1.21.1.7."""
    number = int(release)
    parts = [number // 10_000_000, number // 100_000 % 100, number // 1000 % 100, number % 1000]
    return ".".join(map(str, parts[:3] if not parts[3] else parts))


def talk(asked: Asked) -> Dialogue:
    """Ask to be let in without authorization, and go."""
    data = yield from hear(REQUEST, is_whole)
    return _told(data, "x11", REQUEST, LITTLE)


def recognise_server(data: bytes) -> Identification | None:
    """An answer, in either byte order."""
    return _told(data, "", b"", LITTLE) or _told(data, "", b"", BIG)


def recognise_client(data: bytes) -> Identification | None:
    """A setup request; the authorization in it is not kept."""
    if len(data) < 12 or data[0] not in (LITTLE, BIG):
        return None
    order = "<4H" if data[0] == LITTLE else ">4H"
    major, minor, name, secret = Struct(order).unpack_from(data, 2)
    if major != MAJOR or minor > 16 or len(data) < 12 + (name + 3 & ~3) + (secret + 3 & ~3):
        return None
    return Identification(NAME, facts=(("version", f"{major}.{minor}"),), evidence=evidence("", b"", data[:12]))


PROTOCOLS = (
    Protocol(NAME, "X11", ("x11",), (), ("X11 displays",),
             "Who is let in sees the screen and types in its windows: switch listening off and go through SSH."),
)  # fmt: skip
PROBES = (Probe("x11", NAME, "tcp", talk, in_tls=False, rank=80),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
