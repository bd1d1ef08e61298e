"""Nobody takes another's bytes: every vector of every protocol against every recogniser and every dialogue."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.vectors import Conversation, hold, read_vectors, replay

from portlore.observed import Confidence
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS
from portlore.probes.dialogue import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.observed import Identification

VECTORS = read_vectors()
FAMILIES = (  # a general name for what is one of them is no mistake
    {"http", "ipp"},
    {"domain", "mdns"},
    {"oncrpc", "sunrpc", "nfs", "mountd", "netinfo", "nibind"},
)
BY_NAME = {probe.name: probe for probe in PROBES}
SIDES = ("server", "client")


def related(protocol: str) -> set[str]:
    """A protocol, and what it is spoken over: an answer of etcd is one of HTTP too."""
    over = PROTOCOLS[protocol].over if protocol in PROTOCOLS else ""
    return ({protocol, over} - {""}).union(*(family for family in FAMILIES if protocol in family))


def taken(one: Conversation, found: Identification | None) -> bool:
    """Whether it was taken for what it is not; ``expect nothing`` of a probe is about that one's protocol alone."""
    if one.protocol == "" and one.probe:
        return found is not None and found.protocol == BY_NAME[one.probe].protocol
    return found is not None and found.protocol not in related(one.protocol)


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_no_recogniser_takes_anothers_first_bytes(one: Conversation) -> None:
    for side in SIDES:
        for said in one.said_by(side)[:1]:
            for row in RECOGNISERS:
                read = row.server if side == "server" else row.client
                if row.transport == one.transport and read is not None:
                    assert not taken(one, read(said)), f"{row.protocol} takes {one.name}'s {side}"


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_no_recogniser_takes_anothers_whole_side(one: Conversation) -> None:
    if one.transport == "udp":
        return
    for side in SIDES:
        said = b"".join(one.said_by(side))
        for row in RECOGNISERS:
            read = row.server if side == "server" else row.client
            if row.transport == one.transport and read is not None and said:
                assert not taken(one, read(said)), f"{row.protocol} takes {one.name}'s {side}"


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_no_dialogue_takes_anothers_answers(one: Conversation) -> None:
    answers = one.said_by("server")
    for probe in PROBES:
        if probe.transport == one.transport and answers:
            assert not taken(one, hold(probe, answers)), f"{probe.name} takes {one.name}"


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_who_listens_first_sends_nothing_to_those_who_are_surely_others(one: Conversation) -> None:
    answers = one.said_by("server")
    known = {row.protocol for row in RECOGNISERS if row.server and answers and is_sure(row.server(answers[0]))}
    if one.transport == "udp" or one.turns[0][0] != "server" or one.protocol not in known:
        return
    for probe in PROBES:
        if probe.banner and probe.transport == "tcp" and probe.protocol not in related(one.protocol):
            _, sent = replay(probe.dialogue(Asked("test.example", 4)), answers)
            assert set(sent) == {b""}, f"{probe.name} answers {one.name}"


def is_sure(found: Identification | None) -> bool:
    return found is not None and found.confidence is Confidence.CERTAIN
