"""IPP (RFC 8010, RFC 8011): Get-Printer-Attributes over HTTP, which reads and prints nothing. Pure.

There is no recogniser: what passes by is HTTP, and is told as that.
"""

from __future__ import annotations

from struct import Struct

from portlore.observed import Identification
from portlore.probes import http
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, split_version, text, uri_host

NAME = "ipp"
HEAD = Struct(">BBHI")  # version, operation or status, request id
GET_PRINTER_ATTRIBUTES = 0x000B
REQUEST_ID = 0x504C
OPERATION, END = 0x01, 0x03  # delimiter tags, which are below 0x10
CHARSET, LANGUAGE, URI, KEYWORD = 0x47, 0x48, 0x45, 0x44
PATH = "/ipp/print"  # of printers (RFC 8011 section 4.4.1); CUPS answers on any
WANTED = (
    "printer-make-and-model",
    "printer-name",
    "printer-state",
    "printer-firmware-string-version",
    "ipp-versions-supported",
)
SHOWN = {"printer-name": "printer", "printer-make-and-model": "model", "ipp-versions-supported": "version",
         "printer-firmware-string-version": "firmware"}  # fmt: skip
STATUS = {0: "ok", 0x0401: "forbidden", 0x0403: "forbidden", 0x0406: "no such printer", 0x0503: "version not supported"}
CUPS = "CUPS/"
MEDIA = "application/ipp"


def attribute(tag: int, name: str, *values: str) -> bytes:
    """An attribute with its values (RFC 8010 section 3.1.4 and 3.1.5)."""
    parts, called = [], name.encode()
    for value in values:
        data = value.encode()
        parts.append(bytes((tag,)) + len(called).to_bytes(2, "big") + called + len(data).to_bytes(2, "big") + data)
        called = b""  # a further value has no name (RFC 8010 section 3.1.5)
    return b"".join(parts)


def operation(uri: str) -> bytes:
    """The body of the request."""
    return b"".join((
        HEAD.pack(1, 1, GET_PRINTER_ATTRIBUTES, REQUEST_ID),
        bytes((OPERATION,)),
        attribute(CHARSET, "attributes-charset", "utf-8"),
        attribute(LANGUAGE, "attributes-natural-language", "en"),
        attribute(URI, "printer-uri", uri),
        attribute(KEYWORD, "requested-attributes", *WANTED),
        bytes((END,)),
    ))  # fmt: skip


def decode_attributes(data: bytes) -> tuple[int, dict[str, list[bytes]]] | None:
    """The status and the attributes of a response to our request; ``None`` for anything else."""
    if len(data) < HEAD.size + 1:
        return None
    major, _, status, number = HEAD.unpack_from(data)
    if not 1 <= major <= 2 or number != REQUEST_ID:
        return None
    found: dict[str, list[bytes]] = {}
    at, name = HEAD.size, ""
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == END:
            return status, found
        if tag < 0x10:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        called = data[at + 2 : at + 2 + size]
        at += 2 + size
        length = int.from_bytes(data[at : at + 2], "big")
        if at + 2 + length > len(data):
            return None
        name = text(called) or name
        found.setdefault(name, []).append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return None


def _told(response: http.Response, sent: bytes, heard: bytes) -> Identification | None:
    if not response.header("content-type").startswith(MEDIA):
        return None
    decoded = decode_attributes(response.body)
    if decoded is None:
        return None
    status, attributes = decoded
    product, version = "", ""
    server = response.header("server")
    if server.startswith(CUPS):
        product, version = split_version(server)
    elif "printer-make-and-model" in attributes:
        product = text(attributes["printer-make-and-model"][0])
        version = text((attributes.get("printer-firmware-string-version") or [b""])[0])
    facts = [("status", STATUS.get(status, f"0x{status:04x}")), ("server", server)]
    facts += [(title, text(b", ".join(attributes.get(name, [])[:6]))) for name, title in SHOWN.items()]
    return Identification(NAME, product, version, facts=bounded(facts), evidence=evidence("ipp", sent, heard))


def talk(asked: Asked) -> Dialogue:
    """Ask for a printer's attributes."""
    scheme = "ipps" if asked.tls else "ipp"
    body = operation(f"{scheme}://{uri_host(asked.host)}:{asked.port}{PATH}")
    given = (("Content-Type", MEDIA), ("Content-Length", str(len(body))))
    head = http.request(PATH, asked.host, asked.port, tls=asked.tls, method="POST", headers=given)
    response, heard = yield from http.fetch(head + body)
    return None if response is None else _told(response, head + body, heard)


PROTOCOLS = (
    Protocol(NAME, "IPP", ("ipp", "ipps"), ("ipps",), ("CUPS", "ipp-usb"),
             "Who reaches a printer may print, and old ones give more away: keep it in your own network.", "http"),
)  # fmt: skip
PROBES = (Probe("ipp", NAME, "tcp", talk, ports=(60000,), everywhere=False, rank=0),)
RECOGNISERS: tuple[Recogniser, ...] = ()
