"""The values of what is seen on a machine: sockets, their owners, and whether they agree with the book. Pure."""

from __future__ import annotations

from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.model import Claim, Status

__all__ = [
    "Container",
    "Exposure",
    "Family",
    "Hidden",
    "Judgement",
    "JudgementWord",
    "Listener",
    "Owner",
    "Process",
    "Program",
    "Reason",
    "Said",
    "Socket",
]


class Exposure(Word):
    """From where a socket can be reached, by its address alone: no firewall is guessed."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC = "public"
    ALL = "all"


class Family(Word):
    """The addresses that a socket serves.

    ``dual``: IPv6 and IPv4 on one socket. ``ipv4-mapped``: an IPv6 socket on an IPv4 address (RFC 4291 section
    2.5.5.2). ``ipv6-or-dual``: the operating system did not tell.
    """

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"
    MAPPED = "ipv4-mapped"
    UNTOLD = "ipv6-or-dual"


class Reason(Word):
    """Why no process is shown."""

    PERMISSION = "permission"
    KERNEL = "kernel"
    ELSEWHERE = "elsewhere"
    ENDED = "ended"


class JudgementWord(Word):
    """Whether what is seen agrees with what is said: the first that fits, in this order."""

    EXPECTED = "expected"
    CUSTOMARY = "customary"
    REFUTED = "refuted"
    SQUATTING = "squatting"
    UNREGISTERED = "unregistered"
    UNKNOWN = "unknown"


class Socket(Value):
    """One socket as the kernel tells it.

    ``transport``: ``tcp`` ``udp`` ``udplite`` ``sctp`` ``dccp`` ``raw``; for ``raw``, ``port`` is the number of the IP
    protocol, as ``ss`` has it. ``address``: without brackets or zone. ``device``: the interface it is bound to, or
    empty. ``state``: ``listen``, ``unconnected`` or a state of RFC 9293 section 3.3.2 in small letters. ``peer``:
    empty without one. ``cgroup``: the identifier that sock_diag tells, 0 where it does not. ``namespace``: empty for
    the namespace of whoever asks. The queues are bytes, or connections of a listening socket.
    """

    transport: str
    family: Family
    address: str
    port: int
    exposure: Exposure
    device: str
    state: str
    peer: str
    peer_port: int
    uid: int | None
    inode: int
    cgroup: int
    receive_queue: int = 0
    send_queue: int = 0
    namespace: str = ""


class Process(Value):
    """A process that holds a socket.

    ``name``: what it calls itself. ``program``: the path of its executable, empty where it may not be read. The rest
    is read only when it is to be shown: ``command``, ``directory``, and ``started`` in seconds since 1970.
    """

    pid: int
    name: str
    program: str = ""
    command: tuple[str, ...] | None = None
    directory: str | None = None
    started: float | None = None


class Hidden(Value):
    """In place of a process that cannot be shown: the ``reason``, ``what`` is known all the same, what to ``do``."""

    reason: Reason
    what: str
    do: str


class Container(Value):
    """A container, by its control group. ``name`` and ``pod`` (``namespace/name``) where its runtime's files tell."""

    runtime: str
    id: str
    name: str | None = None
    pod: str | None = None


class Owner(Value):
    """Who holds a socket. ``unit``: the systemd unit."""

    uid: int | None
    user: str | None
    unit: str | None
    container: Container | None
    process: Process | Hidden


class Program(Value):
    """What a program is known to serve: registered service names, and names of claims.

    Found by one of its ``names`` or, under an interpreter, by a word of its ``arguments``. ``forwards``: it passes on
    whatever it is given (an SSH tunnel, a TCP proxy, inetd), so that its port tells nothing of what speaks there.
    """

    names: tuple[str, ...]
    arguments: tuple[str, ...]
    services: tuple[str, ...]
    uses: tuple[str, ...]
    what: str
    forwards: bool = False


class Said(Value):
    """What the book says of a port, in short."""

    status: Status
    names: tuple[str, ...]
    claims: tuple[Claim, ...]


class Judgement(Value):
    """A word and its reason in one sentence. ``passing``: most likely a client's socket, soon gone."""

    word: JudgementWord
    why: str
    passing: bool = False


class Listener(Value):
    """A socket, its owners, and the judgement on it: none for a client's socket, which offers nothing.

    ``held``: (process, descriptor) pairs. ``why`` explains what is not judged too.
    """

    socket: Socket
    owners: tuple[Owner, ...]
    held: tuple[tuple[int, int], ...]
    said: Said | None
    judgement: Judgement | None
    why: str

    @property
    def unexpected(self) -> bool:
        """Whether somebody should look: squatting, refuted, or unregistered and exposed beyond loopback."""
        if self.judgement is None:
            return False
        word = self.judgement.word
        if word is JudgementWord.UNREGISTERED:
            return self.socket.exposure is not Exposure.LOOPBACK and not self.judgement.passing
        return word in (JudgementWord.SQUATTING, JudgementWord.REFUTED)
