"""What a server of the NeXTSTEP generation answers otherwise than one of Mac OS X (``--generation``). Pure.

The NeXTSTEP generation is G2 here, NEXTSTEP 3 to Rhapsody. DIFFERENCES has all that the specification names; NEXTSTEP
are the procedures with those in it that one server's answers show.
"""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo import procedures
from portlore.netinfo.access import AUTHERROR, RESERVED, check
from portlore.netinfo.coding import decode_properties, read_properties
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.procedures import OK, PROCEDURES, ni_id, read_id
from portlore.netinfo.values import NUMBERS, NiId, Property
from portlore.oncrpc.xdr import Reader, uint
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.access import Caller
    from portlore.netinfo.answering import Service
    from portlore.netinfo.procedures import Handler, Procedure

BADID, NODIR, UNRELATED, ALIVE, NOSPACE = (
    NUMBERS[name] for name in ("BADID", "NODIR", "UNRELATED", "ALIVE", "NOSPACE")
)
FULL, HIGHEST = 0xFFFF_FFFF, 0xFFFF_FFFD  # of instances; of ids
SHADOW, SECURE = b"_shadow", b"_secure"
STAR = (b"*",)


class Difference(Value):
    """One of them: where the specification has it, what it is about, what either generation does, where it is here."""

    section: str
    about: str
    macosx: str
    nextstep: str
    done: str


DIFFERENCES = (
    Difference("2.1", "REGISTER over UDP", "refused", "accepted", "binder: both accept it from root here"),
    Difference("2.1", "other calls over UDP", "AUTH_TOOWEAK", "G1 also does them", "not done: a fault of G1's"),
    Difference("2.3", "no directory of an id", "NODIR", "BADID", "_old"),
    Difference("2.3", "disk full, corrupt record", "SYSTEMERR", "NOSPACE, SERIAL", "not done: no such store here"),
    Difference("2.3", "status words", "0 to 24", "G1's clients know 0 to 21", "not done: numbers are sent as they are"),
    Difference("2.5", "GETREGISTER", "asks whether the server lives", "does not", "hosting"),
    Difference("2.5", "aliases of tags", "alias_name, alias_addrs", "none", "hosting"),
    Difference("2.5, 3.2", "BIND without success", "SYSTEM_ERR", "no reply", "answering; the binder over UDP for both"),
    Difference("2.6", "_writers with *", "anyone", "G1: nobody by name", "not done: G1's alone"),
    Difference("2.6", "_locked, promote_admins", "G4", "none", "not done for either"),
    Difference("2.6", "_shadow, _secure", "ordinary properties", "hide values", "shadowed"),
    Difference("2.6", "LISTALL, READALL, RESYNC, CRASHED", "for anyone", "from reserved ports alone", "_reserved"),
    Difference("3.1", "instance of a new directory", "0", "one more than that id had last, at first 1", "create"),
    Difference("3.1", "CREATE with a target", "ignored", "obeyed; ALIVE where it is in use", "create"),
    Difference("3.2", "DESTROY of an unknown child", "NODIR", "UNRELATED", "destroy"),
    Difference("3.2", "SELF of -1 and -2", "versions", "no such directory", "itself"),
    Difference("3.2", "STATISTICS", "208", "Darwin_0.1", "not done: we say who we are"),
    Difference("3.3, 10.3", "LOOKUP and LIST after writes", "from an index", "from the directories", "both so here"),
    Difference("4", "RPARENT while the parent is away", "NETROOT for ten minutes", "NORESPONSE", "parents"),
    Difference("4", "candidates for a parent", "also hard-wired", "by broadcast alone", "not done: it finds no less"),
    Difference("5", "READALL's highest id", "the largest", "one more", "read_all"),
    Difference("7", "nidump passwd", "10 fields", "7 fields", "not done: a tool's, not a server's"),
)  # fmt: skip


def create(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A new directory: of the id and instance that are asked for, else of the lowest free id, whose count goes on."""
    asked, given, where = read_id(reader), read_properties(reader), reader.uint()
    target = read_id(reader) if reader.boolean() else None
    who = service.writer(caller)
    domain = service.domain
    above = domain.writable(asked)
    check(above, who)
    if target is not None and target.object in domain.directories:
        raise NetInfoError(ALIVE)
    if target is not None and target.object > HIGHEST:
        raise NetInfoError(NOSPACE)
    free = domain.free_id()
    child = domain.create(above, given, where, target or NiId(free, (service.freed.get(free, 0) + 1) & FULL))
    return OK + ni_id(child) + ni_id(above)


def destroy(service: Service, reader: Reader, caller: Caller) -> bytes:
    """Take a directory away; its count of changes is kept for the next that has its id."""
    _, gone = read_id(reader), read_id(reader)
    last = service.domain.directories.get(gone.object)
    results = procedures.destroy(service, Reader(reader.data), caller)
    if last is not None:
        service.freed[last.id] = last.instance
    return results


def itself(service: Service, reader: Reader, caller: Caller) -> bytes:
    """A directory's current id; versions are not known."""
    return OK + ni_id(service.domain.at(read_id(reader).object))


def read_all(service: Service, reader: Reader, caller: Caller) -> bytes:
    """The whole domain; the highest id is told as the number of ids up to it."""
    results = procedures.read_all(service, reader, caller)
    highest = int.from_bytes(results[8:12], "big")
    return results if results[4:8] == uint(0) else results[:8] + uint(highest + 1) + results[12:]


def _old(row: Procedure) -> Procedure:
    """A procedure with the statuses of old: BADID for no directory of an id, UNRELATED for no such child."""
    handle = OWN.get(row.name, row.handle)
    if row.name in RESERVED_ONLY:
        handle = _reserved(row, handle)

    def told(service: Service, reader: Reader, caller: Caller) -> bytes:
        first = reader.data[reader.at : reader.at + 4]
        try:
            return handle(service, reader, caller)
        except NetInfoError as refusal:
            if refusal.status != NODIR or row.name in ("rparent", "root", "readall"):
                raise
            if int.from_bytes(first, "big") not in service.domain.directories:
                raise NetInfoError(BADID) from None
            raise NetInfoError(UNRELATED if row.name == "destroy" else NODIR) from None

    return row.replace(handle=told)


def _reserved(row: Procedure, handle: Handler) -> Handler:
    """A procedure that only root's programs may call, by their ports."""

    def asked(service: Service, reader: Reader, caller: Caller) -> bytes:
        if caller.port < RESERVED:
            return handle(service, reader, caller)
        if row.status:
            raise NetInfoError(AUTHERROR)
        return b""

    return asked


def shadowed(data: bytes, caller: Caller) -> bytes:
    """Encoded properties without the values that ``_shadow`` and ``_secure`` keep from who calls.

    From an unprivileged port both hide, from a privileged one of another machine ``_secure`` does.
    """
    if SHADOW not in data and SECURE not in data:
        return data
    marks = [SECURE] if caller.port < RESERVED else [SHADOW, SECURE]
    if caller.port < RESERVED and caller.local:
        return data
    given = decode_properties(data)
    there = {one.name for one in given}
    if there.intersection(marks):
        return encoded(())
    hidden = {name.removeprefix(mark + b"_") for mark in marks for name in there if name.startswith(mark + b"_")}
    return encoded(tuple(Property(one.name, STAR) if one.name in hidden else one for one in given))


OWN: dict[str, Handler] = {
    "self": itself, "create": create, "destroy": destroy, "readall": read_all,
}  # fmt: skip
RESERVED_ONLY = ("listall", "readall", "resync", "crashed")
NEXTSTEP = tuple(map(_old, PROCEDURES))
