"""``portlore netinfo browse`` as a person uses it: a terminal, a real server, somebody else who writes too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if not sys.platform.startswith("linux"):
    pytest.skip("needs a terminal of Linux", allow_module_level=True)
from netinfo.processes import COMMAND, limited, server, stored
from netinfo.serving import HOST
from screens import Screen

import portlore.netinfo
from portlore.netinfo.domain import Domain
from portlore.netinfo.passwords import make_des
from portlore.netinfo.store import Store
from portlore.netinfo.values import NiId, Property, Record, first, properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netinfo.processes import Server

    from portlore.netinfo.values import Properties

AS_NOBODY = [  # of root's rights only that to reach a Python in /root
    "setpriv", "--reuid=65534", "--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", *COMMAND,
]  # fmt: skip
HOSTILE = "eve\x1b[2J\x1b]0;x\x07"
DOWN, UP, RIGHT, CTRL_U = "\x1b[B", "\x1b[A", "\x1b[C", "\x15"
ANN, BEN, EVE, STAFF = 10, 11, 12, 13
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may write by calling from a reserved port")
as_another = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")


def office() -> Domain:
    """Users, of whom ann may write, and a group."""

    def user(number: int, name: str, uid: int) -> Record:
        pairs = [
            ("name", [name]), ("passwd", [HASH]), ("uid", [str(uid)]), ("shell", ["/bin/tcsh"]), ("_writers", ["ann"]),
        ]  # fmt: skip
        return Record(number, 0, 1, properties(pairs), ())

    users = [user(ANN, "ann", 501), user(BEN, "ben", 502), user(EVE, HOSTILE, 503)]
    return Domain.of(
        [
            Record(0, 0, 0, properties([("master", ["here/network"])]), (1, 2)),
            Record(1, 0, 0, properties([("name", ["users"]), ("_writers", ["ann"])]), tuple(one.id for one in users)),
            Record(2, 0, 0, properties([("name", ["groups"])]), (STAFF,)),
            *users,
            Record(STAFF, 0, 2, (Property(b"name", (b"staff",)), Property(b"users", (b"ann", b"b\xff\n"))), ()),
        ]
    )


HASH = make_des(b"secret").decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The domain in a file."""
    return stored(tmp_path / "office", office())


@pytest.fixture
def served(path: Path) -> Iterator[Server]:
    with server(path) as one:
        yield one


def where(one: Server) -> str:
    return f"{HOST}:{one.port}/conv"


@contextmanager
def browsing(
    name: str, *words: str, size: tuple[int, int] = (100, 30), command: list[str] = COMMAND
) -> Iterator[Screen]:
    """The command on a terminal, without colours; it is quit in the end."""
    screen = Screen(command, "browse", name, *words, size=size, NO_COLOR="1")
    try:
        yield screen
        screen.press("q")
        screen.until("\x1b[?1049l")
        assert screen.close() == 0
    except BaseException:
        os.kill(screen.pid, signal.SIGKILL)
        raise


def contents(one: Server) -> dict[int, Properties]:
    """All properties there are, by directory."""
    with portlore.netinfo.open(where(one)) as handle:
        waiting = [0]
        found: dict[int, Properties] = {}
        while waiting:
            entry = handle.read(NiId(waiting.pop(), 0))
            found[entry.id.object] = entry.properties
            waiting += handle.children(entry.id)
        return found


# A file that nobody serves needs no rights beyond the file's: what follows is the same for a server, and runs on both


@pytest.fixture(params=["server", "file"])
def domain(request: pytest.FixtureRequest, path: Path) -> Iterator[str]:
    """What to browse as who may write everything: root at a server of this machine, or the file itself."""
    if request.param == "file":
        yield str(path)
    elif os.geteuid() != 0:
        pytest.skip("needs root, to write everything")
    else:
        with server(path) as one:
            yield where(one)


def test_the_tree_and_the_properties_are_shown_and_nothing_raw_reaches_the_terminal(domain: str) -> None:
    with browsing(domain, size=(80, 24)) as screen:
        screen.sees("▸ users (3)", "▸ groups (1)", "master  here/network")
        screen.press(DOWN + "\r")
        screen.sees("ann", r"eve\x1b[2J\x1b]0;x\x07")
        screen.press("/" + "/groups/staff\r")
        screen.sees("/groups/staff", r"b\xff\n", "directory 13, instance 0")
        screen.press("?")
        screen.sees("Every change is sent at once")
        screen.press("x")
        assert screen.raw == ""


def test_every_change_is_made_undone_and_made_again(domain: str) -> None:
    with browsing(domain) as screen:
        screen.sees("groups (1)")
        screen.press("//users/ben\r")
        screen.sees("/users/ben", "/bin/tcsh")
        screen.press("\t" + DOWN * 3)
        done = [
            ("e" + CTRL_U + "/bin/zsh\r", "changed shell to /bin/zsh"),
            ("a/bin/\\x01\\xff\r", r"added /bin/\x01\xff to shell"),
            ("pphone\r555\r", "added phone"),
            ("mtelephone\r", "renamed phone to phonetelephone"),
            ("d", "deleted 555 from phonetelephone"),
            ("D", "deleted phonetelephone"),
            ("\tcbox\r", "created /users/ben/box"),
            ("dy", "destroyed /users/ben/box"),
        ]
        for keys, told in done:
            screen.press(keys)
            screen.sees(told)
        for _, told in reversed(done):
            screen.press("u")
            screen.sees(f"undone: {told}")
        screen.press("u")
        screen.sees("nothing to undo", "shell     /bin/tcsh")
        for _, told in done:
            screen.press("U")
            screen.sees(f"redone: {told}")
        screen.press("U")
        screen.sees("nothing to redo", r"/bin/\x01\xff")
        assert screen.raw == ""


def test_what_is_undone_is_as_it_was(path: Path) -> None:
    before = {one.id: (one.properties, one.children) for one in office().records()}
    with browsing(str(path)) as screen:
        screen.sees("groups (1)")
        screen.press("//users/ben\r")
        screen.sees("/bin/tcsh")
        screen.press("dy")
        screen.sees("destroyed /users/ben")
        screen.press("c" + "new\r")
        screen.sees("created /users/")
        screen.press("uu")
        screen.sees("undone: destroyed /users/ben")
    with Store(str(path), exclusive=False) as store:
        after = store.load()
    assert {one.id: (one.properties, one.children) for one in after.records()} == {
        (3 if number == BEN else number): (found, tuple(3 if child == BEN else child for child in children))
        for number, (found, children) in before.items()
    }  # the lowest free id, as the protocol has it: it is said, see below
    assert "it is directory 3 now, it was 11" in screen.text


def test_a_file_that_is_served_is_not_opened_beside_the_server(served: Server, path: Path) -> None:
    screen = Screen(COMMAND, "browse", str(path))
    assert "another server holds it" in screen.until("another domain")
    assert screen.close() == 3


def test_a_disk_that_is_full_is_said_and_nothing_of_the_change_is_there(path: Path) -> None:
    with browsing(str(path), command=[*limited(f=80), *COMMAND]) as screen:  # 80 blocks: 40 or 80 KB
        screen.sees("groups (1)")
        screen.press("pnote\r" + "\x1b[200~" + "x" * 65000 + "\x1b[201~\r")
        screen.sees("not written: the disk does not take it", "directory 0, instance 0")
        screen.press("pnote\rsmall\r")
        screen.sees("added note", "directory 0, instance 1", "note    small")


# Others who write


@as_root
def test_what_somebody_else_has_changed_is_never_written_over(served: Server) -> None:
    with browsing(where(served)) as screen, portlore.netinfo.open(where(served)) as other:
        screen.sees("root of this machine")
        screen.press("//users/ben\r")
        screen.sees("/users/ben", "/bin/tcsh")
        screen.press("\t" + DOWN * 3 + "e")
        screen.sees("shell: /bin/tcsh")
        other.write_values(other.itself(NiId(BEN, 0)), 3, (b"/bin/theirs",))
        screen.press(CTRL_U + "/bin/mine\r")
        screen.sees("not written: somebody else has changed it meanwhile; this is how it is now", "/bin/theirs")
        screen.press("e" + UP + "\r")  # what was written is recalled
        screen.sees("changed shell to /bin/mine")
        other.write_values(other.itself(NiId(BEN, 0)), 3, (b"/bin/theirs",))
        screen.press("u")
        screen.sees("not undone: somebody else has changed /users/ben since", "/bin/theirs")
        shell = first(other.read(NiId(BEN, 0)).properties, b"shell")
    assert shell == Property(b"shell", (b"/bin/theirs",))


@as_root
def test_a_number_that_somebody_else_took_meanwhile_is_left_alone(served: Server) -> None:
    with browsing(where(served)) as screen, portlore.netinfo.open(where(served)) as other:
        screen.sees("groups (1)")
        screen.press(DOWN + "c" + "box\r")
        screen.sees("created /users/box", "directory 3, instance 0")
        screen.press("psize\rbig\r")
        screen.sees("added size")
        screen.press("dy")
        screen.sees("destroyed /users/box")
        taken, _ = other.create(other.itself(NiId(2, 0)), (Property(b"name", (b"wheel",)),))
        assert taken.object == 3
        screen.press("u")
        screen.sees("undone: destroyed /users/box; it is directory 4 now, it was 3", "size  big")
        screen.press("u")
        screen.sees("undone: added size")
        screen.press("u")
        screen.sees("undone: created /users/box")
        assert other.read(taken).properties == (Property(b"name", (b"wheel",)),)


@as_root
def test_a_server_that_went_away_is_said_and_found_again_by_the_next_key(path: Path) -> None:
    with server(path) as one:
        port, name = one.port, where(one)
        screen = Screen(COMMAND, "browse", name, NO_COLOR="1")
        screen.sees("groups (1)")
    screen.press(DOWN)
    screen.sees("connection lost (Communication failure): any key tries again")
    screen.press("x")
    screen.sees("connection lost")
    with server(path, port=str(port)):
        screen.press("x")
        screen.sees("connected again", "_writers  ann")
        screen.press("q")
        assert screen.close() == 0


@contextmanager
def going_on_at_the_end(one: Server) -> Iterator[None]:
    """Let a server that was stopped go on, so that it can end."""
    try:
        yield
    finally:
        one.process.send_signal(signal.SIGCONT)


@as_root
def test_a_server_that_does_not_answer_holds_nothing_up(served: Server) -> None:
    with going_on_at_the_end(served), browsing(where(served)) as screen:
        screen.sees("groups (1)")
        served.process.send_signal(signal.SIGSTOP)
        screen.press(DOWN)
        screen.sees("reading /users …", ">  ▸ users")
        screen.press(DOWN)
        screen.sees(">  ▸ groups")


@as_root
def test_a_change_without_an_answer_is_not_forgotten_at_the_end(served: Server) -> None:
    with going_on_at_the_end(served):
        screen = Screen(COMMAND, "browse", where(served), NO_COLOR="1")
        screen.sees("groups (1)")
        screen.press("pnote\r")
        screen.sees("its value (note)")
        served.process.send_signal(signal.SIGSTOP)
        screen.press("\r")
        screen.sees("writing …")
        screen.press("q")
        screen.until("whether it was written is not known")
        assert screen.close() == 0


# Who one is


@as_another
@pytest.mark.parametrize(("options", "who"), [((), "read-only"), (("--classic",), "anonymous")])
def test_who_is_nobody_is_told_so_and_told_what_to_do(path: Path, options: tuple[str, ...], who: str) -> None:
    with server(path, *options) as one:
        before = contents(one)
        with browsing(where(one), command=AS_NOBODY) as screen:
            screen.sees(f"{who}: -u USER to write", "groups (1)")
            screen.press("//users/ben\r")
            screen.sees("/users/ben", "passwd    " if options else "passwd    *")
            screen.press("\te1\r")
            screen.sees("not written: Permission denied: -u USER to write")
        assert contents(one) == before


@as_another
def test_a_user_writes_what_that_user_may_and_hidden_hashes_are_not_lost_unasked(served: Server) -> None:
    with browsing(where(served), "-u", "ann", command=AS_NOBODY) as screen:
        screen.until("password of ann: ")
        screen.press("secret\r")
        screen.sees("groups (1)")
        assert "secret" not in screen.text
        screen.press("//users/ben\r")
        screen.sees("/users/ben", "passwd    *")
        screen.press("\t" + DOWN * 3 + "e1\r")
        screen.sees("changed shell to /bin/tcsh1")
        screen.press(UP * 2 + "D")
        screen.sees("no undo, as the password hash is hidden: delete passwd? y/n")
        screen.press("n")
        screen.sees("left as it is")
        screen.press("\t" + "G" + "e")
        screen.sees("/groups")
        screen.press("c" + "x\r")
        screen.sees("not written: Permission denied")
    assert first(contents(served)[BEN], b"passwd")


@as_another
@pytest.mark.parametrize(("user", "told"), [("ann", "Authentication error"), ("nosuch", "No such user")])
def test_a_wrong_password_is_said_before_anything_is_shown(served: Server, user: str, told: str) -> None:
    screen = Screen(AS_NOBODY, "browse", where(served), "-u", user, COLUMNS="200")
    screen.until(f"password of {user}: ")
    screen.press("wrong\r")
    assert told in screen.until("look without -u")
    assert "\x1b[?1049h" not in screen.text
    assert screen.close() == 2


@as_root
def test_a_server_that_nobody_writes_is_called_read_only(path: Path) -> None:
    with server(path, "--read-only") as one, browsing(where(one)) as screen:
        screen.sees("read-only", "groups (1)")
        screen.press("pnote\r\r")
        screen.sees("not written: No writes allowed")


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [(f"{HOST}:1/conv", 3, "Communication failure"), (f"{HOST}:x/conv", 2, "Bad format"), (__file__, 3, "not a store")],
)
def test_what_cannot_be_opened_is_said_in_a_line(name: str, status: int, told: str) -> None:
    screen = Screen(COMMAND, "browse", name, size=(300, 24))
    assert told in screen.until("\r\n")
    assert screen.close() == status


def test_it_needs_a_terminal(path: Path) -> None:
    done = subprocess.run([*COMMAND, "browse", str(path)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "no terminal" in done.stderr


# The terminal


@pytest.mark.parametrize(
    ("how", "status"), [("\x03", 130), (signal.SIGTERM, 143), (signal.SIGQUIT, 131), (signal.SIGHUP, 129)]
)
def test_the_terminal_is_given_back_however_it_ends(path: Path, how: str | signal.Signals, status: int) -> None:
    screen = Screen(COMMAND, "browse", str(path))
    screen.until("q quit")
    screen.press("pnote")  # while something is written
    screen.until("note")
    if isinstance(how, str):
        screen.press(how)
    else:
        os.kill(screen.pid, how)
    left = screen.until("\x1b[?1049l")
    assert "\x1b[?2004l" in left  # pastes are plain again
    assert "\x1b[?25h" in left  # the cursor is there
    assert screen.close() == status


def test_a_suspended_view_gives_the_terminal_back_and_comes_again(path: Path) -> None:
    with browsing(str(path)) as screen:
        screen.sees("groups (1)")
        screen.press("\x1a")
        screen.until("\x1b[?1049l")
        assert os.WIFSTOPPED(os.waitpid(screen.pid, os.WUNTRACED)[1])
        os.kill(screen.pid, signal.SIGCONT)
        screen.until("q quit")


def test_a_terminal_that_hangs_up_ends_it_without_a_word(path: Path, tmp_path: Path) -> None:
    said = tmp_path / "stderr"
    script = f'exec "$@" 2>{said}'
    screen = Screen(["sh", "-c", script, "sh", *COMMAND], "browse", str(path))
    screen.until("q quit")
    os.close(screen.file)
    status = os.waitstatus_to_exitcode(os.waitpid(screen.pid, 0)[1])
    assert (status, said.read_text()) == (129, "")


def test_another_size_is_drawn_at_once(path: Path) -> None:
    with browsing(str(path), size=(100, 30)) as screen:
        screen.sees("groups (1)")
        screen.resize((60, 14))
        screen.until("\x1b[2J")
        rows = screen.sees("? help").splitlines()
        assert len(rows) == 14
        assert all(len(row) < 60 for row in rows)


def test_what_is_pasted_does_nothing_but_where_something_is_written(path: Path) -> None:
    with browsing(str(path)) as screen:
        screen.sees("groups (1)")
        screen.press("//users/ben\r")
        screen.sees("/users/ben", "/bin/tcsh")
        screen.press("\x1b[200~dy\n\x1b[201~" + "\t" + DOWN * 3 + "e" + CTRL_U)
        screen.press("\x1b[200~one\ntwo\x1b[201~\r")
        screen.sees(r"changed shell to one\ntwo")


def test_keys_typed_ahead_do_what_they_would_have_done_one_by_one(path: Path) -> None:
    with browsing(str(path)) as screen:
        screen.sees("groups (1)")
        screen.press(DOWN + "\r" + DOWN + DOWN + "\t" + DOWN * 3 + "e" + CTRL_U + "/bin/sh\r" + "u" + "U")
        screen.sees("redone: changed shell to /bin/sh", "/users/ben")


def test_a_change_that_was_sent_right_before_the_end_is_made_and_said(path: Path) -> None:
    screen = Screen(COMMAND, "browse", str(path), NO_COLOR="1")
    screen.sees("groups (1)")
    screen.press("pnote\r1\rq")
    screen.until("portlore: added note")
    assert screen.close() == 0
    with Store(str(path), exclusive=False) as store:
        assert store.load().values(0, b"note") == (b"1",)


@as_root
def test_a_directory_of_a_hundred_thousand_is_listed_once(tmp_path: Path) -> None:
    many = [Record(n, 0, 1, properties([("name", [f"user{n:06d}"])]), ()) for n in range(2, 100_002)]
    root = Record(0, 0, 0, properties([("master", ["here/network"])]), (1,))
    users = Record(1, 0, 0, properties([("name", ["users"])]), tuple(one.id for one in many))
    with server(stored(tmp_path / "big", Domain.of([root, users, *many]))) as one:
        with browsing(where(one), size=(60, 14)) as screen:
            screen.sees("users (100,000)")
            screen.press(DOWN + "\r")
            screen.sees("user000002")
            screen.press("G")
            screen.sees("user100001", "directory 100001, instance 0")
            screen.press("/user05000\r")
            screen.sees("/users/user050000")
            screen.press("//users/user070000\r")
            screen.sees("/users/user070000")
        with portlore.netinfo.open(where(one)) as handle:
            lists = first(handle.statistics(), b"list")
    assert lists is not None
    assert lists.values[1] == b"2"  # the root, /users
