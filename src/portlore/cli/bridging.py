"""``portlore netinfo import`` and ``export``: domains in other forms, and what taking one changes."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from portlore.errors import HostError, InputError
from portlore.netinfo.bridges import FORMS, Options, Told, module
from portlore.netinfo.bridges.kinds import SCHEMAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator
    from typing import Any

    from portlore.cli.output import Output
    from portlore.netinfo.bridges import Form
    from portlore.netinfo.bridges.changes import Change
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.storing import AnyStore

SHOWN = 200  # changes that are told one by one
MOST_FILES, LARGEST_FILE = 1_000_000, 1 << 28  # in a folder, bytes
HIDDEN = (b"passwd", b"ShadowHashData;base64")
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # follows no link that somebody has put there


def add_actions(actions: Any) -> None:
    """The actions and what they take."""
    bring = actions.add_parser("import", help="make a domain, or change it", prog="portlore netinfo import")
    bring.add_argument("database", metavar="DATABASE", help="a domain's file; a new one is made")
    help_source = "a file or folder, - for standard input, ldap://HOST/BASE or ldaps://HOST/BASE"
    bring.add_argument("file", metavar="FILE", help=help_source)
    bring.add_argument("--from", dest="form", choices=tuple(FORMS), help="its form (default: json, ldif for a server)")
    bring.add_argument("--dry-run", action="store_true", help="tell what would change; exit 1 if anything would")
    help_replace = "what the source does not have goes (json: always)"
    bring.add_argument("--replace", action="store_true", help=help_replace)
    bring.add_argument("--base", default="", metavar="DN", help="the entry that becomes the root (default: found out)")
    bring.add_argument(
        "--without", action="append", default=[], metavar="ATTRIBUTE", help="leave an attribute of LDAP out"
    )
    bring.add_argument("--bind", metavar="DN", help="log in there as this entry; the password is asked for")
    bring.add_argument("--start-tls", action="store_true", help="turn to TLS before anything is said")
    bring.add_argument("--authority", default="", metavar="FILE", help="certificates to trust beside the system's")
    give = actions.add_parser("export", help="a domain in another form", prog="portlore netinfo export")
    give.add_argument("database", metavar="DATABASE")
    give.add_argument("--to", dest="form", choices=tuple(FORMS), default="json", help="the form (default: json)")
    help_out = "the file, or the folder, to write (default: standard output; dslocal and etc need one)"
    give.add_argument("-o", "--output", metavar="PATH", help=help_out)
    give.add_argument("--base", default="", metavar="DN", help="ldif: the entry above all, such as dc=example,dc=com")
    give.add_argument("--schema", choices=tuple(SCHEMAS), default="rfc2307", help="ldif: whose (default: rfc2307)")
    give.add_argument(
        "--plain", action="store_true", help="ldif: only what needs no schema of ours; tells what is lost"
    )
    actions.add_parser(
        "ldap-schema", help="what an LDAP server must know to keep all", prog="portlore netinfo ldap-schema"
    )


def run(args: Namespace, output: Output) -> int:
    """Do what is asked."""
    return {"import": _import, "export": _export, "ldap-schema": _schema}[args.action](args, output)


def _schema(_: Namespace, output: Output) -> int:
    from portlore.netinfo.bridges.schema import schema_ldif

    output.write(schema_ldif())
    output.flush()
    return 0


# Export


def _export(args: Namespace, output: Output) -> int:
    from portlore.netinfo.storing import open_store

    form = FORMS[args.form]
    if form.is_folder and not args.output:
        raise InputError(f"exporting to {args.form}", "it is a folder", "name it: --output FOLDER")
    with open_store(args.database, exclusive=False) as store:
        domain = store.load()
    pieces = module(form.writer).write(domain, Options(args.database, args.base, args.schema, args.plain))
    remark: list[str] = []
    if args.plain:
        pieces = _listened(pieces, remark)
    if form.is_folder:
        count = _write_folder(Path(args.output), pieces)
        output.say(f"portlore: {args.output}: {count:,} files, {len(domain.directories):,} directories")
    elif args.output:
        _write_file(Path(args.output), pieces)
        output.say(f"portlore: {args.output}: {len(domain.directories):,} directories")
    else:
        while piece := "".join(islice(pieces, 500)):
            output.write(piece)
        output.flush()
    if remark:
        output.say(f"portlore: {remark[-1]}")
    return 0


def _listened(pieces: Iterator[str], remark: list[str]) -> Iterator[str]:
    """The same, having noted what a plain export says at its end of what is missing."""
    for piece in pieces:
        if piece.startswith("# "):
            remark.append(piece[2:].rstrip())
        yield piece


def _write_file(path: Path, pieces: Iterator[str]) -> None:
    """A whole file or none: password hashes are in it, so that it is its owner's alone, whatever stood there."""
    if path.exists() and not path.is_file():  # a pipe, a terminal: nothing to be put in its place
        with _refusing(path), path.open("w", encoding="utf-8", newline="") as file:
            while piece := "".join(islice(pieces, 500)):
                file.write(piece)
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with _refusing(path):
        descriptor = os.open(part, NEW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                while piece := "".join(islice(pieces, 500)):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _write_folder(path: Path, files: Iterator[tuple[str, bytes]]) -> int:
    """A whole folder or none, where none was or an empty one: nothing of an older one is left among the new files."""
    part, count = path.with_name(f"{path.name}.{os.getpid()}.part"), 0
    with _refusing(path):
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            do = "name a folder that is empty or not there"
            raise InputError(f"writing {path}", "there is something already", do)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.mkdir(mode=0o700)
        try:
            for name, data in files:
                file = part / name
                file.parent.mkdir(mode=0o700, exist_ok=True)
                with os.fdopen(os.open(file, NEW, 0o600), "wb") as held:
                    held.write(data)
                count += 1
            part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return count


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say what cannot be written, and what to do."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        do = "make room there, or choose another place that this user may write"
        raise HostError(f"writing {path}", error.strerror or str(error), do) from None


# Import


def _import(args: Namespace, output: Output) -> int:
    from portlore.netinfo.bridges.changes import take
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.storing import is_taken, open_store
    from portlore.netinfo.values import Record

    told = _read(args, output)
    for remark in told.remarks:
        output.say(f"portlore: {remark}")
    is_new = not is_taken(args.database)
    exact = (args.form or "json") == "json" and "://" not in args.file
    if args.dry_run:
        before = Domain.of([Record(0, 0, 0, (), ())])
        if not is_new:
            with open_store(args.database, exclusive=False) as store:
                before = store.load()
        return tell(take(before, told.domain, replace=exact or args.replace), output, dry_run=True)
    with open_store(args.database, create=is_new or exact) as store:
        if is_new or exact:
            store.write_all(told.domain)
            domain = told.domain
        else:
            domain = store.load()
            tell(take(domain, told.domain, replace=args.replace), output)
            commit(store, domain)
    output.say(f"portlore: {store.path}: {len(domain.directories):,} directories, checksum {domain.checksum}")
    return 0


def commit(store: AnyStore, domain: Domain) -> None:
    """Write what has changed, if anything has."""
    from portlore.netinfo.storing import write_changes

    if domain.touched:
        write_changes(store, domain)


def _read(args: Namespace, output: Output) -> Told:
    from portlore.netinfo.bridges.ldap_client import is_url

    if is_url(args.file):
        if args.form not in (None, "ldif"):
            raise InputError(f"importing {args.file}", f"a server does not speak {args.form}", "leave --from out")
        return _from_server(args, output)
    form: Form = FORMS[args.form or "json"]
    where = "standard input" if args.file == "-" else args.file
    options = Options(where, args.base, without=tuple(args.without))
    read = module(form.reader).read
    if form.is_folder:
        return _told(read(_files(Path(args.file)), options))
    if args.file == "-":
        return _told(read(sys.stdin.buffer, options))
    try:
        with Path(args.file).open("rb") as file:
            return _told(read(file, options))
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(f"reading {args.file}", found, "name a file that `portlore netinfo export` wrote") from None


def _told(found: Any) -> Told:
    assert isinstance(found, Told)  # noqa: S101 - what every reader of the table gives
    return found


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a folder and of the folders in it; links and what is too large are not followed."""
    if not path.is_dir():
        raise InputError(f"reading {path}", "it is no folder", "name one that `portlore netinfo export` wrote")
    count = 0
    try:
        for file in sorted(
            [*path.iterdir(), *(one for below in path.iterdir() if below.is_dir() for one in below.iterdir())]
        ):
            if file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > MOST_FILES or file.stat().st_size > LARGEST_FILE:
                raise InputError(
                    f"reading {file}", "it is too large, or there are too many files", "name another folder"
                )
            yield file.relative_to(path).as_posix(), file.read_bytes()
    except OSError as error:
        where = error.filename or path
        raise HostError(f"reading {where}", error.strerror or str(error), "let this user read it") from None


def _from_server(args: Namespace, output: Output) -> Told:
    from portlore.netinfo.bridges.from_ldap import from_entries, told
    from portlore.netinfo.bridges.ldap_client import Session, parse_url

    url = parse_url(args.file)
    with Session(url, start_tls=args.start_tls, authority=args.authority) as session:
        if args.bind:
            session.bind(args.bind, password_of(args.bind))
        found = told(from_entries(session.entries(), args.base or url.base, args.without))
        if session.references:
            output.say(f"portlore: {session.references} references to other servers, which were not followed")
    return found


def password_of(user: str) -> bytes:
    """A password, asked for; without a terminal the first line of standard input."""
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"password of {user}: ").encode()
    return (sys.stdin.readline().rstrip("\n") if sys.stdin is not None else "").encode("utf-8", "surrogateescape")


# What changes


def tell(changes: Iterable[Change], output: Output, *, dry_run: bool = False) -> int:
    """Say what changes, the first ones one by one; 1 when a dry run would change something."""
    counts: dict[str, int] = {}
    for number, one in enumerate(changes):
        counts[one.kind] = counts.get(one.kind, 0) + 1
        if number < SHOWN:
            output.lines(_lines(one, output))
    total = sum(counts.values())
    if total > SHOWN:
        output.lines([f"and {total - SHOWN:,} more"])
    parts = [f"{count:,} {kind}" for kind, count in counts.items()]
    output.say(
        f"portlore: {'would be ' if dry_run else ''}{', '.join(parts)}" if parts else "portlore: nothing to change"
    )
    return 1 if dry_run and total else 0


def _lines(one: Change, output: Output) -> Iterator[str]:
    from portlore.render.terminal import clean

    paint = output.style.paint
    sign, colour = {"made": ("+", "32"), "gone": ("-", "31"), "changed": ("~", "33")}[one.kind]
    yield paint(f"{sign} {clean(one.path)}", colour)
    before, after = list(one.before), list(one.after)
    for given in list(before):
        if given in after:
            after.remove(given)
            before.remove(given)
    for mark, code, many in (("-", "31", before), ("+", "32", after)):
        for given in many:
            yield paint(f"    {mark} {clean(_shown(given.name))}: {clean(_values(given.name, given.values))}", code)
    if one.kind == "changed" and not before and not after:
        yield "    the same properties in another order"


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _values(name: bytes, values: tuple[bytes, ...]) -> str:
    if name in HIDDEN:
        return "(hidden)" if any(values) else ""
    text = " ".join(_shown(value)[:200] for value in values[:20])
    return f"{text} … ({len(values):,} values)" if len(values) > 20 else text
