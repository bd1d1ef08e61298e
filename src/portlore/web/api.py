"""The API under /api/v1: the command's answers over HTTP. FastAPI; errors as RFC 9457 says, ETags as RFC 9110 says."""

from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Literal

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from portlore import __version__
from portlore.chronicle import history_of
from portlore.errors import InputError, PortloreError
from portlore.model import LAST_PORT, PortRange
from portlore.render.formats import Document, Encoded, encode, json_text
from portlore.render.plain import plain, plain_facts
from portlore.searching import LIMIT, search_book
from portlore.web.asking import is_known
from portlore.web.pages.listings import path_of
from portlore.web.schemas import LISTENING, Batch, History, Listeners, Lookup, Problem, Question, Search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence

    from portlore.book import Book
    from portlore.query import Query as Asked
    from portlore.web.asking import Application, Receive, Scope, Send
    from portlore.web.site import Site

ROOT = "/api/v1"
MOST_PORTS = 20_000  # of one answer: twice as many as questions, as some names have several
MOST_CHANGES = 1000
WHOLE = 1000  # ports of an answer that is made whole and has an ETag; a longer one is sent as it is made
CHUNK = 1 << 16  # characters of it at a time
THREADS = 4  # answers made at a time
PROBLEM = "application/problem+json"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in (
        (400, "The question cannot be answered as it is put"),
        (404, "Nobody has it"),
        (405, "Not a way to ask"),
        (408, "The body did not come in time"),
        (413, "The body is longer than 2 MB"),
        (414, "The address is too long: ask by POST"),
        (422, "A value is missing or of the wrong kind"),
        (431, "The headers are too long"),
        (503, "It cannot be answered now"),
    )
}
CLOSED: dict[int | str, dict[str, Any]] = {
    403: {"description": "The token is missing", "content": PROBLEMS[404]["content"]},
}
EXAMPLES = {  # for the documentation: what to type
    "port": "curl http://127.0.0.1:8703/api/v1/ports/703",
    "lookup": "curl 'http://127.0.0.1:8703/api/v1/lookup?q=703&q=ssh'",
    "lookup_many": """curl http://127.0.0.1:8703/api/v1/lookup -H 'Content-Type: application/json' \\
     -d '{"queries": ["703", "53/udp", "ssh"]}'""",
    "search": "curl 'http://127.0.0.1:8703/api/v1/search?q=printer&limit=5'",
    "history": "curl 'http://127.0.0.1:8703/api/v1/history?q=585'",
    "listening": "curl -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8703/api/v1/listeners",
}
Text = Annotated[str, Query(max_length=LIMIT, examples=["printer"])]
Offset = Annotated[int, Query(ge=0, le=100_000)]


def make_api(site: Site, look: Callable[[], Document] | None = None) -> FastAPI:
    """The API of a site's book. ``look``: this machine's listeners, where they may be asked for."""
    app = FastAPI(
        title="Portlore",
        version=__version__,
        summary="What is said of TCP and UDP ports, with sources and verdicts.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
        lifespan=_few_threads,
    )
    book = site.book

    @app.get(f"{ROOT}/ports/{{port}}", response_model=Lookup, summary="One port")
    def port(
        request: Request,
        port: Annotated[int, Path(ge=0, le=LAST_PORT, examples=[47808])],
        transport: Literal["tcp", "udp", "sctp", "dccp"] | None = None,
    ) -> Response:
        """Everything said of a port, on one transport or on all that speak of it."""
        asked = f"{port}/{transport}" if transport else str(port)
        return _answer(request, *lookup_document(book, [asked]))

    @app.get(f"{ROOT}/lookup", response_model=Lookup, summary="A question")
    def lookup(
        request: Request,
        q: Annotated[list[Question], Query(min_length=1, max_length=100, examples=[["47808/tcp"]])],
    ) -> Response:
        """Ports, ranges and service names, as the command takes them: `703`, `53/udp`, `600-1023`, `ssh`."""
        return _answer(request, *lookup_document(book, q))

    @app.post(f"{ROOT}/lookup", response_model=Lookup, summary="Many questions at once")
    def lookup_many(request: Request, batch: Batch) -> Response:
        """Up to 10,000 questions in one request; a name that nobody has gives no row."""
        return _answer(request, *lookup_document(book, batch.queries))

    @app.get(f"{ROOT}/search", response_model=Search, summary="Search")
    def search(
        request: Request, q: Text, limit: Annotated[int, Query(ge=1, le=100)] = 20, offset: Offset = 0
    ) -> Response:
        """Names, descriptions, assignees and claims by words, the best first."""
        found = search_book(book, q.strip(), limit=offset + limit + 1) if q.strip() else []
        rows = [{**plain(hit), "path": path_of(hit.ports, hit.name)} for hit in found[offset : offset + limit]]
        after = offset + limit if len(found) > offset + limit else None
        return _answer(request, Document({"query": q, "next": after}, (("hits", rows),)))

    @app.get(f"{ROOT}/history", response_model=History, summary="History")
    def history(
        request: Request,
        q: Annotated[Question, Query(examples=["585"])],
        limit: Annotated[int, Query(ge=1, le=MOST_CHANGES)] = 100,
        offset: Offset = 0,
    ) -> Response:
        """Every recorded change of a port, a range or a name, oldest first."""
        found = history_of(book, q)
        rows = [plain(change) for change in islice(found, offset, offset + limit)]
        after = offset + limit if len(found) > offset + limit else None
        head = {"snapshot": book.snapshot, "query": q, "next": after}
        return _answer(request, Document(head, (("changes", rows),)))

    if look is not None:

        @app.get(f"{ROOT}/listeners", response_model=Listeners, summary="This machine", responses=CLOSED)
        def listening(request: Request) -> Response:
            """What listens on the machine that serves this; beyond loopback only with the token."""
            if not request.scope.get("portlore.allowed"):
                raise HTTPException(403, "the token that the server printed is missing")
            return _answer(request, look())

    @app.get(f"{ROOT}/docs", include_in_schema=False)
    def docs() -> Response:
        """The documentation, from the description itself."""
        page = site.pages("en").html("api.html", ApiPage(app.openapi()), site.links, indexed=False, kind=schema_type)
        return Response(page, media_type="text/html; charset=utf-8")

    app.add_middleware(OpenToAll)
    app.add_exception_handler(PortloreError, _of_ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)
    app.openapi_schema = _described(app, book)
    return app


@asynccontextmanager
async def _few_threads(app: FastAPI) -> AsyncIterator[None]:
    """More threads at once would only slow one another down, and the pages."""
    current_default_thread_limiter().total_tokens = THREADS
    yield


class OpenToAll:
    """Scripts of other sites may read what anybody may; never what the token guards."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_open = scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].endswith("/listeners")

        async def opened(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"etag")]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, opened if is_open else send)


class ApiPage:
    """What the documentation page shows: the OpenAPI document."""

    title = "API"

    def __init__(self, described: dict[str, Any]) -> None:
        self.described = described


def schema_type(schema: dict[str, Any]) -> str:
    """A schema in a few words: its name, its type, what its entries are."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(schema_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {schema_type(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


def lookup_document(book: Book, queries: Sequence[str]) -> tuple[Document, int]:
    """The document that ``portlore lookup --json`` prints, and of how many ports it tells."""
    asked = [(text, book.parse(text)) for text in queries]
    size = 0
    for text, query in asked:
        size += _size(book, query)
        if size > MOST_PORTS:
            found = f"more than {MOST_PORTS:,} ports together with those before"
            raise InputError(f"the question {text[:24]!r}", found, "ask for less at once")

    @lru_cache(64)
    def told(text: str, query: Asked) -> list[Encoded]:
        found = book.service(query.name, query.transport)[0] if query.name else book.facts_of(query)
        return [Encoded(encode(plain_facts(facts, text))) for facts in found]

    def ports() -> Iterator[Encoded]:
        for text, query in asked:
            for number in query.ports or (None,):
                one = query if number is None else query.replace(ports=PortRange(number, number))
                yield from told(text, one)

    def services() -> Iterator[dict[str, Any]]:
        for _, query in asked:
            if query.name is not None:
                yield from map(plain, book.service(query.name, query.transport)[1])

    lists = (("ports", ports()), ("services", services()))
    return Document({"snapshot": book.snapshot, "queries": queries}, lists), size


def _size(book: Book, query: Asked) -> int:
    """Of how many ports the answer to a question tells."""
    if query.name is None:
        return len(query.ports or ())
    spans = {record.span for record in book.registry.named(query.name) if record.number}
    return sum(last - first + 1 for first, last in spans)


def example_answers(book: Book) -> dict[str, Any]:
    """An answer of every operation, for its description."""
    looked_up = _read(lookup_document(book, ["47808/tcp"])[0])
    hits = [{**plain(hit), "path": path_of(hit.ports, hit.name)} for hit in search_book(book, "printer", limit=2)]
    changes = [plain(change) for change in history_of(book, "585")]
    return {
        "port": looked_up,
        "lookup": looked_up,
        "lookup_many": looked_up,
        "search": {"query": "printer", "next": 2, "hits": hits},
        "history": {"snapshot": book.snapshot, "query": "585", "next": None, "changes": changes},
        "listening": LISTENING,
    }


def _read(document: Document) -> Any:
    return json.loads("".join(json_text(document)))


def _answer(request: Request, document: Document, size: int = 0) -> Response:
    """A document, or 304 where the reader has it; a long one piece by piece."""
    if size > WHOLE:
        return StreamingResponse(_pieces(document), media_type="application/json")
    body = "".join(json_text(document)).encode()
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.method == "GET" and is_known(etag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _pieces(document: Document) -> Iterator[bytes]:
    gathered, size = [], 0
    for piece in json_text(document):
        gathered.append(piece)
        size += len(piece)
        if size > CHUNK:
            yield "".join(gathered).encode()
            gathered, size = [], 0
    yield "".join(gathered).encode()


def _problem(status: int, title: str, detail: str, asked: str = "", found: str = "", do: str = "") -> Response:
    problem = Problem(title=title, status=status, detail=detail, asked=asked, found=found, do=do)
    return Response(problem.model_dump_json(), status_code=status, media_type=PROBLEM)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PortloreError)  # noqa: S101 - registered for it
    status = 400 if isinstance(error, InputError) else 503
    return _problem(status, "The question cannot be answered", str(error), error.asked, error.found, error.do)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _problem(
        422, "A value is missing or of the wrong kind", f"{where}: {first['msg']}", where, str(first["msg"])
    )


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    response = _problem(error.status_code, str(error.detail), str(error.detail), request.url.path)
    response.headers.update(error.headers or {})
    if error.status_code == 405:  # Starlette names the methods of the first route alone
        here = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
        methods = {method for route in here for method in route.methods}
        response.headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return response


def _described(app: FastAPI, book: Book) -> dict[str, Any]:
    """The OpenAPI document, with our own form of problems in place of FastAPI's, and an example of every answer."""
    described = app.openapi()
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    answers = example_answers(book)
    for path in described["paths"].values():
        for operation in path.values():
            name = operation["operationId"].partition("_api_")[0]
            operation["responses"]["422"] = PROBLEMS[422]
            operation["responses"]["200"]["content"]["application/json"]["example"] = answers[name]
            operation["x-example"] = EXAMPLES.get(name, "")
    return described
