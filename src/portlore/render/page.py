"""The page of one port, for eyes: status first, then names, claims, history, this machine, what it means, sources."""

from __future__ import annotations

from portlore.model import ChangeKind, PortRange, Status
from portlore.render.meaning import meaning, told_once, verdict_line
from portlore.render.terminal import BOLD, CYAN, DIM, LEFT, Style, clean, columns_of, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.model import Assignment, Change, Claim, LocalLine, OwnLabel, PortFacts, Service, Source

FEW = 6  # changes shown before the rest is counted
NEAR, AROUND = 64, 512  # ports: claims on wider ranges are told in fewer words, on still wider ones only counted


def page(facts: Sequence[PortFacts], style: Style, organisation: Callable[[str], str] = lambda _: "") -> list[str]:
    """The page of one port: all its transports that were asked for."""
    port = facts[0].port
    on = f"/{facts[0].transport}" if len(facts) == 1 else ""
    sentence = verdict_line(facts)
    lines = style.title(f"{port}{on}", f"{facts[0].kind} port · registry of {facts[0].snapshot}")
    lines += style.bold(f"{sentence[:1].upper()}{sentence[1:]}.")
    lines += ["", *_statuses(facts, style)]
    notes = Footnotes()
    lines += _names(facts, style, organisation)
    lines += _own([label for one in facts for label in one.own], style)
    lines += _claims(told_once(facts), style, notes)
    lines += _history(facts, style)
    lines += _local([line for one in facts for line in one.local], style)
    lines += ["", style.heading("What it means")]
    for sentence in meaning(facts):
        lines += style.paragraph(sentence)
    lines += _sources(notes, facts, style)
    return lines


class Footnotes:
    """Numbers sources in the order in which they are first used."""

    def __init__(self) -> None:
        self.sources: dict[tuple[str, str], tuple[int, Source]] = {}

    def mark(self, sources: Sequence[Source]) -> str:
        """``[1][2]`` for some sources."""
        marks = []
        for source in sources:
            number, _ = self.sources.setdefault((source.title, source.url), (len(self.sources) + 1, source))
            marks.append(f"[{number}]")
        return "".join(dict.fromkeys(marks))


def _statuses(facts: Sequence[PortFacts], style: Style) -> list[str]:
    lines = []
    for one in facts:
        names = [a.name for a in one.assignments if a.name and a.alias_of is None]
        what = ", ".join(names)
        if one.status is Status.ASSIGNED and not names:
            what = one.assignments[0].description if one.assignments else ""
        elif one.status is Status.NO_ENTRY:
            what = "no row of the registry speaks of it; others have one"
        elif one.status is Status.DYNAMIC:
            what = "49152-65535 have no rows"
        row = f"row {one.row}" if "-" in one.row else ""
        head = f"  {one.transport:<5}{style.status(one.status)}"
        used = 2 + 5 + 2 + len(one.status) + 2  # indent, transport, sign, word, gap
        room = max(12, style.width - used)
        rest = wrap(clean(what or row), room)
        lines.append(f"{head}  {rest[0]}" if rest else head)
        lines += [" " * used + line for line in rest[1:]]
    return lines


def _names(facts: Sequence[PortFacts], style: Style, organisation: Callable[[str], str]) -> list[str]:
    seen: dict[tuple[object, ...], tuple[Assignment, list[str]]] = {}
    for one in facts:
        for given in one.assignments:
            key = (given.name, given.description, given.assignee, given.registered, given.modified, given.references)
            seen.setdefault(key, (given, []))[1].append(one.transport)
    if not seen:
        return []
    lines = ["", style.heading("Names")]
    for given, transports in seen.values():
        on = " ".join(transports)
        alias = f"alias of {given.alias_of}" if given.alias_of else ""
        name = clean(given.name or "(no name)")
        first = f"  {style.paint(name, CYAN, BOLD)}  {style.paint(on, DIM)}"
        described = given.description if given.description.lower() != given.name.lower() else ""
        text = f"{described}{'; ' if described and alias else ''}{alias}"
        if columns_of(name) + len(on) + columns_of(text) + 6 <= style.width:
            lines.append(f"{first}  {clean(text)}".rstrip())
        else:
            lines += [first, *style.paragraph(text, 6)]
        about = _about(given, organisation)
        lines += [style.paint(line, DIM) for line in style.paragraph(about, 6)] if about and not alias else []
        for label, text_ in (("Note", given.note), ("Unauthorized use reported", given.unauthorized_use)):
            if text_ and not alias:
                lines += style.paragraph(f"{label}: {text_}", 6)
    return lines


def _about(given: Assignment, organisation: Callable[[str], str]) -> str:
    who = given.assignee.strip("[]").replace("][", ", ").replace("_", " ")
    of = organisation(given.assignee)
    parts = [f"{who} ({of})" if of and of != who else who] if who else []
    parts += [f"registered {given.registered}"] if given.registered else []
    parts += [f"modified {given.modified}"] if given.modified else []
    parts += [" ".join(given.references)] if given.references else []
    remarks = [
        w
        for w, has, text in (
            ("a note", given.has_note, given.note),
            ("a remark on unauthorized use", given.has_unauthorized_use, given.unauthorized_use),
        )
        if has and not text
    ]
    if remarks and not given.alias_of:
        parts.append(f"the registry has {' and '.join(remarks)} (`portlore update` fetches it)")
    return ", ".join(parts)


def _own(labels: Sequence[OwnLabel], style: Style) -> list[str]:
    if not labels:
        return []
    lines = ["", style.heading("Your own")]
    for label in dict.fromkeys(labels):
        owner = f" ({label.owner})" if label.owner else ""
        note = f": {label.note}" if label.note else ""
        lines += style.paragraph(f"{label.name}{owner}{note}, {label.transport} {label.ports} [{label.path}]")
    return lines


def _claims(claims: Sequence[Claim], style: Style, notes: Footnotes) -> list[str]:
    if not claims:
        return []
    near = [claim for claim in claims if width_of(claim) <= NEAR]
    around = [claim for claim in claims if NEAR < width_of(claim) <= AROUND]
    far = [claim for claim in claims if width_of(claim) > AROUND]
    lines = ["", style.heading("Said of it")] if near or around else []
    for claim in near:
        lines += _claim(claim, style, notes)
    for claim in around:
        lines += style.bold(claim.name, LEFT, style.verdict(claim.verdict))
        lines += style.paragraph(f"On {claim.ports}: {claim.statement} {notes.mark(claim.sources)}", LEFT)
    if far:
        ranges = list(dict.fromkeys(claim.ports for claim in far))
        many = f"{len(far)} more claims speak" if len(far) > 1 else "One more claim speaks"
        lines += ["", *style.paragraph(f"{many} of a wide range around it: portlore {ranges[0]}")]
    return lines


def width_of(claim: Claim) -> int:
    """How many ports a claim speaks of in its widest range: what it says of one of them fades with that."""
    return max(len(PortRange.parse(part.strip())) for part in claim.ports.split(","))


def _era(claim: Claim) -> str:
    if claim.since and claim.until:
        return f", from {claim.since} to {claim.until}"
    return f", since {claim.since}" if claim.since else f", until {claim.until}" if claim.until else ""


def _claim(claim: Claim, style: Style, notes: Footnotes) -> list[str]:
    where = "" if claim.ports.isdigit() else f" on {claim.ports}"
    tail = f"{claim.kind}, {claim.transport}{where}{_era(claim)}"
    lines = style.bold(claim.name, LEFT, style.verdict(claim.verdict))
    if len(lines) == 1 and len(tail) <= style.width - LEFT - columns_of(claim.name) - 2:
        lines = [f"{lines[0]}  {style.paint(tail, DIM)}"]
    else:
        lines += [style.paint(line, DIM) for line in style.paragraph(tail, LEFT)]
    lines += style.paragraph(f"{claim.statement} {notes.mark(claim.sources)}", LEFT)
    lines += [style.paint(line, DIM) for line in style.paragraph(claim.why, LEFT)]
    if claim.later:
        lines += style.paragraph(claim.later[:1].upper() + claim.later[1:] + ".", LEFT)
    return lines


def change_text(change: Change) -> str:
    """What happened, in words."""
    match change.kind:
        case ChangeKind.ASSIGNED:
            return f"assigned to {change.after}" + (
                f" (was {change.before})" if change.before not in ("", Status.NO_ENTRY) else ""
            )
        case ChangeKind.REMOVED:
            return f"{change.before} removed; {change.after} since"
        case ChangeKind.RENAMED:
            return f"renamed from {change.before} to {change.after}"
        case ChangeKind.REASSIGNED:
            return f"reassigned from {change.before} to {change.after}"
        case ChangeKind.NAME_ADDED:
            return f"name {change.after} added"
        case ChangeKind.NAME_REMOVED:
            return f"name {change.before} removed"
        case ChangeKind.STATUS:
            return f"from {change.before} to {change.after}"
        case ChangeKind.FIELD:
            field = change.field.replace("_", " ")
            whose = f"{change.name}: " if change.name else ""
            return f"{whose}{field} {change.before or '(none)'} → {change.after or '(none)'}"


def _history(facts: Sequence[PortFacts], style: Style) -> list[str]:
    seen: dict[tuple[tuple[str, str], str], list[str]] = {}
    for one in facts:
        for change in one.history:
            seen.setdefault((change.between, change_text(change)), []).append(one.transport)
    if not seen:
        return []
    rows = sorted(seen.items(), key=lambda item: item[0][0])
    weighty = [row for row in rows if " → " not in row[0][1]] or rows
    shown = weighty[-FEW:]
    lines = ["", style.heading("History")]
    arrow = "→" if style.unicode else "->"
    table = [
        (f"{older} {'…' if style.unicode else '..'} {newer}", " ".join(on), text.replace("→", arrow))
        for ((older, newer), text), on in shown
    ]
    lines += style.table(table)
    if len(rows) > len(shown):
        more = len(rows) - len(shown)
        lines += style.paragraph(f"{more} change{'s' * (more > 1)} of details: portlore history {facts[0].port}")
    return lines


def _local(found: Sequence[LocalLine], style: Style) -> list[str]:
    if not found:
        return []
    rows: dict[tuple[str, str, str], list[str]] = {}
    for line in found:
        text = f"{line.name}{': ' if line.name and line.detail else ''}{line.detail}"
        where = f"{line.path}{f' ({line.package})' if line.package else ''}"
        rows.setdefault((line.layer, where, text), []).append(line.transport)
    table = [(layer, f"{text}  [{where}]") for layer, where, text in rows]
    return ["", style.heading("This machine's lists"), *style.table(table)]


def _sources(notes: Footnotes, facts: Sequence[PortFacts], style: Style) -> list[str]:
    if not notes.sources:
        return []
    lines = ["", style.heading("Sources")]
    for number, source in notes.sources.values():
        mark = f"[{number}] "
        lines += style.paragraph(f"{source.title} ({source.how} {source.retrieved})", 2 + len(mark), f"  {mark}")
        lines += [" " * (2 + len(mark)) + style.paint(clean(source.url), DIM)]
    return lines


def service_page(services: Sequence[Service], style: Style, organisation: Callable[[str], str]) -> list[str]:
    """A service name that has no port."""
    first = services[0]
    on = ", ".join(dict.fromkeys(s.transport for s in services if s.transport)) or "no transport"
    given = first.assignment
    lines = style.title(first.name, f"a service name without a port ({on})")
    if given.description:
        lines += style.paragraph(given.description)
    if about := _about(given, organisation):
        lines += [style.paint(line, DIM) for line in style.paragraph(about)]
    lines += style.paragraph("Such a service is found by name (DNS SRV or DNS-SD, RFC 6335 section 5), on any port.")
    return lines
