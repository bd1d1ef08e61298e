"""How fast to ask and how long to wait, from what comes back. Pure: clock values are arguments.

**Rate.** Packets are grouped into spans of about a round trip. Each span remembers the rate it was sent at. When as
many of its packets were answered as of earlier ones, twice its rate is allowed; when clearly fewer were, half of it.
"As many as earlier" and not "all", so that a host that drops most packets, or a network that loses some at any rate, is
not taken for one that is asked too fast; ports are asked in random order, so the share that answers stays the same.
Beyond a rate at which packets were once lost it grows by an eighth instead. It only grows while it is used up.

**Waiting.** RFC 6298: the smoothed round-trip time plus four times its variation, with a floor that suits a local
network, and doubled with each further try.
"""

from __future__ import annotations

from collections import deque
from math import log2, sqrt

START = 5_000.0  # packets a second
SLOWEST = 1_250.0  # with answers missing here too, they are limited over there: START is then kept to
SHORTEST_SPAN = 0.001  # seconds
FEWEST = 32  # packets of a span, or its share says nothing
BURST = 0.02  # seconds of allowance that may pile up while the caller is busy
FIRST_TIMEOUT = 1.0  # RFC 6298 section 2.1
LEAST_TIMEOUT = 0.01  # a local network answers in a tenth of it, a busy Python engine sees it later
BEARABLE = 7 / 8  # of the expected answers


class _Span:
    """Packets sent at one rate, and how many were answered."""

    __slots__ = ("answered", "begin", "counted", "end", "rate", "sent")

    def __init__(self, begin: float, rate: float) -> None:
        self.begin, self.end, self.rate = begin, 0.0, rate
        self.sent, self.answered, self.counted = 0, 0, False


class _Share:
    """How many of the packets that were sent at about one rate were answered."""

    __slots__ = ("answered", "sent")

    def __init__(self) -> None:
        self.sent = self.answered = 0


class Pace:
    """The rate and the patience of one run of an engine.

    ``rate``, ``ceiling`` and ``patience`` are those of :class:`portlore.scan.plan.Settings`. ``first_rtt``: the
    round-trip time in seconds to assume until one is measured (less for neighbours). The caller loops: send what
    :meth:`allowance` allows, say so (:meth:`sent`), and say what came (:meth:`answered`), in blocks of any size.
    """

    def __init__(self, rate: float | None, ceiling: float | None, patience: float, first_rtt: float = 0.05) -> None:
        self.fixed = rate is not None
        self.ceiling = float("inf") if ceiling is None else ceiling
        self.rate = rate if rate is not None else min(START, self.ceiling)
        self.patience, self.first_rtt = patience, first_rtt
        self.rtt, self.variation = 0.0, 0.0  # SRTT and RTTVAR; 0 until measured
        self.halvings = 0  # how often the rate had to be lowered
        self.given_up = (
            False  # answers are so few even at the lowest rate that they are limited over there, whatever it is
        )
        self._knee = float("inf")  # beyond this rate, growth is careful
        self._tokens = 1.0
        self._refilled: float | None = None
        self._spans: deque[_Span] = deque()
        self._shares: dict[int, _Share] = {}  # by rate, in octaves
        self._lost = 0

    def allowance(self, now: float) -> int:
        """How many packets may be sent at once now."""
        if self._refilled is not None:
            self._tokens = min(self._tokens + (now - self._refilled) * self.rate, max(1.0, self.rate * BURST))
        self._refilled = now
        return int(self._tokens)

    def wait(self, now: float) -> float:
        """Seconds until there is an allowance again, 0 when there is one."""
        return 0.0 if self.allowance(now) else (1.0 - self._tokens) / self.rate

    def sent(self, now: float, count: int) -> None:
        """So many packets were sent."""
        self._tokens -= count
        if self.fixed or not count:
            return
        span = self._spans[-1] if self._spans else None
        if span is None or span.end:
            span = _Span(now, self.rate)
            self._spans.append(span)
        span.sent += count
        self._judge(now)

    def answered(self, now: float, count: int, rtt: float | None = None) -> None:
        """So many answers came. ``rtt``: seconds they took, when it is sure which packets they answer (Karn)."""
        if rtt is not None:
            self._measure(rtt)
        if self.fixed or not count:
            return
        asked = now - (self.rtt if rtt is None else rtt)
        span = next((span for span in reversed(self._spans) if span.begin <= asked), None)
        if span is not None:  # or it is an answer to a span that is over
            span.answered += count
            if span.counted:
                self._shares[int(log2(span.rate))].answered += count
        self._judge(now)

    def lost(self, now: float, count: int) -> None:
        """So many packets are now known to have been lost; an eighth of the last round trip's is too many."""
        self._lost += count
        if not self.fixed and self._spans and self._lost > max(FEWEST, self._spans[-1].sent * (1 - BEARABLE)):
            self.limited(now)

    def limited(self, now: float) -> None:
        """Somebody said it is too fast: an ICMP limit, our own full queue (ENOBUFS)."""
        if not self.fixed:
            self._slow_down(self.rate)
            self._forget()

    def begin_round(self) -> None:
        """From here on other ports are asked (only the unanswered, say): their share of answers is another one."""
        self._forget()
        self._shares.clear()

    def timeout(self, tries: int = 0) -> float:
        """Seconds to wait for an answer, after so many earlier tries (each doubles it; RFC 6298 section 5.5)."""
        if not self.rtt:
            return min(FIRST_TIMEOUT, self.patience)
        base = max(self.rtt + 4 * self.variation, LEAST_TIMEOUT)
        return min(base * (1 << tries), self.patience)

    def _measure(self, rtt: float) -> None:
        rtt = max(rtt, 1e-6)
        if not self.rtt:
            self.rtt, self.variation = rtt, rtt / 2
            return
        self.variation += (abs(self.rtt - rtt) - self.variation) / 4
        self.rtt += (rtt - self.rtt) / 8

    def _judge(self, now: float) -> None:
        """Close the span that is long enough; then, in order, let each speed up, or slow down when its time is over."""
        last = self._spans[-1] if self._spans else None
        length = max(self.rtt or self.first_rtt, SHORTEST_SPAN)
        if last is not None and not last.end and last.sent >= FEWEST and now - last.begin >= length:
            last.end = now
        timeout = self.timeout()
        while self._spans and self._spans[0].counted and now - self._spans[0].end >= timeout:
            self._spans.popleft()
        for span in tuple(self._spans):
            if span.counted:
                continue
            waited = now - span.end if span.end else -1.0
            if waited >= 0 and self._kept_pace(span, waited >= length):
                self._credit(span)
            elif waited >= timeout:
                self._count(span)
                self._slow_down(span.rate)
            else:
                break

    def _kept_pace(self, span: _Span, round_trip_over: bool) -> bool:
        """Whether as many were answered as at the rate that got most answers, as far as the numbers can tell."""
        share, of = max(
            ((share.answered / share.sent, share.sent) for share in self._shares.values()), default=(1.0, 0)
        )
        if not of:  # the first span says what is usual
            return round_trip_over or span.answered >= span.sent * BEARABLE
        share = min(share, 1.0)  # answers may be credited to the span next to their own
        spread = span.sent * share * (1 - share) * (1 + span.sent / of) + 1  # the variance of both counts
        return span.answered >= span.sent * share * BEARABLE - 3 * sqrt(spread)

    def _credit(self, span: _Span) -> None:
        self._count(span)
        if span.sent < span.rate * (span.end - span.begin) / 2:
            return  # the rate was not used up, which says nothing of a higher one
        grown = span.rate * (2 if span.rate < self._knee else 2 - BEARABLE)
        self.rate = min(max(self.rate, grown), self.ceiling)

    def _count(self, span: _Span) -> None:
        span.counted = True
        share = self._shares.setdefault(int(log2(span.rate)), _Share())
        share.sent += span.sent
        share.answered += span.answered

    def _slow_down(self, rate: float) -> None:
        if rate <= SLOWEST:
            self.given_up = self.fixed = True
            self.rate = min(START, self.ceiling)
            return
        halved = max(rate / 2, min(SLOWEST, self.ceiling))
        self._knee = min(self._knee, halved)
        if halved < self.rate:
            self.rate, self.halvings = halved, self.halvings + 1

    def _forget(self) -> None:
        self._spans.clear()
        self._lost = 0
