"""A NetInfo directory for people: names as text and back, changes and what undoes them. Pure.

NetInfo has no transactions: each change is one call, sent at once. An :class:`Edit` or :class:`Birth` holds what was
there before and what is there after, so that its inverse is known, and so that nothing is undone that somebody else
has changed in the meantime.
"""

from __future__ import annotations

import re

from portlore.errors import InputError
from portlore.value import Value

LONGEST = 65535  # bytes of a name or value (SPEC 2.2)
LAST = 0xFFFF_FFFF  # a place: at the end
HASHES, HIDDEN = b"passwd", b"*"  # properties whose name holds that are password hashes, shown as a star
ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))", re.DOTALL)
PLAIN = {"\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t"}

Values = tuple[bytes, ...]
Properties = tuple[tuple[bytes, Values], ...]


def shown(value: bytes) -> str:
    r"""A name or value as text that cannot steer a terminal; :func:`typed` is the inverse.

    A byte that is not UTF-8 stands as ``\xff``, a character that does not print as ``\n`` or ``\u202e``, and a
    backslash as two.
    """
    text = value.decode("utf-8", "surrogateescape")
    return text if text.isprintable() and "\\" not in text else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    number = ord(character)
    if character == "\\" or number < 0x80:
        return character if character.isprintable() and number != 0x5C else character.encode("unicode_escape").decode()
    if character.isprintable():
        return character
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def typed(text: str) -> bytes:
    """The bytes that somebody typed; :class:`InputError` for what cannot be a name or value."""

    def taken(found: re.Match[str]) -> str:
        byte, short, long, plain = found.groups()
        if plain is not None:
            if plain not in PLAIN:
                raise InputError(found[0], "no such escape", r"a backslash is written \\")
            return PLAIN[plain].decode()
        number = int(byte or short or long, 16)
        if byte:
            return chr(number) if number < 0x80 else chr(0xDC00 + number)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise InputError(found[0], "no such character", "leave it out")
        return chr(number)

    value = ESCAPE.sub(taken, text).encode("utf-8", "surrogateescape")
    if b"\0" in value:
        raise InputError("a NUL", "no name or value can hold one", "leave it out")
    if len(value) > LONGEST:
        raise InputError("a name or value", f"{len(value):,} bytes", f"it can have {LONGEST:,}")
    return value


class Directory(Value):
    """A directory as it was read: its number, instance and properties."""

    number: int
    instance: int
    properties: Properties

    def first(self, name: bytes) -> Values:
        """The values of the first property of a name; none without one."""
        return next((values for found, values in self.properties if found == name), ())


class Step(Value):
    """The one call that writes an edit: a procedure, the property's place, the value's place, what it is given."""

    procedure: str
    at: int
    place: int = 0
    name: bytes = b""
    values: Values = ()


class Edit(Value):
    """A change of one property of a directory."""

    number: int
    before: Properties
    after: Properties

    @property
    def target(self) -> int:
        """The directory whose instance the call names."""
        return self.number

    @property
    def inverse(self) -> Edit:
        """What undoes it."""
        return Edit(self.number, self.after, self.before)

    @property
    def step(self) -> Step:
        """The call for it: the smallest, as others than who may write a directory may write a value of it."""
        before, after = self.before, self.after
        at = _first_difference(before, after)
        if len(after) > len(before):
            return Step("create_property", at, 0, *after[at])
        if len(after) < len(before):
            return Step("destroy_property", at, 0, *before[at])
        (name, old), (new_name, new) = before[at], after[at]
        if name != new_name:
            return Step("rename_property", at, 0, new_name)
        place = _first_difference(old, new)
        if len(new) > len(old):
            return Step("create_value", at, place, name, (new[place],))
        if len(new) < len(old):
            return Step("destroy_value", at, place, name, (old[place],))
        return Step("write_value", at, place, name, (new[place],))

    @property
    def loses_hidden(self) -> bool:
        """Whether it takes away a value that may be hidden from who asks: then nobody here could put it back."""
        step = self.step
        if step.procedure not in ("destroy_property", "destroy_value", "write_value"):
            return False
        name, old = self.before[step.at]
        return is_hash(name) and HIDDEN in (old if step.procedure == "destroy_property" else old[step.place :][:1])

    def fits(self, found: Directory) -> bool:
        """Whether a directory is the one that this change expects, with the same properties, the touched one as it was.

        Others may have other values by now: the call does not touch them.
        """
        step, before = self.step, self.before
        if [name for name, _ in found.properties] != [name for name, _ in before]:
            return False
        touched = None if step.procedure == "create_property" else step.at
        pairs = enumerate(zip(found.properties, before, strict=True))
        return all(same((a,), (b,)) for at, (a, b) in pairs if at == touched or a[0] == b"name")

    def renumbered(self, old: int, new: int) -> Edit:
        """The same for a directory that has another number now."""
        return self.replace(number=new) if self.number == old else self


class Birth(Value):
    """A directory created; with ``born`` false, destroyed. ``above``: the values of its parent's name."""

    parent: int
    above: Values
    place: int
    number: int
    properties: Properties
    born: bool = True

    @property
    def names(self) -> Values:
        """Its names; none without a property of that name."""
        return Directory(self.number, 0, self.properties).first(b"name")

    @property
    def target(self) -> int:
        """The directory whose instance the call names."""
        return self.parent if self.born else self.number

    @property
    def inverse(self) -> Birth:
        """What undoes it."""
        return self.replace(born=not self.born)

    @property
    def loses_hidden(self) -> bool:
        """Whether a password hash goes with it that may be hidden from who asks."""
        return not self.born and any(is_hash(name) and HIDDEN in values for name, values in self.properties)

    def fits(self, found: Directory) -> bool:
        """Whether its target still is as this change expects it."""
        return found.first(b"name") == self.above if self.born else same(found.properties, self.properties)

    def renumbered(self, old: int, new: int) -> Birth:
        """The same where a directory has another number now."""
        changes = {name: new for name in ("parent", "number") if getattr(self, name) == old}
        return self.replace(**changes) if changes else self


Change = Edit | Birth


class History:
    """Changes that were made, last one last, and those that were undone."""

    def __init__(self) -> None:
        self.done: list[Change] = []
        self.undone: list[Change] = []

    def add(self, change: Change) -> None:
        """Another change; what was undone before it cannot be done again."""
        self.done.append(change)
        self.undone.clear()

    def renumber(self, old: int, new: int) -> None:
        """A directory came back under another number."""
        for changes in (self.done, self.undone):
            changes[:] = [one.renumbered(old, new) for one in changes]


def is_hash(name: bytes) -> bool:
    """Whether a property's values are password hashes, which a server may show as a star."""
    return HASHES in name and not name.startswith(b"_")


def same(one: Properties, other: Properties) -> bool:
    """Whether properties are equal, as far as can be seen: a star may stand for a hash."""
    return len(one) == len(other) and all(
        a == b or (a[0] == b[0] and is_hash(a[0]) and _same_hashes(a[1], b[1])) for a, b in zip(one, other, strict=True)
    )


def _same_hashes(one: Values, other: Values) -> bool:
    return len(one) == len(other) and all(a == b or HIDDEN in (a, b) for a, b in zip(one, other, strict=True))


def _first_difference(one: tuple[object, ...], other: tuple[object, ...]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
