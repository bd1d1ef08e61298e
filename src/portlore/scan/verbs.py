"""Edge: the public verbs that ask other hosts, under the same policy as the command."""

from __future__ import annotations

import time

from portlore.errors import InputError
from portlore.model import LAST_PORT
from portlore.observed import Observation, Outcome, Target
from portlore.opening import load
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from portlore.scan.machine import Here
    from portlore.scan.plan import Account, Block
    from portlore.scan.policy import Decision
    from portlore.scan.tally import Tarpit
    from portlore.scan.targets import Targets


class Scanned(Value):
    """What :func:`scan_ports` found: the open ports, and the summary that ``portlore scan --json`` has."""

    found: tuple[Observation, ...]
    summary: dict[str, Any]


def identify(
    host: str, port: int, transport: str = "tcp", *, gentle: bool = False, allowed: bool = False, budget: float = 0.0
) -> Observation:
    """Ask one port what it speaks, whatever its number, and hold that against the book.

    ``host``: a name (its first address is asked) or an address. ``gentle``: only what any device bears. ``allowed``:
    its owner lets you, where the address is public; else :class:`portlore.PolicyRefused`. ``budget``: seconds, 0 for
    20. Raises :class:`portlore.InputError` for what is no host or port, :class:`portlore.HostError` for a name without
    an address. Not from within a running event loop: call it in a thread there.
    """
    from portlore.scan.addresses import format_address
    from portlore.scan.identify import identify as ask

    if transport not in ("tcp", "udp") or type(port) is not int or not 0 <= port <= LAST_PORT:
        raise InputError(
            f"identify {port!r} on {transport!r}", f"not 0 to {LAST_PORT} on tcp or udp", "name such a port"
        )
    targets, _, _ = _admitted([host], allowed=allowed)
    if targets.count != 1:
        raise InputError(f"identify {host[:60]!r}", f"{targets.count:,} addresses", "name one host")
    span = targets.spans[0]
    address = format_address(span.version, span.first, span.zone)
    target = Target(address, port, transport, targets.name_of(span.version, span.first, span.zone))
    told: list[Observation] = []
    asked = Observation(target, Outcome.OPEN, "", None, time.time())
    ask([asked], load(), told.append, gentle=gentle, budget=budget)
    return told[0]


def scan_ports(
    *targets: str, ports: str = "", identify: bool = False, gentle: bool = False, allowed: bool = False
) -> Scanned:
    """Find the open ports of hosts; ``identify``: and what speaks there.

    ``targets``: names, addresses, ``10.0.0.0/24``, ``10.0.0.1-20``. ``ports``: as ``portlore scan -p`` takes them
    (``22,80,8000-8100,http,U:53``, ``-`` for all); without, the 1,000 likeliest on TCP. The rest as for
    :func:`portlore.identify`. ``summary["missed"]`` says what may have been missed.
    """
    from portlore.opening import open_programs
    from portlore.scan.grid import check_size
    from portlore.scan.plan import Settings
    from portlore.scan.ports import parse_ports
    from portlore.scan.ranking import top
    from portlore.scan.running import PUBLIC_CEILING, Plan, Scan

    book = load()
    if ports:
        asked = parse_ports(ports, lambda name, on: [facts.port for facts in book.service(name, on)[0]], "tcp")
    else:
        asked = {"tcp": tuple(sorted(top(1000, book, open_programs(), "tcp")))}
    admitted, here, decision = _admitted(targets, allowed=allowed)
    check_size(admitted, asked)
    settings = Settings(ceiling=PUBLIC_CEILING if decision.public else None)
    watcher = _Watcher()
    scan = Scan(Plan(admitted, asked, settings, decision, here, identify=identify, gentle=gentle), watcher, book)
    scan.run()
    if scan.ended == "interrupted":
        raise KeyboardInterrupt
    return Scanned(tuple(watcher.seen), scan.summary())


class _Watcher:
    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def found(self, one: Observation) -> None:
        self.seen.append(one)

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        pass

    def progress(self, share: float, account: Account, count: int) -> None:
        pass


def _admitted(words: Sequence[str], *, allowed: bool) -> tuple[Targets, Here, Decision]:
    """The targets, admitted by the policy."""
    from portlore.scan.machine import look_around, resolver, with_zones
    from portlore.scan.policy import decide
    from portlore.scan.targets import Targets, parse_targets

    here = look_around()
    if not words:
        raise InputError("a scan", "no target", "name a host")
    targets, _ = parse_targets(words, resolver()).without_broadcast(here.broadcasts)
    targets = Targets(with_zones(targets.spans, here.interfaces), targets.names)
    return targets, here, decide(targets, allowed=allowed, broadcasts=here.broadcasts)
