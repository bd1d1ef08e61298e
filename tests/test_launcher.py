"""The launcher, in a clean copy without git history and below a path with a blank: the first answer, then the next."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if not (ROOT / "portlore").is_file():
    pytest.skip("needs the checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("a b") / "port lore"
    ignore = shutil.ignore_patterns(".git", ".venv", ".check", "*.plb", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignore)
    return copy


def launch(checkout: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the launcher with no way out to a network, and nothing of this test's Python in the way."""
    keep = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "PORTLORE"))
    }
    environment = {**keep, "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    command = [str(checkout / "portlore"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)


def test_the_first_call_makes_the_environment_and_answers(checkout: Path) -> None:
    began = time.monotonic()
    done = launch(checkout, "703")
    assert done.returncode == 0, done.stderr
    assert "unassigned" in done.stdout
    assert done.stderr == ""
    assert (checkout / ".venv/bin/portlore").exists()
    assert (checkout / ".venv/bin/python").exists()
    print(f"first call: {time.monotonic() - began:.1f} s")  # noted, not demanded: CI machines differ


def test_the_next_calls_need_no_preparation_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    assert launch(checkout, "22/tcp", cwd=tmp_path).stdout.startswith("22/tcp")
    done = subprocess.run([str(checkout / ".venv/bin/portlore"), "ssh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("22 ")


def test_a_changed_claim_is_built_in_at_the_next_call(checkout: Path) -> None:
    path = checkout / "src/portlore/lore/claims/lowports.toml"
    text = path.read_text("utf-8")
    assert 'name = "Modbus"' in text
    path.write_text(text.replace('name = "Modbus"', 'name = "Modbus-changed"'), "utf-8")
    later = time.time() + 5
    os.utime(path, (later, later))
    assert "Modbus-changed" in launch(checkout, "703").stdout


def test_a_moved_checkout_makes_its_environment_anew(checkout: Path) -> None:
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    try:
        assert launch(moved, "703").returncode == 0
    finally:
        moved.rename(checkout)


def test_without_a_fitting_python_the_launcher_says_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv", ignore_errors=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cat", "find", "rm", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run(
        [str(checkout / "portlore"), "703"], capture_output=True, text=True, check=False, env={"PATH": str(tools)}
    )
    assert done.returncode == 3
    assert "PORTLORE_PYTHON" in done.stderr
    assert len(done.stderr.splitlines()) == 1
