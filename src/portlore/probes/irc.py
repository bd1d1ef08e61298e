"""IRC (RFC 1459, RFC 2812): greeting, capabilities before registration (IRCv3 CAP). Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, starttls, text

ASK = b"CAP LS 302\r\n"  # negotiation: nobody is registered by it, and the server waits with that until it ends
ANSWER = re.compile(
    rb"(?::(\S{1,255}) )?(?:CAP \S{1,64} LS |NOTICE (?:AUTH|\*|\S{1,64}) :|(?:001|020|421|451) \S{1,64} |ERROR :)"
)
LISTED = re.compile(rb"(?:\A|\n)(?::\S+ )?CAP \S+ LS (\* )?:?([^\r\n]{0,2000})")
END = re.compile(rb"(?:\A|\n)(?::\S+ )?(?:CAP \S+ LS (?!\* )[^\r\n]*|(?:421|451) [^\r\n]*|ERROR :[^\r\n]*)\r?\n")
CLIENT = re.compile(
    rb"(?:CAP LS(?: \d+)?|NICK [^\s]{1,64}|PASS [^\r\n]{1,200}\r?\n(?:CAP|NICK) [^\r\n]*"
    rb"|USER \S+ \S+ \S+ :?[^\r\n]*)\r?\n",
    re.IGNORECASE,
)


def talk_irc(asked: Asked) -> Dialogue:
    """Which capabilities there are; servers without CAP say that nobody is registered or that they do not know it."""
    answer = yield from hear(ASK, END.search)
    found = recognise_server(answer)
    if found is None:
        return None
    yield b"QUIT\r\n"
    listed = b" ".join(one[2] for one in LISTED.finditer(answer))
    names = text(listed).split()
    offered = any(name.partition("=")[0] in ("tls", "sts") for name in names)
    more = bounded(
        [("capabilities", " ".join(names)[:400]), ("starttls", starttls(True, asked.tls) if offered else "")]
    )
    return Identification("irc", facts=found.facts + more, evidence=evidence("irc", ASK, answer))


def talk_greeting(_asked: Asked) -> Dialogue:
    """Servers that look up a name say so at once."""
    return recognise_server((yield b""))


def recognise_server(data: bytes) -> Identification | None:
    """A message of the kinds that come before anybody is registered."""
    named = ANSWER.match(data)
    if named is None:
        return None
    facts = bounded([("server", text(named[1] or b""))])
    return Identification("irc", facts=facts, evidence=evidence("irc", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """The beginning of a registration."""
    return Identification("irc", evidence=evidence("irc", b"", data)) if CLIENT.match(data) else None


PROTOCOLS = (Protocol("irc", "IRC", ("irc", "ircu"), ("ircs-u",), ("IRC servers", "IRC over TLS", "I2P IRC proxy")),)
PROBES = (
    Probe("irc-greeting", "irc", "tcp", talk_greeting, (6667,), banner=True, rank=8),
    Probe("irc", "irc", "tcp", talk_irc, (6667, 6697), rank=30),
)
RECOGNISERS = (Recogniser("irc", "tcp", recognise_server, recognise_client),)
