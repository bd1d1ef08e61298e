"""The page of ``portlore listening`` for eyes: a line a socket, and under it what explains it."""

from __future__ import annotations

from portlore.render.sockets import PROTOCOLS, address_and_port
from portlore.render.terminal import BOLD, CYAN, DIM, GREEN, RED, YELLOW, Style, clean, columns_of
from portlore.seen import Exposure, Family, Hidden, JudgementWord, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portlore.seen import Listener, Owner

JUDGEMENT_STYLE = {
    JudgementWord.EXPECTED: ("✔", "+", GREEN),
    JudgementWord.CUSTOMARY: ("✔", "+", CYAN),
    JudgementWord.REFUTED: ("✘", "x", RED),
    JudgementWord.SQUATTING: ("✘", "x", RED),
    JudgementWord.UNREGISTERED: ("○", "o", YELLOW),
    JudgementWord.UNKNOWN: ("?", "?", DIM),
}
CLIENT_STYLE = ("→", ">", DIM)
EXPOSURE_STYLE = {Exposure.ALL: YELLOW, Exposure.PUBLIC: YELLOW}
FAMILY_WORDS = {
    Family.IPV4: "",
    Family.IPV6: " v6 only",
    Family.DUAL: " v4+v6",
    Family.MAPPED: " v4",
    Family.UNTOLD: " v6, v4?",
}
SHORT = {"udplite": "udpl", "ipv6-icmp": "icmpv6"}
PORT, REACH, WORD = 11, 10, 12  # columns
SHORTEST = 14  # columns that the address always has
SLIM = 70  # columns below which a socket has no table line of its own
MANY_OWNERS = 3


def port_text(one: Listener) -> str:
    """``22/tcp``; a raw socket by its IP protocol."""
    if one.socket.transport == "raw":
        name = PROTOCOLS.get(one.socket.port, str(one.socket.port))
        return f"{SHORT.get(name, name)}/raw"
    return f"{one.socket.port}/{SHORT.get(one.socket.transport, one.socket.transport)}"


def address_text(one: Listener) -> str:
    """Where a socket is bound; the wildcard as ``*`` with the families that it serves."""
    socket = one.socket
    everywhere = f"*{FAMILY_WORDS[socket.family] or ' v4'}"
    where = everywhere if socket.exposure is Exposure.ALL else socket.address
    return f"{where} on {socket.device}" if socket.device else where


def owner_text(owners: Sequence[Owner]) -> str:
    """Who holds a socket, in a few words: names with their processes, and the user."""
    by_name: dict[str, tuple[list[int], list[str]]] = {}
    for owner in owners:
        process = owner.process
        pids, users = by_name.setdefault(process.name if isinstance(process, Process) else _hidden(owner), ([], []))
        if isinstance(process, Process):
            pids.append(process.pid)
        user = owner.user if owner.user is not None else "" if owner.uid is None else str(owner.uid)
        if user and user not in users:
            users.append(user)
    parts = []
    for name, (pids, users) in by_name.items():
        numbers = f"{pids[0]}" + (f"+{len(pids) - 1}" if len(pids) > 1 else "") if pids else ""
        parts.append(" ".join(filter(None, (name, numbers, f"({', '.join(users)})" if users else ""))))
    left = len(parts) - MANY_OWNERS
    return ", ".join(parts[:MANY_OWNERS]) + (f" and {left} more" if left > 0 else "")


def _hidden(owner: Owner) -> str:
    process = owner.process
    if owner.container is not None:
        return f"container {owner.container.name or owner.container.id[:12]}"
    if owner.unit is not None:
        return owner.unit
    return process.what if isinstance(process, Hidden) and process.reason != "permission" else "hidden"


def merged(listeners: Iterable[Listener]) -> list[list[Listener]]:
    """Sockets that share one address and port (SO_REUSEPORT) together, in order."""
    groups: dict[tuple[object, ...], list[Listener]] = {}
    for one in listeners:
        socket = one.socket
        place = (socket.transport, socket.address, socket.port, socket.family, socket.device, socket.namespace)
        peer = (socket.peer, socket.peer_port)
        judgement = one.judgement.word if one.judgement else ""  # a squatter does not hide behind its neighbour
        groups.setdefault((*place, *peer, judgement), []).append(one)
    return list(groups.values())


class Page:
    """Writes listeners for one reader.

    ``when``: a time in seconds since 1970 as text. ``explain``: give the reason of every socket, not only of those
    that somebody should look at.
    """

    def __init__(self, style: Style, when: Callable[[float], str], *, explain: bool = False) -> None:
        self._style, self._when, self._explain = style, when, explain
        self._places: dict[tuple[str, ...], str] = {}
        self._owners: dict[int, str] = {}
        self._ends: dict[tuple[str | None, str], tuple[str, str]] = {}
        self._belows: dict[int, list[str]] = {}
        self._kept: list[object] = []

    def lines(self, listeners: Iterable[Listener]) -> Iterator[str]:
        """The lines of all sockets, with a heading over the table."""
        slim = self._style.width < SLIM
        if not slim:
            yield self.heading()
        for group in merged(listeners):
            yield from self._slim(group) if slim else self._wide(group)

    def heading(self) -> str:
        """The names of the columns."""
        if self._style.width < SLIM:
            who = _fit("OWNER", max(2, self._style.width - 2 - PORT - WORD))
            return self._style.paint(f"  {_fit('PORT', PORT)}{who}JUDGEMENT", BOLD)
        address, owner = self._widths()
        names = _fit("PORT", PORT) + _fit("ADDRESS", address) + _fit("REACH", REACH) + _fit("OWNER", owner)
        return self._style.paint(f"  {names}JUDGEMENT", BOLD)

    def table_line(self, group: Sequence[Listener]) -> str:
        """One socket, or several on the same address, as one line of exactly this width or less."""
        one = group[0]
        socket, judgement = one.socket, one.judgement
        key = (socket.address, socket.family, socket.exposure, socket.device)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._place(one)
        who = self._owners.get(id(one.owners)) if len(group) == 1 else None
        if who is None:
            who = self._owner_cell(group)
            if len(group) == 1:
                self._owners[id(one.owners)] = who
                self._kept.append(one.owners)  # an id lasts as long as what it names
        ends = self._ends.get((judgement.word, "") if judgement else (None, socket.state))
        if ends is None:
            ends = self.sign(one), self._word(one)
            self._ends[(judgement.word, "") if judgement else (None, socket.state)] = ends
        port = port_text(one)
        return f"{ends[0]} {port.ljust(PORT) if len(port) < PORT else _fit(port, PORT)}{place}{who}{ends[1]}"

    def _place(self, one: Listener) -> str:
        """Address and exposure, where there is room for them."""
        if self._style.width < SLIM:
            return ""
        exposure = one.socket.exposure
        reach = self._style.paint(_fit(exposure, REACH), EXPOSURE_STYLE.get(exposure, DIM))
        return _fit(address_text(one), self._widths()[0]) + reach

    def _owner_cell(self, group: Sequence[Listener]) -> str:
        owners = list(dict.fromkeys(owner for each in group for owner in each.owners))
        slim = self._style.width < SLIM
        return _fit(owner_text(owners), max(2, self._style.width - 2 - PORT - WORD) if slim else self._widths()[1])

    def sign(self, one: Listener) -> str:
        """The judgement as a sign."""
        return self._style.sign(JUDGEMENT_STYLE[one.judgement.word] if one.judgement else CLIENT_STYLE)

    def _word(self, one: Listener) -> str:
        if one.judgement is None:
            return self._style.paint(one.socket.state if one.socket.transport != "raw" else "raw", DIM)
        return self._style.paint(one.judgement.word, JUDGEMENT_STYLE[one.judgement.word][2])

    def _widths(self) -> tuple[int, int]:
        """The columns of address and owner."""
        room = self._style.width - 2 - PORT - REACH - WORD
        address = max(SHORTEST, min(24, room * 2 // 5))
        return address, room - address

    def _wide(self, group: Sequence[Listener]) -> Iterator[str]:
        yield self.table_line(group)
        yield from self.below(group)

    def _slim(self, group: Sequence[Listener]) -> Iterator[str]:
        one = group[0]
        owners = list(dict.fromkeys(owner for each in group for owner in each.owners))
        yield f"{self.sign(one)} {self._style.paint(port_text(one), BOLD)} {self._word(one)}"
        for text in (f"{address_text(one)}, {one.socket.exposure}", owner_text(owners)):
            yield from self._style.paragraph(text, 4)
        yield from self.below(group)

    def below(self, group: Sequence[Listener]) -> list[str]:
        """What explains a socket: its unit, container and command line, and the reason of the judgement."""
        one = group[0]
        socket = one.socket
        alike = len(group) == 1 and not socket.peer and not socket.namespace and len(address_text(one)) < SHORTEST
        lines = self._belows.get(id(one.owners)) if alike else None
        if lines is None:
            parts = self._details(group)
            if len(address_text(one)) >= self._widths()[0]:
                parts.insert(0, address_and_port(socket.address, socket.port))
            dot = " · " if self._style.unicode else " - "
            detail = "    " + self._style.paint(_cut(dot.join(parts), self._style.width - 4), DIM)
            lines = [detail] if parts else []
            if alike:
                self._belows[id(one.owners)] = lines
                self._kept.append(one.owners)
        if self._explain or one.unexpected or (one.judgement is None and socket.port < 1024):
            return [*lines, *self._style.paragraph(one.why, 4)]
        return lines

    def _details(self, group: Sequence[Listener]) -> list[str]:
        one = group[0]
        parts = []
        if one.socket.peer:
            parts.append(f"with {address_and_port(one.socket.peer, one.socket.peer_port)}")
        if one.socket.namespace:
            parts.append(f"in namespace {one.socket.namespace}")
        if len(group) > 1:
            parts.append(f"{len(group)} sockets share it")
        owners = [owner for each in group for owner in each.owners]
        shown = any(isinstance(owner.process, Process) for owner in owners)
        for owner in owners:
            if owner.container is not None:
                name = owner.container.name or owner.container.id[:12]
                parts.append(f"{owner.container.runtime} {name}")
                if owner.container.pod:
                    parts.append(f"pod {owner.container.pod}")
            if owner.unit is not None and shown:
                parts.append(owner.unit)
            process = owner.process
            if isinstance(process, Hidden):
                parts.append(f"{process.what}: {process.do}" if process.do else process.what)
            elif process.command is not None:
                parts.append(" ".join(process.command) or process.program)
                if process.directory and process.directory != "/":
                    parts.append(f"in {process.directory}")
                if process.started is not None:
                    parts.append(f"since {self._when(process.started)}")
        return [clean(part) for part in dict.fromkeys(parts) if part]


def summary(listeners: Sequence[Listener]) -> str:
    """How many there are, by judgement: ``12 sockets: 9 expected, 3 unknown``."""
    counts = dict.fromkeys(JudgementWord, 0)
    clients = 0
    for one in listeners:
        if one.judgement is None:
            clients += 1
        else:
            counts[one.judgement.word] += 1
    parts = [f"{count:,} {word}" for word, count in counts.items() if count]
    parts += [f"{clients:,} not judged"] if clients else []
    number = len(listeners)
    return f"{number:,} socket{'' if number == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")


def _fit(text: str, width: int) -> str:
    """Text in exactly ``width`` columns, the last one blank."""
    plain = _cut(clean(text), width - 1)
    return plain + " " * (width - columns_of(plain))


def _cut(text: str, width: int) -> str:
    """Text in at most ``width`` columns; what is cut is marked."""
    if columns_of(text) <= width:
        return text
    while columns_of(text) > width - 1 and text:
        text = text[: max(0, min(len(text) - 1, width))] if len(text) > width else text[:-1]
    return f"{text}~"
