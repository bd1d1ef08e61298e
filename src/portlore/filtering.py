"""Choosing and ordering listeners: what ``portlore listening`` takes as questions. Pure."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.model import PortRange, Transport
from portlore.seen import Exposure, JudgementWord, Process
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from portlore.seen import Listener, Owner

TRANSPORTS = (*Transport, "udplite", "raw")


class Wanted(Value):
    """A question: ``ports``, ``transport`` and ``address``, or a ``word`` that names a process, unit or service."""

    ports: PortRange | None
    transport: str | None
    word: str
    address: str = ""


def parse_wanted(text: str) -> Wanted:
    """``5432``, ``:8000-9000``, ``53/udp``, ``127.0.0.1:80``, ``nginx``; :class:`InputError` for what is nearly one."""
    ask = f"listeners of {text!r}"
    if not text.strip(":"):
        raise InputError(ask, "neither a port nor a name", "ask for 5432, :8000-9000 or nginx")
    plain, slash, transport = text.removeprefix(":").partition("/")
    address, colon, port = plain.rpartition(":")
    if not colon or not port[:1].isdigit():
        address, port = "", plain
    number = port.replace("-", "")
    if not (number.isascii() and number.isdigit()) or (address and not _is_address(address)):
        return Wanted(None, None, text)
    if slash and transport.lower() not in TRANSPORTS:
        raise InputError(ask, f"{transport!r} is no transport", f"write {port}/tcp, {port}/udp or {port}")
    return Wanted(PortRange.parse(port), transport.lower() or None, "", address.strip("[]"))


def _is_address(text: str) -> bool:
    """Whether something before a colon may be an address: ``*``, ``127.0.0.1``, ``[::1]``."""
    return text == "*" or (text[0] == "[" and text[-1] == "]") or text.replace(".", "").isdigit()


def fits(one: Listener, wanted: Wanted) -> bool:
    """Whether a listener is an answer to one question."""
    socket = one.socket
    if wanted.ports is not None:
        right = wanted.transport is None or wanted.transport == socket.transport
        if wanted.address:
            wild = wanted.address == "*" and socket.exposure is Exposure.ALL
            right = right and (wild or wanted.address.lower() == socket.address)
        return right and socket.transport != "raw" and socket.port in wanted.ports
    word = wanted.word.lower()
    return any(word == name or word == name.partition(".")[0] for name in names_of(one))


def names_of(one: Listener) -> set[str]:
    """Everything a listener may be asked by, in small letters."""
    found = {name.lower() for name in one.said.names} if one.said else set()
    found.add(one.socket.address)
    for owner in one.owners:
        process = owner.process
        if isinstance(process, Process):
            found |= {process.name.lower(), process.program.rpartition("/")[2].lower()}
        if owner.unit is not None:
            unit = owner.unit.lower()
            found |= {unit, unit.rpartition(".")[0], unit.partition("@")[0]}
        if owner.container is not None:
            found |= {str(owner.container.name or "").lower(), owner.container.id[:12], owner.container.id}
            found.add(str(owner.container.pod or "").rpartition("/")[2])
    return found - {""}


def _users(owner: Owner) -> tuple[str, ...]:
    return (owner.user or "",) if owner.uid is None else (owner.user or "", str(owner.uid))


class Choice(Value):
    """Which listeners to show: any of the ``wanted`` (none: all), and all of the rest that is set."""

    wanted: tuple[Wanted, ...] = ()
    user: str | None = None
    transport: str | None = None
    exposed: bool = False
    unexpected: bool = False

    @property
    def narrow(self) -> bool:
        """Whether anything is left out."""
        return bool(self.wanted or self.user or self.transport or self.exposed or self.unexpected)

    def takes(self, one: Listener) -> bool:
        """Whether a listener is shown."""
        if self.exposed and one.socket.exposure is Exposure.LOOPBACK:
            return False
        if self.unexpected and not one.unexpected:
            return False
        if self.transport is not None and one.socket.transport != self.transport:
            return False
        if self.user is not None and not any(self.user in _users(owner) for owner in one.owners):
            return False
        return not self.wanted or any(fits(one, wanted) for wanted in self.wanted)


WORDS = tuple(JudgementWord)
EXPOSURES = tuple(Exposure)


def _process(one: Listener) -> tuple[str, int]:
    for owner in one.owners:
        if isinstance(owner.process, Process):
            return owner.process.name.lower(), owner.process.pid
    return "~", 0


SORTS: dict[str, Callable[[Listener], Any]] = {  # by name: what comes first
    "port": lambda one: (one.socket.port, one.socket.transport, one.socket.address),
    "process": _process,
    "pid": lambda one: one.held[0][0] if one.held else 0,
    "user": lambda one: one.owners[0].user or "~" if one.owners else "~",
    "exposure": lambda one: -EXPOSURES.index(one.socket.exposure),
    "judgement": lambda one: -WORDS.index(one.judgement.word) if one.judgement else 1,
}


def in_order(listeners: Iterable[Listener], by: str) -> list[Listener]:
    """Listeners sorted by one of :data:`SORTS`, then by port."""
    by_port = sorted(listeners, key=SORTS["port"])
    return by_port if by == "port" else sorted(by_port, key=SORTS[by])


def choose(listeners: Iterable[Listener], choice: Choice, by: str = "port") -> list[Listener]:
    """The listeners that are shown, in order."""
    return in_order(filter(choice.takes, listeners) if choice.narrow else listeners, by)
