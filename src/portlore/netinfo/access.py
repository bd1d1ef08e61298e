"""Who may write: the caller's credential held against /users, and ``_writers`` (SPEC 2.6). Pure but for crypt(3).

crypt(3) is handed in, so that this module needs no library.
"""

from __future__ import annotations

from portlore.errors import NetInfoError
from portlore.netinfo.coding import first_values
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc.message import (
    AUTH_NONE,
    AUTH_UNIX,
    BAD_CREDENTIAL,
    NOBODY,
    REJECTED_CREDENTIAL,
    decode_unix,
)
from portlore.oncrpc.xdr import XdrError
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.domain import Directory, Domain
    from portlore.oncrpc.message import Auth

    Matches = Callable[[bytes, bytes], bool]

PERM, AUTHERROR, NOUSER = NUMBERS["PERM"], NUMBERS["AUTHERROR"], NUMBERS["NOUSER"]
RESERVED = 1024  # ports below it are root's
MOST_GROUPS = 256  # the originals take more than the RFC's 16
WRITERS = b"_writers"
ANYONE = b"*"


class Caller(Value):
    """Who calls: address (dotted), port, whether the address is this machine's own, the credential.

    ``sealed``: through TLS; ``key``: what the key is called that it showed there (:mod:`portlore.netinfo.channel`).
    """

    address: str
    port: int
    local: bool
    credential: Auth = NOBODY
    sealed: bool = False
    key: str = ""


class Acting(Value):
    """Whom a call is done for: the superuser, a user by name, or nobody in particular (``None``).

    ``directory``: that of a user who gave the password.
    """

    superuser: bool
    name: bytes | None
    directory: int | None = None


SUPERUSER, ANONYMOUS = Acting(True, None), Acting(False, None)


def refused(credential: Auth) -> int:
    """The auth_stat that a credential is refused with, reads included (SPEC 10.5); 0 for one that is in order."""
    if credential.flavor == AUTH_NONE:
        return 0
    if credential.flavor != AUTH_UNIX:
        return REJECTED_CREDENTIAL
    try:
        decode_unix(credential.body, MOST_GROUPS)
    except XdrError:
        return BAD_CREDENTIAL
    return 0


def inverted(text: bytes) -> bytes:
    """Every byte inverted: how a password travels as AUTH_UNIX's machine name."""
    return bytes([byte ^ 0xFF for byte in text])


def password(credential: Auth) -> bytes:
    """The password in an AUTH_UNIX credential. It ends at a NUL, sent or inverted, as both were strings of C."""
    sent = decode_unix(credential.body, MOST_GROUPS).machine
    return inverted(sent.partition(b"\0")[0]).partition(b"\0")[0]


def acting(domain: Domain, caller: Caller, matches: Matches, *, classic: bool) -> Acting:
    """Whom a write is done for; :class:`NetInfoError` AUTHERROR or NOUSER.

    ``matches(password, hash)`` is crypt(3). ``classic``: a user whose password is empty is let in with any, as it was.
    """
    if caller.local and caller.port < RESERVED:
        return SUPERUSER
    if caller.credential.flavor != AUTH_UNIX:
        return ANONYMOUS
    uid, given = decode_unix(caller.credential.body, MOST_GROUPS).uid, password(caller.credential)
    number = uid - (1 << 32) if uid >> 31 else uid
    users = domain.path(b"users")
    found = [] if users is None else domain.find(users, b"uid", str(number).encode())
    if not found:
        raise NetInfoError(NOUSER)
    for identifier in found:
        user = domain.directories[identifier]
        hashes = first_values(user.data, b"passwd")
        if hashes is None:
            continue
        empty = not hashes or not hashes[0]
        if classic if empty else (given or classic) and matches(given, hashes[0]):
            names = first_values(user.data, b"name")
            if not names:
                raise NetInfoError(NOUSER)
            return Acting(number == 0, names[0], identifier)
    raise NetInfoError(AUTHERROR)


def check(directory: Directory, who: Acting, name: bytes | None = None) -> None:
    """Raise PERM unless somebody may write a directory, or, of a property's ``name``, that property's values."""
    if who.superuser or _listed(directory, WRITERS, who):
        return
    if name is None or not _listed(directory, WRITERS + b"_" + name, who):
        raise NetInfoError(PERM)


def _listed(directory: Directory, key: bytes, who: Acting) -> bool:
    writers = first_values(directory.data, key)
    if not writers:
        return False
    return ANYONE in writers or (who.name is not None and who.name in writers)
