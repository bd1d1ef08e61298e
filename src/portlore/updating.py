"""Edge: fetching a newer registry, judging it before it is used, and storing it so that nothing is ever half there."""

from __future__ import annotations

import gzip
import hashlib
import time
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from portlore import __version__
from portlore.errors import DataError, HostError, InputError
from portlore.files import write_whole
from portlore.model import Snapshot, Status
from portlore.opening import FORCED, REGISTRY, open_registry, user_directory
from portlore.registry.deltas import deltas_between
from portlore.registry.history_table import HistoryTable
from portlore.registry.record import merge
from portlore.registry.sources.iana_csv import parse_csv
from portlore.registry.sources.iana_xml import parse_xml
from portlore.registry.status import status_of
from portlore.registry.store import pack_registry
from portlore.registry.table import Table
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPMessage

    from portlore.registry.reading import Reading
    from portlore.registry.registry import Registry

REGISTRY_URL = "https://www.iana.org/assignments/service-names-port-numbers/service-names-port-numbers.xml"
SIZE_LIMIT = 32 << 20  # bytes, unpacked; the registry has under 4 MB
TIME_LIMIT = 120.0  # seconds for the whole transfer
SILENCE_LIMIT = 20.0  # seconds without a byte
SHRINK_LIMIT = 0.05  # a registry that lost more of its assigned rows than this is damaged, or not the registry
PROGRESS_AFTER = 2.0  # seconds
STAMP = "registry.stamp"  # what the server said of the file, for a conditional request


class Result(Value):
    """How an update ended: whether something newer was (or is) there, and the sentence that says so."""

    newer: bool
    text: str


def update(
    origin: str,
    *,
    check: bool = False,
    force: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Fetch a registry from a URL or a file, and use it when it is sound and newer.

    :class:`HostError` when it cannot be fetched or stored, :class:`portlore.ParseError` when it is no registry,
    :class:`DataError` when it shrank or is older and ``force`` is not set. Whatever happens, the record in use stays.
    """
    current = open_registry()
    folder = Path(user_directory())
    stamp = folder / STAMP
    scheme, path = _parts(origin)
    remote = scheme in ("http", "https")
    if not remote and "://" in origin:
        raise InputError(
            f"update from {origin[:80]}", "only http, https and files are read", "save it and name the file"
        )
    headers: dict[str, str] = {}
    if remote:
        fetched = fetch(origin, _conditions(stamp, origin), tell, clock)
        if fetched is None:
            return Result(False, f"nothing newer: the registry in use is of {current.snapshot.date}")
        data, headers = fetched
    else:
        data = _read_file(origin)
    name = path if remote else origin
    reading = parse_csv(data, _date_of(name, headers)) if name.endswith(".csv") else parse_xml(data)
    digest = hashlib.sha256(data).hexdigest()
    if check:
        return _report(current, reading, digest)
    _judge(current, reading, origin, force)
    if digest == current.snapshot.sha256 and not force and "update" in current.snapshot.origin:
        return Result(False, f"nothing newer: the registry in use is of {current.snapshot.date}")
    shown = ascii(origin)[1:-1] if not origin.isprintable() or not _encodes(origin) else origin
    return _store(current, reading, digest, f"{FORCED if force else ''}update from {shown}", folder, headers)


def _parts(origin: str) -> tuple[str, str]:
    """Scheme and path of a place; :class:`InputError` for what is none."""
    if not origin.strip():
        raise InputError("update from an empty place", "no URL and no file", "name one, or leave --from out")
    try:
        parts = urlsplit(origin)
    except ValueError as error:
        raise InputError(f"update from {origin[:80]}", str(error), "name a URL or a file") from None
    return parts.scheme, parts.path


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False
    return True


def _conditions(stamp: Path, origin: str) -> dict[str, str]:
    """The headers of a conditional request, when the file in use came from the same place (RFC 9110 section 13.1)."""
    try:
        place, etag, modified = stamp.read_text("utf-8").split("\n")[:3]
    except (OSError, ValueError):
        return {}
    if place != origin or not (stamp.parent / REGISTRY).exists():
        return {}
    return {k: v for k, v in (("If-None-Match", etag), ("If-Modified-Since", modified)) if v}


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise InputError(f"update from {path}", error.strerror or "it cannot be read", "name a file or a URL") from None
    if len(data) > SIZE_LIMIT:
        raise HostError(f"update from {path}", f"more than {SIZE_LIMIT >> 20} MB", "name the registry's XML or CSV")
    return data


def fetch(
    url: str, conditions: dict[str, str], tell: Callable[[str], None], clock: Callable[[], float]
) -> tuple[bytes, dict[str, str]] | None:
    """The bytes behind a URL and the headers worth keeping; None when nothing has changed since (304)."""
    asked = f"update from {url}"
    headers = {"User-Agent": f"portlore/{__version__}", "Accept-Encoding": "gzip", **conditions}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http and https only, checked before
    try:
        with urllib.request.urlopen(request, timeout=SILENCE_LIMIT) as answer:  # noqa: S310
            data = _read_all(answer.read1, answer.headers, asked, tell, clock)
            kept = {k.lower(): answer.headers.get(k, "") for k in ("ETag", "Last-Modified")}
            packed = answer.headers.get("Content-Encoding", "") == "gzip"
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            return None
        raise HostError(
            asked, f"the server answered {error.code} {error.reason}", "try later, or --from FILE"
        ) from None
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise HostError(asked, f"it cannot be fetched: {reason}", "check the network, or use --from FILE") from None
    return (_unpacked(data, asked) if packed else data), kept


def _read_all(
    read: Callable[[int], bytes],
    headers: HTTPMessage,
    asked: str,
    tell: Callable[[str], None],
    clock: Callable[[], float],
) -> bytes:
    began = told = clock()
    length = headers.get("Content-Length", "")
    whole = int(length) if length.isdigit() else 0
    if whole > SIZE_LIMIT:
        raise HostError(
            asked, f"{whole:,} bytes are announced, at most {SIZE_LIMIT:,} are taken", "name the registry's XML"
        )
    pieces: list[bytes] = []
    size = 0
    while piece := read(1 << 16):
        pieces.append(piece)
        size += len(piece)
        now = clock()
        if size > SIZE_LIMIT:
            raise HostError(asked, f"more than {SIZE_LIMIT:,} bytes", "name the registry's XML or CSV")
        if now - began > TIME_LIMIT:
            raise HostError(asked, f"not done after {TIME_LIMIT:.0f} s ({size:,} bytes)", "try later, or --from FILE")
        if now - began > PROGRESS_AFTER and now - told > 1:
            told = now
            left = f", {(whole - size) * (now - began) / size:.0f} s left" if whole else ""
            tell(f"fetched {size / 1e6:.1f} MB{f' of {whole / 1e6:.1f}' if whole else ''}{left}")
    if whole and size < whole:
        raise HostError(asked, f"the transfer broke off after {size:,} of {whole:,} bytes", "try again")
    return b"".join(pieces)


def _unpacked(data: bytes, asked: str) -> bytes:
    """gzip, opened with the same size limit: a bomb of zeros stops there."""
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(data, SIZE_LIMIT)
        if unpacker.unconsumed_tail:
            raise HostError(asked, f"more than {SIZE_LIMIT:,} bytes unpacked", "name the registry's XML or CSV")
        if not unpacker.eof:
            raise HostError(asked, "the compressed transfer broke off", "try again")
    except (zlib.error, gzip.BadGzipFile) as error:
        raise HostError(asked, f"badly compressed: {error}", "try again") from None
    return text


def _date_of(name: str, headers: dict[str, str]) -> str:
    """The CSV has no date of its own: its file name's, else the server's day for it, else today's."""
    from email.utils import parsedate_to_datetime

    from portlore.registry.reading import DATE

    if found := DATE.search(name.rpartition("/")[2]):
        return found[0]
    try:
        return parsedate_to_datetime(headers.get("last-modified", "")).date().isoformat()
    except (TypeError, ValueError):
        return time.strftime("%Y-%m-%d", time.gmtime())


def _assigned(statuses: list[tuple[str, str]]) -> int:
    return sum(status_of(name, description) is Status.ASSIGNED for name, description in statuses)


def _judge(current: Registry, reading: Reading, origin: str, force: bool) -> None:
    """Refuse a registry that is older than the one in use, or has lost many of its assignments."""
    from portlore.registry.record import split

    before = _assigned([(r.name, r.description) for row in current.records() for r in split(row)])
    after = _assigned([(r.name, r.description) for r in reading.records])
    do = "the old record stays in use; --force takes it all the same"
    if force:
        return
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    if reading.date > tomorrow:
        raise DataError(f"update from {origin}", f"it is of {reading.date}, a day to come", do)
    if reading.date < current.snapshot.date:
        raise DataError(
            f"update from {origin}", f"it is of {reading.date}, the one in use of {current.snapshot.date}", do
        )
    if after < before * (1 - SHRINK_LIMIT):
        found = f"{after:,} assigned rows, {100 * (1 - after / before):.0f} % fewer than the {before:,} in use"
        raise DataError(f"update from {origin}", found, do)


def _report(current: Registry, reading: Reading, digest: str) -> Result:
    newer = reading.date > current.snapshot.date
    changed = digest != current.snapshot.sha256
    state = "newer" if newer else "older" if reading.date < current.snapshot.date else "changed" if changed else "same"
    words = {"newer": "a newer registry is there", "older": "an older registry is there", "same": "nothing newer"}
    return Result(
        newer, f"{words.get(state, 'another file of the same day')}: of {reading.date}; in use: {current.snapshot.date}"
    )


def _store(
    current: Registry, reading: Reading, digest: str, origin: str, folder: Path, headers: dict[str, str]
) -> Result:
    before = [record.without_prose() for record in current.records()]
    after = [record.without_prose() for record in reading.records]
    deltas, dates = current.deltas(), current.dates
    fresh = []
    if reading.date > current.snapshot.date:
        fresh = deltas_between(current.snapshot.date, before, reading.date, after)
        dates = (*dates, reading.date)
    elif reading.date < current.snapshot.date:  # forced back in time: the history ends there
        dates = tuple(date for date in dates if date < reading.date)
        deltas = [delta for delta in deltas if delta.newer in dates]
        if dates:
            past = current.as_of(dates[-1])
            fresh = deltas_between(dates[-1], list(past.records()), reading.date, after)
        dates = (*dates, reading.date)
    records = tuple(merge(reading.records))
    snapshot = Snapshot(reading.date, digest, origin)
    data = pack_registry(Table(snapshot, records, reading.organisations), HistoryTable(dates, (*deltas, *fresh)))
    place = origin.partition("update from ")[2]
    stamp = "\n".join((place, headers.get("etag", ""), headers.get("last-modified", ""), ""))
    try:
        write_whole(folder / REGISTRY, data)
        write_whole(folder / STAMP, stamp.encode())
    except OSError as error:
        raise HostError(
            f"storing the registry in {folder}", error.strerror or str(error), "set PORTLORE_DATA"
        ) from None
    newer = reading.date > current.snapshot.date
    count = f"{len(fresh):,} rows changed since {current.snapshot.date}"
    instead = f"instead of the one of {current.snapshot.date}"
    return Result(newer, f"the registry of {reading.date} is in use; {count if newer else instead}")
