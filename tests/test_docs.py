"""The documentation is tested like code: nothing can be added without a line for the reader, and examples run."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import portlore
from portlore.cli import COMMANDS

ROOT = Path(__file__).parent.parent
if not (ROOT / "README.md").is_file():
    pytest.skip("needs the checkout", allow_module_level=True)
README = (ROOT / "README.md").read_text("utf-8")
REFERENCE = ROOT / "docs/reference"


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_a_heading_in_the_reference(command: str) -> None:
    assert f"\n## portlore {command}\n" in (REFERENCE / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in portlore.__all__ if not name.startswith("_")])
def test_every_public_name_is_in_the_reference_and_has_a_docstring(name: str) -> None:
    assert f"`{name}" in (REFERENCE / "library.md").read_text("utf-8")
    assert getattr(portlore, name).__doc__


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse lays out help otherwise; ./check asks 3.11's")
def test_the_reference_is_what_the_program_says_of_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/build_reference.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_newest_entry_of_the_changelog_is_the_version() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert heading is not None
    assert heading[1] == project["version"] == portlore.__version__


def test_the_readme_names_the_two_commands_and_shows_a_real_answer() -> None:
    assert "./portlore 703" in README
    assert "./check" in README
    shown = re.search(r"```console\n\$ ./portlore 703\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    done = subprocess.run(
        [sys.executable, "-m", "portlore", "703"], capture_output=True, text=True, check=True,
        env={"COLUMNS": "80", "PYTHONUTF8": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    real = done.stdout.splitlines()
    for line in shown[1].splitlines():
        assert line in real or line.strip() == "…", line


def test_every_module_stands_on_the_map() -> None:
    text = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    package = ROOT / "src/portlore"
    for path in package.iterdir():
        if path.suffix == ".py" and not path.name.startswith("__"):
            assert f"`{path.name}`" in text, path.name
        elif (path / "__init__.py").exists():
            assert f"`{path.name}/`" in text, path.name


def links(path: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")) if "://" not in link]


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for link in links(path):
        assert (path.parent / link).exists(), link


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(portlore).failed == 0


def test_the_examples_in_the_tutorial_run() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs/tutorial.md"), module_relative=False)
    assert (failed, tried > 3) == (0, True)
