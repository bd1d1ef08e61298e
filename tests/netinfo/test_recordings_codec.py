"""Every recorded message, decoded to values by our codec and encoded again to the same bytes: requests and replies.

Among them are those of clones and of a locked master. How a clone behaves comes with replication; what it says and
hears is held here.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.recordings import EXCHANGES, VECTORS, Row, answered, asked, exchange

from portlore.netinfo import binder
from portlore.netinfo.coding import (
    MOST_IDS,
    ids,
    names,
    properties,
    read_ids,
    read_name,
    read_names,
    read_properties,
    read_property,
)
from portlore.netinfo.handle import ni_id, read_id
from portlore.oncrpc import message, portmap
from portlore.oncrpc.message import AUTH_UNIX, SUCCESS, decode_unix, encode_call, encode_unix
from portlore.oncrpc.xdr import Reader, opaque, uint

if TYPE_CHECKING:
    from collections.abc import Callable

    Kind = tuple[Callable[[Reader], Any], Callable[[Any], bytes]]


def optional(kind: Kind) -> Kind:
    """An XDR optional."""
    read, write = kind
    return (
        lambda reader: read(reader) if reader.boolean() else None,
        lambda value: uint(0) if value is None else uint(1) + write(value),
    )


def listed(kind: Kind) -> Kind:
    """An XDR array."""
    read, write = kind
    return lambda reader: [
        read(reader) for _ in range(reader.count(MOST_IDS))
    ], lambda values: uint(len(values)) + b"".join(map(write, values))


def chained(kind: Kind) -> Kind:
    """An XDR list: a bool before each, and one after the last."""
    read, write = kind

    def read_all(reader: Reader) -> list[Any]:
        found = []
        while reader.boolean():
            found.append(read(reader))
        return found

    return read_all, lambda values: b"".join(uint(1) + write(one) for one in values) + uint(0)


def together(*kinds: Kind) -> Kind:
    """An XDR struct."""
    return lambda reader: [read(reader) for read, _ in kinds], lambda values: b"".join(
        write(value) for (_, write), value in zip(kinds, values, strict=True)
    )


NUMBER: Kind = (Reader.uint, uint)
NAME: Kind = (read_name, opaque)
NAMES: Kind = (read_names, names)
ID: Kind = (read_id, ni_id)
IDS: Kind = (read_ids, ids)
PROPERTY: Kind = (read_property, lambda one: opaque(one.name) + names(one.values))
PROPERTIES: Kind = (read_properties, properties)
ENTRIES = listed(together(NUMBER, optional(NAMES)))
OBJECTS = chained(together(ID, PROPERTIES, NUMBER, IDS))
NOTHING = together()

NETINFO: dict[int, tuple[Kind, Kind]] = {  # SPEC 2.4: arguments, and what follows the status OK
    0: (NOTHING, NOTHING),
    1: (NOTHING, PROPERTIES),
    2: (NOTHING, ID),
    3: (ID, ID),
    4: (ID, together(NUMBER, ID)),
    5: (together(ID, PROPERTIES, NUMBER, optional(ID)), together(ID, ID)),
    6: (together(ID, ID), ID),
    7: (ID, together(ID, PROPERTIES)),
    8: (together(ID, PROPERTIES), ID),
    9: (ID, together(IDS, ID)),
    10: (together(ID, NAME, NAME), together(IDS, ID)),
    11: (together(ID, NAME), together(ENTRIES, ID)),
    12: (together(ID, PROPERTY, NUMBER), ID),
    13: (together(ID, NUMBER), ID),
    14: (together(ID, NUMBER), together(NAMES, ID)),
    15: (together(ID, NUMBER, NAMES), ID),
    16: (together(ID, NUMBER, NAME), ID),
    17: (ID, together(NAMES, ID)),
    18: (together(ID, NUMBER, NAME, NUMBER), ID),
    19: (together(ID, NUMBER, NUMBER), ID),
    20: (together(ID, NUMBER, NUMBER), together(ID, NAME)),
    21: (together(ID, NUMBER, NUMBER, NAME), ID),
    22: (NOTHING, together(NAME, NUMBER)),
    23: (ID, together(ID, listed(PROPERTIES))),
    24: (together(NAME, NUMBER), NOTHING),
    25: (NUMBER, together(NUMBER, NUMBER, OBJECTS)),
    26: (NUMBER, NOTHING),
    27: (NOTHING, NOTHING),
    28: (together(ID, NAME, NAME), together(ID, PROPERTIES)),
}
NO_STATUS = (0, 1, 24, 26)  # their results begin at once
MAPPER: dict[int, tuple[Kind, Kind]] = {  # RFC 1833 section 3
    portmap.SET: ((portmap.read_mapping, portmap.mapping), NUMBER),
    portmap.UNSET: ((portmap.read_mapping, portmap.mapping), NUMBER),
    portmap.GETPORT: ((portmap.read_mapping, portmap.mapping), NUMBER),
    portmap.CALLIT: (
        (portmap.read_indirect, portmap.indirect),
        together(NUMBER, (lambda reader: reader.opaque(8800), opaque)),
    ),
}
REGISTRATION: Kind = (
    lambda reader: binder.Registration(read_name(reader), reader.uint(), reader.uint()),
    binder.encode_arguments,
)
BINDER: dict[int, Kind] = {binder.GETREGISTER: together(NUMBER, NUMBER), binder.LISTREG: listed(REGISTRATION)}
# The original's port mapper client sends four bytes too many with a BIND that is passed on.
SLOP = {("scen-startup-register-bind", "NIBIND_BIND"): bytes(4)}


def labelled() -> list[tuple[str, Row]]:
    """Every recorded call, with the name of its file."""
    rows = [(name, row) for name in EXCHANGES for row in exchange(name)]
    calls = json.loads(gzip.decompress((VECTORS / "wire-netinfo.json.gz").read_bytes()))
    bound = json.loads((VECTORS / "nibind.json").read_text("utf-8"))
    return rows + [("netinfo", row) for row in calls] + [("nibind", row) for row in bound]


ROWS = labelled()
CASES = [pytest.param(name, row, id=f"{name}-{number}-{row['name']}") for number, (name, row) in enumerate(ROWS)]


def survives(kind: Kind, data: bytes) -> bool:
    """Whether all of it is read, and the value is written as it was."""
    read, write = kind
    reader = Reader(data)
    value = read(reader)
    return reader.at == reader.end and write(value) == data


def known(row: Row) -> bool:
    """Whether the procedure is one that its program has, with arguments that it takes."""
    return row["rpc_status"] not in ("PROC_UNAVAIL", "GARBAGE_ARGS", "PROG_MISMATCH")


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_recorded_request_survives_our_codec(name: str, row: Row) -> None:
    call = asked(row)
    assert encode_call(call) == bytes.fromhex(row["request_hex"])
    assert (call.program, call.version, call.procedure) == (row["program"], row["version"], row["proc"])
    if call.credential.flavor == AUTH_UNIX:
        assert encode_unix(decode_unix(call.credential.body)) == call.credential.body
    if not known(row):
        return
    if call.program == binder.PROGRAM:
        value = binder.decode_arguments(call.procedure, call.arguments)
        assert binder.encode_arguments(value) + SLOP.get((name, row["name"]), b"") == call.arguments
    else:
        kinds = (MAPPER if call.program == portmap.PROGRAM else NETINFO)[call.procedure]
        assert survives(kinds[0], call.arguments)


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_recorded_reply_survives_our_codec(name: str, row: Row) -> None:
    reply, record = answered(row), bytes.fromhex(row["reply_hex"])
    if reply.accepted is None:
        assert reply.rejected is not None
        assert message.denied(reply.xid, reply.rejected[1]) == record
        return
    if reply.accepted != SUCCESS:
        assert message.accepted(reply.xid, reply.accepted, reply.low, reply.high) == record
        return
    assert message.success(reply.xid, reply.results) == record
    call, results = asked(row), reply.results
    if call.program == portmap.PROGRAM:
        kind = MAPPER[call.procedure][1]
    else:
        without = NO_STATUS if call.program != binder.PROGRAM else (binder.PING, binder.BIND)
        if call.procedure not in without:
            status, results = Reader(results).uint(), results[4:]
            assert row["ni_status"] is not None
            if status:
                assert results == b""
                return
        kind = BINDER.get(call.procedure, NOTHING) if call.program == binder.PROGRAM else NETINFO[call.procedure][1]
    assert survives(kind, results)


def test_the_recordings_hold_every_procedure_of_netinfo_and_the_binder() -> None:
    seen = {(row["program"], row["proc"]) for _, row in ROWS if known(row)}
    assert {number for program, number in seen if program == 200100000} == set(range(29))
    assert {number for program, number in seen if program == 200100001} == set(range(9))
