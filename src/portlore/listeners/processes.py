"""Edge: which processes of a Linux machine hold a socket, and what they are, from /proc."""

from __future__ import annotations

import os

from portlore.listeners.cgroups import path_of
from portlore.listeners.linux import read, read_bytes
from portlore.seen import Process
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Holders = dict[str, list[tuple[int, int]]]

FULL = 1 << 12  # bytes of a command line that are read


class Seen(Value):
    """What was seen of a process: itself, its effective user, its control group's path, its parent."""

    process: Process
    uid: int
    cgroup: str
    parent: int


class Holding(Value):
    """Who holds what: (process, descriptor) pairs by the link's text ``socket:[INODE]``.

    ``closed``: how many processes did not let us look.
    """

    held: Holders
    closed: int


def pids() -> list[int]:
    """The processes that /proc shows."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def holders(wanted: Collection[str] | None, among: list[int] | None = None) -> Holding:
    """Look through the descriptors of all processes, or of some, for the ``wanted`` links (``None``: every socket).

    A process that ends while it is looked at holds nothing.
    """
    held: Holders = {}
    closed = 0
    readlink, opened, listdir = os.readlink, os.open, os.listdir
    for pid in pids() if among is None else among:
        try:
            folder = opened(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            closed += 1
            continue
        except OSError:
            continue
        try:
            for name in listdir(folder):
                try:
                    link = readlink(name, dir_fd=folder)
                except OSError:
                    continue
                if link[0] == "s" and (wanted is None or link in wanted):
                    pair = (pid, int(name))
                    if link in held:
                        held[link].append(pair)
                    else:
                        held[link] = [pair]
        except PermissionError:
            closed += 1
        except OSError:
            pass
        finally:
            os.close(folder)
    return Holding(held, closed)


def look_at(pid: int, *, full: bool = False) -> Seen | None:
    """What a process is; ``None`` when it has ended."""
    status = read_bytes(f"/proc/{pid}/status")
    comm = read_bytes(f"/proc/{pid}/comm")
    if not status or comm is None:
        return None
    uid, parent = _of_status(status)
    try:
        program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        program = ""
    name = comm.removesuffix(b"\n").decode("utf-8", "backslashreplace")
    process = Process(pid, name, _text(program))
    if full:
        process = with_details(process)
    return Seen(process, uid, path_of(read(f"/proc/{pid}/cgroup") or ""), parent)


def _of_status(status: bytes) -> tuple[int, int]:
    """The effective user and the parent in a /proc/PID/status (proc(5))."""
    uid = parent = -1
    for line in status.split(b"\n", 12):
        if line.startswith(b"Uid:"):
            uid = int(line.split()[2])
        elif line.startswith(b"PPid:"):
            parent = int(line.split()[1])
    return uid, parent


def command_of(pid: int) -> tuple[str, ...]:
    """The words of a process's command line; empty for a kernel thread and one that has ended."""
    data = read_bytes(f"/proc/{pid}/cmdline") or b""
    words = data[:FULL].removesuffix(b"\0").split(b"\0") if data else []
    return tuple([word.decode("utf-8", "backslashreplace").rstrip(" ") for word in words])


def with_details(process: Process) -> Process:
    """The same process with its command line, directory and start, as far as they may be read."""
    try:
        directory: str | None = _text(os.readlink(f"/proc/{process.pid}/cwd"))
    except OSError:
        directory = None
    return process.replace(command=command_of(process.pid), directory=directory, started=started(process.pid))


def ticks_of(pid: int) -> int | None:
    """When a process began, in clock ticks since boot: with its number, its identity (proc_pid_stat(5), field 22)."""
    data = read_bytes(f"/proc/{pid}/stat")
    if not data:
        return None
    words = data[data.rfind(b")") + 1 :].split()
    return int(words[19]) if len(words) > 19 else None


_boot: list[float] = []


def started(pid: int) -> float | None:
    """When a process began, in seconds since 1970."""
    ticks = ticks_of(pid)
    if ticks is None:
        return None
    if not _boot:
        lines = (read("/proc/stat") or "").splitlines()
        _boot.extend(float(line.split()[1]) for line in lines if line.startswith("btime "))
    return round(_boot[0] + ticks / os.sysconf("SC_CLK_TCK"), 2) if _boot else None


def _text(path: str) -> str:
    """A path of the file system, whose bytes need not be UTF-8, as text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


_users: dict[int, str | None] = {}


def user_name(uid: int) -> str | None:
    """The name of a user, ``None`` for a number that this machine has no name for."""
    if uid not in _users:
        from pwd import getpwuid

        try:
            _users[uid] = getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            _users[uid] = None
    return _users[uid]


def hides_processes(look: Callable[[str], str | None] = read) -> bool:
    """Whether /proc shows each user only their own processes (``hidepid``, proc(5))."""
    for line in reversed((look("/proc/self/mountinfo") or "").splitlines()):  # the last mount is the one in sight
        mount, _, kind = line.partition(" - ")
        words = mount.split()
        if len(words) > 4 and words[4] == "/proc" and kind.startswith("proc "):
            options = kind.split()[-1].split(",")
            return any(o.startswith("hidepid=") and o not in ("hidepid=0", "hidepid=off") for o in options)
    return False
