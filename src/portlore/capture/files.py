"""Edge: packets from a file, pcap or pcapng, of either byte order, also compressed with gzip, also from a pipe.

Files are read in pieces of some megabytes, so that memory stays the same whatever their size. A record walk in Python
finds the packets; what stands in their heads is taken out by NumPy. The forms:
https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from struct import Struct

import numpy as np

from portlore.capture.decoding import LINKS, PAD, Batch, rows
from portlore.capture.unpacking import GZIP, Damaged, Plain, Unpacked, packed_by
from portlore.errors import HostError, InputError, ParseError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from portlore.capture.decoding import Numbers

LONGEST_HEAD = 28  # bytes of the shortest section
LONGEST_MAGIC = 6  # bytes by which forms of files are told apart
PIECE = 1 << 24  # bytes read at once
WIDE_PIPE = 1 << 20  # bytes: what anybody may have on Linux
LONGEST = 1 << 18  # bytes of a packet: what libpcap takes for the longest
LONGEST_OTHER = 1 << 27  # of links that are not decoded here (USB, D-Bus), and of blocks without packets
PCAP = {  # the first four bytes: byte order, parts of a second
    b"\xa1\xb2\xc3\xd4": (">", 10**6), b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9), b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}  # fmt: skip
SECTION, INTERFACE, OLD_PACKET, SIMPLE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 5, 6
PCAPNG = SECTION.to_bytes(4, "big")
_NOTHING = bytes(PAD)
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
END_OF_OPTIONS, RESOLUTION, OFFSET, DROPPED = 0, 9, 14, 5
MOST_INTERFACES = 1 << 16
DO = "write one with `tcpdump -w`, `dumpcap` or Wireshark"


class Interface(Value):
    """Of pcapng: a link type, how much of a packet was kept, ``parts`` of a second, and seconds to add."""

    link: int
    kept: int
    parts: float
    offset: int


class File:
    """A capture file.

    :meth:`batches` gives its packets; ``notes`` then tells, in sentences, what could not be read and where. ``read``
    bytes of ``size`` are done (0: unknown); ``dropped``: packets that whoever wrote the file says it missed.
    """

    def __init__(self, path: str) -> None:
        self.name, self.notes = path, list[str]()
        self.read, self.size, self.dropped = 0, 0, 0
        self._place, self._number = 0, 0  # of the byte after the last whole record; of packets so far
        self._rest = _NOTHING  # what is in hand, and PAD bytes
        self._ended, self._piped = False, path == "-"  # of a pipe, what is there is looked at, be it little
        self._senseless, self._senseless_note = 0, (0, 0)
        self._lost: dict[int, int] = {}  # packets, by interface
        self._file, self._stream = self._open()

    def _open(self) -> tuple[BinaryIO, Plain | Unpacked]:
        asked = f"portlore capture {self.name}"
        if self.name == "-":
            file: BinaryIO = sys.stdin.buffer
        else:
            try:
                file = open(self.name, "rb")  # noqa: SIM115, PTH123
                about = os.fstat(file.fileno())
            except OSError as error:
                raise HostError(asked, error.strerror or str(error), "name a file that can be read") from None
            self._piped = not stat.S_ISREG(about.st_mode)
            self.size = 0 if self._piped else about.st_size
        if self._piped:
            _widen(file)
        try:
            head = file.read(LONGEST_MAGIC)
        except OSError as error:
            raise HostError(asked, error.strerror or str(error), "name a file that can be read") from None
        if program := packed_by(head):
            file.close()
            do = f"unpack it first: `{program} -dc FILE | portlore capture -`"
            raise InputError(asked, f"it is packed by {program}", do)
        plain = Plain(file, head)
        return file, Unpacked(plain) if head[:2] == GZIP else plain

    def close(self) -> None:
        """Let go of the file."""
        if self.name != "-":
            self._file.close()

    @property
    def _have(self) -> int:
        return len(self._rest) - PAD

    def batches(self) -> Iterator[Batch]:
        """The packets; :class:`ParseError` for what is no capture file at all."""
        self._fill(LONGEST_HEAD if self._piped else max(PIECE, LONGEST_HEAD))
        head, have = self._rest[:4], self._have
        if head in PCAP and have >= 24:
            yield from self._pcap(*PCAP[head])
        elif head == PCAPNG and have >= LONGEST_HEAD:
            yield from self._pcapng()
        else:
            found = "an empty file" if not have else "neither pcap nor pcapng"
            if head in PCAP or head == PCAPNG:
                found = "a file that ends within its header"
            raise ParseError(f"portlore capture {self.name}", (*self.notes, found)[0], DO)

    def _fill(self, least: int) -> bool:
        """Have at least so many bytes in hand, if there are; whether any came."""
        have = self._have
        parts = [self._rest[:have]]
        while have < least and not self._ended:
            try:
                more = self._stream.read(PIECE, some=self._piped)
            except Damaged as error:
                self.notes.append(f"the compression is damaged ({error}): what follows was not read")
                more = b""
            except OSError as error:
                self.notes.append(f"reading failed ({error.strerror or error}): what follows was not read")
                more = b""
            self._ended = not more
            parts.append(more)
            have += len(more)
        came = len(parts) > 1 and bool(parts[1])
        self._rest = b"".join((*parts, _NOTHING))
        if self.size:
            self.read = self._file.tell()
        return came

    def _stop(self, at: int, why: str) -> None:
        place = self._place + at
        self.notes.append(f"byte {place:,}, after packet {self._number:,}: {why}; what follows was not read")

    def _cut(self) -> None:
        if self._have:
            left = f"the file ends within a record, {self._have:,} bytes after it begins"
            self.notes.append(f"byte {self._place:,}, after packet {self._number:,}: {left}")

    def _advance(self, at: int, packets: int) -> None:
        self._place += at
        self._number += packets
        self._rest = self._rest[at:]

    def _pcap(self, order: str, parts: int) -> Iterator[Batch]:
        kept, link = Struct(f"{order}II").unpack_from(self._rest, 16)
        link &= 0xFFFF  # above it: whether frames have a checksum behind them
        most = max(LONGEST, min(kept, LONGEST_OTHER)) if link not in LINKS else max(LONGEST, min(kept, PIECE))
        head = np.dtype([(name, f"{order}u4") for name in ("seconds", "parts", "captured", "length")])
        size_of = Struct(f"{order}I").unpack_from
        self._advance(24, 0)
        while True:
            data, places, at, wrong = self._rest, list[int](), 0, -1
            last = self._have - 16
            add = places.append
            while at <= last:
                (size,) = size_of(data, at + 8)
                if size > most:
                    wrong = size
                    break
                if size > last - at:
                    break
                add(at)
                at += 16 + size
            if places:
                yield self._of_pcap(data, places, head, parts, link)
            self._advance(at, len(places))
            if wrong >= 0:
                self._stop(0, f"a packet is said to have {wrong:,} bytes")
                return
            if not self._fill(self._have + (1 if self._piped else PIECE)):
                self._cut()
                return

    def _of_pcap(self, data: bytes, places: list[int], head: np.dtype[np.void], parts: int, link: int) -> Batch:
        at = np.array(places, np.int64)
        heads = rows(data, at, head)
        time = heads["seconds"] + heads["parts"] / parts
        captured, length = heads["captured"].astype(np.int64), heads["length"].astype(np.int64)
        return Batch(data, at + 16, captured, np.maximum(captured, length), time, np.full(len(at), link, np.int64))

    def _pcapng(self) -> Iterator[Batch]:
        interfaces: list[Interface] = []
        order = "<"
        while True:
            data, at, wrong, count = self._rest, 0, "", 0
            last = self._have - 12
            places: list[int] = []  # of the section's packets
            found: list[Batch] = []  # of the sections before
            pair = Struct(f"{order}II").unpack_from
            while at <= last:
                kind, size = pair(data, at)
                if kind == SECTION:  # reads the same in both orders; another section may have the other order
                    if places:
                        found.append(self._of_pcapng(data, places, order, interfaces))
                        places, count = [], count + len(places)
                    fresh = ORDERS.get(data[at + 8 : at + 12], "")
                    if not fresh:
                        wrong = "a section without a byte order"
                        break
                    order, interfaces, self._lost = fresh, [], {}
                    pair = Struct(f"{order}II").unpack_from
                    kind, size = pair(data, at)
                if size < 12 or size % 4 or size > LONGEST_OTHER:
                    wrong = f"a block is said to have {size:,} bytes"
                    break
                if size > self._have - at:
                    break
                if kind == ENHANCED or kind in (SIMPLE, OLD_PACKET):
                    places.append(at)
                elif kind == INTERFACE:
                    if len(interfaces) >= MOST_INTERFACES or size < 20:
                        wrong = "an interface that cannot be"
                        break
                    interfaces.append(_interface(data[at + 8 : at + size - 4], order))
                elif kind == STATISTICS and size >= 24:
                    self._count_dropped(data[at + 8 : at + size - 4], order)
                at += size
            if places:
                found.append(self._of_pcapng(data, places, order, interfaces))
            if found:
                yield _joined(found)
            self._advance(at, count + len(places))
            if wrong:
                self._stop(0, wrong)
                return
            if not self._fill(self._have + (1 if self._piped else PIECE)):
                self._cut()
                return

    def _of_pcapng(self, data: bytes, places: list[int], order: str, interfaces: list[Interface]) -> Batch:
        batch = _of_pcapng(data, places, order, interfaces)
        if missing := len(places) - len(batch.at):
            if not self._senseless:
                self._senseless_note = len(self.notes), self._place + places[0]
                self.notes.append("")
            self._senseless += missing
            number, place = self._senseless_note
            self.notes[number] = f"{self._senseless:,} packet blocks make no sense, all after byte {place:,}"
        return batch

    def _count_dropped(self, body: bytes, order: str) -> None:
        """What an interface says it missed, from its beginning until then (of pcapng, section 4.6)."""
        number, lost = Struct(f"{order}I").unpack_from(body)[0], _dropped(body, order)
        more = lost - self._lost.get(number, 0)
        if more > 0 and number < MOST_INTERFACES:
            self.dropped += more
            self._lost[number] = lost


def _widen(file: BinaryIO) -> None:
    """Have a pipe hold more, so that its packets come in larger pieces."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError, ValueError):
            fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, WIDE_PIPE)


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Options of a block; ends at the first that makes no sense."""
    pair, at = Struct(f"{order}HH"), 0
    while at + 4 <= len(data):
        code, size = pair.unpack_from(data, at)
        if code == END_OF_OPTIONS or at + 4 + size > len(data):
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4


def _interface(body: bytes, order: str) -> Interface:
    link, _, kept = Struct(f"{order}HHI").unpack_from(body)
    parts, offset = 1e6, 0
    for code, value in _options(body[8:], order):
        if code == RESOLUTION and len(value) == 1:
            power = value[0] & 0x7F
            parts = 2.0**power if value[0] & 0x80 else 10.0 ** min(power, 30)
        elif code == OFFSET and len(value) == 8:
            offset = Struct(f"{order}q").unpack(value)[0]
    return Interface(link, kept, parts, offset)


def _dropped(body: bytes, order: str) -> int:
    for code, value in _options(body[12:], order):
        if code == DROPPED and len(value) == 8:
            return min(int(Struct(f"{order}Q").unpack(value)[0]), 1 << 62)
    return 0


def _of_pcapng(data: bytes, places: list[int], order: str, interfaces: list[Interface]) -> Batch:
    """Packet blocks as a batch; those that name no interface, or more bytes than they have, are left out."""
    at = np.array(places, np.int64)
    names = ("kind", "size", "interface", "high", "low", "captured", "length")
    heads = rows(data, at, np.dtype([(name, f"{order}u4") for name in names]))
    wide = {name: heads[name].astype(np.int64) for name in names}
    simple, old = wide["kind"] == SIMPLE, wide["kind"] == OLD_PACKET
    first16 = rows(data, at + 8, np.dtype([("it", f"{order}u2")]))["it"].astype(np.int64)
    which = np.where(simple, 0, np.where(old, first16, wide["interface"]))
    length = np.where(simple, wide["interface"], wide["length"])
    known = (which < len(interfaces)) & (wide["size"] >= np.where(simple, 16, 32))
    table = interfaces or [Interface(-1, 0, 1e6, 0)]
    which = np.where(known, which, 0)
    kept: Numbers = np.array([one.kept or LONGEST_OTHER for one in table], np.int64)[which]
    begin = np.where(simple, 12, 28)
    room = wide["size"] - begin - 4
    captured = np.where(simple, np.minimum(np.minimum(length, kept), room), wide["captured"])
    ticks = wide["high"] * 2.0**32 + wide["low"]
    time = ticks / np.array([one.parts for one in table])[which] + np.array([float(one.offset) for one in table])[which]
    link = np.array([one.link for one in table], np.int64)[which]
    whole = Batch(data, at + begin, captured, np.maximum(length, captured), np.where(simple, 0.0, time), link)
    right = known & (captured <= room)
    return whole if right.all() else whole.part(right)


def _joined(found: list[Batch]) -> Batch:
    """Batches of the same bytes as one."""
    if len(found) == 1:
        return found[0]
    fields = ("at", "captured", "length", "time", "link")
    return Batch(found[0].data, *(np.concatenate([getattr(one, field) for one in found]) for field in fields))
