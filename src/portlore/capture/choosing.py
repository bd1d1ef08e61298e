"""Which packets count: ``tcp port 703 and not host 10.0.0.1``, held against decoded headers. Pure; needs NumPy.

The words are those of pcap-filter(7), as far as they go: ``host ADDRESS``, ``net ADDRESS/BITS``, ``port N``,
``portrange N-M``, each with ``src`` or ``dst`` before it, and a protocol before that; ``tcp`` ``udp`` ``sctp`` ``icmp``
``icmp6`` ``ip`` ``ip6`` ``arp``; ``ether proto N``; ``not``, ``and`` (which may be left out), ``or``, brackets. As
there, ``not tcp port 22`` is not (tcp and port 22), and ``or`` binds as tightly as ``and``: from left to right.
"""

from __future__ import annotations

import numpy as np

from portlore.capture.decoding import FLOW, FOUR, FRAME, IP4, IP6, SIX
from portlore.errors import InputError
from portlore.listeners.addresses import parse4, parse6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portlore.capture.decoding import Decoded

    Mask = NDArray[np.bool_]
    Filter = Callable[[Decoded], Mask]

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "dccp": 33, "icmp": 1, "icmp6": 58, "igmp": 2}
ETHERTYPES = {"ip": IP4, "ip6": IP6, "arp": 0x0806}
BOTH, EITHER = ("and", "&&"), ("or", "||")
BINDING = (*BOTH, *EITHER)
ENDS = ("src", "dst", "port", "portrange", "host", "net")
DEEPEST = 50
DO = "write one such as `tcp port 703 and not host 10.0.0.1`"
HIGH = (1 << 64) - 1


def parse_filter(text: str) -> Filter:
    """A filter; :class:`InputError` for what is none."""
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    if not words:
        raise InputError("a filter", "it is empty", DO)
    parser = _Parser(text, words)
    found = parser.either(0)
    if parser.at < len(words):
        raise parser.wrong(f"{words[parser.at]!r} is not understood there")
    return found


class _Parser:
    def __init__(self, text: str, words: list[str]) -> None:
        self._text, self._words, self.at = text, words, 0

    def wrong(self, found: str) -> InputError:
        return InputError(f"the filter {self._text[:60]!r}", found[:100], DO)

    def _next(self) -> str:
        if self.at >= len(self._words):
            raise self.wrong("it ends too early")
        self.at += 1
        return self._words[self.at - 1]

    def _peek(self) -> str:
        return self._words[self.at] if self.at < len(self._words) else ""

    def either(self, depth: int) -> Filter:
        first = self._one(depth)
        more: list[tuple[bool, Filter]] = []
        while (word := self._peek()) not in ("", ")"):
            if word in BINDING:
                self.at += 1
            more.append((word not in EITHER, self._one(depth)))
        return _bound(first, more) if more else first

    def _one(self, depth: int) -> Filter:
        if depth > DEEPEST:
            raise self.wrong("it is too deep")
        word = self._next()
        if word in ("not", "!"):
            inner = self._one(depth + 1)
            return lambda decoded: ~inner(decoded)
        if word == "(":
            inner = self.either(depth + 1)
            if self._peek() != ")":
                raise self.wrong("a bracket is not closed")
            self.at += 1
            return inner
        if word == "ether" and self._next() == "proto":
            kind = self._number(self._next(), 0xFFFF)
            return lambda decoded: decoded.ethertype == kind
        if word not in PROTOCOLS and word not in ETHERTYPES:
            return self._ends(word)
        of = _protocol(word)
        return _bound(of, [(True, self._ends(self._next()))]) if self._peek() in ENDS else of

    def _ends(self, word: str) -> Filter:
        sides = (True, True)
        if word in ("src", "dst"):
            sides, word = (word == "src", word == "dst"), self._next()
        if word in ("port", "portrange"):
            return _ports(self._range(self._next(), wide=word == "portrange"), sides)
        if word in ("host", "net"):
            return self._host(self._next(), sides, net=word == "net")
        raise self.wrong(f"{word!r} is not understood")

    def _number(self, word: str, most: int) -> int:
        try:
            number = int(word, 16 if word.lower().startswith("0x") else 10)
        except ValueError:
            number = -1
        if not 0 <= number <= most:
            raise self.wrong(f"{word!r} is not a number from 0 to {most}")
        return number

    def _range(self, word: str, *, wide: bool) -> tuple[int, int]:
        first, dash, last = word.partition("-")
        if dash and not wide:
            raise self.wrong(f"{word!r} is not one port: say portrange")
        one = self._number(first, 0xFFFF)
        return one, self._number(last, 0xFFFF) if dash else one

    def _host(self, word: str, sides: tuple[bool, bool], *, net: bool) -> Filter:
        text, slash, bits = word.partition("/")
        if slash and not net:
            raise self.wrong(f"{word!r} is not one address: say net")
        try:
            address = parse6(text) if ":" in text else parse4(text)
        except (ValueError, OverflowError):
            raise self.wrong(f"{text!r} is not an address (names are not asked for)") from None
        length = 8 * len(address)
        kept = self._number(bits, length) if slash else length
        number, mask = int.from_bytes(address, "big"), ((1 << kept) - 1) << (length - kept)
        if len(address) == 4:
            return _hosts(FOUR, (number, 0), (mask, 0), sides)
        return _hosts(SIX, (number >> 64, number & HIGH), (mask >> 64, mask & HIGH), sides)


def _bound(first: Filter, more: list[tuple[bool, Filter]]) -> Filter:
    """Filters from left to right; with each, whether both have to fit or one will do."""

    def fits(decoded: Decoded) -> Mask:
        found = first(decoded)
        for both, other in more:
            found = found & other(decoded) if both else found | other(decoded)
        return found

    return fits


def _protocol(word: str) -> Filter:
    if word in ETHERTYPES:
        kind = ETHERTYPES[word]
        return lambda decoded: decoded.ethertype == kind
    number = PROTOCOLS[word]
    return lambda decoded: (decoded.protocol == number) & (decoded.family < FRAME) & (decoded.family > 0)


def _ports(span: tuple[int, int], sides: tuple[bool, bool]) -> Filter:
    def fits(decoded: Decoded) -> Mask:
        source = (decoded.source_port >= span[0]) & (decoded.source_port <= span[1]) & sides[0]
        target = (decoded.target_port >= span[0]) & (decoded.target_port <= span[1]) & sides[1]
        found: Mask = (source | target) & (decoded.outcome == FLOW) & (decoded.family < FRAME)
        return found

    return fits


def _hosts(family: int, number: tuple[int, int], mask: tuple[int, int], sides: tuple[bool, bool]) -> Filter:
    wanted = [np.uint64(part & cover) for part, cover in zip(number, mask, strict=True)]
    covers = [np.uint64(cover) for cover in mask]

    def fits(decoded: Decoded) -> Mask:
        source = (decoded.source & covers[0] == wanted[0]) & (decoded.source_low & covers[1] == wanted[1]) & sides[0]
        target = (decoded.target & covers[0] == wanted[0]) & (decoded.target_low & covers[1] == wanted[1]) & sides[1]
        found: Mask = (source | target) & (decoded.family == family)
        return found

    return fits
