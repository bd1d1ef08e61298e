"""Masters and clones on bad days: restored from a backup, twice there, asked by strangers; real processes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Linux and root", allow_module_level=True)
from netinfo import replicas
from netinfo.processes import run
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
    group,
    handle,
    in_step,
    office,
    reserved,
    served,
    stored,
)

from portlore.errors import NetInfoError
from portlore.netinfo.store import Store
from portlore.netinfo.values import LAST, NUMBERS, NiId, Property
from portlore.oncrpc.xdr import uint

if TYPE_CHECKING:
    from collections.abc import Iterator

alone = pytest.mark.skipif(replicas.MISSING, reason="needs Linux, root, ip and nft")
CURRENT = uint(0) * 4  # what READALL says to who has it all


@pytest.fixture(autouse=True)
def machine() -> Iterator[None]:
    if replicas.MISSING:
        pytest.skip("needs Linux, root, ip and nft")
    with apart():
        yield


def names(path: Path) -> set[bytes]:
    return {value for record in content(path)[1] for one in record.properties for value in one.values}


def copied(path: Path, to: Path) -> None:
    """A store as a backup has it."""
    with Store(str(path), exclusive=False) as store:
        store.backup(str(to))


def test_a_master_restored_and_written_otherwise_is_seen_through_its_equal_checksum(tmp_path: Path) -> None:
    with group(tmp_path) as (master, clones, people):
        with handle(master, MASTER) as one:
            add(one, people, "in the backup")
            in_step(master, clones)
            copied(tmp_path / "m", tmp_path / "backup")
            add(one, people, "ann")
        in_step(master, clones)
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"m{end}").unlink(missing_ok=True)
    shutil.move(tmp_path / "backup", tmp_path / "m")
    with served(MASTER, tmp_path / "m", "--classic") as master, handle(master, MASTER) as one:
        add(one, people, "bob")  # the same write by its numbers: the checksums are equal, and prove nothing
    assert content(tmp_path / "m")[0] == content(tmp_path / "c0")[0]
    assert b"ann" in names(tmp_path / "c0")
    with served(MASTER, tmp_path / "m", "--classic"), served(CLONES[0], tmp_path / "c0") as clone:
        clone.line("the same checksum and other contents")
        clone.line("read all tag=net")
        told = run("status", f"{MASTER}/net")
        assert "CONTENTS" not in told.stdout
    assert content(tmp_path / "c0") == content(tmp_path / "m")


def test_status_tells_equal_checksums_from_equal_contents(tmp_path: Path) -> None:
    domain, people = office(1)
    path = stored(tmp_path / "m", domain)
    with served(MASTER, path) as master:
        master.line("call=createprop directory=2 by=root")  # it has told what its key is
    copied(path, tmp_path / "c0")  # which nobody made a clone: there are two masters
    with served(MASTER, path, "--classic") as master, served(CLONES[0], tmp_path / "c0", "--classic") as other:
        with handle(other, CLONES[0]) as one:
            add(one, people, "only there")
        with handle(master, MASTER) as one:
            add(one, people, "only here")
        assert checksum(master, MASTER) == checksum(other, CLONES[0])
        master.line(f"clone={CLONES[0]}/net .*two masters")
        told = run("status", f"{MASTER}/net")
        assert told.returncode == 1
        assert "OTHER CONTENTS THAN THE MASTER'S" in told.stdout
        assert "two masters" in told.stdout
    assert b"only here" in names(path)
    assert b"only there" in names(tmp_path / "c0") - names(path)


def test_a_read_only_clone_follows_its_master_and_nobody_else(tmp_path: Path) -> None:
    domain, people = office(1)
    master_path, path = stored(tmp_path / "m", domain), cloned(tmp_path / "c0")
    with served(MASTER, master_path, "--classic") as master, served(CLONES[0], path, "--read-only") as clone:
        clone.line("read all tag=net")
        with handle(master, MASTER) as one:
            add(one, people, "new")
        in_step(master, [clone])
        with handle(clone, CLONES[0]) as one, pytest.raises(NetInfoError) as refused:
            add(one, people, "nobody")
        assert refused.value.status == NUMBERS["RDONLY"]
    assert content(path) == content(master_path)


def test_a_domain_that_wants_its_writes_gathered_has_them_sent_together_and_none_lost_at_the_end(
    tmp_path: Path,
) -> None:
    with group(tmp_path) as (master, clones, people), handle(master, MASTER) as one:
        add(one, people, "early")
        in_step(master, clones)
        one.create_property(one.root(), Property(b"update_latency", (b"7200",)))
        before = checksum(clones[0], CLONES[0])
        for number in range(5):
            add(one, people, f"gathered{number}")
        told = run("status", f"{MASTER}/net")
        assert "writes wait" in told.stdout
        assert checksum(clones[0], CLONES[0]) == before
        master.end()
    assert content(tmp_path / "c0") == content(tmp_path / "m")


def test_strangers_cannot_have_a_clone_look_at_its_master_as_often_as_they_like(tmp_path: Path) -> None:
    domain, _ = office(1)
    path = stored(tmp_path / "c0", domain)
    with Store(str(path)) as store:
        store.mark_clone()
    master = Script(MASTER, lambda one: CURRENT if one.procedure == 25 else uint(0))

    def looks() -> int:
        return sum(one.procedure == 25 and one.program == 200100000 for _, one, _ in master.asked)

    with served(CLONES[0], path) as clone:
        master.wait(lambda many: any(one.procedure == 25 for one in many))
        with handle(clone, CLONES[0]) as one:
            for number in range(300):  # each of them waits for its answer
                one.connection.call(26, uint(number))
                one.connection.call(27)
        master.wait(lambda many: sum(one.procedure == 25 and one.program == 200100000 for one in many) >= 2)
        seen = looks()
    master.close()
    assert seen <= 4, "of 600 wishes two or three are heard"


def test_a_clone_with_an_id_that_a_client_wished_has_what_its_master_has(tmp_path: Path) -> None:
    with group(tmp_path) as (master, clones, people), handle(master, MASTER) as one:
        free = max(record.id for record in content(tmp_path / "m")[1]) + 1
        above = one.itself(NiId(people, 0))
        wish = uint(free) + uint(7)  # the Mac OS X generation gives it the instance 0 (SPEC 3.1)
        given = uint(above.object) + uint(above.instance) + uint(0) + uint(LAST) + uint(1) + wish
        with reserved(MASTER, (MASTER, master.port)) as line:
            reply = replicas.exchange(line, call(5, given))
        assert reply[-16:-8] == uint(free) + uint(0)
        in_step(master, clones)
        assert "read all" not in "".join(line for line in clones[0].lines[-2:])
    assert content(tmp_path / "c0") == content(tmp_path / "m")
