"""Edge: folders of old stores, on disks and in what was copied from them: read without a change, written whole."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path

from portlore.errors import DataError, HostError, InputError
from portlore.netinfo.disk.recovering import is_netinfo, recover
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from portlore.netinfo.disk.findings import Recovered

SUFFIX = ".nidb"
MOST_BYTES = 1 << 29  # of what is not zero in one store; a million directories are half of that
PIECE = 1 << 20
WITHIN = (".", "etc/netinfo", "private/etc/netinfo", "var/db/netinfo", "private/var/db/netinfo")  # of a volume
READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


class Found(Value):
    """A store in a folder: its tag, where it is."""

    tag: str
    path: Path


def find_stores(where: str) -> list[Found]:
    """The stores that a path names: itself, those of a folder such as /etc/netinfo, or of a volume that has one.

    A ``TAG.temp`` beside a ``TAG.move`` is a whole transfer to which only the name was not given yet (SPEC 5).
    """
    asked, top = f"looking for NetInfo stores in {where}", Path(where)
    try:
        if is_netinfo(_names(top)):
            return [Found(_tag(top), top)]
        for folder in dict.fromkeys(top / part for part in WITHIN):
            if folder.is_dir() and _is_within(folder, top) and (found := _stores(folder)):
                return found
    except OSError as error:
        raise _refused(asked, error) from None
    raise InputError(asked, "there is no TAG.nidb folder", "name one, or the folder that has them")


def _tag(folder: Path) -> str:
    return folder.resolve().name.removesuffix(SUFFIX)


def _is_within(folder: Path, top: Path) -> bool:
    """Whether links do not lead out of a volume."""
    return folder.resolve().is_relative_to(top.resolve())


def _names(folder: Path) -> dict[str, None]:
    return dict.fromkeys(os.listdir(folder))  # noqa: PTH208 - the names alone


def _stores(folder: Path) -> list[Found]:
    names = _names(folder)
    tags = {name.removesuffix(SUFFIX): name for name in names if name.endswith(SUFFIX)}
    for name in names:
        tag = name.removesuffix(".temp")
        if tag != name and tag not in tags and f"{tag}.move" in names:
            tags[tag] = name
    found = [Found(tag, folder / tags[tag]) for tag in sorted(tags)]
    return [one for one in found if one.path.is_dir() and is_netinfo(_names(one.path))]


def read_store(folder: Path) -> Recovered:
    """The domain of a store's folder, of which nothing is changed, not even when it was read last where that can be.

    :class:`HostError` when it cannot be read, or is being written; InputError and DataError as
    :func:`~portlore.netinfo.disk.recovering.recover` says.
    """
    asked = f"reading the store {folder}"
    try:
        before = _states(folder)
        files = _files(folder, before, asked)
        if _states(folder) != before:
            raise HostError(asked, "it is being written", "stop its server, or make a copy first")
    except OSError as error:
        raise _refused(asked, error) from None
    return recover(files, str(folder))


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the last write of each file."""
    states = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                now = entry.stat(follow_symlinks=False)
                states[entry.name] = now.st_size, now.st_mtime_ns
    return states


def _files(folder: Path, names: Mapping[str, object], asked: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    for name in names:
        data = _read(folder / name, left, zeros_count=not name.startswith("Store."))
        if data is None:
            raise DataError(asked, f"more than {MOST_BYTES >> 20} MB", "see what else has got into that folder")
        left -= len(data)
        files[name] = data
    return files


def _read(path: Path, most: int, *, zeros_count: bool) -> bytes | None:
    """A file's bytes; ``None`` for more than ``most``. Without ``zeros_count`` one of nothing but zeros is empty.

    A store that has grown has files of zeros by the thousand, as large together as a disk.
    """
    pieces: list[bytes] = []
    held, zeros = 0, 0  # bytes held, and of zeros before them
    with os.fdopen(_opened(path), "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            if not held and not zeros_count and piece.count(0) == len(piece):
                zeros += len(piece)
                continue
            if zeros:
                if zeros > most:
                    return None
                pieces, held, zeros = [bytes(zeros)], zeros, 0
            pieces.append(piece)
            held += len(piece)
            if held > most:
                return None
    return b"".join(pieces)


def _opened(path: Path) -> int:
    """A descriptor of a plain file."""
    try:
        descriptor = os.open(path, READ_ONLY | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # O_NOATIME is the owner's
        descriptor = os.open(path, READ_ONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, f"{path.name} is no plain file")
    return descriptor


def write_store(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a store's folder so that it is there whole or not at all, its owner's alone; HostError where that fails.

    What stands there already is left alone: InputError.
    """
    asked, part = f"writing the store {folder}", folder.with_name(f"{folder.name}.{os.getpid()}.part")
    if os.path.lexists(folder):
        raise InputError(asked, "there is something of that name", "choose another name, or remove it first")
    try:
        part.mkdir(mode=0o700)
        try:
            for name, data in files.items():
                _write(part / name, data)
            _sync(part)
            part.rename(folder)
            _sync(folder.absolute().parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise _refused(asked, error) from None


@contextmanager
def new_file(path: str) -> Iterator[None]:
    """While a store's file is made that was not there: nothing is left of it, nor of what goes with it, if it fails."""
    there = os.path.lexists(path)
    try:
        yield
    except BaseException:
        for end in () if there else ("", "-wal", "-shm", ".lock"):
            Path(f"{path}{end}").unlink(missing_ok=True)
        raise


def write_private(path: Path, data: bytes) -> None:
    """Write a file, its owner's alone, so that it is there whole or not at all; HostError where that fails."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            _write(part, data)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(f"writing {path}", error) from None


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(asked: str, error: OSError) -> HostError | InputError:
    found = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputError(asked, found, "name a folder")
    return HostError(asked, found, "let this user read it, or choose another place")
