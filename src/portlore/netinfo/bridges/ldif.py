"""LDIF (RFC 2849), both ways: folded lines, base64, comments. Pure.

Only contents are read, and records that add: a ``changetype`` that changes or removes what we cannot see is refused,
and so is a value by URL, which would have us read whatever file it names.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from portlore.errors import ParseError
from portlore.netinfo.coding import MOST_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import NoReturn

    Attributes = Sequence[tuple[str, Sequence[bytes | str]]]  # str: of our own, printable and ASCII

WIDTH = 76  # columns of a line
MOST_LINES = 4096  # short ones that are kept to be written again
MOST_BYTES = 256 << 20  # of one entry
SAFE = re.compile(rb"(?:[!-9;=-\x7f](?:[ -\x7f]*[!-\x7f])?)?")  # as RFC 2849 has it, without control characters
LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9.-]*(?:;[A-Za-z0-9-]+)*):(:|<)? *(.*)", re.DOTALL)
TRAILERS = ("search", "result", "ref")  # what ldapsearch says of itself, without a name before it
VERSION = "version: 1\n"


class Entry:
    """One entry: its name, the values of its attributes by their names in small letters, and how those were written.

    ``where``: the line it begins at, or the name again, for messages.
    """

    __slots__ = ("dn", "names", "values", "where")

    def __init__(self, dn: str, where: str = "") -> None:
        self.dn, self.where = dn, where or dn
        self.values: dict[str, list[bytes]] = {}
        self.names: dict[str, str] = {}

    def add(self, name: str, values: Iterable[bytes]) -> None:
        """Further values of an attribute."""
        lower = name.lower()
        self.names.setdefault(lower, name)
        self.values.setdefault(lower, []).extend(values)

    def texts(self, name: str) -> list[str]:
        """The values of an attribute as texts; none where there is no such attribute."""
        return [value.decode("utf-8", "surrogateescape") for value in self.values.get(name, ())]


class _Reader:
    """Logical lines with the number of the physical one that each begins at."""

    def __init__(self, lines: Iterable[bytes], where: str) -> None:
        self.where, self.number, self.at = where, 0, 1
        self._lines = iter(lines)

    def refuse(self, found: str, do: str = "correct it there: RFC 2849 has the form") -> NoReturn:
        """This line cannot be taken."""
        raise ParseError(f"reading {self.where}", f"line {self.at}: {found}", do)

    def __iter__(self) -> Iterator[bytes]:
        held: list[bytes] | None = None
        size = 0
        for line in self._lines:
            self.number += 1
            line = line.rstrip(b"\r\n")
            if line[:1] == b" ":
                if held is None:
                    self.at = self.number
                    self.refuse("it goes on with nothing: there is no line before it")
                held.append(line[1:])
                size += len(line)
                if size > MOST_BYTES:
                    self.refuse(f"it goes on for more than {MOST_BYTES >> 20} MB")
                continue
            if held is not None:
                yield held[0] if len(held) == 1 else b"".join(held)
            self.at, held, size = self.number, [line], len(line)
        if held is not None:
            yield held[0] if len(held) == 1 else b"".join(held)


def _value(reader: _Reader, name: str, sign: bytes | None, text: bytes) -> bytes:
    if sign is None:
        return text
    if sign == b"<":
        do = "put the value itself there, in base64 behind ::"
        reader.refuse(f"{name} is given by a URL, and no other file is read for it", do)
    try:
        return a2b_base64(text.strip(b" "), strict_mode=True) if text.strip(b" ") else b""
    except Base64Error as error:
        reader.refuse(f"{name} is not base64: {str(error).lower()}")


def parse_ldif(lines: Iterable[bytes], where: str) -> Iterator[Entry]:
    """The entries of a text, which comes line by line; :class:`ParseError` with the line for what cannot be taken.

    Memory is bounded by the largest entry, and that by what a directory of NetInfo can hold.
    """
    reader = _Reader(lines, where)
    entry: Entry | None = None
    fresh = aside = False  # nothing but comments so far; within a record that is none
    size, first = 0, True
    for line in reader:
        if not line:
            if entry is not None:
                yield entry
            entry, aside = None, False
            continue
        if line[:1] == b"#" or aside:
            continue
        found = LINE.fullmatch(line)
        if found is None:
            what = "a change of an entry" if line == b"-" else f"{line[:40].decode('utf-8', 'replace')!r}"
            reader.refuse(f"{what} is no attribute with a value")
        name = found[1].decode("ascii")
        lower = name.lower()
        value = _value(reader, name, found[2], found[3])
        if entry is None:
            if lower == "version" and first:
                if value.strip() != b"1":
                    reader.refuse("the version is not 1")
            elif lower == "dn":
                entry = Entry(value.decode("utf-8", "surrogateescape"), f"{where}, line {reader.at}")
                size, fresh = 0, True
            elif lower in TRAILERS:
                aside = True
            else:
                reader.refuse(f"an entry begins with {name} instead of dn")
            first = False
            continue
        if fresh and lower in ("changetype", "control"):
            if lower == "control" or value.strip().lower() != b"add":
                kind = value[:20].decode("utf-8", "replace")
                reader.refuse(
                    f"a {lower} ({kind})", "give entries as they are, such as slapcat or ldapsearch write them"
                )
            continue
        if lower == "dn":
            reader.refuse("a second dn within an entry", "put an empty line before it")
        fresh = False
        size += len(value)
        values = entry.values.get(lower)
        if values is None:
            entry.names[lower], entry.values[lower] = name, [value]
        elif len(values) == MOST_NAMES or size > MOST_BYTES:
            found_ = f"more than {MOST_NAMES:,} values of {name} in {entry.dn[:80]!r}"
            reader.refuse(
                found_ if size <= MOST_BYTES else f"{entry.dn[:80]!r} has more than {MOST_BYTES >> 20} MB",
                "a property of NetInfo holds no more: split the entry there, or leave it out",
            )
        else:
            values.append(value)
    if entry is not None:
        yield entry


_lines: dict[tuple[str, bytes | str], str] = {}  # of the first values, of which many come again and again


def _line(name: str, value: bytes | str) -> str:
    text = _made(name, value)
    if len(_lines) < MOST_LINES and len(text) < WIDTH:
        _lines[name, value] = text
    return text


def _made(name: str, value: bytes | str) -> str:
    if isinstance(value, str):
        if value[-1:] == " ":
            return _made(name, value.encode())
        text = f"{name}: {value}"
    elif SAFE.fullmatch(value):
        text = f"{name}: {value.decode('ascii')}" if value else f"{name}:"
    else:
        text = f"{name}:: {b2a_base64(value, newline=False).decode('ascii')}"
    if len(text) <= WIDTH:
        return text
    pieces = [text[:WIDTH]]
    pieces += [text[at : at + WIDTH - 1] for at in range(WIDTH, len(text), WIDTH - 1)]
    return "\n ".join(pieces)


def format_entry(dn: str, attributes: Attributes) -> str:
    """An entry with the empty line behind it."""
    lines = [_line("dn", dn.encode("utf-8", "surrogateescape"))]
    known = _lines.get
    lines += [known((name, value)) or _line(name, value) for name, values in attributes for value in values]
    return "\n".join(lines) + "\n\n"
