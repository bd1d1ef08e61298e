"""Edge: ``nireport``: a table of what a directory's children have of some properties."""

from __future__ import annotations

import os

from portlore.errors import NetInfoError
from portlore.netinfo.tools.running import Misused, failed, opened, parse_options, print_json, text, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

MISSING = b"#NoValue#"


def nireport(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Print a line for each child, a column for each property."""
    options = parse_options(arguments, (), 1, credentials=False)
    if len(options.words) < 3:
        raise Misused(b"no properties" if options.words else b"", None)
    domain = options.words[0]
    path, *keys = map(os.fsencode, options.words[1:])
    with opened(options, domain) as handle:
        try:
            one = handle.search(path)
            lists = [handle.list_values(one, key) for key in keys]
        except NetInfoError as refusal:
            failed(b"ni_pathsearch", refusal, None)
    columns = [dict(found) for found in lists]
    rows = [(number, [column.get(number) for column in columns]) for number, _ in lists[0]]
    if options.json:
        shown = [
            {"id": number, "values": {text(key): texts(found or ()) for key, found in zip(keys, row, strict=True)}}
            for number, row in rows
        ]
        print_json(stdout, directories=shown)
        return
    cells = ([b",".join(found) if found else MISSING for found in row] for _, row in rows)
    stdout.writelines(b"\t".join((*row, b"\n")) for row in cells)
