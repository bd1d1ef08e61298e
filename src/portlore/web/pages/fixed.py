"""The first page, the atlas and the pages that say what went wrong. Pure."""

from __future__ import annotations

from portlore.value import Value
from portlore.web.pages.terms import KINDS, MEANINGS, N_, STATUSES, term
from portlore.web.pages.verdict import verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Book
    from portlore.web.words import Words

EXAMPLES = (703, 5000, 502, 445, 8080)


class Example(Value):
    """A port worth a look."""

    path: str
    ports: str
    what: str


class HomePage(Value):
    """The first page."""

    language: str
    title: str
    summary: str
    examples: tuple[Example, ...]


def home_page(book: Book, words: Words) -> HomePage:
    """What the site is for, and some ports to begin with."""
    examples = tuple(Example(f"ports/{n}", str(n), verdict(book.port(n), words)) for n in EXAMPLES)
    return HomePage(
        words.language.code,
        words.say("What is this port?"),
        words.say(
            "All 65,536 TCP and UDP ports: what the official registry says, what really uses them, which stories are"
            " false; each with its source."
        ),
        examples,
    )


class AtlasLayer(Value):
    """A layer of the map: its code, its name, its legend as (code, word), and as (code, sentence) what that means."""

    code: str
    name: str
    legend: tuple[tuple[str, str], ...]
    meanings: tuple[tuple[str, str], ...]


class AtlasPage(Value):
    """The map of all ports: what stands around the picture, in one language."""

    language: str
    title: str
    summary: str
    layers: tuple[AtlasLayer, ...]


BOTH = {"both": N_("TCP and UDP"), "tcp": N_("TCP only"), "udp": N_("UDP only"), "neither": N_("neither")}
ANY = {"none": N_("nothing is said")}
OPEN = {"open": N_("open"), "closed": N_("not seen open")}
EXPOSED = {"exposed": N_("reachable from elsewhere"), "local": N_("only on this machine"), "closed": N_("not open")}


def atlas_page(words: Words, *, listeners: bool = False) -> AtlasPage:
    """The atlas; ``listeners``: this machine's may be shown."""

    def layer(code: str, name: str, table: dict[str, str]) -> AtlasLayer:
        legend = tuple((one, term(table, one, words)) for one in table)
        meanings = tuple((one, term(MEANINGS, one, words)) for one in table if one in MEANINGS)
        return AtlasLayer(code, words.say(name), legend, meanings)

    layers = [
        layer("status", N_("Status"), STATUSES),
        layer("transports", N_("Transports"), BOTH),
        layer("claims", N_("Claims"), {**KINDS, **ANY}),
        layer("history", N_("Year by year"), STATUSES),
    ]
    if listeners:
        layers.append(layer("listeners", N_("This machine"), EXPOSED))
    layers.append(layer("scan", N_("A scan of yours"), OPEN))
    return AtlasPage(
        words.language.code,
        words.say("Atlas"),
        words.say("Every port is one cell of 256 by 256: 0 at the top left, 65535 at the bottom right."),
        tuple(layers),
    )


class ErrorPage(Value):
    """What was asked for, what was found, what to do."""

    language: str
    title: str
    summary: str
    remedy: str
    status: int


PROBLEMS = {
    400: (
        N_("This cannot be answered"),
        N_(
            "Ports go from 0 to 65535, ranges from the lower to the higher port; names have letters, digits and"
            " hyphens."
        ),
    ),
    403: (N_("Not allowed"), N_("This needs the token that the server printed when it started.")),
    404: (N_("There is no such page"), N_("Look for a port or a name in the search field above.")),
    405: (N_("Not allowed"), N_("Pages are read; only the feedback form is sent.")),
    413: (N_("Too much at once"), N_("Ask for less in one request.")),
    414: (N_("Too much at once"), N_("Ask for less in one request.")),
    408: (N_("Not available now"), N_("Try again in a moment; the pages themselves still work.")),
    431: (N_("Too much at once"), N_("Ask for less in one request.")),
    429: (N_("Too often"), N_("Wait a minute, then try again.")),
    500: (N_("Something went wrong here"), N_("It is our fault, not yours. Try again; if it stays, tell us.")),
    503: (N_("Not available now"), N_("Try again in a moment; the pages themselves still work.")),
}


def error_page(status: int, asked: str, words: Words, *, miswritten: bool = False) -> ErrorPage:
    """A problem, in the reader's language. ``asked``: the path or word it is about, ``miswritten`` or not there."""
    title, remedy = PROBLEMS.get(status, PROBLEMS[500 if status >= 500 else 400])
    if miswritten:
        remedy = PROBLEMS[400][1]
    summary = words.say("Asked for: {asked}", asked=asked) if asked else ""
    return ErrorPage(words.language.code, words.say(title), summary, words.say(remedy), status)


class VotePage(Value):
    """What became of a vote."""

    language: str
    title: str
    summary: str
    back: str


VOTES = {
    "new": N_("Thank you. Your vote is kept."),
    "changed": N_("Your vote was changed."),
    "same": N_("You have said so already. Thank you."),
    "often": N_("These were many votes at once; wait a minute, then try again."),
    "down": N_("Your vote could not be kept: the database does not answer. Please try again later."),
    "wrong": N_("This vote is not one of the three faces, or its page is not there."),
}


def vote_page(outcome: str, path: str, words: Words) -> VotePage:
    """The answer to a vote (``new``, ``changed``, ``same``, ``often``, ``down``, ``wrong``) about a page."""
    return VotePage(words.language.code, words.say("Was this page helpful?"), words.say(VOTES[outcome]), path)


class MissingPage(Value):
    """The static site's page for ports that have none: a program on it works out which one was asked for.

    ``statuses``: (code, word); ``sentences``: by status, with ``{port}`` to fill in.
    """

    language: str
    title: str
    summary: str
    statuses: tuple[tuple[str, str], ...]
    sentences: tuple[tuple[str, str], ...]


def missing_page(words: Words) -> MissingPage:
    """The page behind every address of the static site that has no file."""
    return MissingPage(
        words.language.code,
        words.say("There is no such page"),
        words.say("Look for a port or a name in the search field above."),
        tuple((code, term(STATUSES, code, words)) for code in STATUSES),
        (
            ("title", words.raw("Port {port}")),
            ("unassigned", words.raw("{port}: officially nobody's.")),
            ("reserved", words.raw("{port}: officially reserved.")),
            ("dynamic", words.raw("{port}: a dynamic port, never assigned to anybody.")),
        ),
    )
