"""A capture for eyes: what spoke on which port and whether it belongs there; and its rows for scripts. Pure."""

from __future__ import annotations

from collections import Counter

from portlore.render.listening import JUDGEMENT_STYLE
from portlore.render.observations import flat, row
from portlore.render.scanning import EXPLAINED
from portlore.render.sockets import address_and_port
from portlore.render.terminal import BOLD, DIM, YELLOW, Style, clean, columns_of, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from portlore.observed import Identification

MOST_ENDS = 3  # addresses that a line names
MOST_TALKERS = 5
MOST_RESERVED = 12
PORT, TALKS, SIZE, WORD = 11, 7, 10, 12  # columns
TOLD = ("program", "server name", "title", "function", "unit", "carries", "question", "name", "known by", "also")
MOST_OTHERS = 8
UNDECODED = {"malformed": "cut short or malformed", "unknown-link": "of unknown links"}
HIDDEN = {"timeout": ("conversation without an answer", "conversations without an answer"),
          "refused": ("refused", "refused")}  # fmt: skip
SPANS = ((86_400, 3, "days"), (3600, 3, "h"), (60, 3, "min"))  # a unit, from how many of it on
UNJUDGED = ("·", ".", DIM)
LOOK = ("→", ">", YELLOW)
SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
LINKS = {0x0806: "ARP", 0x8035: "RARP", 0x88CC: "LLDP", 0x888E: "EAPOL", 0x8863: "PPPoE", 0x8864: "PPPoE",
         0x8847: "MPLS", 0x8890: "0x8890 (FortiGate HA heartbeat)", 0x8891: "0x8891 (FortiGate HA traffic)",
         0x8892: "0x8892 (PROFINET, or FortiGate sessions)", 0x8893: "0x8893 (FortiGate HA configuration)",
         0x8848: "MPLS", 0x9000: "loopback test",
         -1: "not IP"}  # fmt: skip
NUMBERS = {1: "ICMP", 2: "IGMP", 47: "GRE", 50: "ESP", 58: "ICMPv6", 89: "OSPF", 103: "PIM", 112: "VRRP"}


def size_text(size: int) -> str:
    """Bytes in three digits."""
    for unit, name in SIZES:
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 999.5 * unit else f"{size / unit:,.0f} {name}"
    return f"{size} B"


def span_text(seconds: float) -> str:
    """How long something took, in three digits or so."""
    for unit, least, name in SPANS:
        if seconds >= least * unit:
            return f"{seconds / unit:,.0f} {name}" if seconds >= 100 * unit else f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"


def time_text(seconds: float) -> str:
    """A time of the capture's clock."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "a time that no calendar has"


def protocol_text(told: Identification | None) -> str:
    """``tls/http``; with a question mark where it is a guess."""
    if told is None:
        return "not recognised"
    layers, inner = [told.protocol], told
    while inner.inside is not None:
        inner = inner.inside
        layers.append(inner.protocol)
    sure = "?" if told.confidence == "guess" else ""
    return " ".join(filter(None, ("/".join(layers) + sure, told.spoken.product, told.spoken.version)))


def conversation_row(known: Any) -> dict[str, Any]:
    """A conversation (:class:`portlore.capture.recognising.Known`) as a dictionary: the keys of the JSON contract."""
    found, told = known.conversation, known.identification
    framed = found.transport == "ethernet"
    times = [time for time in found.first if time is not None]
    spoken = told.spoken if told is not None else None
    return {
        "transport": found.transport,
        "ethertype": found.ethertype if framed else None,
        "client": found.addresses[0],
        "client_port": None if framed else found.ports[0],
        "server": found.addresses[1],
        "server_port": None if framed else found.ports[1],
        "told_by": found.told_by,
        "packets": list(found.packets),
        "bytes": list(found.sizes),
        "begun": round(min(times), 6),
        "ended": round(found.last, 6),
        "outcome": str(known.outcome),
        "reason": known.reason,
        "protocol": spoken.protocol if spoken else None,
        "product": (spoken.product or None) if spoken else None,
        "version": (spoken.version or None) if spoken else None,
        "confidence": str(told.confidence) if told else None,
        "within": [told.protocol] if told is not None and told.inside is not None else [],
        "facts": _facts(told),
        "judgement": str(known.judgement.word) if known.judgement else None,
        "why": known.judgement.why if known.judgement else None,
        "reserved": known.reserved or None,
    }


def _facts(told: Identification | None) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, value in (*told.facts, *(told.inside.facts if told.inside else ())) if told is not None else ():
        key, number = name, 1
        while key in facts:
            number += 1
            key = f"{name} {number}"
        facts[key] = value
    return facts


def flat_conversation(found: dict[str, Any]) -> dict[str, Any]:
    """A row for CSV: pairs as two columns."""
    one: dict[str, Any] = {}
    for key, value in found.items():
        if key in ("packets", "bytes"):
            one |= {f"client_{key}": value[0], f"server_{key}": value[1]}
        elif key == "facts":
            one[key] = "; ".join(f"{name}={text}" for name, text in value.items())
        else:
            one[key] = value
    return one


observation_row, flat_observation = row, flat


class Page:
    """Writes a capture for one reader."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._what = max(8, style.width - 2 - PORT - TALKS - SIZE - WORD)

    def lines(self, many: Sequence[Any], summary: dict[str, Any]) -> Iterator[str]:
        """The whole page. ``many``: conversations."""
        yield from self._head(summary)
        shown = [one for one in many if _is_shown(one)]
        if shown:
            yield ""
            names = "PORT".ljust(PORT) + "SPEAKS".ljust(self._what) + "TALKS".rjust(TALKS - 1) + " "
            yield self._style.paint(f"  {names}{'BYTES'.rjust(SIZE - 1)} JUDGEMENT", BOLD)
            for group in self._groups(shown):
                yield from self._group(group)
        yield from self._reserved(many)
        yield from self._talkers(many)
        yield ""
        yield from self._tail(many, summary)

    def _head(self, summary: dict[str, Any]) -> Iterator[str]:
        begun = summary["begun"]
        told = f"{summary['packets']:,} packets, {size_text(summary['bytes'])}"
        if begun is not None:
            told += f", {span_text(summary['last'] - begun)} from {time_text(begun)}"
        yield from self._style.bold(clean(str(summary["source"])))
        yield from self._style.paragraph(told, 0)

    def _groups(self, many: Sequence[Any]) -> list[list[Any]]:
        """Conversations that share port, protocol and judgement, in the order of ports."""
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for one in many:
            found, told = one.conversation, one.identification
            word = str(one.judgement.word) if one.judgement else ""
            name = f"{told.protocol}/{told.spoken.protocol}" if told is not None else ""
            groups.setdefault((found.ports[1], found.transport, found.ethertype, name, word), []).append(one)
        return [groups[key] for key in sorted(groups)]

    def _group(self, group: Sequence[Any]) -> Iterator[str]:
        best = max(group, key=lambda one: len(protocol_text(one.identification)))
        found, judgement, told = best.conversation, best.judgement, best.identification
        style = JUDGEMENT_STYLE[judgement.word] if judgement else UNJUDGED
        port = f"{found.ports[1]}/{found.transport}" if not found.ethertype else f"0x{found.ethertype:04x}"
        count = f"{len(group):,}"
        wider = max(0, len(port) + 1 - PORT) + max(0, len(count) + 1 - TALKS)
        what, rest = self._fit(protocol_text(told), self._what - wider)
        size = size_text(sum(sum(one.conversation.sizes) for one in group))
        word = self._style.paint(str(judgement.word), style[2]) if judgement else "by EtherType"
        line = f"{port.ljust(PORT - 1)} {what}{count.rjust(TALKS - 1)} {size.rjust(SIZE - 1)} {word}"
        yield f"{self._style.sign(style)} {line}"
        if rest:
            yield from self._style.paragraph(rest, 4)
        if judgement is not None and judgement.word in EXPLAINED:
            yield from self._style.paragraph(judgement.why, 4)
        facts = _common_facts(group)
        ends = f"{self._ends(group, 1)} {'←' if self._style.unicode else '<-'} {self._ends(group, 0)}"
        for text in (ends, facts):
            for part in self._style.paragraph(self._ascii(text), 4) if text else ():
                yield "    " + self._style.paint(part[4:], DIM)

    def _ends(self, group: Sequence[Any], side: int) -> str:
        ends = Counter(one.conversation.addresses[side] for one in group).most_common()
        more = f" and {len(ends) - MOST_ENDS:,} more" if len(ends) > MOST_ENDS else ""
        return ", ".join(address for address, _ in ends[:MOST_ENDS]) + more

    def _reserved(self, many: Sequence[Any]) -> Iterator[str]:
        mine = [one for one in many if one.reserved]
        if not mine:
            return
        yield ""
        yield self._style.heading("reserved source ports")
        for one in mine[:MOST_RESERVED]:
            found = one.conversation
            client = address_and_port(found.addresses[0], found.ports[0])
            yield from self._style.paragraph(f"{client} ({found.transport}): {one.reserved}", 4, "  ")
        if len(mine) > MOST_RESERVED:
            yield from self._style.paragraph(f"and {len(mine) - MOST_RESERVED:,} more", 2)

    def _talkers(self, many: Sequence[Any]) -> Iterator[str]:
        sent: Counter[str] = Counter()
        heard: Counter[str] = Counter()
        for one in many:
            found = one.conversation
            for side in (0, 1):
                sent[found.addresses[side]] += found.sizes[side]
                heard[found.addresses[1 - side]] += found.sizes[side]
        ranked = sorted(sent, key=lambda address: -sent[address] - heard[address])
        if len(ranked) < 2:
            return
        yield ""
        yield self._style.heading("top talkers")
        rows = [(one, f"{size_text(sent[one])} sent", f"{size_text(heard[one])} received") for one in ranked]
        yield from self._style.table(rows[:MOST_TALKERS])

    def _tail(self, many: Sequence[Any], summary: dict[str, Any]) -> Iterator[str]:
        yield from self._style.paragraph(summary["sentence"], 0)
        hidden = Counter(str(one.outcome) for one in many if not _is_shown(one))
        told = [f"{hidden[key]:,} {words[hidden[key] != 1]}" for key, words in HIDDEN.items() if hidden[key]]
        if told:
            yield from self._style.paragraph(f"not shown: {', '.join(told)}", 0)
        if summary["others"]:
            others = ", ".join(f"{count:,} {name}" for name, count in list(summary["others"].items())[:MOST_OTHERS])
            yield from self._style.paragraph(f"packets without ports: {others}", 0)
        undecoded = [f"{count:,} {UNDECODED[why]}" for why, count in summary["undecoded"].items() if count]
        if undecoded:
            yield from self._note(f"packets that could not be decoded: {', '.join(undecoded)}")
        for note in summary["notes"]:
            yield from self._note(note)

    def _note(self, text: str) -> list[str]:
        return self._style.paragraph(self._ascii(text), 2, self._style.sign(("!", "!", YELLOW)) + " ")

    def _ascii(self, text: str) -> str:
        return text if self._style.unicode else text.replace("…", "...")

    def _fit(self, text: str, room: int) -> tuple[str, str]:
        """Text in exactly so many columns, the last one blank; and what there was no room for."""
        plain = clean(text)
        if columns_of(plain) < room:
            return plain + " " * (room - columns_of(plain)), ""
        first = (wrap(plain, room - 2) or [""])[0]
        return f"{first}~" + " " * (room - columns_of(first) - 1), plain[len(first) :].strip()


def _is_shown(known: Any) -> bool:
    return known.judgement is not None or known.conversation.transport == "ethernet"


def _common_facts(group: Sequence[Any]) -> str:
    """What the conversations told that says most, each value once."""
    values: dict[str, dict[str, None]] = {}
    for one in group[:200]:
        told = one.identification
        for name, value in told.facts if told is not None else ():
            if name in TOLD:
                values.setdefault(name, {})[value] = None
    parts = []
    for name, found in values.items():
        many = list(found)
        parts.append(f"{name} {', '.join(many[:3])}" + (f" and {len(many) - 3:,} more" if len(many) > 3 else ""))
    return "; ".join(parts)


def rest_of(without_ports: dict[int, int], not_ip: dict[int, int], fragments: int) -> dict[str, int]:
    """Packets that belong to no conversation, by name."""
    named: Counter[str] = Counter()
    for number, count in without_ports.items():
        named[NUMBERS.get(number, f"IP protocol {number}")] += count
    for kind, count in not_ip.items():
        named["LLC" if 0 <= kind < 0x600 else LINKS.get(kind, f"EtherType 0x{kind:04x}")] += count
    if fragments:
        named["later fragments"] += fragments
    return dict(named.most_common())
