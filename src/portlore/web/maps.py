"""The files of the atlas page: what its program draws (``atlas.json``), and its still picture, light and dark.

``atlas.json`` holds each layer's codes and its picture as a text of runs: a capital letter for the code (A the first),
then how many cells have it, in base 36, nothing for one. ``history`` is such a text per year; after the first year
``_`` stands for cells that did not change. ``names``: the registered names by port, between bars: a name, ``=N`` N more
ports of that name, ``+N`` N ports without one; so do the claims have the names of what is claimed. Pure.
"""

from __future__ import annotations

import json
from itertools import groupby

from portlore.atlas.layers import LAYERS, PAINTED, narrowest, pieces
from portlore.atlas.layout import runs
from portlore.atlas.png import png
from portlore.atlas.years import by_year
from portlore.model import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.book import Book

SCALE = 2  # pixels a port: the still picture is 512 by 512
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
SAME = LETTERS.index("_")  # in place of a code: as the year before
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def map_files(book: Book) -> dict[str, tuple[str, bytes]]:
    """The files of the atlas by name: media type and bytes."""
    pictures = {name: paint(book) for name, paint in PAINTED.items()}
    layers: dict[str, object] = {}
    for layer in LAYERS.values():
        layers[layer.code] = {"codes": [one.code for one in layer.codes]}
        if layer.code in pictures:
            layers[layer.code] = {"codes": [one.code for one in layer.codes], "runs": runs_text(pictures[layer.code])}
    document = {
        "snapshot": book.snapshot,
        "layers": layers,
        "history": years(book),
        "names": names_text(names(book)),
        "claims": names_text(claimed(book)),
    }
    title = f"Ports by status, registry of {book.snapshot}"
    files = {"atlas.json": ("application/json", json.dumps(document, separators=(",", ":")).encode())}
    for name, dark in (("atlas.png", False), ("atlas-dark.png", True)):
        files[name] = ("image/png", png(pictures["status"], LAYERS["status"], title, SCALE, dark=dark))
    return files


def runs_text(picture: Sequence[int]) -> str:
    """A picture as a text of runs."""
    lengths = ((code, last - first + 1) for first, last, code in runs(picture))
    return "".join(LETTERS[code] + (base36(length) if length > 1 else "") for code, length in lengths)


def base36(number: int) -> str:
    """A positive number in base 36, as JavaScript's ``parseInt`` reads it."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text


def years(book: Book) -> list[dict[str, str]]:
    """The status of every port, year by year: the first whole, the others as what changed."""
    told = []
    before: Sequence[int] = ()
    for date, picture in by_year(book.registry):
        changed = [SAME if a == b else b for a, b in zip(before, picture, strict=True)] if before else picture
        told.append({"date": date, "runs": runs_text(changed)})
        before = picture
    return told


def names(book: Book) -> list[str]:
    """The registered name of every port, TCP's before UDP's; empty for none."""

    def name(port: int) -> str:
        return next((found for on in Transport if (found := book.name(port, on))), "")

    found: list[str] = []
    for first, last in pieces(book.registry.starts):
        found += [name(first)] * (last - first + 1)
    return found


def claimed(book: Book) -> list[str]:
    """The name of the claim that decides a port's colour; empty for none."""
    claim = narrowest(book)
    found: list[str] = []
    for first, last in pieces(book.lore.starts):
        told = claim(first)
        found += [told.name if told else ""] * (last - first + 1)
    return found


def names_text(every: Iterable[str]) -> str:
    """Names by port as a text; a bar within one becomes a stroke."""
    words = []
    for name, group in groupby(name.replace("|", "/").lstrip("+=") for name in every):
        more = len(list(group)) - 1
        words.append(name or f"+{more + 1}")
        if name and more:
            words.append(f"={more}")
    return "|".join(words)
