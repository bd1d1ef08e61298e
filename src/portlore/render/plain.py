"""Values as plain dictionaries, lists and strings: what JSON, NDJSON and CSV are made of.

The keys are the field names of :mod:`portlore.model`, in order, with ``from`` for ``since`` (a word Python keeps to
itself). A change of a key is a breaking change and stands in CHANGELOG.
"""

from __future__ import annotations

from portlore.model import PortFacts, Source
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RENAMED = {"since": "from"}
HIDDEN: dict[type[Value], tuple[str, ...]] = {Source: ("evidence",)}


def plain(value: object) -> Any:
    """A value as something that JSON can hold."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, PortFacts):
        return plain_facts(value)
    if isinstance(value, Value):
        hidden = HIDDEN.get(type(value), ())
        fields = [name for name in value.__fields__ if name not in hidden]
        return {RENAMED.get(name, name): plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value]  # type: ignore[attr-defined]


def plain_facts(facts: PortFacts, query: str | None = None) -> dict[str, Any]:
    """The facts of a port, with the question that they answer."""
    asked = {} if query is None else {"query": query}
    return asked | {
        "port": facts.port,
        "transport": str(facts.transport),
        "kind": str(facts.kind),
        "status": str(facts.status),
        "row": facts.row,
        "assignments": [plain(assignment) for assignment in facts.assignments],
        "history": [plain(change) for change in facts.history],
        "claims": [plain(claim) for claim in facts.claims],
        "local": [plain(line) for line in facts.local],
        "own": [plain(label) for label in facts.own],
    }


def cell(value: object) -> str:
    """A value in one cell of a CSV: lists of values by their names, joined with blanks."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(cell(item) for item in value)
    if isinstance(value, dict):
        parts = [value[key] for key in ("name", "kind", "title", "verdict", "between") if value.get(key)]
        return ":".join(cell(part).replace(" ", "_") for part in parts)
    return str(value)
