"""POP3 (RFC 1939): greeting and capabilities (RFC 2449), STLS (RFC 2595). Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, line_ended, starttls, text

CAPABILITIES = b"CAPA\r\n"
GREETING = re.compile(rb"\+OK [^\r\n]+")  # a bare +OK is Redis's too
NAMED = re.compile(rb"\bPOP-?3?\b|<[^<>@\s]+@[^<>@\s]+>", re.IGNORECASE)  # the latter is APOP's timestamp
ALL = re.compile(rb"\n\.\r?\n\Z|\A-ERR[^\r\n]*\r?\n")
CLIENT = re.compile(rb"(?:CAPA|STLS|APOP \S+ [0-9a-f]{32})\r?\n", re.IGNORECASE)
PRODUCTS = re.compile(
    rb"(Dovecot|Courier|Cyrus POP3|Qpopper|Microsoft Exchange|Gpop|Popa3d)(?: (?:v|version )?(\d[\w.]*))?"
)


def talk_pop3(asked: Asked) -> Dialogue:
    """The greeting and the capabilities."""
    greeting = yield from hear_greeting((b"+OK",), line_ended)
    if not greeting.startswith(b"+OK"):
        return None
    answer = yield from hear(CAPABILITIES, ALL.search)
    if answer:
        yield b"QUIT\r\n"
    if not answer.startswith((b"+OK", b"-ERR")):
        return recognise_server(greeting)
    words = [line.split() for line in answer.splitlines()[1:] if line.strip() and line != b"."]
    names = [text(line[0]).upper() for line in words]
    product, version = _product(greeting)
    for line in words:
        if line[0].upper() == b"IMPLEMENTATION" and len(line) > 1:
            product, version = (product, version) if product else (text(b" ".join(line[1:])), "")
    facts = bounded(
        [
            ("greeting", text(greeting[4:].split(b"\n")[0])),
            ("starttls", starttls("STLS" in names, asked.tls) if names else ""),
            ("capabilities", " ".join(names)[:400]),
        ]
    )
    seen = evidence("pop3", b"", greeting) + evidence("pop3", CAPABILITIES, answer)
    return Identification("pop3", product, version, facts=facts, evidence=seen)


def recognise_server(data: bytes) -> Identification | None:
    """A greeting: certain when it says so or carries a timestamp for APOP."""
    if not GREETING.match(data):
        return None
    line = data.split(b"\n")[0][:1000]
    confidence = Confidence.CERTAIN if NAMED.search(line) else Confidence.LIKELY
    facts = bounded([("greeting", text(line[4:]))])
    return Identification("pop3", *_product(line), confidence, facts, evidence("pop3", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """What only POP3's clients begin with; USER is FTP's too."""
    return Identification("pop3", evidence=evidence("pop3", b"", data)) if CLIENT.match(data) else None


def _product(greeting: bytes) -> tuple[str, str]:
    found = PRODUCTS.search(greeting[:1000])
    return (text(found[1]), text(found[2] or b"")) if found else ("", "")


PROTOCOLS = (Protocol("pop3", "POP3", ("pop3",), ("pop3s",)),)
PROBES = (Probe("pop3", "pop3", "tcp", talk_pop3, (110,), banner=True, rank=5),)
RECOGNISERS = (Recogniser("pop3", "tcp", recognise_server, recognise_client),)
