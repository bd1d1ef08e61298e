"""Which program serves what, as sections of a packed file and back, and finding a process's program. Pure."""

from __future__ import annotations

from portlore.packed import Lines, pack
from portlore.seen import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

INTERPRETERS = ("python", "java", "node", "nodejs", "ruby", "perl", "php", "beam.smp", "mono", "dotnet", "deno", "bun",
                "lua", "guile", "tclsh", "sh", "bash", "busybox", "gjs", "erl", "R")  # fmt: skip
BETWEEN = "\x1f"  # ASCII's unit separator; the schema lets no control character in


def stem_of(name: str) -> str:
    """A program's name without a version at its end: ``python3.11`` is ``python``, ``php-fpm8.2`` is ``php-fpm``."""
    return name.rstrip("0123456789.-") or name


def _is_long(argument: str) -> bool:
    """Whether an argument is more than one word of a path: ``ng serve``, ``.bin/vite``."""
    return " " in argument or "/" in argument


def _index(words: Iterable[tuple[str, int]]) -> bytes:
    """Words with the numbers of their lines, one after the other: a word is found by searching the bytes."""
    return b"\n" + b"".join(f"{word}\t{line}\n".encode() for word, line in words)


def pack_programs(programs: Sequence[Program]) -> bytes:
    """Programs as one file."""
    lines = []
    for one in programs:
        lists = (BETWEEN.join(words) for words in (one.names, one.arguments, one.services, one.uses))
        lines.append("\t".join((*lists, one.what)))
    arguments = [(word, number) for number, one in enumerate(programs) for word in one.arguments]
    return pack(
        {
            **Lines.sections("programs", lines),
            "names": _index((name, number) for number, one in enumerate(programs) for name in one.names),
            "arguments": _index((word, number) for word, number in arguments if not _is_long(word)),
            "phrases": _index((word, number) for word, number in arguments if _is_long(word)),
        }
    )


class Programs:
    """All programs, found by what a process shows. Immutable to its users; decodes a program when it is found."""

    def __init__(self, lines: Lines, names: bytes, arguments: bytes, phrases: bytes) -> None:
        self._lines, self._names, self._arguments, self._phrases = lines, names, arguments, phrases
        self._known: dict[int, Program] = {}

    @classmethod
    def of(cls, sections: Mapping[str, memoryview]) -> Programs:
        """The programs in the sections of a packed file."""
        indexes = [bytes(sections.get(name, b"")) for name in ("names", "arguments", "phrases")]
        return cls(Lines.of(sections, "programs"), *indexes)

    def __iter__(self) -> Iterator[Program]:
        return (self._program(number) for number in range(len(self._lines)))

    def __len__(self) -> int:
        return len(self._lines)

    def _program(self, number: int) -> Program:
        found = self._known.get(number)
        if found is None:
            *lists, what = self._lines[number].split("\t")
            names, arguments, services, uses = [tuple(words.split(BETWEEN)) if words else () for words in lists]
            found = self._known[number] = Program(names, arguments, services, uses, what)
        return found

    def _find(self, index: bytes, word: str) -> Program | None:
        if not word or not word.isprintable():
            return None
        key = f"\n{word}\t".encode()
        at = index.find(key)
        return None if at < 0 else self._program(int(index[at + len(key) : index.index(b"\n", at + len(key))]))

    def named(self, name: str) -> Program | None:
        """By the file name of an executable or a process's own name, also with a version at its end."""
        return self._find(self._names, name) or self._find(self._names, stem_of(name))

    def find(self, name: str, path: str, command: Callable[[], Sequence[str]]) -> Program | None:
        """The program of a process: by its executable's ``path``; under an interpreter by its ``command`` line.

        What a process calls itself (``name``) counts only under an interpreter or where the path may not be read.
        """
        file = path.rpartition("/")[2]
        if file.startswith(".") and file.endswith("-wrapped"):  # as NixOS wraps programs
            file = file[1:].removesuffix("-wrapped")
        if file:
            found = self.named(file)
            if found is not None or stem_of(file) not in INTERPRETERS:
                return found
            if (found := self._under_interpreter(command())) is not None:
                return found
        return self.named(name)

    def _under_interpreter(self, words: Sequence[str]) -> Program | None:
        """By an argument (a whole word, a path's end, what stands before an @), else by the script's name or title."""
        for word in words[1:]:
            for part in (word, word.rpartition("/")[2], word.partition("@")[0]):
                if (found := self._find(self._arguments, part)) is not None:
                    return found
        line = f" {' '.join(words)} "
        for entry in self._phrases.decode().split("\n"):
            phrase, _, number = entry.partition("\t")
            if phrase and (f" {phrase} " in line or f"/{phrase} " in line):
                return self._program(int(number))
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        title = words[0].split(" ")[0].rstrip(":") if words else ""
        return self.named(script.rpartition("/")[2]) or self.named(title)
