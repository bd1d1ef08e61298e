"""Record marking (RFC 5531 section 11): messages on a stream, in fragments of any number and size. Pure."""

from __future__ import annotations

from portlore.errors import ParseError

LAST = 0x8000_0000
LONGEST = 1 << 24  # bytes of a record, where nobody says otherwise


class RecordTooLong(ParseError):
    """A record longer than the limit, known before its body is read."""


class RecordReader:
    """Takes any slices of a stream; gives the records that each completes.

    ``limit``: bytes of one record. ``fragments``: how many pieces one may come in, so that empty ones cannot go on
    for ever.
    """

    def __init__(self, limit: int = LONGEST, fragments: int = 1 << 16) -> None:
        self._limit, self._fragments = limit, fragments
        self._pending = bytearray()
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes, or empty fragments, of a record that has begun and is not complete; 0 between records."""
        return len(self._pending) + self._size + len(self._pieces)

    def feed(self, data: bytes) -> list[bytes]:
        """The records that these bytes complete; :class:`RecordTooLong` before the body of one beyond the limit."""
        size = len(data) - 4
        fresh = not self._pending and not self._pieces and 0 <= size <= self._limit
        if fresh and int.from_bytes(data[:4], "big") == LAST | size:  # one whole record: nearly always
            return [data[4:]]
        pending: bytes | bytearray = data
        if self._pending:  # a long fragment is gathered without being copied anew for each slice
            self._pending += data
            pending = self._pending
        done: list[bytes] = []
        at, end = 0, len(pending)
        while end - at >= 4:
            mark = int.from_bytes(pending[at : at + 4], "big")
            size = mark & 0x7FFF_FFFF
            if self._size + size > self._limit or len(self._pieces) >= self._fragments:
                found = f"a record of {self._size + size} bytes in {len(self._pieces) + 1} fragments"
                raise RecordTooLong("reading a record", found, f"send at most {self._limit}")
            if end - at - 4 < size:
                break
            piece = bytes(pending[at + 4 : at + 4 + size])
            at += 4 + size
            if mark & LAST:
                done.append(b"".join([*self._pieces, piece]) if self._pieces else piece)
                self._pieces, self._size = [], 0
            else:
                self._pieces.append(piece)
                self._size += size
        if pending is data:
            if at < end:
                self._pending = bytearray(pending[at:])
        elif at:
            del self._pending[:at]
        return done


def marked(record: bytes) -> bytes:
    """A record as one fragment."""
    return (LAST | len(record)).to_bytes(4, "big") + record
