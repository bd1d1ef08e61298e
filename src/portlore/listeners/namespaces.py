"""Edge: other network namespaces of a Linux machine: finding them, and looking inside."""

from __future__ import annotations

import os
import sys
import threading

from portlore.errors import HostError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    Found = TypeVar("Found")

NAMED = ("/run/netns", "/run/docker/netns")  # where `ip netns` and Docker keep them
CLONE_NEWNET = 0x40000000


class Namespace(Value):
    """A network namespace: what to ``call`` it, a ``path`` that opens it, a process in it (0 without one)."""

    called: str
    path: str
    pid: int


def identity(path: str) -> tuple[int, int] | None:
    """The device and number of a namespace's file; ``None`` when it has vanished."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def other_namespaces(pids: Iterable[int]) -> list[Namespace]:
    """Every network namespace but the caller's, once each: those with a name, then those that a process is in."""
    seen = {identity("/proc/thread-self/ns/net")}
    found: dict[tuple[int, int], Namespace] = {}
    for folder in NAMED:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            which = identity(f"{folder}/{name}")
            if which is not None and which not in seen:
                found.setdefault(which, Namespace(name, f"{folder}/{name}", 0))
    for pid in pids:
        path = f"/proc/{pid}/ns/net"
        which = identity(path)
        if which is None or which in seen:
            continue
        known = found.get(which)
        if known is None:
            found[which] = Namespace(f"net:[{which[1]}]", path, pid)
        elif not known.pid:
            found[which] = known.replace(pid=pid)
    return list(found.values())


def inside(namespace: Namespace, look: Callable[[], Found]) -> Found | None:
    """What ``look`` gives inside another namespace; ``None`` when that has vanished.

    A thread of its own enters it, so that the caller never leaves its own. :class:`HostError` without the right to
    (CAP_SYS_ADMIN), and what ``look`` raises.
    """
    found: list[Found] = []
    raised: list[Exception] = []

    def enter() -> None:
        try:
            file = os.open(namespace.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            _setns(file)
            found.append(look())
        except (OSError, HostError) as error:
            raised.append(error)
        finally:
            os.close(file)

    thread = threading.Thread(target=enter, name="portlore-namespace")
    thread.start()
    thread.join()
    if raised and isinstance(raised[0], PermissionError):
        raise HostError("the sockets of other network namespaces", "not allowed to enter them", "run it as root")
    if raised and isinstance(raised[0], HostError):
        raise raised[0]
    return found[0] if found else None


def _setns(file: int) -> None:
    """Move the calling thread into a namespace (setns(2)); Python has it since 3.12."""
    if sys.version_info >= (3, 12):
        os.setns(file, CLONE_NEWNET)
    else:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
