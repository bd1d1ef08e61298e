"""The documents of the API as OpenAPI describes them; tests hold what is sent against them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from portlore.query import NAME_LIMIT


class Strict(BaseModel):
    """No key that is not described."""

    model_config = ConfigDict(extra="forbid")


class Source(Strict):
    """Where a statement was read."""

    title: str
    url: str
    how: str = Field(description="page read, package file or registry")
    retrieved: str


class Assignment(Strict):
    """A row of the official registry that gives a port or a name away."""

    name: str
    description: str
    assignee: str
    contact: str
    registered: str
    modified: str
    references: list[str]
    service_code: str
    row: str
    alias_of: str | None
    has_note: bool
    has_unauthorized_use: bool
    note: str | None
    unauthorized_use: str | None


class Change(Strict):
    """What changed between two dated states of the registry."""

    between: list[str] = Field(min_length=2, max_length=2)
    kind: str
    ports: str
    transport: str
    name: str
    before: str
    after: str
    field: str


class Claim(Strict):
    """A statement that the registry does not make, with sources and a verdict."""

    ports: str
    transport: str
    name: str
    kind: str
    verdict: str
    statement: str
    why: str
    from_: str | None = Field(alias="from")
    until: str | None
    sources: list[Source]
    later: str | None


class Own(Strict):
    """An organisation's own label."""

    ports: str
    transport: str
    name: str
    owner: str
    note: str
    path: str


class Facts(Strict):
    """Everything said of one port on one transport."""

    query: str | None = None
    port: int = Field(ge=0, le=65535)
    transport: str
    kind: str
    status: str
    row: str
    assignments: list[Assignment]
    history: list[Change]
    claims: list[Claim]
    local: list[dict[str, str]]
    own: list[Own]


class Service(Strict):
    """A registered name without a port, or a row of a name."""

    name: str
    port: str | None
    transport: str | None
    assignment: Assignment


class Lookup(Strict):
    """The answer to questions: as ``portlore lookup --json`` prints it."""

    snapshot: str
    queries: list[str]
    ports: list[Facts]
    services: list[Service]


class Hit(Strict):
    """A thing that a search found. ``path``: its page below a language."""

    ports: str
    transport: str
    name: str
    description: str
    layer: str
    score: int
    why: str
    path: str


class Search(Strict):
    """A page of hits. ``next``: the offset of the page after it."""

    query: str
    hits: list[Hit]
    next: int | None


class History(Strict):
    """A page of changes, oldest first. ``next``: the offset of the page after it."""

    snapshot: str
    query: str
    changes: list[Change]
    next: int | None


Question = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]


class Batch(Strict):
    """Many questions at once."""

    queries: list[Question] = Field(max_length=10_000, examples=[["47808/tcp"]])


class Listeners(Strict):
    """What listens on this machine: as ``portlore listening --json`` prints it. ``notes``: what could not be seen."""

    snapshot: str
    host: str
    asked: dict[str, object]
    notes: list[str]
    listeners: list[dict[str, object]]


LISTENING: dict[str, object] = {  # an example
    "snapshot": "2026-08-17",
    "host": "example",
    "asked": {},
    "notes": [],
    "listeners": [
        {
            "port": 22, "transport": "tcp", "address": "0.0.0.0", "family": "ipv4", "device": None,  # noqa: S104
            "exposure": "all", "state": "listen", "peer": None, "namespace": None, "owners": [],
            "said": {"status": "assigned", "names": ["ssh"], "claims": []},
            "judgement": "unknown", "unexpected": False, "why": "its owner cannot be seen",
        }
    ],
}  # fmt: skip


class Problem(Strict):
    """What went wrong (RFC 9457): what was asked, what was found, what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    asked: str = ""
    found: str = ""
    do: str = ""
