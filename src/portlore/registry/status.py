"""How rows of the registry become the status of a (port, transport).

Kept apart because it is the part that other tools get wrong: an empty name has many meanings, and a name does not prove
an assignment.
"""

from __future__ import annotations

from portlore.model import DYNAMIC_FIRST, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.registry.record import Record

# Beginnings of the description of a row, folded to lower case, and what they mean: the first that fits.
# The second column is for a row without a name, the third for a row that has one.
BEGINNINGS = (
    ("de-registered", Status.DE_REGISTERED, Status.DE_REGISTERED),
    ("removed", Status.DE_REGISTERED, None),
    ("deprecated", Status.DE_REGISTERED, None),
    ("decomissioned", Status.DE_REGISTERED, None),  # the registry's own spelling
    ("decommissioned", Status.DE_REGISTERED, None),
    ("de-commissioned", Status.DE_REGISTERED, None),
    ("reserved", Status.RESERVED, None),
    ("unassigned", Status.UNASSIGNED, None),
    ("(unassigned", Status.UNASSIGNED, None),
    ("possibly used by", Status.UNASSIGNED, None),
    ("any private", Status.ASSIGNED, None),  # given to everybody: assigned without a name
)


def status_of(name: str, description: str) -> Status:
    """The status that one row gives to its ports.

    A name assigns, unless its description says De-registered. Without a name the description decides; one that says
    nothing of the kind is read as a description of a use, which assigns.
    """
    folded = description.lower()
    for beginning, nameless, named in BEGINNINGS:
        if folded.startswith(beginning):
            found = named if name else nameless
            return found or Status.ASSIGNED
    return Status.ASSIGNED if name or description else Status.UNASSIGNED


def status_without_row(number: int) -> Status:
    """The status of a port that no row covers on a transport (RFC 6335 section 6 for the dynamic ports)."""
    return Status.DYNAMIC if number >= DYNAMIC_FIRST else Status.NO_ENTRY


def rank(record: Record, transports_held: int, place: int) -> tuple[bool, bool, bool, int, int]:
    """Sort key that puts the preferred name of a port first.

    An alias or duplicate comes last; a use that the registry only records as widespread comes after an assignment; a
    name with an RFC before one without; the name that holds the port on more transports first; then the
    registry's order.
    """
    return (
        record.alias_of is not None,
        "widespread" in record.marks,
        "[RFC" not in record.reference,
        -transports_held,
        place,
    )


def preferred_first(records: Sequence[Record], port_rows: Iterable[Record]) -> list[Record]:
    """The rows of one port on one transport, preferred name first; ``port_rows``: its rows on any transport."""
    if len(records) < 2:
        return list(records)
    held: dict[str, set[str]] = {}
    for row in port_rows:
        held.setdefault(row.name, set()).update(row.applies_to)
    return [r for _, r in sorted(enumerate(records), key=lambda pair: rank(pair[1], len(held[pair[1].name]), pair[0]))]


def most_specific(records: Iterable[Record]) -> list[Record]:
    """Those with the narrowest range: a row for one port wins over a range that covers it."""
    best: list[Record] = []
    narrowest = 1 << 17
    for record in records:
        first, last = record.span
        width = last - first
        if width < narrowest:
            best, narrowest = [record], width
        elif width == narrowest:
            best.append(record)
    return best
