"""What a request says of itself, and the limits of it: paths, headers, host, cookie, fields. Pure.

A scope is ASGI's: ``path``, ``raw_path``, ``query_string``, ``headers`` as pairs of bytes, their names in lower case.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import parse_qsl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers = list[tuple[bytes, bytes]]

LONGEST_PATH, LONGEST_QUERY, LONGEST_HEAD = 512, 2048, 16384  # bytes; the head is that of a request, without its line
LONGEST_VOTE, LONGEST_BATCH = 4096, 2 << 20  # bytes of a body
MOST_FIELDS = 16  # of a query or a form
PATIENCE = 10.0  # seconds for the next step of one request: its body, its answer, a piece of it taken
SECURE = [
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
     b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]  # fmt: skip
HOST = re.compile(r"[a-z0-9._-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?")  # RFC 3986 section 3.2.2, as browsers send it
FORWARDED = tuple(b"forwarded via x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip".split())  # by proxies


class Refusal(Exception):
    """A request that is not answered: its status; headers that say more."""

    def __init__(self, status: int, *more: tuple[bytes, bytes]) -> None:
        super().__init__(status)
        self.status, self.more = status, list(more)


def check_head(scope: Scope) -> None:
    """:class:`Refusal` for a head beyond the limits."""
    if len(scope.get("raw_path") or scope["path"]) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_QUERY:
        raise Refusal(414)
    if sum([len(name) + len(value) for name, value in scope["headers"]]) > LONGEST_HEAD:
        raise Refusal(431)


def header_of(scope: Scope, name: bytes) -> str:
    """A header, the first of that name; empty without one."""
    return next((value.strip().decode("latin-1") for key, value in scope["headers"] if key == name), "")


def host_of(scope: Scope) -> str:
    """The host and port that were asked for; empty where they are none."""
    host = header_of(scope, b"host").lower()
    return host if HOST.fullmatch(host) else ""


def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with its port, is this machine by a name that leads nowhere else."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def visitor_of(scope: Scope) -> str:
    """The cookie that names a visitor; empty without one."""
    for pair in header_of(scope, b"cookie").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "visitor":
            return value[:128]
    return ""


def fields_of(text: str) -> dict[str, str]:
    """A query or a form; :class:`Refusal` for more fields than anything here has."""
    try:
        return dict(parse_qsl(text, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Refusal(400) from None


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header wants gzip (RFC 9110 section 12.5.3)."""
    for part in accepted.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() == "gzip":
            return not re.fullmatch(r"q=0(\.0*)?", weight.strip().lower())
    return False


def is_known(etag: str, known: str) -> bool:
    """Whether an If-None-Match header names this ETag; weak comparison (RFC 9110 section 13.1.2)."""
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in known.split(","))
