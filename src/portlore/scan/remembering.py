"""What was found, as JSON can hold it for a state file, and back. Pure."""

from __future__ import annotations

from portlore.observed import Confidence, Evidence, Identification, Observation, Outcome, Target
from portlore.render.observations import escaped, unescaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def row_of(one: Observation) -> list[Any]:
    """An open port as a list: address, port, transport, host, reason, took, at, and what speaks there."""
    to = one.target
    told = None if one.identification is None else to_plain(one.identification)
    return [to.address, to.port, to.transport, to.host, one.reason, one.took, one.at, told]


def of_row(row: list[Any]) -> Observation:
    """The inverse; ``ValueError`` or ``TypeError`` for anything else."""
    address, port, transport, host, reason, took, at, told = row
    target = Target(str(address), int(port), str(transport), str(host))
    took = None if took is None else float(took)
    identification = None if told is None else of_plain(told)
    return Observation(target, Outcome.OPEN, str(reason), took, float(at), identification)


def to_plain(told: Identification) -> list[Any]:
    """Its fields in order; bytes as :func:`portlore.render.observations.escaped` writes them."""
    proofs = [[one.probe, escaped(one.sent), escaped(one.received)] for one in told.evidence]
    inside = to_plain(told.inside) if told.inside is not None else None
    facts = [list(fact) for fact in told.facts]
    return [told.protocol, told.product, told.version, str(told.confidence), facts, proofs, inside]


def of_plain(plain: Any) -> Identification:
    """The inverse; ``ValueError`` or ``TypeError`` for anything else."""
    protocol, product, version, confidence, facts, proofs, inside = plain
    return Identification(
        str(protocol),
        str(product),
        str(version),
        Confidence(confidence),
        tuple((str(name), str(value)) for name, value in facts),
        tuple(Evidence(str(probe), unescaped(sent), unescaped(received)) for probe, sent, received in proofs),
        None if inside is None else of_plain(inside),
    )
