"""``portlore scan`` and ``compare`` as people and job runners use them, against hosts in network namespaces."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from libnmap.parser import NmapParser  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).parent.parent))
from scan.hosts import Hosts, needs_namespaces

from portlore.cli.scan import DESCRIPTION
from portlore.scan.results import parse_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs_namespaces
OPEN = (22, 80, 703, 5432, 8080, 50123)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with Hosts(tcp=OPEN, udp=(53, 12345)) as made:
        yield made


@pytest.fixture(autouse=True)
def _ordinary(hosts: Hosts) -> None:
    hosts.behave()


def scan(hosts: Hosts, command: list[str], *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"}
    return hosts.run([*command, "scan", *words], env=environment, **options)


def sent(hosts: Hosts) -> int:
    """How many packets the scanner has sent in all."""
    return int(hosts.run(["cat", "/sys/class/net/scan0/statistics/tx_packets"]).stdout)


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def found(text: str) -> set[tuple[str, str, int]]:
    return {key for key, row in parse_results(text, "scan").rows.items() if row["outcome"] == "open"}


@pytest.mark.parametrize(
    ("engine", "ports"),  # how all ports are written is read before an engine is chosen
    [(engine, ["-p-"]) for engine in ("auto", "connect", "syn")]
    + [("auto", ports) for ports in (["-p", "-"], ["--ports=-"], ["-p", "1-65535"])],
)
def test_all_ports_of_a_host_are_asked_and_what_is_open_is_found(
    hosts: Hosts, command: list[str], engine: str, ports: list[str]
) -> None:
    done = scan(hosts, command, hosts.address, *ports, "--engine", engine, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert found(done.stdout) == {(hosts.address, "tcp", port) for port in OPEN}
    summary = document["summary"]
    assert summary["outcomes"]["refused"] == 65535 - len(OPEN)
    assert summary["hosts"] == {"asked": 1, "answered": 1, "open": 1}
    assert summary["engines"] == {"tcp": "syn" if engine != "connect" else "connect"}
    assert summary["ended"] == "complete"
    assert summary["account"]["answered"] == 65535
    assert summary["missed"] == "no port that was asked stayed silent"
    assert set(document["observations"][0]) >= {"port", "transport", "address", "outcome", "said", "judgement", "why"}


def test_ipv4_ipv6_and_link_local_addresses_are_asked_in_one_run(hosts: Hosts, command: list[str]) -> None:
    words = (hosts.address, hosts.address6, hosts.link_local, "10.67.3.0/30", "-p", "22,703,9")
    done = scan(hosts, command, *words, "--format", "ndjson")
    where = {hosts.address, hosts.address6, hosts.link_local, *(f"10.67.3.{number}" for number in range(4))}
    assert found(done.stdout) == {(address, "tcp", port) for address in where for port in (22, 703)}
    assert "7 hosts, 7 answered" in done.stderr


def test_the_page_is_for_eyes_and_a_guess_by_number_is_called_one(hosts: Hosts, command: list[str]) -> None:
    done = scan(hosts, command, hosts.address, "-p", "20-30,703")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("22/tcp" in line and "ssh?" in line and line.endswith("by number") for line in lines)
    assert "23/tcp" not in done.stdout
    assert "2 open, 10 refused" in done.stdout
    assert "missed: no port that was asked stayed silent" in done.stdout
    shown = scan(hosts, command, hosts.address, "-p", "20-30,703", "--all").stdout
    assert "23/tcp" in shown
    assert "refused" in shown


def test_nothing_open_is_an_answer_and_status_1(hosts: Hosts, command: list[str]) -> None:
    done = scan(hosts, command, hosts.address, "-p", "23-25")
    assert done.returncode == 1
    assert "nothing is open" in done.stdout
    done = scan(hosts, command, hosts.address, "-p", "23-25", "--json")
    assert (done.returncode, json.loads(done.stdout)["observations"]) == (1, [])


def test_the_default_is_the_top_1000_of_our_ranking(hosts: Hosts, command: list[str]) -> None:
    summary = json.loads(scan(hosts, command, hosts.address, "--json").stdout)["summary"]
    assert sum(summary["outcomes"].values()) == 1000
    assert summary["outcomes"]["open"] >= 4
    few = json.loads(scan(hosts, command, hosts.address, "--top", "20", "--json").stdout)["summary"]
    assert sum(few["outcomes"].values()) == 20
    assert "--top 1000" in DESCRIPTION


def test_a_public_address_is_asked_only_by_who_is_allowed_and_that_is_recorded(
    hosts: Hosts, command: list[str]
) -> None:
    done = scan(hosts, command, "203.0.113.5", "-p", "22", "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert "--i-am-allowed" in json.loads(done.stderr)["error"]["do"]
    done = scan(hosts, command, "203.0.113.5", "-p", "22", "--i-am-allowed", "--json")
    summary = json.loads(done.stdout)["summary"]
    assert done.returncode == 0
    assert summary["policy"] == {"allowed": True, "addresses": {"public": 1}}
    assert summary["settings"]["ceiling"] == 5000


def test_a_refusal_comes_before_the_first_packet(hosts: Hosts, command: list[str]) -> None:
    time.sleep(0.5)  # neighbour discovery of before is over
    before = sent(hosts)
    assert scan(hosts, command, hosts.address, "203.0.113.5", "-p-").returncode == 4
    assert scan(hosts, command, hosts.address, "224.0.0.1", "-p-", "--i-am-allowed").returncode == 4
    assert sent(hosts) - before < 10


def test_a_network_of_one_s_own_leaves_its_broadcast_address_out_and_says_so(hosts: Hosts, command: list[str]) -> None:
    done = scan(hosts, command, "10.66.0.250-255", "-p", "22", "--tries", "1", "--json")
    assert "10.66.0.255 is left out" in done.stderr
    assert json.loads(done.stdout)["summary"]["hosts"]["asked"] == 5
    assert scan(hosts, command, "10.66.0.255", "-p", "22").returncode == 4


def test_targets_come_from_files_and_stdin_and_others_are_excluded(
    hosts: Hosts, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "targets").write_text("10.67.1.0/30 # four\n10.67.1.9\n")
    (tmp_path / "not").write_text("10.67.1.1\n")
    words = (
        "-iL",
        str(tmp_path / "targets"),
        "-",
        "--exclude",
        "10.67.1.2,10.67.1.20",
        "--exclude-file",
        str(tmp_path / "not"),
    )
    done = scan(hosts, command, *words, "-p", "22", "--format", "ndjson", input="10.67.1.20-21\n")
    assert {address for address, _, _ in found(done.stdout)} == {"10.67.1.0", "10.67.1.3", "10.67.1.9", "10.67.1.21"}


def test_csv_and_xml_hold_the_same_and_the_xml_is_nmap_s(hosts: Hosts, command: list[str], tmp_path: Path) -> None:
    words = (hosts.address, "10.67.0.1", "-p", "20-90")
    rows = list(csv.DictReader(io.StringIO(scan(hosts, command, *words, "--format", "csv").stdout)))
    wanted = {(address, "tcp", port) for address in (hosts.address, "10.67.0.1") for port in (22, 80)}
    assert {(one["address"], one["transport"], int(one["port"])) for one in rows} == wanted
    path = tmp_path / "scan.xml"
    done = scan(hosts, command, *words, "--format", "xml", "-o", str(path))
    assert done.stdout == ""
    assert "4 open" in done.stderr
    report = NmapParser.parse(path.read_text())
    assert {(one.address, protocol, port) for one in report.hosts for port, protocol in one.get_open_ports()} == {
        (address, transport, port) for address, transport, port in wanted}  # fmt: skip
    assert report.hosts_total == 2
    beside = hosts.run(["nmap", "-sS", "-n", "-Pn", "-p", "20-90", hosts.address, "10.67.0.1", "-oX", "-"])
    if beside.returncode == 0:
        (tmp_path / "nmap.xml").write_text(beside.stdout)
        assert found(beside.stdout) == wanted
        diff = subprocess.run(["ndiff", path, tmp_path / "nmap.xml"], capture_output=True, text=True, check=False)
        assert diff.returncode in (0, 1), diff.stderr
        assert "/tcp" not in diff.stdout, "ndiff sees other ports in nmap's own result"


def test_shards_merge_into_the_whole_without_knowing_of_each_other(
    hosts: Hosts, command: list[str], tmp_path: Path
) -> None:
    parts = []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.json"
        done = scan(hosts, command, hosts.address, "-p-", "--shard", f"{number}/3", "--json", "-o", str(path))
        assert done.returncode in (0, 1), done.stderr
        parts.append(str(path))
    merged = subprocess.run(
        [*command, "compare", "--merge", *parts, "--json"], capture_output=True, text=True, check=False
    )
    assert merged.returncode == 0, merged.stderr
    assert merged.stderr == ""
    document = json.loads(merged.stdout)
    assert found(merged.stdout) == {(hosts.address, "tcp", port) for port in OPEN}
    assert document["summary"]["outcomes"]["refused"] == 65535 - len(OPEN)
    assert document["summary"]["shards"]["missing"] == []
    two = [*command, "compare", "--merge", *parts[:2], "--exit-code"]
    done = subprocess.run(two, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "missing: 3/3" in done.stderr


def test_two_scans_are_compared_in_any_form(hosts: Hosts, command: list[str], tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.xml"
    scan(hosts, command, hosts.address, "-p", "20-90,8080", "--json", "-o", str(before))
    before.write_text(before.read_text().replace('"port": 80,', '"port": 81,'))
    scan(hosts, command, hosts.address, "-p", "20-90,8080", "--format", "xml", "-o", str(after))
    words = [*command, "compare", str(before), str(after), "--exit-code"]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [(one["change"], one["port"]) for one in json.loads(done.stdout)["changes"]] == [
        ("appeared", 80), ("vanished", 81)]  # fmt: skip
    text = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert "appeared" in text
    assert "80/tcp" in text


def started(hosts: Hosts, command: list[str], *words: str) -> subprocess.Popen[str]:
    return hosts.popen([*command, "scan", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    ("form", "number"), [("json", signal.SIGINT), ("json", signal.SIGTERM), ("xml", signal.SIGINT)]
)
def test_an_interrupted_scan_leaves_valid_output_and_says_so(
    hosts: Hosts, command: list[str], form: str, number: signal.Signals
) -> None:
    hosts.behave(silent=True)
    before = sent(hosts)
    process = started(hosts, command, hosts.address, "-p-", "--rate", "3000", "--format", form)
    until(lambda: sent(hosts) > before + 1000)  # of 65,535: it is well under way
    process.send_signal(number)
    text, talk = process.communicate(timeout=30)
    assert process.returncode == 130, talk
    assert "Traceback" not in talk
    if form == "json":
        summary = json.loads(text)["summary"]
        assert summary["ended"] == "interrupted"
        assert summary["outcomes"]["not-asked"] > 0
        assert "were not asked" in summary["missed"]
    else:
        assert NmapParser.parse(text).hosts_total == 1
        assert 'exit="error"' in text


def test_a_killed_scan_goes_on_from_its_state_and_ends_with_everything(
    hosts: Hosts, command: list[str], tmp_path: Path
) -> None:
    """The second run asks only what the first had no answer to, and its output is whole."""
    state = tmp_path / "scan.state"
    words = (hosts.address, "-p-", "--rate", "10000", "--resume", str(state), "--json")
    process = started(hosts, command, *words)
    until(state.exists)
    time.sleep(1.0)
    process.kill()
    process.communicate(timeout=30)
    assert state.exists()
    other = scan(hosts, command, hosts.address, "-p", "22", "--resume", str(state))
    assert other.returncode == 2
    assert "another scan: ports 1-65535 there, 22 here" in other.stderr
    done = scan(hosts, command, *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert found(done.stdout) == {(hosts.address, "tcp", port) for port in OPEN}
    assert len(document["observations"]) == len(OPEN)
    assert document["summary"]["outcomes"]["refused"] == 65535 - len(OPEN)
    assert document["summary"]["account"]["sent"] < 65535 + 2000  # both runs together; from the start anew: 75,000
    assert not state.exists()


def test_a_damaged_state_is_said(hosts: Hosts, command: list[str], tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"portlore-scan-state 1 00000000 999\nxx")
    done = scan(hosts, command, hosts.address, "-p", "22", "--resume", str(tmp_path / "s"))
    assert done.returncode == 2
    assert "damaged" in done.stderr


def test_a_budget_ends_a_scan_with_what_is_known(hosts: Hosts, command: list[str]) -> None:
    hosts.behave(silent=True)
    done = scan(hosts, command, hosts.address, "-p-", "--rate", "2000", "--budget", "1.5", "--json")
    summary = json.loads(done.stdout)["summary"]
    assert summary["ended"] == "budget"
    assert summary["outcomes"]["not-asked"] > 0


def test_silence_on_the_port_of_wireguard_and_an_interruption_are_said(
    hosts: Hosts, command: list[str], tmp_path: Path
) -> None:
    hosts.behave(silent=True)
    done = scan(hosts, command, hosts.address, "-p", "U:51820", "--tries", "1", "--json")
    assert any("WireGuard" in line and "51820/udp" in line for line in json.loads(done.stdout)["summary"]["advice"])
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    hosts.behave()
    whole.write_text(scan(hosts, command, hosts.address, "-p", "1-9000", "--json").stdout)
    hosts.behave(silent=True)
    words = (hosts.address, "-p", "1-9000", "--rate", "1000", "--budget", "1", "--json")
    part.write_text(scan(hosts, command, *words).stdout)
    done = hosts.run([*command, "compare", str(whole), str(part)])
    assert f"{part} is not whole (budget)" in done.stderr
    done = hosts.run([*command, "compare", "--merge", str(whole), str(part)])
    assert [line.split()[-2:] for line in done.stdout.splitlines() if "/tcp" in line] == [["by", "number"]] * 5


def test_a_tarpit_is_recognised_and_not_listed_port_by_port(hosts: Hosts, command: list[str]) -> None:
    hosts.behave(tarpit=True)
    done = scan(hosts, command, hosts.address, "-p", "1-3000", "--identify")
    assert "3,000 of 3,000 TCP ports are open" in done.stdout
    assert "more open ports at" in done.stdout
    assert len(done.stdout.splitlines()) < 100
    whole = json.loads(scan(hosts, command, hosts.address, "-p", "1-3000", "--json").stdout)
    assert len(whole["observations"]) == 3000
    assert whole["summary"]["tarpits"] == [
        {"address": hosts.address, "transport": "tcp", "open": 3000, "asked": 3000}]  # fmt: skip


def test_what_really_speaks_is_told_whatever_the_port_says(hosts: Hosts, command: list[str]) -> None:
    server = [sys.executable, "-u", "-m", "http.server", "973"]
    hosts.on_the_peer(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.readline()  # type: ignore[union-attr]
    done = scan(hosts, command, hosts.address, "-p", "970-980", "--identify", "--json")
    (row,) = json.loads(done.stdout)["observations"]
    assert (row["port"], row["protocol"]) == (973, "http")
    assert row["evidence"]
    assert row["judgement"] == "refuted"  # a false story gives 973 to somebody else
    summary = json.loads(done.stdout)["summary"]
    assert summary["judgements"] == {"refuted": 1}
    text = scan(hosts, command, hosts.address, "-p", "970-980", "--identify").stdout
    assert "973/tcp" in text
    assert "http" in text
    assert "by number" not in text


def test_udp_is_asked_beside_tcp(hosts: Hosts, command: list[str]) -> None:
    done = scan(hosts, command, hosts.address, "-p", "22,U:53,12345,12346", "--json")
    assert done.returncode == 0, done.stderr
    assert {(hosts.address, "tcp", 22), (hosts.address, "udp", 53)} <= found(done.stdout)
    summary = json.loads(done.stdout)["summary"]
    assert summary["engines"]["udp"] == "udp"
    assert summary["hosts"]["asked"] == 1


def test_results_are_there_while_the_scan_still_runs(hosts: Hosts, command: list[str]) -> None:
    hosts.behave(silent=True)
    process = started(hosts, command, hosts.address, "-p-", "--rate", "4000", "--format", "ndjson")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["port"] in OPEN
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_this_machine_itself_is_asked_by_connecting(hosts: Hosts, command: list[str]) -> None:
    done = scan(hosts, command, "127.0.0.1", "10.66.0.1", hosts.address, "-p", "1-200", "--json")
    summary = json.loads(done.stdout)["summary"]
    assert summary["engines"] == {"tcp": "connect, syn"}
    assert found(done.stdout) == {(hosts.address, "tcp", 22), (hosts.address, "tcp", 80)}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["10.66.0.2", "-p", "70000"], 2), (["10.66.0.2", "-p", "22", "--top", "5"], 2), ([], 2), (["10.66.0.2/33"], 2),
        (["10.66.0.2", "--exclude", "10.66.0.2"], 2), (["10.66.0.2", "--shard", "3/2"], 2),
        (["10.66.0.2", "--rate", "0"], 2), (["10.66.0.2", "--rate", "1", "--max-rate", "2"], 2),
        (["fd66::/64", "-p", "22"], 2), (["-iL", "/nowhere"], 2), (["10.66.0.2", "-p", "22", "-o", "/nowhere/x"], 2),
        (["nobody.invalid", "-p", "22"], 3), (["0.0.0.0", "-p", "22"], 4),
    ],
)  # fmt: skip
def test_a_wrong_question_is_one_line_and_its_status(
    hosts: Hosts, command: list[str], words: list[str], status: int
) -> None:
    done = scan(hosts, command, *words)
    assert done.returncode == status, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_user_without_rights_scans_by_connecting_and_may_not_by_syn(hosts: Hosts, command: list[str]) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    if hosts.run([*nobody, *command, "--version"]).returncode:
        pytest.skip("this interpreter is not for everybody")
    done = hosts.run([*nobody, *command, "scan", hosts.address, "-p", "22", "--json"])
    assert json.loads(done.stdout)["summary"]["engines"] == {"tcp": "connect"}
    done = hosts.run([*nobody, *command, "scan", hosts.address, "-p", "22", "--engine", "syn"])
    assert done.returncode == 3
    assert "--engine connect" in done.stderr
