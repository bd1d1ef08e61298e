"""IMAP (RFC 3501, RFC 9051): greeting, capabilities, ID (RFC 2971). Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, line_ended, starttls, text

GREETING = re.compile(rb"\* (?:OK|PREAUTH|BYE)[ \r\n]")
CAPABILITIES = re.compile(rb"(?:\* |\[)CAPABILITY ([^\]\r\n]{0,2000})", re.IGNORECASE)
ID = re.compile(rb"\* ID \(([^\r\n]{0,2000})\)", re.IGNORECASE)
STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
CLIENT = re.compile(
    rb"[A-Za-z0-9._-]{1,20} (?:CAPABILITY|STARTTLS|LOGOUT|ID (?:NIL|\()[^\r\n]*|(?:LOGIN|AUTHENTICATE) [^\r\n]+)\r?\n",
    re.IGNORECASE,
)
PRODUCTS = (
    (re.compile(rb"Dovecot"), "Dovecot"),
    (re.compile(rb"Courier-IMAP"), "Courier-IMAP"),
    (re.compile(rb"Cyrus IMAP v?(\d[\w.]*)"), "Cyrus IMAP"),
    (re.compile(rb"The Microsoft Exchange IMAP4 service"), "Microsoft Exchange"),
    (re.compile(rb"Gimap"), "Gimap"),
)


def talk_imap(asked: Asked) -> Dialogue:
    """The greeting, its capabilities, and what the server calls itself; all of it is open before a login."""
    greeting = yield from hear_greeting((b"* ",), line_ended)
    found = recognise_server(greeting)
    if found is None or greeting.startswith(b"* BYE"):
        return found
    sent, answer = b"", CAPABILITIES.search(greeting)
    heard = b""
    if answer is None:
        sent = b"a1 CAPABILITY\r\n"
        heard = yield from hear(sent, _tagged(b"a1").search)
        answer = CAPABILITIES.search(heard)
    capabilities = text(answer[1]).upper().split() if answer else []
    product, version = found.product, found.version
    if "ID" in capabilities:
        pairs = ID.search((yield from hear(b"a2 ID NIL\r\n", _tagged(b"a2").search))[:8192])
        words = [text(word) for word in STRING.findall(pairs[1])] if pairs else []
        said = {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=False)}
        product, version = said.get("name", product) or product, said.get("version", version) or version
    yield b"a3 LOGOUT\r\n"
    facts = bounded(
        [
            *found.facts,
            ("starttls", starttls("STARTTLS" in capabilities, asked.tls) if capabilities else ""),
            ("capabilities", " ".join(capabilities)[:400]),
        ]
    )
    spoken = evidence("imap", sent, heard) if heard else ()
    return Identification("imap", product, version, facts=facts, evidence=found.evidence + spoken)


def recognise_server(data: bytes) -> Identification | None:
    """A greeting: an untagged OK, PREAUTH or BYE."""
    if not GREETING.match(data):
        return None
    line = data.split(b"\n")[0][:1000]
    product, version = "", ""
    for pattern, name in PRODUCTS:
        if named := pattern.search(line):
            product, version = name, text(named[1]) if pattern.groups else ""
            break
    facts = bounded([("greeting", text(b" ".join(re.sub(rb"\[[^\]]*\]", b"", line[2:]).split())))])
    return Identification("imap", product, version, facts=facts, evidence=evidence("imap", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """A tag and a command that comes before a login."""
    return Identification("imap", evidence=evidence("imap", b"", data)) if CLIENT.match(data) else None


def _tagged(tag: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:\A|\n)" + tag + rb" [^\r\n]*\r?\n")


PROTOCOLS = (Protocol("imap", "IMAP", ("imap",), ("imaps",)),)
PROBES = (Probe("imap", "imap", "tcp", talk_imap, (143,), banner=True, rank=5),)
RECOGNISERS = (Recogniser("imap", "tcp", recognise_server, recognise_client),)
