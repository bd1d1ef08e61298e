"""SSH (RFC 4253): the identification string, which both sides send at once. Pure."""

from __future__ import annotations

import re

from portlore.observed import MOST_EVIDENCE, Confidence, Evidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser

MOST_LINES = 50  # lines that a server may send before it (RFC 4253 section 4.2)
STRING = re.compile(rb"SSH-(\d\.\d{1,2})-([\x21-\x7e]{1,200})(?: ([^\r\n\0]{0,200}))?\r?(?:\n|$)")
# "OpenSSH_9.2p1", "dropbear_2022.83", "Cisco-1.25", "libssh-0.10.6": a name, a separator, a version
SOFTWARE = re.compile(r"([A-Za-z][A-Za-z0-9.+ -]*?)[_-]v?(\d[\w.+-]*)")


def read_string(data: bytes) -> Identification | None:
    """What an identification string tells; lines before it are skipped."""
    for line in data.split(b"\n", MOST_LINES)[:MOST_LINES]:
        found = STRING.match(line) if line.startswith(b"SSH-") else None
        if found is not None:
            version, software, comment = (part.decode("latin-1") if part else "" for part in found.groups())
            named = SOFTWARE.fullmatch(software)
            facts = [("software", software), ("protocol", version)] + ([("comment", comment)] if comment else [])
            product, number = (named[1], named[2]) if named else (software, "")
            evidence = (Evidence("ssh", b"", data[:MOST_EVIDENCE]),)
            return Identification("ssh", product, number, Confidence.CERTAIN, tuple(facts), evidence)
    return None


def talk_ssh(_: Asked) -> Dialogue:
    """Hear lines until the identification string."""
    heard = more = yield b""
    while more and heard.count(b"\n") < MOST_LINES:
        found = read_string(heard)
        if found is not None and b"\n" in heard[heard.find(b"SSH-") :]:
            return found
        more = yield b""
        heard += more
    return read_string(heard)


def recognise(data: bytes) -> Identification | None:
    """The identification string as the first bytes of either side."""
    return read_string(data) if data.startswith(b"SSH-") else None


PROTOCOLS = (Protocol("ssh", "SSH", ("ssh",)),)
PROBES = (Probe("ssh", "ssh", "tcp", talk_ssh, ports=(2222, 22222), banner=True, rank=5),)
RECOGNISERS = (Recogniser("ssh", "tcp", recognise, recognise),)
