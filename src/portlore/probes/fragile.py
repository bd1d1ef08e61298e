"""Ports whose usual devices do not bear to be asked just anything: what may be asked there. Pure.

Controllers of plants have been seen to stop at bytes that they did not expect, and a raw printer port prints whatever
comes. A scan may connect there; a dialogue is held only when its protocol is among the row's ``allowed``.
"""

from __future__ import annotations

from portlore.value import Value


class Fragile(Value):
    """A row: ``ports`` on a ``transport``; ``allowed``: protocols that may be asked for; ``why`` in one sentence.

    ``local``: also on this machine, where neither printers nor plants listen.
    """

    ports: tuple[range, ...]
    transport: str
    allowed: tuple[str, ...]
    why: str
    local: bool = False


def _one(*ports: int) -> tuple[range, ...]:
    return tuple([range(port, port + 1) for port in ports])


PRINTS = "Whatever a raw printing port is sent, it prints: nothing is sent there."
PLANT = "Controllers of plants listen here, and some stop when they are sent what they do not expect."
LOGS = "Whatever comes there is written to a log: nothing is sent there."
FRAGILE: tuple[Fragile, ...] = (
    Fragile(_one(514), "udp", (), LOGS, local=True),  # RFC 5426; over TCP (RFC 6587) the ports that are usual
    Fragile(_one(514, 601), "tcp", (), LOGS, local=True),
    Fragile(_one(6514), "tcp", ("tls",), LOGS, local=True),  # RFC 5425
    Fragile((range(9100, 9108),), "tcp", (), PRINTS),  # HP JetDirect's 9100-9102, and print servers with more printers
    Fragile(
        _one(515), "tcp", (), "The first byte of a request to LPD is a command; 1, 2 and 5 print, take and remove."
    ),
    Fragile(_one(502), "tcp", ("mbap",), PLANT),
    Fragile(_one(502), "udp", (), PLANT),
    Fragile(_one(802), "tcp", ("tls", "mbap"), PLANT),
    Fragile(_one(102), "tcp", (), PLANT),  # ISO on TCP: S7, MMS
    Fragile(_one(1217, 1211, 2455, 11740, 11741, 11742, 11743), "tcp", (), PLANT),  # CODESYS
    Fragile((range(1740, 1744),), "udp", (), PLANT),
    Fragile(_one(1962, 20547), "tcp", (), PLANT),  # PCWorx, ProConOS
    Fragile(_one(2222, 28784), "udp", (), PLANT),  # EtherNet/IP I/O, Koyo
    Fragile(_one(2404), "tcp", (), PLANT),  # IEC 60870-5-104
    Fragile(_one(5094, 9600, 20000, 44818), "tcp", (), PLANT),  # HART-IP, FINS, DNP3, EtherNet/IP
    Fragile(_one(5094, 9600, 20000, 44818, 47808), "udp", (), PLANT),  # and BACnet
)


def find_fragile(port: int, transport: str, *, local: bool = False) -> Fragile | None:
    """The row of a port; ``None`` where anything may be asked. ``local``: of this machine."""
    rows = (row for row in FRAGILE if row.transport == transport and (row.local or not local))
    return next((row for row in rows if any(port in few for few in row.ports)), None)


def may_ask(protocol: str, port: int, transport: str) -> bool:
    """Whether a dialogue of a protocol may be held with a port."""
    row = find_fragile(port, transport)
    return row is None or protocol in row.allowed
