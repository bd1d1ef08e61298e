"""The sentence of verdict: whose a port is, what really uses it, what it is not. Pure.

SENTENCES has a row for every way it can come out, so that each is translated whole.
"""

from __future__ import annotations

from portlore.model import ClaimKind, Verdict
from portlore.render.meaning import FEW, parties
from portlore.web.pages.terms import N_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.model import Claim, PortFacts
    from portlore.web.words import Words


def is_story(claim: Claim) -> bool:
    """Whether a claim is told only because it is false, or as a story."""
    return claim.verdict is Verdict.CONTRADICTED or claim.kind is ClaimKind.STORY


def verdict(facts: Sequence[PortFacts], words: Words) -> str:
    """The sentence at the head of the page."""
    said = parties(facts)
    more = len(said.uses) - FEW
    values = {
        "port": facts[0].port,
        "names": words.list(said.names),
        "uses": words.row(said.uses[:FEW]) if more > 0 else words.list(said.uses),
        "more": words.number(more) if more > 0 else "",
        "false": words.list(said.false[:FEW]),
    }
    return words.say(SENTENCES[said.whose, (more > 0) + bool(said.uses), bool(said.false)], **values)


SENTENCES: dict[tuple[str, int, bool], str] = {
    ("named", 0, False): N_("{port}: officially {names}."),
    ("named", 1, False): N_("{port}: officially {names}; used by {uses}."),
    ("named", 2, False): N_("{port}: officially {names}; used by {uses} and {more} more."),
    ("named", 0, True): N_("{port}: officially {names}; not {false}."),
    ("named", 1, True): N_("{port}: officially {names}; used by {uses}; not {false}."),
    ("named", 2, True): N_("{port}: officially {names}; used by {uses} and {more} more; not {false}."),
    ("nameless", 0, False): N_("{port}: officially for private use, without a name."),
    ("nameless", 1, False): N_("{port}: officially for private use, without a name; used by {uses}."),
    ("nameless", 2, False): N_("{port}: officially for private use, without a name; used by {uses} and {more} more."),
    ("nameless", 0, True): N_("{port}: officially for private use, without a name; not {false}."),
    ("nameless", 1, True): N_("{port}: officially for private use, without a name; used by {uses}; not {false}."),
    ("nameless", 2, True): N_(
        "{port}: officially for private use, without a name; used by {uses} and {more} more; not {false}."
    ),
    ("dynamic", 0, False): N_("{port}: a dynamic port, never assigned to anybody."),
    ("dynamic", 1, False): N_("{port}: a dynamic port, never assigned to anybody; used by {uses}."),
    ("dynamic", 2, False): N_("{port}: a dynamic port, never assigned to anybody; used by {uses} and {more} more."),
    ("dynamic", 0, True): N_("{port}: a dynamic port, never assigned to anybody; not {false}."),
    ("dynamic", 1, True): N_("{port}: a dynamic port, never assigned to anybody; used by {uses}; not {false}."),
    ("dynamic", 2, True): N_(
        "{port}: a dynamic port, never assigned to anybody; used by {uses} and {more} more; not {false}."
    ),
    ("reserved", 0, False): N_("{port}: officially reserved."),
    ("reserved", 1, False): N_("{port}: officially reserved; used by {uses}."),
    ("reserved", 2, False): N_("{port}: officially reserved; used by {uses} and {more} more."),
    ("reserved", 0, True): N_("{port}: officially reserved; not {false}."),
    ("reserved", 1, True): N_("{port}: officially reserved; used by {uses}; not {false}."),
    ("reserved", 2, True): N_("{port}: officially reserved; used by {uses} and {more} more; not {false}."),
    ("returned", 0, False): N_("{port}: officially given back."),
    ("returned", 1, False): N_("{port}: officially given back; really {uses}."),
    ("returned", 2, False): N_("{port}: officially given back; really {uses} and {more} more."),
    ("returned", 0, True): N_("{port}: officially given back; not {false}."),
    ("returned", 1, True): N_("{port}: officially given back; really {uses}; not {false}."),
    ("returned", 2, True): N_("{port}: officially given back; really {uses} and {more} more; not {false}."),
    ("nobody", 0, False): N_("{port}: officially nobody's."),
    ("nobody", 1, False): N_("{port}: officially nobody's; really {uses}."),
    ("nobody", 2, False): N_("{port}: officially nobody's; really {uses} and {more} more."),
    ("nobody", 0, True): N_("{port}: officially nobody's; not {false}."),
    ("nobody", 1, True): N_("{port}: officially nobody's; really {uses}; not {false}."),
    ("nobody", 2, True): N_("{port}: officially nobody's; really {uses} and {more} more; not {false}."),
}
