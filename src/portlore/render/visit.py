"""A visit to a NetInfo domain: what is known of it, what is to be asked next, what was changed. Pure.

A :class:`Visit` never talks to a server. :meth:`Visit.wanted` is the next thing to be asked, which the edge asks while
the screen goes on; :meth:`Visit.read`, :meth:`Visit.listed` … take the answer, :meth:`Visit.failed` the refusal.
"""

from __future__ import annotations

from portlore.render.directory import Birth, Change, Directory, Edit, History, shown
from portlore.render.tree import ROOT, Tree
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from portlore.render.directory import Values

UNBORN = -1  # the number of a directory that is yet to be created
SAID = {  # of an edit: the property's name, the value or name that it is given
    "create_property": "added {0}", "destroy_property": "deleted {0}", "rename_property": "renamed {0} to {1}",
    "create_value": "added {1} to {0}", "destroy_value": "deleted {1} from {0}", "write_value": "changed {0} to {1}",
}  # fmt: skip
LONGEST_SAID = 60  # bytes of a value


class Read(Value):
    """To be asked: a directory's properties."""

    number: int


class Listing(Value):
    """To be asked: a directory's children with their names."""

    number: int


class Count(Value):
    """To be asked: how many children some directories have."""

    numbers: tuple[int, ...]


class Find(Value):
    """To be asked: the directories along a path."""

    path: str


class Write(Value):
    """To be asked: a change, of the directory as it was at an instance."""

    change: Change
    instance: int


Ask = Read | Listing | Count | Find | Write


class Doing(Value):
    """A change under way.

    ``how``: do, undo or redo. ``instance``: of the directory that it was decided on, which is read first where that is
    not known. ``kept``: it can be undone.
    """

    change: Change
    how: str
    instance: int | None = None
    kept: bool = True


class Visit:
    """What is known of a domain. ``note``: the last thing that happened, for people."""

    def __init__(self) -> None:
        self.tree, self.history = Tree(), History()
        self.directory: Directory | None = None  # the selected one, as it was last read
        self.sight: Sequence[int] = ()  # the directories in sight
        self.note = ""
        self._doing: Doing | None = None
        self._sought = ""
        self._goal: list[int] = []  # directories to be opened, and the one that the cursor is to go to
        self._halted = self._lost = False
        self._counting = True

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._doing is not None

    @property
    def current(self) -> Directory | None:
        """The directory at the cursor, where it has been read."""
        found = self.directory
        return found if found is not None and found.number == self.tree.selected else None

    # What somebody wants

    def awake(self) -> None:
        """Somebody is there: what failed is tried again."""
        self._halted, self.note = False, ""

    def stay(self) -> None:
        """The cursor goes nowhere by itself."""
        self._goal = []

    def seek(self, path: str) -> None:
        """Go to the directory of a path."""
        self._sought = path

    def refresh(self) -> None:
        """Look again at all that is open."""
        self.tree.refresh()
        self.directory = None

    def start(self, change: Change, instance: int, *, kept: bool) -> None:
        """Make a change."""
        self._doing = Doing(change, "do", instance, kept)

    def undo(self) -> None:
        """Undo the last change."""
        if self.history.done:
            self._doing = Doing(self.history.done[-1].inverse, "undo")
        else:
            self.note = "nothing to undo"

    def redo(self) -> None:
        """Make the change again that was undone last."""
        if self.history.undone:
            self._doing = Doing(self.history.undone[-1], "redo")
        else:
            self.note = "nothing to redo"

    # What is to be asked, and the answers

    def wanted(self) -> Ask | None:
        """The next thing to ask of the server; ``None``: nothing before somebody wants something."""
        if self._halted:
            return None
        if (doing := self._doing) is not None:
            return Read(doing.change.target) if doing.instance is None else Write(doing.change, doing.instance)
        if self._sought:
            return Find(self._sought)
        if self.current is None:
            return Read(self.tree.selected)
        if self.tree.unlisted is not None:
            return Listing(self.tree.unlisted)
        uncounted = self.tree.uncounted(self.sight) if self._counting else ()
        return Count(uncounted) if uncounted else None

    def waiting_for(self, ask: Ask) -> str:
        """What is going on while something asked is not answered."""
        match ask:
            case Write():
                return "writing …"
            case Read(number):
                return f"reading {self.tree.path(number)} …"
            case Listing(number):
                return f"reading what is in {self.tree.path(number)} …"
            case Find():
                return "looking …"
            case Count():
                return ""

    def read(self, found: Directory) -> None:
        """A directory's properties."""
        self._heard()
        doing = self._doing
        if doing is not None and doing.instance is None and doing.change.target == found.number:
            if doing.change.fits(found):
                self._doing = doing.replace(instance=found.instance)
            else:
                self._drop(f"not {doing.how}ne: somebody else has changed {self.tree.path(found.number)} since")
        self.tree.named(found.number, found.first(b"name"))
        if found.number == self.tree.selected:
            self.directory = found

    def listed(self, number: int, entries: Sequence[tuple[int, Values]]) -> None:
        """A directory's children and the values of their names."""
        self._heard()
        self.tree.listed(number, entries)
        self._approach()

    def counted(self, counts: Sequence[tuple[int, int]]) -> None:
        """How many children each of the directories asked about has."""
        self._heard()
        self.tree.counted(counts)

    def found(self, numbers: Sequence[int]) -> None:
        """The directories along the path that was sought, from below the root on."""
        self._heard()
        self._sought = ""
        self._goal = [ROOT, *numbers]
        self._approach()

    def _approach(self) -> None:
        """Open what stands above the directory that the cursor is to go to, as far as it is known."""
        while self._goal:
            number = self._goal[0]
            if not self.tree.reveal(number):
                if self.tree.unlisted is None:
                    self.note, self._goal = "it is not where it was: r refreshes", []
                return
            del self._goal[0]
            if self._goal:
                self.tree.show(number)

    def written(self, number: int) -> None:
        """The change was made; ``number``: of the directory that was created, any for other changes."""
        doing, self._doing, self.directory = self._doing, None, None
        self._heard()
        if doing is None:
            return
        change, how, more = doing.change, doing.how, ""
        if isinstance(change, Birth) and change.born:
            if change.number not in (UNBORN, number):
                more = f"; it is directory {number} now, it was {change.number}"
                self.history.renumber(change.number, number)
            change = change.replace(number=number)
        original = change
        if how == "do":
            if doing.kept:
                self.history.add(change)
        elif how == "undo":
            original = self.history.done.pop()
            self.history.undone.append(original)
        else:
            self.history.done.append(self.history.undone.pop())
        self.note = self.said(change) if how == "do" else f"{how}ne: {self.said(original)}{more}"
        self._grow(change, how)

    def _grow(self, change: Change, how: str) -> None:
        """Have the tree follow a change that was made."""
        if isinstance(change, Edit):
            if how != "do":
                self.tree.reveal(change.number)
        elif change.born:
            self.tree.show(change.parent)
            self.tree.born(change.parent, change.place, change.number, change.names)
            self._goal = [change.number]
            self._approach()
        else:
            self.tree.gone(change.number)

    def failed(self, ask: Ask, status: str, text: str) -> None:
        """What was asked was refused: NetInfo's word for the status (FAILED: no answer), and a text for people."""
        doing = self._doing
        if status == "FAILED":
            self._doing, self._lost, self._halted = None, True, True
            self.note = f"connection lost ({text}): any key tries again"
            if isinstance(ask, Write):
                self.note = f"connection lost, whether it was written is not known: any key looks ({text})"
            return
        self._heard()
        if doing is not None:
            word = "not written" if doing.how == "do" else f"not {doing.how}ne"
            if status == "NODIR":
                self._drop(f"{word}: directory {doing.change.target} is no longer there")
            else:
                self.note = f"{word}: {text}"
            if status == "STALE":
                self.note = f"{word}: somebody else has changed it meanwhile; this is how it is now"
            self._doing = self.directory = None
        elif isinstance(ask, Find):
            self._sought = ""
            self.note = f"{shown(ask.path.encode('utf-8', 'surrogateescape'))}: {text}"
        elif isinstance(ask, Count):
            self._counting = False
        elif isinstance(ask, Read | Listing) and status == "NODIR" and ask.number != ROOT:
            self.note = f"{self.tree.path(ask.number)} is no longer there"
            self.tree.gone(ask.number)
        else:
            self.note = text
            if isinstance(ask, Listing):
                self.tree.close(ask.number)
            else:
                self._halted = True

    def _heard(self) -> None:
        if self._lost:
            self._lost = False
            self.refresh()
            self.note = "connected again"

    def _drop(self, note: str) -> None:
        """Give up a change: it will not be possible later either."""
        doing, self._doing = self._doing, None
        if doing is not None and doing.how != "do":
            (self.history.done if doing.how == "undo" else self.history.undone).pop()
        self.note = note

    def said(self, change: Change) -> str:
        """What a change does, in words."""
        if isinstance(change, Birth):
            path = f"{self.tree.path(change.parent).rstrip('/')}/{shown((*change.names, b'?')[0])}"
            return f"{'created' if change.born else 'destroyed'} {path}"
        step = change.step
        name = step.name if step.procedure == "create_property" else change.before[step.at][0]
        given = step.values[0] if step.values else step.name
        return SAID[step.procedure].format(shown(name), shown(given[:LONGEST_SAID]) or '""')
