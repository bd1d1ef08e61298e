"""The book of ports: registry, lore, an organisation's own labels and this machine's lists, joined. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import (
    DOMAIN_LAYER,
    LAST_PORT,
    Answer,
    ChangeKind,
    ClaimKind,
    PortFacts,
    PortRange,
    Service,
    Status,
    Transport,
    Verdict,
    parse_transport,
)
from portlore.query import Query, parse_query
from portlore.registry.cover import cover
from portlore.registry.status import status_without_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from portlore.lore.store import Lore
    from portlore.model import Assignment, Change, Claim, LocalLine, OwnLabel
    from portlore.registry.cover import Cover
    from portlore.registry.record import Record
    from portlore.registry.registry import Registry

    Located = tuple[PortRange, LocalLine]
    Known = tuple[Status, str, tuple[Assignment, ...], tuple[Change, ...], tuple[Claim, ...]]

USUAL = (Transport.TCP, Transport.UDP)
TRANSPORTS: dict[str, Transport] = {str(on): on for on in Transport}
RARE = (Transport.SCTP, Transport.DCCP)
FEW = 64  # lines of lists that are quicker read than indexed
GIVEN = (ChangeKind.ASSIGNED, ChangeKind.REASSIGNED)


class Book:
    """Answers questions about ports. Immutable to its users.

    ``registry`` and ``lore`` come from :func:`portlore.load`; ``local`` are the lines of this machine's own lists with
    the ports they speak of, ``own`` the labels of ``portlore.toml``.
    """

    def __init__(
        self, registry: Registry, lore: Lore, local: Iterable[Located] = (), own: Iterable[OwnLabel] = ()
    ) -> None:
        self.registry, self.lore = registry, lore
        self._local, self.own = tuple(local), tuple(own)
        self._local_cover: Cover | None = None
        self._known: dict[tuple[tuple[int, int], int, str], Known] = {}
        self._names: list[tuple[str, Claim]] = []

    @property
    def snapshot(self) -> str:
        """The date of the registry that this book answers from."""
        return self.registry.snapshot.date

    def joined(self, local: Iterable[Located] = (), own: Iterable[OwnLabel] = ()) -> Book:
        """The same book with this machine's lists and an organisation's labels."""
        return Book(self.registry, self.lore, local, own)

    def lookup(self, number: int, transport: str = Transport.TCP) -> PortFacts:
        """Everything said of a port on a transport; :class:`InputError` for a number or transport that is none."""
        on = TRANSPORTS.get(transport) or parse_transport(transport)
        if not 0 <= number <= LAST_PORT:
            raise InputError(f"port {number}", "ports go from 0 to 65535", "ask for a number in that range")
        key = (self.registry.place(number), self.lore.place(number), on)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._know(number, on)
        status, row, assignments, history, claims = known
        if status is Status.NO_ENTRY:
            status = status_without_row(number)
        local: tuple[LocalLine, ...] = ()
        own: tuple[OwnLabel, ...] = ()
        if self._local:
            local = tuple([line for line in self._local_at(number) if on in line.transport])
        if self.own:
            own = tuple(
                [label for label in self.own if on in label.transport and number in PortRange.parse(label.ports)]
            )
        return PortFacts(number, on, status, row, assignments, history, claims, local, own, self.snapshot)

    def _local_at(self, number: int) -> list[LocalLine]:
        """What this machine's lists say of a port; many lines are indexed by interval as the registry's are."""
        if len(self._local) <= FEW:
            return [line for ports, line in self._local if number in ports]
        if self._local_cover is None:
            self._local_cover = cover((ports.first, ports.last, i) for i, (ports, _) in enumerate(self._local))
        return [self._local[index][1] for index in self._local_cover.at(number)]

    def _know(self, number: int, on: Transport) -> Known:
        status, row, assignments = self.registry.said(number, on)
        if status is Status.DYNAMIC:  # ports of one place may lie on both sides of that border
            status = Status.NO_ENTRY
        history = self.registry.changes(number, on)
        claims = self.lore.about(number, on)
        if history and claims:
            claims = tuple([_with_later(claim, history) for claim in claims])
        return status, row, assignments, history, claims

    def port(self, number: int) -> list[PortFacts]:
        """A port on TCP and UDP, and on SCTP and DCCP where they have a row."""
        facts = [self.lookup(number, transport) for transport in USUAL]
        rare = [transport for transport in RARE if self.registry.said(number, transport)[1]]
        return facts + [self.lookup(number, transport) for transport in rare]

    def name(self, number: int, transport: str) -> str | None:
        """The preferred registered name of a port, or None; errors as :meth:`lookup`."""
        return self.lookup(number, transport).name

    def ask(self, *texts: str) -> Answer:
        """Answer questions as people write them: ``703``, ``53/udp``, ``600-1023``, ``ssh``.

        A name that nobody has gives no ports and no services; :class:`InputError` where a text is no question.
        """
        ports: list[PortFacts] = []
        services: list[Service] = []
        for text in texts:
            query = self.parse(text)
            if query.name is None:
                ports += self.facts_of(query)
            else:
                found, portless = self.service(query.name, query.transport)
                ports += found
                services += portless
        return Answer(self.snapshot, texts, tuple(ports), tuple(services))

    def parse(self, text: str) -> Query:
        """A text as a question to this book, whose names win over look-alikes of numbers."""
        labels = {label.name.lower() for label in self.own}
        labels |= {line.name.lower() for _, line in self._local if line.layer == DOMAIN_LAYER}
        return parse_query(text, lambda name: name.lower() in labels or bool(self.registry.named(name)))

    def facts_of(self, query: Query) -> Iterator[PortFacts]:
        """The facts of a question about numbers, port by port."""
        for number in query.ports or ():
            if query.transport is None:
                yield from self.port(number)
            else:
                yield self.lookup(number, query.transport)

    def service(self, name: str, transport: str | None = None) -> tuple[list[PortFacts], list[Service]]:
        """The ports of a registered service name, and its rows without a port."""
        ports: list[PortFacts] = []
        services: list[Service] = []
        for record in self.registry.named(name):
            wanted = [on for on in record.applies_to if transport is None or on == transport]
            if not record.number:
                services += [service_of(record, on) for on in (wanted if record.transports else [None])]
                continue
            numbers = PortRange.parse(record.number)
            ports += [self.lookup(number, on) for number in numbers for on in wanted]
        for label in self.own:
            if label.name.lower() == name.lower():
                wanted = [on for on in label.transport.split("/") if transport is None or on == transport]
                ports += [self.lookup(number, on) for number in PortRange.parse(label.ports) for on in wanted]
        for numbers, line in self._local:
            if line.layer == DOMAIN_LAYER and line.name.lower() == name.lower():
                wanted = [on for on in line.transport.split("/") if transport is None or on == transport]
                found = [self.lookup(number, on) for number in numbers for on in wanted]
                ports += [facts for facts in found if facts not in ports]
        return ports, services

    def claimed(self, name: str) -> list[Claim]:
        """The claims whose name holds these words, for a name that nobody registered."""
        if not self._names:
            told = [c for c in self.lore if c.verdict is not Verdict.CONTRADICTED and c.kind is not ClaimKind.STORY]
            self._names = [(c.name.lower(), c) for c in told]
        wanted = name.lower()
        return [claim for told, claim in self._names if wanted in told]


def service_of(record: Record, transport: str | None) -> Service:
    """A registry row as a service."""
    from portlore.registry.registry import assignment_of

    return Service(record.name, record.number or None, transport, assignment_of(record))


def _with_later(claim: Claim, history: Sequence[Change]) -> Claim:
    """A claim that is older than a later assignment says so."""
    if claim.since is None or claim.verdict is Verdict.CONTRADICTED:
        return claim
    for change in history:
        older, newer = change.between
        same = change.name.lower() in claim.name.lower()  # docker was given to Docker: no conflict to tell of
        if change.kind in GIVEN and claim.since < newer and not same:
            to = f"assigned to {change.name} between {older} and {newer}"
            return claim.replace(later=f"used by {claim.name} since {claim.since}, {to}")
    return claim


def statuses(facts: Iterable[PortFacts]) -> dict[str, dict[str, int]]:
    """Counts by transport and status."""
    counts: dict[str, dict[str, int]] = {}
    for one in facts:
        by_status = counts.setdefault(one.transport, dict.fromkeys(Status, 0))
        by_status[one.status] += 1
    return counts
