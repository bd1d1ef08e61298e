"""Whether two copies of a domain hold the same: a sum over what all their directories hold. Pure.

NetInfo's own checksum counts changes and says nothing of contents (SPEC 3.1): a master that was restored from a backup
and then written otherwise may come to the checksum that its clones have. Between Portlore's servers this sum tells. It
is no proof against somebody who seeks two domains of one sum.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.domain import Directory, Domain

SIZE = 8  # bytes of a directory's sum, and of the whole
_HEAD = Struct(">4I")  # id, instance, parent, number of children


class Contents:
    """The sum of one domain after another; what was not written since the last time is not looked at again."""

    def __init__(self) -> None:
        self._domain: Domain | None = None
        self._at = -1  # the domain's version that is summed up
        self._sums: dict[int, int] = {}
        self._sum = 0

    def of(self, domain: Domain) -> str:
        """The sum of a domain as it is now, in hexadecimal digits."""
        if domain is not self._domain:
            self._domain, self._at, self._sums, self._sum = domain, -1, {}, 0
        if domain.version != self._at:
            for number in self._sums.keys() - domain.directories.keys():
                self._sum -= self._sums.pop(number)
            for one in domain.directories.values():
                if one.version > self._at or one.id not in self._sums:
                    fresh = _sum(one)
                    self._sum += fresh - self._sums.get(one.id, 0)
                    self._sums[one.id] = fresh
            self._at = domain.version
        return f"{self._sum % (1 << 8 * SIZE):0{2 * SIZE}x}"


def _sum(one: Directory) -> int:
    many = len(one.children)
    head = _HEAD.pack(one.id, one.instance, one.parent, many) + Struct(f">{many}I").pack(*one.children)
    return int.from_bytes(blake2b(head + one.data, digest_size=SIZE).digest(), "big")
