"""Packaging: builds the run-time form of the tables, which the wheel ships instead of the text."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildTables(BuildHookInterface):  # type: ignore[misc]
    """Runs ``portlore.building`` before a wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build into ``src/portlore/built``, from where the wheel takes it."""
        source = Path(self.root, "src")
        sys.path.insert(0, str(source))
        from portlore.building import build

        build(source / "portlore/built")
