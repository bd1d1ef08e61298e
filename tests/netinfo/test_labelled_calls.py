"""A hundred labelled calls to the original server: every procedure, every status, every refusal."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.coding import read_ids, read_properties
from portlore.netinfo.domain import Domain
from portlore.netinfo.passwords import matches
from portlore.netinfo.values import Record
from portlore.oncrpc.xdr import Reader

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
CALLS: list[dict[str, Any]] = json.loads(gzip.decompress((VECTORS / "wire-netinfo.json.gz").read_bytes()))
MADE_IN_THEM = 7  # ids from here on were created by the calls themselves
KNOWN = {  # calls whose replies cannot be the same, and why
    "full, AUTH_NONE": "STATISTICS tells the server's own version and its counts",
    "version extension: object=-1 instance=-1 asks for the store version": "which write came last is not in READALL",
    "version extension: object=-2 instance=ID asks for record ID's version": "nor in which order writes were done",
}


def start() -> Domain:
    """The domain before the first call: READALL's directories without those that the calls made."""
    whole = next(call for call in CALLS if call["what"] == "checksum differs: whole database")
    reader = Reader(bytes.fromhex(whole["reply_hex"])[36:])
    records = []
    while reader.boolean():
        number, instance, given, parent = reader.uint(), reader.uint(), read_properties(reader), reader.uint()
        children = tuple(child for child in read_ids(reader) if child < MADE_IN_THEM)
        if number < MADE_IN_THEM:
            records.append(
                Record(number, instance - (number == 0), parent, given, children)
            )  # one CREATE below the root
    domain = Domain.of(records)
    assert domain.checksum == 21  # as the original's STATISTICS said before the first write
    return domain


def replies() -> list[tuple[dict[str, Any], str | None]]:
    service = Service(start(), b"wire", matches, Policy(classic=True), b"alpha")
    found = []
    for call in CALLS:
        address, _, port = call["client"].rpartition(":")
        caller = Caller(address, int(port), address == "10.77.0.1")
        got = service.answer(caller, bytes.fromhex(call["request_hex"]), udp=call["transport"] == "udp")
        found.append((call, None if got is None else got.hex()))
    return found


REPLIES = replies()


@pytest.mark.parametrize(("call", "got"), REPLIES, ids=[f"{call['name']} {call['what']}"[:70] for call, _ in REPLIES])
def test_a_labelled_call_is_answered_byte_for_byte(call: dict[str, Any], got: str | None) -> None:
    if call["what"] in KNOWN:
        assert got is not None
        assert got[:48] == call["reply_hex"][:48]  # the RPC reply and the status
    else:
        assert got == call.get("reply_hex")
