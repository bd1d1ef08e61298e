"""How a domain is bound to the one above: a value, and its form among a server's statistics. Pure.

The originals tell it in one word (``binding`` of STATISTICS, SPEC 3.2); Portlore's servers tell the rest to who calls
with the word ``replicas``.
"""

from __future__ import annotations

import re

from portlore.netinfo.values import first
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.values import Properties

NAME = b"binding"
TIME = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")  # seconds since 1970


class State(Word):
    """What has come of looking for a parent."""

    ROOT = "root"  # /machines names none
    FORCED_ROOT = "forced root"  # isRoot says so
    SOUGHT = "being sought"  # the first look is under way
    BOUND = "bound"
    MISSING = "missing"  # one is named, and none answers
    ITSELF = "itself"  # this very server is named, and nobody else
    UNKNOWN = "unknown"  # the server does not tell


IN_ONE_WORD = {  # the originals'
    "root": State.ROOT,
    "forcedRoot": State.FORCED_ROOT,
    "unknown": State.ROOT,  # as recorded, without a candidate
    "notResponding": State.MISSING,
}


class Binding(Value):
    """A domain's binding, as its server tells it.

    ``parent``: ``ADDRESS/TAG`` of the server that it is bound to, else empty. ``since``: when that began, in seconds
    since 1970; 0 where it is not known. ``sought``: ``ADDRESS/TAG`` of those that may be the parent, as /machines
    has them.
    """

    state: State
    parent: str = ""
    since: float = 0.0
    sought: tuple[str, ...] = ()


def shown(address: str, tag: bytes) -> str:
    """A server as ``ADDRESS/TAG``, for people."""
    return f"{address}/{tag.decode('utf-8', 'backslashreplace')}"


def encoded(one: Binding) -> tuple[str, ...]:
    """A binding as the values of a property."""
    return (str(one.state), one.parent, f"{one.since:.3f}", *one.sought)


def in_one_word(one: Binding) -> str:
    """The same as an original says it."""
    if one.state == State.BOUND:
        return one.parent
    words = {State.FORCED_ROOT: "forcedRoot", State.SOUGHT: "notResponding", State.MISSING: "notResponding"}
    return words.get(one.state, "unknown")


def parse_binding(told: Properties) -> Binding:
    """The binding among what a server says of itself; ``unknown`` without it, or in words that nobody knows."""
    one = first(told, NAME)
    texts = [value.decode("utf-8", "backslashreplace") for value in one.values] if one is not None else []
    if len(texts) == 1:
        if texts[0] in IN_ONE_WORD:
            return Binding(IN_ONE_WORD[texts[0]])
        return Binding(State.BOUND, texts[0]) if "/" in texts[0] else Binding(State.UNKNOWN)
    try:
        state, parent, since, *sought = texts
        return Binding(State(state), parent, float(since) if TIME.fullmatch(since) else 0.0, tuple(sought))
    except ValueError:
        return Binding(State.UNKNOWN)
