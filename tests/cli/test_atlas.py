"""``portlore atlas``: what goes to the terminal, to a pipe and to a file; what is refused, in one line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from scanned import SCANS

import portlore


def run(command: list[str], *words: str, stdin: str = "", **more: str) -> Any:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM", "FORCE_COLOR")}
    environment = {**kept, "COLUMNS": "80", "PYTHONUTF8": "1", **more}
    return subprocess.run(
        [*command, "atlas", *words], capture_output=True, text=True, check=False, env=environment, input=stdin
    )


def test_a_pipe_gets_letters_and_a_legend_with_counts(command: list[str]) -> None:
    told = run(command)
    lines = told.stdout.splitlines()
    assert (told.returncode, told.stderr) == (0, "")
    assert lines[0] == f"Ports: status, registry of {portlore.load().snapshot}"
    assert {len(line) for line in lines[2:34]} == {64}
    assert "~ dynamic  16,384" in lines  # RFC 6335 section 6: 49152 to 65535
    assert lines[-1] == "One character stands for 4 by 8 ports: it shows what most of them are."
    assert "\x1b" not in told.stdout


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({"FORCE_COLOR": "1", "COLORTERM": "truecolor"}, "\x1b[38;2;"),
        ({"FORCE_COLOR": "1", "TERM": "xterm-256color"}, "\x1b[38;5;"),
        ({"FORCE_COLOR": "1", "COLORTERM": "truecolor", "NO_COLOR": "1"}, ""),
        ({"FORCE_COLOR": "1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}, ""),
    ],
)
def test_colours_are_those_that_the_terminal_has(command: list[str], environment: dict[str, str], colour: str) -> None:
    told = run(command, "--scan", "-", stdin="22", **environment).stdout
    drawing = told.split("\n\n")[1]
    assert (colour in drawing) if colour else ("\x1b" not in drawing)
    assert ("▀" in drawing) == bool(colour)


def test_a_wide_terminal_shows_every_port(command: list[str]) -> None:
    told = run(command, COLUMNS="300", FORCE_COLOR="1").stdout
    drawing = told.split("\n\n")[1].splitlines()
    assert [line.count("▀") for line in drawing] == [256] * 128


def test_json_names_every_port_once_and_says_what_lookup_says(command: list[str]) -> None:
    told = json.loads(run(command, "--json").stdout)
    assert (told["layer"], told["snapshot"]) == ("status", portlore.load().snapshot)
    rows = told["ports"]
    assert [row["first"] for row in rows] == [0, *(row["last"] + 1 for row in rows[:-1])]
    assert rows[-1]["last"] == 65535
    codes = {port: row["code"] for row in rows for port in (703, 22, 0, 50000) if row["first"] <= port <= row["last"]}
    assert codes == {port: str(portlore.lookup(port).status) for port in (703, 22, 0, 50000)}
    table = list(csv.DictReader(io.StringIO(run(command, "--format", "csv").stdout)))
    assert table == [{key: str(value) for key, value in row.items()} for row in rows]


def test_a_day_of_the_past_is_drawn_as_it_was(command: list[str]) -> None:
    told = json.loads(run(command, "--as-of", "2010-01-01", "--json").stdout)
    assert told["snapshot"] == "2005-12-22"
    assert {"first": 49152, "last": 65535, "code": "dynamic"} in told["ports"]
    assert "registry of 2005-12-22" in run(command, "--as-of", "2010-01-01").stdout


@pytest.mark.parametrize("name", ["nmap.xml", "portlore.ndjson", "masscan.list"])
def test_a_scan_is_drawn_from_a_file_and_from_a_pipe(command: list[str], tmp_path: Path, name: str) -> None:
    text, ports = SCANS[name]
    path = tmp_path / name
    path.write_text(text, "utf-8")
    for told in (run(command, "--scan", str(path), "--json"), run(command, "--scan", "-", "--json", stdin=text)):
        rows = json.loads(told.stdout)["ports"]
        assert {row["first"] for row in rows if row["code"] == "open"} == ports


def test_this_machine_is_drawn_with_what_listens_on_it(command: list[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as door:
        rows = json.loads(run(command, "--layer", "listeners", "--json").stdout)["ports"]
        port = door.getsockname()[1]
        assert next(row["code"] for row in rows if row["first"] <= port <= row["last"]) == "local"


@pytest.mark.parametrize("name", ["map.png", "map.svg", "MAP.SVG"])
def test_a_file_is_written_whole_and_said(command: list[str], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("what was there before")
    told = run(command, "-o", str(path))
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == f"portlore: {path}: Ports: status, registry of {portlore.load().snapshot}\n"
    assert path.read_bytes().startswith((b"\x89PNG\r\n\x1a\n", b"<svg "))
    assert [one.name for one in tmp_path.iterdir() if one.name != "portlore-data"] == [name]


def test_the_scale_is_pixels_a_port(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    run(command, "-o", str(path), "--scale", "3")
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 768  # IHDR's width


REFUSED = [
    (["-o", "map.gif"], 2, "neither .png nor .svg"),
    (["-o", "map"], 2, "neither .png nor .svg"),
    (["--scale", "2"], 2, "no file to draw"),
    (["-o", "a.png", "--scale", "0"], 2, "a count of 0"),
    (["-o", "a.png", "--scale", "1000"], 2, "more than 32 pixels"),
    (["--layer", "history"], 2, "invalid choice"),
    (["--layer", "scan"], 2, "with --scan"),
    (["--layer", "claims", "--scan", "x"], 2, "two layers"),
    (["--scan", "/nonexistent"], 2, "No such file"),
    (["--scan", "/dev/null"], 2, "it is empty"),
    (["--scan", "/"], 2, "Is a directory"),
    (["--scan", "-", "--as-of", "2020-01-01"], 2, "not the registry's"),
    (["--as-of", "1999-01-01"], 2, "the oldest snapshot"),
    (["--as-of", "soon"], 2, "not a day"),
    (["-o", "/proc/nowhere/a.png"], 3, "/proc/nowhere"),
]


@pytest.mark.parametrize(("words", "status", "why"), REFUSED, ids=str)
def test_what_cannot_be_drawn_is_said_in_one_line(command: list[str], words: list[str], status: int, why: str) -> None:
    told = run(command, *words)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (status, "", 1)
    assert why in told.stderr


def test_a_scan_that_never_ends_is_refused(command: list[str]) -> None:
    told = run(command, "--scan", "/dev/zero")
    assert told.returncode == 2
    assert "more than 67,108,864 characters" in told.stderr


def test_a_file_that_is_no_text_is_refused(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in run(command, "--scan", str(path)).stderr


def test_escapes_in_a_scan_do_not_reach_the_terminal(command: list[str]) -> None:
    told = run(command, "--scan", "-", stdin="\x1b]0;owned\x07 22")
    assert told.returncode == 2
    assert "\x1b" not in told.stderr + told.stdout


def test_the_web_extra_is_not_needed(command: list[str]) -> None:
    told = run(command, PYTHONPROFILEIMPORTTIME="1")
    assert "portlore.atlas.layers" in told.stderr
    assert not [name for name in ("fastapi", "babel", "jinja2", "uvicorn", "portlore.web") if name in told.stderr]
