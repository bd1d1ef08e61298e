"""Noise and faulty vectors against every dialogue and recogniser: nothing raises, all ends, all is bounded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.vectors import read_vectors

from portlore.observed import MOST_EVIDENCE, Identification
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS
from portlore.probes.dialogue import MOST_BYTES, MOST_STEPS, Asked, Probe

VECTORS = read_vectors()
SAID = sorted({said for one in VECTORS for _, said in one.turns})
HEARD = sorted({tuple(one.said_by("server")) for one in VECTORS if one.said_by("server")})
LONGEST = 2000  # characters of a name or a value that is kept
MOST_FACTS = 60


def faulty(said: bytes, at: int, how: int, put: bytes) -> bytes:
    """Cut off, overwritten, lengthened or doubled at a place."""
    at %= len(said) + 1
    return (said[:at], said[:at] + put + said[at + len(put) :], said[:at] + put + said[at:], said[at:] + said)[how]


faults = st.tuples(st.integers(0, 4000), st.integers(0, 3), st.binary(max_size=6))
pieces = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(SAID),
    st.builds(lambda said, fault: faulty(said, *fault), st.sampled_from(SAID), faults),
)
conversations = st.one_of(
    st.lists(pieces.filter(bool), max_size=6),
    st.builds(
        lambda heard, which, fault: [*heard[: which % len(heard)], faulty(heard[which % len(heard)], *fault) or b"\0"],
        st.sampled_from(HEARD),
        st.integers(0, 9),
        faults,
    ),
)


def check(found: Identification | None) -> None:
    """An identification is of the table and bounded, whoever wrote what it was made from."""
    if found is None:
        return
    assert found.protocol in PROTOCOLS
    assert len(found.product) + len(found.version) <= LONGEST
    assert len(found.facts) <= MOST_FACTS
    assert all(name != "" and len(name) + len(value) <= LONGEST for name, value in found.facts)
    for evidence in found.evidence:
        assert max(len(evidence.sent), len(evidence.received)) <= MOST_EVIDENCE


def drive(probe: Probe, answers: list[bytes]) -> None:
    """As a driver does: answers, then silence, for as many steps as there may be, and the end."""
    dialogue = probe.dialogue(Asked("test.example", 703, probe.transport))
    rest = list(answers)
    sent = 0
    try:
        sent += len(next(dialogue))
        for _ in range(4 * MOST_STEPS):
            sent += len(dialogue.send(rest.pop(0) if rest else b""))
    except StopIteration as end:
        check(end.value)
        assert sent < MOST_BYTES
    else:
        pytest.fail(f"{probe.name} never ends")


@pytest.mark.parametrize("probe", PROBES, ids=lambda one: one.name)
@settings(max_examples=60)  # of each of some sixty dialogues
@given(answers=conversations)
def test_noise_never_breaks_a_dialogue(probe: Probe, answers: list[bytes]) -> None:
    drive(probe, answers)


@given(said=pieces)
def test_noise_never_breaks_a_recogniser(said: bytes) -> None:
    for row in RECOGNISERS:
        for read in (row.server, row.client):
            if read is not None:
                check(read(said))


MUCH = (
    b"\0", b"\xff", b"A", b"\r\n", b"250-X\r\n", b"* ID (", b"\n ", b'"', b"CAP ", b"STAT a b\r\n", b"\xff\xfa", b"[",
    b"{", b"0 ", b"\xff\xfd\x18", b"\x80", b"<title>", b":a ", b"-1\r\n",
)  # fmt: skip


@pytest.mark.parametrize("probe", PROBES, ids=lambda one: one.name)
def test_as_much_as_there_may_be_never_breaks_a_dialogue(probe: Probe) -> None:
    starts = [b"", *[heard[0][:12] for heard in HEARD][::3]]
    for fill in MUCH:
        for start in starts if fill in MUCH[:4] else starts[:1]:
            drive(probe, [start + fill * (MOST_BYTES // 4 // len(fill))] * 4)


def test_random_letters_are_no_protocol_of_which_one_can_be_sure() -> None:
    from random import Random

    random = Random(703)  # the same noise every time
    for _ in range(3000):
        said = random.randbytes(random.randrange(1, 120))
        for row in RECOGNISERS:
            for read in (row.server, row.client) if row.transport == "tcp" else ():
                assert read is None or read(said) is None, (row.protocol, said)
