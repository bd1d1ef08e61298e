"""Hashes that others made, this system's crypt(3) and Perl's against ours; and every way of having no libcrypt."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import string
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore.netinfo import passwords
from portlore.netinfo.descrypt import des_crypt
from portlore.netinfo.passwords import can_check, make, make_des, matches

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = [
    # The self-test of John the Ripper's descrypt format, and of FreeSec in Openwall's crypt.
    (b"U*U*U*U*", b"CCNf8Sbh3HDfQ"),
    (b"U*U***U", b"CCX.K.MFy4Ois"),
    (b"U*U***U*", b"CC4rMpbg9AMZ."),
    (b"*U*U*U*U", b"XXxzOu6maQKqQ"),
    (b"", b"SDbsugeBiC58A"),
    (b"password", b"./xZjzHv5vzVE"),
    # The example in PHP's manual for crypt(): more than eight bytes.
    (b"rasmuslerdorf", b"rl.3StKT.4T8M"),
]
RECORDED = [  # users of the store that the originals were recorded with (conversations/start.records.json)
    (b"rootpw", b"abz3GtcEvEtv6"),  # root
    (b"pw1", b"s10K8viGfT4Ww"),  # user01
    (b"pw2", b"s2/kf0P84t.Zo"),
    (b"pw12", b"s1d33s0qhyHNY"),
    (b"pw40", b"s4YwIjo.1Wslg"),
]
MODERN = [
    # Drepper's specification of the SHA-crypt methods, its first vectors.
    (b"Hello world!", b"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (
        b"Hello world!",
        b"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    # PHP's manual.
    (b"rasmuslerdorf", b"$1$rasmusle$rISCgZzpwk3UhDidwXvin0"),
]
ALPHABET = "./" + string.digits + string.ascii_letters
SALTS = st.text(ALPHABET, min_size=2, max_size=2).map(str.encode)
WITHOUT_NUL = st.lists(st.integers(1, 255), max_size=12).map(bytes)


def find_system() -> Callable[[bytes, bytes], bytes | None] | None:
    """The system's crypt(3), found without the code under test."""
    for name in ("libcrypt.so.1", "libcrypt.so.2", "/usr/lib/libSystem.B.dylib"):
        try:
            call = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        call.argtypes, call.restype = (ctypes.c_char_p, ctypes.c_char_p), ctypes.c_char_p
        return cast("Callable[[bytes, bytes], bytes | None]", call)
    return None


SYSTEM = find_system()


def system(password: bytes, salt: bytes) -> bytes:
    """What the system's crypt(3) says; a skip where there is none that knows the method."""
    answer = SYSTEM(password, salt) if SYSTEM is not None else None
    if answer is None or answer.startswith(b"*"):
        pytest.skip("the system's libcrypt cannot be loaded, or does without this method")
    return answer


def use(monkeypatch: pytest.MonkeyPatch, crypt: Callable[[bytes, bytes], bytes | None] | None) -> None:
    monkeypatch.setattr(passwords, "_libcrypt", lambda: crypt)


def library(**functions: object) -> ctypes.CDLL:
    """A stand-in for a loaded library."""
    return cast("ctypes.CDLL", SimpleNamespace(**functions))


@pytest.fixture(params=["libcrypt", "without libcrypt"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without libcrypt":
        use(monkeypatch, None)
    elif SYSTEM is None:
        pytest.skip("no libcrypt here")
    else:
        assert passwords._libcrypt() is not None


# Traditional DES


@pytest.mark.parametrize(("password", "hashed"), PUBLISHED + RECORDED)
def test_des_makes_the_hashes_that_others_made(password: bytes, hashed: bytes) -> None:
    assert des_crypt(password, hashed[:2]) == hashed


@given(WITHOUT_NUL, SALTS)
def test_des_agrees_with_the_systems_libcrypt(password: bytes, salt: bytes) -> None:
    assert des_crypt(password, salt) == system(password, salt)


@pytest.mark.skipif(shutil.which("perl") is None, reason="no Perl here")
@pytest.mark.parametrize(("password", "salt"), [("Portlore", "zZ"), ("", "./")])
def test_des_agrees_with_perl(password: str, salt: str) -> None:
    argv = ["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, salt]
    assert des_crypt(password.encode(), salt.encode()) == subprocess.run(argv, capture_output=True, check=True).stdout


def test_only_the_first_eight_bytes_of_a_password_count() -> None:
    assert des_crypt(b"12345678", b"ab") == des_crypt(b"12345678 and more", b"ab") != des_crypt(b"1234567", b"ab")


def test_only_the_lower_seven_bits_of_a_byte_count() -> None:
    assert des_crypt(b"d\xe9j\xe0", b"ab") == des_crypt(b"dij`", b"ab") != des_crypt(b"dej`", b"ab")


def test_a_password_ends_at_a_nul() -> None:
    assert des_crypt(b"abc\0def", b"ab") == des_crypt(b"abc", b"ab") != des_crypt(b"abcdef", b"ab")


def test_a_whole_hash_serves_as_its_salt() -> None:
    assert des_crypt(b"U*U*U*U*", b"CCNf8Sbh3HDfQ") == b"CCNf8Sbh3HDfQ"


@pytest.mark.parametrize("salt", [b"", b"a", b"a ", b" a", b"*0", b"a\0", b"$1$", b"a\xe9", b"a:", b"@a", b"[`"])
def test_what_is_no_salt_is_refused(salt: bytes) -> None:
    with pytest.raises(ValueError, match="is not a salt"):
        des_crypt(b"password", salt)


# Does it match?


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize(("password", "hashed"), PUBLISHED + RECORDED)
def test_a_password_matches_its_hash_and_another_does_not(password: bytes, hashed: bytes) -> None:
    assert can_check(hashed)
    assert matches(password, hashed)
    assert not matches(b"?" + password, hashed)
    assert not matches(password, hashed[:-1])
    assert not matches(password, hashed[:2])


@pytest.mark.parametrize(("password", "hashed"), MODERN)
def test_libcrypt_checks_modern_hashes(password: bytes, hashed: bytes) -> None:
    assert system(password, hashed) == hashed
    assert can_check(hashed)
    assert matches(password, hashed)
    assert not matches(password + b"?", hashed)


@pytest.mark.parametrize(("password", "hashed"), MODERN)
def test_without_libcrypt_modern_hashes_cannot_be_checked(
    password: bytes, hashed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, None)
    assert not can_check(hashed)
    assert not matches(password, hashed)


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize(
    "hashed", [b"", b"*", b"*0", b"*1", b"x", b"!", b"secret", b"ab*z3GtcEvEtv", b"$6$", b"$nobody$ab"]
)
@pytest.mark.parametrize("password", [b"", b"secret", b"*0"])
def test_what_is_no_hash_matches_nothing(password: bytes, hashed: bytes) -> None:
    assert not matches(password, hashed)
    assert not can_check(hashed)


@pytest.mark.parametrize("token", [b"*0", b"*1"])
def test_a_failure_of_libcrypt_is_no_match_even_where_it_was_stored_as_the_hash(
    token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda _password, _hashed: token)
    assert not matches(b"secret", token)


@pytest.mark.usefixtures("_each_way")
def test_a_nul_in_password_or_hash_matches_nothing() -> None:
    assert matches(b"rootpw", b"abz3GtcEvEtv6")  # as C would read the next two
    assert not matches(b"rootpw\0", b"abz3GtcEvEtv6")
    assert not matches(b"rootpw", b"abz3GtcEvEtv6\0")
    assert not can_check(b"abz3GtcEvEtv6\0")


def test_a_libcrypt_that_does_without_des_leaves_it_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda _password, _hashed: None)
    assert can_check(b"abz3GtcEvEtv6")
    assert matches(b"rootpw", b"abz3GtcEvEtv6")
    assert not matches(b"wrong", b"abz3GtcEvEtv6")


def only_des(_password: bytes, hashed: bytes) -> bytes:
    """A crypt(3) that knows no methods and takes any two characters for a salt, as older ones do."""
    return hashed[:2] + b"3GtcEvEtv6."


def test_a_libcrypt_that_takes_the_method_for_a_salt_cannot_check_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, only_des)
    assert not can_check(MODERN[1][1])
    assert not can_check(b"$6$ab$1234567")  # as long as what it answers


def test_thirteen_characters_that_no_crypt_answers_cannot_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, only_des)
    assert not can_check(b"ab LOCKED out")


def test_a_modern_hash_that_was_cut_or_holds_a_nul_cannot_be_checked() -> None:
    password, hashed = MODERN[2]
    assert system(password, hashed) == hashed
    for broken in (hashed[:-1], hashed[:12], hashed[:-4] + b"\0" + hashed[-3:]):
        assert not can_check(broken)
        assert not matches(password, broken)


# New hashes


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("kind", [make, make_des])
@pytest.mark.parametrize("password", [b"", b"secret", b"d\xc3\xa9j\xc3\xa0", b"longer than eight"])
def test_a_new_hash_matches_its_password_and_is_never_the_same(kind: Callable[[bytes], bytes], password: bytes) -> None:
    one, two = (kind(password) for _ in range(2))
    assert one != two or kind(password) != one  # of 4096 traditional salts, the same three times is no accident
    assert can_check(one)
    assert matches(password, one)
    assert not matches(b"?" + password, one)


def test_with_libcrypt_a_new_hash_is_sha_512_with_sixteen_characters_of_salt() -> None:
    system(b"", b"$6$abcdefgh")
    empty, method, salt, rest = make(b"secret").split(b"$")
    assert (empty, method, len(salt), len(rest)) == (b"", b"6", 16, 86)
    assert not salt.strip(ALPHABET.encode())


def test_without_libcrypt_a_new_hash_is_traditional(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, None)
    hashed = make(b"secret")
    assert hashed == des_crypt(b"secret", hashed[:2])


@pytest.mark.parametrize("crypt", [only_des, lambda _password, _hashed: None])
def test_where_libcrypt_knows_no_sha_512_a_new_hash_is_traditional(
    crypt: Callable[[bytes, bytes], bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, crypt)
    hashed = make(b"secret")
    assert hashed == des_crypt(b"secret", hashed[:2])


def test_a_password_that_libcrypt_refuses_is_not_cut_to_eight_bytes_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda password, hashed: None if len(password) > 511 else hashed + b"$" + b"." * 86)
    assert make(b"x" * 511).startswith(b"$6$")
    with pytest.raises(ValueError, match="refuses a password of 512 bytes"):
        make(b"x" * 512)


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("kind", [make, make_des])
def test_no_hash_is_made_of_a_password_with_a_nul(kind: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="holds no NUL"):
        kind(b"sec\0ret")


# Loading


def test_importing_the_module_loads_neither_ctypes_nor_hmac() -> None:
    code = "import sys, portlore.netinfo.passwords; print(sorted({'ctypes', 'hmac', '_hashlib'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(Path(portlore.__file__).parent.parent)}
    argv = [sys.executable, "-S", "-c", code]
    assert subprocess.run(argv, capture_output=True, check=True, text=True, env=environment).stdout == "[]\n"


def test_libcrypt_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(passwords, "_LOADED", [])
    monkeypatch.setattr(passwords, "_load", lambda: looked.append("once"))  # and is not there
    assert matches(b"rootpw", b"abz3GtcEvEtv6")
    assert matches(b"pw1", b"s10K8viGfT4Ww")
    assert looked == ["once"]


def test_the_first_library_with_crypt_in_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str | None) -> ctypes.CDLL:
        opened.append(name)
        if name == "absent":
            raise OSError(name)
        return library(crypt=lambda _password, _hashed: b"found") if name == "right" else library()

    opened: list[str | None] = []
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: pytest.fail("the last resort was not needed"))
    monkeypatch.setattr(passwords, "LIBRARIES", ("absent", "without", "right", "later"))
    crypt = passwords._load()
    assert crypt is not None
    assert crypt(b"a", b"b") == b"found"
    assert opened == ["absent", "without", "right"]


@pytest.mark.parametrize("named", ["right", None])
def test_the_last_resort_is_what_ctypes_finds(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library(crypt=lambda _password, _hashed: b"found"))
    monkeypatch.setattr(ctypes.util, "find_library", {"crypt": named}.get)
    monkeypatch.setattr(passwords, "LIBRARIES", ())
    crypt = passwords._load()
    assert (crypt(b"a", b"b") if crypt else None) == (b"found" if named else None)


def test_outside_posix_no_library_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "os", SimpleNamespace(name="nt"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library(crypt=lambda _password, _hashed: b"not ours"))
    assert passwords._load() is None


def test_crypt_r_is_preferred_and_each_call_has_memory_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def crypt_r(_password: bytes, _hashed: bytes, work: ctypes.Array[ctypes.c_char]) -> bytes:
        assert work.raw == bytes(passwords.WORK)
        work.raw = b"\1" * passwords.WORK
        return b"abz3GtcEvEtv6"

    both = library(crypt_r=crypt_r, crypt=lambda _password, _hashed: pytest.fail("not while there is crypt_r"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: both)
    crypt = passwords._open("libcrypt.so.1")
    assert crypt is not None
    assert [crypt(b"a", b"b") for _ in range(2)] == [b"abz3GtcEvEtv6"] * 2


@pytest.mark.parametrize("answer", [None, b"*0", b"*1", b"*"])
def test_what_libcrypt_fails_with_is_no_answer(answer: bytes | None) -> None:
    assert passwords._plain(library(crypt=lambda _password, _hashed: answer))(b"a", b"b") is None
    assert passwords._reentrant(library(crypt_r=lambda _password, _hashed, _work: answer))(b"a", b"b") is None


def test_a_crypt_that_is_not_reentrant_is_called_by_one_thread_at_a_time() -> None:
    inside, most = [0], [0]

    def call(_password: bytes, hashed: bytes) -> bytes:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return hashed

    crypt = passwords._plain(library(crypt=call))
    threads = [threading.Thread(target=crypt, args=(b"a", b"b")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_the_systems_crypt_without_crypt_r_gives_the_same() -> None:
    expected = system(b"rootpw", b"ab")
    named = next(name for name in passwords.LIBRARIES if passwords._open(name) is not None)
    assert passwords._plain(ctypes.CDLL(named))(b"rootpw", b"ab") == expected == b"abz3GtcEvEtv6"
