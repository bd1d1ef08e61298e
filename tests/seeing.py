"""Listeners made up for tests of the pure parts."""

from __future__ import annotations

from portlore.judging import Judge, Speaker
from portlore.listeners.addresses import describe, parse4, parse6
from portlore.opening import load, open_programs
from portlore.seen import Container, Hidden, Listener, Owner, Process, Reason, Socket

ROOT = "root"


def owner(name: str = "python3", pid: int = 4711, user: str = ROOT, unit: str | None = None, **more: object) -> Owner:
    process = Process(pid, name, str(more.get("program", "")))
    container = more.get("container")
    return Owner(
        0 if user == ROOT else 1000, user, unit, container if isinstance(container, Container) else None, process
    )


def hidden(reason: Reason = Reason.PERMISSION, unit: str | None = None) -> Owner:
    return Owner(33, "www-data", unit, None, Hidden(reason, "a process of another user", "run it as root"))


def listener(
    port: int, address: str = "127.0.0.1", *owners: Owner, transport: str = "tcp", peer: str = "", **more: int
) -> Listener:
    """A listener as the real ones are made: judged by the real book and the real table of programs."""
    text, family, exposure = describe(parse6(address) if ":" in address else parse4(address), only6=False)
    state = "established" if peer else "listen" if transport == "tcp" else "unconnected"
    peer_port = more.get("peer_port", 0)
    socket = Socket(transport, family, text, port, exposure, "", state, peer, peer_port, 0, port + 100_000, 1)
    owners = owners or (owner(),)
    speakers = tuple(speaker(one) for one in owners)
    judge = Judge(load())
    if peer:
        said, why = judge.client(socket)
        return Listener(socket, owners, ((4711, 3),), said, None, why)
    said, judgement = judge.judge(transport, port, speakers)
    held = tuple((one.process.pid, 3) for one in owners if isinstance(one.process, Process))
    return Listener(socket, owners, held, said, judgement, judgement.why)


def speaker(one: Owner) -> Speaker:
    if isinstance(one.process, Process):
        return Speaker(one.process.name, open_programs().named(one.process.name))
    return Speaker(one.unit or one.process.what, None, hidden=True)
