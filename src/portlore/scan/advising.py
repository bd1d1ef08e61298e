"""What a scan advises: a sentence once, with the places that it is about. Pure."""

from __future__ import annotations

from portlore.probes import PROTOCOLS
from portlore.render.sockets import address_and_port
from portlore.scan.addresses import format_address
from portlore.scan.holding import advice, unseen
from portlore.scan.plan import TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Book
    from portlore.observed import Observation
    from portlore.scan.plan import Block

FEW = 3  # places that a sentence names


class Advice:
    """Gathers it; :meth:`lines` are the sentences in the order in which they came."""

    def __init__(self, book: Book) -> None:
        self._unseen = unseen(book)
        self._places: dict[str, list[str]] = {}

    def of_spoken(self, one: Observation) -> None:
        """About what is identified."""
        self._add(advice(one, PROTOCOLS), one.target.address, one.target.port, one.target.transport)

    def of_silent(self, block: Block, outcomes: bytearray) -> None:
        """About silent UDP ports that the book leaves to what never answers."""
        width = len(block.ports)
        for port in sorted(self._unseen.keys() & set(block.ports) if block.transport == "udp" else ()):
            at = block.ports.index(port)
            for place, number in enumerate(block.addresses):
                if outcomes[place * width + at] == TIMEOUT:
                    self._add(self._unseen[port], format_address(block.version, number, block.zone), port, "udp")

    def _add(self, sentence: str, address: str, port: int, transport: str) -> None:
        if sentence:
            on = "" if transport == "tcp" else f"/{transport}"
            self._places.setdefault(sentence, []).append(address_and_port(address, port) + on)

    def lines(self) -> list[str]:
        """Each sentence with the first of its places."""
        return [f"{sentence} ({_few(places)})" for sentence, places in self._places.items()]


def _few(places: list[str]) -> str:
    return ", ".join(places[:FEW]) + (f" and {len(places) - FEW:,} more" if len(places) > FEW else "")
