"""Whether what is seen agrees with what is said: a judgement and its reason. Pure."""

from __future__ import annotations

from bisect import bisect_right

from portlore.lore.store import ranges
from portlore.model import DYNAMIC_FIRST, LAST_PORT, USER_FIRST, ClaimKind, Status, Transport, Verdict
from portlore.seen import Judgement, JudgementWord, Said
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.book import Book
    from portlore.model import Claim, OwnLabel, PortRange
    from portlore.seen import Program, Socket

SAME_NUMBERS = {"udplite": Transport.UDP}  # RFC 3828 section 5: UDP-Lite has UDP's port numbers
BOOKED = {str(on): on for on in Transport} | SAME_NUMBERS
NARROW = 64  # ports: a claim on more, such as a system's ephemeral range, says little of one of them
NOT_A_USE = (ClaimKind.STORY, ClaimKind.MALWARE)
STATUS_WORDS = {
    Status.UNASSIGNED: "nobody registered this port",
    Status.NO_ENTRY: "nobody registered this port on {on}",
    Status.RESERVED: "the registry reserves this port, for nobody to use",
    Status.DE_REGISTERED: "this port was de-registered",
    Status.DYNAMIC: "a dynamic port is never registered",
    Status.ASSIGNED: "registered without a name",
}
RESERVED_REASONS = (  # services whose clients take a reserved source port, and why
    (("nfs", "sunrpc", "nfsrdma", "mountd", "nlockmgr"), "as NFS does so that the server believes that root asks"),
    (("login", "shell", "exec", "klogin", "kshell"), "as rlogin and rsh must, by their rule that root alone may"),
    (("printer",), "as lpr must, by RFC 1179 section 3.1"),
    (("netinfo", "netinfobind"), "as NetInfo's tools do, to be taken for root"),
)
ANY_REASON = "as programs of root do with bindresvport(3), to be taken for root"


class Speaker(Value):
    """One owner, for the judgement: what to ``call`` it, the program it is known to be, if any."""

    called: str
    program: Program | None
    hidden: bool = False


def called(name: str, program: Program | None) -> str:
    """What to call a process: its own name, and the program that it is found to be where that differs."""
    if program is None or name in program.names or any(name.startswith(known) for known in program.names):
        return name
    return f"{name} ({(program.names or program.arguments)[0]})"


class Spoken(Value):
    """What was heard to speak on a port, for the judgement.

    ``title``: the protocol for people. ``services``: registered names that it fits; ``uses``: names of claims that it
    fits. ``opaque``: it carries something that was not recognised (TLS).
    """

    title: str
    services: tuple[str, ...]
    uses: tuple[str, ...] = ()
    opaque: bool = False


class Judge:
    """Holds sockets against a book.

    Keeps what it has judged: ports that the book says the same of, held by the same speakers, are judged alike.
    ``ephemeral``: where the machine takes source ports from.
    """

    def __init__(self, book: Book, ephemeral: PortRange | None = None) -> None:
        self._book, self._ephemeral = book, ephemeral
        self._registered, self._claimed = book.registry.starts, book.lore.starts  # where one run of ports ends
        self._first = self._last = -1  # the ports that are judged like the one before
        self._alike: dict[tuple[str, int], tuple[Said, Judgement]] = {}
        self._known: dict[tuple[object, ...], dict[tuple[str, int], tuple[Said, Judgement]]] = {}
        self._own = bool(book.own)
        self._kept: list[object] = []

    def judge(self, transport: str, port: int, speakers: tuple[Speaker, ...]) -> tuple[Said, Judgement]:
        """What is said of a port, and whether its owners fit it."""
        if not self._first <= port <= self._last:
            self._turn_to(port)
        key = (transport, id(speakers))
        known = self._alike.get(key)
        if known is None:
            on = BOOKED[transport]
            passing = on is Transport.UDP and self._ephemeral is not None and port in self._ephemeral
            own = self._book.lookup(port, on).own if self._own else ()
            said = self.said(transport, port)
            known = self._alike[key] = said, _judge(said, own, speakers, on, passing=passing)
            self._kept.append(speakers)  # an id lasts as long as what it names
        return known

    def _turn_to(self, port: int) -> None:
        """Find the ports around this one that the book and the machine treat alike: callers ask in order of ports."""
        borders = [DYNAMIC_FIRST]
        if self._ephemeral is not None:
            borders += [self._ephemeral.first, self._ephemeral.last + 1]
        borders.sort()
        places = []
        first, last = 0, LAST_PORT
        for starts in (self._registered, self._claimed, borders):
            run = bisect_right(starts, port)
            places.append(run)
            first = max(first, starts[run - 1]) if run else first
            last = min(last, starts[run] - 1) if run < len(starts) else last
        self._first, self._last = (port, port) if self._own else (first, last)
        self._alike = self._known.setdefault((port,) if self._own else tuple(places), {})

    def said(self, transport: str, port: int) -> Said:
        """What the book says of a port, in short."""
        on = BOOKED[transport]
        status, _, assignments = self._book.registry.said(port, on)
        names = tuple(dict.fromkeys([given.name for given in assignments if given.name]))
        return Said(status, names, self._book.lore.about(port, on))

    def client(self, socket: Socket, *, offered: bool = False) -> tuple[Said | None, str]:
        """What is said of a client's own port, and why it has that number: what its far end is registered for.

        ``offered``: something listens on the near end's port, so that the client is the far end.
        """
        if socket.transport not in BOOKED:
            return None, ""
        if offered:
            said = self.said(socket.transport, socket.port)
            name = f" ({said.names[0]})" if said.names else ""
            return said, f"a client at {socket.peer} is connected to what listens on {socket.port}{name}"
        far = self.said(socket.transport, socket.peer_port)
        said = self.said(socket.transport, socket.port)
        where = f"[{socket.peer}]" if ":" in socket.peer else socket.peer
        to = f"{where}:{socket.peer_port}" + (f" ({far.names[0]})" if far.names else "")
        if socket.port >= USER_FIRST:
            return said, f"the source port of a connection to {to}"
        reason = next((why for names, why in RESERVED_REASONS if not set(names).isdisjoint(far.names)), ANY_REASON)
        return said, f"only the source port of a connection to {to}: its client took a reserved port, {reason}"


def _judge(
    said: Said, own: Sequence[OwnLabel], speakers: Sequence[Speaker], on: Transport, *, passing: bool
) -> Judgement:
    """The first word that fits, in the order of :class:`JudgementWord`."""
    names = {name.lower() for name in said.names}
    registered = _listed(said.names)
    for one in speakers:
        for service in one.program.services if one.program else ():
            if service.lower() in names:
                return Judgement(JudgementWord.EXPECTED, f"registered for {service}, which {one.called} serves")
    for label in own:
        return Judgement(JudgementWord.EXPECTED, f"your portlore.toml gives this port to {label.name}")
    uses = [c for c in said.claims if c.verdict is not Verdict.CONTRADICTED and c.kind not in NOT_A_USE]
    narrow = [c for c in uses if _is_narrow(c)]
    for one in speakers:
        for claim in uses:
            if one.program is not None and claim.name in one.program.uses:
                but = f"; the registry has {registered} here" if names else ""
                why = f"{claim.name} uses this port by custom ({claim.kind}), and {one.called} is that{but}"
                return Judgement(JudgementWord.CUSTOMARY, why)
    called = _called(speakers)
    for claim in said.claims:
        if _names_a_user(claim) and (not names or _is_narrow(claim)):
            why = f"the story that this port is {claim.name}'s is false; {called} holds it, so look what it speaks"
            return Judgement(JudgementWord.REFUTED, why)
    known = [one for one in speakers if one.program is not None]
    passes_on = next((one for one in known if one.program and one.program.forwards), None)
    if names and passing:
        why = f"registered for {registered}; in the ephemeral range: most likely a client waits for answers here"
        return Judgement(JudgementWord.UNKNOWN, why)
    if names and passes_on:
        why = f"registered for {registered}; {passes_on.called} passes on what it is given, so look behind it"
        return Judgement(JudgementWord.UNKNOWN, why)
    if names and known and len(known) == len(speakers):
        program = known[0].program
        serves = _listed((program.services or program.uses)[:2]) if program else ""
        return Judgement(JudgementWord.SQUATTING, f"registered for {registered}, but {known[0].called} serves {serves}")
    if not names:
        why = STATUS_WORDS[said.status].format(on=on)
        if narrow:
            known_uses = _listed(list(dict.fromkeys(claim.name for claim in narrow))[:2])
            why += f"; {known_uses} may use it, but {called} is not known to be that"
        elif passing:
            why += "; in the ephemeral range: most likely a client waits for answers here"
        else:
            why += ", and no other use of it is known"
        return Judgement(JudgementWord.UNREGISTERED, why, passing)
    hidden = any(one.hidden for one in speakers)
    cannot = "its owner is hidden" if hidden else f"what {called} speaks is not known from its name"
    return Judgement(JudgementWord.UNKNOWN, f"registered for {registered}; {cannot}")


def judge_spoken(
    book: Book, transport: str, port: int, spoken: Spoken | None, *, asked: bool
) -> tuple[Said, Judgement]:
    """What is said of an open port, and whether what speaks there fits it: the first word that fits.

    ``spoken``: ``None`` where nothing was recognised; ``asked``: whether anybody tried.
    """
    on = BOOKED[transport]
    status, _, assignments = book.registry.said(port, on)
    names = tuple(dict.fromkeys([given.name for given in assignments if given.name]))
    said = Said(status, names, book.lore.about(port, on))
    own = book.lookup(port, on).own if book.own else ()
    known = spoken if spoken is not None and not spoken.opaque else None
    if known is not None:
        tells = f"it speaks {known.title}"
    elif spoken is not None:
        tells = f"it speaks {spoken.title}, and what is within was not recognised"
    else:
        tells = "what speaks there was not recognised" if asked else "nobody asked what speaks there"
    return said, _judge_spoken(said, own, known, tells, on, port)


def _judge_spoken(
    said: Said, own: Sequence[OwnLabel], known: Spoken | None, tells: str, on: Transport, port: int
) -> Judgement:
    registered = _listed(said.names)
    uses = [c for c in said.claims if c.verdict is not Verdict.CONTRADICTED and c.kind not in NOT_A_USE]
    if known is not None:
        fitting = {service.lower() for service in known.services}
        for name in said.names:
            if name.lower() in fitting:
                return Judgement(JudgementWord.EXPECTED, f"registered for {name}, and {tells}")
    for label in own:
        return Judgement(JudgementWord.EXPECTED, f"your portlore.toml gives this port to {label.name}; {tells}")
    for claim in uses if known is not None else ():
        if known is not None and claim.name in known.uses:
            but = f"; the registry has {registered} here" if said.names else ""
            why = f"{claim.name} uses this port by custom ({claim.kind}), and {tells}{but}"
            return Judgement(JudgementWord.CUSTOMARY, why)
    stories = [c for c in said.claims if _names_a_user(c) and (not said.names or _is_narrow(c))]
    for claim in sorted(stories, key=lambda c: known is None or c.name not in (known.title, *known.uses)):
        theirs = f"the story that {port} is {claim.name}'s is false"
        if known is None:
            return Judgement(JudgementWord.REFUTED, f"{theirs}, and {tells}: look")
        return Judgement(
            JudgementWord.REFUTED, f"{port} speaks {known.title}; {theirs}, so this is somebody's choice: look"
        )
    if said.names and known is not None:
        return Judgement(JudgementWord.SQUATTING, f"registered for {registered}, but {tells}")
    if said.names:
        return Judgement(JudgementWord.UNKNOWN, f"registered for {registered}; {tells}")
    why = f"{STATUS_WORDS[said.status].format(on=on)}; {tells}"
    narrow = list(dict.fromkeys(claim.name for claim in uses if _is_narrow(claim)))
    if narrow:
        not_that = "may use it, and this is not known to be that" if known is not None else "may use it"
        why += f"; {_listed(narrow[:2])} {not_that}"
    return Judgement(JudgementWord.UNREGISTERED, why)


def _names_a_user(claim: Claim) -> bool:
    """Whether a false story gives the port to somebody ("Modbus"), rather than telling how ports are (a sentence)."""
    return claim.kind is ClaimKind.STORY and claim.verdict is Verdict.CONTRADICTED and " " not in claim.name


def _is_narrow(claim: Claim) -> bool:
    return sum(map(len, ranges(claim))) <= NARROW


def _called(speakers: Sequence[Speaker]) -> str:
    return _listed(list(dict.fromkeys(one.called for one in speakers))[:2]) or "nobody to be seen"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:2])} …"
