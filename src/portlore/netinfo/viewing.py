"""Edge: looking at a domain by whatever name it goes by: its file, its tag among the user's own, its server."""

from __future__ import annotations

import os
from contextlib import ExitStack

from portlore.errors import HostError, InputError, NetInfoError
from portlore.netinfo.services import PLACE, service_lines
from portlore.netinfo.values import ROOT, STATUS, NiId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Located
    from portlore.netinfo.values import Properties

NAME = b"name"
TIMEOUT = 3.0  # seconds that a server has for each of the few calls


def file_of(where: str) -> str | None:
    """The file of a domain: a path, or a name in the user's data directory; ``None`` where it is a server's."""
    from portlore.opening import user_directory

    if os.path.isfile(where):  # noqa: PTH113
        return where
    own = f"{user_directory()}/netinfo/{where}.nidb"
    if "/" not in where and os.path.isfile(own):  # noqa: PTH113
        return own
    if "/" in where.strip("/") and not where.startswith(("/", "./", "../", "~")):
        return None
    found = f"no such file, and no {where}.nidb among your own" if "/" not in where else "no such file"
    raise InputError(f"the domain {where}", found, "name a file, HOST/TAG or HOST:PORT/TAG")


def services_of(where: str, timeout: float = TIMEOUT) -> list[Located]:
    """What the ``/services`` of a domain say of ports; none where it has no such directory.

    :class:`HostError` where its server does not answer in time.
    """
    path = file_of(where)
    rows = _of_server(where, timeout) if path is None else _of_file(path)
    return list(service_lines(rows, f"{where} /services"))


def _of_file(path: str) -> list[Properties]:
    from portlore.netinfo.store import Store

    with Store(path, exclusive=False) as store:
        domain = store.load()
    place = domain.path(PLACE)
    return [] if place is None else [domain.directories[one].properties for one in domain.directories[place].children]


def _of_server(where: str, timeout: float) -> list[Properties]:
    from portlore.netinfo.client import open  # noqa: A004
    from portlore.netinfo.handle import NODIR

    asked = f"reading the services of {where}"
    try:
        with ExitStack() as closing:
            handle = closing.enter_context(open(where, timeout=timeout))
            try:
                place = handle.lookup(NiId(ROOT, 0), NAME, PLACE)[0]
            except NetInfoError as refusal:
                if refusal.status == NODIR:
                    return []
                raise
            return handle.list_all(NiId(place, 0))
    except NetInfoError as refusal:
        told = STATUS.get(refusal.status, ("", f"status {refusal.status}"))[1]
        raise HostError(asked, told, "see that it is served there") from None
