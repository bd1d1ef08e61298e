"""Edge: the state of a scan in a file, so that it goes on after a kill -9 where it was.

One line (what it is, a checksum and the size of the rest), then JSON, compressed. It is replaced whole while the scan
goes on: what it knows is never more than some seconds old.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode

from portlore.errors import HostError, InputError
from portlore.files import write_whole
from portlore.scan.remembering import of_row, row_of
from portlore.scan.tally import Tally
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from portlore.observed import Observation

MAGIC = "portlore-scan-state 1"
LARGEST = 1 << 30  # bytes
DO = "name another file, or remove this one to begin anew"


class State(Value):
    """How far a scan has come.

    ``question``: what was asked, by name. ``done``: finished blocks; ``closed``: their outcomes, where these will be
    shown. ``outcomes``: of the block in work. ``found``: open ports, with what
    speaks there where that is known.
    """

    question: dict[str, str]
    done: int
    closed: tuple[bytes, ...]
    outcomes: bytes
    found: Sequence[Observation]
    tally: Tally
    began: float


def write_state(path: Path, state: State) -> None:
    """Replace the file; :class:`HostError` where it cannot be written."""
    body = json.dumps(
        {
            "question": state.question,
            "done": state.done,
            "closed": [_pack(one) for one in state.closed],
            "outcomes": _pack(state.outcomes),
            "found": [row_of(one) for one in state.found],
            "tally": state.tally.plain(),
            "began": state.began,
        }
    ).encode()
    data = zlib.compress(body, 1)
    try:
        write_whole(path, f"{MAGIC} {zlib.crc32(data):08x} {len(data)}\n".encode() + data)
    except OSError as error:
        raise HostError(f"writing {path}", error.strerror or str(error), "name a file that can be written") from None


def read_state(path: Path, question: dict[str, str]) -> State | None:
    """The state of this very question, None where there is no file yet.

    :class:`InputError` for a file that is another question's, no state, or damaged.
    """
    asked = f"going on from {path}"
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), "name a file") from None
    head, _, body = data.partition(b"\n")
    words = head.decode("ascii", "replace").split()
    if " ".join(words[:2]) != MAGIC or len(words) != 4:
        raise InputError(asked, "it is no state of a scan", DO)
    if words[3] != str(len(body)) or words[2] != f"{zlib.crc32(body):08x}":
        raise InputError(asked, f"it is damaged: {len(body):,} bytes that do not fit its checksum", DO)
    try:
        state = _read(json.loads(_inflate(body)))
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
        raise InputError(asked, "it is damaged within", DO) from None
    if state.question != question:
        names = sorted(name for name in question.keys() | state.question.keys())
        other = next(name for name in names if question.get(name) != state.question.get(name))
        was, now = (str(told.get(other, "nothing"))[:60] for told in (state.question, question))
        raise InputError(asked, f"it is of another scan: {other} {was} there, {now} here", DO)
    return state


def _read(plain: dict[str, Any]) -> State:
    return State(
        {str(name): str(value) for name, value in plain["question"].items()},
        int(plain["done"]),
        tuple(_unpack(one) for one in plain["closed"]),
        _unpack(plain["outcomes"]),
        tuple(of_row(one) for one in plain["found"]),
        Tally.of(plain["tally"]),
        float(plain["began"]),
    )


def _inflate(data: bytes) -> bytes:
    """Decompress; ``ValueError`` beyond LARGEST."""
    reader = zlib.decompressobj()
    whole = reader.decompress(data, LARGEST)
    if not reader.eof:
        raise ValueError("cut off, or too large")
    return whole


def _pack(data: bytes) -> str:
    return b64encode(zlib.compress(data, 1)).decode()


def _unpack(text: str) -> bytes:
    return _inflate(b64decode(text))
