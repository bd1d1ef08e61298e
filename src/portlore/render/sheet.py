"""The properties of one directory as lines with a cursor: a line for each value. Pure."""

from __future__ import annotations

from portlore.render.directory import shown
from portlore.render.prompt import cut, fold, pad
from portlore.render.terminal import BOLD, CYAN, DIM, columns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.render.directory import Directory
    from portlore.render.terminal import Style

MEASURED = 500  # properties whose names are looked at for the width of their column


class Sheet:
    """The properties that are shown. ``aim``: the property and value to be at when the directory is read again."""

    def __init__(self) -> None:
        self.directory: Directory | None = None
        self.cursor = 0
        self.aim: tuple[int, int] | None = None
        self.lines: list[tuple[int, int]] = []  # property and value by their places; -1 where it has no value
        self._top = 0
        self._names = 0  # columns

    @property
    def at(self) -> tuple[int, int] | None:
        """The property and value at the cursor."""
        return self.lines[self.cursor] if self.lines else None

    def lay(self, found: Directory) -> None:
        """Take a directory as it was read; the cursor stays where it was in the same one."""
        if found is self.directory:
            return
        again = self.directory is not None and self.directory.number == found.number
        aim = (self.aim or self.at or (0, 0)) if again else (0, 0)
        self.directory, self.aim = found, None
        self._top = self._top if again else 0
        self.lines = [
            (at, place) for at, (_, values) in enumerate(found.properties) for place in range(len(values)) or (-1,)
        ]
        self._names = max((columns_of(shown(name)) for name, _ in found.properties[:MEASURED]), default=0)
        self.cursor = max(0, sum((at, max(place, 0)) <= aim for at, place in self.lines) - 1)

    def rows(self, style: Style, width: int, room: int, *, active: bool) -> list[str]:
        """The rows in sight, ``width`` columns at most; ``active``: the cursor shows, its value is shown whole."""
        mark = "…" if style.unicode else "~"
        names = min(self._names, width * 2 // 5)
        values = max(1, width - names - 4)
        whole = fold(self._value(self.cursor), values, room) if active and self.lines else [""]
        self._top = max(0, min(self._top, self.cursor, len(self.lines) - 1))
        self._top = max(self._top, min(self.cursor, self.cursor + len(whole) - room))
        rows: list[str] = []
        for number in range(self._top, min(len(self.lines), self._top + room)):
            here = active and number == self.cursor
            name = self._name(number, first=number == self._top)
            pieces = whole if here else [cut(self._value(number), values, mark)]
            for place, piece in enumerate(pieces):
                lead = style.paint(">", BOLD) if here and not place else " "
                head = style.paint(pad("" if place else name, names, mark), CYAN)
                dim = self.lines[number][1] < 0
                rows.append(f"{lead} {head}  {style.paint(piece, *((BOLD,) if here else (DIM,) if dim else ()))}")
        return rows[:room]

    def _name(self, number: int, *, first: bool) -> str:
        """The name in front of a line: once for each property."""
        at, place = self.lines[number]
        assert self.directory is not None  # noqa: S101 - there are lines
        return shown(self.directory.properties[at][0]) if place <= 0 or first else ""

    def _value(self, number: int) -> str:
        at, place = self.lines[number]
        assert self.directory is not None  # noqa: S101 - there are lines
        values = self.directory.properties[at][1]
        return "(no value)" if place < 0 else shown(values[place]) or '""'
