"""FTP (RFC 959): greeting, features (RFC 2389), AUTH TLS (RFC 4217). Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, starttls, text
from portlore.probes.smtp import GREETING, LAST, WORD

FEATURES = b"FEAT\r\n"
NAMED = re.compile(rb"ftp\s?(?:d\b|server|service)|\bftp\b(?!\.)", re.IGNORECASE)  # ftp.example.com is a host's name
LOGIN = re.compile(rb"530[ -].*(?:log|USER|PASS|auth)", re.IGNORECASE)
FEATURE = re.compile(rb"\n[ \t]+([A-Z][A-Z0-9-]{1,20})([^\r\n]{0,200})", re.IGNORECASE)
CLIENT = re.compile(rb"(?:AUTH (?:TLS|SSL)|FEAT|SYST|PASV|EPSV)\r?\n", re.IGNORECASE)
PRODUCTS = tuple(
    re.compile(pattern)
    for pattern in (
        rb"\((vsFTPd) ([\w.+-]+)\)",
        rb"(ProFTPD) (?:([\w.]+) )?Server",
        rb"(Pure-FTPd)(?: ([\d.]+))?",
        rb"(FileZilla Server)(?: (?:version )?([\w.-]+))?",
        rb"(Microsoft FTP Service)(?: \(Version ([\d.]+)\))?",
        rb"(pyftpdlib) (?:based )?(\d[\w.]*)?",
        rb"([A-Z][\w-]{0,30}FTPd?)[ /]v?(\d[\w.]{0,40})",
    )
)


def talk_ftp(asked: Asked) -> Dialogue:
    """The greeting, and FEAT to those who may be meant; SMTP answers that with another error."""
    greeting = yield from hear_greeting((b"2", b"4", b"5"), LAST.search)
    if not greeting.startswith(b"220") or WORD.search(greeting):
        return recognise_server(greeting)
    answer = yield from hear(FEATURES, LAST.search)
    known = answer.startswith(b"211") or LOGIN.match(answer) is not None
    if not known and not NAMED.search(greeting):
        return None
    if answer:
        yield b"QUIT\r\n"
    features = [(one[1].decode().upper(), one[2].upper()) for one in FEATURE.finditer(answer)]
    offered = any(name == "AUTH" and (b"TLS" in rest or b"SSL" in rest) for name, rest in features)
    facts = bounded(
        [
            ("greeting", text(b" ".join(greeting[4:].split()))),
            ("starttls", starttls(offered, asked.tls) if features else ""),
            ("features", ", ".join(name for name, _ in features)[:400]),
        ]
    )
    spoken = evidence("ftp", FEATURES, answer) if answer else ()
    return Identification("ftp", *_product(greeting), facts=facts, evidence=evidence("ftp", b"", greeting) + spoken)


def recognise_server(data: bytes) -> Identification | None:
    """A greeting that says FTP, and not SMTP."""
    greeting = GREETING.match(data)
    if greeting is None or WORD.search(greeting[2]) or not NAMED.search(data[:2000]):
        return None
    confidence = Confidence.CERTAIN if greeting[1] == b"220" else Confidence.LIKELY
    facts = bounded([("greeting", text(b" ".join(data[4:].split())))])
    return Identification("ftp", *_product(data), confidence, facts, evidence("ftp", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """What only FTP's clients begin with; USER is POP3's too."""
    return Identification("ftp", evidence=evidence("ftp", b"", data)) if CLIENT.match(data) else None


def _product(greeting: bytes) -> tuple[str, str]:
    found = next((one for pattern in PRODUCTS if (one := pattern.search(greeting[:2000]))), None)
    return (text(found[1]), text(found[2] or b"")) if found else ("", "")


PROTOCOLS = (
    Protocol(
        "ftp",
        "FTP",
        ("ftp",),
        ("ftps",),
        advice="Passwords and files cross the network in the clear unless AUTH TLS is asked for; SFTP or HTTPS do not.",
    ),
)
PROBES = (Probe("ftp", "ftp", "tcp", talk_ftp, (21, 2121), banner=True, rank=4),)
RECOGNISERS = (Recogniser("ftp", "tcp", recognise_server, recognise_client),)
