"""``listening``, ``wait``, ``stop`` and ``compare`` as people and scripts use them, on real sockets of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from screens import Screen
from seeing import listener

from portlore.cli import arguments_of
from portlore.cli.fullscreen import keys_of
from portlore.errors import InputError, PolicyRefused
from portlore.listeners import Machine
from portlore.listeners.stopping import Target, end, restarters
from portlore.opening import load, open_programs
from portlore.seen import Container, Owner, Process

SERVER = """
import os, signal, socket, sys
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
print(s.getsockname()[1], flush=True)
signal.pause() if "deaf" not in sys.argv else [signal.pause() for _ in range(9)]
"""


@contextmanager
def server(*words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen([sys.executable, "-c", SERVER, *(words or ("0",))], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        try:
            yield one, int(one.stdout.readline())
        finally:
            one.kill()


def run(command: list[str], *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"}
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False, env=environment, **options)


def test_listening_finds_a_socket_by_its_port_and_its_program(command: list[str]) -> None:
    with server() as (one, port):
        done = run(command, "listening", str(port), "--json")
        (row,) = json.loads(done.stdout)["listeners"]
        assert (done.returncode, row["owners"][0]["process"]["pid"], row["exposure"]) == (0, one.pid, "loopback")
        page = run(command, "listening", str(port)).stdout
        assert f"{port}/tcp" in page
        assert str(one.pid) in page
    assert run(command, "listening", str(port)).returncode == 1
    assert "nothing of what is asked" in run(command, "listening", str(port)).stdout


def test_the_document_tells_when_where_and_what_could_not_be_seen(command: list[str]) -> None:
    told = json.loads(run(command, "listening", "--json").stdout)
    assert list(told) == ["snapshot", "host", "asked", "notes", "listeners"]
    assert told["host"] == os.uname().nodename


@pytest.mark.parametrize(
    "words",
    [
        ["70000"],
        ["--sort", "size"],
        ["--format", "xml"],
        ["--every", "0"],
        ["--transport", "icmp"],
        ["--nonsense"],
        ["9-1"],
    ],
)
def test_a_wrong_question_is_told_in_one_line_and_exits_2(command: list[str], words: list[str]) -> None:
    done = run(command, "listening", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_plain_arguments_are_what_argparse_makes_of_them() -> None:
    for words in (
        [],
        ["5432"],
        ["--json", "nginx"],
        ["--exposed", "--unexpected"],
        ["--connections", "--full", "--why"],
    ):
        plain = vars(arguments_of("listening", list(words)))
        parsed = vars(arguments_of("listening", [*words, "--sort", "port"]))  # an option that needs the parser
        assert plain == parsed


def test_wait_returns_as_soon_as_something_listens(command: list[str]) -> None:
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        threading.Timer(0.4, kept.listen).start()
        done = run(command, "wait", str(port), "--timeout", "20")
        assert (done.returncode, f"{port}/tcp" in done.stdout) == (0, True)
        told = json.loads(run(command, "wait", str(port), "--timeout", "20", "--json").stdout)
        assert (told["free"], told["listeners"][0]["owners"][0]["process"]["pid"]) == (False, os.getpid())


def test_wait_until_free_and_what_it_says_when_time_runs_out(command: list[str]) -> None:
    with server() as (one, port):
        done = run(command, "wait", str(port), "--free", "--timeout", "0.3")
        assert done.returncode == 1
        threading.Timer(0.3, one.terminate).start()
        done = run(command, "wait", str(port), "--free", "--timeout", "20")
        assert (done.returncode, "nothing listens there" in done.stdout) == (0, True)
    done = run(command, "wait", str(port), "--timeout", "0.2", "--json")
    assert (done.returncode, json.loads(done.stdout)["free"]) == (1, True)
    assert run(command, "wait", "nginx").returncode == 2
    assert run(command, "wait", "1-5").returncode == 2


def test_stop_asks_nobody_without_a_terminal_and_leaves_it_alone(command: list[str]) -> None:
    with server() as (one, port):
        done = run(command, "stop", str(port), stdin=subprocess.DEVNULL)
        assert done.returncode == 2
        assert "--yes" in done.stderr
        assert str(one.pid) in done.stdout  # who it is was shown
        assert one.poll() is None


def test_stop_ends_the_listener_and_says_that_the_port_is_free(command: list[str]) -> None:
    with server() as (one, port):
        done = run(command, "stop", str(port), "--yes")
        assert (done.returncode, one.wait(5)) == (0, -signal.SIGTERM)
        assert f"{port}/tcp is free" in done.stdout
    assert run(command, "stop", str(port), "--yes").returncode == 1


def test_stop_kills_what_does_not_listen_to_term_after_the_grace(command: list[str]) -> None:
    with server("0", "deaf") as (one, port):
        done = run(command, "stop", str(port), "--yes", "--grace", "0.3")
        assert (done.returncode, one.wait(5)) == (0, -signal.SIGKILL)
        assert "by KILL" in done.stdout


def test_stop_never_touches_clients_of_the_port(command: list[str]) -> None:
    with server() as (_, port), socket.create_connection(("127.0.0.1", port)) as client:
        assert run(command, "stop", str(port), "--yes").returncode == 0
        assert client.fileno() > 0  # this very process is the client, and lives


KEEPER = """
import subprocess, sys
from pathlib import Path
Path("/proc/self/comm").write_text("supervisord")
while True:
    subprocess.run([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""


def test_stop_says_who_starts_it_again_and_that_it_came_back(command: list[str]) -> None:
    with server() as (_, port):
        pass
    with subprocess.Popen([sys.executable, "-c", KEEPER, SERVER, str(port)], stdout=subprocess.PIPE) as keeper:
        try:
            assert run(command, "wait", str(port), "--timeout", "20").returncode == 0
            done = run(command, "stop", str(port), "--yes")
            assert done.returncode == 1
            assert f"supervisord ({keeper.pid}) will start it again" in done.stderr
            assert "again" in done.stderr.splitlines()[-1]
        finally:
            keeper.kill()
            run(command, "stop", str(port), "--yes")


def test_stop_answers_scripts_with_an_object(command: list[str]) -> None:
    assert run(command, "stop", "1", "--json").returncode == 2  # nobody to ask
    with server() as (one, port):
        told = json.loads(run(command, "stop", str(port), "--yes", "--json").stdout)
        assert told["stopped"] == [{"pid": one.pid, "name": told["stopped"][0]["name"], "killed": False}]
        assert (told["free"], told["port"], told["transport"], told["listeners"]) == (True, port, "tcp", [])


def test_stop_takes_tcp_alone_unless_told_otherwise(command: list[str]) -> None:
    with server() as (_, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", port))  # this process: stopping it would end the test
        assert run(command, "stop", str(port), "--yes").returncode == 0


SHELL = """
import os, socket, subprocess, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); s.set_inheritable(True)
other = subprocess.Popen(["sleep", "60"], close_fds=False)
done = subprocess.run([*sys.argv[1:], "stop", str(s.getsockname()[1]), "--yes"], close_fds=False, capture_output=True)
print(other.wait(), done.stderr.decode())
"""


def test_stop_spares_the_shell_that_it_was_typed_into(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SHELL, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0  # the process in between lives
    assert done.stdout.startswith("-15 ")  # the other holder does not
    assert "which you are in, holds it too" in done.stdout


def test_stop_refuses_a_forwarder_and_names_the_container() -> None:
    from portlore.cli.stop import _targets

    behind = Owner(0, "root", None, Container("docker", "ab" * 32, "web"), Process(4711, "nginx"))
    one = listener(22, "0.0.0.0", behind).replace(held=((99, 3),))
    with pytest.raises(PolicyRefused) as caught:
        _targets([one], "22/tcp")
    assert "docker stop web" in caught.value.do


def test_a_group_of_more_than_a_thousand_processes_is_ended_without_select() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        with subprocess.Popen(["sleep", "60"]) as one:
            target = Target.of(one.pid, "sleep")
            assert target is not None
            assert target.descriptor > 1023
            assert end([target], 5, lambda left: None) == []
    finally:
        for file in kept:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_stop_refuses_its_own_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from portlore.cli import main

    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        assert main(["stop", str(own.getsockname()[1]), "--yes"]) == 4
    assert "this very process" in capsys.readouterr().err


def test_process_1_is_never_a_target() -> None:
    from portlore.cli.stop import _targets

    one = listener(22, "0.0.0.0", Owner(0, "root", "ssh.socket", None, Process(1, "systemd")))
    with pytest.raises(PolicyRefused) as caught:
        _targets([one], "22")
    assert "systemctl stop ssh.socket" in caught.value.do


def test_a_unit_that_restarts_and_a_container_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web.service").write_text("[Service]\nExecStart=/usr/sbin/nginx\nRestart=always\n")
    monkeypatch.setattr("portlore.listeners.units.FOLDERS", (str(tmp_path),))
    process = Process(os.getpid(), "nginx")
    (told,) = restarters(Owner(0, "root", "web.service", None, process))[:1]
    assert "Restart=always" in told
    assert "systemctl stop web.service" in told
    (told,) = restarters(Owner(0, "root", None, Container("docker", "ab" * 32, "web"), process))[:1]
    assert "docker stop web" in told


def test_a_process_that_took_a_number_over_is_not_signalled() -> None:
    gone = subprocess.Popen(["sleep", "60"])
    target = Target.of(gone.pid, "sleep")
    assert target is not None
    gone.kill()
    gone.wait()
    assert target.ended()
    target.send(signal.SIGTERM)  # nobody is there
    other = Target(os.getpid(), "reborn", -1, 1)  # our number, another start
    assert other.ended()
    other.send(signal.SIGKILL)
    assert end([target], 0.1, lambda left: None) == []


def test_compare_tells_what_changed_since(command: list[str], tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    with server() as (_, port):
        before.write_text(run(command, "listening", "--json", "--format", "json").stdout)
    with server(str(port)):  # started again: no change
        after.write_text(run(command, "listening", "--json").stdout)
    mine = json.loads(run(command, "compare", str(before), str(after), "--json").stdout)["changes"]
    assert [one for one in mine if one["port"] == port] == []
    done = run(command, "compare", str(before), "--json", "--exit-code")
    told = [one for one in json.loads(done.stdout)["changes"] if one["port"] == port]
    assert [(one["change"], one["address"]) for one in told] == [("vanished", "127.0.0.1")]
    assert done.returncode == 1
    assert f"vanished  {port}/tcp on 127.0.0.1" in run(command, "compare", str(before)).stdout
    assert run(command, "compare", str(before), str(before)).stdout == "nothing changed\n"
    piped = run(command, "compare", "-", str(before), input=before.read_text())
    assert (piped.stdout, piped.returncode) == ("nothing changed\n", 0)


def test_compare_asks_again_as_the_list_was_asked_for(command: list[str], tmp_path: Path) -> None:
    with server() as (_, port):
        file = tmp_path / "one.json"
        file.write_text(run(command, "listening", str(port), "--json").stdout)
        told = json.loads(run(command, "compare", str(file), "--json").stdout)
        assert told["changes"] == []  # what else listens is no news
        every = tmp_path / "all.json"
        every.write_text(run(command, "listening", "--json").stdout)
        assert "other options" in run(command, "compare", str(file), str(every)).stderr
        file.write_text(file.read_text().replace(f'["{port}"]', '"x"'))
        assert run(command, "compare", str(file)).returncode == 2


def test_what_the_reader_does_not_wait_for_keeps_its_exit_status(command: list[str]) -> None:
    script = 'set -o pipefail; "$@" listening 1-65535 --transport tcp --full --json | head -c1 >/dev/null; exit $?'
    with server():
        assert subprocess.run(["bash", "-c", script, "bash", *command], check=False).returncode == 0


def test_json_keeps_names_in_any_locale(command: list[str]) -> None:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        port = str(own.getsockname()[1])
        comm = Path("/proc/self/comm")
        before = comm.read_text()
        try:
            comm.write_text("späň😀")
            environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
            words = [*command, "listening", port, "--json"]
            done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        finally:
            comm.write_text(before)
    assert done.stdout.isascii()
    names = {o["process"]["name"] for row in json.loads(done.stdout)["listeners"] for o in row["owners"]}
    assert "späň😀" in names


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b"703"])
def test_compare_names_a_file_that_is_none(command: list[str], tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "list.json"
    if content is not None:
        file.write_bytes(content)
    done = run(command, "compare", str(file), str(file))
    assert done.returncode == 2
    assert "list.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_watch_needs_a_terminal(command: list[str]) -> None:
    done = run(command, "listening", "--watch", stdin=subprocess.DEVNULL)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_watch_shows_filters_expands_and_tells_what_came_and_went(command: list[str]) -> None:
    with server() as (_, port):
        screen = Screen(command, "listening", "--watch", "--every", "0.2")
        screen.until("q quit")
        screen.press("/")
        screen.until("filter:")
        screen.press(f"{port}\r")
        screen.until(f"filter '{port}'")
        screen.press("\r")
        screen.until("import os")  # the command line
    screen.until(f"{port}/tcp vanished")
    with server(str(port)):
        screen.until("+1")
        screen.press("q")
        screen.until("\x1b[?1049l")
    assert screen.close() == 0


def test_watch_leaves_the_terminal_as_it_was_when_interrupted(command: list[str]) -> None:
    screen = Screen(command, "listening", "--watch")
    screen.until("q quit")
    screen.press("\x03")
    screen.until("\x1b[?1049l")
    assert screen.close() == 130


def test_watch_gives_the_terminal_back_when_it_is_told_to_end_or_suspended(command: list[str]) -> None:
    screen = Screen(command, "listening", "--watch", "--every", "0.2")
    screen.until("q quit")
    os.kill(screen.pid, signal.SIGTSTP)
    screen.until("\x1b[?1049l")
    assert os.WIFSTOPPED(os.waitpid(screen.pid, os.WUNTRACED)[1])
    os.kill(screen.pid, signal.SIGCONT)
    screen.until("q quit")  # drawn anew
    os.kill(screen.pid, signal.SIGTERM)
    screen.until("\x1b[?1049l")
    assert screen.close() == 128 + signal.SIGTERM


def test_keys_of_a_terminal_are_told_apart() -> None:
    assert keys_of("\x1b[A\x1b[B\x1b[5~\x1b[6~j/é\r\x7f") == [
        "up", "down", "page-up", "page-down", "j", "/", "é", "enter", "backspace",
    ]  # fmt: skip
    assert keys_of("\x1b") == ["escape"]
    assert keys_of("\x1b[15~q") == ["q"]  # a key that is not ours is passed over
    assert keys_of("\x1b[") == []
    assert keys_of("") == []


def test_the_library_has_the_same_verb() -> None:
    import portlore

    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        port = own.getsockname()[1]
        (one,) = [each for each in portlore.listening() if each.socket.port == port and each.socket.transport == "tcp"]
    assert isinstance(one, portlore.Listener)
    assert [pid for pid, _ in one.held] == [os.getpid()]
    assert one.judgement is not None
    assert re.fullmatch(r"[a-z]+", one.judgement.word)


def test_a_way_to_ask_that_there_is_not_is_refused_or_told() -> None:
    machine = Machine(load(), open_programs(), through="proc")
    assert any("read from /proc/net" in note for note in machine.look().notes)
    with pytest.raises(InputError):
        arguments_of("listening", ["--through", "magic"])
