"""The checker of histories itself: what it must take, and what it must not."""

from __future__ import annotations

import itertools
import random
from math import inf

import pytest
from netinfo.histories import READ, WRITE, Operation, is_linearizable, step

START = (0, b"old")


def read(start: float, end: float, version: int, value: bytes) -> Operation:
    return Operation(READ, start, end, told=(version, value))


def write(start: float, end: float, expected: int, value: bytes, told: bool | None = True) -> Operation:
    return Operation(WRITE, start, end, expected, value, told)


GOOD = {
    "nothing": [],
    "a read": [read(0, 1, 0, b"old")],
    "a write, then a read": [write(0, 1, 0, b"new"), read(2, 3, 1, b"new")],
    "a read during a write sees the old": [write(0, 9, 0, b"new"), read(1, 2, 0, b"old")],
    "a read during a write sees the new": [write(0, 9, 0, b"new"), read(1, 2, 1, b"new")],
    "reads during a write see the old, then the new": [
        write(0, 9, 0, b"new"), read(1, 2, 0, b"old"), read(3, 4, 1, b"new"),
    ],
    "a write without an answer was done": [write(0, inf, 0, b"new", None), read(5, 6, 1, b"new")],
    "a write without an answer was never done": [write(0, inf, 0, b"new", None), read(5, 6, 0, b"old")],
    "a write without an answer is done late": [
        write(0, inf, 0, b"new", None), read(5, 6, 0, b"old"), read(7, 8, 1, b"new"),
    ],
    "one of two that expect the same is stale": [
        write(0, 5, 0, b"a"), write(1, 4, 0, b"b", False), read(6, 7, 1, b"a"),
    ],
}  # fmt: skip
BAD = {
    "a read of what nobody wrote": [read(0, 1, 0, b"other")],
    "a read of the old after the answer": [write(0, 1, 0, b"new"), read(2, 3, 0, b"old")],
    "a read of the new before the call": [read(0, 1, 1, b"new"), write(2, 3, 0, b"new")],
    "the new, then the old, while the write goes on": [
        write(0, 9, 0, b"new"), read(1, 2, 1, b"new"), read(3, 4, 0, b"old"),
    ],
    "an answered write is lost": [write(0, 1, 0, b"a"), write(2, 3, 0, b"b"), read(4, 5, 1, b"b")],
    "both of two that expect the same are done": [write(0, 5, 0, b"a"), write(1, 4, 0, b"b")],
    "stale though nobody wrote": [write(0, 1, 0, b"a", False)],
    "a write without an answer, seen and then not": [
        write(0, inf, 0, b"new", None), read(5, 6, 1, b"new"), read(7, 8, 0, b"old"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_some_order_explains_is_taken(name: str) -> None:
    assert is_linearizable(GOOD[name], START)


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_no_order_explains_is_refused(name: str) -> None:
    assert not is_linearizable(BAD[name], START)


def by_trying_all(history: list[Operation]) -> bool:
    """The definition, word for word: any subset of the unanswered, any order that keeps to the times."""
    sure = [one for one in history if one.end < inf]
    unsure = [one for one in history if one.end == inf]
    for count in range(len(unsure) + 1):
        for some in itertools.combinations(unsure, count):
            for order in itertools.permutations([*sure, *some]):
                state: tuple[int, bytes] | None = START
                for place, one in enumerate(order):
                    if any(later.end < one.start for later in order[place + 1 :]):
                        break
                    state = step(state, one) if state is not None else None
                    if state is None:
                        break
                else:
                    return True
    return False


def test_it_agrees_with_the_definition_on_small_histories_of_any_kind() -> None:
    rng, found = random.Random(7), [0, 0]
    for _ in range(1500):
        many = []
        for _ in range(rng.randint(1, 5)):
            start = rng.randint(0, 8)
            end = start + rng.randint(0, 5)
            value = rng.choice([b"a", b"b"])
            if rng.random() < 0.5:
                version = rng.randint(0, 2)
                many.append(read(start, end, version, value if version else b"old"))
            else:
                told = rng.choice([True, True, False, None])
                many.append(write(start, inf if told is None else end, rng.randint(0, 1), value, told))
        answer = is_linearizable(many, START)
        assert answer == by_trying_all(many), many
        found[answer] += 1
    assert min(found) > 100  # both kinds were among them
