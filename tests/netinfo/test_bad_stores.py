"""Files that are no domains, domains that went bad, two servers on one: a clear line, and never a wrong answer."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import (
    DONE,
    Line,
    check_kept,
    named,
    ni_id,
    one_line,
    run,
    server,
    stored,
    writers,
)

from portlore.errors import DataError, HostError
from portlore.netinfo.domain import Domain
from portlore.netinfo.exchange import parse_domain
from portlore.netinfo.store import Store, faults
from portlore.netinfo.values import LAST, Property, Record
from portlore.oncrpc.xdr import uint

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
BESIDE = ("-wal", "-shm", "-journal", ".lock", ".part")  # what SQLite and a store put beside a file


# Files that are no domains


def a_directory(path: Path) -> None:
    path.mkdir()


def a_text(path: Path) -> None:
    path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 200)


def a_short_text(path: Path) -> None:
    path.write_text("SQLite")


def an_empty_file(path: Path) -> None:
    path.touch()


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE directories (id INTEGER)")
        base.execute("PRAGMA user_version = 2")
    base.close()


def another_database_in_use(path: Path) -> None:
    another_database(path)
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA journal_mode = WAL")
    base.close()


def a_database_of_noise(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 100)


def a_domain_of_the_original(path: Path) -> None:
    path.mkdir()
    (path / "Collection").write_bytes(bytes(512))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def nothing(path: Path) -> None:
    pass


def a_domain_that_was_never_filled(path: Path) -> None:
    Store(str(path), create=True).close()


STRANGE: list[Callable[[Path], None]] = [
    a_directory, a_text, a_short_text, an_empty_file, another_database, another_database_in_use, a_database_of_noise,
    a_domain_of_the_original, a_pipe, a_link_to_itself, nothing, a_domain_that_was_never_filled,
]  # fmt: skip
ACTIONS = [("serve", "--port", "0", "--domain"), ("check",), ("export",), ("backup",)]


@pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)
def test_what_is_no_domain_of_ours_is_refused_in_a_line_and_left_alone(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "strange"
    make(path)
    own = {"strange", "strange.lock"} if make is a_domain_that_was_never_filled else {"strange"}
    before = path.read_bytes() if path.is_file() else None
    for action, *words in ACTIONS:
        more = [tmp_path / "copy"] if action == "backup" else []
        done = run(action, *words, f"x={path}" if action == "serve" else path, *more)
        assert done.returncode == 3, (action, done)
        assert str(path) in one_line(done.stderr)
        assert done.stdout == ""
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {one.name for one in tmp_path.iterdir()} <= own


@pytest.mark.skipif(ROOT and not shutil.which("setpriv"), reason="root may everything, unless setpriv takes it away")
@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o000), (0o000, 0o644), (0o555, 0o444)])
def test_a_domain_that_may_not_be_read_or_written_is_refused_in_a_line(folder: int, file: int, tmp_path: Path) -> None:
    path = tmp_path / "closed" / "conv.nidb"
    path.parent.mkdir()
    stored(path)
    path.with_name("conv.nidb.lock").unlink()
    path.chmod(file)
    path.parent.chmod(folder)
    before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if ROOT else []
    try:
        done = run("serve", "--port", "0", "--domain", f"x={path}", before=before)
        assert done.returncode == 3
        assert "restore" not in one_line(done.stderr)  # nothing is wrong with it
        if file != 0o444:
            done = run("check", path, before=before)
            assert done.returncode == 3
            assert "restore" not in one_line(done.stderr)
    finally:
        path.parent.chmod(0o755)


# Stores that went bad


def family() -> Domain:
    """Some hundred directories of three generations, instances and long values among them: many pages."""
    records = [Record(0, 7, 0, (Property(b"master", (b"localhost/conv",)),), tuple(range(1, 11)))]
    for number in range(1, 11):
        children = tuple(range(number * 20, number * 20 + 20))
        records.append(Record(number, number, 0, (Property(b"name", (b"group%d" % number,)),), children))
        for child in children:
            values = (b"user%d" % child, b"x" * (child * 7))
            records.append(Record(child, child % 3, number, (Property(b"name", values),), ()))
    return Domain.of(records)


def opened(path: Path) -> Domain | None:
    """What is served of a store; ``None`` where it is refused, in one printable line."""
    try:
        with Store(str(path)) as store:
            domain = store.load()
            assert store.stored_checksum() == domain.checksum
    except (DataError, HostError) as error:
        one_line(f"portlore: {error}")
        return None
    assert list(faults(domain)) == []
    return domain


def same(one: Domain, other: Domain) -> bool:
    return (*one.records(),) == (*other.records(),) and (one.version, one.checksum) == (other.version, other.checksum)


def lay(path: Path, data: bytes, log: bytes = b"") -> None:
    """A store of these bytes, and nothing beside it but a log."""
    for end in BESIDE:
        Path(f"{path}{end}").unlink(missing_ok=True)
    path.write_bytes(data)
    if log:
        Path(f"{path}-wal").write_bytes(log)


DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "a bit": lambda data, at: data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :],
    "a byte": lambda data, at: data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :],
    "a sector of zeros": lambda data, at: data[: at & ~511] + bytes(512) + data[(at & ~511) + 512 :],
    "a sector from elsewhere": lambda data, at: data[: at & ~511] + data[-512:] + data[(at & ~511) + 512 :],
    "the rest cut off": lambda data, at: data[:at],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_store_is_refused_or_opened_right_and_never_wrong(
    damage: Callable[[bytes, int], bytes], tmp_path: Path
) -> None:
    domain, path = family(), tmp_path / "conv.nidb"
    whole = stored(path, domain).read_bytes()
    assert len(whole) > 100_000
    refused = 0
    for at in [*range(0, 200, 3), *range(200, len(whole), 577)]:
        lay(path, damage(whole, at))
        found = opened(path)
        refused += found is None
        assert found is None or same(found, domain), at
    assert refused > 50


def test_a_page_of_yesterday_among_those_of_today_is_noticed(tmp_path: Path) -> None:
    """A write that the disk said it had done, and had not: every page by itself is in order."""
    domain, path = family(), tmp_path / "conv.nidb"
    before = stored(path, domain).read_bytes()
    with Store(str(path)) as store:
        domain = store.load()
        for one in list(domain.directories.values()):
            domain.write(one, (*one.properties, Property(b"new", (b"yes",))))
        store.commit(store.batch(domain))
    after = path.read_bytes()
    size = int.from_bytes(after[16:18], "big")
    differing = [n for n in range(0, len(before), size) if before[n : n + size] != after[n : n + size]]
    assert len(differing) > 10
    for at in differing:
        lay(path, after[:at] + before[at : at + size] + after[at + size :])
        found = opened(path)
        assert found is None or same(found, domain), at
    lay(path, after)
    assert opened(path)


def test_what_a_crash_left_in_the_log_is_some_commit_whole_however_the_log_is_damaged(tmp_path: Path) -> None:
    """SQLite's log ends where it is damaged: what comes before is there, and nothing in part."""
    path, copy = tmp_path / "conv.nidb", tmp_path / "copy.nidb"
    stored(path, family())
    states: dict[int, Domain] = {}
    with Store(str(path)) as store:
        domain = store.load()
        states[domain.version] = Domain.of(domain.records())
        for number in range(20):
            domain.create(domain.at(1 + number % 10), (Property(b"name", (b"new%d" % number,)),), LAST)
            store.commit(store.batch(domain))
            states[domain.version] = Domain.of(domain.records())
        data, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    lay(copy, data, log)
    found = opened(copy)
    assert found is not None
    assert found.version == domain.version
    seen = set()
    for at in range(0, len(log), 2503):
        for damage in (DAMAGE["a byte"], DAMAGE["the rest cut off"]):
            lay(copy, data, damage(log, at))
            found = opened(copy)
            if found is not None:
                seen.add(found.version)
                assert list(found.records()) == list(states[found.version].records())
    assert len(seen) > 5


def test_every_command_says_in_a_line_that_a_store_is_damaged(tmp_path: Path) -> None:
    whole = stored(tmp_path / "conv.nidb", family()).read_bytes()
    path = tmp_path / "bad.nidb"
    at = whole.index(b"user77")
    for data in (whole[:at] + b"user78" + whole[at + 6 :], whole[:50_000], whole[:100] + bytes(3996) + whole[4096:]):
        for action, *words in ACTIONS:
            lay(path, data)
            more = [tmp_path / "copy"] if action == "backup" else []
            done = run(action, *words, f"x={path}" if action == "serve" else path, *more)
            assert (done.returncode, done.stdout) == (3, "")
            assert "restore it from a backup" in one_line(done.stderr)


# One store, several programs


def test_a_second_server_on_one_store_is_refused_by_whatever_name_it_goes(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.nidb").symlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path)
    names = [path, tmp_path / "elsewhere/../conv.nidb", tmp_path / "elsewhere/link.nidb", tmp_path / "folder/conv.nidb"]
    with server(path) as made:
        for name in names:
            done = run("serve", "--port", "0", "--domain", f"x={name}")
            assert done.returncode == 3
            assert "another server holds it" in one_line(done.stderr)
        export = tmp_path / "export.json"
        export.write_text(run("export", path).stdout)
        for words in (("import", path, export), ("backup", tmp_path / "elsewhere/link.nidb", path)):
            done = run(*words)
            assert done.returncode == 3
            assert "another server holds it" in one_line(done.stderr)
        with Line(made.port) as line:
            assert line.ask(0) == DONE
    done = run("serve", "--port", "0", "--domain", f"a={path}", "--domain", f"b={names[2]}")
    assert done.returncode == 3
    assert "another server holds it" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def put_aside(path: Path) -> None:
    path.rename(path.with_name("aside"))


def put_a_copy_in_its_place(path: Path) -> None:
    shutil.copy(path, path.with_name("aside"))
    path.with_name("aside").replace(path)


@pytest.mark.parametrize("change", [Path.unlink, put_aside, put_a_copy_in_its_place])
def test_a_server_whose_file_was_taken_away_acknowledges_nothing_more(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    """It could still write, into a file that nobody will open again; it says so instead, and reads go on."""
    path = stored(tmp_path / "conv.nidb")
    with server(path, "--classic") as made, Line(made.port) as line:
        given = named((b"name", [b"new"])) + uint(LAST) + uint(0)
        assert line.ask(5, ni_id(1) + given)[: len(DONE) + 4] == DONE + uint(0)
        change(path)
        for _ in range(2):
            refused = line.ask(5, ni_id(1, 1) + given)
            assert len(refused) == len(DONE) + 4  # a status alone, not OK
            assert line.ask(3, ni_id(1)) == DONE + uint(0) + ni_id(1, 1)
        made.line("the file is gone, or another one is in its place")


def test_check_export_and_backup_see_one_moment_while_a_server_writes(tmp_path: Path) -> None:
    path, copy = stored(tmp_path / "conv.nidb"), tmp_path / "copy.nidb"
    with server(path, "--classic") as made, writers(made.port, 4) as many:
        for _ in range(3):
            told = [len(one.acknowledged) for one in many]
            assert run("backup", path, copy).returncode == 0
            with Store(str(copy)) as store:
                domain = store.load()
            for one, least in zip(many, told, strict=True):
                assert len(domain.directories[one.directory].children) >= least
            done = run("check", path)
            assert done.returncode == 0, done
            assert parse_domain(run("export", path).stdout, "export")
            assert [len(one.acknowledged) for one in many] > told  # they were writing all the while
        made.kill()
    check_kept(path, many)


def test_a_backup_takes_the_place_of_a_store_that_crashed_whole(tmp_path: Path) -> None:
    """What the crash left in the log of the old one must not be played onto the new one."""
    path, copy = tmp_path / "conv.nidb", tmp_path / "copy.nidb"
    stored(path, family())
    assert run("backup", path, copy).returncode == 0
    with Store(str(path)) as store:
        domain = store.load()
        for one in list(domain.directories.values()):
            domain.write(one, (Property(b"name", (b"changed",)),))
        store.commit(store.batch(domain))
        data, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    lay(path, data, log)
    assert run("backup", copy, path).returncode == 0
    found = opened(path)
    assert found is not None
    assert same(found, family())
    for same_file in (path, tmp_path / "." / "conv.nidb"):
        done = run("backup", path, same_file)
        assert done.returncode == 3
        assert "they are one file" in one_line(done.stderr)
    with Store(str(path)) as store:
        assert same(store.load(), family())


def test_a_backup_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb", family())
    done = run("backup", path, tmp_path / "copy", before=["sh", "-c", 'ulimit -f 40; exec "$@"', "sh"])
    assert done.returncode == 3
    assert "make room" in one_line(done.stderr)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("copy")]
