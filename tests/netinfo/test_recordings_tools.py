"""The tools of the recordings, run anew: what ours put on the wire is held against what the original's did.

The same procedures of the same servers in the same order with the same arguments; xids, stamps and the instances of
reads, which no server looks at, are left out. Where ours asks otherwise on purpose, DIFFERENCES says how, and why a
real server does not mind. What they print is held byte for byte.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.machines import ALPHA, BETA, MISSING, machines
from netinfo.recordings import asked, exchange, local, network, printed, unrecorded_writes, wire

from portlore.netinfo import binder
from portlore.netinfo.access import inverted
from portlore.netinfo.answering import PROGRAM, REPLICAS
from portlore.netinfo.calling import WRITES
from portlore.netinfo.procedures import PROCEDURES
from portlore.oncrpc import portmap
from portlore.oncrpc.message import AUTH_UNIX, decode_unix
from portlore.oncrpc.xdr import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netinfo.machines import Machines, Sent

    from portlore.oncrpc.message import Call

    Change = Callable[[list["Said"]], list["Said"]]

pytestmark = pytest.mark.skipif(MISSING, reason="needs Linux and root, to make network namespaces")
TOOL = [sys.executable, "-m", "portlore.netinfo.tools"]
WHERE = f"{ALPHA}/wire"
MAPPER = {portmap.SET: "set", portmap.UNSET: "unset", portmap.GETPORT: "getport", portmap.CALLIT: "callit"}
PROGRAMS = {portmap.PROGRAM: MAPPER, PROGRAM: {row.number: row.name for row in PROCEDURES}} | {
    binder.PROGRAM: {row.number: row.name for row in binder.PROCEDURES}
}


class Said(NamedTuple):
    """A call as two clients may be compared by it. ``who``: the uid and password that it was made with."""

    server: str
    name: str
    arguments: bytes
    who: tuple[int, bytes] | None


def said(server: str, call: Call) -> Said:
    """A call without what may differ: an instance is looked at by writes alone."""
    arguments, who = call.arguments, None
    if call.program == PROGRAM and call.procedure not in WRITES and len(arguments) >= 8:
        arguments = arguments[:4] + bytes(4) + arguments[8:]
    if call.credential.flavor == AUTH_UNIX:
        unix = decode_unix(call.credential.body)
        who = unix.uid, inverted(unix.machine)
    return Said(server, PROGRAMS[call.program][call.procedure], arguments, who)


def recorded(name: str) -> list[Said]:
    """What the original tool said, without what servers said meanwhile.

    The binder calls the server that it is asked for (PING); the server that is asked for its parent looks whether
    that is still there (GETPORT, GETREGISTER, PING) before it answers.
    """
    heard, among_servers = list[Said](), 0
    for row in exchange(name):
        one = said(row["server"].split(":")[0], asked(row))
        if one.name == "ping":
            continue
        if among_servers:
            among_servers -= 1
            continue
        heard.append(one)
        among_servers = 2 if one.name == "rparent" and row["ni_status"] == "NI_OK" else 0
    return heard


# What ours does otherwise


def once(many: list[Said]) -> list[Said]:
    """What is asked twice in a row, a call or two, is asked once."""
    kept: list[Said] = []
    for one in many:
        kept.append(one)
        for size in (1, 2):
            if len(kept) >= 2 * size and kept[-size:] == kept[-2 * size : -size]:
                del kept[-size:]
    return kept


def without(name: str) -> Change:
    return lambda many: [one for one in many if one.name != name]


def whole(many: list[Said]) -> list[Said]:
    """LISTPROPS and the READPROP behind it are a READ."""
    kept: list[Said] = []
    for one in many:
        if one.name == "readprop" and kept[-1].name == "listprops" and kept[-1].arguments == one.arguments[:8]:
            kept[-1] = one._replace(name="read", arguments=one.arguments[:8])
        else:
            kept.append(one)
    return kept


def one_local(many: list[Said]) -> list[Said]:
    """From STATISTICS to the next GETREGISTER: nothing; and all of it on one address of the machine."""
    begin = next((at for at, one in enumerate(many) if one.name == "statistics"), len(many))
    end = next((at for at, one in enumerate(many) if at > begin and one.name == "getregister"), begin - 1)
    return [one._replace(server=ALPHA) for one in (*many[:begin], *many[end + 1 :])]


class Difference(NamedTuple):
    change: Change
    why: str


DIFFERENCES = {
    "the root's id less often": Difference(without("root"), "it tells nothing that a read would need"),
    "nothing twice": Difference(once, "the original forgets what it has just been told"),
    "a write's instance when it is needed": Difference(without("self"), "the same writes; SELF is asked elsewhere"),
    "a directory at once": Difference(whole, "READ gives all that LISTPROPS and READPROP give; every server has it"),
    # Sun's library, on which all servers were built, takes calls that arrive together one by one.
    "level by level": Difference(sorted, "the same calls, sent ahead of their replies"),
    "whether a root is one": Difference(
        lambda many: [one for one in many if one.who != (os.getuid(), REPLICAS)],
        "a domain whose parent is away says that it has none; its STATISTICS tell (SPEC 3.2, binding)",
    ),
    "one local server": Difference(one_local, "no other machine serves a domain with the tag local (SPEC 1)"),
}
OTHERWISE: dict[str, tuple[str, ...]] = {  # which of them each tool needs
    "scen-niutil-read-dot": ("one local server",),
    "scen-niutil-parent": ("a directory at once", "the root's id less often"),
    "scen-niutil-root": ("a directory at once", "the root's id less often", "nothing twice", "whether a root is one"),
    "scen-niutil-child": ("a directory at once", "the root's id less often", "nothing twice", "whether a root is one"),
    "scen-niutil-list": (),
    "scen-niutil-create": ("the root's id less often", "nothing twice", "a write's instance when it is needed"),
    "scen-niutil-createprop-auth": ("a directory at once", "nothing twice"),
    "scen-niutil-destroy": ("a write's instance when it is needed",),
    "scen-nidump-passwd": (),
    "scen-nidump-raw": ("level by level",),
}
RUNS: dict[str, tuple[str, ...]] = {  # in the order in which they can follow one another; words as the exchange shows
    "scen-niutil-read-dot": ("niutil", "-read", ".", "/machines/alpha"),
    "scen-niutil-parent": ("niutil", "-list", "..", "/"),
    "scen-niutil-root": ("niutil", "-read", "/", "/machines/alpha"),
    "scen-niutil-child": ("niutil", "-list", "/alpha", "/"),
    "scen-niutil-list": ("niutil", "-list", "-t", WHERE, "/"),
    "scen-niutil-create": ("niutil", "-create", "-t", WHERE, "/a/b/c"),
    "scen-niutil-createprop-auth": (
        *("niutil", "-createprop", "-u", "root", "-P", "rootpw", "-t", WHERE),
        *("/a/b/c", "k", "v1", "v2"),
    ),
    "scen-niutil-destroy": ("niutil", "-destroy", "-t", WHERE, "/a"),
    "scen-nidump-passwd": ("nidump", "passwd", "-t", WHERE),
    "scen-nidump-raw": ("nidump", "-r", "/", "-t", WHERE),
}
Run = tuple[int, bytes, bytes, "list[Sent]"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """The recorded machine alpha, and beta without a server."""
    with machines(tmp_path_factory.mktemp("machines")) as made:
        domains = {"network": network(), "local": local(), "wire": wire(5)}  # 5: as the first recording shows
        made.serve("alpha", domains, "--classic", until="bound=10.77.0.1/network")
        yield made


def watch(hosts: Machines, host: str, words: list[str]) -> Run:
    """What a command does, but for what our master says to its clone on beta, which is not there."""
    code, out, err, sent = hosts.watch(host, words)
    return code, out, err, [one for one in sent if one.target[0] != BETA]


@pytest.fixture(scope="module")
def runs(hosts: Machines) -> dict[str, Run]:
    """Every tool, run one after another."""
    done = {}
    for name, words in RUNS.items():
        if name == "scen-niutil-list":  # from here without the local domain's server, which looks for its parent
            hosts.stop()  # every half minute, and would be heard
            hosts.serve("alpha", {"network": network(), "wire": wire(5)}, "--classic")
        if name == "scen-niutil-destroy":
            place = {"host": "alpha", "transport": "tcp", "line": "", "client": [ALPHA, 1000]}
            place["server"] = [ALPHA, hosts.ports["alpha", "wire"]]
            hosts.replay([place | {"request": one.hex()} for one in unrecorded_writes()])
        host = "beta" if name == "scen-niutil-createprop-auth" else "alpha"
        done[name] = watch(hosts, host, [*TOOL, *words])
    return done


@pytest.mark.parametrize("name", RUNS)
def test_a_tool_asks_and_prints_what_the_original_did(runs: dict[str, Run], name: str) -> None:
    code, out, err, sent = runs[name]
    assert (code, out, err) == (0, printed(name), b"")
    theirs, ours = recorded(name), [said(one.target[0], one.call) for one in sent]
    for word in OTHERWISE[name]:
        change, why = DIFFERENCES[word]
        assert (change(theirs), change(ours)) != (theirs, ours), f"{word} ({why}): not any more"
        theirs, ours = change(theirs), change(ours)
    assert ours == theirs


def test_root_calls_from_reserved_ports_over_the_transports_of_old(runs: dict[str, Run]) -> None:
    sent = [one for run in runs.values() for one in run[3]]
    assert {one.transport for one in sent if one.call.program == PROGRAM} == {"tcp"}
    assert {one.transport for one in sent if one.call.program != PROGRAM} == {"udp"}
    assert max(one.source[1] for one in sent if one.transport == "tcp") < 1024


# A server as a client: of the port mapper, and of its parent

STARTUP = "scen-startup-register-bind"


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_server_registers_with_a_port_mapper_as_the_original_did(hosts: Machines) -> None:
    """Without asking the port mapper for its own port, which is 111."""
    port = hosts.ports["alpha", ""]
    mappings = [portmap.read_mapping(Reader(asked(row).arguments)) for row in exchange(STARTUP)[:6]]
    theirs = [
        Said("", MAPPER[row["proc"]], portmap.mapping(one.replace(port=port if one.port else 0)), None)
        for row, one in zip(exchange(STARTUP), mappings, strict=False)
        if row["name"] != "PMAP_GETPORT"
    ]
    assert [one.name for one in theirs] == ["unset", "set", "set"]
    assert printed(STARTUP).strip().isdigit()  # its process number
    text = f"""
from portlore.netinfo.embedded import register
from portlore.oncrpc.portmap import Mapping
register([Mapping({binder.PROGRAM}, 1, 17, {port}), Mapping({binder.PROGRAM}, 1, 6, {port})])
"""
    code, _, err, sent = watch(hosts, "alpha", python(text))
    assert (code, err) == (0, b"")
    assert [said("", one.call) for one in sent] == theirs
    assert all(one.target == ("127.0.0.1", 111) and one.source[1] < 1024 for one in sent)


def test_a_server_calls_for_its_parent_as_the_original_did(hosts: Machines) -> None:
    """Without a credential, which nobody looks at, and without the four bytes that the original adds to a BIND."""
    row = next(row for row in exchange(STARTUP) if row["name"] == "PMAP_CALLIT")
    theirs = portmap.read_indirect(Reader(asked(row).arguments))
    text = f"from portlore.netinfo.parents import broadcast; print(broadcast({ALPHA!r}, b'local', b'network'))"
    code, out, _, sent = watch(hosts, "alpha", python(text))
    assert (code, out) == (0, ALPHA.encode() + b"\n")
    assert said("", sent[0].call).name == "callit"
    assert sent[0].target[0] in ("10.77.0.255", "255.255.255.255")
    ours = portmap.read_indirect(Reader(sent[0].call.arguments))
    assert ours.replace(arguments=ours.arguments + bytes(4)) == theirs


def test_a_server_looks_after_its_parent_as_the_original_did(hosts: Machines) -> None:
    """By a ROOT over the stream that its clients will use, in place of a PING by a datagram."""
    theirs = [said(ALPHA, asked(row)) for row in exchange("rparent_flow")]
    assert [one.name for one in theirs] == ["rparent", "getport", "getregister", "ping", "ping", "statistics"]
    text = f"from portlore.netinfo.parents import answers; print(answers({ALPHA!r}, b'network'))"
    code, out, _, sent = watch(hosts, "alpha", python(text))
    assert (code, out) == (0, b"True\n")
    ours = [said(one.target[0], one.call) for one in sent]
    assert ours[:2] == theirs[1:3]
    assert {(one.name, one.server) for one in ours[2:]} == {("root", ALPHA)}
