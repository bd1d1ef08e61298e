"""Writing a store of the Mac OS X generation (SPEC 6.2), as a server leaves it that is shut down in order. Pure."""

from __future__ import annotations

from portlore.netinfo.disk.records import pack_record
from portlore.netinfo.disk.stores import CONFIG, ENTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.domain import Domain


def pack_store(domain: Domain, order: str = "big") -> dict[str, bytes]:
    """The files of a domain by name; ``order``: the byte order of the machine it is for, ``big`` or ``little``.

    Every directory has a version of its own there: where two have the same here, all are counted anew in their order.
    """
    one_of_each = len({one.version for one in domain.directories.values()}) == len(domain.directories)
    many = sorted(domain.directories.values(), key=lambda one: (one.version, one.id))
    if not one_of_each or domain.version >> 32:
        versions = {one.id: version for version, one in enumerate(many)}
    else:
        versions = {one.id: one.version for one in many}
    slots: dict[int, list[bytes]] = {}
    index = []
    for number in sorted(domain.directories):
        slot = pack_record(domain.directories[number], versions[number])
        places = slots.setdefault(len(slot), [])
        index.append(ENTRY.pack(number, versions[number], len(slot), len(places)))
        places.append(slot)
    files = {f"Store.{size}": b"".join(slots[size]) for size in sorted(slots)}
    clean = domain.checksum.to_bytes(4, "little" if order == "little" else "big")
    return {"Config": CONFIG, **files, "Index": b"".join(index), "Clean": clean}
