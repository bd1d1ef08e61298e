"""The page of a port: its values, made from the book in one language. HTML and JSON are both made from it. Pure."""

from __future__ import annotations

import re

from portlore.model import ChangeKind, PortKind, Status, Verdict
from portlore.render.meaning import TAKING, told_once
from portlore.render.page import width_of
from portlore.value import Value
from portlore.web.pages.notes import Footnote, Notes
from portlore.web.pages.terms import KINDS, MEANINGS, STATUSES, VERDICTS, term
from portlore.web.pages.verdict import is_story, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.book import Book
    from portlore.model import Assignment, Change, Claim, PortFacts
    from portlore.web.words import Words

NEAR, AROUND = 64, 512  # ports: claims on wider ranges are told in fewer words, on still wider ones only counted
NEIGHBOURS = 3  # on each side
LAST = 65535
EPHEMERAL_FIRST = 32768  # Linux: ip_local_port_range, ip(7)
OPEN = (Status.UNASSIGNED, Status.NO_ENTRY)


class StatusRow(Value):
    """What the registry says of one transport."""

    transport: str
    status: str
    word: str
    names: tuple[str, ...]
    row: str


class Name(Value):
    """A registered name: where it holds, what it is, a sentence about it."""

    name: str
    transports: tuple[str, ...]
    description: str
    about: tuple[str, ...]


class Use(Value):
    """What somebody says of the port. ``statement`` and ``why`` are English; ``notes``: numbers of sources."""

    name: str
    kind: str
    kind_word: str
    verdict: str
    verdict_word: str
    where: str
    era: str
    statement: str
    why: str
    later: str
    notes: tuple[int, ...]


class Event(Value):
    """A point of the timeline."""

    when: str
    what: str
    transports: tuple[str, ...]


class Check(Value):
    """A command that shows what is listening."""

    system: str
    command: str


class Neighbour(Value):
    """A port near by."""

    port: int
    word: str


class PortPage(Value):
    """Everything on the page of a port, in the order in which it is read."""

    language: str
    port: int
    title: str
    verdict: str
    kind: str
    snapshot: str
    snapshot_day: str
    statuses: tuple[StatusRow, ...]
    names: tuple[Name, ...]
    range_first: int
    range_last: int
    binding: tuple[str, ...]
    uses: tuple[Use, ...]
    stories: tuple[Use, ...]
    around: tuple[Use, ...]
    wider: str
    history: tuple[Event, ...]
    meaning: tuple[str, ...]
    checks: tuple[Check, ...]
    neighbours: tuple[Neighbour, ...]
    sources: tuple[Footnote, ...]


def port_page(book: Book, port: int, words: Words) -> PortPage:
    """The page of a port, 0 to 65535."""
    facts = book.port(port)
    claims = told_once(facts)
    notes = Notes(words)
    near = [claim for claim in claims if width_of(claim) <= NEAR]
    around = [claim for claim in claims if NEAR < width_of(claim) <= AROUND]
    wider = len(claims) - len(near) - len(around)
    first, last = bounds(facts[0].kind)
    return PortPage(
        words.language.code,
        port,
        words.say("Port {port}", port=port),
        verdict(facts, words),
        facts[0].kind,
        book.snapshot,
        words.day(book.snapshot),
        tuple(_status(one, words) for one in facts),
        tuple(_names(facts, book, words)),
        first,
        last,
        tuple(binding(facts[0].kind, port, words)),
        tuple(use(claim, words, notes) for claim in _present_first(near)),
        tuple(use(claim, words, notes) for claim in near if is_story(claim)),
        tuple(use(claim, words, notes) for claim in around),
        words.count("One claim speaks of a wider range.", "{n} claims speak of wider ranges.", wider) if wider else "",
        tuple(_history(facts, words)),
        tuple(meaning(facts, words)),
        tuple(Check(system, text.format(n=port)) for system, text in CHECKS) if port else (),
        tuple(_neighbours(book, port, words)),
        notes.all(),
    )


def _present_first(claims: Sequence[Claim]) -> list[Claim]:
    return sorted((one for one in claims if not is_story(one)), key=lambda one: one.kind not in TAKING)


CHECKS = (
    ("Linux", "sudo ss -tulpn 'sport = :{n}'"),
    ("Linux, macOS", "sudo lsof -nP -i :{n}"),
    ("Windows", 'netstat -ano | findstr /c:":{n} "'),
    ("nmap", "nmap -sV -p {n} 127.0.0.1"),
    ("Portlore", "portlore listening {n}"),
)


def bounds(kind: PortKind) -> tuple[int, int]:
    """The first and last port of a range of RFC 6335 section 6."""
    return {PortKind.SYSTEM: (0, 1023), PortKind.USER: (1024, 49151), PortKind.DYNAMIC: (49152, LAST)}[kind]


def binding(kind: PortKind, port: int, words: Words) -> list[str]:
    """What the range means and who may listen there."""
    say = words.say
    if port == 0:
        return [say("Port 0 is no place to listen on: a program that asks for it is given any free port instead.")]
    match kind:
        case PortKind.SYSTEM:
            return [
                say("System ports (0-1023) are meant for well-known services."),
                say(
                    "On Linux a program needs root or the capability CAP_NET_BIND_SERVICE to listen on ports below"
                    " net.ipv4.ip_unprivileged_port_start: 1024 by default, often 0 in containers."
                ),
                say(
                    "On macOS, since 10.14, any program may listen here on all addresses at once; on a single address"
                    " it needs root. On Windows any program may."
                ),
            ]
        case PortKind.USER:
            first = say(
                "User ports (1024-49151) are for services of all kinds; by default any program may listen here, without"
                " special rights."
            )
            return [first, _momentary(words)] if port >= EPHEMERAL_FIRST else [first]
        case PortKind.DYNAMIC:
            return [
                say(MEANINGS[Status.DYNAMIC]),
                _momentary(words),
            ]


def _momentary(words: Words) -> str:
    return words.say(
        "Systems take such ports for a moment, as the local end of outgoing connections; Linux by default"
        " from 32768 to 60999, macOS and Windows from 49152 on. A service here can find its number taken."
    )


def meaning(facts: Sequence[PortFacts], words: Words) -> list[str]:
    """What the status means for somebody who wants the port: who can apply, and what may happen later."""
    say, told = words.say, []
    statuses = {f.status for f in facts}
    kind = facts[0].kind
    free = [f for f in facts if f.status in OPEN]
    if kind is PortKind.DYNAMIC:
        told.append(
            say(
                "Nobody can apply for a dynamic port. A program may take any that is free, but must not count on a"
                " particular one (RFC 6335, section 8.1.2)."
            )
        )
    if free:
        if Status.ASSIGNED not in statuses:
            told.append(say(MEANINGS[Status.UNASSIGNED]))
        told.append(
            say(
                "Anybody may apply to IANA. For a system port the IETF has to agree (IETF Review or IESG Approval, RFC"
                " 6335, section 8.1.2)."
            )
            if kind is PortKind.SYSTEM
            else say("Anybody may apply to IANA; for a user port an expert looks at it (RFC 6335, section 8.1.2).")
        )
        told.append(
            say("Open for registration on {transports}.", transports=words.list([f.transport.upper() for f in free]))
        )
        told.append(
            say(
                "If it is assigned later, whatever uses it now is on somebody else's port: firewalls and scanners will"
                " call it by the new name."
            )
        )
    if Status.RESERVED in statuses:
        told.append(say(MEANINGS[Status.RESERVED]))
    if Status.DE_REGISTERED in statuses:
        told.append(say(MEANINGS[Status.DE_REGISTERED]))
    if any(c.verdict is Verdict.CONFIRMED and c.kind in TAKING and c.ports.isdigit() for c in told_once(free)):
        told.append(
            say("It is not free in practice: the uses above took it without registering, and can collide with yours.")
        )
    if Status.ASSIGNED in statuses:
        told.append(say(MEANINGS[Status.ASSIGNED]))
    return told


def _status(one: PortFacts, words: Words) -> StatusRow:
    names = tuple(a.name for a in one.assignments if a.name and a.alias_of is None)
    return StatusRow(one.transport, one.status, term(STATUSES, one.status, words), names, one.row)


def _names(facts: Sequence[PortFacts], book: Book, words: Words) -> Iterable[Name]:
    seen: dict[tuple[object, ...], tuple[Assignment, list[str]]] = {}
    for one in facts:
        for given in one.assignments:
            key = (given.name, given.description, given.assignee, given.registered, given.modified, given.references)
            seen.setdefault(key, (given, []))[1].append(one.transport)
    for given, transports in seen.values():
        yield Name(given.name, tuple(transports), given.description, tuple(about(given, book, words)))


def about(given: Assignment, book: Book, words: Words) -> Iterable[str]:
    """Who has a name since when, in short sentences."""
    if given.alias_of:
        yield words.say("Another name for {name}.", name=given.alias_of)
    if given.assignee:
        who = assignee_of(given.assignee, book.registry.organisation(given.assignee))
        yield words.say("Assigned to {who}.", who=who.rstrip("."))
    if given.registered:
        yield words.say("Registered: {day}.", day=words.day(given.registered))
    if given.modified:
        yield words.say("Modified: {day}.", day=words.day(given.modified))
    if given.references:
        yield words.say(
            "Described in {documents}.",
            documents=words.list([re.sub(r"^RFC(?=\d)", "RFC ", one) for one in given.references]),
        )
    if given.has_unauthorized_use:
        yield words.say("The registry notes that others use it without authorisation.")


def assignee_of(identifier: str, organisation: str) -> str:
    """People's names from the registry's identifier of them, such as ``[Oracle_6]`` or ``[Dave_Katz][Dave_Ward]``.

    ``organisation``: what the registry calls them in full, or whom they are of; the names alone where it says the same.
    """
    parts = [re.sub(r"_\d+$", "", part).strip("_").replace("_", " ") for part in identifier.strip("[]").split("][")]
    who = ", ".join(parts)
    plain, full = who.casefold(), organisation.casefold()
    if not organisation or plain == full:
        return who
    same = set(re.findall(r"\w+", plain)) & set(re.findall(r"\w+", full))
    return organisation if same or plain.startswith(full) or full.startswith(plain) else f"{who} ({organisation})"


def use(claim: Claim, words: Words, notes: Notes, *, elsewhere: bool = False) -> Use:
    """A claim as a page shows it; ``elsewhere``: on a page that is not its port's, and has to say which one is."""
    transport = claim.transport.upper()
    return Use(
        claim.name,
        claim.kind,
        term(KINDS, claim.kind, words),
        claim.verdict,
        term(VERDICTS, claim.verdict, words),
        f"{transport} {claim.ports}" if elsewhere or not claim.ports.isdigit() else transport,
        era(claim, words),
        claim.statement,
        claim.why,
        _later(claim, words),
        notes.mark(claim.sources),
    )


def era(claim: Claim, words: Words) -> str:
    """The years of a claim."""
    if claim.since and claim.until:
        return words.say("from {since} to {until}", since=words.day(claim.since), until=words.day(claim.until))
    if claim.since:
        return words.say("since {since}", since=words.day(claim.since))
    return words.say("until {until}", until=words.day(claim.until)) if claim.until else ""


def _later(claim: Claim, words: Words) -> str:
    return words.say("The number was assigned to somebody else only after this use began.") if claim.later else ""


def _history(facts: Sequence[PortFacts], words: Words) -> Iterable[Event]:
    seen: dict[tuple[tuple[str, str], str], list[str]] = {}
    for one in facts:
        for change in one.history:
            if change.kind is not ChangeKind.FIELD:
                seen.setdefault((change.between, happened(change, words)), []).append(one.transport)
    for (between, what), on in sorted(seen.items(), key=lambda event: event[0][0]):
        yield Event(happened_between(between, words), what, tuple(on))


def happened_between(days: tuple[str, str], words: Words) -> str:
    """When a change was made: between two dated states of the registry."""
    return words.say("Between {older} and {newer}", older=words.day(days[0]), newer=words.day(days[1]))


def happened(change: Change, words: Words) -> str:
    """What happened, as a sentence."""
    say, before, after = words.say, change.before, change.after
    match change.kind:
        case ChangeKind.ASSIGNED:
            return say("Assigned to {name}.", name=after)
        case ChangeKind.REMOVED:
            return say("{name} was removed; {status} since.", name=before, status=term(STATUSES, after, words))
        case ChangeKind.RENAMED:
            return say("Renamed from {before} to {after}.", before=before, after=after)
        case ChangeKind.REASSIGNED:
            return say("Reassigned from {before} to {after}.", before=before, after=after)
        case ChangeKind.NAME_ADDED:
            return say("The name {name} was added.", name=after)
        case ChangeKind.NAME_REMOVED:
            return say("The name {name} was removed.", name=before)
        case ChangeKind.STATUS:
            return say(
                "From {before} to {after}.",
                before=term(STATUSES, before, words),
                after=term(STATUSES, after, words),
            )
        case ChangeKind.FIELD:
            return say("Details of {name} changed.", name=change.name or change.ports)


def _neighbours(book: Book, port: int, words: Words) -> Iterable[Neighbour]:
    for number in range(max(0, port - NEIGHBOURS), min(LAST, port + NEIGHBOURS) + 1):
        if number != port:
            facts = [book.lookup(number, on) for on in ("tcp", "udp")]
            name = next((f.name for f in facts if f.name), None)
            yield Neighbour(number, name or term(STATUSES, facts[0].status, words))
