"""Which probes are asked of a port, in which order, and what their answers come to. Pure.

A :class:`Course` is the plan for one port: its ``run`` yields stages and gets what was heard. The order: listen on the
first connection, and ask the likeliest probe on it when nobody speaks; then the other probes that the registry, the
claims or their own table expect on the port; then HTTP and TLS, one at a time; then the rest side by side; then, one
connection at a time, what stayed silent or was hung up on while others were open: a server that takes one client at a
time would else seem silent. What is found may lead on: to the protocols that are spoken over it, and for TLS to the
same order of things within. Whoever speaks first is asked no more than the likely ones and those that listen first.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from portlore.observed import MOST_EVIDENCE, Confidence, Evidence, Identification
from portlore.probes.dialogue import MOST_STEPS, Asked
from portlore.probes.fragile import Fragile, find_fragile
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from portlore.probes.dialogue import Dialogue, Probe, Protocol, Recogniser

BRIEF, USUAL, PATIENT, LATE, KEEN = 0.1, 1.0, 2.0, 3.0, 12.0  # how long an answer may take, in shares of what is usual
ENDS = SILENT, CLOSED, REFUSED, CUT = "silent", "closed", "refused", "cut"
ORDER = (Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS)
MOST_LIKELY, LEAST_ECHO = 8, 3  # probes, bytes
SHUT = "It hangs up before it is asked anything: few questions were tried."
ECHO = "It sends back what it is sent, so that no answer of it means anything."


class Where(Value):
    """A port, and what the book has on it: registered ``names`` in small letters, names of claims (``uses``).

    ``gentle``: gentle probes alone, one at a time. ``fragile``: the row of devices that do not bear other questions.
    """

    asked: Asked
    names: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gentle: bool = False
    fragile: Fragile | None = None


class Table(Value):
    """The probes, protocols and recognisers to choose from."""

    probes: tuple[Probe, ...]
    protocols: dict[str, Protocol]
    recognisers: tuple[Recogniser, ...]


class Ask(Value):
    """One connection or socket. ``probe``: its name; ``first``: the share of the first wait, where it differs."""

    probe: str
    dialogue: Callable[[], Dialogue]
    first: float = 0.0
    steps: int = MOST_STEPS


class Stage(Value):
    """What to ask next. ``together``: side by side, else one after another; ``patience``: a share of what is usual.

    ``decides``: the first certain answer ends it.
    """

    asks: tuple[Ask, ...]
    together: bool
    patience: float
    decides: bool = True


class Heard(Value):
    """How a dialogue went: what it found, what was sent before the first bytes ``received``, and how it ``ended``.

    ``ended``: ``""`` when the dialogue came to its end, else the first of ENDS that was met before any answer.
    ``failed``: what a dialogue raised, which is never the server's fault.
    """

    ask: Ask
    found: Identification | None
    sent: bytes = b""
    received: bytes = b""
    ended: str = ""
    failed: str = ""

    @property
    def is_echo(self) -> bool:
        """Whether the answer is the question: then it would pass for that of many a protocol."""
        return len(self.sent) >= LEAST_ECHO and self.received[: len(self.sent)] == self.sent


Stages = Generator[Stage, "tuple[Heard, ...]", None]


class Course:
    """What becomes of one port. ``run`` may be given up at any time; ``conclude`` says what is known by then."""

    def __init__(self, where: Where, table: Table) -> None:
        self._where, self._table = where, table
        self._asked: list[str] = []  # names of probes
        self._starved: list[Probe] = []  # to be asked again, alone
        self._wanted: list[Probe] = []  # what was heard looks like theirs
        self._found: list[Identification] = []
        self._heard: list[Heard] = []
        self._greeting = b""
        self._plain: dict[str, tuple[bytes, bytes]] = {}
        self._within: Course | None = None
        self._facts: list[tuple[str, str]] = []
        self._probes = [
            probe
            for probe in sorted(table.probes, key=lambda probe: probe.rank)
            if probe.transport == where.asked.transport
            and (probe.gentle or not where.gentle)
            and (probe.in_tls or not where.asked.tls)
            and (where.fragile is None or probe.protocol in where.fragile.allowed)
        ]
        self._likely = [probe for probe in self._probes if self._is_likely(probe)][:MOST_LIKELY]

    def run(self) -> Stages:
        """The stages, until it is known what speaks or nothing is left to ask."""
        datagrams = self._where.asked.transport == "udp"
        if not datagrams:
            yield from self._begin(self._first())
        yield from self._ask(self._wanted + self._likely, PATIENT)
        if not self._greeting:
            for name in ("http", "tls") if not datagrams else ():
                yield from self._ask([probe for probe in self._probes if probe.name == name], USUAL)
                yield from self._ask(self._wanted, PATIENT)
            if not self._why_stop():
                yield from self._ask_rest()
        else:
            yield from self._ask([probe for probe in self._probes if probe.banner and probe.everywhere], USUAL)
        yield from self._ask(self._wanted, PATIENT)
        if not self._is_done() and self._starved:
            patience = PATIENT if datagrams else BRIEF
            again = self._likely if datagrams else self._starved  # a datagram may be lost
            yield from self._hear(Stage(tuple(map(self._make, again)), False, patience))
        yield from self._lead_on()

    def conclude(self) -> Identification:
        """The best that was found; without any, an identification without a protocol that says what was asked."""
        best = self._best()
        if best is not None:
            inside = self._within.conclude() if self._within is not None and best.protocol == "tls" else best.inside
            return best.replace(facts=best.facts + tuple(self._facts), inside=inside)
        first = next((heard for heard in self._heard if heard.received), None)
        evidence = (Evidence(first.ask.probe if first.sent else "listen", first.sent, first.received),) if first else ()
        facts = [("heard", self._label(first))]
        facts.append(("asked", " ".join(self._asked) or "nothing"))
        if self._where.fragile is not None:
            facts.append(("left alone", self._where.fragile.why))
        elif why := self._why_stop():
            facts.append(("left alone", why))
        facts += self._facts
        return Identification("", confidence=Confidence.GUESS, facts=tuple(facts), evidence=evidence)

    def _label(self, heard: Heard | None) -> str:
        if heard is None:
            hung_up = any(one.ended == CLOSED for one in self._heard)
            return "nothing: it hung up without a word" if hung_up else "nothing"
        text = sum(byte in b"\t\r\n" or 32 <= byte < 127 for byte in heard.received) >= 0.9 * len(heard.received)
        return f"{'text' if text else 'binary'} {'banner' if self._greeting else 'answer'}"

    # What to ask

    def _is_likely(self, probe: Probe) -> bool:
        where, protocol = self._where, self._table.protocols[probe.protocol]
        if probe.name == "tls":
            inner = (name for one in self._table.protocols.values() for name in one.tls_services)
            return where.asked.port in probe.ports or any(name.lower() in where.names for name in inner)
        services = protocol.services + (protocol.tls_services if where.asked.tls else ())
        expected = any(service.lower() in where.names for service in services)
        return expected or where.asked.port in probe.ports or any(use in where.uses for use in protocol.uses)

    def _first(self) -> Probe | None:
        """What to ask on the connection on which nobody spoke: the likeliest that speaks first, else HTTP."""
        speaking = [probe for probe in self._likely if not probe.banner]
        return next(iter(speaking or [probe for probe in self._probes if probe.name == "http"]), None)

    def _make(self, probe: Probe) -> Ask:
        made = partial(self._within_tls, probe.name, partial(probe.dialogue, self._where.asked))
        return Ask(probe.name, made, steps=self._steps())

    def _within_tls(self, name: str, dialogue: Callable[[], Dialogue]) -> Dialogue:
        if not self._where.asked.tls:
            return dialogue()
        from portlore.probes.tls import through_tls

        alpn = ("h2",) if name == "http2" else ()  # others are found without; some servers refuse what they do not know
        return through_tls(self._overhear(name, dialogue()), self._where.asked, alpn)

    def _overhear(self, name: str, dialogue: Dialogue) -> Dialogue:
        """A dialogue within TLS, as it is; keeps what the driver cannot see: the first plain text."""
        said = self._step(name, dialogue, None)
        while isinstance(said, bytes):
            heard = yield said
            if heard and name not in self._plain:
                self._plain[name] = said[:MOST_EVIDENCE], heard[:MOST_EVIDENCE]
            said = self._step(name, dialogue, heard)
        return said

    def _steps(self) -> int:
        return 2 * MOST_STEPS if self._where.asked.tls else MOST_STEPS  # the handshake has steps of its own

    def _begin(self, first: Probe | None) -> Stages:
        """Listen, and ask the first on the same connection when nobody speaks."""
        waits = {probe.banner for probe in self._likely}  # some make whoever talks before their greeting a spammer
        wait = USUAL if len(waits) != 1 else KEEN if True in waits else BRIEF
        name = first.name if first is not None else "listen"
        if first is not None:
            self._asked.append(name)
        opening = Ask(name, partial(self._within_tls, name, partial(self._opening, first)), wait, self._steps())
        yield from self._hear(Stage((opening,), False, PATIENT if first in self._likely else USUAL))
        if self._greeting and first is not None:
            self._asked.remove(name)

    def _opening(self, first: Probe | None) -> Dialogue:
        self._greeting = heard = yield b""
        if not heard:
            return (yield from first.dialogue(self._where.asked)) if first is not None else None
        banners = sorted((probe for probe in self._probes if probe.banner), key=lambda one: one not in self._likely)
        for probe in banners:
            dialogue = probe.dialogue(self._where.asked)
            if self._step(probe.name, dialogue, None) != b"":
                continue
            said = self._step(probe.name, dialogue, heard)
            while said == b"":  # wants more of it; what comes is for all
                more = yield b""
                heard += more
                said = self._step(probe.name, dialogue, more)
            while isinstance(said, bytes):  # answers it: the connection is taken
                answer = yield said
                said = self._step(probe.name, dialogue, answer)
            self._asked.append(probe.name)
            if said is not None:
                return said
        self._greeting = heard
        return None

    def _ask(self, probes: Iterable[Probe], patience: float) -> Stages:
        new = [probe for probe in dict.fromkeys(probes) if probe.name not in self._asked]
        if self._is_done() or not new:
            return
        self._asked += [probe.name for probe in new]
        together = len(new) > 1 and not self._where.gentle
        yield from self._hear(Stage(tuple(map(self._make, new)), together, patience))

    def _why_stop(self) -> str:
        """Why further questions are idle: in a sentence, empty when they are not."""
        if any(one.is_echo for one in self._heard):
            return ECHO
        unasked = self._heard[:1] and self._heard[0].ended == CLOSED and not self._heard[0].sent
        return SHUT if unasked and all(one.ended in (CLOSED, REFUSED) for one in self._heard) else ""

    def _ask_rest(self) -> Stages:
        """All the others but what is spoken over something that was not found.

        Those that listen first share a connection, as nobody spoke on the first one for a while.
        """
        if self._is_done():
            return
        datagrams = self._where.asked.transport == "udp"
        new = [
            one
            for one in self._probes
            if one.everywhere and one.name not in self._asked and not self._table.protocols[one.protocol].over
        ]
        asks = [self._make(probe) for probe in new if not probe.banner]
        self._asked += [probe.name for probe in new]
        if not datagrams:
            asks.append(Ask("listen", partial(self._within_tls, "listen", partial(self._opening, None)), LATE))
        yield from self._hear(Stage(tuple(asks), not self._where.gentle, USUAL))

    def _hear(self, stage: Stage) -> Stages:
        heard = yield stage
        by_name = {probe.name: probe for probe in self._probes}
        for one in heard:
            if self._where.asked.tls:
                sent, received = self._plain.pop(one.ask.probe, (b"", b""))
                one = one.replace(sent=sent, received=received, ended=one.ended if received else one.ended or SILENT)
            if one.is_echo:
                one = one.replace(found=None)
            self._heard.append(one)
            if one.failed:
                self._fail(one.ask.probe, one.failed)
            if one.found is not None:
                self._found.append(one.found)
            elif one.received and not one.is_echo:
                self._consider(one)
            if stage.together and one.found is None and one.ended in ENDS and one.ask.probe in by_name:
                self._starved.append(by_name[one.ask.probe])

    def _consider(self, heard: Heard) -> None:
        """Bytes that the dialogue had no use for may be somebody else's."""
        for recogniser in self._table.recognisers:
            if recogniser.transport == self._where.asked.transport and recogniser.server is not None:
                try:
                    found = recogniser.server(heard.received)
                except Exception as error:  # noqa: BLE001 - as in _step
                    self._fail(recogniser.protocol, type(error).__name__)
                    continue
                if found is not None:
                    evidence = (Evidence(heard.ask.probe, heard.sent, heard.received),)
                    asked = [one for one in self._probes if one.protocol == found.protocol]
                    self._wanted += asked
                    unanswered = {one.ask.probe for one in self._heard if one.ended in ENDS}
                    self._asked = [  # it was too slow for us, or busy with somebody else: once more
                        name for name in self._asked if name not in unanswered or name not in {p.name for p in asked}
                    ]
                    sure = Confidence.LIKELY if asked else found.confidence
                    self._found.append(found.replace(evidence=evidence, confidence=sure))
                    return
        for probe in self._probes:
            if probe.banner and probe.name not in self._asked:
                dialogue = probe.dialogue(self._where.asked)
                if self._step(probe.name, dialogue, None) == b"":
                    said = self._step(probe.name, dialogue, heard.received)
                    if said is not None:
                        self._wanted.append(probe)
                dialogue.close()

    def _step(self, name: str, dialogue: Dialogue, data: bytes | None) -> bytes | Identification | None:
        """What a dialogue says to that (``None``: to begin with); what it found when it ends."""
        try:
            return next(dialogue) if data is None else dialogue.send(data)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except Exception as error:  # noqa: BLE001 - one probe's fault is not to be the end of all others
            self._fail(name, type(error).__name__)
            return None

    def _fail(self, name: str, what: str) -> None:  # by a fault of ours, which is told beside what was found
        self._facts.append(("failed", f"{name}: {what}"))

    # What it comes to

    def _best(self) -> Identification | None:
        return min(self._found, key=self._weight, default=None)

    def _weight(self, found: Identification) -> tuple[int, bool]:
        """The less, the better: sure before unsure; a server that says it expects TLS is to be asked for that first."""
        refuted = "tls" in self._asked and all(one.protocol != "tls" for one in self._found)
        unsure = ("expects", "TLS") in found.facts and not refuted and not self._where.asked.tls
        return ORDER.index(found.confidence) + unsure, not found.product

    def _is_done(self) -> bool:
        best = self._best()
        return best is not None and self._weight(best)[0] == 0

    def _lead_on(self) -> Stages:
        """From what was found to what is spoken over it, or within it."""
        best = self._best()
        if best is None:
            return
        if best.protocol == "tls":
            yield from self._go_within(dict(best.facts))
            return
        over = [one for one in self._probes if self._table.protocols[one.protocol].over == best.protocol]
        new = [probe for probe in over if probe.name not in self._asked or probe in self._cut()]
        page = any(name == "title" for name, _ in best.facts)  # for people, not for programs
        new = [probe for probe in new if probe in self._likely or (probe.everywhere and not page)]
        if new:
            self._asked += [probe.name for probe in new if probe.name not in self._asked]
            before = len(self._found)
            yield from self._hear(Stage(tuple(map(self._make, new)), not self._where.gentle and len(new) > 1, USUAL))
            closer = [one for one in self._found[before:] if one.protocol != best.protocol]
            self._found = [min(closer, key=self._weight)] if closer else [best]

    def _cut(self) -> list[Probe]:
        names = {heard.ask.probe for heard in self._heard if heard.ended == CUT}
        return [probe for probe in self._probes if probe.name in names]

    def _go_within(self, facts: dict[str, str]) -> Stages:
        from portlore.probes.tls import VERSIONS, talk_version

        if "refused" not in facts:
            asked = self._where.asked.replace(tls=True)
            self._within = Course(self._where.replace(asked=asked), self._table)
            yield from self._within.run()
        if self._where.gentle:
            return

        def ask(version: int) -> Ask:
            return Ask("tls-version", partial(talk_version, self._where.asked, version))

        heard = yield Stage(tuple(map(ask, VERSIONS)), False, USUAL, decides=False)
        taken = [value for one in heard if one.found is not None for _, value in one.found.facts]
        if taken:
            self._facts.append(("accepts", ", ".join(taken)))


def expected(asked: Asked, names: Sequence[str], uses: Sequence[str], *, gentle: bool, local: bool) -> Where:
    """A port as the book has it. ``local``: on this machine, where neither printers nor plants listen."""
    fragile = find_fragile(asked.port, asked.transport, local=local)
    return Where(asked, frozenset(name.lower() for name in names), frozenset(uses), gentle, fragile)
