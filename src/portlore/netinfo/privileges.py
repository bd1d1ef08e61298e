"""Edge: root's rights, given up once the sockets are bound; ports below 1024 may still be bound (Linux)."""

from __future__ import annotations

import ctypes
import os
import sys

from portlore.errors import HostError, InputError

PR_SET_KEEPCAPS = 8  # prctl(2)
CAPABILITY_VERSION = 0x2008_0522  # capset(2), _LINUX_CAPABILITY_VERSION_3
NET_BIND_SERVICE = 1 << 10  # capabilities(7)


def owner(paths: list[str]) -> str | None:
    """The one user, not root, who has all these files: whom a server started by root becomes."""
    import pwd

    try:
        found = {os.stat(path).st_uid for path in paths}  # noqa: PTH116
        return pwd.getpwuid(found.pop()).pw_name if len(found) == 1 and 0 not in found else None
    except (OSError, KeyError):
        return None


def become(name: str) -> str:
    """Be another user from here on, with nothing of root's but (on Linux) ports below 1024; that user's home.

    :class:`InputError` for a user that is not there, :class:`HostError` when the system does not let us.
    """
    import pwd

    asked = f"becoming the user {name}"
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InputError(asked, "there is no such user", "make one: useradd --system NAME") from None
    if entry.pw_uid == os.getuid():
        return entry.pw_dir
    linux = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if linux is not None:
        linux.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    try:
        os.initgroups(name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise HostError(asked, error.strerror or str(error), "start it as root, or as that user") from None
    if linux is not None:
        head = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
        sets = (ctypes.c_uint32 * 6)(NET_BIND_SERVICE, NET_BIND_SERVICE, 0, 0, 0, 0)  # effective, permitted, inherited
        linux.capset(head, sets)
    os.environ["HOME"] = entry.pw_dir
    return entry.pw_dir
