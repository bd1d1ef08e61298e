"""Edge: passwords and their hashes: this system's crypt(3) where there is one, traditional DES anywhere.

Python 3.13 has no crypt module any more, so the C library is called through ctypes, loaded at first use.
"""

from __future__ import annotations

import os

from portlore.netinfo.descrypt import ALPHABET, des_crypt

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

    Crypt = Callable[[bytes, bytes], bytes | None]

LIBRARIES: tuple[str | None, ...] = (  # where crypt(3) is, tried in order
    "libcrypt.so.1",  # glibc, and libxcrypt in its place
    "libcrypt.so.2",  # libxcrypt alone: Arch, Fedora
    "/usr/lib/libSystem.B.dylib",  # macOS: traditional DES and its extended form
    None,  # what Python itself is linked with: musl has crypt(3) in its C library
)
WORK = 1 << 18  # for struct crypt_data: 131 232 bytes in glibc, 32 768 in libxcrypt
TRADITIONAL = 13
SHA512 = b"$6$"


def matches(password: bytes, hashed: bytes) -> bool:
    """Whether a password has this hash. Not where nobody here can compute it: :func:`can_check` tells."""
    if b"\0" in password:
        return False  # C would see its beginning only; a hash with one equals no answer
    answer = _crypt(password, hashed)
    if answer is None:
        return False
    from _operator import _compare_digest  # hmac's own; hmac would load OpenSSL

    return _compare_digest(answer, hashed)


def can_check(hashed: bytes) -> bool:
    """Whether :func:`matches` can be true of a hash. For other than traditional ones as slow as a match."""
    if _is_traditional(hashed):
        return True
    if hashed[:1] not in (b"$", b"_") or b"\0" in hashed:
        return False
    answer = _crypt(b"", hashed)  # an older libcrypt may read the salt "$6" of traditional DES out of it
    return answer is not None and len(answer) == len(hashed) and _head(answer) == _head(hashed)


def make(password: bytes) -> bytes:
    """A new hash: SHA-512 where libcrypt knows it, else traditional. ``ValueError`` for what no hash can stand for."""
    _check_password(password)
    crypt = _libcrypt()
    if crypt is None:
        return make_des(password)
    setting = SHA512 + _salt(16)
    hashed = crypt(password, setting)
    if hashed is not None and hashed.startswith(setting):
        return hashed
    if (crypt(b"", setting) or b"").startswith(setting):  # it is the password: eight bytes of it would be no answer
        raise ValueError(f"crypt(3) refuses a password of {len(password)} bytes")
    return make_des(password)


def make_des(password: bytes) -> bytes:
    """A new traditional hash, which every system knows; the first eight bytes of a password count."""
    _check_password(password)
    return des_crypt(password, _salt(2))


def _check_password(password: bytes) -> None:
    if b"\0" in password:
        raise ValueError("a password holds no NUL: crypt(3) would stop there")


def _salt(size: int) -> bytes:
    return bytes([ALPHABET[byte & 63] for byte in os.urandom(size)])


def _is_traditional(hashed: bytes) -> bool:
    return len(hashed) == TRADITIONAL and not hashed.strip(ALPHABET)


def _head(hashed: bytes) -> bytes:
    """The method, its cost and what else stands before the last ``$``."""
    return hashed.rpartition(b"$")[0]


def _crypt(password: bytes, hashed: bytes) -> bytes | None:
    """What crypt(3) makes of a password by the method and salt of a hash; ``None`` where nobody here can."""
    if hashed[:1] == b"*":
        return None  # a locked account, or the failure of a crypt(3) that was stored
    crypt = _libcrypt()
    answer = crypt(password, hashed) if crypt is not None else None
    if answer is None and _is_traditional(hashed):  # also where libcrypt is built or told to do without DES
        return des_crypt(password, hashed)
    return answer


_LOADED: list[Crypt | None] = []  # at first use


def _libcrypt() -> Crypt | None:
    """This system's crypt(3), ``None`` without one."""
    if not _LOADED:
        _LOADED.append(_load())
    return _LOADED[0]


def _load() -> Crypt | None:
    if os.name != "posix":
        return None
    for name in LIBRARIES:
        found = _open(name)
        if found is not None:
            return found
    from ctypes.util import find_library  # runs ldconfig or a compiler: the last resort

    named = find_library("crypt")
    return _open(named) if named else None


def _open(name: str | None) -> Crypt | None:
    """crypt(3) of one library; ``None`` where there is no such library, or no crypt(3) in it."""
    import ctypes

    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    if hasattr(library, "crypt_r"):
        return _reentrant(library)
    return _plain(library) if hasattr(library, "crypt") else None


def _reentrant(library: ctypes.CDLL) -> Crypt:
    """Calls of ``crypt_r``, each with memory of its own."""
    import ctypes

    call = library.crypt_r
    call.argtypes, call.restype = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p), ctypes.c_char_p

    def crypt(password: bytes, hashed: bytes) -> bytes | None:
        return _no_failure(call(password, hashed, ctypes.create_string_buffer(WORK)))

    return crypt


def _plain(library: ctypes.CDLL) -> Crypt:
    """Calls of ``crypt``, whose answer lies in one place for all threads: one at a time."""
    import ctypes
    import threading

    call, lock = library.crypt, threading.Lock()
    call.argtypes, call.restype = (ctypes.c_char_p, ctypes.c_char_p), ctypes.c_char_p

    def crypt(password: bytes, hashed: bytes) -> bytes | None:
        with lock:
            return _no_failure(call(password, hashed))

    return crypt


def _no_failure(answer: bytes | None) -> bytes | None:
    """The answer, if it is one: glibc fails with NULL, libxcrypt with ``*0`` or ``*1``."""
    return None if answer is None or answer.startswith(b"*") else answer
