"""The recorded exchanges of the original tools and servers, and the domains they were about, as far as they tell."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portlore.netinfo.coding import names, read_ids, read_properties
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import ni_id, read_id
from portlore.netinfo.values import NiId, Record, properties
from portlore.oncrpc.message import NOBODY, decode_call, decode_reply, encode_call
from portlore.oncrpc.xdr import Reader, uint

if TYPE_CHECKING:
    from portlore.oncrpc.message import Call, Reply

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
WIRE = VECTORS / "wire"
Row = dict[str, Any]  # a recorded call: name, what, transport, client, server, request_hex, reply_hex …
EXCHANGES = (
    "clone",
    "clone_resync_and_crashed_flow",
    "masterbusy",
    "rparent",
    "rparent_flow",
    "scen-clone-create-readall",
    "scen-master-push-to-clone",
    "scen-nidump-passwd",
    "scen-nidump-raw",
    "scen-niutil-child",
    "scen-niutil-create",
    "scen-niutil-createprop-auth",
    "scen-niutil-destroy",
    "scen-niutil-list",
    "scen-niutil-parent",
    "scen-niutil-read-dot",
    "scen-niutil-root",
    "scen-startup-register-bind",
)
PRINTED = (
    "scen-nidump-passwd",
    "scen-nidump-raw",
    "scen-niutil-child",
    "scen-niutil-list",
    "scen-niutil-parent",
    "scen-niutil-read-dot",
    "scen-niutil-root",
    "scen-startup-register-bind",
)


def exchange(name: str) -> list[Row]:
    """Everything that was on the wire, in the order of the requests."""
    found: list[Row] = json.loads(gzip.decompress((WIRE / f"{name}.json.gz").read_bytes()))
    return found


def printed(name: str) -> bytes:
    """What the original tool printed; nothing where it printed nothing."""
    return (WIRE / f"{name}.txt").read_bytes() if name in PRINTED else b""


def asked(row: Row) -> Call:
    call = decode_call(bytes.fromhex(row["request_hex"]))
    assert call is not None
    return call


def answered(row: Row) -> Reply:
    return decode_reply(bytes.fromhex(row["reply_hex"]))


# Domains


def network() -> Domain:
    """The parent domain of the recorded machines: the sample, as its checksum shows."""
    listed = json.loads((VECTORS / "sample.expected/records.json").read_text("utf-8"))["records"]
    domain = Domain.of(
        Record(one["id"], one["instance"], one["parent"], properties(one["props"]), tuple(one["children"]))
        for one in listed
    )
    told = next(row for row in exchange("scen-niutil-parent") if row["name"] == "NI_STATISTICS")
    assert read_properties(Reader(answered(told).results))[0].values == (str(domain.checksum).encode(),)
    return domain


def local() -> Domain:
    """The child domain ``alpha/local``: the directories that the recordings show.

    Three were only listed: their instances are such that the checksum is the recorded one. What ``../network`` leads
    to was not asked for; it is what RPARENT answered.
    """
    listed = dict(_listing("scen-niutil-child", 33))
    served = dict(_listing("scen-niutil-read-dot", 6))
    alpha = _entry(exchange("scen-niutil-read-dot")[17])
    records = [Record(0, 5, 0, properties([("master", ["alpha/local"])]), tuple(listed))]
    instances = {1: 2, 3: 0, 5: 5}
    for number, values in listed.items():
        children = tuple(served) if number == 1 else ()
        records.append(Record(number, instances[number], 0, properties([("name", values)]), children))
    above = properties([("name", ["parent"]), ("ip_address", ["10.77.0.1"]), ("serves", served[8])])
    records += [alpha.replace(parent=1), Record(8, 1, 1, above, ())]
    domain = Domain.of(records)
    assert domain.checksum == 48, "as STATISTICS said"
    return domain


def _listing(name: str, at: int) -> list[tuple[int, list[str]]]:
    """What a recorded LIST answered: ids and values."""
    reader = Reader(answered(exchange(name)[at]).results)
    assert reader.uint() == 0
    found = []
    for _ in range(reader.count(100)):
        number = reader.uint()
        values = [reader.opaque(255).decode() for _ in range(reader.count(9))] if reader.boolean() else []
        found.append((number, values))
    return found


def _entry(row: Row) -> Record:
    """What a recorded READ answered."""
    reader = Reader(answered(row).results)
    assert reader.uint() == 0
    one = read_id(reader)
    return Record(one.object, one.instance, 0, read_properties(reader), ())


def wire(root_instance: int) -> Domain:
    """The domain ``wire`` as the recorded ``nidump -r /`` read it, directory by directory."""
    entries, below = dict[int, Record](), dict[int, tuple[int, ...]]()
    for row in exchange("scen-nidump-raw"):
        if row["name"] == "NI_READ":
            one = _entry(row)
            entries[one.id] = one
        elif row["name"] == "NI_CHILDREN":
            reader = Reader(answered(row).results)
            assert reader.uint() == 0
            found = read_ids(reader)
            below[read_id(reader).object] = found
    above = {child: number for number, children in below.items() for child in children}
    entries[0] = entries[0].replace(instance=root_instance)
    return Domain.of(one.replace(parent=above.get(one.id, 0), children=below[one.id]) for one in entries.values())


def transferred() -> Domain:
    """The domain ``wire`` as READALL sent it to a new clone."""
    return read_all(exchange("scen-clone-create-readall")[18])


def read_all(row: Row) -> Domain:
    reader = Reader(answered(row).results)
    assert reader.uint() == 0
    checksum, _ = reader.uint(), reader.uint()
    records = []
    while reader.boolean():
        one, given, above, below = read_id(reader), read_properties(reader), reader.uint(), read_ids(reader)
        records.append(Record(one.object, one.instance, above, given, below))
    domain = Domain.of(records)
    assert domain.checksum == checksum
    return domain


def fresh_clone() -> Domain:
    """What a new clone holds before the first transfer (SPEC 1); instances give the checksum that it asked with."""
    records = [
        Record(0, 3, 0, _entry(exchange("scen-clone-create-readall")[10]).properties, (1,)),
        Record(1, 1, 0, properties([("name", ["machines"])]), (2,)),
        Record(2, 0, 1, properties([("name", ["alpha"]), ("ip_address", ["10.77.0.1"]), ("serves", ["./wire"])]), ()),
    ]
    domain = Domain.of(records)
    assert domain.checksum == 5
    return domain


def unrecorded_writes() -> list[bytes]:
    """Six calls: between two recordings the directory 12 was written so often, with what is not known."""
    row = exchange("scen-niutil-createprop-auth")[14]
    assert Reader(answered(row).results[4:]).pair() == (12, 1)
    assert Reader(asked(exchange("scen-niutil-destroy")[14]).arguments[8:]).pair() == (12, 7)
    call = asked(row).replace(procedure=15, credential=NOBODY)
    ids = [NiId(12, instance) for instance in range(1, 7)]
    return [encode_call(call.replace(arguments=ni_id(one) + uint(1) + names((b"v",)))) for one in ids]
