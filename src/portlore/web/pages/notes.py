"""Footnotes: sources numbered in the order in which they are first used. Pure."""

from __future__ import annotations

from portlore.value import Value
from portlore.web.pages.terms import N_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.model import Source
    from portlore.web.words import Words

HOW = {"page read": N_("page read"), "package file": N_("package file"), "registry": N_("registry")}


class Footnote(Value):
    """A source. ``url``: empty unless it is of the web, so that only such are links; ``locator``: what it is else."""

    number: int
    title: str
    url: str
    locator: str
    read: str


class Notes:
    """The footnotes of one page."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._found: dict[tuple[str, str], Footnote] = {}

    def mark(self, sources: Sequence[Source]) -> tuple[int, ...]:
        """The numbers of some sources."""
        return tuple(dict.fromkeys(self._number(source) for source in sources))

    def _number(self, source: Source) -> int:
        key = (source.title, source.url)
        known = self._found.get(key)
        if known is None:
            web = source.url.startswith(("https://", "http://"))
            how = self._words.say(HOW[source.how]) if source.how in HOW else source.how
            read = self._words.row([part for part in (how, self._words.day(source.retrieved)) if part])
            number = len(self._found) + 1
            known = Footnote(number, source.title, source.url if web else "", "" if web else source.url, read)
            self._found[key] = known
        return known.number

    def all(self) -> tuple[Footnote, ...]:
        """Every source that was marked."""
        return tuple(self._found.values())
