"""Edge: showing a scan while it runs, in every form, so that what is written is valid whenever it ends."""

from __future__ import annotations

import signal
import sys
import time

from portlore.cli.output import Output
from portlore.errors import InputError
from portlore.observed import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from types import TracebackType
    from typing import Any, Self, TextIO

    from portlore.book import Book
    from portlore.observed import Observation
    from portlore.scan.plan import Account, Block
    from portlore.scan.running import Plan
    from portlore.scan.tally import Tarpit

AT_ONCE = 64  # open ports of a host that are shown before it is known whether all of them are
HELD = 4096  # further ones that are kept until then
FLUSHED_EVERY = 0.05  # seconds
SILENT, WIDTH = 2.0, 24  # seconds before progress is told, columns of its bar


class Show:
    """Whom :class:`portlore.scan.running.Scan` tells; writes to ``output``, or the file of ``-o``."""

    def __init__(self, args: Namespace, plan: Plan, book: Book, output: Output) -> None:
        self._args, self._plan, self._book, self._talk = args, plan, book, output
        self._file: TextIO | None = None
        self._out = output
        self._began, self._flushed = time.monotonic(), 0.0
        self.begun = False
        self._sink: _Eyes | _Rows | _Xml
        self._bar = False

    def __enter__(self) -> Self:
        name = self._args.output
        if name and name != "-":
            from pathlib import Path

            try:
                self._file = Path(name).open("w", encoding="utf-8")
            except OSError as error:
                found = error.strerror or str(error)
                raise InputError(f"writing {name}", found, "name a file that can be written") from None
            self._out = Output(self._file, sys.stderr)
        form = self._args.format
        sink: type[_Eyes | _Rows | _Xml] = _Eyes if form == "text" else _Xml if form == "xml" else _Rows
        self._sink = sink(self._args, self._plan, self._book, self._out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        if self._file is not None:
            self._file.close()

    def found(self, one: Observation) -> None:
        """A port, as soon as it is known."""
        self.begun = True
        self._clear()
        self._sink.found(one)
        if time.monotonic() - self._flushed > FLUSHED_EVERY:
            self._flush()

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        """A block is asked."""
        self.begun = True
        self._clear()
        self._sink.settled(engine, block, outcomes, tarpits)
        self._flush()

    def progress(self, share: float, account: Account, count: int) -> None:
        """A line on stderr, where a scan takes longer than people wait."""
        if time.monotonic() - self._flushed > FLUSHED_EVERY:
            self._flush()
        took = time.monotonic() - self._began
        if took > SILENT:
            full = "█" if self._talk.style.unicode else "#"
            empty = "░" if self._talk.style.unicode else "."
            width = int(WIDTH * share)
            left = f", about {_time(took * (1 - share) / share)} left" if 0.01 < share < 1 else ""
            waits = ", waiting for the last answers" if share >= 1 else ""
            self._talk.progress(
                f"{full * width}{empty * (WIDTH - width)} {100 * share:.0f} %  {count:,} open, "
                f"{account.sent / max(took, 0.001):,.0f}/s{left}{waits}"
            )
            self._bar = True

    def end(self, summary: dict[str, Any]) -> None:
        """The rest of the answer; Ctrl-C no longer cuts it."""
        self._clear()
        with Stoppable(ignoring=True):
            self._sink.end(summary)
            self._out.flush()
            if self._args.format in ("ndjson", "csv") or self._file is not None:
                from portlore.render.scanning import summary_lines
                from portlore.render.terminal import Style

                for line in summary_lines(summary, Style(unicode=self._talk.style.unicode)):
                    self._talk.say(line)

    def _clear(self) -> None:
        if self._bar:
            self._talk.progress("")
            self._bar = False

    def _flush(self) -> None:
        self._out.flush()
        self._flushed = time.monotonic()


class _Eyes:
    """Text: a line a port; of a host with very many, the rest when it is known whether that means anything."""

    def __init__(self, args: Namespace, plan: Plan, book: Book, out: Output) -> None:
        from portlore.render.scanning import Lines

        self._plan, self._book, self._out, self._all = plan, book, out, args.all
        self._lines = Lines(out.style, several=plan.targets.count > 1, identify=plan.identify)
        self._begun = self._heading = False
        self._counts: dict[str, int] = {}
        self._held: dict[str, list[Observation]] = {}
        self._pits: set[str] = set()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            plan = self._plan
            from portlore.scan.ports import format_ports

            few = plan.targets.count == 1
            who = str(plan.targets.spans[0]) if few else f"{plan.targets.count:,} addresses"
            name = next(iter(plan.targets.names.values()), "") if few else ""
            text = format_ports(plan.ports)
            number = sum(map(len, plan.ports.values()))
            which = f"{'port' if number == 1 else 'ports'} {text}" if len(text) <= 24 else f"{number:,} ports"
            part = f", part {plan.shard}" if plan.shard.count > 1 else ""
            title = f"scan of {f'{name} ({who})' if name else who}, {which}{part}"
            self._write([*self._out.style.title(title, f"registry of {self._book.snapshot}"), ""])

    def _write(self, lines: list[str]) -> None:
        self._out.write("".join(f"{line}\n" for line in lines))

    def found(self, one: Observation) -> None:
        self._begin()
        address = one.target.address
        if one.outcome is Outcome.OPEN:
            count = self._counts[address] = self._counts.get(address, 0) + 1
            if count > AT_ONCE and (not self._plan.identify or address in self._pits):
                held = self._held.setdefault(address, [])
                if len(held) < HELD:
                    held.append(one)
                return
        self._show(one)

    def _show(self, one: Observation) -> None:
        if not self._heading:
            self._heading = True
            self._write([self._lines.heading()])
        self._write(list(self._lines.lines(one)))

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        self._begin()
        self._pits |= {pit.address for pit in tarpits}
        self._release()

    def _release(self) -> None:
        """Show what was held back, or say how many they are."""
        from portlore.render.scanning import folded

        for address, held in self._held.items():
            shown = [] if address in self._pits else held
            for one in shown:
                self._show(one)
            more = self._counts[address] - AT_ONCE - len(shown)
            if more:
                self._write(folded(address, more, self._out.style))
        self._held.clear()
        self._counts.clear()

    def end(self, summary: dict[str, Any]) -> None:
        from portlore.render.scanning import summary_lines

        self._begin()
        self._release()
        if not self._heading:
            self._write(["  nothing is open"])
        self._write(["", *summary_lines(summary, self._out.style)])


class _Rows:
    """JSON, NDJSON, CSV."""

    def __init__(self, args: Namespace, plan: Plan, book: Book, out: Output) -> None:
        from portlore.render.observations import Feed, row

        self._feed, self._row, self._out = Feed(args.format), row, out
        self._snapshot = book.snapshot

    def found(self, one: Observation) -> None:
        self._out.write(self._feed.row(self._row(one)))

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        pass

    def end(self, summary: dict[str, Any]) -> None:
        self._out.write(self._feed.end({**summary, "snapshot": self._snapshot}))


class _Xml:
    """nmap's XML: a host when all of it is known."""

    def __init__(self, args: Namespace, plan: Plan, book: Book, out: Output) -> None:
        self._plan, self._out, self._all = plan, out, args.all
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._rest: dict[str, dict[tuple[str, str], int]] = {}
        self._addresses: tuple[int, ...] = ()
        self._began, self._begun, self._engine = time.time(), False, "syn"

    def found(self, one: Observation) -> None:
        from portlore.render.observations import row

        self._rows.setdefault(one.target.address, []).append(row(one))

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        from portlore.scan.addresses import format_address
        from portlore.scan.plan import CLOSED_EARLY, CODES, OPEN, REFUSED

        self._engine = engine if block.transport == "tcp" else self._engine
        if self._addresses and block.addresses != self._addresses:
            self._write_hosts()
        self._addresses = block.addresses
        width = len(block.ports)
        for place, number in enumerate(block.addresses):
            part = outcomes[place * width : (place + 1) * width]
            address = format_address(block.version, number, block.zone)
            if address in self._rest or any(part.count(code) for code in (OPEN, REFUSED, CLOSED_EARLY)):
                counts = {code: part.count(code) for code in CODES if code != OPEN}
                told = {(block.transport, str(CODES[code])): count for code, count in counts.items() if count}
                self._rest.setdefault(address, {}).update(told)

    def _write_hosts(self) -> None:
        from portlore.render.nmap_xml import host

        self._begin()
        for address in dict.fromkeys((*self._rest, *self._rows)):
            rows = self._rows.get(address, [])
            rest = {} if self._all else self._rest.get(address, {})
            self._out.write("".join(host(address, rows, rest, self._began, time.time())))
        self._rows.clear()
        self._rest.clear()

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        from portlore import __version__
        from portlore.render.nmap_xml import begin
        from portlore.scan.ports import format_numbers

        ports = self._plan.ports
        scans = [
            ("udp" if on == "udp" else self._engine, on, len(ports[on]), format_numbers(ports[on])) for on in ports
        ]
        self._out.write("".join(begin(" ".join(["portlore", *sys.argv[1:]]), self._began, __version__, scans)))

    def end(self, summary: dict[str, Any]) -> None:
        from portlore.render.nmap_xml import end

        self._write_hosts()
        self._out.write("".join(end(summary, time.time())))


class Stoppable:
    """Within it SIGTERM ends a scan as Ctrl-C does, with valid output; ``ignoring``: neither of them ends it."""

    def __init__(self, *, ignoring: bool = False) -> None:
        numbers = (signal.SIGTERM, signal.SIGINT) if ignoring else (signal.SIGTERM,)
        self._new: dict[signal.Signals, Any] = dict.fromkeys(numbers, signal.SIG_IGN if ignoring else _stop)
        self._old: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        try:
            for number, handler in self._new.items():
                self._old[number] = signal.signal(number, handler)
        except ValueError:  # not the main thread: signals are somebody else's business
            return

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
