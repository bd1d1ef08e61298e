"""Edge: looking at a machine's sockets again and again at little cost.

The kernel's answer is compared as bytes with the one before; nothing is decoded while it is the same. Who holds what is
looked up again for processes that came, and for all others in turn, a tenth of them at each look.
"""

from __future__ import annotations

from portlore.listeners import Machine
from portlore.listeners.processes import holders, pids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.listeners import Seen

TURNS = 10  # looks after which every process has been looked at anew


class Watcher:
    """Looks at a machine whenever :meth:`look` is called."""

    def __init__(self, machine: Machine, *, connections: bool = False, all_namespaces: bool = False) -> None:
        self._machine = machine
        self._connections, self._all_namespaces = connections, all_namespaces
        self._last: object = None
        self._running: set[int] = set()
        self._held: dict[int, dict[str, list[tuple[int, int]]]] = {}
        self._links: set[str] = set()
        self._turn = 0

    def look(self) -> Seen | None:
        """What is seen now; ``None`` when nothing has changed since the last look."""
        told = None if self._connections or self._all_namespaces else self._machine.raw_tables()
        if told is None:  # no cheap way to see that nothing changed
            return self._machine.look(connections=self._connections, all_namespaces=self._all_namespaces)
        if told == self._last and not self._holders_changed():
            return None
        self._last = told
        seen = self._machine.look()
        self._remember(seen)
        return seen

    def _remember(self, seen: Seen) -> None:
        self._links = {f"socket:[{one.socket.inode}]" for one in seen.listeners}
        self._running = set(pids())
        self._held = {}
        for one in seen.listeners:
            link = f"socket:[{one.socket.inode}]"
            for pid, descriptor in one.held:
                self._held.setdefault(pid, {}).setdefault(link, []).append((pid, descriptor))

    def _holders_changed(self) -> bool:
        running = set(pids())
        come, gone = running - self._running, self._running - running
        self._running = running
        if any(pid in self._held for pid in gone):
            return True
        self._turn = (self._turn + 1) % TURNS
        looked_at = [pid for pid in running if pid in come or pid % TURNS == self._turn]
        found: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for link, pairs in holders(self._links, looked_at).held.items():
            for pid, descriptor in pairs:
                found.setdefault(pid, {}).setdefault(link, []).append((pid, descriptor))
        return any(found.get(pid, {}) != self._held.get(pid, {}) for pid in looked_at)
