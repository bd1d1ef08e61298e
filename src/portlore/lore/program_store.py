"""Which program serves what, as sections of a packed file and back, and finding a process's program. Pure."""

from __future__ import annotations

from portlore.packed import Lines, pack
from portlore.seen import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

INTERPRETERS = ("python", "java", "node", "nodejs", "ruby", "perl", "php", "beam.smp", "mono", "dotnet", "deno", "bun",
                "lua", "guile", "tclsh", "sh", "bash", "busybox", "gjs", "erl", "R")  # fmt: skip
BETWEEN = "\x1f"  # ASCII's unit separator; the schema lets no control character in


def stem_of(name: str) -> str:
    """A program's name without a version at its end: ``python3.11`` is ``python``, ``php-fpm8.2`` is ``php-fpm``."""
    return name.rstrip("0123456789.-") or name


def _is_long(argument: str) -> bool:
    """Whether an argument is more than one word of a path: ``ng serve``, ``.bin/vite``."""
    return " " in argument or "/" in argument


def pack_programs(programs: Sequence[Program]) -> bytes:
    """Programs as one file."""
    lines = []
    for one in programs:
        lists = (BETWEEN.join(words) for words in (one.names, one.arguments, one.services, one.uses))
        lines.append("\t".join((*lists, one.what)))
    return pack(Lines.sections("programs", lines))


class Programs:
    """All programs, found by what a process shows. Immutable to its users."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._all = tuple(programs)
        self._by_name = {name: one for one in reversed(self._all) for name in one.names}
        arguments = [(word, one) for one in reversed(self._all) for word in one.arguments]
        self._by_argument = {word: one for word, one in arguments if not _is_long(word)}
        self._by_phrase = [(word, one) for word, one in arguments if _is_long(word)]

    @classmethod
    def of(cls, sections: Mapping[str, memoryview]) -> Programs:
        """The programs in the sections of a packed file."""
        found = []
        for line in Lines.of(sections, "programs"):
            *lists, what = line.split("\t")
            names, arguments, services, uses = [tuple(words.split(BETWEEN)) if words else () for words in lists]
            found.append(Program(names, arguments, services, uses, what))
        return cls(found)

    def __iter__(self) -> Iterator[Program]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def named(self, name: str) -> Program | None:
        """By the file name of an executable or a process's own name, also with a version at its end."""
        return self._by_name.get(name) or self._by_name.get(stem_of(name))

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
                if (found := self._by_argument.get(part)) is not None:
                    return found
        line = f" {' '.join(words)} "
        for phrase, one in self._by_phrase:
            if f" {phrase} " in line or f"/{phrase} " in line:
                return one
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        title = words[0].split(" ")[0].rstrip(":") if words else ""
        return self.named(script.rpartition("/")[2]) or self.named(title)
