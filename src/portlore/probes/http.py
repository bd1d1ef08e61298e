"""HTTP/1 (RFC 9110, RFC 9112): requests, responses, and what a server tells of itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable

from portlore.observed import MOST_EVIDENCE, Evidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.value import Value

MOST_HEADERS, MOST_VALUE = 100, 1000  # what is kept of a response's head: fields, characters of a value
MOST_PAGE = 16_384  # bytes of a body in which a title is looked for
MOST_TITLE = 200
MOST_INTERIM = 20
SWITCHED = 101  # the last that a server says in HTTP (RFC 9110 section 15.2.2)
STATUS_LINE = re.compile(rb"HTTP/(1\.\d) (\d{3})(?: ([^\r\n]{0,200}))?[^\r\n]*\r?\n")
INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[ \r\n](?:[^\r\n]*\r?\n){1,100}?\r?\n")
REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{2,19}) (\S{1,4000}) HTTP/1\.\d\r?\n")
PRODUCT = re.compile(r"([^\s/()]{1,60})(?:[/ ]v?([0-9][^\s()/;,]{0,40}))?")
REALM = re.compile(r'realm\s*=\s*(?:"([^"]{0,200})"|([^\s,]{1,200}))', re.IGNORECASE)
CHARSET = re.compile(r'charset\s*=\s*"?([\w-]{1,20})', re.IGNORECASE)
LATIN = ("iso-8859-1", "latin1", "us-ascii", "windows-1252")  # any other is read as UTF-8, faults replaced
DEFAULT_PORTS = {False: 80, True: 443}


class Response(Value):
    """A response, or what has come of it.

    ``headers``: (name in small letters, value) in their order. ``body``: what has come, without the chunks' framing.
    ``whole``: nothing more belongs to it; without a length only the end of the connection tells, so it stays false.
    """

    version: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        """The first value of a header field by its name in small letters, empty where it is not there."""
        return next((value for key, value in self.headers if key == name), "")


def request(
    path: str,
    host: str,
    port: int,
    *,
    tls: bool = False,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    keep: bool = False,
) -> bytes:
    """A request without a body. ``keep``: further requests follow on the connection. ``host``: a name or an address."""
    name = host.partition("%")[0]  # a zone means nothing to the other end (RFC 6874 section 4)
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:  # nobody's name; what it was looked up as is not known here
            name = name.encode("ascii", "ignore").decode()
    if ":" in name:
        name = f"[{name}]"
    where = name if port == DEFAULT_PORTS[tls] else f"{name}:{port}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {where}", "User-Agent: portlore", "Accept: */*"]
    lines += [f"{key}: {value}" for key, value in headers]
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def read_response(data: bytes) -> Response | None:
    """What has come of a response; ``None`` while the status line is not whole, or where it is not HTTP/1.

    Interim ones (RFC 9110 section 15.2) are passed over once what follows them has come.
    """
    line = STATUS_LINE.match(data)
    if line is None:
        return None
    for _ in range(MOST_INTERIM):
        end = INTERIM.match(data, line.start())
        following = STATUS_LINE.match(data, end.end()) if end is not None else None
        if following is None:
            break
        line = following
    version, status, reason = line.groups()
    head, between, body = _cut_head(data[line.end() :])
    pairs = []
    for field in head.split(b"\n")[:MOST_HEADERS]:
        name, colon, value = field.partition(b":")
        if colon:
            pairs.append((_text(name[:MOST_VALUE]).strip().lower(), _text(value.strip()[:MOST_VALUE])))
    fields = dict(reversed(pairs))
    whole = False
    code = int(status)
    if between:
        length = fields.get("content-length", "")
        if "chunked" in fields.get("transfer-encoding", "").lower():
            body, whole = _unchunk(body)
        elif code in (204, 304) or code == SWITCHED:
            whole = True
        elif code < 200:  # another one follows
            body = b""
        elif length.isascii() and length.isdigit() and len(length) < 16:
            whole = len(body) >= int(length)
            body = body[: int(length)]
    return Response(version.decode(), code, _text(reason or b""), tuple(pairs), body, whole)


def fetch(sent: bytes) -> Generator[bytes, bytes, tuple[Response | None, bytes]]:
    """Part of a dialogue: send a request, hear the response as far as it comes; with it, all bytes that were heard."""
    heard = more = yield sent
    while more:
        response = read_response(heard)
        hopeless = response is None and heard[:5] != b"HTTP/"[: len(heard)]
        if hopeless or (response is not None and (response.whole or len(response.body) >= MOST_PAGE)):
            break
        more = yield b""
        heard += more
    return read_response(heard), heard


def find_title(response: Response) -> str:
    """The title of an HTML page, its entities resolved and its white space folded; empty where there is none."""
    page = response.body[:MOST_PAGE]
    small = page.lower()
    start = small.find(b"<title")
    begin = small.find(b">", start) + 1
    end = small.find(b"</title", begin)
    if start < 0 or begin == 0 or end < 0:
        return ""
    charset = CHARSET.search(response.header("content-type"))
    coding = "cp1252" if charset and charset[1].lower() in LATIN else "utf-8"
    from html import unescape

    return " ".join(unescape(page[begin:end][: 4 * MOST_TITLE].decode(coding, "replace")).split())[:MOST_TITLE]


def product(server: str) -> tuple[str, str]:
    """Product and version of a Server field (RFC 9110 section 10.2.4): its first product is the most important one."""
    found = PRODUCT.match(server.strip())
    return (found[1], found[2] or "") if found else ("", "")


def identify(response: Response, evidence: Evidence) -> Identification:
    """What a response tells of its server."""
    facts = [("status", f"{response.status} {response.reason}".strip())]
    server = response.header("server")
    realm = REALM.search(response.header("www-authenticate"))
    told = (
        ("server", server),
        ("title", find_title(response)),
        ("redirect", response.header("location") if 300 <= response.status < 400 else ""),
        ("authentication", response.header("www-authenticate").partition(" ")[0]),
        ("realm", (realm[1] or realm[2] or "") if realm else ""),
        ("powered by", response.header("x-powered-by")),
        ("expects", "TLS" if expects_tls(response) else ""),
    )
    facts += [(name, value) for name, value in told if value]
    name, version = product(server)
    return Identification("http", name, version, facts=tuple(facts), evidence=(evidence,))


def expects_tls(response: Response) -> bool:
    """Whether a server says that it was asked in the clear where it speaks TLS, as nginx, Apache, Go and Tomcat do."""
    words = response.body[:2000].lower()
    return response.status == 400 and any(word in words for word in (b"https", b"ssl", b"tls"))


def talk_http(asked: Asked) -> Dialogue:
    """GET / and what comes."""
    sent = request("/", asked.host, asked.port, tls=asked.tls)
    response, heard = yield from fetch(sent)
    if response is None:
        return None
    return identify(response, Evidence("http", sent[:MOST_EVIDENCE], heard[:MOST_EVIDENCE]))


def recognise_server(data: bytes) -> Identification | None:
    """A response's beginning."""
    response = read_response(data)
    return None if response is None else identify(response, Evidence("http", b"", data[:MOST_EVIDENCE]))


def recognise_client(data: bytes) -> Identification | None:
    """A request's beginning: the host that it is for, and what asks."""
    line = REQUEST_LINE.match(data)
    if line is None:
        return None
    fields = [field.partition(b":") for field in data[line.end() :].split(b"\n")[:MOST_HEADERS]]
    known = {name.strip().lower(): _text(value.strip()[:MOST_VALUE]) for name, _, value in fields}
    told = (
        ("request", _text(b"%s %s" % (line[1], line[2][:MOST_TITLE]))),
        ("host", known.get(b"host", "")),
        ("user agent", known.get(b"user-agent", "")),
    )
    facts = tuple((name, value) for name, value in told if value)
    return Identification("http", facts=facts, evidence=(Evidence("http", b"", data[:MOST_EVIDENCE]),))


def _cut_head(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Header fields, the empty line that ends them (empty when it has not come), body."""
    ends = [(data.find(end), end) for end in (b"\r\n\r\n", b"\n\n") if end in data]
    for end in (b"\r\n", b"\n"):
        if data.startswith(end):  # not one field
            return b"", end, data[len(end) :]
    if not ends:
        return data, b"", b""
    at, end = min(ends)
    return data[:at], end, data[at + len(end) :]


def _unchunk(data: bytes) -> tuple[bytes, bool]:
    """A chunked body so far (RFC 9112 section 7.1), and whether its last chunk has come."""
    found: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\n", at, at + 200)
        size = data[at:end].partition(b";")[0].strip() if end >= 0 else b""
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size):
            return b"".join(found), False
        length, at = int(size, 16), end + 1
        if length == 0:
            return b"".join(found), True
        found.append(data[at : at + length])
        at += length
        at = data.find(b"\n", at, at + 2) + 1
        if at == 0:
            return b"".join(found), False


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


PROTOCOLS = (
    Protocol(
        "http",
        "HTTP",
        ("http", "http-alt"),
        ("https",),
    ),
)
PROBES = (Probe("http", "http", "tcp", talk_http, ports=(80, 8000, 8080, 8081, 8888, 3000, 5000, 9000), rank=1),)
RECOGNISERS = (Recogniser("http", "tcp", recognise_server, recognise_client),)
