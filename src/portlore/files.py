"""Edge: writing files so that nothing is ever half there."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

ABANDONED_AFTER = 3600  # seconds


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_new(path: str, data: bytes, mode: int) -> bool:
    """Write a file that is not there yet, whole, with these rights from the beginning; whether it was not there."""
    part = f"{path}.{os.getpid()}.part"
    _remove(part)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        _remove(part)
    return True


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        pass


def _sweep(path: Path) -> None:
    """Remove what writers that were killed have left beside a file, once it is too old to be anybody's work."""
    for left in path.parent.glob(f"{path.name}.*.part"):
        try:
            if time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                left.unlink()
        except OSError:  # another one was quicker
            continue
