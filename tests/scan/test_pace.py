"""The rate follows what comes back, on a network of numbers: nothing here waits, time is an argument."""

from __future__ import annotations

import heapq
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.scan.pace import BURST, LEAST_TIMEOUT, SLOWEST, START, Pace

STEP = 0.0005  # seconds between two looks of the engine


class Network:
    """Answers a ``share`` of packets after ``rtt`` seconds; ``capacity`` a second get through, ``resets`` come back."""

    def __init__(self, rtt: float, *, share: float = 1.0, capacity: float = 1e9, resets: float = 1e9) -> None:
        self.rtt, self.share, self.capacity, self.resets = rtt, share, capacity, resets
        self.room, self.tokens, self.last = capacity * 0.02, min(resets, 1e9), 0.0
        self.chance, self.back = random.Random(7), list[tuple[float, int]]()
        self.got_through = 0

    def send(self, now: float, count: int) -> None:
        self.room = min(self.room + (now - self.last) * self.capacity, self.capacity * 0.02)
        self.tokens = min(self.tokens + (now - self.last) * self.resets, self.resets)
        self.last = now
        through = min(count, int(self.room))
        self.room -= through
        self.got_through += through
        answers = min(sum(self.chance.random() < self.share for _ in range(through)), int(self.tokens))
        self.tokens -= answers
        if answers:
            heapq.heappush(self.back, (now + self.rtt, answers))

    def ask(self, pace: Pace, packets: int) -> float:
        """Send so many as fast as the pace allows; the seconds it took."""
        now, left = 0.0, packets
        while left:
            if count := min(pace.allowance(now), left):
                self.send(now, count)
                pace.sent(now, count)
                left -= count
            while self.back and self.back[0][0] <= now:
                answers = heapq.heappop(self.back)[1]
                pace.answered(now, answers, self.rtt)
            now += STEP
        return now


def test_it_starts_at_five_thousand_and_doubles_every_round_trip_while_answers_keep_pace() -> None:
    pace, network = Pace(None, None, 1.0), Network(0.1)
    seen: list[float] = []
    now = 0.0
    while now < 0.75:
        network.ask(pace, 0)
        if count := pace.allowance(now):
            network.send(now, count)
            pace.sent(now, count)
        while network.back and network.back[0][0] <= now:
            pace.answered(now, heapq.heappop(network.back)[1], 0.1)
        if not seen or pace.rate != seen[-1]:
            seen.append(pace.rate)
        now += STEP
    assert seen[:4] == [START, 2 * START, 4 * START, 8 * START]
    assert all(later == 2 * earlier for earlier, later in pairwise(seen))
    assert len(seen) <= 0.75 / 0.1 + 2  # not more often than once a round trip


@pytest.mark.parametrize("share", [1.0, 0.96, 0.3, 0.001, 0.0])
def test_a_host_that_answers_few_is_not_taken_for_one_that_is_asked_too_fast(share: float) -> None:
    pace = Pace(None, None, 1.0)
    Network(0.0002, share=share).ask(pace, 65_535)
    assert pace.rate > 50 * START


@pytest.mark.parametrize("rtt", [0.0002, 0.005, 0.02])
def test_it_slows_down_to_what_the_network_carries(rtt: float) -> None:
    pace, network = Pace(None, None, 1.0), Network(rtt, capacity=50_000)
    network.ask(pace, 300_000)
    assert pace.halvings
    assert 10_000 < pace.rate < 200_000
    assert network.got_through > 300_000 * 2 / 3


def test_it_does_not_crawl_for_a_host_that_limits_its_answers() -> None:
    pace = Pace(None, None, 1.0)
    took = Network(0.0002, resets=200).ask(pace, 65_535)
    assert pace.rate >= SLOWEST
    assert took < 65_535 / SLOWEST


@pytest.mark.parametrize("ceiling", [5_000.0, 700.0, 20_000.0])
def test_a_ceiling_is_never_passed(ceiling: float) -> None:
    pace = Pace(None, ceiling, 1.0)
    took = Network(0.001).ask(pace, 20_000)
    assert pace.rate <= ceiling
    assert took >= 20_000 / ceiling - BURST - STEP


@pytest.mark.parametrize(("rate", "capacity"), [(100.0, 1e9), (3_000.0, 1_000.0), (250_000.0, 1e9)])
def test_a_fixed_rate_stays_fixed_whatever_comes_back(rate: float, capacity: float) -> None:
    pace, packets = Pace(rate, None, 1.0), int(rate * 3)
    took = Network(0.001, capacity=capacity).ask(pace, packets)
    pace.limited(took)
    assert pace.rate == rate
    assert took == pytest.approx(3.0, abs=2 * BURST + 2 / rate)


def test_a_rate_that_is_not_used_up_does_not_grow() -> None:
    pace, network = Pace(None, None, 1.0), Network(0.001)
    for tick in range(1, 2_000):
        now = tick / 1000
        assert pace.allowance(now) >= 1
        pace.sent(now, 1)  # 1,000 a second of the 5,000 that are allowed
        pace.answered(now + 0.001, 1, 0.001)
    assert pace.rate == START
    assert not network.back


def test_being_told_that_it_is_too_fast_halves_the_rate() -> None:
    pace = Pace(None, None, 1.0)
    pace.limited(0.0)
    assert (pace.rate, pace.halvings) == (START / 2, 1)
    pace.sent(0.0, 1000)
    pace.lost(0.1, 126)
    assert pace.rate == START / 4


def test_time_that_passes_in_between_does_not_add_up_to_a_flood() -> None:
    pace = Pace(None, None, 1.0)
    pace.allowance(0.0)
    assert pace.allowance(3600.0) <= START * BURST


# RFC 6298 sections 2.2 and 2.3, computed by hand: measurements, SRTT, RTTVAR (alpha 1/8, beta 1/4)
ROUND_TRIPS = [
    ((0.1,), 0.1, 0.05),
    ((0.1, 0.1), 0.1, 0.0375),
    ((0.1, 0.2), 0.1125, 0.0625),
    ((0.08, 0.16, 0.16), 0.09875, 0.055),  # variation: 0.04, 0.03 + 0.02, 0.0375 + 0.0175
]


@pytest.mark.parametrize(("measured", "smoothed", "variation"), ROUND_TRIPS)
def test_round_trips_are_smoothed_as_rfc_6298_says(
    measured: tuple[float, ...], smoothed: float, variation: float
) -> None:
    pace = Pace(None, None, 10.0)
    for rtt in measured:
        pace.answered(1.0, 1, rtt)
    assert pace.rtt == pytest.approx(smoothed)
    assert pace.variation == pytest.approx(variation)
    assert pace.timeout() == pytest.approx(smoothed + 4 * variation)


def test_a_timeout_has_a_floor_a_limit_and_doubles_with_each_try() -> None:
    pace = Pace(None, None, 0.5)
    assert pace.timeout() == 0.5  # RFC 6298 section 2.1 says a second, the settings less
    pace.answered(0.0, 1, 0.00005)
    assert [pace.timeout(tries) for tries in range(3)] == [LEAST_TIMEOUT, 2 * LEAST_TIMEOUT, 4 * LEAST_TIMEOUT]
    assert pace.timeout(20) == 0.5


@given(
    st.lists(st.tuples(st.sampled_from("snalb"), st.floats(0, 2), st.integers(0, 5000)), max_size=60),
    st.sampled_from([None, 1.0, 700.0]),
    st.sampled_from([None, 100.0, 5000.0]),
)
def test_no_course_of_events_breaks_it(
    course: list[tuple[str, float, int]], rate: float | None, ceiling: float | None
) -> None:
    pace, now = Pace(rate, ceiling, 1.0), 0.0
    for what, delay, count in course:
        now += delay
        match what:
            case "s":
                pace.sent(now, min(count, pace.allowance(now)))
            case "n":
                pace.answered(now, count)
            case "a":
                pace.answered(now, count, delay)
            case "l":
                pace.lost(now, count)
            case _:
                pace.begin_round()
        assert 0 < pace.rate <= (rate or ceiling or float("inf"))
        assert 0 <= pace.allowance(now) <= max(1.0, pace.rate * BURST)
        assert 0 <= pace.wait(now) <= 1 / pace.rate
        assert 0 < pace.timeout() <= 1.0
