"""Where a port lies: 256 rows of 256, port 0 at the top left, 65535 at the bottom right. Pure.

A picture is 65,536 bytes in that order: the place of each port's code in its layer's legend.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIDE = 256
PORTS = SIDE * SIDE


def cell(port: int) -> tuple[int, int]:
    """Column and row of a port."""
    return port % SIDE, port // SIDE


def port_at(column: int, row: int) -> int:
    """The port of a cell, the inverse of :func:`cell`."""
    return row * SIDE + column


def runs(picture: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring cells of one code: first, last, code."""
    first = 0
    for place in range(1, len(picture) + 1):
        if place == len(picture) or picture[place] != picture[first]:
            yield first, place - 1, picture[first]
            first = place


def shrunk(picture: bytes, wide: int, high: int, loud: Sequence[int] = ()) -> list[bytes]:
    """The rows of a smaller picture, one cell for ``wide`` by ``high``: the code that most of them have.

    A code of ``loud`` wins wherever it is present, the first of them before the others: one open port among a hundred
    closed ones is what somebody looks for.
    """
    if wide == high == 1:
        return [picture[at : at + SIDE] for at in range(0, PORTS, SIDE)]
    rows = []
    for top in range(0, SIDE, high):
        row = bytearray()
        for left in range(0, SIDE, wide):
            block = b"".join(picture[at * SIDE + left : at * SIDE + left + wide] for at in range(top, top + high))
            row.append(next((code for code in loud if code in block), max(sorted(set(block)), key=block.count)))
        rows.append(bytes(row))
    return rows
