"""SIP (RFC 3261) and RTSP (RFC 7826, RFC 2326): OPTIONS, which asks what may be asked. Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, headers, hear, split_version, text, uri_host

SIP, RTSP = "sip", "rtsp"
STATUS = re.compile(rb"(SIP/2\.0|RTSP/[12]\.0) ([1-6]\d\d) ([^\r\n]{0,200})\r\n")
SIP_REQUEST = re.compile(rb"([A-Z]{3,12}) (?:sips?|tel):[^\s]{1,1000} SIP/2\.0\r\n")
RTSP_REQUEST = re.compile(rb"([A-Z_]{4,14}) (?:rtspu?://[^\s]{1,1000}|\*) RTSP/[12]\.0\r\n")
AGENT = "portlore"
BRANCH = "z9hG4bK-portlore"  # RFC 3261 section 8.1.1.7: begins with the magic cookie


def sip_options(asked: Asked) -> bytes:
    """The request. ``rport`` (RFC 3581) has a UDP answer come back to where it came from."""
    over = "TLS" if asked.tls else asked.transport.upper()
    host = uri_host(asked.host)
    lines = (
        f"OPTIONS sip:{host} SIP/2.0",
        f"Via: SIP/2.0/{over} {AGENT}.invalid;branch={BRANCH};rport",
        "Max-Forwards: 0",  # nobody passes it on (section 16.3); RFC 3261 section 11 has it answered here
        f"From: <sip:{AGENT}@{AGENT}.invalid>;tag={AGENT}",
        f"To: <sip:{host}>",
        f"Call-ID: {AGENT}@{AGENT}.invalid",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:{AGENT}@{AGENT}.invalid>",
        f"User-Agent: {AGENT}",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def rtsp_options(asked: Asked) -> bytes:
    """The request, of the server itself."""
    return f"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {AGENT}\r\n\r\n".encode()


def is_whole(data: bytes) -> bool:
    """Whether the head has come."""
    return b"\r\n\r\n" in data


def _told(protocol: str, data: bytes, probe: str, sent: bytes) -> Identification | None:
    status = STATUS.match(data)
    if status is None or not status[1].startswith(protocol.upper().encode()):
        return None
    fields = headers(data) or {}
    software = fields.get("server", "") or fields.get("user-agent", "")
    product, version = split_version(software)
    facts = [
        ("status", text(status[2] + b" " + status[3])),
        ("software", software if software not in (product, f"{product}/{version}") else ""),
        ("methods", fields.get("public", "") or fields.get("allow", "")),
        ("realm", fields.get("www-authenticate", "")),
    ]
    return Identification(protocol, product, version, facts=bounded(facts), evidence=evidence(probe, sent, data))


def talk_sip(asked: Asked) -> Dialogue:
    """Ask a SIP server what it takes."""
    request = sip_options(asked)
    data = yield from hear(request, is_whole)
    return _told(SIP, data, f"sip-{asked.transport}", request)


def talk_rtsp(asked: Asked) -> Dialogue:
    """Ask an RTSP server what it takes."""
    request = rtsp_options(asked)
    data = yield from hear(request, is_whole)
    return _told(RTSP, data, "rtsp", request)


def _requested(protocol: str, pattern: re.Pattern[bytes], data: bytes) -> Identification | None:
    found = pattern.match(data)
    if found is None:
        return None
    software = (headers(data) or {}).get("user-agent", "")
    facts = bounded([("method", text(found[1])), ("client", software)])
    return Identification(protocol, facts=facts, evidence=evidence("", b"", data))


def recognise_sip(data: bytes) -> Identification | None:
    """A response or a request: in SIP either side may begin."""
    return _told(SIP, data, "", b"") or _requested(SIP, SIP_REQUEST, data)


def recognise_rtsp_server(data: bytes) -> Identification | None:
    """A response."""
    return _told(RTSP, data, "", b"")


def recognise_rtsp_client(data: bytes) -> Identification | None:
    """A request."""
    return _requested(RTSP, RTSP_REQUEST, data)


PROTOCOLS = (
    Protocol(SIP, "SIP", ("sip", "sips"), ("sips",), (),
             "Telephone systems are tried for free calls all day: let only your own provider and phones reach it."),
    Protocol(RTSP, "RTSP", ("rtsp", "rtsps", "rtsp-alt"), ("rtsps",), (),
             "Cameras show their pictures here, often to anybody: keep it in your own network."),
)  # fmt: skip
PROBES = (
    Probe("sip-udp", SIP, "udp", talk_sip, rank=40),
    Probe("sip-tcp", SIP, "tcp", talk_sip, rank=60),
    Probe("rtsp", RTSP, "tcp", talk_rtsp, ports=(8554,), rank=61),
)
RECOGNISERS = (
    Recogniser(SIP, "udp", recognise_sip, recognise_sip),
    Recogniser(SIP, "tcp", recognise_sip, recognise_sip),
    Recogniser(RTSP, "tcp", recognise_rtsp_server, recognise_rtsp_client),
)
