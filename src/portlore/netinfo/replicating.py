"""What a master and its clones owe one another: who they are, what is sent to whom, what is taken (SPEC 5). Pure.

A master replays every write that is on its disk to each clone, in order; a clone that missed something reads all.
:mod:`portlore.netinfo.pushing` and :mod:`portlore.netinfo.cloning` do the calling.
"""

from __future__ import annotations

from portlore.errors import ProtocolError
from portlore.netinfo import channel
from portlore.netinfo.access import RESERVED
from portlore.netinfo.coding import read_ids, read_properties
from portlore.netinfo.domain import Domain
from portlore.netinfo.values import ROOT, Record
from portlore.oncrpc.message import AUTH_UNIX
from portlore.oncrpc.xdr import Reader, XdrError, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.access import Caller

    Own = Callable[[str], bool]  # whether an address is this server's

CREATE, WRITE, READALL, CRASHED, RESYNC = 5, 8, 25, 26, 27
MOST_WAITING, MOST_BYTES = 10_000, 1 << 25  # calls kept for a clone, and their bytes; beyond, it reads all
BARE = 3  # directories of a domain that nobody has written: the root, /machines, one machine (SPEC 1)
SHRUNK, MANY = 10, 100  # a master with a tenth of what a clone of so many directories has was not emptied by hand
LAST_PAUSE = 30.0  # seconds between two attempts at a server that is away
CLEANUP = 1800.0  # seconds between two looks at the master where nothing happens


class Server(Value):
    """A server of a domain: its address, dotted, and its tag there."""

    address: str
    tag: bytes

    def __str__(self) -> str:
        return f"{self.address}/{self.tag.decode('utf-8', 'backslashreplace')}"


def machines(domain: Domain) -> list[tuple[bytes, tuple[str, ...], tuple[bytes, ...]]]:
    """Every machine of a domain: its first name, its addresses, what it serves."""
    number = domain.path(b"machines")
    found = []
    for child in domain.directories[number].children if number is not None else ():
        names, addresses, serves = (domain.values(child, key) or () for key in (b"name", b"ip_address", b"serves"))
        dotted = tuple(address.decode("ascii", "replace") for address in addresses)
        found.append((names[0] if names else b"", dotted, serves))
    return found


def masters(domain: Domain) -> list[Server]:
    """The master, at each of its addresses: the root's ``master`` names its machine and its tag (SPEC 1)."""
    named = (domain.values(ROOT, b"master") or (b"",))[0]
    host, slash, tag = named.partition(b"/")
    number = domain.path(b"machines", host) if slash and tag else None
    addresses = domain.values(number, b"ip_address") if number is not None else None
    return [Server(address.decode("ascii", "replace"), tag) for address in addresses or ()]


def is_master(domain: Domain, own: Own, tag: bytes) -> bool:
    """Whether a domain names this server as its master."""
    return any(own(one.address) and one.tag == tag for one in masters(domain))


def clones(domain: Domain, own: Own, tag: bytes) -> list[Server]:
    """Who else serves a domain (``./TAG``), at the first address of each; a machine may serve it twice."""
    found = []
    for _, addresses, serves in machines(domain):
        for value in serves if addresses else ():
            name, slash, their = value.partition(b"/")
            one = Server(addresses[0], their)
            if name == b"." and slash and their and not (their == tag and any(map(own, addresses))):
                found.append(one)
    return list(dict.fromkeys(found))


def lists(domain: Domain, address: str, tag: bytes) -> bool:
    """Whether a domain knows that the machine at an address serves it under a tag."""
    return any(address in addresses and b"./" + tag in serves for _, addresses, serves in machines(domain))


def pause(failures: int) -> float:
    """Seconds before the next attempt after so many in a row."""
    return min(0.2 * float(1 << min(failures, 10)), LAST_PAUSE)


def replayed(procedure: int, arguments: bytes, results: bytes, domain: Domain) -> bytes:
    """A write's arguments as a clone gets them: those of the call; CREATE with the id that the directory got.

    An id that a client gave in vain is passed on, as the original does: no clone gives it either.

    ``results``: of the call, status included; ``domain``: as it is right after it. WRITE has what was stored: a hash
    that its caller was shown as ``*`` is not sent on as that.
    """
    if procedure == CREATE:
        reader = Reader(arguments)
        reader.pair()
        read_properties(reader)
        reader.uint()
        given = reader.at
        if reader.boolean() and reader.uint() != int.from_bytes(results[4:8], "big"):
            return arguments
        return arguments[:given] + uint(1) + results[4:12]
    if procedure == WRITE:
        return arguments[:8] + domain.at(int.from_bytes(arguments[:4], "big")).data
    return arguments


def decode_all(results: bytes) -> Domain | None:
    """The domain in the results of READALL that follow the status; ``None`` for "you are current".

    :class:`ProtocolError` for what is no domain, or not the one whose checksum is told.
    """
    asked, do = "reading a whole domain", "see what runs there"
    try:
        reader = Reader(results)
        told, _ = reader.uint(), reader.uint()
        many: dict[int, Record] = {}
        while reader.boolean():
            number, instance = reader.pair()
            given = read_properties(reader)
            record = Record(number, instance, reader.uint(), given, read_ids(reader))
            if number in many:
                raise ProtocolError(asked, f"directory {number} twice", do)
            many[number] = record
    except XdrError as error:
        raise ProtocolError(asked, error.found, do) from None
    if not many:
        return None
    above = {child: one.id for one in many.values() for child in one.children}
    links = sum(len(one.children) for one in many.values())
    right = links == len(above) == len(many) - 1 and above.keys() | {ROOT} == many.keys() and ROOT not in above
    if not right or any(above[one.id] != one.parent for one in many.values() if one.id != ROOT):
        raise ProtocolError(asked, "directories that are no tree", do)
    domain = Domain.of(many.values())
    if domain.checksum != told:
        raise ProtocolError(asked, f"the checksum {told}, but directories of {domain.checksum}", do)
    if sum(1 for _ in domain.depth_first()) != len(many):
        raise ProtocolError(asked, "directories that are their own ancestors", do)
    return domain


def refusal(held: Domain, sent: Domain, address: str, tag: bytes, *, accept_empty: bool) -> str:
    """Why a clone does not take what its master sent, as the end of a sentence; empty when it takes it.

    ``address``: the clone's, as the master sees it. Who is not listed is sent no writes, and passwords without hashes.
    """
    old, new = len(held.directories), len(sent.directories)
    empty = new <= BARE < old or (old > MANY and new * SHRUNK < old)
    if empty and not accept_empty:
        return (
            f"the master came back with {new:,} directories in place of {old:,}; nothing is taken from it: "
            "restore it, or start this server with --accept-empty"
        )
    if not lists(sent, address, tag) and not (empty and accept_empty):
        return (
            f"the master does not list this server: append ./{tag.decode('utf-8', 'backslashreplace')} to `serves` "
            f"of the machine with the ip_address {address}, in /machines there"
        )
    return ""


class Following:
    """A clone: from whom it takes writes. ``missed`` is called when it may not have what its master has.

    ``asked`` is called when anybody else says so, who is not to have it look at its master as often as he likes.
    """

    def __init__(self, missed: Callable[[], None], asked: Callable[[], None] | None = None) -> None:
        self.missed, self.asked = missed, asked or missed
        self.held = ""  # why nothing is taken from the master
        self.loading = False
        self.fresh = False  # all was read, and the master's word on it is still to come
        self.has_key = False  # callers can show theirs
        self.since = 0.0  # when it was out of step first, seconds since 1970; 0 in step, as far as it knows

    def takes(self, domain: Domain, caller: Caller) -> bool:
        """Whether a caller is the master: by its key where that is known, else as root there (SPEC 5)."""
        if self.has_key and (shown := channel.is_of_master(domain, caller.key)) is not None:
            return shown and not self.held
        known = caller.port < RESERVED and caller.credential.flavor != AUTH_UNIX and not self.held
        return known and any(one.address == caller.address for one in masters(domain))

    def greeted(self, domain: Domain, caller: Caller, *, same: bool) -> None:
        """CRASHED with our own checksum (``same``) or another one, or RESYNC.

        The master's word is looked into also where the checksum is the same, which proves no equal contents; but not
        when it tells what was just read, or who reads all while others write would never come to an end.
        """
        if self.takes(domain, caller):
            known, self.fresh = same and self.fresh, False
            if not known:
                self.missed()
        elif self.held or not same:
            self.asked()


class Clone:
    """A clone as its master knows it.

    ``behind``: it has to be told the checksum before it can follow. ``greeting``: a checksum that it is told before
    what waits; ``skip``: what waits begins after this write.
    """

    def __init__(self, place: Server) -> None:
        self.place = place
        self.waiting: list[tuple[int, int, bytes]] = []  # count, procedure, arguments
        self.behind, self.asked = True, False
        self.greeting: int | None = None
        self.skip = self.failures = self.sent = self.size = 0
        self.last = 0.0  # when it took something, seconds since 1970
        self.word = ""  # what is wrong with it
        self.channel = ""  # how it was reached last
        self.since = 0.0  # since when something waits for it, likewise

    def batch(self, checksum: int) -> list[tuple[int, bytes]]:
        """What to send now, and forget: procedures and their arguments, in order."""
        told = checksum if self.behind else self.greeting
        calls: list[tuple[int, bytes]] = [] if told is None else [(CRASHED, uint(told))]
        calls += [(procedure, arguments) for _, procedure, arguments in self.waiting]
        if self.asked:
            calls.append((RESYNC, b""))
        self.waiting, self.asked, self.greeting, self.size = [], False, None, 0
        return calls

    def lag(self, now: float) -> float:
        """For how many seconds something has waited for it."""
        return max(0.0, now - self.since) if self.since else 0.0

    def told(self, now: float) -> tuple[str, ...]:
        """It among the statistics of its master: where, writes that wait, sent, last, word, failures, lag."""
        last, lag = f"{self.last:.3f}", f"{self.lag(now):.3f}"
        return str(self.place), str(len(self.waiting)), str(self.sent), last, self.word, str(self.failures), lag

    @property
    def is_waited_for(self) -> bool:
        """Whether there is something to send."""
        return self.behind or self.asked or self.greeting is not None or bool(self.waiting)


class Leading:
    """A master: what it wrote, and what each clone is still to be sent."""

    def __init__(self, domain: Domain, own: Own, tag: bytes) -> None:
        self._own, self._tag = own, tag
        self.clones: dict[Server, Clone] = {}
        self.count, self.checksum = 0, domain.checksum  # writes so far; the checksum of what is on disk
        self._written: list[tuple[int, int, bytes]] = []  # not on disk yet
        self._changed = False  # who serves the domain may be others by now
        self.news: Callable[[], None] = lambda: None  # called when there may be something to send
        self.look(domain)

    def look(self, domain: Domain) -> None:
        """See who the clones are; who stays keeps what waits for it. A master that is no more finds no new ones."""
        found = list(self.clones)
        if is_master(domain, self._own, self._tag):
            found = clones(domain, self._own, self._tag)
        self.clones = {place: self.clones.get(place) or Clone(place) for place in found}
        self._changed = False

    def wrote(self, procedure: int, arguments: bytes, results: bytes, domain: Domain) -> None:
        """A write was done, in memory so far."""
        self.count += 1
        if self.clones:
            self._written.append((self.count, procedure, replayed(procedure, arguments, results, domain)))
        number = int.from_bytes(arguments[:4], "big")
        one = domain.directories.get(number)
        known = domain.path(b"machines")
        self._changed = self._changed or number in (ROOT, known) or (one is not None and one.parent == known)

    def take(self) -> list[tuple[int, int, bytes]]:
        """The writes of a commit that begins."""
        taken, self._written = self._written, []
        return taken

    def stored(self, written: list[tuple[int, int, bytes]], domain: Domain, checksum: int) -> None:
        """Writes are on disk: they wait for the clones from now on."""
        self.checksum = checksum
        for clone in self.clones.values():
            if clone.behind:
                continue
            clone.waiting += [one for one in written if one[0] > clone.skip]
            clone.size += sum(len(arguments) for _, _, arguments in written)
            if len(clone.waiting) > MOST_WAITING or clone.size > MOST_BYTES:
                clone.waiting, clone.behind = [], True
        if self._changed:
            self.look(domain)
        self.news()

    def changed_elsewhere(self, domain: Domain) -> None:
        """The domain is what several servers made of it, in no order that could be replayed: clones read all."""
        self.checksum = domain.checksum
        self.look(domain)
        for clone in self.clones.values():
            clone.waiting, clone.behind = [], True
        self.news()

    def heard(self, caller: Caller, sent: int | None) -> None:
        """READALL came: who asks is there; ``sent``: the checksum of the domain that is sent whole.

        From there on it gets what is written later. It may have been another program of that machine: the checksum,
        told first, has the clone read all if it was.
        """
        for clone in self.clones.values() if caller.port < RESERVED or caller.key else ():
            if clone.place.address == caller.address:
                clone.failures = 0
                if sent is not None:
                    clone.skip, clone.waiting = self.count, []
                    clone.behind, clone.greeting = False, sent
        self.news()

    def resync(self, domain: Domain) -> None:
        """Look for the clones again, and have each look at its master."""
        self.look(domain)
        for clone in self.clones.values():
            clone.asked, clone.failures = True, 0
        self.news()

    @property
    def pending(self) -> int:
        """Writes that some clone has not been sent."""
        return max((len(one.waiting) for one in self.clones.values()), default=0)
