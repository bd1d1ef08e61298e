"""XMPP (RFC 6120): a stream is opened, and what the server opens in answer is read. Pure."""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, text, uri_host

CLIENT, SERVER = "xmpp-client", "xmpp-server"
SERVER_PORT = 5269
OPENING = re.compile(rb"(?:<\?xml[^>]{0,200}\?>\s*)?<stream:stream\b[^>]{0,2000}>")
NAMESPACE = b"http://etherx.jabber.org/streams"
AMONG = {b"jabber:client": CLIENT, b"jabber:server": SERVER}
MECHANISM = re.compile(rb"<mechanism[^>]{0,100}>([\w.+-]{1,40})</mechanism>")
CONDITION = re.compile(rb"<stream:error[^>]{0,200}>.{0,200}?<([a-z-]{3,40})[ />]", re.DOTALL)
FROM = re.compile(rb"""\bfrom=['"]([^'"]{1,255})['"]""")


def opening(asked: Asked) -> bytes:
    """The beginning of a stream; between servers on their port."""
    host = uri_host(asked.host)
    among = "jabber:server" if asked.port == SERVER_PORT else "jabber:client"
    more = " xmlns:db='jabber:server:dialback'" if asked.port == SERVER_PORT else ""
    stream = f"xmlns='{among}'{more} xmlns:stream='{NAMESPACE.decode()}' version='1.0'"
    return f"<?xml version='1.0'?><stream:stream to='{host}' {stream}>".encode()


def is_whole(data: bytes) -> bool:
    """Whether features, an error or the end of the stream have come, or it is no XML."""
    return not data.lstrip().startswith(b"<") or any(
        end in data for end in (b"</stream:features>", b"<stream:features/>", b"</stream:error>", b"</stream:stream>")
    )


def _stream(data: bytes) -> tuple[bytes, str] | None:
    """The opening tag, and which of the two protocols it begins."""
    found = OPENING.match(data.lstrip())
    if found is None or NAMESPACE not in found[0]:
        return None
    protocol = next((name for among, name in AMONG.items() if among + b"'" in found[0] or among + b'"' in found[0]), "")
    return (found[0], protocol) if protocol else None


def _told(data: bytes, probe: str, sent: bytes) -> Identification | None:
    found = _stream(data)
    if found is None or b" id=" not in found[0]:  # a server's answer has an id (RFC 6120 section 4.7.3)
        return None
    tag, protocol = found
    host, error = FROM.search(tag), CONDITION.search(data)
    facts = [
        ("host", text(host[1]) if host else ""),
        ("StartTLS", "required" if b"<required" in data else "offered" if b"<starttls" in data else ""),
        *[("SASL", text(name)) for name in MECHANISM.findall(data)[:8]],
        ("error", text(error[1]) if error else ""),
    ]
    return Identification(protocol, facts=bounded(facts), evidence=evidence(probe, sent, data))


def talk(asked: Asked) -> Dialogue:
    """Open a stream and read the features."""
    sent = opening(asked)
    data = yield from hear(sent, is_whole)
    return _told(data, "xmpp", sent)


def recognise_server(data: bytes) -> Identification | None:
    """The stream that a server opens."""
    return _told(data, "", b"")


def recognise_client(data: bytes) -> Identification | None:
    """The stream that a client, or the asking server, opens: it has no id yet."""
    found = _stream(data)
    if found is None or b" id=" in found[0]:
        return None
    return Identification(found[1], evidence=evidence("", b"", data))


PROTOCOLS = (
    Protocol(CLIENT, "XMPP", ("xmpp-client",), ("xmpp-client",),
             ("XMPP clients (Prosody, ejabberd)", "XMPP clients with TLS from the start")),
    Protocol(SERVER, "XMPP between servers", ("xmpp-server",), ("xmpp-server",), ("XMPP between servers",)),
)  # fmt: skip
PROBES = (Probe("xmpp", CLIENT, "tcp", talk, ports=(SERVER_PORT,), rank=62),)
RECOGNISERS = (Recogniser(CLIENT, "tcp", recognise_server, recognise_client),)
