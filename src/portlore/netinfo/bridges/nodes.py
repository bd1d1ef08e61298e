"""A domain while it is put together from another form: directories in whatever order they come. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.netinfo.coding import LONGEST_NAME, MOST_IDS, MOST_NAMES, MOST_PROPERTIES
from portlore.netinfo.domain import Domain
from portlore.netinfo.exchange import FULL, HIGHEST
from portlore.netinfo.values import ROOT, Property, Record, first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.netinfo.bridges.residue import Pair
    from portlore.netinfo.values import Properties

NAME = b"name"
DO = "NetInfo cannot hold it: shorten it or split it there"


class Node:
    """A directory to be. ``id``: its number where the form tells it, else -1; ``place``: among its siblings."""

    __slots__ = ("_known", "_seen", "children", "id", "instance", "place", "properties")

    def __init__(self, properties: Properties = (), id: int = -1, instance: int = 0, place: int = -1) -> None:  # noqa: A002
        self.properties, self.id, self.instance, self.place = properties, id, instance, place
        self.children: list[Node] = []
        self._known: dict[bytes, Node] = {}  # the first child of each name, among so many of them
        self._seen = 0

    @property
    def name(self) -> bytes:
        """Its first name; empty without one."""
        found = first(self.properties, NAME)
        return found.values[0] if found and found.values else b""

    def child(self, name: bytes) -> Node:
        """The first directory of a name below it, which is made where there is none.

        As long as it is asked, children are appended and keep their names.
        """
        for one in self.children[self._seen :]:
            self._known.setdefault(one.name, one)
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = Node((Property(NAME, (name,)),))
            self.children.append(found)
        self._seen = len(self.children)
        return found


def named(name: bytes) -> Properties:
    """The properties of a directory that has nothing but a name."""
    return (Property(NAME, (name,)),)


def shown(text: bytes) -> str:
    """A name in a message."""
    return text[:60].decode("utf-8", "backslashreplace")


def checked(pairs: Iterable[Pair], where: str) -> Properties:
    """Properties, each of them one that NetInfo can carry."""
    found = tuple([Property(name, values) for name, values in pairs])
    for one in found:
        if len(one.values) > MOST_NAMES or b"\0" in one.name or len(one.name) > LONGEST_NAME:
            check_property(one, where)
        for value in one.values:
            if len(value) > LONGEST_NAME or b"\0" in value:
                check_property(one, where)
    return found


def check_property(one: Property, where: str) -> None:
    """Raise :class:`InputError` for what NetInfo's protocol cannot carry (SPEC 2.2), by name and number."""
    asked = f"taking {where} into NetInfo"
    if len(one.values) > MOST_NAMES:
        found = f"{shown(one.name)!r} has {len(one.values):,} values; a property holds at most {MOST_NAMES:,}"
        raise InputError(asked, found, DO)
    for text in (one.name, *one.values):
        if len(text) > LONGEST_NAME:
            found = f"a value of {shown(one.name)!r} has {len(text):,} bytes; at most {LONGEST_NAME:,} fit"
            raise InputError(asked, found, DO)
        if b"\0" in text:
            raise InputError(asked, f"a value of {shown(one.name)!r} has a NUL in it, which ends a value there", DO)


def _all(root: Node) -> Iterator[tuple[Node, str]]:
    """Every node with its path, each before its children, which are put in their order."""
    waiting = [(root, "")]
    while waiting:
        one, path = waiting.pop()
        yield one, path or "/"
        if any(child.place >= 0 for child in one.children):
            last = len(one.children)
            one.children.sort(key=lambda child: child.place if child.place >= 0 else last)
        waiting += [(child, f"{path}/{shown(child.name)}") for child in reversed(one.children)]


def domain_of(root: Node) -> Domain:
    """The domain below a node: numbers that were told stay, the others are the lowest free ones.

    The properties are :func:`checked`; :class:`InputError` for more of them, or of children, than can be sent.
    """
    nodes = []
    taken: dict[int, Node] = {ROOT: root}
    for one, path in _all(root):
        nodes.append(one)
        if len(one.properties) > MOST_PROPERTIES or len(one.children) > MOST_IDS:
            found = f"{len(one.properties):,} properties and {len(one.children):,} directories are too many"
            raise InputError(f"taking {path} into NetInfo", found, DO)
        if ROOT < one.id <= HIGHEST and 0 <= one.instance <= FULL and taken.setdefault(one.id, one) is one:
            continue
        if one is not root:
            one.id, one.instance = -1, 0
    root.id = ROOT
    root.instance = root.instance if 0 <= root.instance <= FULL else 0
    free = 0
    for one in nodes:
        if one.id < 0:
            while free in taken:
                free += 1
            one.id, taken[free] = free, one
    parents = {child.id: one.id for one in nodes for child in one.children}
    return Domain.of(
        Record(one.id, one.instance, parents.get(one.id, ROOT), one.properties, tuple([c.id for c in one.children]))
        for one in nodes
    )


def tree_of(domain: Domain) -> Node:
    """A domain as nodes, with the numbers that it has; the inverse of :func:`domain_of`."""
    nodes = {one.id: Node(one.properties, one.id, one.instance) for one in domain.directories.values()}
    for one in domain.directories.values():
        nodes[one.id].children = [nodes[number] for number in one.children]
    return nodes[ROOT]


def paths(domain: Domain) -> Iterator[tuple[int, int, str]]:
    """Every directory, each before its children: its number, its place among its siblings, its path of names."""
    waiting = [(ROOT, 0, "")]
    while waiting:
        number, place, path = waiting.pop()
        yield number, place, path or "/"
        children = domain.directories[number].children
        below = [(one, at, f"{path}/{_step(domain, one)}") for at, one in enumerate(children)]
        waiting += reversed(below)


def _step(domain: Domain, number: int) -> str:
    values = domain.values(number, NAME)
    text = values[0] if values else b""
    return text.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace("/", "\\/") or f"dir:{number}"
