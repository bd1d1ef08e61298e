"""``portlore netinfo recover``: domains from the disks of old machines."""

from __future__ import annotations

from pathlib import Path

from portlore.cli.parser import add_format
from portlore.errors import InputError, PortloreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from portlore.cli.output import Output
    from portlore.netinfo.disk.findings import Finding, Recovered
    from portlore.netinfo.disk.folders import Found

SHOWN = 20  # findings of a kind in the text; JSON has a thousand
NOT_READ = 3  # exit: a store of several could not be read
DESCRIPTION = """\
A NetInfo domain from the disk of an old machine, whatever state it is in: of NeXTSTEP (collection, Collection) or
of Mac OS X up to 10.4 (Store.N). DIR is a TAG.nidb folder, a folder of those such as /etc/netinfo or
/var/db/netinfo, or the folder of a whole volume. Nothing there is changed.

  portlore netinfo recover /mnt/etc/netinfo
                                   what is there, and how well it is kept
  portlore netinfo recover /mnt/etc/netinfo/local.nidb -o local
                                   a domain to serve, or to look at
  portlore netinfo recover old.nidb --records -
                                   the same as JSON, for `import`
  portlore netinfo recover old.nidb --to-store new.nidb
                                   a fresh store for Mac OS X

Exit status: 0 whole, 1 something was repaired, is in doubt or lost, 2 no store, 3 a store that cannot be read.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("folder", metavar="DIR", help="a TAG.nidb folder, or one that has such")
    parser.add_argument("-o", "--output", metavar="DOMAIN", help="make a domain of it, for serve and browse")
    parser.add_argument("--records", metavar="FILE", help="write it as JSON, as export does; - for standard output")
    parser.add_argument("--to-store", metavar="DIR.nidb", help="write a store that Mac OS X reads")
    help_order = "of the machine the store is for: big for PowerPC, little for Intel (default: big)"
    parser.add_argument("--byte-order", choices=("big", "little"), default="big", help=help_order)
    add_format(parser)


def recover(args: Namespace, output: Output) -> int:
    """Read the stores, tell what was found, write what is asked for."""
    from portlore.netinfo.disk.folders import find_stores, read_store

    stores = find_stores(args.folder)
    targets = [target for target in (args.output, args.records, args.to_store) if target is not None]
    if targets and len(stores) > 1:
        named = ", ".join(str(one.path) for one in stores)
        raise InputError(f"recovering {args.folder}", f"{len(stores)} stores: {named}", "name one of them")
    if args.records == "-" and args.format != "text":
        raise InputError("--records -", "the report would stand between the records", "give --records a file")
    for target in targets:
        _check_target(target, stores)
    told: list[tuple[Found, Recovered | PortloreError]] = []
    for one in stores:
        try:
            told.append((one, read_store(one.path)))
        except PortloreError as error:
            if len(stores) == 1:
                raise
            told.append((one, error))
    found = told[0][1]
    if targets and not isinstance(found, PortloreError):
        _write(args, found, output)
    if args.format != "text":
        from portlore.render.formats import Document

        output.document(Document({}, (("stores", [_plain(*each) for each in told]),)), args.format)
    elif args.records == "-":
        for line in _page(told):
            output.say(line)
    else:
        from portlore.render.terminal import clean

        output.lines(map(clean, _page(told)))
    if any(isinstance(each, PortloreError) for _, each in told):
        return NOT_READ
    return 0 if all(not isinstance(each, PortloreError) and each.is_whole for _, each in told) else 1


def _check_target(target: str, stores: list[Found]) -> None:
    """Raise InputError for a target that is there already, or would be among what is read."""
    if target == "-":
        return
    path = Path(target)
    if path.exists() or path.is_symlink():
        raise InputError(f"writing {target}", "there is something of that name", "choose another, or remove it first")
    for one in stores:
        if path.absolute().parent.resolve().is_relative_to(one.path.resolve()):
            raise InputError(f"writing {target}", "it is inside what is read", "choose a place outside of it")


def _write(args: Namespace, found: Recovered, output: Output) -> None:
    if args.to_store is not None:
        from portlore.netinfo.disk.folders import write_store
        from portlore.netinfo.disk.writing import pack_store

        write_store(Path(args.to_store), pack_store(found.domain, args.byte_order))
    if args.records is not None:
        _write_records(args.records, found, output)
    if args.output is not None:
        from portlore.netinfo.disk.folders import new_file
        from portlore.netinfo.store import Store

        with new_file(args.output), Store(args.output, create=True) as store:
            store.write_all(found.domain)


def _write_records(target: str, found: Recovered, output: Output) -> None:
    from portlore.netinfo.exchange import domain_json

    if target == "-":
        for piece in domain_json(found.domain):
            output.write(piece)
        output.flush()
        return
    from portlore.netinfo.disk.folders import write_private

    write_private(Path(target), "".join(domain_json(found.domain)).encode())


def _page(told: list[tuple[Found, Recovered | PortloreError]]) -> list[str]:
    lines = []
    for one, each in told:
        if isinstance(each, PortloreError):
            lines.append(f"{one.path}: not read: {each.found}; {each.do}")
            continue
        said = "as stored" if each.stored == each.domain.checksum else "not stored" if each.stored is None else "wrong"
        many = len(each.domain.directories)
        what = f"{each.form.name} of {each.form.system}"
        state = "whole" if each.is_whole else ", ".join(f"{n:,} {kind}" for kind, n in each.counts.items() if n)
        lines.append(f"{one.path}: {state}")
        lines.append(f"  {what}, {many:,} directories, checksum {each.domain.checksum} ({said})")
        for kind, number in reversed(each.counts.items()):  # the worst first
            found = [finding for finding in each.findings if finding.kind == kind]
            lines += [f"  {kind:<9} {_sentence(finding)}" for finding in found[:SHOWN]]
            if number > SHOWN:
                lines.append(f"  {kind:<9} and {number - SHOWN:,} more")
    return lines


def _sentence(one: Finding) -> str:
    where = [f"directory {one.directory}"] if one.directory is not None else []
    where += [one.file] if one.file else []
    return f"{', '.join(where)}: {one.text}" if where else one.text


def _plain(one: Found, each: Recovered | PortloreError) -> dict[str, Any]:
    head = {"tag": one.tag, "path": str(one.path)}
    if isinstance(each, PortloreError):
        return head | {"error": {"asked": each.asked, "found": each.found, "do": each.do}}
    return head | {
        "form": each.form.name,
        "system": each.form.system,
        "whole": each.is_whole,
        "clean": each.clean,
        "directories": len(each.domain.directories),
        "checksum": each.domain.checksum,
        "stored": each.stored,
        "counts": each.counts,
        "findings": [
            {"kind": f.kind, "directory": f.directory, "file": f.file or None, "text": f.text} for f in each.findings
        ],
    }
