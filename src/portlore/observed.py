"""The values of what answers on a port of any host: an outcome, what speaks there, the evidence for it. Pure."""

from __future__ import annotations

from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.seen import Exposure, Judgement, Said

__all__ = ["Confidence", "Evidence", "Identification", "Observation", "Outcome", "Target"]


class Outcome(Word):
    """What became of asking a port.

    ``refused``: a TCP reset, an ICMP port unreachable. ``unreachable``: another ICMP unreachable, no route, no
    neighbour. ``blocked``: somebody between said no (ICMP administratively prohibited, RFC 1812 section 5.2.7.1; our
    own firewall). ``closed-early``: taken and hung up on before a word. ``timeout``: no answer, however often asked.
    """

    OPEN = "open"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    CLOSED_EARLY = "closed-early"


class Confidence(Word):
    """How sure one can be: the protocol's own unmistakable answer; what hardly anything else says; a guess."""

    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"


UNFINISHED = "not asked to the end"  # the reason of an outcome that nobody knows: the time was over, or Ctrl-C
CUT_SHORT = ("cut short", "before all was asked")  # the same, as a fact of what was not recognised by then


class Evidence(Value):
    """The bytes an identification rests on: of ``probe``, what was ``sent`` last and the first that was ``received``.

    Both are cut to :data:`MOST_EVIDENCE` bytes; ``sent`` is empty when the server spoke first.
    """

    probe: str
    sent: bytes
    received: bytes


MOST_EVIDENCE = 256


class Identification(Value):
    """What speaks on a port.

    ``protocol``: a key of :data:`portlore.probes.PROTOCOLS`, empty when nothing was recognised: then ``facts`` say what
    was asked and heard, and ``evidence`` has the first bytes. ``product`` and ``version`` as the server tells them,
    empty where it does not. ``facts``: further (name, value) pairs, as told: hostile until shown through
    :func:`portlore.render.plain.plain`. ``inside``: for ``tls``, what speaks within.
    """

    protocol: str
    product: str = ""
    version: str = ""
    confidence: Confidence = Confidence.CERTAIN
    facts: tuple[tuple[str, str], ...] = ()
    evidence: tuple[Evidence, ...] = ()
    inside: Identification | None = None

    @property
    def spoken(self) -> Identification:
        """The innermost one."""
        return self.inside.spoken if self.inside is not None else self


class Target(Value):
    """A port of a host. ``address``: without brackets, with its zone (``fe80::1%eth0``); ``host``: the name given."""

    address: str
    port: int
    transport: str
    host: str = ""


class Observation(Value):
    """What was seen on a port of a host.

    ``reason``: what made the outcome (``syn-ack``, ``rst``, ``connected``, ``icmp 3/13``, ``udp answer``, ``silence``,
    :data:`UNFINISHED`).
    ``took``: seconds from asking to the answer, ``None`` without one; ``at``: seconds since 1970.
    """

    target: Target
    outcome: Outcome
    reason: str
    took: float | None
    at: float
    identification: Identification | None = None
    exposure: Exposure | None = None
    said: Said | None = None
    judgement: Judgement | None = None
