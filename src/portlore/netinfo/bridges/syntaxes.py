"""Values as LDAP's attributes hold them (RFC 4517), and back; ``None`` where they cannot be held. Pure.

Narrower than the standard, so that every server takes what is written: texts are printable and begin and end with no
blank, values of one attribute differ by more than case, blanks and accents.
"""

from __future__ import annotations

import re
from unicodedata import combining, normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Values = tuple[bytes, ...]
    Write = Callable[[Values], Values | None]
    Read = Callable[[Values], Values]

ASCII = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,17}")
SCHEME = re.compile(rb"\{([A-Za-z0-9/._-]+)\}")
CRYPT = b"{CRYPT}"
BOOT = re.compile(rb"[A-Za-z0-9-]+=[A-Za-z0-9-]+:/[!-9;-~]*")
DAY = 86_400  # seconds


def comparable(value: bytes) -> str:
    """What values have in common that a server may take for the same; rather too much than too little."""
    text = value.decode("utf-8", "replace")
    if not text.isascii():
        text = "".join([sign for sign in normalize("NFKD", text.casefold()) if not combining(sign)]).casefold()
    return " ".join(text.lower().split())


def _differ(values: Values) -> bool:
    return len(values) < 2 or len({comparable(value) for value in values}) == len(values)


def _is_text(value: bytes) -> bool:
    if ASCII.fullmatch(value):
        return True
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and text.isprintable() and text == text.strip() and normalize("NFKC", text) == text


def texts(values: Values) -> Values | None:
    """Directory strings."""
    for value in values:
        if not ASCII.fullmatch(value) and not _is_text(value):
            return None
    return values if values and (len(values) == 1 or _differ(values)) else None


def text(values: Values) -> Values | None:
    """One directory string."""
    return values if len(values) == 1 and _is_text(values[0]) else None


def ascii_texts(values: Values) -> Values | None:
    """IA5 strings."""
    for value in values:
        if not ASCII.fullmatch(value):
            return None
    if len(values) < 2:
        return values or None
    exact = {b" ".join(value.split()) for value in values}
    return values if len(exact) == len(values) else None


def ascii_words(values: Values) -> Values | None:
    """IA5 strings that differ by more than case."""
    found = ascii_texts(values)
    return found if found and _differ(found) else None


def ascii_text(values: Values) -> Values | None:
    """One IA5 string."""
    return values if len(values) == 1 and ASCII.fullmatch(values[0]) else None


def number(values: Values) -> Values | None:
    """One integer."""
    return values if len(values) == 1 and NUMBER.fullmatch(values[0]) else None


def boot_parameters(values: Values) -> Values | None:
    """Values such as ``root=server:/path``."""
    found = ascii_texts(values)
    return found if found and all(BOOT.fullmatch(value) for value in found) else None


def passwords(values: Values) -> Values | None:
    """Hashes of crypt(3) behind the word that says so (RFC 2307 section 5.3)."""
    if not values or len(set(values)) != len(values):
        return None
    return tuple([CRYPT + value if value[:1] != b"{" or _is_crypt(value) else value for value in values])


def _is_crypt(value: bytes) -> bool:
    found = SCHEME.match(value)
    return found is None or found[1].upper() == b"CRYPT"


def plain_passwords(values: Values) -> Values:
    """The inverse: hashes of other kinds stay with their word."""
    return tuple([value[len(CRYPT) :] if value[:7].upper() == CRYPT else value for value in values])


def days(values: Values) -> Values | None:
    """A time in seconds as the day that it begins, where it begins one."""
    if len(values) != 1 or not NUMBER.fullmatch(values[0]) or int(values[0]) % DAY or int(values[0]) <= 0:
        return None
    return (b"%d" % (int(values[0]) // DAY),)


def seconds(values: Values) -> Values:
    """The inverse."""
    return tuple([b"%d" % (int(value) * DAY) if NUMBER.fullmatch(value) else value for value in values])


def as_it_is(values: Values) -> Values:
    """Nothing to turn back."""
    return values
