"""The schema of ``lore/programs/*.toml``: which program serves what, each row with its source."""

from __future__ import annotations

import tomllib
from datetime import date

from portlore.errors import ParseError
from portlore.lore.program_store import INTERPRETERS, stem_of
from portlore.lore.schema import HOW, PACKAGE_URL, SOURCE_KEYS
from portlore.seen import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.model import Source

KEYS = {"names", "arguments", "services", "uses", "what", "forwards", "source"}
LONGEST = 60  # characters of `what`


def parse_programs(data: str, where: str) -> list[tuple[Program, Source]]:
    """The rows of one file with their sources; :class:`ParseError` names the row and what is wrong with it."""
    try:
        document = tomllib.loads(data)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fail(where, f"not TOML: {error}", "correct the file") from None
    rows = document.get("program")
    if not isinstance(rows, list) or set(document) != {"program"}:
        raise _fail(where, "no list of [[program]]", "begin each row with [[program]]")
    return [_row(row, f"{where}, program {number}") for number, row in enumerate(rows, 1)]


def _fail(where: str, found: str, do: str) -> ParseError:
    return ParseError(f"reading programs in {where}", found, do)


def _row(row: object, where: str) -> tuple[Program, Source]:
    if not isinstance(row, dict) or set(row) - KEYS:
        raise _fail(where, f"keys {sorted(set(row) - KEYS) if isinstance(row, dict) else row}", f"use {sorted(KEYS)}")
    names, arguments = _words(row, "names", where), _words(row, "arguments", where)
    services, uses = _words(row, "services", where), _words(row, "uses", where)
    if not names and not arguments:
        raise _fail(where, "neither names nor arguments", "say how the process is told")
    if not services and not uses:
        raise _fail(where, "neither services nor uses", "say what it serves")
    for name in names:
        if "/" in name or stem_of(name) in INTERPRETERS:
            raise _fail(where, f"the name {name!r}", "give a program's own file name, no path, no interpreter")
    what = row.get("what")
    if not isinstance(what, str) or not what.strip() or len(what) > LONGEST or "\t" in what:
        raise _fail(where, f"what = {what!r:.80}", f"say in at most {LONGEST} characters what it is")
    forwards = row.get("forwards", False)
    if not isinstance(forwards, bool):
        raise _fail(where, f"forwards = {forwards!r:.40}", "write true, or leave it out")
    return Program(names, arguments, services, uses, what, forwards), _source(row.get("source"), where)


def _words(row: dict[str, object], key: str, where: str) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word.isprintable() and word for word in value):
        raise _fail(where, f"{key} = {value!r:.60}", f'write {key} = ["…"]')
    return tuple(value)


def _source(table: object, where: str) -> Source:
    from portlore.model import Source

    if not isinstance(table, dict) or set(table) != set(SOURCE_KEYS):
        raise _fail(where, f"source {table!r:.60}", f"give {', '.join(SOURCE_KEYS)}")
    if table["how"] not in HOW or (table["how"] == "package file" and not PACKAGE_URL.fullmatch(str(table["url"]))):
        raise _fail(where, f"source {table['url']!r:.80}", f"how is one of {', '.join(HOW)}, with its kind of address")
    day = table["retrieved"]
    if not isinstance(day, date):
        raise _fail(where, f"retrieved = {day!r:.40}", "write a day, without quotes")
    words = {key: table[key] for key in ("title", "url", "how", "evidence")}
    if not all(isinstance(word, str) and word.strip() for word in words.values()):
        raise _fail(where, "an empty text in its source", "say where it was read, and the words that stand there")
    return Source(words["title"], words["url"], words["how"], day.isoformat(), words["evidence"])
