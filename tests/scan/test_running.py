"""A scan of several blocks from its plan to its end, with an engine in memory: no packet is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portlore.errors import InputError
from portlore.observed import CUT_SHORT, Evidence, Identification
from portlore.opening import load
from portlore.scan import grid
from portlore.scan.grid import Shard
from portlore.scan.machine import LOOPBACK, Here
from portlore.scan.plan import OPEN, REFUSED, TIMEOUT, UNASKED, Account, Settings
from portlore.scan.policy import decide
from portlore.scan.running import Plan, Scan
from portlore.scan.targets import Span, parse_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.observed import Observation, Target
    from portlore.scan.plan import Block, Report
    from portlore.scan.tally import Tarpit

PROOF = Evidence("ssh", b"", b"SSH-2.0-\\\x1b\xff")
PORTS = tuple(range(1, 101))


class Memory:
    """Every tenth port of an even address is open, the others refuse; odd ones are silent. Stops after ``most``."""

    def __init__(self, most: int = 10**9) -> None:
        self.left, self.asked = most, 0

    def run(
        self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
    ) -> Account:
        sent = 0
        for probe, code in enumerate(outcomes):
            if code != UNASKED:
                continue
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.asked += 1
            sent += 1
            address, port = block.place(probe)
            outcomes[probe] = TIMEOUT if address % 2 else OPEN if port % 10 == 0 else REFUSED
            if outcomes[probe] == OPEN:
                report(probe, "memory", 0.001)
            tick(Account(sent=sent, answered=sent))
        return Account(sent=sent, answered=sent)


class Heard:
    def __init__(self) -> None:
        self.rows: list[tuple[str, int, str]] = []
        self.shares: list[float] = []

    def found(self, one: Observation) -> None:
        self.rows.append((one.target.address, one.target.port, str(one.outcome)))

    def settled(self, engine: str, block: Block, outcomes: bytearray, tarpits: list[Tarpit]) -> None:
        assert not tarpits

    def progress(self, share: float, account: Account, count: int) -> None:
        self.shares.append(share)


def run(
    engine: Memory,
    *,
    everything: bool = False,
    state: Path | None = None,
    shard: Shard | None = None,
    chosen: str = "connect",
    transports: tuple[str, ...] = ("tcp",),
    identify: bool = False,
) -> tuple[Scan, Heard]:
    targets = parse_targets(["10.0.0.0-19"], lambda name: [])
    here = Here((*LOOPBACK, Span(4, 0x0A000007, 0x0A000007)), (), ())
    ports = dict.fromkeys(transports, PORTS)
    plan = Plan(targets, ports, Settings(), decide(targets), here, chosen, shard or Shard(), everything, state=state,
                identify=identify)  # fmt: skip
    heard = Heard()
    scan = Scan(plan, heard, load())
    scan._engines = dict.fromkeys(("connect", "syn", "udp"), engine)
    scan.run()
    return scan, heard


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MOST_PROBES", 300)  # three addresses


def test_every_block_is_asked_and_only_open_ports_are_told() -> None:
    scan, heard = run(engine := Memory())
    assert engine.asked == 2000
    assert sorted(heard.rows) == sorted(
        (f"10.0.0.{host}", port, "open") for host in range(0, 20, 2) for port in range(10, 101, 10)
    )
    summary = scan.summary()
    assert summary["outcomes"] == {"open": 100, "refused": 900, "timeout": 1000, "unreachable": 0, "blocked": 0,
                                   "closed-early": 0, "not-asked": 0}  # fmt: skip
    assert summary["hosts"] == {"asked": 20, "answered": 10, "open": 10}
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("most", [0, 1, 299, 300, 301, 950, 1999])
def test_a_scan_that_goes_on_tells_everything_once_and_asks_nothing_twice(
    tmp_path: Path, most: int, everything: bool
) -> None:
    state = tmp_path / "state"
    first, early = run(Memory(most), everything=everything, state=state)
    assert first.ended == "interrupted"
    assert sum(first.summary()["outcomes"].values()) == 2000
    assert first.summary()["outcomes"]["not-asked"] == 2000 - most
    later = Memory()
    second, heard = run(later, everything=everything, state=state)
    assert later.asked == 2000 - most
    _, whole = run(Memory(), everything=everything)
    assert sorted(heard.rows) == sorted(whole.rows)
    assert set(early.rows) <= set(whole.rows)
    assert second.summary()["outcomes"] == run(Memory())[0].summary()["outcomes"]
    assert second.summary()["hosts"] == {"asked": 20, "answered": 10, "open": 10}
    assert second.summary()["account"]["sent"] == 2000
    assert second.summary()["exposure"] == {"private": 100}
    assert not state.exists()


def test_shards_ask_all_of_it_between_them() -> None:
    engines = [Memory() for _ in range(3)]
    rows = [run(engine, shard=Shard(number, 3))[1].rows for number, engine in enumerate(engines, 1)]
    assert sum(engine.asked for engine in engines) == 2000
    assert sorted(row for part in rows for row in part) == sorted(run(Memory())[1].rows)


def test_a_state_of_another_division_among_engines_is_refused_as_its_blocks_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's own address is asked first by connecting where SYN does the rest, and in its place where not."""
    from portlore.scan import syn

    monkeypatch.setattr(syn, "why_not", lambda: "")
    state = tmp_path / "state"
    first, _ = run(Memory(950), state=state, chosen="auto")
    assert first.ended == "interrupted"
    with pytest.raises(InputError, match="engines"):
        run(Memory(), state=state, chosen="connect")
    _, heard = run(Memory(), state=state, chosen="auto")
    assert sorted(heard.rows) == sorted(run(Memory())[1].rows)


@pytest.mark.parametrize("most", [150, 300, 301, 450, 600, 650])
def test_a_host_asked_on_two_transports_is_one_host_also_after_an_end_in_between(tmp_path: Path, most: int) -> None:
    state, both = tmp_path / "state", ("tcp", "udp")
    run(Memory(most), state=state, transports=both)
    second, heard = run(Memory(), state=state, transports=both)
    assert second.summary()["hosts"] == {"asked": 20, "answered": 10, "open": 10}
    assert len(heard.rows) == 200


def test_an_open_port_whose_report_was_cut_off_is_told_all_the_same(tmp_path: Path) -> None:
    class Cut(Memory):
        def run(
            self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
        ) -> Account:
            outcomes[9] = OPEN
            raise KeyboardInterrupt

    state = tmp_path / "state"
    _, heard = run(Cut(), state=state)
    assert heard.rows == [("10.0.0.0", 10, "open")]
    _, heard = run(Memory(), state=state)
    assert sorted(heard.rows) == sorted(run(Memory())[1].rows)


@pytest.mark.parametrize(("address", "port"), [("203.0.113.9", 10), ("10.0.0.20", 10), ("10.0.0.0", 101), ("x", 10)])
def test_a_forged_state_makes_nobody_ask_beyond_the_question(tmp_path: Path, address: str, port: int) -> None:
    from portlore.scan.state import State, read_state, write_state

    path = tmp_path / "state"
    scan, _ = run(Memory(50), state=path)
    state = read_state(path, scan._keeper._question)
    assert isinstance(state, State)
    forged = state.found[0].replace(target=state.found[0].target.replace(address=address, port=port))
    write_state(path, state.replace(found=(forged,)))
    with pytest.raises(InputError, match="does not ask"):
        run(Memory(), state=path)


def test_what_was_identified_before_a_kill_is_told_again_and_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Target] = []

    def identify(found: list[Observation], book: object, tell: Callable[[Observation], None], **_: object) -> None:
        for one in found:
            if len(asked) == 25:  # in the second block: the first has two even addresses with ten each
                tell(one.replace(identification=Identification("", facts=(("heard", "nothing"), CUT_SHORT))))
                raise KeyboardInterrupt
            asked.append(one.target)
            tell(one.replace(identification=Identification("ssh", "OpenSSH", evidence=(PROOF,))))

    monkeypatch.setattr("portlore.scan.identify.identify", identify)
    state = tmp_path / "state"
    first, early = run(Memory(), state=state, identify=True)
    assert first.ended == "interrupted"
    assert len(early.rows) == len(set(early.rows))
    before, asked[:] = list(asked), []
    told: list[Observation] = []
    monkeypatch.setattr(Heard, "found", lambda self, one: told.append(one))

    def again(found: list[Observation], book: object, tell: Callable[[Observation], None], **_: object) -> None:
        for one in found:
            asked.append(one.target)
            tell(one.replace(identification=Identification("http")))

    monkeypatch.setattr("portlore.scan.identify.identify", again)
    second, _ = run(Memory(), state=state, identify=True)
    assert second.ended == "complete"
    assert len(before) == 25
    assert not set(before) & set(asked)
    assert len(asked) == 100 - 25
    words = {one.target: one.identification.protocol for one in told if one.identification is not None}
    assert len(told) == len(words) == 100
    assert {target for target, word in words.items() if word == "ssh"} == set(before)
    assert all(one.identification.evidence == (PROOF,) for one in told if one.target in before and one.identification)
    assert sum(second.summary()["judgements"].values()) == 100
    assert not state.exists()


def test_an_interrupted_part_s_silence_is_not_counted_twice(tmp_path: Path) -> None:
    class Silent(Memory):
        def run(
            self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
        ) -> Account:
            tick(Account(sent=len(block), unanswered=len(block), missed=0.5))
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            outcomes[:] = bytes([TIMEOUT]) * len(outcomes)
            return Account(sent=len(block), unanswered=len(block))

    state = tmp_path / "state"
    assert run(Silent(2), state=state)[0].ended == "interrupted"
    account = run(Silent(), state=state)[0].summary()["account"]
    assert account["sent"] == 2000 + 300  # a block of three addresses was asked twice
    assert account["unanswered"] == 2000
    assert account["missed"] == 0


def test_a_scan_of_many_blocks_names_each_of_its_engines_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for most in (1999, 10**9):  # the second run only goes on, and names those of the first too
        used = run(Memory(most), state=state, chosen="auto", transports=("tcp", "udp"))[0].used
        assert sorted(used["tcp"].split(", ")) in (["connect"], ["connect", "syn"])
        assert used.get("udp", "udp") == "udp"
