"""The form ``dslocal``: records as the local node of Mac OS X 10.5 and later keeps them. Pure.

``/users/ann`` is ``users/ann.plist`` below ``/var/db/dslocal/nodes/Default``, a property list of arrays by NetInfo's
own names of properties, which Apple kept. Users and groups get the ``generateduid`` that Mac OS X wants of them. Data,
such as ``ShadowHashData``, is a property ``NAME;base64`` in NetInfo. Everything that is no such record, and what a
record cannot say, stands in keys that begin with ``portlore_`` and in ``portlore.plist``, which Mac OS X does not read.
"""

from __future__ import annotations

import plistlib
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from datetime import datetime
from uuid import UUID, uuid5

from portlore.errors import ParseError
from portlore.netinfo.bridges import Told
from portlore.netinfo.bridges.nodes import Node, checked, domain_of
from portlore.netinfo.bridges.residue import pairs_of, residue, restored
from portlore.netinfo.bridges.schema import ARC
from portlore.netinfo.values import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.domain import Directory, Domain

NUMBERS, ORDER, REST = "portlore_numbers", "portlore_order", "portlore_properties"
SIDE, DIRECTORIES = "portlore.plist", "portlore_directories"
SUFFIX, BASE64 = ".plist", b";base64"
BAD_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")  # and CR, which XML turns into LF
FOLDER = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_-]{0,60}")
UNSAFE = re.compile(r"[/\\:%\x00-\x1f\x7f]|^\.")
LONGEST_FILE = 200  # bytes
OURS = UUID(int=int(ARC.rpartition(".")[2]))
WITH_UUID = (b"users", b"groups")
DO = "give a folder such as /var/db/dslocal/nodes/Default"


def _text(value: bytes) -> str | None:
    """A value as a string of a property list; ``None`` where it would not come back."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if BAD_XML.search(text) else text


def _data(values: Iterable[bytes]) -> list[bytes] | None:
    """Values in base64 as data; ``None`` where they would not come back."""
    found = []
    for value in values:
        try:
            data = a2b_base64(value, strict_mode=True) if value else b""
        except Base64Error:
            return None
        if b2a_base64(data, newline=False) != value:
            return None
        found.append(data)
    return found or None


def _record(given: list[Pair], more: list[Pair]) -> tuple[dict[str, Any], list[Pair]]:
    """A property list for properties, and those that it tells; ``more`` are there where nothing of their name is."""
    record: dict[str, Any] = {}
    told: list[Pair] = []
    names = {name for name, _ in given}
    for name, values in [*given, *[one for one in more if one[0] not in names]]:
        held: list[Any] | None
        key = name
        if name.endswith(BASE64):
            key = name.removesuffix(BASE64)
            held = _data(values)
            if key in names:
                held = None
        else:
            texts = [_text(value) for value in values]
            held = None if None in texts else texts
        text = _text(key)
        if held is not None and text is not None and text not in record and not text.startswith("portlore_"):
            record[text] = held
            told.append((name, values))
    return record, told


def _plist(one: Directory, place: int, more: list[Pair]) -> dict[str, Any]:
    given = pairs_of(one.data)
    record, told = _record(given, more)
    order, lines = residue(given, told)
    record[NUMBERS] = [str(number) for number in (one.id, one.instance, one.parent, place)]
    if order:
        record[ORDER] = [order]
    if lines:
        record[REST] = lines
    return record


def _file(name: bytes, number: int, taken: set[str]) -> str:
    """The name of a record's file, which is the record's name wherever that can be one."""
    text = _text(name) or ""
    text = UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if not text or len(text.encode()) > LONGEST_FILE or text.casefold() in taken:
        text = f"{text[:40]}%{number}"
    taken.add(text.casefold())
    return text + SUFFIX


def write(domain: Domain, _: Options) -> Iterator[tuple[str, bytes]]:
    """The files of a node; the last one holds what the others cannot."""
    rest: list[dict[str, Any]] = []
    folders: set[str] = set()
    waiting = [(ROOT, 0, -1, "", b"")]  # number, place, depth, the folder above, its name
    taken: dict[str, set[str]] = {}
    while waiting:
        number, place, depth, folder, above = waiting.pop()
        one = domain.directories[number]
        name = (domain.values(number, b"name") or (b"",))[0]
        if depth == 1 and folder:
            made = uuid5(OURS, f"{above.decode()}/{name.decode('utf-8', 'surrogateescape')!r}")
            more: list[Pair] = [(b"generateduid", (str(made).upper().encode(),))] if above in WITH_UUID else []
            file = _file(name, number, taken.setdefault(folder, set()))
            yield f"{folder}/{file}", _dumped(_plist(one, place, more))
        else:
            rest.append(_plist(one, place, []))
        below = ""
        if depth == 0 and FOLDER.fullmatch(name) and name.decode().lower() not in folders:
            below = name.decode()
            folders.add(below.lower())
        waiting += [(child, at, depth + 1, below, name) for at, child in reversed(list(enumerate(one.children)))]
    yield SIDE, _dumped({DIRECTORIES: rest})


def _dumped(record: dict[str, Any]) -> bytes:
    return plistlib.dumps(record, sort_keys=False)


def _loaded(data: bytes, where: str) -> dict[str, Any]:
    try:
        record = plistlib.loads(data)
    except Exception as error:  # noqa: BLE001 - a damaged binary list fails in a dozen ways
        raise ParseError(f"reading {where}", f"no property list: {str(error)[:100]}", DO) from None
    if not isinstance(record, dict):
        raise ParseError(f"reading {where}", "a property list, and not a dictionary", DO)
    return record


def _told(record: dict[str, Any], where: str) -> tuple[Node, int]:
    """A directory of a record, and the number of its parent, -1 where that is not told."""
    derived: list[Pair] = []
    for key, held in record.items():
        if key.startswith("portlore_"):
            continue
        values = held if isinstance(held, list) else [held]
        name = key.encode("utf-8", "surrogatepass")
        if any(isinstance(value, bytes) or "\0" in _string(value) for value in values):
            data = [value if isinstance(value, bytes) else _string(value).encode() for value in values]
            derived.append((name + BASE64, tuple([b2a_base64(one, newline=False) for one in data])))
        else:
            derived.append((name, tuple([_string(value).encode("utf-8", "surrogatepass") for value in values])))
    order, lines = _strings(record.get(ORDER)), _strings(record.get(REST))
    given = restored(derived, order[0] if order else "", lines, where) if order or lines else derived
    numbers = [
        int(text) for text in _strings(record.get(NUMBERS)) if text.isascii() and text.isdigit() and len(text) < 11
    ]
    if len(numbers) != 4:
        return Node(checked(given, where)), -1
    return Node(checked(given, where), numbers[0], numbers[1], numbers[3]), numbers[2]


def _string(value: object) -> str:
    """Whatever stands where a string should."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return plistlib.dumps(value).decode() if isinstance(value, (dict, list)) else ""


def _strings(held: object) -> list[str]:
    return [one for one in held if isinstance(one, str)] if isinstance(held, list) else []


def read(source: Iterable[tuple[str, bytes]], options: Options) -> Told:
    """The domain that the files of a node tell; files that are no records are left out and said."""
    nodes: dict[int, Node] = {}
    side: list[tuple[Node, int]] = []
    records: list[tuple[str, Node, int]] = []
    ignored = 0
    for file, data in source:
        folder, slash, name = file.rpartition("/")
        where = f"{options.where}/{file}" if options.where else file
        if file == SIDE:
            listed = _loaded(data, where).get(DIRECTORIES)
            records_there = listed if isinstance(listed, list) else []
            side += [_told(one, where) if isinstance(one, dict) else (Node(), -1) for one in records_there]
        elif slash and "/" not in folder and name.endswith(SUFFIX) and not name.startswith("."):
            node, parent = _told(_loaded(data, where), where)
            records.append((folder, node, parent))
        else:
            ignored += 1
    for node, _ in (*side, *((node, parent) for _, node, parent in records)):
        nodes.setdefault(node.id, node)
    root = nodes.get(ROOT) or Node(id=ROOT)
    for node, parent in side:
        if node is not root:
            (nodes.get(parent, root) if parent >= 0 and nodes.get(parent) is not node else root).children.append(node)
    for folder, node, parent in records:
        above = nodes.get(parent) if parent >= 0 else None
        if above is None or above is node or above.name.decode("utf-8", "replace") != folder:
            above = root.child(folder.encode())
        above.children.append(node)
    domain = domain_of(root)
    if len(domain.directories) < len(side) + len(records):
        raise ParseError(f"reading {options.where}", f"{SIDE} has directories that nobody reaches", "take it away")
    remarks = (f"{ignored} files are no records, and were left out",) if ignored else ()
    return Told(domain, remarks)
