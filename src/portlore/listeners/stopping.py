"""Edge: ending processes: TERM, a grace, KILL, never another process that got the same number meanwhile."""

from __future__ import annotations

import os
import signal
import time

from portlore.errors import HostError
from portlore.seen import Process
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.seen import Owner

LOOK = 0.02  # seconds between two looks at who is left
AFTER_KILL = 2.0  # seconds that the kernel is given to take a killed process away
SUPERVISORS = {  # by the name of the process: how to tell it to leave a program alone
    "supervisord": "supervisorctl stop NAME",
    "runsv": "sv down NAME",
    "s6-supervise": "s6-svc -d NAME",
    "supervise": "svc -d NAME",
    "circusd": "circusctl stop NAME",
    "monit": "monit stop NAME",
    "nodemon": "stop nodemon",
    "watchexec": "stop watchexec",
    "cargo-watch": "stop cargo-watch",
    "PM2": "pm2 stop NAME",
    "pm2": "pm2 stop NAME",
    "launchd": "launchctl bootout NAME",
}


class Target(Value):
    """A process to end, known for certain: by a process descriptor, else by its number and start."""

    pid: int
    name: str
    descriptor: int
    began: int | None

    @classmethod
    def of(cls, pid: int, name: str) -> Target | None:
        """The process as it is now; ``None`` when it has ended."""
        from portlore.listeners.processes import ticks_of

        began = ticks_of(pid)
        if not hasattr(os, "pidfd_open"):
            return cls(pid, name, -1, began)
        try:
            return cls(pid, name, os.pidfd_open(pid), began)
        except ProcessLookupError:
            return None
        except OSError:
            return cls(pid, name, -1, began)

    def ended(self) -> bool:
        """Whether it is gone; one that waits to be buried counts as gone."""
        if self.descriptor >= 0:
            from select import poll

            waiting = poll()  # select() takes no descriptor beyond 1023
            waiting.register(self.descriptor)
            return bool(waiting.poll(0))
        from portlore.listeners.processes import ticks_of

        if self.began is not None:  # where there is a /proc
            return ticks_of(self.pid) != self.began
        try:
            os.kill(self.pid, 0)
        except OSError:
            return True
        return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; :class:`HostError` when that is not allowed."""
        try:
            if self.descriptor >= 0:
                signal.pidfd_send_signal(self.descriptor, number)
            elif not self.ended():
                os.kill(self.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            asked = f"stopping {self.name} ({self.pid})"
            raise HostError(asked, "it is another user's", "run it as root") from None


def end(targets: Sequence[Target], grace: float, tell: Callable[[float], None]) -> list[Target]:
    """End processes; returns those that had to be killed. ``tell`` gets the seconds left, while anybody waits.

    :class:`HostError` when one is not ours to signal, or survives KILL.
    """
    began = time.monotonic()
    for target in targets:
        target.send(signal.SIGTERM)
    left = list(targets)
    while (left := [target for target in left if not target.ended()]) and time.monotonic() - began < grace:
        waited = time.monotonic() - began
        if waited > 1:
            tell(grace - waited)
        time.sleep(LOOK)
    killed = left
    for target in killed:
        target.send(getattr(signal, "SIGKILL", signal.SIGTERM))
    began = time.monotonic()
    while (left := [target for target in left if not target.ended()]) and time.monotonic() - began < AFTER_KILL:
        time.sleep(LOOK)
    for target in targets:
        if target.descriptor >= 0:
            os.close(target.descriptor)
    if left:
        asked = f"stopping {left[0].name} ({left[0].pid})"
        raise HostError(asked, "it survives KILL: it waits in the kernel", "look at its state with ps")
    return killed


def restarters(owner: Owner) -> list[str]:
    """Who will start an owner's process again, each as a sentence with what to do instead."""
    from portlore.listeners.processes import look_at
    from portlore.listeners.units import read_unit

    told = []
    container = owner.container
    if container is not None:
        name = container.name or container.id[:12]
        tool = {"docker": "docker", "podman": "podman", "containerd": "nerdctl"}.get(container.runtime)
        do = f"{tool} stop {name}" if tool else f"stop the container {name} with its own tool"
        told.append(f"it runs in the container {name}, which may be started again; to stop that: {do}")
    elif owner.unit is not None and owner.unit.endswith(".service"):
        unit = read_unit(owner.unit)
        if unit is not None and (unit.comes_back or unit.comes_back_from_kill):
            when = "" if unit.comes_back else " if it has to be killed"
            told.append(f"systemd will start {owner.unit} again{when} (Restart={unit.restart}); to stop it: systemctl "
                        f"stop {owner.unit}")  # fmt: skip
    parent = owner.process.pid if isinstance(owner.process, Process) else 0
    for _ in range(8):  # a supervisor is close: its child, or a shell between
        seen = look_at(parent) if parent > 1 else None
        if seen is None:
            break
        if seen.process.name in SUPERVISORS:
            told.append(f"{seen.process.name} ({seen.process.pid}) will start it again; "
                        f"instead: {SUPERVISORS[seen.process.name]}")  # fmt: skip
        parent = seen.parent
    return told


def ancestors() -> set[int]:
    """This process and those that it descends from: the shell that the command was typed into, and so on."""
    from portlore.listeners.processes import look_at

    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        seen = look_at(pid)
        pid = seen.parent if seen is not None else 0
    return found
