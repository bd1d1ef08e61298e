"""What a reader of an old disk has to say: what was put right, what is in doubt, what is lost. Pure."""

from __future__ import annotations

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.domain import Domain

NOTE, REPAIRED, DOUBTFUL, LOST = KINDS = ("note", "repaired", "doubtful", "lost")
MOST = 1000  # findings of a kind that are kept; all are counted


class Finding(Value):
    """One thing that was found: its kind, a sentence, the file and the directory it is about, where there are any.

    ``note``: as it should be, or what the original's own start puts in order. ``repaired``: damage that was undone.
    ``doubtful``: damage that may have left something wrong. ``lost``: something that was there and cannot be read.
    """

    kind: str
    text: str
    file: str = ""
    directory: int | None = None


class Findings:
    """Findings as they come; ``counts`` has all of them, by kind, ``kept`` the first of each kind."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts = dict.fromkeys(KINDS, 0)
        self._lost: set[int] = set()

    def add(self, kind: str, text: str, file: str = "", directory: int | None = None) -> None:
        """One more; a directory that is lost is lost once, however many witnesses miss it."""
        if kind == LOST and directory is not None:
            if directory in self._lost:
                return
            self._lost.add(directory)
        self.counts[kind] += 1
        if self.counts[kind] <= MOST:
            self.kept.append(Finding(kind, text, file, directory))


class Form(Value):
    """A generation's form of store: its name, what wrote it."""

    name: str
    system: str


COLLECTION_256 = Form("collection", "NeXTSTEP 1 and 2")
COLLECTION_512 = Form("Collection", "NEXTSTEP 3 to Rhapsody")
STORE = Form("Store", "Mac OS X 10.0 to 10.4")


class Recovered(Value):
    """A domain from an old disk, and what was found: ``stored`` is the checksum that stood there, if one did.

    ``clean``: the server that wrote it was shut down in order. ``counts``: of all findings, by kind; ``findings`` has
    the first of each kind.
    """

    domain: Domain
    form: Form
    clean: bool
    stored: int | None
    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was repaired, in doubt or lost."""
        return not any(self.counts[kind] for kind in (REPAIRED, DOUBTFUL, LOST))
