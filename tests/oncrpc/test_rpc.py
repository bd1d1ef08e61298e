"""XDR, RPC messages, record marking, port mapper: both directions, limits, noise."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.oncrpc import message, portmap
from portlore.oncrpc.message import Auth, Call, Reply, UnixAuth, decode_call, decode_reply, decode_unix, encode_call
from portlore.oncrpc.portmap import Indirect, Mapping, PortMap
from portlore.oncrpc.records import RecordReader, RecordTooLong, marked
from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint, uints

OPAQUES = [  # value, XDR: RFC 4506 section 4.10, counted by hand
    (b"", "00000000"),
    (b"a", "0000000161000000"),
    (b"abcd", "0000000461626364"),
    (b"abcde", "000000056162636465000000"),
]


@pytest.mark.parametrize(("value", "wire"), OPAQUES)
def test_opaque_data_is_padded_to_four_bytes(value: bytes, wire: str) -> None:
    assert opaque(value).hex() == wire
    reader = Reader(bytes.fromhex(wire))
    assert reader.opaque(5) == value
    assert reader.at == reader.end


def test_numbers_and_arrays_are_big_endian() -> None:
    assert uint(1).hex() == "00000001"
    assert uints([1, 2**32 - 1]).hex() == "0000000200000001ffffffff"
    reader = Reader(bytes.fromhex("0000000200000001ffffffff"))
    assert [reader.uint() for _ in range(reader.count(9))] == [1, 2**32 - 1]


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("000000", lambda r: r.uint()),
        ("0000000561626364", lambda r: r.opaque(100)),
        ("ffffffff", lambda r: r.opaque(2**32)),
        ("0000000261620000", lambda r: r.opaque(1)),
        ("00100000", lambda r: r.count(2**30)),  # a million entries in four bytes
        ("0000000200000001", lambda r: r.count(9)),
        ("", lambda r: r.opaque(1)),
    ],
)
def test_a_length_that_lies_is_refused_before_anything_is_set_aside(wire: str, read: object) -> None:
    with pytest.raises(XdrError):
        read(Reader(bytes.fromhex(wire)))  # type: ignore[operator]


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40), max_size=30))
def test_records_come_out_whole_however_the_stream_is_cut(records: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(marked, records))
    reader, found, at = RecordReader(), [], 0
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[at : at + cut])
        at += cut
    assert found == records
    assert not reader.held


@given(st.binary(max_size=60), st.lists(st.integers(0, 9), max_size=20))
def test_a_record_in_many_fragments_empty_ones_too_is_one_record(record: bytes, sizes: list[int]) -> None:
    stream, at = b"", 0
    for size in sizes:
        piece = record[at : at + size]
        stream += len(piece).to_bytes(4, "big") + piece
        at += len(piece)
    stream += marked(record[at:])
    assert RecordReader().feed(stream) == [record]


def test_a_record_of_several_megabytes_is_read() -> None:
    big = bytes(range(256)) * 20_000
    reader = RecordReader()
    stream = marked(big)
    found = [one for at in range(0, len(stream), 60_000) for one in reader.feed(stream[at : at + 60_000])]
    assert found == [big]


def test_a_record_beyond_the_limit_is_refused_by_its_length_alone() -> None:
    with pytest.raises(RecordTooLong):
        RecordReader(limit=100).feed(struct.pack(">I", 101))
    with pytest.raises(RecordTooLong):
        RecordReader(limit=100).feed(struct.pack(">I", 60) + bytes(60) + struct.pack(">I", 60))
    with pytest.raises(RecordTooLong):
        RecordReader(fragments=10).feed(bytes(4) * 100)


CREDENTIALS = st.builds(Auth, st.integers(0, 2**32 - 1), st.binary(max_size=400))
NUMBERS = st.integers(0, 2**32 - 1)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, CREDENTIALS, CREDENTIALS, st.binary(max_size=80))
def test_calls_survive_encoding(
    xid: int, program: int, version: int, procedure: int, credential: Auth, verifier: Auth, arguments: bytes
) -> None:
    call = Call(xid, program, version, procedure, credential, verifier, arguments)
    assert decode_call(encode_call(call)) == call


def test_what_is_no_call_is_none() -> None:
    call = encode_call(Call(1, 2, 3, 4, message.NOBODY, message.NOBODY, b""))
    assert decode_call(call[:4] + uint(message.REPLY) + call[8:]) is None
    assert decode_call(call[:8] + uint(3) + call[12:]) is None  # another RPC version
    for size in range(len(call)):
        assert decode_call(call[:size]) is None
    long = encode_call(Call(1, 2, 3, 4, Auth(1, bytes(404)), message.NOBODY, b""))
    assert decode_call(long) is None


REPLIES = [  # RFC 5531 section 9: the reply, its bytes after the xid
    (message.success(7, b"abcd"), Reply(7, message.SUCCESS, b"abcd"),
     "00000001 00000000 0000000000000000 00000000 61626364"),
    (message.accepted(7, message.PROC_UNAVAIL), Reply(7, 3, b""), "00000001 00000000 0000000000000000 00000003"),
    (message.accepted(7, message.PROG_MISMATCH, 2, 2), Reply(7, 2, b"", 2, 2),
     "00000001 00000000 0000000000000000 00000002 00000002 00000002"),
    (message.denied(7, message.TOO_WEAK), Reply(7, None, b"", rejected=(1, 5)), "00000001 00000001 00000001 00000005"),
    (message.mismatched(7), Reply(7, None, b"", 2, 2, (0, 0)), "00000001 00000001 00000000 00000002 00000002"),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "reply", "words"), REPLIES)
def test_every_kind_of_reply_is_as_the_rfc_draws_it(wire: bytes, reply: Reply, words: str) -> None:
    assert wire[4:].hex() == words.replace(" ", "")
    assert decode_reply(wire) == reply


@given(st.binary(max_size=120))
def test_any_bytes_are_a_call_a_reply_or_refused(data: bytes) -> None:
    decode_call(data)
    for decode in (decode_reply, decode_unix):
        try:
            decode(data)
        except XdrError:
            pass
    try:
        RecordReader(limit=1000).feed(data)
    except RecordTooLong:
        pass


@given(NUMBERS, st.binary(max_size=255), NUMBERS, NUMBERS, st.lists(NUMBERS, max_size=16))
def test_unix_credentials_survive_encoding(stamp: int, machine: bytes, uid: int, gid: int, groups: list[int]) -> None:
    auth = UnixAuth(stamp, machine, uid, gid, tuple(groups))
    assert decode_unix(message.encode_unix(auth)) == auth


def test_a_machine_name_of_256_bytes_and_a_cut_body_are_no_credential() -> None:
    whole = message.encode_unix(UnixAuth(1, b"x" * 256, 0, 0, ()))
    for body in (whole, b"", message.encode_unix(UnixAuth(1, b"m", 0, 0, (5,)))[:-1]):
        with pytest.raises(XdrError):
            decode_unix(body)


def ask(
    table: PortMap, procedure: int, arguments: bytes, *, local: bool = True, passed_on: object = None
) -> Reply | None:
    call = Call(9, portmap.PROGRAM, portmap.VERSION, procedure, message.NOBODY, message.NOBODY, arguments)
    passed = passed_on or (lambda one: None)
    reply = portmap.answer(table, call, local=local, passed_on=passed)  # type: ignore[arg-type]
    return None if reply is None else decode_reply(reply)


def results(reply: Reply | None) -> bytes:
    assert reply is not None
    return reply.results


def test_a_port_mapper_registers_finds_lists_and_forgets() -> None:
    table = PortMap()
    one = Mapping(200100001, 1, portmap.UDP, 777)
    assert results(ask(table, portmap.SET, portmap.mapping(one))) == uint(1)
    assert results(ask(table, portmap.SET, portmap.mapping(one))) == uint(0)  # there already
    assert results(ask(table, portmap.GETPORT, portmap.mapping(one.replace(port=0)))) == uint(777)
    assert results(ask(table, portmap.GETPORT, portmap.mapping(one.replace(version=9, port=0)))) == uint(777)
    assert results(ask(table, portmap.GETPORT, portmap.mapping(one.replace(protocol=portmap.TCP)))) == uint(0)
    assert portmap.read_mappings(Reader(results(ask(table, portmap.DUMP, b"")))) == [one]
    assert results(ask(table, portmap.UNSET, portmap.mapping(one))) == uint(1)
    assert results(ask(table, portmap.UNSET, portmap.mapping(one))) == uint(0)


def test_only_this_machine_changes_the_table() -> None:
    table = PortMap()
    one = portmap.mapping(Mapping(1, 1, portmap.TCP, 5))
    assert results(ask(table, portmap.SET, one, local=False)) == uint(0)
    assert table.all() == []


def test_an_indirect_call_is_answered_only_when_it_succeeds() -> None:
    table, one = PortMap(), Indirect(200100001, 1, 8, b"abc")
    assert ask(table, portmap.CALLIT, portmap.indirect(one)) is None
    seen: list[Indirect] = []

    def done(asked: Indirect) -> tuple[int, bytes]:
        seen.append(asked)
        return 777, b"xy"

    assert results(ask(table, portmap.CALLIT, portmap.indirect(one), passed_on=done)) == uint(777) + opaque(b"xy")
    assert seen == [one]
    assert ask(table, portmap.CALLIT, b"\0", passed_on=done) is None


def test_a_port_mapper_says_what_it_is_not() -> None:
    def reply(program: int, version: int, procedure: int, arguments: bytes = b"") -> Reply:
        call = Call(9, program, version, procedure, message.NOBODY, message.NOBODY, arguments)
        found = portmap.answer(PortMap(), call, local=True, passed_on=lambda one: None)
        assert found is not None
        return decode_reply(found)

    assert reply(5, 2, 0).accepted == message.PROG_UNAVAIL
    assert (reply(100000, 3, 0).accepted, reply(100000, 3, 0).low) == (message.PROG_MISMATCH, 2)
    assert reply(100000, 2, 77).accepted == message.PROC_UNAVAIL
    assert reply(100000, 2, 3).accepted == message.GARBAGE_ARGS
    assert reply(100000, 2, 0).accepted == message.SUCCESS


def test_a_list_of_mappings_that_never_ends_is_cut_off() -> None:
    endless = (uint(1) + portmap.mapping(Mapping(1, 1, 6, 1))) * (portmap.MOST_MAPPINGS + 1)
    with pytest.raises(XdrError):
        portmap.read_mappings(Reader(endless))
    table = PortMap()
    for number in range(portmap.MOST_MAPPINGS):
        assert table.set(Mapping(number, 1, 6, 1))
    assert not table.set(Mapping(99_999_999, 1, 6, 1))
