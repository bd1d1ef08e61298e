"""Which program serves what, as sections of a packed file and back, and finding a process's program. Pure."""

from __future__ import annotations

from itertools import pairwise

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


VALUED = {"-cp", "-classpath", "--class-path", "-p", "--module-path", "-X", "-W", "-r", "--require", "-I",
          "--add-modules", "--add-opens", "--add-exports"}  # fmt: skip
CODE = {"-c", "-e", "--eval", "-E", "-ne", "-pe"}  # what follows is a program in itself, which tells nothing


def run_by(words: Sequence[str]) -> Iterator[str]:
    """What an interpreter's command line says it runs: modules, archives, classes, scripts, an Erlang node's name."""
    rest = iter(words[1:])
    if words and words[0].rpartition("/")[2].startswith("beam"):
        for word, value in pairwise(words):
            if word in ("-sname", "-name", "-s"):
                yield value.partition("@")[0]
        return
    for word in rest:
        if word in CODE:
            return
        if word in ("-m", "-jar", "--module"):
            yield next(rest, "")
            yield next(rest, "")
            return
        if word in VALUED:
            next(rest, "")
        elif not word.startswith(("-", "+")):
            yield word
            yield next(rest, "")
            return
        elif word.startswith("-D"):
            yield word
            yield word.partition("=")[0]


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
        lines.append("\t".join((*lists, "forwards" if one.forwards else "", one.what)))
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
            *lists, forwards, what = self._lines[number].split("\t")
            names, arguments, services, uses = [tuple(words.split(BETWEEN)) if words else () for words in lists]
            found = self._known[number] = Program(names, arguments, services, uses, what, bool(forwards))
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
        """By what an interpreter was told to run: a module, archive, class or script, and the word after it."""
        title = words[0].split(" ")[0].rstrip(":") if words else ""
        told = list(run_by(words))
        for word in told:
            for part in (word, word.rpartition("/")[2]):
                if (found := self._find(self._arguments, part) or self.named(part)) is not None:
                    return found
        line = f" {' '.join(told)} "
        for entry in self._phrases.decode().split("\n"):
            phrase, _, number = entry.partition("\t")
            if phrase and (f" {phrase} " in line or f"/{phrase} " in line):
                return self._program(int(number))
        return self.named(title)
