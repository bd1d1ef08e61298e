"""Masters and clones: what was recorded of the originals, both sides; real processes, killed and cut off."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Linux and root", allow_module_level=True)
from netinfo import replicas
from netinfo.processes import run
from netinfo.recordings import answered, asked, exchange, network, read_all, transferred
from netinfo.replicas import (
    CLONES,
    MASTER,
    Script,
    add,
    apart,
    call,
    checksum,
    cloned,
    content,
    gone,
    group,
    handle,
    in_step,
    launch,
    office,
    reserved,
    served,
    stored,
)

from portlore.errors import NetInfoError, ProtocolError
from portlore.netinfo import binder
from portlore.netinfo.client import Place, connect
from portlore.netinfo.coding import read_properties
from portlore.netinfo.domain import Domain
from portlore.netinfo.replicating import MOST_WAITING, Leading, decode_all, refusal
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, NUMBERS, NiId, Property, properties
from portlore.oncrpc.message import decode_reply
from portlore.oncrpc.xdr import Reader, uint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.oncrpc.message import Call

alone = pytest.mark.skipif(replicas.MISSING, reason="needs Linux, root, ip and nft")
ALPHA, BETA = "10.77.0.1", "10.77.0.2"
PUSH, LOAD = exchange("scen-master-push-to-clone"), exchange("scen-clone-create-readall")
PUSHED = [PUSH[at] for at in (*range(3, 19), 28)]
OK, RDONLY = uint(0), NUMBERS["RDONLY"]
CURRENT = OK + uint(0) * 3  # what READALL says to who has it all


@pytest.fixture
def machine() -> Iterator[None]:
    with apart(ALPHA, BETA):
        yield


def served_calls(asked_there: list[tuple[int, Call, bytes]], *procedures: int) -> list[tuple[int, Call, bytes]]:
    return [one for one in asked_there if one[1].program == 200100000 and one[1].procedure in procedures]


# What was recorded


@alone
@pytest.mark.usefixtures("machine")
def test_our_master_pushes_the_recorded_bytes(tmp_path: Path) -> None:
    path = stored(tmp_path / "wire", transferred())
    clone = Script(BETA, lambda one: OK)
    options = ("--classic", "--plain")
    with served(ALPHA, path, *options, tag="wire") as master, reserved(ALPHA, (ALPHA, master.port)) as root:
        clone.wait(lambda many: any(one.procedure == 26 and one.program == 200100000 for one in many))  # is greeted
        for row in PUSHED:
            given, recorded = asked(row).arguments, answered(row)
            if row["name"] == "NI_CREATE" and given[-8:] == recorded.results[4:12]:  # its client gave no id
                given = given[:-12] + uint(0)
            reply = replicas.exchange(root, call(asked(row).procedure, given))
            assert decode_reply(reply).results == recorded.results
        writes = [asked(row).procedure for row in PUSHED]
        told = clone.wait(lambda many: sum(one.procedure in writes and one.program == 200100000 for one in many) >= 17)
        # RESYNC to the master is passed on; with it the whole recording is there
        replicas.exchange(root, call(27, b""))
        told = clone.wait(lambda many: any(one.procedure == 27 for one in many))
    clone.close()
    pushed = served_calls(told, *writes)
    assert [record[4:] for _, _, record in pushed] == [bytes.fromhex(row["request_hex"])[4:] for row in PUSHED]
    assert {port < 1024 for port, _, _ in pushed} == {True}
    resync = served_calls(told, 27)[0]
    assert resync[2][4:] == bytes.fromhex(PUSH[22]["request_hex"])[4:]
    first = [record for _, _, record in told[:2]]
    assert [one[4:] for one in first] == [bytes.fromhex(PUSH[at]["request_hex"])[4:] for at in (0, 1)]
    crashed = served_calls(told, 26)[0]
    assert crashed[1].arguments == uint(transferred().checksum), "a master that starts tells its checksum"


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_is_made_and_loads_as_recorded(tmp_path: Path) -> None:
    whole = answered(LOAD[18]).results
    replies = [answered(LOAD[6]).results, whole]
    master = Script(ALPHA, lambda one: (replies.pop(0) if replies else CURRENT) if one.procedure == 25 else b"")
    domain, _ = office()
    with served(BETA, stored(tmp_path / "other", domain), "--plain", tag="other") as host:
        port = int(host.line(r"binder address=\S+ port=(\d+)")[1])
        with reserved(BETA, (BETA, port)) as root:
            made = replicas.exchange(root, bytes.fromhex(LOAD[1]["request_hex"]))
            assert made == bytes.fromhex(LOAD[1]["reply_hex"])
            again = replicas.exchange(root, bytes.fromhex(LOAD[1]["request_hex"]))
            assert Reader(decode_reply(again).results).uint() in (NUMBERS["DUPTAG"], NUMBERS["SYSTEMERR"])
        ours = int(host.line(r"serving tag=wire .* port=(\d+) clone")[1])
        master.wait(lambda many: any(one.procedure == 25 and one.program == 200100000 for one in many))
        with reserved(ALPHA, (BETA, ours)) as line:
            refused = replicas.exchange(line, bytes.fromhex(LOAD[12]["request_hex"]))
            assert refused == bytes.fromhex(LOAD[12]["reply_hex"])
            host.line("read all tag=wire")
            assert replicas.exchange(line, bytes.fromhex(LOAD[19]["request_hex"])) == bytes.fromhex(
                LOAD[19]["reply_hex"]
            )
            told = master.wait(lambda many: sum(one.program == 200100000 for one in many) >= 3)
            for row in PUSHED:
                assert replicas.exchange(line, bytes.fromhex(row["request_hex"])) == bytes.fromhex(row["reply_hex"])
        with reserved(BETA, (BETA, port)) as root:
            gone = replicas.exchange(
                root, bytes.fromhex(LOAD[1]["request_hex"])[:20] + uint(7) + bytes(16) + tag("wire")
            )
            assert decode_reply(gone).results == OK
    master.close()
    calls = [record[4:] for _, one, record in told if one.program != 100000 or one.arguments[:4] == b"\x0b\xed\x48\xa1"]
    wanted = [bytes.fromhex(LOAD[at]["request_hex"])[4:] for at in (4, 5, 6)]
    assert calls[:3] == wanted
    assert bytes.fromhex(LOAD[18]["request_hex"])[4:] in calls[3:]


def tag(name: str) -> bytes:
    return uint(len(name)) + name.encode() + bytes(-len(name) % 4)


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_refuses_other_writers_as_recorded(tmp_path: Path) -> None:
    path, rows = stored(tmp_path / "network", network()), exchange("clone")
    with Store(str(path)) as store:
        store.mark_clone()
    master = Script(ALPHA, lambda one: CURRENT if one.procedure == 25 else b"")
    with served(BETA, path, "--classic", tag="network") as one, reserved(BETA, (BETA, one.port)) as line:
        for row in rows[:6]:
            assert replicas.exchange(line, bytes.fromhex(row["request_hex"])).hex() == row["reply_hex"], row["what"]
        reply = replicas.exchange(line, bytes.fromhex(rows[6]["request_hex"]))
        flow = exchange("clone_resync_and_crashed_flow")[7:]
        told = master.wait(lambda many: sum(each.procedure == 25 for each in many) >= 1)
    master.close()
    ours, theirs = (
        read_properties(Reader(decode_reply(each).results)) for each in (reply, bytes.fromhex(rows[6]["reply_hex"]))
    )
    for at in (0, 2, 9):  # the checksum, what it is, who may read all
        assert ours[at] == theirs[at]
    assert ours[5].values in [(b"clone",), theirs[5].values]
    records = [record[4:] for _, _, record in told]
    for row in flow:
        assert bytes.fromhex(row["request_hex"])[4:] in records


def test_the_recorded_transfer_decodes_to_the_recorded_domain() -> None:
    domain = decode_all(answered(LOAD[18]).results[4:])
    assert domain is not None
    assert list(domain.records()) == list(read_all(LOAD[18]).records())
    assert decode_all(CURRENT[4:]) is None


@pytest.mark.parametrize("at", range(4, 400, 7))
def test_a_spoilt_transfer_is_refused_or_the_same_tree(at: int) -> None:
    whole = answered(LOAD[18]).results[4:]
    spoilt = whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
    try:
        domain = decode_all(spoilt)
    except ProtocolError:
        return
    assert domain is None or domain.checksum == int.from_bytes(spoilt[:4], "big")


# What is taken, what is not


def test_a_bare_master_is_not_taken_unless_that_is_wished() -> None:
    held, _ = office(1, 50)
    bare = Domain.of([next(office(1, 0)[0].records()).replace(children=())])
    word = refusal(held, bare, CLONES[0], b"net", accept_empty=False)
    assert "--accept-empty" in word
    assert refusal(held, bare, CLONES[0], b"net", accept_empty=True) == ""
    assert refusal(held, held, CLONES[0], b"net", accept_empty=False) == ""
    assert "does not list this server" in refusal(held, held, "127.0.0.9", b"net", accept_empty=False)


def test_too_many_writes_for_one_clone_have_it_read_all() -> None:
    domain, people = office()
    leading = Leading(domain, lambda address: address == MASTER, b"net")
    (clone,) = leading.clones.values()
    clone.batch(domain.checksum)
    clone.behind = False
    for number in range(MOST_WAITING + 1):
        one = domain.at(people)
        before = one.ni_id
        domain.write(one, (Property(b"name", (b"users",)),))
        leading.wrote(13, uint(before.object) + uint(before.instance) + uint(0), OK, domain)
        leading.stored(leading.take(), domain, domain.checksum)
        assert len(clone.waiting) == (number + 1 if number < MOST_WAITING else 0)
    assert clone.behind
    assert clone.batch(domain.checksum) == [(26, uint(domain.checksum))]


# Real processes


@alone
@pytest.mark.usefixtures("machine")
def test_three_clones_have_every_write_hashes_too(tmp_path: Path) -> None:
    with group(tmp_path, 3) as (master, clones, people):
        with handle(master, MASTER) as one:
            for number in range(20):
                add(one, people, f"new{number}")
            in_step(master, clones)
            machines = one.lookup(NiId(0, 0), b"name", b"machines")[0]
            (itself,) = one.lookup(NiId(machines, 0), b"name", b"m")
            one.create_property(one.itself(NiId(itself, 0)), Property(b"note", (b"x",)))
            one.destroy(
                one.itself(NiId(people, 0)), one.itself(NiId(one.lookup(NiId(people, 0), b"name", b"new3")[0], 0))
            )
        in_step(master, clones)
        told = run("status", "127.0.0.1/net", "--json")
        assert told.returncode == 0, told.stdout
        rows = json.loads(told.stdout)["domains"][0]["servers"]
        assert [row["role"] for row in rows] == ["master", "clone", "clone", "clone"]
        assert all(row["equal"] and row["last_push"] for row in rows[1:])
        places = [Place(CLONES[1], b"net"), Place(MASTER, b"net")]
        with connect(places, 5) as one:  # at the clone: reads are answered there, the first write goes to the master
            assert one.connection.address == CLONES[1]
            add(one, people, "by way of a clone")
            assert one.connection.address == MASTER
        in_step(master, clones)
        with handle(clones[0], CLONES[0]) as one, pytest.raises(NetInfoError) as refused:
            add(one, people, "nobody")
        assert refused.value.status == RDONLY
        clones[2].kill()
        told = run("status", "127.0.0.1/net")
        assert told.returncode == 1
        assert "NOT HEALTHY" in told.stdout
    wanted = content(tmp_path / "m")
    assert content(tmp_path / "c0") == content(tmp_path / "c1") == wanted
    assert any(one.values == (b"abz3GtcEvEtv6",) for record in wanted[1] for one in record.properties)


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_is_made_by_the_command_and_follows(tmp_path: Path) -> None:
    domain, people = office(0)
    with served("0.0.0.0", stored(tmp_path / "m", domain), "--classic") as master:
        refused = run("clone", "127.0.0.1/net", tmp_path / "copy", "--tag", "copy")
        assert refused.returncode == 2
        assert "does not list this server" in refused.stderr
        itself = run("clone", "127.0.0.1/net", tmp_path / "copy")
        assert "its own master" in itself.stderr
        assert not (tmp_path / "copy").exists()
        with handle(master, MASTER) as one:
            machines = one.lookup(NiId(0, 0), b"name", b"machines")[0]
            (itself_,) = one.lookup(NiId(machines, 0), b"name", b"m")
            given = one.read(NiId(itself_, 0)).properties
            at = [each.name for each in given].index(b"serves")
            one.write_values(one.itself(NiId(itself_, 0)), at, (b"./net", b"./copy"))
            add(one, people, "later")
        made = run("clone", "127.0.0.1/net", tmp_path / "copy", "--tag", "copy")
        assert made.returncode == 0, made.stderr
    assert content(tmp_path / "copy") == content(tmp_path / "m")
    with Store(str(tmp_path / "copy"), exclusive=False) as store:
        store.load()
        assert store.is_clone


@alone
@pytest.mark.usefixtures("machine")
def test_a_master_that_comes_back_empty_wipes_nothing(tmp_path: Path) -> None:
    with group(tmp_path, 1, users=30) as (master, _, _):
        master.kill()
    before = content(tmp_path / "c0")
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"m{end}").unlink(missing_ok=True)
    bare = Domain.of([next(office(1, 0)[0].records()).replace(children=())])
    machines = bare.create(bare.at(0), properties([("name", ["machines"])]), LAST)
    bare.create(machines, properties([("name", ["m"]), ("ip_address", [MASTER]), ("serves", ["./net"])]), LAST)
    stored(tmp_path / "m", bare)
    with served(MASTER, tmp_path / "m"), served(CLONES[0], tmp_path / "c0") as clone:
        clone.line("came back with 3 directories .*--accept-empty")
        told = run("status", "127.0.0.2/net")
        assert told.returncode == 1
        assert "--accept-empty" in told.stdout
    assert content(tmp_path / "c0") == before
    with served(MASTER, tmp_path / "m"), served(CLONES[0], tmp_path / "c0", "--accept-empty") as clone:
        clone.line("read all tag=net directories=3")
    assert content(tmp_path / "c0") == content(tmp_path / "m")


@alone
@pytest.mark.usefixtures("machine")
def test_of_two_masters_neither_loses_anything(tmp_path: Path) -> None:
    domain, people = office(1)
    path = stored(tmp_path / "m", domain)
    (tmp_path / "c0").write_bytes(path.read_bytes())  # a copy that nobody made a clone
    with served(MASTER, path, "--classic") as master, served(CLONES[0], tmp_path / "c0", "--classic") as other:
        with handle(other, CLONES[0]) as one:
            add(one, people, "only there")
        with handle(master, MASTER) as one:
            add(one, people, "only here")
        told = run("status", "127.0.0.1/net")
        assert told.returncode == 1
        assert "two masters" in told.stdout
    names = [{v for r in content(p)[1] for one in r.properties for v in one.values} for p in (path, tmp_path / "c0")]
    assert b"only here" in names[0]
    assert b"only there" in names[1]


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_that_the_master_names_is_the_master_from_its_next_start_on(tmp_path: Path) -> None:
    with group(tmp_path) as (master, clones, people):
        with handle(master, MASTER) as one:
            one.write_values(one.root(), 0, (b"c0/net",))
        in_step(master, clones)
        clones[0].end()
        with served(CLONES[0], tmp_path / "c0") as again, handle(again, CLONES[0]) as there:
            again.line("this clone has become the master")
            add(there, people, "new times")


@alone
@pytest.mark.usefixtures("machine")
def test_a_cut_network_is_made_good_when_it_is_back(tmp_path: Path) -> None:
    with group(tmp_path) as (master, clones, people), handle(master, MASTER) as one:
        add(one, people, "before")
        in_step(master, clones)
        cut = "add table ip cut; add chain ip cut out { type filter hook output priority 0; }; add rule ip cut out ip "
        subprocess.run(["nft", f"{cut} saddr {MASTER} ip daddr {CLONES[0]} drop"], check=True)
        subprocess.run(["nft", f"add rule ip cut out ip saddr {CLONES[0]} ip daddr {MASTER} drop"], check=True)
        for number in range(10):
            add(one, people, f"meanwhile{number}")
        master.line(f"clone={CLONES[0]}/net tag=net .")
        assert checksum(clones[0], CLONES[0]) != checksum(master, MASTER)
        subprocess.run(["nft", "delete table ip cut"], check=True)
        add(one, people, "after")
        in_step(master, clones)
    assert content(tmp_path / "m") == content(tmp_path / "c0")


@alone
@pytest.mark.usefixtures("machine")
def test_a_network_that_loses_every_fifth_packet_loses_no_write(tmp_path: Path) -> None:
    with group(tmp_path) as (master, clones, people), handle(master, MASTER) as one:
        lossy = (
            "add table ip lossy; add chain ip lossy out { type filter hook output priority 0; }; add rule ip lossy out"
        )
        for way in (f"ip saddr {MASTER} ip daddr {CLONES[0]}", f"ip saddr {CLONES[0]} ip daddr {MASTER}"):
            subprocess.run(["nft", f"{lossy} {way} numgen random mod 5 0 drop"], check=True)
        for number in range(40):
            add(one, people, f"through{number}")
        in_step(master, clones)
    assert content(tmp_path / "m") == content(tmp_path / "c0")


@alone
@pytest.mark.parametrize("kills", [50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("machine")
def test_whatever_is_killed_whenever_the_end_is_equal(tmp_path: Path, kills: int) -> None:
    chance = random.Random(703)
    domain, people = office(1, 200)
    paths = {MASTER: stored(tmp_path / "m", domain), CLONES[0]: cloned(tmp_path / "c0")}
    running = {address: launch(address, path, "--classic") for address, path in paths.items()}
    ended, acknowledged = threading.Event(), list[str]()

    def write() -> None:
        number = 0
        while not ended.is_set():
            master = running[MASTER]
            try:
                with handle(master, MASTER, 2) as one:
                    while running[MASTER] is master and not ended.is_set():
                        number += 1
                        name = f"w{number}"
                        add(one, people, name)
                        acknowledged.append(name)
                        if number % 3 == 0:
                            victim = one.lookup(NiId(people, 0), b"name", acknowledged.pop(0).encode())[0]
                            one.destroy(one.itself(NiId(people, 0)), one.itself(NiId(victim, 0)))
            except (NetInfoError, ProtocolError, OSError, AssertionError):
                time.sleep(0.05)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        for _ in range(kills):
            victim = chance.choice((MASTER, CLONES[0]))
            if chance.random() < 0.7:
                assert running[victim].port
            time.sleep(chance.random() * 0.15)
            gone(running[victim])
            running[victim] = launch(victim, paths[victim], "--classic")
        assert running[MASTER].port
        before = len(acknowledged)
        replicas.wait_for(lambda: len(acknowledged) > before)
        ended.set()
        writer.join(60)
        in_step(running[MASTER], [running[CLONES[0]]])
        for one in running.values():
            assert one.end() == 0
    finally:
        ended.set()
        for one in running.values():
            gone(one)
    there = content(paths[MASTER])
    assert content(paths[CLONES[0]]) == there
    names = {value for record in there[1] for given in record.properties for value in given.values}
    assert {name.encode() for name in acknowledged} <= names


@alone
@pytest.mark.usefixtures("machine")
def test_the_binder_makes_no_clone_of_itself(tmp_path: Path) -> None:
    domain, _ = office()
    with served(BETA, stored(tmp_path / "m", domain)) as host:
        port = int(host.line(r"binder address=\S+ port=(\d+)")[1])
        given = binder.encode_arguments(binder.Cloning(b"again", b"beta", 0x0A4D0002, b"again"))
        with reserved(BETA, (BETA, port)) as root:
            record = bytes.fromhex(LOAD[1]["request_hex"])[:40] + given
            reply = decode_reply(replicas.exchange(root, record))
        assert reply.results == uint(NUMBERS["SYSTEMERR"])
        host.line("it would be its own master")
