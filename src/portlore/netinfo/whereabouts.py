"""Edge: where a store is served, written by its server into the lock file beside it."""

from __future__ import annotations

import os

LONGEST = 1024  # bytes


def tell(lock: int, where: str) -> None:
    """Write where a store is served into its lock file, by the descriptor that holds it; -1 for none."""
    if lock >= 0:
        os.ftruncate(lock, 0)
        os.pwrite(lock, where.encode("utf-8", "surrogateescape"), 0)


def served_at(path: str) -> str | None:
    """Where a store is served, as ``HOST:PORT/TAG``; empty where that is not known; ``None`` where nobody holds it."""
    try:
        import fcntl

        lock = os.open(f"{os.path.realpath(path)}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, LONGEST, 0).decode("utf-8", "surrogateescape")
    except OSError:
        return None
    finally:
        os.close(lock)
    return None
