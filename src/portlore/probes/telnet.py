"""Telnet (RFC 854): options offered and asked for, and the text before a login. Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, starttls, text

IAC, SB, SE = 255, 250, 240
WILL, WILL_NOT, DO, DO_NOT = 251, 252, 253, 254
OPTIONS = {
    0: "binary", 1: "echo", 3: "suppress go ahead", 5: "status", 6: "timing mark", 24: "terminal type",
    31: "window size", 32: "terminal speed", 33: "flow control", 34: "linemode", 35: "X display", 36: "old environment",
    37: "authentication", 38: "encryption", 39: "environment", 42: "charset", 44: "com port", 46: "start TLS",
}  # fmt: skip
LOGIN = re.compile(rb"(?:login|user ?name|password): ?\Z", re.IGNORECASE)
MOST_ROUNDS = 6


def read_options(heard: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """The (verb, option) pairs, and the text between commands."""
    pairs, words, at = list[tuple[int, int]](), bytearray(), 0
    while at < len(heard):
        if heard[at] != IAC:
            end = heard.find(IAC, at)
            end = len(heard) if end < 0 else end
            words += heard[at:end]
            at = end
        elif at + 2 < len(heard) and WILL <= heard[at + 1] <= DO_NOT:
            pairs.append((heard[at + 1], heard[at + 2]))
            at += 3
        elif heard[at + 1 : at + 2] == bytes((SB,)):
            end = heard.find(bytes((IAC, SE)), at)
            at = len(heard) if end < 0 else end + 2
        else:
            words += heard[at + 1 : at + 2] if heard[at + 1 : at + 2] == b"\xff" else b""
            at += 2
    return pairs, bytes(words)


def refuse(pairs: list[tuple[int, int]]) -> bytes:
    """No to everything, once for each option (RFC 1143 section 3)."""
    no = {WILL: DO_NOT, DO: WILL_NOT}
    return b"".join(bytes((IAC, no[verb], option)) for verb, option in dict.fromkeys(pairs) if verb in no)


def talk_telnet(asked: Asked) -> Dialogue:
    """Refuse every option, and read what stands before the login."""
    heard = more = yield b""
    found = recognise_server(heard)
    if found is None:
        return None
    refused = b""
    for _ in range(MOST_ROUNDS):
        if not more or LOGIN.search(read_options(heard)[1].rstrip(b"\0")):
            break
        more = yield refuse(read_options(more)[0])
        refused = refused or refuse(read_options(heard)[0])
        heard += more
    pairs, words = read_options(heard)
    facts = bounded(
        [
            ("options", ", ".join(dict.fromkeys(OPTIONS.get(option, str(option)) for _, option in pairs))),
            ("starttls", starttls((DO, 46) in pairs, asked.tls) if (DO, 46) in pairs else ""),
            ("text", text(b" ".join(words.replace(b"\0", b"").split()))),
        ]
    )
    return Identification(
        "telnet", confidence=found.confidence, facts=facts, evidence=evidence("telnet", refused, heard)
    )


def recognise_server(data: bytes) -> Identification | None:
    """Options to begin with; or a question for a name, which others than Telnet ask too."""
    begun = re.match(rb"(?:\xff[\xfb-\xfe][\x00-\x31\x46\x56\x5a\xc8\xc9\xff])+", data)
    confidence = Confidence.CERTAIN
    if begun is None:
        if len(data) > 2000 or not LOGIN.search(data):
            return None
        confidence = Confidence.GUESS
    return Identification("telnet", confidence=confidence, evidence=evidence("telnet", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """Options to begin with."""
    found = recognise_server(data)
    return found if found and found.confidence is Confidence.CERTAIN else None


PROTOCOLS = (
    Protocol(
        "telnet",
        "Telnet",
        ("telnet",),
        ("telnets",),
        ("VLC telnet interface",),
        "Names and passwords cross the network in the clear; SSH does the same and hides them.",
    ),
)
PROBES = (Probe("telnet", "telnet", "tcp", talk_telnet, (23, 2323), banner=True, rank=6),)
RECOGNISERS = (Recogniser("telnet", "tcp", recognise_server, recognise_client),)
