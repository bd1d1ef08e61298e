"""A domain as entries of LDAP, from which :mod:`.from_ldap` makes the same domain again. Pure.

Users, groups, machines and their kin become what :mod:`.kinds` says; every other directory is an entry of our own
class. What such an entry cannot hold of its directory stands in our own attributes beside it (:mod:`.schema`). With
``plain`` those are left out, and with them whatever only they can hold: ``left_out`` says how much.
"""

from __future__ import annotations

from portlore.errors import InputError
from portlore.netinfo.bridges import dn as names
from portlore.netinfo.bridges import special
from portlore.netinfo.bridges.from_ldap import derive, derive_generic
from portlore.netinfo.bridges.kinds import BASES, CONTAINERS, SCHEMAS
from portlore.netinfo.bridges.ldif import VERSION, format_entry
from portlore.netinfo.bridges.residue import pairs_of, residue
from portlore.netinfo.bridges.schema import DIRECTORY, ID, INSTANCE, ORDER, PLACE, PROPERTY, RECORD
from portlore.netinfo.bridges.syntaxes import comparable, texts
from portlore.netinfo.values import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.bridges.kinds import Kind
    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.bridges.special import Held
    from portlore.netinfo.domain import Directory, Domain

    Attributes = list[tuple[str, Sequence[bytes | str]]]

USERS = b"users"
DO = "say --base with the name of the entry that is to hold them, such as dc=example,dc=com"


def write(domain: Domain, options: Options) -> Iterator[str]:
    """The form ``ldif``; with ``plain`` the last lines, comments, tell what is missing."""
    if not options.base:
        raise InputError("writing LDIF", "no base", DO)
    exporter = Exporter(domain, options.base, options.schema, plain=options.plain)
    yield from exporter.ldif()
    if left := exporter.left_out():
        yield f"# {left}\n"


class Exporter:
    """Writes one domain below ``base``, with the object classes of a ``schema``."""

    def __init__(self, domain: Domain, base: str, schema: str = "rfc2307", *, plain: bool = False) -> None:
        self.domain, self.plain = domain, plain
        self.kinds = SCHEMAS[schema]
        self._container = "cn" if schema == "apple" else "ou"
        self.left_out_directories = self.left_out_properties = 0
        steps = names.parse_dn(base)
        if not steps or len(steps[0]) != 1 or steps[0][0][0] not in BASES or not steps[0][0][1].isprintable():
            known = ", ".join(f"{kind}=" for kind in BASES)
            raise InputError(f"the base {base!r}", f"it does not begin with one of {known}", "write dc=example,dc=com")
        self.base = names.format_dn(steps)
        self._base = steps
        self.members = special.Members()
        if any(kind.special == "members" for kind in self.kinds.values()):
            self._name_users()

    def _name_users(self) -> None:
        """Learn by which entry each user goes, for groups that name their members by entries."""
        kind, place = self.kinds[USERS], self.domain.find(ROOT, b"name", USERS)
        if not place:
            return
        above = f"{self._container}={kind.container},{self.base}"
        taken: set[str] = set()
        for number in self.domain.directories[place[0]].children:
            held = self._held(kind, pairs_of(self.domain.directories[number].data))
            if held is None:
                continue
            name = held[kind.rdn][0]
            if comparable(name) not in taken and name not in self.members.names:
                entry = f"{kind.rdn}={names.escape(name.decode())},{above}"
                self.members.names[name] = entry.encode()
                self.members.users[self.members.key(entry)] = name
            taken.add(comparable(name))

    def entries(self) -> Iterator[tuple[str, Attributes]]:
        """Every entry with its name, each before those below it."""
        domain = self.domain
        root = domain.directories[ROOT]
        yield self._root(root)
        waiting: list[tuple[Iterator[tuple[int, int]], str, Kind | None, set[str]]] = []
        waiting.append((self._children(root), self.base, None, set()))
        while waiting:
            children, above, kind, taken = waiting[-1]
            step = next(children, None)
            if step is None:
                waiting.pop()
                continue
            place, number = step
            one = domain.directories[number]
            inside, entry = self._entry(one, place, above, kind, taken, top=len(waiting) == 1)
            if entry is None:
                self.left_out_directories += 1 + self._below(one)
                continue
            yield entry
            if one.children:
                waiting.append((self._children(one), entry[0], inside, set()))

    def left_out(self) -> str:
        """What is missing, as a sentence; empty where nothing is."""
        many, few = self.left_out_properties, self.left_out_directories
        return f"left out: {few:,} directories, {many:,} properties of others" if many or few else ""

    def ldif(self) -> Iterator[str]:
        """The same as LDIF."""
        yield VERSION + "\n"
        for entry, attributes in self.entries():
            yield format_entry(entry, attributes)

    def _children(self, one: Directory) -> Iterator[tuple[int, int]]:
        return iter(list(enumerate(one.children)))

    def _below(self, one: Directory) -> int:
        waiting, count = list(one.children), 0
        while waiting:
            count += 1
            waiting += self.domain.directories[waiting.pop()].children
        return count

    def _root(self, root: Directory) -> tuple[str, Attributes]:
        (kind, value), *_ = self._base[0]
        attributes: Attributes = [("objectClass", (BASES[kind],)), (kind, (value.encode(),))]
        return self.base, self._kept(attributes, root, 0, pairs_of(root.data), [])

    def _entry(
        self, one: Directory, place: int, above: str, kind: Kind | None, taken: set[str], *, top: bool
    ) -> tuple[Kind | None, tuple[str, Attributes] | None]:
        """The kind of what is below a directory, and its entry; ``None`` where it is left out."""
        given = pairs_of(one.data)
        if top and (container := self._as_container(given)) and container.container not in taken:
            taken.add(container.container)
            named = (container.container.encode(),)
            attributes: Attributes = [
                ("objectClass", (CONTAINERS[self._container],)),
                (self._container, named),
            ]
            derived: list[Pair] = [(b"name", (container.place,))]
            attributes = self._kept(attributes, one, place, given, derived)
            return container, (f"{self._container}={container.container},{above}", attributes)
        held = self._held(kind, given) if kind else None
        if kind is not None and held is not None:
            derived = derive(kind, held, self.members)
            classes = [*kind.classes, *[name for name, needs in kind.further if any(at in held for at in needs)]]
            rdn = self._rdn(kind.rdn, held, one, taken)
        else:
            called = texts(next((values for name, values in given if name == b"name"), ()))
            held = {"cn": called} if called else {}
            derived, classes = derive_generic(held), [DIRECTORY]
            rdn = None if self.plain else self._rdn("cn", held, one, taken)
        if rdn is None:
            return None, None
        attributes = [("objectClass", classes), *held.items()]
        return None, (f"{rdn},{above}", self._kept(attributes, one, place, given, derived))

    def _as_container(self, given: list[Pair]) -> Kind | None:
        for name, values in given:
            if name == b"name":
                return self.kinds.get(values[0]) if len(values) == 1 else None
        return None

    def _held(self, kind: Kind, given: list[Pair]) -> Held | None:
        """The attributes of an entry of a kind; ``None`` where it would lack one that it must have."""
        found = dict(reversed(given))  # of each name the first one
        held: Held = {}
        for row in kind.rows:
            values = found.get(row.name)
            if values is not None and (written := row.write(values)) is not None:
                held[row.attribute] = written
        if kind.special:
            special.write(kind, found, held, self.members)
        for name in kind.must:
            if name not in held:
                return None
        return held

    def _rdn(self, kind: str, held: Held, one: Directory, taken: set[str]) -> str | None:
        """The step of an entry's name, which no sibling has; ``None`` where a plain one would be another's."""
        number = f"{ID}={one.id}"
        value = held[kind][0] if kind in held else b""
        if not value:
            return None if self.plain else number
        step = f"{kind}={names.escape(value.decode())}"
        same = comparable(value)
        if same not in taken:
            taken.add(same)
            return step
        if protocol := held.get("ipServiceProtocol"):
            step, same = (
                f"{step}+ipServiceProtocol={names.escape(protocol[0].decode())}",
                f"{same}\n{comparable(protocol[0])}",
            )
            if same not in taken:
                taken.add(same)
                return step
        return None if self.plain else f"{step}+{number}"

    def _kept(
        self, attributes: Attributes, one: Directory, place: int, given: list[Pair], derived: list[Pair]
    ) -> Attributes:
        """An entry's attributes with our own."""
        order, lines = residue(given, derived)
        if self.plain:
            self.left_out_properties += sum(1 for line in lines if line[0] != "-")
            return attributes
        name, classes = attributes[0]
        attributes[0] = (name, (*classes, RECORD))
        attributes.append((ID, (str(one.id),)))
        if one.instance:
            attributes.append((INSTANCE, (str(one.instance),)))
        attributes.append((PLACE, (str(place),)))
        if order:
            attributes.append((ORDER, (order,)))
        if lines:
            attributes.append((PROPERTY, lines))
        return attributes
