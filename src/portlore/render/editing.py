"""Changing what is seen of a domain: what somebody is asked for, and the change that follows from it. Pure.

Every change names the directory's instance as it was when its properties were shown, so that a server refuses it
(STALE) when somebody else was faster.
"""

from __future__ import annotations

from portlore.errors import InputError
from portlore.render.directory import LAST, Birth, Directory, Edit, shown, typed
from portlore.render.prompt import Prompt
from portlore.render.tree import ROOT
from portlore.render.visit import UNBORN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.render.directory import Change, Properties, Values
    from portlore.render.sheet import Sheet
    from portlore.render.visit import Visit


class Editor:
    """What somebody is writing or asked: a ``prompt`` or a ``question``.

    ``sees_all``: no password hash is hidden, so that every change can be undone.
    """

    def __init__(self, visit: Visit, sheet: Sheet, *, sees_all: bool) -> None:
        self.visit, self.sheet, self._sees_all = visit, sheet, sees_all
        self.prompt: Prompt | None = None
        self.question: tuple[str, Callable[[], None]] | None = None
        self._recall = ""  # what was written last

    @property
    def active(self) -> bool:
        """Whether the keys are for it."""
        return self.prompt is not None or self.question is not None

    def press(self, key: str) -> None:
        """Write, answer or leave."""
        if self.question is not None:
            (_, then), self.question = self.question, None
            self.visit.note = "left as it is"
            if key in ("y", "Y"):
                self.visit.note = ""
                then()
        elif self.prompt is not None:
            self._write(self.prompt, key)

    def _write(self, prompt: Prompt, key: str) -> None:
        if key == "escape":
            self.prompt, self._recall = None, prompt.text
        elif key == "up":
            prompt.text, prompt.at = self._recall, len(self._recall)
        elif key == "enter":
            self.prompt, self._recall = None, prompt.text
            try:
                prompt.then(prompt.text)
            except InputError as wrong:
                self.prompt, self.visit.note = prompt, f"{wrong.asked}: {wrong.found}; {wrong.do}"
        else:
            prompt.press(key)

    def create(self) -> None:
        """Ask for the name of a directory to be created in the selected one."""
        if (one := self._current()) is None:
            return

        def create(text: str) -> None:
            if not text:
                raise InputError("a directory", "it has no name", "write one, or leave with escape")
            given = ((b"name", (typed(text),)),)
            birth = Birth(one.number, one.first(b"name"), LAST, UNBORN, given)
            self.visit.start(birth, one.instance, kept=True)

        self.prompt = Prompt(f"new directory in {self.visit.tree.path(one.number)}", "", create)

    def destroy(self) -> None:
        """Ask whether the selected directory is to be destroyed."""
        tree = self.visit.tree
        if (one := self._current()) is None:
            return
        path = tree.path(one.number)
        if one.number == ROOT:
            self.visit.note = "the root cannot be destroyed"
            return
        if count := tree.count(one.number):
            self.visit.note = f"{path} has {count:,} below it: destroy those first"
            return
        parent = tree.parents[one.number]
        place = tree.children[parent].index(one.number)
        birth = Birth(parent, tree.names.get(parent, ()), place, one.number, one.properties, born=False)
        self._ask(f"destroy {path}", birth, one.instance)

    def new_property(self, *, below: bool) -> None:
        """Ask for a property's name, then for its value; ``below``: it goes below the cursor, else to the end."""
        if (one := self._current()) is None:
            return
        place = self.sheet.at if below else None
        at = len(one.properties) if place is None else place[0] + 1

        def name_it(text: str) -> None:
            if not text:
                raise InputError("a property", "it has no name", "write one, or leave with escape")
            name = typed(text)
            self.prompt = Prompt(f"its value ({shown(name)})", "", lambda value: add(name, value))

        def add(name: bytes, text: str) -> None:
            values = (typed(text),) if text else ()
            self._change(one, (*one.properties[:at], (name, values), *one.properties[at:]), at, 0)

        self.prompt = Prompt("new property", "", name_it)

    def edit(self) -> None:
        """Ask what the value at the cursor is to be."""
        if (found := self._at()) is None:
            return
        one, at, place = found
        name, values = one.properties[at]
        if place < 0:
            self.add()
            return

        def write(text: str) -> None:
            self._set(one, at, name, (*values[:place], typed(text), *values[place + 1 :]), place)

        self.prompt = Prompt(shown(name), shown(values[place]), write)

    def add(self) -> None:
        """Ask for a value to go below the one at the cursor."""
        if (found := self._at()) is None:
            return
        one, at, place = found
        name, values = one.properties[at]

        def write(text: str) -> None:
            self._set(one, at, name, (*values[: place + 1], typed(text), *values[place + 1 :]), place + 1)

        self.prompt = Prompt(f"another value of {shown(name)}" if values else f"a value of {shown(name)}", "", write)

    def delete_value(self) -> None:
        """Delete the value at the cursor."""
        if (found := self._at()) is not None:
            one, at, place = found
            name, values = one.properties[at]
            if place < 0:
                self.visit.note = f"{shown(name)} has no value: D deletes the property"
            else:
                self._set(one, at, name, (*values[:place], *values[place + 1 :]), place)

    def delete(self) -> None:
        """Delete the property at the cursor."""
        if (found := self._at()) is not None:
            one, at, _ = found
            self._change(one, (*one.properties[:at], *one.properties[at + 1 :]), at, 0)

    def rename(self) -> None:
        """Ask what the property at the cursor is to be called."""
        if (found := self._at()) is None:
            return
        one, at, place = found
        name, values = one.properties[at]

        def rename(text: str) -> None:
            if not text:
                raise InputError("a property", "it has no name", "write one, or leave with escape")
            self._set(one, at, typed(text), values, place)

        self.prompt = Prompt(f"rename {shown(name)} to", shown(name), rename)

    def _set(self, one: Directory, at: int, name: bytes, values: Values, place: int) -> None:
        self._change(one, (*one.properties[:at], (name, values), *one.properties[at + 1 :]), at, place)

    def _change(self, one: Directory, after: Properties, at: int, place: int) -> None:
        if after == one.properties:
            self.visit.note = "as it was: nothing to write"
            return
        self.sheet.aim = at, place
        edit = Edit(one.number, one.properties, after)
        if edit.loses_hidden and not self._sees_all:
            verb = "change" if edit.step.procedure == "write_value" else "delete"
            self._ask(f"{verb} {shown(one.properties[at][0])}", edit, one.instance)
        else:
            self.visit.start(edit, one.instance, kept=True)

    def _ask(self, text: str, change: Change, instance: int) -> None:
        """Make a change when somebody says yes; say so where it cannot be undone."""
        kept = self._sees_all or not change.loses_hidden
        why = "" if kept else "no undo, as the password hash is hidden: "
        self.question = f"{why}{text}? y/n", lambda: self.visit.start(change, instance, kept=kept)

    def _current(self) -> Directory | None:
        one = None if self.waits() else self.visit.current
        if one is None and not self.visit.note:
            self.visit.note = "it has not been read yet: try again"
        return one

    def _at(self) -> tuple[Directory, int, int] | None:
        one, at = self._current(), self.sheet.at
        if one is not None and at is None:
            self.visit.note = "there is no property: p adds one"
        return None if one is None or at is None else (one, *at)

    def waits(self) -> bool:
        """Whether a change is under way, which is said then."""
        if self.visit.busy:
            self.visit.note = "the change before it is still being written"
        return self.visit.busy
