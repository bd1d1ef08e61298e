"""Edge: what this machine's own lists say of ports, read at run time and never shipped; LISTS is the table.

Each list is one module with a pure ``parse`` (text to located lines); this module alone touches files. A list that is
not there, or that cannot be read, says nothing.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from portlore.model import LocalLine, PortRange

    Located = tuple[PortRange, LocalLine]

LIMIT = 8 << 20  # bytes read of one file; nmap-services and Wireshark's list have about 1 MB
LIMIT_PROC = 4096  # the kernel refuses a larger read of its settings

LISTS = (  # the module that reads a list, and where the list lies; a module is imported when its list is there
    ("services", ("/etc/services", "/usr/share/iana-etc/services")),
    ("nmap", ("/usr/share/nmap/nmap-services", "/usr/local/share/nmap/nmap-services")),
    ("nmap", ("/opt/homebrew/share/nmap/nmap-services", "/opt/local/share/nmap/nmap-services")),
    ("wireshark", ("/usr/share/wireshark/services", "/etc/wireshark/services")),
    ("firewalld", ("/etc/firewalld/services/", "/usr/lib/firewalld/services/")),
    ("ufw", ("/etc/ufw/applications.d/",)),
    ("kernel", ("/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/ipv4/ip_local_reserved_ports")),
    ("kernel", ("/proc/sys/sunrpc/min_resvport",)),
)
SELINUX = "/sys/fs/selinux/enforce"


def read_local(wanted: Collection[int], root: str = "") -> list[Located]:
    """The lines that speak of the ports in ``wanted`` (of any port when it is empty), list by list.

    ``root`` stands before every path, for tests.
    """
    found: list[Located] = []
    for name, paths in LISTS:
        for path in paths:
            for file in _files(root + path):
                if text := _text(file):
                    found += _located(name, text, file[len(root) :], wanted, root)
    if os.path.exists(root + SELINUX):  # noqa: PTH110
        from portlore.local import selinux

        found += selinux.read(wanted, root)
    return found


def _located(name: str, text: str, path: str, wanted: Collection[int], root: str) -> list[Located]:
    parse = __import__(f"portlore.local.{name}", fromlist=["parse"]).parse
    lines = list(parse(text, path, wanted))
    if not lines:
        return []
    from portlore.local.packages import package_of

    package = package_of(path, root)
    return [(ports, line.replace(package=package)) for ports, line in lines]


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
            return file.read(LIMIT_PROC if "/proc/" in path else LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
