"""Tables for eyes: search hits, changes, free ports, sources, the ports of a name."""

from __future__ import annotations

from portlore.comparing import ChangeWord
from portlore.render.page import change_text
from portlore.render.terminal import BOLD, DIM, GREEN, RED, YELLOW, Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.comparing import ListenerChange
    from portlore.model import Change, FreePort, Hit, PortFacts


def hits(found: Sequence[Hit], style: Style) -> list[str]:
    """Search hits, best first."""
    rows = []
    for hit in found:
        where = f"{hit.ports}/{hit.transport}" if hit.ports else f"no port ({hit.transport})"
        note = "" if hit.layer == "registry" else f" [{hit.layer}]"
        described = hit.description if hit.description.lower() != hit.name.lower() else ""
        rows.append((where, hit.name, f"{described}{note}".strip()))
    return style.table(rows, indent=0)


def changes(found: Iterable[Change], style: Style) -> list[str]:
    """Changes under the two days they lie between, oldest first; the same change on several transports in one line."""
    lines: list[str] = []
    arrow = "→" if style.unicode else "->"
    by_step: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for change in found:
        step = by_step.setdefault(change.between, {})
        where = change.ports or "no port"
        step.setdefault((where, change_text(change).replace("→", arrow)), []).append(change.transport)
    for (older, newer), rows in by_step.items():
        if lines:
            lines.append("")
        lines.append(style.paint(f"between {older} and {newer}", BOLD))
        lines += style.table([(where, " ".join(filter(None, on)), text) for (where, text), on in rows.items()])
    return lines


def free(found: Sequence[FreePort], style: Style) -> list[str]:
    """Free ports, each with its reasons; reasons that all of them share are told once."""
    shared = [reason for reason in found[0].reasons if all(reason in one.reasons for one in found)] if found else []
    lines = []
    for one in found:
        own = [reason for reason in one.reasons if reason not in shared]
        lines.append(style.paint(str(one.port), BOLD) + ("  " + style.paint(own[0], DIM) if own else ""))
        lines += [line for reason in own[1:] for line in style.paragraph(reason, 7)]
    if shared:
        lines.append("")
        dash = "•" if style.unicode else "-"
        for reason in shared:
            lines += style.paragraph(reason, 4, f"  {dash} ")
    return lines


def service_ports(name: str, facts: Sequence[PortFacts], style: Style) -> list[str]:
    """A name that holds many ports: its rows, not a page for each of them."""
    rows: dict[str, list[str]] = {}
    for one in facts:
        for given in one.assignments:
            if given.name.lower() == name.lower() and one.transport not in rows.setdefault(given.row, []):
                rows[given.row].append(one.transport)
    count = len({one.port for one in facts})
    lines = [*style.title(name, f"{count:,} ports"), ""]
    lines += style.table([(row, " ".join(on), f"portlore {row}") for row, on in rows.items()])
    return lines


CHANGE_STYLE = {
    ChangeWord.APPEARED: ("+", "+", GREEN),
    ChangeWord.VANISHED: ("-", "-", RED),
    ChangeWord.OWNER: ("~", "~", YELLOW),
    ChangeWord.CHANGED: ("~", "~", YELLOW),
}


def listener_changes(changes: Sequence[ListenerChange], style: Style) -> list[str]:
    """What changed among listeners: a line each, and the judgement of what is new."""
    arrow = "→" if style.unicode else "->"
    lines = []
    for one in changes:
        port = one.transport if one.port is None else f"{one.port}/{one.transport}"
        text = f"{port} on {one.address}"
        if one.change is ChangeWord.OWNER:
            text += f": {one.before} {arrow} {one.after}"
        else:
            text += f", {one.owner}"
            if one.field:
                text += f": {one.field} {one.before or 'none'} {arrow} {one.after or 'none'}"
        if one.namespace:
            text += f", in namespace {one.namespace}"
        lines += style.paragraph(text, 12, f"{style.sign(CHANGE_STYLE[one.change])} {one.change:<8}  ")
        if one.change in (ChangeWord.APPEARED, ChangeWord.OWNER) and one.judgement:
            lines += [style.paint(line, DIM) for line in style.paragraph(f"{one.judgement}: {one.why}", 12)]
    return lines
