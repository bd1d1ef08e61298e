"""Domains as nobody would make them, for what must lose nothing."""

from __future__ import annotations

from hypothesis import strategies as st

from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import Property

PLACES = (
    "users groups machines services protocols rpcs networks netgroups aliases mounts printers locations Users people"
)
PROPERTIES = (
    "name passwd uid gid realname home shell expire users ip_address en_address bootfile bootparams port protocol "
    "number address netmask hosts domains netgroups members dir vfstype opts dump_freq passno generateduid "
    "_writers_passwd serves uid;base64 ShadowHashData;base64 portloreId cn objectClass _portlore_order"
)
VALUES = (
    "", "ann", "Ann", "ANN", "bob", "0", "-2", "007", "501", "86400", "x, y+z", " led", "trailed ", "a  b", "#1", "=",
    "{CRYPT}x", "{crypt}x", "{SSHA}abc", "*", "tcp", "udp", "10.0.0.5", "0:1:2:3:4:5", "root=next1:/export", "é",
    "e\u0301", "ﬁ", "ＡＮＮ", "ß", "SS", "日本", "a/b", "a\\b", "a\nb", "\t",
    "-@x", "+1", "YQ==", "\x7f", "\udcff", "a\udcfeb", "rw", "(a,b)",
)  # fmt: skip

names = st.one_of(st.sampled_from(PROPERTIES.split()), st.text(max_size=4))
texts = st.one_of(
    st.sampled_from(VALUES).map(lambda text: text.encode("utf-8", "surrogateescape")),
    st.binary(max_size=6).map(lambda data: data.replace(b"\0", b"")),
)
properties = st.lists(
    st.builds(
        Property,
        names.map(lambda text: text.replace("\0", "").encode("utf-8", "surrogatepass")),
        st.lists(texts, max_size=3).map(tuple),
    ),
    max_size=9,
)
named = st.builds(lambda name, more: (Property(b"name", (name,)), *more), st.one_of(st.just(b"ann"), texts), properties)


def _node(given: object, children: list[Node]) -> Node:
    made = Node(tuple(given))  # type: ignore[arg-type]
    made.children = children
    return made


leaves = st.builds(_node, st.one_of(properties, named), st.just([]))
inner = st.recursive(
    leaves, lambda below: st.builds(_node, st.one_of(properties, named), st.lists(below, max_size=3)), max_leaves=5
)


USUAL = {  # what makes an entry of a kind, with a value for each
    "users": {"name": "ann", "uid": "501", "gid": "20", "home": "/home/ann"},
    "groups": {"name": "staff", "gid": "20", "users": "ann"},
    "machines": {"name": "next1", "ip_address": "10.0.0.5"},
    "services": {"name": "smtp", "port": "25", "protocol": "tcp"},
    "protocols": {"name": "tcp", "number": "6"},
    "rpcs": {"name": "netinfobind", "number": "200100001"},
    "networks": {"name": "loop", "address": "127"},
    "netgroups": {"name": "trusted", "hosts": "next1"},
    "aliases": {"name": "postmaster", "members": "ann"},
    "mounts": {"name": "server:/home", "dir": "/home"},
}


@st.composite
def usual(draw: st.DrawFn, place: str) -> Node:
    """A directory of a kind, mostly with what makes it one."""
    given = []
    for name, value in USUAL.get(place, {}).items():
        values = [value.encode()] if draw(st.integers(0, 9)) else [draw(texts)]
        values += draw(st.lists(texts, max_size=1)) if not draw(st.integers(0, 4)) else []
        given.append(Property(name.encode(), tuple(values)))
    given += draw(properties) if draw(st.booleans()) else []
    return _node(draw(st.permutations(given)) if draw(st.booleans()) else given, draw(st.lists(leaves, max_size=1)))


def _place(name: str, more: list[Property], children: list[Node]) -> Node:
    return _node((Property(b"name", (name.encode(),)), *more), children)


places = st.sampled_from(PLACES.split()).flatmap(
    lambda place: st.builds(
        _place,
        st.just(place),
        st.one_of(st.just([]), properties),
        st.lists(st.one_of(usual(place), usual(place), inner), max_size=4),
    )
)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """A domain with numbers and counts of changes as they come."""
    root = _node(draw(properties), draw(st.lists(st.one_of(places, inner), max_size=5)))
    domain = domain_of(root)
    for one in domain.directories.values():
        one.instance = draw(st.sampled_from((0, 1, 7, 0xFFFF_FFFF)))
    return Domain.of(domain.records())
