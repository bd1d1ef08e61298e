"""Writing files: the old one or the new one, never a part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portlore.files import write_whole


def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [left.name for left in path.parent.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_what_killed_writers_left_is_swept_away_after_an_hour(tmp_path: Path) -> None:
    old, fresh = tmp_path / "file.11.part", tmp_path / "file.12.part"
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (1, 1))
    write_whole(tmp_path / "file", b"whole")
    assert sorted(left.name for left in tmp_path.iterdir()) == ["file", "file.12.part"]
