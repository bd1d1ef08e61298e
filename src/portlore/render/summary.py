"""The page of a range: counts, gaps, claims, latest changes, one line per assigned port. For eyes."""

from __future__ import annotations

from portlore.model import PortRange, Status, Transport, Verdict
from portlore.render.page import change_text
from portlore.render.terminal import DIM, LEFT, Style, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.model import PortFacts
    from portlore.ranges import RangeSummary

GAPS, CLAIMS = 12, 12  # how many of each are shown


def summary_page(summary: RangeSummary, style: Style) -> list[str]:
    """The page of a range of ports."""
    size = len(summary.ports)
    lines = [*style.title(f"{summary.ports}  {size:,} ports", f"registry of {summary.snapshot}"), ""]
    lines += _counts(summary, style)
    lines += _gaps(summary, style)
    if summary.own:
        lines += ["", style.heading("Your own")]
        lines += style.table([(label.ports, label.name, label.owner or label.note) for label in summary.own])
    lines += _claims(summary, style)
    if summary.changes:
        lines += ["", style.heading("Latest changes")]
        rows = [
            (f"{c.between[0]} .. {c.between[1]}", f"{c.ports}/{c.transport}", change_text(c)) for c in summary.changes
        ]
        arrow = "→" if style.unicode else "->"
        lines += style.table([(a, b, text.replace("→", arrow)) for a, b, text in rows])
    lines += _assigned(summary, style)
    return lines


def _counts(summary: RangeSummary, style: Style) -> list[str]:
    size = len(summary.ports)
    present = [s for s in Status if any(by[s] for by in summary.counts.values())]
    lines = []
    for transport, by in summary.counts.items():
        parts = [f"{by[s]:,} {s} ({100 * by[s] / size:.0f} %)" for s in present if by[s]]
        lines += style.table([(transport, ", ".join(parts))])
    tcp = summary.counts.get(Transport.TCP)
    if tcp and summary.ports == PortRange(0, 1023):
        share = 100 * tcp[Status.ASSIGNED] / size
        most = "Most system ports are assigned" if share > 50 else "Most system ports are not assigned"
        lines += ["", *style.paragraph(f"{most}: {tcp[Status.ASSIGNED]:,} of {size:,} on TCP, {share:.0f} %.")]
    return lines


def _gaps(summary: RangeSummary, style: Style) -> list[str]:
    if not summary.gaps:
        return []
    longest = sorted(sorted(summary.gaps, key=lambda gap: -len(gap))[:GAPS], key=lambda gap: gap.first)
    more = f" and {len(summary.gaps) - GAPS} shorter" if len(summary.gaps) > GAPS else ""
    runs = ", ".join(str(gap) for gap in longest)
    count = sum(map(len, summary.gaps))
    return ["", style.heading(f"Unassigned on TCP and UDP: {count:,}"), *style.paragraph(f"{runs}{more}")]


def _claims(summary: RangeSummary, style: Style) -> list[str]:
    if not summary.claims:
        return []
    lines = ["", style.heading(f"Said of it: {len(summary.claims)} claims")]
    wide = [c for c in summary.claims if not c.ports.isdigit()]
    rest = [c for c in summary.claims if c.ports.isdigit()]
    rest.sort(key=lambda c: c.verdict is not Verdict.CONTRADICTED)
    for claim in (wide + rest)[:CLAIMS]:
        lines += style.bold(f"{claim.name} ({claim.ports})", LEFT, style.verdict(claim.verdict))
        lines += style.paragraph(claim.statement, LEFT)
        if claim.verdict is Verdict.CONTRADICTED:
            lines += [style.paint(line, DIM) for line in style.paragraph(claim.why, LEFT)]
    if len(summary.claims) > CLAIMS:
        lines += style.paragraph(f"{len(summary.claims) - CLAIMS} more: portlore {summary.ports} --all")
    return lines


def _assigned(summary: RangeSummary, style: Style) -> list[str]:
    by_port: dict[int, list[PortFacts]] = {}
    for one in summary.facts:
        if one.assignments:
            by_port.setdefault(one.port, []).append(one)
    rows = []
    for port, facts in by_port.items():
        names: dict[str, list[str]] = {}
        for one in facts:
            names.setdefault(_names(one), []).append(one.transport)
        for name, transports in names.items():
            rows.append((str(port), name, " ".join(transports), _description(facts, name)))
    title = f"Assigned: {len(by_port):,} ports" if rows else "Assigned: none"
    return ["", style.heading(title), *style.table(rows)]


def _names(facts: PortFacts) -> str:
    return clean(" ".join(a.name for a in facts.assignments if a.alias_of is None) or "(private use)")


def _description(facts: Sequence[PortFacts], name: str) -> str:
    first = next(one for one in facts if _names(one) == name).assignments[0]
    return first.description if first.description.lower() != first.name.lower() else ""
