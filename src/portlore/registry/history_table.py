"""The text form of the history that stands in git: the dates of all snapshots, then one line per difference."""

from __future__ import annotations

from portlore.errors import DataError
from portlore.registry.deltas import DO, Delta, format_delta, parse_delta
from portlore.value import Value

TITLE = "# portlore registry history 1"
ASK = "reading the history table"


class HistoryTable(Value):
    """``dates``: every snapshot compared, oldest first; ``deltas``: all differences, oldest first."""

    dates: tuple[str, ...]
    deltas: tuple[Delta, ...]


def format_history(history: HistoryTable) -> str:
    """A history as text; :func:`parse_history` is its inverse."""
    lines = [TITLE, *(f"# dates\t{' '.join(history.dates[at : at + 10])}" for at in range(0, len(history.dates), 10))]
    between = ("", "")
    for delta in history.deltas:
        if between != (delta.older, delta.newer):
            between = (delta.older, delta.newer)
            lines.append(f"@\t{delta.older}\t{delta.newer}")
        lines.append(format_delta(delta))
    return "\n".join([*lines, ""])


def parse_history(text: str) -> HistoryTable:
    """The text of a history; :class:`DataError` says what is wrong."""
    lines = text.split("\n")
    if lines[0] != TITLE:
        raise DataError(ASK, f"its first line is {lines[0][:60]!r}", DO)
    dates: list[str] = []
    deltas: list[Delta] = []
    older = newer = ""
    for line in lines[1:]:
        if line.startswith("# dates\t"):
            dates += line[8:].split()
        elif line.startswith("@\t"):
            _, older, newer = [*line.split("\t"), "", ""][:3]
            if older not in dates or newer not in dates:
                raise DataError(ASK, f"a step between days that are no snapshots: {line[:60]!r}", DO)
        elif line and not line.startswith("#"):
            deltas.append(parse_delta(line, older, newer))
    if not dates:
        raise DataError(ASK, "no dates in its heading", DO)
    return HistoryTable(tuple(dates), tuple(deltas))
