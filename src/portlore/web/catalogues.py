"""Edge: the catalogues of ``locale/``, one gettext file (.po) a language, read once each."""

from __future__ import annotations

from functools import cache
from gettext import c2py
from pathlib import Path

from babel.messages.pofile import read_po

from portlore.web.words import BY_CODE, Words

FOLDER = Path(__file__).parent / "locale"


@cache
def words(code: str) -> Words:
    """A language's words; ``KeyError`` for a language that is not there."""
    language = BY_CODE[code]
    if code == "en":
        return Words(language, {})
    with (FOLDER / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    messages: dict[str, str | tuple[str, ...]] = {}
    for message in catalog:
        if message.id and isinstance(message.id, str) and isinstance(message.string, str) and message.string:
            messages[message.id] = message.string
        elif isinstance(message.id, list | tuple) and isinstance(message.string, list | tuple) and all(message.string):
            messages[message.id[0]] = tuple(message.string)
    return Words(language, messages, c2py(catalog.plural_expr))
