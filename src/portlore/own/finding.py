"""Edge: this folder: the nearest ``portlore.toml``."""

from __future__ import annotations

import os
import stat

from portlore.errors import ParseError

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
        text = _text(path)
        if text is not None:
            from portlore.own.labels import parse_labels

            return parse_labels(text, path)
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return []
        folder = above


def _text(path: str) -> str | None:
    """What stands in a file; None when there is none; an error when it is there and cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for without end
            raise ParseError(f"reading {path}", "it is no file", "move it away, or make it one")
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ParseError(f"reading {path}", error.strerror or "it cannot be read", "make it readable") from None
