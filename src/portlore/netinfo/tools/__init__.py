"""The tools of NetInfo under their own names; TOOLS is the table.

Names and values are bytes, in and out: what is no text in this system's encoding goes through unharmed.
"""

from __future__ import annotations

import sys

from portlore.errors import PortloreError
from portlore.netinfo.tools import nicl, nidomain, nidump, nifind, nigrep, niload, nireport, niutil, usages
from portlore.netinfo.tools.running import Ended, Misused
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    Do = Callable[[Sequence[str], BinaryIO, BinaryIO, BinaryIO], None]


class Tool(Value):
    """A tool: calling it with its arguments and streams gives the exit code; ``plain``: no other than 0 and 1."""

    name: str
    do: Do
    usage: bytes
    plain: bool = False

    def __call__(self, arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> int:
        """Run it: the border where errors become messages and exit codes."""
        name = self.name.encode()
        try:
            self.do(arguments, stdin, stdout, stderr)
        except Misused:
            stderr.write(self.usage)
            return 1
        except Ended as end:
            if end.text:
                stderr.write(name + end.mark + end.text + b"\n")
            return min(end.code, 1) if self.plain else end.code
        except PortloreError as error:
            stderr.write(b"%b: %b\n" % (name, str(error).encode("utf-8", "surrogateescape")))
            return error.exit_code
        return 0


TOOLS = {
    "niutil": Tool("niutil", niutil.niutil, usages.NIUTIL),
    "nidump": Tool("nidump", nidump.nidump, usages.NIDUMP, plain=True),
    "niload": Tool("niload", niload.niload, usages.NILOAD, plain=True),
    "nigrep": Tool("nigrep", nigrep.nigrep, usages.NIGREP),
    "nireport": Tool("nireport", nireport.nireport, usages.NIREPORT),
    "nifind": Tool("nifind", nifind.nifind, usages.NIFIND),
    "nidomain": Tool("nidomain", nidomain.nidomain, usages.NIDOMAIN),
    "nicl": Tool("nicl", nicl.nicl, usages.NICL),
}


def run(name: str, arguments: Sequence[str]) -> int:
    """Run a tool on this process's streams."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:  # closed by the caller: nobody to tell
        return 1
    try:
        code = TOOLS[name](arguments, sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # a full disk
        _abandon_stdout()
        sys.stderr.write(f"{name}: {error.strerror or error}\n")
        return 1
    return code


def _abandon_stdout() -> None:
    """Keep the interpreter from writing what is left when it ends."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main_niutil() -> int:
    """``niutil``."""
    return run("niutil", sys.argv[1:])


def main_nidump() -> int:
    """``nidump``."""
    return run("nidump", sys.argv[1:])


def main_niload() -> int:
    """``niload``."""
    return run("niload", sys.argv[1:])


def main_nigrep() -> int:
    """``nigrep``."""
    return run("nigrep", sys.argv[1:])


def main_nireport() -> int:
    """``nireport``."""
    return run("nireport", sys.argv[1:])


def main_nifind() -> int:
    """``nifind``."""
    return run("nifind", sys.argv[1:])


def main_nidomain() -> int:
    """``nidomain``."""
    return run("nidomain", sys.argv[1:])


def main_nicl() -> int:
    """``nicl``."""
    return run("nicl", sys.argv[1:])
