"""Reads the probe vectors of tests/vectors/probes (its README says how they are written), and replays them."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import MOST_STEPS, Asked
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from portlore.probes.dialogue import Dialogue, Probe

FOLDER = Path(__file__).parent.parent / "vectors/probes"


class Conversation(Value):
    """What two sides said, in order: ``turns`` of ("client" or "server", bytes); ``protocol`` "" expects nothing."""

    name: str  # FILE:LINE, for the tests' names
    origin: str
    protocol: str
    turns: tuple[tuple[str, bytes], ...]
    probe: str = ""
    transport: str = "tcp"
    product: str = ""
    version: str = ""
    confidence: Confidence = Confidence.CERTAIN
    facts: tuple[tuple[str, str], ...] = ()

    def said_by(self, side: str) -> list[bytes]:
        """What a side said, piece by piece."""
        return [said for who, said in self.turns if who == side]

    def check(self, found: Identification | None) -> None:
        """Whether that is what was expected, with all facts that are named (and perhaps more)."""
        assert found is not None, self.name
        told = (found.protocol, found.product, found.version, found.confidence)
        assert told == (self.protocol, self.product, self.version, self.confidence), self.name
        for fact in self.facts:
            assert fact in found.facts, (self.name, fact, found.facts)


def replay(dialogue: Dialogue, answers: Iterable[bytes]) -> tuple[Identification | None, list[bytes]]:
    """Hold a dialogue with what the other end says, then silence: what it found, and what it sent."""
    rest, sent = list(answers), list[bytes]()
    try:
        asked = next(dialogue)
        while len(sent) < MOST_STEPS:
            sent.append(asked)
            asked = dialogue.send(rest.pop(0) if rest else b"")
    except StopIteration as end:
        return end.value, sent
    return None, sent


def hold(probe: Probe, answers: Iterable[bytes], port: int = 4) -> Identification | None:
    """What a probe finds in these answers."""
    return replay(probe.dialogue(Asked("test.example", port, probe.transport)), answers)[0]


def read_vectors(name: str = "*") -> list[Conversation]:
    """The conversations of a file, or of all."""
    return [one for path in sorted(FOLDER.glob(f"{name}.txt")) for one in _read(path)]


def _read(path: Path) -> list[Conversation]:
    found, block = [], list[tuple[int, str]]()
    for number, line in enumerate([*path.read_text("utf-8").splitlines(), ""], 1):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            if any(not line.startswith("#") for _, line in block):
                found.append(_conversation(path, block))
            block = []
    return found


def _conversation(path: Path, block: list[tuple[int, str]]) -> Conversation:
    where, origin, turns, named = f"{path.stem}:{block[0][0]}", "", list[tuple[str, bytes]](), dict[str, str]()
    expected: list[str] = []
    for number, line in block:
        word, _, rest = line.partition(" ")
        if word == "#":
            origin = f"{origin} {rest}".strip()
        elif word == "expect":
            expected = shlex.split(rest)
        elif word in ("probe", "transport"):
            named[word] = rest.strip()
        elif word in ("client", "server"):
            literal = rest.startswith(("'", '"'))
            turns.append((word, ast.literal_eval(f"b{rest}") if literal else bytes.fromhex(rest)))
        else:
            raise ValueError(f"{path.name}:{number}: {word!r} is not a word of a vector")
    if not origin or not expected:
        raise ValueError(f"{path.name}:{block[0][0]}: a conversation needs its origin (# …) and what to expect")
    pairs = [tuple(word.split("=", 1)) for word in expected[1:]]
    told = {key: value for key, value in pairs if not key.startswith("fact.")}
    return Conversation(
        where,
        origin,
        "" if expected[0] == "nothing" else expected[0],
        tuple(turns),
        product=told.pop("product", ""),
        version=told.pop("version", ""),
        confidence=Confidence(told.pop("confidence", "certain")),
        facts=tuple((key[5:], value) for key, value in pairs if key.startswith("fact.")),
        **named,
        **told,
    )
