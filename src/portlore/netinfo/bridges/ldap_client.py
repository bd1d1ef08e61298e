"""Edge: reading a live LDAP server: LDAPv3, a simple bind or none, TLS, page by page; nothing is ever written there.

``ldap://host[:port]/base`` and ``ldaps://…`` (RFC 4516, without its further parts). A password goes only through TLS,
or to this machine.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from time import monotonic
from urllib.parse import unquote, urlsplit

from portlore import ber
from portlore.errors import HostError, InputError, PolicyRefused
from portlore.netinfo.bridges import ldap_messages as m
from portlore.netinfo.bridges.ldif import Entry
from portlore.netinfo.coding import MOST_NAMES
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

PORTS = {"ldap": 389, "ldaps": 636}
PAGE = 500  # entries: what Active Directory and OpenLDAP allow by default
MOST_BYTES = 64 << 20  # of one message: an entry
TIMEOUT = 30.0  # seconds that one answer may take
DO = "write ldap://HOST/dc=example,dc=com or ldaps://…"


class Url(Value):
    """Where a directory is."""

    host: str
    port: int
    base: str
    tls: bool


def is_url(text: str) -> bool:
    """Whether a source is an LDAP server."""
    return text.partition("://")[0].lower() in PORTS and "://" in text


def parse_url(text: str) -> Url:
    """An address; :class:`InputError` for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"the address {text!r}", str(error), DO) from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise InputError(f"the address {text!r}", "no address of an LDAP server, or one that says more", DO)
    return Url(parts.hostname, port or PORTS[scheme], unquote(parts.path.removeprefix("/")), scheme == "ldaps")


class Session:
    """A connection to a server. ``authority``: a file of certificates to trust beside the system's.

    :class:`HostError` for what cannot be reached or is refused, :class:`ProtocolError` for answers that make no sense.
    """

    def __init__(self, url: Url, *, start_tls: bool = False, authority: str = "", timeout: float = TIMEOUT) -> None:
        self.url, self.timeout, self._asked = url, timeout, f"reading ldap at {url.host}"
        self._number, self._buffer = 0, bytearray()
        self.is_private = False
        self.references = 0
        try:
            self._line: socket.socket = socket.create_connection((url.host, url.port), timeout)
        except (OSError, UnicodeError) as error:
            raise self._failed(error) from None
        try:
            self._peer = str(self._line.getpeername()[0])
            if url.tls or start_tls:
                if start_tls and not url.tls:
                    self._send(m.start_tls(self._next()))
                    self._check(self._receive(), m.EXTENDED_RESPONSE, "StartTLS")
                self._secure(authority)
        except BaseException:
            self._line.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._line.sendall(m.unbind(self._next()))
        except OSError:
            pass
        self._line.close()

    def _failed(self, error: Exception) -> HostError:
        found = str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error) or "no answer"
        found = f"no answer within {self.timeout:g} seconds" if isinstance(error, TimeoutError) else found
        return HostError(self._asked, found, "see that it runs, and what it says of itself")

    def _secure(self, authority: str) -> None:
        try:
            context = ssl.create_default_context()
            if authority:
                context.load_verify_locations(authority)
            self._line = context.wrap_socket(self._line, server_hostname=self.url.host)
        except (OSError, ValueError) as error:
            raise self._failed(error) from None
        self._buffer.clear()  # what came before TLS is nobody's word
        self.is_private = True

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, data: bytes) -> None:
        try:
            self._line.sendall(data)
        except OSError as error:
            raise self._failed(error) from None

    def _receive(self) -> m.Message:
        """The next message to us; who sends bit by bit has no more time for it."""
        deadline = monotonic() + self.timeout
        while True:
            head = ber.head(bytes(self._buffer[:16]))
            if head is not None and head[2] > MOST_BYTES:
                raise m.refuse(f"an answer of {head[2] >> 20} MB")
            if (head is None and len(self._buffer) >= 16) or (self._buffer and self._buffer[0] != ber.SEQUENCE):
                raise m.refuse("an answer that is no LDAP")
            if head is not None and len(self._buffer) >= head[2]:
                found = m.message(bytes(self._buffer[: head[2]]))
                del self._buffer[: head[2]]
                if found.number == 0:  # RFC 4511 section 4.4.1: the server is about to hang up
                    raise HostError(self._asked, "the server ends the connection", "see its log")
                if found.number == self._number:
                    return found
                continue
            try:
                self._line.settimeout(max(deadline - monotonic(), 0.001))
                data = self._line.recv(1 << 18)
            except OSError as error:
                raise self._failed(error) from None
            if not data:
                raise HostError(self._asked, "the server hung up", "see its log")
            self._buffer += data

    def _check(self, found: m.Message, kind: int, what: str) -> None:
        if found.kind != kind:
            raise m.refuse(f"{what} is answered by something else")
        told = m.result(found.content)
        if told.code:
            do = "see that name and password are right" if told.code == 49 else "see the server's settings"
            raise HostError(f"{self._asked}: {what}", told.told, do)

    def bind(self, name: str, password: bytes) -> None:
        """Say who we are. :class:`PolicyRefused` where the password would be read by others."""
        if not password:
            raise InputError(f"the password of {name}", "it is empty: servers take that for nobody at all", "give one")
        if not self.is_private and not ipaddress.ip_address(self._peer.partition("%")[0]).is_loopback:
            asked = f"sending the password of {name} to {self.url.host}"
            raise PolicyRefused(asked, "everybody on the way could read it", "use ldaps:// or --start-tls")
        self._send(m.bind(self._next(), name, password))
        self._check(self._receive(), m.BIND_RESPONSE, "binding")

    def entries(self, base: str = "") -> Iterator[Entry]:
        """All entries below a name, that one included."""
        base = base or self.url.base
        cookie = b""
        while True:
            self._send(m.search(self._next(), base, PAGE, cookie))
            while True:
                found = self._receive()
                if found.kind == m.ENTRY:
                    yield _entry(found.content)
                elif found.kind == m.REFERENCE:
                    self.references += 1
                else:
                    break
            self._check(found, m.DONE, "searching")
            cookie = m.cookie(found.controls)
            if not cookie:
                return


def _entry(content: bytes) -> Entry:
    name, listed = m.attributes(content)
    entry = Entry(name, repr(name[:80]))
    for attribute, values in listed:
        asked = f"reading {entry.where}"
        if ";range=" in attribute.lower():
            found = f"the server gives {attribute.partition(';')[0]} in pieces, as Active Directory does"
            raise HostError(asked, found, "export it there as LDIF (ldifde), and import that")
        if len(values) > MOST_NAMES:
            found = f"{len(values):,} values of {attribute}; a property of NetInfo holds at most {MOST_NAMES:,}"
            raise InputError(asked, found, "split the entry there, or leave it out")
        entry.add(attribute, values)
    return entry
