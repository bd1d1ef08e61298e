"""Every recorded file is read by a test: what nobody reads proves nothing."""

from __future__ import annotations

import ast
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.recordings import VECTORS

FILES = sorted(path.relative_to(VECTORS) for path in VECTORS.rglob("*") if path.is_file() and path.name != "README.md")
SOURCES = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name != Path(__file__).name)


class Names:
    """The names that a test's source can build: literals, ``glob`` patterns, f-strings filled with literals."""

    def __init__(self, text: str) -> None:
        self._literals, self._patterns, self._formed = set[str](), set[str](), set[str]()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
                self._literals |= {str(node.value), *str(node.value).split("/")}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "glob":
                self._patterns |= {one.value for one in node.args if isinstance(one, ast.Constant)}  # type: ignore[misc]
            elif isinstance(node, ast.JoinedStr):
                parts = [re.escape(str(one.value)) if isinstance(one, ast.Constant) else "(.+)" for one in node.values]
                self._formed.add("".join(parts))

    def holds(self, name: str) -> bool:
        found = (re.fullmatch(form, name) for form in self._formed)
        return (
            name in self._literals
            or any(fnmatchcase(name, pattern) for pattern in self._patterns)
            or any(match and self._literals.issuperset(match.groups()) for match in found)
        )


NAMES = {path.name: Names(path.read_text("utf-8")) for path in SOURCES}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_recorded_file_is_read_by_a_test(file: Path) -> None:
    assert [name for name, names in NAMES.items() if all(names.holds(part) for part in file.parts)], file


def test_a_file_that_nobody_reads_is_found_out() -> None:
    assert len(FILES) > 60
    for strange in ("conversation-777.json.gz", "scen-niutil-sing.json.gz", "new.json"):
        assert not [name for name, names in NAMES.items() if names.holds(strange)], strange
