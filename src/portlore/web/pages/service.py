"""The page of a service name: its ports, who has it, what else is said under that name. Pure."""

from __future__ import annotations

from portlore.model import PortRange
from portlore.value import Value
from portlore.web.pages.notes import Footnote, Notes
from portlore.web.pages.port import Use, about, use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Book
    from portlore.model import Claim
    from portlore.web.words import Words

MOST = 64  # ports listed; a range of a name may be longer


class Place(Value):
    """A registered row of the name: where (a port or range, empty for a service without one), what, who."""

    ports: str
    transport: str
    description: str
    about: tuple[str, ...]


class ServicePage(Value):
    """Everything on the page of a service name."""

    language: str
    name: str
    title: str
    summary: str
    snapshot: str
    snapshot_day: str
    places: tuple[Place, ...]
    uses: tuple[Use, ...]
    sources: tuple[Footnote, ...]


def service_page(book: Book, name: str, words: Words) -> ServicePage | None:
    """The page of a service name; ``None`` when neither registry nor claims know it."""
    from portlore.registry.registry import assignment_of

    records = book.registry.named(name)
    notes = Notes(words)
    claims = book.claimed(name) if len(name) > 1 else []
    if not records and not claims:
        return None
    shown = records[0].name if records else _as_claimed(name, claims[0])
    places = tuple(
        Place(
            record.number,
            record.transports.replace(" ", "/"),
            record.description,
            tuple(about(assignment_of(record), book, words)),
        )
        for record in records
    )
    ports = list(dict.fromkeys(place.ports for place in places if place.ports))
    if ports:
        summary = words.count(
            "{name} is registered for port {ports}.",
            "{name} is registered for the ports {ports}.",
            sum(len(PortRange.parse(one)) for one in ports),
            name=shown,
            ports=words.list(ports),
        )
    elif records:
        summary = words.say(
            "{name} is registered without a port: it is found by name (DNS SRV or DNS-SD, RFC 6335, section 5).",
            name=shown,
        )
    else:
        summary = words.say("Nobody has registered the name {name}; others use it.", name=shown)
    return ServicePage(
        words.language.code,
        shown,
        words.say("Service {name}", name=shown),
        summary,
        book.snapshot,
        words.day(book.snapshot),
        places,
        tuple(use(claim, words, notes, elsewhere=True) for claim in claims[:MOST]),
        notes.all(),
    )


def _as_claimed(name: str, claim: Claim) -> str:
    """A name that nobody registered, in the letters of the claim that holds it."""
    at = claim.name.lower().find(name.lower())
    found = claim.name[at : at + len(name)]
    return found if found.lower() == name.lower() else name  # a few letters are two in lower case
