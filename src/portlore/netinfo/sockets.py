"""Edge: the sockets a host serves on: TCP and UDP of one port, bound here or handed over by systemd."""

from __future__ import annotations

import os
import socket
import sys

from portlore.errors import HostError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFHWADDR = 0x8913, 0x8915, 0x891B, 0x8927  # netdevice(7)
IP_PKTINFO, PKTINFO_ROOM = 8, 64  # ip(7); bytes for what the kernel tells with a datagram
IFF_UP, IFF_BROADCAST, IFF_LOOPBACK = 1, 2, 8
EVERYBODY = "255.255.255.255"
ANYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound to
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


class Asked(tuple[str, int]):
    """Where a datagram came from, and which address of ours it was sent to (``at``, empty where that is not known)."""

    at: bytes = b""


class Answering(socket.socket):
    """A datagram socket for all addresses that answers from the one that was asked, as its clients demand (Linux).

    A machine with two networks would else answer from the address of the way back, which no client takes for an answer.
    """

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Asked]:
        """A datagram, and where it came from; :meth:`sendto` there answers it."""
        data, more, _, peer = self.recvmsg(size, PKTINFO_ROOM, flags)
        asked = Asked(peer)
        for level, kind, value in more:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                asked.at = value[4:8]  # struct in_pktinfo of ip(7): interface, our address, the address in the packet
        return data, asked

    def sendto(self, data: bytes, peer: tuple[str, int]) -> int:  # type: ignore[override]
        """Send a datagram, from the address that its receiver asked."""
        at = peer.at if isinstance(peer, Asked) else b""
        more = [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + at + bytes(4))] if at else []
        return self.sendmsg([data], more, 0, tuple(peer))


def bound(address: str, ports: Iterable[int]) -> Pair:
    """The first of these ports that is free on both transports (0: any).

    :class:`HostError` when there is none, or with the reason when only one was asked for.
    """
    asked = f"listening on {address}"
    if not address:  # the sockets' own word for all of them
        raise HostError(asked, "no address is given", "write one of this machine's, or 0.0.0.0 for all")
    why = HostError(asked, "no port is free", "give one with --port")
    for number in ports:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: asyncio looks at it
        kind = Answering if address == ANYWHERE and sys.platform.startswith("linux") else socket.socket
        udp = kind(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if isinstance(udp, Answering):
                udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            if os.name == "posix":
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, number))
            port = tcp.getsockname()[1]
            udp.bind((address, port))
            tcp.listen(1)  # TCP tells only here that somebody else has it; whoever serves sets the length of the queue
        except (OSError, OverflowError) as error:
            tcp.close()
            udp.close()
            why = _why(f"{asked}, port {number}", error)
            continue
        tcp.setblocking(False)
        udp.setblocking(False)
        return Pair(tcp, udp, port)
    raise why


def _why(asked: str, error: OSError | OverflowError) -> HostError:
    if isinstance(error, OverflowError):
        return HostError(asked, "ports end at 65535", "choose a lower --port")
    if isinstance(error, PermissionError):
        return HostError(asked, "ports below 1024 are root's", "run it as root, or choose another port")
    if isinstance(error, socket.gaierror):
        return HostError(asked, "there is no such address", "give one of this machine's with --listen")
    found = error.strerror or str(error)
    return HostError(asked, found, "see who has it with `portlore listening`, or choose another port")


def networks() -> list[tuple[str, str]]:
    """Each network of this machine that can be broadcast to: our address in it, its broadcast address (Linux)."""
    try:
        import fcntl
    except ImportError:
        return []
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:

        def asked(question: int, name: str) -> bytes:
            return fcntl.ioctl(line, question, name.encode()[:15].ljust(40, b"\0"))  # struct ifreq of netdevice(7)

        for _, name in socket.if_nameindex():
            try:
                own, mask = (asked(one, name)[20:24] for one in (SIOCGIFADDR, SIOCGIFNETMASK))
                flags = int.from_bytes(asked(SIOCGIFFLAGS, name)[16:18], sys.byteorder)
            except OSError:  # no address of IPv4
                continue
            if flags & (IFF_UP | IFF_BROADCAST | IFF_LOOPBACK) == IFF_UP | IFF_BROADCAST:
                last = bytes(a | ~m & 0xFF for a, m in zip(own, mask, strict=True))
                found.append((socket.inet_ntoa(own), socket.inet_ntoa(last)))
    return found


def hardware_address(own: str) -> bytes:
    """The Ethernet address of the interface that has an address of ours; six zeros where it has none (Linux)."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for _, name in socket.if_nameindex():
            request = name.encode()[:15].ljust(40, b"\0")
            try:
                if fcntl.ioctl(line, SIOCGIFADDR, request)[20:24] == socket.inet_aton(own):
                    return fcntl.ioctl(line, SIOCGIFHWADDR, request)[18:24]
            except OSError:
                continue
    return bytes(6)


def listening_for_broadcasts(address: str, port: int) -> list[socket.socket]:
    """Sockets that hear what is broadcast to a port of the network of an address; answers go out from another.

    A socket bound to one address hears none of it, and old machines look for their parent so.
    """
    found = []
    called = [last for own, last in networks() if own == address]
    for one in [*called, EVERYBODY] if called else ():
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            line.bind((one, port))
        except OSError:
            line.close()
            continue
        line.setblocking(False)
        found.append(line)
    return found


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
