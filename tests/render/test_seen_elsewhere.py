"""What scans and captures are shown with: sizes, times, protocols in layers, the lines below a port."""

from __future__ import annotations

import pytest

from portlore.observed import Confidence, Evidence, Identification, Observation, Outcome, Target
from portlore.render.capturing import protocol_text, rest_of, size_text, time_text
from portlore.render.identifying import details
from portlore.render.terminal import Style
from portlore.seen import Judgement, JudgementWord

WITHIN = Identification("redis", "Redis", "7.0.15", evidence=(Evidence("redis", b"PING\r\n", b"+PONG\r\n"),))
TLS = Identification("tls", facts=(("alpn", "h2"), ("cipher", "X")), inside=WITHIN)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (2_500_000, "2.5 MB"), (999_900_000_000_000, "1,000 TB")]
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_time_that_no_calendar_has_is_said() -> None:
    assert time_text(0) == "1970-01-01 00:00:00 UTC"
    assert time_text(1e30) == "a time that no calendar has"


def test_layers_are_named_from_without_and_a_guess_is_marked() -> None:
    assert protocol_text(None) == "not recognised"
    assert protocol_text(TLS) == "tls/redis Redis 7.0.15"
    assert protocol_text(Identification("fgcp", confidence=Confidence.GUESS)) == "fgcp?"


def test_what_could_not_be_counted_is_named() -> None:
    assert rest_of({}, {}, 0) == {}
    assert sum(rest_of({1: 3}, {0x88CC: 2}, 4).values()) == 9


@pytest.mark.parametrize("evidence", [False, True])
def test_facts_and_bytes_of_every_layer_stand_below_a_port(evidence: bool) -> None:
    why = Judgement(JudgementWord.CUSTOMARY, "a reason")
    one = Observation(Target("10.0.0.1", 1, "tcp"), Outcome.OPEN, "syn-ack", 0.1, 0.0, TLS, None, None, why)
    text = "\n".join(details(one, Style(80), evidence=evidence, advice="Take care."))
    assert "alpn h2" in text
    assert ("cipher X" in text) is ("+PONG" in text) is evidence
    assert "Take care." in text
