"""Edge: where a build of the static site lies until it is whole, and what tells how far it has come.

Below the folder, in ``.portlore-build/``: ``site/``, the files as they are made; ``done``, the inputs, then a line for
each batch that is written whole. A batch without a line is made again, so that a file that was cut in two never counts.
When all are there, the site takes its place by a few renames, and ``.portlore-build.json`` says what it was made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from portlore.errors import HostError, InputError
from portlore.files import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Self

MANIFEST, WORK = ".portlore-build.json", ".portlore-build"
PATIENCE = 5.0  # seconds that the processes of a killed build are given to end
BOOT = Path("/proc/sys/kernel/random/boot_id")


class Stage:
    """A build at work in ``folder``, alone. ``inputs``: what the site depends on; ``names``: what lies at its top.

    ``done``: batches that are whole; ``files`` and ``bytes``: how much they are; ``is_finished``: the folder has this
    very site, and nothing is to be done. :class:`InputError` where ``names`` are there already and not ours,
    :class:`HostError` when another build is at work there; ``OSError`` as it comes.
    """

    def __init__(self, folder: Path, inputs: dict[str, str], names: Iterable[str]) -> None:
        self.folder, self.inputs, self.names = folder, inputs, list(names)
        self.done: set[int] = set()
        self.files = self.bytes = 0
        self.is_finished = False
        self._work = folder / WORK
        self.site = self._work / "site"
        self._head = json.dumps({**inputs, "boot": BOOT.read_text() if BOOT.exists() else ""}) + "\n"
        self._lock = self._log = -1

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.folder)
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._log, self._lock):
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self) -> None:
        self._before = before = _read(self.folder / MANIFEST)
        for name in self.names:
            if name not in before.get("names", ()) and (self.folder / name).exists():
                found = f"{name} is there, and portlore did not write it"
                raise InputError(f"building in {self.folder}", found, "name an empty folder, or a new one")
        log = self._work / "done"
        kept = self._read_log(log)
        if not kept:
            size = measure(self.folder, self.names) if before.get("inputs") == self.inputs else (-1, -1)
            if size == (before.get("files"), before.get("bytes")):
                self.files, self.bytes = size
                self.is_finished = True
                return
            if self._work.exists():
                shutil.rmtree(self._work)
            self.site.mkdir(parents=True)
            kept = self._head
        log.write_text(kept)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND)

    def _read_log(self, log: Path) -> str:
        """The lines of the log that are whole, if it is of these inputs and this run of the machine."""
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        if not lines or lines[0] != self._head:  # after a power cut nobody knows what has reached the disk
            return ""
        whole = [line for line in lines if line.endswith("\n")]
        for line in whole[1:]:
            self._count(*map(int, line.split()))
        return "".join(whole)

    def record(self, number: int, files: int, size: int) -> None:
        """A batch is written whole: its number, its files, their bytes."""
        os.write(self._log, f"{number} {files} {size}\n".encode())
        self._count(number, files, size)

    def _count(self, number: int, files: int, size: int) -> None:
        self.done.add(number)
        self.files += files
        self.bytes += size

    def publish(self) -> None:
        """Put the site in its place and the one before aside, then away; it can be ended and done again at any step."""
        old = self._work / "old"
        old.mkdir(exist_ok=True)
        for name in self._before.get("names", ()):
            if name not in self.names and (self.folder / name).exists():
                (self.folder / name).rename(old / name)
        about = {"names": self.names, "files": self.files, "bytes": self.bytes, "inputs": self.inputs}
        write_whole(self.folder / MANIFEST, (json.dumps(about, indent=1) + "\n").encode())
        for name in self.names:
            if (self.site / name).exists():
                if (self.folder / name).exists():
                    (self.folder / name).rename(old / name)
                (self.site / name).rename(self.folder / name)
        shutil.rmtree(self._work)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lock(folder: Path) -> int:
    """The descriptor that holds a folder, shared with the processes that write into it; -1 where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return -1
    lock = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(lock)
                asked = f"building in {folder}"
                raise HostError(asked, "another build is at work there", "wait for its end, or end it") from None
            time.sleep(0.1)
        else:
            return lock


def write(root: str, name: str, body: bytes) -> None:
    """Write a file below ``root``, and the folders to it. Not atomic: the log says whether it is whole."""
    path = f"{root}/{name}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        file = os.open(path, flags, 0o644)
    except FileNotFoundError:
        os.makedirs(path.rpartition("/")[0], exist_ok=True)  # noqa: PTH103 - pathlib's takes three times as long
        file = os.open(path, flags, 0o644)
    try:
        while body:
            body = body[os.write(file, body) :]
    finally:
        os.close(file)


def measure(folder: Path, names: Sequence[str]) -> tuple[int, int]:
    """How many files lie in a folder under these names, and their bytes."""
    files = size = 0
    with os.scandir(folder) as top:
        todo = [entry for entry in top if entry.name in names]
    while todo:
        entry = todo.pop()
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry) as inside:
                todo += inside
        else:
            files += 1
            size += entry.stat(follow_symlinks=False).st_size
    return files, size


def checksum(folder: Path) -> str:
    """One for all files below a folder, but what Python keeps there."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()
