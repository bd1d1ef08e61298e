"""XDR (RFC 4506): reading with bounds, writing. Pure.

Everything is a multiple of four bytes, numbers are big-endian. A reader never takes more than there is: a length that
lies costs nothing, as nothing is set aside before the bytes are seen to be there.
"""

from __future__ import annotations

from struct import Struct, error

from portlore.errors import ParseError

U32 = Struct(">I")
PAIR = Struct(">2I")
_number, _pair = U32.unpack_from, PAIR.unpack_from
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")  # by length modulo 4


class XdrError(ParseError):
    """Bytes that are no XDR of the type that was asked for."""


def _fail(found: str) -> XdrError:
    return XdrError("decoding XDR", found, "send what RFC 4506 describes")


class Reader:
    """Reads one value after the other from ``data``, from byte ``at`` on."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at, self.end = data, at, len(data)

    def uint(self) -> int:
        """An unsigned 32-bit number (RFC 4506 section 4.2)."""
        at = self.at
        try:
            (value,) = _number(self.data, at)
        except error:
            raise _fail(f"a number at byte {at} of {self.end}") from None
        self.at = at + 4
        return value  # type: ignore[no-any-return]

    def pair(self) -> tuple[int, int]:
        """Two numbers, one after the other."""
        at = self.at
        try:
            values = _pair(self.data, at)
        except error:
            raise _fail(f"two numbers at byte {at} of {self.end}") from None
        self.at = at + 8
        return values

    def opaque(self, most: int) -> bytes:
        """Bytes with their length before them, at most ``most`` (section 4.10); padding may hold anything."""
        at = self.at
        try:
            (size,) = _number(self.data, at)
        except error:
            raise _fail(f"a length at byte {at} of {self.end}") from None
        begin = at + 4
        stop = begin + ((size + 3) & ~3)
        if size > most or stop > self.end:
            raise _fail(f"{size} bytes at byte {at} of {self.end}, at most {most}")
        self.at = stop
        return self.data[begin : begin + size]

    def boolean(self) -> bool:
        """A bool (section 4.4); any number but 0 is taken for true, as the libraries of old do."""
        return self.uint() != 0

    def count(self, most: int, smallest: int = 4) -> int:
        """The number of entries of an array, each of ``smallest`` bytes at least (section 4.13)."""
        number = self.uint()
        if number > most or number * smallest > self.end - self.at:
            raise _fail(f"{number} entries in {self.end - self.at} bytes, at most {most}")
        return number

    def rest(self) -> bytes:
        """All that has not been read."""
        return self.data[self.at :]


def uint(value: int) -> bytes:
    """A number as XDR."""
    return U32.pack(value)


def opaque(data: bytes) -> bytes:
    """Bytes as XDR: length, bytes, padding."""
    return U32.pack(len(data)) + data + PADDING[len(data) & 3]


def uints(values: tuple[int, ...] | list[int]) -> bytes:
    """An array of numbers as XDR."""
    if len(values) == 1:  # what most look-ups find
        return PAIR.pack(1, values[0])
    return Struct(f">{len(values) + 1}I").pack(len(values), *values)
