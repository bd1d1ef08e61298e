"""Edge: what the site's log says: a line a request, a line an event, as text or as JSON."""

from __future__ import annotations

import json
import logging
import time

from portlore.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Log(Protocol):
        """Call it with facts."""

        def __call__(self, facts: Mapping[str, object]) -> None:
            """Log an event."""

        def request(self, client: str, method: str, path: str, status: int, size: int, took: float) -> None:
            """Log a request: bytes sent, seconds."""

        def close(self) -> None:
            """Write what waits."""


class TextLog:
    """``TIME portlore-web KEY=VALUE …``; a value with blanks is quoted."""

    def __init__(self) -> None:
        self._write = Journal("portlore-web")
        self.close = self._write.close

    def __call__(self, facts: Mapping[str, object]) -> None:
        """Log an event."""
        told = [f"{key}={value if type(value) is not str else _quoted(value)}" for key, value in facts.items()]
        self._write(" ".join(told))

    def request(self, client: str, method: str, path: str, status: int, size: int, took: float) -> None:
        """Log a request: bytes sent, seconds."""
        path = _quoted(path)
        ms = round(1000 * took, 2)
        self._write(f"client={client} method={method} path={path} status={status} bytes={size} ms={ms}")


class JsonLog:
    """An object a line, beginning with ``time``."""

    def __init__(self) -> None:
        self._write = Journal("portlore-web")
        self.close = self._write.close

    def __call__(self, facts: Mapping[str, object]) -> None:
        """Log an event."""
        self._write.line(json_line(facts))

    def request(self, client: str, method: str, path: str, status: int, size: int, took: float) -> None:
        """Log a request: bytes sent, seconds."""
        self({"client": client, "method": method, "path": path, "status": status, "bytes": size,
              "ms": round(1000 * took, 2)})  # fmt: skip


class Overheard(logging.Handler):
    """Brings what libraries log into the log, in its form."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """A record of theirs, in one line."""
        kind = "fault" if record.levelno >= logging.ERROR else "note"
        told = {kind: record.name, "what": record.getMessage().strip()}
        error = record.exc_info[1] if record.exc_info else None
        self._log({**told, "why": f"{type(error).__name__}: {error}"} if error else told)


def json_line(facts: Mapping[str, object]) -> str:
    """Facts with the time, as one line."""
    return json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts})


def _quoted(text: str) -> str:
    return json.dumps(text) if not text or " " in text or '"' in text else text
