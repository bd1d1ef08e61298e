"""The views of ``ss``, ``netstat`` and ``lsof``, for fingers and scripts that know them: same columns, same order.

CLASSIC is the table. The formats were read off the output of iproute2's ss 6.1, net-tools' netstat 2.10 and lsof 4.95.
"""

from __future__ import annotations

from portlore.render.terminal import clean
from portlore.seen import Family
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from portlore.seen import Listener


SS_STATES = {
    "listen": "LISTEN", "unconnected": "UNCONN", "established": "ESTAB", "syn-sent": "SYN-SENT",
    "syn-received": "SYN-RECV", "fin-wait-1": "FIN-WAIT-1", "fin-wait-2": "FIN-WAIT-2", "time-wait": "TIME-WAIT",
    "close-wait": "CLOSE-WAIT", "last-ack": "LAST-ACK", "closing": "CLOSING",
}  # fmt: skip
NETSTAT_STATES = {
    "listen": "LISTEN", "established": "ESTABLISHED", "syn-sent": "SYN_SENT", "syn-received": "SYN_RECV",
    "fin-wait-1": "FIN_WAIT1", "fin-wait-2": "FIN_WAIT2", "time-wait": "TIME_WAIT", "close-wait": "CLOSE_WAIT",
    "last-ack": "LAST_ACK", "closing": "CLOSING",
}  # fmt: skip
SS_NOBODY = {
    Family.IPV4: "0.0.0.0:*", Family.IPV6: "[::]:*", Family.DUAL: "*:*", Family.MAPPED: "*:*", Family.UNTOLD: "*:*",
}  # fmt: skip
PROGRAM_WIDTH = 19  # netstat's PROGNAME_WIDTH less its final zero byte


class Holder(Value):
    """A process as the classic tools show it."""

    name: str
    user: str
    argv0: str


if TYPE_CHECKING:
    Known = Callable[[int], Holder | None]


def _holders(one: Listener, known: Known) -> dict[int, Holder]:
    """Who really holds a socket: a port forwarder too, which is never an owner here but one to these tools."""
    found = {}
    for pid in dict.fromkeys(pid for pid, _ in one.held):
        holder = known(pid)
        if holder is not None:
            found[pid] = holder
    return found


def ss(listeners: Iterable[Listener], known: Known) -> Iterator[str]:
    """As ``ss -nltup``: Netid, State, Recv-Q, Send-Q, local and peer address, processes."""
    rows = [("Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process")]
    order = ("raw", "udp", "tcp")  # as ss has them; the others come after
    found = sorted(listeners, key=lambda one: (*(one.socket.transport != name for name in order),))
    for one in found:
        socket = one.socket
        peer = f"{_bracketed(socket.peer)}:{socket.peer_port}" if socket.peer else SS_NOBODY[socket.family]
        holders = _holders(one, known)
        users = ",".join(f'("{clean(holders[pid].name)}",pid={pid},fd={fd})' for pid, fd in one.held if pid in holders)
        queues = str(socket.receive_queue), str(socket.send_queue)
        state = SS_STATES.get(socket.state, socket.state)
        process = f"users:({users})" if users else ""
        rows.append((socket.transport, state, *queues, f"{_ss_address(one)}:{socket.port}", peer, process))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        yield " ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()


def _ss_address(one: Listener) -> str:
    socket = one.socket
    wild = socket.family in (Family.DUAL, Family.UNTOLD)
    return ("*" if wild else _bracketed(socket.address)) + (f"%{socket.device}" if socket.device else "")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def netstat(listeners: Iterable[Listener], known: Known) -> Iterator[str]:
    """As ``netstat -nltup``: Proto, Recv-Q, Send-Q, local and foreign address, State, PID/Program name."""
    order = ("tcp", "sctp", "udp", "udplite", "raw")
    rows = sorted(listeners, key=lambda one: order.index(one.socket.transport) if one.socket.transport in order else 1)
    every = any(one.socket.peer for one in rows)
    yield f"Active Internet connections ({'servers and established' if every else 'only servers'})"
    yield f"Proto Recv-Q Send-Q {'Local Address':<23} {'Foreign Address':<23} {'State':<11} {'PID/Program name':<20}"
    for one in rows:
        socket = one.socket
        six = socket.family is not Family.IPV4
        foreign = _short(socket.peer, socket.peer_port) if socket.peer else ":::*" if six else "0.0.0.0:*"
        sent = 0 if socket.state == "listen" else socket.send_queue
        state = "7" if socket.transport == "raw" else NETSTAT_STATES.get(socket.state, "")
        program = _program(one, known)
        queues = f"{socket.receive_queue:>6} {sent:>6}"
        local = _short(socket.address, socket.port)
        yield f"{socket.transport + '6' * six:<5} {queues} {local:<23} {foreign:<23} {state:<11} {program:<20}"


def _program(one: Listener, known: Known) -> str:
    """The first process by the file name of its command, as netstat has it: only a whole path is cut."""
    for pid, holder in _holders(one, known).items():
        name = holder.argv0.rpartition("/")[2] if holder.argv0.startswith("/") else holder.argv0
        return clean(f"{pid}/{name or holder.name}")[:PROGRAM_WIDTH]
    return "-"


def _short(address: str, port: int | str) -> str:
    """Address and port in the 23 columns that netstat gives them: a long address is cut, never the port."""
    return f"{_plain(address)[: 22 - len(str(port))]}:{port}"


def _plain(address: str) -> str:
    """A mapped address as its IPv4 one: netstat and lsof show it so."""
    return address.removeprefix("::ffff:") if "." in address else address


def lsof(listeners: Iterable[Listener], known: Known) -> Iterator[str]:
    """As ``lsof -nP -i``: a line for each descriptor of each process, in the order of processes."""
    rows = []
    for one in listeners:
        holders = _holders(one, known)
        socket = one.socket
        wild = not socket.address.strip("0.:")
        name = f"{'*' if wild else _bracketed(_plain(socket.address))}:{socket.port}"
        if socket.peer:
            name += f"->{_bracketed(_plain(socket.peer))}:{socket.peer_port}"
        if socket.transport == "tcp":
            name += f" ({NETSTAT_STATES.get(socket.state, socket.state)})"
        kind = "IPv4" if socket.family is Family.IPV4 else "IPv6"
        for pid, fd in one.held:
            if pid in holders:
                who = _command(holders[pid].name), str(pid), holders[pid].user
                what = kind, str(socket.inode), "0t0", socket.transport.upper(), name
                rows.append((pid, fd, (*who, f"{fd:>4}u ", *what)))
    rows.sort(key=lambda row: row[:2])
    head = ("COMMAND", "PID", "USER", "  FD  ", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME")
    table = [head, *[cells for _, _, cells in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(8)]
    for row in table:
        padded = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, 8))]
        yield " ".join([*padded, row[8]])


def _command(name: str) -> str:
    """The first nine bytes of a process's name; blanks and what is not printable ASCII as lsof escapes them."""
    return "".join(chr(byte) if 32 < byte < 127 else f"\\x{byte:02x}" for byte in name.encode()[:9])


CLASSIC: dict[str, Callable[[Iterable[Listener], Known], Iterator[str]]] = {
    "ss": ss,
    "netstat": netstat,
    "lsof": lsof,
}
SHOWN = {"ss": ("tcp", "udp", "sctp", "dccp"), "netstat": ("tcp", "udp", "sctp"), "lsof": ("tcp", "udp", "udplite")}
