"""Targets and ports cut into blocks, and the share of one shard. Pure.

A shard is a function of address, port and transport alone: machines that never speak to each other ask every port of
every address exactly once between them, also when their lists of targets differ. Each asks about as much of each host.
"""

from __future__ import annotations

from portlore.errors import InputError
from portlore.scan.plan import ELSEWHERE, MOST_PROBES, UNASKED, Block
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.scan.ports import Ports
    from portlore.scan.targets import Targets

MOST_SHARDS = 100_000
MOST_ASKED = 1 << 40  # probes of one scan; a day's work of ten thousand scanners
WORD = (1 << 64) - 1


class Shard(Value):
    """Part ``index`` (from 1) of ``count``."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/5``; :class:`InputError` otherwise."""
        index, slash, count = text.partition("/")
        digits = all(part.isascii() and part.isdigit() and len(part) < 8 for part in (index, count))
        if not slash or not digits or not 1 <= int(index) <= int(count) <= MOST_SHARDS:
            raise InputError(
                f"shard {text[:24]!r}", f"not I/N with I from 1 to N, N up to {MOST_SHARDS:,}", "write 1/4"
            )
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def asks(self, version: int, address: int, port: int, transport: str) -> bool:
        """Whether this part asks a port, as :func:`prefilled` has it."""
        whose = share(6, port, transport) + share(version, address, "")
        return (self.index - 1 - whose) % self.count == 0


def probes(targets: Targets, ports: Ports) -> int:
    """How many probes all shards together have."""
    return targets.count * sum(map(len, ports.values()))


def check_size(targets: Targets, ports: Ports) -> None:
    """:class:`InputError` for more than anybody can ask."""
    number = probes(targets, ports)
    if number > MOST_ASKED:
        raise InputError(
            f"{targets.count:.2g} addresses" if targets.count > MOST_ASKED else f"{targets.count:,} addresses",
            f"{number:.2g} probes: more than can be asked ({MOST_ASKED:.2g})",
            "name a smaller network (an IPv6 /64 is never scanned whole)",
        )


def blocks(targets: Targets, ports: Ports) -> Iterator[Block]:
    """All of it in blocks of at most :data:`MOST_PROBES`; those of one address for TCP and UDP follow each other."""
    most = max(1, MOST_PROBES // max(map(len, ports.values())))
    for version, zone in dict.fromkeys((span.version, span.zone) for span in targets.spans):
        gathered: list[int] = []
        for span in targets.spans:
            if (span.version, span.zone) != (version, zone):
                continue
            at = span.first
            while at <= span.last:
                end = min(span.last, at + most - len(gathered) - 1)
                gathered += range(at, end + 1)
                at = end + 1
                if len(gathered) == most:
                    yield from _of(version, gathered, ports, zone)
                    gathered = []
        if gathered:
            yield from _of(version, gathered, ports, zone)


def _of(version: int, addresses: list[int], ports: Ports, zone: str) -> Iterator[Block]:
    whole = tuple(addresses)
    for transport, numbers in ports.items():
        yield Block(version, whole, numbers, transport, zone)


def prefilled(block: Block, shard: Shard = Shard()) -> bytearray:  # noqa: B008 - a frozen value
    """The outcomes that a block begins with: :data:`UNASKED`, and :data:`ELSEWHERE` where another shard asks."""
    if shard.count == 1:
        return bytearray(len(block))
    count = shard.count
    of_port = [share(6, port, block.transport) % count for port in block.ports]
    rows: dict[int, bytes] = {}
    outcomes = bytearray()
    for address in block.addresses:
        mine = (shard.index - 1 - share(block.version, address, "")) % count
        if mine not in rows:
            rows[mine] = bytes([UNASKED if one == mine else ELSEWHERE for one in of_port])
        outcomes += rows[mine]
    return outcomes


def share(version: int, number: int, salt: str) -> int:
    """A number spread evenly over 64 bits: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = (number ^ number >> 64) + 0x9E3779B97F4A7C15 * (version + sum(map(ord, salt))) & WORD
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & WORD
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & WORD
    return mixed ^ mixed >> 31
