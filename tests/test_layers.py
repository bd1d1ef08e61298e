"""The architecture as a test: imports go downwards only, and pure parts do not reach outside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src/portlore"
if not PACKAGE.is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)

# From the ground up: a module may import its own layer and those above it in this list, nothing below.
LAYERS = (
    ("word", "value", "errors"),
    ("oncrpc", "ber"),
    ("model", "seen", "observed"),
    ("packed",),
    ("registry",),
    ("lore",),
    ("query", "book"),
    ("chronicle", "searching", "ranges", "judging", "filtering", "comparing"),
    ("own",),
    ("render",),
    ("files", "journal", "extras", "local", "listeners", "netinfo", "building", "opening", "updating", "provenance"),
    ("library",),
    ("probes",),
    ("scan",),
    ("capture",),
    ("atlas",),
    ("web",),
    ("cli", "__init__", "__main__"),
)
PURE = (
    "word", "value", "errors", "model", "packed", "registry", "lore", "query", "book", "chronicle", "searching",
    "ranges", "judging", "filtering", "comparing", "seen", "own/__init__", "own/labels", "own/free", "render",
    "oncrpc", "ber", "netinfo/values", "netinfo/coding", "netinfo/domain", "netinfo/access", "netinfo/procedures",
    "netinfo/answering", "netinfo/exchange", "netinfo/descrypt", "netinfo/dumping", "netinfo/raw",
    "netinfo/loading", "netinfo/guests", "netinfo/binder", "netinfo/making", "netinfo/tools/usages",
    "netinfo/disk/findings", "netinfo/disk/records", "netinfo/disk/mending", "netinfo/disk/stores",
    "netinfo/disk/collection", "netinfo/disk/recovering", "netinfo/disk/writing", "netinfo/generations",
    "netinfo/history", "netinfo/undoing", "netinfo/metrics",
    "netinfo/replicating", "netinfo/binding", "netinfo/contents", "netinfo/tuning", "netinfo/channel",
    "netinfo/tools/helps", "netinfo/tools/expressions", "listeners/addresses", "listeners/netlink",
    "listeners/procnet", "listeners/cgroups", "atlas", "web/pages", "web/asking", "web/selection", "web/words",
    "web/sitemap", "web/metrics", "observed", "probes", "scan/plan", "scan/targets", "scan/ports", "scan/ranking",
    "scan/policy", "scan/grid", "scan/pace", "scan/packets", "scan/account", "scan/schedule", "scan/holding",
    "scan/advising", "scan/remembering",
    "capture/choosing", "capture/conversations", "capture/decoding", "capture/ends", "capture/recognising",
    "capture/streams", "netinfo/services", "netinfo/bridges/__init__",
    "netinfo/bridges/changes", "netinfo/bridges/dn", "netinfo/bridges/dslocal", "netinfo/bridges/etc",
    "netinfo/bridges/from_ldap", "netinfo/bridges/kinds", "netinfo/bridges/ldap_messages", "netinfo/bridges/ldif",
    "netinfo/bridges/nodes", "netinfo/bridges/records", "netinfo/bridges/residue", "netinfo/bridges/schema",
    "netinfo/bridges/special", "netinfo/bridges/syntaxes", "netinfo/bridges/table", "netinfo/bridges/to_ldap",
)  # fmt: skip
OUTSIDE = {"os", "pathlib", "socket", "subprocess", "time", "asyncio", "urllib", "http", "shutil", "tempfile",
           "threading", "signal", "random"}  # fmt: skip
EXTRAS = {  # imported when they are used, never by the rest
    "capture/": {"numpy"},
    "listeners/portable.py": {"psutil"},
    "netinfo/secure.py": {"cryptography"},
    "netinfo/postgres_line.py": {"pg8000"},
    "scan/": {"numpy"},
    "web/": {"anyio", "babel", "fastapi", "jinja2", "pydantic", "sqlalchemy", "starlette", "uvicorn"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> int:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return next(level for level, names in enumerate(LAYERS) if part in names)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downwards_only(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the public names, imported when they are asked for
    for name in imports(path):
        if name.startswith("portlore."):
            part = name.split(".")[1]
            assert place(PACKAGE / part) <= place(path), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_pure_parts_do_not_reach_outside(path: Path) -> None:
    inside = name_of(path)
    if any(inside == f"{part}.py" or inside.startswith(f"{part}/") for part in PURE):
        reached = {name.split(".")[0] for name in imports(path) if name != "urllib.parse"}
        assert reached & OUTSIDE == set()
        assert "open(" not in path.read_text("utf-8").replace("urlopen(", "")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_can_be_read_at_a_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_has_a_name_that_says_nothing(path: Path) -> None:
    assert path.stem not in ("utils", "util", "common", "helpers", "core", "manager", "misc")


def test_the_library_needs_no_third_party_package() -> None:
    import sys

    for path in MODULES:
        outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
        allowed = {"portlore"}.union(*(more for part, more in EXTRAS.items() if name_of(path).startswith(part)))
        assert outside <= allowed, name_of(path)
