"""VNC's protocol, RFB (RFC 6143): version and kinds of security. Pure.

TigerVNC counts every connection that does not log in, and turns a host away for some seconds after a few of them.
"""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import MOST_TEXT, bounded, evidence, hear, hear_greeting, text

VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n")
SECURITY = {  # RFC 6143 section 8.1.2, and IANA's registry "Remote Framebuffer Security Types"
    1: "none", 2: "VNC password", 5: "RA2", 6: "RA2ne", 16: "Tight", 17: "Ultra", 18: "TLS",
    19: "VeNCrypt", 20: "SASL", 21: "MD5 hash", 22: "xvp", 30: "Diffie-Hellman",
}  # fmt: skip
KNOWN = ((3, 3), (3, 7), (3, 8))


def talk_vnc(_asked: Asked) -> Dialogue:
    """The version, then which ways to log in there are; none is chosen."""
    greeting = yield from hear_greeting((b"RFB ",), lambda heard: len(heard) >= 12)
    found, theirs = recognise_server(greeting), VERSION.match(greeting)
    if found is None or theirs is None:
        return None
    spoken = (int(theirs[1]), int(theirs[2]))
    ours = max((one for one in KNOWN if one <= spoken), default=(3, 3))  # section 7.1.1: never higher than the server's
    sent = b"RFB %03d.%03d\n" % ours
    answer = greeting[12:] or (yield from hear(sent, lambda heard: len(heard) >= _size(heard, ours)))
    facts = found.facts + bounded([("security", _security(answer, ours))])
    return Identification("rfb", facts=facts, evidence=found.evidence + evidence("vnc", sent, answer))


def recognise_server(data: bytes) -> Identification | None:
    """The version, which both sides say in the same way."""
    version = VERSION.match(data)
    if version is None:
        return None
    facts = (("protocol", f"RFB {int(version[1])}.{int(version[2])}"),)
    return Identification("rfb", facts=facts, evidence=evidence("vnc", b"", data))


def _reason_at(answer: bytes, ours: tuple[int, int]) -> int:
    """Where the reason of a refusal begins: no kinds of security at all, or, before 3.7, that one numbered 0."""
    if ours < (3, 7):
        return 4 if answer[:4] == bytes(4) else 0
    return 1 if answer[:1] == b"\0" else 0


def _size(answer: bytes, ours: tuple[int, int]) -> int:
    """How long an answer is, as far as can be told from what has come of it (section 7.1.2)."""
    if at := _reason_at(answer, ours):
        return at + 4 + int.from_bytes(answer[at : at + 4], "big")
    return 4 if ours < (3, 7) else 1 + (answer[0] if answer else 1)


def _security(answer: bytes, ours: tuple[int, int]) -> str:
    """A list since 3.7, before that one that the server decides on; or why not."""
    if at := _reason_at(answer, ours):
        return f"refused: {text(answer[at + 4 : _size(answer, ours)])}"
    if len(answer) < _size(answer, ours):
        return ""
    kinds = answer[3:4] if ours < (3, 7) else dict.fromkeys(answer[1 : 1 + answer[0]])
    return ", ".join(SECURITY.get(kind, str(kind)) for kind in kinds)[:MOST_TEXT]


PROTOCOLS = (
    Protocol(
        "rfb",
        "VNC",
        ("rfb",),
        uses=("VNC (first display)", "VNC reverse connections"),
        advice="Screen and keyboard are in the clear behind 8 characters of password at most; tunnel it through SSH.",
    ),
)
PROBES = (Probe("vnc", "rfb", "tcp", talk_vnc, (5900, 5901, 5902), banner=True, rank=2),)
RECOGNISERS = (Recogniser("rfb", "tcp", recognise_server, recognise_server),)
