"""What people type: a port, a port on a transport, a range, or a service name. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import LAST_PORT, PortRange, Transport
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_ALIKES = str.maketrans("OoIlSsBZz", "001155822")  # letters that are read or typed for digits
NAME_LIMIT = 128  # characters; the longest registered name has under 60
EXAMPLE = "ask for a port (703), a port on a transport (53/udp), a range (600-1023) or a name (ssh)"


class Query(Value):
    """A question: ``ports`` or a ``name``, perhaps on one transport."""

    text: str
    ports: PortRange | None
    name: str | None
    transport: Transport | None


def parse_query(text: str, is_name: Callable[[str], bool] = lambda name: False) -> Query:
    """Parse a question; ``is_name`` tells registered names, which win. :class:`InputError` says what was meant."""
    asked = text.strip()
    if not asked:
        raise InputError("an empty question", "nothing to look up", EXAMPLE)
    if len(asked) > NAME_LIMIT or not asked.isprintable():
        raise InputError(f"{asked[:24]!r}…", f"{len(asked)} characters, or some that cannot be printed", EXAMPLE)
    if asked.isascii() and asked.isdigit():
        return Query(asked, PortRange.parse(asked), None, None)
    if is_name(asked):
        return Query(asked, None, asked, None)
    head, slash, tail = asked.partition("/")
    transport = _transport(tail, asked) if slash else None
    if slash and is_name(head):
        return Query(asked, None, head, transport)
    if _numeric(head):
        return Query(asked, PortRange.parse(head), None, transport)
    meant = head.translate(LOOK_ALIKES)
    if head[:1].isdigit() and _numeric(meant):
        raise InputError(f"port {head!r}", "a letter among the digits", f"did you mean {meant}?")
    return Query(asked, None, head, transport)


def _numeric(text: str) -> bool:
    """Whether a text wants to be a number or a range, right or wrong."""
    return bool(text) and any(c.isdigit() for c in text) and all(c in "0123456789-" for c in text)


def _transport(text: str, asked: str) -> Transport:
    folded = text.lower()
    if folded in Transport.__members__.values():
        return Transport(folded)
    near = [name for name in Transport if sorted(name) == sorted(folded) or name.startswith(folded[:1] or "?")]
    meant = f"did you mean {asked.partition('/')[0]}/{near[0]}?" if near else "write one of those"
    raise InputError(f"transport {text[:24]!r}", "not one of tcp, udp, sctp, dccp", meant)


def parse_date(text: str) -> str:
    """A day as ``YYYY-MM-DD``; :class:`InputError` otherwise."""
    import datetime

    try:
        if len(text) != 10 or text[4] != "-" or text[7] != "-":
            raise ValueError(text)  # fromisoformat takes weeks and other forms too
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"the date {text[:24]!r}", "not a day of the calendar", "write it as YYYY-MM-DD") from None


def parse_limit(text: str, most: int = LAST_PORT) -> int:
    """A count from 1 to ``most``; :class:`InputError` otherwise."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= number <= most:
        raise InputError(f"a count of {text[:24]}", f"counts go from 1 to {most}", "ask for a number in that range")
    return number
