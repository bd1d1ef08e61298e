"""What changed between two lists of listeners, as ``portlore listening --json`` wrote them. Pure.

A listener is known by what owns it (container, unit or program), transport, address and port: a process that was
started again is no change.
"""

from __future__ import annotations

from portlore.errors import ParseError
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]
    Place = tuple[str, str, str, str, str]

LASTING = (".service", ".socket", ".mount")  # units whose names stay; scopes and slices are made for a session
COMPARED = ("exposure", "family", "user", "judgement")
TRANSPORTS = ("tcp", "udp", "sctp", "dccp", "udplite", "raw")


class ChangeWord(Word):
    """What became of a listener."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    OWNER = "owner"
    CHANGED = "changed"


class ListenerChange(Value):
    """One difference. ``field``, ``before`` and ``after`` tell what changed; they are empty for what is new or gone.

    ``owner``: what it is known by. ``judgement`` and ``why`` are of the listener as it is now, or was last.
    """

    change: ChangeWord
    port: int | None
    transport: str
    address: str
    namespace: str
    exposure: str
    owner: str
    field: str
    before: str
    after: str
    judgement: str
    why: str


def label(owner: Row) -> str:
    """What an owner is known by: its container, its unit, its program, else its user."""
    container = owner.get("container") or {}
    if container.get("name"):
        return f"container {container['name']}"
    unit = owner.get("unit")
    if isinstance(unit, str) and unit.endswith(LASTING) and not container:
        return unit
    process = owner.get("process") or {}
    return str(process.get("name") or process.get("what") or owner.get("user") or "hidden")


def owners_of(row: Row) -> str:
    """What all owners of a listener are known by; the service manager counts only where it is alone."""
    labels = sorted({label(owner) for owner in row.get("owners", ())})
    others = [one for one in labels if one not in ("systemd", "init.scope")]
    return ", ".join(others or labels)


def _place(row: Row) -> Place:
    port = row.get("port")
    number = str(row.get("protocol", "")) if port is None else str(port)
    device, namespace = str(row.get("device") or ""), str(row.get("namespace") or "")
    return str(row["transport"]), str(row["address"]), number, device, namespace


def compare(before: Sequence[Row], after: Sequence[Row]) -> list[ListenerChange]:
    """The differences, by port. Connections are left out: they come and go."""
    old, new = _by_place(before), _by_place(after)
    changes = []
    for place in sorted(
        old.keys() | new.keys(), key=lambda p: (int(p[2]) if p[2].isascii() and p[2].isdecimal() else -1, p)
    ):
        was, now = old.get(place, {}), new.get(place, {})
        gone = [was[key] for key in was if key not in now]
        come = [now[key] for key in now if key not in was]
        for first, second in zip(gone, come, strict=False):
            changes.append(_change(ChangeWord.OWNER, second, "owner", owners_of(first), owners_of(second)))
        changes += [_change(ChangeWord.VANISHED, row) for row in gone[len(come) :]]
        changes += [_change(ChangeWord.APPEARED, row) for row in come[len(gone) :]]
        for key in was:
            if key in now:
                for field in COMPARED:
                    older, newer = _value(was[key], field), _value(now[key], field)
                    if older != newer:
                        changes.append(_change(ChangeWord.CHANGED, now[key], field, older, newer))
    return changes


def _by_place(rows: Iterable[Row]) -> dict[Place, dict[str, Row]]:
    found: dict[Place, dict[str, Row]] = {}
    for row in rows:
        if row.get("state") in ("listen", "unconnected"):
            found.setdefault(_place(row), {})[owners_of(row)] = row
    return found


def _value(row: Row, field: str) -> str:
    if field == "user":
        return ", ".join(sorted({str(owner.get("user") or owner.get("uid") or "") for owner in row.get("owners", ())}))
    return str(row.get(field) or "")


def _change(change: ChangeWord, row: Row, field: str = "", before: str = "", after: str = "") -> ListenerChange:
    return ListenerChange(
        change,
        row.get("port"),
        str(row["transport"]),
        str(row["address"]),
        str(row.get("namespace") or ""),
        str(row.get("exposure") or ""),
        owners_of(row),
        field,
        before,
        after,
        str(row.get("judgement") or ""),
        str(row.get("why") or ""),
    )


def parse_listeners(text: str, where: str) -> tuple[list[Row], Row]:
    """The rows of a JSON document or of NDJSON lines, and what was asked (empty where it does not say).

    :class:`ParseError` names what is no listener.
    """
    import json

    do = "write the file with `portlore listening --json`"
    if not text.strip():
        raise ParseError(f"reading {where}", "it is empty", do)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        try:
            document = {"listeners": [json.loads(line) for line in text.splitlines() if line.strip()]}
        except (ValueError, RecursionError) as error:
            raise ParseError(f"reading {where}", f"neither JSON nor NDJSON: {error}", do) from None
    if isinstance(document, dict) and "listeners" not in document and "transport" in document:
        document = {"listeners": [document]}  # NDJSON of one line
    rows = document.get("listeners") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ParseError(f"reading {where}", 'no list "listeners" in it', do)
    for number, row in enumerate(rows, 1):
        if not _is_listener(row):
            raise ParseError(f"reading {where}", f"entry {number} is no listener", do)
    asked = document.get("asked")
    return rows, asked if isinstance(asked, dict) else {}


def _is_listener(row: object) -> bool:
    if not isinstance(row, dict) or row.get("transport") not in TRANSPORTS or not isinstance(row.get("address"), str):
        return False
    port, owners = row.get("port", ""), row.get("owners")
    right = port is None or (type(port) is int and 0 <= port <= 0xFFFF)
    return right and isinstance(owners, list) and all(_is_owner(owner) for owner in owners)


def _is_owner(owner: object) -> bool:
    parts = [owner.get(key) for key in ("container", "process")] if isinstance(owner, dict) else [""]
    return all(part is None or isinstance(part, dict) for part in parts)
