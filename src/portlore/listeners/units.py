"""Edge: what systemd's unit files say of a unit: the program it starts, whether it is started again.

The files are read as systemd.unit(5) orders them, drop-ins last; no process is asked.
"""

from __future__ import annotations

import os

from portlore.listeners.linux import read
from portlore.value import Value

FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
           "/lib/systemd/system", "/run/systemd/generator", "/run/systemd/transient")  # fmt: skip
PREFIXES = "@-:+!|"  # systemd.service(5), special executable prefixes


class Unit(Value):
    """``program``: the path that its ``ExecStart=`` begins with. ``restart``: its ``Restart=``. Both may be empty."""

    program: str
    restart: str

    @property
    def comes_back(self) -> bool:
        """Whether systemd starts it again when it ends cleanly, as it does after TERM (systemd.service(5))."""
        return self.restart in ("always", "on-success")

    @property
    def comes_back_from_kill(self) -> bool:
        """Whether systemd starts it again when it had to be killed."""
        return self.restart not in ("", "no", "on-success")


def parse_unit(text: str) -> dict[str, list[str]]:
    """The settings of a unit file, values in order: an empty one clears those before it (systemd.syntax(7))."""
    found: dict[str, list[str]] = {}
    pending = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not pending and line[:1] in ("#", ";", "["):
            continue
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        key, mark, value = (pending + line).partition("=")
        pending = ""
        if mark:
            values = found.setdefault(key.strip(), [])
            if value.strip():
                values.append(value.strip())
            else:
                values.clear()
    return found


def program_of(command: str) -> str:
    """The program of an ``ExecStart=``; a shell that only starts another program is no answer, and gives nothing."""
    for word in command.split():
        program = word.lstrip(PREFIXES).strip("\"'")
        if program and not program.startswith("%"):
            return "" if program.rpartition("/")[2] in ("sh", "bash", "env") else program
    return ""


def read_unit(name: str, root: str = "") -> Unit | None:
    """A unit by its name, a template's instance by its template, a socket by the service it starts; else ``None``."""
    if "/" in name:
        return None
    service = name.removesuffix(".socket") + ".service" if name.endswith(".socket") else name
    settings = _settings(name, root) if service != name else None
    if settings is not None:
        service = (settings.get("Service") or [service])[-1]
        if settings.get("Accept", ["no"])[-1].lower() in ("yes", "true", "1", "on"):
            service = service.replace(".service", "@.service") if "@" not in service else service
    found = _settings(service, root)
    if found is None:
        return None
    commands = found.get("ExecStart", [])
    return Unit(program_of(commands[-1]) if commands else "", (found.get("Restart") or [""])[-1])


def _settings(name: str, root: str) -> dict[str, list[str]] | None:
    stem, _, kind = name.rpartition(".")
    template = f"{stem.partition('@')[0]}@.{kind}" if "@" in stem else name
    texts: list[str] = []
    for one in dict.fromkeys((name, template)):
        for folder in FOLDERS:
            text = read(f"{root}{folder}/{one}")
            if text is not None:
                texts.append(text)
                break
        if texts:
            break
    if not texts:
        return None
    for one in dict.fromkeys((template, name)):
        for folder in reversed(FOLDERS):
            try:
                pieces = sorted(os.listdir(f"{root}{folder}/{one}.d"))
            except OSError:
                continue
            texts += [read(f"{root}{folder}/{one}.d/{piece}") or "" for piece in pieces if piece.endswith(".conf")]
    return parse_unit("\n".join(texts))
