"""Which directories of NetInfo are which entries of LDAP; a table for each schema. Pure.

``rfc2307``: RFC 2307 with the object classes that every OpenLDAP has. ``rfc2307bis``: its successor (draft-howard-
rfc2307bis-02): members by their names in the directory, automounts. ``apple``: Mac OS X Server's Open Directory (Apple,
Open Directory Administration, "Mapping Standard Attributes to LDAP"): its containers and attributes.
"""

from __future__ import annotations

from portlore.netinfo.bridges import syntaxes as s
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.bridges.syntaxes import Read, Write


class Row(Value):
    """A property and the attribute that holds it, in the order in which they are usual in NetInfo."""

    name: bytes
    attribute: str
    write: Write
    read: Read = s.as_it_is


class Kind(Value):
    """What the directories in one place of a domain are in LDAP.

    ``place``: the directory of the root that they are in; ``container``: the name of the entry for that. ``known``: the
    object class that tells such an entry from others, ``classes`` those that one always has, ``further`` those that go
    with some attributes. ``must``: without these attributes it is no such entry. ``special``: more than rows can say.
    """

    place: bytes
    container: str
    known: str
    classes: tuple[str, ...]
    rdn: str
    must: tuple[str, ...]
    rows: tuple[Row, ...]
    further: tuple[tuple[str, tuple[str, ...]], ...] = ()
    special: str = ""


_NAMES = Row(b"name", "cn", s.texts)
_PASSWORD = Row(b"passwd", "userPassword", s.passwords, s.plain_passwords)
_GENERATED = Row(b"generateduid", "apple-generateduid", s.ascii_text)
_PICTURE = Row(b"picture", "apple-user-picture", s.ascii_text)

_ACCOUNT = (
    Row(b"name", "uid", s.texts),
    _PASSWORD,
    Row(b"uid", "uidNumber", s.number),
    Row(b"gid", "gidNumber", s.number),
    Row(b"realname", "gecos", s.ascii_text),  # and cn: RFC 2307 demands one
    Row(b"home", "homeDirectory", s.ascii_text),
    Row(b"shell", "loginShell", s.ascii_text),
    Row(b"expire", "shadowExpire", s.days, s.seconds),
)
_APPLE_ACCOUNT = (
    *_ACCOUNT,
    Row(b"home_loc", "apple-user-homeurl", s.ascii_text),
    Row(b"homedirectoryquota", "apple-user-homequota", s.ascii_text),
    Row(b"applemail", "apple-user-mailattribute", s.ascii_text),
    Row(b"mcx_flags", "apple-mcxflags", s.ascii_text),
    Row(b"hint", "apple-user-authenticationhint", s.text),
    _PICTURE,
    _GENERATED,
    Row(b"authentication_authority", "authAuthority", s.ascii_texts),
)
_SHADOW = ("shadowAccount", ("shadowExpire",))
_NEEDS = ("uid", "cn", "uidNumber", "gidNumber", "homeDirectory")
_USERS = Kind(
    b"users", "people", "posixAccount", ("account", "posixAccount"), "uid", _NEEDS, _ACCOUNT, (_SHADOW,), "user"
)
_GROUP = (_NAMES, _PASSWORD, Row(b"gid", "gidNumber", s.number))
_MEMBERS = Row(b"users", "memberUid", s.ascii_texts)
_GROUPS = Kind(
    b"groups", "group", "posixGroup", ("posixGroup",), "cn", ("cn", "gidNumber"), (*_GROUP, _MEMBERS), (), "group"
)
_MACHINES = Kind(
    b"machines", "hosts", "ipHost", ("device",), "cn", ("cn", "ipHostNumber"),
    (
        _NAMES,
        Row(b"ip_address", "ipHostNumber", s.ascii_words),
        Row(b"en_address", "macAddress", s.ascii_words),
        Row(b"bootfile", "bootFile", s.ascii_texts),
        Row(b"bootparams", "bootParameter", s.boot_parameters),
    ),
    (
        ("ipHost", ("ipHostNumber",)),
        ("ieee802Device", ("macAddress",)),
        ("bootableDevice", ("bootFile", "bootParameter")),
    ),
)  # fmt: skip
_SERVICES = Kind(
    b"services", "services", "ipService", ("ipService",), "cn", ("cn", "ipServicePort", "ipServiceProtocol"),
    (_NAMES, Row(b"port", "ipServicePort", s.number), Row(b"protocol", "ipServiceProtocol", s.texts)),
)  # fmt: skip
_NUMBERED = ("cn", "description")  # OpenLDAP's protocols and programs must have a description
_PROTOCOLS = Kind(
    b"protocols", "protocols", "ipProtocol", ("ipProtocol",), "cn", (*_NUMBERED, "ipProtocolNumber"),
    (_NAMES, Row(b"number", "ipProtocolNumber", s.number)), (), "described",
)  # fmt: skip
_RPCS = Kind(
    b"rpcs", "rpc", "oncRpc", ("oncRpc",), "cn", (*_NUMBERED, "oncRpcNumber"),
    (_NAMES, Row(b"number", "oncRpcNumber", s.number)), (), "described",
)  # fmt: skip
_NETWORKS = Kind(
    b"networks", "networks", "ipNetwork", ("ipNetwork",), "cn", ("cn", "ipNetworkNumber"),
    (_NAMES, Row(b"address", "ipNetworkNumber", s.ascii_text), Row(b"netmask", "ipNetmaskNumber", s.ascii_text)),
)  # fmt: skip
_NETGROUPS = Kind(
    b"netgroups", "netgroup", "nisNetgroup", ("nisNetgroup",), "cn", ("cn",),
    (_NAMES, Row(b"netgroups", "memberNisNetgroup", s.ascii_texts)), (), "netgroup",
)  # fmt: skip
_ALIASES = Kind(
    b"aliases", "aliases", "nisMailAlias", ("nisMailAlias",), "cn", ("cn",),
    (_NAMES, Row(b"members", "rfc822MailMember", s.ascii_words)),
)  # fmt: skip
_MOUNTS = Kind(
    b"mounts", "mounts", "automount", ("automount",), "automountKey", ("automountKey", "automountInformation"),
    (), (), "automount",
)  # fmt: skip
_APPLE_MOUNTS = Kind(
    b"mounts", "mounts", "mount", ("mount",), "cn", ("cn",),
    (
        _NAMES,
        Row(b"dir", "mountDirectory", s.ascii_text),
        Row(b"vfstype", "mountType", s.ascii_text),
        Row(b"opts", "mountOption", s.ascii_texts),
        Row(b"dump_freq", "mountDumpFrequency", s.ascii_text),
        Row(b"passno", "mountPassNo", s.ascii_text),
    ),
)  # fmt: skip
_APPLE_USERS = Kind(
    b"users", "users", "posixAccount", ("inetOrgPerson", "posixAccount", "shadowAccount", "apple-user"), "uid", _NEEDS,
    _APPLE_ACCOUNT, (), "user",
)  # fmt: skip
_APPLE_GROUPS = Kind(
    b"groups", "groups", "posixGroup", ("posixGroup",), "cn", ("cn", "gidNumber"),
    (*_GROUP, _MEMBERS, Row(b"realname", "apple-group-realname", s.text), _GENERATED),
    (("apple-group", ("apple-group-realname", "apple-generateduid")),), "group",
)  # fmt: skip

_COMMON = (_MACHINES, _SERVICES, _PROTOCOLS, _RPCS, _NETWORKS, _NETGROUPS, _ALIASES)


def _table(*kinds: Kind) -> dict[bytes, Kind]:
    return {kind.place: kind for kind in kinds}


SCHEMAS = {
    "rfc2307": _table(_USERS, _GROUPS, *_COMMON),
    "rfc2307bis": _table(
        _USERS, _GROUPS.replace(classes=("groupOfMembers", "posixGroup"), special="members"), _MOUNTS, *_COMMON
    ),
    "apple": _table(
        _APPLE_USERS, _APPLE_GROUPS, _APPLE_MOUNTS, *[one.replace(container=one.place.decode()) for one in _COMMON]
    ),
}
READING = {  # by the class that tells, in small letters: with the rows of all schemas
    kind.known.lower(): kind for kind in (*SCHEMAS["rfc2307bis"].values(), *SCHEMAS["apple"].values())
}
BASES = {"dc": "domain", "o": "organization", "ou": "organizationalUnit", "c": "country", "cn": "portloreDirectory"}
CONTAINERS = {"ou": "organizationalUnit", "cn": "container"}  # the class of a container by the type of its name
