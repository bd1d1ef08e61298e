"""``portlore netinfo publish-services``: the own labels, and the registry's names, in a domain's ``/services``."""

from __future__ import annotations

import os

from portlore.cli.bridging import commit, password_of, tell
from portlore.errors import PolicyRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from portlore.cli.output import Output
    from portlore.netinfo.bridges.changes import Change
    from portlore.netinfo.domain import Domain


def add_action(actions: Any) -> None:
    """The action and what it takes."""
    told = actions.add_parser(
        "publish-services", help="labels of portlore.toml into /services", prog="portlore netinfo publish-services"
    )
    help_domain = "a domain's file, HOST/TAG or HOST:PORT/TAG"
    told.add_argument("domain", metavar="DOMAIN", help=help_domain)
    told.add_argument("--registry", action="store_true", help="the official registry's names too")
    told.add_argument("--dry-run", action="store_true", help="tell what would change; exit 1 if anything would")
    told.add_argument("-u", "--user", metavar="USER", help="write as that user, whose password is asked for")
    told.add_argument("-p", "--password", action="store_true", help="ask for a password (without -u: root's)")


def publish(args: Namespace, output: Output) -> int:
    """Do what is asked."""
    from portlore.cli.opening import open_book
    from portlore.netinfo.services import OWN, REGISTRY, from_labels, from_registry
    from portlore.netinfo.viewing import file_of

    book = open_book()
    wanted, remarks = from_labels(book.own)
    sources = [OWN] if book.own else []  # who runs this in another folder takes nothing back
    if args.registry:
        taken = {(one.name, on) for one in wanted for on in one.protocols}
        wanted += [one for one in from_registry(book) if not any((one.name, on) in taken for on in one.protocols)]
        sources.append(REGISTRY)
    for remark in remarks:
        output.say(f"portlore: {remark}")
    if not book.own and not args.registry:
        output.say("portlore: there are no labels: no portlore.toml here or above")
    path = file_of(args.domain)
    return (
        _publish_to_file(path, wanted, sources, args, output)
        if path
        else _publish_to_server(wanted, sources, args, output)
    )


def _publish_to_file(path: str, wanted: list[Any], sources: list[str], args: Namespace, output: Output) -> int:
    from portlore.netinfo.bridges.changes import take
    from portlore.netinfo.services import published
    from portlore.netinfo.store import Store

    with Store(path, exclusive=not args.dry_run) as store:
        domain = store.load()
        new, remarks = published(domain, wanted, sources)
        for remark in remarks:
            output.say(f"portlore: {remark}")
        code = tell(take(domain, new, replace=True), output, dry_run=args.dry_run)
        if not args.dry_run:
            commit(store, domain)
    return code


def _publish_to_server(wanted: list[Any], sources: list[str], args: Namespace, output: Output) -> int:
    """The same through the protocol: only ``/services`` is looked at, and changed entry by entry."""
    from portlore.errors import NetInfoError
    from portlore.netinfo.bridges.changes import take
    from portlore.netinfo.client import open, told  # noqa: A004
    from portlore.netinfo.services import published

    user = args.user or ("root" if args.password else None)
    password = os.fsdecode(password_of(user)) if user else None
    try:
        with open(args.domain, user=user, password=password) as handle:
            domain, place = _mirror(handle)
            new, remarks = published(domain, wanted, sources)
            for remark in remarks:
                output.say(f"portlore: {remark}")
            changes = list(take(domain, new, replace=True))
            code = tell(changes, output, dry_run=args.dry_run)
            for one in () if args.dry_run else changes:
                place = _write(handle, one, place)
    except NetInfoError as refusal:
        asked = f"publishing to {args.domain}"
        raise PolicyRefused(
            asked, told(refusal.status), "see that it is served, and who may write there (-u)"
        ) from None
    return code


def _write(handle: Any, one: Change, place: int) -> int:
    """Make a change there, in ``/services`` at a place; its place afterwards."""
    from portlore.netinfo.bridges.changes import GONE, MADE
    from portlore.netinfo.values import ROOT, NiId

    if one.kind == MADE:
        above = ROOT if place < 0 else place
        made = handle.transaction(lambda: handle.create(handle.itself(NiId(above, 0)), one.after))[0]
        return int(made.object) if place < 0 else place
    this = NiId(one.number, 0)
    if one.kind == GONE:
        handle.transaction(lambda: handle.destroy(handle.itself(NiId(place, 0)), handle.itself(this)))
    else:
        handle.change(this, lambda _: one.after)
    return place


def _mirror(handle: Any) -> tuple[Domain, int]:
    """A domain of nothing but the ``/services`` of a server, by its numbers; the number of that, -1 without it."""
    from portlore.errors import NetInfoError
    from portlore.netinfo.bridges.nodes import Node, domain_of
    from portlore.netinfo.handle import NODIR
    from portlore.netinfo.values import ROOT, NiId

    root = Node(id=ROOT)
    try:
        number = handle.lookup(NiId(ROOT, 0), b"name", b"services")[0]
    except NetInfoError as refusal:
        if refusal.status != NODIR:
            raise
        return domain_of(root), -1
    above = Node(handle.read(NiId(number, 0)).properties, number)
    above.children = [Node(one.properties, one.id.object) for one in handle.entries(NiId(number, 0))]
    root.children = [above]
    return domain_of(root), number
