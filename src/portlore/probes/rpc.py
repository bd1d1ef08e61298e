"""ONC RPC (RFC 5531): the port mapper's list, and which program answers where there is none. Pure.

The first call is the port mapper's DUMP (RFC 1833 section 3.2). Any other RPC server says that it does not have that
program, which shows that it speaks RPC; it is then asked for the likelier programs by the null procedure, which does
nothing.
"""

from __future__ import annotations

from portlore.observed import Confidence, Identification
from portlore.oncrpc import message, portmap
from portlore.oncrpc.records import LAST
from portlore.oncrpc.xdr import Reader, XdrError
from portlore.probes import netinfo
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence
from portlore.probes.rpc_line import Line
from portlore.probes.rpc_programs import NETINFO, NIBIND, PORT_MAPPER, TRIED, program_name, protocol_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.oncrpc.message import Reply

NAME, MAPPER = "oncrpc", "sunrpc"
NO_VERSION = 0xFFFF_FFFF  # which no program has: it answers with those that it has
NULL = 0
FLAVORS = (0, 1, 2, 3, 6, 7, 390_003, 390_004, 390_005)  # auth_flavor: RFC 5531 section 8.1 and RFC 2623 section 2.1
HIGHEST_VERSION, HIGHEST_PROCEDURE = 255, 255  # of programs that are met
TRANSPORTS = {portmap.TCP: "tcp", portmap.UDP: "udp"}
WORDS = {message.PROG_UNAVAIL: "program unavailable", message.PROG_MISMATCH: "program mismatch",
         message.PROC_UNAVAIL: "procedure unavailable", message.GARBAGE_ARGS: "garbage arguments",
         message.SYSTEM_ERR: "system error"}  # fmt: skip


def mapped(results: bytes) -> list[portmap.Mapping]:
    """A port mapper's list; what cannot be read is left out."""
    reader = Reader(results)
    found: list[portmap.Mapping] = []
    try:
        while reader.boolean() and len(found) < portmap.MOST_MAPPINGS:
            found.append(portmap.read_mapping(reader))
    except XdrError:
        pass
    return found


def mapping_facts(many: list[portmap.Mapping]) -> list[tuple[str, str]]:
    """A row a program, transport and port, with its versions: ("nfs", "3, 4 on 2049/tcp")."""
    rows: dict[tuple[int, int, int], list[int]] = {}
    for one in many:
        rows.setdefault((one.program, one.port, one.protocol), []).append(one.version)
    facts = []
    for (program, port, protocol), versions in rows.items():
        on = TRANSPORTS.get(protocol, str(protocol))
        listed = ", ".join(map(str, sorted(set(versions))[:8]))
        facts.append((program_name(program), f"{listed} on {port}/{on}"))
    return facts


def _is_there(reply: Reply) -> bool:
    return reply.accepted in (message.SUCCESS, message.PROG_MISMATCH, message.PROC_UNAVAIL)


def _versions(reply: Reply) -> str:
    if reply.accepted != message.PROG_MISMATCH:
        return ""
    return str(reply.low) if reply.low == reply.high else f"{reply.low}-{reply.high}"


def _about(reply: Reply, line: Line, probe: str) -> Identification:
    """What the answer to DUMP tells alone."""
    proof = evidence(probe, line.sent, line.heard)
    if _is_there(reply):
        return Identification(MAPPER, facts=bounded(mapping_facts(mapped(reply.results))), evidence=proof)
    told = "wants to know who calls" if reply.accepted is None else "another program than the port mapper"
    return Identification(NAME, facts=(("answer", told),), evidence=proof)


def talk_mapper(asked: Asked) -> Dialogue:
    """Ask for the port mapper's list, and for nothing more."""
    line = Line(asked.transport)
    reply = yield from line.call(PORT_MAPPER, portmap.VERSION, portmap.DUMP)
    return None if reply is None else _about(reply, line, f"portmap-{asked.transport}")


def talk(asked: Asked) -> Dialogue:
    """Ask for the port mapper's list, else which program it is."""
    line = Line(asked.transport)
    probe = f"oncrpc-{asked.transport}"
    reply = yield from line.call(PORT_MAPPER, portmap.VERSION, portmap.DUMP)
    if reply is None:
        return None
    first = _about(reply, line, probe)
    if reply.accepted != message.PROG_UNAVAIL:
        return first
    for number in TRIED:
        reply = yield from line.call(number, NO_VERSION, NULL)
        if reply is None:
            break
        if _is_there(reply):
            facts = [("program", f"{program_name(number)} ({number})"), ("versions", _versions(reply))]
            proof = evidence(probe, line.sent, line.heard)
            if number in (NETINFO, NIBIND):
                return (yield from netinfo.ask(line, number, proof))
            return Identification(protocol_of(number), facts=bounded(facts), evidence=proof)
    return first


def _record(data: bytes) -> bytes | None:
    """The first record of a stream, as much of it as is here; ``None`` for what is none."""
    if len(data) < 4:
        return None
    mark = int.from_bytes(data[:4], "big")
    size = mark & ~LAST
    if not 24 <= size <= 1 << 24 or (mark < LAST and size < 512):  # a part that is not the last is a long one
        return None
    return data[4 : 4 + size]


def _recognise_call(record: bytes) -> Identification | None:
    call = message.decode_call(record)
    if call is None or not 0 < call.program < 0x8000_0000:
        return None
    if call.credential.flavor not in FLAVORS or call.verifier.flavor not in FLAVORS:
        return None
    if call.procedure > HIGHEST_PROCEDURE or (call.version > HIGHEST_VERSION and call.procedure != NULL):
        return None
    facts = [("program", f"{program_name(call.program)} ({call.program})"), ("version", str(call.version)),
             ("procedure", str(call.procedure))]  # fmt: skip
    return Identification(protocol_of(call.program), facts=bounded(facts), evidence=evidence("", b"", record[:40]))


def _recognise_reply(record: bytes) -> Identification | None:
    """A reply, which does not name its program; so the protocol is ``oncrpc``."""
    try:
        reply = message.decode_reply(record)
    except XdrError:
        return None
    accepted = reply.accepted
    if accepted is None:
        why, detail = reply.rejected or (9, 0)
        mismatch = why == message.RPC_MISMATCH and reply.low <= reply.high < 10 and len(record) == 24
        refused = why == message.AUTH_ERROR and detail < 20 and len(record) == 20
        if not mismatch and not refused:
            return None
    elif record[12:16] not in (bytes(4), b"\0\0\0\x02", b"\0\0\0\x06") or accepted > message.SYSTEM_ERR:
        return None  # a verifier is empty, a short hand or of GSS
    facts = bounded([("answer", WORDS.get(accepted, "denied" if accepted is None else "success"))])  # type: ignore[arg-type]
    proof = evidence("", b"", record)
    return Identification(NAME, confidence=Confidence.LIKELY, facts=facts, evidence=proof)


def recognise_client(data: bytes) -> Identification | None:
    """A call in a datagram; the protocol is its program's."""
    return _recognise_call(data)


def recognise_server(data: bytes) -> Identification | None:
    """A reply in a datagram."""
    return _recognise_reply(data)


def recognise_client_tcp(data: bytes) -> Identification | None:
    """A call on a stream."""
    record = _record(data)
    return None if record is None else _recognise_call(record)


def recognise_server_tcp(data: bytes) -> Identification | None:
    """A reply on a stream."""
    record = _record(data)
    return None if record is None else _recognise_reply(record)


INSIDE = "RPC programs trust what a caller says of himself: let only your own networks reach them."
PROTOCOLS = (
    Protocol(MAPPER, "ONC RPC port mapper", ("sunrpc",), (), ("rpcbind",),
             "It names all RPC programs to anybody and is used to flood others: let only your networks ask.", NAME),
    Protocol("nfs", "NFS", ("nfs",), (), (), INSIDE, NAME),
    Protocol("mountd", "NFS mount", ("mountd",), (), (), INSIDE, NAME),
    Protocol(NAME, "ONC RPC", (), (), (), INSIDE),
)  # fmt: skip
PROBES = (
    Probe("portmap-tcp", MAPPER, "tcp", talk_mapper, in_tls=False, everywhere=False, rank=41),
    Probe("portmap-udp", MAPPER, "udp", talk_mapper, everywhere=False, rank=24),
    Probe("oncrpc-tcp", NAME, "tcp", talk, ports=(2049, 20048), in_tls=False, gentle=False, rank=42),
    Probe("oncrpc-udp", NAME, "udp", talk, ports=(2049, 20048), gentle=False, rank=25),
)
RECOGNISERS = (
    Recogniser(NAME, "udp", recognise_server, recognise_client),
    Recogniser(NAME, "tcp", recognise_server_tcp, recognise_client_tcp),
)
