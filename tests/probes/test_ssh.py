"""SSH: its identification string, from real servers and from hostile ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.vectors import Conversation, hold, read_vectors, replay

from portlore.probes import ssh

VECTORS = read_vectors("ssh")


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_what_a_server_said_is_understood(one: Conversation) -> None:
    found = hold(ssh.PROBES[0], one.said_by("server"))
    if one.protocol:
        one.check(found)
        assert found is not None
        assert found.evidence[0].received == b"".join(one.said_by("server"))[:256]
    else:
        assert found is None


def test_nothing_is_said_to_the_server() -> None:
    _, sent = replay(ssh.PROBES[0].dialogue(None), [b"SSH-2.0-x\r\n"])  # type: ignore[arg-type]
    assert set(sent) == {b""}


def test_both_sides_of_a_packet_capture_are_recognised() -> None:
    for side in (ssh.RECOGNISERS[0].server, ssh.RECOGNISERS[0].client):
        assert side is not None
        found = side(b"SSH-2.0-OpenSSH_9.2p1\r\n\0\0\4\x1c")
        assert found is not None
        assert found.version == "9.2p1"
        assert side(b"x SSH-2.0-OpenSSH_9.2p1\r\n") is None


@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"SSH-2.0-", b"\r\n", b"\0" * 40, b"9" * 400]), max_size=20))
def test_noise_is_none_or_bounded(pieces: list[bytes]) -> None:
    found = hold(ssh.PROBES[0], pieces)
    if found is not None:
        assert len(found.product) + len(found.version) <= 200
        assert len(found.evidence[0].received) <= 256
