"""Edge: /metrics and /healthz over HTTP, for Prometheus and load balancers: one request a connection, within limits."""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import time
from http import HTTPStatus
from ipaddress import ip_address

from portlore.errors import HostError, InputError
from portlore.netinfo.metrics import TYPE, View, ailments, families, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.hosting import Host

LONGEST = 8192  # bytes of a request
PATIENCE = 5.0  # seconds for one, and for its answer to be taken
MOST = 32  # connections; those beyond are closed
PLAIN = "text/plain; charset=utf-8"
Answer = tuple[HTTPStatus, str, bytes]  # status, content type, body


def parse_place(given: str) -> tuple[str, int]:
    """``ADDRESS:PORT``, ``:PORT`` or ``PORT``, by themselves on loopback; an IPv6 address in brackets."""
    address, _, port = given.rpartition(":")
    address = address.removeprefix("[").removesuffix("]") or "127.0.0.1"
    asked, do = f"--metrics {given}", "write one such as 127.0.0.1:9703"
    if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise InputError(asked, "not ADDRESS:PORT", do)
    try:
        ip_address(address)
    except ValueError:
        raise InputError(asked, f"{address} is not an address of this machine's", do) from None
    return address, int(port)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    return ip_address(address).is_loopback


class Telling:
    """What a host's domains count, told at an address. ``token``: needed by whoever asks; empty on loopback."""

    def __init__(self, host: Host, address: str, port: int, token: str) -> None:
        self._host, self.address, self.port, self._token = host, address, port, token
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen; :class:`HostError` where that may not be."""
        try:
            self._server = await asyncio.start_server(self._welcome, self.address, self.port, limit=LONGEST)
        except OSError as error:
            asked = f"telling metrics at {self.address}:{self.port}"
            found = os.strerror(error.errno) if error.errno else str(error)  # asyncio tells all of it again
            raise HostError(asked, found, "name another --metrics ADDRESS:PORT") from None
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST:
                async with asyncio.timeout(PATIENCE):
                    await self._talk(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it went away, or never came to the point
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = ""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, (status, kind, body) = self._answered(head)
        except asyncio.LimitOverrunError:
            status, kind, body = _problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
            "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close",
        ]  # fmt: skip
        if status == HTTPStatus.UNAUTHORIZED:
            lines.append('WWW-Authenticate: Basic realm="metrics"')
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append("Allow: GET, HEAD")
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
        await writer.drain()
        writer.write_eof()
        await reader.read(1)  # until the other side has all of it and hangs up

    def _answered(self, head: bytes) -> tuple[str, Answer]:
        """The method of a request, and its answer (RFC 9112 section 3, RFC 9110)."""
        first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
            return "", _problem(HTTPStatus.BAD_REQUEST)
        method, path, _ = words
        headers: dict[str, str] = {}
        for line in rest:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip() or name.lower() in headers:
                return method, _problem(HTTPStatus.BAD_REQUEST)
            headers[name.lower()] = value.strip()
        if path not in ("/metrics", "/healthz"):
            return method, _problem(HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            return method, _problem(HTTPStatus.METHOD_NOT_ALLOWED)
        knows = self._knows(headers)
        if path == "/healthz":
            return method, self._health(knows)
        if not knows:
            return method, _problem(HTTPStatus.UNAUTHORIZED if self._token else HTTPStatus.FORBIDDEN)
        return method, (HTTPStatus.OK, TYPE, self._metrics())

    def _knows(self, headers: dict[str, str]) -> bool:
        """Whether the token is there; without one, whether a name of this machine was asked.

        A name that leads here from a page of somebody else's (DNS rebinding), or a proxy's word, is not this machine.
        """
        if not self._token:
            name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
            forwarded = {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"} & headers.keys()
            return not forwarded and (name in ("", "localhost") or _names_loopback(name))
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode("utf-8", "replace").partition(":")[2]
            except ValueError:
                return False
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _health(self, knows: bool) -> Answer:
        """200 or 503; why, for who may know."""
        found = ailments(self._views(), time.time())
        if not found:
            return HTTPStatus.OK, PLAIN, b"ok\n"
        told = "".join(f"{line}\n" for line in found) if knows else "not well\n"
        return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, told.encode("utf-8", "backslashreplace")

    def _metrics(self) -> bytes:
        from portlore import __version__

        return text(families(self._views(), time.time(), __version__)).encode()

    def _views(self) -> list[View]:
        found = []
        for one in list(self._host.domains.values()):
            serving = one.serving
            sealed = sum(connection.caller.sealed for connection in serving.connections)
            plain = len(serving.connections) - sealed
            found.append(View(one.tag, serving.service, plain, sealed, serving.commits, serving.commit_seconds))
        return found


def _names_loopback(name: str) -> bool:
    try:
        return is_loopback(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False


def _problem(status: HTTPStatus) -> Answer:
    return status, PLAIN, f"{status.value} {status.phrase}\n".encode()


async def tell(host: Host, place: str, token: str, log: Callable[[str], None]) -> Telling:
    """Tell at ``ADDRESS:PORT``; whoever reaches it from elsewhere needs a token."""
    address, port = parse_place(place)
    made = Telling(host, address, port, token)
    await made.start()
    shown = f"[{address}]" if ":" in address else address
    log(f"metrics http://{shown}:{made.port}/metrics and /healthz{' token needed' if token else ''}")
    return made
