"""Reading ``Store.N``, ``Index``, ``Clean`` and what a crash leaves beside them (SPEC 6.2). Pure.

Every slot is looked at, whether the store was closed in order or not; ``Index`` and ``Clean`` are witnesses.
"""

from __future__ import annotations

import re
from struct import Struct

from portlore.netinfo.disk.findings import DOUBTFUL, LOST, NOTE, REPAIRED
from portlore.netinfo.disk.records import GRAIN, HEAD, RECORD, Broken, Raw, slot_size, unpack_record
from portlore.netinfo.values import ROOT
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from portlore.netinfo.disk.findings import Findings

    Place = tuple[int, int]  # N of the file, number of the slot

NAME = re.compile(r"Store\.([1-9][0-9]{0,9})")
ENTRY = Struct(">4I")
CONFIG = b"\0\0\0\1"


class Entry(Value):
    """An entry of ``Index``: which directory, at which version, is where."""

    id: int
    version: int
    place: tuple[int, int]


def is_store(names: Mapping[str, object]) -> bool:
    """Whether files of these names are a store of this form."""
    return "Config" in names or any(NAME.fullmatch(name) for name in names)


def read_stores(files: Mapping[str, bytes], found: Findings) -> tuple[dict[int, Raw], bool, bytes | None]:
    """The directories by id, whether the store was closed in order, and the four bytes of its checksum."""
    config = files.get("Config")
    if config != CONFIG:
        found.add(DOUBTFUL, "it should hold the version 1" if config is not None else "it is not there", "Config")
    crashed = [name for name in ("Create", "Delete") if name in files]
    stored, index = files.get("Clean"), files.get("Index")
    clean = stored is not None and len(stored) == 4 and bool(index) and not crashed
    if stored is not None and len(stored) != 4:
        found.add(DOUBTFUL, f"it has {len(stored)} bytes, not 4", "Clean")
    if not clean:
        found.add(NOTE, "the server was not shut down in order")
    for name in ("Temp", "TempIndex"):
        if name in files:
            found.add(NOTE, "a write that was broken off before it counted; left out", name)
    entries = _index(index or b"", found) if clean else {}
    raws = _gathered(files, entries, found)
    if clean:
        _witness(raws, entries, found)
    chosen = _chosen(raws, entries, found)
    _finish(files, chosen, found)
    _compare_versions(chosen, found)
    return chosen, clean, stored if clean else None


def _index(data: bytes, found: Findings) -> dict[Place, Entry]:
    """The entries of Index by where they point."""
    if len(data) % ENTRY.size:
        found.add(DOUBTFUL, "it ends in the middle of an entry", "Index")
    entries: dict[Place, Entry] = {}
    before = -1
    for number, version, size, slot in ENTRY.iter_unpack(data[: len(data) - len(data) % ENTRY.size]):
        if number <= before:
            found.add(DOUBTFUL, f"directory {number} stands after {before}", "Index")
        before = number
        if (size, slot) in entries:
            found.add(DOUBTFUL, f"directory {number} is where {entries[size, slot].id} is", "Index", number)
        entries[size, slot] = Entry(number, version, (size, slot))
    return entries


def _gathered(files: Mapping[str, bytes], entries: dict[Place, Entry], found: Findings) -> dict[Place, Raw]:
    """Every record by its place."""
    raws: dict[Place, Raw] = {}
    for name in sorted(files, key=lambda name: (len(name), name)):
        match = NAME.fullmatch(name)
        if match is None:
            continue
        data, size = files[name], int(match[1])
        if size % GRAIN or size > 1 << 31:
            found.add(DOUBTFUL, f"no slot has {size} bytes; its name must be wrong, and it is left out", name)
            continue
        if len(data) % size:
            found.add(DOUBTFUL, "it ends in the middle of a slot", name)
        for slot in _taken(data, size):
            entry = entries.get((size, slot))
            try:
                raw = _slot(data, slot * size, min((slot + 1) * size, len(data)), size, name, found)
            except Broken as broken:
                if entry is None and data.startswith(b"\0\0\0\0", slot * size):
                    found.add(DOUBTFUL, f"slot {slot} is free, but not empty", name)
                else:
                    which = entry.id if entry is not None else None
                    found.add(LOST, f"slot {slot} cannot be read: {broken}", name, which)
                continue
            raws[size, slot] = raw
            for doubt in raw.doubts:
                found.add(DOUBTFUL, doubt, name, raw.id)
    return raws


def _taken(data: bytes, size: int) -> Iterator[int]:
    """The slots that hold anything but zeros."""
    for slot in range((len(data) + size - 1) // size):
        piece = data[slot * size : (slot + 1) * size]
        if piece.count(0) != len(piece):
            yield slot


def _slot(data: bytes, at: int, end: int, size: int | None, name: str, found: Findings) -> Raw:
    """The record in a slot: taken where it is whole, though one word before it may be damaged; Broken otherwise.

    Without a ``size`` it is in a file of its own, padded or not.
    """
    if end - at < HEAD.size + 8:
        raise Broken("it ends in the middle of a record")
    kind, length = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
    raw = unpack_record(data, at, end)
    used = raw.end - at
    rest = data[raw.end : end]
    fits = used == length + 8
    odd = [kind != RECORD, not fits, size not in (None, slot_size(used - 8)), rest.count(0) != len(rest)]
    if sum(odd) > 1:
        raise Broken("it is no record")
    if odd[0]:
        found.add(REPAIRED, f"the type of the record is {kind}, not {RECORD}", name, raw.id)
    if odd[1]:
        found.add(REPAIRED, f"the length of the record is given as {length}, not {used - 8}", name, raw.id)
    if odd[2]:
        found.add(DOUBTFUL, f"the record belongs into slots of {slot_size(used - 8)} bytes", name, raw.id)
    if odd[3]:
        found.add(DOUBTFUL, "there is something behind the end of the record", name, raw.id)
    if size is not None and end - at < size:
        found.add(REPAIRED, "only what filled the slot up is cut off", name, raw.id)
    return raw


def _witness(raws: dict[Place, Raw], entries: dict[Place, Entry], found: Findings) -> None:
    """Hold the records against the index of a store that was closed in order."""
    known = {entry.id for entry in entries.values()}
    parents = {raw.id: raw for raw in raws.values()}
    elsewhere = {raw.id: place for place, raw in raws.items()}
    for place, raw in raws.items():
        entry = entries.get(place)
        if entry is None and raw.id not in known:
            found.add(DOUBTFUL, "the index does not know it", "Index", raw.id)
        elif entry is not None and entry.id != raw.id:
            above = parents.get(raw.parent)
            if above is not None and entry.id in above.children and raw.id not in above.children:
                found.add(REPAIRED, f"the record says that it is {raw.id}; index and parent know better", "", entry.id)
                raw.id = entry.id
            else:
                found.add(DOUBTFUL, f"the index takes it for {entry.id}", "Index", raw.id)
        elif entry is not None and entry.version != raw.version:
            found.add(DOUBTFUL, f"it has version {raw.version}, by the index {entry.version}", "Index", raw.id)
    there = {raw.id for raw in raws.values()}
    for entry in entries.values():
        if entry.id not in there:
            found.add(LOST, f"the index knows it: slot {entry.place[1]} of Store.{entry.place[0]}", "Index", entry.id)
        elif entry.place not in raws:
            size, slot = elsewhere.get(entry.id, (0, 0))
            found.add(REPAIRED, f"the index points elsewhere; it is slot {slot} of Store.{size}", "Index", entry.id)


def _chosen(raws: dict[Place, Raw], entries: dict[Place, Entry], found: Findings) -> dict[int, Raw]:
    """One record for each directory: of two the one that the index knows, else the newer."""
    chosen: dict[int, Raw] = {}
    places: dict[int, Place] = {}
    for place, raw in raws.items():
        other = chosen.get(raw.id)
        if other is not None:
            found.add(DOUBTFUL, f"it is there twice, at versions {other.version} and {raw.version}", "", raw.id)
            known = [(entries[one].id == raw.id if one in entries else False) for one in (places[raw.id], place)]
            if known == [True, False] or (known[0] == known[1] and other.version >= raw.version):
                continue
        chosen[raw.id], places[raw.id] = raw, place
    return chosen


def _finish(files: Mapping[str, bytes], chosen: dict[int, Raw], found: Findings) -> None:
    """Do what a crash left undone: ``Delete`` names a directory to take away, ``Create`` holds one to be stored."""
    created = None
    if "Create" in files:
        data = files["Create"]
        try:
            created = _slot(data, 0, len(data), None, "Create", found)
        except Broken as broken:
            found.add(LOST, f"the last write cannot be read: {broken}", "Create")
    if "Delete" in files:
        _delete(files["Delete"], chosen, created, found)
    if created is not None:
        for doubt in created.doubts:
            found.add(DOUBTFUL, doubt, "Create", created.id)
        there = chosen.get(created.id)
        if there is not None and there.version > created.version:
            found.add(
                DOUBTFUL, f"it is of version {created.version}, the store has {there.version}", "Create", created.id
            )
            return
        found.add(NOTE, "the last write was under way; it is finished", "Create", created.id)
        chosen[created.id] = created


def _delete(data: bytes, chosen: dict[int, Raw], created: Raw | None, found: Findings) -> None:
    """Take the directory away that ``Delete`` names, in the byte order of the machine that wrote it."""
    if len(data) != 4:
        found.add(NOTE, "a deletion was broken off before it began; nothing is taken away", "Delete")
        return
    both = {int.from_bytes(data, "big"), int.from_bytes(data, "little")}
    named = both & chosen.keys()
    if created is not None and created.id in both:
        named = {created.id}
    if len(named) > 1:
        text = f"{' or '.join(map(str, sorted(named)))}: it does not tell which, and neither is taken away"
        found.add(DOUBTFUL, text, "Delete")
        return
    for number in named - {ROOT}:
        chosen.pop(number, None)
        if created is None:
            found.add(NOTE, "it was being destroyed; that is finished", "Delete", number)


def _compare_versions(chosen: dict[int, Raw], found: Findings) -> None:
    """Every write has a version of its own."""
    versions: dict[int, int] = {}
    for raw in chosen.values():
        other = versions.setdefault(raw.version, raw.id)
        if other != raw.id:
            found.add(DOUBTFUL, f"it has version {raw.version}, as directory {other} has", "", raw.id)
