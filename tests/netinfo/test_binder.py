"""The binder, held against every recorded call of the original's, then its rules one by one, then noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.errors import NetInfoError
from portlore.netinfo.access import Caller, inverted
from portlore.netinfo.binder import (
    BIND,
    CREATECLONE,
    CREATEMASTER,
    DESTROYDOMAIN,
    GETREGISTER,
    LISTREG,
    LONGEST_TAG,
    MOST_LISTED,
    MOST_STORED,
    PING,
    PROCEDURES,
    PROGRAM,
    REGISTER,
    UNREGISTER,
    VERSION,
    Binder,
    Binding,
    Cloning,
    Outside,
    Registration,
    check_status,
    decode_arguments,
    decode_ports,
    decode_registrations,
    encode_arguments,
    encode_ports,
    encode_registrations,
)
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc import message
from portlore.oncrpc.message import NOBODY, Auth, Call, UnixAuth, decode_reply, encode_call, encode_unix

if TYPE_CHECKING:
    from portlore.netinfo.binder import Given
    from portlore.oncrpc.message import Reply

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
RECORDED: list[dict[str, Any]] = json.loads((VECTORS / "nibind.json").read_text("utf-8"))
HOST = 0x0A4D0001  # 10.77.0.1, whose binder was recorded
NETWORK = Registration(b"network", 0x347, 0x348)
LOCAL = Registration(b"local", 0x348, 0x34A)
WIRE = Registration(b"wire", 0x3D0, 0x3D1)
ROOT_HERE = Caller("10.77.0.1", 916, True)
ANYBODY_HERE = Caller("10.77.0.1", 38091, True)
ROOT_ELSEWHERE = Caller("10.77.0.9", 916, False)
BIND_US = Binding(HOST, b"local", b"network")


class World:
    """The machine that was recorded: who lives on it, whom its servers serve, what it is asked to do."""

    def __init__(self, *, silent: bool = True, udp_register: bool = True) -> None:
        self.alive = {(one.tag, one.udp_port) for one in (NETWORK, LOCAL, WIRE)}
        self.asked: list[tuple[object, ...]] = []
        self.aliases: dict[tuple[bytes, str], bytes] = {}
        self.works = True
        outside = Outside(
            alive=lambda tag, port: (tag, port) in self.alive,
            bind=lambda tag, client, address: (tag, client, address) == (b"network", b"local", HOST),
            create_master=lambda tag: self._note("create", tag),
            destroy=lambda tag: self._note("destroy", tag),
            root_password=lambda password: password == b"rootpw",
            alias_of=lambda tag, address: self.aliases.get((tag, address)),
        )
        self.binder = Binder(outside, silent=silent, udp_register=udp_register)
        for one in (NETWORK, LOCAL, WIRE):
            self.binder.register(one)

    def _note(self, *asked: object) -> bool:
        self.asked.append(asked)
        return self.works

    def call(
        self,
        procedure: int,
        arguments: Given = None,
        caller: Caller = ROOT_HERE,
        *,
        udp: bool = False,
        credential: Auth = NOBODY,
    ) -> Reply | None:
        """The reply to a call, decoded; ``None`` for silence."""
        call = Call(7, PROGRAM, VERSION, procedure, credential, NOBODY, encode_arguments(arguments))
        answer = self.binder.answer(caller, encode_call(call), udp=udp)
        return None if answer is None else decode_reply(answer)

    def status(
        self, procedure: int, arguments: Given = None, caller: Caller = ROOT_HERE, credential: Auth = NOBODY
    ) -> str:
        """The name of the status of a call over TCP."""
        reply = self.call(procedure, arguments, caller, credential=credential)
        assert reply is not None
        try:
            check_status(reply.results)
        except NetInfoError as refusal:
            return next(name for name, number in NUMBERS.items() if number == refusal.status)
        return "OK"


def password(text: bytes, uid: int = 0) -> Auth:
    return Auth(message.AUTH_UNIX, encode_unix(UnixAuth(1, inverted(text), uid, 0, ())))


# What was recorded

# CREATECLONE makes no clones yet: it answers SYSTEMERR where the original answered OK.
NOT_AS_RECORDED = [("NIBIND_CREATECLONE", "TCP, privileged local port: ok")]
SYSTEMERR = NUMBERS["SYSTEMERR"].to_bytes(4, "big")


def test_every_recorded_call_is_answered_byte_for_byte() -> None:
    world = World(silent=False)
    different = []
    for one in RECORDED:
        host, port = one["client"].split(":")
        caller, record = Caller(host, int(port), True), bytes.fromhex(one["request_hex"])
        answer = world.binder.answer(caller, record, udp=one["transport"] == "udp")
        if answer != bytes.fromhex(one["reply_hex"]):
            assert answer is not None
            assert decode_reply(answer).results == SYSTEMERR
            different.append((one["name"], one["what"]))
        if one["ni_status"] == "NI_OK" and one["proc"] in (CREATEMASTER, CREATECLONE):  # the new server comes up
            tag = decode_arguments(CREATEMASTER, record[40:])
            assert isinstance(tag, bytes)
            world.binder.register(Registration(tag, 700, 701))
    assert different == NOT_AS_RECORDED
    assert world.asked == [("create", b"wtmp"), ("destroy", b"wtmp"), ("destroy", b"wclone")]


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"{one['name']} {one['what']}")
def test_recorded_arguments_are_what_a_client_of_ours_would_send(one: dict[str, Any]) -> None:
    call = message.decode_call(bytes.fromhex(one["request_hex"]))
    assert call is not None
    assert encode_arguments(decode_arguments(one["proc"], call.arguments)) == call.arguments


def test_a_recorded_list_is_read_and_written_back() -> None:
    lists = [one for one in RECORDED if one["proc"] == LISTREG]
    assert len(lists) == 3
    for one in lists:
        results = decode_reply(bytes.fromhex(one["reply_hex"])).results
        assert decode_registrations(results) == [NETWORK, LOCAL, WIRE]
        assert encode_registrations([NETWORK, LOCAL, WIRE]) == results


def test_what_a_mac_sends_through_callit_has_a_word_too_much_and_is_understood() -> None:
    arguments = bytes.fromhex("0a4d0001000000056c6f63616c000000000000076e6574776f726b0000000000")
    assert decode_arguments(BIND, arguments) == BIND_US
    record = encode_call(Call(1, PROGRAM, VERSION, BIND, password(b""), NOBODY, arguments))
    assert World().binder.answer(ANYBODY_HERE, record, udp=True) == message.success(1, b"")


# Who may

PRIVILEGED: list[tuple[int, Given, str]] = [
    (REGISTER, Registration(b"new", 1, 2), "OK"),
    (UNREGISTER, b"wire", "OK"),
    (CREATEMASTER, b"new", "OK"),
    (CREATECLONE, Cloning(b"new", b"alpha", HOST, b"network"), "SYSTEMERR"),
    (DESTROYDOMAIN, b"wire", "OK"),
]
OPEN: list[tuple[int, Given]] = [(PING, None), (GETREGISTER, b"wire"), (LISTREG, None), (BIND, BIND_US)]
CALLERS = [
    (ROOT_HERE, NOBODY, True),
    (ROOT_HERE, password(b"wrong"), True),
    (ANYBODY_HERE, NOBODY, False),
    (ROOT_ELSEWHERE, NOBODY, False),
    (Caller("10.77.0.1", 1024, True), NOBODY, False),
    (ANYBODY_HERE, password(b"rootpw"), True),
    (ANYBODY_HERE, password(b"rootpw", uid=501), True),
    (ROOT_ELSEWHERE, password(b"rootpw"), True),
    (ROOT_ELSEWHERE, password(b"rootpw\0and more"), True),
    (ANYBODY_HERE, password(b"rootpw2"), False),
    (ANYBODY_HERE, password(b""), False),
]


@pytest.mark.parametrize(("procedure", "arguments", "status"), PRIVILEGED)
@pytest.mark.parametrize(("caller", "credential", "may"), CALLERS)
def test_only_root_here_and_who_knows_its_password_change_anything(
    caller: Caller, credential: Auth, may: bool, procedure: int, arguments: Given, status: str
) -> None:
    world = World()
    before = dict(world.binder.registered)
    assert world.status(procedure, arguments, caller, credential) == (status if may else "PERM")
    if not may:
        assert world.binder.registered == before
        assert world.asked == []


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize(("procedure", "arguments"), OPEN)
def test_everybody_may_ask(procedure: int, arguments: Given, udp: bool) -> None:
    reply = World().call(procedure, arguments, Caller("192.0.2.7", 40000, False), udp=udp)
    assert reply is not None
    assert reply.accepted == message.SUCCESS


def test_the_open_and_the_privileged_are_all_nine() -> None:
    assert sorted([row[0] for row in PRIVILEGED] + [row[0] for row in OPEN]) == [row.number for row in PROCEDURES]
    assert [row.number for row in PROCEDURES] == list(range(9))


@pytest.mark.parametrize("procedure", [UNREGISTER, CREATEMASTER, CREATECLONE, DESTROYDOMAIN, 9, 0xFFFF_FFFF])
def test_over_udp_even_root_changes_nothing_but_registrations(procedure: int) -> None:
    reply = World().call(procedure, b"wire", udp=True)
    assert reply is not None
    assert reply.rejected == (message.AUTH_ERROR, message.TOO_WEAK)


def test_over_udp_root_here_registers_and_nobody_else() -> None:
    world, one = World(), Registration(b"new", 1, 2)
    weak = (message.AUTH_ERROR, message.TOO_WEAK)
    for caller in (ANYBODY_HERE, ROOT_ELSEWHERE):
        reply = world.call(REGISTER, one, caller, udp=True, credential=password(b"rootpw"))
        assert reply is not None
        assert reply.rejected == weak
    assert b"new" not in world.binder.registered
    reply = world.call(REGISTER, one, udp=True)
    assert reply is not None
    assert reply.results == bytes(4)
    assert world.binder.registered[b"new"] == one
    reply = World(udp_register=False).call(REGISTER, one, udp=True)
    assert reply is not None
    assert reply.rejected == weak


# What they do


def test_a_server_that_registers_again_takes_its_own_place() -> None:
    world, again = World(), Registration(b"network", 5, 6)
    assert world.status(REGISTER, again) == "OK"
    assert [*world.binder.registered.values()] == [again, LOCAL, WIRE]


def test_what_was_unregistered_is_not_found() -> None:
    world = World()
    assert world.status(UNREGISTER, b"wire") == "OK"
    assert world.status(GETREGISTER, b"wire") == "NOTAG"
    assert world.status(UNREGISTER, b"wire") == "OK"  # SPEC 2.3: NOTAG is GETREGISTER's and DESTROYDOMAIN's


@pytest.mark.parametrize(
    ("gone", "left"),
    [(b"network", [WIRE, LOCAL]), (b"local", [NETWORK, WIRE]), (b"wire", [NETWORK, LOCAL])],
)
def test_the_last_in_the_list_takes_the_place_of_who_leaves(gone: bytes, left: list[Registration]) -> None:
    world = World()  # as published nibindd does, which a list of LISTREG shows
    assert world.status(UNREGISTER, gone) == "OK"
    reply = world.call(LISTREG)
    assert reply is not None
    assert decode_registrations(reply.results) == left


def test_ports_are_told_of_servers_that_live() -> None:
    world = World()
    reply = world.call(GETREGISTER, b"local")
    assert reply is not None
    assert decode_ports(reply.results) == (LOCAL.udp_port, LOCAL.tcp_port)
    world.alive.clear()
    assert world.status(GETREGISTER, b"local") == "NORESPONSE"


@pytest.mark.parametrize("port", [0, 0x10000, 0xFFFF_FFFF])
def test_nobody_is_asked_on_a_port_that_cannot_be(port: int) -> None:
    world = World()
    world.alive.add((b"odd", port))
    assert world.status(REGISTER, Registration(b"odd", port, port)) == "OK"
    assert world.status(GETREGISTER, b"odd") == "NORESPONSE"


def test_a_list_ends_at_32_and_the_store_at_its_limit() -> None:
    world = World()
    for number in range(MOST_STORED - 3):
        assert world.status(REGISTER, Registration(b"%d" % number, 1, 2)) == "OK"
    assert world.status(REGISTER, Registration(b"one more", 1, 2)) == "NOSPACE"
    assert world.status(REGISTER, Registration(b"wire", 1, 2)) == "OK"
    reply = world.call(LISTREG)
    assert reply is not None
    listed = decode_registrations(reply.results)
    assert len(listed) == MOST_LISTED
    assert listed[:3] == [NETWORK, LOCAL, Registration(b"wire", 1, 2)]


def test_the_longest_list_fits_into_a_datagram() -> None:
    world = World()
    world.binder.registered.clear()
    assert world.status(REGISTER, Registration(b"x" * (LONGEST_TAG + 1), 1, 2)) == "NOSPACE"
    for number in range(MOST_LISTED):
        assert world.status(REGISTER, Registration(b"%*d" % (LONGEST_TAG, number), 1, 2)) == "OK"
    record = encode_call(Call(1, PROGRAM, VERSION, LISTREG, NOBODY, NOBODY, b""))
    answer = world.binder.answer(ANYBODY_HERE, record, udp=True)
    assert answer is not None
    assert 8000 < len(answer) <= 8800


def test_a_tag_that_is_served_is_not_made_again() -> None:
    world = World()
    assert world.status(CREATEMASTER, b"network") == "DUPTAG"
    assert world.status(CREATECLONE, Cloning(b"network", b"alpha", HOST, b"network")) == "DUPTAG"
    assert world.asked == []


@pytest.mark.parametrize("tag", [b"", b".", b"..", b"../passwd", b"a/b", b"/etc", b".hidden", b"\0cut", b"x" * 256])
def test_a_tag_that_is_no_file_name_is_neither_made_nor_destroyed(tag: bytes) -> None:
    world = World()
    assert world.status(CREATEMASTER, tag) == "SYSTEMERR"
    world.binder.registered[tag.partition(b"\0")[0]] = Registration(tag, 1, 2)
    assert world.status(DESTROYDOMAIN, tag) == "SYSTEMERR"
    assert world.asked == []


def test_what_the_machine_cannot_do_is_its_error() -> None:
    world = World()
    world.works = False
    assert world.status(CREATEMASTER, b"new") == "SYSTEMERR"
    assert world.status(DESTROYDOMAIN, b"wire") == "SYSTEMERR"
    assert b"wire" in world.binder.registered


def test_a_destroyed_domain_is_forgotten_and_an_unknown_one_is_not_touched() -> None:
    world = World()
    assert world.status(DESTROYDOMAIN, b"nosuch") == "NOTAG"
    assert world.status(DESTROYDOMAIN, b"wire") == "OK"
    assert world.asked == [("destroy", b"wire")]
    assert b"wire" not in world.binder.registered


STRANGERS = [
    Binding(HOST, b"nosuch", b"network"),
    Binding(HOST + 1, b"local", b"network"),
    Binding(HOST, b"local", b"nosuch"),
    Binding(HOST, b"local", b"local"),
]


@pytest.mark.parametrize("binding", STRANGERS)
def test_a_stranger_who_binds_hears_nothing_over_udp(binding: Binding) -> None:
    assert World().call(BIND, binding, ANYBODY_HERE, udp=True) is None


@pytest.mark.parametrize("binding", STRANGERS)
@pytest.mark.parametrize(("silent", "udp"), [(True, False), (False, False), (False, True)])
def test_a_stranger_who_binds_hears_of_an_error_otherwise(binding: Binding, silent: bool, udp: bool) -> None:
    reply = World(silent=silent).call(BIND, binding, ANYBODY_HERE, udp=udp)
    assert reply is not None
    assert reply.accepted == message.SYSTEM_ERR


def test_an_alias_goes_before_a_tag_for_whom_it_is_meant() -> None:
    world = World()
    world.aliases = {
        (b"local", "10.77.0.9"): b"network",
        (b"dept", "10.77.0.1"): b"network",
        (b"wire", "10.77.0.9"): b"",
    }
    for tag, caller, expected in [
        (b"local", ROOT_ELSEWHERE, NETWORK),
        (b"local", ROOT_HERE, LOCAL),
        (b"dept", ROOT_HERE, NETWORK),
        (b"wire", ROOT_ELSEWHERE, WIRE),  # the alias of a domain that is gone
    ]:
        reply = world.call(GETREGISTER, tag, caller)
        assert reply is not None
        assert decode_ports(reply.results) == (expected.udp_port, expected.tcp_port)
    assert world.status(GETREGISTER, b"dept", ROOT_ELSEWHERE) == "NOTAG"
    # BIND comes through a port mapper: the client is who the call says it is
    assert world.call(BIND, Binding(HOST, b"local", b"dept"), ROOT_ELSEWHERE, udp=True) is not None
    assert world.call(BIND, Binding(HOST + 8, b"local", b"dept"), ROOT_HERE, udp=True) is None


# What is no call of the binder

OTHERS = [
    (Call(1, PROGRAM + 1, 1, 0, NOBODY, NOBODY, b""), message.accepted(1, message.PROG_UNAVAIL)),
    (Call(1, PROGRAM, 2, 0, NOBODY, NOBODY, b""), message.accepted(1, message.PROG_MISMATCH, 1, 1)),
    (Call(1, PROGRAM, 1, 9, NOBODY, NOBODY, b""), message.accepted(1, message.PROC_UNAVAIL)),
    (Call(1, PROGRAM, 1, 3, NOBODY, NOBODY, b""), message.accepted(1, message.GARBAGE_ARGS)),
    (Call(1, PROGRAM, 1, 1, NOBODY, NOBODY, b"\0\0\0\1a"), message.accepted(1, message.GARBAGE_ARGS)),
    (Call(1, PROGRAM, 1, 3, NOBODY, NOBODY, b"\0\1\0\0"), message.accepted(1, message.GARBAGE_ARGS)),
    (Call(1, PROGRAM, 1, 0, Auth(3, b""), NOBODY, b""), message.denied(1, message.REJECTED_CREDENTIAL)),
    (Call(1, PROGRAM, 1, 0, Auth(1, b""), NOBODY, b""), message.denied(1, message.BAD_CREDENTIAL)),
]


@pytest.mark.parametrize(("call", "reply"), OTHERS)
def test_what_cannot_be_done_is_refused_as_the_rfc_says(call: Call, reply: bytes) -> None:
    assert World().binder.answer(ANYBODY_HERE, encode_call(call), udp=False) == reply


@pytest.mark.parametrize("record", [b"", b"\0" * 39, message.success(1, bytes(40)), bytes(8) + b"\0\0\0\3" + bytes(28)])
@pytest.mark.parametrize("udp", [False, True])
def test_what_is_no_call_is_not_answered(record: bytes, udp: bool) -> None:
    assert World().binder.answer(ANYBODY_HERE, record, udp=udp) is None


# Noise

U32 = st.integers(0, 0xFFFF_FFFF)
NAMES = st.binary(max_size=40).filter(lambda name: b"\0" not in name)
ARGUMENTS: list[tuple[int, st.SearchStrategy[Any]]] = [
    (PING, st.none()),
    (REGISTER, st.builds(Registration, NAMES, U32, U32)),
    (UNREGISTER, NAMES),
    (GETREGISTER, NAMES),
    (LISTREG, st.none()),
    (CREATEMASTER, NAMES),
    (CREATECLONE, st.builds(Cloning, NAMES, NAMES, U32, NAMES)),
    (DESTROYDOMAIN, NAMES),
    (BIND, st.builds(Binding, U32, NAMES, NAMES)),
]


@given(st.data())
@pytest.mark.parametrize(("procedure", "arguments"), ARGUMENTS)
def test_arguments_are_the_same_after_a_journey(
    procedure: int, arguments: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(arguments)
    assert decode_arguments(procedure, encode_arguments(value)) == value


@given(st.lists(st.builds(Registration, NAMES, U32, U32), max_size=MOST_LISTED))
def test_results_are_the_same_after_a_journey(many: list[Registration]) -> None:
    assert decode_registrations(encode_registrations(many)) == many
    for one in many:
        assert decode_ports(encode_ports(one)) == (one.udp_port, one.tcp_port)


@pytest.mark.parametrize("decode", [decode_ports, decode_registrations, check_status])
def test_a_status_other_than_ok_is_raised(decode: Any) -> None:
    with pytest.raises(NetInfoError) as raised:
        decode((19).to_bytes(4, "big"))
    assert raised.value.status == NUMBERS["NOTAG"]


CALLERS_OF_NOISE = st.sampled_from([ROOT_HERE, ANYBODY_HERE, ROOT_ELSEWHERE])


@given(st.binary(max_size=200), CALLERS_OF_NOISE, st.booleans())
def test_any_bytes_give_a_reply_or_none(record: bytes, caller: Caller, udp: bool) -> None:
    answer = World().binder.answer(caller, record, udp=udp)
    assert answer is None or decode_reply(answer)


@given(st.integers(0, 10), st.binary(max_size=80), st.binary(max_size=60), CALLERS_OF_NOISE, st.booleans())
def test_any_arguments_and_credentials_give_a_reply_that_can_be_read(
    procedure: int, arguments: bytes, body: bytes, caller: Caller, udp: bool
) -> None:
    for credential in (NOBODY, Auth(message.AUTH_UNIX, body), password(body)):
        record = encode_call(Call(9, PROGRAM, VERSION, procedure, credential, NOBODY, arguments))
        answer = World().binder.answer(caller, record, udp=udp)
        assert answer is None or decode_reply(answer).xid == 9


@given(st.integers(0, len(RECORDED) - 1), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_recorded_calls_with_damage_give_a_reply_or_none(number: int, at: int, damage: bytes) -> None:
    record = bytearray.fromhex(RECORDED[number]["request_hex"])
    record[at : at + len(damage)] = damage
    for cut in (bytes(record), bytes(record[:-3])):
        answer = World().binder.answer(ROOT_HERE, cut, udp=False)
        assert answer is None or decode_reply(answer)
