"""Folders of old stores: nothing in them changes; tools and the command work on them as on a server."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.old_disks import SAMPLES, VECTORS, expected, files_of, slot, store, words

from portlore.errors import DataError, HostError, InputError
from portlore.netinfo import disk
from portlore.netinfo.disk import folders
from portlore.netinfo.disk.recovering import recover
from portlore.netinfo.disk.writing import pack_store
from portlore.netinfo.exchange import parse_domain
from portlore.netinfo.store import Store
from portlore.netinfo.tools import TOOLS


def use(*argv: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    out, err = io.BytesIO(), io.BytesIO()
    code = TOOLS[argv[0]](argv[1:], io.BytesIO(stdin), out, err)
    return code, out.getvalue(), err.getvalue()


def command(*words_: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "portlore", "netinfo", "recover", *words_], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder as /etc/netinfo was, of which everything is a year old."""
    where = tmp_path / "netinfo"
    for name in ("sample.nidb", "sample-old.nidb"):
        shutil.copytree(VECTORS / name, where / name)
    for path in [*where.rglob("*"), where]:
        os.utime(path, ns=(10**18, 10**18))
    return where


def state(top: Path) -> dict[str, Any]:
    """All that can change of what is below a folder, but when a folder was listed."""
    found: dict[str, Any] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        now = path.lstat()
        found[str(path)] = (
            now.st_mode, now.st_size, now.st_mtime_ns, now.st_ino, now.st_ctime_ns,
            None if path.is_dir() else (path.read_bytes() if path.is_file() else None),
        )  # fmt: skip
    return found


def test_nothing_is_changed_by_reading(image: Path, tmp_path: Path) -> None:
    before = state(image)
    for name in ("sample.nidb", "sample-old.nidb"):
        folder = str(image / name)
        assert command(folder, "-o", str(tmp_path / f"{name}.db"))[0] == 0
        assert use("nicl", "-raw", folder, "-create", "/new")[0] == 213
        assert use("niutil", "-destroy", folder, "/users")[0] != 0
        assert use("niload", "group", folder, stdin=b"new:*:99:\n")[0] != 0
        assert use("nidump", "-r", "/", folder)[0] == 0
    assert command(str(image))[0] == 0
    assert state(image) == before


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="Linux has it")
def test_not_even_when_a_file_was_read_last_is_changed_where_the_files_are_ours(image: Path) -> None:
    before = [path.stat().st_atime_ns for path in sorted((image / "sample.nidb").iterdir())]
    folders.read_store(image / "sample.nidb")
    assert [path.stat().st_atime_ns for path in sorted((image / "sample.nidb").iterdir())] == before


RECORDED = [  # a file of SAMPLE.expected, what prints it of the folder DIR
    *((f"nidump.{form}", ("nidump", form, "DIR")) for form in (
        "aliases", "bootparams", "bootptab", "ethers", "exports", "fstab", "group", "hosts", "mountmaps", "networks",
        "passwd", "printcap", "protocols", "resolv.conf", "rpc", "services",
    )),
    ("nidump.mountmaps.auto_home", ("nidump", "mountmaps", "DIR", "auto_home")),
    ("nidump.raw.root", ("nidump", "-r", "/", "DIR")),
    ("nidump.raw.users", ("nidump", "-r", "/users", "DIR")),
    ("nidump.raw.misc", ("nidump", "-r", "/misc", "DIR")),
    ("nigrep.user0", ("nigrep", "user0", "DIR", "/users")),
    ("nireport.users", ("nireport", "DIR", "/users", "name", "uid", "gid", "home", "shell")),
    ("niutil.list_", ("niutil", "-list", "DIR", "/")),
    ("niutil.list_machines", ("niutil", "-list", "DIR", "/machines")),
    ("niutil.list_misc", ("niutil", "-list", "DIR", "/misc")),
    ("niutil.list_users", ("niutil", "-list", "DIR", "/users")),
    ("niutil.list_users.uid", ("niutil", "-list", "DIR", "/users", "uid")),
    ("niutil.read_", ("niutil", "-read", "DIR", "/")),
    ("niutil.read_machines_alpha", ("niutil", "-read", "DIR", "/machines/alpha")),
    ("niutil.read_misc", ("niutil", "-read", "DIR", "/misc")),
    ("niutil.read_users_user01", ("niutil", "-read", "DIR", "/users/user01")),
    ("nicl.raw.v.read_misc", ("nicl", "-raw", "-v", "DIR", "-read", "/misc")),
    ("nicl.raw.stats", ("nicl", "-raw", "DIR", "-statistics")),
]  # fmt: skip


@pytest.mark.parametrize("sample", ["sample", "sample-old"])
def test_the_tools_print_of_a_folder_what_the_originals_printed(sample: str) -> None:
    seen = 0
    for file, argv in RECORDED:
        path = VECTORS / f"{sample}.expected" / file
        if not path.exists():
            continue
        code, out, err = use(*(word.replace("DIR", str(VECTORS / f"{sample}.nidb")) for word in argv))
        assert (code, err) == (0, b""), file
        if file == "nicl.raw.v.read_misc":  # recorded to 200 columns
            out = b"".join(line.rstrip(b"\n")[:200] + b"\n" for line in out.splitlines(keepends=True))
        assert out == path.read_bytes(), file
        seen += 1
    assert seen == (len(RECORDED) if sample == "sample" else 16)


@pytest.mark.parametrize("sample", ["sample", "sample-old"])
def test_statistics_of_a_folder_have_the_names_that_a_server_gave(sample: str) -> None:
    recorded = (VECTORS / f"{sample}.expected" / "niutil.statistics").read_bytes().splitlines()
    code, out, err = use("niutil", "-statistics", str(VECTORS / f"{sample}.nidb"))
    found = out.splitlines()
    assert (code, err, found[0]) == (0, b"", recorded[0])
    assert [line.partition(b":")[0] for line in found] == [line.partition(b":")[0] for line in recorded]


def test_nicl_reads_commands_of_a_folder_from_stdin() -> None:
    code, out, err = use(
        "nicl", "-raw", str(VECTORS / "sample-old.nidb/"), stdin=b"read /machines/oldhost name\nstats\n"
    )
    assert (code, err) == (0, b"")
    assert out.startswith(b"name: oldhost\nchecksum: 10459\n")


def test_a_folder_that_is_no_store_ends_a_tool() -> None:
    assert use("nicl", "-raw", str(VECTORS), "-read", "/")[0] == 200
    assert use("nidump", "passwd", "/nosuch.nidb")[0] == 1
    code, _, err = use("niutil", "--json", "-list", str(VECTORS / "nosuch.nidb"), "/")
    assert code == 200
    assert set(json.loads(err)["error"]) == {"asked", "found", "do"}


def test_a_tool_says_that_a_store_is_not_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = put(tmp_path / "x.nidb", store(slot(0, 9, children=(1, 7)), slot(1, 3, name="one")))
    assert use("niutil", "-list", str(folder), "/")[1] == b"1\t one\n"
    assert "portlore netinfo recover" in caplog.text


# The command


def test_a_folder_of_stores_is_told_one_by_one(image: Path) -> None:
    code, out, err = command(str(image))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{image}/sample.nidb: whole"
    assert "NEXTSTEP 3 to Rhapsody, 105 directories, checksum 10459 (as stored)" in out
    code, out, _ = command(str(image), "--json")
    assert [(one["tag"], one["directories"], one["whole"]) for one in json.loads(out)["stores"]] == [
        ("sample", 107, True), ("sample-old", 105, True),
    ]  # fmt: skip


@pytest.mark.parametrize("inside", ["etc/netinfo", "private/var/db/netinfo"])
def test_a_volume_is_looked_through(image: Path, tmp_path: Path, inside: str) -> None:
    volume = tmp_path / "volume"
    shutil.copytree(image, volume / inside)
    assert [one.tag for one in folders.find_stores(str(volume))] == ["sample", "sample-old"]


def test_a_link_that_leads_out_of_a_volume_is_not_followed(image: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "etc").mkdir()
    (volume / "etc/netinfo").symlink_to(image)
    with pytest.raises(InputError, match="no TAG"):
        folders.find_stores(str(volume))


def test_a_transfer_that_only_lacks_its_name_is_found(tmp_path: Path) -> None:
    put(tmp_path / "done.temp", files_of("sample.nidb"))
    put(tmp_path / "done.move", files_of("sample-old.nidb"))
    put(tmp_path / "half.temp", files_of("sample.nidb"))
    put(tmp_path / "gone.move", files_of("sample.nidb"))
    assert [(one.tag, one.path.name) for one in folders.find_stores(str(tmp_path))] == [("done", "done.temp")]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_recovered_is_written_in_every_form(name: str, tmp_path: Path) -> None:
    where, records, out = tmp_path / "domain", tmp_path / "records.json", tmp_path / "new.nidb"
    code, _, err = command(
        str(VECTORS / name),
        "-o",
        str(where),
        "--records",
        str(records),
        "--to-store",
        str(out),
        "--byte-order",
        "little",
    )
    assert (code, err) == (0, "")
    with Store(str(where), exclusive=False) as made:
        assert {one.id: one for one in made.load().records()} == expected(name)
    assert {one.id: one for one in parse_domain(records.read_text(), "x").records()} == expected(name)
    assert {one.id: one for one in folders.read_store(out).domain.records()} == expected(name)
    assert {path.name for path in tmp_path.iterdir()} - {"domain.lock"} == {"domain", "records.json", "new.nidb"}
    assert stat.S_IMODE(records.stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in [out, *out.iterdir()]} == {0o700, 0o600}
    code, told, _ = command(str(VECTORS / name), "--records", "-")
    assert {one.id: one for one in parse_domain(told, "x").records()} == expected(name)


def test_the_exit_code_tells_how_well_a_store_is_kept(image: Path, tmp_path: Path) -> None:
    (image / "sample.nidb/Clean").unlink()
    assert command(str(image))[0] == 0  # as after any crash of the old machine: nothing is missing
    (image / "sample.nidb/Store.96").unlink()
    code, out, _ = command(str(image / "sample.nidb"), "--json")
    assert code == 1
    assert json.loads(out)["stores"][0]["counts"]["lost"] == 13  # 14 were in it; of 98 nobody knows without 97
    put(image / "bad.nidb", {"Config": words(1)})
    code, out, _ = command(str(image))
    assert (code, f"{image}/bad.nidb: not read" in out) == (3, True)
    assert command(str(image / "bad.nidb"))[0] == 3
    assert command(str(tmp_path / "nosuch"))[0] == 2
    assert command(str(tmp_path))[0] == 2


def test_what_is_there_is_not_written_over_and_the_source_is_no_target(image: Path, tmp_path: Path) -> None:
    one, taken = image / "sample.nidb", tmp_path / "taken"
    taken.write_text("mine")
    for option in ("-o", "--records", "--to-store"):
        for target in (taken, one / "new", one):
            code, _, err = command(str(one), option, str(target))
            assert code == 2, (option, target, err)
    assert taken.read_text() == "mine"
    assert command(str(image), "-o", str(tmp_path / "new"))[0] == 2  # which of the two?
    assert not (tmp_path / "new").exists()


def test_a_name_that_would_steer_the_terminal_is_shown_not_sent(tmp_path: Path) -> None:
    folder = put(tmp_path / "a\x1b[2J.nidb", store(slot(0, 9, children=(1, 7)), slot(1, 3, name="one")))
    code, out, err = command(str(folder))
    assert (code, "\x1b" in out + err) == (1, False)


# The folder's edge


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    folder = put(tmp_path / "x.nidb", pack_store(recover(files_of("sample.nidb"), "x").domain))
    (tmp_path / "secret").write_bytes(b"\1" * 64)
    (folder / "Store.64000").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "Store.32000")
    (folder / "Store.16000").mkdir()
    assert folders.read_store(folder).is_whole


def test_files_of_zeros_cost_nothing_and_others_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_BYTES", 1 << 17)
    folder = put(tmp_path / "x.nidb", pack_store(recover(files_of("sample.nidb"), "x").domain))
    with (folder / "Store.320000").open("wb") as file:
        file.truncate(1 << 27)
    assert folders.read_store(folder).is_whole
    with (folder / "Store.320000").open("r+b") as file:
        file.seek((1 << 27) - 1)
        file.write(b"\1")
    with pytest.raises(DataError, match="more than"):
        folders.read_store(folder)


def test_a_store_that_is_written_meanwhile_is_refused(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, true = image / "sample.nidb", folders._files

    def meanwhile(*given: Any) -> dict[str, bytes]:
        files = true(*given)
        (folder / "Clean").unlink()
        return files

    monkeypatch.setattr(folders, "_files", meanwhile)
    with pytest.raises(HostError, match="being written"):
        folders.read_store(folder)


def test_a_store_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = pack_store(recover(files_of("sample.nidb"), "x").domain)
    true, left = folders._write, [3]

    def full(path: Path, data: bytes) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        true(path, data)

    monkeypatch.setattr(folders, "_write", full)
    with pytest.raises(HostError, match="No space"):
        folders.write_store(tmp_path / "new.nidb", files)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(folders, "_write", true)
    folders.write_store(tmp_path / "new.nidb", files)
    assert {path.name: path.read_bytes() for path in (tmp_path / "new.nidb").iterdir()} == files
    with pytest.raises(InputError, match="something of that name"):
        folders.write_store(tmp_path / "new.nidb", files)


def test_the_package_says_where_the_way_in_is() -> None:
    assert "recover" in (disk.__doc__ or "")
