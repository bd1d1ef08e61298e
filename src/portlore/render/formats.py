"""The machine-readable forms of every command's answer.

A :class:`Document` is one object: a few leading keys, then one or more lists. JSON prints it whole, NDJSON and CSV
print the rows of its lists one by one. Rows may be an iterator: a document of 262,144 rows is never held whole.
"""

from __future__ import annotations

from portlore.render.plain import cell
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


# DEL and the C1 controls may stand in JSON as they are, but some terminals would obey them.
CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


BLANKS = "\u00a0\u2007\u202f\u3000"  # not printable to Python, and harmless


class Document(Value):
    """``head``: the leading keys; ``lists``: name and rows (dictionaries, for JSON also :class:`Encoded`), in order.

    ``tail``: keys that follow the lists, read when these are written.
    """

    head: dict[str, Any]
    lists: tuple[tuple[str, Iterable[Any]], ...]
    tail: dict[str, Any] | None = None


class Encoded(str):
    """JSON that is ready: rows whose makers know how to write ten thousand of them quickly."""

    __slots__ = ()


def encode_string(text: str) -> str:
    """A string as JSON; only one that needs escapes asks the standard library, whose import a look-up would feel."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from json.encoder import encode_basestring

    return encode_basestring(text).translate(CONTROLS)


def encode(value: object) -> str:
    """A plain value as JSON (RFC 8259).

    Only for what :mod:`portlore.render.plain` makes: importing :mod:`json` would be a seventh of a look-up's time.
    """
    if isinstance(value, str):
        return value if type(value) is Encoded else encode_string(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{encode_string(key)}: {encode(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(encode, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def json_text(document: Document) -> Iterator[str]:
    """One object, a row a line."""
    lead = "{"
    for key, value in document.head.items():
        yield f"{lead}{encode(key)}: {encode(value)}"
        lead = ", "
    for name, rows in document.lists:
        yield f"{lead}{encode(name)}: ["
        lead = ", "
        between = "\n"
        for row in rows:
            yield between + encode(row)
            between = ",\n"
        yield "]"
    for key, value in (document.tail or {}).items():
        yield f"{lead}{encode(key)}: {encode(value)}"
        lead = ", "
    yield "}\n"


def ndjson_text(document: Document) -> Iterator[str]:
    """A row a line, each an object of its own."""
    for _, rows in document.lists:
        for row in rows:
            yield encode(row) + "\n"


def csv_text(document: Document) -> Iterator[str]:
    """A heading, then a row a line (RFC 4180, LF line ends); the columns are those of the first row."""
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for _, rows in document.lists:
        columns: list[str] | None = None
        for row in rows:
            if columns is None:
                columns = list(row)
                writer.writerow(columns)
            writer.writerow([_safe(cell(row.get(column))) for column in columns])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()


def _safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, and no terminal for a command."""
    if not text.isprintable():
        text = "".join([c if c.isprintable() or c in BLANKS else c.encode("unicode_escape").decode() for c in text])
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


FORMATS: dict[str, Callable[[Document], Iterator[str]]] = {
    "json": json_text,
    "ndjson": ndjson_text,
    "csv": csv_text,
}
