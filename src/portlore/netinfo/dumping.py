"""The flat formats of ``nidump``: directories of NetInfo as the files of ``/etc`` they stand for. Pure.

A column is the first value of its property; what is missing leaves the column empty or at its default. A directory
without a name, or without what its format is a list of, is left out. Values are written as they are, as the original
did: one that holds a separator or a newline breaks its line.
"""

from __future__ import annotations

from portlore.netinfo.values import first
from portlore.value import Value
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portlore.netinfo.values import Properties

    Write = Callable[[Sequence[Properties]], bytes]

WIDTH = 72  # aliases and printcap are folded before a line would be wider
TAB = 8


class Reads(Word):
    """What of a format's directory is written."""

    CHILDREN = "children"
    ITSELF = "itself"


class Format(Value):
    """One format: the path of its directory and how that is written.

    ``write`` takes the properties of all children in order, or of the directory alone where ``reads`` says so.
    ``named`` takes the properties of the children of one of its children: ``nidump mountmaps DOMAIN auto_home``.
    Where the directory is missing, nothing is written at all.
    """

    path: bytes
    write: Write
    reads: Reads = Reads.CHILDREN
    named: Write | None = None


def _all(found: Properties, name: bytes) -> tuple[bytes, ...]:
    """The values of the first property of a name."""
    one = first(found, name)
    return one.values if one else ()


def _one(found: Properties, name: bytes, default: bytes = b"") -> bytes:
    """The first value of the first property of a name."""
    values = _all(found, name)
    return values[0] if values else default


def _named(rows: Sequence[Properties]) -> Iterator[tuple[bytes, tuple[bytes, ...], Properties]]:
    """The rows that have a name: it, the further names, and the row."""
    for row in rows:
        if names := _all(row, b"name"):
            yield names[0], names[1:], row


def _passwd(rows: Sequence[Properties]) -> bytes:
    """The ten columns of 4.4BSD's master.passwd(5)."""
    middle = ((b"passwd", b""), (b"uid", b""), (b"gid", b""), (b"class", b""), (b"change", b"0"), (b"expire", b"0"))
    columns = (*middle, (b"realname", b""), (b"home", b""), (b"shell", b""))
    return b"".join(
        b":".join((name, *(_one(row, column, default) for column, default in columns))) + b"\n"
        for name, _, row in _named(rows)
    )


def _group(rows: Sequence[Properties]) -> bytes:
    return b"".join(
        b"%b:%b:%b:%b\n" % (name, _one(row, b"passwd"), _one(row, b"gid"), b",".join(_all(row, b"users")))
        for name, _, row in _named(rows)
    )


def _by_address(column: bytes) -> Write:
    """Lines of an address and names, for the machines that have an address, with a name or without."""

    def write(rows: Sequence[Properties]) -> bytes:
        return b"".join(
            b"%b\t%b\n" % (_one(row, column), b" ".join(_all(row, b"name"))) for row in rows if _all(row, column)
        )

    return write


def _by_name(column: bytes) -> Write:
    """Lines of a name, a number and further names; the tab before those stays without any."""

    def write(rows: Sequence[Properties]) -> bytes:
        return b"".join(
            b"%b\t%b\t%b\n" % (name, _one(row, column), b"\t".join(aliases)) for name, aliases, row in _named(rows)
        )

    return write


def _services(rows: Sequence[Properties]) -> bytes:
    return b"".join(
        b"%b\t%b/%b\t%b\n" % (name, _one(row, b"port"), _one(row, b"protocol"), b"\t".join(aliases))
        for name, aliases, row in _named(rows)
    )


def _bootptab(rows: Sequence[Properties]) -> bytes:
    """Every machine, below a header: the home directory and the default boot file."""
    columns = ((b"en_address", b"0:0:0:0:0:0"), (b"ip_address", b"0.0.0.0"), (b"bootfile", b"mach"))
    return b"/private/tftpboot:/\nmach\n%%\n" + b"".join(
        b"\t".join((name, b"1", *(_one(row, column, default) for column, default in columns))) + b"\n"
        for name, _, row in _named(rows)
    )


def _bootparams(rows: Sequence[Properties]) -> bytes:
    """The machines with a property ``bootparams``; what niload stores are single properties, which this leaves out."""
    return b"".join(
        b"%b %b\n" % (name, b" \\\n\t".join(_all(row, b"bootparams")))
        for name, _, row in _named(rows)
        if _all(row, b"bootparams")
    )


def _fstab(rows: Sequence[Properties]) -> bytes:
    """The fifth column reads ``freq``, although niload stores ``dump_freq``: so it is always 0 [run]."""
    return b"".join(
        b" ".join(
            (
                name,
                _one(row, b"dir"),
                _one(row, b"vfstype", b"nfs"),
                b",".join(_all(row, b"opts") or (b"rw",)),
                _one(row, b"freq", b"0"),
                _one(row, b"passno", b"0"),
            )
        )
        + b"\n"
        for name, _, row in _named(rows)
    )


def _exports(rows: Sequence[Properties]) -> bytes:
    """Four columns, each a list; an empty one leaves its space behind."""
    return b"".join(
        b" ".join(
            (
                name,
                b" ".join(aliases),
                b" ".join(b"-" + option for option in _all(row, b"opts")),
                b" ".join(_all(row, b"clients")),
            )
        )
        + b"\n"
        for name, aliases, row in _named(rows)
    )


def _aliases(rows: Sequence[Properties]) -> bytes:
    """``name: a,b,c``, folded before a member; a list of nobody is left out."""
    out: list[bytes] = []
    for name, _, row in _named(rows):
        members = _all(row, b"members")
        if not members:
            continue
        out.append(name + b": ")
        column = len(name) + 2
        for number, member in enumerate(members):
            item = member + b"," if number < len(members) - 1 else member
            if column + len(item) > WIDTH:
                out.append(b"\n\t")
                column = TAB
            out.append(item)
            column += len(item)
        out.append(b"\n")
    return b"".join(out)


def _printcap(rows: Sequence[Properties]) -> bytes:
    """``n1|n2:`` and the other properties as capabilities: ``:key=value:``, ``:key#number:``, ``:key:``, folded."""
    out: list[bytes] = []
    for name, aliases, row in _named(rows):
        out.append(b"|".join((name, *aliases)) + b": \\\n\t:")
        column = TAB + 1
        for one in row:
            if one.name == b"name":
                continue
            value = one.values[0] if one.values else b""
            sign = b"" if not one.values or value.startswith(b"#") else b"="
            item = b"%b%b%b:" % (one.name, sign, value)
            if column + len(item) > WIDTH:
                out.append(b" \\\n\t:")
                column = TAB + 1
            out.append(item)
            column += len(item)
        out.append(b"\n")
    return b"".join(out)


def _resolver(rows: Sequence[Properties]) -> bytes:
    """A resolver without a domain or without a server is none."""
    out = b""
    for row in rows:
        servers = _all(row, b"nameserver")
        if not servers or not _all(row, b"domain"):
            continue
        out += b"domain %b\n" % _one(row, b"domain")
        if search := _all(row, b"search"):
            out += b"search %b\n" % b" ".join(search)
        out += b"".join(b"nameserver %b\n" % server for server in servers)
    return out


def _names(rows: Sequence[Properties]) -> bytes:
    return b"".join(name + b"\n" for name, _, _ in _named(rows))


def _mountmap(rows: Sequence[Properties]) -> bytes:
    """The entries of one map of the automounter: ``name [-options] fsname``."""
    return b"".join(
        b"%b %b%b\n" % (name, b"-%b " % b",".join(opts.values) if opts else b"", b" ".join(_all(row, b"fsname")))
        for name, _, row in _named(rows)
        for opts in (first(row, b"opts"),)
    )


FORMATS = {
    "passwd": Format(b"/users", _passwd),
    "group": Format(b"/groups", _group),
    "hosts": Format(b"/machines", _by_address(b"ip_address")),
    "ethers": Format(b"/machines", _by_address(b"en_address")),
    "bootptab": Format(b"/machines", _bootptab),
    "bootparams": Format(b"/machines", _bootparams),
    "networks": Format(b"/networks", _by_name(b"address")),
    "services": Format(b"/services", _services),
    "protocols": Format(b"/protocols", _by_name(b"number")),
    "rpc": Format(b"/rpcs", _by_name(b"number")),
    "fstab": Format(b"/mounts", _fstab),
    "exports": Format(b"/exports", _exports),
    "aliases": Format(b"/aliases", _aliases),
    "printcap": Format(b"/printers", _printcap),
    "resolv.conf": Format(b"/locations/resolver", _resolver, Reads.ITSELF),
    "mountmaps": Format(b"/mountmaps", _names, named=_mountmap),
}
