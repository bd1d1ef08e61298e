"""Which lines cover a port: the index of every table, by interval.

The 65,536 ports fall into runs that the same lines cover. ``starts`` holds the first port of each run; run *i* is
covered by ``members[ends[i - 1]:ends[i]]``. A look-up is one bisection. The three arrays are stored as they are.
"""

from __future__ import annotations

from bisect import bisect_right

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Numbers = Sequence[int]


class Cover(Value):
    """``starts`` (u16, first is 0), ``ends`` and ``members`` (u32), as arrays or views."""

    starts: Numbers
    ends: Numbers
    members: Numbers

    def run(self, port: int) -> int:
        """The number of the run that a port lies in: ports of one run are covered by the same lines."""
        return bisect_right(self.starts, port) - 1

    def of_run(self, run: int) -> Sequence[int]:
        """The line numbers that cover a run, in the table's order."""
        return self.members[self.ends[run - 1] if run else 0 : self.ends[run]]

    def at(self, port: int) -> Sequence[int]:
        """The line numbers that cover a port, in the table's order."""
        return self.of_run(self.run(port))

    def runs(self, first: int = 0, last: int = 0xFFFF) -> list[tuple[int, int, Sequence[int]]]:
        """The runs that touch ``first`` to ``last``, cut to it, each with the lines that cover it."""
        found = []
        index = bisect_right(self.starts, first) - 1
        while index < len(self.starts) and self.starts[index] <= last:
            end = self.starts[index + 1] - 1 if index + 1 < len(self.starts) else 0xFFFF
            begin = self.ends[index - 1] if index else 0
            found.append((max(first, self.starts[index]), min(last, end), self.members[begin : self.ends[index]]))
            index += 1
        return found


def cover(
    spans: Iterable[tuple[int, int, int]], choose: Callable[[list[int]], list[int]] = lambda lines: lines
) -> Cover:
    """Build the index from ``(first, last, line)``; ``choose`` picks and orders the lines of each run."""
    from array import array

    opening: dict[int, list[int]] = {}
    closing: dict[int, list[int]] = {}
    for first, last, line in spans:
        if first >= 0:
            opening.setdefault(first, []).append(line)
            closing.setdefault(last + 1, []).append(line)
    starts, ends, members = array("H"), array("I"), array("I")
    live: set[int] = set()
    previous: list[int] | None = None
    for port in sorted({0, *opening, *closing}):
        if port > 0xFFFF:
            break
        live.difference_update(closing.get(port, ()))
        live.update(opening.get(port, ()))
        chosen = choose(sorted(live)) if live else []
        if chosen != previous:
            starts.append(port)
            members.extend(chosen)
            ends.append(len(members))
            previous = chosen
    return Cover(starts, ends, members)
