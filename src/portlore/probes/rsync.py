"""The rsync daemon's protocol (rsyncd, as its csprotocol.txt has it): version, digests, list of modules. Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, hear_greeting, line_ended, text

GREETING = re.compile(rb"@RSYNCD: (\d{1,3}(?:\.\d{1,3})?)(?: ([^\r\n]{0,200}))?\r?\n")
LIST = b"@RSYNCD: 30.0\n#list\n"  # 30: the last version that need not say which digests it has
END = re.compile(rb"(?:\A|\n)@(?:RSYNCD: EXIT|ERROR)[^\n]*\n")
MOST_MODULES = 20


def talk_rsync(_asked: Asked) -> Dialogue:
    """The greeting, and the list of modules that is meant for everybody."""
    greeting = yield from hear_greeting((b"@RSYNCD: ",), line_ended)
    found = recognise_server(greeting)
    if found is None:
        return None
    answer = yield from hear(LIST, END.search)
    lines = [line for line in answer.splitlines() if line and not line.startswith(b"@")]
    names = [text(line.split(b"\t")[0]) for line in lines if b"\t" in line][:MOST_MODULES]  # others are of the motd
    facts = found.facts + bounded([("modules", ", ".join(names)[:400])])
    return Identification("rsync", "rsync", facts=facts, evidence=found.evidence + evidence("rsync", LIST, answer))


def recognise_server(data: bytes) -> Identification | None:
    """The greeting, which both sides say in the same way."""
    greeting = GREETING.match(data)
    if greeting is None:
        return None
    facts = bounded([("protocol", text(greeting[1])), ("digests", text(greeting[2] or b""))])
    return Identification("rsync", "rsync", facts=facts, evidence=evidence("rsync", b"", data))


PROTOCOLS = (
    Protocol(
        "rsync",
        "rsync daemon",
        ("rsync",),
        uses=("rsync daemon",),
        advice="Unless a module names users and hosts, it is everybody's, and in the clear; rsync over SSH is neither.",
    ),
)
PROBES = (Probe("rsync", "rsync", "tcp", talk_rsync, (873,), banner=True, rank=2),)
RECOGNISERS = (Recogniser("rsync", "tcp", recognise_server, recognise_server),)
