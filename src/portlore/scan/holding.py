"""Holds what was seen on a host against the book: exposure, judgement, advice, and a sentence about all of it. Pure."""

from __future__ import annotations

from portlore.judging import Spoken, judge_spoken
from portlore.listeners.addresses import parse4, parse6, reach4, reach6
from portlore.lore.store import ranges, transports
from portlore.observed import Outcome
from portlore.probes.wireguard import UNSEEN
from portlore.seen import Exposure, JudgementWord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portlore.book import Book
    from portlore.observed import Identification, Observation
    from portlore.probes import Protocol

MOST_NAMED = 3  # ports of a kind that a summary names


def exposure_of(address: str) -> Exposure:
    """From where an address can be reached, by itself; a zone does not matter."""
    plain = address.partition("%")[0]
    return reach6(parse6(plain)) if ":" in plain else reach4(parse4(plain))


def spoken_of(found: Identification | None, protocols: Mapping[str, Protocol]) -> Spoken | None:
    """What an identification means for the judgement; ``None`` where nothing was recognised.

    What is spoken over something that has ports of its own (etcd over HTTP) is at home on either's. Within TLS it is
    expected where the registry has it within TLS, if there is such a port.
    """
    if found is None or not found.protocol:
        return None
    inner = found.spoken
    protocol = protocols.get(inner.protocol)
    if protocol is None:  # TLS around what was not recognised
        return Spoken(protocols[found.protocol].title, (), opaque=True)
    services: tuple[str, ...] = ()
    titles, over = protocol.title, protocols.get(protocol.over)
    for one in (protocol, over) if over is not None else (protocol,):
        services += (one.tls_services or one.services) if inner is not found else one.services
    if inner is not found:
        titles = f"{titles} within {protocols[found.protocol].title}"
    return Spoken(titles, services, protocol.uses, opaque=protocol.name == "tls")


def hold(seen: Observation, book: Book, protocols: Mapping[str, Protocol] | None = None) -> Observation:
    """An observation with its exposure and, where the port is open, what is said of it and the judgement."""
    target = seen.target
    told = seen.replace(exposure=exposure_of(target.address))
    if seen.outcome is not Outcome.OPEN:
        return told
    spoken = spoken_of(seen.identification, protocols or {})
    asked = seen.identification is not None
    said, judgement = judge_spoken(book, target.transport, target.port, spoken, asked=asked)
    return told.replace(said=said, judgement=judgement)


def advice(seen: Observation, protocols: Mapping[str, Protocol]) -> str:
    """One sentence for what can be reached from beyond its machine and should perhaps not; empty otherwise."""
    found = seen.identification
    if found is None or seen.exposure in (None, Exposure.LOOPBACK) or found.spoken.protocol not in protocols:
        return ""
    return protocols[found.spoken.protocol].advice


def unseen(book: Book) -> dict[int, str]:
    """UDP ports that the book leaves to what never answers, with a sentence for when they are silent."""
    claims = [claim for claim in book.lore if claim.name in UNSEEN and "udp" in transports(claim)]
    return {
        port: UNSEEN[one.name] for one in claims for span in ranges(one) for port in range(span.first, span.last + 1)
    }


def summarise(seen: Iterable[Observation]) -> str:
    """What it comes to, in one sentence: how many open ports, their judgements, and which of them to look at."""
    ports: dict[JudgementWord, list[Observation]] = {word: [] for word in JudgementWord}
    hosts, open_ports, unrecognised = set(), 0, 0
    for one in seen:
        if one.outcome is Outcome.OPEN:
            open_ports += 1
            hosts.add(one.target.address)
            unrecognised += one.identification is not None and not one.identification.spoken.protocol
            if one.judgement is not None:
                ports[one.judgement.word].append(one)
    if not open_ports:
        return "no open port"
    counts = []
    for word, ones in ports.items():
        named = [f"{one.target.port}/{one.target.transport}" for one in ones]
        looks = word in (JudgementWord.REFUTED, JudgementWord.SQUATTING) and named
        which = f" ({', '.join(named[:MOST_NAMED])}{' …' if len(named) > MOST_NAMED else ''})" if looks else ""
        counts += [f"{len(ones)} {word}{which}"] if ones else []
    total = f"{open_ports:,} open {'port' if open_ports == 1 else 'ports'}"
    on = "" if len(hosts) < 2 else f" of {len(hosts):,} hosts"
    rest = f"; {unrecognised} not recognised" if unrecognised else ""
    return f"{total}{on}: {', '.join(counts)}{rest}" if counts else f"{total}{on}{rest}"
