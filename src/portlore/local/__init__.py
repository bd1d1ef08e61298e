"""Edge: what this machine's own lists say of ports, read at run time and never shipped; LISTS is the table.

Each list is one module with a pure ``parse`` (text to located lines); this module alone touches files. A list that is
not there, or that cannot be read, says nothing.
"""

from __future__ import annotations

import os

from portlore.local import firewalld, kernel, nmap, selinux, services, ufw, wireshark
from portlore.local.packages import package_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from portlore.model import LocalLine, PortRange

    Located = tuple[PortRange, LocalLine]
    Parse = Callable[[str, str, str, Collection[int]], Iterator[Located]]

LIMIT = 8 << 20  # bytes read of one file; nmap-services and Wireshark's list have about 1 MB

LISTS: tuple[tuple[tuple[str, ...], Parse], ...] = (
    (services.PATHS, services.parse),
    (nmap.PATHS, nmap.parse),
    (wireshark.PATHS, wireshark.parse),
    (firewalld.PATHS, firewalld.parse),
    (ufw.PATHS, ufw.parse),
    (kernel.PATHS, kernel.parse),
)


def read_local(wanted: Collection[int], root: str = "") -> list[Located]:
    """The lines that speak of the ports in ``wanted`` (of any port when it is empty), list by list.

    ``root`` stands before every path, for tests.
    """
    found: list[Located] = []
    for paths, parse in LISTS:
        for path in paths:
            for file in _files(root + path):
                text = _text(file)
                if text:
                    shown = file[len(root) :]
                    lines = list(parse(text, shown, "", wanted))
                    if lines:
                        package = package_of(shown, root)
                        found += [(ports, line.replace(package=package)) for ports, line in lines]
    return found + selinux.read(wanted, root)


def _files(path: str) -> list[str]:
    """A file, or the files of a folder (a path that ends in ``/``)."""
    if not path.endswith("/"):
        return [path]
    try:
        return [path + name for name in sorted(os.listdir(path))]  # noqa: PTH208
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
