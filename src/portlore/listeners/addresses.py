"""Addresses as the kernel has them, as text (RFC 5952) and by from where they can be reached. Pure."""

from __future__ import annotations

from portlore.seen import Exposure, Family

MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2
ANY4, ANY6 = bytes(4), bytes(16)


def text4(address: bytes) -> str:
    """Four bytes as ``127.0.0.1``."""
    return ".".join(map(str, address))


def text6(address: bytes) -> str:
    """Sixteen bytes as RFC 5952 section 4 wants them: small letters, the longest run of two or more zeros cut."""
    if address[:12] == MAPPED:
        return f"::ffff:{text4(address[12:])}"
    groups = [f"{address[at] << 8 | address[at + 1]:x}" for at in range(0, 16, 2)]
    best, length, at = 0, 1, 0
    while at < 8:
        end = at
        while end < 8 and groups[end] == "0":
            end += 1
        if end - at > length:
            best, length = at, end - at
        at = max(end, at + 1)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:best]) + "::" + ":".join(groups[best + length :])


def reach4(address: bytes) -> Exposure:
    """From where an IPv4 address can be reached (RFC 1918, RFC 3927, RFC 5771, RFC 6598, RFC 6890)."""
    first, second = address[0], address[1]
    if address == ANY4:
        return Exposure.ALL
    if first == 127:
        return Exposure.LOOPBACK
    if (first, second) == (169, 254) or address[:3] == b"\xe0\0\0" or address == b"\xff\xff\xff\xff":
        return Exposure.LINK_LOCAL
    shared = first == 100 and 64 <= second < 128
    if first in (10, 239) or (first, second) == (192, 168) or (first == 172 and 16 <= second < 32) or shared:
        return Exposure.PRIVATE
    return Exposure.PUBLIC


MULTICAST_SCOPES = {1: Exposure.LOOPBACK, 2: Exposure.LINK_LOCAL, 14: Exposure.PUBLIC}  # RFC 4291 section 2.7


def reach6(address: bytes) -> Exposure:
    """From where an IPv6 address can be reached (RFC 4291, RFC 4193); a mapped one as its IPv4 address."""
    if address[:12] == MAPPED:
        return reach4(address[12:])
    if address == ANY6:
        return Exposure.ALL
    if address == ANY6[:15] + b"\1":
        return Exposure.LOOPBACK
    first, second = address[0], address[1]
    if first == 0xFF:
        return MULTICAST_SCOPES.get(second & 15, Exposure.PRIVATE)
    if first == 0xFE:
        return Exposure.LINK_LOCAL if second & 0xC0 == 0x80 else Exposure.PRIVATE  # fec0::/10 is site-local of old
    return Exposure.PRIVATE if first & 0xFE == 0xFC else Exposure.PUBLIC


def describe(address: bytes, only6: bool | None) -> tuple[str, Family, Exposure]:
    """An address of 4 or 16 bytes as text, with the family it serves and from where it can be reached.

    ``only6``: whether an IPv6 socket serves IPv6 alone, ``None`` where nobody told.
    """
    if len(address) == 4:
        return text4(address), Family.IPV4, reach4(address)
    if address[:12] == MAPPED:
        family = Family.MAPPED
    elif address != ANY6 or only6:
        family = Family.IPV6
    else:
        family = Family.UNTOLD if only6 is None else Family.DUAL
    return text6(address), family, reach6(address)


def parse4(text: str) -> bytes:
    """``127.0.0.1`` as four bytes; :class:`ValueError` otherwise."""
    numbers = text.split(".")
    if len(numbers) != 4:
        raise ValueError(text)
    return bytes(map(int, numbers))


def parse6(text: str) -> bytes:
    """An IPv6 address without a zone as sixteen bytes; :class:`ValueError` otherwise."""
    head, double, tail = text.partition("::")
    groups = [_groups(part) for part in (head, tail)]
    missing = 16 - sum(map(len, groups))
    if missing < (2 if double else 0) or (missing and not double):
        raise ValueError(text)
    return groups[0] + bytes(missing) + groups[1]


def _groups(text: str) -> bytes:
    found = b""
    for group in text.split(":") if text else ():
        found += parse4(group) if "." in group else int(group, 16).to_bytes(2, "big")
    return found
