"""Edge: the sockets a host serves on: TCP and UDP of one port, bound here or handed over by systemd."""

from __future__ import annotations

import os
import socket

from portlore.errors import HostError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

FIRST_HANDED_OVER = 3  # sd_listen_fds(3): the first of them; LISTEN_FDS says how many, LISTEN_PID for whom


class Pair(Value):
    """The two sockets of a port, bound and not yet served."""

    tcp: socket.socket
    udp: socket.socket
    port: int

    def close(self) -> None:
        """Give the port back."""
        self.tcp.close()
        self.udp.close()


def bound(address: str, ports: Iterable[int]) -> Pair:
    """The first of these ports that is free on both transports (0: any).

    :class:`HostError` when there is none, or with the reason when only one was asked for.
    """
    asked = f"listening on {address}"
    why = HostError(asked, "no port is free", "give one with --port")
    for number in ports:
        tcp, udp = socket.socket(socket.AF_INET, socket.SOCK_STREAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if os.name == "posix":
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, number))
            port = tcp.getsockname()[1]
            udp.bind((address, port))
            tcp.listen(1)  # TCP tells only here that somebody else has it; whoever serves sets the length of the queue
        except OSError as error:
            tcp.close()
            udp.close()
            why = _why(f"{asked}, port {number}", error)
            continue
        tcp.setblocking(False)
        udp.setblocking(False)
        return Pair(tcp, udp, port)
    raise why


def _why(asked: str, error: OSError) -> HostError:
    if isinstance(error, PermissionError):
        return HostError(asked, "ports below 1024 are root's", "run it as root, or choose another port")
    if isinstance(error, socket.gaierror):
        return HostError(asked, "there is no such address", "give one of this machine's with --listen")
    found = error.strerror or str(error)
    return HostError(asked, found, "see who has it with `portlore listening`, or choose another port")


def handed_over(environment: MutableMapping[str, str]) -> list[Pair]:
    """The pairs that systemd has opened for this process, in the order of its unit; none where it has not.

    Its variables are taken out of ``environment``, so that no child takes the sockets for its own. :class:`HostError`
    for a port of which only one transport is given.
    """
    count, whose = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if whose != str(os.getpid()) or not count.isdigit():
        return []
    found: dict[int, dict[int, socket.socket]] = {}
    for number in range(FIRST_HANDED_OVER, FIRST_HANDED_OVER + int(count)):
        one = socket.socket(fileno=number)
        one.set_inheritable(False)
        one.setblocking(False)
        if one.family == socket.AF_INET:
            found.setdefault(one.getsockname()[1], {})[one.type] = one
    pairs = []
    for port, both in found.items():
        if set(both) != {socket.SOCK_STREAM, socket.SOCK_DGRAM}:
            asked = f"taking port {port} from systemd"
            raise HostError(asked, "only one of TCP and UDP is there", "give the socket unit both for each port")
        pairs.append(Pair(both[socket.SOCK_STREAM], both[socket.SOCK_DGRAM], port))
    return pairs
