"""From a record to its reply: RPC, credentials, the procedure's row. Pure and total: any bytes give a reply or none."""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo import channel
from portlore.netinfo.access import ANONYMOUS, AUTHERROR, PERM, RESERVED, SUPERUSER, Caller, acting, password, refused
from portlore.netinfo.binding import encoded, in_one_word
from portlore.netinfo.coding import decode_properties, first_values, masked
from portlore.netinfo.contents import Contents
from portlore.netinfo.domain import NODIR
from portlore.netinfo.generations import NEXTSTEP, shadowed
from portlore.netinfo.procedures import PROCEDURES, NoSuccess, is_forced_root
from portlore.netinfo.tuning import tuning
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
from portlore.oncrpc.message import NOBODY as NO_CREDENTIAL
from portlore.oncrpc.xdr import Reader, XdrError, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.access import Acting, Matches
    from portlore.netinfo.binding import Binding
    from portlore.netinfo.domain import Directory, Domain
    from portlore.netinfo.history import Recorder
    from portlore.netinfo.replicating import Following, Leading
    from portlore.netinfo.values import Properties

PROGRAM, VERSION = 200100000, 2
NETROOT, RDONLY = NUMBERS["NETROOT"], NUMBERS["RDONLY"]
OVER_UDP = (0, 24)  # PING and BIND
CHECKSUM_ONLY, REPLICAS = b"checksum", b"replicas"  # words in place of a password: the second is our own
HASHES = b"passw"  # properties whose name holds this are hidden: passwd, password and their kind
HIDDEN = b"*"
GARBAGE, NO_SUCCESS = -1, -2  # in place of a status, where a call is answered without
ALL, NOBODY = -1, -2  # whose hashes a caller may see, where it is not one directory's
MOST_SEEN = 1024  # credentials whose rights are remembered


class Policy(Value):
    """How a domain is served.

    ``classic``: password hashes go to everybody, and who needs no password may write, as it was. ``read_only``: nobody
    writes. ``nextstep``: answers are those of the NeXTSTEP generation where they differ. ``accept_empty``: a clone
    takes what its master has also when that is next to nothing. ``history``: how many changes are kept; 0 for none.
    """

    classic: bool = False
    read_only: bool = False
    nextstep: bool = False
    accept_empty: bool = False
    history: int = 100_000


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
        self.binding_of: Callable[[], Binding] | None = None  # more of the same
        self.calls = [0] * len(PROCEDURES)
        self.freed: dict[int, int] = {}  # last instances by id of what was destroyed (NeXTSTEP goes on from there)
        self.authentications = [0, 0, 0, 0]  # right, wrong, writes done, writes refused
        self.audit: Callable[[str], None] | None = None  # told of every write, done or refused
        self.leading: Leading | None = None  # a master with what its clones are to be sent
        self.following: Following | None = None  # a clone
        self.sent_whole = False  # the whole domain is an answer: it goes out when it is on disk
        self.broken = False  # the disk takes nothing more
        self.contents = Contents()
        self.history: Recorder | None = None  # told of every write that was done
        self.clock: Callable[[], float] = lambda: 0.0  # seconds since 1970, where somebody tells
        self.refusals: dict[tuple[int, int], int] = {}  # calls that were refused, by procedure and status
        self.cut_off = ""  # why nobody writes for now, in words
        self._writer, self._user = "nobody", b""
        self._seen: dict[bytes, int] = {}  # by credential, while the domain stays at a version
        self._seen_at: tuple[Domain, int] | None = None
        self._keys_at: tuple[Domain, int] | None = None
        self._keys: frozenset[str] = frozenset()  # of machines that serve, while the domain stays at a version

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
            self._refused(call.procedure, GARBAGE)
            return accepted(xid, GARBAGE_ARGS)
        except NoSuccess:
            self._refused(call.procedure, NO_SUCCESS)
            return None if self.policy.nextstep else accepted(xid, SYSTEM_ERR)
        except NetInfoError as refusal:
            self._refused(call.procedure, refusal.status)
            if row.writes:
                self._note(row.name, caller, call.arguments, refusal.status)
                if self.following is not None and self.following.takes(self.domain, caller):
                    self.following.missed()
            return success(xid, uint(refusal.status))
        if row.writes:
            self._note(row.name, caller, call.arguments, 0)
            if self.history is not None:
                pushed = self.following is not None
                self.history.wrote(call.procedure, self._user, caller, self.domain, pushed=pushed)
            if self.leading is not None:
                self.leading.wrote(call.procedure, call.arguments, results, self.domain)
        return success(xid, results)

    def _refused(self, procedure: int, status: int) -> None:
        key = procedure, status
        self.refusals[key] = self.refusals.get(key, 0) + 1

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
        self._writer, self._user = "nobody", b""
        if self.broken or (self.policy.read_only and self.following is None):  # a clone follows all the same
            raise NetInfoError(RDONLY)
        if self.following is not None:  # before credentials are looked at (SPEC 2.6)
            if not self.following.takes(self.domain, caller):
                raise NetInfoError(RDONLY)
            self._writer, self._user = "root", b"root"
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
        self._user = who.name or (b"root" if who.superuser else b"")
        if who.name is None and not who.superuser:
            self._writer = "nobody"
        return who

    def introduced(self, caller: Caller, directory: int, given: Property) -> Acting | None:
        """The superuser, where a machine names its own key at the master (:func:`channel.introduces`)."""
        one = self.domain.directories.get(directory) if caller.sealed else None
        if one is None or self.policy.read_only or self.following is not None:
            return None
        if not channel.introduces(self.domain, caller, one, given):
            return None
        self._writer, self._user = "root", b"root"
        return SUPERUSER

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
        if caller.key and self.is_server(caller.key):
            return ALL
        if caller.credential.flavor != AUTH_UNIX:
            return NOBODY
        body, state = caller.credential.body, (self.domain, self.domain.version)
        if self._seen_at != state or len(self._seen) > MOST_SEEN:
            self._seen, self._seen_at = {}, state
        sees = self._seen.get(body)
        if sees is None:
            sees = self._seen[body] = self._authenticated(caller)
        return sees

    def is_server(self, key: str) -> bool:
        """Whether a key is that of a machine which serves some domain."""
        state = self.domain, self.domain.version
        if self._keys_at != state:
            self._keys = frozenset(map(channel.fingerprint, channel.certificates(self.domain)))
            self._keys_at = state
        return key in self._keys

    def _authenticated(self, caller: Caller) -> int:
        """Whose hashes a password opens. A wrong one counts, else hashes could be guessed at by reading."""
        try:
            who = acting(self.domain, caller, self._matches, classic=False)
        except NetInfoError as error:
            self.authentications[1] += error.status == AUTHERROR
            return NOBODY
        return ALL if who.superuser else NOBODY if who.directory is None else who.directory

    def forget_rights(self) -> None:
        """Another domain, or another state of it, is at this version: who may see what is to be asked anew."""
        self._seen_at = None

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
            return (first, *self._content(caller), *self.replicas())
        tag, wanted = self.tag.decode("utf-8", "surrogateescape"), tuning(self.domain)
        return (
            first,
            _property("server_version", f"Portlore {__version__}"),
            _property("tag", tag, *self._role()),
            _property("ip_address", *self._addresses()),
            _property("hostname", self.hostname.decode("utf-8", "surrogateescape")),
            _property("write_locked", self._locked()),
            _property("notify_threads", "0", "0", str(wanted.latency)),
            _property("notifications_pending", str(self.leading.pending if self.leading else 0)),
            _property("authentications", *map(str, self.authentications)),
            _property("readall_proxies", "0", "loose" if self.following else "strict"),
            _property("cleanup_wait", *[str(wanted.cleanup // 60)] * 2),
            _property("total_calls", str(sum(self.calls))),
            _property("binding", self._binding()),
            *(_property(row.name, str(row.number), str(self.calls[row.number]), "0") for row in PROCEDURES),
        )

    def _content(self, caller: Caller) -> Properties:
        """What the domain holds, summed up, for who may see all of it."""
        stranger = caller.replace(credential=NO_CREDENTIAL)  # that word is no password, and is not to count as one
        return (_property("content", self.contents.of(self.domain)),) if self._sees(stranger) == ALL else ()

    def _role(self) -> tuple[str, ...]:
        """``clone``; or ``master`` with the number of its clones."""
        return ("clone",) if self.following else ("master", str(len(self.leading.clones) if self.leading else 0))

    def _locked(self) -> str:
        """Why writes are refused, as STATISTICS says it."""
        if self.following is not None:
            return "clone (reading all)" if self.following.loading else "clone"
        return f"Yes ({self.cut_off or 'read-only'})" if self.policy.read_only else "No"

    def replicas(self) -> Properties:
        """What a server knows of its parent, its clones or its master: Portlore's own, for ``netinfo status``."""
        bound = (_property("binding", *encoded(self.binding_of())),) if self.binding_of is not None else ()
        if self.following is not None:
            return (*bound, _property("held", self.following.held))
        found = self.leading.clones.values() if self.leading else ()
        return (
            *bound,
            *(_property("clone", *one.told(self.clock())) for one in found),
        )

    def _binding(self) -> str:
        """Whose child this domain is: ``address/tag``, ``unknown``, ``forcedRoot`` or ``notResponding``."""
        if self.binding_of is not None:
            return in_one_word(self.binding_of())
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
