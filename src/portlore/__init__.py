"""Portlore: what is said of a TCP/UDP port, what is seen on it, and whether the two agree.

>>> import portlore
>>> portlore.name(22, "tcp")
'ssh'

Importing this package opens nothing and needs no third-party package; the data is read at the first question.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Book
    from portlore.errors import (
        DataError,
        HostError,
        InputError,
        ParseError,
        PolicyRefused,
        PortloreError,
    )
    from portlore.library import ask, history, listening, lookup, name, search
    from portlore.model import (
        Answer,
        Assignment,
        Change,
        ChangeKind,
        Claim,
        ClaimKind,
        Hit,
        Port,
        PortFacts,
        PortKind,
        PortRange,
        Service,
        Source,
        Status,
        Transport,
        Verdict,
    )
    from portlore.observed import Confidence, Evidence, Identification, Observation, Outcome, Target
    from portlore.opening import load
    from portlore.scan.verbs import Scanned, identify, scan_ports
    from portlore.seen import (
        Container,
        Exposure,
        Family,
        Hidden,
        Judgement,
        JudgementWord,
        Listener,
        Owner,
        Process,
        Reason,
        Socket,
    )

__version__ = "0.5.0"

_HOMES = {
    "portlore.book": ("Book",),
    "portlore.errors": ("DataError", "HostError", "InputError", "ParseError", "PolicyRefused", "PortloreError"),
    "portlore.library": ("ask", "history", "listening", "lookup", "name", "search"),
    "portlore.model": (
        "Answer",
        "Assignment",
        "Change",
        "ChangeKind",
        "Claim",
        "ClaimKind",
        "Hit",
        "Port",
        "PortFacts",
        "PortKind",
        "PortRange",
        "Service",
        "Source",
        "Status",
        "Transport",
        "Verdict",
    ),
    "portlore.observed": ("Confidence", "Evidence", "Identification", "Observation", "Outcome", "Target"),
    "portlore.opening": ("load",),
    "portlore.scan.verbs": ("Scanned", "identify", "scan_ports"),
    "portlore.seen": (
        "Container",
        "Exposure",
        "Family",
        "Hidden",
        "Judgement",
        "JudgementWord",
        "Listener",
        "Owner",
        "Process",
        "Reason",
        "Socket",
    ),
}
__all__ = [
    "Answer",
    "Assignment",
    "Book",
    "Change",
    "ChangeKind",
    "Claim",
    "ClaimKind",
    "Confidence",
    "Container",
    "DataError",
    "Evidence",
    "Exposure",
    "Family",
    "Hidden",
    "Hit",
    "HostError",
    "Identification",
    "InputError",
    "Judgement",
    "JudgementWord",
    "Listener",
    "Observation",
    "Outcome",
    "Owner",
    "ParseError",
    "PolicyRefused",
    "Port",
    "PortFacts",
    "PortKind",
    "PortRange",
    "PortloreError",
    "Process",
    "Reason",
    "Scanned",
    "Service",
    "Socket",
    "Source",
    "Status",
    "Target",
    "Transport",
    "Verdict",
    "__version__",
    "ask",
    "history",
    "identify",
    "listening",
    "load",
    "lookup",
    "name",
    "scan_ports",
    "search",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            found = getattr(__import__(home, fromlist=[name]), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module 'portlore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
