"""Finding ports by words: names, descriptions, assignees, claims, own labels. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import Hit, PortRange, Verdict
from portlore.query import parse_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.book import Book

# How good a match is, best first; what is added on top only orders hits of the same worth.
EXACT, CLAIMED, PREFIX, PART, WORDS, WHO, NEAR = 1000, 900, 700, 550, 400, 200, 100
SHORTEST = 3  # letters below which everything is near
LIMIT = 128  # characters of a search


def search_book(book: Book, words: str, *, limit: int = 20) -> list[Hit]:
    """The best hits for some words, best first; near misses of names only where nothing else is found."""
    asked = " ".join(words.lower().split())
    if not asked or len(asked) > LIMIT or not asked.isprintable():
        raise InputError(
            f"a search for {words[:24]!r}", "no words, or too many", "name a service, a program or a company"
        )
    wanted = asked.split()
    found: dict[tuple[str, str], Hit] = {}
    for hit in [
        *_of_port(book, asked),
        *_in_registry(book, asked, wanted),
        *_in_claims(book, asked, wanted),
        *_in_own(book, asked, wanted),
    ]:
        key = (hit.ports, hit.name.lower())
        held = found.get(key)
        if held is None:
            found[key] = hit
        else:
            transports = "/".join(dict.fromkeys((held.transport + "/" + hit.transport).split("/")))
            found[key] = max(held, hit, key=lambda h: h.score).replace(transport=transports)
    if not found:
        found = {(hit.ports, hit.name): hit for hit in _near(book, asked)}
    return sorted(found.values(), key=lambda hit: (-hit.score, _first(hit.ports), hit.name))[:limit]


def _first(ports: str) -> int:
    return PortRange.parse(ports.split(",")[0]).first if ports else 1 << 17


def _worth(name: str, text: str, who: str, asked: str, wanted: list[str]) -> tuple[int, str]:
    """How well one entry answers, and what matched; zero when it does not."""
    folded = name.lower()
    if folded == asked or folded.replace("-", " ") == asked:
        return EXACT, "name"
    if folded.startswith(asked) and folded:
        return PREFIX - min(len(folded) - len(asked), 99), "name begins so"
    if asked in folded:
        return PART - min(len(folded) - len(asked), 99), "in the name"
    haystack = f"{folded} {text.lower()}"
    if all(word in haystack for word in wanted):
        whole = haystack.replace("-", " ").replace("/", " ").replace("(", " ").replace(")", " ").split()
        exact = sum(word in whole for word in wanted)
        return WORDS + 40 * exact // len(wanted) - min(len(text) // 16, 20), "in the description"
    if who and all(word in who.lower() for word in wanted):
        return WHO, "assignee"
    return 0, ""


def _of_port(book: Book, asked: str) -> Iterator[Hit]:
    """A search for a number: the port itself, and what is claimed of it."""
    try:
        query = parse_query(asked)
    except InputError:
        return
    if query.ports is None or len(query.ports) > 1:
        return
    for facts in book.facts_of(query):
        for given in facts.assignments[:1]:
            yield Hit(str(facts.port), facts.transport, given.name, given.description, "registry", EXACT, "port")
        for claim in facts.claims:
            if claim.ports == str(facts.port) and claim.verdict is not Verdict.CONTRADICTED:
                layer = f"claim, {claim.verdict}"
                yield Hit(claim.ports, claim.transport, claim.name, claim.statement, layer, CLAIMED, "port")


def _in_registry(book: Book, asked: str, wanted: list[str]) -> Iterator[Hit]:
    for record in book.registry.records():
        if not record.name:
            continue
        who = record.assignee.replace("_", " ")
        score, why = _worth(record.name, record.description, who, asked, wanted)
        if score:
            score -= 30 * (record.alias_of is not None) + 5 * (not record.number)
            yield Hit(
                record.number, "/".join(record.applies_to), record.name, record.description, "registry", score, why
            )


def _in_claims(book: Book, asked: str, wanted: list[str]) -> Iterator[Hit]:
    for claim in book.lore:
        score, why = _worth(claim.name, claim.statement, "", asked, wanted)
        if score >= EXACT or (score and f" {asked} " in f" {claim.name.lower()} "):
            score = CLAIMED - min(len(claim.name) - len(asked), 99)
        if claim.verdict is Verdict.CONTRADICTED:  # what is false is found too, after what is so
            score = min(score, WORDS)
        if score:
            yield Hit(claim.ports, claim.transport, claim.name, claim.statement, f"claim, {claim.verdict}", score, why)


def _in_own(book: Book, asked: str, wanted: list[str]) -> Iterator[Hit]:
    for label in book.own:
        score, why = _worth(label.name, label.note, label.owner, asked, wanted)
        if score:
            yield Hit(label.ports, label.transport, label.name, label.note, "own", score + 10, why)


def _near(book: Book, asked: str) -> Iterator[Hit]:
    """Names that differ by a slip or two of the keyboard."""
    if len(asked) < SHORTEST:
        return
    slips = 1 if len(asked) < 6 else 2
    seen = set()
    for record in book.registry.records():
        name = record.name.lower()
        if not name or (name, record.number) in seen:
            continue
        seen.add((name, record.number))
        off = distance(asked, name, slips)
        if off <= slips:
            hit = Hit(record.number, "/".join(record.applies_to), record.name, record.description, "registry", 0, "")
            yield hit.replace(score=NEAR - 30 * off - (not record.number), why=f"{off} letter{'s' * (off > 1)} off")
    for claim in book.lore:
        name = claim.name.lower()
        off = min((distance(asked, word, slips) for word in (name, *name.split())), default=9)
        if off <= slips:
            why = f"{off} letter{'s' * (off > 1)} off"
            layer = f"claim, {claim.verdict}"
            yield Hit(claim.ports, claim.transport, claim.name, claim.statement, layer, NEAR - 30 * off - 1, why)


def near_names(book: Book, name: str, limit: int = 5) -> list[str]:
    """Registered names close to one that nobody has, closest first."""
    hits = sorted(_near(book, name.lower()), key=lambda hit: -hit.score)
    return list(dict.fromkeys(hit.name for hit in hits if hit.layer == "registry"))[:limit]


def distance(a: str, b: str, most: int) -> int:
    """Edits (insert, delete, replace, swap of neighbours) from ``a`` to ``b``; ``most + 1`` when there are more."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    if a == b:
        return 0
    if not _may_be_near(a, b, most):
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _may_be_near(a: Iterable[str], b: str, most: int) -> bool:
    """A cheap test first: near words share nearly all letters."""
    rest = list(b)
    missing = 0
    for letter in a:
        if letter in rest:
            rest.remove(letter)
        else:
            missing += 1
            if missing > most:
                return False
    return True
