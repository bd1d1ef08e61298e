"""Edge: optional libraries. A command that needs one installs just that one when it is first called, and says so.

Whoever needs one calls :func:`require` before importing it, as `listening` does for psutil outside Linux.
"""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys

from portlore.errors import HostError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TIMEOUT = 600  # seconds for one installation


class Extra(Value):
    """An optional set of libraries.

    ``name`` in ``portlore[name]``; the ``module`` whose presence tells that it is there; what pip is asked for; about
    how many ``megabytes`` that is.
    """

    name: str
    module: str
    requirements: tuple[str, ...]
    megabytes: float


def is_there(extra: Extra) -> bool:
    """Whether the extra can be imported."""
    return importlib.util.find_spec(extra.module) is not None


def require(extra: Extra, tell: Callable[[str], None], options: Sequence[str] = ()) -> None:
    """Have an extra, installing it into this interpreter's environment when it is missing.

    :class:`HostError` with the one line to run when it cannot be installed: no network, or no environment of our own.
    """
    if is_there(extra):
        return
    line = f"{sys.executable} -m pip install {shlex.join(extra.requirements)}"
    asked = f"the libraries of portlore[{extra.name}]"
    if sys.prefix == sys.base_prefix:
        raise HostError(asked, "this Python is not an environment of its own", f"run: {line}")
    tell(f"installing {', '.join(extra.requirements)} (about {extra.megabytes:g} MB) for this command")
    if importlib.util.find_spec("pip") is None:
        _run([sys.executable, "-m", "ensurepip", "--default-pip"], asked, line)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    _run([sys.executable, "-m", "pip", "install", *quiet, *options, *extra.requirements], asked, line)
    importlib.invalidate_caches()
    if not is_there(extra):
        raise HostError(asked, f"installed, but {extra.module} is not there", f"run: {line}")


def _run(command: Sequence[str], asked: str, line: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(asked, f"cannot be installed: {error}", f"run: {line}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise HostError(asked, f"cannot be installed: {last[:160]}", f"with a network, run: {line}")
