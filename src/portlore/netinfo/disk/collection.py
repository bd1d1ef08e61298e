"""Reading ``collection`` and ``Collection`` (SPEC 6.1): NeXTSTEP's stores, one block a directory. Pure."""

from __future__ import annotations

import re

from portlore.netinfo.coding import properties, read_ids, read_properties
from portlore.netinfo.disk.findings import DOUBTFUL, LOST, NOTE, REPAIRED
from portlore.netinfo.disk.records import HIGHEST, Raw
from portlore.netinfo.values import ROOT
from portlore.oncrpc.xdr import Reader, XdrError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from portlore.netinfo.disk.findings import Findings

BLOCKS = {"collection": 256, "Collection": 512}  # by file; the lower-case one wins
FREE = b"\xff\xff\xff\xff"
EXTENSION, TRANSACTION, TEMPORARY = (
    re.compile(word + r"_(0|[1-9][0-9]{0,9})") for word in ("extension", "transaction", "temporary")
)


def block_of(names: Mapping[str, object]) -> str | None:
    """The file with the blocks among files of these names; ``None`` without one."""
    return next((name for name in BLOCKS if name in names), None)


def read_collection(files: Mapping[str, bytes], found: Findings) -> tuple[dict[int, Raw], bool, bytes | None]:
    """The directories by id, whether the server was shut down in order, and the four bytes of its checksum."""
    name = block_of(files) or ""
    size, data = BLOCKS[name], files[name]
    stored = files.get("checksum")
    if stored is None:
        found.add(NOTE, "the server was not shut down in order")
    elif len(stored) != 4:
        found.add(DOUBTFUL, f"it has {len(stored)} bytes, not 4", "checksum")
    for other in files:
        if TEMPORARY.fullmatch(other) or other == "checksum_inprogress":
            found.add(NOTE, "a write that was broken off before it counted; left out", other)
    blocks = {at // size: data[at : at + size] for at in range(0, len(data), size)}
    sources = {number: (block, name) for number, block in blocks.items()}
    for other in files:
        if match := EXTENSION.fullmatch(other):
            number = int(match[1])
            if number not in blocks:
                found.add(DOUBTFUL, f"{name} ends before this directory", other, number)
            elif blocks[number].startswith(FREE):
                found.add(DOUBTFUL, f"the directory is free by its block in {name}", other, number)
            sources[number] = (files[other], other)
    _replay(files, sources, found)
    raws: dict[int, Raw] = {}
    for number, (source, where) in sources.items():
        raw = _directory(number, source, where, found)
        if raw is not None:
            raws[number] = raw
    _number_versions(raws)
    return raws, stored is not None, stored if stored is not None and len(stored) == 4 else None


def _replay(files: Mapping[str, bytes], sources: dict[int, tuple[bytes, str]], found: Findings) -> None:
    """Finish the writes that a crash interrupted, in memory."""
    for name, data in files.items():
        if match := TRANSACTION.fullmatch(name):  # the first generation: a file a write
            number = int(match[1])
            try:
                whole = _decoded(data)[0] == number or data.startswith(FREE)
            except XdrError:
                whole = False
            if whole:
                found.add(NOTE, "the last write was under way; it is finished", name, number)
                sources[number] = (data, name)
            else:
                found.add(DOUBTFUL, "a write was under way, and cannot be read; it is left out", name, number)
    _replay_last(files.get("Transaction", b""), sources, found)


def _replay_last(data: bytes, sources: dict[int, tuple[bytes, str]], found: Findings) -> None:
    """``Transaction``: a code, the size, the directory, its encoding, the code again; zero once it is done."""
    name, reader = "Transaction", Reader(data)
    if not data.strip(b"\0") or data.startswith(b"\0\0\0\0"):  # what follows the zero is an older write
        return
    try:
        code = reader.uint()
        size, number = reader.pair()
        body = data[12 : 12 + size]
        reader.at = 12 + ((size + 3) & ~3)
        complete = reader.uint() == code and len(body) == size >= 8
    except XdrError:
        complete, number, body = False, 0, b""
    if complete:
        found.add(NOTE, "the last write was under way; it is finished", name, number)
        sources[number] = (body, name)
    else:
        found.add(NOTE, "a write was broken off before it counted; left out", name)


def _decoded(data: bytes) -> tuple[int, int, bytes, int, list[int], bool]:
    """An object (SPEC 2.2): id, instance, properties as XDR, parent, children, whether it is as XDR should be."""
    reader = Reader(data)
    number, instance = reader.pair()
    begin = reader.at
    given = read_properties(reader)
    encoded = properties(given)
    strict = data[begin : reader.at] == encoded
    parent, children = reader.uint(), read_ids(reader)
    return number, instance, encoded, parent, list(children), strict


def _directory(number: int, data: bytes, name: str, found: Findings) -> Raw | None:
    """A directory from its block or file; ``None`` for a free one, and for one that cannot be read."""
    if data.startswith(FREE):
        return None
    if data.count(0) == len(data) and number != ROOT:
        found.add(NOTE, "nothing was ever written there", name, number)
        return None
    try:
        said, instance, encoded, parent, children, strict = _decoded(data)
    except XdrError as error:
        found.add(LOST, f"it cannot be read: {error.found}", name, number)
        return None
    if number > HIGHEST:
        found.add(LOST, "no directory can have that id", name, number)
        return None
    if said != number:
        found.add(REPAIRED, f"it says that it is {said}; its place tells better", name, number)
    if not strict:
        found.add(DOUBTFUL, "what fills its strings up is not zero, or one of them has a NUL in it", name, number)
    return Raw(number, instance, parent, encoded, children, 0)


def _number_versions(raws: dict[int, Raw]) -> None:
    """Count versions, which this generation does not know, as a domain made in the order of ids would have them."""
    version = -1
    for number in sorted(raws):
        version += 1
        raws[number].version = version
