"""NetInfo and its binder: a ping, then what everybody may read: STATISTICS (SPEC 3.2) and LISTREG (SPEC 2.5). Pure."""

from __future__ import annotations

from collections.abc import Generator

from portlore.errors import NetInfoError
from portlore.netinfo.binder import LISTREG, decode_registrations
from portlore.netinfo.coding import decode_properties
from portlore.observed import Identification
from portlore.oncrpc import message
from portlore.oncrpc.xdr import XdrError
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, split_version, text
from portlore.probes.rpc_line import Line
from portlore.probes.rpc_programs import NETINFO, NIBIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.observed import Evidence
    from portlore.oncrpc.message import Reply

NAME, BINDER = "netinfo", "nibind"
PING, STATISTICS = 0, 1
VERSION = {NETINFO: 2, NIBIND: 1}
SHOWN = ("tag", "hostname", "ip_address", "binding", "domain_servers")  # of the statistics
MOST_VALUES = 4
MOST_DOMAINS = 16
ADVICE = "It gives everybody what it holds, of old password hashes too: let only its own machines reach it."


def _statistics(results: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Product, version and facts of a server's account of itself."""
    try:
        found = {
            text(one.name): [text(value) for value in one.values[:MOST_VALUES]] for one in decode_properties(results)
        }
    except XdrError:
        return "", "", []
    product, version = split_version(" ".join(found.get("server_version", [])))
    return product, version, [(name, ", ".join(found.get(name, []))) for name in SHOWN]


def _registrations(results: bytes) -> list[tuple[str, str]]:
    """The domains that a binder knows, with their ports."""
    try:
        many = decode_registrations(results)
    except (XdrError, NetInfoError):
        return []
    return [("domain", f"{text(one.tag)} on {one.tcp_port}/tcp and {one.udp_port}/udp") for one in many[:MOST_DOMAINS]]


def ask(line: Line, program: int, proof: tuple[Evidence, ...]) -> Generator[bytes, bytes, Identification]:
    """What a server or binder tells of itself, known to be one by ``proof``; that much when it tells nothing."""
    procedure = STATISTICS if program == NETINFO else LISTREG
    reply: Reply | None = yield from line.call(program, VERSION[program], procedure)
    if reply is None or reply.accepted != message.SUCCESS:
        return Identification(NAME if program == NETINFO else BINDER, evidence=proof)
    if program == NIBIND:
        return Identification(BINDER, facts=bounded(_registrations(reply.results)), evidence=proof)
    product, version, facts = _statistics(reply.results)
    return Identification(NAME, product, version, facts=bounded(facts), evidence=proof)


def talk(asked: Asked) -> Dialogue:
    """Ping a server, and have its statistics."""
    line = Line(asked.transport)
    reply = yield from line.call(NETINFO, VERSION[NETINFO], PING)
    if reply is None or reply.accepted not in (message.SUCCESS, message.PROG_MISMATCH):
        return None
    return (yield from ask(line, NETINFO, evidence(f"netinfo-{asked.transport}", line.sent, line.heard)))


PROTOCOLS = (
    Protocol(NAME, "NetInfo", ("netinfo-local",), (),
             ("NetInfo", "NetInfo (older Mac OS X)", "NetInfo shared domains (older Mac OS X)",
              "NetInfo with a port set by hand", "NetInfo local domain"), ADVICE, "oncrpc"),
    Protocol(BINDER, "NetInfo binder (nibind)", (), (), (), ADVICE, "oncrpc"),
)  # fmt: skip
PROBES = (
    Probe("netinfo-tcp", NAME, "tcp", talk, in_tls=False, everywhere=False, rank=43),
    Probe("netinfo-udp", NAME, "udp", talk, everywhere=False, rank=26),
)
RECOGNISERS: tuple[Recogniser, ...] = ()  # rpc.py's, which know the program's number
