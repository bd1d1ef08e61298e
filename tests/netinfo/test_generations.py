"""``serve --generation nextstep``: each difference that SPEC names, asked of both generations."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.plainly import ROOT_HERE, STRANGER, encoded, ni_id, plain_match

from portlore.errors import NetInfoError
from portlore.netinfo import binder
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.domain import Domain
from portlore.netinfo.generations import DIFFERENCES
from portlore.netinfo.hosting import Host
from portlore.netinfo.parents import Parent
from portlore.netinfo.values import LAST, NUMBERS, Property, Record, checksum
from portlore.oncrpc.message import NOBODY, Call, encode_call
from portlore.oncrpc.xdr import opaque, uint

FAR = Caller("10.0.0.9", 700, local=False)
NAME = encoded([(b"name", [b"new"])])
OK = uint(0)


def service(generation: str, *more: Property) -> Service:
    records = [
        Record(0, 4, 0, (Property(b"master", (b"a/t",)),), (1, 2)),
        Record(1, 0, 0, (Property(b"name", (b"one",)), Property(b"uid", (b"7",)), *more), ()),
        Record(2, 3, 0, (Property(b"name", (b"two",)),), ()),
    ]
    policy = Policy(classic=True, nextstep=generation == "nextstep")
    return Service(Domain.of(records), b"t", plain_match, policy, b"a")


def ask(
    who: Service, procedure: int, arguments: bytes = b"", caller: Caller = ROOT_HERE, *, udp: bool = False
) -> bytes | None:
    """The results of a call, or its accept_stat where it is not SUCCESS; None for silence."""
    call = encode_call(Call(1, 200100000, 2, procedure, NOBODY, NOBODY, arguments))
    reply = who.answer(caller, call, udp=udp)
    return None if reply is None else reply[24:] if reply[20:24] == bytes(4) else reply[20:]


def status(name: str) -> bytes:
    return uint(NUMBERS[name])


NOWHERE, HERE = ni_id(77, 0), ni_id(0, 4)
OF_NOWHERE = {  # every procedure that begins with an id: its arguments for a directory that is not there
    3: NOWHERE, 4: NOWHERE, 5: NOWHERE + NAME + uint(LAST) + uint(0), 6: NOWHERE + ni_id(1, 0), 7: NOWHERE,
    8: NOWHERE + NAME, 9: NOWHERE, 10: NOWHERE + opaque(b"name") + opaque(b"one"), 11: NOWHERE + opaque(b"name"),
    12: NOWHERE + opaque(b"k") + uint(0) + uint(LAST), 13: NOWHERE + uint(0), 14: NOWHERE + uint(0),
    15: NOWHERE + uint(0) + uint(0), 16: NOWHERE + uint(0) + opaque(b"k"), 17: NOWHERE,
    18: NOWHERE + uint(0) + opaque(b"k") + uint(0), 19: NOWHERE + uint(0) + uint(0), 20: NOWHERE + uint(0) + uint(0),
    21: NOWHERE + uint(0) + uint(0) + opaque(b"k"), 23: NOWHERE, 28: NOWHERE + opaque(b"name") + opaque(b"one"),
}  # fmt: skip


@pytest.mark.parametrize("procedure", OF_NOWHERE)
def test_an_id_that_nobody_has_is_badid_there(procedure: int) -> None:
    """SPEC 2.3."""
    assert ask(service("macosx"), procedure, OF_NOWHERE[procedure]) == status("NODIR")
    assert ask(service("nextstep"), procedure, OF_NOWHERE[procedure]) == status("BADID")


@pytest.mark.parametrize("procedure", [10, 28])
def test_a_look_up_that_finds_nothing_is_nodir_in_both(procedure: int) -> None:
    for generation in ("macosx", "nextstep"):
        assert ask(service(generation), procedure, HERE + opaque(b"name") + opaque(b"x")) == status("NODIR")


@pytest.mark.parametrize("asked", [ni_id(LAST, LAST), ni_id(LAST, 3), ni_id(LAST - 1, 1)])
def test_nextstep_knows_no_versions(asked: bytes) -> None:
    """SPEC 3.2."""
    known = ask(service("macosx"), 3, asked)
    assert known is not None
    assert known[:4] == OK
    assert ask(service("nextstep"), 3, asked) == status("BADID")
    assert ask(service("nextstep"), 3, ni_id(2, 99)) == OK + ni_id(2, 3)


def test_a_child_that_nobody_knows_is_unrelated_there() -> None:
    """SPEC 3.2."""
    assert ask(service("macosx"), 6, HERE + NOWHERE) == status("NODIR")
    assert ask(service("nextstep"), 6, HERE + NOWHERE) == status("UNRELATED")


def create(target: bytes = uint(0), parent: bytes = HERE) -> bytes:
    return parent + NAME + uint(LAST) + target


def test_a_new_directory_begins_at_0_or_at_1() -> None:
    """SPEC 3.1."""
    assert ask(service("macosx"), 5, create()) == OK + ni_id(3, 0) + ni_id(0, 5)
    old = service("nextstep")
    assert ask(old, 5, create()) == OK + ni_id(3, 1) + ni_id(0, 5)
    assert old.domain.checksum == checksum(old.domain.records())


def test_an_id_that_is_used_again_goes_on_counting_there() -> None:
    """SPEC 3.1: no pair of id and instance comes twice."""
    old = service("nextstep")
    assert ask(old, 6, HERE + ni_id(2, 3)) == OK + ni_id(0, 5)
    assert ask(old, 5, create(parent=ni_id(0, 5))) == OK + ni_id(2, 4) + ni_id(0, 6)
    assert ask(old, 6, ni_id(0, 6) + ni_id(2, 4)) == OK + ni_id(0, 7)
    assert ask(old, 5, create(parent=ni_id(0, 7))) == OK + ni_id(2, 5) + ni_id(0, 8)
    assert old.domain.checksum == checksum(old.domain.records())
    new = service("macosx")
    ask(new, 6, HERE + ni_id(2, 3))
    assert ask(new, 5, create(parent=ni_id(0, 5))) == OK + ni_id(2, 0) + ni_id(0, 6)


def test_create_with_a_target_makes_just_that_there() -> None:
    """SPEC 3.1: (500, 7) gives (500, 7); ALIVE where the id is in use; the other generation chooses itself."""
    target = uint(1) + ni_id(500, 7)
    assert ask(service("macosx"), 5, create(target)) == OK + ni_id(3, 0) + ni_id(0, 5)
    old = service("nextstep")
    assert ask(old, 5, create(target)) == OK + ni_id(500, 7) + ni_id(0, 5)
    assert ask(old, 5, create(target, ni_id(0, 5))) == status("ALIVE")
    assert ask(old, 5, create(uint(1) + ni_id(LAST, 0), ni_id(0, 5))) == status("NOSPACE")
    assert ask(old, 5, create(parent=ni_id(0, 5))) == OK + ni_id(3, 1) + ni_id(0, 6)
    assert [one.id for one in old.domain.records()] == [0, 1, 2, 3, 500]
    assert old.domain.checksum == checksum(old.domain.records())


def test_the_highest_id_of_readall_is_one_more_there() -> None:
    """SPEC 5."""
    new, old = (ask(service(generation), 25, uint(0)) for generation in ("macosx", "nextstep"))
    assert new is not None
    assert old is not None
    assert (new[8:12], old[8:12]) == (uint(2), uint(3))
    assert (new[:8], new[12:]) == (old[:8], old[12:])
    same = service("nextstep")
    assert ask(same, 25, uint(same.domain.checksum)) == OK + uint(0) + uint(0) + uint(0)


@pytest.mark.parametrize(("procedure", "arguments"), [(23, HERE), (25, uint(0)), (27, b"")])
def test_some_calls_need_a_reserved_port_there(procedure: int, arguments: bytes) -> None:
    """SPEC 2.6."""
    assert ask(service("nextstep"), procedure, arguments, STRANGER) == status("AUTHERROR")
    for generation, caller in (("nextstep", ROOT_HERE), ("nextstep", FAR), ("macosx", STRANGER)):
        told = ask(service(generation), procedure, arguments, caller)
        assert told is not None
        assert told[:4] == OK


def test_crashed_has_no_status_to_refuse_with() -> None:
    assert ask(service("nextstep"), 26, uint(1), STRANGER) == b""


@pytest.mark.parametrize("udp", [True, False])
def test_a_binding_that_is_refused_is_silence_there(udp: bool) -> None:
    """SPEC 2.5, 3.2."""
    asked = opaque(b"local") + uint(0x0A000005)
    assert ask(service("macosx"), 24, asked, udp=udp) == uint(5)  # SYSTEM_ERR
    assert ask(service("nextstep"), 24, asked, udp=udp) is None


def values_of(results: bytes | None) -> bytes:
    assert results is not None
    assert results[:4] == OK
    return results[12:]


HIDING = {  # SPEC 2.6: what hides uid 7, and from whom
    b"_shadow_uid": (STRANGER,), b"_secure_uid": (STRANGER, FAR), b"_shadow": (STRANGER,), b"_secure": (STRANGER, FAR),
}  # fmt: skip


@pytest.mark.parametrize("rule", HIDING)
@pytest.mark.parametrize("caller", [STRANGER, FAR, ROOT_HERE], ids=["any port", "low port elsewhere", "low port here"])
def test_shadow_and_secure_hide_values_there(rule: bytes, caller: Caller) -> None:
    more = Property(rule, ())
    pairs = [(b"name", [b"one"]), (b"uid", [b"7"]), (rule, [])]
    assert values_of(ask(service("macosx", more), 7, ni_id(1, 0), caller)) == encoded(pairs)
    if caller in HIDING[rule]:
        pairs = [(b"name", [b"one"]), (b"uid", [b"*"]), (rule, [])] if rule.endswith(b"uid") else []
    old = service("nextstep", more)
    assert values_of(ask(old, 7, ni_id(1, 0), caller)) == encoded(pairs)
    listed = ask(old, 11, HERE + opaque(b"uid"), caller)
    shown = dict(pairs).get(b"uid")
    assert listed is not None
    of_one = uint(1) + (uint(1) + uint(1) + opaque(shown[0]) if shown else uint(0))
    assert listed == OK + uint(2) + of_one + uint(2) + uint(0) + HERE


def test_a_parent_that_is_away_is_no_response_there_for_as_long_as_it_is() -> None:
    """SPEC 4."""
    for generation, told in (("macosx", "NETROOT"), ("nextstep", "NORESPONSE")):
        one = service(generation)
        domain = one.domain
        machines = domain.create(domain.at(0), (Property(b"name", (b"machines",)),), LAST)
        given = (Property(b"ip_address", (b"10.0.0.1",)), Property(b"serves", (b"../network",)))
        domain.create(machines, given, LAST)
        parent = Parent(one)
        parent._sought = True
        with pytest.raises(NetInfoError) as refusal:
            parent.server()
        assert refusal.value.status == NUMBERS[told]
    with pytest.raises(NetInfoError) as refusal:
        Parent(service("nextstep")).server()
    assert refusal.value.status == NUMBERS["NETROOT"]


@pytest.mark.parametrize("nextstep", [False, True])
def test_the_binder_does_not_ask_whether_a_server_lives_there(nextstep: bool, tmp_path: Path) -> None:
    """SPEC 2.5: nobody answers at the port that is registered."""

    async def ask_binder() -> bytes | None:
        host = Host("127.0.0.1", str(tmp_path), Policy(nextstep=nextstep), lambda text: None)
        try:
            await host.bind(0)
            assert host.binder is not None
            host.binder.register(binder.Registration(b"gone", 9, 9))
            call = Call(1, binder.PROGRAM, binder.VERSION, binder.GETREGISTER, NOBODY, NOBODY, opaque(b"gone"))
            return await asyncio.to_thread(host.binder.answer, STRANGER, encode_call(call), udp=True)
        finally:
            await host.close()

    reply = asyncio.run(ask_binder())
    assert reply is not None
    assert reply[24:] == (OK + uint(9) + uint(9) if nextstep else status("NORESPONSE"))


def test_a_server_of_either_generation_is_started_by_its_word() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "portlore", "netinfo", "serve", "--generation", "amiga"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "nextstep" in done.stderr


def test_every_difference_says_where_it_is() -> None:
    assert all(re.match(r"\d", one.section) and one.macosx != one.nextstep and one.done for one in DIFFERENCES)
