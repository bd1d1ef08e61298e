"""Edge: who holds a socket: process, user, unit, container, or why that cannot be told."""

from __future__ import annotations

import os

from portlore.judging import Speaker, called
from portlore.listeners.cgroups import place_of
from portlore.listeners.forwarders import Namespaces, is_forwarder, target_of
from portlore.listeners.linux import read
from portlore.listeners.processes import command_of, holders, look_at, pids, user_name
from portlore.seen import Container, Hidden, Owner, Process, Program, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.listeners.containers import Runtimes
    from portlore.listeners.kernel import KernelSockets
    from portlore.listeners.processes import Holding
    from portlore.lore.program_store import Programs
    from portlore.seen import Socket

    Speakers = tuple[Speaker, ...]

INIT_PIDS = "pid:[4026531836]"  # the machine's own process list: PROC_PID_INIT_INO, linux/proc_ns.h
AS_ROOT = "run it as root"
MOST_GROUPS = 200_000  # control groups that are looked through for a number


def group_paths(mountinfo: str) -> dict[int, str]:
    """The path of every control group of cgroup v2 by its number, which is that of its folder."""
    mount = ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            mount = left.split()[4]
            break
    found: dict[int, str] = {}
    if not mount:
        return found
    try:
        found[os.stat(mount).st_ino] = "/"
    except OSError:
        return found
    waiting = [""]
    while waiting and len(found) < MOST_GROUPS:
        path = waiting.pop()
        try:
            with os.scandir(mount + path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        found[entry.inode()] = f"{path}/{entry.name}"
                        waiting.append(f"{path}/{entry.name}")
        except OSError:
            continue
    return found


NOBODY = (Owner(None, None, None, None, Hidden(Reason.KERNEL, "no process: the kernel alone keeps it", "")),)


class Owners:
    """Names the owners of sockets; looks at each process, group and runtime once.

    Several sockets of the same processes share one tuple of owners.
    """

    def __init__(self, holding: Holding, programs: Programs) -> None:
        self._holding, self._programs = holding, programs
        self._me = os.geteuid()
        self._by_pid: dict[int, Owner | None] = {}
        self._alone: dict[int, tuple[tuple[Owner, ...], Speakers]] = {}
        self._by_pids: dict[tuple[int, ...], tuple[Owner, ...]] = {}
        self._hidden: dict[tuple[object, ...], tuple[Owner, ...]] = {}
        self._groups: dict[int, str] | None = None
        self._runtimes: Runtimes | None = None
        self._kernel: KernelSockets | None = None
        self._namespaces: Namespaces | None = None
        self._sees_all: bool | None = None
        self._speakers: dict[int, tuple[tuple[Owner, ...], tuple[Speaker, ...]]] = {}

    def resolve(self, socket: Socket, held: list[tuple[int, int]] | None) -> tuple[tuple[Owner, ...], Speakers]:
        """The owners of a socket that these (process, descriptor) pairs hold, and the same as speakers."""
        if held and len(held) == 1 and (pid := held[0][0]) != 1:
            known = self._alone.get(pid)
            if known is None:
                owners = self.of(socket, held)
                known = owners, self.speakers(owners)
                if not isinstance(owners[0].process, Hidden):
                    self._alone[pid] = known
            return known
        owners = self.of(socket, held)
        return owners, self.speakers(owners)

    def of(self, socket: Socket, held: list[tuple[int, int]] | None) -> tuple[Owner, ...]:
        """The owners of a socket that these (process, descriptor) pairs hold."""
        if not held:
            return self._hide(socket)
        key = (held[0][0],) if len(held) == 1 else tuple(dict.fromkeys([pid for pid, _ in held]))
        found = self._by_pids.get(key)
        if found is None:
            found = self._by_pids[key] = self._of_pids(key)
        if not found:
            return self._hide(socket, ended=True)
        if key[0] == 1 and socket.cgroup:
            return self._activated(socket, found)
        return found

    def speakers(self, owners: tuple[Owner, ...]) -> tuple[Speaker, ...]:
        """The same owners, for the judgement; service managers that only keep a socket are left out beside others."""
        known = self._speakers.get(id(owners))
        if known is None:
            found = [self._speaker(owner) for owner in owners]
            others = [s for s, owner in zip(found, owners, strict=True) if not _keeps_for_others(owner)]
            known = self._speakers[id(owners)] = owners, tuple(dict.fromkeys(others or found))
        return known[1]

    def _speaker(self, owner: Owner) -> Speaker:
        process = owner.process
        if isinstance(process, Process) and not _keeps_for_others(owner):
            program = self._programs.find(process.name, process.program, lambda: command_of(process.pid))
            return Speaker(called(process.name, program), program)
        if owner.container is not None:
            return Speaker(f"container {owner.container.name or owner.container.id[:12]}", None, hidden=True)
        if owner.unit is not None:
            from portlore.listeners.units import read_unit

            unit = read_unit(owner.unit)
            file = unit.program.rpartition("/")[2] if unit else ""
            if file:
                return Speaker(f"{file} (by {owner.unit})", self._programs.named(file), hidden=True)
            return Speaker(owner.unit, None, hidden=True)
        if isinstance(process, Hidden):
            from portlore.listeners.kernel import part_named

            part = part_named(process.what) if process.reason is Reason.KERNEL else None
            serves = Program((), (), part.services, part.uses, part.what) if part else None
            return Speaker(part.what if part else process.what, serves, hidden=process.reason is not Reason.KERNEL)
        return Speaker(process.name, None)

    def _of_pids(self, pids_held: tuple[int, ...]) -> tuple[Owner, ...]:
        found: list[Owner] = []
        for pid in pids_held:
            if pid not in self._by_pid:
                self._by_pid[pid] = self._look(pid)
            owner = self._by_pid[pid]
            if owner is not None:
                process = owner.process
                if isinstance(process, Process) and is_forwarder(process):
                    found += self._behind(process, owner)
                else:
                    found.append(owner)
        return tuple(dict.fromkeys(found))

    def _look(self, pid: int) -> Owner | None:
        seen = look_at(pid)
        if seen is None:
            return None
        unit, container = self._place(seen.cgroup)
        return Owner(seen.uid, user_name(seen.uid), unit, container, seen.process)

    def _place(self, path: str) -> tuple[str | None, Container | None]:
        place = place_of(path)
        container = place.container
        if container is not None:
            container = self.runtimes.named(container, place.pod_uid)
        return place.unit, container

    @property
    def runtimes(self) -> Runtimes:
        """The files of the container runtimes, opened when a container is met."""
        if self._runtimes is None:
            from portlore.listeners.containers import Runtimes

            self._runtimes = Runtimes()
        return self._runtimes

    def _group(self, number: int) -> str:
        if self._groups is None:
            self._groups = group_paths(read("/proc/self/mountinfo") or "")
        return self._groups.get(number, "")

    def _activated(self, socket: Socket, owners: tuple[Owner, ...]) -> tuple[Owner, ...]:
        """A socket that the service manager holds belongs to the socket unit in whose group it was made."""
        unit = place_of(self._group(socket.cgroup)).unit
        if unit is None or not unit.endswith(".socket"):
            return owners
        key = (id(owners), unit)
        found = self._hidden.get(key)
        if found is None:
            found = self._hidden[key] = tuple(
                one.replace(unit=unit) if isinstance(one.process, Process) and one.process.pid == 1 else one
                for one in owners
            )
        return found

    def _behind(self, proxy: Process, owner: Owner) -> list[Owner]:
        """The owners of the container's socket that a forwarder stands for."""
        target = target_of(command_of(proxy.pid))
        where = f"{proxy.name} {proxy.pid}"
        if target is not None:
            if self._namespaces is None:
                self._namespaces = Namespaces(pids())
            behind = self._namespaces.behind(target)
            link = f"socket:[{behind.inode}]"
            held = holders({link}, list(behind.members)).held.get(link, []) if behind.inode else []
            found = [self._look(pid) for pid in dict.fromkeys(pid for pid, _ in held)]
            told = [one for one in found if one is not None]
            if told and (owner.uid == 0 or all(one.uid == owner.uid for one in told)):
                return told
            where += f" to {target.address}:{target.port}"
            for pid in behind.members:
                inside = self._look(pid)
                if inside is not None and inside.container is not None:
                    nobody = Hidden(Reason.ELSEWHERE, f"nothing listens behind {where}", "look into the container")
                    return [owner.replace(container=inside.container, process=nobody)]
        nobody = Hidden(Reason.ELSEWHERE, f"a container behind {where}", "docker ps")
        return [owner.replace(process=nobody)]

    def _hide(self, socket: Socket, *, ended: bool = False) -> tuple[Owner, ...]:
        """An owner without a process, and the reason."""
        if not socket.inode:
            return NOBODY
        group = self._group(socket.cgroup) if socket.cgroup else ""
        reason = self._reason(socket, ended=ended)
        kernel = None
        if reason is Reason.KERNEL:
            if self._kernel is None:
                from portlore.listeners.kernel import KernelSockets

                self._kernel = KernelSockets()
            kernel = self._kernel.name(socket.transport, socket.port, socket.peer_port)
        key: tuple[object, ...] = (reason, socket.uid, group, kernel)
        found = self._hidden.get(key)
        if found is None:
            unit, container = self._place(group)
            if container is None and unit == "docker.service":
                container = self.runtimes.publisher(socket.transport, socket.port)
                key = (*key, container)
            hidden = _hidden(reason, kernel)
            user = user_name(socket.uid) if socket.uid is not None else None
            found = self._hidden[key] = (Owner(socket.uid, user, unit, container, hidden),)
        return found

    def _reason(self, socket: Socket, *, ended: bool) -> Reason:
        if ended:
            return Reason.ENDED
        if self._holding.closed or self._me != 0:
            return Reason.PERMISSION
        if self._sees_all is None:
            try:
                self._sees_all = os.readlink("/proc/self/ns/pid") == INIT_PIDS  # hidepid hides nothing from root
            except OSError:
                self._sees_all = False
        return Reason.KERNEL if self._sees_all else Reason.ELSEWHERE


def _keeps_for_others(owner: Owner) -> bool:
    """Whether an owner is systemd, which opens sockets for the services that it starts."""
    return isinstance(owner.process, Process) and owner.process.name == "systemd"


def _hidden(reason: Reason, kernel: tuple[str, str] | None) -> Hidden:
    if reason is Reason.PERMISSION:
        return Hidden(reason, "a process of another user", AS_ROOT)
    if reason is Reason.ENDED:
        return Hidden(reason, "a process that ended while it was looked at", "ask again")
    if reason is Reason.ELSEWHERE:
        return Hidden(reason, "no process that is visible here", "ask on the host, outside this container")
    if kernel is not None:
        return Hidden(reason, kernel[0], kernel[1])
    return Hidden(reason, "the kernel, or a descriptor that no process shows", "look at dmesg and `ss -e`")
