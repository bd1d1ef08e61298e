"""Listeners as rows for JSON, NDJSON and CSV.

Ten thousand rows are written in the time that a general encoder takes for one thousand: what rows share (owners,
judgement) is encoded once. A test holds the two ways, :func:`row` and :func:`encoded`, equal.
"""

from __future__ import annotations

from portlore.render.formats import Encoded, encode
from portlore.seen import Hidden, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from portlore.model import Claim
    from portlore.seen import Exposure, Listener, Owner, Said

PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 89: "ospf",
             112: "vrrp", 132: "sctp"}  # fmt: skip


def address_and_port(address: str, port: int) -> str:
    """An address and a port in one text: ``127.0.0.1:80``, ``[::1]:80`` (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def row(one: Listener) -> dict[str, Any]:
    """A listener as a dictionary: the keys of the JSON contract, in order."""
    socket = one.socket
    raw = socket.transport == "raw"
    found: dict[str, Any] = {
        "port": None if raw else socket.port,
        "transport": socket.transport,
        "address": socket.address,
        "family": str(socket.family),
        "device": socket.device or None,
        "exposure": str(socket.exposure),
        "state": socket.state,
        "peer": address_and_port(socket.peer, socket.peer_port) if socket.peer else None,
        "namespace": socket.namespace or None,
    }
    if raw:
        found["protocol"] = PROTOCOLS.get(socket.port, str(socket.port))
    return found | {"owners": [owner_row(owner) for owner in one.owners]} | verdict_row(one)


def verdict_row(one: Listener) -> dict[str, Any]:
    """What the book says and what came of it."""
    return {
        "said": said_row(one.said),
        "judgement": str(one.judgement.word) if one.judgement else None,
        "unexpected": one.unexpected,
        "why": one.why,
    }


def said_row(said: Said | None) -> dict[str, Any] | None:
    """What the book says, in short."""
    if said is None:
        return None
    return {"status": str(said.status), "names": list(said.names), "claims": [_claim(claim) for claim in said.claims]}


def _claim(claim: Claim) -> dict[str, Any]:
    return {"name": claim.name, "kind": str(claim.kind), "verdict": str(claim.verdict)}


def owner_row(owner: Owner) -> dict[str, Any]:
    """An owner as a dictionary."""
    container = owner.container
    held = {"runtime": container.runtime, "id": container.id, "name": container.name} if container else None
    return {
        "uid": owner.uid,
        "user": owner.user,
        "unit": owner.unit,
        "container": held,
        "pod": container.pod if container else None,
        "process": process_row(owner.process),
    }


def process_row(process: Process | Hidden) -> dict[str, Any]:
    """A process, or the reason why none is shown."""
    if isinstance(process, Hidden):
        return {"hidden": str(process.reason), "what": process.what, "do": process.do}
    found: dict[str, Any] = {"pid": process.pid, "name": process.name, "program": process.program or None}
    if process.command is not None:
        found |= {"command": list(process.command), "directory": process.directory, "started": process.started}
    return found


def encoded(listeners: Iterable[Listener]) -> Iterator[Encoded]:
    """Each listener as :func:`row` would have it, encoded already."""
    owners: dict[int, tuple[object, str]] = {}
    verdicts: dict[tuple[int, Exposure], tuple[object, str]] = {}
    places: dict[tuple[str, ...], str] = {}
    for one in listeners:
        socket, judgement = one.socket, one.judgement
        if judgement is None or socket.peer:
            yield Encoded(encode(row(one)))
            continue
        place = (socket.transport, socket.address, socket.family, socket.device, socket.state, socket.namespace)
        between = places.get(place)
        if between is None:
            told = row(one.replace(owners=()))
            keys = ("transport", "address", "family", "device", "exposure", "state", "peer", "namespace")
            between = places[place] = encode({key: told[key] for key in keys})[1:-1] + ', "owners": '
        known = owners.get(id(one.owners))
        if known is None:
            known = owners[id(one.owners)] = one.owners, encode([owner_row(owner) for owner in one.owners])
        verdict = verdicts.get((id(judgement), socket.exposure))
        if verdict is None:
            verdict = judgement, encode(verdict_row(one))[1:]
            verdicts[id(judgement), socket.exposure] = verdict
        yield Encoded(f'{{"port": {socket.port}, {between}{known[1]}, {verdict[1]}')


def flat(one: Listener) -> dict[str, Any]:
    """A listener as one row of a CSV: owners as lists of each of their parts."""
    found = row(one)
    said = found.pop("said") or {"status": "", "names": []}
    owners = found.pop("owners")
    parts = ("judgement", "unexpected", "why")
    last = {name: found.pop(name) for name in parts}
    processes = [owner["process"] for owner in owners]
    containers = [owner["container"] for owner in owners]
    found["protocol"] = found.get("protocol", "")
    return (
        found
        | {
            "pid": [process.get("pid", process.get("hidden")) for process in processes],
            "name": [process.get("name", process.get("what")) for process in processes],
            "user": [owner["user"] for owner in owners],
            "unit": [owner["unit"] for owner in owners],
            "container": [container["name"] or container["id"] if container else None for container in containers],
            "status": said["status"],
            "names": said["names"],
        }
        | last
    )
