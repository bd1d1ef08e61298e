"""A scan for eyes: a line for each open port as it lands, and at the end what it comes to.

A name that stands there because of the number alone is marked so: ``by number`` is a guess, whatever it says.
"""

from __future__ import annotations

from portlore.lore.store import ranges
from portlore.model import ClaimKind, Verdict
from portlore.observed import UNFINISHED, Outcome
from portlore.render.listening import JUDGEMENT_STYLE, SLIM
from portlore.render.sockets import address_and_port
from portlore.render.terminal import BOLD, CYAN, DIM, GREEN, RED, YELLOW, clean, columns_of, wrap
from portlore.seen import JudgementWord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from portlore.observed import Observation
    from portlore.render.terminal import Style

PORT, WORD = 11, 12  # columns
NARROW = 16  # ports: what is claimed of more, such as ephemeral ranges, names none of them
USES = (ClaimKind.CUSTOMARY, ClaimKind.VENDOR_DOCUMENTED, ClaimKind.HISTORICAL)
FULL = 40  # columns of an IPv6 address
UNASKED_STYLE = ("●", "*", CYAN)
CLOSED_STYLE = {
    Outcome.REFUSED: ("·", ".", DIM),
    Outcome.TIMEOUT: ("?", "?", DIM),
    Outcome.UNREACHABLE: ("∅", "0", YELLOW),
    Outcome.BLOCKED: ("▪", "#", YELLOW),
    Outcome.CLOSED_EARLY: ("◌", "-", YELLOW),
}
ENDED = {
    "interrupted": "interrupted: this is what was known by then",
    "budget": "the time that was given is over: this is what was known by then",
    "failed": "it could not go on: this is what was known by then",
    "incomplete": "parts are missing or were not whole: this is what the others found",
}
WORDS = {"timeout": "silent", "not-asked": UNFINISHED}  # of outcomes, where people call them otherwise
UNKNOWN = ("timeout", "unreachable", "blocked")  # outcomes that leave it open whether a port is
EXPLAINED = (JudgementWord.REFUTED, JudgementWord.SQUATTING, JudgementWord.UNREGISTERED)


class Lines:
    """Writes observations for one reader. ``several``: more than one host is asked, so that each line says which."""

    def __init__(self, style: Style, *, several: bool, identify: bool) -> None:
        self._style, self._several, self._identify = style, several, identify
        room = style.width - 2 - PORT - WORD
        self._host = min(FULL + 1, max(16, room * 2 // 5)) if several else 0
        self._what = room - self._host
        self._slim = style.width < SLIM

    def heading(self) -> str:
        """The names of the columns."""
        if self._slim:
            return self._style.paint(f"  {'PORT'.ljust(PORT)}JUDGEMENT", BOLD)
        host = "HOST".ljust(self._host) if self._several else ""
        what = "SPEAKS" if self._identify else "NAME"
        return self._style.paint(f"  {'PORT'.ljust(PORT)}{host}{what.ljust(self._what)}JUDGEMENT", BOLD)

    def lines(self, one: Observation) -> Iterator[str]:
        """One observation: its line, and under it what explains it."""
        judgement = one.judgement if one.outcome is Outcome.OPEN else None
        sign = UNASKED_STYLE
        if one.outcome is not Outcome.OPEN:
            sign = CLOSED_STYLE[one.outcome]
        elif one.identification is not None and judgement is not None:
            sign = JUDGEMENT_STYLE[judgement.word]
        asked = one.identification is not None
        word = str(judgement.word) if judgement and asked else "by number" if judgement else ""
        place = one.target.address
        port = f"{one.target.port}/{one.target.transport}".ljust(PORT)
        lead, told = f"{self._style.sign(sign)} {port}", self._style.paint(word, sign[2] if asked else DIM)
        if self._slim:
            yield (lead + told).rstrip()
            below = [address_and_port(place, one.target.port) if self._several else "", what_of(one)]
        else:
            what, rest = self._fit(what_of(one), self._what)
            host, over = self._fit(place, self._host) if self._several else ("", "")
            yield f"{lead}{host}{what}{told}".rstrip()
            below = [f"at {address_and_port(place, one.target.port)}" if over else "", rest]
        for more in below:
            yield from self._style.paragraph(more, 4) if more else ()
        if judgement is not None and asked and judgement.word in EXPLAINED:
            yield from self._style.paragraph(judgement.why, 4)

    def _fit(self, text: str, width: int) -> tuple[str, str]:
        """Text in exactly ``width`` columns, the last one blank; and what there was no room for."""
        plain = clean(text)
        if columns_of(plain) < width:
            return plain + " " * (width - columns_of(plain)), ""
        first = (wrap(plain, width - 2) or [""])[0]
        return f"{first}~" + " " * (width - columns_of(first) - 1), plain[len(first) :].strip()


def what_of(one: Observation) -> str:
    """What speaks there; without that, what the book has for the number."""
    told = one.identification
    if one.outcome is not Outcome.OPEN:
        return WORDS.get(str(one.outcome), str(one.outcome)) if one.reason != UNFINISHED else UNFINISHED
    if told is not None and told.spoken.protocol:
        layers = [told.protocol]
        inner = told
        while inner.inside is not None:
            inner = inner.inside
            layers.append(inner.protocol)
        return " ".join(filter(None, ("/".join(layers), told.spoken.product, told.spoken.version)))
    guess = by_number(one)
    if told is not None:
        return f"not recognised ({guess}?)" if guess else "not recognised"
    return f"{guess}?" if guess else "no name"


def by_number(one: Observation) -> str:
    """The name that the book has for a port, registered or claimed: no more than a guess at what speaks there."""
    if one.said is None:
        return ""
    if one.said.names:
        return one.said.names[0]
    uses = (claim for claim in one.said.claims if claim.verdict is not Verdict.CONTRADICTED and claim.kind in USES)
    return next((claim.name for claim in uses if sum(map(len, ranges(claim))) <= NARROW), "")


def folded(address: str, count: int, style: Style) -> list[str]:
    """In place of so many further lines of a host on which everything is open."""
    return style.paragraph(f"… and {count:,} more open ports at {address}, not listed here", 2)


def summary_lines(summary: dict[str, Any], style: Style) -> Iterator[str]:
    """What a scan came to: counts, what it may have missed, exposure, advice."""
    hosts, outcomes, account = summary["hosts"], summary["outcomes"], summary["account"]
    counts = [f"{count:,} {WORDS.get(name, name)}" for name, count in outcomes.items() if count]
    number = hosts["asked"]
    up = f"{hosts['answered']:,} answered" if number > 1 else "it answered" if hosts["answered"] else "no answer"
    yield from style.paragraph(f"{counted(number, 'host')}, {up}; ports: {', '.join(counts)}", 0)
    packets = [
        counted(account["sent"], "packet"),
        f"{account['answered']:,} answered",
        f"{account['reasked']:,} re-asked",
    ]
    packets += [f"{account['unanswered']:,} never answered"] if account["unanswered"] else []
    packets += [f"{account['icmp']:,} ICMP errors"] if account["icmp"] else []
    times = [f"round trip {account['rtt'] * 1e3:.3g} ms"] if account["rtt"] else []
    times += [f"loss {100 * account['lost']:.2g} %"] if account["lost"] else []
    engines = "+".join(dict.fromkeys(summary["engines"].values()))
    line = f"{', '.join(packets)}; {''.join(part + ', ' for part in times)}{summary['took']:.2f} s"
    yield from style.paragraph(line + (f" by {engines}" if engines else ""), 0)
    yield from style.paragraph(f"missed: {summary['missed']}", 2, style.sign(_missed_sign(summary)) + " ")
    yield from ending(summary, style)
    if summary["judgements"]:
        told = ", ".join(f"{count:,} {word}" for word, count in summary["judgements"].items())
        yield from style.paragraph(f"judged: {told}", 2)
    if summary["exposure"]:
        told = ", ".join(f"{count:,} at {reach} addresses" for reach, count in summary["exposure"].items())
        yield from style.paragraph(f"exposure: {told}", 2)
    for note in dict.fromkeys((*summary["notes"], *summary["advice"])):
        yield from style.paragraph(note, 2, style.sign(("→", ">", YELLOW)) + " ")


def ending(summary: dict[str, Any], style: Style) -> Iterator[str]:
    """Why it ended before its time, and who let it."""
    if summary["ended"] != "complete":
        yield from style.paragraph(
            ENDED.get(summary["ended"], summary["ended"]), 2, style.sign(("!", "!", YELLOW)) + " "
        )
    if summary["policy"]["allowed"] and summary["policy"]["addresses"].get("public"):
        yield from style.paragraph("public addresses were asked with --i-am-allowed", 2, "  ")


def counted(number: int, what: str) -> str:
    """A number of things: ``1 host``, ``2 hosts``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _missed_sign(summary: dict[str, Any]) -> tuple[str, str, str]:
    account, outcomes = summary["account"], summary["outcomes"]
    if outcomes["not-asked"] or account["missed"] > 0.01:
        return ("✘", "x", RED) if account["missed"] > 0.1 or outcomes["not-asked"] else ("?", "?", YELLOW)
    return ("✔", "+", GREEN) if not any(map(outcomes.get, UNKNOWN)) else ("?", "?", DIM)
