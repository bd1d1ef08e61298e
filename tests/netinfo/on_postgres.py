"""A domain over PostgreSQL for tests: what is asked of its servers, and by which way they reach it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from netinfo.processes import PATIENCE, Line, named, ni_id, open_domain
from netinfo.relays import Relay

from portlore.netinfo.storing import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from databases import Postgres

OK, STALE, RDONLY, SYSTEMERR, MASTERBUSY = 0, 2, 13, 14, 22
READ, WRITE, STATISTICS = 7, 8, 1


def new_domain(cluster: Postgres) -> str:
    """A new database with the domain that everybody may write, under the tag ``conv``: its address."""
    made = f"{cluster.make()}?domain=conv"
    with open_store(made, create=True) as store:
        store.write_all(open_domain(4))
    return made


def through(relay: Relay, cluster: Postgres, address: str) -> str:
    """The same domain by way of a relay."""
    return address.replace(f":{cluster.port}/", f":{relay.port}/")


def write(line: Line, number: int, instance: int, value: str) -> tuple[int, int]:
    """Write a directory's value: the status, the instance then."""
    data = named((b"name", [b"c%d" % number]), (b"_writers", [b"*"]), (b"v", [f"<{value}>".encode()]))
    reply = line.ask(WRITE, ni_id(number, instance) + data)
    return int.from_bytes(reply[20:24], "big"), int.from_bytes(reply[28:32], "big")


def value(line: Line, number: int) -> str:
    """A directory's value, empty before it was written."""
    return line.ask(READ, ni_id(number)).partition(b"<")[2].partition(b">")[0].decode()


def locked(line: Line) -> bytes:
    """What a server says of writing."""
    reply = line.ask(STATISTICS)
    at = reply.index(b"write_locked") + 12
    size = int.from_bytes(reply[at + 4 : at + 8], "big")
    return reply[at + 8 : at + 8 + size]


def by_and_by(what: Callable[[], bool]) -> bool:
    """Whether something comes true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False
