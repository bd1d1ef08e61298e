"""What the path of a control group tells: systemd unit, container, Kubernetes pod. Pure.

The forms are systemd's (systemd.slice(5), sd_pid_get_unit(3)) and those that the container runtimes give their groups,
with the systemd and the cgroupfs driver.
"""

from __future__ import annotations

from portlore.seen import Container
from portlore.value import Value

HEXADECIMAL = frozenset("0123456789abcdef")
SCOPES = {  # what stands before the identifier in the name of a scope
    "docker": "docker",
    "libpod": "podman",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "buildkit": "buildkit",
}
PARENTS = {  # the folder in which an identifier stands alone: cgroupfs
    "docker": "docker",
    "libpod_parent": "podman",
    "ecs": "docker",
}
UNIT_KINDS = (".service", ".socket", ".scope", ".mount", ".swap")
USER_MANAGER = "user@"


class Place(Value):
    """What a control group belongs to. ``user_unit``: the unit is of a user's own manager, not the system's."""

    unit: str | None = None
    user_unit: bool = False
    container: Container | None = None
    pod_uid: str | None = None


def place_of(path: str) -> Place:
    """Read a path such as ``/system.slice/nginx.service``; a path that tells nothing gives an empty :class:`Place`."""
    parts = [part for part in path.split("/") if part and part not in ("..", ".")]
    unit, user_unit = _unit(parts)
    container, inside = _container(parts)
    return Place(unit if inside < 0 or unit else None, user_unit, container, _pod(parts))


def _unit(parts: list[str]) -> tuple[str | None, bool]:
    """The unit that a process of a group belongs to: the first below the slices, in a user's manager that one's."""
    found = None
    user_unit = False
    for part in parts:
        name = unescape(part.removeprefix("_"))  # systemd puts _ before names that the kernel keeps to itself
        if not name.endswith(UNIT_KINDS):
            if not name.endswith(".slice"):
                break
            continue
        found = name
        if not name.startswith(USER_MANAGER):
            break
        user_unit = True
    if user_unit and found is not None and found.startswith(USER_MANAGER):
        user_unit = False
    return found, user_unit


def unescape(name: str) -> str:
    r"""A unit's name as people write it: ``dev-disk\x2dby`` is ``dev-disk-by`` (systemd.unit(5))."""
    if "\\x" not in name:
        return name
    head, *rest = name.split("\\x")
    for piece in rest:
        code = piece[:2].lower()
        known = len(code) == 2 and set(code) <= HEXADECIMAL
        head += chr(int(code, 16)) + piece[2:] if known else "\\x" + piece
    return head


def _is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= HEXADECIMAL


def _container(parts: list[str]) -> tuple[Container | None, int]:
    """The innermost container, and which part names it (-1 without one)."""
    found, at = None, -1
    for index, part in enumerate(parts):
        stem = unescape(part).removesuffix(".scope")
        parent = parts[index - 1] if index else ""
        here = None
        if ":" in stem and _is_id(stem.rpartition(":")[2]):  # kubepods-….slice:cri-containerd:ID
            _, prefix, identifier = stem.rsplit(":", 2) if stem.count(":") > 1 else ("", *stem.split(":"))
            here = Container(SCOPES.get(prefix, prefix), identifier)
        elif _is_id(stem):
            runtime = "containerd" if parent.startswith("pod") or "kubepods" in parts[0] else PARENTS.get(parent)
            here = Container(runtime or ("docker" if "ecs" in parts else "containerd"), stem)
        elif "-" in stem and _is_id(stem.rpartition("-")[2]):
            prefix, _, identifier = stem.rpartition("-")
            if prefix in SCOPES:  # conmon's own scope, libpod-conmon-ID, is the keeper's, not the container's
                here = Container(SCOPES[prefix], identifier)
        elif stem.startswith("lxc.payload."):
            name = stem.removeprefix("lxc.payload.")
            here = Container("lxc", name, name)
        elif parent in ("lxc", "lxc.payload") and not stem.startswith("lxc.monitor"):
            here = Container("lxc", stem, stem)
        elif stem.startswith("systemd-nspawn@") and stem.endswith(".service"):
            name = stem.removeprefix("systemd-nspawn@").removesuffix(".service")
            here = Container("nspawn", name, name)
        elif part.startswith("machine-") and part.endswith(".scope"):
            name = stem.removeprefix("machine-")
            here = Container("machine", name, name)
        if here is not None:
            found, at = here, index
    return found, at


def _pod(parts: list[str]) -> str | None:
    """The identifier of a Kubernetes pod: ``pod…`` of cgroupfs, ``kubepods-burstable-pod….slice`` of systemd."""
    for part in parts:
        stem = part.partition(":")[0].removesuffix(".slice")
        head, mark, uid = stem.rpartition("pod")
        uid = uid.replace("_", "-")
        if mark and (not head or head.startswith("kubepods")) and len(uid) >= 32 and set(uid) <= HEXADECIMAL | {"-"}:
            return uid
    return None


def path_of(text: str) -> str:
    """The path that tells most in a /proc/PID/cgroup: of cgroup v2, else systemd's own hierarchy, else the longest."""
    best = ""
    for line in text.splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if path in ("", "/"):
            continue
        if controllers == "":
            return path
        if controllers == "name=systemd" or (not best.endswith(UNIT_KINDS) and len(path) > len(best)):
            best = path
    return best or "/"
