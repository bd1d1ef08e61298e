"""Results of scans as they were written: reading them back, what changed between two, several shards as one. Pure.

Read are JSON, NDJSON and CSV of `portlore scan`, and nmap's XML (ours and nmap's own).
"""

from __future__ import annotations

import csv
import json
from xml.parsers import expat

from portlore.errors import InputError, ParseError
from portlore.scan.addresses import parse_address
from portlore.scan.grid import Shard
from portlore.scan.ports import format_ports, parse_ports
from portlore.scan.targets import Span, parse_span
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = dict[str, Any]
    Key = tuple[str, str, int]  # address, transport, port

DO = "give what `portlore scan` wrote (JSON, NDJSON, CSV) or nmap -oX"
COMPARED = ("outcome", "protocol", "product", "version", "judgement")
NEEDED = ("address", "transport", "port", "outcome")
STATES = {"open": "open", "closed": "refused", "filtered": "timeout", "unfiltered": "refused"}
OPEN = ("open", "closed-early")


class Results(Value):
    """One scan: ``rows`` by address, transport and port; ``summary``: empty where the form has none.

    ``ports``: what was asked, by transport, ``spans``: of whom; None where that is not told. ``shard``: which part.
    """

    rows: Mapping[Key, Row]
    summary: Row
    ports: Mapping[str, frozenset[int]] | None
    spans: tuple[Span, ...] | None = None
    shard: Shard = Shard()

    @property
    def whole(self) -> bool:
        """Whether the scan came to its end, as far as it is told."""
        return bool(self.summary.get("ended", "complete") == "complete")

    def asked(self, key: Key) -> bool:
        """Whether a port was asked, as far as it is told: of a scan that was cut short only what has a row."""
        address, transport, port = key
        if key in self.rows:
            return True
        if not self.whole or (self.ports is not None and port not in self.ports.get(transport, ())):
            return False
        text, _, zone = address.partition("%")
        known = parse_address(text)
        if known is None or self.spans is None:
            return True
        version, number = known
        among = any((s.version, s.zone) == (version, zone) and s.first <= number <= s.last for s in self.spans)
        return among and self.shard.asks(version, number, port, transport)


class ChangeWord(Word):
    """What became of an open port."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    CHANGED = "changed"


class PortChange(Value):
    """One difference; ``field``, ``before`` and ``after`` are empty for what is new, the last outcome for what is gone.

    ``judgement`` and ``why`` are of the port as it is now, or was last.
    """

    change: ChangeWord
    port: int
    transport: str
    address: str
    host: str
    field: str
    before: str
    after: str
    judgement: str
    why: str


class _Wrong(Exception):
    """What is not as it should be, in words."""


def is_scan(text: str) -> bool:
    """Whether a text is a scan's result rather than a list of listeners."""
    start = text.lstrip("\ufeff \r\n\t")[:4096]
    if start.startswith("<") or "port,transport,address," in start.split("\n")[0]:
        return True
    return '"observations"' in start or ('"outcome"' in start and '"listeners"' not in start)


def parse_results(text: str, where: str) -> Results:
    """The results in a text of any form; :class:`ParseError` says what is wrong with it."""
    text = text.removeprefix("\ufeff").strip()
    if not text:  # NDJSON of a scan that found nothing looks like one that never ran
        found = "it is empty, as after a scan that found nothing, failed or never ran"
        raise ParseError(f"reading {where}", found, "write it with `portlore scan --json`, which tells them apart")
    try:
        if text.startswith("<"):
            return _of_xml(text)
        if text.startswith("port,"):
            rows = [_csv_row(row) for row in csv.DictReader(text.split("\n"), strict=True)]
            return Results(_by_key(rows), {}, None)
        return _of_json(text)
    except (_Wrong, expat.ExpatError, csv.Error, InputError) as error:
        raise ParseError(f"reading {where}", str(error), DO) from None


def _of_json(text: str) -> Results:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = {"observations": _lines(text)}
    if isinstance(document, dict) and "outcome" in document:
        document = {"observations": [document]}  # NDJSON of one line
    rows = document.get("observations") if isinstance(document, dict) else None
    summary = document.get("summary", {}) if isinstance(document, dict) else {}
    if not isinstance(rows, list) or not isinstance(summary, dict):
        raise _Wrong('no list "observations" in it')
    asked = summary.get("asked")
    told = asked if isinstance(asked, dict) else {}
    ports, targets, shard = (told.get(name) for name in ("ports", "targets", "shard"))
    return Results(
        _by_key(rows),
        summary,
        _ports(ports) if isinstance(ports, str) else None,
        _spans(targets) if isinstance(targets, str) else None,
        Shard.parse(shard) if isinstance(shard, str) else Shard(),
    )


def _lines(text: str) -> list[Any]:
    """The values of NDJSON, one a line."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError):
            raise _Wrong(f"line {number:,} is cut off or no JSON" if found else "neither JSON nor NDJSON") from None
    return found


def _spans(text: str) -> tuple[Span, ...] | None:
    """Targets as a summary has them; None where they are only counted there."""
    try:
        spans = [parse_span(word) for word in text.split()]
    except InputError:
        return None
    return tuple(span for span in spans if span is not None) if None not in spans else None


def _ports(text: str) -> dict[str, frozenset[int]]:
    return {on: frozenset(numbers) for on, numbers in parse_ports(text, lambda *_: ()).items()}


def _csv_row(row: Mapping[str, Any]) -> Row:
    found: Row = {key: (row.get(key) or "").removeprefix("'") or None for key in (*NEEDED, *COMPARED, "host", "why")}
    port = found["port"] or ""
    found["port"] = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else port
    return found


def _by_key(rows: Iterable[Any]) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or any(row.get(key) is None for key in NEEDED):
            raise _Wrong(f"entry {number} is no observation")
        port = row["port"]
        if type(port) is not int or not 0 <= port <= 0xFFFF or not isinstance(row["address"], str):
            raise _Wrong(f"entry {number} is no observation")
        found[row["address"], str(row["transport"]), port] = row
    return found


def _of_xml(text: str) -> Results:
    """Nmap's XML; one that declares entities is refused, as nmap's never does."""
    rows: list[Row] = []
    root: list[str] = []
    host: Row = {}
    port: Row = {}
    services: list[str] = []

    def begin(name: str, found: dict[str, str]) -> None:
        root[:] = root or [name]
        if name == "scaninfo" and found.get("services"):
            services.append(f"{'U' if found.get('protocol') == 'udp' else 'T'}:{found['services']}")
        elif name == "host":
            host.clear()
        elif name == "address" and found.get("addrtype") in ("ipv4", "ipv6"):
            host["address"] = found.get("addr", "")
        elif name == "hostname":
            host.setdefault("host", found.get("name"))
        elif name == "port":
            number = found.get("portid", "")
            if not (number.isascii() and number.isdigit() and len(number) < 6):
                raise _Wrong(f"{number[:24]!r} is no port")
            port.clear()
            port.update({"transport": found.get("protocol", ""), "port": int(number)})
        elif name == "state" and port:
            port["outcome"] = STATES.get(found.get("state", ""), "timeout")
        elif name == "service" and port and found.get("method") == "probed":
            port["protocol"] = found.get("name") or None
            port["product"], port["version"] = found.get("product"), found.get("version")

    def end(name: str) -> None:
        if name == "port":
            rows.append({"host": None, **host, "protocol": None, "product": None, "version": None, "judgement": None,
                         **port})  # fmt: skip
            port.clear()

    def entity(name: str, *_: object) -> None:
        raise _Wrong(f"it declares an entity, {name[:24]!r}")

    reader = expat.ParserCreate("utf-8")
    reader.StartElementHandler, reader.EndElementHandler, reader.EntityDeclHandler = begin, end, entity
    reader.Parse(text.encode("utf-8", "replace"), True)
    if root != ["nmaprun"]:
        raise _Wrong(f"XML of another kind: <{''.join(root)[:24]}>")
    return Results(_by_key(rows), {}, _ports(",".join(services)) if services else None)


def compare(before: Results, after: Results) -> list[PortChange]:
    """The differences in what is open, by address and port; a port that only one of the two asked is no news."""
    changes = []
    for key in sorted(before.rows.keys() | after.rows.keys(), key=lambda k: (_order(k[0]), k[1:])):
        was, now = before.rows.get(key), after.rows.get(key)
        was_open, now_open = (row is not None and row["outcome"] in OPEN for row in (was, now))
        if was is not None and was_open and not now_open:
            if after.asked(key):
                outcome = str(now["outcome"]) if now else ""
                changes.append(_change(ChangeWord.VANISHED, key, now or was, "outcome", str(was["outcome"]), outcome))
        elif now is not None and now_open and not was_open:
            if before.asked(key):
                changes.append(_change(ChangeWord.APPEARED, key, now))
        elif was is not None and now is not None and was_open:
            for field in COMPARED:
                older, newer = str(was.get(field) or ""), str(now.get(field) or "")
                if older != newer and (field == "outcome" or (_identified(was) and _identified(now))):
                    changes.append(_change(ChangeWord.CHANGED, key, now, field, older, newer))
    return changes


def _says(row: Row) -> tuple[int, bool]:
    """How much a row tells: what answered has answered, whoever met with silence."""
    order = ("refused", "closed-early", "open")
    return order.index(row["outcome"]) if row["outcome"] in order else -1, _identified(row)


def _identified(row: Row) -> bool:
    return bool(row.get("protocol"))


def _order(address: str) -> tuple[int, int, str]:
    known = parse_address(address.partition("%")[0])
    return (*known, address) if known else (9, 0, address)


def _change(word: ChangeWord, key: Key, row: Row, field: str = "", before: str = "", after: str = "") -> PortChange:
    return PortChange(word, key[2], key[1], key[0], str(row.get("host") or ""), field, before, after,
                      str(row.get("judgement") or ""), str(row.get("why") or ""))  # fmt: skip


class Merged(Value):
    """Several results as one; ``notes``: what does not fit together."""

    rows: tuple[Row, ...]
    summary: Row
    notes: tuple[str, ...]


def merge(parts: Sequence[tuple[str, Results]]) -> Merged:
    """The results of shards (or of any scans) together; ``parts``: file names and results."""
    rows: dict[Key, Row] = {}
    notes: list[str] = []
    twice = 0
    for _, part in parts:
        twice += len(rows.keys() & part.rows.keys())
        rows.update({key: row for key, row in part.rows.items() if key not in rows or _says(row) > _says(rows[key])})
    shards, missing = _shards(parts, notes)
    if twice:
        notes.append(f"{twice:,} ports are in more than one file: their shards overlap")
    summaries = [part.summary for _, part in parts if part.summary]
    ordered = tuple(rows[key] for key in sorted(rows, key=lambda k: (_order(k[0]), k[1:])))
    summary = _summed(summaries, ordered, whole=not missing) if summaries else {}
    summary["shards"] = {"merged": shards, "missing": missing}
    summary["notes"] = [*summary.get("notes", []), *notes]
    return Merged(ordered, summary, tuple(notes))


def _shards(parts: Sequence[tuple[str, Results]], notes: list[str]) -> tuple[list[str], list[str]]:
    """Which shards there are and which are missing; what is wrong with them goes to ``notes``."""
    of_scan: dict[tuple[str, str], list[str]] = {}
    for name, part in parts:
        asked = part.summary.get("asked")
        if not isinstance(asked, dict):
            notes.append(f"{name} has no summary: which shard it is cannot be told")
        else:
            of_scan.setdefault((str(asked.get("targets")), str(asked.get("ports"))), []).append(str(asked.get("shard")))
            if part.summary.get("ended") != "complete":
                notes.append(f"{name} is not whole: {part.summary.get('ended')}")
    if len(of_scan) > 1:
        notes.append(f"they are of {len(of_scan)} different scans: other targets, or other ports")
    found, missing = [], []
    for shards in of_scan.values():
        counts = {shard.partition("/")[2] for shard in shards}
        if len(counts) > 1:
            notes.append(f"they are cut differently: {', '.join(sorted(shards))}")
            found += shards
            continue
        total = next(iter(counts))
        known = {shard.partition("/")[0] for shard in shards}
        found += [shard for shard in shards if shard != "1/1"]
        double = sorted({shard for shard in shards if shards.count(shard) > 1})
        if double:
            notes.append(f"shards that are there more than once: {', '.join(double)}")
        number = int(total) if total.isascii() and total.isdigit() and len(total) < 7 else 0
        gone = [f"{index}/{total}" for index in range(1, number + 1) if str(index) not in known]
        if gone:
            notes.append(f"shards that are missing: {', '.join(gone[:10])}{' …' if len(gone) > 10 else ''}")
        missing += gone
    return found, missing


def _summed(summaries: Sequence[Row], rows: Sequence[Row], *, whole: bool) -> Row:
    """The summary of all; :class:`ParseError` where one is not as we write it."""
    from portlore.scan.merging import joined_summary

    try:
        return joined_summary(summaries, rows, whole=whole)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ParseError("merging", "a summary is not as `portlore scan` writes it", DO) from None


def text_of(ports: Mapping[str, frozenset[int]]) -> str:
    """Ports that were asked, as text."""
    return format_ports({on: tuple(sorted(numbers)) for on, numbers in ports.items()})
