"""Certificates (X.509, RFC 5280): as much of DER (ITU-T X.690) as it takes to say whose, by whom and how long. Pure."""

from __future__ import annotations

import re

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS = 500  # elements of one sequence
MOST_NAMES = 50  # alternative names
MOST_TEXT = 200  # characters of one name
INTEGER, OID, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x02, 0x06, 0x17, 0x18, 0x30, 0x31
VERSION, EXTENSIONS, OCTETS = 0xA0, 0xA3, 0x04
SUBJECT_ALTERNATIVE = bytes.fromhex("551d11")  # id-ce-subjectAltName, RFC 5280 section 4.2.1.6
DNS_NAME, IP_ADDRESS = 0x82, 0x87
NAMES = {  # RFC 4514 section 3, RFC 2985 section 5.2.1
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}
TIME = re.compile("[0-9]{14}Z", re.ASCII)
WIDE = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x0C: "utf-8"}  # BMPString, UniversalString, UTF8String


class Malformed(ValueError):
    """Not DER, or not a certificate."""


class Certificate(Value):
    """A certificate. ``subject``, ``issuer``: as ``CN=…, O=…``, in the order of the certificate, whose names hold.

    ``names``: the alternative names, DNS and IP alone. ``begins``, ``ends``: seconds since 1970. ``own``: it names
    itself as its issuer. Nothing is verified.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: int
    ends: int
    own: bool


def read_certificate(der: bytes) -> Certificate | None:
    """A certificate's names and times; ``None`` where it is malformed."""
    try:
        (_, body), *_ = parts(_only(der, SEQUENCE))
        fields = list(parts(body))
        if fields and fields[0][0] == VERSION:
            del fields[0]
        (_, _serial), (_, _algorithm), (_, issuer), (_, validity), (_, subject), *rest = fields
        (kind, begins), (until, ends) = parts(validity)
        names = next((_alternatives(value) for tag, value in rest[1:] if tag == EXTENSIONS), ())
        times = _time(kind, begins), _time(until, ends)
        return Certificate(_name(subject), _name(issuer), names, *times, subject == issuer)
    except ValueError:  # also what is raised for too few or too many parts
        return None


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a constructed value: tag byte and content."""
    at, count = 0, 0
    while at < len(data):
        if at + 2 > len(data) or count == MOST_PARTS or data[at] & 31 == 31:
            raise Malformed("cut short, or a tag that certificates have no use for")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            more = size & 0x7F
            if not 1 <= more <= 4 or at + more > len(data):
                raise Malformed("an indefinite or endless length")
            size = int.from_bytes(data[at : at + more], "big")
            at += more
        if size > len(data) - at:
            raise Malformed("longer than what holds it")
        yield tag, data[at : at + size]
        at += size
        count += 1


def _only(data: bytes, tag: int) -> bytes:
    found, content = next(parts(data), (0, b""))
    if found != tag:
        raise Malformed(f"tag {found:#x} in place of {tag:#x}")
    return content


def _name(data: bytes) -> str:
    """A Name (RFC 5280 section 4.1.2.4): sets of attributes; those without a short name are left out."""
    told = []
    for _, attributes in parts(data):
        for _, attribute in parts(attributes):
            (_, key), (tag, value), *_ = parts(attribute)
            if key in NAMES:
                told.append(f"{NAMES[key]}={value.decode(WIDE.get(tag, 'latin-1'), 'replace')[:MOST_TEXT]}")
    return ", ".join(told)


def _time(tag: int, data: bytes) -> int:
    """RFC 5280 section 4.1.2.5: two digits of a year from 50 on are of the 20th century."""
    text = data.decode("latin-1")
    if tag == UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != GENERALIZED_TIME:
        raise Malformed("not a time")
    if not TIME.fullmatch(text):
        raise Malformed("a time in another form than the one that is allowed")
    from datetime import UTC, datetime

    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    return int(datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC).timestamp())


def _alternatives(data: bytes) -> tuple[str, ...]:
    """Of the extensions, the DNS names and addresses of subjectAltName."""
    found: list[str] = []
    for _, extension in parts(_only(data, SEQUENCE)):
        (_, key), *_, (tag, value) = parts(extension)
        if key == SUBJECT_ALTERNATIVE and tag == OCTETS:
            for kind, name in parts(_only(value, SEQUENCE)):
                if kind == DNS_NAME:
                    found.append(name.decode("latin-1")[:MOST_TEXT])
                elif kind == IP_ADDRESS and len(name) in (4, 16):
                    from portlore.listeners.addresses import text4, text6

                    found.append(text4(name) if len(name) == 4 else text6(name))
    return tuple(found[:MOST_NAMES])
