"""What a status means for somebody who wants to use the port: sentences from RFC 6335 and the book. Pure."""

from __future__ import annotations

from portlore.model import ClaimKind, PortKind, Status, Verdict
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.model import Claim, PortFacts

ASKING = {
    PortKind.SYSTEM: (
        "Can be registered: system ports are assigned by IETF Review or IESG Approval (RFC 6335, section 8.1.2)."
    ),
    PortKind.USER: (
        "Can be registered: user ports are assigned by IETF Review, IESG Approval or Expert Review (RFC 6335,"
        " section 8.1.2)."
    ),
}
BINDING = {
    PortKind.SYSTEM: (
        "System port: on Linux a program needs root or CAP_NET_BIND_SERVICE to listen here, unless"
        " net.ipv4.ip_unprivileged_port_start is lower."
    ),
    PortKind.USER: "User port: any program may listen here.",
    PortKind.DYNAMIC: (
        "Dynamic port: never assigned to anybody (RFC 6335, section 6); any program may get it for a moment,"
        " most often as the source port of an outgoing connection."
    ),
}


ANY_PORT = "Port 0 is no place to listen on: a program that asks for it is given any free port instead."
TAKING = (ClaimKind.VENDOR_DOCUMENTED, ClaimKind.CUSTOMARY)
FEW = 3  # names in the sentence of verdict
AS_SOURCE = "(source port)"  # so end the names of claims on ports that connections come from: nothing serves there
WHOSE = {
    "named": "officially {names}",
    "nameless": "officially for private use, without a name",
    "dynamic": "dynamic, never assigned to anybody",
    "reserved": "officially reserved",
    "returned": "officially given back",
    "nobody": "officially nobody's",
}


class Parties(Value):
    """Who appears in the sentence of verdict: the official names, the real users, what it is not.

    ``whose``: named, nameless, dynamic, reserved, returned or nobody.
    """

    whose: str
    names: Sequence[str]
    uses: Sequence[str]
    false: Sequence[str]


def parties(facts: Sequence[PortFacts]) -> Parties:
    """Choose them: registered names without aliases; confirmed uses of this very port; stories that name a thing."""
    names = list(dict.fromkeys(a.name for f in facts for a in f.assignments if a.name and a.alias_of is None))
    claims = [c for c in told_once(facts) if c.ports.isdigit()]
    known = {name.lower() for name in names}
    kept = [c for c in claims if c.verdict is Verdict.CONFIRMED and c.kind in TAKING and facts[0].port]  # 0 is nowhere
    confirmed = [c.name for c in kept if c.name.lower() not in known]
    serving = [name for name in confirmed if not name.endswith(AS_SOURCE)]
    wrong = [c.name for c in claims if c.verdict is Verdict.CONTRADICTED]
    return Parties(
        _whose({f.status for f in facts}, names),
        names,
        list(dict.fromkeys(serving or confirmed)),
        [name for name in dict.fromkeys(wrong) if " " not in name],  # others are sentences, not names
    )


def _whose(statuses: set[Status], names: Sequence[str]) -> str:
    if names:
        return "named"
    for status, whose in (
        (Status.ASSIGNED, "nameless"),
        (Status.DYNAMIC, "dynamic"),
        (Status.RESERVED, "reserved"),
        (Status.DE_REGISTERED, "returned"),
    ):
        if status in statuses:
            return whose
    return "nobody"


def verdict_line(facts: Sequence[PortFacts]) -> str:
    """One sentence: whose the port is, what really uses it, which story is false."""
    said = parties(facts)
    parts = [WHOSE[said.whose].format(names=_list(said.names))]
    if said.uses:
        verb = "really" if said.whose in ("nobody", "returned") else "used by"
        more = len(said.uses) - FEW
        told = f"{', '.join(said.uses[:FEW])} and {more} more" if more > 0 else _list(said.uses)
        parts.append(f"{verb} {told}")
    if said.false:
        parts.append(f"not {_list(said.false[:FEW])}")
    return "; ".join(parts)


def _list(names: Sequence[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))


def told_once(facts: Sequence[PortFacts]) -> list[Claim]:
    """The claims of a port over its transports, each once."""
    return list(dict.fromkeys(claim for one in facts for claim in one.claims))


def meaning(facts: Sequence[PortFacts]) -> list[str]:
    """What it means for you, in sentences."""
    said = [BINDING[facts[0].kind] if facts[0].port else ANY_PORT]
    statuses = {f.status for f in facts}
    if statuses & {Status.UNASSIGNED, Status.NO_ENTRY} and facts[0].kind in ASKING:
        where = [f.transport for f in facts if f.status in (Status.UNASSIGNED, Status.NO_ENTRY)]
        said.append(f"{ASKING[facts[0].kind]} Open on {_list(list(map(str, where)))}.")
    if Status.RESERVED in statuses:
        said.append(
            "Reserved: not open to registration without a special reason; RFC 6335, section 6, says who decides."
        )
    if Status.DE_REGISTERED in statuses:
        said.append(
            "Given back: nobody else gets it before all other ports of its range are taken (RFC 6335, section 8.2)."
        )
    clashing = [c for c in told_once(facts) if c.verdict is Verdict.CONFIRMED and c.kind in TAKING]
    if clashing and statuses & {Status.UNASSIGNED, Status.NO_ENTRY}:
        said.append("Not free in practice: the uses above have taken it without a registration, and can meet yours.")
    if Status.ASSIGNED in statuses:
        said.append("Assigned says who may use the number, not what is listening there: look before you trust it.")
    return said
