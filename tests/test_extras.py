"""Extras: installed alone, when first needed, said with their size; without a network, the one line to run."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import portlore

SOURCE = str(Path(portlore.__file__).parent.parent)
PROGRAM = """
import sys
sys.path.insert(0, {source!r})
from portlore.errors import HostError
from portlore.extras import Extra, require
extra = Extra("toy", "portlore_toy", ("portlore-toy==1.0",), 0.1)
try:
    require(extra, print, {options!r})
except HostError as error:
    print("HostError", error)
else:
    import portlore_toy
    print(portlore_toy.WORD)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare environment as the launcher makes it: without pip."""
    folder = tmp_path_factory.mktemp("extras") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin/python"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with one tiny wheel."""
    info = "portlore_toy-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "portlore_toy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("portlore_toy.py", "WORD = 'here'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: portlore-toy\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return tmp_path


def run(python: Path, *options: str) -> str:
    program = PROGRAM.format(source=SOURCE, options=options)
    return subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True).stdout


def test_without_a_network_the_one_line_to_run_is_printed(environment: Path, tmp_path: Path) -> None:
    told = run(environment, "--no-index", "--find-links", str(tmp_path / "empty"))
    assert "installing portlore-toy==1.0 (about 0.1 MB)" in told
    assert "HostError" in told
    assert f"{environment} -m pip install portlore-toy==1.0" in told


def test_a_missing_extra_is_installed_once_and_then_there(environment: Path, shelf: Path) -> None:
    first = run(environment, "--no-index", "--find-links", str(shelf))
    assert first.splitlines() == ["installing portlore-toy==1.0 (about 0.1 MB) for this command", "here"]
    assert run(environment, "--no-index").splitlines() == ["here"]
