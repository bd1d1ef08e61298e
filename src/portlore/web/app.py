"""Edge: the site on a socket: ASGI around :class:`portlore.web.site.Site`, the API, votes, limits, counts and the log.

Order of a request: counted and timed; refused where a limit says so; static files, health and metrics; votes; the API
(a FastAPI application of its own); everything else is a page.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import mimetypes
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from portlore.value import Value
from portlore.web.asking import (
    FORWARDED,
    LONGEST_BATCH,
    LONGEST_HEAD,
    LONGEST_VOTE,
    PATIENCE,
    SECURE,
    Refusal,
    check_head,
    fields_of,
    header_of,
    host_of,
    is_known,
    is_loopback,
    takes_gzip,
    visitor_of,
)
from portlore.web.metrics import Metrics
from portlore.web.site import Answer, best, whole
from portlore.web.sitemap import MAP, sitemap, sitemap_index
from portlore.web.words import BY_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from portlore.web.asking import Application, Headers, Message, Receive, Scope, Send
    from portlore.web.logs import Log
    from portlore.web.site import Site
    from portlore.web.voting import Voting

    Ready = tuple[tuple[Message, Message], ...]  # the messages of a page: as it is, packed

STATIC = Path(__file__).parent / "static"
AT_ONCE = 2  # pages made at a time, and votes: they keep a core, or a database, busy
MOST_READY = 512  # pages whose messages are kept
READ, SENT = (b"allow", b"GET, HEAD"), (b"allow", b"POST")


class Settings(Value):
    """How the site is served. ``token``: needed for what is about this machine; empty on loopback.

    ``site``: its public address; ``patience``: seconds for the next step of a request; ``worker``: which of several
    processes this is.
    """

    site: str = ""
    token: str = ""
    patience: float = PATIENCE
    worker: str = ""


class Gone(Exception):
    """The one who asked has hung up: nobody to answer, and nothing to take at half a word."""


class App:
    """The whole of it, as ASGI.

    ``look`` gives this machine's listeners on a port; ``log`` takes facts, and a request's; ``voting`` keeps votes;
    ``end`` is called when the server ends.
    """

    def __init__(
        self,
        site: Site,
        api: Application,
        settings: Settings,
        log: Log,
        voting: Voting | None = None,
        look: Callable[[int], Sequence[object]] | None = None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.site, self.api, self.settings = site, api, settings
        self.log, self.voting, self.look, self.end = log, voting, look, end
        self.metrics = Metrics(settings.worker)
        self._ready: dict[bytes | None, Ready] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._voters = ThreadPoolExecutor(AT_ONCE, "vote")  # of their own: a database that hangs holds up no page
        self._make: Callable[[], Mapping[str, tuple[str, bytes]]] | None = None
        self._making = asyncio.Lock()
        self._files = {path.name: _static(path) for path in sorted(STATIC.iterdir()) if path.is_file()}

    def files_to_make(self, make: Callable[[], Mapping[str, tuple[str, bytes]]]) -> None:
        """Further files below /static/, as name to media type and bytes: made when one is first asked for."""
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's beginning and end."""
        if scope["type"] == "lifespan":
            await self.api(scope, receive, send)
            self._voters.shutdown(wait=False, cancel_futures=True)
            self.end()
            return
        began, loop = time.perf_counter(), asyncio.get_running_loop()
        if (ready := self._ready.get(scope.get("raw_path"))) is not None and await self._send_ready(scope, send, ready):
            return
        status, size, reading = 0, 0, False

        async def taken() -> Message:
            nonlocal reading
            reading = True
            message = await receive()
            reading = False
            return message

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *SECURE]
            else:
                size += len(message.get("body", b""))
            await send(message)
            limit.reschedule(loop.time() + self.settings.patience)

        try:
            async with asyncio.timeout(self.settings.patience) as limit:
                await self._answer(scope, taken, counted)
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001 - the border: a fault of ours is one page, not the server
            slow = isinstance(error, TimeoutError)
            if not (slow and reading):
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.log({"fault": type(error).__name__, "what": str(error), "path": scope["path"],
                          "at": f"{Path(where.filename).name}:{where.lineno}"})  # fmt: skip
            if status:  # it cannot be taken back: the server sees it unfinished, and hangs up
                return
            told = HTTPStatus.REQUEST_TIMEOUT if slow and reading else 503 if slow else 500
            await _send(counted, scope, self._problem(scope, told))
        finally:
            self._count(scope, status, size, time.perf_counter() - began)

    async def _send_ready(self, scope: Scope, send: Send, ready: Ready) -> bool:
        """Send a page that was sent before, where the request asks for just that; whether it did."""
        began, size, packed = time.perf_counter(), 0, False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"if-none-match":
                return False
            if name == b"accept-encoding":
                packed = takes_gzip(value.decode("latin-1"))
        if scope["method"] != "GET" or scope["query_string"] or size > LONGEST_HEAD:
            return False
        start, body = ready[packed]
        await send(start)  # who does not take it is hung up on by the protocol
        await send(body)
        self._count(scope, 200, len(body["body"]), time.perf_counter() - began)
        return True

    def _keep_ready(self, raw: str, answer: Answer) -> None:
        """Keep the messages of a kept page; the ones asked for last, so that memory stays bounded."""
        if answer.status != HTTPStatus.OK or not answer.packed:
            return
        if len(self._ready) >= MOST_READY:
            self._ready.clear()
        self._ready[raw.encode()] = tuple(
            (
                {"type": "http.response.start", "status": 200, "headers": headers_of(answer, body, packed) + SECURE},
                {"type": "http.response.body", "body": body},
            )
            for body, packed in ((answer.body, False), (answer.packed, True))
        )

    def _count(self, scope: Scope, status: int, size: int, took: float) -> None:
        self.metrics.count(scope["path"], status, took)
        client = scope.get("client") or ("",)
        self.log.request(client[0], scope["method"], scope["path"], status, size, took)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_head(scope)
            if scope["path"].startswith("/api/"):
                await self._ask_api(scope, receive, send)
                return
            answer, more = await self._page(scope, receive)
        except Refusal as refusal:
            answer, more = self._problem(scope, refusal.status), refusal.more
        await _send(send, scope, answer, more)

    async def _ask_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "portlore.allowed": self._allowed(scope)}
        head = scope["method"] == "HEAD"
        if head:
            inner["method"] = "GET"
        body: bytes | None = await _body(scope, receive, LONGEST_BATCH)

        async def again() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            whole_body, body = body, None
            return {"type": "http.request", "body": whole_body, "more_body": False}

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.api(inner, again, headed if head else send)

    async def _page(self, scope: Scope, receive: Receive) -> tuple[Answer, Headers]:
        path, method = scope["path"], scope["method"]
        if self.voting is not None and path[4:] == "feedback" and path[1:3] in BY_CODE and path[3] == "/":
            if method != "POST":
                raise Refusal(405, SENT)
            return await self._vote(scope, receive)
        if method not in ("GET", "HEAD"):
            raise Refusal(405, READ)
        return await self._get(scope), []

    async def _get(self, scope: Scope) -> Answer:
        path = scope["path"]
        if path.startswith("/static/"):
            return await self._file(path[8:])
        if path in ("/healthz", "/robots.txt", "/metrics") or path.startswith("/sitemap"):
            return self._plain(scope, path)
        query = fields_of(scope["query_string"].decode("ascii", "replace"))
        raw = (scope.get("raw_path") or path.encode()).decode("ascii", "replace")
        accepted = header_of(scope, b"accept-language")
        part, _, number = path[4:].partition("/")
        if self.look is not None and part == "ports" and number.isdecimal() and self._allowed(scope):
            return await asyncio.to_thread(self._with_listeners, raw, accepted, int(number))
        known = self.site.known(raw, query)
        if known is not None:
            if self.look is None:
                self._keep_ready(raw, known)
            return known
        async with self._room:
            return await asyncio.to_thread(self.site.get, raw, query, accepted)

    async def _file(self, name: str) -> Answer:
        async with self._making:
            if name not in self._files and self._make is not None:
                made = await asyncio.to_thread(self._make)
                self._files |= {one: _file(kind, body) for one, (kind, body) in made.items()}
                self._make = None
        if name not in self._files:
            raise Refusal(404)
        return self._files[name]

    def _with_listeners(self, raw: str, accepted: str, number: int) -> Answer:
        assert self.look is not None  # noqa: S101 - asked only where it is there
        return self.site.get(raw, {}, accepted, listeners=self.look(number) if number < 1 << 16 else [])

    def _plain(self, scope: Scope, path: str) -> Answer:
        site = self.settings.site or f"{scope.get('scheme', 'http')}://{host_of(scope) or 'localhost'}"
        if path == "/healthz":
            return Answer(200, "text/plain; charset=utf-8", b"ok\n")
        if path == "/robots.txt":
            return Answer(200, "text/plain; charset=utf-8", f"User-agent: *\nSitemap: {site}/sitemap.xml\n".encode())
        if path == "/metrics":
            if not self._allowed(scope):
                raise Refusal(403)
            return Answer(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.text().encode())
        if path == "/sitemap.xml":
            return Answer(200, "application/xml", sitemap_index(self.site.book, site).encode())
        found = MAP.match(path)
        body = sitemap(site, found["language"], int(found["part"])) if found else None
        if body is None:
            raise Refusal(404)
        return Answer(200, "application/xml", body.encode())

    async def _vote(self, scope: Scope, receive: Receive) -> tuple[Answer, Headers]:
        assert self.voting is not None  # noqa: S101 - asked only where it is there
        body = await _body(scope, receive, LONGEST_VOTE)
        data = fields_of(body.decode("utf-8", "replace")) if self._is_ours(scope) else {}
        client = (scope.get("client") or ("",))[0]
        as_json = "application/json" in header_of(scope, b"accept")
        take, loop = self.voting.vote, asyncio.get_running_loop()
        code = scope["path"][1:3]
        return await loop.run_in_executor(self._voters, take, code, data, client, visitor_of(scope), as_json)

    def _is_ours(self, scope: Scope) -> bool:
        """Whether a form was sent from a page of this site: by Fetch Metadata, by Origin where a browser is older."""
        came = header_of(scope, b"sec-fetch-site")
        origin = header_of(scope, b"origin")
        if came or not origin:
            return came in ("same-origin", "")
        return urlsplit(origin).netloc in (host_of(scope), urlsplit(self.settings.site).netloc)

    def _allowed(self, scope: Scope) -> bool:
        """Whether what is about this machine may be told: with the token; where there is none, on this machine alone.

        A name that leads here from a page of somebody else's (DNS rebinding), or a proxy's word, is not this machine.
        """
        if not self.settings.token:
            return is_loopback(host_of(scope)) and not any(header_of(scope, name) for name in FORWARDED)
        kind, _, given = header_of(scope, b"authorization").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode("utf-8", "replace").partition(":")[2]
            except ValueError:
                return False
        return hmac.compare_digest(given.encode(), self.settings.token.encode())

    def _problem(self, scope: Scope, status: int) -> Answer:
        """What went wrong: as the API says it below /api/, else as a page in the reader's language."""
        path = scope["path"]
        if path.startswith("/api/"):
            title = HTTPStatus(status).phrase
            told = {"type": "about:blank", "title": title, "status": status, "detail": title, "asked": path}
            return Answer(status, "application/problem+json", json.dumps({**told, "found": "", "do": ""}).encode())
        code = path[1:3]
        return self.site.problem(status, code if code in BY_CODE else best(header_of(scope, b"accept-language")), "")


def _static(path: Path) -> Answer:
    return _file(mimetypes.guess_type(path.name)[0] or "application/octet-stream", path.read_bytes())


def _file(kind: str, body: bytes) -> Answer:
    return whole(200, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind, body)


async def _body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body; :class:`Refusal` beyond ``most`` bytes, :class:`Gone` when it breaks off."""
    told = header_of(scope, b"content-length")
    if told.isdecimal() and int(told[:12]) > most:
        raise Refusal(413)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise Refusal(413)
    return bytes(body)


def headers_of(answer: Answer, body: bytes, packed: bool, status: int | None = None) -> Headers:
    """The headers of an answer, as it is or ``packed``; ``status``: another than its own."""
    headers: Headers = [(b"content-type", answer.kind.encode())]
    status = int(answer.status) if status is None else status
    varies = [b"accept-language"] if answer.location or status >= HTTPStatus.BAD_REQUEST else []
    if answer.location:
        headers.append((b"location", answer.location.encode("latin-1", "replace")))
    if answer.language:
        headers.append((b"content-language", answer.language.encode()))
    if answer.packed:
        varies.append(b"accept-encoding")
    if answer.etag:
        headers += [(b"etag", answer.etag.encode()), (b"cache-control", b"no-cache")]
    if packed:
        headers.append((b"content-encoding", b"gzip"))
    if varies:
        headers.append((b"vary", b", ".join(varies)))
    if status != HTTPStatus.NOT_MODIFIED:
        headers.append((b"content-length", str(len(body)).encode()))
    return headers


async def _send(send: Send, scope: Scope, answer: Answer, more: Headers | None = None) -> None:
    """An answer: 304 where the reader has it already, packed where it may be."""
    body, status, packed = answer.body, int(answer.status), False
    if answer.etag:
        known = header_of(scope, b"if-none-match")
        if scope["method"] != "POST" and status == HTTPStatus.OK and is_known(answer.etag, known):
            status, body = 304, b""
        elif answer.packed and takes_gzip(header_of(scope, b"accept-encoding")):
            body, packed = answer.packed, True
    headers = headers_of(answer, body, packed, status) + list(more or ())
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
