"""Edge: the SYN engine: half-open scanning with raw packets. Linux, CAP_NET_RAW, NumPy; :mod:`.halfopen` does it."""

from __future__ import annotations

import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.scan.plan import Account, Block, Report, Settings

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def why_not() -> str:
    """Why the engine cannot be used here; empty when it can. What no installation mends comes first."""
    import importlib.util

    if not sys.platform.startswith("linux"):
        return "raw packets are for Linux only"
    from portlore.scan.link import let_go

    try:
        let_go(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
    except OSError:
        return "raw packets need root or CAP_NET_RAW"
    return "" if importlib.util.find_spec("numpy") is not None else "NumPy is not installed"


class Syn:
    """Asks TCP ports by half-open connections; an :class:`portlore.scan.plan.Engine`.

    This machine's own addresses are asked as well, loopback included. :class:`portlore.errors.HostError` where
    :func:`why_not` has something to say.
    """

    def run(
        self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
    ) -> Account:
        """Ask all that are unasked; see :class:`portlore.scan.plan.Engine`."""
        _import_numpy()
        from portlore.scan.halfopen import Run

        with Run(block, outcomes, settings, report, tick) as run:
            return run.go()


def _import_numpy() -> None:
    """Import NumPy without the threads of its linear algebra.

    They are started on import and wait busily for a while: half of the import's time, and a tenth of a short scan's.
    """
    if "numpy" in sys.modules:
        return
    before = os.environ.get(BLAS_THREADS)
    os.environ[BLAS_THREADS] = "1"
    try:
        import numpy  # noqa: F401
    finally:
        if before is None:
            del os.environ[BLAS_THREADS]
        else:
            os.environ[BLAS_THREADS] = before
