"""The form that is opened at run time: named sections in one file, decoded only where needed.

``PORTLORE`` + version (u32) + total size (u32) + CRC-32 of all that follows (u32) + count (u32), then per section its
name (16 bytes), offset (u32) and length (u32), then the sections, 8-byte aligned; little-endian. Lines of text are
stored as they stand in git, with an array of where each begins; indexes are arrays of u16 or u32. Pure: bytes in,
views out.
"""

from __future__ import annotations

import sys

from portlore.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAGIC = b"PORTLORE"
VERSION = 2
HEAD = 24
CHECKED_FROM = 20  # the checksum covers the count and everything after it
ENTRY = 24
ASK = "opening Portlore's data"
DO = "run `portlore update --force`, or reinstall portlore"


def pack(sections: Mapping[str, bytes]) -> bytes:
    """Sections as one file."""
    at = HEAD + ENTRY * len(sections)
    head, body = bytearray(), bytearray()
    for name, data in sections.items():
        padding = -(at + len(body)) % 8
        body += bytes(padding)
        head += name.encode().ljust(16, b"\0")
        head += (at + len(body)).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        body += data
    from zlib import crc32

    rest = len(sections).to_bytes(4, "little") + bytes(head + body)
    lead = (VERSION, CHECKED_FROM + len(rest), crc32(rest))
    return MAGIC + b"".join(number.to_bytes(4, "little") for number in lead) + rest


def check_whole(data: memoryview) -> None:
    """Raise :class:`DataError` when a byte of a file has changed since it was packed."""
    from zlib import crc32

    if crc32(data[CHECKED_FROM:]) != int.from_bytes(data[16:20], "little"):
        raise DataError(ASK, f"the file of {len(data)} bytes is damaged", DO)


def unpack(data: memoryview) -> dict[str, memoryview]:
    """The sections of a file; :class:`DataError` when it is not one, of another version or cut short."""
    if bytes(data[:8]) != MAGIC or len(data) < HEAD:
        raise DataError(ASK, "the file is not Portlore's", DO)
    version, size, count = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12, 20))
    if version != VERSION:
        raise DataError(ASK, f"the file has form {version}, this program reads {VERSION}", DO)
    if size != len(data) or HEAD + count * ENTRY > size:
        raise DataError(ASK, f"the file has {len(data)} bytes of {size}", DO)
    sections = {}
    for index in range(count):
        at = HEAD + ENTRY * index
        name = bytes(data[at : at + 16]).rstrip(b"\0").decode("ascii", "replace")
        offset = int.from_bytes(data[at + 16 : at + 20], "little")
        length = int.from_bytes(data[at + 20 : at + 24], "little")
        if offset + length > size:
            raise DataError(ASK, f"its section {name!r} reaches past its end", DO)
        sections[name] = data[offset : offset + length]
    return sections


def numbers(data: memoryview, code: str) -> Sequence[int]:
    """A section as unsigned numbers: ``H`` for u16, ``I`` for u32."""
    if sys.byteorder == "little":
        return data.cast(code)  # type: ignore[call-overload, no-any-return]
    from array import array

    values = array(code, bytes(data))
    values.byteswap()
    return values


def number_bytes(values: Sequence[int], code: str) -> bytes:
    """Numbers as a section, the inverse of :func:`numbers`."""
    from array import array

    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


class Lines:
    """Lines of text in a section, decoded one by one when asked for."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: memoryview, starts: Sequence[int]) -> None:
        self._text, self._starts = text, starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> str:
        return str(self._text[self._starts[index] : self._starts[index + 1] - 1], "utf-8")

    def __iter__(self) -> Iterator[str]:
        return iter(str(self._text, "utf-8").split("\n")[:-1])

    @staticmethod
    def sections(name: str, lines: Sequence[str]) -> dict[str, bytes]:
        """The two sections that hold some lines."""
        encoded = [line.encode() + b"\n" for line in lines]
        starts = [0]
        for line in encoded:
            starts.append(starts[-1] + len(line))
        return {name: b"".join(encoded), f"{name}.at": number_bytes(starts, "I")}

    @classmethod
    def of(cls, sections: Mapping[str, memoryview], name: str) -> Lines:
        """The lines of a file's section."""
        try:
            return cls(sections[name], numbers(sections[f"{name}.at"], "I"))
        except KeyError:
            raise DataError(ASK, f"it has no section {name!r}", DO) from None
