"""Claims as sections of a packed file, and back. Pure: values to bytes, views to Claims."""

from __future__ import annotations

from portlore.model import Claim, ClaimKind, PortRange, Source, Verdict
from portlore.packed import Lines, pack
from portlore.registry.store import cover_of, cover_sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from portlore.registry.cover import Cover

SOURCE, PART = "\x1e", "\x1f"  # ASCII's record and unit separator; the schema lets no control character in


def ranges(claim: Claim) -> list[PortRange]:
    """The ports of a claim (checked by the schema before)."""
    return [PortRange.parse(part.strip()) for part in claim.ports.split(",")]


def transports(claim: Claim) -> tuple[str, ...]:
    """The transports of a claim."""
    return tuple(claim.transport.split("/"))


def _line(claim: Claim) -> str:
    sources = SOURCE.join(PART.join((s.title, s.url, s.how, s.retrieved)) for s in claim.sources)
    era = (claim.since or "", claim.until or "")
    words = (claim.ports, claim.transport, claim.name, claim.kind, claim.verdict, claim.statement, claim.why)
    return "\t".join((*words, *era, sources))


def _claim(line: str) -> Claim:
    ports, transport, name, kind, verdict, statement, why, since, until, sources = line.split("\t")
    return Claim(
        ports,
        transport,
        name,
        ClaimKind(kind),
        Verdict(verdict),
        statement,
        why,
        since or None,
        until or None,
        tuple(Source(*source.split(PART)) for source in sources.split(SOURCE)),
    )


def pack_claims(claims: Sequence[Claim], refused: Iterable[int]) -> bytes:
    """Claims and the ports that browsers refuse as one file."""
    spans = ((r.first, r.last, index) for index, claim in enumerate(claims) for r in ranges(claim))
    return pack(
        {
            **Lines.sections("claims", [_line(claim) for claim in claims]),
            **cover_sections("claims", spans),
            "refused": " ".join(map(str, refused)).encode(),
        }
    )


# The order in which the claims of a port are told: what is so, before what is said.
TELL = (Verdict.CONFIRMED, Verdict.DISPUTED, Verdict.UNVERIFIED, Verdict.CONTRADICTED)


class Lore:
    """All claims, found by port. Immutable to its users; keeps what it has decoded."""

    def __init__(self, lines: Sequence[str] | Lines, cover: Cover, refused: frozenset[int]) -> None:
        self._lines, self._cover = lines, cover
        self.refused = refused
        self._claims: dict[int, Claim] = {}

    @classmethod
    def of(cls, sections: Mapping[str, memoryview]) -> Lore:
        """The claims in the sections of a packed file."""
        refused = frozenset(map(int, str(sections.get("refused", b""), "ascii").split()))
        return cls(Lines.of(sections, "claims"), cover_of(sections, "claims"), refused)

    def claim(self, index: int) -> Claim:
        """A claim by its number."""
        found = self._claims.get(index)
        if found is None:
            found = self._claims[index] = _claim(self._lines[index])
        return found

    def __iter__(self) -> Iterator[Claim]:
        return (self.claim(index) for index in range(len(self._lines)))

    def __len__(self) -> int:
        return len(self._lines)

    def about(self, port: int, transport: str) -> tuple[Claim, ...]:
        """The claims on a port and transport: confirmed first, contradicted last, narrow before wide."""
        mine = [c for c in map(self.claim, self._cover.at(port)) if transport in transports(c)]
        mine.sort(key=lambda c: (TELL.index(c.verdict), sum(map(len, ranges(c))) > 1))
        return tuple(mine)

    @property
    def starts(self) -> Sequence[int]:
        """The first port of each run: ports of one run have the same claims."""
        return self._cover.starts

    def place(self, port: int) -> int:
        """Ports of one place have the same claims."""
        return self._cover.run(port)
