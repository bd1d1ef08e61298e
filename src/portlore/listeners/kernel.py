"""Edge: sockets that the kernel itself holds, named by what else shows that part of it to be at work.

KERNEL is the table. A kernel socket has no process; on the machine's own process list that leaves few explanations.
"""

from __future__ import annotations

import os

from portlore.listeners.linux import read
from portlore.value import Value


class KernelPart(Value):
    """A part of the kernel that holds sockets.

    ``what`` it is called; the ``transports`` and ``ports`` it uses (none: any); the ``trace``: a path that exists while
    it works, or ``devtype=KIND`` for a network interface of that kind; the command to ``do`` for more; the registered
    ``services`` that it is, and the claims that it ``uses``.
    """

    what: str
    transports: tuple[str, ...]
    ports: tuple[int, ...]
    trace: str
    do: str
    services: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


DLM = "Linux distributed lock manager (DLM)"
LOCKD = "the kernel's NFS lock manager (lockd)"
CALLBACK = "the callback service of the kernel's NFS client"
NFS_CLIENT = "the kernel's NFS client", "nfsstat -m"
NFS_PORT = 2049
KERNEL = (
    KernelPart(
        "the kernel's NFS server",
        ("tcp", "udp"),
        (2049, 20049),
        "/proc/fs/nfsd/threads",
        "exportfs -v",
        ("nfs", "nfsrdma"),
    ),
    KernelPart(
        "the kernel's SMB server (ksmbd)",
        ("tcp",),
        (445, 139),
        "/sys/class/ksmbd-control",
        "ksmbd.control -s",
        ("microsoft-ds", "netbios-ssn"),
    ),
    KernelPart(
        "the kernel's iSCSI target (LIO)",
        ("tcp",),
        (3260,),
        "/sys/kernel/config/target/iscsi",
        "targetcli ls",
        ("iscsi-target",),
    ),
    KernelPart(
        "the kernel's NVMe-over-TCP target",
        ("tcp",),
        (4420, 8009),
        "/sys/kernel/config/nvmet",
        "nvmetcli ls",
        ("nvme", "nvme-disc"),
    ),
    KernelPart("DRBD", ("tcp",), tuple(range(7788, 7800)), "/proc/drbd", "drbdadm status", (), ("DRBD",)),
    KernelPart(
        "the distributed lock manager (DLM)", ("tcp", "sctp"), (21064,), "/sys/kernel/dlm", "dlm_tool ls", (), (DLM,)
    ),
    KernelPart(
        "the kernel's AFS client (rxrpc)",
        ("udp",),
        (7001,),
        "/proc/net/rxrpc",
        "cat /proc/net/rxrpc/locals",
        ("afs3-callback",),
    ),
    KernelPart("TIPC over UDP", ("udp",), (6118,), "/proc/sys/net/tipc", "tipc bearer list", ("tipc",)),
    KernelPart("WireGuard", ("udp",), (), "devtype=wireguard", "wg show", (), ("WireGuard",)),
    KernelPart(
        "a VXLAN tunnel", ("udp",), (4789, 8472), "devtype=vxlan", "ip -d link show type vxlan", ("vxlan", "otv")
    ),
    KernelPart("a GENEVE tunnel", ("udp",), (6081,), "devtype=geneve", "ip -d link show type geneve", ("geneve",)),
    KernelPart("a Bareudp tunnel", ("udp",), (), "devtype=bareudp", "ip -d link show type bareudp"),
    KernelPart("L2TP", ("udp",), (1701,), "/sys/module/l2tp_core", "ip l2tp show tunnel", ("l2tp", "l2f")),
    KernelPart(LOCKD, ("tcp", "udp"), (), "/sys/module/lockd", "rpcinfo -p"),
    KernelPart(CALLBACK, ("tcp",), (), "/sys/module/nfsv4", "nfsstat -m"),
)
EXACT = {  # files that name the ports of a part: words of "PROTOCOL PORT", or the port alone
    "/proc/fs/nfsd/portlist": "the kernel's NFS server",
    "/proc/sys/fs/nfs/nlm_tcpport": LOCKD,
    "/proc/sys/fs/nfs/nlm_udpport": LOCKD,
    "/sys/module/nfs/parameters/callback_tcpport": CALLBACK,
}


class KernelSockets:
    """Names kernel sockets; looks at the machine once. ``root`` is put before every path, for tests."""

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._parts: list[tuple[KernelPart, str]] | None = None

    def name(self, transport: str, port: int, peer_port: int = 0) -> tuple[str, str] | None:
        """What part of the kernel holds a socket, and the command that tells more; ``None`` where nothing shows."""
        if peer_port:
            return NFS_CLIENT if peer_port == NFS_PORT else None
        for path, what in EXACT.items():
            words = (read(self._root + path) or "").split()
            if str(port) in words:
                return what, next(part.do for part in KERNEL if part.what == what)
        if self._parts is None:
            kinds = self._kinds()
            self._parts = [(part, detail) for part in KERNEL if (detail := self._trace(part.trace, kinds)) is not None]
        for exact in (True, False):
            for part, detail in self._parts:
                if transport in part.transports and (port in part.ports if exact else not part.ports):
                    sure = "" if exact else ", most likely"
                    return f"{part.what}{detail}{sure}", part.do
        return None

    def _trace(self, trace: str, kinds: dict[str, list[str]]) -> str | None:
        if trace.startswith("devtype="):
            names = kinds.get(trace.removeprefix("devtype="))
            return f" ({', '.join(names)})" if names else None
        return "" if os.path.exists(self._root + trace) else None

    def _kinds(self) -> dict[str, list[str]]:
        """Network interfaces by kind, as their uevent files tell."""
        found: dict[str, list[str]] = {}
        folder = f"{self._root}/sys/class/net"
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            names = []
        for name in names:
            for line in (read(f"{folder}/{name}/uevent") or "").splitlines():
                if line.startswith("DEVTYPE="):
                    found.setdefault(line.removeprefix("DEVTYPE="), []).append(name)
        return found


def part_named(what: str) -> KernelPart | None:
    """The row of the table that :meth:`KernelSockets.name` took its words from."""
    return next((part for part in KERNEL if what.startswith(part.what)), None)
