"""Edge: SELinux port types (``semanage port -l``).

That command takes a second, so its answer is kept and asked for again only when the policy has changed.
"""

from __future__ import annotations

import os

from portlore.errors import InputError
from portlore.model import LocalLine, PortRange, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SEMANAGE = "/usr/sbin/semanage"
STORE = "/var/lib/selinux"
LAYER, PATH = "selinux", "semanage port -l"
TIMEOUT = 10  # seconds


def parse(text: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """The lines of ``semanage port -l``: ``http_port_t  tcp  80, 81, 443``."""
    for line in text.splitlines():
        words = line.replace(",", " ").split()
        if len(words) < 3 or words[1] not in Transport.__members__.values():
            continue
        for number in words[2:]:
            try:
                ports = PortRange.parse(number)
            except InputError:
                continue
            if not wanted or any(n in ports for n in wanted):
                yield ports, LocalLine(LAYER, PATH, "", words[0], words[1], f"SELinux type of {ports}")


def read(wanted: Collection[int], root: str = "") -> list[tuple[PortRange, LocalLine]]:
    """What SELinux calls the wanted ports, on a machine where it is in force and may be asked."""
    if not os.access(root + SEMANAGE, os.X_OK):
        return []
    from portlore.opening import user_directory

    kept = f"{user_directory()}/selinux-ports.txt"
    try:
        changed = os.stat(root + STORE).st_mtime  # noqa: PTH116
        if os.stat(kept).st_mtime > changed:  # noqa: PTH116
            with open(kept, encoding="utf-8") as file:  # noqa: PTH123
                return list(parse(file.read(), wanted))
    except OSError:
        pass
    return list(parse(_ask(root, kept), wanted))


def _ask(root: str, kept: str) -> str:
    import subprocess
    from pathlib import Path

    from portlore.files import write_whole

    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [root + SEMANAGE, "port", "-l"], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode == 0:
        try:
            write_whole(Path(kept), done.stdout.encode())
        except OSError:
            pass
    return done.stdout
