"""The catalogues: whole, well made, and used as each language counts and writes; what is in English says so."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import portlore
from portlore.model import PortRange
from portlore.web.catalogues import FOLDER, words
from portlore.web.pages.fixed import PROBLEMS, VOTES, atlas_page, error_page, home_page, missing_page, vote_page
from portlore.web.pages.listings import about_page, all_changes, changes_page, ghosts_page, search_page
from portlore.web.pages.port import port_page
from portlore.web.pages.range import range_page
from portlore.web.pages.service import service_page
from portlore.web.rendering import Links, Pages
from portlore.web.site import Site
from portlore.web.words import BY_CODE, LANGUAGES, Words

BOOK = portlore.load()
OTHERS = [one.code for one in LANGUAGES if one.code != "en"]
RTL = [one.code for one in LANGUAGES if one.rtl]
ISOLATED = re.compile("\u2068[^\u2068\u2069]*\u2069")
STOPS = {"ja": "。", "zh": "。", "bn": "।", "hi": "।"}  # where a sentence does not end with a point
NUMBERS = (0, 1, 2, 3, 5, 11, 21, 100, 1000)
SAME = {  # words that a language shares with English
    "703, ssh, printer …", "Atlas", "Description", "No", "Pages", "Port", "Port {port}", "Ports",
    "Ports {first}-{last}", "Service {name}", "Sources", "Status", "Transport", "Transports", "Zoom", "malware",
}  # fmt: skip


def catalogue(name: str) -> Catalog:
    with (FOLDER / name).open("rb") as file:
        return read_po(file, locale=name.removesuffix(".po") if name.endswith(".po") else None)


TEMPLATE = catalogue("portlore.pot")
CATALOGUES = {code: catalogue(f"{code}.po") for code in OTHERS}


def texts(message: object) -> tuple[str, ...]:
    return tuple(message) if isinstance(message, list | tuple) else (str(message),)


def said(code: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """A catalogue's messages and what they are in its language, both as tuples: of several for plural forms."""
    return {texts(one.id): texts(one.string) for one in CATALOGUES[code] if one.id}


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_languages_are_those_of_the_site_and_each_bears_its_own_name() -> None:
    assert [(one.code, one.name) for one in LANGUAGES] == [
        ("en", "English"), ("bn", "বাংলা"), ("ug", "ئۇيغۇرچە"), ("ar", "العربية"), ("es", "Español"), ("fr", "Français"),
        ("de", "Deutsch"), ("hi", "हिन्दी"), ("id", "Bahasa Indonesia"), ("ja", "日本語"), ("pt", "Português"),
        ("ru", "Русский"), ("tr", "Türkçe"), ("zh", "中文"),
    ]  # fmt: skip
    assert RTL == ["ug", "ar"]
    assert sorted(path.stem for path in FOLDER.glob("*.po")) == sorted(OTHERS)


def test_the_catalogues_are_those_of_the_source() -> None:
    tool = Path(__file__).parents[2] / "tools/messages.py"
    if not tool.exists():
        pytest.skip("needs the source tree")
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{len(TEMPLATE)} messages; 0 files are behind\n")


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_is_translated(code: str) -> None:
    messages = said(code)
    assert set(messages) == {texts(one.id) for one in TEMPLATE if one.id}
    assert not CATALOGUES[code].obsolete
    assert not [one.id for one in CATALOGUES[code] if one.id and one.fuzzy]
    for ids, strings in messages.items():
        assert all(strings), ids
        assert ids[0] in SAME or ids[0] not in strings, ids


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_placeholders_and_the_ends_of_its_message(code: str) -> None:
    for ids, strings in said(code).items():
        wanted = names_in(ids[-1])
        for text in strings:
            missing = wanted - names_in(text)
            assert names_in(text) <= wanted, ids
            assert missing <= ({"n"} if len(ids) > 1 else set()), ids  # «ein Port» says the number itself
            assert text == text.strip(), ids
            assert text.endswith(STOPS.get(code, ".")) == ids[0].endswith("."), ids


@pytest.mark.parametrize(("code", "forms"), [("ar", 6), ("ru", 3), ("ja", 1), ("zh", 1), ("de", 2), ("fr", 2)])
def test_there_are_as_many_plural_forms_as_the_language_has(code: str, forms: int) -> None:
    """As in the manual of gettext, "Plural forms"; CLDR's further ones are for fractions and millions."""
    assert {len(strings) for ids, strings in said(code).items() if len(ids) > 1} == {forms}


@pytest.mark.parametrize("code", ["en", "ar", "ru", "ja"])
def test_numbers_that_cldr_counts_alike_are_said_alike(code: str) -> None:
    """Each counting message, with the numbers taken out: one sentence for each of CLDR's categories."""
    locale = Locale.parse(code)
    counting = [texts(one.id) for one in TEMPLATE if len(texts(one.id)) > 1]
    assert len(counting) == 4
    for one, many in counting:
        values = dict.fromkeys(names_in(many) - {"n"}, "x")
        shown: dict[str, set[str]] = {}
        for number in NUMBERS:
            text = words(code).count(one, many, number, **values)
            bare = text.replace(words(code).number(number), "#")
            shown.setdefault(locale.plural_form(number), set()).add(bare)
        assert all(len(forms) == 1 for forms in shown.values()), (one, shown)


@pytest.mark.parametrize(
    ("code", "nouns"),
    [
        ("en", "claims claim claims claims claims claims claims claims claims"),
        ("ja", "主張 主張 主張 主張 主張 主張 主張 主張 主張"),
        ("ru", "утверждений утверждение утверждения утверждения утверждений утверждений утверждение утверждений"
               " утверждений"),
        ("ar", "ادعاء ادعاء ادعاءان ادعاءات ادعاءات ادعاءً ادعاءً ادعاء ادعاء"),
    ],
)  # fmt: skip
def test_the_noun_is_in_the_form_that_its_number_takes(code: str, nouns: str) -> None:
    """0, 1, 2, 3, 5, 11, 21, 100, 1000 claims, as grammars have it: Russian by the last digits, Arabic by kinds."""
    for number, noun in zip(NUMBERS, nouns.split(), strict=True):
        text = words(code).count("One claim speaks of a wider range.", "{n} claims speak of wider ranges.", number)
        assert noun in (text.split() if code != "ja" else re.split("[のが]|について", text)), text


DATES = {  # CLDR: the long date, the month of a year, a year
    "en": ("17 August 2026", "March 2002", "2016"),
    "bn": ("17 আগস্ট, 2026", "মার্চ 2002", "2016"),
    "ug": ("17-ئاۋغۇست، 2026", "", "2016"),
    "ar": ("17 أغسطس 2026", "مارس 2002", "2016"),
    "es": ("17 de agosto de 2026", "marzo de 2002", "2016"),
    "fr": ("17 août 2026", "mars 2002", "2016"),
    "de": ("17. August 2026", "März 2002", "2016"),
    "hi": ("17 अगस्त 2026", "मार्च 2002", "2016"),
    "id": ("17 Agustus 2026", "Maret 2002", "2016"),
    "ja": ("2026年8月17日", "2002年3月", "2016年"),
    "pt": ("17 de agosto de 2026", "março de 2002", "2016"),
    "ru": ("17 августа 2026 г.", "март 2002 г.", "2016"),
    "tr": ("17 Ağustos 2026", "Mart 2002", "2016"),
    "zh": ("2026年8月17日", "2002年3月", "2016年"),
}
NUMERALS = {  # CLDR: 65536, 1234567, 44 % and 0.2 % of something; a blank stands for any of the unbreakable ones.
    # Digits are Western throughout, also in Bengali: port numbers are, and a page does not mix two kinds.
    **dict.fromkeys(["en", "ug", "ar", "ja", "zh"], ("65,536", "1,234,567", "44%", "0.2%")),
    **dict.fromkeys(["bn", "hi"], ("65,536", "12,34,567", "44%", "0.2%")),
    **dict.fromkeys(["id", "pt"], ("65.536", "1.234.567", "44%", "0,2%")),
    **dict.fromkeys(["es", "de"], ("65.536", "1.234.567", "44 %", "0,2 %")),
    **dict.fromkeys(["fr", "ru"], ("65 536", "1 234 567", "44 %", "0,2 %")),
    "tr": ("65.536", "1.234.567", "%44", "%0,2"),
}
LISTS = {  # CLDR: standard lists of two and three; Uyghur, which it has none for: the comma, and ۋە before the last
    "en": ("a and b", "a, b and c"), "bn": ("a এবং b", "a, b এবং c"), "ug": ("a ۋە b", "a، b ۋە c"),
    "ar": ("a وb", "a وb وc"), "es": ("a y b", "a, b y c"), "fr": ("a et b", "a, b et c"),
    "de": ("a und b", "a, b und c"), "hi": ("a और b", "a, b, और c"), "id": ("a dan b", "a, b, dan c"),
    "ja": ("a、b", "a、b、c"), "pt": ("a e b", "a, b e c"), "ru": ("a и b", "a, b и c"),
    "tr": ("a ve b", "a, b ve c"), "zh": ("a和b", "a、b和c"),
}  # fmt: skip


def plain(text: str) -> str:
    """Without marks of direction, and with one kind of unbreakable blank."""
    return re.sub("[\u00a0\u202f]", " ", re.sub("[\u200e\u200f\u2066-\u2069]", "", text))


@pytest.mark.parametrize("code", BY_CODE)
def test_dates_numbers_and_lists_are_as_the_language_writes_them(code: str) -> None:
    speaks = words(code)
    days = [plain(speaks.day(day)) for day in ("2026-08-17", "2002-03", "2016")]
    assert all(wanted in ("", day) for wanted, day in zip(DATES[code], days, strict=True)), days
    numbers = (speaks.number(65536), speaks.number(1234567), speaks.percent(188, 424), speaks.percent(1, 424))
    assert tuple(map(plain, numbers)) == NUMERALS[code]
    assert not any(" " in number for number in numbers)
    assert (plain(speaks.list(["a", "b"])), plain(speaks.list(["a", "b", "c"]))) == LISTS[code]
    assert plain(speaks.list(["a"])) == "a"


def test_what_is_no_date_is_shown_as_it_is() -> None:
    assert [words("de").day(text) for text in ("", "2026-13-01", "soon", "1.4")] == ["", "2026-13-01", "soon", "1.4"]


@pytest.mark.parametrize("code", BY_CODE)
def test_values_are_isolated_where_the_direction_asks_for_it_and_nowhere_else(code: str) -> None:
    speaks = words(code)
    text = speaks.say(
        "{port}: officially {names}; not {false}.", port=703, names=speaks.list(["a/b", "c"]), false="d-e"
    )
    lead = port_page(BOOK, 5000, speaks).verdict
    if code in RTL:
        assert ISOLATED.findall(text) == [f"\u2068{part}\u2069" for part in ("703", "a/b", "c", "d-e")]
        assert not re.search("[A-Za-z0-9]", ISOLATED.sub("", lead))
        assert "\u2068\u2068" not in text + lead, "a list is of isolated names already"
    assert [set("\u2068\u2069") & set(one) for one in (text, lead)] == [
        set("\u2068\u2069") if code in RTL else set()
    ] * 2


class Strict(dict[str, "str | tuple[str, ...]"]):
    """Messages of which none may be missing."""

    def get(self, key: str, default: object = None) -> str | tuple[str, ...]:
        return self[key]


@pytest.mark.parametrize("code", ["ar", "de"])
def test_no_page_says_anything_that_the_catalogue_has_not(code: str) -> None:
    """Also what no extraction from the source can know: messages that are put together or looked up."""
    messages = {ids[0]: strings if len(ids) > 1 else strings[0] for ids, strings in said(code).items()}
    speaks = Words(BY_CODE[code], Strict(messages), words(code)._plural)
    pages = Pages(speaks)
    links = Links(listeners="/api/v1/listeners", api="/api")
    ports = (0, 2, 77, 80, 502, 585, 703, 973, 1008, 3404, 5000, 8010, 11434, 36412, 40000, 49152, 50000, 65535)
    changes = all_changes(BOOK)
    of_each_kind = {change.kind: change for change in changes}.values()
    assert len(of_each_kind) == 7  # of eight; details are no news
    ranges = (PortRange(600, 1023), PortRange(1, 9999))
    shown = [
        ("home.html", home_page(BOOK, speaks)), ("atlas.html", atlas_page(speaks, listeners=True)),
        ("about.html", about_page([], speaks)), ("ghosts.html", ghosts_page(BOOK, speaks)),
        ("changes.html", changes_page(BOOK, changes, speaks, "2017-05-18")),
        *(("changes.html", changes_page(BOOK, [change], speaks)) for change in of_each_kind),
        *(("search.html", search_page(BOOK, query, speaks)) for query in ("", "modbus", "qqqq")),
        *(("service.html", service_page(BOOK, name, speaks)) for name in ("ssh", "x11", "wico", "grafana")),
        *(("range.html", range_page(BOOK, one, speaks)) for one in ranges),
        *(("error.html", error_page(status, "x", speaks, miswritten=status < 404)) for status in (*PROBLEMS, 599)),
        *(("vote.html", vote_page(outcome, "about", speaks)) for outcome in VOTES),
        *(("port.html", port_page(BOOK, port, speaks)) for port in ports),
        ("missing.html", missing_page(speaks)),
    ]  # fmt: skip
    for template, page in shown:
        assert page is not None
        assert f'<html lang="{code}"' in pages.html(template, page, links, feedback=True, listeners=())


class Spans(HTMLParser):
    """The text of a page with the language that it is said to be in."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.spans: list[tuple[str, str]] = []
        self.lead = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        language = given.get("lang") or (self.open[-1][1] if self.open else "")
        self.spans += [
            (language, text) for key, text in attributes if text and key in ("title", "alt", "aria-label", "content")
        ]
        if tag not in ("meta", "link", "input", "img", "br"):
            self.open.append((f"{tag}.{given.get('class')}", language))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.open.pop()
        assert opened.partition(".")[0] == tag

    def handle_data(self, text: str) -> None:
        if self.open and text.strip():
            self.spans.append((self.open[-1][1], text.strip()))
            if self.open[-1][0] == "p.lead":
                self.lead += text


SITE = Site(BOOK, [{"source": "registry", "date": "2026-08-17", "text": "IANA's registry"}], feedback=True)
ENGLISH = re.compile(r"\b(the|of|and|is|are|that|this|with|from)\b", re.IGNORECASE)
LEADS = {  # as they were read aloud
    "en": "703: officially nobody's; really FortiGate HA and FortiGate FGSP; not Modbus.",
    "de": "703: offiziell niemandem zugewiesen; tatsächlich genutzt von FortiGate HA und FortiGate FGSP;"
    " gehört nicht zu Modbus.",
    "es": "703: oficialmente de nadie; en la práctica, FortiGate HA y FortiGate FGSP; mito: Modbus.",
}


def walked(path: str) -> Spans:
    answer = SITE.get(path, {})
    assert answer.status == 200
    spans = Spans()
    spans.feed(answer.body.decode())
    assert not spans.open
    return spans


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("path", ["ports/703", "ports/502", "ports/80", "ranges/600-1023", "services/ssh", "about"])
def test_english_stands_only_where_it_is_marked_as_english(code: str, path: str) -> None:
    page = walked(f"/{code}/{path}")
    unmarked = [text for language, text in page.spans if language == code]
    english = [text for language, text in page.spans if language == "en"]
    assert [text for text in unmarked if ENGLISH.search(text)] == []
    assert {texts(one.id)[0] for one in TEMPLATE if one.id and " " in texts(one.id)[0]} & set(unmarked) <= SAME
    native = {strings[0] for ids, strings in said(code).items() if ids[0] not in SAME}
    assert native & set(english) == set()
    assert len(english) > 1, "statements and sources are English"


@pytest.mark.parametrize("code", BY_CODE)
def test_the_page_of_703_has_a_verdict_of_its_own_language(code: str) -> None:
    lead = walked(f"/{code}/ports/703").lead
    assert all(name in lead for name in ("703", "FortiGate HA", "FortiGate FGSP", "Modbus"))
    assert lead == LEADS.get(code, lead)
    assert lead not in [walked(f"/{other}/ports/703").lead for other in BY_CODE if other != code]
    assert 'dir="rtl"' in SITE.get(f"/{code}/ports/703", {}).body.decode()[:60] if code in RTL else True


def test_the_statements_of_703_are_marked_as_english_in_german() -> None:
    english = " ".join(text for language, text in walked("/de/ports/703").spans if language == "en")
    for words_of_ours in ("Port 703 belongs to Modbus.", "The registry gives Modbus 502", "NFS and RPC clients"):
        assert words_of_ours in english
