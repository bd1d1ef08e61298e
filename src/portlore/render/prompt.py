"""One line that somebody writes: what keys do to it, and the part of it that has room. Pure."""

from __future__ import annotations

from portlore.render.terminal import columns_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Prompt:
    """A line being written. ``then`` is called with its text when it is finished."""

    def __init__(self, label: str, text: str, then: Callable[[str], None]) -> None:
        self.label, self.text, self.then = label, text, then
        self.at = len(text)

    def press(self, key: str) -> None:
        """Write a character, what was pasted, or move; other keys do nothing."""
        moves = {"left": self.at - 1, "right": self.at + 1, "home": 0, "end": len(self.text)}
        moves |= {"\x01": 0, "\x05": len(self.text)}  # Ctrl-A, Ctrl-E
        if key in moves:
            self.at = max(0, min(moves[key], len(self.text)))
        elif key == "backspace":
            self.text = self.text[: max(0, self.at - 1)] + self.text[self.at :]
            self.at = max(0, self.at - 1)
        elif key == "delete":
            self.text = self.text[: self.at] + self.text[self.at + 1 :]
        elif key == "\x15":  # Ctrl-U
            self.text, self.at = self.text[self.at :], 0
        elif key.startswith("paste:"):
            self._write("".join(map(_one_line, key.removeprefix("paste:"))))
        elif len(key) == 1 and key.isprintable():
            self._write(key)

    def _write(self, text: str) -> None:
        self.text = self.text[: self.at] + text + self.text[self.at :]
        self.at += len(text)

    def shown(self, width: int) -> tuple[str, int]:
        """The label and the part of the text around the cursor, ``width`` columns at most; the cursor's column."""
        label = cut(self.label, width // 2) + ": "
        room = max(1, width - columns_of(label) - 1)
        start = self.at
        taken = 0
        while start > 0 and (taken := taken + columns_of(self.text[start - 1])) <= room:
            start -= 1
        before = self.text[start : self.at]
        return cut(label + before + self.text[self.at : self.at + room], width, ""), columns_of(label + before)


def _one_line(character: str) -> str:
    """A pasted character: what does not print as it is written in a value."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def cut(text: str, width: int, mark: str = "…") -> str:
    """Text of at most ``width`` columns; ``mark`` stands at its end where something is missing."""
    whole = len(text)
    text = text[: width + 1]
    if len(text) == whole and columns_of(text) <= width:
        return text
    while text and columns_of(text) + len(mark) > width:
        text = text[:-1]
    return text + mark[:width]


def pad(text: str, width: int, mark: str = "…") -> str:
    """Text of exactly ``width`` columns."""
    text = cut(text, width, mark)
    return text + " " * (width - columns_of(text))


def fold(text: str, width: int, most: int) -> list[str]:
    """Text in pieces of at most ``width`` columns, ``most`` of them; the last one is cut."""
    pieces: list[str] = []
    while len(pieces) < most - 1 and text and (piece := cut(text, width, "")):
        pieces.append(piece)
        text = text[len(piece) :]
    return [*pieces, cut(text, width)] if text or not pieces else pieces
