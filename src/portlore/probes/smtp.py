"""SMTP (RFC 5321): greeting, extensions, STARTTLS (RFC 3207). Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, starttls, text

HELLO = b"EHLO portlore.invalid\r\n"  # a name that is nobody's (RFC 6761 section 6.4)
GREETING = re.compile(rb"(220|[45]\d\d)[ -]([^\r\n]{0,500})")
WORD = re.compile(rb"(?<![\w.-])E?SMTP(?![\w.-])", re.IGNORECASE)  # not as a part of a host's name
LAST = re.compile(rb"(?:\A|\n)\d{3}(?: [^\r\n]*)?\r?\n\Z")  # section 4.2.1: the last line has no minus
EXTENSION = re.compile(rb"250[ -]([A-Za-z0-9][A-Za-z0-9-]{0,40})([^\r\n]{0,200})")
CLIENT = re.compile(rb"(?:EHLO|HELO|LHLO) [^\s]{1,255}[ \t]*\r?\n", re.IGNORECASE)
PRODUCTS = tuple(
    re.compile(pattern)
    for pattern in (
        rb"(Microsoft ESMTP MAIL Service).*?Version: ([\d.]+)",
        rb"(Python SMTP) (\d[\w.]*)",
        rb"(?<![\w.-])E?SMTP (?!Ready|Service|Server|MAIL|READY)([A-Z][\w-]{2,40})(?:[ /]v?(\d[\w.]{0,40}))?",
    )
)


def read_greeting(heard: bytes) -> tuple[str, str, str] | None:
    """Host, product and version of a greeting that says SMTP; ``None`` for any other."""
    greeting = GREETING.match(heard)
    if greeting is None or not WORD.search(greeting[2]):
        return None
    host = greeting[2].split(b" ")[0] if greeting[1] == b"220" else b""
    found = next((one for pattern in PRODUCTS if (one := pattern.search(greeting[2]))), None)
    return text(host), *((text(found[1]), text(found[2] or b"")) if found else ("", ""))


def talk_smtp(asked: Asked) -> Dialogue:
    """The greeting, and EHLO to those who may be meant; FTP answers that with an error."""
    greeting = yield from hear_greeting((b"2", b"4", b"5"), LAST.search)
    if not greeting.startswith(b"220"):
        return recognise_server(greeting)
    named = read_greeting(greeting)
    if named is None and b"ftp" in greeting.lower():
        return None
    answer = yield from hear(HELLO, LAST.search)
    if answer.startswith(b"250"):
        yield b"QUIT\r\n"
    extensions = [one[1].decode().upper() for one in EXTENSION.finditer(answer)][1:]  # the first line names the host
    if named is None and not answer.startswith(b"250"):
        return None
    host, product, version = named or (text(answer[4:].split(b"\r")[0].partition(b" ")[0]), "", "")
    facts = bounded(
        [
            ("host", host),
            ("greeting", text(greeting[4:].split(b"\n")[0])),
            ("starttls", starttls("STARTTLS" in extensions, asked.tls) if answer else ""),
            ("extensions", ", ".join(extensions)[:400]),
        ]
    )
    spoken = evidence("smtp", HELLO, answer) if answer else ()
    return Identification("smtp", product, version, facts=facts, evidence=evidence("smtp", b"", greeting) + spoken)


def recognise_server(data: bytes) -> Identification | None:
    """A greeting with the word; a refusal with it, as 554 or 421, is as good but for what it may quote."""
    named = read_greeting(data)
    if named is None:
        return None
    confidence = Confidence.CERTAIN if data.startswith(b"220") else Confidence.LIKELY
    facts = bounded([("host", named[0]), ("greeting", text(data[4:].split(b"\n")[0]))])
    return Identification("smtp", named[1], named[2], confidence, facts, evidence("smtp", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """EHLO, HELO or LMTP's LHLO."""
    return Identification("smtp", evidence=evidence("smtp", b"", data)) if CLIENT.match(data) else None


PROTOCOLS = (
    Protocol(
        "smtp",
        "SMTP",
        ("smtp", "submission"),
        ("submissions",),
        ("MailHog SMTP", "MailCatcher SMTP", "MailDev SMTP", "aiosmtpd", "Mail submission over TLS (submissions)"),
    ),
)
PROBES = (Probe("smtp", "smtp", "tcp", talk_smtp, (25, 587, 2525), banner=True, rank=3),)
RECOGNISERS = (Recogniser("smtp", "tcp", recognise_server, recognise_client),)
