"""Which ports are worth asking first: our own ranking of what people really run. Pure.

It is made from the book alone, and from nobody's survey:

1. Claims on a port give points, if they were not contradicted: customary ones and those documented by a vendor two,
   three when confirmed; historical ones one; malware and stories none; each further source of a claim one. Of the sum
   counts how often it doubles, times three: twenty programs on 8080 do not make it ten times as likely as 5432.
2. So do programs: the number of those in the programs' table that are known to serve the port's registered service, or
   for a claim's use of it; as often as it doubles, times three. For UDP, a service that is registered for TCP too
   counts one: most such rows are there out of habit (RFC 6335 section 5).
3. A registered service adds three, on a system port six more.

Ports with a point of the first two kinds come first, by points, then by number; after them assigned ports, system ports
before user ports; then all others, by number, dynamic ones last. Claims on more than :data:`NARROW` ports say little of
each of them and do not count.
"""

from __future__ import annotations

from portlore.lore.store import ranges, transports
from portlore.model import DYNAMIC_FIRST, LAST_PORT, USER_FIRST, ClaimKind, Status, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.book import Book
    from portlore.model import Claim
    from portlore.seen import Program

HOW = "claims with their sources, programs known to serve it, the registry"  # the docstring above, for `--help`
NARROW = 16  # ports
CLAIM_POINTS = {
    (ClaimKind.CUSTOMARY, Verdict.CONFIRMED): 3,
    (ClaimKind.VENDOR_DOCUMENTED, Verdict.CONFIRMED): 3,
    (ClaimKind.CUSTOMARY, Verdict.DISPUTED): 2,
    (ClaimKind.VENDOR_DOCUMENTED, Verdict.DISPUTED): 2,
    (ClaimKind.CUSTOMARY, Verdict.UNVERIFIED): 2,
    (ClaimKind.VENDOR_DOCUMENTED, Verdict.UNVERIFIED): 2,
    (ClaimKind.HISTORICAL, Verdict.CONFIRMED): 1,
}
DOUBLED = 3  # points for the first, and again for twice as many
REGISTERED, SYSTEM = 3, 6


def top(count: int, book: Book, programs: Iterable[Program], transport: str = "tcp") -> tuple[int, ...]:
    """The first ``count`` ports (1 to 65535) of the ranking, best first. Port 0 is nobody's and is never among them."""
    found: list[int] = []
    for port in ranked(book, programs, transport):
        if len(found) >= count:
            break
        found.append(port)
    return tuple(found)


def ranked(book: Book, programs: Iterable[Program], transport: str = "tcp") -> Iterator[int]:
    """All ports from 1 to 65535, best first; the registry is only walked by those who get past what has points."""
    points = scores(book, programs, transport)
    best = sorted(points, key=lambda port: (-points[port], port))
    yield from best
    known = set(best)
    registry = book.registry
    for first, last, rows in registry.runs(1, DYNAMIC_FIRST - 1):
        if rows and registry.said(first, transport)[0] is Status.ASSIGNED:
            for port in range(first, last + 1):
                if port not in known:
                    known.add(port)
                    yield port
    yield from (port for port in range(1, LAST_PORT + 1) if port not in known)


def scores(book: Book, programs: Iterable[Program], transport: str) -> dict[int, int]:
    """Points of every port that a claim or a program speaks of."""
    claimed: dict[int, int] = {}
    of_claim: dict[str, set[int]] = {}
    for claim in book.lore:
        worth = _worth(claim) if transport in transports(claim) else 0
        ports = [port for run in ranges(claim) for port in run if port] if worth and _is_narrow(claim) else []
        for port in ports:
            claimed[port] = claimed.get(port, 0) + worth
            of_claim.setdefault(claim.name, set()).add(port)
    served, habit = _served(book, programs, transport, of_claim)
    points = {}
    for port in claimed.keys() | served.keys():
        worth = DOUBLED * claimed.get(port, 0).bit_length()
        worth += 1 if port in habit else DOUBLED * served.get(port, 0).bit_length()
        if book.registry.said(port, transport)[2]:
            worth += REGISTERED + (SYSTEM if port < USER_FIRST else 0)
        points[port] = worth
    return points


def _served(
    book: Book, programs: Iterable[Program], transport: str, of_claim: dict[str, set[int]]
) -> tuple[dict[int, int], set[int]]:
    """How many programs are known for each port; the UDP ports that they are known for by a row of habit alone."""
    of_service: dict[str, dict[int, bool]] = {}
    served: dict[int, int] = {}
    habit: set[int] = set()
    meant: set[int] = set()
    for program in programs:
        ports = {port for use in program.uses for port in of_claim.get(use, ())}
        meant |= ports
        for service in program.services:
            if service not in of_service:
                of_service[service] = _registered(book, service, transport)
            for port, on_tcp in of_service[service].items():
                (habit if on_tcp else meant).add(port)
                ports.add(port)
        for port in ports:
            served[port] = served.get(port, 0) + 1
    return served, habit - meant if transport == "udp" else set()


def _worth(claim: Claim) -> int:
    worth = CLAIM_POINTS.get((claim.kind, claim.verdict), 0)
    return worth + len(claim.sources) - 1 if worth else 0


def _is_narrow(claim: Claim) -> bool:
    return sum(map(len, ranges(claim))) <= NARROW


def _registered(book: Book, service: str, transport: str) -> dict[int, bool]:
    """The single ports that the registry gives a service, and whether on TCP too."""
    rows = [record for record in book.registry.named(service) if record.number.isdigit() and record.number != "0"]
    on_tcp = {int(record.number) for record in rows if "tcp" in record.applies_to}
    return {int(row.number): int(row.number) in on_tcp for row in rows if transport in row.applies_to}
