"""A range of ports, summed up. Pure."""

from __future__ import annotations

from portlore.book import statuses
from portlore.chronicle import in_ports
from portlore.model import PortRange, Status, Transport
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.book import Book
    from portlore.model import Change, Claim, OwnLabel, PortFacts

LATEST = 8  # changes


class RangeSummary(Value):
    """What is told of a range. ``counts``: by transport, then status. ``facts``: every port, TCP and UDP first."""

    ports: PortRange
    snapshot: str
    counts: dict[str, dict[str, int]]
    gaps: tuple[PortRange, ...]
    claims: tuple[Claim, ...]
    changes: tuple[Change, ...]
    facts: tuple[PortFacts, ...]
    own: tuple[OwnLabel, ...]


def summarise(book: Book, ports: PortRange, transport: Transport | None = None) -> RangeSummary:
    """Counts, gaps, claims and latest changes of a range, on all transports or on one."""
    wanted = [transport] if transport else list(Transport)
    facts = tuple(one for number in ports for one in book.port(number) if one.transport in wanted)
    if transport is not None and transport not in (Transport.TCP, Transport.UDP):
        facts = tuple(book.lookup(number, transport) for number in ports)
    counts = statuses(facts)
    for rare in (Transport.SCTP, Transport.DCCP):  # they answer only where they have a row: count the others too
        if rare in counts:
            counts[rare][Status.NO_ENTRY] += len(ports) - sum(counts[rare].values())
    told = {id(one.claims): one.claims for one in facts}  # neighbours share one tuple: each is looked into once
    claims = dict.fromkeys(claim for some in told.values() for claim in some)
    changes = in_ports(book.registry, ports, wanted)
    own = dict.fromkeys(label for one in facts for label in one.own)
    return RangeSummary(
        ports,
        book.snapshot,
        counts,
        tuple(gaps(facts)),
        tuple(claims),
        tuple(changes[-LATEST:]),
        facts,
        tuple(own),
    )


def gaps(facts: tuple[PortFacts, ...]) -> Iterator[PortRange]:
    """Runs of ports that are unassigned on every transport answered."""
    state: dict[int, bool] = {}
    for one in facts:
        if one.transport in (Transport.TCP, Transport.UDP) or one.port not in state:
            state[one.port] = state.get(one.port, True) and one.status is Status.UNASSIGNED
    first = previous = None
    for number, free in state.items():
        if free and previous is not None and number == previous + 1:
            previous = number
            continue
        if first is not None and previous is not None:
            yield PortRange(first, previous)
        first = previous = number if free else None
    if first is not None and previous is not None:
        yield PortRange(first, previous)
