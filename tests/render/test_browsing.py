"""The view of a domain without a terminal or a server: what keys ask for, what answers do to it, what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.errors import InputError
from portlore.render.browsing import HELP, Screen
from portlore.render.directory import Birth, Directory, Edit, Properties, Step, shown, typed
from portlore.render.prompt import cut, fold
from portlore.render.terminal import Style, columns_of
from portlore.render.visit import Ask, Count, Find, Listing, Read, Visit, Write

USERS, ANN, BEN, GROUPS = 1, 12, 13, 2
NAMES = {0: (), USERS: (b"users",), ANN: (b"ann", b"a"), BEN: (b"ben",), GROUPS: (b"groups",)}
BELOW = {0: (USERS, GROUPS), USERS: (ANN, BEN)}
ANN_HAS: Properties = ((b"name", (b"ann", b"a")), (b"shell", (b"/bin/tcsh",)), (b"empty", ()), (b"passwd", (b"*",)))
KEYS = [
    "up", "down", "left", "right", "page-up", "page-down", "home", "end", "enter", "escape", "backspace", "delete",
    "tab", "paste:d\ny", *"jkgGhlruUnpcdDmeay/?x1\\é",
]  # fmt: skip


def has(number: int) -> Properties:
    return ANN_HAS if number == ANN else ((b"name", NAMES[number]),) if NAMES[number] else ()


class Domain:
    """A domain that answers what a visit asks; ``instances`` and ``properties`` may be changed by somebody else."""

    def __init__(self) -> None:
        self.instances = dict.fromkeys(NAMES, 7)
        self.properties = {number: has(number) for number in NAMES}
        self.below = {number: list(BELOW.get(number, ())) for number in NAMES}
        self.asked: list[Ask] = []
        self.new = 30  # the number of the next directory that is created

    def answer(self, visit: Visit, limit: int = 100) -> None:
        """Answer until nothing is asked, or up to a write, which is left to the test."""
        for _ in range(limit):
            ask = visit.wanted()
            if ask is None or isinstance(ask, Write):
                return
            self.asked.append(ask)
            self.give(visit, ask)
        raise AssertionError("it never stops asking")

    def give(self, visit: Visit, ask: Ask) -> None:
        if isinstance(ask, Read):
            visit.read(Directory(ask.number, self.instances[ask.number], self.properties[ask.number]))
        elif isinstance(ask, Listing):
            visit.listed(
                ask.number, [(one, dict(self.properties[one]).get(b"name", ())) for one in self.below[ask.number]]
            )
        elif isinstance(ask, Count):
            visit.counted([(one, len(self.below[one])) for one in ask.numbers])

    def write(self, visit: Visit) -> Write:
        """Do what is to be written, as a server does; what it was."""
        self.answer(visit)
        ask = visit.wanted()
        assert isinstance(ask, Write)
        change = ask.change
        assert ask.instance == self.instances[change.target]
        if isinstance(change, Edit):
            self.instances[change.number] += 1
            self.properties[change.number] = change.after
            visit.written(change.number)
        elif change.born:
            self.instances[change.parent] += 1
            self.instances[self.new], self.properties[self.new], self.below[self.new] = 0, change.properties, []
            self.below[change.parent].insert(change.place, self.new)
            visit.written(self.new)
        else:
            self.below[change.parent].remove(change.number)
            visit.written(change.number)
        self.answer(visit)
        return ask


def at_ann(*, sees_all: bool = False) -> tuple[Screen, Domain]:
    """A screen with the cursor on the properties of ann."""
    screen, domain = Screen("here/network", "root", sees_all=sees_all), Domain()
    domain.answer(screen.visit)
    for key in ("down", "enter", "down", "tab"):
        screen.press(key)
        domain.answer(screen.visit)
    frame(screen)
    domain.answer(screen.visit)
    return screen, domain


def press(screen: Screen, *keys: str) -> None:
    for key in keys:
        screen.press(key)


def frame(screen: Screen, width: int = 79, height: int = 24, asked: Ask | None = None) -> str:
    return "\n".join(screen.frame(Style(width), height, asked))


# Text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"/bin/tcsh", "/bin/tcsh"),
        (b"", ""),
        ("gül 山田".encode(), "gül 山田"),
        (b"a\x1b[2J\x07b", r"a\x1b[2J\x07b"),
        (b"one\ntwo\ttabs\r", r"one\ntwo\ttabs\r"),
        (b"C:\\dos", r"C:\\dos"),
        (b"\xff\xc3", r"\xff\xc3"),
        ("\x9b31m".encode(), r"\u009b31m"),  # a C1 control, which terminals obey, is not the byte of that number
        (b"\x9b31m", r"\x9b31m"),
        ("\u202e\U000e0001".encode(), r"\u202e\U000e0001"),
        (b"\x7f", r"\x7f"),
    ],
)
def test_what_does_not_print_is_an_escape_that_can_be_typed(value: bytes, text: str) -> None:
    assert (shown(value), typed(text)) == (text, value)


@given(st.binary(max_size=60).map(lambda value: value.replace(b"\0", b"")))
def test_every_value_is_printable_text_and_back(value: bytes) -> None:
    assert shown(value).isprintable()
    assert typed(shown(value)) == value


@pytest.mark.parametrize("text", ["\\", "\\q", "\\x1", r"\x00", r"\u0000", r"\ud800", r"\U00110000", "x" * 65536])
def test_what_cannot_be_a_value_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        typed(text)


@pytest.mark.parametrize(
    ("text", "width", "found"),
    [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("山田", 4, "山田"), ("山田", 3, "山…"), ("a", 0, "")],
)
def test_text_is_cut_to_columns(text: str, width: int, found: str) -> None:
    assert cut(text, width) == found


@given(st.text(max_size=80), st.integers(2, 30), st.integers(1, 9))
def test_folded_text_is_whole_where_there_is_room(text: str, width: int, most: int) -> None:
    pieces = fold(text, width, most)
    assert 1 <= len(pieces) <= most
    assert all(columns_of(piece) <= width for piece in pieces)
    if len(pieces) < most:
        assert "".join(pieces) == text


# Changes: the keys, the call, the call that undoes it

TABLE = [
    (
        ("down", "down", "e", *["backspace"] * 4, *"zsh\r"),
        "write_value",
        (1, 0, b"shell", (b"/bin/zsh",)),
        (b"/bin/tcsh",),
    ),
    (("down", "down", "a", *"x\r"), "create_value", (1, 1, b"shell", (b"x",)), "destroy_value"),
    (("down", "down", "d"), "destroy_value", (1, 0, b"shell", (b"/bin/tcsh",)), "create_value"),
    (("down", "d"), "destroy_value", (0, 1, b"name", (b"a",)), "create_value"),
    (("down", "down", "D"), "destroy_property", (1, 0, b"shell", (b"/bin/tcsh",)), "create_property"),
    (("down", "down", "m", *"2\r"), "rename_property", (1, 0, b"shell2"), "rename_property"),
    (("down", "down", "p", *"home\r/h\r"), "create_property", (2, 0, b"home", (b"/h",)), "destroy_property"),
    (("down", "down", "p", *"note\r\r"), "create_property", (2, 0, b"note"), "destroy_property"),
    (("tab", "p", *"note\r\r"), "create_property", (4, 0, b"note"), "destroy_property"),
    (("end", "up", "e", "enter"), "create_value", (2, 0, b"empty", (b"",)), "destroy_value"),
]


@pytest.mark.parametrize(("keys", "procedure", "given", "inverse"), TABLE)
def test_a_change_is_one_small_call_and_undo_the_opposite_one(
    keys: tuple[str, ...], procedure: str, given: tuple[object, ...], inverse: object
) -> None:
    screen, domain = at_ann()
    for key in keys:
        screen.press("enter" if key == "\r" else key)
    first = domain.write(screen.visit)
    assert isinstance(first.change, Edit)
    assert first.change.step == Step(procedure, *given)  # type: ignore[arg-type]
    assert domain.properties[ANN] != ANN_HAS
    changed = domain.properties[ANN]
    screen.press("u")
    undone = domain.write(screen.visit)
    assert isinstance(undone.change, Edit)
    step = undone.change.step
    assert (step.procedure if isinstance(inverse, str) else step.values) == inverse
    assert domain.properties[ANN] == ANN_HAS
    screen.press("U")
    domain.write(screen.visit)
    assert domain.properties[ANN] == changed
    assert "redone" in frame(screen)


def test_nothing_is_written_where_nothing_is_changed_or_somebody_leaves() -> None:
    screen, domain = at_ann()
    for keys in (["e", "enter"], ["e", "x", "escape"], ["p", "enter", "escape"], ["u"], ["U"]):
        for key in keys:
            screen.press(key)
        domain.answer(screen.visit)
        assert screen.visit.wanted() is None
    assert domain.properties[ANN] == ANN_HAS


def test_what_cannot_be_written_is_said_and_stays_to_be_corrected() -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "e", "\\", "q", "enter")
    assert r"\q: no such escape; a backslash is written \\" in frame(screen)
    screen.press("backspace")
    assert "/bin/tcsh\\" in frame(screen)
    press(screen, "\\", "enter")
    assert domain.write(screen.visit).change.after[1] == (b"shell", (b"/bin/tcsh\\",))  # type: ignore[union-attr]


def test_the_cursor_stays_at_what_was_changed() -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "d")
    domain.write(screen.visit)
    assert "> shell   (no value)" in frame(screen)
    screen.press("D")
    domain.write(screen.visit)
    assert [name for name, _ in domain.properties[ANN]] == [b"name", b"empty", b"passwd"]
    assert "> empty   (no value)" in frame(screen)
    press(screen, "home", "down", "d")
    domain.write(screen.visit)
    assert "> name    ann" in frame(screen)


def test_what_was_written_is_recalled() -> None:
    screen, _ = at_ann()
    press(screen, "down", "down", "e", "1", "escape", "e", "up")
    assert "shell: /bin/tcsh1" in frame(screen)


def test_a_paste_is_text_and_never_a_command() -> None:
    screen, domain = at_ann()
    press(screen, "paste:d\ny")
    assert screen.visit.wanted() is None
    press(screen, "a", "paste:one\ntwo\x1b[2J", "enter")
    domain.write(screen.visit)
    assert domain.properties[ANN][0] == (b"name", (b"ann", b"one\ntwo\x1b[2J", b"a"))


# What others do meanwhile


def test_a_stale_answer_is_said_and_the_directory_read_again() -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "d")
    ask = screen.visit.wanted()
    assert isinstance(ask, Write)
    assert ask.instance == 7
    domain.instances[ANN], domain.properties[ANN] = 8, ((b"name", (b"anne",)),)
    screen.visit.failed(ask, "STALE", "Write attempted on stale version of object")
    domain.answer(screen.visit)
    assert "not written: somebody else has changed it meanwhile" in frame(screen)
    assert "anne" in frame(screen)
    assert not screen.visit.history.done


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (((b"name", (b"ann", b"a")), (b"shell", (b"x",)), (b"empty", (b"1",)), (b"passwd", (b"*",))), True),
        (((b"name", (b"ann", b"a")), (b"shell", (b"y",)), (b"empty", ()), (b"passwd", (b"*",))), False),
        (((b"name", (b"eve", b"a")), (b"shell", (b"x",)), (b"empty", ()), (b"passwd", (b"*",))), False),
        (((b"new", ()), (b"name", (b"ann", b"a")), (b"shell", (b"x",)), (b"empty", ()), (b"passwd", (b"*",))), False),
        (((b"name", (b"ann", b"a")), (b"shell", (b"x",))), False),
    ],
)
def test_undo_touches_nothing_that_somebody_else_has_changed(now: Properties, allowed: bool) -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "e", "\x15", "x", "enter")
    domain.write(screen.visit)
    domain.instances[ANN], domain.properties[ANN] = 40, now
    screen.press("u")
    domain.answer(screen.visit)
    if allowed:
        assert domain.write(screen.visit).instance == 40
    else:
        assert screen.visit.wanted() is None
        assert "not undone: somebody else has changed /users/ann since" in frame(screen)
        assert domain.properties[ANN] == now
    screen.press("u")
    assert "nothing to undo" in frame(screen)


def test_a_directory_that_is_gone_leaves_the_tree() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "down")
    screen.visit.failed(Read(BEN), "NODIR", "No such directory")
    assert "/users/ben is no longer there" in frame(screen)
    assert BEN not in screen.visit.tree.rows
    domain.answer(screen.visit)
    assert screen.visit.tree.selected == USERS


def test_a_lost_connection_is_said_and_tried_again_with_the_next_key() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "down")
    screen.visit.failed(Read(BEN), "FAILED", "no answer")
    assert screen.visit.wanted() is None
    assert "connection lost (no answer): any key tries again" in frame(screen)
    screen.press("down")
    assert screen.visit.wanted() == Read(GROUPS)
    domain.asked.clear()
    domain.answer(screen.visit)
    assert "connected again" in frame(screen)
    assert {Listing(0), Listing(USERS)} <= set(domain.asked)  # what is open may be another by now


def test_a_write_without_an_answer_may_or_may_not_be_there() -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "d")
    ask = screen.visit.wanted()
    assert ask is not None
    screen.visit.failed(ask, "FAILED", "no answer")
    assert "whether it was written is not known" in frame(screen)
    screen.press("up")
    domain.answer(screen.visit)
    assert not screen.visit.history.done


def test_a_refused_undo_can_be_tried_again() -> None:
    screen, domain = at_ann()
    press(screen, "down", "down", "d")
    domain.write(screen.visit)
    screen.press("u")
    domain.answer(screen.visit)
    ask = screen.visit.wanted()
    assert ask is not None
    screen.visit.failed(ask, "PERM", "Permission denied")
    assert "not undone: Permission denied" in frame(screen)
    domain.answer(screen.visit)
    screen.press("u")
    domain.write(screen.visit)
    assert domain.properties[ANN] == ANN_HAS


# Password hashes that are hidden from who asks (passwd reads as *)


@pytest.mark.parametrize("keys", [["D"], ["d"], ["e", "x", "enter"]])
def test_what_may_be_hidden_is_taken_away_only_after_a_yes_and_cannot_be_undone(keys: list[str]) -> None:
    screen, domain = at_ann()
    press(screen, "end", *keys)
    assert screen.visit.wanted() is None
    assert "no undo, as the password hash is hidden" in frame(screen, 59, 14)
    screen.press("x")
    assert screen.visit.wanted() is None
    assert "left as it is" in frame(screen)
    press(screen, *keys, "y")
    domain.write(screen.visit)
    assert domain.properties[ANN] != ANN_HAS
    screen.press("u")
    assert "nothing to undo" in frame(screen)


def test_who_sees_all_is_not_asked() -> None:
    screen, domain = at_ann(sees_all=True)
    press(screen, "end", "D")
    domain.write(screen.visit)
    screen.press("u")
    domain.write(screen.visit)
    assert domain.properties[ANN] == ANN_HAS


# Directories


def test_a_directory_is_created_where_the_cursor_is_and_undone_by_destroying_it() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "c", *"box", "enter")
    ask = domain.write(screen.visit)
    assert ask == Write(Birth(ANN, (b"ann", b"a"), 0xFFFF_FFFF, -1, ((b"name", (b"box",)),)), 7)
    assert domain.below[ANN] == [30]
    assert "/users/ann/box" in frame(screen).splitlines()[1]
    screen.press("u")
    domain.write(screen.visit)
    assert domain.below[ANN] == []
    assert "undone: created /users/ann/box" in frame(screen)


def test_a_destroyed_directory_comes_back_where_it_stood_perhaps_by_another_number() -> None:
    screen, domain = at_ann(sees_all=True)
    press(screen, "down", "down", "e", "\x15", "x", "enter")
    domain.write(screen.visit)
    changed = domain.properties[ANN]
    press(screen, "tab", "d")
    assert "destroy /users/ann? y/n" in frame(screen)
    screen.press("y")
    domain.write(screen.visit)
    assert domain.below[USERS] == [BEN]
    screen.press("u")
    domain.write(screen.visit)
    assert domain.below[USERS] == [30, BEN]
    assert domain.properties[30] == changed
    assert "undone: destroyed /users/ann; it is directory 30 now, it was 12" in frame(screen)
    screen.press("u")  # what was done to it before is undone under its new number
    assert domain.write(screen.visit).change == Edit(30, changed, ANN_HAS)
    press(screen, "U", "U")
    domain.write(screen.visit)
    screen.press("U")
    domain.write(screen.visit)
    assert domain.below[USERS] == [BEN]


def test_a_directory_with_others_below_it_and_the_root_are_not_destroyed() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "up", "d")
    domain.answer(screen.visit)
    screen.press("d")
    assert "/users has 2 below it: destroy those first" in frame(screen)
    press(screen, "home")
    domain.answer(screen.visit)
    screen.press("d")
    assert "the root cannot be destroyed" in frame(screen)
    assert screen.visit.wanted() is None


# The tree, searching, the screen


def test_the_tree_opens_closes_and_asks_once_for_what_is_in_it() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "left", "left")  # to users, which closes
    domain.answer(screen.visit)
    assert "ann" not in frame(screen)
    assert "▸ users (2)" in frame(screen)
    domain.asked.clear()
    press(screen, "right")
    domain.answer(screen.visit)
    assert "ben" in frame(screen)
    assert Listing(USERS) not in domain.asked
    press(screen, "r")
    domain.answer(screen.visit)
    assert Listing(USERS) in domain.asked


def test_names_are_found_in_what_is_open_and_paths_everywhere() -> None:
    screen, domain = at_ann()
    press(screen, "tab", "home", "/", *"EN", "enter")
    assert screen.visit.tree.selected == BEN
    screen.press("n")
    assert screen.visit.tree.selected == BEN
    press(screen, "/", *"nobody", "enter")
    assert "no nobody in what is open" in frame(screen)
    press(screen, "home", "enter", "/", *"/users/ann", "enter")
    assert screen.visit.wanted() == Find("/users/ann")
    screen.visit.found((USERS, ANN))
    domain.answer(screen.visit)
    assert screen.visit.tree.selected == ANN
    assert screen.visit.current is not None
    press(screen, "/", *"/x\x1b[2J", "enter")
    screen.visit.failed(Find("/x\x1b[2J"), "NODIR", "No such directory")
    assert r"/x\x1b[2J: No such directory" in frame(screen)
    assert screen.visit.tree.selected == ANN


def test_the_help_names_every_key() -> None:
    screen, _ = at_ann()
    screen.press("?")
    first = frame(screen, 59, 14)
    screen.press(
        "page-down",
    )
    assert first != frame(screen, 59, 14)
    screen.press("x")
    assert "The tree" not in frame(screen)
    keys = {**screen._anywhere, **screen._on_tree, **screen._on_properties}
    for key in keys.keys() - {" ", "\x12", "h", "l", "escape"}:
        assert f"{key} " in HELP or f"{key}," in HELP, key
    assert all(columns_of(line) <= 59 for line in HELP.splitlines())


def test_the_frame_says_where_and_as_whom_and_what_is_going_on() -> None:
    screen, _ = at_ann()
    lines = frame(screen).splitlines()
    assert lines[0].split() == ["here/network", "root"]
    assert lines[1].startswith("/users/ann ")
    assert lines[1].endswith("directory 12, instance 7")
    assert "? help  q quit" in lines[-1]
    screen.visit.directory = None
    assert "reading /users/ann …" in frame(screen, asked=Read(ANN))
    screen.press("q")
    assert screen.done


def test_hostile_names_are_shown_as_escapes() -> None:
    screen = Screen("host\x1b[2J/tag", "eve\x07")
    screen.visit.read(Directory(0, 0, ((b"a\x1b]0;x\x07", (b"\xff\x9b", "\u202e".encode())),)))
    screen.visit.listed(0, [(1, (b"\x1b[2Jevil\n",)), (2, ()), (3, (b"\x80",))])
    text = frame(screen)
    assert text.replace("\n", "").isprintable()
    for words in (r"\x1b[2Jevil\n", "[2]", r"\x80", r"a\x1b]0;x\x07", r"\xff\x9b", r"\u202e"):
        assert words in frame(screen, 100)
    for key in "p\x1b":
        screen.press(key)
    assert frame(screen).replace("\n", "").isprintable()


def test_a_tree_that_leads_into_itself_is_shown_once() -> None:
    screen = Screen("x", "y")
    visit = screen.visit
    visit.read(Directory(0, 0, ()))
    visit.listed(0, [(1, ()), (1, ()), (2, ()), (0, ())])
    for number in (1, 2):
        visit.tree.show(number)
        visit.listed(number, [(1, ()), (2, ()), (3, ())])
    assert sorted(visit.tree.rows) == [0, 1, 2, 3]
    assert all(visit.tree.path(number).startswith("/") for number in range(4))
    visit.tree.gone(1)
    visit.tree.reveal(3)
    visit.tree.refresh()


def test_of_a_hundred_thousand_only_those_in_sight_are_asked_about() -> None:
    screen = Screen("x", "y")
    visit = screen.visit
    visit.read(Directory(0, 0, ()))
    visit.listed(0, [(number, (b"user%06d" % number,)) for number in range(1, 100_001)])
    assert "user000001" in frame(screen)
    counting = visit.wanted()
    assert isinstance(counting, Count)
    assert len(counting.numbers) <= 24
    screen.press("end")
    assert "user100000" in frame(screen)
    assert visit.wanted() == Read(100_000)
    for key in "/user050000":
        screen.press(key)
    screen.press("enter")
    assert visit.tree.selected == 50_000
    assert "user050000" in frame(screen, 59, 14)


@pytest.mark.parametrize(("width", "height"), [(40, 5), (59, 14), (79, 24), (200, 60)])
def test_no_line_is_wider_than_the_screen(width: int, height: int) -> None:
    screen, _ = at_ann()
    screen._sheet.lay(Directory(ANN, 9, ((b"n" * 300, (b"v" * 5000, "山".encode() * 99)), *ANN_HAS)))
    for keys in (["home"], ["end"], ["tab"], ["/", "paste:" + "x" * 500], ["left", "home"], ["escape", "?"]):
        for key in keys:
            screen.press(key)
        for style in (Style(width), Style(width, unicode=False)):
            lines = screen.frame(style, height)
            assert len(lines) == height
            assert all(columns_of(line) <= width and line.isprintable() for line in lines), lines
        if screen.caret is not None:
            assert screen.caret[0] < height
            assert screen.caret[1] < width


STATUSES = ["STALE", "PERM", "NODIR", "FAILED", "RDONLY", "SYSTEMERR", "NOTEMPTY"]
NAMES_TOLD = st.lists(st.binary(max_size=5), max_size=2).map(tuple)
ANSWERS = st.one_of(
    st.sampled_from(STATUSES),
    st.lists(st.tuples(st.integers(0, 9), NAMES_TOLD), max_size=6),
    st.lists(st.tuples(st.sampled_from([b"name", b"passwd", b"x\x1b"]), NAMES_TOLD), max_size=4).map(tuple),
)


@given(st.data(), st.integers(40, 110), st.integers(5, 30))
def test_whatever_is_pressed_and_answered_the_screen_fits_and_asking_ends(
    data: st.DataObject, width: int, height: int
) -> None:
    screen = Screen("x", "y")
    visit = screen.visit
    for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=25)):
        for _ in range(200):
            ask = visit.wanted()
            if ask is None:
                break
            told = data.draw(ANSWERS)
            if isinstance(told, str):
                visit.failed(ask, told, told)
            elif isinstance(ask, Read):
                visit.read(Directory(ask.number, 0, told if isinstance(told, tuple) else ()))
            elif isinstance(ask, Listing):
                visit.listed(ask.number, told if isinstance(told, list) else [])
            elif isinstance(ask, Count):
                visit.counted([(number, 1) for number in ask.numbers])
            elif isinstance(ask, Find):
                visit.found([number for number, _ in told] if isinstance(told, list) else [])
            else:
                visit.written(data.draw(st.integers(0, 9)))
        else:
            raise AssertionError("it never stops asking")
        lines = screen.frame(Style(width), height, ask)
        assert len(lines) == height
        assert all(columns_of(line) <= width and line.isprintable() for line in lines)
        assert visit.tree.rows[0] == 0
        assert len(set(visit.tree.rows)) == len(visit.tree.rows)
        screen.press(key, height)


# What the rest leaves out


def test_of_a_long_path_the_end_is_shown() -> None:
    screen, domain = at_ann()
    domain.properties[ANN] = ((b"name", (b"x" * 90,)),)
    screen.press("u")
    screen, domain = Screen("here/network", "root"), domain
    domain.answer(screen.visit)
    for key in ("down", "enter", "down"):
        screen.press(key)
        domain.answer(screen.visit)
    shown_ = frame(screen, 60)
    assert f"…{'x' * 20}" in shown_
    assert f"directory {ANN}, instance 7" in shown_
    assert frame(screen, 60).isascii() is False
    assert "~xxx" in "\n".join(screen.frame(Style(60, unicode=False), 24, None))


def test_keys_that_need_no_answer_do_not_wait_for_one() -> None:
    screen, _ = at_ann()
    assert [key for key in ("q", "?", "escape", "down", "d", "r", "enter") if screen.heedless(key)] == [
        "q", "?", "escape", "down",
    ]  # fmt: skip
    screen.press("a")  # a prompt takes every key but the one that ends it
    assert [key for key in ("x", "backspace", "enter") if screen.heedless(key)] == ["x", "backspace"]


def test_a_property_without_values_has_none_to_delete() -> None:
    screen, _ = at_ann()
    press(screen, "down", "down", "down", "d")  # past the two values of her name and her shell
    assert "empty has no value" in frame(screen)
    assert "D deletes the property" in frame(screen)


def test_what_has_no_name_is_not_created() -> None:
    screen, _ = at_ann()
    press(screen, "tab", "c", "enter")
    assert "it has no name" in frame(screen)
    press(screen, "escape")
    assert screen.visit.wanted() is None
