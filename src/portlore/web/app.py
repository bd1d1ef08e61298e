"""Edge: the site on a socket: ASGI around :class:`portlore.web.site.Site`, the API, votes, limits, counts and the log.

Order of a request: counted and timed; refused where a limit says so; static files, health and metrics; votes; the API
(a FastAPI application of its own); everything else is a page.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import mimetypes
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

from portlore.errors import PortloreError
from portlore.value import Value
from portlore.web.metrics import Metrics
from portlore.web.site import Answer, best
from portlore.web.sitemap import MAP, sitemap, sitemap_index
from portlore.web.words import BY_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
    from typing import Any

    from portlore.web.site import Site
    from portlore.web.voting import Voting

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

STATIC = Path(__file__).parent / "static"
LONGEST_PATH, LONGEST_QUERY = 512, 2048  # bytes
LONGEST_VOTE, LONGEST_BATCH = 4096, 2 << 20  # bytes of a body
PATIENCE = 10.0  # seconds for one answer
AT_ONCE = 2  # pages made at a time: they keep a core busy
SECURE = [
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
     b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]  # fmt: skip
OWN_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Settings(Value):
    """How the site is served. ``token``: needed for what is about this machine; empty on loopback.

    ``site``: its public address; ``listeners``: this machine's may be shown.
    """

    site: str = ""
    token: str = ""
    listeners: bool = False


class App:
    """The whole of it, as ASGI.

    ``look`` gives this machine's listeners on a port; ``log`` takes a request's facts; ``voting`` keeps votes.
    """

    def __init__(
        self,
        site: Site,
        api: Application,
        settings: Settings,
        log: Callable[[Mapping[str, object]], None],
        voting: Voting | None = None,
        look: Callable[[int], Sequence[object]] | None = None,
    ) -> None:
        self.site, self.api, self.settings = site, api, settings
        self.log, self.voting, self.look = log, voting, look
        self.metrics = Metrics()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._files = {path.name: _static(path) for path in sorted(STATIC.iterdir()) if path.is_file()}

    def add_file(self, name: str, kind: str, body: bytes) -> None:
        """A file below /static/ that was made, not read."""
        self._files[name] = _file(kind, body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's beginning and end."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        began, sent = time.perf_counter(), [0, 0]

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                sent[0] = message["status"]
            else:
                sent[1] += len(message.get("body", b""))
            await send(message)

        try:
            async with asyncio.timeout(PATIENCE):
                await self._answer(scope, receive, counted)
        except Exception as error:  # noqa: BLE001 - the border: a fault of ours is one page, not the server
            self.log({"fault": type(error).__name__, "what": str(error), "path": scope["path"]})
            if not sent[0]:
                code = best(_header(scope, b"accept-language"))
                await _send(
                    counted, scope, self.site.problem(503 if isinstance(error, TimeoutError) else 500, code, "")
                )
        took = time.perf_counter() - began
        self.metrics.count(scope["path"], sent[0], took)
        client = scope.get("client") or ("",)
        self.log({"client": client[0], "method": scope["method"], "path": scope["path"], "status": sent[0],
                  "bytes": sent[1], "ms": round(1000 * took, 2)})  # fmt: skip

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        while scope["type"] == "lifespan":
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if len(scope.get("raw_path") or path) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_QUERY:
            await _send(send, scope, self._problem(scope, 414))
        elif path.startswith("/api/"):
            scope = dict(scope)
            scope["portlore.allowed"] = self._allowed(scope)
            await self.api(scope, _bounded(receive, LONGEST_BATCH), send)
        elif path.endswith("/feedback") and method == "POST" and self.voting is not None:
            await _send(send, scope, *await self._vote(scope, receive))
        elif method not in ("GET", "HEAD"):
            await _send(send, scope, self._problem(scope, 405))
        else:
            await _send(send, scope, await self._get(scope))

    async def _get(self, scope: Scope) -> Answer:
        path = scope["path"]
        if path.startswith("/static/"):
            return self._files.get(path[8:]) or self._problem(scope, 404)
        if path in ("/healthz", "/robots.txt", "/metrics") or path.startswith("/sitemap"):
            return self._plain(scope, path)
        query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace"), max_num_fields=8))
        raw = (scope.get("raw_path") or path.encode()).decode("ascii", "replace")
        accepted = _header(scope, b"accept-language")
        part, _, number = path[4:].partition("/")
        if self.look is not None and part == "ports" and number.isdigit() and self._allowed(scope):
            return await asyncio.to_thread(self._with_listeners, raw, accepted, int(number))
        known = self.site.known(raw, query)
        if known is not None:
            return known
        async with self._room:
            return await asyncio.to_thread(self.site.get, raw, query, accepted)

    def _with_listeners(self, raw: str, accepted: str, number: int) -> Answer:
        assert self.look is not None  # noqa: S101 - asked only where it is there
        return self.site.get(raw, {}, accepted, listeners=self.look(number) if number < 1 << 16 else [])

    def _plain(self, scope: Scope, path: str) -> Answer:
        site = self.settings.site or f"{scope.get('scheme', 'http')}://{_host(scope)}"
        if path == "/healthz":
            return Answer(200, "text/plain; charset=utf-8", b"ok\n")
        if path == "/robots.txt":
            return Answer(200, "text/plain; charset=utf-8", f"User-agent: *\nSitemap: {site}/sitemap.xml\n".encode())
        if path == "/metrics":
            if not self._allowed(scope):
                return self._problem(scope, 403)
            return Answer(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.text().encode())
        if path == "/sitemap.xml":
            return Answer(200, "application/xml", sitemap_index(self.site.book, site).encode())
        found = MAP.match(path)
        body = sitemap(site, found["language"], int(found["part"])) if found else None
        return Answer(200, "application/xml", body.encode()) if body else self._problem(scope, 404)

    async def _vote(self, scope: Scope, receive: Receive) -> tuple[Answer, list[tuple[bytes, bytes]]]:
        assert self.voting is not None  # noqa: S101 - asked only where it is there
        code = scope["path"][1:3]
        body = bytearray()
        async for piece in _pieces(receive):
            body += piece
            if len(body) > LONGEST_VOTE:
                return self._problem(scope, 413), []
        came = _header(scope, b"sec-fetch-site") or "same-origin"
        data = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=8)) if came == "same-origin" else {}
        client = (scope.get("client") or ("",))[0]
        as_json = "application/json" in _header(scope, b"accept")
        return await asyncio.to_thread(self.voting.vote, code, data, client, _cookie(scope), as_json)

    def _allowed(self, scope: Scope) -> bool:
        """Whether what is about this machine may be told: on loopback to loopback's names, elsewhere with the token."""
        if not self.settings.token:
            return _host(scope).rsplit(":", 1)[0] in OWN_HOSTS or _host(scope) in OWN_HOSTS
        kind, _, given = _header(scope, b"authorization").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode("utf-8", "replace").partition(":")[2]
            except ValueError:
                return False
        return hmac.compare_digest(given.encode(), self.settings.token.encode())

    def _problem(self, scope: Scope, status: int) -> Answer:
        code = scope["path"][1:3]
        return self.site.problem(status, code if code in BY_CODE else best(_header(scope, b"accept-language")), "")


def _static(path: Path) -> Answer:
    return _file(mimetypes.guess_type(path.name)[0] or "application/octet-stream", path.read_bytes())


def _file(kind: str, body: bytes) -> Answer:
    from portlore.web.site import whole

    return whole(200, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind, body)


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _host(scope: Scope) -> str:
    host = _header(scope, b"host").lower()
    return host if all(c.isalnum() or c in ".:-[]" for c in host) else "localhost"


def _cookie(scope: Scope) -> str:
    for pair in _header(scope, b"cookie").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "visitor":
            return value[:128]
    return ""


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        more = message.get("more_body", False)


class TooLong(PortloreError):
    """A body beyond the limit."""


def _bounded(receive: Receive, most: int) -> Receive:
    """The same, but a body beyond ``most`` bytes ends early: the reader sees it cut, and refuses it."""
    size = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            return {"type": "http.disconnect"}
        return message

    return bounded


async def _send(send: Send, scope: Scope, answer: Answer, more: list[tuple[bytes, bytes]] | None = None) -> None:
    """An answer: 304 where the reader has it already, packed where it may be."""
    headers = [(b"content-type", answer.kind.encode()), *SECURE, *(more or ())]
    body = answer.body
    status = answer.status
    if answer.location:
        headers.append((b"location", answer.location.encode("latin-1", "replace")))
        headers.append((b"vary", b"accept-language"))
    if answer.language:
        headers.append((b"content-language", answer.language.encode()))
    if answer.etag:
        etag = answer.etag.encode()
        headers += [(b"etag", etag), (b"vary", b"accept-encoding"), (b"cache-control", b"no-cache")]
        known = _header(scope, b"if-none-match")
        if (
            status == HTTPStatus.OK
            and known
            and any(one.strip().removeprefix("W/") in (answer.etag, "*") for one in known.split(","))
        ):
            status, body = HTTPStatus.NOT_MODIFIED, b""
        elif answer.packed and "gzip" in _header(scope, b"accept-encoding"):
            body = answer.packed
            headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
