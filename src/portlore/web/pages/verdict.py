"""The sentence of verdict: whose a port is, what really uses it, what it is not. Pure.

SENTENCES has a row for every way it can come out, so that each is translated whole.
"""

from __future__ import annotations

from portlore.model import ClaimKind, Status, Verdict
from portlore.render.meaning import TAKING, told_once
from portlore.web.pages.terms import N_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.model import Claim, PortFacts
    from portlore.web.words import Words

FEW = 3  # names in the sentence
AS_SOURCE = "(source port)"  # so end the names of claims on ports that connections come from: nothing serves there


def is_story(claim: Claim) -> bool:
    """Whether a claim is told only because it is false, or as a story."""
    return claim.verdict is Verdict.CONTRADICTED or claim.kind is ClaimKind.STORY


def verdict(facts: Sequence[PortFacts], words: Words) -> str:
    """The sentence at the head of the page."""
    port = facts[0].port
    names = list(dict.fromkeys(a.name for f in facts for a in f.assignments if a.name and a.alias_of is None))
    claims = told_once(facts)
    known = {name.lower() for name in names}
    kept = [c for c in claims if not is_story(c) and c.kind in TAKING and c.ports.isdigit() and port]  # 0 is nowhere
    confirmed = [c.name for c in kept if c.verdict is Verdict.CONFIRMED and c.name.lower() not in known]
    serving = [name for name in confirmed if not name.endswith(AS_SOURCE)]
    uses = list(dict.fromkeys(serving or confirmed))
    wrong = [c.name for c in claims if c.verdict is Verdict.CONTRADICTED and c.ports.isdigit()]
    false = [name for name in dict.fromkeys(wrong) if " " not in name]  # others are sentences, not names
    values = {
        "port": port,
        "names": words.list(names),
        "uses": words.row(uses[:FEW]) if len(uses) > FEW else words.list(uses),
        "more": words.number(len(uses) - FEW) if len(uses) > FEW else "",
        "false": words.list(false[:FEW]),
    }
    which = (len(uses) > FEW) + bool(uses)
    return words.say(SENTENCES[_whose(facts, names), which, bool(false)], **values)


def _whose(facts: Sequence[PortFacts], names: Sequence[str]) -> str:
    statuses = {f.status for f in facts}
    if names:
        return "named"
    for status, whose in (
        (Status.ASSIGNED, "nameless"),
        (Status.DYNAMIC, "dynamic"),
        (Status.RESERVED, "reserved"),
        (Status.DE_REGISTERED, "returned"),
    ):
        if status in statuses:
            return whose
    return "nobody"


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
