"""The rows of a tree of which only those parts are known that were looked at. Pure."""

from __future__ import annotations

from portlore.render.directory import shown
from portlore.render.prompt import pad
from portlore.render.terminal import BOLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.render.directory import Values
    from portlore.render.terminal import Style

ROOT = 0


class Tree:
    """Directories by their numbers, those that are open, and the rows that follow from it.

    A server may tell of children that are their own ancestors, or of one child twice: each directory has one row.
    """

    def __init__(self) -> None:
        self.names: dict[int, Values] = {ROOT: ()}
        self.children: dict[int, list[int]] = {}
        self.parents: dict[int, int] = {}
        self.open = {ROOT}
        self.rows = [ROOT]
        self.cursor = 0
        self._top = 0
        self._depths = [0]
        self._counts: dict[int, int] = {}
        self._unlisted = {ROOT: None}  # open directories whose children are to be asked for, in order

    @property
    def selected(self) -> int:
        """The directory at the cursor."""
        return self.rows[self.cursor]

    @property
    def unlisted(self) -> int | None:
        """The next directory whose children are to be asked for."""
        return next(iter(self._unlisted), None)

    def count(self, number: int) -> int | None:
        """How many directories stand below one; ``None`` where nobody has looked."""
        below = self.children.get(number)
        return self._counts.get(number) if below is None else len(below)

    def label(self, number: int) -> str:
        """What a directory is called: its first name, without one its number."""
        names = self.names.get(number)
        return "/" if number == ROOT else shown(names[0]) if names else f"[{number}]"

    def path(self, number: int) -> str:
        """A directory's path, for people."""
        steps: list[str] = []
        seen = set()
        while number != ROOT and number not in seen:
            seen.add(number)
            steps.append(self.label(number).replace("/", "\\/"))
            number = self.parents.get(number, ROOT)
        return "/" + "/".join(reversed(steps))

    # What a server told

    def listed(self, number: int, entries: Iterable[tuple[int, Values]]) -> None:
        """A directory's children and their names."""
        self._unlisted.pop(number, None)
        found = dict(entries)
        found.pop(ROOT, None)
        for gone in self.children.get(number, ()):
            if gone not in found:
                self._forget(gone)
        self.children[number] = list(found)
        self.names.update(found)
        self.parents.update(dict.fromkeys(found, number))
        self.arrange()

    def named(self, number: int, names: Values) -> None:
        """A directory's names as they are now."""
        if number in self.names:
            self.names[number] = names

    def counted(self, counts: Iterable[tuple[int, int]]) -> None:
        """How many children directories have."""
        self._counts.update(counts)

    def born(self, parent: int, place: int, number: int, names: Values) -> None:
        """A new directory."""
        below = self.children.get(parent)
        if below is not None:
            self._forget(number)
            below.insert(min(place, len(below)), number)
            self.names[number], self.parents[number] = names, parent
            self._counts[number] = 0
        self._counts.pop(parent, None)
        self.arrange()

    def gone(self, number: int) -> None:
        """A directory is no longer there: the cursor goes to the one after it, or to its parent."""
        if number == ROOT:
            return
        if number == self.selected:
            below = self.cursor + 1
            deeper = below < len(self.rows) and self._depths[below] == self._depths[self.cursor]
            self.cursor = below if deeper else max(0, self.cursor - 1)
            if not deeper:
                self.select(self.parents.get(number, ROOT))
        parent = self.parents.get(number, ROOT)
        if number in self.children.get(parent, ()):
            self.children[parent].remove(number)
        self._forget(number)
        self.arrange()

    def refresh(self) -> None:
        """Ask for everything again that is open; forget what is closed."""
        self.children = {number: below for number, below in self.children.items() if number in self.open}
        self._counts.clear()
        self._unlisted = dict.fromkeys(self.open)

    def _forget(self, number: int) -> None:
        """Forget a directory and all that is known to be below it."""
        waiting = [number]
        while waiting:
            one = waiting.pop()
            waiting += [child for child in self.children.pop(one, ()) if self.parents.get(child) == one]
            self.names.pop(one, None)
            self.parents.pop(one, None)
            self._counts.pop(one, None)
            self._unlisted.pop(one, None)
            self.open.discard(one)

    # What somebody wants to see

    def show(self, number: int) -> None:
        """Open a directory."""
        self.open.add(number)
        if number not in self.children:
            self._unlisted[number] = None
        self.arrange()

    def close(self, number: int) -> None:
        """Close it."""
        self.open.discard(number)
        self._unlisted.pop(number, None)
        self.arrange()

    def select(self, number: int) -> bool:
        """Put the cursor on a directory; false where it has no row."""
        if number not in self.rows:
            return False
        self.cursor = self.rows.index(number)
        return True

    def reveal(self, number: int) -> bool:
        """Open all that is above a directory and put the cursor on it; false where it is not known."""
        above, seen = self.parents.get(number), {number}
        closed = False
        while above is not None and above not in seen:
            seen.add(above)
            closed |= above not in self.open
            self.open.add(above)
            above = self.parents.get(above)
        if closed:
            self.arrange()
        return self.select(number)

    def find(self, word: str) -> bool:
        """Put the cursor on the next row whose name holds a word, round the end; false without one."""
        word = word.lower()
        for row in (*range(self.cursor + 1, len(self.rows)), *range(self.cursor + 1)):
            for name in self.names.get(self.rows[row], ()):
                if word in shown(name).lower():
                    self.cursor = row
                    return True
        return False

    def in_sight(self, room: int) -> range:
        """The rows that are shown where there is room for so many: the cursor's is one of them."""
        if not self._top - room < self.cursor < self._top + 2 * room:  # a jump: what stands around it is shown too
            self._top = self.cursor - room // 2
        self._top = max(0, self.cursor - room + 1, min(self._top, self.cursor, len(self.rows) - room))
        return range(self._top, min(self._top + room, len(self.rows)))

    def row(self, row: int, style: Style, width: int, *, active: bool) -> str:
        """One row, exactly ``width`` columns; ``active``: the keys are for the tree."""
        number = self.rows[row]
        count = self.count(number)
        marks = "▾▸" if style.unicode else "-+"
        mark = " " if count == 0 else marks[number not in self.open]
        indent = " " * min(2 * self._depths[row], width // 2)
        text = f"{indent}{mark} {self.label(number)}{f' ({count:,})' if count else ''}"
        here = row == self.cursor
        pointer = style.paint(">" if active else "-", BOLD) if here else " "
        return pointer + style.paint(pad(text, width - 1, "…" if style.unicode else "~"), *((BOLD,) if here else ()))

    def uncounted(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Those among the rows of which nobody knows how many children they have."""
        return tuple(number for number in rows if self.count(number) is None)

    def arrange(self) -> None:
        """Make the rows anew; the cursor stays on its directory."""
        here = self.selected if self.cursor < len(self.rows) else ROOT
        rows: list[int] = []
        depths: list[int] = []
        seen = {ROOT}
        waiting = [iter((ROOT,))]
        while waiting:
            for number in waiting[-1]:
                rows.append(number)
                depths.append(len(waiting) - 1)
                below = self.children.get(number) if number in self.open else None
                if below:
                    fresh = [child for child in below if child not in seen]
                    seen.update(fresh)
                    waiting.append(iter(fresh))
                    break
            else:
                waiting.pop()
        self.rows, self._depths = rows, depths
        if not (self.cursor < len(rows) and rows[self.cursor] == here) and not self.select(here):
            self.cursor = min(self.cursor, len(rows) - 1)
