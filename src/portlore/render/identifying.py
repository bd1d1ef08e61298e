"""What an identified port is shown with, under the line that a scan has for it: reason, facts, evidence, advice."""

from __future__ import annotations

from portlore.render.observations import escaped
from portlore.render.scanning import EXPLAINED
from portlore.render.terminal import DIM, YELLOW, columns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.observed import Evidence, Identification, Observation
    from portlore.render.terminal import Style

TOLD = ("title", "redirect", "realm", "subject", "not after", "accepts", "alpn", "refused", "heard", "left alone")
DEEP = 6  # columns before bytes
MOST_SHOWN = 96  # bytes of each side


def details(one: Observation, style: Style, *, evidence: bool, advice: str = "") -> Iterator[str]:
    """The lines under an observation. ``evidence``: also every fact, and the bytes, escaped."""
    told, judgement = one.identification, one.judgement
    if judgement is not None and told is not None and judgement.word not in EXPLAINED:
        yield from _dim(style, judgement.why)
    layer = told
    while layer is not None:
        facts = [f"{name} {value}" for name, value in layer.facts if evidence or name in TOLD]
        if facts:
            yield from _dim(style, f"{layer.protocol or 'unrecognised'}: {', '.join(facts)}")
        if evidence:
            yield from _bytes(layer, style)
        layer = layer.inside
    if advice:
        yield from style.paragraph(advice, 4, "  " + style.sign(("→", ">", YELLOW)) + " ")


def _bytes(layer: Identification, style: Style) -> Iterator[str]:
    for proof in layer.evidence:
        for arrow, data in ((">", proof.sent), ("<", proof.received)):
            if data:
                rest = [f" … {len(data)} bytes"] if len(data) > MOST_SHOWN else []
                yield from _dim(style, f"{_who(proof, layer)} {arrow}")
                line = ""
                for piece in (*(escaped(data[at : at + 1]) for at in range(min(len(data), MOST_SHOWN))), *rest):
                    if columns_of(line + piece) > style.width - DEEP:  # never within the escape of a byte
                        yield " " * DEEP + style.paint(line, DIM)
                        line = ""
                    line += piece
                yield " " * DEEP + style.paint(line if style.unicode else line.replace("…", "..."), DIM)


def _who(proof: Evidence, layer: Identification) -> str:
    return f"{layer.confidence}, {proof.probe}" if layer.protocol else proof.probe


def _dim(style: Style, text: str) -> Iterator[str]:
    """A paragraph that steps back; never wider than the page."""
    for line in style.paragraph(text if style.unicode else text.replace("…", "..."), 4):
        yield "    " + style.paint(line[4:], DIM) if columns_of(line) > 4 else line
