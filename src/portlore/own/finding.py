"""Edge: this folder: the nearest ``portlore.toml``."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.model import OwnLabel

FILE = "portlore.toml"
LIMIT = 1 << 20  # bytes


def read_own(start: str | None = None) -> list[OwnLabel]:
    """The labels of the nearest ``portlore.toml``, from ``start`` (the working directory) upwards; none without one.

    :class:`portlore.ParseError` when the file is wrong: a label that is silently lost would be worse.
    """
    try:
        folder = os.path.abspath(start or os.getcwd())  # noqa: PTH100, PTH109
    except OSError:  # a working directory that was deleted
        return []
    while True:
        path = f"{folder.rstrip('/')}/{FILE}"
        try:
            with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                text = file.read(LIMIT)
        except OSError:
            above = os.path.dirname(folder)  # noqa: PTH120
            if above == folder:
                return []
            folder = above
            continue
        from portlore.own.labels import parse_labels

        return parse_labels(text, path)
