"""Edge: this machine as ``free`` must know it: the kernel's ranges, and what is bound."""

from __future__ import annotations

from portlore.local import kernel
from portlore.model import PortRange
from portlore.own.free import Machine

EPHEMERAL_ELSEWHERE = PortRange(49152, 65535)  # macOS, BSD, Windows (RFC 6335 section 6)


def _ranges(path: str) -> list[PortRange]:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            return kernel.ranges(file.read(4096), path)
    except (OSError, UnicodeDecodeError):
        return []


def is_bound(number: int) -> bool:
    """Whether a program on this machine holds a port: asked by binding to it, TCP and UDP, IPv4 and IPv6."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                probe = socket.socket(family, kind)
            except OSError:  # no IPv6 here
                continue
            with probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind(("", number))
                except OSError as error:
                    import errno

                    if error.errno in (errno.EADDRINUSE, errno.EACCES):
                        return True
    return False


def read_machine() -> Machine:
    """This machine's ranges, as far as it tells them."""
    ephemeral = _ranges(kernel.EPHEMERAL) or [EPHEMERAL_ELSEWHERE]
    rpc = _ranges(kernel.RPC_FIRST) or [PortRange(*kernel.RPC_DEFAULT)]
    return Machine(ephemeral[0], rpc[0], tuple(_ranges(kernel.RESERVED)), is_bound)
