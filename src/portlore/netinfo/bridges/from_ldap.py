"""A domain from entries of LDAP: those that :mod:`.to_ldap` wrote, and those of others. Pure.

Our own entries say where they belong. Of others, users, groups and their kin go where NetInfo keeps them, wherever they
stand in the tree; other entries stay where they are, below directories named as the entries above them, and keep their
attributes as properties. What NetInfo's values cannot hold, bytes with a NUL in them, is kept in base64 in a property
``NAME;base64``.
"""

from __future__ import annotations

from binascii import b2a_base64

from portlore.errors import ParseError
from portlore.netinfo.bridges import Told, special
from portlore.netinfo.bridges import dn as names
from portlore.netinfo.bridges.kinds import BASES, READING, SCHEMAS
from portlore.netinfo.bridges.ldif import parse_ldif
from portlore.netinfo.bridges.nodes import Node, checked, domain_of
from portlore.netinfo.bridges.residue import restored
from portlore.netinfo.bridges.schema import DIRECTORY, ID, INSTANCE, ORDER, PLACE, PROPERTY, RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.bridges.dn import Dn
    from portlore.netinfo.bridges.kinds import Kind
    from portlore.netinfo.bridges.ldif import Entry
    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.domain import Domain

OURS = tuple(name.lower() for name in (ID, INSTANCE, PLACE, ORDER, PROPERTY))
OPERATIONAL = {  # what a server keeps of its own (RFC 4512 section 3.4), which slapcat shows
    "structuralobjectclass", "entryuuid", "entrycsn", "creatorsname", "createtimestamp", "modifiersname",
    "modifytimestamp", "contextcsn", "entrydn", "subschemasubentry", "hassubordinates", "pwdchangedtime",
}  # fmt: skip
ABOVE = {"top", "organizationalunit", "container", "domain", "dcobject", "organization"}  # classes that hold others
PLACES = {  # what the entries for NetInfo's own directories are called, in each schema
    (container, kind.container): kind
    for schema, container in (("apple", "cn"), ("rfc2307bis", "ou"), ("rfc2307", "ou"))
    for kind in SCHEMAS[schema].values()
}
HOLDERS = {name.lower() for name in (*BASES.values(), "dcObject")} - {DIRECTORY.lower()}
HIDDEN = {*OURS, *OPERATIONAL, "objectclass"}
LOWER = {row.attribute: row.attribute.lower() for kind in READING.values() for row in kind.rows}
BASE64 = b";base64"


def read(source: Iterable[bytes], options: Options) -> Told:
    """The form ``ldif``: lines of bytes."""
    return told(from_entries(parse_ldif(source, options.where), options.base, options.without))


def told(found: Import) -> Told:
    """A domain, and what is to be said of the entries that it comes from."""
    remarks = []
    if found.skipped:
        remarks.append(f"{found.skipped:,} entries only hold others, and were left out")
    if found.nested:
        remarks.append(f"{found.nested:,} groups within groups: their members are written out, as NetInfo has no such")
    if found.cyclic:
        remarks.append(f"{found.cyclic:,} of them are within themselves")
    return Told(found.domain, tuple(remarks))


def derive(kind: Kind, held: Mapping[str, tuple[bytes, ...]], members: special.Members) -> list[Pair]:
    """The properties that the attributes of an entry tell, as :func:`from_entries` will read them."""
    return _known(kind, {LOWER.get(name) or name.lower(): held[name] for name in held}, members, None)[0]


def derive_generic(held: Mapping[str, Sequence[bytes]]) -> list[Pair]:
    """The same for a directory without a kind, which tells no more than its names."""
    values = held.get("cn")
    return [(b"name", tuple(values))] if values else []


def _known(
    kind: Kind, values: Mapping[str, Sequence[bytes]], members: special.Members, me: object
) -> tuple[list[Pair], set[str]]:
    """The properties that a kind's rows tell, and the attributes (in small letters) that they tell whole."""
    found = {}
    used = set()
    for row in kind.rows:
        lower = LOWER[row.attribute]
        given = values.get(lower)
        if given:
            found[row.name] = row.read(tuple(given))
            used.add(lower)
    if kind.special:
        used |= special.read(kind, values, found, members, me)
    return list(found.items()), used


class _Found:
    """An entry with its name, what it is, and the directory that comes of it."""

    __slots__ = ("classes", "dn", "entry", "key", "kind", "node", "ours", "place")

    def __init__(self, entry: Entry) -> None:
        self.entry, self.dn = entry, _dn(entry)
        self.key = names.key(self.dn)
        self.classes = {name.lower() for name in entry.texts("objectclass")}
        self.ours = RECORD.lower() in self.classes
        self.kind: Kind | None = None
        self.place: Kind | None = None  # whose container it is
        if DIRECTORY.lower() not in self.classes:
            self.kind = next((READING[name] for name in READING if name in self.classes), None)
        self.node = Node()

    @property
    def step(self) -> tuple[str, str]:
        """The type and value of the first step of its name."""
        return self.dn[0][0] if self.dn else ("", "")


class Import:
    """What :func:`from_entries` found. ``skipped``: entries that tell nothing; ``nested``, ``cyclic``: such groups."""

    def __init__(self, domain: Domain, skipped: int, members: special.Members) -> None:
        self.domain, self.skipped = domain, skipped
        self.nested, self.cyclic = len(members.nested), len(members.cyclic)


def from_entries(entries: Iterable[Entry], base: str = "", without: Collection[str] = ()) -> Import:
    """The domain that entries tell. ``base``: the entry that is its root (else our own, or the shortest name).

    ``without``: attributes to leave out. :class:`portlore.ParseError` for an entry that is none,
    :class:`portlore.InputError` for what NetInfo cannot hold.
    """
    found = [_Found(entry) for entry in entries]
    if not found:
        raise ParseError("reading entries", "there is none", "give a text or a base that has some")
    by_key: dict[Dn, _Found] = {}
    for one in found:
        if by_key.setdefault(one.key, one) is not one:
            raise ParseError(f"reading {one.entry.where}", "there was an entry of this name", "take one of them out")
    root_key = names.key(names.parse_dn(base)) if base else _root_of(found)
    return _Linker(found, by_key, root_key, {name.lower() for name in without}).link()


class _Linker:
    """Puts the directories of entries in their places."""

    def __init__(self, found: list[_Found], by_key: dict[Dn, _Found], root: Dn, without: set[str]) -> None:
        self.found, self.by_key, self.root, self.without = found, by_key, root, without
        self.members = _members(found)
        self.made: dict[Dn, Node] = {root: by_key[root].node if root in by_key else Node()}

    def link(self) -> Import:
        """The domain."""
        top, linked = self.made[self.root], 1 if self.root in self.by_key else 0
        rest: list[_Found] = []
        for one in self.found:
            told = self._properties(one)
            above = self.by_key.get(one.key[1:])
            if one.key == self.root:
                continue
            if one.ours and above is not None and (above.ours or above.key == self.root):
                above.node.children.append(one.node)
                self.made[one.key] = one.node
                linked += 1
            elif one.ours or one.kind is not None or told:
                rest.append(one)
        for one in rest:  # before users and their kin look for them
            if one.place is not None and not any(child.name == one.place.place for child in top.children):
                top.children.append(one.node)
                self.made[one.key] = one.node
        for one in rest:
            if one.kind is not None:
                top.child(one.kind.place).children.append(one.node)
                self.made[one.key] = one.node
        for one in rest:
            if one.key not in self.made:
                self.made[one.key] = one.node
                self._above(one).children.append(one.node)
        return Import(domain_of(top), len(self.found) - linked - len(rest), self.members)

    def _above(self, one: _Found) -> Node:
        """The directory above an entry: of the entry that is above it, or made for its name."""
        missing = []
        here = self.made[self.root]
        for at in range(1, len(one.key) - len(self.root)):
            known = self.made.get(one.key[at:])
            if known is not None:
                here = known
                break
            missing.append(at)
        for at in reversed(missing):
            here = here.child(one.dn[at][0][1].encode("utf-8", "surrogateescape"))
            self.made[one.key[at:]] = here
        return here

    def _properties(self, one: _Found) -> bool:
        """Learn an entry's properties; whether it tells more than that others are below it."""
        entry = one.entry
        values = entry.values
        used: set[str] = set()
        derived: list[Pair] = []
        type_, called = one.step
        if one.kind is not None:
            derived, used = _known(one.kind, values, self.members, one.key)
        elif one.key == self.root:
            used = {type_, "o", "dc"}
        elif one.key[1:] == self.root and DIRECTORY.lower() not in one.classes and one.key[0][0] in PLACES:
            one.place = PLACES[one.key[0][0]]
            derived, used = [(b"name", (one.place.place,))], {type_}
        elif values.get("cn"):
            derived, used = derive_generic(values), {"cn"}
        elif not one.ours:
            derived, used = [(b"name", (called.encode("utf-8", "surrogateescape"),))], {type_}
        keeps_classes = one.kind is None and not one.ours and one.key != self.root and not one.classes <= ABOVE
        extra = [
            _kept(entry, lower)
            for lower in values
            if lower not in used and lower not in HIDDEN and lower not in self.without
        ]
        if keeps_classes:
            extra.append(_kept(entry, "objectclass"))
        given = [*derived, *extra]
        if one.ours:
            order = entry.texts(ORDER.lower())
            lines = entry.texts(PROPERTY.lower())
            if order or lines:
                given = restored(given, order[0] if order else "", lines, entry.where)
        one.node.properties = checked(given, entry.where)
        for attribute, slot in ((ID, "id"), (INSTANCE, "instance"), (PLACE, "place")):
            told = entry.texts(attribute.lower())
            if told and told[0].isascii() and told[0].isdigit() and len(told[0]) < 11:
                setattr(one.node, slot, int(told[0]))
        return bool(extra)


def _kept(entry: Entry, lower: str) -> Pair:
    """An attribute as a property of its name."""
    name, values = entry.names[lower].encode("ascii"), tuple(entry.values[lower])
    if any(b"\0" in value for value in values):
        return name + BASE64, tuple([b2a_base64(value, newline=False) for value in values])
    return name, values


def _dn(entry: Entry) -> Dn:
    try:
        return names.parse_dn(entry.dn)
    except ParseError as error:
        found = f"{error.asked.removeprefix('reading ')}: {error.found}"
        raise ParseError(f"reading {entry.where}", found, error.do) from None


def _root_of(found: Sequence[_Found]) -> Dn:
    """The name of the entry that is a domain's root: ours, or the shortest, or what that is below."""
    for one in found:
        if one.ours and one.entry.texts(ID.lower()) == ["0"]:
            return one.key
    shortest = min(found, key=lambda one: len(one.key))
    return shortest.key if shortest.classes & HOLDERS else shortest.key[1:]


def _members(found: Sequence[_Found]) -> special.Members:
    members = special.Members()
    for one in found:
        values = one.entry.values
        if one.kind is None:
            continue
        if one.kind.special == "user" and values.get("uid"):
            members.users[one.key] = values["uid"][0]
        elif one.kind.special in ("group", "members"):
            below = [text for name in special.MEMBER_ATTRIBUTES for text in one.entry.texts(name)]
            members.groups[one.key] = (values.get("memberuid", ()), [members.key(text) for text in below])
    return members
