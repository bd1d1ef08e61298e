"""What was changed in a domain, when, by whom, and how that looks. Pure; what takes it back is in ``undoing``.

**The form.** Every write call that succeeds gives one :class:`Change`, as every call writes one directory (CREATE and
DESTROY change the parent's list of children besides: ``parent`` and ``place`` say how). ``before`` and ``after`` are
the directory's whole property list as XDR, as a store keeps it; ``None`` where the directory did not exist. So a CREATE
has no ``before``, a DESTROY no ``after``; there is no call that destroys a subtree, tools walk it and give a Change
each. A write that a clone takes from its master is of the kind ``push``; a clone that reads all gives one Change of
the kind ``resync`` for the whole, with neither.

**The way.** ``Domain.last`` says what a write touched, ``Service.answer`` tells the :class:`Recorder`, and what it has
gathered goes into the batch of the next commit (``Batch.changes``), in the same transaction as the directories. The
store gives the numbers (1, 2, …; none is used twice, some may be missing) and keeps the newest. :data:`COLUMNS` names
the columns of its table, :func:`row` and :func:`from_row` go there and back; both without ``number``.
"""

from __future__ import annotations

from collections import Counter

from portlore.netinfo.coding import decode_properties, first_values
from portlore.netinfo.procedures import PROCEDURES
from portlore.netinfo.replicating import masters
from portlore.netinfo.values import ROOT
from portlore.render.directory import shown
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from portlore.netinfo.access import Caller
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.values import Properties

    Touched = tuple[int, int, int, bytes | None, bytes | None]  # directory, parent, place, before, after

KEPT = 100_000  # changes that a store keeps, where nobody says otherwise
MOST_BYTES = 1 << 28  # of all properties in them together: beyond, the oldest go
LARGEST = 1 << 20  # bytes of the properties of one change: of a larger one only who, when and where are kept
WRITE, PUSH, RESYNC = "write", "push", "resync"  # kinds: a client's call, one that the master sent on, all read anew
SEEN = "seen"  # kind: found out by looking, so that nobody knows who it was
READALL = 25
SECRETS = (b"passw", b"secret")  # properties whose name holds one of these are not shown
CHANGED = "(changed)"


class Change(Value):
    """One write. ``at``: seconds since 1970. ``user``: a name, ``root``, or empty for nobody in particular.

    ``address``, ``port``: where the call came from; one below 1024 is root's there. ``procedure``: of PROCEDURES.
    ``directory``: its number; ``path``: of names, as it was just before, for a new one right after. ``place``: among
    its siblings, of what was created or destroyed. ``directories``: how many, for a resync. ``is_cut``: the properties
    were too large to be kept.
    """

    at: float
    kind: str
    procedure: int
    user: bytes
    address: str
    port: int
    directory: int
    parent: int
    place: int
    path: bytes
    before: bytes | None = None
    after: bytes | None = None
    directories: int = 1
    is_cut: bool = False
    number: int = 0

    @property
    def call(self) -> str:
        """The name of the procedure."""
        return PROCEDURES[self.procedure].name if self.procedure < len(PROCEDURES) else str(self.procedure)


COLUMNS = tuple(name for name in Change.__fields__ if name != "number")


def row(change: Change) -> tuple[Any, ...]:
    """A change's columns, in the order of :data:`COLUMNS`: text, numbers, bytes and None."""
    values = (getattr(change, name) for name in COLUMNS)
    return tuple(int(value) if isinstance(value, bool) else value for value in values)


def from_row(number: int, values: Sequence[Any]) -> Change:
    """The inverse; bytes may come as memoryviews."""
    named: dict[str, Any] = dict(zip(COLUMNS, values, strict=False))  # a later form may have more
    for name in ("user", "path", "before", "after"):
        named[name] = None if named[name] is None else bytes(named[name])
    return Change(**(named | {"is_cut": bool(named["is_cut"]), "number": number}))


class Recorder:
    """Gathers the changes of a domain until they are stored. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._waiting = clock, list[Change]()

    def wrote(self, procedure: int, user: bytes, caller: Caller, domain: Domain, *, pushed: bool) -> None:
        """A call wrote: note it."""
        last, domain.last = domain.last, None
        if last is None:  # it touched no directory
            return
        number, parent, place, before, after = last
        path = path_of(domain, parent, number, after if before is None else before)
        is_cut = len(before or b"") + len(after or b"") > LARGEST
        if is_cut:
            before = after = None
        kind = PUSH if pushed else WRITE
        self._waiting.append(
            Change(
                self._clock(), kind, procedure, user, caller.address, caller.port, number, parent, place, path,
                before, after, 1, is_cut,
            )
        )  # fmt: skip

    def read_all(self, domain: Domain) -> Change:
        """The change that stands for a whole domain that a clone took from its master."""
        many, found = len(domain.directories), masters(domain)
        address = found[0].address if found else ""
        return Change(self._clock(), RESYNC, READALL, b"", address, 0, ROOT, ROOT, 0, b"/", directories=many)

    def take(self) -> tuple[Change, ...]:
        """What was gathered since the last call."""
        taken, self._waiting = self._waiting, []
        return tuple(taken)


def path_of(domain: Domain, parent: int, number: int, data: bytes | None) -> bytes:
    r"""The path of a directory with these properties: of first names, ``/`` and ``\`` in them with a backslash."""
    steps: list[bytes] = []
    while number != ROOT and len(steps) < 256:  # a damaged domain may go round
        names = first_values(data, b"name") if data is not None else None
        name = names[0] if names else b"dir:%d" % number
        steps.append(name.replace(b"\\", b"\\\\").replace(b"/", b"\\/"))
        above = domain.directories.get(parent)
        if above is None:
            break
        number, parent, data = above.id, above.parent, above.data
    return b"/" + b"/".join(reversed(steps))


def is_secret(name: bytes) -> bool:
    """Whether the values of a property are for nobody's eyes."""
    return not name.startswith(b"_") and any(word in name.lower() for word in SECRETS)


def concerns(change: Change, path: bytes) -> bool:
    """Whether a change is of the directory of a path, or of one below it, or of everything."""
    wanted = path.rstrip(b"/")
    return change.kind == RESYNC or change.path == wanted or change.path.startswith(wanted + b"/") or not wanted


def differences(before: Properties, after: Properties, *, secrets: bool = False) -> list[tuple[str, bytes, str]]:
    """What differs between two property lists, as (sign, name, text); ``secrets``: show password hashes too.

    ``-`` values that went, ``+`` that came, ``=`` a property that got another name or place, or its values another
    order. Of a long list of values only those that differ are told.
    """
    old, new = _grouped(before), _grouped(after)
    found: list[tuple[str, bytes, str]] = []
    for name in dict.fromkeys([*old, *new]):
        gone, come = old.get(name, ()), new.get(name, ())
        if gone == come:
            continue
        if is_secret(name) and not secrets:
            found.append(("-" if not come else "+" if not gone else "=", name, CHANGED))
            continue
        for number in range(max(len(gone), len(come))):
            left = gone[number] if number < len(gone) else None
            right = come[number] if number < len(come) else None
            found += _values(name, left, right)
    if not found and before != after:
        found.append(("=", b"", "the order of the properties"))
    return found


def _values(
    name: bytes, left: tuple[bytes, ...] | None, right: tuple[bytes, ...] | None
) -> list[tuple[str, bytes, str]]:
    if left == right:
        return []
    gone, come = Counter(left or ()), Counter(right or ())
    told = []
    if left is not None and (right is None or gone - come):
        told.append(("-", name, ", ".join(map(shown, (gone - come).elements()))))
    if right is not None and (left is None or come - gone):
        told.append(("+", name, ", ".join(map(shown, (come - gone).elements()))))
    return told or [("=", name, "the order of its values")]


def _grouped(properties: Properties) -> dict[bytes, tuple[tuple[bytes, ...], ...]]:
    """The values of all properties of each name."""
    found: dict[bytes, tuple[tuple[bytes, ...], ...]] = {}
    for one in properties:
        found[one.name] = (*found.get(one.name, ()), one.values)
    return found


def told(change: Change, *, secrets: bool = False) -> list[str]:
    """What a change did, a line each, safe for a terminal: ``+ shell: /bin/zsh``."""
    if change.kind == RESYNC:
        return [f"all was read anew: {change.directories:,} directories"]
    if change.is_cut:
        return ["the properties were too large to be kept"]
    lists = [() if data is None else decode_properties(data) for data in (change.before, change.after)]
    lines = [f"{sign} {shown(name) or 'all'}: {text}" for sign, name, text in differences(*lists, secrets=secrets)]
    return lines or ["nothing differs"]


def who(change: Change) -> str:
    """By whom a change was made, and from where, safe for a terminal."""
    if change.kind == SEEN:
        return "who: not told by the protocol"
    if change.kind in (PUSH, RESYNC):
        return f"the master, {shown(change.address.encode())}"
    name = shown(change.user) or "nobody in particular"
    return f"{name} from {shown(change.address.encode())}" if change.address else name


def told_as_json(change: Change, *, secrets: bool = False) -> dict[str, Any]:
    """A change for programs; names and values as text, bytes that are not UTF-8 as surrogates."""
    return {
        "number": change.number or None,
        "at": round(change.at, 3),
        "kind": change.kind,
        "call": change.call if change.kind != SEEN else None,
        "user": None if change.kind == SEEN else change.user.decode("utf-8", "surrogateescape"),
        "address": change.address or None,
        "port": change.port or None,
        "directory": change.directory,
        "parent": change.parent,
        "path": change.path.decode("utf-8", "surrogateescape"),
        "before": _as_json(change.before, secrets),
        "after": _as_json(change.after, secrets),
        "directories": change.directories,
        "cut": change.is_cut,
    }


def _as_json(data: bytes | None, secrets: bool) -> list[list[Any]] | None:
    if data is None:
        return None
    return [
        [one.name.decode("utf-8", "surrogateescape"), [_text(one.name, value, secrets) for value in one.values]]
        for one in decode_properties(data)
    ]


def _text(name: bytes, value: bytes, secrets: bool) -> str:
    return "(hidden)" if is_secret(name) and not secrets and value else value.decode("utf-8", "surrogateescape")


def chosen(changes: Iterable[Change], path: bytes | None, user: bytes | None, since: float) -> Iterable[Change]:
    """Those of a path and below, of a user, of a time and later."""
    for one in changes:
        if one.at >= since and (user is None or one.user == user) and (path is None or concerns(one, path)):
            yield one
