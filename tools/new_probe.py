"""Begin a protocol: a module, its row in the table, vectors. What is left to write is marked; tests fail until it is.

python tools/new_probe.py NAME PORT
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import portlore

ROOT = Path(__file__).parent.parent
MODULE = '''"""{title} (WHICH DOCUMENT, section): how it is told from its answer. Pure."""

from __future__ import annotations

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import evidence, hear

NAME = "{service}"
QUESTION = b"WRITE: a question that only reads"


def _told(data: bytes, probe: str, sent: bytes) -> Identification | None:
    if not data.startswith(b"WRITE: how the answer begins"):
        return None
    return Identification(NAME, evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Ask, and read the answer."""
    data = yield from hear(QUESTION, lambda heard: b"\\n" in heard)
    return _told(data, "{name}", QUESTION)


def recognise_server(data: bytes) -> Identification | None:
    """An answer."""
    return _told(data, "", b"")


PROTOCOLS = (Protocol(NAME, "{title}", {services}, advice="WRITE: why it should not be reached by all, or nothing"),)
PROBES = (Probe("{name}", NAME, "tcp", talk, ports=({port},)),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server),)
'''
VECTORS = """# Origin: WRITE: an RFC's example, or: PACKAGE VERSION, recorded with tests/probes/recording.py
expect {service} product="" version=""
probe {name}
client 'WRITE: a question that only reads'
server 'WRITE: how the answer begins'
"""


def main() -> int:
    if len(sys.argv) != 3 or not re.fullmatch(r"[a-z][a-z0-9_]*", sys.argv[1]) or not sys.argv[2].isdecimal():
        print(__doc__, file=sys.stderr)
        return 2
    name, port = sys.argv[1], int(sys.argv[2])
    module, vectors = ROOT / f"src/portlore/probes/{name}.py", ROOT / f"tests/vectors/probes/{name}.txt"
    table = ROOT / "src/portlore/probes/__init__.py"
    if module.exists() or vectors.exists():
        print(f"{name}: {module} or {vectors} is there already; choose another name", file=sys.stderr)
        return 2
    given = portlore.name(port, "tcp")
    filled = {"name": name, "service": given or name, "title": name.capitalize(), "port": port}
    module.write_text(MODULE.format(**filled, services=f'("{given}",)' if given else "()"), "utf-8")
    vectors.write_text(VECTORS.format(**filled), "utf-8")
    text = table.read_text("utf-8")
    head, rows, tail = re.split(r"(?s)(?<=MODULES: tuple\[str, \.\.\.\] = \()(.*?)(?=\n\))", text, maxsplit=1)
    table.write_text(f'{head}{rows}\n    "{name}",{tail}', "utf-8")
    for path in (module, vectors, table):
        print(path.relative_to(ROOT))
    print("now: write what is marked WRITE; .check/oldest/bin/pytest tests/probes; python tools/build_reference.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
