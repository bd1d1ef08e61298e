"""The command as scripts and people use it: exit codes, forms, JSON keys, pages, errors in one line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portlore.cli import COMMANDS, Plain, arguments_of, main

ESCAPE = "\x1b["


def run(command: list[str], *words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Any:
    """One call of the command: in this process where that is the same and quicker, as the installed command's else."""
    environment = {"COLUMNS": "80", "PYTHONUTF8": "1", **(env or {})}
    if "PORTLORE_COMMAND" not in os.environ and "PYTHONIOENCODING" not in environment:
        return run_here(words, environment, cwd)
    whole = {**os.environ, **environment}
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False, env=whole, cwd=cwd)


def run_here(words: tuple[str, ...], environment: dict[str, str], cwd: Path | None) -> Any:
    out, talk = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", talk)
        os.chdir(cwd or before)
        try:
            status = main(words)
        except SystemExit as end:  # argparse has printed the help
            status = int(end.code or 0)
        finally:
            os.chdir(before)
    texts = [stream.buffer.getvalue().decode() for stream in (out, talk)]
    return subprocess.CompletedProcess(words, status, *texts)


EXITS = [
    (["703"], 0),
    (["703", "22"], 0),
    (["65535/dccp"], 0),
    (["ssh"], 0),
    (["snif-cln"], 0),
    (["600-1023"], 0),
    (["502", "--as-of", "2013-06-01"], 0),
    (["nobody-has-this"], 1),
    (["search", "qqqzzzqqq"], 1),
    (["search", "postgersql"], 0),
    (["history", "465"], 0),
    (["history", "nobody-has-this"], 1),
    (["history", "703/sctp"], 0),
    (["diff", "2026-08-01", "2026-08-17"], 0),
    (["free"], 0),
    (["sources"], 0),
    (["search", "--json", "ssh"], 0),
    (["--version"], 0),
    (["--help"], 0),
    ([], 2),
    (["70000"], 2),
    (["-1"], 2),
    (["-1-5"], 2),
    (["080"], 2),
    (["7O3"], 2),
    (["600-"], 2),
    (["1023-600"], 2),
    (["53/upd"], 2),
    ([""], 2),
    (["703", "--colour"], 2),
    (["703", "--format", "xml"], 2),
    (["502", "--as-of", "2005-12-21"], 2),
    (["502", "--as-of", "someday"], 2),
    (["diff", "2026-08-17", "2018-01-01"], 2),
    (["free", "-n", "0"], 2),
    (["free", "--near", "70000"], 2),
    (["search", "ssh", "-n", "99999"], 2),
    (["update", "--from", ""], 2),
    (["80", "--as-of", "2013-W05-1"], 2),
    (["search", "%"], 1),
    (["search"], 2),
    (["update", "--from", "/nowhere.xml"], 2),
    (["completion", "tcsh"], 2),
]


@pytest.mark.parametrize(
    ("words", "status"), EXITS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_the_exit_status_is_the_contract_and_errors_are_one_line(
    command: list[str], words: list[str], status: int
) -> None:
    done = run(command, *words)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (1 if status else len(done.stderr.splitlines()))
    if status:
        assert done.stderr.startswith("portlore")
        assert done.stdout == "" or status == 1


MEANT = [
    ("080", "did you mean 80?"),
    ("7O3", "did you mean 703?"),
    ("-1", "did you mean 1?"),
    ("53/upd", "53/udp"),
    ("postgersql", "postgresql"),
    ("1023-600", "600-1023"),
    ("grafana", "3000/tcp"),
]


@pytest.mark.parametrize(("question", "meant"), MEANT)
def test_a_slip_is_told_what_was_meant(command: list[str], question: str, meant: str) -> None:
    assert meant in run(command, question).stderr


def test_an_error_with_json_is_an_object_on_stderr(command: list[str]) -> None:
    for words in (["70000", "--json"], ["nobody-has-this", "--format", "json"], ["--format=ndjson", "7O3"]):
        error = json.loads(run(command, *words).stderr)["error"]
        assert set(error) == {"asked", "found", "do"}


KEYS = {
    "ports": [
        "query",
        "port",
        "transport",
        "kind",
        "status",
        "row",
        "assignments",
        "history",
        "claims",
        "local",
        "own",
    ],
    "assignments": [
        "name",
        "description",
        "assignee",
        "contact",
        "registered",
        "modified",
        "references",
        "service_code",
        "row",
        "alias_of",
        "has_note",
        "has_unauthorized_use",
        "note",
        "unauthorized_use",
    ],
    "claims": [
        "ports",
        "transport",
        "name",
        "kind",
        "verdict",
        "statement",
        "why",
        "from",
        "until",
        "sources",
        "later",
    ],
    "sources": ["title", "url", "how", "retrieved"],
    "changes": ["between", "kind", "ports", "transport", "name", "before", "after", "field"],
}


def test_the_json_of_a_look_up_has_the_keys_of_the_contract(command: list[str]) -> None:
    document = json.loads(run(command, "703", "80", "ssh", "snif-cln", "--json").stdout)
    assert list(document) == ["snapshot", "queries", "ports", "services"]
    assert document["queries"] == ["703", "80", "ssh", "snif-cln"]
    first = document["ports"][0]
    assert list(first) == KEYS["ports"]
    assert (first["query"], first["port"], first["transport"], first["kind"]) == ("703", 703, "tcp", "system")
    assert (first["status"], first["row"]) == ("unassigned", "703")
    assert list(first["claims"][0]) == KEYS["claims"]
    assert list(first["claims"][0]["sources"][0]) == KEYS["sources"]
    http = next(port for port in document["ports"] if port["port"] == 80)
    assert list(http["assignments"][0]) == KEYS["assignments"]
    assert list(http["history"][0]) == KEYS["changes"]
    assert {service["name"] for service in document["services"]} == {"ssh", "snif-cln"}  # ssh is a name for DNS-SD too


DOCUMENTS = [
    (["search", "postgresql", "--json"], ["query", "hits"]),
    (["history", "465", "--json"], ["snapshot", "query", "changes"]),
    (["diff", "2026-08-01", "--json"], ["between", "changes"]),
    (["free", "--json"], ["snapshot", "ports"]),
    (["sources", "--json"], ["sources"]),
    (["502", "--as-of", "2013-06-01", "--json"], ["snapshot", "queries", "next", "ports", "services"]),
]


@pytest.mark.parametrize(("words", "keys"), DOCUMENTS)
def test_every_document_is_one_object_with_its_list(command: list[str], words: list[str], keys: list[str]) -> None:
    assert list(json.loads(run(command, *words).stdout)) == keys


def test_ndjson_prints_the_rows_one_by_one(command: list[str]) -> None:
    lines = run(command, "600-610", "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line)["port"] for line in lines] == [port for port in range(600, 611) for _ in "tu"]


def test_csv_has_a_heading_and_a_row_a_line(command: list[str]) -> None:
    rows = list(csv.DictReader(run(command, "53", "--format", "csv").stdout.splitlines()))
    assert [(row["port"], row["transport"], row["status"]) for row in rows] == [
        ("53", "tcp", "assigned"),
        ("53", "udp", "assigned"),
    ]
    assert rows[0]["assignments"] == "domain"


def test_the_page_of_703_puts_the_status_first_and_the_verdicts_by_word_and_sign(command: list[str]) -> None:
    text = run(command, "703").stdout
    assert text.index("unassigned") < text.index("SAID OF IT") < text.index("WHAT IT MEANS") < text.index("SOURCES")
    assert "✘ contradicted  Modbus" in text
    assert "✔ confirmed" in text
    assert re.search(r"Officially nobody's; really FortiGate HA.*; not Modbus\.", " ".join(text.split()))


@pytest.mark.parametrize("question", ["703", "80", "3000", "600-1023", "22", "0-65535", "x11", "snif-cln"])
@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_of_a_page_is_wider_than_the_terminal(command: list[str], question: str, width: int) -> None:
    lines = run(command, question, env={"COLUMNS": str(width)}).stdout.splitlines()
    too_wide = [line for line in lines if len(line) > width and "://" not in line and "pkg:" not in line]
    assert too_wide == []


def test_colour_only_where_it_is_wanted(command: list[str]) -> None:
    assert ESCAPE not in run(command, "703").stdout
    assert ESCAPE in run(command, "703", env={"FORCE_COLOR": "1"}).stdout
    assert ESCAPE not in run(command, "703", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout


def test_a_terminal_without_unicode_gets_letters_for_signs(command: list[str]) -> None:
    done = run(command, "703", env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert done.returncode == 0
    assert "x contradicted" in done.stdout
    assert done.stdout.isascii()


def test_the_system_ports_are_mostly_assigned_with_figures(command: list[str]) -> None:
    text = " ".join(run(command, "0-1023").stdout.split())
    assert re.search(r"Most system ports are assigned: 689 of 1,024 on TCP, 67 %", text)
    assert "contradicted" in text


def test_a_range_of_at_most_16_ports_has_a_page_for_each(command: list[str]) -> None:
    text = run(command, "700-703").stdout
    assert sum(line.startswith(("700 ", "701 ", "702 ", "703 ")) for line in text.splitlines()) == 4


def test_own_labels_are_shown_everywhere(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "portlore.toml").write_text('[ports]\n29500 = { name = "billing", owner = "ann" }\n')
    assert "billing (ann)" in run(command, "29500", cwd=tmp_path).stdout
    assert "billing" in run(command, "29490-29510", cwd=tmp_path).stdout
    assert "billing" in run(command, "search", "billing", cwd=tmp_path).stdout
    assert json.loads(run(command, "29500", "--json", cwd=tmp_path).stdout)["ports"][0]["own"][0]["owner"] == "ann"
    near = run(command, "free", "-n", "3", "--near", "29500", cwd=tmp_path).stdout
    assert not near.startswith("29500")


def test_an_own_name_can_be_asked_for(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "portlore.toml").write_text('[ports]\n"29500/tcp" = "billing"\n')
    done = run(command, "billing", cwd=tmp_path)
    assert done.returncode == 0
    assert "29500/tcp" in done.stdout


def test_a_search_for_a_number_finds_the_port(command: list[str]) -> None:
    for words in ("443", "443/tcp"):
        assert run(command, "search", words).stdout.startswith("443/")


@pytest.mark.parametrize("columns", ["²", "9" * 5000, "0", "", "-3"])
def test_an_odd_width_is_not_believed(command: list[str], columns: str) -> None:
    assert run(command, "703", env={"COLUMNS": columns}).returncode == 0


def test_a_closed_or_full_output_ends_quietly_or_in_our_words(command: list[str]) -> None:
    shell = " ".join(f"'{word}'" for word in command)
    closed = subprocess.run(f"{shell} 703 >&-", shell=True, capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (3, "")
    full = subprocess.run(f"{shell} 703 --json >/dev/full", shell=True, capture_output=True, text=True, check=False)
    assert full.returncode == 3
    assert set(json.loads(full.stderr.splitlines()[0])["error"]) == {"asked", "found", "do"}


def test_an_unknown_option_is_named_first(command: list[str]) -> None:
    assert "--bogus" in run(command, "--bogus").stderr


def test_a_broken_own_file_is_told_not_ignored(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "portlore.toml").write_text("[ports\n")
    done = run(command, "703", cwd=tmp_path)
    assert done.returncode == 2
    assert "portlore.toml" in done.stderr


def test_hostile_text_from_files_reaches_no_terminal_raw(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "portlore.toml").write_text('[ports]\n29500 = { name = "a\\u001b[2Jb", note = "\\u202e\\u0007" }\n')
    done = run(command, "29500", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b[2Jb" in done.stdout


def test_a_reader_that_goes_away_is_no_error(command: list[str]) -> None:
    shell = " ".join(f"'{word}'" for word in command)
    done = subprocess.run(
        f"{shell} 0-1023 --json | head -c 100; exit ${{PIPESTATUS[0]}}",  # some MB: more than any pipe holds
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_teaches_with_examples(command: list[str], name: str) -> None:
    done = run(command, name, "--help")
    assert done.returncode == 0
    assert f"portlore {name}" in done.stdout
    assert done.stdout.count("portlore ") >= 2
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_help_of_all_commands_fits_eighty_columns(command: list[str]) -> None:
    assert max(map(len, run(command, "--help").stdout.splitlines())) <= 80


def test_a_word_that_is_a_command_and_a_service_is_the_command_with_a_hint(command: list[str]) -> None:
    done = run(command, "search")
    assert done.returncode == 2
    assert "portlore lookup search" in done.stderr
    assert run(command, "lookup", "search").returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(command: list[str], shell: str) -> None:
    script = run(command, "completion", shell).stdout
    assert all(name in script for name in COMMANDS)


def test_bash_completes_commands_and_formats(command: list[str]) -> None:
    script = run(command, "completion", "bash").stdout
    tail = 'COMP_WORDS=(portlore {}); COMP_CWORD={}; _portlore; echo "${{COMPREPLY[@]}}"'
    for words, place, expected in (
        ("his", 1, "history"),
        ("703 --format ndj", 3, "ndjson"),
        ("free --ne", 2, "--near"),
        ("scan --format x", 3, "xml"),
        ("scan --engine s", 3, "syn"),
        ("scan --engine=", 2, ""),
    ):
        done = subprocess.run(
            ["bash", "-c", script + tail.format(words, place)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == expected.split()


PLAIN = [["703"], ["703", "--json"], ["--json", "53/udp", "ssh"], ["a", "b", "c"]]


@pytest.mark.parametrize("words", PLAIN)
def test_a_plain_look_up_is_parsed_as_argparse_parses_it(words: list[str]) -> None:
    quick = arguments_of("lookup", words)
    assert isinstance(quick, Plain)
    full = arguments_of("lookup", [*words, "--format", quick.format])
    assert not isinstance(full, Plain)
    for name in ("questions", "format", "all", "as_of"):
        assert getattr(quick, name) == getattr(full, name)
