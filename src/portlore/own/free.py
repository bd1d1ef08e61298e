"""Which ports are free to take, and why. Pure: the machine's ranges and what is bound come in as values."""

from __future__ import annotations

from portlore.model import DYNAMIC_FIRST, USER_FIRST, FreePort, PortRange, Status, Transport
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portlore.book import Book

CHECKED = (Transport.TCP, Transport.UDP)


class Machine(Value):
    """What to keep away from here. ``ephemeral``, ``rpc``: ranges; ``bound``: whether a program holds a port."""

    ephemeral: PortRange
    rpc: PortRange
    reserved: tuple[PortRange, ...]
    bound: Callable[[int], bool]


def objection(book: Book, machine: Machine, number: int) -> str | None:
    """Why a port is not free to take, or None."""
    if number < USER_FIRST:
        return "a system port"
    if number >= DYNAMIC_FIRST:
        return "a dynamic port"
    for transport in CHECKED:
        facts = book.lookup(number, transport)
        if facts.status is not Status.UNASSIGNED:
            return f"{facts.status} on {transport}"
        if facts.own:
            return f"your own: {facts.own[0].name}"
        if facts.claims:
            return f"used by {facts.claims[0].name}"
        if any(line.layer != "kernel" for line in facts.local):
            return f"in this machine's {facts.local[0].layer} list"
    if number in machine.ephemeral:
        return f"in the ephemeral range {machine.ephemeral}"
    if number in machine.rpc:
        return f"an RPC source port ({machine.rpc})"
    if any(number in ports for ports in machine.reserved):
        return "among the ports that this machine's kernel keeps back"
    if number in book.lore.refused:
        return "refused by browsers"
    return "bound here now" if machine.bound(number) else None


def free_ports(book: Book, machine: Machine, near: int | None = None) -> Iterator[FreePort]:
    """Ports that are free to take, the nearest to ``near`` first, or in an order that keeps far from custom.

    Without ``near`` the middle of the longest unassigned runs comes first: a neighbour that grows does not reach it.
    """
    for number in _order(book, near):
        if objection(book, machine, number) is None:
            yield FreePort(number, "tcp/udp", _reasons(book, machine, number))


def _order(book: Book, near: int | None) -> Iterator[int]:
    if near is not None:
        yield from sorted(range(USER_FIRST, DYNAMIC_FIRST), key=lambda number: (abs(number - near), number))
        return
    runs = [
        PortRange(first, last)
        for first, last, _ in book.registry.runs(USER_FIRST, DYNAMIC_FIRST - 1)
        if all(book.registry.said(first, on)[0] is Status.UNASSIGNED for on in CHECKED)
    ]
    for run in sorted(runs, key=lambda run: (-len(run), run.first)):
        middle = (run.first + run.last) // 2
        yield from sorted(run, key=lambda number: (abs(number - middle), number))


def _reasons(book: Book, machine: Machine, number: int) -> tuple[str, ...]:
    row = book.lookup(number, Transport.TCP).row
    return (
        f"unassigned on TCP and UDP in the registry of {book.snapshot} (row {row})",
        "no known use among the claims, this machine's lists and your own labels",
        f"outside the ephemeral range {machine.ephemeral}, the RPC range {machine.rpc} and the ports browsers refuse",
        "nothing is bound to it here",
    )
