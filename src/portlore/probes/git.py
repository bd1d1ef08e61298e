"""Git's own protocol (gitprotocol-pack(5)): a repository that is not there is asked for, and refused. Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text, uri_host

NAME = "git"
PATH = "/portlore-asks-for-nothing"
REQUEST = re.compile(rb"[0-9a-f]{4}git-(upload-pack|receive-pack|upload-archive) /?[^\0]{1,2000}\0")
ADVERTISED = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64}) [^\0\n]{1,500}\0")
VERSION_LINE = re.compile(rb"version [12]\n?\Z")
AGENT = re.compile(rb"agent=([^\s/]{1,40})/([^\s]{1,60})")
LONGEST = 65_520  # of a pkt-line (gitprotocol-common(5))


def _line(data: bytes, *, cut: bool = False) -> bytes | None:
    """The content of the first pkt-line; with ``cut`` as much of it as is here."""
    head = data[:4]
    if len(data) < 5 or re.fullmatch(rb"[0-9a-f]{4}", head) is None:
        return None
    size = int(head, 16)
    return data[4:size] if 5 <= size <= LONGEST and (cut or size <= len(data)) else None


def request(asked: Asked) -> bytes:
    """The request for a repository of a name that nobody gives."""
    line = f"git-upload-pack {PATH}\0host={uri_host(asked.host)}\0".encode()
    return b"%04x" % (4 + len(line)) + line


def _told(data: bytes, probe: str, sent: bytes) -> Identification | None:
    line = _line(data, cut=not sent)
    if line is None:
        return None
    proof = evidence(probe, sent, data)
    if line.startswith(b"ERR "):
        return Identification(NAME, facts=bounded([("answer", text(line[4:]))]), evidence=proof)
    if ADVERTISED.match(line) or VERSION_LINE.match(line):
        agent = AGENT.search(data)
        product, version = (text(agent[1]), text(agent[2])) if agent else ("", "")
        return Identification(NAME, product, version, evidence=proof)
    return None


def talk(asked: Asked) -> Dialogue:
    """Be refused a repository."""
    sent = request(asked)
    data = yield from hear(sent, lambda heard: _line(heard) is not None)
    return _told(data, "git", sent)


def recognise_server(data: bytes) -> Identification | None:
    """A refusal, or the references of a repository."""
    return _told(data, "", b"")


def recognise_client(data: bytes) -> Identification | None:
    """A request."""
    found = REQUEST.match(data)
    if found is None:
        return None
    return Identification(NAME, facts=(("asks for", text(found[1])),), evidence=evidence("", b"", data))


PROTOCOLS = (
    Protocol(NAME, "Git", ("git",), (), ("git daemon",),
             "It knows no users: everybody may read what is exported, and write where receive-pack is switched on."),
)  # fmt: skip
PROBES = (Probe("git", NAME, "tcp", talk, rank=70),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
