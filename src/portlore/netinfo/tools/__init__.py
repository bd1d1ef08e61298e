"""The tools of NetInfo under their own names; TOOLS is the table.

Names and values are bytes, in and out: what is no text in this system's encoding goes through unharmed.
"""

from __future__ import annotations

import sys

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo.client import told
from portlore.netinfo.tools import (
    helps,
    nicl,
    nidomain,
    nidump,
    nifind,
    nigrep,
    niload,
    nireport,
    niutil,
    usages,
)
from portlore.netinfo.tools.running import Ended, Helped, Misused, Unopened, print_json, text
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    Do = Callable[[Sequence[str], BinaryIO, BinaryIO, BinaryIO], None]


class Tool(Value):
    """A tool: calling it with its arguments and streams gives the exit code.

    ``plain``: no other than 0 and 1; ``strict``: a domain that is not there is for it a word that makes no sense.
    """

    name: str
    do: Do
    usage: bytes
    help: bytes
    plain: bool = False
    strict: bool = False

    def __call__(self, arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> int:
        """Run it: the border where errors become messages and exit codes."""
        usage = b""
        try:
            self.do(arguments, stdin, stdout, stderr)
        except Helped:
            stdout.write(self.usage + b"\n" + self.help)
            return 0
        except Misused as misuse:
            end, usage = Ended(1, misuse.text, misuse.mark), self.usage
        except Ended as error:
            end = error
            if self.strict and isinstance(error, Unopened):
                end.code, usage = 1, self.usage
        except NetInfoError as error:
            end = Ended(error.exit_code, told(error.status).encode())
        except PortloreError as error:
            shown = str(error).encode("utf-8", "surrogateescape")
            end = Ended(error.exit_code, shown, asked=error.asked, found=error.found, do=error.do)
        else:
            return 0
        if "--json" not in arguments:
            self._say(end, usage, stderr)
        elif end.text or usage:
            found = end.found or text(end.text) or "words that make no sense"
            asked, do = end.asked or self.name, end.do or f"see {self.name} --help"
            print_json(stderr, error={"asked": asked, "found": found, "do": do})
        return min(end.code, 1) if self.plain else end.code

    def _say(self, end: Ended, usage: bytes, stderr: BinaryIO) -> None:
        if end.text:
            name = b"" if end.mark is None else self.name.encode() + end.mark
            stderr.write(end.before + name + end.text + b"\n")
        stderr.write(usage)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("niutil", niutil.niutil, usages.NIUTIL, helps.NIUTIL),
        Tool("nidump", nidump.nidump, usages.NIDUMP, helps.NIDUMP, plain=True, strict=True),
        Tool("niload", niload.niload, usages.NILOAD, helps.NILOAD, plain=True, strict=True),
        Tool("nigrep", nigrep.nigrep, usages.NIGREP, helps.NIGREP, strict=True),
        Tool("nireport", nireport.nireport, usages.NIREPORT, helps.NIREPORT),
        Tool("nifind", nifind.nifind, usages.NIFIND, helps.NIFIND),
        Tool("nidomain", nidomain.nidomain, usages.NIDOMAIN, helps.NIDOMAIN),
        Tool("nicl", nicl.nicl, usages.NICL, helps.NICL),
    )
}


def run(name: str, arguments: Sequence[str]) -> int:
    """Run a tool on this process's streams."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:  # closed by the caller: nobody to tell
        return 1
    if "-P" in arguments:
        from portlore.netinfo.tools.hiding import hide

        hide("-P")
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
