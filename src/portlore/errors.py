"""Every exception that Portlore raises, by whose fault it is.

::

    PortloreError
    ├── InputError       the question cannot be understood          exit 2, HTTP 400
    │   └── ParseError   a file or text is malformed, with a place  exit 2, HTTP 400
    ├── PolicyRefused    understood, and not done on purpose        exit 4, HTTP 403
    ├── HostError        this machine cannot do it; says a remedy   exit 3, HTTP 503
    ├── DataError        Portlore's own data is missing or broken   exit 3, HTTP 500
    ├── ProtocolError    somebody else's answer makes no sense      exit 3, HTTP 502
    └── NetInfoError     a NetInfo status; it crosses the wire      exit 1

A port that nobody registered, a search without a hit, an old snapshot: those are values, not errors.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "HostError",
    "InputError",
    "NetInfoError",
    "ParseError",
    "PolicyRefused",
    "PortloreError",
    "ProtocolError",
]


class PortloreError(Exception):
    """A promise that could not be kept: what was asked, what was found, what to do."""

    exit_code = 3

    def __init__(self, asked: str, found: str, do: str) -> None:
        super().__init__(asked, found, do)
        self.asked, self.found, self.do = asked, found, do

    def __str__(self) -> str:
        return f"{self.asked}: {self.found}; {self.do}"


class InputError(PortloreError):
    """The question cannot be understood."""

    exit_code = 2


class ParseError(InputError):
    """A file or text is malformed; ``found`` says where."""


class PolicyRefused(PortloreError):
    """Understood, and refused on purpose."""

    exit_code = 4


class HostError(PortloreError):
    """This machine or its network cannot do it; ``do`` is the remedy."""


class DataError(PortloreError):
    """Portlore's own data is missing, broken or does not reach back that far."""


class ProtocolError(PortloreError):
    """Somebody else's answer makes no sense."""


class NetInfoError(PortloreError):
    """A "no" inside the NetInfo protocol; ``status`` is its ni_status, which crosses the wire."""

    exit_code = 1

    def __init__(self, status: int) -> None:
        super().__init__("NetInfo", f"status {status}", "see the status")
        self.status = status
