"""ONC RPC version 2 (RFC 5531): calls and replies as values, both ways. Pure."""

from __future__ import annotations

from struct import Struct

from portlore.oncrpc.xdr import Reader, XdrError, opaque, uint
from portlore.value import Value

CALL, REPLY = 0, 1  # msg_type
VERSION = 2
ACCEPTED, DENIED = 0, 1  # reply_stat
SUCCESS, PROG_UNAVAIL, PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS, SYSTEM_ERR = range(6)  # accept_stat
RPC_MISMATCH, AUTH_ERROR = 0, 1  # reject_stat
AUTH_NONE, AUTH_UNIX = 0, 1  # flavors (RFC 5531 sections 8.1 and 14)
BAD_CREDENTIAL, REJECTED_CREDENTIAL, BAD_VERIFIER, REJECTED_VERIFIER, TOO_WEAK = 1, 2, 3, 4, 5  # auth_stat
LONGEST_BODY = 400  # bytes of a credential or verifier (section 8.2)
LONGEST_NAME, MOST_GROUPS = 255, 16  # of AUTH_UNIX (appendix A)
HEAD = Struct(">10I")  # a call with empty credential and verifier
OK_HEAD = uint(REPLY) + uint(ACCEPTED) + bytes(8) + uint(SUCCESS)  # after the xid; the verifier is AUTH_NONE


class Auth(Value):
    """A credential or verifier: its flavor, its bytes."""

    flavor: int
    body: bytes


NOBODY = Auth(AUTH_NONE, b"")


class Call(Value):
    """A call: ``arguments`` are the XDR after the header."""

    xid: int
    program: int
    version: int
    procedure: int
    credential: Auth
    verifier: Auth
    arguments: bytes


class Reply(Value):
    """A reply. ``accepted``: its accept_stat, ``None`` when it was denied; then ``rejected`` is (reject_stat, detail).

    ``low`` and ``high`` come with a mismatch; ``results`` with success.
    """

    xid: int
    accepted: int | None
    results: bytes
    low: int = 0
    high: int = 0
    rejected: tuple[int, int] | None = None


class UnixAuth(Value):
    """The body of AUTH_UNIX, which RFC 5531 calls AUTH_SYS."""

    stamp: int
    machine: bytes
    uid: int
    gid: int
    groups: tuple[int, ...]


def decode_call(record: bytes) -> Call | None:
    """A call; ``None`` for what is none: too short, a reply, another RPC version, a credential beyond the limit."""
    if len(record) >= HEAD.size:
        xid, kind, version, program, level, procedure, flavor, size, other, empty = HEAD.unpack_from(record)
        if kind == CALL and version == VERSION and not size and not empty:
            plain = NOBODY if flavor == AUTH_NONE else Auth(flavor, b"")
            verifier = NOBODY if other == AUTH_NONE else Auth(other, b"")
            return Call(xid, program, level, procedure, plain, verifier, record[HEAD.size :])
    reader = Reader(record)
    try:
        xid, kind, version = reader.uint(), reader.uint(), reader.uint()
        if kind != CALL or version != VERSION:
            return None
        program, level, procedure = reader.uint(), reader.uint(), reader.uint()
        credential = Auth(reader.uint(), reader.opaque(LONGEST_BODY))
        verifier = Auth(reader.uint(), reader.opaque(LONGEST_BODY))
    except XdrError:
        return None
    return Call(xid, program, level, procedure, credential, verifier, reader.rest())


def encode_call(call: Call) -> bytes:
    """The bytes of a call."""
    numbers = (call.xid, CALL, VERSION, call.program, call.version, call.procedure)
    auth = b"".join(uint(one.flavor) + opaque(one.body) for one in (call.credential, call.verifier))
    return b"".join(map(uint, numbers)) + auth + call.arguments


def decode_reply(record: bytes) -> Reply:
    """A reply; :class:`XdrError` for what is none."""
    reader = Reader(record)
    xid, kind, status = reader.uint(), reader.uint(), reader.uint()
    if kind != REPLY or status > DENIED:
        raise XdrError("decoding a reply", f"message type {kind}, status {status}", "send what RFC 5531 describes")
    if status == DENIED:
        why = reader.uint()
        if why == RPC_MISMATCH:
            return Reply(xid, None, b"", reader.uint(), reader.uint(), (why, 0))
        return Reply(xid, None, b"", rejected=(why, reader.uint()))
    reader.uint()
    reader.opaque(LONGEST_BODY)
    accepted = reader.uint()
    if accepted == PROG_MISMATCH:
        return Reply(xid, accepted, b"", reader.uint(), reader.uint())
    return Reply(xid, accepted, reader.rest() if accepted == SUCCESS else b"")


def success(xid: int, results: bytes) -> bytes:
    """The reply to a call that was done."""
    return xid.to_bytes(4, "big") + OK_HEAD + results


def accepted(xid: int, status: int, low: int = 0, high: int = 0) -> bytes:
    """The reply to a call that was understood and could not be done; ``low`` and ``high`` for a PROG_MISMATCH."""
    reply = uint(xid) + OK_HEAD[:-4] + uint(status)
    return reply + uint(low) + uint(high) if status == PROG_MISMATCH else reply


def denied(xid: int, why: int) -> bytes:
    """The reply to a call whose credential is refused; ``why``: an auth_stat."""
    return uint(xid) + uint(REPLY) + uint(DENIED) + uint(AUTH_ERROR) + uint(why)


def mismatched(xid: int) -> bytes:
    """The reply to a call of another RPC version (RFC 5531 section 9)."""
    return uint(xid) + uint(REPLY) + uint(DENIED) + uint(RPC_MISMATCH) + uint(VERSION) + uint(VERSION)


def decode_unix(body: bytes, most_groups: int = MOST_GROUPS) -> UnixAuth:
    """The body of AUTH_UNIX; :class:`XdrError` when it is none. What follows it is not looked at."""
    reader = Reader(body)
    stamp, machine = reader.uint(), reader.opaque(LONGEST_NAME)
    uid, gid = reader.uint(), reader.uint()
    return UnixAuth(stamp, machine, uid, gid, tuple([reader.uint() for _ in range(reader.count(most_groups))]))


def encode_unix(auth: UnixAuth) -> bytes:
    """The bytes of an AUTH_UNIX body."""
    groups = b"".join(map(uint, auth.groups))
    return uint(auth.stamp) + opaque(auth.machine) + uint(auth.uid) + uint(auth.gid) + uint(len(auth.groups)) + groups
