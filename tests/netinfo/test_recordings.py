"""Every recorded call of the originals, sent to our real server over the transport it went over, on two machines.

A server's replies are held byte for byte against the recorded ones. Only ports are translated, to those that ours has
taken; what differs on purpose stands in OTHERWISE and MASKED with its reason. How clones behave is in test_replicas:
of their recordings those calls are sent that a master answers as well.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.machines import MISSING, machines
from netinfo.recordings import (
    EXCHANGES,
    VECTORS,
    Row,
    answered,
    asked,
    exchange,
    fresh_clone,
    local,
    network,
    transferred,
    unrecorded_writes,
)
from netinfo.test_labelled_calls import start

from portlore.netinfo import binder
from portlore.netinfo.coding import read_properties
from portlore.netinfo.procedures import PROCEDURES
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call, success
from portlore.oncrpc.xdr import Reader, uint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netinfo.machines import Machines

    from portlore.netinfo.domain import Domain

pytestmark = pytest.mark.skipif(MISSING, reason="needs Linux and root, to make network namespaces")
OK = uint(0)
PROTOCOLS = {portmap.UDP: "udp", portmap.TCP: "tcp"}
Place = tuple[str, str, int]  # host, transport, port
Step = dict[str, Any]  # of machines.replay


class Stage(NamedTuple):
    """Recordings that belong together: what is served on which host, and what the recorded ports were of.

    ``loopback``: the host whose 127.0.0.1 it was.
    """

    files: tuple[str, ...]
    serve: dict[str, Callable[[], dict[str, Domain]]]
    ports: dict[Place, str]
    loopback: str = "alpha"
    options: tuple[str, ...] = ("--classic",)
    until: str = ""


def three() -> dict[str, Domain]:
    return {"network": network(), "local": local(), "wire": start()}


STAGES = {
    "tools on one machine": Stage(
        (
            "netinfo",
            "nibind",
            "rparent",
            "rparent_flow",
            "scen-niutil-list",
            "scen-niutil-read-dot",
            "scen-niutil-parent",
            "scen-niutil-root",
            "scen-niutil-child",
            "scen-niutil-create",
            "scen-niutil-createprop-auth",
            "scen-niutil-destroy",
            "scen-nidump-passwd",
            "scen-nidump-raw",
        ),
        {"alpha": three},
        {
            ("alpha", "udp", 838): "",
            ("alpha", "tcp", 841): "",
            ("alpha", "udp", 839): "network",
            ("alpha", "tcp", 840): "network",
            ("alpha", "udp", 840): "local",
            ("alpha", "tcp", 842): "local",
            ("alpha", "udp", 976): "wire",
            ("alpha", "tcp", 977): "wire",
        },
        until="bound=10.77.0.1/network",
    ),
    "a machine starts": Stage(
        ("scen-startup-register-bind",),
        {"alpha": lambda: {"other": fresh_clone()}, "beta": lambda: {"network": network()}},
        {
            ("alpha", "udp", 900): "",
            ("alpha", "tcp", 903): "",
            ("beta", "udp", 657): "",
            ("beta", "udp", 862): "network",
            ("beta", "tcp", 863): "network",
        },
    ),
    "a clone is made": Stage(
        ("scen-clone-create-readall",),
        {"alpha": lambda: {"wire": transferred()}, "beta": lambda: {"wire": fresh_clone()}},
        {
            ("alpha", "udp", 900): "",
            ("alpha", "udp", 902): "wire",
            ("alpha", "tcp", 905): "wire",
            ("beta", "udp", 657): "",
            ("beta", "tcp", 660): "",
            ("beta", "udp", 970): "wire",
            ("beta", "tcp", 971): "wire",
        },
        "beta",
    ),
    "a master's writes": Stage(
        ("scen-master-push-to-clone", "masterbusy"),
        {"alpha": lambda: {"wire": transferred()}, "beta": lambda: {"wire": transferred()}},
        {
            ("alpha", "udp", 900): "",
            ("alpha", "udp", 902): "wire",
            ("alpha", "tcp", 905): "wire",
            ("alpha", "tcp", 778): "wire",
            ("beta", "udp", 657): "",
            ("beta", "udp", 970): "wire",
            ("beta", "tcp", 971): "wire",
        },
        "beta",
    ),
    "a clone that nobody may write": Stage(
        ("clone", "clone_resync_and_crashed_flow"),
        {"alpha": lambda: {"network": network()}, "beta": lambda: {"network": network()}},
        {
            ("alpha", "udp", 838): "",
            ("alpha", "udp", 839): "network",
            ("alpha", "tcp", 840): "network",
            ("beta", "tcp", 863): "network",
        },
        options=("--classic", "--read-only"),
    ),
}
SILENT = "over UDP our binder keeps silent about a BIND that comes to nothing, as NeXTSTEP's did (SPEC 8)"
PUSHED = "scen-master-push-to-clone"
STATUS_ALONE = "the results tell which write came last, which no recording does"
LOCKED = "the original was locked by SIGINT, which ends ours"
TRANSFER = "scen-clone-create-readall"
OTHERWISE: dict[tuple[str, int], tuple[str, bytes | None]] = {  # by file and number: why, and our results then
    ("nibind", 12): (SILENT, None),
    ("nibind", 13): (SILENT, None),
    ("scen-startup-register-bind", 10): (SILENT, None),
    (TRANSFER, 6): ("no updates wait for clones here, so it begins at once", answered(exchange(TRANSFER)[18]).results),
    (PUSHED, 29): ("what the clone had, ours has after the same updates", uint(0) * 4),
}
BEGINS_ALIKE = {("netinfo", 7): STATUS_ALONE, ("netinfo", 9): STATUS_ALONE}
NOT_SENT = {  # what only a clone or a locked master answers so
    ("clone", 3): "a clone sends nobody its domain; ours, being a master, would",
    ("clone_resync_and_crashed_flow", 3): "the same call",
    ("masterbusy", 1): LOCKED,
    (TRANSFER, 1): "what makes the clone: test_replicas sends it, and has what follows",
}
MASKED = {  # properties of STATISTICS that cannot be the same, and why
    "server_version": "another server",
    "notify_threads": "clones have a task each",
    "authentications": "a count of what else happened",
    "cleanup_wait": "minutes since the start",
    "total_calls": "a count of what else happened",
    "binding": "the original says unknown of a domain that no parent was named for, ours root",
}
CLONE = ("tag", "write_locked", "readall_proxies")  # which say that it is one
MASKED_HERE: dict[str, tuple[str, ...]] = {  # and those of single recordings
    "clone": CLONE,
    "clone_resync_and_crashed_flow": CLONE,
    "masterbusy": ("write_locked", "ip_address", "hostname"),  # asked of the other machine, which has the domain
}


def rows_of(name: str) -> list[tuple[int, Row]]:
    """A recording's calls with their numbers, in the order in which they are to be sent."""
    if name == "netinfo":
        rows: list[Row] = json.loads(gzip.decompress((VECTORS / "wire-netinfo.json.gz").read_bytes()))
    elif name == "nibind":
        rows = json.loads((VECTORS / "nibind.json").read_text("utf-8"))
    else:
        rows = exchange(name)
    if name == "masterbusy":  # its domain is what the pushed updates made
        rows = [row | {"client": "10.77.0.2:814", "server": "10.77.0.2:971"} for row in rows]
    if name == PUSHED:  # written by root on the machine itself: from afar only a clone takes that, from its master
        away = [row["server"] == "10.77.0.2:971" for row in rows]
        rows = [row | {"client": "10.77.0.2:917"} if there else row for row, there in zip(rows, away, strict=True)]
        rows[29] |= {"client": "10.77.0.2:978", "server": "10.77.0.2:971"}
        order = (*range(28), 29, 28, 30)  # the clone told its checksum before it had the write of 28
        return [(number, rows[number]) for number in order]
    return list(enumerate(rows))


class Translation:
    """A stage's recordings as calls to our servers: where they go, and what should come back."""

    def __init__(self, stage: Stage, machines: Machines) -> None:
        self._stage = stage
        self._ports = {place: machines.ports[place[0], tag] for place, tag in stage.ports.items()}

    def _host(self, address: str) -> str:
        return {"10.77.0.1": "alpha", "127.0.0.1": self._stage.loopback}.get(address, "beta")

    def _port(self, host: str, transport: str, port: int) -> int:
        """Our port for a recorded one; those of servers that are not there stay."""
        return self._ports.get((host, transport, port), port)

    def _registration(self, host: str, one: binder.Registration) -> binder.Registration:
        udp, tcp = self._port(host, "udp", one.udp_port), self._port(host, "tcp", one.tcp_port)
        return one.replace(udp_port=udp, tcp_port=tcp)

    def step(self, number: tuple[str, int], row: Row) -> Step:
        """What :func:`machines.replay` is to do for a call."""
        call = asked(row)
        (address, port), (client, client_port) = row["server"].split(":"), row["client"].split(":")
        host = self._host(client)
        if row["name"] == "PMAP_SET":
            one = portmap.read_mapping(Reader(call.arguments))
            one = one.replace(port=self._port(host, PROTOCOLS[one.protocol], one.port))
            call = call.replace(arguments=portmap.mapping(one))
        elif row["name"] == "NIBIND_REGISTER":
            given = binder.decode_arguments(call.procedure, call.arguments)
            assert isinstance(given, binder.Registration)
            call = call.replace(arguments=binder.encode_arguments(self._registration(host, given)))
        ours = self._port(self._host(address), row["transport"], int(port))
        made: Step = {"host": host, "transport": row["transport"], "line": f"{row['client']} {row['server']}"}
        made |= {"client": [client, int(client_port)], "server": [address, ours], "request": encode_call(call).hex()}
        if OTHERWISE.get(number, ("", b""))[1] is None:
            made["silence"] = encode_call(Call(7, call.program, call.version, 0, NOBODY, NOBODY, b"")).hex()
        return made

    def reply(self, row: Row) -> bytes:
        """The recorded reply, with our ports."""
        call, reply = asked(row), answered(row)
        host = self._host(row["server"].split(":")[0])
        results = reply.results
        if reply.accepted != SUCCESS or row["ni_status"] not in (None, "NI_OK"):
            return bytes.fromhex(row["reply_hex"])
        if row["name"] == "PMAP_GETPORT":
            kind = PROTOCOLS[portmap.read_mapping(Reader(call.arguments)).protocol]
            results = uint(self._port(host, kind, Reader(results).uint()))
        elif row["name"] == "PMAP_CALLIT":
            results = uint(self._port(host, "udp", Reader(results).uint())) + results[4:]
        elif row["name"] == "NIBIND_GETREGISTER":
            one = binder.Registration(b"", *binder.decode_ports(results))
            results = binder.encode_ports(self._registration(host, one))
        elif row["name"] == "NIBIND_LISTREG":
            many = [self._registration(host, one) for one in binder.decode_registrations(results)]
            results = binder.encode_registrations(many)
        return success(reply.xid, results)


def between(number: tuple[str, int], translation: Translation, row: Row) -> list[Step]:
    """What went on without being recorded, or takes its time: steps that follow a call."""
    call = asked(row)
    if number in (("nibind", 36), ("nibind", 38)):  # the new domain's server comes up
        given = binder.decode_arguments(call.procedure, call.arguments)
        made = given.tag if isinstance(given, binder.Cloning) else given
        again = call.replace(procedure=binder.GETREGISTER, arguments=binder.encode_arguments(made))
        return [translation.step(number, row) | {"request": encode_call(again).hex(), "until": True}]
    if number == (TRANSFER, 0):  # what stands for the clone is not known before it registers
        register = exchange(TRANSFER)[3]
        tag = asked(register).replace(procedure=binder.UNREGISTER)
        return [translation.step(number, register) | {"request": encode_call(tag).hex()}]
    if number == ("scen-niutil-createprop-auth", 14):
        step = translation.step(number, row | {"client": "10.77.0.1:1000"})
        return [step | {"request": one.hex()} for one in unrecorded_writes()]
    return []


def same(number: tuple[str, int], row: Row, wanted: bytes, got: bytes | None) -> bool:
    """Whether a reply is the recorded one, or what it should be instead."""
    if number in OTHERWISE:
        results = OTHERWISE[number][1]
        return got == (None if results is None else success(answered(row).xid, results)) and got != wanted
    if got is None or got == wanted:
        return got is not None
    if number in BEGINS_ALIKE:
        return got[:28] == wanted[:28]
    return row["name"] == "NI_STATISTICS" and same_statistics(number[0], wanted, got)


def same_statistics(name: str, wanted: bytes, got: bytes) -> bool:
    """The same properties in the same order, with the same values where they can be the same."""
    theirs, ours = (read_properties(Reader(decode_reply(one).results)) for one in (wanted, got))
    if [one.name for one in ours] != [one.name for one in theirs]:
        return False
    masked = {*MASKED, *MASKED_HERE.get(name, ())}
    for one, other in zip(ours, theirs, strict=True):
        if one.name.decode() in masked:
            continue
        number_alone = one.name.decode() in {row.name for row in PROCEDURES}  # then calls and microseconds
        size = 1 if number_alone else 2 if one.name == b"tag" else len(one.values)  # tag, master, then its clones
        if one.values[:size] != other.values[:size] or len(one.values) != len(other.values):
            return False
    return True


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines")) as made:
        yield made


@pytest.mark.parametrize("name", STAGES)
def test_our_servers_answer_what_was_recorded_byte_for_byte(hosts: Machines, name: str) -> None:
    stage = STAGES[name]
    rows = [((file, at), row) for file in stage.files for at, row in rows_of(file) if (file, at) not in NOT_SENT]
    try:
        for host, domains in stage.serve.items():
            hosts.serve(host, domains(), *stage.options, until=stage.until)
        translation, steps, places = Translation(stage, hosts), list[Step](), list[int]()
        for number, row in rows:
            places.append(len(steps))
            steps += [translation.step(number, row), *between(number, translation, row)]
        replies = hosts.replay(steps)
    finally:
        hosts.stop()
    different = {}
    for (number, row), place in zip(rows, places, strict=True):
        wanted, got = translation.reply(row), replies[place]
        if not same(number, row, wanted, got):
            different[number, row["name"], row["what"]] = (wanted.hex(), None if got is None else got.hex())
    assert different == {}


def test_no_recording_is_left_out() -> None:
    sent = {file for stage in STAGES.values() for file in stage.files}
    assert sent == {"netinfo", "nibind", *EXCHANGES}
    known = {(file, at) for file in sent for at, _ in rows_of(file)}
    assert {*OTHERWISE, *BEGINS_ALIKE, *NOT_SENT} <= known
