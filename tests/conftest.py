"""What all tests share: no network beyond loopback, a data directory of their own, and where the shared files lie."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PORTLORE_SHARED", ROOT.parent / "shared"))

settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
# Who runs the tests in the background of a shell has SIGINT ignored, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
COVERED = 25  # examples while coverage is counted
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """While coverage is counted, which takes three times as long, random tests try less, and the same every time.

    ``./check`` runs them whole on the newest Python, without coverage.
    """
    if not config.getoption("cov_source", None):
        return
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            asked = item.obj._hypothesis_internal_use_settings
            fewer = settings(asked, max_examples=min(asked.max_examples, COVERED), derandomize=True, database=None)
            item.obj._hypothesis_internal_use_settings = fewer


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            pytest.fail(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what a user has updated."""
    monkeypatch.setenv("PORTLORE_DATA", str(tmp_path / "portlore-data"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it skip where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the shared data, which are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The command under test: this interpreter's, or the one that ``./check`` installed from the wheel."""
    named = os.environ.get("PORTLORE_COMMAND")
    return [named] if named else [sys.executable, "-m", "portlore"]
