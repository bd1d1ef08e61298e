"""Edge: builds the run-time form from the text that stands in git: when packaging, by the launcher, by ``update``."""

from __future__ import annotations

import sys
from pathlib import Path

from portlore.files import write_whole
from portlore.lore.program_schema import parse_programs
from portlore.lore.program_store import pack_programs
from portlore.lore.schema import parse_claims
from portlore.lore.store import pack_claims
from portlore.registry.history_table import parse_history
from portlore.registry.store import pack_registry
from portlore.registry.table import parse_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.model import Claim, Source
    from portlore.seen import Program

PACKAGE = Path(__file__).parent
TABLES = PACKAGE / "registry/data"
CLAIMS = PACKAGE / "lore/claims"
PROGRAMS = PACKAGE / "lore/programs"


def all_claims(folder: Path = CLAIMS) -> list[Claim]:
    """The claims of every file, files in the order of their names."""
    return [
        claim for path in sorted(folder.glob("*.toml")) for claim in parse_claims(path.read_text("utf-8"), path.name)
    ]


def all_programs(folder: Path = PROGRAMS) -> list[tuple[Program, Source]]:
    """The programs of every file with their sources, files in the order of their names."""
    return [row for path in sorted(folder.glob("*.toml")) for row in parse_programs(path.read_text("utf-8"), path.name)]


def refused_ports() -> list[int]:
    """The ports that browsers refuse (WHATWG Fetch, port blocking)."""
    text = (PACKAGE / "own/refused_ports.txt").read_text("ascii")
    return [int(word) for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def build(output: str | Path) -> None:
    """Write ``registry.plb``, ``claims.plb`` and ``programs.plb`` into a folder."""
    table = parse_table((TABLES / "registry.tsv").read_text("utf-8"))
    history = parse_history((TABLES / "history.tsv").read_text("utf-8"))
    write_whole(Path(output) / "registry.plb", pack_registry(table, history))
    write_whole(Path(output) / "claims.plb", pack_claims(all_claims(), refused_ports()))
    write_whole(Path(output) / "programs.plb", pack_programs([program for program, _ in all_programs()]))


if __name__ == "__main__":
    build(sys.argv[1] if len(sys.argv) > 1 else PACKAGE / "built")
