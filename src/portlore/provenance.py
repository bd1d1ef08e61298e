"""Edge: an account of every source that answers on this machine come from."""

from __future__ import annotations

from collections import Counter

from portlore.local import read_local
from portlore.opening import load, open_programs, registry_paths, user_directory
from portlore.own.finding import read_own


def sources_of() -> list[dict[str, str]]:
    """One row per source: layer, date, title, licence, where it lies, detail."""
    book = load()
    snapshot = book.registry.snapshot
    dates = book.registry.dates
    paths = registry_paths()
    from_user = any(path.startswith(user_directory()) for path in paths) and "update" in snapshot.origin
    how = Counter(source.how for claim in book.lore for source in claim.sources)
    claims = f"{len(book.lore)} claims; sources: {', '.join(f'{count} {kind}' for kind, count in how.most_common())}"
    rows = [
        {
            "layer": "registry",
            "date": snapshot.date,
            "title": "IANA Service Name and Transport Protocol Port Number Registry",
            "licence": snapshot.licence,
            "path": paths[-1] if from_user else paths[0],
            "detail": f"({snapshot.licence}; sha256 {snapshot.sha256[:12]}…; {snapshot.origin})",
        },
        {
            "layer": "history",
            "date": dates[-1] if dates else "",
            "title": f"{len(dates)} dated states of the registry since {dates[0] if dates else '?'}",
            "licence": snapshot.licence,
            "path": paths[0],
            "detail": "",
        },
        {
            "layer": "claims",
            "date": max((source.retrieved for claim in book.lore for source in claim.sources), default=""),
            "title": claims,
            "licence": "Apache-2.0",
            "path": "",
            "detail": "(own words; each source is named where it is used)",
        },
    ]
    programs = open_programs()
    rows.append(
        {
            "layer": "programs",
            "date": "",
            "title": f"{len(programs)} programs and what they serve, for `portlore listening`",
            "licence": "Apache-2.0",
            "path": "",
            "detail": "(each row's source stands in lore/programs of the source)",
        }
    )
    lists: Counter[tuple[str, str, str]] = Counter()
    for _, line in read_local(()):
        folder = line.path.rpartition("/")[0] + "/" if line.layer in ("firewalld", "ufw") else line.path
        lists[line.layer, folder, line.package] += 1
    for (layer, path, package), count in lists.items():
        title = f"{path}{f' ({package})' if package else ''}"
        detail = f"{count} lines, read here and never shipped"
        rows.append({"layer": layer, "date": "", "title": title, "licence": "", "path": path, "detail": detail})
    own = dict.fromkeys(label.path for label in read_own())
    return rows + [
        {"layer": "own", "date": "", "title": path, "licence": "", "path": path, "detail": ""} for path in own
    ]
