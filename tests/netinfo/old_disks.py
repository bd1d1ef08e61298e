"""Stores of old for tests: the recorded ones, and ones put together here from SPEC 6 by hand, word by word."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from portlore.netinfo.values import Property, Record, properties

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
SAMPLES = {  # a store, what the original sent of it in READALL
    "sample.nidb": "sample.expected/records.json",
    "sample-old.nidb": "sample-old.expected/records.json",
    "start.nidb": "start.records.json",
}

PLAIN = ("Config", "Index", "Clean", "Collection", "Transaction", "checksum")


def files_of(name: str) -> dict[str, bytes]:
    folder = VECTORS / name
    found = [folder / one for one in PLAIN if (folder / one).exists()]
    return {path.name: path.read_bytes() for path in (*found, *folder.glob("Store.*"), *folder.glob("extension_*"))}


def expected(name: str) -> dict[int, Record]:
    document = json.loads((VECTORS / SAMPLES[name]).read_text("utf-8"))
    return {
        one["id"]: Record(one["id"], one["instance"], one["parent"], properties(one["props"]), tuple(one["children"]))
        for one in document["records"]
    }


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def xdr(text: bytes) -> bytes:
    return words(len(text)) + text + bytes(-len(text) % 4)


def entity(one: Record) -> bytes:
    """An object as XDR (SPEC 2.2): what NeXTSTEP's blocks hold."""
    parts = [words(one.id, one.instance, len(one.properties))]
    for each in one.properties:
        parts += [xdr(each.name), words(len(each.values)), *map(xdr, each.values)]
    return b"".join(parts) + words(one.parent, len(one.children), *one.children)


def collection(records: list[Record], block: int, garbage: int = 0) -> dict[str, bytes]:
    """A store of NeXTSTEP's with one block for each id from 0 on; ids that nobody has are free, at instance 7."""
    files: dict[str, bytes] = {}
    blocks = []
    there = {one.id: one for one in records}
    for number in range(max(there) + 1):
        data = entity(there[number]) if number in there else words(0xFFFFFFFF, 7)
        if len(data) > block:
            files[f"extension_{number}"] = data
            data = words(number, 0, 0, 0, 0)
        blocks.append(data + bytes([garbage]) * (block - len(data)))
    checksum = sum((one.id + 1) * one.instance for one in records) & 0xFFFFFFFF
    name = "collection" if block == 256 else "Collection"
    return files | {name: b"".join(blocks), "checksum": words(checksum)}


def text(data: bytes) -> bytes:
    return words(6, len(data) + 1) + data + b"\0"


def slot(
    number: int, version: int, parent: int = 0, children: tuple[int, ...] = (), serial: int = 0, **more: str
) -> bytes:
    """A record of Mac OS X's with plain properties of one value each (SPEC 6.2)."""
    body = words(number, serial, version, parent, len(children), *children, len(more))
    for key, value in more.items():
        body += text(key.encode()) + words(1) + text(value.encode())
    body += words(0)
    size = (len(body) + 8 + 31) // 32 * 32
    return (words(256, len(body)) + body).ljust(size, b"\0")


def store(*slots: bytes) -> dict[str, bytes]:
    """A store of Mac OS X's that was not closed in order."""
    files = {"Config": words(1)}
    for one in slots:
        name = f"Store.{len(one)}"
        files[name] = files.get(name, b"") + one
    return files


def named(number: int, parent: int, name: str, children: tuple[int, ...] = (), instance: int = 0) -> Record:
    return Record(number, instance, parent, (Property(b"name", (name.encode(),)),), children)
