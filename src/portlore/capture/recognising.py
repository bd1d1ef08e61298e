"""Which protocol a conversation speaks, by what each side said, whatever the port; and whether it belongs there. Pure.

What no side's bytes show is not made up: FortiGate HA is known by its EtherTypes and ports alone, and is marked so.
"""

from __future__ import annotations

import re
from collections import Counter

from portlore.capture.conversations import outcome_of
from portlore.judging import ANY_REASON, RESERVED_REASONS, Judge, judge_spoken
from portlore.model import USER_FIRST, Status
from portlore.observed import MOST_EVIDENCE, Confidence, Evidence, Identification, Observation, Outcome, Target
from portlore.probes import PROTOCOLS, RECOGNISERS, fgcp
from portlore.scan.holding import exposure_of, spoken_of
from portlore.seen import Exposure, Family, JudgementWord, Socket
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.book import Book
    from portlore.capture.conversations import Conversation
    from portlore.probes import Recogniser
    from portlore.seen import Judgement, Said

FGCP_ETHERTYPES = tuple(kind for kind in fgcp.ETHERTYPES if kind != 0x8892)  # which is PROFINET's (IEEE's register)
BY_ETHERTYPE, BY_NUMBER = "its EtherType alone", "its port number alone"
SURENESS = (Confidence.GUESS, Confidence.LIKELY, Confidence.CERTAIN)
DNS, MDNS, MDNS_PORT = "domain", "mdns", 5353  # one form of message: the port tells them apart (RFC 6762 section 3)
FIXED_PAIRS = ((68, 67), (67, 68), (546, 547), (547, 546))  # DHCP's clients have a port of their own
RPC_NAMES = {"nibind": "netinfobind", "sunrpc": "sunrpc"}
ALPN = {  # https://www.iana.org/assignments/tls-extensiontype-values: what each name means, as a key of PROTOCOLS
    "http/1.0": "http", "http/1.1": "http", "h2": "http", "imap": "imap", "pop3": "pop3", "ftp": "ftp", "mqtt": "mqtt",
    "dot": "domain", "irc": "irc", "xmpp-client": "xmpp-client", "postgresql": "postgresql", "smb": "microsoft-ds",
}  # fmt: skip
MOST_FACTS = 40
BOTH = (  # what neither side shows alone: protocol, how the client begins, how the server answers (doc/protocol.txt)
    ("memcache", re.compile(rb"(?:gets?|gats? -?\d+|delete|touch|incr|decr) [!-~]{1,250}[^\r\n]*\r\n"),
     re.compile(rb"(?:VALUE [!-~]{1,250} \d+ \d+(?: \d+)?|END|NOT_FOUND|DELETED|TOUCHED|\d{1,20})\r\n")),
)  # fmt: skip
_by_transport = {on: [one for one in RECOGNISERS if one.transport == on] for on in ("tcp", "udp")}


class Known(Value):
    """A conversation and what is known of it.

    ``said`` and ``judgement`` are of the server's port, where it answered or was recognised. ``reserved``: why its
    client has a reserved source port; empty where it has none.
    """

    conversation: Conversation
    outcome: Outcome
    reason: str
    identification: Identification | None
    said: Said | None
    judgement: Judgement | None
    reserved: str


def recognise(found: Conversation) -> tuple[Conversation, Identification | None]:
    """What a conversation speaks. What was said may show that client and server are the other way round."""
    if found.transport == "ethernet":
        facts = (("known by", BY_ETHERTYPE), ("ethertype", f"0x{found.ethertype:04x}"),
                 ("carries", fgcp.ETHERTYPES.get(found.ethertype, "")))  # fmt: skip
        return found, Identification(fgcp.NAME, confidence=Confidence.GUESS, facts=facts, evidence=_evidence(found))
    told = _heard(found)
    if found.told_by != "syn" and (told[0] is None or told[1] is None):
        turned = found.turned("content")
        other = _heard(turned)
        if _sureness(other) > _sureness(told):
            found, told = turned, other
    best = _merged(*told) or _by_both(found)
    if best is None:
        return found, _by_number(found)
    best = best.replace(evidence=_evidence(found))
    if not found.whole and best.confidence is Confidence.CERTAIN:
        best = best.replace(confidence=Confidence.LIKELY)
    if best.protocol == DNS and MDNS_PORT in found.ports:
        best = best.replace(protocol=MDNS)
    return found, _within(best)


def _heard(found: Conversation) -> tuple[Identification | None, Identification | None]:
    """By the client's bytes, by the server's."""
    many = _by_transport.get(found.transport, [])
    return _side(many, found.said[0], server=False), _side(many, found.said[1], server=True)


def _side(many: Sequence[Recogniser], pieces: tuple[bytes, ...], *, server: bool) -> Identification | None:
    if not pieces:
        return None
    for one in many:
        ask = one.server if server else one.client
        if ask is None:
            continue
        if one.transport == "udp":
            for piece in pieces:
                if (found := ask(piece)) is not None:
                    return found
        elif (found := ask(b"".join(pieces))) is not None or (len(pieces) > 1 and (found := ask(pieces[0]))):
            return found
    return None


def _sureness(told: Iterable[Identification | None]) -> int:
    return sum(1 + SURENESS.index(one.confidence) for one in told if one is not None)


def _merged(client: Identification | None, server: Identification | None) -> Identification | None:
    """One identification of what both sides said; where they disagree, the surer one, else the server's."""
    if client is None or server is None:
        return client or server
    generic = server.protocol == "oncrpc"  # a reply does not name its program
    if client.protocol != server.protocol and not generic:
        return client if _sureness((client,)) > _sureness((server,)) else server
    facts = dict.fromkeys((*server.facts, *client.facts))
    surer = max(client.confidence, server.confidence, key=SURENESS.index)
    return server.replace(
        protocol=client.protocol if generic else server.protocol,
        product=server.product or client.product,
        version=server.version or client.version,
        confidence=surer,
        facts=tuple(facts)[:MOST_FACTS],
    )


def _within(found: Identification) -> Identification:
    """With what TLS carries, where all that was offered (ALPN, RFC 7301) means the same."""
    if found.protocol != "tls" or found.inside is not None:
        return found
    offered = {ALPN.get(name, "") for fact, value in found.facts if fact == "alpn" for name in value.split()}
    if len(offered) != 1 or not (name := offered.pop()) or name not in PROTOCOLS:
        return found
    return found.replace(inside=Identification(name, confidence=Confidence.LIKELY, facts=(("known by", "ALPN"),)))


def _by_both(found: Conversation) -> Identification | None:
    asked, answered = (b"".join(pieces) for pieces in found.said)
    for name, client, server in BOTH if found.transport == "tcp" else ():
        if client.match(asked) and server.match(answered):
            return Identification(name, confidence=Confidence.LIKELY)
    return None


def _by_number(found: Conversation) -> Identification | None:
    if found.ports[1] not in fgcp.PORTS.get(found.transport, ()) or not any(found.said):
        return None
    facts = (("known by", BY_NUMBER),)
    return Identification(fgcp.NAME, confidence=Confidence.GUESS, facts=facts, evidence=_evidence(found))


def _evidence(found: Conversation) -> tuple[Evidence, ...]:
    client, server = (b"".join(pieces)[:MOST_EVIDENCE] for pieces in found.said)
    return (Evidence("capture", client, server),)


def is_by_number(found: Identification | None) -> bool:
    """Whether nothing but the number tells what it is."""
    return found is not None and ("known by", BY_NUMBER) in found.facts


class Recognition:
    """Makes conversations known, held against a book."""

    def __init__(self, book: Book) -> None:
        self._book, self._judge = book, Judge(book)
        self._registered: dict[tuple[str, int], bool] = {}
        self._judged: dict[tuple[object, ...], tuple[Said, Judgement]] = {}

    def registered(self, transport: str, port: int) -> bool:
        """Whether somebody registered the port."""
        key = transport, port
        if key not in self._registered:
            self._registered[key] = self._judge.said(transport, port).status is Status.ASSIGNED
        return self._registered[key]

    def know(self, one: Conversation) -> Known:
        """A conversation, recognised and judged."""
        found, told = recognise(one)
        outcome, reason = outcome_of(found)
        if found.transport == "ethernet":
            return Known(found, Outcome.OPEN, "frames", told, None, None, "")
        said = judgement = None
        if outcome == Outcome.OPEN or told is not None:
            said, judgement = self.judged(found.transport, found.ports[1], told)
        return Known(found, Outcome(outcome), reason, told, said, judgement, self._reserved(found, told))

    def judged(self, transport: str, port: int, told: Identification | None) -> tuple[Said, Judgement]:
        """What is said of a port, and whether what speaks there fits it; a name by the number alone proves nothing."""
        spoken = spoken_of(None if is_by_number(told) else told, PROTOCOLS)
        key = transport, port, spoken
        if key not in self._judged:
            self._judged[key] = judge_spoken(self._book, transport, port, spoken, asked=True)
        return self._judged[key]

    def _reserved(self, found: Conversation, told: Identification | None) -> str:
        """Why a client has a reserved port (RFC 6335 section 6: below 1024)."""
        mine, far = found.ports
        if not 0 < mine < USER_FIRST or mine == far or found.ports in FIXED_PAIRS:
            return ""
        client, server = found.addresses
        where = f"[{server}]:{far}" if ":" in server else f"{server}:{far}"
        program = next((value for name, value in told.facts if name == "program"), "") if told is not None else ""
        if program:
            name = program.partition(" ")[0]
            names = (RPC_NAMES.get(name, name),)
            why = next((why for known, why in RESERVED_REASONS if names[0] in known), ANY_REASON)
            return f"it calls the RPC program {program} at {where} from a reserved port, {why}"
        socket = Socket(found.transport, Family.IPV6 if ":" in client else Family.IPV4, client, mine,
                        Exposure.PRIVATE, "", "", server, far, None, 0, 0)  # fmt: skip
        return self._judge.client(socket)[1]

    def observations(self, many: Iterable[Known]) -> list[Observation]:
        """A value for each port of each server: all its conversations together."""
        ports: dict[tuple[str, int, str], list[Known]] = {}
        for one in many:
            found = one.conversation
            if found.transport != "ethernet":
                ports.setdefault((found.addresses[1], found.ports[1], found.transport), []).append(one)
        return [self._observation(Target(*key), ones) for key, ones in ports.items()]

    def _observation(self, target: Target, ones: Sequence[Known]) -> Observation:
        first = next((one for one in ones if one.outcome is Outcome.OPEN), None)
        first = first or next((one for one in ones if one.outcome is Outcome.REFUSED), ones[0])
        told = _commonest(ones)
        said = judgement = None
        if first.outcome is Outcome.OPEN or told is not None:
            said, judgement = self.judged(target.transport, target.port, told)
        begun, answered = first.conversation.first
        handshake = first.reason == "syn-ack" and begun is not None and answered is not None
        took = answered - begun if handshake and answered >= begun else None  # type: ignore[operator]
        at = min(time for one in ones for time in one.conversation.first if time is not None)
        reach = exposure_of(target.address)
        return Observation(target, first.outcome, first.reason, took, at, told, reach, said, judgement)


def _commonest(ones: Sequence[Known]) -> Identification | None:
    """What most of a port's conversations speak, with what any of them told; others are named as a fact."""
    counts = Counter(one.identification.protocol for one in ones if one.identification is not None)
    if not counts:
        return None
    (name, _), *others = counts.most_common()
    mine = [one.identification for one in ones if one.identification and one.identification.protocol == name]
    best = max(mine, key=lambda one: (SURENESS.index(one.confidence), bool(one.product), len(one.facts)))
    return best.replace(facts=(*best.facts, *(("also", other) for other, _ in others[:4])))


def unexpected(one: Observation) -> bool:
    """Whether somebody should look: squatting, refuted, or unregistered and beyond loopback."""
    if one.judgement is None:
        return False
    if one.judgement.word is JudgementWord.UNREGISTERED:
        return one.exposure is not Exposure.LOOPBACK
    return one.judgement.word in (JudgementWord.SQUATTING, JudgementWord.REFUTED)
