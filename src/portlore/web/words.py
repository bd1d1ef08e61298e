"""The languages of the site, and saying things in them: messages, plural forms, numbers, dates, lists.

A message is an English sentence with ``{names}`` to fill in; it is its own key in the catalogues (``locale/``), so that
English needs none. What is filled in is isolated in right-to-left languages (Unicode FSI … PDI), so that ``703/tcp``
keeps its order there.
"""

from __future__ import annotations

from datetime import date

from babel import Locale, localedata
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Messages = Mapping[str, str | tuple[str, ...]]

UNSAID = (  # what CLDR tells besides, and nothing here says: 700 kB of memory a language
    "compact_currency_formats", "compact_decimal_formats", "compound_unit_patterns", "currency_names",
    "currency_names_plural", "date_fields", "interval_formats", "languages", "meta_zones", "scripts", "territories",
    "time_zones", "unit_display_names", "unit_patterns",
)  # fmt: skip
ISOLATE, POP = "\u2068", "\u2069"


class Language(Value):
    """A language of the site: its tag in addresses, its own name for itself, its direction."""

    code: str
    name: str
    rtl: bool = False


LANGUAGES = (
    Language("en", "English"),
    Language("bn", "বাংলা"),
    Language("ug", "ئۇيغۇرچە", rtl=True),
    Language("ar", "العربية", rtl=True),
    Language("es", "Español"),
    Language("fr", "Français"),
    Language("de", "Deutsch"),
    Language("hi", "हिन्दी"),
    Language("id", "Bahasa Indonesia"),
    Language("ja", "日本語"),
    Language("pt", "Português"),
    Language("ru", "Русский"),
    Language("tr", "Türkçe"),
    Language("zh", "中文"),
)
ANDS = {"ug": " ۋە "}  # which CLDR does not have
COMMAS = {"ar": "، ", "ug": "، ", "ja": "、", "zh": "、"}
BY_CODE = {one.code: one for one in LANGUAGES}


class Words:
    """One language's way to say things.

    ``messages``: English to translation, a tuple of them for plural forms; ``plural`` says which of those a number
    takes.
    """

    def __init__(self, language: Language, messages: Messages, plural: Callable[[int], int] = lambda n: n != 1) -> None:
        self.language, self._messages, self._plural = language, messages, plural
        self._locale = Locale.parse("en_GB" if language.code == "en" else language.code)
        for part in UNSAID:
            localedata.load(str(self._locale)).pop(part, None)
        self._days: dict[str, str] = {}

    def say(self, message: str, **values: object) -> str:
        """A message in this language."""
        found = self._messages.get(message, message)
        assert isinstance(found, str)  # noqa: S101 - the catalogues' test holds them to it
        return found.format(**self._isolated(values)) if values else found

    def raw(self, message: str) -> str:
        """A message with its ``{names}`` still to be filled in."""
        found = self._messages.get(message, message)
        return found if isinstance(found, str) else message

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """A message about a number of things; ``{n}`` in it is the number, written as this language does."""
        found = self._messages.get(one)
        text = found[self._plural(number)] if isinstance(found, tuple) else one if number == 1 else many
        return text.format(n=self.number(number), **self._isolated(values))

    def number(self, number: int) -> str:
        """A number of things (never of a port: those are names)."""
        return str(format_decimal(number, locale=self._locale))

    def percent(self, part: int, whole: int) -> str:
        """A share of a whole, in whole percents, below one with one significant digit."""
        share = part / whole if whole else 0.0
        share = round(share, 2) if share >= 0.01 else float(f"{share:.1g}")
        return str(format_percent(share, locale=self._locale, decimal_quantization=False))

    def day(self, text: str) -> str:
        """A date of the registry (``2026-08-17``, ``2026-08`` or a year) as this language writes it."""
        known = self._days.get(text)
        if known is None:
            known = self._days[text] = self._day(text)
        return known

    def _day(self, text: str) -> str:
        parts = text.split("-")
        try:
            numbers = [int(part) for part in parts]
            if len(numbers) == 3:
                return str(format_date(date(numbers[0], numbers[1], numbers[2]), "long", locale=self._locale))
            if len(numbers) == 2:
                return str(format_skeleton("yMMMM", date(numbers[0], numbers[1], 1), locale=self._locale))
            if len(text) == 4:
                return str(format_skeleton("y", date(numbers[0], 1, 1), locale=self._locale))
        except ValueError:
            return text
        return text

    def list(self, names: Sequence[str]) -> str:
        """Several names as one: ``a, b and c``."""
        shown = [self._isolate(name) for name in names]
        if len(shown) > 1 and (last := ANDS.get(self.language.code)):
            return self.row(names[:-1]) + last + shown[-1]
        return str(format_list(shown, locale=self._locale)) if len(shown) > 1 else "".join(shown)

    def row(self, names: Sequence[str]) -> str:
        """Several names, of which there are more: ``a, b, c``."""
        return COMMAS.get(self.language.code, ", ").join([self._isolate(name) for name in names])

    def _isolate(self, value: object) -> str:
        text = str(value)
        return f"{ISOLATE}{text}{POP}" if self.language.rtl and ISOLATE not in text else text

    def _isolated(self, values: dict[str, object]) -> dict[str, object]:
        return {name: self._isolate(value) for name, value in values.items()} if self.language.rtl else values
