"""The full-screen view without a screen: what keys do, what is shown, also of ten thousand sockets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from seeing import hidden, listener, owner

from portlore.filtering import SORTS, Choice
from portlore.render.terminal import Style, columns_of
from portlore.render.watching import MARKED, Screen

NGINX = listener(80, "0.0.0.0", owner("nginx", 5))
POSTGRES = listener(5432, "127.0.0.1", owner("postgres", 9))
NODE = listener(7035, "::", owner("node\x1b[2J", 12))
HIDDEN = listener(5433, "0.0.0.0", hidden(unit="db.service"))
KEYS = ["up", "down", "page-up", "page-down", "home", "end", "enter", "escape", "backspace", *"jkgGseup/q x", "é"]


def screen(*listeners: Any) -> Screen:
    made = Screen("listening on here", Choice(), "port", lambda _: "10:00", list)
    made.update(listeners or (NGINX, POSTGRES, NODE, HIDDEN), 0.0)
    return made


def shown(one: Screen, width: int = 80, height: int = 24, *, unicode: bool = True) -> list[str]:
    return one.frame(Style(width, colour=False, unicode=unicode), height, "10:00:00")


def test_the_frame_has_a_title_counts_columns_rows_and_keys() -> None:
    lines = shown(screen())
    assert lines[0].startswith("listening on here")
    assert lines[0].endswith("10:00:00")
    assert "4 sockets" in lines[1]
    assert "JUDGEMENT" in lines[2]
    assert [line.split()[1] for line in lines[3:7]] == ["80/tcp", "5432/tcp", "5433/tcp", "7035/tcp"]
    assert "q quit" in lines[-1]
    assert len(lines) == 24
    assert shown(screen(), unicode=False)[-1].isascii()


def test_the_cursor_moves_and_stays_within_the_rows() -> None:
    one = screen()
    for keys, place in (
        (["down"], 1),
        (["j", "k"], 1),
        (["end"], 3),
        (["down"], 3),
        (["home", "up"], 0),
        (["page-down"], 3),
    ):
        for key in keys:
            one.press(key)
        assert one.cursor == place
    assert "4/4" in shown(one)[1]


def test_enter_expands_a_row_and_closes_it_again() -> None:
    one = screen()
    before = shown(one)
    one.press("enter")
    assert any("registered for http, which nginx serves" in line for line in shown(one))
    one.press("enter")
    assert shown(one) == before


def test_a_filter_is_typed_corrected_kept_and_dropped() -> None:
    one = screen()
    for key in "/posx":
        one.press(key)
    assert "filter: posx_" in shown(one)[-1]
    assert one.rows == 0
    assert "nothing fits" in shown(one)[1]
    one.press("backspace")
    one.press("enter")
    assert one.rows == 1
    assert "filter 'pos'" in shown(one)[1]
    one.press("escape")
    assert one.rows == 4
    for key in ("/", "q", "escape"):  # a q that is typed quits nothing
        one.press(key)
    assert (one.rows, one.done) == (4, False)


def test_sorting_goes_round_and_the_cursor_stays_on_its_row() -> None:
    one = screen()
    one.press("down")
    for _ in SORTS:
        one.press("s")
        assert "5432/tcp" in next(line for line in shown(one) if line.startswith(">"))
    assert one.sort == "port"


def test_exposed_and_unexpected_narrow_the_rows() -> None:
    one = screen()
    one.press("e")
    assert one.rows == 3
    one.press("u")
    assert one.rows == 1
    assert "exposed" in shown(one, 110)[1]
    assert "unexpected" in shown(one, 110)[1]


def test_what_came_and_what_went_is_marked_for_a_while() -> None:
    one = screen(NGINX, POSTGRES)
    one.update((NGINX, NODE), 1.0)
    lines = shown(one)
    assert any(line.startswith("+") and "7035/tcp" in line for line in lines)
    assert any(line.startswith("-") and "5432/tcp vanished" in line for line in lines)
    assert "+1" in lines[1]
    assert "-1" in lines[1]
    one.tick(1.0 + MARKED)
    assert one.rows == 2
    assert not any(line.startswith(("+", "-")) for line in shown(one))


def test_a_service_that_was_started_again_keeps_its_row() -> None:
    one = screen(NGINX, POSTGRES)
    one.press("enter")
    one.update((listener(80, "0.0.0.0", owner("nginx", 500)), POSTGRES), 1.0)
    assert "+1" not in shown(one)[1]
    assert any("nginx serves" in line for line in shown(one))  # still expanded


def test_pause_and_quit() -> None:
    one = screen()
    one.press("p")
    assert "paused" in shown(one)[0]
    one.press("q")
    assert one.done


@pytest.mark.parametrize(("width", "height"), [(40, 6), (69, 10), (80, 24), (200, 60)])
def test_no_line_is_wider_than_the_screen_and_no_name_gets_through_raw(width: int, height: int) -> None:
    one = screen()
    for _ in range(4):
        one.press("enter")
        one.press("down")
    lines = shown(one, width, height)
    assert len(lines) == height
    for line in lines:
        assert columns_of(line) <= width, line
        assert line.isprintable()


def test_ten_thousand_rows_are_moved_over_and_shown_at_once() -> None:
    from portlore.seen import Listener

    many: list[Listener] = []
    for port in range(20000, 30000):
        socket = POSTGRES.socket.replace(port=port, inode=port)
        many.append(POSTGRES.replace(socket=socket))
    one = screen(*many)
    one.press("end")
    lines = shown(one)
    assert "10000/10000" in lines[1]
    assert "29999/tcp" in lines[-2]
    one.press("page-up", 20)
    assert "29979/tcp" in "".join(shown(one))
    one.press("home")
    assert "20000/tcp" in shown(one)[3]


def test_an_empty_machine_is_shown_too() -> None:
    one = Screen("x", Choice(), "port", str, list)
    one.update((), 0.0)
    for key in KEYS:
        one.press(key)
    assert len(shown(one)) == 24


@given(st.lists(st.sampled_from(KEYS), max_size=40), st.integers(40, 120), st.integers(5, 40))
def test_any_keys_leave_a_screen_that_fits(keys: list[str], width: int, height: int) -> None:
    one = screen()
    for number, key in enumerate(keys):
        one.press(key)
        if number == 5:
            one.update((NGINX, NODE), 1.0)
        assert len(shown(one, width, height)) == height
        assert 0 <= one.cursor <= max(0, one.rows - 1)
