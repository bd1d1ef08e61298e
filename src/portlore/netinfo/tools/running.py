"""Edge: what the tools share: their options, how they open a domain, how they end."""

from __future__ import annotations

import os

from portlore.errors import HostError, InputError, NetInfoError, PortloreError
from portlore.netinfo.calling import FAILED
from portlore.netinfo.client import open_domain, open_server, told
from portlore.netinfo.disk.reading import names_a_store, open_store
from portlore.netinfo.handle import NODIR
from portlore.netinfo.hierarchy import Astray
from portlore.netinfo.values import NUMBERS, NiId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
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
TO_DO = {
    NUMBERS[name]: do
    for name, do in (
        ("STALE", "try again"),
        ("PERM", "call as somebody who may write there: -u USER"),
        ("NODIR", "see what is there: niutil -list DOMAIN /"),
        ("NOPROP", "see what is there: niutil -read DOMAIN PATH"),
        ("NORESPONSE", "wait until the parent domain is found, or name HOST/TAG: -t"),
        ("RDONLY", "write to the domain's master"),
        ("AUTHERROR", "check the password"),
        ("NOUSER", "name a user of that domain: -u USER"),
        ("MASTERBUSY", "try again; niutil -R does"),
        ("FAILED", "see that the server runs, or give it more time: -T SECONDS"),
    )
}


class Ended(Exception):
    """A tool is done for: its exit code, and what it says (without a line's end).

    ``mark`` stands between the tool's name and the text; without one the text stands alone. ``before``: a line above
    it. ``asked``, ``found`` and ``do`` are the same for scripts; without them the text is what was found.
    """

    def __init__(
        self,
        code: int,
        text: bytes = b"",
        mark: bytes | None = b": ",
        *,
        before: bytes = b"",
        asked: str = "",
        found: str = "",
        do: str = "",
    ) -> None:
        super().__init__(code, text)
        self.code, self.text, self.mark, self.before = code, text, mark, before
        self.asked, self.found, self.do = asked, found, do


class Unopened(Ended):
    """There is no domain to work on."""


class Misused(Exception):
    """The words make no sense: the tool says a text, if there is one, and prints its usage."""

    def __init__(self, text: bytes = b"", mark: bytes | None = b": ") -> None:
        super().__init__(text)
        self.text, self.mark = text, mark


class Unknown(Misused):
    """An option that the tool does not have."""

    def __init__(self, option: str) -> None:
        super().__init__()
        self.option = option


class Helped(Exception):
    """The words ask for help."""


class Options:
    """What stands before a tool's own words. ``flags``: those that were given; ``words``: all that is none.

    ``domain``: what ``-t`` names where it takes a word. ``streams``: stdin and stderr, for the password where there is
    no terminal to ask at.
    """

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.words: list[str] = []
        self.domain: str | None = None
        self.user: str | None = None
        self.password: str | None = None
        self.prompt = False
        self.timeout = TIMEOUT
        self.streams: tuple[BinaryIO, BinaryIO] | None = None

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
            password = _asked(self.streams)
        return os.fsencode(self.user or user or "root"), os.fsencode(password or "")


def parse_options(
    arguments: Sequence[str],
    own: Iterable[str],
    words: int,
    *,
    credentials: bool = True,
    tagged: Callable[[str], bool] | None = None,
    strict: bool = True,
) -> Options:
    """The options among the first ``words`` words, everything behind those as it is; :class:`Misused` for others.

    ``own``: the flags of the tool itself; ``credentials``: it also takes -u, -p and -P; ``tagged``: which words behind
    -t are the domain, wherever that stands; without ``strict`` an option that is none is a word. Single letters may be
    written together.
    """
    known = {*own, "-t", "--json", *(("-p",) if credentials else ())}
    valued = ("-u", "-P", "-T") if credentials else ("-T",)
    options = Options()
    waiting = list(arguments)
    while waiting and len(options.words) < words:
        word = waiting.pop(0)
        if word == "--help":
            raise Helped
        if word in valued:
            if not waiting:
                raise too_few(word) if credentials else Misused
            _take(options, word, waiting.pop(0))
        elif word in known:
            options.flags.add(word)
            if word == "-t" and tagged is not None and waiting and tagged(waiting[0]):
                options.domain = waiting.pop(0)
        elif len(word) > 2 and word[0] == "-" and all("-" + letter in known for letter in word[1:]):
            options.flags |= {"-" + letter for letter in word[1:]}
        elif len(word) > 1 and word[0] == "-" and strict:
            raise Unknown(word)
        else:
            options.words.append(word)
    options.words += waiting
    options.prompt = credentials and "-p" in options.flags
    return options


def too_few(word: str) -> Misused:
    """What the tools say when words are missing behind one."""
    return Misused(b"insufficient number of arguments for " + os.fsencode(word))


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


def _asked(streams: tuple[BinaryIO, BinaryIO] | None) -> str:
    """A password from the terminal; where there is none, from stdin, unless that holds what is to be loaded."""
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("Password: ")
        except getpass.GetPassWarning:  # no terminal: it would show
            if streams is None:
                raise Ended(1, b"no terminal to ask for a password; -P gives it") from None
        except (EOFError, OSError):
            raise Ended(1, b"no password") from None
    stdin, stderr = streams
    stderr.write(b"Password: ")
    line = stdin.readline()
    if not line:
        raise Ended(1, b"no password")
    return os.fsdecode(line.rstrip(b"\r\n"))


def opened(options: Options, domain: str, user: str | None = None) -> Handle:
    """The domain that a tool is about; :class:`Unopened` without it. ``user``: whom it calls as if nobody is named."""
    name = os.fsencode(domain)
    if "-raw" in options.flags or ("-t" not in options.flags and names_a_store(domain)):
        return _opened_store(domain)
    who = options.credentials(user)
    try:
        by_tag = "-t" in options.flags
        handle = open_server(name, options.timeout) if by_tag else open_domain(name, options.timeout)
    except PortloreError as error:
        _refuse(error, name, by_tag="-t" in options.flags)
    if who is not None:
        try:
            handle.set_user(*who)
        except NetInfoError:
            pass  # the server will say so, as it did to the tools of old
    return handle


def _opened_store(domain: str) -> Handle:
    """The domain in the folder of an old store."""
    try:
        return open_store(domain)
    except PortloreError as error:
        what = b"can't open domain " + os.fsencode(domain) + b": " + error.found.encode("utf-8", "surrogateescape")
        raise Unopened(CONNECTED, what, asked=error.asked, found=error.found, do=error.do) from None


def _refuse(error: PortloreError, name: bytes, *, by_tag: bool) -> NoReturn:
    """End without a domain."""
    found, do = error.found, error.do
    if isinstance(error, NetInfoError) and not isinstance(error, Astray):
        found, do = told(error.status), TO_DO.get(error.status, TO_DO[FAILED])
    if not by_tag:
        what = b"can't connect to server for domain " + name
        if isinstance(error, Astray):  # where the originals called for ever, or took another domain for the root
            shown = what + b": " + error.found.encode("utf-8", "backslashreplace")
            raise Unopened(CONNECTED, shown, asked=text(what), found=found, do=do) from None
        raise Unopened(CONNECTED, what, asked=text(what), found=found, do=do) from None
    if isinstance(error, InputError | HostError):
        what = b"incorrect format for domain %b (%b)" % (name, error.found.encode())
        lost = b"Can't find address for %b\n" % name.partition(b"/")[0] if isinstance(error, HostError) else b""
        usage = b"\nusage: -t <host>/<tag>\n<host> can be a host name or IP address"
        code = FORMATS.get(error.found, 1)
        raise Unopened(code, what + usage, before=lost, asked=text(name), found=found, do=do) from None
    what = b"can't connect to server " + name
    reason = told(FAILED) if isinstance(error, NetInfoError) else str(error)
    raise Unopened(COMMUNICATION, what + b": " + reason.encode(), asked=text(what), found=found, do=do) from None


def failed(what: bytes, refusal: NetInfoError, mark: bytes | None = b": ", base: int = 100) -> NoReturn:
    """End with a status."""
    code = COMMUNICATION if refusal.status == FAILED else (base + refusal.status) & 0xFF
    found, do = told(refusal.status), TO_DO.get(refusal.status, "see the status in the documentation of NetInfo")
    if isinstance(refusal, Astray):
        found, do = refusal.found, refusal.do
    shown = what + b": " + found.encode("utf-8", "backslashreplace")
    raise Ended(code, shown, mark, asked=text(what), found=found, do=do)


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


def print_json(stream: BinaryIO, **document: Any) -> None:
    """An object as one line of JSON."""
    import json

    stream.write(json.dumps(document).encode() + b"\n")


def lines(found: Properties) -> bytes:
    """Properties as the tools print them: ``name: value value``."""
    return b"".join(b"%b:%b\n" % (one.name, b"".join(b" " + value for value in one.values)) for one in found)
