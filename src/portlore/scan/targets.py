"""Who is to be asked: words as people write them to a set of addresses. Pure: names are resolved by a function given.

A set is kept as spans, so that a /8 costs no more than one address. Addresses that several words name are asked once.
An IPv4-mapped IPv6 address is the IPv4 address; a word that is excluded is excluded in its disguises too: within
NAT64's well-known prefix (RFC 6052) and 6to4 (RFC 3056).
"""

from __future__ import annotations

from bisect import bisect_right

from portlore.errors import InputError
from portlore.scan.addresses import BITS, MAPPED, MOST, format_address, parse_address
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Found = tuple[int, int, str]  # an address: version, number, zone
    Resolve = Callable[[str], Sequence[Found]]
    Pieces = list[tuple[int, int]]

DO = "write 10.0.0.5, 10.0.0.0/24, 10.0.0.1-20, fe80::1%eth0 or a name"
LONGEST = 253 + 60  # characters of a name (RFC 1035 section 2.3.4), of an address with its zone
NAT64, SIX_TO_FOUR = 0x0064FF9B << 96, 0x2002 << 112


class Span(Value):
    """The addresses from ``first`` to ``last``, both included. ``zone``: the interface of link-local ones."""

    version: int
    first: int
    last: int
    zone: str = ""

    def __len__(self) -> int:
        return min(self.last - self.first + 1, (1 << 63) - 1)

    def __str__(self) -> str:
        first = format_address(self.version, self.first, self.zone)
        return first if self.first == self.last else f"{first}-{format_address(self.version, self.last, self.zone)}"


class Targets(Value):
    """``spans``: apart from each other, by version, zone and number. ``names``: what was asked for, by address."""

    spans: tuple[Span, ...]
    names: Mapping[tuple[int, int, str], str]

    @property
    def count(self) -> int:
        """How many addresses there are."""
        return sum(span.last - span.first + 1 for span in self.spans)

    def name_of(self, version: int, number: int, zone: str = "") -> str:
        """The name that was given for an address, or an empty text."""
        return self.names.get((version, number, zone), "")

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, tuple):
            return False
        return any((s.version, s.zone) == (address[0], address[2]) and s.first <= address[1] <= s.last
                   for s in self.spans)  # fmt: skip

    def without(self, others: Iterable[Span]) -> Targets:
        """These targets but for some, in every zone that may be the same one."""
        gone: dict[tuple[int, str], Pieces] = {}
        for span in others:
            gone.setdefault((span.version, _zone(span)), []).append((span.first, span.last))
        kept: list[Span] = []
        for span in self.spans:
            away = [piece for (version, zone), pieces in gone.items() for piece in pieces
                    if version == span.version and _may_be_one(zone, _zone(span))]  # fmt: skip
            pieces = _cut(span.first, span.last, _merged(away))
            kept += [Span(span.version, first, last, span.zone) for first, last in pieces]
        return Targets(tuple(kept), self.names)

    def without_broadcast(self, broadcasts: Iterable[int]) -> tuple[Targets, tuple[int, ...]]:
        """Networks and ranges without the broadcast addresses in them, and these; one asked by itself stays."""
        inside = {n for n in broadcasts for s in self.spans if s.version == 4 and s.first <= n <= s.last > s.first}
        gone = tuple(sorted(inside))
        return (self.without([Span(4, number, number) for number in gone]), gone) if gone else (self, ())

    def within(self, others: Iterable[Span]) -> Targets:
        """Those of these targets that are in some spans too."""
        return self.without(self.without(others).spans)


def parse_targets(words: Iterable[str], resolve: Resolve, excluded: Iterable[str] = ()) -> Targets:
    """The targets of ``words`` but for those of ``excluded``.

    ``resolve`` gives the addresses of a name: of one to be asked the first counts, of one to be excluded all.
    :class:`InputError` for a word that is none of the forms.
    """
    found: list[Span] = []
    names: dict[tuple[int, int, str], str] = {}
    for word in words:
        span = parse_span(word)
        if span is None:
            version, number, zone = resolve(word)[0]
            span = _plain(Span(version, number, number, zone))
            names.setdefault((span.version, span.first, span.zone), word)
        found.append(span)
    gone: list[Span] = []
    for word in excluded:
        span = parse_span(word)
        told = [span] if span else [_plain(Span(v, number, number, zone)) for v, number, zone in resolve(word)]
        gone += [disguise for one in told for disguise in (one, *_disguises(one))]
    targets = Targets(_joined(found), names)
    return targets.without(gone) if gone else targets


def parse_span(word: str) -> Span | None:
    """An address, a network or a range as a span; None for what is to be looked up as a name.

    :class:`InputError` for what is neither.
    """
    if len(word) > LONGEST or not word.isprintable() or not word.strip():
        raise InputError(f"target {word[:24]!r}", "no address, network, range or name", DO)
    if "://" in word or word.startswith("["):
        return _bracketed(word)
    address, percent, rest = word.partition("%")
    zone, slash, prefix = rest.partition("/")
    if not percent:
        address, slash, prefix = word.partition("/")
    elif not zone or " " in zone or len(zone) > 60:
        raise InputError(f"target {word[:40]!r}", "no interface after %", "write fe80::1%eth0")
    if slash:
        return _network(word, address, zone, prefix)
    if percent and "-" in zone and parse_address(zone.rpartition("-")[2].partition("%")[0]):  # fe80::1%eth0-fe80::9
        zone, _, last = zone.rpartition("-")
        return _range(word, address, last.partition("%")[0], zone)
    first, dash, last = address.partition("-")
    known = parse_address(first)
    if known is None:
        _check_name(word)
        return None
    if dash:
        return _range(word, first, last, zone)
    if zone and known[0] == 4:
        raise InputError(f"target {word[:40]!r}", "an IPv4 address has no zone", "leave out what is after %")
    return _plain(Span(known[0], known[1], known[1], zone))


def _bracketed(word: str) -> Span | None:
    if word.startswith("[") and word.endswith("]"):
        return parse_span(word[1:-1])
    host = word.partition("://")[2].partition("/")[0] if "://" in word else word[1:].partition("]")[0]
    raise InputError(
        f"target {word[:40]!r}", "more than a host", f"write {host[:40] or 'the host'}, and its port with -p"
    )


def _network(word: str, address: str, zone: str, prefix: str) -> Span:
    known = parse_address(address)
    wide = BITS[known[0]] if known else 0
    right = prefix.isascii() and prefix.isdigit() and len(prefix) < 4 and int(prefix) <= wide
    if known is None or not right or (zone and wide == 32):
        found = "no address before the /" if known is None else f"a network's prefix goes from 0 to {wide}"
        raise InputError(f"target {word[:40]!r}", found, "write one such as 10.0.0.0/24 or 2001:db8::/120")
    rest = wide - int(prefix)
    first = known[1] >> rest << rest
    return _plain(Span(known[0], first, first + (1 << rest) - 1, zone))


def _range(word: str, head: str, tail: str, zone: str) -> Span:
    first, last = parse_address(head), parse_address(tail)
    if first and first[0] == 4 and tail.isascii() and tail.isdigit() and len(tail) < 4 and int(tail) < 256:
        last = 4, first[1] >> 8 << 8 | int(tail)
    if first is None or last is None or first[0] != last[0]:
        raise InputError(f"target {word[:40]!r}", "no range of addresses", "write 10.0.0.1-20 or 10.0.0.1-10.0.0.20")
    if last[1] < first[1]:
        meant = Span(first[0], last[1], first[1], zone)
        raise InputError(f"target {word[:40]!r}", "its end comes before its start", f"did you mean {meant}?")
    return _plain(Span(first[0], first[1], last[1], zone))


def _check_name(word: str) -> None:
    """What is left must be able to be a host name (RFC 952, RFC 1123 section 2.1, and the underscores people use)."""
    host, colon, port = word.rpartition(":")
    if colon and port.isdigit() and ":" not in host:
        raise InputError(f"target {word[:40]!r}", "a host with a port", f"write {host[:40]} -p {port}")
    labels = word.removesuffix(".").split(".")
    numeric = labels[-1][:1].isdigit() and (labels[-1].isdigit() or labels[-1][:2].lower() == "0x")
    plain = all(0 < len(label) < 64 and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    if not plain or numeric or word.startswith("-") or len(word) > 253:
        raise InputError(f"target {word[:40]!r}", "no address, network, range or name", DO)


def _plain(span: Span) -> Span:
    """An IPv4-mapped span as the IPv4 one that it is."""
    if span.version == 6 and span.first >> 32 == span.last >> 32 == MAPPED >> 32:
        return Span(4, span.first & MOST[4], span.last & MOST[4])
    return span


def _disguises(span: Span) -> list[Span]:
    """An IPv4 span as it is reached through NAT64 and 6to4."""
    if span.version != 4:
        return []
    return [
        Span(6, NAT64 | span.first, NAT64 | span.last),
        Span(6, SIX_TO_FOUR | span.first << 80, SIX_TO_FOUR | span.last << 80 | (1 << 80) - 1),
    ]


def _zone(span: Span) -> str:
    """The zone of link-local addresses; of others it says nothing."""
    return span.zone if span.first >> 118 == span.last >> 118 == 0xFE80 >> 6 else ""


def _may_be_one(one: str, other: str) -> bool:
    """Whether two zones may be the same interface: none is any, and a number may be that of a name."""
    return one == other or not one or not other or one.isdigit() is not other.isdigit()


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans apart from each other, in order; neighbours become one."""
    of: dict[tuple[int, str], Pieces] = {}
    for span in spans:
        of.setdefault((span.version, span.zone), []).append((span.first, span.last))
    return tuple(Span(v, first, last, zone) for v, zone in sorted(of) for first, last in _merged(of[v, zone]))


def _merged(pieces: Pieces) -> Pieces:
    merged: Pieces = []
    for first, last in sorted(pieces):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _cut(first: int, last: int, gone: Pieces) -> Iterator[tuple[int, int]]:
    """What is left of a span; ``gone``: merged."""
    at = max(0, bisect_right(gone, (first, MOST[6])) - 1)
    for begin, end in gone[at:]:
        if begin > last:
            break
        if begin > first:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


def parse_list(text: str) -> list[str]:
    """The words of a list of targets: between blanks, commas or on lines of their own; ``#`` begins a remark."""
    return [word for line in text.split("\n") for word in line.partition("#")[0].replace(",", " ").split()]
