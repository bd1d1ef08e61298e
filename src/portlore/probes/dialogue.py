"""What a probe is: a dialogue that takes bytes and yields bytes, and the protocol that it finds. Pure."""

from __future__ import annotations

from collections.abc import Generator

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.observed import Identification

Dialogue = Generator[bytes, bytes, "Identification | None"]
"""A dialogue of one connection (TCP) or one socket (UDP).

It yields what is to be sent, ``b""`` to send nothing, and gets what came after that (for UDP one datagram): at least a
byte, or ``b""`` when the time for an answer is over or the other end has closed. To hear more, it yields ``b""`` again.
It returns what it found. It never raises for what a server says: hostile bytes are an ordinary answer (``None``). The
driver ends it, as if the other end had closed, beyond :data:`MOST_STEPS` steps or :data:`MOST_BYTES` received.
"""

MOST_STEPS = 16
MOST_BYTES = 65_536


class Asked(Value):
    """What a dialogue may know of where it is: ``host`` is the name that was asked for, else the address."""

    host: str
    port: int
    transport: str = "tcp"
    tls: bool = False


class Protocol(Value):
    """What is known of a protocol, so that what speaks can be held against the book.

    ``name``: the registered service name where there is one (``ssh``, ``postgresql``). ``title``: for people
    ("PostgreSQL"). ``services``: registered service names on whose ports it is expected; ``tls_services``: on which it
    is expected within TLS (``https``). ``uses``: names of claims of the book that it fits (``MariaDB``). ``advice``:
    one sentence for when it can be reached from beyond this machine, empty where that is what it is for. ``over``:
    the protocol that it is spoken in (``http`` for ``etcd``): that one being found, the probes of this one are next.
    """

    name: str
    title: str
    services: tuple[str, ...]
    tls_services: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    advice: str = ""
    over: str = ""


class Probe(Value):
    """A way to find out whether a protocol speaks.

    ``name``: unique (``dns-udp``). ``ports``: where the protocol is usual, beyond the ports of its services and claims.
    ``banner``: the server speaks first, so that the dialogue begins with ``b""`` and can be held with what any
    connection heard at once. ``in_tls``: worth asking within TLS. ``gentle``: a single read-only request that fragile
    devices bear; others are left out with ``--gentle``. ``everywhere``: asked on ports it is not usual on too; ``rank``
    orders those, the lower the earlier.
    """

    name: str
    protocol: str
    transport: str
    dialogue: Callable[[Asked], Dialogue]
    ports: tuple[int, ...] = ()
    banner: bool = False
    in_tls: bool = True
    gentle: bool = True
    everywhere: bool = True
    rank: int = 50


class Recogniser(Value):
    """The same knowledge for packets that others send: the first bytes of a side, whatever the port.

    ``server`` and ``client`` say what the first bytes (of a UDP side: a datagram) of that side are, or ``None``. They
    must not take other protocols' bytes for theirs: a capture asks all of them.
    """

    protocol: str
    transport: str
    server: Callable[[bytes], Identification | None] | None = None
    client: Callable[[bytes], Identification | None] | None = None
