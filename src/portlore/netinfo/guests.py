"""Everybody connected to a server: who has to go when they are too many, or hold too much. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Guest(Protocol):
        """A connection."""

        def drop(self) -> None:
            """Close it at once."""


MOST_HELD = 64 << 20  # bytes of records that have begun, of all connections together


class Guests:
    """At most ``most`` connections: the least recently used one makes room (SPEC 2.1).

    And so does the one that holds most, when unfinished records take more than ``most_held`` bytes together.
    """

    def __init__(self, most: int, most_held: int = MOST_HELD) -> None:
        self._most, self._most_held = most, most_held
        self._held: dict[Guest, int] = {}  # the least recently used first
        self._sum = 0

    def enter(self, guest: Guest) -> None:
        """A new connection."""
        self._held[guest] = 0
        while len(self._held) > self._most:
            oldest = next(iter(self._held))
            self.leave(oldest)
            oldest.drop()

    def use(self, guest: Guest, held: int) -> None:
        """It has sent something, and now ``held`` bytes of it wait for their end."""
        before = self._held.pop(guest, None)
        if before is None:
            return
        self._held[guest] = held
        if held == before:
            return
        self._sum += held - before
        while self._sum > self._most_held:
            largest = max(self._held, key=self._held.__getitem__)
            self.leave(largest)
            largest.drop()

    def all(self) -> list[Guest]:
        """Everybody who is there."""
        return list(self._held)

    def leave(self, guest: Guest) -> None:
        """It is gone."""
        self._sum -= self._held.pop(guest, 0)
