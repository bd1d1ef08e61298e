"""BER (ITU-T X.690), as far as SNMP and LDAP use it: definite lengths, tags of one byte. Pure."""

from __future__ import annotations

from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31


def element(tag: int, *parts: bytes) -> bytes:
    """A tag with its length and content."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A number that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def head(data: bytes, at: int = 0) -> tuple[int, int, int] | None:
    """Tag, start and end of the element at a place; its end may lie beyond the data. ``None`` when it is none."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        return None
    size = data[at + 1]
    if size < 0x80:
        return data[at], at + 2, at + 2 + size
    many = size & 0x7F
    begin = at + 2 + many
    if not 1 <= many <= 4 or begin > len(data):  # 0x80, an indefinite length, is not used by these protocols
        return None
    return data[at], begin, begin + int.from_bytes(data[at + 2 : begin], "big")


def read(data: bytes, at: int = 0) -> tuple[int, bytes, int] | None:
    """Tag, content and end of the element at a place; ``None`` when it is none or not whole."""
    found = head(data, at)
    if found is None or found[2] > len(data):
        return None
    tag, begin, end = found
    return tag, data[begin:end], end


def elements(data: bytes, most: int = 10_000) -> Iterator[tuple[int, bytes]]:
    """The elements one after the other, as far as they are whole."""
    at = 0
    for _ in range(most):
        found = read(data, at)
        if found is None:
            return
        tag, content, at = found
        yield tag, content


def children(data: bytes) -> list[tuple[int, bytes]] | None:
    """The elements that fill the data exactly; ``None`` when they do not."""
    found, at = [], 0
    while at < len(data):
        one = read(data, at)
        if one is None:
            return None
        tag, content, at = one
        found.append((tag, content))
    return found


def number(content: bytes) -> int:
    """The value of an INTEGER of at most eight bytes; -1 for what is none."""
    return int.from_bytes(content, "big", signed=True) if 0 < len(content) <= 8 else -1
