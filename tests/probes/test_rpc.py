"""ONC RPC, NetInfo and Modbus: the port mapper and controllers in a network namespace, our own NetInfo on loopback."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import binding, serving
from probes.driving import need
from probes.infrastructure import BY_NAME, ask, converse
from probes.vectors import hold, replay

from portlore.oncrpc import message, portmap
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import uint
from portlore.probes.dialogue import Asked
from portlore.probes.rpc_line import number_of
from portlore.probes.rpc_programs import NETINFO, NIBIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from portlore.observed import Identification

HERE = Path(__file__).parent
ROOTLESS = not sys.platform.startswith("linux") or os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare")))
namespaced = pytest.mark.skipif(ROOTLESS, reason="needs root, ip and unshare for a network namespace")


def asked_inside(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """What inside.py prints of these jobs, in a namespace where every port is free."""
    words = ["unshare", "-n", "-m", sys.executable, str(HERE / "inside.py")]
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run(words, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@namespaced
def test_the_port_mapper_lists_itself_on_both_transports() -> None:
    asks = [[probe, 111] for probe in ("portmap-tcp", "portmap-udp", "oncrpc-tcp", "oncrpc-udp", "netinfo-tcp")]
    found = asked_inside({"server": [need("rpcbind", "rpcbind"), "-f"], "asks": asks})
    for one in found[:4]:
        assert one["found"]["protocol"] == "sunrpc", one
        assert {tuple(fact) for fact in one["found"]["facts"]} == {
            ("portmapper", "2, 3, 4 on 111/tcp"),
            ("portmapper", "2, 3, 4 on 111/udp"),
        }
    assert found[4]["found"] is None  # it is no NetInfo, and says so


@namespaced
def test_modbus_is_found_on_its_own_port_and_on_703() -> None:
    asks = [["modbus", 502], ["modbus", 703]]
    server = [sys.executable, str(HERE / "plant.py"), "127.0.0.1", "502", "703"]
    for one in asked_inside({"server": server, "asks": asks}):
        assert one["found"]["protocol"] == "mbap", one
        assert one["found"]["product"] == "Portlore Works PW-7"
        assert one["found"]["confidence"] == "certain"
        assert [side for side, _ in one["heard"]] == ["client", "server"]  # a single request


@pytest.mark.parametrize("probe", ["netinfo-tcp", "oncrpc-tcp"])
def test_netinfo_tells_its_tag_and_host(probe: str) -> None:
    with serving(tag=b"network") as port:
        found = ask(probe, port)
    assert found is not None
    assert (found.protocol, found.product) == ("netinfo", "Portlore")
    assert ("tag", "network, master, 0") in found.facts
    assert ("hostname", "alpha") in found.facts


@pytest.mark.parametrize("probe", ["oncrpc-tcp", "oncrpc-udp"])
def test_a_binder_tells_its_domains_and_their_ports(probe: str) -> None:
    with binding((b"local", 1033), (b"network", 777)) as port:
        found = ask(probe, port)
    assert found is not None
    assert found.protocol == "nibind"
    assert found.facts == (
        ("domain", "local on 1033/tcp and 1033/udp"),
        ("domain", "network on 777/tcp and 777/udp"),
    )


def test_a_server_of_another_program_is_found_to_be_no_netinfo() -> None:
    with binding() as port:
        assert ask("netinfo-tcp", port) is None
        found = ask("portmap-tcp", port)
    assert found is not None
    assert found.protocol == "oncrpc"


def replies(name: str, *statuses: int) -> tuple[Identification | None, list[message.Call]]:
    """What a dialogue finds in these answers to its calls, one after the other; the calls."""
    calls = list[message.Call]()

    def answer(sent: bytes) -> bytes:
        call = message.decode_call(sent)
        assert call is not None
        calls.append(call)
        return message.accepted(call.xid, statuses[len(calls) - 1], 3, 4)

    return converse(BY_NAME[name].dialogue(Asked("h", 4, "udp")), answer), calls


def test_a_program_behind_another_port_is_found_by_its_null_procedure() -> None:
    unavailable, mismatch = message.PROG_UNAVAIL, message.PROG_MISMATCH
    found, _ = replies("oncrpc-udp", unavailable, mismatch)  # NFS is the first that is tried
    assert found is not None
    assert found.protocol == "nfs"
    assert found.facts == (("program", "nfs (100003)"), ("versions", "3-4"))
    found, _ = replies("oncrpc-udp", unavailable, unavailable, mismatch)
    assert found is not None
    assert (found.protocol, found.facts[0]) == ("mountd", ("program", "mountd (100005)"))


def test_a_program_of_an_unknown_number_is_still_rpc() -> None:
    found, _ = replies("oncrpc-udp", *[message.PROG_UNAVAIL] * 16)
    assert found is not None
    assert found.protocol == "oncrpc"


def test_a_server_that_wants_credentials_is_still_rpc_and_is_left_alone() -> None:
    refusal = message.denied(number_of(portmap.PROGRAM, 1), message.TOO_WEAK)
    found, sent = replay(BY_NAME["oncrpc-udp"].dialogue(Asked("h", 4, "udp")), [refusal])
    assert found is not None
    assert found.protocol == "oncrpc"
    assert len(sent) == 1


def test_a_long_list_in_pieces_is_heard_to_its_end() -> None:
    many = [portmap.Mapping(100003, version, portmap.TCP, 2049) for version in (3, 4)]
    whole = marked(message.success(number_of(portmap.PROGRAM, 1), portmap.mappings(many)))
    found = hold(BY_NAME["portmap-tcp"], [whole[:3], whole[3:30], whole[30:]])
    assert found is not None
    assert found.facts == (("nfs", "3, 4 on 2049/tcp"),)


def test_a_reply_to_somebody_else_is_none() -> None:
    assert hold(BY_NAME["portmap-udp"], [message.success(number_of(portmap.PROGRAM, 2), uint(0))]) is None


def test_only_reading_procedures_are_called() -> None:
    """SPEC 2.4 and 2.5: PING and STATISTICS of NetInfo, PING and LISTREG of the binder; null and DUMP elsewhere."""
    allowed = {(NETINFO, 0), (NETINFO, 1), (NIBIND, 0), (NIBIND, 4), (portmap.PROGRAM, 4)}
    unavailable, mismatch, fine = message.PROG_UNAVAIL, message.PROG_MISMATCH, message.SUCCESS
    answers = (
        [unavailable] * 16,
        [unavailable] * 5 + [mismatch, fine],
        [unavailable] * 6 + [mismatch, fine],
        [fine] * 3,
    )
    for statuses in answers:
        for name in ("oncrpc-udp", "portmap-udp", "netinfo-udp"):
            _, calls = replies(name, *statuses)
            assert calls
            for call in calls:
                assert (call.program, call.procedure) in allowed or call.procedure == 0
                assert call.credential == message.NOBODY


def test_an_original_server_and_an_original_binder_are_known_by_their_own_replies() -> None:
    """Our recordings of them (tests/vectors/netinfo), with the number of our call for that of the recorded one."""
    folder = HERE.parent / "vectors/netinfo"
    recorded = json.loads(gzip.decompress((folder / "wire-netinfo.json.gz").read_bytes()))
    by_name = {one["name"]: bytes.fromhex(one["reply_hex"]) for one in reversed(recorded) if one["reply_hex"]}
    calls = enumerate(("NI_PING", "NI_STATISTICS"), 1)
    answers = [number_of(NETINFO, at).to_bytes(4, "big") + by_name[name][4:] for at, name in calls]
    found = hold(BY_NAME["netinfo-udp"], answers)
    assert found is not None
    assert (found.protocol, found.product, found.version) == ("netinfo", "", "208")  # netinfo-208, as they were built
    assert found.facts[:2] == (("tag", "wire, master, 0"), ("hostname", "alpha"))
    recorded = json.loads((folder / "nibind.json").read_text("utf-8"))
    listed = next(bytes.fromhex(one["reply_hex"]) for one in recorded if one["what"] == "UDP: ok" and one["proc"] == 4)

    def answer(sent: bytes) -> bytes:
        call = message.decode_call(sent)
        assert call is not None
        if call.program != NIBIND:
            return message.accepted(call.xid, message.PROG_UNAVAIL)
        there = message.accepted(call.xid, message.PROG_MISMATCH, 1, 1)
        return call.xid.to_bytes(4, "big") + listed[4:] if call.procedure == 4 else there

    found = converse(BY_NAME["oncrpc-udp"].dialogue(Asked("h", 4, "udp")), answer)
    assert found is not None
    assert found.protocol == "nibind"
    assert ("domain", "network on 840/tcp and 839/udp") in found.facts  # as GETREGISTER in the same recording has it
