"""From counts to an :class:`Account`: what was lost, the chance that an open port was missed, what to say of it. Pure.

**Loss.** Every asking of a port that answers in the end is a trial: it was answered or it was lost (the packet, or the
answer to it). A port answered on its third asking has been lost twice. ``lost`` is the share of lost trials, over the
ports that were open or refused; ICMP errors and silent ports tell nothing of loss, as no answer may be the answer.

**What may have been missed.** A port that would answer stays silent in all of ``k`` askings with a chance of ``p**k``,
``p`` being the loss. So for each open port that was found, ``p**k / (1 - p**k)`` are to be expected that were not. One
is added to those found (there may be a last one even where none was seen), and half a lost trial to those counted, so
that few answers are not taken for proof that nothing gets lost. Trials of ports that would answer and were lost each
time are counted by the same formula, in some rounds of estimating, or a high loss would seem lower. The number missed
is a Poisson one, so that the chance of at least one is ``1 - exp(-expected)``; no more can be missing than are silent.

It takes losses as independent, which is why askings of the same port are a growing time apart. A firewall that drops on
purpose is no loss, and hides what it hides.
"""

from __future__ import annotations

from itertools import pairwise
from math import expm1

from portlore.scan.plan import Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS_OF_ESTIMATING = 20
NEGLIGIBLE = 1e-4  # a chance of a missed open port for which nothing is asked once more
WINDOW = 0.1  # seconds between samples
SHARE_LIMITED = 0.1  # of refusals that came on asking again only: less is ordinary loss


class Tally:
    """The counts of a run, as an engine keeps them.

    ``answers[n]``: ports that were open or refused on try n + 1, ``opened[n]``: the former of them (where the engine
    counts them); ``icmp``: ports with an ICMP error instead; ``local``: ports of which this machine said itself that
    there is no way to them.
    """

    def __init__(self) -> None:
        self.sent = self.reasked = self.icmp = self.local = self.rounds = 0
        self.limited = False  # the engine knows that refusals are
        self.answers: list[int] = []
        self.opened: list[int] = []
        self.notes: list[str] = []
        self._samples: list[tuple[float, int, int]] = []  # when, sent and refused until then

    def begin_round(self) -> None:
        """Everything still without an answer is asked once more."""
        self.rounds += 1
        self.answers.append(0)
        self.opened.append(0)

    def sample(self, now: float, refused: int) -> None:
        """To be called every now and then, with the number of refusals so far."""
        if not self._samples or now - self._samples[-1][0] >= WINDOW:
            self._samples.append((now, self.sent, refused))

    def refusals_limited(self) -> float:
        """The refusals a second that come however fast it is asked; 0 when there is no such limit to be seen.

        Only when further ones come on asking again: a firewall that drops most packets lets none through then.
        """
        return flat_rate(self._samples) if share_lost(self.answers) >= SHARE_LIMITED else 0.0

    def note(self, sentence: str) -> None:
        """Have people know something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    @property
    def answered(self) -> int:
        """Ports with an answer of any kind."""
        return sum(self.answers) + self.icmp + self.local

    @property
    def unanswered(self) -> int:
        """Ports that were asked and never gave an answer."""
        return self.sent + self.local - self.reasked - self.answered

    def missed(self, opened: int) -> float:
        """The chance that a silent port is open. Where refusals are limited, only the open ones tell what is lost."""
        limited = self.limited or (any(self.opened) and self.refusals_limited())
        telling = self.opened if limited else self.answers
        return chance_missed(telling, opened, self.unanswered)

    def account(self, opened: int, rtt: float, took: float) -> Account:
        """The account so far, with so many open ports."""
        return Account(
            sent=self.sent,
            answered=self.answered,
            reasked=self.reasked,
            unanswered=self.unanswered,
            icmp=self.icmp,
            rounds=self.rounds,
            rtt=rtt,
            lost=share_lost(self.answers),
            missed=self.missed(opened),
            took=took,
            notes=tuple(self.notes),
        )


def share_lost(answers: Sequence[int]) -> float:
    """The share of packets lost, from how many ports answered on the first, second … try; 0 when none did."""
    trials = sum(count * tries for tries, count in enumerate(answers, 1))
    return 1 - sum(answers) / trials if trials else 0.0


def chance_missed(answers: Sequence[int], opened: int, unanswered: int) -> float:
    """The chance that one of the silent ports is open, after as many tries as ``answers`` is long."""
    if not unanswered:
        return 0.0
    answered, tries = sum(answers), len(answers)
    trials = sum(count * number for number, count in enumerate(answers, 1))
    hidden = silent = 0.0
    for _ in range(ROUNDS_OF_ESTIMATING):
        loss = (trials - answered + 0.5 + tries * hidden) / (trials + 1 + tries * hidden)
        silent = loss**tries
        hidden = min(answered * silent / (1 - silent), unanswered) if silent < 1 else unanswered
    expected = min((opened + 1) * silent / (1 - silent), unanswered) if silent < 1 else unanswered
    return -expm1(-expected)


def flat_rate(samples: Sequence[tuple[float, int, int]]) -> float:
    """The rate of refusals when it stays the same while it is asked clearly faster, else 0.

    ``samples``: (seconds, sent, refused) so far. At least five spans in which twice as much was asked as refused, of
    which three quarters are within a quarter of the middle one.
    """
    rates = []
    for (start, sent, refused), (end, sent_then, refused_then) in pairwise(samples):
        if sent_then - sent >= 2 * (refused_then - refused) > 0:
            rates.append((refused_then - refused) / (end - start))
    if len(rates) < 5:
        return 0.0
    middle = sorted(rates)[len(rates) // 2]
    return middle if sum(abs(rate - middle) <= middle / 4 for rate in rates) >= len(rates) * 3 / 4 else 0.0


def resets_limited(rate: float) -> str:
    """What is said of a host that limits its resets."""
    return (
        f"About {rate:.0f} resets a second come back however fast it is asked: the host limits them, or the way to it "
        "is full. Of silent ports most are closed rather than filtered."
    )
