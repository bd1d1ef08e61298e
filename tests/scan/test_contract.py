"""The JSON contract: every key of a row and of a summary stands in the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from portlore.observed import Observation, Outcome, Target
from portlore.opening import load
from portlore.render.observations import row
from portlore.scan.machine import LOOPBACK, Here
from portlore.scan.plan import Settings
from portlore.scan.policy import decide
from portlore.scan.running import Plan, Scan
from portlore.scan.targets import parse_targets

PAGE = Path(__file__).parent.parent.parent / "docs/reference/json.md"


def summary() -> dict[str, object]:
    targets = parse_targets(["127.0.0.1"], lambda name: [])
    plan = Plan(targets, {"tcp": (9,)}, Settings(), decide(targets), Here(LOOPBACK, (), ()), "connect")
    return Scan(plan, watcher=None, book=load()).summary()  # type: ignore[arg-type]


ROW = row(Observation(Target("127.0.0.1", 9, "tcp"), Outcome.REFUSED, "rst", None, 0.0))


@pytest.mark.skipif(not PAGE.is_file(), reason="needs the source tree")
def test_every_key_of_scans_and_their_summaries_stands_in_the_reference() -> None:
    text = PAGE.read_text("utf-8")
    row_keys, rest = text.split("A row of `observations`")[1].split("The `summary` of a scan:")
    told = [line for line in row_keys.splitlines() if line.startswith("| `")]
    in_order = [key.strip(" `") for line in told for key in line.split("|")[1].split(",")]
    assert in_order == list(ROW)
    found = summary()
    keys = {*found, *found["asked"], *found["settings"], *found["account"], *found["hosts"], *found["policy"]}  # type: ignore[misc]
    assert [key for key in sorted(keys) if f"`{key}`" not in rest] == []
    assert [outcome for outcome in found["outcomes"] if f"`{outcome}`" not in text] == []  # type: ignore[attr-defined]
