"""Real services that talk with clients of theirs, most on ports of other services: recorded, and all recognised."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.recording import HOST, agrees, captured, needs_network, record, tshark

pytestmark = needs_network

SPEAKS = {
    "modbus": "mbap", "modbus on 703": "mbap", "http on 973": "http", "tls": "tls", "redis": "redis",
    "memcached": "memcache", "ftp": "ftp", "mariadb": "mysql", "mqtt": "mqtt", "smtp": "smtp", "dns": "domain",
    "ldap": "ldap", "netinfo": "netinfo", "nibind": "nibind",
}  # fmt: skip


TSHARK = {  # its names; True: which it has only when told to try them, as it goes by the port's number
    "modbus": ("mbtcp", False), "modbus on 703": ("mbtcp", True), "http on 973": ("http", False), "tls": ("tls", False),
    "memcached": ("memcache", True), "ftp": ("ftp", True), "mariadb": ("mysql", True), "mqtt": ("mqtt", True),
    "smtp": ("smtp", True), "dns": ("dns", False), "ldap": ("ldap", True), "netinfo": ("rpc", True),
    "nibind": ("rpc", True),
}  # fmt: skip


class Recording:
    def __init__(self, where: Path) -> None:
        self.ports = record(where)
        self.file = where / "all.pcapng"
        self.document = captured(str(self.file))
        self.live = json.loads((where / "ours.json").read_text("utf-8"))

    def port(self, name: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        seen = [one for one in (document or self.document)["observations"] if one["port"] == self.ports[name]]
        assert seen, name
        return dict(seen[0])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return Recording(tmp_path_factory.mktemp("recording"))


@pytest.mark.parametrize("source", ["file", "interface"])
def test_every_service_is_recognised_by_what_was_said_whatever_its_port(recording: Recording, source: str) -> None:
    document = recording.document if source == "file" else recording.live
    assert {name: recording.port(name, document)["protocol"] for name in SPEAKS} == SPEAKS


@pytest.mark.parametrize("name", TSHARK)
def test_tshark_has_the_same_name_or_none_because_it_goes_by_the_number(recording: Recording, name: str) -> None:
    theirs, by_number = TSHARK[name]
    agrees(recording.file, recording.port(name)["transport"], recording.ports[name], theirs, by_number=by_number)


def test_what_servers_and_clients_tell_is_kept(recording: Recording) -> None:
    assert recording.port("http on 973")["product"] == "SimpleHTTP"
    assert recording.port("tls")["facts"]["server name"] == "inside.example"
    assert recording.port("netinfo")["facts"]["program"] == "netinfo (200100000)"
    assert "read holding registers" in recording.port("modbus on 703")["facts"].values()


def test_ports_are_judged_by_what_speaks_there(recording: Recording) -> None:
    assert recording.port("modbus")["judgement"] == "expected"
    judged = recording.port("modbus on 703")
    assert judged["judgement"] == "refuted"
    assert judged["why"].startswith("703 speaks Modbus/TCP; the story that 703 is Modbus's is false")
    assert recording.port("http on 973")["judgement"] == "refuted"


def test_tcp_conversations_have_the_packets_and_bytes_that_tshark_counts(recording: Recording) -> None:
    rows = tshark(recording.file, "tcp.stream", "tcp.srcport", "tcp.dstport", "frame.len", display="tcp")
    theirs: Counter[tuple[int, int]] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    for _, source, target, size in rows:
        theirs[int(source), int(target)] += 1
        sizes[int(source), int(target)] += int(size)
    ours = [one for one in recording.document["conversations"] if one["transport"] == "tcp"]
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for one in ours:
        ends = one["client_port"], one["server_port"]
        found[ends] = one["packets"][0], one["bytes"][0]
        found[ends[::-1]] = one["packets"][1], one["bytes"][1]
    assert found == {key: (theirs[key], sizes[key]) for key in theirs}


def test_who_asked_for_the_connection_is_the_client(recording: Recording) -> None:
    opened = tshark(recording.file, "tcp.srcport", "tcp.dstport", display="tcp.flags.syn == 1 and tcp.flags.ack == 0")
    ours = [one for one in recording.document["conversations"] if one["transport"] == "tcp"]
    assert {(one["client_port"], one["server_port"]) for one in ours} == {(int(a), int(b)) for a, b in opened}
    assert {one["told_by"] for one in ours} == {"syn"}


def test_listening_live_counts_what_the_file_of_dumpcap_has(recording: Recording) -> None:
    def of(document: dict[str, Any]) -> set[tuple[Any, ...]]:
        keys = ("transport", "client", "client_port", "server", "server_port", "protocol", "packets", "bytes")
        return {tuple(map(str, map(one.get, keys))) for one in document["conversations"]}

    assert of(recording.live) == of(recording.document)
    assert recording.live["summary"]["dropped"] == 0


@pytest.mark.parametrize("words", [("-F", "pcap"), ("-F", "nsecpcap"), ("-F", "pcapng")])
def test_every_form_of_file_gives_the_same_answer(recording: Recording, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "copy"
    subprocess.run(["editcap", *words, recording.file, path], check=True, capture_output=True, timeout=60)
    again = captured(str(path))
    without_time = [{**one, "begun": 0, "ended": 0} for one in again["conversations"]]
    assert without_time == [{**one, "begun": 0, "ended": 0} for one in recording.document["conversations"]]
    packed = tmp_path / "copy.gz"
    packed.write_bytes(subprocess.run(["gzip", "-c", path], check=True, capture_output=True, timeout=60).stdout)
    assert captured(str(packed))["conversations"] == again["conversations"]


def test_the_page_fits_80_columns_and_names_the_ports(recording: Recording) -> None:
    command = [sys.executable, "-m", "portlore", "capture", str(recording.file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "703/tcp" in done.stdout
    assert "program netinfo (200100000)" in done.stdout


def test_unexpected_shows_only_what_to_look_at_and_exits_1(recording: Recording) -> None:
    command = [sys.executable, "-m", "portlore", "capture", str(recording.file), "--unexpected", "--ports", "502,703"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert {one["server_port"] for one in json.loads(done.stdout)["conversations"]} == {703}
    none = subprocess.run([*command[:-1], "502"], capture_output=True, text=True, timeout=60, check=False)
    assert none.returncode == 0


def test_it_runs_without_sending_a_packet(tmp_path: Path) -> None:
    """The interface's own count of sent packets does not move while it is listened to."""
    from capture.recording import in_own_network

    counts: list[str] = []

    def work() -> None:
        command = [sys.executable, "-m", "portlore", "capture", "-i", "lo", "--duration", "1", "--json"]
        for _ in range(2):
            told = subprocess.run(["ip", "-s", "-o", "link", "show", "lo"], check=True, capture_output=True, timeout=30)
            counts.append(told.stdout.decode().split("TX:")[1])
            if len(counts) == 1:
                done = subprocess.run(command, capture_output=True, timeout=60, check=False)
                assert json.loads(done.stdout)["conversations"] == []
                assert done.returncode == 1

    in_own_network(work)
    assert counts[0] == counts[1]
    assert HOST not in counts[0]
