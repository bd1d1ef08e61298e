"""From a record to its reply: RPC, credentials, the procedure's row. Pure and total: any bytes give a reply or none."""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.access import MOST_GROUPS, RESERVED, Caller, acting, inverted, refused
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.domain import NODIR
from portlore.netinfo.procedures import PROCEDURES, NoSuccess
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
    decode_unix,
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
    from portlore.netinfo.values import Properties

PROGRAM, VERSION = 200100000, 2
NETROOT, RDONLY = NUMBERS["NETROOT"], NUMBERS["RDONLY"]
OVER_UDP = (0, 24)  # PING and BIND
CHECKSUM_ONLY = inverted(b"checksum")
HASHES = b"passwd"  # properties whose name holds this are password hashes
HIDDEN = (b"*",)


class Policy(Value):
    """How a domain is served.

    ``classic``: password hashes go to everybody, as they did. ``read_only``: nobody writes.
    """

    classic: bool = False
    read_only: bool = False


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
        self.authentications = [0, 0, 0, 0]  # right, wrong, writes done, writes refused
        self.audit: Callable[[str], None] | None = None  # told of every write, done or refused
        self._writer = "nobody"

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
        row = PROCEDURES[call.procedure]
        self.calls[call.procedure] += 1
        try:
            results = row.handle(self, Reader(call.arguments), caller)
        except XdrError:
            return accepted(xid, GARBAGE_ARGS)
        except NoSuccess:
            return accepted(xid, SYSTEM_ERR)
        except NetInfoError as refusal:
            if row.writes:
                self._note(row.name, caller, call.arguments, 3, STATUS[refusal.status][0])
            return success(xid, uint(refusal.status))
        if row.writes:
            self._note(row.name, caller, call.arguments, 2, "OK")
        return success(xid, results)

    def _note(self, name: str, caller: Caller, arguments: bytes, count: int, status: str) -> None:
        """Count a write and have it noted: what, on which directory, by whom, from where, and what came of it."""
        self.authentications[count] += 1
        if self.audit is not None:
            where = int.from_bytes(arguments[:4], "big")
            self.audit(
                f"call={name} directory={where} by={self._writer} from={caller.address}:{caller.port} status={status}"
            )

    def writer(self, caller: Caller) -> Acting:
        """Whom a write is done for; RDONLY where nobody writes."""
        self._writer = "nobody"
        if self.policy.read_only:
            raise NetInfoError(RDONLY)
        try:
            who = acting(self.domain, caller, self._matches)
        except NetInfoError:
            self.authentications[1] += 1
            raise
        if caller.credential.flavor == AUTH_UNIX:
            self.authentications[0] += 1
        name = "" if who.name is None else who.name.decode("utf-8", "backslashreplace")
        self._writer = "root" if who.superuser else name if name.isprintable() and " " not in name else repr(name)
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
        if self.policy.classic or HASHES not in one.data or self._trusted(one, caller):
            return one.data
        return encoded(_masked(one.properties))

    def properties(self, one: Directory, caller: Caller) -> Properties:
        """A directory's properties, password hashes hidden likewise."""
        if self.policy.classic or HASHES not in one.data or self._trusted(one, caller):
            return one.properties
        return _masked(one.properties)

    def found(self, one: Directory, key: bytes, value: bytes, caller: Caller) -> list[int]:
        """What a look-up finds; NODIR for nothing, and for guesses of a password hash."""
        members = self.domain.find(one.id, key, value)
        if HASHES in key and not self.policy.classic and not (caller.local and caller.port < RESERVED):
            members = [n for n in members if self._trusted(self.domain.directories[n], caller) or value == HIDDEN[0]]
        if not members:
            raise NetInfoError(NODIR)
        return members

    def _trusted(self, one: Directory, caller: Caller) -> bool:
        """Whether a caller may see hashes: root here or on a listed machine, the authenticated owner, the superuser."""
        if caller.port < RESERVED and (caller.local or self._listed(caller.address)):
            return True
        if caller.credential.flavor != AUTH_UNIX:
            return False
        try:
            who = acting(self.domain, caller, self._matches)
        except NetInfoError:
            return False
        return who.superuser or (who.name is not None and who.name in (self.domain.values(one.id, b"name") or ()))

    def _listed(self, address: str) -> bool:
        """Whether an address is in /machines, of a machine that serves some domain."""
        machines = self.domain.path(b"machines")
        found = [] if machines is None else self.domain.find(machines, b"ip_address", address.encode())
        return any(self.domain.values(number, b"serves") for number in found)

    def statistics(self, caller: Caller) -> Properties:
        """The server's account of itself (SPEC 3.2); its checksum alone for who asks with that word."""
        from portlore import __version__

        first = _property("checksum", str(self.domain.checksum))
        unix = caller.credential.flavor == AUTH_UNIX
        if unix and decode_unix(caller.credential.body, MOST_GROUPS).machine == CHECKSUM_ONLY:
            return (first,)
        tag = self.tag.decode("utf-8", "surrogateescape")
        return (
            first,
            _property("server_version", f"Portlore {__version__}"),
            _property("tag", tag, "master", "0"),
            _property("ip_address", *self._addresses()),
            _property("hostname", self.hostname.decode("utf-8", "surrogateescape")),
            _property("write_locked", "Yes (read-only)" if self.policy.read_only else "No"),
            _property("notify_threads", "0", "0", "0"),
            _property("notifications_pending", "0"),
            _property("authentications", *map(str, self.authentications)),
            _property("readall_proxies", "0", "strict"),
            _property("cleanup_wait", "30", "30"),
            _property("total_calls", str(sum(self.calls))),
            _property("binding", self._binding()),
            *(_property(row.name, str(row.number), str(self.calls[row.number]), "0") for row in PROCEDURES),
        )

    def _binding(self) -> str:
        """Whose child this domain is: ``address/tag``, ``root`` or ``notResponding``."""
        try:
            tag, number = self.parent()
        except NetInfoError as none:
            return "root" if none.status == NETROOT else "notResponding"
        dotted = ".".join(map(str, number.to_bytes(4, "big")))
        return f"{dotted}/{tag.decode('utf-8', 'surrogateescape')}"

    def _addresses(self) -> list[str]:
        machines = self.domain.path(b"machines")
        mine = [] if machines is None else self.domain.find(machines, b"name", self.hostname)
        values = self.domain.values(mine[0], b"ip_address") if mine else None
        return [value.decode("utf-8", "surrogateescape") for value in values or ()]


def _property(name: str, *values: str) -> Property:
    return Property(name.encode(), tuple(value.encode("utf-8", "surrogateescape") for value in values))


def _masked(found: Properties) -> Properties:
    """Properties with password hashes replaced by ``*``; empty ones are left, as no hash is in them."""
    return tuple(
        Property(one.name, tuple(b"*" if value else value for value in one.values)) if _is_hash(one.name) else one
        for one in found
    )


def _is_hash(name: bytes) -> bool:
    return HASHES in name and not name.startswith(b"_")
