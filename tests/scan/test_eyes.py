"""What people read of scans and identifications: words, numbers and bytes as they are shown."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.cli.output import Output
from portlore.cli.scan import first_told
from portlore.observed import UNFINISHED, Confidence, Evidence, Identification, Observation, Outcome, Target
from portlore.opening import load
from portlore.render.identifying import MOST_SHOWN, details
from portlore.render.observations import unescaped
from portlore.render.scanning import Lines, summary_lines
from portlore.render.terminal import Style, columns_of
from portlore.scan.advising import Advice
from portlore.scan.plan import TIMEOUT, UNASKED, Account, Block
from portlore.scan.tally import Tally, missed_text

WHERE = Target("10.0.0.5", 22, "tcp")


@given(st.binary(min_size=1, max_size=MOST_SHOWN), st.sampled_from([60, 80, 132]))
def test_the_bytes_of_evidence_are_wrapped_between_bytes_and_can_be_told_again(data: bytes, width: int) -> None:
    told = Identification("ssh", confidence=Confidence.CERTAIN, evidence=(Evidence("ssh", b"", data),))
    one = Observation(WHERE, Outcome.OPEN, "syn-ack", 0.1, 1.0, told)
    head, *lines = details(one, Style(width), evidence=True)
    assert head.strip() == "certain, ssh <"
    assert max(map(columns_of, lines)) <= width
    assert b"".join(unescaped(line[6:]) for line in lines) == data


@pytest.mark.parametrize(
    ("outcome", "reason", "word"),
    [
        (Outcome.TIMEOUT, "silence", "silent"),
        (Outcome.TIMEOUT, UNFINISHED, "not asked to the end"),
        (Outcome.REFUSED, "rst", "refused"),
        (Outcome.UNREACHABLE, "icmp", "unreachable"),
    ],
)
@pytest.mark.parametrize("width", [60, 80])
def test_a_port_that_is_not_open_says_why_without_blanks_at_the_end(
    outcome: Outcome, reason: str, word: str, width: int
) -> None:
    lines = list(
        Lines(Style(width), several=False, identify=True).lines(Observation(WHERE, outcome, reason, None, 1.0))
    )
    assert lines == [line.rstrip() for line in lines]
    assert lines[-1].endswith(word)


COUNTS = Tally().outcomes()
MISSED = [  # outcomes, what is said of them
    ({"open": 1}, "no port that was asked stayed silent"),
    ({"not-asked": 65535}, "65,535 ports were not asked to the end"),
    ({"not-asked": 1, "open": 1}, "1 port was not asked to the end; no port that was asked stayed silent"),
    ({"unreachable": 2, "open": 1}, "no port that was asked stayed silent; 2 ports could not be reached: whether open,"
     " nobody knows"),
    ({"blocked": 1, "timeout": 1}, "1 port never answered, asked up to 4 times; the chance that an open one is among"
     " them because packets were lost is below 0.0001 %; 1 port could not be reached: whether open, nobody knows"),
]  # fmt: skip


@pytest.mark.parametrize(("outcomes", "text"), MISSED)
def test_what_may_have_been_missed_is_said_in_full(outcomes: dict[str, int], text: str) -> None:
    assert missed_text({**COUNTS, **outcomes}, Account(), 4, ("tcp",)) == text


@pytest.mark.parametrize(
    ("outcome", "sign"), [("refused", "✔"), ("unreachable", "?"), ("blocked", "?"), ("timeout", "?")]
)
def test_only_a_scan_that_leaves_nothing_open_is_ticked(outcome: str, sign: str) -> None:
    account = {"sent": 1, "answered": 1, "reasked": 0, "unanswered": 0, "icmp": 0, "rtt": 0, "lost": 0, "missed": 0}
    summary = {
        "hosts": {"asked": 1, "answered": 1, "open": 0}, "outcomes": {**COUNTS, outcome: 1}, "account": account,
        "engines": {"tcp": "syn"}, "took": 1.0, "missed": "…", "ended": "complete", "notes": [], "advice": [],
        "policy": {"allowed": True, "addresses": {"private": 1}}, "judgements": {}, "exposure": {},
    }  # fmt: skip
    lines = list(summary_lines(summary, Style(80)))
    assert "1 packet, " in lines[1]
    assert next(line for line in lines if "missed:" in line).startswith(sign)
    assert not any("--i-am-allowed" in line for line in lines), "no public address was asked"


def test_a_silent_port_of_wireguard_is_no_sign_that_it_is_not_there() -> None:
    advice = Advice(load())
    block = Block(4, (0x0A000001, 0x0A000002), (9, 51820), "udp")
    advice.of_silent(block, bytearray([TIMEOUT, TIMEOUT, TIMEOUT, UNASKED]))
    (line,) = advice.lines()
    assert line.startswith("WireGuard answers only who knows its key")
    assert line.endswith("(10.0.0.1:51820/udp)")
    advice = Advice(load())
    advice.of_silent(block.replace(transport="tcp"), bytearray([TIMEOUT] * 4))
    assert advice.lines() == []


def test_of_a_name_it_is_said_which_address_is_asked_and_which_are_not() -> None:
    talk = StringIO()
    two = [(4, 0x0A000001, ""), (6, 0xFD << 120 | 1, "")]
    resolve = first_told(lambda name: two if name == "two.example" else two[:1], Output(StringIO(), talk))
    assert [list(resolve(name)) for name in ("two.example", "one.example")] == [two, two[:1]]
    assert talk.getvalue() == "portlore: two.example is 10.0.0.1; it has fd00::1 too, not asked\n"
