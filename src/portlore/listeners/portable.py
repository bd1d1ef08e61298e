"""Edge: sockets through psutil, on every system but Linux; there too when asked, to hold the two against each other."""

from __future__ import annotations

from portlore.errors import HostError
from portlore.extras import Extra, require
from portlore.listeners.addresses import describe, parse4, parse6
from portlore.listeners.processes import user_name
from portlore.seen import Hidden, Owner, Process, Reason, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PSUTIL = Extra("listening", "psutil", ("psutil>=6",), 0.5)
STATES = {  # psutil's words
    "LISTEN": "listen", "NONE": "unconnected", "ESTABLISHED": "established", "SYN_SENT": "syn-sent",
    "SYN_RECV": "syn-received", "FIN_WAIT1": "fin-wait-1", "FIN_WAIT2": "fin-wait-2", "TIME_WAIT": "time-wait",
    "CLOSE": "unconnected", "CLOSE_WAIT": "close-wait", "LAST_ACK": "last-ack", "CLOSING": "closing",
}  # fmt: skip
HIDDEN = (Owner(None, None, None, None, Hidden(Reason.PERMISSION, "a process of another user", "run it as root")),)


def ask(tell: Callable[[str], None], *, connections: bool = False) -> list[tuple[Socket, int, int]]:
    """Sockets with the process (0: hidden) and descriptor (-1: not told) that hold each.

    :class:`HostError` where the system lets nobody but root see any, as macOS does.
    """
    require(PSUTIL, tell)
    import psutil

    try:
        told = psutil.net_connections("inet")
    except psutil.AccessDenied:
        asked, found = "the sockets of this machine", "the system shows them to root alone"
        raise HostError(asked, found, "run it with sudo") from None
    found_sockets = []
    for one in told:
        socket = _socket(one)
        if socket is not None and (connections or socket.state in ("listen", "unconnected")):
            found_sockets.append((socket, one.pid or 0, one.fd))
    return found_sockets


def _socket(told: Any) -> Socket | None:
    """A psutil connection as a socket; ``None`` for one that is bound to nothing yet."""
    state = STATES.get(told.status, told.status.lower())
    stream = int(told.type) == 1  # SOCK_STREAM
    if not told.laddr or (stream and state == "unconnected"):
        return None
    address, family, exposure = _describe(told.laddr.ip)
    peer, peer_port = (told.raddr.ip, told.raddr.port) if told.raddr else ("", 0)
    if not stream:
        state = "established" if peer else "unconnected"
    transport = "tcp" if stream else "udp"
    return Socket(transport, family, address, told.laddr.port, exposure, "", state, peer, peer_port, None, 0, 0)


def _describe(text: str) -> tuple[Any, Any, Any]:
    plain = text.partition("%")[0]
    return describe(parse6(plain) if ":" in plain else parse4(plain), None)


class PortableOwners:
    """Names owners through psutil; looks at each process once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Owner, ...]] = {0: HIDDEN}

    def of(self, pid: int) -> tuple[Owner, ...]:
        """The owner of a socket, by its process."""
        if pid not in self._known:
            self._known[pid] = self._look(pid)
        return self._known[pid]

    def _look(self, pid: int) -> tuple[Owner, ...]:
        import psutil

        try:
            process = psutil.Process(pid)
            name = process.name()
            user = process.username()
        except psutil.NoSuchProcess:
            return (Owner(None, None, None, None, Hidden(Reason.ENDED, "a process that ended", "ask again")),)
        except (psutil.AccessDenied, OSError):
            return HIDDEN
        try:
            program = process.exe()
        except (psutil.Error, OSError):
            program = ""
        uid = None
        if hasattr(process, "uids"):
            try:
                uid = process.uids().effective
                user = user_name(uid) or user
            except psutil.Error:
                pass
        return (Owner(uid, user, None, None, Process(pid, name, program)),)


def command_of(pid: int) -> tuple[str, ...]:
    """The words of a process's command line."""
    import psutil

    try:
        return tuple(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return ()


def with_details(process: Process) -> Process:
    """The same process with its command line, directory and start, as far as they may be read."""
    import psutil

    try:
        seen = psutil.Process(process.pid)
        command, began = tuple(seen.cmdline()), seen.create_time()
    except (psutil.Error, OSError):
        return process.replace(command=(), started=None)
    try:
        directory: str | None = seen.cwd()
    except (psutil.Error, OSError):
        directory = None
    return process.replace(command=command, directory=directory, started=round(began, 2))
