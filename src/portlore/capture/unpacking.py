"""Edge: a file as it is, or unpacked where gzip packed it (RFC 1952): everything before a damage is given."""

from __future__ import annotations

import zlib
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

GZIP = b"\x1f\x8b"
WITH_HEAD = 16 + zlib.MAX_WBITS  # of zlib: gzip's head and tail are around the data
TAKEN = 1 << 16  # packed bytes that are taken at once
OTHERS = {  # how files begin that another program unpacks
    b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip


class Damaged(Exception):
    """What follows cannot be unpacked."""


def packed_by(head: bytes) -> str:
    """The program that packed what begins so, if it is one that is not unpacked here."""
    return next((name for magic, name in OTHERS.items() if head.startswith(magic)), "")


class Plain:
    """A file whose first bytes were read already."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file, self._head = file, head

    def read(self, size: int, *, some: bool = False) -> bytes:
        """At most so many bytes, none at the end. ``some``: what is there, be it little."""
        head, self._head = self._head[:size], self._head[size:]
        if head:
            return head
        found: bytes = self._file.read1(size) if some else self._file.read(size)  # type: ignore[attr-defined]
        return found


class Unpacked:
    """What a gzip file holds, in one member or several."""

    def __init__(self, file: Plain) -> None:
        self._file, self._packed, self._damage = file, b"", ""
        self._member = zlib.decompressobj(WITH_HEAD)

    def read(self, size: int, *, some: bool = False) -> bytes:
        """At most so many bytes, none at the end; :class:`Damaged` when all that came before was given."""
        while not self._damage:
            self._packed = self._packed or self._file.read(TAKEN, some=some)
            if not self._packed:
                if self._member.eof:
                    return b""
                break
            if found := self._unpack(size):
                return found
        raise Damaged(self._damage or "it ends too early")

    def _unpack(self, size: int) -> bytes:
        if self._member.eof:
            self._packed = self._packed.lstrip(b"\0")  # a member may be filled up with them
            if not self._packed:
                return b""
            self._member = zlib.decompressobj(WITH_HEAD)
        before = self._member.copy()
        try:
            found = self._member.decompress(self._packed, size)
        except zlib.error as error:
            self._damage = str(error).rpartition(": ")[2]
            return _byte_by_byte(before, self._packed)
        self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return found


def _byte_by_byte(member: Any, packed: bytes) -> bytes:
    """What can be unpacked before it fails."""
    found = bytearray()
    with suppress(zlib.error):
        for at in range(len(packed)):
            found += member.decompress(packed[at : at + 1])
    return bytes(found)
