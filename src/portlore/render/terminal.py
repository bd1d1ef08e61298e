"""What a terminal page is made of: width, colour, signs, wrapped paragraphs. Nothing raw from outside gets through."""

from __future__ import annotations

from portlore.model import Status, Verdict
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
LEFT = 18  # columns for the sign and word in front of a claim
SHORT, LAST_COLUMN = 7, 40  # columns of a table are not cut below the first; the last one is given the second
NARROW, WIDE = 40, 110  # a page is never narrower, nor wider than is pleasant to read

STATUS_STYLE = {  # sign for eyes that see colour badly, a plain letter for terminals without the sign, colour
    Status.ASSIGNED: ("●", "*", GREEN),
    Status.UNASSIGNED: ("○", "o", CYAN),
    Status.RESERVED: ("◆", "#", YELLOW),
    Status.DE_REGISTERED: ("◌", "-", YELLOW),
    Status.NO_ENTRY: ("·", ".", DIM),
    Status.DYNAMIC: ("≈", "~", CYAN),
}
VERDICT_STYLE = {
    Verdict.CONFIRMED: ("✔", "+", GREEN),
    Verdict.DISPUTED: ("≠", "!", YELLOW),
    Verdict.UNVERIFIED: ("?", "?", YELLOW),
    Verdict.CONTRADICTED: ("✘", "x", RED),
}


def clean(text: str) -> str:
    """Text that cannot steer a terminal: control and format characters are shown as escapes, not sent."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def columns_of(text: str) -> int:
    """How many columns a text takes: wide East Asian characters two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def wrap(text: str, width: int) -> list[str]:
    """Words in lines of at most ``width`` columns; a longer word has a line of its own, and is cut when it must be."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while columns_of(word) > width:
            head = word[: max(1, width - 1 if not word.isascii() else width)]
            lines += [line] if line else []
            line, word = "", word[len(head) :]
            lines.append(head)
        if line and columns_of(line) + 1 + columns_of(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


class Style(Value):
    """How to write for one reader: ``width`` in columns, with or without ``colour``, with or without ``unicode``."""

    width: int = 80
    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *codes: str) -> str:
        """Text in a colour, or as it is."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes else text

    def sign(self, style: tuple[str, str, str]) -> str:
        """A coloured sign."""
        return self.paint(style[0] if self.unicode else style[1], style[2])

    def status(self, status: Status) -> str:
        """A status as sign and word."""
        style = STATUS_STYLE[status]
        return f"{self.sign(style)} {self.paint(status, style[2])}"

    def verdict(self, verdict: Verdict) -> str:
        """A verdict as sign and word, and the blanks up to :data:`LEFT`."""
        style = VERDICT_STYLE[verdict]
        return f"  {self.sign(style)} {self.paint(verdict, style[2])}" + " " * (LEFT - 4 - len(verdict))

    def heading(self, text: str) -> str:
        """A heading within a page."""
        return self.paint(text.upper(), BOLD)

    def title(self, left: str, right: str) -> list[str]:
        """A page's first line: bold at the left, dim at the right end; two lines where there is no room."""
        right = right if self.unicode else right.replace("·", "-")
        gap = self.width - columns_of(left) - columns_of(right)
        if gap < 2:
            return [*self.bold(left), *(self.paint(line, DIM) for line in wrap(right, self.width))]
        return [self.paint(clean(left), BOLD) + " " * gap + self.paint(right, DIM)]

    def bold(self, text: str, indent: int = 0, first: str | None = None) -> list[str]:
        """A bold paragraph."""
        lead = " " * indent
        lines = wrap(clean(text), max(12, self.width - indent))
        return [
            (first if first is not None and not n else lead) + self.paint(line, BOLD) for n, line in enumerate(lines)
        ]

    def paragraph(self, text: str, indent: int = 2, first: str | None = None) -> list[str]:
        """A wrapped paragraph; ``first`` stands before its first line in place of the indent."""
        lines = wrap(clean(text), max(12, self.width - indent))
        lead = " " * indent
        return [(first if first is not None and not number else lead) + line for number, line in enumerate(lines)]

    def table(self, rows: Sequence[Sequence[str]], indent: int = 2, gap: int = 2) -> list[str]:
        """Aligned columns; the last one is wrapped into the room that is left."""
        if not rows:
            return []
        cells = [[clean(value) for value in row] for row in rows]
        widths = [max(columns_of(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
        last = min(max(columns_of(row[-1]) for row in cells), LAST_COLUMN)
        while (room := self.width - indent - sum(width + gap for width in widths)) < last and widths:
            if max(widths) <= SHORT:
                break
            widths[widths.index(max(widths))] -= 1
        lines = []
        for row in cells:
            parts = [wrap(value, max(1, width)) or [""] for value, width in zip(row, widths, strict=False)]
            parts.append(wrap(row[-1], max(SHORT, room)) or [""])
            for number in range(max(map(len, parts))):
                line = " " * indent
                for part, width in zip(parts, [*widths, 0], strict=True):
                    text = part[number] if number < len(part) else ""
                    line += text + " " * (width - columns_of(text) + gap if width else 0)
                lines.append(line.rstrip())
        return lines
