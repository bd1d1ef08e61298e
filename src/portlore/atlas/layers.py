"""What the atlas shows: LAYERS is the table, and each layer's picture from the book, listeners or a scan. Pure.

The codes and words are those of the site's legend (``web/pages/fixed.py``), the colours those of its style sheet
(``web/static/style.css``); tests hold them together. Within a layer any two colours differ by 12 or more hundredths in
OKLab, for the three kinds of colour blindness too.
"""

from __future__ import annotations

from itertools import pairwise

from portlore.atlas.layout import PORTS
from portlore.lore.store import TELL, ranges
from portlore.model import DYNAMIC_FIRST, Status, Transport
from portlore.seen import Exposure
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portlore.book import Book
    from portlore.model import Claim
    from portlore.seen import Listener

STRENGTH = (  # of two transports' statuses the first one here is shown
    Status.ASSIGNED, Status.RESERVED, Status.DE_REGISTERED, Status.UNASSIGNED, Status.NO_ENTRY, Status.DYNAMIC,
)  # fmt: skip
TRANSPORTS = ("tcp", "udp", "sctp", "dccp", "udplite")  # whose sockets have ports
OFFERING = ("listen", "unconnected")
LIGHT, DARK = "#efe9da", "#24282d"  # what there is nothing to say of


class Code(Value):
    """An entry of a legend: its code and word, its colours on light and dark paper, its sign in plain text.

    ``loud``: it shows wherever it is, however small the picture.
    """

    code: str
    word: str
    light: str
    dark: str
    sign: str
    loud: bool = False


class Layer(Value):
    """One way to colour the map."""

    code: str
    name: str
    codes: tuple[Code, ...]

    def place(self, code: str) -> int:
        """The place of a code in the legend, which is what pictures hold."""
        return [one.code for one in self.codes].index(code)

    @property
    def loud(self) -> tuple[int, ...]:
        """The places of the codes that show however small the picture."""
        return tuple(place for place, one in enumerate(self.codes) if one.loud)


STATUSES = (
    Code("assigned", "assigned", "#1f3b7d", "#6cc4fb", "*"),
    Code("unassigned", "unassigned", LIGHT, DARK, "."),
    Code("reserved", "reserved", "#efa51a", "#fbdf50", "#"),
    Code("de-registered", "given back", "#c72db0", "#f58f86", "-"),
    Code("no-entry", "no entry", "#6b6850", "#9a6b50", "'"),
    Code("dynamic", "dynamic", "#9fbdf5", "#335186", "~"),
)
LAYERS = {
    layer.code: layer
    for layer in (
        Layer("status", "Status", STATUSES),
        Layer(
            "transports",
            "Transports",
            (
                Code("both", "TCP and UDP", "#1f3b7d", "#e3effb", "*"),
                Code("tcp", "TCP only", "#5aa5dc", "#4f94d4", "t"),
                Code("udp", "UDP only", "#efa51a", "#e69f00", "u"),
                Code("neither", "neither", LIGHT, DARK, "."),
            ),
        ),
        Layer(
            "claims",
            "Claims",
            (
                Code("vendor-documented", "documented by its maker", "#4a569f", "#3da5d9", "v"),
                Code("customary", "customary", "#1c9a6c", "#c4f7e6", "c"),
                Code("historical", "historical", "#f2b51d", "#eba630", "h"),
                Code("malware", "malware", "#8f0f30", "#c4502f", "m"),
                Code("story", "a story", "#b573ee", "#4a50d8", "s"),
                Code("none", "nothing is said", LIGHT, DARK, "."),
            ),
        ),
        Layer("history", "Year by year", STATUSES),
        Layer(
            "listeners",
            "This machine",
            (
                Code("exposed", "reachable from elsewhere", "#c2410c", "#ff9b5e", "*", loud=True),
                Code("local", "only on this machine", "#5aa5dc", "#4f94d4", "o", loud=True),
                Code("closed", "not open", LIGHT, DARK, "."),
            ),
        ),
        Layer(
            "scan",
            "A scan of yours",
            (
                Code("open", "open", "#c2410c", "#ff9b5e", "*", loud=True),
                Code("closed", "not seen open", LIGHT, DARK, "."),
            ),
        ),
    )
}


def pieces(starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last port of each run that begins at ``starts``; a run over the border of the dynamic ports is cut."""
    bounds = sorted({*starts, DYNAMIC_FIRST, PORTS})
    return ((first, after - 1) for first, after in pairwise(bounds))


def strongest(statuses: Iterable[Status]) -> int:
    """What a port is on its transports together, as a place in the legend."""
    return LAYERS["status"].place(min(statuses, key=STRENGTH.index))


def by_status(book: Book) -> bytes:
    """The status of each port: the strongest of its transports."""
    said = book.registry.said
    return _painted(book.registry.starts, lambda port: strongest(said(port, on)[0] for on in Transport))


def by_transports(book: Book) -> bytes:
    """On which of TCP and UDP each port is assigned."""
    layer = LAYERS["transports"]

    def code(port: int) -> int:
        tcp, udp = (book.registry.said(port, on)[0] is Status.ASSIGNED for on in (Transport.TCP, Transport.UDP))
        return layer.place("both" if tcp and udp else "tcp" if tcp else "udp" if udp else "neither")

    return _painted(book.registry.starts, code)


def narrowest(book: Book) -> Callable[[int], Claim | None]:
    """Of a port the claim that speaks of the fewest ports, on any transport; of two such the better founded."""

    def weight(claim: Claim) -> tuple[int, int]:
        return max(map(len, ranges(claim))), TELL.index(claim.verdict)

    def found(port: int) -> Claim | None:
        return min((claim for on in Transport for claim in book.lore.about(port, on)), key=weight, default=None)

    return found


def by_claims(book: Book) -> bytes:
    """The kind of each port's narrowest claim."""
    layer, claim = LAYERS["claims"], narrowest(book)

    def code(port: int) -> int:
        told = claim(port)
        return layer.place(told.kind if told else "none")

    return _painted(book.lore.starts, code)


def _painted(starts: Sequence[int], code: Callable[[int], int]) -> bytes:
    picture = bytearray()
    for first, last in pieces(starts):
        picture += bytes([code(first)]) * (last - first + 1)
    return bytes(picture)


PAINTED: dict[str, Callable[[Book], bytes]] = {  # the layers that need nothing but the book
    "status": by_status,
    "transports": by_transports,
    "claims": by_claims,
}


def by_listeners(listeners: Iterable[Listener]) -> bytes:
    """From where each port of this machine can be reached."""
    layer = LAYERS["listeners"]
    exposed, local, closed = (layer.place(code) for code in ("exposed", "local", "closed"))
    picture = bytearray([closed]) * PORTS
    for one in listeners:
        socket = one.socket
        if socket.transport in TRANSPORTS and socket.state in OFFERING:
            beyond = socket.exposure is not Exposure.LOOPBACK
            picture[socket.port] = exposed if beyond or picture[socket.port] == exposed else local
    return bytes(picture)


def by_scan(ports: Iterable[int]) -> bytes:
    """The ports that a scan saw open, on any host and transport."""
    layer = LAYERS["scan"]
    picture = bytearray([layer.place("closed")]) * PORTS
    for port in ports:
        picture[port] = layer.place("open")
    return bytes(picture)
