"""The first bytes of a side: TCP in order by its sequence numbers, UDP a datagram each. Pure."""

from __future__ import annotations

SYN = 2
MOST = 4096  # bytes of a side
MOST_PIECES = 24
FEW_PIECES = 4  # of a side that is to be brief
MOST_DATAGRAMS = 3
WRAP = 1 << 32


class Stream:
    """TCP (RFC 9293 section 3.4): pieces by how far they are from the first; what came first stays."""

    __slots__ = ("_base", "_kept", "_size", "whole")

    def __init__(self) -> None:
        self._base = -1
        self._kept: dict[int, bytes] = {}
        self._size = 0
        self.whole = False  # whether the beginning was seen

    def add(
        self, data: bytes, start: int, size: int, sequence: int, flags: int, most: int | None = None
    ) -> tuple[int, bool]:
        """Take a packet; how many bytes were kept, and whether that is enough. ``most``: for a side to be brief."""
        if flags & SYN:
            sequence = (sequence + 1) % WRAP
            if not self.whole:
                self._move(sequence)
                self.whole = True
        if size <= 0:
            return 0, False
        limit = min(MOST, most or MOST)
        if self._base < 0:
            self._base = sequence
        far = (sequence - self._base) % WRAP
        if far >= WRAP >> 1:  # from before the first: only if that one was not the beginning
            if self.whole or WRAP - far >= MOST:
                return 0, False
            self._move(sequence)
            far = 0
        full = len(self._kept) >= (MOST_PIECES if most is None else FEW_PIECES)
        if far >= limit or full:
            return 0, full or self._size >= limit
        before = self._kept.get(far, b"")
        more = data[start + len(before) : start + min(size, limit - far)]
        if not more:
            return 0, False
        self._kept[far] = before + more  # what was said again otherwise is not what came first
        self._size += len(more)
        return len(more), self._size >= limit

    def _move(self, base: int) -> None:
        if self._base >= 0 and self._kept:
            shift = (self._base - base) % WRAP
            kept = {far + shift: piece for far, piece in self._kept.items()} if shift < MOST else {}
            self._kept, self._size = kept, sum(map(len, kept.values()))
        self._base = base

    def pieces(self) -> tuple[bytes, ...]:
        """What follows without a gap, as it was sent piece by piece."""
        found, at = [], 0
        for far in sorted(self._kept):
            piece = self._kept[far]
            if far > at:
                break
            if far + len(piece) > at:
                found.append(piece[at - far :])
                at = far + len(piece)
        return tuple(found)


class Datagrams:
    """The first datagrams, frames or messages of a side."""

    __slots__ = ("_kept", "whole")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self.whole = True

    def add(
        self, data: bytes, start: int, size: int, sequence: int, flags: int, most: int | None = None
    ) -> tuple[int, bool]:
        """Take a packet; how many bytes were kept, and whether that is enough."""
        piece = data[start : start + min(size, most or MOST)]
        self._kept.append(piece)
        return len(piece), len(self._kept) >= MOST_DATAGRAMS

    def pieces(self) -> tuple[bytes, ...]:
        """The datagrams."""
        return tuple(self._kept)
