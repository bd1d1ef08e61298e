"""The properties of a domain's root by which its servers are tuned (SPEC 5), as far as they mean something here. Pure.

``update_latency``: seconds for which a master gathers writes before its clones get them (1 to 7200; without it none,
where the original has 2). ``cleanup_wait``: seconds between two looks at the master, or at the list of clones, where
nothing else calls for one (1800). ``subthreads``: to how many clones a master sends at a time (without it to all).
``isRoot`` and ``cloneReplyReadall`` are looked at where they matter; ``sanitycheck`` is always done;
``readall_proxies`` has no use, as sending a whole domain holds no writer up.
"""

from __future__ import annotations

from portlore.netinfo.values import ROOT
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.domain import Domain

CLEANUP = 1800
LONGEST_LATENCY, LEAST_CLEANUP, LONGEST_CLEANUP = 7200, 10, 7 * 86_400  # seconds
MOST_THREADS = 1 << 16


class Tuning(Value):
    """``latency`` and ``cleanup`` in seconds, ``threads``: clones that are sent to at a time."""

    latency: int = 0
    cleanup: int = CLEANUP
    threads: int = MOST_THREADS


def tuning(domain: Domain) -> Tuning:
    """How a domain wants its servers to be; what is no number, or out of its bounds, is as if it were not there."""
    return Tuning(
        _number(domain, b"update_latency", 1, LONGEST_LATENCY, 0),
        _number(domain, b"cleanup_wait", LEAST_CLEANUP, LONGEST_CLEANUP, CLEANUP),
        _number(domain, b"subthreads", 1, MOST_THREADS, MOST_THREADS),
    )


def _number(domain: Domain, name: bytes, least: int, most: int, usual: int) -> int:
    text = (domain.values(ROOT, name) or (b"",))[0]
    found = int(text) if text.isdigit() and len(text) < 10 else -1
    return found if least <= found <= most else usual
