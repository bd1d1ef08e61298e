"""Edge: a capture from its source to the conversations, until it ends, enough has come or somebody stops it."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import numpy as np

from portlore.capture.conversations import Conversations
from portlore.capture.decoding import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self

    from portlore.capture.choosing import Filter
    from portlore.capture.decoding import Batch

AT_ONCE = 1 << 16  # packets that are decoded together


def run(
    batches: Iterable[Batch],
    into: Conversations,
    *,
    chosen: Filter | None = None,
    frames: tuple[int, ...] = (),
    count: int = 0,
    tick: Callable[[], None] | None = None,
) -> str:
    """Count the packets of all batches; why it ended: ``complete``, ``count`` or ``interrupted``.

    ``chosen``: which packets count; ``count``: how many at most, 0 for all; ``tick`` is called ten times a second.
    """
    told = 0.0
    coming = iter(batches)
    with _Stoppable() as ctrl_c:
        while (batch := ctrl_c.wait(coming)) is not None:
            for start in range(0, len(batch.at), AT_ONCE):
                _take(batch.part(slice(start, start + AT_ONCE)), into, chosen, frames, count)
                if count and into.packets >= count:
                    return "count"
            if tick is not None and (now := time.monotonic()) - told > 0.1:
                told = now
                tick()
    return "interrupted" if ctrl_c.asked else "complete"


class _Stoppable:
    """Ctrl-C and SIGTERM end the waiting for packets at once, and never the counting of a batch in its middle."""

    def __init__(self) -> None:
        self.asked = self._waiting = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # not the main thread, which alone hears of them
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _stop(self, number: int, frame: object) -> None:
        self.asked = True
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def wait(self, coming: Iterator[Batch]) -> Batch | None:
        """The next batch; ``None`` when there is none or somebody asked to stop."""
        if self.asked:
            return None
        try:
            self._waiting = True
            batch = next(coming, None)
            self._waiting = False
        except KeyboardInterrupt:
            return None
        return batch


def _take(batch: Batch, into: Conversations, chosen: Filter | None, frames: tuple[int, ...], count: int) -> None:
    decoded = decode(batch, frames)
    mask = None if chosen is None else chosen(decoded)
    if count:
        mask = np.ones(len(batch.at), bool) if mask is None else mask
        mask &= np.cumsum(mask) <= count - into.packets
    into.take(batch, decoded, mask)
