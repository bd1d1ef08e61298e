"""Edge: which package brought a file, where that is cheap to know (dpkg's status file)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Beginning of a path: the packages that ship it, by distribution.
BROUGHT_BY = (
    ("/etc/services", ("netbase", "setup", "iana-etc")),
    ("/usr/share/iana-etc/", ("iana-etc",)),
    ("/usr/share/nmap/", ("nmap-common", "nmap")),
    ("/usr/share/wireshark/", ("libwireshark-data", "wireshark-common")),
    ("/usr/lib/firewalld/", ("firewalld",)),
)
STATUS = "/var/lib/dpkg/status"

_known: dict[tuple[str, str], str] = {}


def package_of(path: str, root: str = "") -> str:
    """``netbase 6.4`` for a file that a package brought; ``kernel`` below /proc; else an empty string."""
    if path.startswith("/proc/"):
        return "kernel"
    for beginning, names in BROUGHT_BY:
        if path.startswith(beginning):
            key = (beginning, root)
            if key not in _known:
                _known[key] = next(_installed(names, root), "")
            return _known[key]
    return ""


def _installed(names: tuple[str, ...], root: str) -> Iterator[str]:
    try:
        with open(root + STATUS, "rb") as file:  # noqa: PTH123
            status = b"\n" + file.read()
    except OSError:
        return
    for name in names:
        at = status.find(f"\nPackage: {name}\n".encode())
        if at >= 0:
            block = status[at : status.find(b"\n\n", at)]
            version = block.partition(b"\nVersion: ")[2].partition(b"\n")[0]
            yield f"{name} {version.decode('ascii', 'replace')}".strip()
