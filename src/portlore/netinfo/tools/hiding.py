"""Edge: taking a password out of the list of processes."""

from __future__ import annotations

import re

STAT, MEMORY = "/proc/self/stat", "/proc/self/mem"
ARG_START = 45  # of the fields behind the name of the program; arg_end is the next one: proc(5)


def hide(option: str) -> None:
    """Overwrite what stands behind an option in this process's command line, where the system lets us: on Linux.

    It was there to be seen since the process began, and the shell's history may have it too.
    """
    found = re.compile(b"(?<=\\0)%b\\0([^\\0]+)" % option.encode())
    try:
        with open(STAT, "rb") as stat, open(MEMORY, "r+b", buffering=0) as memory:  # noqa: PTH123 - cheaper
            start, end = map(int, stat.read().rpartition(b")")[2].split()[ARG_START : ARG_START + 2])
            memory.seek(start)
            for password in found.finditer(memory.read(end - start)):
                memory.seek(start + password.start(1))
                memory.write(b"x" * len(password[1]))
    except (OSError, ValueError):
        pass  # no Linux, or one that is closed
