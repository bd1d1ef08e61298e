"""Edge: where a domain is kept: a file, or a PostgreSQL database where its name is that of one."""

from __future__ import annotations

import os

from portlore.errors import DataError
from portlore.extras import Extra
from portlore.netinfo.postgres_address import DEFAULT_DOMAIN, EMPTY, MISSING, is_address
from portlore.netinfo.store import Store

POSTGRESQL = Extra("postgresql", "pg8000", ("pg8000>=1.31",), 1)
__all__ = ["POSTGRESQL", "is_address", "is_taken", "open_store", "share", "write_changes"]
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from portlore.netinfo.domain import Domain
    from portlore.netinfo.postgres_store import PostgresStore
    from portlore.netinfo.server import Serving

    AnyStore: TypeAlias = Store | PostgresStore


def open_store(path: str, *, create: bool = False, exclusive: bool = True, domain: str = DEFAULT_DOMAIN) -> AnyStore:
    """The store of a name; ``domain``: which one of a database whose address does not say. Errors are the store's."""
    if not is_address(path):
        return Store(path, create=create, exclusive=exclusive)
    from portlore.netinfo.postgres_store import PostgresStore  # its driver is an extra

    return PostgresStore(path, create=create, domain=domain)


async def share(serving: Serving, store: AnyStore, place: str) -> None:
    """Have a server take part in a domain that others serve too, where the store is one for several."""
    if isinstance(store, Store):
        return
    from portlore.netinfo.sharing import Sharing

    serving.sharing = Sharing(serving, store)
    await serving.sharing.start(place)


def is_taken(path: str, domain: str = DEFAULT_DOMAIN) -> bool:
    """Whether there is a domain of a name, or another file."""
    if not is_address(path):
        return os.path.exists(path)  # noqa: PTH110
    try:
        with open_store(path, domain=domain) as store:
            store.load()
    except DataError as error:
        return error.found not in (MISSING, EMPTY)
    return True


def write_changes(store: AnyStore, domain: Domain) -> None:
    """Write what a domain that was loaded from a store has changed since."""
    if isinstance(store, Store):
        store.commit(store.batch(domain))
    else:
        store.commit(store.batch(domain))
