"""From a record to its reply: RPC, credentials, the procedure's row. Pure and total: any bytes give a reply or none."""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.access import ANONYMOUS, AUTHERROR, PERM, RESERVED, SUPERUSER, Caller, acting, password, refused
from portlore.netinfo.coding import decode_properties, first_values, masked
from portlore.netinfo.domain import NODIR
from portlore.netinfo.generations import NEXTSTEP, shadowed
from portlore.netinfo.procedures import PROCEDURES, NoSuccess, is_forced_root
from portlore.netinfo.values import NUMBERS, STATUS, Property
from portlore.oncrpc.message import (
    AUTH_NONE,
    AUTH_UNIX,
    GARBAGE_ARGS,
    PROC_UNAVAIL,
    PROG_MISMATCH,
    PROG_UNAVAIL,
    SYSTEM_ERR,
    TOO_WEAK,
    accepted,
    decode_call,
    denied,
    success,
)
from portlore.oncrpc.xdr import Reader, XdrError, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.access import Acting, Matches
    from portlore.netinfo.domain import Directory, Domain
    from portlore.netinfo.replicating import Following, Leading
    from portlore.netinfo.values import Properties

PROGRAM, VERSION = 200100000, 2
NETROOT, RDONLY = NUMBERS["NETROOT"], NUMBERS["RDONLY"]
OVER_UDP = (0, 24)  # PING and BIND
CHECKSUM_ONLY, REPLICAS = b"checksum", b"replicas"  # words in place of a password: the second is our own
HASHES = b"passw"  # properties whose name holds this are hidden: passwd, password and their kind
HIDDEN = b"*"
ALL, NOBODY = -1, -2  # whose hashes a caller may see, where it is not one directory's
MOST_SEEN = 1024  # credentials whose rights are remembered


class Policy(Value):
    """How a domain is served.

    ``classic``: password hashes go to everybody, and who needs no password may write, as it was. ``read_only``: nobody
    writes. ``nextstep``: answers are those of the NeXTSTEP generation where they differ. ``accept_empty``: a clone
    takes what its master has also when that is next to nothing.
    """

    classic: bool = False
    read_only: bool = False
    nextstep: bool = False
    accept_empty: bool = False


class Service:
    """One domain being served: the domain, its tag, the policy, counts of calls.

    ``matches`` is crypt(3). ``parent_of`` gives (tag, address) of the parent domain's server, or raises NETROOT.
    """

    def __init__(
        self,
        domain: Domain,
        tag: bytes,
        matches: Matches,
        policy: Policy | None = None,
        hostname: bytes = b"localhost",
        parent_of: Callable[[], tuple[bytes, int]] | None = None,
    ) -> None:
        self.domain, self.tag, self.hostname = domain, tag, hostname
        self.policy = policy or Policy()
        self._matches, self.parent_of = matches, parent_of
        self.calls = [0] * len(PROCEDURES)
        self.freed: dict[int, int] = {}  # last instances by id of what was destroyed (NeXTSTEP goes on from there)
        self.authentications = [0, 0, 0, 0]  # right, wrong, writes done, writes refused
        self.audit: Callable[[str], None] | None = None  # told of every write, done or refused
        self.leading: Leading | None = None  # a master with what its clones are to be sent
        self.following: Following | None = None  # a clone
        self.sent_whole = False  # the whole domain is an answer: it goes out when it is on disk
        self._writer = "nobody"
        self._seen: dict[bytes, int] = {}  # by credential, while the domain stays at a version
        self._seen_at = -1

    def answer(self, caller: Caller, record: bytes, *, udp: bool = False) -> bytes | None:
        """The reply to a record; ``None`` where the original kept silent (SPEC 10.4)."""
        call = decode_call(record)
        if call is None:
            return None
        xid = call.xid
        if call.credential.flavor != AUTH_NONE:
            if why := refused(call.credential):
                return denied(xid, why)
            caller = caller.replace(credential=call.credential)
        if call.program != PROGRAM:
            return accepted(xid, PROG_UNAVAIL)
        if call.version != VERSION:
            return accepted(xid, PROG_MISMATCH, VERSION, VERSION)
        if udp and call.procedure not in OVER_UDP:
            return denied(xid, TOO_WEAK)
        if call.procedure >= len(PROCEDURES):
            return accepted(xid, PROC_UNAVAIL)
        row = (NEXTSTEP if self.policy.nextstep else PROCEDURES)[call.procedure]
        self.calls[call.procedure] += 1
        try:
            results = row.handle(self, Reader(call.arguments), caller)
        except XdrError:
            return accepted(xid, GARBAGE_ARGS)
        except NoSuccess:
            return None if self.policy.nextstep else accepted(xid, SYSTEM_ERR)
        except NetInfoError as refusal:
            if row.writes:
                self._note(row.name, caller, call.arguments, refusal.status)
                if self.following is not None and self.following.takes(self.domain, caller):
                    self.following.missed()
            return success(xid, uint(refusal.status))
        if row.writes:
            self._note(row.name, caller, call.arguments, 0)
            if self.leading is not None:
                self.leading.wrote(call.procedure, call.arguments, results, self.domain)
        return success(xid, results)

    def _note(self, name: str, caller: Caller, arguments: bytes, status: int) -> None:
        """Count a write and have it noted: what, on which directory, by whom, from where, and what came of it."""
        if status in (0, PERM):
            self.authentications[2 if status == 0 else 3] += 1
        if self.audit is not None:
            where, word = int.from_bytes(arguments[:4], "big"), STATUS[status][0]
            self.audit(
                f"call={name} directory={where} by={self._writer} from={caller.address}:{caller.port} status={word}"
            )

    def writer(self, caller: Caller) -> Acting:
        """Whom a write is done for; RDONLY where nobody writes, PERM for nobody in particular unless as it was."""
        self._writer = "nobody"
        if self.policy.read_only:
            raise NetInfoError(RDONLY)
        if self.following is not None:  # before credentials are looked at (SPEC 2.6)
            if not self.following.takes(self.domain, caller):
                raise NetInfoError(RDONLY)
            self._writer = "root"
            return SUPERUSER
        try:
            who = acting(self.domain, caller, self._matches, classic=self.policy.classic)
        except NetInfoError:
            self.authentications[1] += 1
            raise
        if who == ANONYMOUS and not self.policy.classic:
            raise NetInfoError(PERM)
        if who.directory is not None:
            self.authentications[0] += 1
        name = "" if who.name is None else who.name.decode("utf-8", "backslashreplace")
        self._writer = "root" if who.superuser else name if _is_plain(name) else repr(name)
        if who.name is None and not who.superuser:
            self._writer = "nobody"
        return who

    def parent(self) -> tuple[bytes, int]:
        """The parent domain's server: (tag, address as a number)."""
        if self.parent_of is None:
            raise NetInfoError(NETROOT)
        return self.parent_of()

    def shown(self, one: Directory, caller: Caller) -> bytes:
        """A directory's properties as XDR, password hashes hidden from who has no business with them."""
        data = shadowed(one.data, caller) if self.policy.nextstep else one.data
        return masked(data, _is_hash, HIDDEN) if self._hides(one, caller) else data

    def properties(self, one: Directory, caller: Caller) -> Properties:
        """A directory's properties, password hashes hidden likewise."""
        return decode_properties(self.shown(one, caller))

    def values(self, one: Directory, key: bytes, caller: Caller) -> tuple[bytes, ...]:
        """The values of a directory's first property of a name that has any, password hashes hidden likewise."""
        data = shadowed(one.data, caller) if self.policy.nextstep else one.data
        found = first_values(data, key, filled=True) or ()
        return tuple(map(_mask, found)) if found and _is_hash(key) and self._hides(one, caller) else found

    def found(self, one: Directory, key: bytes, value: bytes, caller: Caller) -> list[int]:
        """What a look-up finds in what its caller may see; NODIR for nothing."""
        members = self.domain.find(one.id, key, value)
        if _is_hash(key) and value and not self.policy.classic and (sees := self._sees(caller)) != ALL:
            members = [number for number in members if number == sees]
            if value == HIDDEN:
                others = {n for n in one.children if n != sees and any(self.domain.values(n, key) or ())}
                members = [number for number in one.children if number in others or number in members]
        if not members:
            raise NetInfoError(NODIR)
        return members

    def kept(self, one: Directory, given: Properties, caller: Caller) -> Properties:
        """What a WRITE is to store: a hash that its caller was shown as ``*`` and sends back so stays what it is."""
        if not self._hides(one, caller):
            return given
        hashes = [each for each in one.properties if _is_hash(each.name)]
        stored = list(given)
        for place, each in enumerate(given):
            old = next((hash_ for hash_ in hashes if hash_.name == each.name), None)
            if old is not None:  # the first of its name is held against the first, the second against the second
                hashes.remove(old)
                if each.values == tuple(map(_mask, old.values)):
                    stored[place] = old
        return tuple(stored)

    def check_rename(self, one: Directory, old: bytes, new: bytes, caller: Caller) -> None:
        """Raise PERM where another name of a property would show its caller a hash."""
        if _is_hash(old) and not _is_hash(new) and self._hides(one, caller):
            raise NetInfoError(PERM)

    def _hides(self, one: Directory, caller: Caller) -> bool:
        return not self.policy.classic and HASHES in one.data and self._sees(caller) not in (ALL, one.id)

    def _sees(self, caller: Caller) -> int:
        """Whose hashes a caller may see: ALL as root here, on a listed machine or by password; its own; NOBODY's."""
        if caller.port < RESERVED and (caller.local or self._listed(caller.address)):
            return ALL
        if self.following is not None and self.following.takes(self.domain, caller):
            return ALL
        if caller.credential.flavor != AUTH_UNIX:
            return NOBODY
        body, version = caller.credential.body, self.domain.version
        if self._seen_at != version or len(self._seen) > MOST_SEEN:
            self._seen, self._seen_at = {}, version
        sees = self._seen.get(body)
        if sees is None:
            sees = self._seen[body] = self._authenticated(caller)
        return sees

    def _authenticated(self, caller: Caller) -> int:
        """Whose hashes a password opens. A wrong one counts, else hashes could be guessed at by reading."""
        try:
            who = acting(self.domain, caller, self._matches, classic=False)
        except NetInfoError as error:
            self.authentications[1] += error.status == AUTHERROR
            return NOBODY
        return ALL if who.superuser else NOBODY if who.directory is None else who.directory

    def _listed(self, address: str) -> bool:
        """Whether an address is in /machines, of a machine that serves some domain."""
        machines = self.domain.path(b"machines")
        found = [] if machines is None else self.domain.find(machines, b"ip_address", address.encode())
        return any(self.domain.values(number, b"serves") for number in found)

    def statistics(self, caller: Caller) -> Properties:
        """The server's account of itself (SPEC 3.2); its checksum alone for who asks with that word."""
        from portlore import __version__

        first = _property("checksum", str(self.domain.checksum))
        if caller.credential.flavor == AUTH_UNIX and password(caller.credential) == CHECKSUM_ONLY:
            return (first,)
        if caller.credential.flavor == AUTH_UNIX and password(caller.credential) == REPLICAS:
            return (first, *self.replicas())
        tag = self.tag.decode("utf-8", "surrogateescape")
        return (
            first,
            _property("server_version", f"Portlore {__version__}"),
            _property("tag", tag, *self._role()),
            _property("ip_address", *self._addresses()),
            _property("hostname", self.hostname.decode("utf-8", "surrogateescape")),
            _property("write_locked", self._locked()),
            _property("notify_threads", "0", "0", "0"),
            _property("notifications_pending", str(self.leading.pending if self.leading else 0)),
            _property("authentications", *map(str, self.authentications)),
            _property("readall_proxies", "0", "loose" if self.following else "strict"),
            _property("cleanup_wait", "30", "30"),
            _property("total_calls", str(sum(self.calls))),
            _property("binding", self._binding()),
            *(_property(row.name, str(row.number), str(self.calls[row.number]), "0") for row in PROCEDURES),
        )

    def _role(self) -> tuple[str, ...]:
        """``clone``; or ``master`` with the number of its clones."""
        return ("clone",) if self.following else ("master", str(len(self.leading.clones) if self.leading else 0))

    def _locked(self) -> str:
        """Why writes are refused, as STATISTICS says it."""
        if self.following is not None:
            return "clone (reading all)" if self.following.loading else "clone"
        return "Yes (read-only)" if self.policy.read_only else "No"

    def replicas(self) -> Properties:
        """What a server knows of its clones, or of its master: Portlore's own, for ``netinfo status``."""
        if self.following is not None:
            return (_property("held", self.following.held),)
        found = self.leading.clones.values() if self.leading else ()
        return tuple(
            _property("clone", str(one.place), str(len(one.waiting)), str(one.sent), f"{one.last:.3f}", one.word)
            for one in found
        )

    def _binding(self) -> str:
        """Whose child this domain is: ``address/tag``, ``unknown``, ``forcedRoot`` or ``notResponding``."""
        if is_forced_root(self.domain):
            return "forcedRoot"
        try:
            tag, number = self.parent()
        except NetInfoError as none:
            return "unknown" if none.status == NETROOT else "notResponding"  # as recorded, without a candidate
        dotted = ".".join(map(str, number.to_bytes(4, "big")))
        return f"{dotted}/{tag.decode('utf-8', 'surrogateescape')}"

    def _addresses(self) -> list[str]:
        machines = self.domain.path(b"machines")
        mine = [] if machines is None else self.domain.find(machines, b"name", self.hostname)
        values = self.domain.values(mine[0], b"ip_address") if mine else None
        return [value.decode("utf-8", "surrogateescape") for value in values or (b"0.0.0.0",)]


def _is_plain(name: str) -> bool:
    """Whether a user's name can stand in the log as it is, and is taken for nothing else there."""
    return name.isprintable() and " " not in name and name not in ("", "root", "nobody")


def _property(name: str, *values: str) -> Property:
    return Property(name.encode(), tuple(value.encode("utf-8", "surrogateescape") for value in values))


def _mask(value: bytes) -> bytes:
    return HIDDEN if value else value  # there is no hash in an empty one


def _is_hash(name: bytes) -> bool:
    return HASHES in name and not name.startswith(b"_")
