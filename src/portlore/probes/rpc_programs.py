"""The numbers of ONC RPC programs that are met, and who speaks for each: PROGRAMS. Pure.

Source: /etc/rpc of Debian's netbase, where people look them up too; NetInfo's two are those of its own protocol.
"""

from __future__ import annotations

from portlore.value import Value


class Program(Value):
    """A program: its name, and the protocol's (a key of PROTOCOLS) where it is a protocol of its own."""

    name: str
    protocol: str = "oncrpc"


PORT_MAPPER, NFS, MOUNT, LOCKS, STATUS, QUOTA = 100000, 100003, 100005, 100021, 100024, 100011
NETINFO, NIBIND = 200100000, 200100001
PROGRAMS = {
    PORT_MAPPER: Program("portmapper", "sunrpc"),
    100001: Program("rstatd"),
    100002: Program("rusersd"),
    NFS: Program("nfs", "nfs"),
    100004: Program("ypserv"),
    MOUNT: Program("mountd", "mountd"),
    100007: Program("ypbind"),
    100008: Program("walld"),
    100009: Program("yppasswdd"),
    QUOTA: Program("rquotad"),
    100012: Program("sprayd"),
    100017: Program("rexd"),
    100020: Program("llockmgr"),
    LOCKS: Program("nlockmgr"),
    STATUS: Program("status"),
    100026: Program("bootparam"),
    100028: Program("ypupdated"),
    100029: Program("keyserv"),
    100069: Program("ypxfrd"),
    100227: Program("nfs_acl"),
    150001: Program("pcnfsd"),
    300019: Program("amd"),
    391002: Program("sgi_fam"),
    600100069: Program("fypxfrd"),
    NETINFO: Program("netinfo", "netinfo"),
    NIBIND: Program("nibind", "nibind"),
}
TRIED = (NFS, MOUNT, LOCKS, STATUS, NETINFO, NIBIND, QUOTA, 100004, 100007, 100026)  # the likelier first


def program_name(number: int) -> str:
    """A program's name; its number where it has none."""
    known = PROGRAMS.get(number)
    return str(number) if known is None else known.name


def protocol_of(number: int) -> str:
    """The protocol of a program."""
    known = PROGRAMS.get(number)
    return "oncrpc" if known is None else known.protocol
