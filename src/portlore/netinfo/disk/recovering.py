"""A domain from the files of an old store, whatever state they are in. Pure and bounded.

What the forms can tell: links that do not hold, records that are none, ids and instances that do not add up to the
checksum which a server leaves when it is shut down in order. What they cannot: a letter of a name or value that became
another one. No form has a sum over those.
"""

from __future__ import annotations

from portlore.errors import DataError, InputError
from portlore.netinfo.disk.collection import block_of, read_collection
from portlore.netinfo.disk.findings import (
    COLLECTION_256,
    COLLECTION_512,
    DOUBTFUL,
    NOTE,
    STORE,
    Findings,
    Recovered,
)
from portlore.netinfo.disk.mending import mend
from portlore.netinfo.disk.stores import is_store, read_stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def is_netinfo(names: Mapping[str, object]) -> bool:
    """Whether files of these names are a store of any form."""
    return block_of(names) is not None or is_store(names)


def recover(files: Mapping[str, bytes], where: str) -> Recovered:
    """The domain in files by name, mended in memory, and what was found; ``where`` is how errors call it.

    :class:`InputError` when the files are no store, :class:`DataError` when no directory can be read.
    """
    asked, found = f"reading the store {where}", Findings()
    if "Config" in files or block_of(files) is None:
        if not is_store(files):
            raise InputError(asked, "no Store.N and no Collection in it", "name a TAG.nidb folder of an old disk")
        form, big = STORE, False
        raws, clean, stored = read_stores(files, found)
        if block_of(files) is not None:
            found.add(NOTE, "an older store, converted into this one, still stands beside it", block_of(files) or "")
    else:
        form, big = COLLECTION_256 if block_of(files) == "collection" else COLLECTION_512, True
        raws, clean, stored = read_collection(files, found)
    if not raws:
        raise DataError(asked, _nothing(found), "try an older copy of the disk")
    computed = sum((one.id + 1) * one.instance for one in raws.values()) & 0xFFFF_FFFF
    told = None
    if stored is not None:
        orders = [int.from_bytes(stored, "big"), int.from_bytes(stored, "little")][: 1 if big else 2]
        told = computed if computed in orders else orders[-1]
        if told != computed:
            text = f"the checksum is {' or '.join(map(str, orders))}, that of the directories {computed}"
            found.add(DOUBTFUL, text, "checksum" if big else "Clean")
        for one in raws.values():  # of an even id + 1 the sum does not see the highest bits
            if one.instance * ((one.id + 1) & -(one.id + 1)) >> 32:
                found.add(DOUBTFUL, f"its instance is {one.instance}, more than the checksum sees", "", one.id)
    domain = mend(raws, found)
    return Recovered(domain, form, clean, told, tuple(found.kept), found.counts)


def _nothing(found: Findings) -> str:
    first = next((one for one in found.kept if one.kind != NOTE), None)
    told = f", the first: {first.file}: {first.text}" if first is not None else ""
    return f"no directory in it can be read{told}"
