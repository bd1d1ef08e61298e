"""The schema of ``lore/claims/*.toml``, and the check that no claim without a source gets past."""

from __future__ import annotations

import re
import tomllib
from datetime import date

from portlore.errors import InputError, ParseError
from portlore.model import Claim, ClaimKind, PortRange, Source, Transport, Verdict

HOW = ("page read", "package file", "registry")
CLAIM_KEYS = ("ports", "transport", "name", "kind", "verdict", "statement", "why", "from", "until", "sources")
SOURCE_KEYS = ("title", "url", "how", "evidence", "retrieved")
OPTIONAL = {"from", "until"}
DAY = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
PACKAGE_URL = re.compile(r"pkg:(deb/debian|pypi|npm)/[^@\s]+@[^#\s]+#\S+")  # a package URL (purl) with the file's path
LONGEST = {"name": 48, "statement": 260, "why": 320, "evidence": 160}
ASK = "reading claims"


def _fail(where: str, found: str, do: str) -> ParseError:
    return ParseError(f"{ASK} in {where}", found, do)


def parse_ports(text: str) -> tuple[PortRange, ...]:
    """``703``, ``6881-6889`` or ``2888, 3888`` as ranges; :class:`InputError` otherwise."""
    return tuple(PortRange.parse(part.strip()) for part in text.split(","))


def parse_claims(data: str, where: str) -> list[Claim]:
    """The claims of one file; :class:`ParseError` names the claim, what is wrong with it and what would be right."""
    try:
        document = tomllib.loads(data)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fail(where, f"not TOML: {error}", "correct the file") from None
    claims = document.get("claim")
    if not isinstance(claims, list) or set(document) != {"claim"}:
        raise _fail(where, "no list of [[claim]]", "begin each claim with [[claim]]")
    return [_claim(table, f"{where}, claim {number}") for number, table in enumerate(claims, 1)]


def _text(table: dict[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _fail(where, f"no text for {key!r}, but {value!r:.60}", f'write {key} = "…"')
    if len(value) > LONGEST.get(key, 400):
        raise _fail(where, f"{key!r} has {len(value)} characters", f"keep it to {LONGEST.get(key, 400)}")
    if not value.isprintable():
        raise _fail(where, f"{key!r} holds a control character", "write it on one line")
    return value


def _one_of(table: dict[str, object], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = _text(table, key, where)
    if value not in allowed:
        raise _fail(where, f"{key} = {value[:40]!r}", f"use one of: {', '.join(allowed)}")
    return value


def _claim(table: object, where: str) -> Claim:
    if not isinstance(table, dict):
        raise _fail(where, "not a table", "begin each claim with [[claim]]")
    where = f"{where} ({table.get('ports')} {table.get('name')})"
    if unknown := set(table).difference(CLAIM_KEYS):
        raise _fail(where, f"unknown key {min(unknown)!r}", f"use only: {', '.join(CLAIM_KEYS)}")
    ports = _text(table, "ports", where)
    try:
        parse_ports(ports)
    except InputError as error:
        raise _fail(
            where, f"ports = {ports[:40]!r}: {error.found}", "write a port, a range or a list of them"
        ) from None
    transport = _text(table, "transport", where)
    if set(transport.split("/")).difference(Transport):
        raise _fail(where, f"transport = {transport[:40]!r}", "write tcp, udp, sctp, dccp or tcp/udp")
    era = {key: _text(table, key, where) for key in sorted(OPTIONAL) if key in table}
    for key, value in era.items():
        if not DAY.fullmatch(value):
            raise _fail(where, f"{key} = {value[:40]!r}", "write a year, YYYY-MM or YYYY-MM-DD")
    sources = table.get("sources")
    if not isinstance(sources, list) or not sources:
        raise _fail(where, "no source", "add [[claim.sources]], or leave the claim out")
    return Claim(
        ", ".join(str(ports_range) for ports_range in parse_ports(ports)),
        transport,
        _text(table, "name", where),
        ClaimKind(_one_of(table, "kind", tuple(ClaimKind), where)),
        Verdict(_one_of(table, "verdict", tuple(Verdict), where)),
        _text(table, "statement", where),
        _text(table, "why", where),
        era.get("from"),
        era.get("until"),
        tuple(_source(source, where) for source in sources),
    )


def _source(table: object, where: str) -> Source:
    if not isinstance(table, dict) or set(table).difference(SOURCE_KEYS):
        raise _fail(where, f"a source with unknown keys: {table!r:.60}", f"use only: {', '.join(SOURCE_KEYS)}")
    how = _one_of(table, "how", HOW, where)
    url = _text(table, "url", where)
    fits = PACKAGE_URL.fullmatch(url) if how == "package file" else re.match(r"https?://\S+$", url)
    if not fits:
        raise _fail(where, f"url = {url[:60]!r} for a {how}", "write https://… or pkg:TYPE/NAME@VERSION#PATH")
    retrieved = table.get("retrieved")
    if not isinstance(retrieved, date):
        raise _fail(where, f"retrieved = {retrieved!r:.40}", "write the day it was read, such as 2026-11-21")
    evidence = _text(table, "evidence", where)
    return Source(_text(table, "title", where), url, how, retrieved.isoformat()[:10], evidence)
