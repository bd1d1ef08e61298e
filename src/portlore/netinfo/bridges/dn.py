"""Distinguished names as text (RFC 4514), both ways. Pure."""

from __future__ import annotations

import re
from unicodedata import normalize

from portlore.errors import ParseError

Rdn = tuple[tuple[str, str], ...]  # the types in small letters with their values; mostly one
Dn = tuple[Rdn, ...]  # the nearest first

ESCAPED = re.compile(r'[\\,+"<>;=]|^[ #]| \Z')
PIECE = re.compile(r"((?:[^\\,+]++|\\.)*+)([,+]?)", re.DOTALL)
TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*")
HEX = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\([ \"#+,;<=>\\])|(\\)", re.DOTALL)
BLANKS = re.compile(r"\s+")
DO = "write it as RFC 4514 does: uid=ann,ou=people,dc=example,dc=com"


def escape(value: str) -> str:
    """A value as it stands in a name."""
    return ESCAPED.sub(lambda found: "\\" + found[0], value).replace("\0", "\\00")


def format_rdn(rdn: Rdn) -> str:
    """One step of a name."""
    return "+".join([f"{kind}={escape(value)}" for kind, value in rdn])


def format_dn(dn: Dn) -> str:
    """A name, the nearest step first."""
    return ",".join([format_rdn(rdn) for rdn in dn])


def _unescaped(value: str, asked: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[3]:
            raise ParseError(asked, f"a backslash before nothing that needs one in {value[:60]!r}", DO)
        return found[2] or bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "surrogateescape")

    return HEX.sub(plain, value) if "\\" in value else value


def _stripped(value: str) -> str:
    """Without the blanks around it that nobody escaped."""
    value = value.lstrip(" ")
    bare = value.rstrip(" ")
    return f"{bare} " if bare.endswith("\\") and bare != value and not bare.endswith("\\\\") else bare


def parse_dn(text: str) -> Dn:
    """A name; the empty one has no steps. :class:`ParseError` for what is none."""
    asked = f"reading the name {text[:80]!r}"
    if not text.strip(" "):
        return ()
    steps: list[Rdn] = []
    step: list[tuple[str, str]] = []
    at = 0
    while True:
        found = PIECE.match(text, at)
        if found is None:
            raise ParseError(asked, "no step of a name", DO)
        kind, equals, value = found[1].partition("=")
        kind = kind.strip(" ").lower().removeprefix("oid.")
        if not equals or TYPE.fullmatch(kind) is None:
            raise ParseError(asked, f"{found[1][:40]!r} is no type=value", DO)
        step.append((kind, _unescaped(_stripped(value), asked)))
        at = found.end()
        if found[2] != "+":
            steps.append(tuple(step))
            step = []
        if not found[2]:
            if at != len(text):
                raise ParseError(asked, "a backslash at its end", DO)
            return tuple(steps)


def fold(value: str) -> str:
    """A value as it is compared: neither case nor the number of blanks counts (RFC 4518, as far as it matters)."""
    folded = value.lower() if value.isascii() else normalize("NFKC", value).casefold()
    return BLANKS.sub(" ", folded).strip() if " " in folded or not folded.isprintable() else folded


def key(dn: Dn) -> Dn:
    """What two spellings of one name have in common."""
    return tuple([tuple(sorted([(kind, fold(value)) for kind, value in rdn])) for rdn in dn])
