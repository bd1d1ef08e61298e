"""The values that everything else speaks in. Pure; imports the standard library only."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = [
    "Answer",
    "Assignment",
    "Change",
    "ChangeKind",
    "Claim",
    "ClaimKind",
    "FreePort",
    "Hit",
    "LocalLine",
    "OwnLabel",
    "Port",
    "PortFacts",
    "PortKind",
    "PortRange",
    "Service",
    "Snapshot",
    "Source",
    "Status",
    "Transport",
    "Verdict",
]

LAST_PORT = 0xFFFF
DOMAIN_LAYER = "netinfo"  # of lines that a NetInfo domain's /services tells, whose names are asked for as well
DYNAMIC_FIRST = 49152  # RFC 6335 section 6: Dynamic Ports 49152-65535 are never assigned
USER_FIRST = 1024  # RFC 6335 section 6: System Ports 0-1023, User Ports 1024-49151


class Transport(Word):
    """The transport protocols of the registry, in the order in which they are shown (RFC 6335 section 3)."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    DCCP = "dccp"


class PortKind(Word):
    """The three ranges of RFC 6335 section 6."""

    SYSTEM = "system"
    USER = "user"
    DYNAMIC = "dynamic"


class Status(Word):
    """What the official registry says of a (port, transport)."""

    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    RESERVED = "reserved"
    DE_REGISTERED = "de-registered"
    NO_ENTRY = "no-entry"
    DYNAMIC = "dynamic"


class ClaimKind(Word):
    """Where a claim comes from."""

    VENDOR_DOCUMENTED = "vendor-documented"
    CUSTOMARY = "customary"
    HISTORICAL = "historical"
    MALWARE = "malware"
    STORY = "story"


class Verdict(Word):
    """What became of a claim when its sources were read."""

    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    UNVERIFIED = "unverified"
    CONTRADICTED = "contradicted"


class ChangeKind(Word):
    """What happened to a (port, transport) or a service name between two snapshots of the registry."""

    ASSIGNED = "assigned"
    REMOVED = "removed"
    RENAMED = "renamed"
    REASSIGNED = "reassigned"
    NAME_ADDED = "name-added"
    NAME_REMOVED = "name-removed"
    STATUS = "status"
    FIELD = "field"


def parse_number(text: str) -> int:
    """Parse a port number as people write it: 0 to 65535, no sign, no leading zero; :class:`InputError` otherwise."""
    if text.isascii() and text.isdigit():
        if len(text) > 1 and text[0] == "0":
            plain = text.lstrip("0") or "0"
            raise InputError(f"port {text!r}", "a number with leading zeros", f"did you mean {plain}?")
        if len(text) > 5 or int(text) > LAST_PORT:
            raise InputError(f"port {text}", "ports go from 0 to 65535", "ask for a number in that range")
        return int(text)
    raise InputError(f"port {text!r}", "not a number", "write a number from 0 to 65535, such as 703 or 53/udp")


def parse_transport(text: str) -> Transport:
    """``tcp`` ``udp`` ``sctp`` ``dccp``, in any case; :class:`InputError` otherwise."""
    try:
        return Transport(text.lower())
    except ValueError:
        raise InputError(f"transport {text!r}", "not one of tcp, udp, sctp, dccp", "write one of those") from None


class Port(Value):
    """A port number on one transport; ``str()`` and :meth:`parse` are inverses."""

    number: int
    transport: Transport

    @classmethod
    def parse(cls, text: str) -> Self:
        """``53/udp`` to a :class:`Port`; :class:`InputError` otherwise."""
        number, _, transport = text.partition("/")
        return cls(parse_number(number), parse_transport(transport))

    @property
    def kind(self) -> PortKind:
        """System, user or dynamic."""
        return kind_of(self.number)

    def __str__(self) -> str:
        return f"{self.number}/{self.transport}"


def kind_of(number: int) -> PortKind:
    """The range of RFC 6335 section 6 that a number lies in."""
    if number < USER_FIRST:
        return PortKind.SYSTEM
    return PortKind.USER if number < DYNAMIC_FIRST else PortKind.DYNAMIC


class PortRange(Value):
    """The ports from ``first`` to ``last``, both included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``600-1023`` or ``703``; :class:`InputError` when a bound is missing, wrong or after the other."""
        first, dash, last = text.partition("-")
        if dash and not (first and last):
            raise InputError(f"range {text!r}", "one bound is missing", f"write both, such as {first or last}-65535")
        low = parse_number(first)
        high = parse_number(last) if dash else low
        if high < low:
            raise InputError(f"range {text!r}", "its end comes before its start", f"did you mean {high}-{low}?")
        return cls(low, high)

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class Source(Value):
    """Where a statement was read. ``how``: ``page read``, ``package file`` or ``registry``; ``retrieved``: the day."""

    title: str
    url: str
    how: str = ""
    retrieved: str = ""
    evidence: str = ""


class Snapshot(Value):
    """One dated state of the registry: its ``updated`` date, the sha256 of the bytes it was read from, where from."""

    date: str
    sha256: str = ""
    origin: str = ""
    licence: str = "CC0-1.0"


class Assignment(Value):
    """One row of the registry that gives a port or a service name away.

    ``row`` is the number as the registry writes it (``6000-6063``). ``registered`` and ``modified`` are the registry's
    own words (``YYYY-MM-DD``, ``YYYY-MM`` or empty). ``has_note`` and ``has_unauthorized_use`` tell that the registry
    has a remark; its text is in ``note`` and ``unauthorized_use`` once ``portlore update`` has fetched it.
    ``alias_of`` names the service that this row is an alias or a duplicate of.
    """

    name: str
    description: str
    assignee: str
    contact: str
    registered: str
    modified: str
    references: tuple[str, ...]
    service_code: str
    row: str
    alias_of: str | None
    has_note: bool
    has_unauthorized_use: bool
    note: str | None = None
    unauthorized_use: str | None = None


class Change(Value):
    """What changed between two snapshots. ``before`` and ``after`` are names, a status or a field's two values."""

    between: tuple[str, str]
    kind: ChangeKind
    ports: str
    transport: str
    name: str
    before: str
    after: str
    field: str = ""


class Claim(Value):
    """A statement about a port that the registry does not make, with its sources and our verdict on it.

    ``later`` says what the registry did with the port after the use began, where that matters.
    """

    ports: str
    transport: str
    name: str
    kind: ClaimKind
    verdict: Verdict
    statement: str
    why: str
    since: str | None
    until: str | None
    sources: tuple[Source, ...]
    later: str | None = None

    def __hash__(self) -> int:
        return hash(
            (self.ports, self.name, self.statement)
        )  # enough to tell them apart, and much quicker than all of it


class LocalLine(Value):
    """What one of this machine's own lists says of a port: who says it, the package that brought it, the name."""

    layer: str
    path: str
    package: str
    name: str
    transport: str
    detail: str = ""


class OwnLabel(Value):
    """An organisation's own word on a port, from ``portlore.toml``."""

    ports: str
    transport: str
    name: str
    owner: str
    note: str
    path: str


class PortFacts(Value):
    """Everything said of one port on one transport. ``row``: the registry row that decided the status, as written."""

    port: int
    transport: Transport
    status: Status
    row: str
    assignments: tuple[Assignment, ...]
    history: tuple[Change, ...]
    claims: tuple[Claim, ...]
    local: tuple[LocalLine, ...]
    own: tuple[OwnLabel, ...]
    snapshot: str

    @property
    def kind(self) -> PortKind:
        """System, user or dynamic."""
        return kind_of(self.port)

    @property
    def name(self) -> str | None:
        """The preferred registered name, if there is one."""
        return (self.assignments[0].name or None) if self.assignments else None


class Service(Value):
    """A registered service name: its rows, with the port and transport of each (``None`` where it has no port)."""

    name: str
    port: str | None
    transport: str | None
    assignment: Assignment


class Answer(Value):
    """The answer to a question in words: the ports it is about and the services without a port."""

    snapshot: str
    queries: tuple[str, ...]
    ports: tuple[PortFacts, ...]
    services: tuple[Service, ...]


class Hit(Value):
    """One thing that a search found, best first. ``score``: higher is better; ``why``: what matched."""

    ports: str
    transport: str
    name: str
    description: str
    layer: str
    score: int
    why: str


class FreePort(Value):
    """A port that may be taken, and the reasons."""

    port: int
    transport: str
    reasons: tuple[str, ...]
