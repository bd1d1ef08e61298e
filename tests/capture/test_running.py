"""A capture that is stopped: Ctrl-C at any moment leaves whole batches counted, and nothing half counted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import talk
from capture.test_conversations import batch

from portlore.capture.conversations import Conversations
from portlore.capture.decoding import Batch
from portlore.capture.running import run

MANY = batch([frame for port in range(1, 200) for frame in talk(port, b"a", b"b")])


class Interrupting(Conversations):
    """Is interrupted in the middle of its second batch."""

    batches = 0

    def _rows(self, *given: object) -> object:  # type: ignore[override]
        self.batches += 1
        if self.batches == 2:
            signal.raise_signal(signal.SIGINT)
        return super()._rows(*given)  # type: ignore[arg-type]


def test_a_batch_that_was_begun_is_counted_whole() -> None:
    before = signal.getsignal(signal.SIGINT)
    into = Interrupting()
    assert run([MANY, MANY, MANY], into) == "interrupted"
    found = into.gather(lambda transport, port: False)
    assert {one.packets for one in found} == {(4, 4)}
    assert into.packets == 2 * len(MANY.at)
    assert signal.getsignal(signal.SIGINT) is before


def test_waiting_for_packets_ends_at_once() -> None:
    def coming() -> Iterator[Batch]:
        yield MANY
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was not stopped")

    into = Conversations()
    assert run(coming(), into) == "interrupted"
    assert into.packets == len(MANY.at)
