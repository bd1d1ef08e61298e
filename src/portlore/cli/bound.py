"""Whom a domain is bound to, for ``portlore netinfo status``: what its server says, and what the way up comes to."""

from __future__ import annotations

import time

from portlore.errors import NetInfoError, PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from portlore.netinfo.handle import Handle
    from portlore.netinfo.values import Properties


def told_parent(told: Properties) -> dict[str, Any]:
    """A server's binding, from what it tells to Portlore (an original: its statistics), for JSON.

    ``state`` is a word of :class:`~portlore.netinfo.binding.State`; ``server`` the parent's; ``since`` in UTC;
    ``sought`` who may be the parent.
    """
    from portlore.netinfo.binding import parse_binding

    found = parse_binding(told)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.since)) if found.since else None
    return {"state": str(found.state), "server": found.parent or None, "since": since, "sought": list(found.sought)}


def climbed(handle: Handle) -> dict[str, Any]:
    """The way up from a domain, for JSON: its ``name``, the servers ``above``; ``word``: why it leads to no root."""
    from contextlib import ExitStack

    from portlore.netinfo.hierarchy import name_of, upwards
    from portlore.netinfo.replicating import Server

    above: list[str] = []
    told: dict[str, Any] = {"name": None, "above": above, "word": ""}
    with ExitStack() as closing:
        try:
            for each in upwards(handle):
                if each is not handle:
                    closing.enter_context(each)
                    above.append(str(Server(each.connection.address, each.tag)))
            told["name"] = name_of(handle).decode("utf-8", "backslashreplace")
        except NetInfoError as refusal:
            told["word"] = refusal.found
        except (PortloreError, OSError) as error:
            told["word"] = str(error)
    return told


def parent_lines(told: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """The binding of the server that was asked, and the way up, as people read it."""
    parent, way = row.get("parent"), told.get("way")
    if parent is None or way is None:
        return []
    state, sought = parent["state"], ", ".join(parent["sought"])
    said = {
        "root": "none, this is the root",
        "forced root": "none, isRoot makes this the root",
        "bound": f"{parent['server']}",
        "being sought": f"being sought at {sought}",
        "missing": f"none answers of {sought or 'those in /machines'}",
        "itself": f"none but itself: {sought}",
    }.get(state, "not told")
    since = f" since {parent['since']}" if parent["since"] and state in ("bound", "missing") else ""
    lines = [f"  parent: {said}{since}"]
    if way["name"] and way["above"]:
        lines.append(f"  name: {way['name']}, root at {way['above'][-1]}")
    elif way["word"] and state not in ("missing", "being sought"):
        lines.append(f"  WAY UP: {way['word']}")
    return lines
