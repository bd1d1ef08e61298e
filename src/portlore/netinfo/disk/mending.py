"""From directories as they were read to a domain whose links hold. Pure.

As the original mends (SPEC 6.2): a directory's own word on its parent counts; children that are not there are struck
out; who hangs in the air, or in a ring, goes below the root.
"""

from __future__ import annotations

from portlore.netinfo.coding import properties
from portlore.netinfo.disk.findings import LOST, REPAIRED
from portlore.netinfo.disk.records import Raw
from portlore.netinfo.domain import Directory, Domain
from portlore.netinfo.values import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.disk.findings import Findings


def mend(raws: dict[int, Raw], found: Findings) -> Domain:
    """The domain of directories by id, which are changed."""
    if ROOT not in raws:
        found.add(LOST, "the root directory is not there; an empty one stands in for it", directory=ROOT)
        raws[ROOT] = Raw(ROOT, 0, ROOT, properties(()), [], 0)
    root = raws[ROOT]
    if root.parent != ROOT:
        found.add(REPAIRED, f"the root said that {root.parent} is above it", directory=ROOT)
        root.parent = ROOT
    listed = _strike_out(raws, found)
    for number in sorted(raws.keys() - listed - {ROOT}):
        one = raws[number]
        if one.parent not in raws:
            found.add(REPAIRED, f"its parent {one.parent} is not there; put below the root", directory=number)
            one.parent = ROOT
        else:
            found.add(REPAIRED, f"its parent {one.parent} did not name it; now the last child there", directory=number)
        raws[one.parent].children.append(number)
    _break_rings(raws, found)
    return Domain(
        Directory(one.id, one.instance, one.parent, one.data, one.children, one.version) for one in raws.values()
    )


def _strike_out(raws: dict[int, Raw], found: Findings) -> set[int]:
    """Leave each directory the children that are its own; the ids of those."""
    listed: set[int] = set()
    for one in raws.values():
        kept = []
        for child in one.children:
            other = raws.get(child)
            if other is None:
                found.add(LOST, f"directory {one.id} names it as its child, but it is not there", directory=child)
            elif child == ROOT or other.parent != one.id:
                found.add(REPAIRED, f"it named {child} as its child, which has another parent", directory=one.id)
            elif child in listed:
                found.add(REPAIRED, f"it named {child} twice", directory=one.id)
            else:
                listed.add(child)
                kept.append(child)
        one.children = kept
    return listed


def _break_rings(raws: dict[int, Raw], found: Findings) -> None:
    """Put the first of every ring below the root."""
    lost = raws.keys() - _reach(raws, ROOT)
    for number in sorted(lost):
        if number not in lost:
            continue
        one = raws[_in_ring(raws, number)]
        found.add(REPAIRED, f"it was its own ancestor, by way of {one.parent}; put below the root", directory=one.id)
        raws[one.parent].children.remove(one.id)
        one.parent = ROOT
        raws[ROOT].children.append(one.id)
        lost -= _reach(raws, one.id)


def _in_ring(raws: dict[int, Raw], number: int) -> int:
    """The lowest id of the ring that is above a directory."""
    passed: dict[int, None] = {}
    while number not in passed:
        passed[number] = None
        number = raws[number].parent
    ring = list(passed)
    return min(ring[ring.index(number) :])


def _reach(raws: dict[int, Raw], top: int) -> set[int]:
    """A directory and all below it."""
    reached, waiting = {top}, [top]
    while waiting:
        for child in raws[waiting.pop()].children:
            if child not in reached:
                reached.add(child)
                waiting.append(child)
    return reached
