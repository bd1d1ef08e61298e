"""The registry as IANA's XML, the fullest form.

Read with expat alone: a document type or an entity declaration is refused, so that entity bombs have nothing to expand.
"""

from __future__ import annotations

from xml.parsers import expat

from portlore.errors import ParseError
from portlore.registry.reading import Reading, is_day, record_of, squeeze

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.registry.record import Record

ROOT = "registry"
CELLS = {  # element: cell
    "name": "name",
    "protocol": "transport",
    "description": "description",
    "number": "number",
    "assignee": "assignee",
    "sc": "service_code",
    "unauthorized": "unauthorized_use",
    "note": "note",
}
REFERENCES = {"rfc", "draft", "uri", "text", "registry"}
CELL_DEPTH = 3  # registry / record / cell
ASK = "reading the registry's XML"


def _reference(kind: str, data: str, text: str) -> str:
    """An ``xref`` as the CSV writes it: ``[RFC6335]``, ``[Mark_Lottor]``, ``[1]``."""
    shown = data if kind == "draft" else text.strip() or (data.upper() if kind == "rfc" else data)
    return f"[{shown}]"


class _Reader:
    """Collects cells while expat walks the file."""

    def __init__(self) -> None:
        self.date = ""
        self.records: list[Record] = []
        self.organisations: dict[str, str] = {}
        self.path: list[str] = []
        self.cells: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.xref: tuple[str, str, int] | None = None
        self.person = ""

    def refuse(self, *_: object) -> None:
        raise ParseError(ASK, "it declares a document type or entities", "use IANA's own file, which has none")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        if not self.path and tag != ROOT:
            raise ParseError(
                ASK, f"the document is a {tag[:40]!r}, not a registry", "use IANA's service-names-port-numbers.xml"
            )
        self.path.append(tag)
        if tag == "record":
            self.cells = {"registered": attributes.get("date", ""), "modified": attributes.get("updated", "")}
            self.lists = {"person": [], "assignee": [], "reference": []}
        elif tag == "person":
            self.person = attributes.get("id", "")
        if tag == "xref":
            self.xref = (attributes.get("type", ""), attributes.get("data", ""), len(self.text))
        elif len(self.path) <= CELL_DEPTH:  # a <br/> inside a cell keeps the text before it
            self.text = []

    def characters(self, data: str) -> None:
        self.text.append(data)

    def end(self, tag: str) -> None:
        tag = tag.rpartition("}")[2]
        self.path.pop()
        parent = self.path[-1] if self.path else ""
        if tag == "xref" and self.xref is not None:
            kind, data, mark = self.xref
            shown = _reference(kind, data, "".join(self.text[mark:]))
            self.text[mark:] = [shown]
            self.xref = None
            if parent == "record":
                if kind == "person":
                    self.lists["person"].append(shown)
                elif kind in REFERENCES or kind == "note":
                    self.lists["reference"].append(shown)
            elif parent == "assignee":
                self.lists["assignee"].append(shown)
        elif tag == "br":
            self.text.append(" ")
        elif tag == "record" and parent == ROOT:
            self.finish_record()
        elif parent == "record" and tag in CELLS:
            self.cells[CELLS[tag]] = "".join(self.text)
        elif parent == "person" and tag == "org":
            self.organisations[self.person] = squeeze("".join(self.text))
        elif parent == ROOT and tag == "updated":
            self.date = "".join(self.text).strip()

    def finish_record(self) -> None:
        cells, persons = self.cells, "".join(self.lists["person"])
        cells["contact"] = persons
        cells["assignee"] = "".join(self.lists["assignee"]) or squeeze(cells.get("assignee")) or persons
        cells["reference"] = "".join(self.lists["reference"])
        self.records.append(record_of(cells, f"record {len(self.records) + 1}"))


def parse_xml(data: bytes) -> Reading:
    """The bytes of a registry XML as a :class:`Reading`; :class:`ParseError` with line and column otherwise."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ParseError(ASK, f"not well-formed: {error}", "get the file again") from None
    if not is_day(reader.date):
        raise ParseError(
            ASK, f"no <updated> date, but {reader.date[:40]!r}", "use IANA's service-names-port-numbers.xml"
        )
    if not reader.records:
        raise ParseError(ASK, "no <record> in it", "use IANA's service-names-port-numbers.xml")
    return Reading(reader.date, tuple(reader.records), tuple(sorted(reader.organisations.items())))
