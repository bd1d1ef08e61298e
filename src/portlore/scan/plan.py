"""What an engine is given and gives back: blocks of probes, their outcomes as bytes, settings, and the account. Pure.

A scan is cut into blocks; a block is every port of some addresses. Its probes are numbered ``address * ports + port``,
and a ``bytearray`` holds an outcome for each: :data:`UNASKED` where an engine has to ask. Ports of other shards and
what an earlier run has found are in it from the start, so that neither is an engine's business.
"""

from __future__ import annotations

from portlore.observed import Outcome
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    Report = Callable[[int, str, float], None]  # an open port as soon as it is known: probe, reason, seconds it took

    class Engine(Protocol):
        """Asks ports."""

        def run(
            self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
        ) -> Account:
            """Ask all that are :data:`UNASKED`, and write their outcomes in place.

            ``tick`` is called some times a second (to show progress and keep the state); it and Ctrl-C may raise, and
            what is in ``outcomes`` is then good as far as it goes. :data:`TIMEOUT` is written only when asking ends.
            """


MOST_PROBES = 1 << 21  # of a block, which bounds memory
UNASKED, ELSEWHERE = 0, 255
CODES = {1: Outcome.OPEN, 2: Outcome.REFUSED, 3: Outcome.TIMEOUT, 4: Outcome.UNREACHABLE, 5: Outcome.BLOCKED,
         6: Outcome.CLOSED_EARLY}  # fmt: skip
OPEN, REFUSED, TIMEOUT, UNREACHABLE, BLOCKED, CLOSED_EARLY = CODES


class Block(Value):
    """Ports of addresses: ``addresses`` as numbers, all of one ``version`` (4 or 6); ``zone``: of link-local ones."""

    version: int
    addresses: tuple[int, ...]
    ports: tuple[int, ...]
    transport: str = "tcp"
    zone: str = ""

    def __len__(self) -> int:
        return len(self.addresses) * len(self.ports)

    def place(self, probe: int) -> tuple[int, int]:
        """The address (as a number) and the port of a probe."""
        address, port = divmod(probe, len(self.ports))
        return self.addresses[address], self.ports[port]


class Settings(Value):
    """How to ask.

    ``rate``: packets a second, fixed; ``None``: by what answers keep pace with. ``ceiling``: the most that the latter
    may come to, ``None`` for none. ``tries``: how often a port is asked at most. ``patience``: the longest wait for an
    answer in seconds. ``budget``: seconds for all of it, 0 for none. ``seed``: of the order.
    """

    rate: float | None = None
    ceiling: float | None = None
    tries: int = 4
    patience: float = 1.0
    budget: float = 0.0
    seed: int = 0


class Account(Value):
    """What was sent and what came back, so that a scan can say what it may have missed.

    ``sent``: packets (connection attempts for the connect engine), re-asked ones too. ``answered``: probes with an
    answer of any kind; ``reasked``: further packets for probes without one; ``unanswered``: probes that never got one.
    ``icmp``: ICMP errors. ``rounds``: of asking. ``rtt``: the smoothed round-trip time in seconds, 0 when unknown.
    ``lost``: the share of packets that got no answer at first and one later, as far as it can be told (0 to 1).
    ``missed``: the chance that at least one open port was taken for silent (0 to 1), from ``lost`` and the tries.
    ``took``: seconds. ``notes``: what people should know, in whole sentences (a tarpit, a limit on resets …).
    """

    sent: int = 0
    answered: int = 0
    reasked: int = 0
    unanswered: int = 0
    icmp: int = 0
    rounds: int = 0
    rtt: float = 0.0
    lost: float = 0.0
    missed: float = 0.0
    took: float = 0.0
    notes: tuple[str, ...] = ()
