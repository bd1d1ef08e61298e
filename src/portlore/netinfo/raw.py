r"""The raw format of ``nidump -r`` and ``niload -r``: a directory with all that is below it, as nested text. Pure.

The format cannot tell everything apart. It does not double a backslash, so ``\n`` is a newline or two characters, and
a value that ends in a backslash swallows its closing quote. The original reads ``\t``, which it writes for a tab, as
the letter t, and so does :func:`parse_raw`: control characters that C has a letter for do not survive, all other
bytes do, unless an octal escape of one digit stands before a digit.
"""

from __future__ import annotations

import re

from portlore.errors import ParseError
from portlore.netinfo.values import Property
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from portlore.netinfo.values import Properties

DEPTH = 200  # directories within one another that are read; real domains have less than ten
ASKED = "reading a raw dump"
LETTERS = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"'}
END = b""


class Tree(Value):
    """A directory: its properties, and the directories below it in order."""

    properties: Properties
    children: tuple[Tree, ...] = ()


def _escape(byte: int) -> bytes:
    r"""One byte as it stands in a string.

    The original prints ``\0`` and the octal of a signed char: hence the 32 bits of every byte from 0x80. It takes the
    control characters to end at decimal 20, and writes 0x7f as 0xff.
    """
    if byte in LETTERS:
        return b"\\" + LETTERS[byte]
    if byte < 20:
        return b"\\0%o" % byte
    if byte >= 0x80:
        return b"\\0%o" % (0xFFFF_FF00 | byte)
    return bytes([0xFF if byte == 0x7F else byte])


ESCAPES = tuple(_escape(byte) for byte in range(256))


def _quote(value: bytes) -> bytes:
    return b'"%b"' % b"".join([ESCAPES[byte] for byte in value])


def write_raw(tree: Tree) -> bytes:
    """A directory as ``nidump -r`` prints it."""
    out: list[bytes] = []
    todo: list[bytes | tuple[Tree, bytes, bytes]] = [(tree, b"", b"\n")]
    while todo:
        step = todo.pop()
        if isinstance(step, bytes):
            out.append(step)
            continue
        one, pad, end = step
        out.append(pad + b"{\n")
        for found in one.properties:
            values = b"%b " % b", ".join(map(_quote, found.values)) if found.values else b""
            out.append(b"%b  %b = ( %b);\n" % (pad, _quote(found.name), values))
        if one.children:
            out.append(pad + b"  CHILDREN = (\n")
            todo.append(b"%b  )\n%b}%b" % (pad, pad, end))
            todo.append((one.children[-1], pad + b"    ", b"\n"))
            todo += [(child, pad + b"    ", b",\n") for child in reversed(one.children[:-1])]
        else:
            out.append(pad + b"}" + end)
    return b"".join(out)


TOKEN = re.compile(rb'\s*+(?:"((?:[^"\\]++|\\.)*+)"|([{}()=;,])|([^\s{}()=;,"]++)|(\Z)|)', re.DOTALL)
ESCAPE = re.compile(rb"\\(037{7}[67][0-7]{2}|[0-7]{1,3}|.)", re.DOTALL)


def _unescape(found: re.Match[bytes]) -> bytes:
    text = found[1]
    return bytes([int(text, 8) & 0xFF]) if text[:1].isdigit() and text[:1] < b"8" else text


def _unquote(text: bytes) -> bytes:
    """The value of a string: a plain 0xff is how 0x7f is written; as everywhere in NetInfo, a NUL ends it."""
    return ESCAPE.sub(_unescape, text.replace(b"\xff", b"\x7f")).partition(b"\0")[0]


class _Open:
    """A directory that is being read; ``listing``: within its CHILDREN."""

    def __init__(self, *, braced: bool) -> None:
        self.braced = braced
        self.listing = self.parenthesis = False
        self.properties: list[Property] = []
        self.children: list[Tree] = []


class _Tokens:
    """The tokens of a text, one ahead: ``sign`` is a sign or END, otherwise None and ``word`` a word or a string."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._end = data, 0, 0
        self.sign: bytes | None = END
        self.word, self.quoted = b"", False
        self.take()

    def take(self) -> None:
        """On to the next token."""
        found = TOKEN.match(self._data, self._end)
        if found is None or found.lastindex is None:
            self._at = self._data.find(b'"', self._end)
            self.refuse("a string that does not end")
        self._at, self._end = found.start(found.lastindex), found.end()
        self.sign = self.word = b""
        self.quoted = found.lastindex == 1
        if self.quoted:
            self.sign, self.word = None, _unquote(found[1])
        elif found.lastindex == 3:
            self.sign, self.word = None, found[3].partition(b"\0")[0]
        else:
            self.sign = found[found.lastindex]

    def skip(self, sign: bytes) -> bool:
        """Whether a sign stood here; it is taken."""
        if self.sign != sign:
            return False
        self.take()
        return True

    def refuse(self, found: str = "") -> NoReturn:
        """This token cannot stand here."""
        line = self._data.count(b"\n", 0, self._at) + 1
        shown = self.word[:40].decode("ascii", "backslashreplace") if self.sign is None else self.sign.decode()
        found = found or (f"{shown!r} cannot stand here" if shown or self.sign is None else "it ends too early")
        raise ParseError(ASKED, f"line {line}: {found}", "write what nidump -r prints")


def _values(tokens: _Tokens) -> tuple[bytes, ...]:
    """The values behind a ``=``, with parentheses or without."""
    values: list[bytes] = []
    parenthesis = tokens.skip(b"(")
    while tokens.sign is None or tokens.sign == b",":
        if tokens.sign is None:
            values.append(tokens.word)
        tokens.take()
    if parenthesis and not tokens.skip(b")"):
        tokens.refuse()
    return tuple(values)


def parse_raw(data: bytes) -> Tree:
    """Read what ``nidump -r`` prints, and what people write: words without quotes, values without parentheses.

    The outer braces may be missing, ``;`` before ``}`` and commas too. ``#`` begins no comment. A text of nothing is
    refused: it is what ``nidump -r`` prints of a directory that is missing.
    """
    tokens = _Tokens(data)
    if tokens.sign == END:
        tokens.refuse("there is nothing in it")
    stack = [_Open(braced=tokens.skip(b"{"))]
    while True:
        here = stack[-1]
        if here.listing:
            if tokens.skip(b"{"):
                if len(stack) == DEPTH:
                    tokens.refuse(f"more than {DEPTH} directories within one another")
                stack.append(_Open(braced=True))
            elif not tokens.skip(b","):
                if here.parenthesis and not tokens.skip(b")"):
                    tokens.refuse()
                here.listing = False
        elif tokens.sign is None:
            name, keyword = tokens.word, tokens.word == b"CHILDREN" and not tokens.quoted
            tokens.take()
            if not tokens.skip(b"="):
                tokens.refuse()
            if keyword:
                here.listing, here.parenthesis = True, tokens.skip(b"(")
            else:
                here.properties.append(Property(name, _values(tokens)))
        elif here.braced and tokens.skip(b"}"):
            done = Tree(tuple(here.properties), tuple(here.children))
            stack.pop()
            if stack:
                stack[-1].children.append(done)
            elif tokens.sign == END:
                return done
            else:
                tokens.refuse()
        elif tokens.sign == END and not here.braced:
            return Tree(tuple(here.properties), tuple(here.children))
        elif not tokens.skip(b";"):
            tokens.refuse()
