"""Edge: the process behind a port forwarder: docker-proxy listens for a container, and is never the answer itself."""

from __future__ import annotations

import os
from itertools import pairwise

from portlore.listeners.linux import read
from portlore.listeners.procnet import parse_table
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.seen import Process

FORWARDERS = ("docker-proxy", "rootlesskit-docker-proxy")


class Target(Value):
    """Where a forwarder sends what it takes: an address and port inside a container."""

    transport: str
    address: str
    port: int


def is_forwarder(process: Process) -> bool:
    """Whether a process is one: told by its executable's file alone, as anybody may call themselves anything."""
    return process.program.rpartition("/")[2] in FORWARDERS


def target_of(command: Sequence[str]) -> Target | None:
    """Where a docker-proxy sends to, by its command line: ``-container-ip 172.17.0.2 -container-port 80``."""
    options = {}
    for option, value in pairwise(command):
        if option.startswith("-"):
            options[option.lstrip("-")] = value
    port = options.get("container-port", "")
    if "container-ip" not in options or not port.isdigit():
        return None
    return Target(options.get("proto", "tcp"), options["container-ip"], int(port))


def local_addresses(fib_trie: str, if_inet6: str) -> set[str]:
    """The addresses of a network namespace, from its /proc/PID/net/fib_trie and if_inet6."""
    found = set()
    last = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            last = words[1]
        elif "host LOCAL" in line:
            found.add(last)
    from portlore.listeners.addresses import text6

    for line in if_inet6.splitlines():
        digits = line.partition(" ")[0]
        try:
            address = bytes.fromhex(digits)
        except ValueError:
            continue
        if len(address) == 16:
            found.add(text6(address))
    return found


class Behind(Value):
    """The processes of a namespace, and the inode of the socket that listens there (0: none)."""

    members: tuple[int, ...]
    inode: int


NOBODY = Behind((), 0)


class Namespaces:
    """The network namespaces that processes are in, by one process each; looked at once."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = pids
        self._by_namespace: dict[str, list[int]] | None = None
        self._addresses: dict[int, set[str]] = {}

    def members(self) -> dict[str, list[int]]:
        """Processes by the text of their namespace, ``net:[4026531840]``; those that hide it are left out."""
        if self._by_namespace is None:
            self._by_namespace = {}
            for pid in self._pids:
                try:
                    link = os.readlink(f"/proc/{pid}/ns/net")
                except OSError:
                    continue
                self._by_namespace.setdefault(link, []).append(pid)
        return self._by_namespace

    def behind(self, target: Target) -> Behind:
        """Who is behind a forwarder: the namespaces other than ours that have the target's address."""
        own = self._own()
        here: list[Behind] = []
        for link, members in self.members().items():
            pid = members[0]
            if link == own:  # a forwarder leads into a container; an address of the host itself is no answer
                continue
            if pid not in self._addresses:
                tries = read(f"/proc/{pid}/net/fib_trie") or "", read(f"/proc/{pid}/net/if_inet6") or ""
                self._addresses[pid] = local_addresses(*tries)
            if target.address in self._addresses[pid]:
                here.append(Behind(tuple(members), self._listener(pid, target)))
        listening = [one for one in here if one.inode]
        if len(listening) == 1:
            return listening[0]
        return here[0].replace(inode=0) if len(here) == 1 else NOBODY  # two such namespaces: nobody can tell which

    @staticmethod
    def _own() -> str:
        try:
            return os.readlink("/proc/self/ns/net")
        except OSError:
            return ""

    @staticmethod
    def _listener(pid: int, target: Target) -> int:
        for table in (target.transport, f"{target.transport}6"):
            for one in parse_table(read(f"/proc/{pid}/net/{table}") or "", target.transport):
                if one.port == target.port and one.state in ("listen", "unconnected"):
                    return one.inode
        return 0
