"""What a status means for somebody who wants to use the port: sentences from RFC 6335 and the book. Pure."""

from __future__ import annotations

from portlore.model import ClaimKind, PortKind, Status, Verdict

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


def verdict_line(facts: Sequence[PortFacts]) -> str:
    """One sentence: whose the port is, what really uses it, which story is false."""
    names = list(dict.fromkeys(a.name for f in facts for a in f.assignments[:1] if a.name))
    statuses = {f.status for f in facts}
    claims = told_once(facts)
    kept = [c for c in claims if c.verdict is not Verdict.CONTRADICTED and c.kind in TAKING]
    # What is said of this very port comes before what is said of a range around it.
    used = [c.name for c in kept if c.verdict is Verdict.CONFIRMED and c.ports.isdigit()] or [
        c.name for c in kept if c.ports.isdigit()
    ]
    false = [c.name for c in claims if c.verdict is Verdict.CONTRADICTED and c.ports.isdigit() and " " not in c.name]
    if names:
        whose = f"officially {_list(names)}"
    elif Status.ASSIGNED in statuses:
        whose = "officially for private use, without a name"
    elif Status.DYNAMIC in statuses:
        whose = "dynamic, never assigned to anybody"
    elif Status.RESERVED in statuses:
        whose = "officially reserved"
    elif Status.DE_REGISTERED in statuses:
        whose = "officially given back"
    else:
        whose = "officially nobody's"
    parts = [whose]
    fresh = [name for name in dict.fromkeys(used) if name.lower() not in {n.lower() for n in names}]
    if fresh:
        more = f" and {len(fresh) - 3} more" if len(fresh) > 3 else ""
        parts.append(f"used by {', '.join(fresh[:3]) if more else _list(fresh)}{more}")
    if false:
        parts.append(f"not {_list(list(dict.fromkeys(false)))}")
    return "; ".join(parts)


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def told_once(facts: Sequence[PortFacts]) -> list[Claim]:
    """The claims of a port over its transports, each once."""
    return list(dict.fromkeys(claim for one in facts for claim in one.claims))


def meaning(facts: Sequence[PortFacts]) -> list[str]:
    """What it means for you, in sentences."""
    said = [BINDING[facts[0].kind] if facts[0].port else ANY_PORT]
    statuses = {f.status for f in facts}
    if statuses & {Status.UNASSIGNED, Status.NO_ENTRY, Status.DE_REGISTERED} and facts[0].kind in ASKING:
        where = [f.transport for f in facts if f.status in (Status.UNASSIGNED, Status.NO_ENTRY, Status.DE_REGISTERED)]
        said.append(f"{ASKING[facts[0].kind]} Open on {_list(list(map(str, where)))}.")
    if Status.RESERVED in statuses:
        said.append(
            "Reserved: not open to registration without a special reason; RFC 6335, section 6, says who decides."
        )
    clashing = [c for c in told_once(facts) if c.verdict is Verdict.CONFIRMED and c.kind in TAKING]
    if clashing and statuses & {Status.UNASSIGNED, Status.NO_ENTRY}:
        said.append("Not free in practice: the uses above have taken it without a registration, and can meet yours.")
    if Status.ASSIGNED in statuses:
        said.append("Assigned says who may use the number, not what is listening there: look before you trust it.")
    return said
