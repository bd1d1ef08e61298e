r"""Observations as rows for JSON, NDJSON and CSV: what `scan` and `identify` answer with.

Bytes of evidence are text in which every byte can be told again: printable ASCII stands for itself, a backslash is
doubled, and any other byte is ``\xHH`` (:func:`escaped`, :func:`unescaped`).
"""

from __future__ import annotations

from portlore.render.formats import FORMATS, Document
from portlore.render.sockets import said_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from portlore.observed import Evidence, Identification, Observation

SINGLE = [chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in range(256)]
SINGLE[92] = "\\\\"


def escaped(data: bytes) -> str:
    """Bytes as text of printable ASCII."""
    return "".join([SINGLE[byte] for byte in data])


def unescaped(text: str) -> bytes:
    """The inverse of :func:`escaped`; :class:`ValueError` for what it never writes."""
    parts = []
    at = 0
    while at < len(text):
        if text[at] != "\\":
            parts.append(text[at].encode("ascii"))
            at += 1
        elif text[at : at + 2] == "\\\\":
            parts.append(b"\\")
            at += 2
        elif text[at : at + 2] == "\\x":
            parts.append(bytes.fromhex(text[at + 2 : at + 4]))
            at += 4
        else:
            raise ValueError(text)
    return b"".join(parts)


def row(one: Observation) -> dict[str, Any]:
    """An observation as a dictionary: the keys of the JSON contract, in order."""
    target, told = one.target, one.identification
    spoken = told.spoken if told else None
    return {
        "port": target.port,
        "transport": target.transport,
        "address": target.address,
        "host": target.host or None,
        "exposure": str(one.exposure) if one.exposure else None,
        "outcome": str(one.outcome),
        "reason": one.reason,
        "took": None if one.took is None else round(one.took, 6),
        "at": round(one.at, 3),
        "protocol": (spoken.protocol or None) if spoken else None,  # empty: asked, and not recognised
        "product": (spoken.product or None) if spoken else None,
        "version": (spoken.version or None) if spoken else None,
        "confidence": str(spoken.confidence) if spoken and spoken.protocol else None,
        "within": _within(told),
        "facts": _facts(told),
        "evidence": [_evidence(proof) for proof in _proofs(told)],
        "said": said_row(one.said),
        "judgement": str(one.judgement.word) if one.judgement else None,
        "why": one.judgement.why if one.judgement else None,
    }


def _layers(told: Identification | None) -> Iterator[Identification]:
    while told is not None:
        yield told
        told = told.inside


def _within(told: Identification | None) -> list[str]:
    """The protocols around what speaks, outermost first: ``["tls"]``."""
    return [layer.protocol for layer in _layers(told)][:-1]


def _facts(told: Identification | None) -> dict[str, str]:
    """Further facts by name, those of the layers around it too; a name that comes again counts on: ``name 2``."""
    facts: dict[str, str] = {}
    for layer in _layers(told):
        for name, value in layer.facts:
            key, number = name, 1
            while key in facts:
                number += 1
                key = f"{name} {number}"
            facts[key] = value
    return facts


def _proofs(told: Identification | None) -> list[Evidence]:
    return [proof for layer in _layers(told) for proof in layer.evidence]


def _evidence(proof: Evidence) -> dict[str, str]:
    return {"probe": proof.probe, "sent": escaped(proof.sent), "received": escaped(proof.received)}


def flat(found: dict[str, Any]) -> dict[str, Any]:
    """A row for CSV: what is within it as columns of their own."""
    said = found["said"] or {"status": "", "names": []}
    rest = {key: found[key] for key in found if key not in ("said", "judgement", "why")}
    rest["facts"] = "; ".join(f"{name}={value}" for name, value in found["facts"].items())
    rest["evidence"] = " ".join(f"{e['probe']}: {e['sent']} > {e['received']}" for e in found["evidence"])
    last = {"status": said["status"], "names": said["names"]}
    return rest | last | {"judgement": found["judgement"], "why": found["why"]}


class Feed:
    """A document of observations that is written while they come.

    :meth:`row` gives the text that a row adds, :meth:`end` the rest with the ``summary``: together they are what
    :data:`portlore.render.formats.FORMATS` makes of the whole, and after every ``end`` they are valid.
    """

    def __init__(self, form: str) -> None:
        self._rows: list[dict[str, Any]] = []
        self._summary: dict[str, Any] = {}
        document = Document({}, (("observations", self._coming()),), {"summary": self._summary})
        self._pieces = FORMATS[form](document)
        self._flat = form == "csv"

    def _coming(self) -> Iterator[dict[str, Any]]:
        while self._rows:
            yield self._rows.pop()

    def row(self, found: dict[str, Any]) -> str:
        """One more row (:func:`row`)."""
        self._rows.append(flat(found) if self._flat else found)
        text = ""
        while self._rows:
            text += next(self._pieces)
        return text

    def end(self, summary: dict[str, Any]) -> str:
        """All that is left."""
        self._summary.update(summary)
        return "".join(self._pieces)
