"""Edge: a scan from its plan to its end: engines chosen, blocks run, what is open told as it lands, the state kept."""

from __future__ import annotations

import time

from portlore.errors import HostError, InputError
from portlore.observed import Observation, Outcome, Target
from portlore.scan.addresses import format_address, parse_address
from portlore.scan.grid import Shard, blocks, prefilled, probes
from portlore.scan.keeping import Keeper, division, question
from portlore.scan.plan import (
    BLOCKED,
    CODES,
    ELSEWHERE,
    OPEN,
    REFUSED,
    TIMEOUT,
    UNASKED,
    UNREACHABLE,
    Account,
    Settings,
)
from portlore.scan.policy import exposure_of
from portlore.scan.state import DO
from portlore.scan.tally import Tally, Tarpit, account_row, joined, missed_text
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, Protocol

    from portlore.book import Book
    from portlore.scan.advising import Advice
    from portlore.scan.machine import Here
    from portlore.scan.plan import Block, Engine
    from portlore.scan.policy import Decision
    from portlore.scan.ports import Ports
    from portlore.scan.state import State
    from portlore.scan.targets import Targets
    from portlore.seen import Exposure, Judgement, Said

    class Watcher(Protocol):
        """Who is told while a scan runs."""

        def found(self, one: Observation) -> None:
            """A port that is open, as soon as it is known; with ``--all`` also others, when their block is done."""

        def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
            """All of a block is asked, and these of its hosts had too much open; what was identified is told next."""

        def progress(self, share: float, account: Account, count: int) -> None:
            """How much is asked (0 to 1), and how many ports are open so far."""


ENGINES = ("auto", "connect", "syn")
PUBLIC_CEILING = 5_000.0  # packets a second, where nobody knows what is in between
REASONS = {REFUSED: "refused", TIMEOUT: "silence", UNREACHABLE: "icmp", BLOCKED: "icmp"}


class Plan(Value):
    """What to do. ``everything``: tell closed and silent ports too. ``state``: the file of ``--resume``."""

    targets: Targets
    ports: Ports
    settings: Settings
    decision: Decision
    here: Here
    engine: str = "auto"
    shard: Shard = Shard()
    everything: bool = False
    identify: bool = False
    gentle: bool = False
    state: Path | None = None


class Scan:
    """One scan, held against ``book``. After :meth:`run`: :meth:`summary`."""

    def __init__(self, plan: Plan, watcher: Watcher, book: Book) -> None:
        self._plan, self._watcher, self._book = plan, watcher, book
        self.tally = Tally()
        self.ended = "complete"
        self.began = time.time()
        self._clock = time.monotonic()
        self._engines: dict[str, Engine] = {}
        self.used: dict[str, str] = {}
        self.open = 0
        self.exposures: dict[str, int] = {}
        self.judgements: dict[str, int] = {}
        self._advice: Advice | None = None
        self._held: dict[tuple[str, int], tuple[Said | None, Judgement | None]] = {}
        self._total = probes(plan.targets, plan.ports) / plan.shard.count
        self._asked = 0
        self._keeper = Keeper(None, {}, self.began)

    def run(self) -> None:
        """Do it; Ctrl-C and the end of the budget end it early, ``ended`` says so, and what was found is told."""
        plan = self._plan
        parts = list(self._parts())
        self._keeper = Keeper(plan.state, {**question(plan), "engines": division(parts)}, self.began)
        state = self._keeper.read()
        if state is not None:
            self._again(state)
        for number, (engine, block) in enumerate((engine, one) for engine, of in parts for one in self._cut(of)):
            outcomes = prefilled(block, plan.shard)
            here = len(outcomes) - outcomes.count(ELSEWHERE)
            if state is not None and number < state.done:
                self.tally.follow(block)
                self._use(engine, block.transport)
                if plan.everything:
                    self._tell_closed(block, state.closed[number])
            elif self.ended != "complete" or self._left() < 0:
                self.ended = "budget" if self.ended == "complete" else self.ended
                self.tally.add(block, outcomes, Account())
            else:
                if state is not None and number == state.done and len(state.outcomes) == len(outcomes):
                    outcomes[:] = state.outcomes
                self._block(number, engine, block, outcomes)
            self._asked += here
        if self.ended == "complete":
            self._keeper.remove()

    def _parts(self) -> Iterator[tuple[str, Targets]]:
        """Whom which engine asks: SYN where it can be had, but not this machine itself.

        The blocks follow from it, so that a state fits this very division alone.
        """
        plan = self._plan
        chosen = plan.engine
        if "tcp" in plan.ports and chosen != "connect":
            from portlore.scan.syn import why_not

            reason = why_not()
            if reason and chosen == "syn":
                raise HostError("scanning with --engine syn", reason, "use --engine connect, which needs no rights")
            chosen = "connect" if reason else chosen
        if chosen == "auto":
            mine = plan.targets.within(plan.here.own)
            yield "connect", mine
            yield "syn", plan.targets.without(mine.spans) if mine.spans else plan.targets
        else:
            yield chosen, plan.targets

    def _cut(self, targets: Targets) -> Iterator[Block]:
        return blocks(targets, self._plan.ports)

    def _engine(self, name: str, transport: str) -> Engine:
        key = self._use(name, transport)
        engine = self._engines.get(key)
        if engine is None:
            made: Engine
            if key == "udp":
                from portlore.scan.udp import Udp

                made = Udp()
            elif key == "syn":
                from portlore.scan.syn import Syn

                made = Syn()
            else:
                from portlore.scan.connect import Connect

                made = Connect()
            engine = self._engines[key] = made
        return engine

    def _use(self, name: str, transport: str) -> str:
        """Note which engine asks; its name."""
        key = "udp" if transport == "udp" else name
        known = self.used.get(transport, "").split(", ")
        self.used[transport] = ", ".join(dict.fromkeys(filter(None, (*known, key))))
        return key

    def _left(self) -> float:
        """Seconds of the budget that are left; endless without one."""
        budget = self._plan.settings.budget
        return budget - (time.monotonic() - self._clock) if budget else float("inf")

    def _settings(self) -> Settings:
        left = self._left()
        return self._plan.settings.replace(budget=max(0.001, left) if left != float("inf") else 0.0)

    def _block(self, number: int, engine_name: str, block: Block, outcomes: bytearray) -> None:
        """Ask a block, count it, tell what is open in it."""
        plan = self._plan
        engine = self._engine(engine_name, block.transport)
        waiting: list[Observation] = []  # for identification
        here = len(outcomes) - outcomes.count(ELSEWHERE)
        width = len(block.ports)
        account, told = Account(), bytearray(outcomes)  # a byte a probe: there may be a million open

        def report(probe: int, reason: str, took: float) -> None:
            told[probe] = OPEN
            place, port = divmod(probe, width)
            found = self._observe(block, place, block.ports[port], Outcome.OPEN, reason, took)
            self._keeper.found(found)
            self.open += 1
            if plan.identify:
                waiting.append(found)
            else:
                self._tell(found)

        def tick(now: Account) -> None:
            nonlocal account
            account = now
            share = min(1.0, (now.sent - now.reasked) / here) if here else 1.0
            whole = joined(self.tally.account, now)
            self._watcher.progress((self._asked + share * here) / max(1.0, self._total), whole, self.open)
            self._keeper.keep(number, outcomes, self.tally, now)

        try:
            account = engine.run(block, outcomes, self._settings(), report, tick)
        except KeyboardInterrupt:
            self.ended = "interrupted"
            for probe in _open(outcomes) - _open(told):  # between its outcome and its report
                report(probe, "interrupted", 0.0)
        if self.ended == "complete" and self._left() <= 0 and outcomes.count(UNASKED):
            self.ended = "budget"
        if self.ended != "complete":
            self._keeper.keep(number, outcomes, self.tally, account, now=True)
        pits = self._settle("udp" if block.transport == "udp" else engine_name, block, outcomes, account)
        if self.ended == "complete":
            self._keeper.done(bytes(outcomes) if plan.everything else b"")
            self._keeper.keep(number + 1, b"", self.tally, Account())
        asked = plan.identify and self.ended != "interrupted"
        self._identify([one for one in waiting if asked and one.target.address not in pits])
        for one in waiting:
            if not asked or one.target.address in pits:
                self._tell(one)
        if plan.everything:
            self._tell_closed(block, outcomes)

    def _settle(self, engine: str, block: Block, outcomes: bytearray, account: Account) -> set[str]:
        """Count a block; the addresses in it that are tarpits."""
        width, pits = len(block.ports), []
        for place in self.tally.add(block, outcomes, account):
            row = outcomes[place * width : (place + 1) * width]
            address = format_address(block.version, block.addresses[place], block.zone)
            asked = width - row.count(ELSEWHERE) - row.count(UNASKED)
            pits.append(Tarpit(address, block.transport, row.count(OPEN), asked))
        self.tally.tarpits += pits
        if block.transport == "udp" and outcomes.count(TIMEOUT):
            self._advisor().of_silent(block, outcomes)
        self._watcher.settled(engine, block, outcomes, pits)
        return {pit.address for pit in pits}

    def _observe(
        self, block: Block, place: int, port: int, outcome: Outcome, reason: str, took: float | None
    ) -> Observation:
        number = block.addresses[place]
        target = Target(
            format_address(block.version, number, block.zone),
            port,
            block.transport,
            self._plan.targets.name_of(block.version, number, block.zone),
        )
        exposure = exposure_of(block.version, number)
        seen = Observation(target, outcome, reason, took, time.time(), None, exposure)
        return self._hold(seen) if outcome is Outcome.OPEN else seen

    def _hold(self, seen: Observation) -> Observation:
        """Said and judged by its number, which is the same on every host."""
        key = seen.target.transport, seen.target.port
        if key not in self._held:
            from portlore.scan.holding import hold

            held = hold(seen, self._book)
            self._held[key] = held.said, held.judgement
        said, judgement = self._held[key]
        return seen.replace(said=said, judgement=judgement)

    def _tell(self, one: Observation) -> None:
        if one.outcome is Outcome.OPEN:
            exposure = str(one.exposure)
            self.exposures[exposure] = self.exposures.get(exposure, 0) + 1
        if one.judgement is not None and one.identification is not None:
            word = str(one.judgement.word)
            self.judgements[word] = self.judgements.get(word, 0) + 1
        self._watcher.found(one)

    def _tell_closed(self, block: Block, outcomes: bytes | bytearray) -> None:
        for probe, code in enumerate(outcomes):
            if code not in (OPEN, ELSEWHERE, UNASKED):
                place, port = divmod(probe, len(block.ports))
                self._watcher.found(
                    self._observe(block, place, block.ports[port], CODES[code], REASONS.get(code, ""), None)
                )

    def _identify(self, found: list[Observation]) -> None:
        """Ask what speaks there, and tell each as it is known."""
        if not found:
            return
        from portlore.scan.identify import identify

        told: set[Target] = set()

        def tell(one: Observation) -> None:
            told.add(one.target)
            self._keeper.identified(one)
            self._told(one)

        def tick() -> None:
            self._watcher.progress(1.0, self.tally.account, self.open)
            self._keeper.keep_again()

        left = self._left()
        budget = max(0.001, left) if left != float("inf") else 0.0
        try:
            identify(found, self._book, tell, gentle=self._plan.gentle, budget=budget, tick=tick)
        except KeyboardInterrupt:
            self.ended = "interrupted"
            for one in found:  # what nobody came to ask is open all the same
                if one.target not in told:
                    self._tell(one)
        self._keeper.keep_again(now=True)

    def _told(self, one: Observation) -> None:
        """Tell what is identified, and what to do about it."""
        from portlore.probes import PROTOCOLS
        from portlore.scan.holding import hold

        one = hold(one, self._book, PROTOCOLS)
        self._advisor().of_spoken(one)
        self._tell(one)

    def _advisor(self) -> Advice:
        if self._advice is None:
            from portlore.scan.advising import Advice

            self._advice = Advice(self._book)
        return self._advice

    def summary(self) -> dict[str, Any]:
        """What is told at the end, as JSON has it."""
        plan, tally = self._plan, self.tally
        outcomes = tally.outcomes()
        took = time.monotonic() - self._clock
        return {
            "asked": question(plan),
            "ended": self.ended,
            "began": round(self.began, 3),
            "took": round(took, 3),
            "settings": {
                "rate": plan.settings.rate,
                "ceiling": plan.settings.ceiling,
                "tries": plan.settings.tries,
                "budget": plan.settings.budget,
            },
            "engines": dict(self.used),
            "policy": {
                "allowed": plan.decision.allowed,
                "addresses": {str(reach): count for reach, count in plan.decision.addresses},
            },
            "hosts": {"asked": tally.hosts, "answered": tally.answered, "open": tally.open_hosts},
            "outcomes": outcomes,
            "account": account_row(tally.account),
            "missed": missed_text(outcomes, tally.account, plan.settings.tries, tuple(plan.ports)),
            "tarpits": [
                {"address": pit.address, "transport": pit.transport, "open": pit.count, "asked": pit.asked}
                for pit in tally.tarpits
            ],
            "exposure": dict(self.exposures),
            "judgements": dict(self.judgements),
            "advice": self._advice.lines() if self._advice is not None else [],
            "notes": [*tally.account.notes, *map(str, tally.tarpits)],
        }

    def _again(self, state: State) -> None:
        """Tell what an earlier run of the same scan has found."""
        self.tally, self.began = state.tally, state.began
        pits = {pit.address for pit in state.tally.tarpits}
        self.open = len(state.found)
        waiting = []
        for one in state.found:
            one = one.replace(exposure=self._admit(one.target))
            if self._plan.identify and one.identification is not None:
                self._told(one)
            elif self._plan.identify and one.target.address not in pits:
                waiting.append(one)
            else:
                self._tell(self._hold(one.replace(identification=None)))
        self._identify(waiting)

    def _admit(self, to: Target) -> Exposure:
        """From where it can be reached; refused when it is beyond what the policy has seen: a forged state."""
        text, _, zone = to.address.partition("%")
        version, number = parse_address(text) or (0, 0)
        plan = self._plan
        if (version, number, zone) not in plan.targets or to.port not in plan.ports.get(to.transport, ()):
            found = f"it tells of {to.address[:60]} port {to.port}, which this scan does not ask"
            raise InputError(f"going on from {plan.state}", found, DO)
        return exposure_of(version, number)


def _open(outcomes: bytearray) -> set[int]:
    return {probe for probe, code in enumerate(outcomes) if code == OPEN} if outcomes.count(OPEN) else set()
