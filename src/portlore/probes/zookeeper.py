"""Apache ZooKeeper: its four letter words (ZooKeeper Administrator's Guide) and a session's first records. Pure."""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text

SRVR = b"srvr"  # on the whitelist as shipped, unlike ruok and stat (3.5.3 and later)
VERSION = re.compile(rb"(?:Zookeeper version: |Environment:\nzookeeper\.version=|zk_version\t)v?(\d[\w.]{0,30})")
MODE = re.compile(rb"\nMode: (\w{1,20})\n")
REFUSED = re.compile(rb"(\w{4}) is not executed because it is not (?:on|in) the whitelist")
IDLE = b"This ZooKeeper instance is not currently serving requests"
WORDS = (b"conf", b"cons", b"crst", b"dump", b"envi", b"ruok", b"srst", b"srvr", b"stat", b"wchs", b"mntr", b"isro")
CONNECT, CONNECTED = (44, 45), (36, 37)  # sizes of ConnectRequest and ConnectResponse, the longer ones since 3.4


def talk_zookeeper(_asked: Asked) -> Dialogue:
    """srvr: version and mode, or that it is not on the whitelist."""
    answer = yield from hear(SRVR, re.compile(rb"\nNode count: \d+\n|whitelist[^\n]*\n|serving requests\n").search)
    found = recognise_server(answer)
    if found is None:
        return None
    seen = evidence("zookeeper", SRVR, answer)
    return Identification("zookeeper", found.product, found.version, found.confidence, found.facts, seen)


def recognise_server(data: bytes) -> Identification | None:
    """The answer to a four letter word, or to a session's beginning."""
    seen, product = evidence("zookeeper", b"", data), "Apache ZooKeeper"
    if version := VERSION.match(data):
        mode = MODE.search(data[:4096])
        facts = bounded([("mode", text(mode[1]) if mode else "")])
        return Identification("zookeeper", product, text(version[1]), facts=facts, evidence=seen)
    if REFUSED.match(data):
        return Identification("zookeeper", product, facts=(("refused", text(data.split(b"\n")[0])),), evidence=seen)
    if data.startswith(IDLE):
        return Identification("zookeeper", product, facts=(("mode", "not serving"),), evidence=seen)
    if data == b"imok":
        return Identification("zookeeper", confidence=Confidence.LIKELY, evidence=seen)
    # ConnectResponse: size, protocol 0, time-out, session, size of the password, password
    size = int.from_bytes(data[:4], "big")
    if len(data) == size + 4 and size in CONNECTED and data[4:8] == bytes(4) and data[20:24] == b"\0\0\0\x10":
        return Identification("zookeeper", evidence=seen)
    return None


def recognise_client(data: bytes) -> Identification | None:
    """A four letter word, or the beginning of a session."""
    seen = evidence("zookeeper", b"", data)
    if data.rstrip(b"\r\n") in WORDS:
        return Identification("zookeeper", confidence=Confidence.LIKELY, evidence=seen)
    # ConnectRequest: size, protocol 0, last transaction, time-out, session, size of the password, password
    size = int.from_bytes(data[:4], "big")
    if len(data) >= size + 4 and size in CONNECT and data[4:8] == bytes(4) and data[28:32] == b"\0\0\0\x10":
        return Identification("zookeeper", evidence=seen)
    return None


PROTOCOLS = (
    Protocol(
        "zookeeper",
        "ZooKeeper",
        (),
        uses=("Apache ZooKeeper (clients)",),
        advice="As shipped everybody who reaches it may read and write all nodes: bind it to where its members are.",
    ),
)
PROBES = (Probe("zookeeper", "zookeeper", "tcp", talk_zookeeper, (2181,), rank=24),)
RECOGNISERS = (Recogniser("zookeeper", "tcp", recognise_server, recognise_client),)
