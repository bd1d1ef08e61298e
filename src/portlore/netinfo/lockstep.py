"""A domain that several servers have in memory, kept in step with what their database says. Pure.

Two copies: ``served``, which answers reads, and ``draft``, which answers writes. A commit, a server's own or another's,
goes into the draft at once and into what is served when every living server has seen it: until then each of them holds
back the reads that it touches. So nobody reads the old after anybody has read the new.
"""

from __future__ import annotations

from portlore.netinfo.domain import Directory, Domain
from portlore.netinfo.procedures import ANY, PROCEDURES
from portlore.netinfo.values import ROOT
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Row = tuple[int, int, int, float, int, bytes]  # id, instance, parent, place, version, data

WRITES = frozenset(one.number.to_bytes(4, "big") for one in PROCEDURES if one.writes)
PROCEDURE = slice(20, 24)  # where a call's record has its procedure
PING, STATISTICS, ROOT_OF, RPARENT, BIND, READALL = 0, 1, 2, 22, 24, 25
NOT_OF_DIRECTORIES = (PING, STATISTICS, RPARENT)


class Commit(Value):
    """What became of a domain up to a version of the database, from the version that was known before.

    ``rows`` (id, instance, parent, place, version, data) as they are now, ids that are ``gone``; the domain's
    ``checksum`` and its count of ``writes`` then. ``whole``: the rows are all there are, whatever was known before.
    """

    version: int
    rows: tuple[Row, ...]
    gone: tuple[int, ...]
    checksum: int
    writes: int
    whole: bool = False


def domain_of(rows: Iterable[Row], writes: int) -> Domain:
    """A domain from rows, which come in the order of their places."""
    rows = list(rows)
    found = {row[0]: Directory(row[0], row[1], row[2], row[5], [], row[4]) for row in rows}
    for row in rows:
        if row[0] != ROOT and row[2] in found:
            found[row[2]].children.append(row[0])
    domain = Domain(found.values())
    for row in rows:
        found[row[0]].place = row[3]
    domain.version = max(domain.version, writes)
    return domain


def copy_of(domain: Domain) -> Domain:
    """Another domain with the same in it; the properties, which never change in place, are shared."""
    made = Domain(
        Directory(one.id, one.instance, one.parent, one.data, list(one.children), one.version)
        for one in domain.directories.values()
    )
    for one in domain.directories.values():
        made.directories[one.id].place = one.place
    made.version = domain.version
    return made


def written(domain: Domain, version: int) -> Commit:
    """What a domain has written since somebody asked last, as the commit after a version."""
    touched = domain.take()
    rows = tuple(
        (one.id, one.instance, one.parent, one.place, one.version, one.data)
        for one in touched.values()
        if one is not None
    )
    gone = tuple(number for number, one in touched.items() if one is None)
    return Commit(version + 1, rows, gone, domain.checksum, domain.version)


class Lockstep:
    """The two copies of a domain.

    ``known``: the version that was seen last. ``floor``: that which every living server has seen.
    """

    def __init__(self, domain: Domain, version: int) -> None:
        self.served, self.draft = domain, copy_of(domain)
        self.known = self.floor = version
        self._pending: list[Commit] = []
        self._under_way: frozenset[int] | None = None  # what an own commit touches whose end is not known yet
        self._later: list[Commit] = []  # of the draft, when it is
        self._blocked: set[int] = set()
        self._all_blocked = False

    def take(self, commit: Commit) -> None:
        """See a commit. :class:`DataError` where it does not follow from what is known: then all must be read."""
        if commit.version <= self.known and not commit.whole:
            return
        if self._under_way is not None:
            self._later.append(commit)
        else:
            self._redraft(commit)
        self._add(commit)

    def _redraft(self, commit: Commit) -> None:
        self.draft = _after(self.draft, commit)
        self.draft.take()

    def _add(self, commit: Commit) -> None:
        self.known = commit.version
        self._pending.append(commit)
        self._block()

    def begin(self, touched: Iterable[int] = ()) -> None:
        """The draft has what is not committed: no other commit may go into it until :meth:`end`."""
        self._under_way = frozenset(touched)
        self._block()

    def end(self, commit: Commit | None) -> None:
        """The own commit is there, or (``None``) never will be."""
        self._under_way, later = None, self._later
        self._later = []
        if commit is None:
            self.draft = copy_of(self.served)
            later = self._pending
        elif commit.version > self.known:
            self._add(commit)
        for one in later:
            self._redraft(one)
        self._block()

    def tell(self, floor: int) -> bool:
        """Everybody who lives has seen this version: serve it. Whether something changed for readers."""
        self.floor = max(self.floor, floor)
        changed = False
        while self._pending and self._pending[0].version <= self.floor:
            self.served = _after(self.served, self._pending[0])
            self.served.take()
            del self._pending[0]
            changed = True
        if changed:
            self._block()
        return changed

    def _block(self) -> None:
        blocked = set(self._under_way or ())
        for commit in self._pending:
            blocked.update(commit.gone)
            for row in commit.rows:
                blocked.add(row[0])
                blocked.add(row[2])  # a look-up among its siblings
        self._blocked = blocked
        self._all_blocked = any(commit.whole for commit in self._pending)

    @property
    def is_pending(self) -> bool:
        """Whether some reads have to wait."""
        return bool(self._blocked)

    def waits(self, record: bytes) -> bool:
        """Whether a call that reads is about what somebody may have read the new of, or nobody yet."""
        number = int.from_bytes(record[PROCEDURE], "big")
        if not self._blocked or number in NOT_OF_DIRECTORIES:
            return False
        if self._all_blocked or number in (BIND, READALL):
            return True
        if number == ROOT_OF:
            return ROOT in self._blocked
        credential = 32 + _padded(record[28:32])
        at = credential + 8 + _padded(record[credential + 4 : credential + 8])
        asked = int.from_bytes(record[at : at + 4], "big")
        return asked in self._blocked or asked == ANY


def _padded(size: bytes) -> int:
    return (int.from_bytes(size, "big") + 3) & ~3


def _after(domain: Domain, commit: Commit) -> Domain:
    if commit.whole:
        return domain_of(commit.rows, commit.writes)
    domain.replay(commit.rows, commit.gone, commit.checksum, commit.writes)
    return domain
