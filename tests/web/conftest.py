"""What the tests in a browser share: one server for a module's tests, whose faults fail the test that met them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_map import Atlas
    from readers import Readers


@pytest.fixture(scope="module")
def served_atlas(command: list[str]) -> Iterator[Atlas]:
    """The atlas page and a browser."""
    from atlas_map import serving

    with serving(command) as atlas:
        yield atlas


@pytest.fixture
def atlas(served_atlas: Atlas) -> Iterator[Atlas]:
    """The same for one test."""
    yield served_atlas
    served_atlas.finish()


@pytest.fixture(scope="module")
def served(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    """The site and a browser."""
    from readers import reading

    with reading(command, tmp_path_factory.mktemp("site")) as readers:
        yield readers


@pytest.fixture
def readers(served: Readers) -> Iterator[Readers]:
    """The same for one test."""
    yield served
    served.finish()
