"""Write docs/reference/ from what the program says of itself: command help, public names, schema of claims.

python tools/build_reference.py            write
python tools/build_reference.py --check    exit 1 when a page is out of date
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import portlore
from portlore.cli import COMMANDS, module_of
from portlore.cli.parser import parser_for
from portlore.lore.schema import CLAIM_KEYS, HOW, LONGEST, OPTIONAL, SOURCE_KEYS
from portlore.model import ChangeKind, ClaimKind, Status, Verdict
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS, Protocol
from portlore.value import Value

REFERENCE = Path(__file__).parent.parent / "docs/reference"
MADE = "<!-- made by tools/build_reference.py: do not edit -->\n"


def commands() -> str:
    parts = [f"{MADE}# Commands\n\nEach command as its own `--help` tells it.\n"]
    for name in COMMANDS:
        module = module_of(name)
        parser = parser_for(name, module.USAGE, module.DESCRIPTION)
        module.add_arguments(parser)
        parts.append(
            f"## portlore {name}\n\n{COMMANDS[name].capitalize()}.\n\n```text\n{parser.format_help().strip()}\n```\n"
        )
    return "\n".join(parts)


def library() -> str:
    parts = [f"{MADE}# Library\n\nEvery public name of `import portlore`, with its own words.\n"]
    for name in portlore.__all__:
        if name.startswith("_"):
            continue
        thing = getattr(portlore, name)
        signature = name
        if inspect.isfunction(thing):
            signature = f"{name}{inspect.signature(thing)}".replace("'", "")
        elif isinstance(thing, type) and issubclass(thing, Value):
            signature = f"{name}({', '.join(thing.__fields__)})"
        text = inspect.cleandoc(thing.__doc__ or "")
        if isinstance(thing, type) and issubclass(thing, str):
            text += "\n\nWords: " + ", ".join(f"`{word}`" for word in thing)
        parts.append(f"## `{signature}`\n\n{text.replace('::' + chr(10), chr(10))}\n")
    return "\n".join(parts)


def claims() -> str:
    def row(key: str) -> str:
        note = "optional" if key in OPTIONAL else "required"
        return f"| `{key}` | {note} | {f'at most {LONGEST[key]} characters' if key in LONGEST else ''} |"

    lines = [
        f"{MADE}# Claims: the schema of `src/portlore/lore/claims/*.toml`\n",
        "One `[[claim]]` per statement, one or more `[[claim.sources]]` each. A claim without a source that somebody",
        "opened is refused by a test.\n",
        "## Keys of a claim\n",
        "| key | | |\n|---|---|---|",
        *map(row, CLAIM_KEYS),
        "\n## Keys of a source\n",
        "| key | | |\n|---|---|---|",
        *map(row, SOURCE_KEYS),
        "\n## Words\n",
        f"- kind: {', '.join(f'`{word}`' for word in ClaimKind)}",
        f"- verdict: {', '.join(f'`{word}`' for word in Verdict)}",
        f"- how a source was read: {', '.join(f'`{word}`' for word in HOW)}. `page read` is a page or a stored copy of",
        "  it; `package file` names the file by package URL and is checked by `tools/check_claims.py`.",
        f"- status of a port: {', '.join(f'`{word}`' for word in Status)}",
        f"- kind of a change: {', '.join(f'`{word}`' for word in ChangeKind)}",
        "",
    ]
    return "\n".join(lines)


def probes() -> str:
    def how(name: str) -> str:
        asked = [one for one in PROBES if one.protocol == name]
        return "; ".join(
            f"`{one.name}`"
            + (" (its ports only)" if not one.everywhere else "")
            + ("" if one.gentle else " (not gentle)")
            for one in asked
        )

    def heard(name: str) -> str:
        sides = {
            side for one in RECOGNISERS if one.protocol == name for side in ("server", "client") if getattr(one, side)
        }
        return ", ".join(sorted(sides))

    def row(one: Protocol) -> str:
        where = ", ".join(dict.fromkeys((*one.services, *one.tls_services)) or (f"by custom: {', '.join(one.uses)}",))
        return f"| `{one.name}` | {one.title} | {where} | {how(one.name)} | {heard(one.name)} |"

    lines = [
        f"{MADE}# Protocols that are told by their content\n",
        "For each: the registered services whose ports it belongs on, the dialogues that ask for it, and whose first",
        "bytes give it away in a capture. A probe that is not gentle is left out with `--gentle`.\n",
        "| protocol | | belongs on | asked by | heard in a capture |\n|---|---|---|---|---|",
        *map(row, sorted(PROTOCOLS.values(), key=lambda one: one.title.lower())),
        "",
    ]
    return "\n".join(lines)


PAGES = {"commands.md": commands, "library.md": library, "claims.md": claims, "probes.md": probes}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        path = REFERENCE / name
        text = make()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        print(f"out of date: {', '.join(stale)}; run python tools/build_reference.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
