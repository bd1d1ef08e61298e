"""Edge of the command: writing to the terminal or the pipe, and what the reader at the other end can see."""

from __future__ import annotations

import os

from portlore.render.terminal import NARROW, WIDE, Style, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from portlore.errors import PortloreError
    from portlore.render.formats import Document

PIPE_WIDTH = 80  # columns where nobody tells
CHUNK = 1 << 16  # characters gathered before a write


class Output:
    """Data to ``out``, talk to ``talk``."""

    def __init__(self, out: TextIO, talk: TextIO) -> None:
        self._out, self._talk = out, talk
        self._style: Style | None = None

    @property
    def terminal(self) -> bool:
        """Whether somebody looks at the data on a terminal."""
        return self._out.isatty()

    @property
    def style(self) -> Style:
        """How to write pages for this reader: colour only on a terminal and without ``NO_COLOR``."""
        if self._style is None:
            environment = os.environ
            terminal = self._out.isatty()
            width = PIPE_WIDTH
            told = environment.get("COLUMNS", "")
            if told.isascii() and told.isdigit() and len(told) < 6 and int(told):
                width = int(told)
            elif terminal:
                try:
                    width = os.get_terminal_size(self._out.fileno()).columns or PIPE_WIDTH
                except (OSError, ValueError):
                    width = PIPE_WIDTH
            forced = environment.get("FORCE_COLOR", "") not in ("", "0")
            colour = (terminal or forced) and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
            unicode = (getattr(self._out, "encoding", None) or "").lower().replace("-", "") in ("utf8", "utf8mb4")
            self._style = Style(max(NARROW, min(width, WIDE)), colour, unicode)
        return self._style

    def write(self, text: str) -> None:
        """Data, as it is."""
        try:
            self._out.write(text)
        except UnicodeEncodeError:
            encoding = self._out.encoding or "ascii"
            self._out.write(text.encode(encoding, "replace").decode(encoding))

    def _write_json(self, text: str) -> None:
        """JSON keeps every character: where the encoding has none for it, as an escape (RFC 8259 section 7)."""
        try:
            self._out.write(text)
        except UnicodeEncodeError:
            units = text.encode("utf-16-be", "surrogatepass")
            pairs = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
            self._out.write("".join(chr(unit) if unit < 0x7F else f"\\u{unit:04x}" for unit in pairs))

    def flush(self) -> None:
        """Send what is written on its way."""
        self._out.flush()

    def lines(self, lines: Iterable[str]) -> None:
        """A page."""
        self.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def document(self, document: Document, form: str) -> None:
        """A document in one of the machine-readable forms, written as it is made."""
        from portlore.render.formats import FORMATS

        write = self.write if form == "csv" else self._write_json
        gathered, size = [], 0
        for piece in FORMATS[form](document):
            gathered.append(piece)
            size += len(piece)
            if size > CHUNK:
                write("".join(gathered))
                gathered, size = [], 0
        write("".join(gathered))
        self._out.flush()

    def say(self, text: str) -> None:
        """Talk: to stderr, one line."""
        print(clean(text), file=self._talk, flush=True)

    def progress(self, text: str) -> None:
        """A line of progress on a terminal, written over the one before; an empty text clears it."""
        if self._talk.isatty():
            self._talk.write(f"\r\x1b[K{clean(text)}")
            self._talk.flush()

    def complain(self, error: PortloreError, *, as_json: bool = False) -> None:
        """An error: one line for people, an object for scripts."""
        if as_json:
            import json

            told = {"error": {"asked": error.asked, "found": error.found, "do": error.do}}
            print(json.dumps(told, ensure_ascii=False), file=self._talk, flush=True)
        else:
            self.say(f"portlore: {error}")

    def abandon(self) -> None:
        """Stop writing quietly after the reader went away."""
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, self._out.fileno())
