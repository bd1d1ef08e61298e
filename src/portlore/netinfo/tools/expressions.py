r"""POSIX extended regular expressions, as nigrep takes them, as those of :mod:`re`. Pure.

IEEE Std 1003.1 chapter 9.4, with what glibc adds to it (``\w``, ``\<``, back-references), since the recordings were
made there. They match bytes; a newline is a byte like any other.
"""

from __future__ import annotations

import re

from portlore.errors import ParseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

CLASSES = {
    b"alnum": b"0-9A-Za-z", b"alpha": b"A-Za-z", b"blank": b" \\t", b"cntrl": b"\\x00-\\x1f\\x7f", b"digit": b"0-9",
    b"graph": b"!-~", b"lower": b"a-z", b"print": b" -~", b"punct": b"!-/:-@\\[-`{-~", b"space": b"\\s",
    b"upper": b"A-Z", b"xdigit": b"0-9A-Fa-f",
}  # fmt: skip
BRACKET = re.compile(rb"\[(\^?)(\]?(?:\[:[a-z]*:\]|\[\.[^.]\.\]|\[=[^=]=\]|[^\]])*)\]", re.DOTALL)
CLASS = re.compile(rb"\[:([a-z]*):\]|\[[.=](.)[.=]\]", re.DOTALL)
REPEATED = re.compile(rb"[*+?]|\{[0-9]*(?:,[0-9]*)?\}")
GNU = {b"<": rb"\b(?=\w)", b">": rb"\b(?<=\w)"} | {c: b"\\" + c for c in (b"w", b"W", b"s", b"S", b"b", b"B")}


def parse_expression(words: bytes) -> re.Pattern[bytes]:
    """An expression that is ready to search with; :class:`ParseError` for none."""
    try:
        return re.compile(_translated(words), re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        _refuse(words, str(error))


def _refuse(words: bytes, found: str) -> NoReturn:
    asked = words.decode("utf-8", "backslashreplace")
    raise ParseError(asked, found, "write a POSIX extended regular expression") from None


def _translated(words: bytes) -> bytes:
    out: list[bytes] = []  # an item each: an atom, an atom with its repetition, or what is neither
    open_at: list[int] = []  # where the groups that are still open begin
    atom: int | None = None  # where what could be repeated begins
    at = 0
    while at < len(words):
        one = words[at : at + 1]
        if (repeated := REPEATED.match(words, at)) is not None or one == b"{":
            if repeated is None or atom is None or repeated[0] in (b"{}", b"{,}"):
                _refuse(words, f"nothing to repeat, or not a number of times, at {at}")
            out[atom:] = [b"(?:%b)%b" % (b"".join(out[atom:]), repeated[0])]  # so that a+? is (a+)?, not lazy
            at = repeated.end()
            continue
        if one == b"[":
            bracket = BRACKET.match(words, at)
            if bracket is None:
                _refuse(words, f"a bracket without an end at {at}")
            atom, at = len(out), bracket.end()
            out.append(b"[%b%b]" % (bracket[1], _inside(words, bracket[2])))
            continue
        if one == b"\\":
            following = words[at + 1 : at + 2]
            if not following:
                _refuse(words, "a backslash at the end")
            atom, at = len(out), at + 2
            reference = b"(?:\\%b)" % following if b"1" <= following <= b"9" else re.escape(following)
            out.append(GNU.get(following, reference))
            continue
        at += 1
        if one == b"(":
            open_at.append(len(out))
            atom = None
        elif one == b")" and open_at:
            atom = open_at.pop()
        elif one in b"|^$":
            atom, one = None, rb"\Z" if one == b"$" else one
        else:
            atom, one = len(out), one if one == b"." else re.escape(one)
        out.append(one)
    return b"".join(out)


def _inside(words: bytes, items: bytes) -> bytes:
    """What stands in a bracket: the classes by their ranges, all else literally but for the minus of a range."""
    inside, end = b"", 0
    for found in CLASS.finditer(items):
        ranges = CLASSES.get(found[1]) if found[2] is None else re.escape(found[2])
        if ranges is None:
            _refuse(words, f"no class of characters is called {found[1].decode()}")
        inside += _literal(items[end : found.start()]) + ranges
        end = found.end()
    return inside + _literal(items[end:])


def _literal(items: bytes) -> bytes:
    return re.sub(rb"([\\\[\]^&~|])", rb"\\\1", items)
