"""The chance of a missed open port, held against chance itself; limits told from losses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.scan.account import Tally, chance_missed, flat_rate, share_lost

# answered on the first, second … try; the share of trials lost, by hand
LOST = [
    ([], 0.0),
    ([0, 0], 0.0),
    ([100], 0.0),
    ([100, 0, 0], 0.0),
    ([50, 50], 1 / 3),  # 150 trials, 50 of them lost
    ([0, 0, 10], 2 / 3),
    ([96, 4], 4 / 104),
]


@pytest.mark.parametrize(("answers", "share"), LOST)
def test_the_loss_is_the_share_of_trials_that_had_to_be_repeated(answers: list[int], share: float) -> None:
    assert share_lost(answers) == pytest.approx(share)


@pytest.mark.parametrize("loss", [0.02, 0.1, 0.4])
def test_the_loss_of_a_network_is_found_again(loss: float) -> None:
    chance, answers = random.Random(3), [0] * 8
    for _ in range(20_000):
        tries = next((tries for tries in range(8) if chance.random() >= loss), None)
        if tries is not None:
            answers[tries] += 1
    assert share_lost(answers) == pytest.approx(loss, rel=0.1)


@pytest.mark.parametrize(("loss", "tries", "opened"), [(0.3, 2, 5), (0.2, 3, 40), (0.5, 4, 10)])
def test_the_estimate_is_as_often_right_as_it_says(loss: float, tries: int, opened: int) -> None:
    """Scans of 400 ports that reset, some open ones, and 100 that are dropped: how often is an open one missed?"""
    chance, missed, estimates = random.Random(11), 0, []
    for _ in range(600):
        answers, found = [0] * tries, 0
        for port in range(400 + opened):
            at = next((at for at in range(tries) if chance.random() >= loss), None)
            if at is not None:
                answers[at] += 1
                found += port >= 400
        missed += found < opened
        estimates.append(chance_missed(answers, found, 500 + opened - sum(answers)))
    # One more open port than there are is assumed, so that the estimate errs on the side of "may be missed".
    assert 0.9 * missed / 600 - 0.03 <= sum(estimates) / 600 <= 1.3 * missed / 600 + 0.05


def test_nothing_can_be_missed_where_nothing_is_silent() -> None:
    assert chance_missed([65_000, 535], 50, 0) == 0.0


def test_a_host_without_a_single_answer_proves_nothing() -> None:
    assert 0.03 < chance_missed([0, 0, 0, 0], 0, 1000) < 0.3
    assert chance_missed([], 0, 1000) > 0.9  # nor does one that was never asked to the end


@given(st.lists(st.integers(0, 10_000), max_size=5), st.integers(0, 65_535), st.integers(0, 65_535))
def test_a_chance_is_a_chance(answers: list[int], opened: int, unanswered: int) -> None:
    assert 0.0 <= chance_missed(answers, opened, unanswered) <= 1.0
    assert 0.0 <= share_lost(answers) < 1.0


@given(st.integers(100, 1000), st.integers(0, 100), st.integers(1, 50), st.integers(1, 1000))
def test_asking_once_more_makes_it_less_likely_to_have_missed_one(
    first: int, second: int, opened: int, silent: int
) -> None:
    assert chance_missed([first, second, 0], opened, silent) <= chance_missed([first, second], opened, silent)


def samples(rates: list[tuple[int, int]]) -> list[tuple[float, int, int]]:
    """Sent and refused a second, for a tenth each, as counts so far."""
    found, sent, refused = [(0.0, 0, 0)], 0, 0
    for place, (asked, answered) in enumerate(rates, 1):
        sent, refused = sent + asked // 10, refused + answered // 10
        found.append((place / 10, sent, refused))
    return found


@pytest.mark.parametrize(
    ("rates", "limit"),
    [
        ([(5_000, 5_000), (10_000, 500), (20_000, 490), (8_000, 510), (9_000, 500), (12_000, 500)], 500),
        ([(5_000, 5_000), (10_000, 10_000), (20_000, 20_000), (40_000, 40_000)], 0),  # all refused
        ([(10_000, 1_000), (20_000, 2_000), (40_000, 4_000), (80_000, 8_000), (160_000, 16_000)], 0),  # a tenth
        ([(10_000, 500), (20_000, 490)], 0),  # too short to tell
        ([], 0),
    ],
)
def test_a_limit_is_a_rate_of_refusals_that_stays_the_same(rates: list[tuple[int, int]], limit: float) -> None:
    assert flat_rate(samples(rates)) == pytest.approx(limit, rel=0.05)


def limited(tally: Tally, late: int) -> None:
    for place, (when, sent, refused) in enumerate(samples([(20_000, 500)] * 10)):
        if place in (0, 5):
            tally.begin_round()
        tally.sent = sent
        tally.answers[-1] = refused if len(tally.answers) == 1 else late
        tally.sample(when, refused)


def test_a_firewall_that_lets_few_through_is_not_a_limit() -> None:
    """At one rate both look the same; but what a firewall dropped it drops again."""
    firewall, host = Tally(), Tally()
    limited(firewall, 0)
    limited(host, 250)
    assert firewall.refusals_limited() == 0
    assert host.refusals_limited() == pytest.approx(500)


def test_with_limited_refusals_only_open_ports_tell_what_is_lost() -> None:
    tally = Tally()
    limited(tally, 250)
    tally.opened = [50, 0]
    assert tally.missed(50) < 0.01 < chance_missed(tally.answers, 50, tally.unanswered)


def test_every_port_that_was_asked_is_either_answered_or_not() -> None:
    tally = Tally()
    tally.begin_round()
    tally.sent, tally.answers[0], tally.icmp, tally.local = 90, 60, 5, 10
    tally.begin_round()
    tally.sent, tally.reasked, tally.answers[1] = 115, 25, 4
    account = tally.account(3, 0.001, 2.0)
    assert (account.sent, account.reasked, account.rounds, account.icmp) == (115, 25, 2, 5)
    assert account.answered == 60 + 4 + 5 + 10
    assert account.answered + account.unanswered == 90 + 10
    assert account.lost == pytest.approx(4 / 68)


def test_a_note_is_taken_once() -> None:
    tally = Tally()
    tally.note("One.")
    tally.note("Two.")
    tally.note("One.")
    assert tally.account(0, 0.0, 0.0).notes == ("One.", "Two.")
