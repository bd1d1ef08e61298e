"""The views of ``ss``, ``netstat`` and ``lsof``, for fingers and scripts that know them: same columns, same order.

CLASSIC is the table. The formats were read off the output of iproute2's ss 6.1, net-tools' netstat 2.10 and lsof 4.95.
"""

from __future__ import annotations

from portlore.render.terminal import clean
from portlore.seen import Family, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from portlore.seen import Listener, Owner

    Command = Callable[[int], tuple[str, ...]]

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
PROGRAM_WIDTH = 19  # netstat's PROGNAME_WIDTH less its final zero byte


def _processes(one: Listener) -> dict[int, Owner]:
    return {owner.process.pid: owner for owner in one.owners if isinstance(owner.process, Process)}


def ss(listeners: Iterable[Listener], _: Command) -> Iterator[str]:
    """As ``ss -nltup``: Netid, State, Recv-Q, Send-Q, local and peer address, processes."""
    rows = [("Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process")]
    for one in listeners:
        socket = one.socket
        local = f"{_ss_address(one)}:{socket.port}"
        six = socket.family in (Family.IPV6, Family.MAPPED)
        peer = f"{_bracketed(socket.peer)}:{socket.peer_port}" if socket.peer else _nobody(one, six=six)
        owners = _processes(one)
        users = ",".join(f'("{clean(_name(owners[pid]))}",pid={pid},fd={fd})' for pid, fd in one.held if pid in owners)
        queues = str(socket.receive_queue), str(socket.send_queue)
        state = SS_STATES.get(socket.state, socket.state)
        netid = {"udplite": "???", "raw": "???"}.get(socket.transport, socket.transport)
        rows.append((netid, state, *queues, local, peer, f"users:({users})" if users else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        yield " ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()


def _nobody(one: Listener, *, six: bool) -> str:
    return "[::]:*" if six else "*:*" if one.socket.family in (Family.DUAL, Family.UNTOLD) else "0.0.0.0:*"


def _ss_address(one: Listener) -> str:
    socket = one.socket
    if socket.family in (Family.DUAL, Family.UNTOLD):
        return f"*%{socket.device}" if socket.device else "*"
    return _bracketed(socket.address) + (f"%{socket.device}" if socket.device else "")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _name(owner: Owner) -> str:
    return owner.process.name if isinstance(owner.process, Process) else ""


def netstat(listeners: Iterable[Listener], command: Command) -> Iterator[str]:
    """As ``netstat -nltup``: Proto, Recv-Q, Send-Q, local and foreign address, State, PID/Program name."""
    rows = list(listeners)
    every = any(one.socket.peer for one in rows)
    yield f"Active Internet connections ({'servers and established' if every else 'only servers'})"
    yield ("Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    ")
    for one in rows:
        socket = one.socket
        six = socket.family is not Family.IPV4
        proto = socket.transport + ("6" if six else "")
        nowhere = ":::*" if six else "0.0.0.0:*"
        foreign = f"{socket.peer}:{socket.peer_port}" if socket.peer else nowhere
        sent = 0 if socket.state == "listen" else socket.send_queue
        state = NETSTAT_STATES.get(socket.state, "")
        program = "-"
        if one.held:
            pid = one.held[0][0]
            words = command(pid)
            name = words[0].rpartition("/")[2] if words and words[0] else _name(_processes(one)[pid])
            program = clean(f"{pid}/{name}")[:PROGRAM_WIDTH]
        addresses = f"{socket.address}:{socket.port}".ljust(23) + " " + foreign.ljust(23)
        yield f"{proto:<5} {socket.receive_queue:>6} {sent:>6} {addresses} {state:<11} {program:<20}"


def lsof(listeners: Iterable[Listener], _: Command) -> Iterator[str]:
    """As ``lsof -nP -i``: a line for each descriptor of each process, in the order of processes."""
    rows = []
    for one in listeners:
        owners = _processes(one)
        socket = one.socket
        kind = "IPv4" if socket.family is Family.IPV4 else "IPv6"
        wild = socket.exposure == "all"
        name = f"{'*' if wild else _bracketed(socket.address)}:{socket.port}"
        if socket.peer:
            name += f"->{_bracketed(socket.peer)}:{socket.peer_port}"
        if socket.transport == "tcp":
            name += f" ({NETSTAT_STATES.get(socket.state, socket.state)})"
        for pid, fd in one.held:
            if pid in owners:
                owner = owners[pid]
                user = owner.user or str(owner.uid)
                start = (clean(_name(owner))[:9], str(pid), user)
                cells = (*start, f"{fd}u", kind, str(socket.inode), "0t0", socket.transport.upper(), name)
                rows.append((pid, fd, cells))
    rows.sort(key=lambda row: row[:2])
    head = ("COMMAND", "PID", "USER", "FD", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME")
    table = [head, *[cells for _, _, cells in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(8)]
    left = (0, 7)  # lsof aligns the first and the last columns to the left, the others to the right
    for row in table:
        padded = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield " ".join([*padded, row[8]])


CLASSIC: dict[str, Callable[[Iterable[Listener], Command], Iterator[str]]] = {
    "ss": ss,
    "netstat": netstat,
    "lsof": lsof,
}
