"""What takes recorded changes of a domain back: the smallest calls that do. Pure.

A change is undone by putting the properties that it touched back to what they were; what later writes did to others
stays. It is refused where the domain is no longer as the change left it: where somebody touched the same property
later, or destroyed the directory or its parent. Several changes are undone newest first, each as if those before it
had been done already.
"""

from __future__ import annotations

from portlore.errors import InputError
from portlore.netinfo.coding import decode_properties
from portlore.netinfo.history import PUSH, Change, who
from portlore.netinfo.values import Property
from portlore.render.directory import shown
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portlore.netinfo.domain import Domain
    from portlore.netinfo.values import Properties

    Groups = dict[bytes, tuple[tuple[bytes, ...], ...]]  # the values of all properties of each name

CREATE, DESTROY = 5, 6  # procedures
FORCE = "undo that one first, or say --force"


class Step(Value):
    """One call. ``procedure``: the name of a verb of ``Handle``; ``directory``: the one that it writes.

    ``at``: the place of the property, or the position for a new directory; ``place``: of the value in it. A directory
    that an earlier step makes anew has a number below 0. ``gone``: the directory that is destroyed or made.
    """

    procedure: str
    directory: int
    path: bytes
    at: int = 0
    place: int = 0
    name: bytes = b""
    values: tuple[bytes, ...] = ()
    given: Properties = ()
    gone: int = 0


class _View:
    """The domain as it will be while steps are planned."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._properties: dict[int, Properties | None] = {}
        self._below: dict[int, int] = {}  # how many children more
        self.moved: dict[int, int] = {}  # numbers of directories that are made anew
        self.made = 0

    def now(self, number: int) -> Properties | None:
        if number in self._properties:
            return self._properties[number]
        one = self._domain.directories.get(number)
        return None if one is None else one.properties

    def set(self, number: int, properties: Properties | None) -> None:
        self._properties[number] = properties

    def children(self, number: int) -> int:
        one = self._domain.directories.get(number)
        return (0 if one is None else len(one.children)) + self._below.get(number, 0)

    def count(self, number: int, more: int) -> None:
        self._below[number] = self._below.get(number, 0) + more


def undo(chosen: Sequence[Change], later: Iterable[Change], domain: Domain, *, force: bool = False) -> list[Step]:
    """The steps that take changes back, in order; ``later``: all changes that came after the oldest of them.

    :class:`InputError` names the later change that is in the way; with ``force`` what it did is lost. The
    instances are those that the directories have when a step is done: nobody else may write them in between.
    """
    numbers = {one.number for one in chosen}
    others = [one for one in later if one.number not in numbers]
    view, steps = _View(domain), list[Step]()
    for change in sorted(chosen, key=lambda one: -one.number):
        since = [one for one in others if one.number > change.number]
        steps += _undone(change, since, view, force)
    return steps


def _undone(change: Change, since: list[Change], view: _View, force: bool) -> list[Step]:
    asked = f"undoing change {change.number}"
    if change.is_cut:
        raise InputError(asked, "its properties were too large to be kept", "take them from a backup")
    if change.before is None and change.after is None:
        raise InputError(asked, "it stands for the whole domain", "restore a backup for that")
    before = None if change.before is None else decode_properties(change.before)
    after = None if change.after is None else decode_properties(change.after)
    if after is None and before is not None:
        return _made_again(change, before, since, view)
    number = view.moved.get(change.directory, change.directory)
    reborn = next((one for one in since if one.directory == change.directory and one.procedure == DESTROY), None)
    now = view.now(number)
    if now is None or (reborn is not None and number == change.directory and not force):
        found = f"{shown(change.path)} is gone{_by(reborn)}"
        raise InputError(asked, found, "undo that one first" if reborn else "there is nothing to be put right")
    if before is None:
        return _unmade(change, number, after or (), now, since, view, force)
    return _put_back(change, number, (before, after or (), now), since, view, force)


def _by(change: Change | None) -> str:
    return "" if change is None else f" by change {change.number} ({who(change)})"


def _made_again(change: Change, before: Properties, since: list[Change], view: _View) -> list[Step]:
    """A directory that was destroyed, at its old place below its parent."""
    asked = f"undoing change {change.number}"
    parent = view.moved.get(change.parent, change.parent)
    gone = next((one for one in since if one.directory == change.parent and one.procedure == DESTROY), None)
    if view.now(parent) is None or (gone is not None and parent == change.parent):
        do = "undo that one first, or both at once" if gone else "make the directory above again"
        raise InputError(asked, f"the directory above {shown(change.path)} is gone{_by(gone)}", do)
    if change.directory in view.moved:
        raise InputError(asked, "its directory is there already", "undo the newer one alone")
    view.made += 1
    number = view.moved[change.directory] = -view.made
    view.set(number, before)
    view.count(parent, 1)
    return [Step("create", parent, change.path, change.place, given=before, gone=number)]


def _unmade(
    change: Change, number: int, after: Properties, now: Properties, since: list[Change], view: _View, force: bool
) -> list[Step]:
    """A directory that was created goes; what stands below it is never taken along."""
    asked = f"undoing change {change.number}"
    if view.children(number):
        below = next((one for one in since if one.parent == change.directory and one.procedure == CREATE), None)
        found = f"{shown(change.path)} has directories below it" + (f", made{_by(below)}" if below else "")
        raise InputError(asked, found, "undo those first, or destroy them")
    if now != after and not force:
        other = next((one for one in since if one.directory == change.directory), None)
        raise InputError(asked, f"{shown(change.path)} was changed later{_by(other)}", FORCE)
    parent = view.moved.get(change.parent, change.parent)
    view.moved.pop(change.directory, None)  # before that the number was another directory's
    view.set(number, None)
    view.count(parent, -1)
    return [Step("destroy", parent, change.path, gone=number)]


def _put_back(
    change: Change,
    number: int,
    lists: tuple[Properties, Properties, Properties],
    since: list[Change],
    view: _View,
    force: bool,
) -> list[Step]:
    """The properties that a write touched, as they were."""
    before, after, now = lists
    old, left, found = _grouped(before), _grouped(after), _grouped(now)
    touched = [name for name in dict.fromkeys([*old, *left]) if old.get(name) != left.get(name)]
    for name in touched:
        if found.get(name) != left.get(name) and not force:
            by = next((one for one in since if one.directory == change.directory and name in _touched(one)), None)
            word = f"the property {shown(name)} of {shown(change.path)} was changed later{_by(by)}"
            raise InputError(f"undoing change {change.number}", word, FORCE)
    wanted = before if now == after else _merged(now, before, set(touched))
    view.set(number, wanted)
    return steps_between(number, change.path, now, wanted)


def _touched(change: Change) -> set[bytes]:
    lists = (change.before, change.after)
    before, after = (_grouped(() if data is None else decode_properties(data)) for data in lists)
    return {name for name in (*before, *after) if before.get(name) != after.get(name)}


def _grouped(properties: Properties) -> Groups:
    found: Groups = {}
    for one in properties:
        found[one.name] = (*found.get(one.name, ()), one.values)
    return found


def _merged(now: Properties, before: Properties, touched: set[bytes]) -> Properties:
    """What there is now, with some properties as they were before: each at its place, else behind its old neighbour."""
    waiting = [one for one in before if one.name in touched]
    made: list[Property] = []
    for one in now:
        if one.name not in touched:
            made.append(one)
            continue
        again = next((old for old in waiting if old.name == one.name), None)
        if again is not None:
            waiting.remove(again)
            made.append(again)
    for old in waiting:
        at = before.index(old)
        neighbours = {one.name for one in before[:at]}
        place = max((n + 1 for n, one in enumerate(made) if one.name in neighbours), default=0)
        made.insert(place, old)
    return tuple(made)


def steps_between(number: int, path: bytes, now: Properties, wanted: Properties) -> list[Step]:
    """The one call that makes a directory's properties others: of a value, a property or all; none if they are."""
    if now == wanted:
        return []
    at = _first_difference(now, wanted)
    more = len(wanted) - len(now)
    if more == 1 and now[at:] == wanted[at + 1 :]:
        return [Step("create_property", number, path, at, 0, wanted[at].name, wanted[at].values)]
    if more == -1 and now[at + 1 :] == wanted[at:]:
        return [Step("destroy_property", number, path, at, 0, now[at].name)]
    if more or now[at + 1 :] != wanted[at + 1 :]:
        return [Step("write", number, path, given=wanted)]
    name, old, new = wanted[at].name, now[at].values, wanted[at].values
    if now[at].name != name:
        if old != new:
            return [Step("write", number, path, given=wanted)]
        return [Step("rename_property", number, path, at, 0, name)]
    place = _first_difference(old, new)
    if len(new) == len(old) + 1 and old[place:] == new[place + 1 :]:
        return [Step("create_value", number, path, at, place, name, (new[place],))]
    if len(new) == len(old) - 1 and old[place + 1 :] == new[place:]:
        return [Step("destroy_value", number, path, at, place, name, (old[place],))]
    if len(new) == len(old) and old[place + 1 :] == new[place + 1 :]:
        return [Step("write_value", number, path, at, place, name, (new[place],))]
    return [Step("write_values", number, path, at, 0, name, new)]


def _first_difference(one: Sequence[object], other: Sequence[object]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


WORDS = {  # what a step is called
    "create": "make the directory again",
    "destroy": "destroy the directory",
    "write": "write all properties as they were",
    "create_property": "put the property back: {}",
    "destroy_property": "take the property away: {}",
    "write_values": "put the values back: {}",
    "rename_property": "call the property again: {}",
    "create_value": "put a value back: {}",
    "destroy_value": "take a value away: {}",
    "write_value": "put a value back: {}",
}


def told(step: Step) -> str:
    """A step as people read it, safe for a terminal."""
    return f"{shown(step.path)}: {WORDS[step.procedure].format(shown(step.name))}"


def is_pushed(chosen: Iterable[Change]) -> bool:
    """Whether a master made some of them: at its clone they cannot be taken back."""
    return any(one.kind == PUSH for one in chosen)
