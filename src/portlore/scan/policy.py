"""Who may be asked: decided for the whole set of targets, before the first packet. Pure.

One's own machine, private and link-local addresses are asked freely; all others only by somebody who says that they
may. What is no single host (multicast, broadcast, the unspecified address) is never asked. An IPv6 address that stands
for an IPv4 one (NAT64, 6to4, Teredo, IPv4-compatible) leaves this network through a translator or a relay: it counts as
public, and is never asked where its IPv4 address would not be.

The table is IANA's two special-purpose registries (RFC 6890), with multicast and what was deprecated.
"""

from __future__ import annotations

from bisect import bisect_right

from portlore.errors import PolicyRefused
from portlore.scan.addresses import BITS, MOST, format_address, parse_address
from portlore.scan.targets import Span
from portlore.seen import Exposure
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.scan.targets import Targets


class Reach(Word):
    """What kind of address it is, for the question who may ask it."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC = "public"
    NEVER = "never"


EXPOSURES = {Reach.LOOPBACK: Exposure.LOOPBACK, Reach.LINK_LOCAL: Exposure.LINK_LOCAL, Reach.PRIVATE: Exposure.PRIVATE}
FREE = (Reach.LOOPBACK, Reach.LINK_LOCAL, Reach.PRIVATE)

SPECIAL = (  # network, reach, what it is
    ("0.0.0.0/0", Reach.PUBLIC, "public"),
    ("0.0.0.0/8", Reach.NEVER, "this host on this network, RFC 791 section 3.2"),
    ("10.0.0.0/8", Reach.PRIVATE, "private, RFC 1918"),
    ("100.64.0.0/10", Reach.PRIVATE, "shared behind a carrier's translator, RFC 6598"),
    ("127.0.0.0/8", Reach.LOOPBACK, "loopback, RFC 1122 section 3.2.1.3"),
    ("169.254.0.0/16", Reach.LINK_LOCAL, "link-local, RFC 3927"),
    ("172.16.0.0/12", Reach.PRIVATE, "private, RFC 1918"),
    ("192.0.0.0/24", Reach.PUBLIC, "protocol assignments, RFC 6890"),
    ("192.0.2.0/24", Reach.PUBLIC, "documentation, RFC 5737"),
    ("192.88.99.0/24", Reach.PUBLIC, "6to4 relays of old, RFC 7526"),
    ("192.168.0.0/16", Reach.PRIVATE, "private, RFC 1918"),
    ("198.18.0.0/15", Reach.PUBLIC, "benchmarking, RFC 2544"),
    ("198.51.100.0/24", Reach.PUBLIC, "documentation, RFC 5737"),
    ("203.0.113.0/24", Reach.PUBLIC, "documentation, RFC 5737"),
    ("224.0.0.0/4", Reach.NEVER, "multicast, RFC 5771"),
    ("240.0.0.0/4", Reach.PUBLIC, "reserved, RFC 1112 section 4"),
    ("255.255.255.255/32", Reach.NEVER, "broadcast, RFC 919"),
    ("::/0", Reach.PUBLIC, "public"),
    ("::/96", Reach.PUBLIC, "IPv4-compatible, deprecated by RFC 4291 section 2.5.5.1"),
    ("::/128", Reach.NEVER, "unspecified, RFC 4291 section 2.5.2"),
    ("::1/128", Reach.LOOPBACK, "loopback, RFC 4291 section 2.5.3"),
    ("::ffff:0:0/96", Reach.NEVER, "IPv4-mapped, RFC 4291 section 2.5.5.2; name its IPv4 addresses"),
    ("64:ff9b::/96", Reach.PUBLIC, "IPv4 through NAT64, RFC 6052"),
    ("64:ff9b:1::/48", Reach.PUBLIC, "IPv4 through a local NAT64, RFC 8215"),
    ("100::/64", Reach.PUBLIC, "discarded, RFC 6666"),
    ("2001::/32", Reach.PUBLIC, "IPv4 through Teredo, RFC 4380"),
    ("2001:2::/48", Reach.PUBLIC, "benchmarking, RFC 5180"),
    ("2001:db8::/32", Reach.PUBLIC, "documentation, RFC 3849"),
    ("2002::/16", Reach.PUBLIC, "IPv4 through 6to4, RFC 3056"),
    ("3fff::/20", Reach.PUBLIC, "documentation, RFC 9637"),
    ("5f00::/16", Reach.PUBLIC, "segment routing, RFC 9602"),
    ("fc00::/7", Reach.PRIVATE, "unique local, RFC 4193"),
    ("fe80::/10", Reach.LINK_LOCAL, "link-local, RFC 4291 section 2.5.6"),
    ("fec0::/10", Reach.PRIVATE, "site-local, deprecated by RFC 3879"),
    ("ff00::/8", Reach.NEVER, "multicast, RFC 4291 section 2.7"),
)
WITHIN = {"2002::/16": 80, "64:ff9b::/96": 0, "::/96": 0}  # how far left the IPv4 address stands
TEREDO = "2001::/32"  # the client's IPv4 address in the last 32 bits, each of them inverted (RFC 4380 section 4)


class Part(Value):
    """Addresses of one kind. ``what``: why they are of it."""

    span: Span
    reach: Reach
    what: str


class Decision(Value):
    """What may be asked: how many addresses of each ``reach``; ``allowed``: whether somebody said that they may."""

    addresses: tuple[tuple[Reach, int], ...]
    allowed: bool

    @property
    def public(self) -> bool:
        """Whether any is public."""
        return any(reach is Reach.PUBLIC for reach, _ in self.addresses)


def decide(targets: Targets, *, allowed: bool = False, broadcasts: Iterable[int] = ()) -> Decision:
    """Admit the targets, all of them, or raise :class:`PolicyRefused`.

    ``broadcasts``: the IPv4 addresses at which networks of this machine hear everybody (RFC 919 section 7).
    """
    counts: dict[Reach, int] = {}
    public: list[Part] = []
    for span in targets.spans:
        for number in broadcasts:
            if span.version == 4 and span.first <= number <= span.last:
                _refuse(Part(Span(4, number, number), Reach.NEVER, "the broadcast address of a network here, RFC 919"))
        for part in parts(span):
            if part.reach is Reach.NEVER:
                _refuse(part)
            if part.reach is Reach.PUBLIC:
                public.append(part)
            counts[part.reach] = counts.get(part.reach, 0) + part.span.last - part.span.first + 1
    if public and not allowed:
        number = counts[Reach.PUBLIC]
        more = f", and {number - 1:,} more" if number > 1 else ""
        first = format_address(public[0].span.version, public[0].span.first)
        raise PolicyRefused(
            f"scanning {first}{more}",
            f"not an address of your own ({public[0].what}): nothing was sent",
            "if its owner lets you, add --i-am-allowed, which the answer records",
        )
    return Decision(tuple((reach, counts[reach]) for reach in Reach if reach in counts), allowed)


def _refuse(part: Part) -> None:
    raise PolicyRefused(
        f"scanning {part.span}",
        f"no single host ({part.what}): nothing was sent",
        f"name hosts, or leave it out with --exclude {part.span}",
    )


def reach_of(version: int, number: int) -> Reach:
    """The kind of one address."""
    return next(parts(Span(version, number, number))).reach


def exposure_of(version: int, number: int) -> Exposure:
    """From where an address can be reached, by itself alone."""
    return EXPOSURES.get(reach_of(version, number), Exposure.PUBLIC)


def parts(span: Span) -> Iterator[Part]:
    """A span in pieces of one kind each, in order."""
    starts, kinds = _borders(span.version)
    at, place = span.first, bisect_right(starts, span.first) - 1
    while at <= span.last:
        end = min(span.last, starts[place + 1] - 1 if place + 1 < len(starts) else MOST[span.version])
        network, reach, what = kinds[place]
        yield from _seen_through(Part(Span(span.version, at, end, span.zone), reach, what), network)
        at, place = end + 1, place + 1


def _seen_through(part: Part, network: str) -> Iterator[Part]:
    """What stands for IPv4 addresses, cut where these may not be asked."""
    shift = WITHIN.get(network)
    if network == TEREDO:
        yield from _teredo(part)
        return
    if shift is None:
        yield part
        return
    head = part.span.first >> (shift + 32) << (shift + 32)
    for inner in parts(Span(4, part.span.first >> shift & MOST[4], part.span.last >> shift & MOST[4])):
        first = max(part.span.first, head | inner.span.first << shift)
        last = min(part.span.last, head | inner.span.last << shift | ((1 << shift) - 1))
        yield _worse(part, Span(6, first, last), inner)


def _teredo(part: Part) -> Iterator[Part]:
    """Clients behind one relay by their IPv4 addresses; a span across several relays is not looked into."""
    head = part.span.first >> 32
    if head != part.span.last >> 32:
        yield part.replace(reach=Reach.NEVER, what=f"{part.what}, of any IPv4 address")
        return
    low, high = part.span.last & MOST[4] ^ MOST[4], part.span.first & MOST[4] ^ MOST[4]
    for inner in reversed(list(parts(Span(4, low, high)))):
        first, last = inner.span.last ^ MOST[4], inner.span.first ^ MOST[4]
        yield _worse(part, Span(6, head << 32 | first, head << 32 | last), inner)


def _worse(part: Part, span: Span, inner: Part) -> Part:
    never = inner.reach in (Reach.NEVER, Reach.LOOPBACK)  # nobody's loopback is reached through somebody else
    return Part(span, Reach.NEVER, f"{part.what}, to {inner.what}") if never else part.replace(span=span)


_known: dict[int, tuple[list[int], list[tuple[str, Reach, str]]]] = {}


def _borders(version: int) -> tuple[list[int], list[tuple[str, Reach, str]]]:
    """Where a kind begins, and the row that holds from there: the narrowest network."""
    if version not in _known:
        rows = []
        for row in SPECIAL:
            network, _, prefix = row[0].partition("/")
            address = parse_address(network)
            if address and address[0] == version:
                rows.append((address[1], address[1] + (1 << BITS[version] - int(prefix)) - 1, row))
        starts = sorted({first for first, _, _ in rows} | {last + 1 for _, last, _ in rows if last < MOST[version]})
        kinds = [min((r for r in rows if r[0] <= at <= r[1]), key=lambda r: r[1] - r[0])[2] for at in starts]
        _known[version] = starts, kinds
    return _known[version]
