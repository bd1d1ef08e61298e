"""Edge: what listens on this machine, who owns it, and whether that agrees with the book."""

from __future__ import annotations

import sys

from portlore.judging import Judge, Speaker, called
from portlore.seen import Judgement, Listener, Process, Said
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portlore.book import Book
    from portlore.listeners.linux import Table
    from portlore.lore.program_store import Programs
    from portlore.model import PortRange
    from portlore.seen import Owner, Socket

    Held = list[tuple[int, int]]
    Row = tuple[Socket, tuple[Owner, ...], tuple[tuple[int, int], ...], tuple[Speaker, ...]]
    Paths = dict[tuple[str, int], int]  # inodes of MPTCP listeners by address and port

THROUGH = ("netlink", "proc", "psutil")
OFFERING = ("listen", "unconnected")


class Seen(Value):
    """All that was seen: listeners by port, and ``notes`` on what could not be, each a sentence."""

    listeners: tuple[Listener, ...]
    notes: tuple[str, ...]


class Machine:
    """This machine's sockets, held against a book.

    ``tell`` is called with a line of talk when psutil has to be installed. ``through``: one of :data:`THROUGH`; by
    default the quickest that answers.
    """

    def __init__(self, book: Book, programs: Programs, tell: Callable[[str], None] = print, through: str = "") -> None:
        self._book, self._programs, self._tell = book, programs, tell
        self._portable = through == "psutil" or not sys.platform.startswith("linux")
        self._through = through
        self._table: Table | None = None

    def look(self, *, connections: bool = False, all_namespaces: bool = False) -> Seen:
        """Look once. :class:`portlore.HostError` where this machine shows nothing."""
        judge = Judge(self._book, _ephemeral())
        if self._portable:
            return self._look_portably(judge, connections=connections)
        return self._look_at_linux(judge, connections=connections, all_namespaces=all_namespaces)

    def offered(self) -> list[Socket]:
        """What listens or is bound, without its owners: all that waiting needs."""
        if self._portable:
            from portlore.listeners.portable import ask

            return [socket for socket, _, _ in ask(self._tell)]
        table = _table(self._through)
        try:
            return table.sockets()
        finally:
            table.close()

    def close(self) -> None:
        """Give back what :meth:`raw_tables` keeps open."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def raw_tables(self) -> list[bytes] | None:
        """The kernel's own bytes on all that listens or is bound, to be compared; ``None`` where it gives none."""
        if self._portable:
            return None
        if self._table is None:
            self._table = _table(self._through)
        return self._table.raw()

    def _look_at_linux(self, judge: Judge, *, connections: bool, all_namespaces: bool) -> Seen:
        from portlore.listeners.owners import Owners
        from portlore.listeners.processes import hides_processes, holders, pids

        table = _table(self._through)
        try:
            sockets, paths = table.sockets(connections=connections), table.multipath()
        finally:
            table.close()
        notes = ["netlink does not answer; read from /proc/net"] if table.through == "proc" else []
        running = pids()
        if not running:
            notes.append("/proc shows no process: owners are told as far as the kernel tells them")
        others = list(_elsewhere(running, connections, notes)) if all_namespaces else []
        for found, _ in others:
            sockets += found
        links = [f"socket:[{one.inode}]" for one in sockets]
        holding = holders(set(links), running)
        held = holding.held
        for found, inside in [(sockets, paths), *others]:
            if inside:
                _join_multipath(found, inside, held, running)
        resolve = Owners(holding, self._programs).resolve
        hidden = len(held) < len(links)
        rows: list[Row] = []
        for one, link in zip(sockets, links, strict=True):
            pairs = held.get(link)
            mine, speakers = resolve(one, pairs)
            rows.append((one, mine, tuple(pairs) if pairs else (), speakers))
        rows.sort(key=_order)
        if hidden and not _is_root() and hides_processes():
            notes.append("/proc hides other users' processes (hidepid): run it as root to see them")
        elif hidden and holding.closed:
            notes.append("processes of other users are hidden: run it as root to see their pid and command")
        return Seen(tuple(_judged(judge, rows)), tuple(notes))

    def _look_portably(self, judge: Judge, *, connections: bool) -> Seen:
        from portlore.listeners.portable import PortableOwners, ask, command_of

        owners = PortableOwners()
        known: dict[int, tuple[Speaker, ...]] = {}
        rows: list[Row] = []
        for one, pid, descriptor in ask(self._tell, connections=connections):
            mine = owners.of(pid)
            if pid not in known:
                process = mine[0].process
                if isinstance(process, Process):
                    program = self._programs.find(process.name, process.program, lambda pid=pid: command_of(pid))  # type: ignore[misc]
                    known[pid] = (Speaker(called(process.name, program), program),)
                else:
                    known[pid] = (Speaker("a hidden process", None, hidden=True),)
            rows.append((one, mine, ((pid, descriptor),) if pid else (), known[pid]))
        rows.sort(key=_order)
        notes = ("psutil tells one owner of a socket, and neither unit nor container",)
        return Seen(tuple(_judged(judge, rows)), notes)

    def with_details(self, listeners: Iterable[Listener]) -> list[Listener]:
        """The same listeners, their processes with command line, directory and start."""
        if self._portable:
            from portlore.listeners.portable import with_details
        else:
            from portlore.listeners.processes import with_details

        known: dict[int, Process] = {}

        def detailed(owner: Owner) -> Owner:
            process = owner.process
            if not isinstance(process, Process):
                return owner
            if process.pid not in known:
                known[process.pid] = with_details(process)
            return owner.replace(process=known[process.pid])

        shared: dict[int, tuple[Owner, ...]] = {}
        found = []
        for one in listeners:
            owners = shared.get(id(one.owners))
            if owners is None:
                owners = shared[id(one.owners)] = tuple(map(detailed, one.owners))
            found.append(Listener(one.socket, owners, one.held, one.said, one.judgement, one.why))
        return found


def _is_root() -> bool:
    import os

    return hasattr(os, "geteuid") and os.geteuid() == 0


def _judged(judge: Judge, rows: Sequence[Row]) -> Iterator[Listener]:
    clients = any(socket.state not in OFFERING for socket, _, _, _ in rows)
    offered = {(s.namespace, s.transport, s.port) for s, _, _, _ in rows if s.state in OFFERING} if clients else set()
    for socket, owners, held, speakers in rows:
        said: Said | None = None
        judgement: Judgement | None = None
        if socket.transport == "raw":
            why = "a raw socket takes every packet of its IP protocol; it has no port"
        elif socket.state in OFFERING:
            said, judgement = judge.judge(socket.transport, socket.port, speakers)
            why = judgement.why
        else:
            here = (socket.namespace, socket.transport, socket.port) in offered
            said, why = judge.client(socket, offered=here)
        yield Listener(socket, owners, held, said, judgement, why)


def _order(row: Row) -> tuple[object, ...]:
    socket = row[0]
    return socket.port, socket.transport, socket.namespace, socket.address, socket.inode


def _elsewhere(running: list[int], connections: bool, notes: list[str]) -> Iterator[tuple[list[Socket], Paths]]:
    """Sockets and MPTCP listeners of every other network namespace; one that vanishes meanwhile is noted."""
    from portlore.errors import HostError
    from portlore.listeners.namespaces import inside, other_namespaces

    def look() -> tuple[list[Socket], Paths]:
        table = _table("")
        try:
            return table.sockets(connections=connections), table.multipath()
        finally:
            table.close()

    for namespace in other_namespaces(running):
        try:
            found = inside(namespace, look)
        except HostError as error:
            if error.do.endswith("root"):
                raise
            notes.append(f"the network namespace {namespace.called}: {error.found}")
            continue
        if found is None:
            notes.append(f"the network namespace {namespace.called} vanished, or is none")
        else:
            yield [one.replace(namespace=namespace.called) for one in found[0]], found[1]


def _table(through: str) -> Table:
    """The socket tables of the calling thread's network namespace."""
    from portlore.listeners.linux import Table, open_diag

    return Table(open_diag(), through=through)


def _join_multipath(sockets: list[Socket], paths: Paths, held: dict[str, Held], running: list[int]) -> None:
    """Give MPTCP listeners to the processes that hold them: the TCP table shows sockets that nobody holds."""
    from portlore.listeners.processes import holders

    found = holders({f"socket:[{inode}]" for inode in paths.values()}, running).held
    for one in sockets:
        link = f"socket:[{paths.get((one.address, one.port), 0)}]"
        if one.transport == "tcp" and one.state == "listen" and link in found:
            held.setdefault(f"socket:[{one.inode}]", found[link])


def _ephemeral() -> PortRange | None:
    """Where this machine takes source ports from."""
    if not sys.platform.startswith("linux"):
        return None
    from portlore.listeners.linux import read
    from portlore.local.kernel import EPHEMERAL, ranges

    return next(iter(ranges(read(EPHEMERAL) or "", EPHEMERAL)), None)
