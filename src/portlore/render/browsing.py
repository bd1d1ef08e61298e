"""The full-screen view of ``portlore netinfo browse``: what a key does, what is shown. Pure.

A :class:`Screen` shows a :class:`Visit`, which knows what is to be asked of the server. Only rows in sight are drawn.
"""

from __future__ import annotations

from portlore.render.editing import Editor
from portlore.render.prompt import Prompt, cut, pad
from portlore.render.sheet import Sheet
from portlore.render.terminal import BOLD, DIM, YELLOW, Style, clean, columns_of
from portlore.render.tree import ROOT
from portlore.render.visit import Visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.render.visit import Ask

HEAD = FOOT = 2  # lines above and below the two sides
NARROWEST, WIDEST = 16, 44  # columns of the tree
MOVES = ("up", "k", "down", "j", "page-up", "page-down", "home", "g", "end", "G")
TREE_KEYS = ("? help", "q quit", "tab properties", "c create", "d destroy", "u undo", "/ find", "r refresh")
PROPERTY_KEYS = ("? help", "q quit", "tab tree", "e edit", "a add", "d delete", "u undo", "p new", "m rename", "U redo")
PROMPT_KEYS = ("enter send", "escape leave", "up what was written before", "ctrl-u clear")
HELP = r"""
The tree                    The properties
right, enter  open          enter, e  edit the value
left          close         a         add a value below
c  create a directory       d         delete the value
d  destroy the directory    D         delete the property
                            m         rename the property
Both sides
tab  go to the other side   p  add a property
u    undo                   U  redo what was undone
/    find a name, or go to a path such as /users/uid=501
n    find the next one      r  refresh: look again
?    this page              q  quit
arrows, PgUp, PgDn, Home, End or j k g G  move

Every change is sent at once. Undo sends the opposite,
unless somebody else has changed the directory since. A
destroyed directory comes back, perhaps by another number.
Only one without directories below it can be destroyed.

In values \n is a line feed, \xff a byte, \\ a backslash;
"" is a value of no characters. Up recalls what you wrote.
"""


class Screen:
    """What is on the screen. ``who``: whom the calls are made as; ``sees_all``: no password hash is hidden from it."""

    def __init__(self, title: str, who: str, *, sees_all: bool = False) -> None:
        self.visit = Visit()
        self.done = False
        self.caret: tuple[int, int] | None = None  # where somebody writes: line and column
        self._title, self._who = clean(title), clean(who)
        self._help: int | None = None  # the first line of it in sight
        self._right = False  # the keys are for the properties
        self._sheet = Sheet()
        editor = self._editor = Editor(self.visit, self._sheet, sees_all=sees_all)
        self._word = ""
        self._anywhere: dict[str, Callable[[], None]] = {
            "q": self._quit, "?": self._explain, "r": self.visit.refresh, "u": self._undo, "U": self._redo,
            "\x12": self._redo, "/": self._ask_find, "n": self._find, "tab": self._turn, "c": editor.create,
            "p": lambda: editor.new_property(below=self._right),
        }  # fmt: skip
        self._on_tree: dict[str, Callable[[], None]] = {
            "enter": self._toggle, " ": self._toggle, "right": self._enter, "l": self._enter, "left": self._close,
            "h": self._close, "d": editor.destroy,
        }  # fmt: skip
        self._on_properties: dict[str, Callable[[], None]] = {
            "enter": editor.edit, "e": editor.edit, "a": editor.add, "d": editor.delete_value, "D": editor.delete,
            "m": editor.rename, "left": self._turn, "h": self._turn, "escape": self._turn,
        }  # fmt: skip

    # Keys

    def heedless(self, key: str) -> bool:
        """Whether a key does the same whether or not all has been read."""
        if self._editor.prompt is not None:
            return key != "enter"
        return key in ("q", "?", "escape") or (key in MOVES and self.visit.tree.unlisted is None)

    def press(self, key: str, page: int = 20) -> None:
        """Do what a key says: a character, a word of the terminal's, ``paste:`` with a text; ``page``: rows of one."""
        self.visit.awake()
        self._lay()
        if self._editor.active:
            self._editor.press(key)
        elif self._help is not None:
            most = HELP.count("\n")
            self._help = moved(key, self._help, most, page) if key in MOVES else None
        elif key in MOVES:
            self._move(key, page)
        else:
            action = (self._on_properties if self._right else self._on_tree).get(key) or self._anywhere.get(key)
            if action is not None:
                action()

    def _move(self, key: str, page: int) -> None:
        tree = self.visit.tree
        if self._right:
            self._sheet.cursor = moved(key, self._sheet.cursor, len(self._sheet.lines), page)
        else:
            self.visit.stay()
            tree.cursor = moved(key, tree.cursor, len(tree.rows), page)

    def _quit(self) -> None:
        self.done = True

    def _explain(self) -> None:
        self._help = 0

    def _turn(self) -> None:
        self._right = not self._right

    def _undo(self) -> None:
        if not self._editor.waits():
            self.visit.undo()

    def _redo(self) -> None:
        if not self._editor.waits():
            self.visit.redo()

    def _ask_find(self) -> None:
        self._editor.prompt = Prompt("find", "", self._seek)

    def _seek(self, text: str) -> None:
        if text.startswith("/"):
            self.visit.seek(text)
        else:
            self._word = text
            self._find()

    def _find(self) -> None:
        if not self._word:
            self.visit.note = "nothing to find: / asks for it"
        elif not self.visit.tree.find(self._word):
            self.visit.note = f"no {self._word} in what is open: /path looks in what is not"

    # The tree

    def _toggle(self) -> None:
        tree = self.visit.tree
        if tree.selected in tree.open:
            tree.close(tree.selected)
        else:
            tree.show(tree.selected)

    def _enter(self) -> None:
        tree = self.visit.tree
        if tree.selected not in tree.open:
            tree.show(tree.selected)
        elif tree.count(tree.selected):
            tree.cursor = min(tree.cursor + 1, len(tree.rows) - 1)
        else:
            self._right = True

    def _close(self) -> None:
        tree = self.visit.tree
        if tree.selected in tree.open and tree.count(tree.selected) and tree.selected != ROOT:
            tree.close(tree.selected)
        else:
            tree.select(tree.parents.get(tree.selected, ROOT))

    def _lay(self) -> None:
        if self.visit.current is not None:
            self._sheet.lay(self.visit.current)

    # The screen

    def frame(self, style: Style, height: int, asked: Ask | None = None) -> list[str]:
        """The lines of the screen, ``height`` of them, none wider than ``style.width``.

        ``asked``: what the server has not answered yet.
        """
        self._lay()
        self.caret = None
        room = max(1, height - HEAD - FOOT)
        if self._help is not None:
            lines = [style.paint("portlore netinfo browse", BOLD), *HELP.splitlines()[self._help :]][: height - 1]
            lines = [cut(line, style.width) for line in lines] + [""] * (height - 1 - len(lines))
            return [*lines, style.paint("any key goes back", DIM)][-height:]
        tree, bar = self.visit.tree, style.paint("│" if style.unicode else "|", DIM)
        left = max(NARROWEST, min(WIDEST, style.width * 2 // 5))
        right = style.width - left - 2
        sight = tree.in_sight(room)
        self.visit.sight = [tree.rows[row] for row in sight]
        selected = self._sheet.directory is not None and self._sheet.directory.number == tree.selected
        rows = self._sheet.rows(style, right, room, active=self._right) if selected else []
        rows += [""] * (room - len(rows))
        blank = " " * left
        names = [tree.row(row, style, left, active=not self._right) for row in sight]
        names += [blank] * (room - len(names))
        body = [f"{name}{bar} {row}".rstrip() for name, row in zip(names, rows, strict=True)]
        lines = [self._heading(style), self._place(style), *body, self._saying(style, height, asked)]
        return [*lines, style.paint(self._keys(style.width), DIM)][-height:]

    def _heading(self, style: Style) -> str:
        who = cut(self._who, style.width // 2)
        left = pad(cut(self._title, style.width), max(0, style.width - columns_of(who) - 1))
        return f"{style.paint(left, BOLD)} {style.paint(who, YELLOW)}"

    def _place(self, style: Style) -> str:
        """Where the cursor is: of a long path the end, and the directory's id."""
        one = self.visit.current
        told = f"directory {one.number}, instance {one.instance}" if one is not None else ""
        path = self.visit.tree.path(self.visit.tree.selected)
        room = max(1, style.width - len(told) - 1)
        if columns_of(path[-room - 1 :]) > room or len(path) > room:
            path = path[-room:]
            while columns_of(path) >= room:
                path = path[1:]
            path = ("…" if style.unicode else "~") + path
        return f"{pad(path, room)} {style.paint(told, DIM)}"

    def _saying(self, style: Style, height: int, asked: Ask | None) -> str:
        """The line above the keys: what somebody writes, is asked, or is told."""
        question, prompt = self._editor.question, self._editor.prompt
        if question is not None:
            return style.paint(cut(question[0], style.width), BOLD, YELLOW)
        if prompt is not None and not self.visit.note:
            text, column = prompt.shown(style.width)
            self.caret = height - FOOT, column
            return text
        waiting = "" if asked is None else self.visit.waiting_for(asked)
        return style.paint(cut(self.visit.note or waiting, style.width), YELLOW)

    def _keys(self, width: int) -> str:
        """What keys do, as many as there is room for."""
        keys: tuple[str, ...] = PROPERTY_KEYS if self._right else TREE_KEYS
        if self._editor.question is not None:
            keys = ("y yes", "any other key no")
        elif self._editor.prompt is not None:
            keys = PROMPT_KEYS
        while len(keys) > 1 and len("  ".join(keys)) > width:
            keys = keys[:-1]
        return cut("  ".join(keys), width)


def moved(key: str, at: int, count: int, page: int) -> int:
    """A place among so many after a key."""
    steps = {
        "up": -1, "k": -1, "down": 1, "j": 1, "page-up": -page, "page-down": page,
        "home": -count, "g": -count, "end": count, "G": count,
    }  # fmt: skip
    return max(0, min(at + steps[key], count - 1))
