"""Where a domain in a PostgreSQL database is: ``postgresql://USER@HOST:PORT/DATABASE?domain=NAME``. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from portlore.errors import InputError
from portlore.value import Value

SCHEMES = ("postgresql://", "postgres://")
PORT = 5432
MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")  # of sslmode, as libpq has them
FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?domain=NAME"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
DEFAULT_DOMAIN = "network"
MISSING, EMPTY = "there is no such domain in this database", "nothing is in it: making it was broken off"


def is_address(text: str) -> bool:
    """Whether this is where a PostgreSQL is, rather than the name of a file."""
    return text.startswith(SCHEMES)


class Address(Value):
    """A database and the domain in it. ``host``: a name, an address, or the folder of a Unix socket.

    ``user`` and ``database`` may be empty: who runs the program, and the user's name. It has no password, so that it
    can be shown anywhere.
    """

    host: str
    port: int
    user: str
    database: str
    domain: str
    mode: str = "prefer"
    root_certificate: str = ""

    @property
    def schema(self) -> str:
        """The schema of the domain's tables, and its channel."""
        return f"netinfo_{self.domain}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{quote(self.user)}@" if self.user else ""
        return f"postgresql://{user}{host}:{self.port}/{quote(self.database)}?domain={self.domain}"


def parse_address(text: str, domain: str = DEFAULT_DOMAIN) -> tuple[Address, str]:
    """An address and the password in it (often empty); :class:`InputError`, which never says what the password was.

    ``domain``: which one, where the address does not say. ``sslmode``, ``sslrootcert`` and ``host`` mean what they
    mean to libpq.
    """
    asked = "the address of a PostgreSQL database"
    do = f"write {FORM}"
    try:
        parts = urlsplit(text)
        port = PORT if parts.port is None else parts.port
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise InputError(asked, "its port or its end is malformed", do) from None
    if not is_address(text) or "," in parts.netloc.rpartition("@")[2] or parts.fragment:
        raise InputError(asked, "it is malformed, or has several hosts or a # that is not written %23", do)
    if unknown := given.keys() - {"domain", "sslmode", "sslrootcert", "host"}:
        name = min(unknown)
        raise InputError(asked, f"{name[:40]!r} is no parameter of it", "leave it out")
    mode = given.get("sslmode", "prefer")
    if mode not in MODES:
        raise InputError(asked, f"sslmode={mode[:40]!r}", f"choose one of {', '.join(MODES)}")
    named = given.get("domain", domain)
    if not NAME.fullmatch(named):
        raise InputError(asked, f"domain={named[:60]!r}", "choose a name of letters, digits, - and _, at most 40")
    user = unquote(parts.username or "")
    database = unquote(parts.path.removeprefix("/"))
    host = given.get("host") or unquote(parts.hostname or "localhost")
    if any("\0" in one for one in (user, database, host)):
        raise InputError(asked, "a NUL in it", do)
    address = Address(host, port, user, database, named, mode, given.get("sslrootcert", ""))
    return address, unquote(parts.password or "")
