"""What terminals send, as keys: sequences, pastes, and what has not come whole."""

from __future__ import annotations

import pytest

from portlore.cli.fullscreen import keys_of, unfinished

BOTH = "\x1b[200~{}\x1b[201~"  # bracketed paste (xterm's control sequences)


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b[C\x1b[D\x1bOC\x1bOD", ["right", "left", "right", "left"]),
        ("\t\x1b[Z\x1b[3~", ["tab", "tab", "delete"]),
        ("a" + BOTH.format("d\ny") + "b", ["a", "paste:d\ny", "b"]),
        (BOTH.format("\x1b[A") + BOTH.format(""), ["paste:\x1b[A", "paste:"]),
        ("\x1b[200~cut off", ["paste:cut off"]),
    ],
)
def test_what_terminals_send_is_told_apart(sent: str, keys: list[str]) -> None:
    assert keys_of(sent) == keys


@pytest.mark.parametrize("sent", ["\x1b", "\x1b[", "\x1bO", "j\x1b[5", "\x1b[200~text", BOTH.format("x") + "\x1b[20"])
def test_a_sequence_that_has_not_come_whole_is_waited_for(sent: str) -> None:
    assert unfinished(sent)


@pytest.mark.parametrize("sent", ["", "j", "\x1b[A", "\x1b[A 5", "\x1bOB", "\x1b[5~", BOTH.format("text"), "[5"])
def test_a_whole_one_is_not(sent: str) -> None:
    assert not unfinished(sent)
