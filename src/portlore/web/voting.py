"""Edge: taking a vote from a form: who votes, how often, what is said to it."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections import OrderedDict
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from threading import Lock
from urllib.parse import quote, unquote

from portlore.errors import PortloreError
from portlore.web.catalogues import words
from portlore.web.feedback.store import FACES
from portlore.web.pages.fixed import vote_page
from portlore.web.site import VOTE, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from portlore.web.feedback.store import Votes
    from portlore.web.site import Answer, Site

OFTEN, WINDOW = 10, 60.0  # votes of one address within so many seconds, a worker
ADDRESSES = 4096  # that are remembered
YEAR = 365 * 86400  # seconds that a visitor is known by the cookie
STATUS = {
    "new": HTTPStatus.OK, "changed": HTTPStatus.OK, "same": HTTPStatus.OK, "wrong": HTTPStatus.BAD_REQUEST,
    "often": HTTPStatus.TOO_MANY_REQUESTS, "down": HTTPStatus.SERVICE_UNAVAILABLE,
}  # fmt: skip


class Voting:
    """Takes votes. A visitor is a random name in a signed cookie, set with the first vote; nothing else is known."""

    def __init__(self, site: Site, votes: Votes, log: Callable[[Mapping[str, object]], None]) -> None:
        self._site, self._votes, self._log = site, votes, log
        self._secret = votes.secret()
        self._recent: OrderedDict[str, list[float]] = OrderedDict()
        self._room = Lock()

    def vote(
        self, code: str, form: Mapping[str, str], address: str, cookie: str, as_json: bool
    ) -> tuple[Answer, list[tuple[bytes, bytes]]]:
        """The answer to a vote on a page in the language ``code``, and the headers that go with it."""
        visitor = self._visitor(cookie)
        fresh = not visitor
        visitor = visitor or secrets.token_hex(16)
        page = form.get("path", "")
        outcome = self._outcome(code, form.get("face", ""), page, address, visitor)
        headers = []
        if fresh and outcome == "new":
            line = f"visitor={visitor}.{self._sign(visitor)}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Strict"
            if self._site.links.site.startswith("https:"):
                line += "; Secure"
            headers.append((b"set-cookie", line.encode()))
        said = vote_page(outcome, page if outcome != "wrong" else "", words(code))
        status = STATUS[outcome]
        if as_json:
            body = json.dumps({"outcome": outcome, "message": said.summary}, ensure_ascii=False).encode()
            return whole(status, "application/json", body, code), headers
        return whole(status, "text/html; charset=utf-8", self._site.html(VOTE, said, code, "").encode(), code), headers

    def _outcome(self, code: str, face: str, page: str, address: str, visitor: str) -> str:
        if face not in FACES or not _is_own_name(page) or not self._site.has(code, page):
            return "wrong"
        if self._is_often(address):
            return "often"
        try:
            return self._votes.vote(page, code, visitor, FACES[face], int(time.time()))
        except PortloreError as error:
            self._log({"fault": "feedback", "what": str(error)})
            return "down"

    def _is_often(self, address: str) -> bool:
        now, house = time.monotonic(), _house(address)
        with self._room:
            recent = [at for at in self._recent.pop(house, []) if now - at < WINDOW]
            self._recent[house] = [*recent, now][-OFTEN - 1 :]
            if len(self._recent) > ADDRESSES:
                self._recent.popitem(last=False)
        return len(recent) >= OFTEN

    def _visitor(self, cookie: str) -> str:
        name, _, sign = cookie.partition(".")
        return name if name and hmac.compare_digest(sign.encode(), self._sign(name).encode()) else ""

    def _sign(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()[:32]


def _is_own_name(page: str) -> bool:
    """Whether this is how the site itself names a page: the same page by another spelling has no votes of its own."""
    return quote(unquote(page), safe="/~") == page.replace("%2F", "/") and not page.endswith(".json")


def _house(address: str) -> str:
    """Whom an address belongs to: every network of IPv6 has 2**64 of them (RFC 4291 section 2.5.4)."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a proxy's word
        return address[:64]
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped else address
