"""Counts of requests, in the text form of Prometheus (exposition format 0.0.4). Pure."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)  # seconds
KINDS = ("ports", "ranges", "services", "search", "changes", "ghosts", "about", "atlas", "feedback")


def kind_of(path: str) -> str:
    """What a path is, from a short closed list: paths themselves would make a metric without end."""
    if path.startswith("/api/"):
        return "api"
    if path.startswith("/static/"):
        return "static"
    part = path[4:].partition("/")[0].removesuffix(".json")
    return part if part in KINDS else "other"


class Metrics:
    """How many requests, of what kind, with which status, how long they took.

    ``worker``: which of several processes counts; each answers for itself, so that its numbers need its name.
    """

    def __init__(self, worker: str = "") -> None:
        self._worker = f'worker="{worker}"' if worker else ""
        self._requests: dict[tuple[str, int], int] = {}
        self._took = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one."""
        key = (kind_of(path), status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._seconds += seconds
        self._took[bisect_left(BOUNDS, seconds)] += 1

    def text(self) -> str:
        """All of it, for Prometheus."""
        lines = [
            "# HELP portlore_requests_total Requests by kind of page and status.",
            "# TYPE portlore_requests_total counter",
        ]
        for (kind, status), number in sorted(self._requests.items()):
            lines.append(f"portlore_requests_total{self._labels(kind=kind, status=status)} {number}")
        lines += ["# HELP portlore_request_seconds How long answers took.", "# TYPE portlore_request_seconds histogram"]
        below = 0
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), self._took, strict=True):
            below += number
            lines.append(f"portlore_request_seconds_bucket{self._labels(le=bound)} {below}")
        lines.append(f"portlore_request_seconds_sum{self._labels()} {self._seconds:.6f}")
        lines.append(f"portlore_request_seconds_count{self._labels()} {below}")
        return "\n".join(lines) + "\n"

    def _labels(self, **values: object) -> str:
        told = [f'{name}="{value}"' for name, value in values.items()]
        if self._worker:
            told.append(self._worker)
        return f"{{{','.join(told)}}}" if told else ""
