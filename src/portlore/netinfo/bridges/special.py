"""Where a directory of NetInfo and an entry of LDAP differ by more than names: both ways. Pure."""

from __future__ import annotations

import re

from portlore.errors import InputError
from portlore.netinfo.bridges import dn as names
from portlore.netinfo.bridges import syntaxes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portlore.netinfo.bridges.dn import Dn
    from portlore.netinfo.bridges.kinds import Kind

    Held = dict[str, tuple[bytes, ...]]  # attributes as they are called
    Given = Mapping[bytes, tuple[bytes, ...]]  # properties, the first of each name
    Found = dict[bytes, tuple[bytes, ...]]

WORD = re.compile(rb"[A-Za-z0-9-]+")
TRIPLE = re.compile(rb"\(\s*([^,()\s]*)\s*,\s*([^,()\s]*)\s*,\s*([^,()\s]*)\s*\)")
GROUPS = (b"hosts", b"users", b"domains")  # of a netgroup, in the order of a triple
NOBODY = b"-"  # in a triple: no value fits
OPTION = re.compile(rb"[^, ]+")
MEMBER_ATTRIBUTES = ("member", "uniquemember")
MOST_STEPS = 5_000_000  # in writing out groups within groups: fifty of them around all of 100,000 users


class Members:
    """Who is meant by the names in a directory: of users as told, of groups all that are below them.

    ``users``: the name of each user by its entry's; ``groups``: the members of each group, names and entries' names.
    """

    def __init__(self) -> None:
        self.users: dict[object, bytes] = {}
        self.groups: dict[object, tuple[Sequence[bytes], Sequence[object]]] = {}
        self.names: dict[bytes, bytes] = {}  # the other way: a user's entry by the user's name
        self.nested: set[object] = set()  # groups within groups
        self.cyclic: set[object] = set()
        self.left = MOST_STEPS

    @staticmethod
    def key(text: str) -> Dn:
        """A name of an entry as it is compared."""
        return names.key(names.parse_dn(text))

    def below(self, direct: Sequence[bytes], entries: Sequence[object], group: object = None) -> tuple[bytes, ...]:
        """The names of all members, each once; a group within itself adds nobody.

        :class:`InputError` where groups within groups come to more than can be written out.
        """
        found = dict.fromkeys(direct)
        waiting = [(iter(entries), group)]
        path = {group: None}  # the groups that the walk is within, the outermost first
        seen = {group}
        while waiting:
            entry = next(waiting[-1][0], None)
            if entry is None:
                waiting.pop()
                path.popitem()
                continue
            if len(path) > 1:  # what a group names by itself stands there already
                self._step()
            if entry in self.groups:
                self.nested.add(entry)
                if entry in path:
                    self.cyclic.add(entry)
                if entry not in seen:
                    seen.add(entry)
                    names, more = self.groups[entry]
                    self._step(len(names))
                    found.update(dict.fromkeys(names))
                    waiting.append((iter(more), entry))
                    path[entry] = None
                continue
            name = self.users.get(entry)
            if name is None:
                name = _first_step(entry)
            if name:
                found[name] = None
        return tuple(found)

    def _step(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            found = f"their members come to more than {MOST_STEPS:,}, written out group by group"
            raise InputError("reading groups within groups", found, "leave them out: --without member")


def _first_step(entry: object) -> bytes:
    """Who is meant by the name of an entry that is not here: the value of its first step."""
    steps = entry if isinstance(entry, tuple) else ()
    return steps[0][0][1].encode("utf-8", "surrogateescape") if steps else b""


def write(kind: Kind, given: Given, held: Held, members: Members) -> None:
    """Add to the attributes what rows alone do not tell; what must be there and is not stays away."""
    special = kind.special
    if special == "user":
        if "uid" in held:
            real = held.get("gecos") or syntaxes.text(given.get(b"realname", ())) or held["uid"][:1]
            held["cn"] = real
            if "inetOrgPerson" in kind.classes:
                held["sn"] = real
    elif special == "described":
        if "cn" in held:
            held["description"] = held["cn"][:1]
    elif special == "members":
        names = given.get(b"users", ())
        if names and len(set(names)) == len(names) and all(name in members.names for name in names):
            held.pop("memberUid", None)
            held["member"] = tuple([members.names[name] for name in names])
    elif special == "netgroup":
        triples = [
            b"(%b)" % b",".join([value if one == name else b"" for one in GROUPS])
            for name in GROUPS
            for value in given.get(name, ())
        ]
        plain = all(WORD.fullmatch(value) for name in GROUPS for value in given.get(name, ()))
        if plain and (found := syntaxes.ascii_texts(tuple(triples))):
            held["nisNetgroupTriple"] = found
    elif special == "automount":
        _write_automount(given, held)


def _write_automount(given: Given, held: Held) -> None:
    place, name = syntaxes.ascii_text(given.get(b"dir", ())), syntaxes.ascii_text(given.get(b"name", ()))
    options = given.get(b"opts", ())
    kinds = given.get(b"vfstype", ())[:1]
    said = [*[b"fstype=" + kind for kind in kinds], *options]
    if place and name and b" " not in name[0] and all(OPTION.fullmatch(one) for one in said):
        told = b"-%b %b" % (b",".join(said), name[0]) if said else name[0]
        if information := syntaxes.ascii_text((told,)):
            held["automountKey"], held["automountInformation"] = place, information


def read(kind: Kind, values: Mapping[str, Sequence[bytes]], found: Found, members: Members, me: object) -> set[str]:
    """Add to the properties what rows alone do not tell; the attributes (in small letters) that say no more."""
    special = kind.special
    if special == "user":
        return _read_user(values, found)
    if special == "described":
        return {"description"} if list(values.get("description", ())) == list(values.get("cn", ()))[:1] else set()
    if special in ("group", "members"):
        entries = [one for name in MEMBER_ATTRIBUTES for one in values.get(name, ())]
        if entries:
            direct = values.get("memberuid", ())
            keys = [members.key(one.decode("utf-8", "surrogateescape")) for one in entries]
            found[b"users"] = members.below(direct, keys, me)
        return {*MEMBER_ATTRIBUTES, "memberuid"}
    if special == "netgroup":
        return _read_netgroup(values, found)
    if special == "automount":
        return _read_automount(values, found)
    return set()


def _read_user(values: Mapping[str, Sequence[bytes]], found: Found) -> set[str]:
    names, called, told = list(values.get("cn", ())), list(values.get("uid", ())), list(values.get("gecos", ()))
    if not told and len(names) == 1 and names[0] not in called:
        found[b"realname"] = (names[0],)
    known = set()
    if len(names) < 2 and (not told or names == told or names == called[:1]):
        known.add("cn")
    if list(values.get("sn", ())) == names:
        known.add("sn")
    return known


def _read_netgroup(values: Mapping[str, Sequence[bytes]], found: Found) -> set[str]:
    lists: dict[bytes, dict[bytes, None]] = {name: {} for name in GROUPS}
    single = True
    for triple in values.get("nisnetgrouptriple", ()):
        cells = TRIPLE.fullmatch(triple.strip())
        filled = [(name, cell) for name, cell in zip(GROUPS, cells.groups(), strict=True) if cell] if cells else []
        single = single and len(filled) == 1 and filled[0][1] != NOBODY
        for name, cell in filled:
            if cell != NOBODY:
                lists[name][cell] = None
    found.update({name: tuple(cells) for name, cells in lists.items() if cells})
    return {"nisnetgrouptriple"} if single else set()


def _read_automount(values: Mapping[str, Sequence[bytes]], found: Found) -> set[str]:
    information, place = list(values.get("automountinformation", ())), list(values.get("automountkey", ()))
    if len(information) != 1 or len(place) != 1:
        return set()
    told = information[0]
    options: list[bytes] = []
    if told.startswith(b"-"):
        said, _, told = told[1:].partition(b" ")
        options = [one for one in said.split(b",") if one]
    found[b"name"], found[b"dir"] = (told.strip(),), (place[0],)
    if kinds := [one[7:] for one in options if one.startswith(b"fstype=")]:
        found[b"vfstype"] = (kinds[0],)
    if rest := [one for one in options if not one.startswith(b"fstype=")]:
        found[b"opts"] = tuple(rest)
    return {"automountinformation", "automountkey"}
