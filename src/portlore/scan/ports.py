"""Which ports: ``22,80,8000-8100,http,U:53`` and ``-`` to numbers of each transport, and back. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import LAST_PORT, parse_number
from portlore.query import LOOK_ALIKES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Named = Callable[[str, str], Sequence[int]]  # ports of a service name on a transport
    Ports = dict[str, tuple[int, ...]]

LETTERS = {"T": "tcp", "U": "udp"}
SCANNED = ("tcp", "udp")
DO = "write ports such as 22,80,8000-8100,http,U:53, or - for all of them"


def parse_ports(text: str, named: Named, transport: str = "tcp") -> Ports:
    """The ports of each transport that has any, in rising order.

    ``T:`` and ``U:`` hold for what follows them, ``/udp`` for one entry; before them, ``transport`` does. A range may
    lack an end: ``-100`` is 1-100, ``60000-`` 60000-65535, ``-`` 1-65535. :class:`InputError` for anything else, and
    for a name that the book does not have.
    """
    found: dict[str, set[int]] = {}
    on = transport
    for word in text.split(","):
        entry = word.strip()
        if entry[1:2] == ":":
            letter, entry = entry[0].upper(), entry[2:].strip()
            if letter not in LETTERS:
                raise InputError(f"ports {word[:24]!r}", "T: is TCP and U: is UDP, there is no other", DO)
            on = LETTERS[letter]
        plain, slash, one = entry.partition("/")
        if slash and one.lower() not in SCANNED:
            raise InputError(f"ports {word[:24]!r}", f"only {' and '.join(SCANNED)} can be asked", "write 53/udp")
        if not plain:
            raise InputError(f"ports {text[:40]!r}", "nothing between two commas" if "," in text else "nothing", DO)
        here = one.lower() if slash else on
        found.setdefault(here, set()).update(_entry(plain, here, named))
    return {on: tuple(sorted(found[on])) for on in SCANNED if on in found}


def _entry(text: str, transport: str, named: Named) -> Iterable[int]:
    first, dash, last = text.partition("-")
    if all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        low = parse_number(first) if first else 1
        high = (parse_number(last) if last else LAST_PORT) if dash else low
        if high < low:
            raise InputError(f"range {text!r}", "its end comes before its start", f"did you mean {high}-{low}?")
        return range(low, high + 1)
    ports = named(text, transport) if text.isprintable() and len(text) < 65 else ()
    if not ports:
        meant = text.translate(LOOK_ALIKES)
        do = f"did you mean {meant}?" if text[:1].isdigit() and meant.replace("-", "").isdigit() else DO
        raise InputError(f"ports {text[:24]!r}", f"no number, and no name with a port on {transport}", do)
    return ports


def format_ports(ports: Ports) -> str:
    """The inverse of :func:`parse_ports`: the shortest text, ``22,80,8000-8100,U:53``."""
    parts = []
    for on in SCANNED:
        if ports.get(on):
            text = format_numbers(ports[on])
            parts.append(f"{on[0].upper()}:{text}" if on == "udp" else text)
    return ",".join(parts)


def format_numbers(numbers: Sequence[int]) -> str:
    """Rising numbers as ``22,80,8000-8100``."""
    parts = []
    at = 0
    while at < len(numbers):
        first = numbers[at]
        # Rising and apart: a run of n numbers ends n - 1 further on. Bisected, as -p- is one run of 65,535.
        low, high = at, len(numbers) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if numbers[middle] - first == middle - at else (low, middle - 1)
        parts.append(str(first) if low == at else f"{first}-{numbers[low]}")
        at = low + 1
    return ",".join(parts)
