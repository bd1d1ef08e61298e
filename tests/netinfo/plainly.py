"""SPEC.md read plainly: a NetInfo domain as lists that are searched from end to end, with no thought for speed.

The server's answers are held against this second reading; the two share nothing but XDR's numbers and strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portlore.netinfo.access import Caller
from portlore.oncrpc.xdr import opaque, uint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.oncrpc.message import Auth

    Pairs = list[tuple[bytes, list[bytes]]]
    Act = Callable[[bytes | None], bytes]

STRANGER = Caller("127.0.0.1", 40000, local=True)
ROOT_HERE = Caller("127.0.0.1", 700, local=True)
SUPERUSER = b"\0the superuser"  # no name has a NUL in it
APPEND = 0xFFFF_FFFF


class Refused(Exception):
    """A status other than OK, by its name."""


def plain_match(given: bytes, hashed: bytes) -> bool:
    """In place of crypt(3)."""
    return given == hashed


def encoded(pairs: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """A property list (SPEC 2.2)."""
    return uint(len(pairs)) + b"".join(opaque(name) + names(values) for name, values in pairs)


def names(values: Sequence[bytes]) -> bytes:
    return uint(len(values)) + b"".join(map(opaque, values))


def numbers(many: Sequence[int]) -> bytes:
    return uint(len(many)) + b"".join(map(uint, many))


def ni_id(number: int, instance: int) -> bytes:
    return uint(number) + uint(instance)


def cut(value: bytes) -> bytes:
    """SPEC 10.8."""
    return value.split(b"\0")[0]


class Directory:
    def __init__(self, number: int, parent: int, pairs: Pairs) -> None:
        self.id, self.instance, self.parent, self.version = number, 0, parent, 0
        self.pairs, self.children = pairs, list[int]()

    def first(self, key: bytes) -> list[bytes] | None:
        return next((values for name, values in self.pairs if name == key), None)

    @property
    def ni_id(self) -> bytes:
        return ni_id(self.id, self.instance)


class Plain:
    """A domain of ``(parent, properties)``, by id."""

    def __init__(self, directories: Sequence[tuple[int, Pairs]]) -> None:
        self.version = 0
        self.directories = {
            number: Directory(number, parent, pairs) for number, (parent, pairs) in enumerate(directories)
        }
        for one in self.directories.values():
            if one.id:
                self.directories[one.parent].children.append(one.id)

    def checksum(self) -> int:
        """SPEC 3.1."""
        return sum((one.id + 1) * one.instance for one in self.directories.values()) % 2**32

    def picked(self, pick: int, off: int) -> tuple[int, int]:
        """An id to ask for: mostly one that there is; its instance, or one that is ``off``."""
        ids = [*sorted(self.directories), 500]
        number = ids[pick % len(ids)]
        return number, self.directories[number].instance + off if number in self.directories else 0

    # 2.6

    def acting(self, credential: Auth, caller: Caller) -> bytes | None:
        """SUPERUSER, a user's name, None for nobody in particular."""
        if caller.local and caller.port < 1024:
            return SUPERUSER
        if credential.flavor != 1:
            return None
        body, size = credential.body, int.from_bytes(credential.body[4:8], "big")
        password = cut(bytes(byte ^ 0xFF for byte in cut(body[8 : 8 + size])))
        at = 8 + size + -size % 4
        uid = b"%d" % int.from_bytes(body[at : at + 4], "big", signed=True)
        users = self.found(0, b"name", b"users")
        found = self.found(users[0], b"uid", uid) if users else []
        if not found:
            raise Refused("NOUSER")
        for user in map(self.directories.__getitem__, found):
            passwd = user.first(b"passwd")
            if passwd is not None and (not passwd or passwd[0] in (b"", password)):
                called = user.first(b"name")
                if not called:
                    raise Refused("NOUSER")
                return SUPERUSER if uid == b"0" else called[0]
        raise Refused("AUTHERROR")

    def check(self, one: Directory, who: bytes | None, name: bytes | None = None) -> None:
        lists = [one.first(b"_writers"), None if name is None else one.first(b"_writers_" + name)]
        if who != SUPERUSER and not any(b"*" in (some or ()) or who in (some or ()) for some in lists):
            raise Refused("PERM")

    # 3.1, 3.2, 10.1

    def found(self, number: int, key: bytes, value: bytes) -> list[int]:
        children = self.directories[number].children
        return [child for child in children if value in (self.directories[child].first(key) or ())]

    def at(self, asked: tuple[int, int], *, write: bool = False) -> Directory:
        one = self.directories.get(asked[0])
        if one is None:
            raise Refused("NODIR")
        if write and one.instance != asked[1]:
            raise Refused("STALE")
        return one

    def wrote(self, one: Directory, *, new: bool = False) -> bytes:
        one.instance += not new
        self.version += 1
        one.version = self.version
        return one.ni_id

    def read_all(self, number: int) -> bytes:
        one = self.directories[number]
        here = uint(1) + one.ni_id + encoded(one.pairs) + uint(one.parent) + numbers(one.children)
        return here + b"".join(map(self.read_all, one.children))

    def prepared(
        self, procedure: int, ids: list[tuple[int, int]], props: Pairs, key: bytes, many: list[bytes], value: bytes,
        places: tuple[int, int, int],
    ) -> tuple[bytes, Act]:  # fmt: skip
        """The arguments of a call, and what it does and gives; Refused with the status when it is called."""
        asked, at, place, where = ids[0], *places
        kept = [(name, [cut(one) for one in values]) for name, values in props]
        target, values, word = ni_id(*asked), [cut(one) for one in many], cut(value)

        def read(give: Callable[[Directory], bytes]) -> Act:
            return lambda who: give(self.at(asked))

        def nth(one: Directory, at: int = at) -> tuple[bytes, list[bytes]]:
            if at >= len(one.pairs):
                raise Refused("NOPROP")
            return one.pairs[at]

        def named(one: Directory) -> list[bytes]:
            if place >= len(nth(one)[1]):
                raise Refused("NONAME")
            return nth(one)[1]

        def write(
            change: Callable[[Directory], None], *, prop: bool = False, name: bool = False, own: bool = True
        ) -> Act:
            def act(who: bytes | None) -> bytes:
                one = self.at(asked, write=True)
                if prop:
                    nth(one)
                if name:
                    named(one)
                self.check(one, who, None if own else nth(one)[0])
                change(one)
                return self.wrote(one)

            return act

        def create(who: bytes | None) -> bytes:
            parent = self.at(asked, write=True)
            self.check(parent, who)
            number = next(number for number in range(1000) if number not in self.directories)
            child = self.directories[number] = Directory(number, parent.id, kept)
            parent.children.insert(where, number)  # any place beyond the end appends
            self.wrote(child, new=True)
            self.wrote(parent)
            return child.ni_id + parent.ni_id

        def destroy(who: bytes | None) -> bytes:
            parent = self.at(asked, write=True)
            self.check(parent, who)
            child = self.at(ids[1], write=True)
            if child.children:
                raise Refused("NOTEMPTY")
            if child.id not in parent.children:
                raise Refused("UNRELATED")
            parent.children.remove(child.id)
            del self.directories[child.id]
            return self.wrote(parent)

        def itself(who: bytes | None) -> bytes:
            if asked[0] != 500:
                return self.at(asked).ni_id
            newest = max(self.directories.values(), key=lambda one: one.version)
            return ni_id(newest.id, newest.version)

        def search(one: Directory) -> list[int]:
            found = self.found(one.id, key, word)
            if not found:
                raise Refused("NODIR")
            return found

        def entry(number: int) -> bytes:
            some = next((v for n, v in self.directories[number].pairs if n == key and v), None)
            return uint(number) + (uint(0) if some is None else uint(1) + names(some))

        def every(one: Directory) -> bytes:
            many = [self.directories[number].pairs for number in one.children]
            return one.ni_id + uint(len(many)) + b"".join(map(encoded, many))

        def whole(who: bytes | None) -> bytes:
            return uint(self.checksum()) + uint(max(self.directories)) + self.read_all(0) + uint(0)

        texts, index = opaque(key) + opaque(value), uint(at)
        root = self.directories[0]
        newest = ni_id(APPEND, APPEND) if asked[0] == 500 else target
        table: dict[int, tuple[bytes, Act]] = {
            2: (b"", lambda who: root.ni_id),
            3: (newest, itself),
            4: (target, read(lambda one: uint(one.parent) + one.ni_id)),
            5: (target + encoded(props) + uint(where) + uint(1) + ni_id(77, 7), create),
            6: (target + ni_id(*ids[1]), destroy),
            7: (target, read(lambda one: one.ni_id + encoded(one.pairs))),
            8: (target + encoded(props), write(lambda one: setattr(one, "pairs", kept))),
            9: (target, read(lambda one: numbers(one.children) + one.ni_id)),
            10: (target + texts, read(lambda one: numbers(search(one)) + one.ni_id)),
            11: (
                target + opaque(key),
                read(lambda one: uint(len(one.children)) + b"".join(map(entry, one.children)) + one.ni_id),
            ),
            12: (
                target + opaque(key) + names(many) + uint(where),
                write(lambda one: one.pairs.insert(where, (key, values))),
            ),
            13: (target + index, write(lambda one: one.pairs.__delitem__(at), prop=True)),
            14: (target + index, read(lambda one: names(nth(one)[1]) + one.ni_id)),
            15: (
                target + index + names(many),
                write(lambda one: one.pairs.__setitem__(at, (nth(one)[0], values)), prop=True, own=False),
            ),
            16: (
                target + index + opaque(key),
                write(lambda one: one.pairs.__setitem__(at, (key, nth(one)[1])), prop=True),
            ),
            17: (target, read(lambda one: names([name for name, _ in one.pairs]) + one.ni_id)),
            18: (
                target + index + opaque(value) + uint(where),
                write(lambda one: nth(one)[1].insert(where, word), prop=True, own=False),
            ),
            19: (
                target + index + uint(place),
                write(lambda one: named(one).__delitem__(place), prop=True, name=True, own=False),
            ),
            20: (target + index + uint(place), read(lambda one: one.ni_id + opaque(named(one)[place]))),
            21: (
                target + index + uint(place) + opaque(value),
                write(lambda one: named(one).__setitem__(place, word), prop=True, name=True, own=False),
            ),
            23: (target, read(every)),
            25: (uint(self.checksum() ^ 1), whole),
            28: (target + texts, read(lambda one: one.ni_id + encoded(self.directories[search(one)[0]].pairs))),
        }
        return table[procedure]
