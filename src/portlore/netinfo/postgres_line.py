"""Edge: a connection to PostgreSQL, through pg8000; its errors in our words."""

from __future__ import annotations

import getpass
import socket
import ssl
from contextlib import suppress

from portlore.errors import HostError
from portlore.netinfo.postgres_statements import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from portlore.netinfo.postgres_address import Address

SETTINGS = {  # a server that stands still while it holds the writer's lock loses it
    "idle_in_transaction_session_timeout": "3000",
    "client_min_messages": "warning",
    "bytea_output": "hex",
    "synchronous_commit": "on",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
}
REMEDIES = {
    "28P01": "see the user and the password: in the address, or in PGPASSWORD",
    "28000": "have pg_hba.conf let this user in",
    "3D000": "make the database: createdb",
    "42501": "let this user read and write the domain's schema",
    "25006": "name the primary: this one takes no writes",
    "53100": "make room there",
}
LOCKED = "55P03"  # lock_not_available: others write


class Refused(HostError):
    """The database said no. ``code``: its SQLSTATE."""

    def __init__(self, asked: str, found: str, do: str, code: str) -> None:
        super().__init__(asked, found, do)
        self.code = code


class Line:
    """A connection. ``patience``: seconds that it may be silent while an answer is due.

    :class:`Refused` for what the database refuses, :class:`HostError` when it is away.
    """

    def __init__(self, address: Address, password: str, patience: float) -> None:
        self._asked = f"the domain {address}"
        try:
            from pg8000.native import Connection  # type: ignore[import-untyped]
        except ImportError:
            do = "run: python -m pip install 'portlore[postgresql]'"
            raise HostError(self._asked, "pg8000 is not installed", do) from None
        user = address.user or getpass.getuser()
        where: dict[str, Any] = {"host": address.host, "port": address.port}
        if address.host.startswith("/"):
            where = {"unix_sock": f"{address.host}/.s.PGSQL.{address.port}"}
        try:
            self._line: Any = Connection(
                user,
                database=address.database or user,
                password=password,
                timeout=patience,
                ssl_context=False if "unix_sock" in where else _tls(address),
                application_name="portlore-netinfo",
                startup_params={"search_path": quoted(address.schema), **SETTINGS},
                **where,
            )
        except Exception as error:  # noqa: BLE001 - whatever a server that is none makes of the driver
            raise self._told(error) from None
        self._socket: socket.socket = self._line._usock  # noqa: SLF001 - the driver has no way to wait for word

    def run(self, text: str) -> list[list[Any]]:
        """Run statements, as one message; the rows of all of them."""
        try:
            return self._line.run(text) or []
        except Exception as error:  # noqa: BLE001 - the driver raises what it likes on a line that was closed
            raise self._told(error) from None

    def wait(self, seconds: float) -> None:
        """Wait until the database says anything of itself, so long at most. Nothing may be run here any more."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            if not self._socket.recv(1 << 16):
                raise HostError(self._asked, "it hung up", "see that it runs")
        except TimeoutError:
            return
        except OSError as error:
            raise HostError(self._asked, error.strerror or str(error), "see that it runs") from None

    def shut(self) -> None:
        """Have whoever waits here get an error."""
        with suppress(OSError, AttributeError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; another thread that waits for an answer here gets an error."""
        self.shut()
        with suppress(Exception):
            self._line.close()

    def _told(self, error: Exception) -> HostError:
        fields = error.args[0] if error.args else ""
        if isinstance(fields, dict):  # PostgreSQL's fields, by letter
            code = str(fields.get("C", ""))
            found = _line(str(fields.get("M", code)))
            return Refused(self._asked, found, REMEDIES.get(code, "see the database's log"), code)
        cause = error.__cause__ or error
        found = "no answer in time" if isinstance(cause, TimeoutError) else _line(str(cause) or type(cause).__name__)
        if not isinstance(cause, OSError) and type(error).__name__ != "InterfaceError":
            found = f"it does not answer as a PostgreSQL does ({type(error).__name__})"
        return HostError(self._asked, found, "see that it runs, and that the address is right")


def _line(text: str) -> str:
    return (text.splitlines() or [""])[0][:200]


def _tls(address: Address) -> ssl.SSLContext | bool | None:
    """What pg8000 takes for libpq's sslmode: False, None for "where it can", a context."""
    if address.mode in ("disable", "prefer"):
        return False if address.mode == "disable" else None
    context = ssl.create_default_context(cafile=address.root_certificate or None)
    context.check_hostname = address.mode == "verify-full"
    if address.mode == "require" and not address.root_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context
