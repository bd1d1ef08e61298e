"""Addresses as numbers, and their text: what targets, policy and outputs are made of. Pure.

An address is a (version, number) pair, version 4 or 6. Only whole dotted quads are IPv4: ``127.1``, ``0x7f000001`` and
``010.0.0.1`` mean different things to different programs and are refused.
"""

from __future__ import annotations

from portlore.listeners.addresses import text4, text6

BITS = {4: 32, 6: 128}
MOST = {4: (1 << 32) - 1, 6: (1 << 128) - 1}
MAPPED = 0xFFFF << 32  # RFC 4291 section 2.5.5.2: ::ffff:0:0/96


def parse_address(text: str) -> tuple[int, int] | None:
    """``10.0.0.1`` or ``fe80::1``, without zone or brackets, as version and number; None when it is neither."""
    if ":" in text:
        number = _parse6(text)
        return None if number is None else (6, number)
    number = _parse4(text)
    return None if number is None else (4, number)


def _parse4(text: str) -> int | None:
    parts = text.split(".")
    if len(parts) != 4:
        return None
    number = 0
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 4) or int(part) > 255 or (part[0] == "0" < part[1:]):
            return None
        number = number << 8 | int(part)
    return number


def _parse6(text: str) -> int | None:
    """RFC 4291 section 2.2, all three forms."""
    head, double, tail = text.partition("::")
    before, after = _groups(head, last=not double), _groups(tail, last=True)
    if before is None or after is None or "::" in tail:
        return None
    missing = 8 - len(before) - len(after)
    if (double and missing < 1) or (not double and missing):
        return None
    number = 0
    for group in [*before, *[0] * missing, *after]:
        number = number << 16 | group
    return number


def _groups(text: str, *, last: bool) -> list[int] | None:
    found: list[int] = []
    parts = text.split(":") if text else []
    for place, part in enumerate(parts):
        if "." in part and last and place == len(parts) - 1:
            quad = _parse4(part)
            if quad is None:
                return None
            found += [quad >> 16, quad & 0xFFFF]
        elif 0 < len(part) < 5 and all(c in "0123456789abcdefABCDEF" for c in part):
            found.append(int(part, 16))
        else:
            return None
    return found


def format_address(version: int, number: int, zone: str = "") -> str:
    """The inverse of :func:`parse_address`, as RFC 5952 section 4 wants it, with the zone (RFC 4007 section 11)."""
    if version == 4:
        return text4(number.to_bytes(4, "big"))
    text = text6(number.to_bytes(16, "big"))
    return f"{text}%{zone}" if zone else text
