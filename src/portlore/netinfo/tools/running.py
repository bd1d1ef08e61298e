"""Edge: what the tools share: their options, how they open a domain, how they end."""

from __future__ import annotations

import os

from portlore.errors import HostError, InputError, NetInfoError, PortloreError
from portlore.netinfo.calling import FAILED
from portlore.netinfo.client import open_domain, open_server, told
from portlore.netinfo.handle import NODIR
from portlore.netinfo.values import NiId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, BinaryIO, NoReturn

    from portlore.netinfo.client import Handle
    from portlore.netinfo.values import Properties

TIMEOUT = 30.0
CONNECTED = 200  # exit: there is no such domain, or nobody serves it
FORMATS = {
    "Bad format": 217,
    "No host": 218,
    "No tag": 219,
    "Host not found": 221,
}  # exits: what is wrong with HOST/TAG
HIGHEST = 0xFFFF_FFFE
COMMUNICATION = 199  # exit: FAILED


class Ended(Exception):
    """A tool is done for: its exit code, and what it says (without a line's end)."""

    def __init__(self, code: int, text: bytes = b"", mark: bytes = b": ") -> None:
        super().__init__(code, text)
        self.code, self.text, self.mark = code, text, mark


class Misused(Exception):
    """The words make no sense: the tool prints its usage."""


class Options:
    """What stands before a tool's own words. ``flags``: those that were given; ``words``: all that is none."""

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.words: list[str] = []
        self.user: str | None = None
        self.password: str | None = None
        self.prompt = False
        self.timeout = TIMEOUT

    @property
    def json(self) -> bool:
        """Whether the answer is for scripts."""
        return "--json" in self.flags

    def credentials(self, user: str | None = None) -> tuple[bytes, bytes] | None:
        """The user and password to call with; ``None`` to call as nobody. ``user``: who it is if nobody is named."""
        prompt = self.user is not None or self.prompt
        if not prompt and self.password is None and user is None:
            return None
        password = self.password
        if password is None and prompt:
            password = _asked()
        return os.fsencode(self.user or user or "root"), os.fsencode(password or "")


def parse_options(arguments: Sequence[str], own: Iterable[str], words: int, *, credentials: bool = True) -> Options:
    """The options among the first ``words`` words, everything behind those as it is; :class:`Misused` for others.

    ``own``: the flags of the tool itself; ``credentials``: it also takes -u, -p and -P. Single letters may be
    written together.
    """
    known = {*own, "-t", "--json", *(("-p",) if credentials else ())}
    valued = ("-u", "-P", "-T") if credentials else ("-T",)
    options = Options()
    waiting = list(arguments)
    while waiting and len(options.words) < words:
        word = waiting.pop(0)
        if word in valued:
            if not waiting:
                raise Misused
            _take(options, word, waiting.pop(0))
        elif word in known:
            options.flags.add(word)
        elif len(word) > 2 and word[0] == "-" and all("-" + letter in known for letter in word[1:]):
            options.flags |= {"-" + letter for letter in word[1:]}
        elif len(word) > 1 and word[0] == "-":
            raise Misused
        else:
            options.words.append(word)
    options.words += waiting
    options.prompt = credentials and "-p" in options.flags
    return options


def _take(options: Options, option: str, value: str) -> None:
    if option == "-u":
        options.user = value
    elif option == "-P":
        options.password = value
    else:
        try:
            options.timeout = float(value)
        except ValueError:
            raise Misused from None
        if not 0 < options.timeout < 1e6:
            raise Misused


def _asked() -> str:
    """A password from the terminal, never from stdin, which may hold what is to be loaded."""
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("Password: ")
        except (getpass.GetPassWarning, EOFError, OSError):
            raise Ended(1, b"no terminal to ask for a password; -P gives it") from None


def opened(options: Options, domain: str, user: str | None = None) -> Handle:
    """The domain that a tool is about; :class:`Ended` without it. ``user``: whom it calls as if nobody is named."""
    name = os.fsencode(domain)
    who = options.credentials(user)
    try:
        by_tag = "-t" in options.flags
        handle = open_server(name, options.timeout) if by_tag else open_domain(name, options.timeout)
    except PortloreError as error:
        if "-t" not in options.flags:
            raise Ended(CONNECTED, b"can't connect to server for domain " + name) from None
        if isinstance(error, InputError | HostError):
            usage = b"\nusage: -t <host>/<tag>\n<host> can be a host name or IP address"
            found = b"incorrect format for domain %b (%b)" % (name, error.found.encode())
            raise Ended(FORMATS.get(error.found, 1), found + usage) from None
        reason = told(FAILED) if isinstance(error, NetInfoError) else str(error)
        raise Ended(COMMUNICATION, b"can't connect to server %b: %b" % (name, reason.encode())) from None
    if who is not None:
        try:
            handle.set_user(*who)
        except NetInfoError:
            pass  # the server will say so, as it did to the tools of old
    return handle


def failed(what: bytes, refusal: NetInfoError, mark: bytes = b": ", base: int = 100) -> NoReturn:
    """End with a status."""
    code = COMMUNICATION if refusal.status == FAILED else (base + refusal.status) & 0xFF
    raise Ended(code, what + b": " + told(refusal.status).encode(), mark)


def directory(handle: Handle, path: bytes) -> NiId:
    """The directory of a path, or of an id: a path of digits alone."""
    if not path.isdigit():
        return handle.search(path)
    if len(path) > 10 or int(path) >= HIGHEST:  # those from there on mean other things to SELF
        raise NetInfoError(NODIR)
    return handle.itself(NiId(int(path), 0))


def text(value: bytes) -> str:
    """A name or value for JSON: UTF-8; other bytes as surrogate escapes."""
    return value.decode("utf-8", "surrogateescape")


def texts(values: Iterable[bytes]) -> list[str]:
    """Values for JSON."""
    return [text(value) for value in values]


def pairs(found: Properties) -> list[list[Any]]:
    """Properties for JSON, as in an export: a list of names with their values."""
    return [[text(one.name), texts(one.values)] for one in found]


def print_json(stdout: BinaryIO, value: Any) -> None:
    """A value as one line of JSON."""
    import json

    stdout.write(json.dumps(value).encode() + b"\n")


def lines(found: Properties) -> bytes:
    """Properties as the tools print them: ``name: value value``."""
    return b"".join(b"%b:%b\n" % (one.name, b"".join(b" " + value for value in one.values)) for one in found)
