"""The API under /api/v1: the command's answers over HTTP. FastAPI; errors as RFC 9457 says, ETags as RFC 9110 says."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from portlore import __version__
from portlore.chronicle import history_of
from portlore.errors import InputError, PortloreError
from portlore.model import LAST_PORT
from portlore.render.formats import Document, json_text
from portlore.render.plain import plain, plain_facts
from portlore.searching import search_book
from portlore.web.pages.listings import path_of
from portlore.web.schemas import Batch, History, Listeners, Lookup, Problem, Search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.book import Book
    from portlore.web.site import Site

ROOT = "/api/v1"
MOST_PORTS = 10_000  # of one answer: a range is cut by asking for less
MOST_CHANGES = 1000
PROBLEM = "application/problem+json"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in (
        (400, "The question cannot be answered as it is put"),
        (404, "Nobody has it"),
        (405, "Not a way to ask"),
        (413, "Too much at once"),
        (422, "A value is missing or of the wrong kind"),
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
Text = Annotated[str, Query(max_length=200, examples=["printer"])]
Offset = Annotated[int, Query(ge=0, le=100_000)]


def make_api(site: Site, *, listeners: bool = False) -> FastAPI:
    """The API of a site's book. ``listeners``: this machine's may be asked for."""
    app = FastAPI(
        title="Portlore",
        version=__version__,
        summary="What is said of TCP and UDP ports, with sources and verdicts.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
    )
    book = site.book

    @app.get(f"{ROOT}/ports/{{port}}", response_model=Lookup, summary="One port")
    def port(
        request: Request,
        port: Annotated[int, Path(ge=0, le=LAST_PORT, examples=[703])],
        transport: Literal["tcp", "udp", "sctp", "dccp"] | None = None,
    ) -> Response:
        """Everything said of a port, on one transport or on all that speak of it."""
        asked = f"{port}/{transport}" if transport else str(port)
        return _document(request, lookup_document(book, [asked]))

    @app.get(f"{ROOT}/lookup", response_model=Lookup, summary="A question")
    def lookup(
        request: Request,
        q: Annotated[list[str], Query(min_length=1, max_length=100, examples=[["703", "53/udp", "ssh"]])],
    ) -> Response:
        """Ports, ranges and service names, as the command takes them: `703`, `53/udp`, `600-1023`, `ssh`."""
        return _document(request, lookup_document(book, q))

    @app.post(f"{ROOT}/lookup", response_model=Lookup, summary="Many questions at once")
    def lookup_many(request: Request, batch: Batch) -> Response:
        """Up to 10,000 questions in one request; a name that nobody has gives no row."""
        return _document(request, lookup_document(book, batch.queries))

    @app.get(f"{ROOT}/search", response_model=Search, summary="Search")
    def search(
        request: Request, q: Text, limit: Annotated[int, Query(ge=1, le=100)] = 20, offset: Offset = 0
    ) -> Response:
        """Names, descriptions, assignees and claims by words, the best first."""
        found = search_book(book, q.strip(), limit=offset + limit + 1) if q.strip() else []
        rows = ({**plain(hit), "path": path_of(hit.ports, hit.name)} for hit in found[offset : offset + limit])
        after = offset + limit if len(found) > offset + limit else None
        return _document(request, Document({"query": q}, (("hits", list(rows)),)), {"next": after})

    @app.get(f"{ROOT}/history", response_model=History, summary="History")
    def history(
        request: Request, q: Text, limit: Annotated[int, Query(ge=1, le=MOST_CHANGES)] = 100, offset: Offset = 0
    ) -> Response:
        """Every recorded change of a port, a range or a name, oldest first."""
        found = history_of(book, q)
        rows = [plain(change) for change in islice(found, offset, offset + limit)]
        after = offset + limit if len(found) > offset + limit else None
        return _document(request, Document({"query": q}, (("changes", rows),)), {"next": after})

    if listeners:

        @app.get(f"{ROOT}/listeners", response_model=Listeners, summary="This machine", responses=CLOSED)
        def listening(request: Request) -> Response:
            """What listens on the machine that serves this; beyond loopback only with the token."""
            if not request.scope.get("portlore.allowed"):
                raise HTTPException(403, "the token that the server printed is missing")
            from portlore.library import listening as look
            from portlore.render.sockets import row

            return _document(request, Document({}, (("listeners", [row(one) for one in look()]),)))

    @app.get(f"{ROOT}/docs", include_in_schema=False)
    def docs() -> Response:
        """The documentation, from the description itself."""
        page = site.pages("en").html("api.html", ApiPage(app.openapi()), site.links, indexed=False, kind=schema_type)
        return Response(page, media_type="text/html; charset=utf-8")

    @app.middleware("http")
    async def open_to_all(request: Request, call_next: Any) -> Response:
        """Scripts of other sites may read what anybody may; never what the token guards."""
        response: Response = await call_next(request)
        if request.method in ("GET", "HEAD") and not request.url.path.endswith("/listeners"):
            response.headers["access-control-allow-origin"] = "*"
        return response

    app.add_exception_handler(PortloreError, _of_ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)
    app.openapi_schema = _described(app)
    return app


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


def lookup_document(book: Book, queries: list[str]) -> Document:
    """The document that ``portlore lookup --json`` prints."""
    ports: list[dict[str, Any]] = []
    services: list[dict[str, Any]] = []
    for text in queries:
        query = book.parse(text)
        if query.name is None:
            size = len(query.ports or ())
            if size + len(ports) > MOST_PORTS:
                found = f"{size:,} ports more, {MOST_PORTS:,} at most in one answer"
                raise InputError(f"the question {text!r}", found, "ask for a shorter range")
            ports += [plain_facts(facts, text) for facts in book.facts_of(query)]
        else:
            some, portless = book.service(query.name, query.transport)
            ports += [plain_facts(facts, text) for facts in some]
            services += [plain(one) for one in portless]
    return Document({"snapshot": book.snapshot, "queries": queries}, (("ports", ports), ("services", services)))


def _document(request: Request, document: Document, tail: dict[str, Any] | None = None) -> Response:
    """A document, or 304 where the reader has it."""
    text = "".join(json_text(document)).rstrip("\n")
    if tail:
        import json

        text = text[:-1] + ", " + json.dumps(tail)[1:-1] + "}"
    body = text.encode("utf-8", "replace")
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if request.method == "GET" and any(one.strip().removeprefix("W/") in (etag, "*") for one in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


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
    return response


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with our own form of problems in place of FastAPI's."""
    described = app.openapi()
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    for path in described["paths"].values():
        for operation in path.values():
            operation["responses"]["422"] = PROBLEMS[422]
            operation["x-example"] = EXAMPLES.get(operation["operationId"].partition("_api_")[0], "")
    return described
