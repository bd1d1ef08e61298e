"""RDP: the connection request of X.224 with its negotiation ([MS-RDPBCGR] sections 2.2.1.1 and 2.2.1.2). Pure."""

from __future__ import annotations

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear

NAME = "ms-wbt-server"
TPKT = b"\x03\0"  # RFC 1006 section 6: version 3
REQUEST_CODE, CONFIRM_CODE = 0xE0, 0xD0  # X.224 section 13.3 and 13.4
NEG_REQUEST, NEG_RESPONSE, NEG_FAILURE = 1, 2, 3
TLS, NLA, NLA_EX = 1, 2, 8
COOKIE = b"Cookie: mstshash="
SECURITY = {0: "RDP's own", TLS: "TLS", NLA: "TLS with NLA", 4: "RDSTLS", NLA_EX: "TLS with NLA"}
FAILURES = {1: "TLS required", 2: "TLS not allowed", 3: "no certificate", 4: "flags", 5: "NLA required",
            6: "TLS with user authentication required"}  # fmt: skip


def _framed(body: bytes) -> bytes:
    return TPKT + (4 + len(body)).to_bytes(2, "big") + body


def _negotiation(kind: int, value: int) -> bytes:
    return bytes((kind, 0, 8, 0)) + value.to_bytes(4, "little")


REQUEST = _framed(bytes((14, REQUEST_CODE, 0, 0, 0, 0, 0)) + _negotiation(NEG_REQUEST, TLS | NLA | NLA_EX))


def is_whole(data: bytes) -> bool:
    """Whether the first packet has come, or it is no TPKT."""
    return len(data) >= 4 and (data[:2] != TPKT or len(data) >= int.from_bytes(data[2:4], "big"))


def _body(data: bytes, code: int) -> bytes | None:
    """What follows the head of seven bytes in a first packet that is a connection request or confirm, no more."""
    if len(data) < 11 or data[:2] != TPKT:
        return None
    size = int.from_bytes(data[2:4], "big")
    if not 11 <= size <= len(data) or data[4] != size - 5 or data[5] != code or data[10] != 0:
        return None
    return data[11:size]


def _told(data: bytes, probe: str, sent: bytes) -> Identification | None:
    body = _body(data, CONFIRM_CODE)
    if body is None:
        return None
    proof = evidence(probe, sent, data)
    if not body:  # X.224's confirm alone: RDP before version 5.2, or another protocol over ISO transport
        return Identification(NAME, confidence=Confidence.GUESS, evidence=proof)
    if len(body) != 8 or body[0] not in (NEG_RESPONSE, NEG_FAILURE) or body[2:4] != b"\x08\0":
        return None
    value = int.from_bytes(body[4:], "little")
    if body[0] == NEG_RESPONSE:
        facts = [("security", SECURITY.get(value, f"0x{value:x}"))]
    else:
        facts = [("refused", FAILURES.get(value, str(value)))]
    return Identification(NAME, facts=bounded(facts), evidence=proof)


def talk(asked: Asked) -> Dialogue:
    """Ask how the session would be secured."""
    data = yield from hear(REQUEST, is_whole)
    return _told(data, "rdp", REQUEST)


def recognise_server(data: bytes) -> Identification | None:
    """A confirm with a negotiation; without one, other protocols over ISO transport say the same."""
    found = _told(data, "", b"")
    return found if found is not None and found.facts else None


def recognise_client(data: bytes) -> Identification | None:
    """A request with a negotiation or RDP's cookie. The user's name in the cookie is not kept."""
    body = _body(data, REQUEST_CODE)
    if body is None:
        return None
    negotiated = body[-8:]
    asks = len(negotiated) == 8 and negotiated[0] == NEG_REQUEST and negotiated[2:4] == b"\x08\0"
    if not (body.startswith(COOKIE) or (len(body) == 8 and asks)):
        return None
    return Identification(NAME, evidence=evidence("", b"", data[:11]))


PROTOCOLS = (
    Protocol(NAME, "Remote Desktop (RDP)", ("ms-wbt-server",), (), ("Windows Remote Desktop", "xrdp"),
             "Log-ins are guessed here all day long: put it behind a VPN or a gateway."),
)  # fmt: skip
PROBES = (Probe("rdp", NAME, "tcp", talk, in_tls=False, rank=55),)
RECOGNISERS = (Recogniser(NAME, "tcp", recognise_server, recognise_client),)
