"""Prints what a probe and a server said to one another as a vector: ``recording.py PROBE PORT [HOST]``."""

from __future__ import annotations

import string
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import talk

from portlore.probes import PROBES


def written(data: bytes) -> str:
    """As a bytes literal where most of it is text, else in hexadecimal."""
    plain = sum(chr(byte) in string.printable for byte in data)
    return repr(data)[1:] if plain > 0.8 * len(data) else data.hex()


def record(name: str, port: int, host: str = "127.0.0.1") -> str:
    """The vector; its origin and what it should be are for whoever recorded it to write."""
    heard = list[tuple[str, bytes]]()
    found = talk(next(one for one in PROBES if one.name == name), port, host, heard=heard)
    lines = [f"# {found.facts if found else 'nothing'}"]
    if found:
        lines.append(f'expect {found.protocol} product="{found.product}" version="{found.version}"')
    lines += [f"probe {name}", *(f"{side} {written(data)}" for side, data in heard)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(record(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4]))
