"""A domain's ``/services`` and the book of ports: entries as a layer of the book, labels as entries. Pure."""

from __future__ import annotations

from portlore.model import DOMAIN_LAYER, LAST_PORT, LocalLine, PortRange, Transport
from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.values import Property, first, properties
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.book import Book
    from portlore.model import OwnLabel
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.values import Properties

PLACE = b"services"
MARK = b"portlore_source"  # on what we have published: from where, so that it can be taken back
OWN, REGISTRY = "own", "registry"
WIDEST = 256  # ports of a label that are published one by one
LONGEST = 200  # characters of a name or comment that is shown


class Published(Value):
    """What is to stand in ``/services``: names, port, protocols, comment, from where."""

    name: str
    aliases: tuple[str, ...]
    port: int
    protocols: tuple[str, ...]
    comment: str
    source: str


def service_lines(rows: Iterable[Properties], where: str) -> Iterator[tuple[PortRange, LocalLine]]:
    """What directories of ``/services`` say of ports; those that name no port or protocol say nothing."""
    for row in rows:
        ports = [int(text) for text in _texts(row, b"port") if text.isascii() and text.isdigit() and len(text) < 6]
        told = [text.lower() for text in _texts(row, b"protocol")]
        transports = [on for on in Transport if on in told]
        names = _texts(row, b"name")
        if not names or not transports:
            continue
        on = "/".join(transports)
        comment = "; ".join(_texts(row, b"comment"))
        for port in dict.fromkeys(port for port in ports if port <= LAST_PORT):
            for name in names:
                detail = "; ".join(filter(None, ("" if name == names[0] else f"an alias of {names[0]}", comment)))
                line = LocalLine(DOMAIN_LAYER, where, "", name[:LONGEST], on, detail[:LONGEST])
                yield PortRange(port, port), line


def _texts(row: Properties, name: bytes) -> list[str]:
    found = first(row, name)
    return [value.decode("utf-8", "replace") for value in found.values] if found else []


def from_labels(labels: Iterable[OwnLabel]) -> tuple[list[Published], list[str]]:
    """What labels of a ``portlore.toml`` are there, and what is to be said of those that cannot be.

    A range becomes an entry for each port, ``NAME-PORT``: ``getservbyport`` knows no ranges.
    """
    found, remarks = [], []
    for label in labels:
        ports = PortRange.parse(label.ports)
        if len(ports) > WIDEST:
            remarks.append(f"{label.name} ({label.ports}) has {len(ports):,} ports, more than {WIDEST}: left out")
            continue
        name = "-".join(label.name.replace("/", "-").split())
        comment = "; ".join(filter(None, (label.owner, label.note)))
        for port in ports:
            one = name if len(ports) == 1 else f"{name}-{port}"
            found.append(Published(one, (), port, tuple(label.transport.split("/")), comment, OWN))
    return found, remarks


def from_registry(book: Book) -> list[Published]:
    """The official registry's names of single ports, the preferred one of each first."""
    found = []
    for low, high, _ in book.registry.runs(1, LAST_PORT):
        if low != high:
            continue
        by_names: dict[tuple[str, ...], list[str]] = {}
        for on in Transport:
            names = [given.name for given in book.registry.said(low, on)[2] if given.name]
            if names:
                by_names.setdefault(tuple(dict.fromkeys(names)), []).append(on)
        found += [Published(names[0], names[1:], low, tuple(on), "", REGISTRY) for names, on in by_names.items()]
    return found


def published(domain: Domain, wanted: Iterable[Published], sources: Iterable[str]) -> tuple[Domain, list[str]]:
    """The domain as it is to be: what we published before from these sources goes, what is wanted comes, others' stays.

    Where somebody else's entry has a name that is wanted, with another port, it stays and that is said; where it says
    the same, nothing is added. The directories that stay keep their numbers.
    """
    from portlore.netinfo.bridges.nodes import tree_of

    root = tree_of(domain)
    above = root.child(PLACE)
    ours: dict[tuple[str, int, frozenset[str]], Node] = {}
    others: dict[str, list[tuple[set[int], set[str]]]] = {}
    known = set(sources)
    kept = []
    for node in above.children:
        mark = _texts(node.properties, MARK)
        told, names = {line.lower() for line in _texts(node.properties, b"protocol")}, _texts(node.properties, b"name")
        ports = {int(text) for text in _texts(node.properties, b"port") if text.isascii() and text.isdigit()}
        if mark and mark[0] in known and len(ports) == 1 and names:
            ours[names[0], min(ports), frozenset(told)] = node
            continue
        kept.append(node)
        for name in names:
            others.setdefault(name, []).append((ports, told))
    remarks: list[str] = []
    for one in dict.fromkeys(wanted):
        standing = [(ports, told) for ports, told in others.get(one.name, ()) if told & set(one.protocols)]
        if any(one.port in ports and told >= set(one.protocols) for ports, told in standing):
            continue
        if standing:
            remarks.append(f"{one.name}: somebody else's entry has another port or fewer protocols, and stays")
            continue
        pairs = [("name", [one.name, *one.aliases]), ("port", [str(one.port)]), ("protocol", [*one.protocols])]
        pairs += [("comment", [one.comment])] if one.comment else []
        given = properties([*pairs, (MARK.decode(), [one.source])])
        key = (one.name, one.port, frozenset(one.protocols))
        node = ours.pop(key) if key in ours else Node()
        node.properties = given if _changed(node.properties, given) else node.properties
        kept.append(node)
    places = {id(node): place for place, node in enumerate(above.children)}
    kept.sort(key=lambda node: places.get(id(node), len(places)))
    above.children = kept
    return domain_of(root), remarks


def _changed(before: tuple[Property, ...], after: tuple[Property, ...]) -> bool:
    return {one.name: one.values for one in before} != {one.name: one.values for one in after}
