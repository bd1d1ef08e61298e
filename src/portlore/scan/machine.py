"""Edge: what a scan has to know of this machine: its own and its networks' broadcast addresses, name look-ups."""

from __future__ import annotations

from portlore.errors import HostError, InputError
from portlore.scan.addresses import parse_address
from portlore.scan.targets import Span
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.scan.targets import Found

FIB, INET6 = "/proc/self/net/fib_trie", "/proc/self/net/if_inet6"
LOOPBACK = (Span(4, 127 << 24, (128 << 24) - 1), Span(6, 1, 1))


class Here(Value):
    """``own`` addresses, loopback among them; ``broadcasts``: IPv4 addresses; ``interfaces``: those with IPv6."""

    own: tuple[Span, ...]
    broadcasts: tuple[int, ...]
    interfaces: tuple[str, ...]


def look_around() -> Here:
    """Read it from /proc; elsewhere than on Linux only loopback is known, and only the connect engine asks."""
    own, broadcasts = parse_fib(_read(FIB))
    more, interfaces = parse_inet6(_read(INET6))
    return Here((*LOOPBACK, *own, *more), broadcasts, interfaces)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""


def parse_fib(text: str) -> tuple[list[Span], tuple[int, ...]]:
    """Local and broadcast addresses in the kernel's routing trie: a leaf ``|-- ADDRESS``, then lines of its kinds."""
    own: dict[int, None] = {}
    broadcasts: dict[int, None] = {}
    leaf = 0
    for line in text.split("\n"):
        words = line.split()
        if words[:1] == ["|--"] and len(words) > 1:
            known = parse_address(words[1])
            leaf = known[1] if known else 0
        elif words[:1] == ["/32"] and leaf:
            if "LOCAL" in words:
                own[leaf] = None
            elif "BROADCAST" in words and leaf >> 24 != 127:
                broadcasts[leaf] = None
    return [Span(4, number, number) for number in own], tuple(broadcasts)


def parse_inet6(text: str) -> tuple[list[Span], tuple[str, ...]]:
    """Addresses and interfaces of ``if_inet6``: 32 digits, index, prefix, scope, flags, name."""
    own, interfaces = [], []
    for line in text.split("\n"):
        words = line.split()
        if len(words) == 6 and len(words[0]) == 32:
            number = int(words[0], 16)
            own.append(Span(6, number, number, words[5] if number >> 118 == 0xFE80 >> 6 else ""))
            if words[5] != "lo" and words[5] not in interfaces:
                interfaces.append(words[5])
    return own, tuple(interfaces)


def resolver() -> Callable[[str], list[Found]]:
    """Looks names up, each once; :class:`HostError` for one that has no address. IPv4 first, as everybody has it."""
    known: dict[str, list[Found]] = {}

    def resolve(name: str) -> list[Found]:
        if name not in known:
            known[name] = _look_up(name)
        return known[name]

    return resolve


def _look_up(name: str) -> list[Found]:
    import socket

    try:
        told = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise HostError(f"the address of {name[:64]}", why, "check the name, or give its address") from None
    found: dict[Found, None] = {}
    for family, _, _, _, place in told:
        text, _, zone = str(place[0]).partition("%")
        address = parse_address(text)
        if address and family in (socket.AF_INET, socket.AF_INET6):
            found[address[0], address[1], zone] = None
    if not found:
        raise HostError(f"the address of {name[:64]}", "it has none", "check the name, or give its address")
    return sorted(found, key=lambda one: one[0])


def with_zones(spans: tuple[Span, ...], interfaces: tuple[str, ...]) -> tuple[Span, ...]:
    """Link-local spans get the zone that they lack, where this machine has a single interface to mean.

    A zone that is an interface's number becomes its name, so that one interface is one zone. :class:`InputError` where
    it has several, and for a zone that there is not.
    """
    found = []
    for span in spans:
        link_local = span.version == 6 and span.first >> 118 == span.last >> 118 == 0xFE80 >> 6
        zone = span.zone
        if link_local and not zone:
            if len(interfaces) != 1:
                which = f"this machine has {', '.join(interfaces[:4])}" if interfaces else "no interface has IPv6"
                raise InputError(f"target {span}", f"a link-local address without its interface; {which}",
                                 f"write {span}%{interfaces[0] if interfaces else 'eth0'}")  # fmt: skip
            zone = interfaces[0]
        elif zone.isascii() and zone.isdigit():
            zone = _interface(span)
        if zone and interfaces and zone not in interfaces and zone != "lo":
            raise InputError(f"target {span}", f"no interface {zone[:20]} with IPv6", f"one of {', '.join(interfaces)}")
        found.append(span.replace(zone=zone if link_local else ""))
    return tuple(found)


def _interface(span: Span) -> str:
    """The interface whose number is a span's zone (RFC 4007 section 11.2)."""
    import socket

    try:
        return socket.if_indextoname(int(span.zone))
    except (OSError, OverflowError):
        raise InputError(f"target {span}", f"no interface has the number {span.zone[:20]}", "name it") from None
