r"""What a NetInfo server counts, in the text form of Prometheus (exposition format 0.0.4); whether it is well. Pure.

A line is ``name{label="value",…} number``; in a label's value ``\``, ``"`` and line feeds are escaped, in a HELP text
``\`` and line feeds. All of a metric's lines stand together, after its HELP and TYPE.
"""

from __future__ import annotations

from portlore.netinfo.answering import GARBAGE, NO_SUCCESS
from portlore.netinfo.binding import State
from portlore.netinfo.procedures import PROCEDURES
from portlore.netinfo.values import STATUS
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portlore.netinfo.answering import Service
    from portlore.netinfo.replicating import Clone

    Labels = tuple[tuple[str, str], ...]
    Sample = tuple[str, Labels, float]  # what its name has behind the family's, labels, value
    Give = Callable[["View", float], Iterable[Sample]]
    Row = tuple[str, str, str, Give]  # a metric's name, kind, help, and what gives its samples

TYPE = "text/plain; version=0.0.4; charset=utf-8"
BEHIND_FOR_LONG = 60.0  # seconds
PREFIX = "portlore_netinfo_"
NO_STATUS = {GARBAGE: "GARBAGE_ARGS", NO_SUCCESS: "NO_SUCCESS"}  # answered, or not, without a status of NetInfo


class View(Value):
    """A domain that is served: by its tag, what answers for it, and what its server counts beside."""

    tag: str
    service: Service
    plain: int  # connections
    sealed: int
    commits: int
    commit_seconds: float


class Family(Value):
    """A metric: its name, kind and help, and its samples."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def text(families: Sequence[Family]) -> str:
    """Metrics for Prometheus; one without samples is left out."""
    lines: list[str] = []
    for one in families:
        if one.samples:
            told = one.help.replace("\\", r"\\").replace("\n", r"\n")
            lines += [f"# HELP {PREFIX}{one.name} {told}", f"# TYPE {PREFIX}{one.name} {one.kind}"]
            for end, labels, value in one.samples:
                lines.append(f"{PREFIX}{one.name}{end}{_labelled(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _labelled(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    whole = value.encode("utf-8", "backslashreplace").decode()  # a surrogate is no UTF-8
    return whole.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def families(views: Sequence[View], now: float, version: str) -> list[Family]:
    """All metrics of domains; ``now``: seconds since 1970."""
    info = Family("info", "gauge", "The version of Portlore.", (("", (("version", version),), 1),))
    return [info, *(_family(row, views, now) for row in TABLE)]


def _family(row: Row, views: Sequence[View], now: float) -> Family:
    name, kind, said, give = row
    samples: list[Sample] = []
    for view in views:
        for end, labels, value in give(view, now):
            samples.append((end, (("tag", view.tag), *labels), value))
    return Family(name, kind, said, tuple(samples))


def _calls(view: View, now: float) -> Iterator[Sample]:
    """Calls by procedure and status: those that were not refused were done."""
    refused = dict(view.service.refusals)
    for row in PROCEDURES:
        told = {status: count for (procedure, status), count in refused.items() if procedure == row.number}
        told[0] = max(0, view.service.calls[row.number] - sum(told.values()))
        for status, count in sorted(told.items()):
            if count:
                name = NO_STATUS.get(status) or STATUS.get(status, (str(status),))[0]
                yield "", (("procedure", row.name), ("status", name)), count


def _writes(view: View, now: float) -> Iterator[Sample]:
    yield "", (("outcome", "done"),), view.service.authentications[2]
    yield "", (("outcome", "refused"),), view.service.authentications[3]


def _passwords(view: View, now: float) -> Iterator[Sample]:
    yield "", (("outcome", "right"),), view.service.authentications[0]
    yield "", (("outcome", "wrong"),), view.service.authentications[1]


def _connections(view: View, now: float) -> Iterator[Sample]:
    yield "", (("channel", "plain"),), view.plain
    yield "", (("channel", "tls"),), view.sealed


def _commits(view: View, now: float) -> Iterator[Sample]:
    yield "_sum", (), round(view.commit_seconds, 6)
    yield "_count", (), view.commits


def _one(value: Callable[[Service], int]) -> Give:
    """A metric of one number."""
    return lambda view, now: [("", (), value(view.service))]


def _bound(service: Service) -> int:
    return int(service.binding_of is not None and service.binding_of().state == State.BOUND)


def _behind(view: View, now: float) -> Iterator[Sample]:
    if view.service.following is not None:
        yield "", (), _since(view.service.following.since, now)


def _since(at: float, now: float) -> float:
    return round(max(0.0, now - at), 3) if at else 0.0


def _clones(value: Callable[[Clone, float], float | None]) -> Give:
    """A metric of a number for each clone that has one."""

    def give(view: View, now: float) -> Iterator[Sample]:
        for one in view.service.leading.clones.values() if view.service.leading is not None else ():
            found = value(one, now)
            if found is not None:
                yield "", (("clone", str(one.place)),), found

    return give


TABLE: tuple[Row, ...] = (
    ("calls_total", "counter", "Calls by procedure and status.", _calls),
    ("writes_total", "counter", "Writes that were done, or refused to who may not.", _writes),
    ("passwords_total", "counter", "Passwords that were right or wrong.", _passwords),
    ("connections", "gauge", "Connections now, in the clear or through TLS.", _connections),
    ("commit_seconds", "summary", "Commits to the disk, and how long they took.", _commits),
    ("directories", "gauge", "Directories in the domain.", _one(lambda one: len(one.domain.directories))),
    ("checksum", "gauge", "Of the domain: equal where servers have the same.", _one(lambda one: one.domain.checksum)),
    ("store_broken", "gauge", "1 when the store takes nothing any more.", _one(lambda one: int(one.broken))),
    ("read_only", "gauge", "1 when clients may not write.", _one(lambda one: int(one.policy.read_only))),
    ("clone", "gauge", "1 for a clone, 0 for a master.", _one(lambda one: int(one.following is not None))),
    ("parent_bound", "gauge", "1 when the domain above was found.", _one(_bound)),
    ("behind_seconds", "gauge", "Of a clone: how long it has known to be out of step.", _behind),
    ("clone_lag_seconds", "gauge", "Of a master: how long something has waited for a clone.",
     _clones(lambda one, now: round(one.lag(now), 3))),
    ("clone_waiting_writes", "gauge", "Writes that wait for a clone.", _clones(lambda one, now: len(one.waiting))),
    ("clone_failures", "gauge", "Attempts at a clone that failed in a row.", _clones(lambda one, now: one.failures)),
    ("clone_sent_writes_total", "counter", "Writes that a clone was sent.", _clones(lambda one, now: one.sent)),
    ("clone_last_push_timestamp_seconds", "gauge", "When a clone took something last.",
     _clones(lambda one, now: round(one.last, 3) or None)),
    ("clone_sealed", "gauge", "1 when a clone was reached through TLS.",
     _clones(lambda one, now: int(one.channel.startswith("channel=tls")))),
)  # fmt: skip


def ailments(views: Sequence[View], now: float) -> list[str]:
    """Why a server should get no questions, a line each; none when it is well."""
    found = [] if views else ["no domain is served"]
    for view in views:
        service = view.service
        if service.broken:
            found.append(f"{view.tag}: the store takes nothing any more")
        if service.cut_off:
            found.append(f"{view.tag}: {service.cut_off}")
        behind = _since(service.following.since, now) if service.following is not None else 0.0
        if behind > BEHIND_FOR_LONG:
            found.append(f"{view.tag}: not in step with its master for {behind:,.0f} s")
    return found
