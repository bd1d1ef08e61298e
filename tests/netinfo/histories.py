"""What concurrent clients saw of one directory, and whether some order explains it: linearizability, by search.

The directory is a register with a version. A read tells (version, value); a write names the version that it expects:
it succeeds, and makes the next version, or is refused as stale, and does nothing. Every operation takes effect at one
moment between its call and its answer (Herlihy and Wing 1990); one that was never answered may do so at any later
moment, or never. The search is that of Wing and Gong (1993): take any operation that nobody's answer precedes.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

READ, WRITE = "read", "write"


class Operation(NamedTuple):
    """An operation. ``end``: infinite for one without an answer. ``expected``: a write's; ``told``: what came of it.

    ``told``: of a read (version, value); of a write True for done, False for stale, None for no answer.
    """

    kind: str
    start: float
    end: float
    expected: int = 0
    value: bytes = b""
    told: object = None


State = tuple[int, bytes]


def step(state: State, one: Operation) -> State | None:
    """The state after an operation; ``None`` where its answer does not fit."""
    if one.kind == READ:
        return state if one.told == state else None
    fits = one.expected == state[0]
    if one.told is not None and one.told is not fits:
        return None
    return (state[0] + 1, one.value) if fits else state


def is_linearizable(history: Iterable[Operation], initial: State) -> bool:
    """Whether the operations have an order that fits their answers and their times."""
    many = sorted(history, key=lambda one: one.start)
    answered = sum(1 << number for number, one in enumerate(many) if one.end < inf)
    waiting = [(0, initial)]
    seen = set(waiting)
    while waiting:
        done, state = waiting.pop()
        if done & answered == answered:
            return True
        first, open_ones = inf, []  # the first answer among those that are left
        number = ((done + 1) & ~done).bit_length() - 1  # all before it are done
        while number < len(many) and many[number].start <= first:
            if not done >> number & 1:
                open_ones.append(number)
                first = min(first, many[number].end)
            number += 1
        for number in open_ones:
            if many[number].start <= first:
                after = step(state, many[number])
                if after is not None and (next_ := (done | 1 << number, after)) not in seen:
                    seen.add(next_)
                    waiting.append(next_)
    return False
