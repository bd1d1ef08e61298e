"""The full-screen view of ``portlore listening --watch``: what a key does to it, what it shows. Pure.

A :class:`Screen` holds the rows, the cursor and the choices; :meth:`Screen.press` changes it, :meth:`Screen.frame` is
what the terminal shows. Only the rows in sight are ever written, so ten thousand cost no more than fifty.
"""

from __future__ import annotations

from portlore.filtering import SORTS, Choice, in_order, names_of
from portlore.render.listening import Page, merged, port_text, summary
from portlore.render.terminal import BOLD, DIM, GREEN, RED, YELLOW, Style, clean, columns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.seen import Listener

    Group = list[Listener]
    Key = tuple[object, ...]

MARKED = 10.0  # seconds that what appeared and what vanished stays marked
KEYS = "q quit  ↑↓ move  ↵ open  / filter  s sort  e exposed  u unexpected  p pause"
PLAIN_KEYS = "q quit  jk move  enter open  / filter  s sort  e exposed  u unexpected  p pause"
HEAD = 3  # lines above the rows
FOOT = 1  # lines below


def key_of(group: Sequence[Listener]) -> Key:
    """What stays the same of a row while its process is started again."""
    socket = group[0].socket
    judgement = group[0].judgement
    peer = (socket.peer, socket.peer_port, judgement.word if judgement else "")
    return (socket.port, socket.transport, socket.address, socket.family, socket.device, socket.namespace, *peer)


class Screen:
    """What is on the screen, and what was chosen.

    ``detail`` gives the listeners of a row with their command lines, asked only for rows that are expanded.
    """

    def __init__(
        self,
        title: str,
        choice: Choice,
        sort: str,
        when: Callable[[float], str],
        detail: Callable[[Sequence[Listener]], list[Listener]],
    ) -> None:
        self._title, self._when, self._detail = title, when, detail
        self.choice, self.sort = choice, sort
        self.cursor = self.top = 0
        self.typing: str | None = None
        self.filter = ""
        self.paused = self.done = False
        self.expanded: set[Key] = set()
        self._all: tuple[Listener, ...] = ()
        self._known: dict[Key, Group] = {}
        self._came: dict[Key, float] = {}
        self._went: dict[Key, tuple[float, Group]] = {}
        self._rows: list[Group] = []
        self._first = True
        self._counts = ""
        self._notes: tuple[str, ...] = ()

    def update(self, listeners: Sequence[Listener], now: float, notes: Sequence[str] = ()) -> None:
        """Take a new look into account; ``now`` in seconds of any clock that only goes forward.

        ``notes``: what could not be seen.
        """
        self._notes = tuple(notes)
        self._all = tuple(listeners)
        groups = {key_of(group): group for group in merged(filter(self.choice.takes, self._all))}
        if not self._first:
            for key in groups.keys() - self._known.keys():
                self._came[key] = now
                self._went.pop(key, None)
            for key in self._known.keys() - groups.keys():
                self._went[key] = now, self._known[key]
                self._came.pop(key, None)
        self._first = False
        self._known = groups
        self._counts = summary(self._all)
        self._arrange()

    def tick(self, now: float) -> None:
        """Let marks fade."""
        before = len(self._came) + len(self._went)
        self._came = {key: at for key, at in self._came.items() if now - at < MARKED}
        self._went = {key: told for key, told in self._went.items() if now - told[0] < MARKED}
        if before != len(self._came) + len(self._went):
            self._arrange()

    def _arrange(self) -> None:
        """Filter and sort the rows; the cursor stays on its row."""
        here = key_of(self._rows[self.cursor]) if self.cursor < len(self._rows) else None
        groups = [*self._known.values(), *(group for _, group in self._went.values())]
        word = self.filter.lower()
        if word:
            groups = [group for group in groups if any(_holds(one, word) for one in group)]
        order = {id(one): place for place, one in enumerate(in_order((group[0] for group in groups), self.sort))}
        self._rows = sorted(groups, key=lambda group: order[id(group[0])])
        if here is not None and here != (key_of(self._rows[self.cursor]) if self.cursor < len(self._rows) else None):
            self.cursor = next((n for n, group in enumerate(self._rows) if key_of(group) == here), self.cursor)
        self.cursor = max(0, min(self.cursor, len(self._rows) - 1))

    @property
    def rows(self) -> int:
        """How many rows there are to move over."""
        return len(self._rows)

    def press(self, key: str, page: int = 20) -> None:
        """Do what a key says; ``page``: how many rows a page has.

        ``key``: a character, ``up`` ``down`` ``left`` ``right`` ``page-up`` ``page-down`` ``home`` ``end`` ``enter``
        ``escape`` or ``backspace``.
        """
        if self.typing is not None:
            self._type(key)
            return
        moves = {
            "up": -1, "k": -1, "down": 1, "j": 1, "page-up": -page, "page-down": page,
            "home": -self.rows, "g": -self.rows, "end": self.rows, "G": self.rows,
        }  # fmt: skip
        if key in moves:
            self.cursor = max(0, min(self.cursor + moves[key], self.rows - 1))
        elif key in ("enter", "left", "right", " ") and self._rows:
            self.expanded ^= {key_of(self._rows[self.cursor])}
        elif key == "/":
            self.typing = self.filter
        elif key == "escape" and self.filter:
            self.filter = ""
            self._arrange()
        elif key == "s":
            names = list(SORTS)
            self.sort = names[(names.index(self.sort) + 1) % len(names)]
            self._arrange()
        elif key in ("e", "u"):
            name = "exposed" if key == "e" else "unexpected"
            self.choice = self.choice.replace(**{name: not getattr(self.choice, name)})
            self._known = {key_of(group): group for group in merged(filter(self.choice.takes, self._all))}
            self._came, self._went = {}, {}
            self._arrange()
        elif key == "p":
            self.paused = not self.paused
        elif key == "q":
            self.done = True

    def _type(self, key: str) -> None:
        if key == "enter":
            self.typing = None
        elif key == "escape":
            self.typing, self.filter = None, ""
        elif key == "backspace":
            self.typing = (self.typing or "")[:-1]
        elif len(key) == 1 and key.isprintable():
            self.typing = (self.typing or "") + key
        if self.typing is not None:
            self.filter = self.typing
        self._arrange()

    def frame(self, style: Style, height: int, clock: str) -> list[str]:
        """The lines of the screen: ``height`` of them at most, none wider than ``style.width``."""
        page = Page(style.replace(width=style.width - 1), self._when, explain=True)  # a column for marks
        room = max(1, height - HEAD - FOOT)
        self.top = max(0, min(self.top, self.cursor))
        while True:  # the cursor's row with what is expanded under it stays in sight
            body, shown = self._body(page, style, room)
            if shown > self.cursor or self.top >= self.cursor:
                break
            self.top += max(1, self.cursor - shown + 1)
        lines = [self._heading(style, clock), self._status(style), " " + page.heading()]
        lines += body[:room]
        lines += [""] * (height - FOOT - len(lines))
        keys = KEYS if style.unicode else PLAIN_KEYS
        foot = f"filter: {self.typing}_" if self.typing is not None else keys
        return [*lines[: height - FOOT], style.paint(_clip(foot, style.width), DIM)]

    def _heading(self, style: Style, clock: str) -> str:
        left = clean(self._title)
        right = f"{'paused · ' if self.paused else ''}{clock}"
        right = right if style.unicode else right.replace("·", "-")
        gap = style.width - columns_of(left) - columns_of(right)
        return style.paint(_clip(left, style.width), BOLD) + (" " * gap + right if gap > 1 else "")

    def _status(self, style: Style) -> str:
        parts = [self._counts, f"by {self.sort}"]
        parts += [f"filter {self.filter!r}"] if self.filter and self.typing is None else []
        parts += [name for name in ("exposed", "unexpected") if getattr(self.choice, name)]
        parts += [f"+{len(self._came)}"] if self._came else []
        parts += [f"-{len(self._went)}"] if self._went else []
        dot = " · " if style.unicode else " - "
        place = f"{self.cursor + 1}/{self.rows}" if self.rows else "nothing fits"
        return style.paint(_clip(dot.join([*parts, place, *map(clean, self._notes)]), style.width), DIM)

    def _body(self, page: Page, style: Style, room: int) -> tuple[list[str], int]:
        """Lines from the first row in sight on, and the number of the first row that does not fit whole."""
        lines: list[str] = []
        at = self.top
        while at < len(self._rows) and len(lines) < room:
            group = self._rows[at]
            key = key_of(group)
            mark, colour = " ", ""
            if key in self._went:
                mark, colour = "-", RED
            elif key in self._came:
                mark, colour = "+", GREEN
            pointer = ">" if at == self.cursor else mark
            line = page.table_line(group)
            if key in self._went:
                line = style.paint(_clip(f"  {port_text(group[0])} vanished", style.width - 2), DIM)
            lead = style.paint(pointer, BOLD if at == self.cursor else colour or DIM)
            if at == self.cursor and mark != " ":
                lead = style.paint(mark, BOLD, colour or YELLOW)
            block = [lead + line]
            if key in self.expanded:
                block += page.below(self._detail(group))
            if lines and len(lines) + len(block) > room:
                break
            lines += block
            at += 1
        return lines, at


def _holds(one: Listener, word: str) -> bool:
    """Whether any name of a listener, its port or judgement holds what was typed."""
    judgement = one.judgement.word if one.judgement else ""
    texts = (port_text(one), one.socket.exposure, judgement, *names_of(one), *(str(o.user) for o in one.owners))
    return any(word in text.lower() for text in texts)


def _clip(text: str, width: int) -> str:
    if columns_of(text) <= width:
        return text
    while text and columns_of(text) > width:
        text = text[:-1]
    return text
