"""Edge: when the state of a scan is written: now and then while it runs, and at its end."""

from __future__ import annotations

import time

from portlore.observed import CUT_SHORT
from portlore.scan.plan import Account
from portlore.scan.ports import format_ports
from portlore.scan.tally import Tally, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from portlore.observed import Observation, Target
    from portlore.scan.running import Plan
    from portlore.scan.state import State
    from portlore.scan.targets import Targets

LONG = 2_000  # characters of targets in words
EVERY, SHARE = 1.0, 0.05  # seconds between two writes, and the most of the time that they may take


class Keeper:
    """Keeps a scan in the file at ``path``; does nothing without one."""

    def __init__(self, path: Path | None, question: dict[str, str], began: float) -> None:
        self._path, self._question, self._began = path, question, began
        self._found: dict[Target, Observation] = {}
        self._closed: list[bytes] = []
        self._at: tuple[int, bytes | bytearray, Tally, Account] = 0, b"", Tally(), Account()
        self._last, self._cost = time.monotonic(), 0.0

    def read(self) -> State | None:
        """What an earlier run left."""
        if self._path is None:
            return None
        from portlore.scan.state import read_state

        state = read_state(self._path, self._question)
        if state is not None:
            self._closed, self._began = list(state.closed), state.began
            self._found = {one.target: one for one in state.found}
            self._at = state.done, state.outcomes, state.tally, Account()
        return state

    def found(self, one: Observation) -> None:
        """Remember an open port."""
        if self._path is not None:
            self._found[one.target] = one

    def identified(self, one: Observation) -> None:
        """Remember what speaks there, unless nothing was recognised and the time was over before all was asked."""
        told = one.identification
        if self._path is not None and told is not None and (told.protocol or CUT_SHORT not in told.facts):
            self._found[one.target] = one

    def done(self, outcomes: bytes) -> None:
        """Remember the outcomes of a finished block, where they will be shown."""
        if self._path is not None and outcomes:
            self._closed.append(outcomes)

    def keep(
        self, done: int, outcomes: bytes | bytearray, tally: Tally, account: Account, *, now: bool = False
    ) -> None:
        """Write it, if it is time. ``tally``: of finished blocks; ``account``: of the one in work."""
        self._at = done, outcomes, tally, account
        clock = time.monotonic()
        if self._path is None or (not now and clock - self._last < max(EVERY, self._cost / SHARE)):
            return
        from portlore.scan.state import State, write_state

        kept = Tally.of(tally.plain())
        kept.account = joined(tally.account, account.replace(unanswered=0, missed=0.0))  # these are asked again
        state = State(
            self._question, done, tuple(self._closed), bytes(outcomes), tuple(self._found.values()), kept, self._began
        )
        write_state(self._path, state)
        self._last = time.monotonic()
        self._cost = self._last - clock

    def keep_again(self, *, now: bool = False) -> None:
        """Write it where the scan is the same as before, but more is identified."""
        self.keep(*self._at, now=now)

    def remove(self) -> None:
        """The scan is whole: nothing is left to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def digest(text: str) -> str:
    """A few digits that tell long texts apart."""
    from zlib import crc32

    return f"{crc32(text.encode()):08x}"


def question(plan: Plan) -> dict[str, str]:
    """What a scan asks, so that a state file or a shard is known to be of the same one."""
    spans = _spans(plan.targets)
    return {
        "targets": _shortened(spans, f"{plan.targets.count:,} addresses, "),
        "ports": format_ports(plan.ports),
        "shard": str(plan.shard),
        "shown": "all" if plan.everything else "open",
    }


def division(parts: Iterable[tuple[str, Targets]]) -> str:
    """Whom which engine asks, in short."""
    return _shortened("; ".join(f"{engine} {_spans(targets)}" for engine, targets in parts))


def _spans(targets: Targets) -> str:
    return " ".join(map(str, targets.spans))


def _shortened(text: str, instead: str = "") -> str:
    return text if len(text) <= LONG else f"{instead}{digest(text)}"
