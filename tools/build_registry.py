"""Build the shipped tables from official registry files.

    python tools/build_registry.py table 2026-08-17.xml
    python tools/build_registry.py history 2005-12-22.csv snapshots-2013-2026.tar.zst

Writes ``src/portlore/registry/data/registry.tsv`` and ``history.tsv`` (``--output`` for elsewhere). Only facts go in:
notes become flags, mail addresses go. ``--newest N`` reads the newest N snapshots alone, for a quick check.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import zlib
from multiprocessing import Pool
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

from portlore.model import Snapshot
from portlore.registry.deltas import FLAT_DATE, Delta, deltas_between
from portlore.registry.history_table import HistoryTable, format_history
from portlore.registry.reading import Reading
from portlore.registry.record import Record, format_record, merge, parse_record
from portlore.registry.sources.iana_csv import parse_csv
from portlore.registry.sources.iana_xml import parse_xml
from portlore.registry.table import Table, format_table

DATA = Path(__file__).parent.parent / "src/portlore/registry/data"
ORIGIN = "https://www.iana.org/assignments/service-names-port-numbers/service-names-port-numbers.xml"


def read(path: Path) -> tuple[Reading, str]:
    """A registry file by its ending, with the sha256 of its bytes."""
    data = path.read_bytes()
    reading = parse_xml(data) if path.suffix == ".xml" else parse_csv(data, path.stem)
    return reading, hashlib.sha256(data).hexdigest()


def shipped(reading: Reading) -> tuple[Record, ...]:
    """The records as they are shipped: without prose, one line where only the transport differs."""
    return tuple(merge(record.without_prose() for record in reading.records))


def table(path: Path) -> Table:
    """The shipped table of one registry file."""
    reading, digest = read(path)
    records = shipped(reading)
    used = {part.strip("[]") for r in records for part in f"{r.assignee}{r.contact}".replace("][", "] [").split()}
    organisations = tuple(
        (who, org) for who, org in reading.organisations if who in used and org.replace(" ", "_") != who
    )
    return Table(Snapshot(reading.date, digest, ORIGIN), records, organisations)


def snapshots(archive: Path, newest: int) -> Iterator[bytes]:
    """The XML snapshots of the archive, streamed, in the archive's order, which is not that of their dates."""

    def members(wanted: set[str] | None) -> Iterator[tuple[str, bytes]]:
        unpack = ["zstd", "-d", "--long=31", "-c", str(archive)]
        with (
            subprocess.Popen(unpack, stdout=subprocess.PIPE) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            for member in tar:
                if member.isfile():
                    stream = tar.extractfile(member) if wanted is None or member.name in wanted else None
                    yield member.name, stream.read() if stream else b""

    wanted = set(sorted(name for name, _ in members(set()))[-newest:]) if newest else None
    return (data for _, data in members(wanted) if data)


def _lines(data: bytes) -> tuple[str, bytes]:
    """A snapshot's date and its rows as compressed lines: 423 of them fit in memory this way."""
    reading = parse_xml(data)
    lines = "\n".join(format_record(record.without_prose()) for record in reading.records)
    return reading.date, zlib.compress(lines.encode(), 1)


def history(flat: Path, archive: Path, newest: int = 0) -> HistoryTable:
    """All differences between neighbouring snapshots; ``newest`` limits it to that many, without the list of 2005."""
    states: dict[str, bytes] = {}
    with Pool() as pool:
        for date, lines in pool.imap_unordered(_lines, snapshots(archive, newest), chunksize=4):
            states[date] = lines
            print(f"\r{len(states)} snapshots read", end="", file=sys.stderr)
    print(file=sys.stderr)
    dates, deltas = [], list[Delta]()
    before: tuple[Record, ...] = ()
    if not newest:
        before = read(flat)[0].records
        dates.append(FLAT_DATE)
    for date in sorted(states):
        records = tuple(map(parse_record, zlib.decompress(states[date]).decode().split("\n")))
        if dates:
            deltas += deltas_between(dates[-1], before, date, records)
        dates.append(date)
        before = records
    return HistoryTable(tuple(dates), tuple(deltas))


def main() -> None:
    """Parse the arguments and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("table")
    one.add_argument("registry", type=Path)
    two = what.add_parser("history")
    two.add_argument("flat", type=Path)
    two.add_argument("archive", type=Path)
    two.add_argument("--newest", type=int, default=0, metavar="N")
    for sub in (one, two):
        sub.add_argument("--output", type=Path)
    args = parser.parse_args()
    if args.what == "table":
        text, name = format_table(table(args.registry)), "registry.tsv"
    else:
        text, name = format_history(history(args.flat, args.archive, args.newest)), "history.tsv"
    output = args.output or DATA / name
    output.write_text(text, encoding="utf-8")
    print(f"{output}: {len(text.encode()):,} bytes, {text.count(chr(10)):,} lines")


if __name__ == "__main__":
    main()
