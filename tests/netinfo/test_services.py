"""A domain's ``/services`` in the book of ports, and the own labels in a domain's ``/services``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import server as served
from netinfo.serving import start_domain

import portlore
from portlore.errors import HostError, InputError
from portlore.model import OwnLabel, PortRange
from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.services import from_labels, from_registry, published, service_lines
from portlore.netinfo.store import Store
from portlore.netinfo.values import properties
from portlore.netinfo.viewing import services_of

BILLING = [("name", ["billing", "bill"]), ("port", ["7031"]), ("protocol", ["tcp", "UDP", "ddp"]), ("comment", ["web"])]


def domain(*rows: list[tuple[str, list[str]]]) -> Node:
    root = Node()
    root.child(b"services").children = [Node(properties(row)) for row in rows]
    return root


def stored(path: Path, root: Node) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Store(str(path), create=True) as store:
        store.write_all(domain_of(root))
    return path


def run(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portlore", *words],
        input=given, capture_output=True, text=True, check=False, timeout=120, cwd=folder, env=dict(os.environ),
    )  # fmt: skip


def services(path: Path) -> list[dict[str, list[str]]]:
    with Store(str(path), exclusive=False) as store:
        found = store.load()
    place = found.path(b"services")
    assert place is not None
    return [
        {one.name.decode(): [value.decode() for value in one.values] for one in found.directories[number].properties}
        for number in found.directories[place].children
    ]


# Seeing


def test_an_entry_says_its_names_and_transports_of_its_port() -> None:
    lines = list(service_lines([properties(BILLING)], "office /services"))
    assert [(str(ports), line.layer, line.name, line.transport, line.detail) for ports, line in lines] == [
        ("7031", "netinfo", "billing", "tcp/udp", "web"),
        ("7031", "netinfo", "bill", "tcp/udp", "an alias of billing; web"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        [("name", ["x"]), ("port", ["70000"]), ("protocol", ["tcp"])],
        [("name", ["x"]), ("port", ["-1", "", "a", "1e3"]), ("protocol", ["tcp"])],
        [("name", ["x"]), ("port", ["1"]), ("protocol", ["ddp"])],
        [("port", ["1"]), ("protocol", ["tcp"])],
        [("name", []), ("port", ["1"]), ("protocol", ["tcp"])],
        [],
    ],
)
def test_an_entry_that_names_no_port_says_nothing(row: list[tuple[str, list[str]]]) -> None:
    assert list(service_lines([properties(row)], "x")) == []


def test_a_look_up_with_a_domain_knows_its_services_by_number_and_name(tmp_path: Path) -> None:
    stored(tmp_path / "office", domain(BILLING))
    page = run(tmp_path, "7031", "--domain", "office").stdout
    assert "netinfo" in page
    assert "billing" in page
    facts = json.loads(run(tmp_path, "bill", "--domain", "office", "--json").stdout)["ports"]
    assert [(one["port"], one["transport"]) for one in facts] == [(7031, "tcp"), (7031, "udp")]
    assert {line["name"] for line in facts[0]["local"] if line["layer"] == "netinfo"} == {"billing", "bill"}
    assert run(tmp_path, "bill").returncode == 1


def test_an_own_domain_goes_by_its_name(tmp_path: Path) -> None:
    data = Path(os.environ["PORTLORE_DATA"])
    stored(data / "netinfo/office.nidb", domain(BILLING))
    assert [line.name for _, line in services_of("office")] == ["billing", "bill"]


def test_a_served_domain_goes_by_its_server(tmp_path: Path) -> None:
    path = tmp_path / "office"
    with Store(str(path), create=True) as store:
        store.write_all(start_domain())
    from_file = services_of(str(path))
    assert from_file
    with served(path) as server:
        where = f"127.0.0.1:{server.port}/conv"
        assert [(ports, line.name) for ports, line in services_of(where)] == [
            (ports, line.name) for ports, line in from_file
        ]


def test_a_domain_that_is_not_there_is_said_in_time(tmp_path: Path) -> None:
    for name in ("none", str(tmp_path / "none"), "./none"):
        with pytest.raises(InputError):
            services_of(name)
    with pytest.raises(HostError):
        services_of("127.0.0.1:1/none", timeout=1)


# Publishing


def test_labels_are_entries_a_port_each() -> None:
    labels = [
        OwnLabel("7031", "tcp/udp", "billing", "", "", "p"),
        OwnLabel("8100-8101", "tcp", "pre views", "web team", "one per branch", "p"),
        OwnLabel("10000-20000", "tcp", "wide", "", "", "p"),
    ]
    found, remarks = from_labels(labels)
    assert [(one.name, one.port, one.protocols, one.comment) for one in found] == [
        ("billing", 7031, ("tcp", "udp"), ""),
        ("pre-views-8100", 8100, ("tcp",), "web team; one per branch"),
        ("pre-views-8101", 8101, ("tcp",), "web team; one per branch"),
    ]
    assert len(remarks) == 1
    assert "10,001 ports" in remarks[0]


def test_the_registrys_names_are_entries_with_their_aliases() -> None:
    found = {(one.name, one.port): one for one in from_registry(portlore.load()) if "tcp" in one.protocols}
    assert found["http", 80].aliases == ("www", "www-http")
    assert found["http", 80].protocols == ("tcp", "udp")  # on SCTP it is http alone, in an entry of its own
    assert found["netinfo-local", 1033].protocols == ("tcp", "udp")
    assert not any(name == "" for name, _ in found)


def test_what_others_have_there_stays() -> None:
    before = domain_of(domain([("name", ["billing"]), ("port", ["1"]), ("protocol", ["tcp"])], BILLING))
    wanted, _ = from_labels([OwnLabel("7031", "tcp/udp", "billing", "", "", "p")])
    after, remarks = published(before, wanted, ["own"])
    assert list(after.records()) == list(before.records())  # the second entry says it already
    assert remarks == []
    after, remarks = published(before, [one.replace(port=9) for one in wanted], ["own"])
    assert list(after.records()) == list(before.records())
    assert len(remarks) == 1
    assert remarks[0].startswith("billing: somebody else's entry")


def test_publishing_twice_changes_nothing_and_what_is_gone_is_taken_back(tmp_path: Path) -> None:
    path = stored(tmp_path / "office", domain([("name", ["theirs"]), ("port", ["9"]), ("protocol", ["tcp"])]))
    labels = tmp_path / "portlore.toml"
    labels.write_text('[ports]\n7031 = "billing"\n"7040-7041" = { name = "web", transport = "tcp" }\n')
    command = ("netinfo", "publish-services", "office")

    planned = run(tmp_path, *command, "--dry-run")
    assert (planned.returncode, len(services(path))) == (1, 1)
    assert "+ /services/billing" in planned.stdout
    assert run(tmp_path, *command).returncode == 0
    assert [one["name"] for one in services(path)] == [["theirs"], ["billing"], ["web-7040"], ["web-7041"]]
    again = run(tmp_path, *command, "--dry-run")
    assert (again.returncode, again.stdout) == (0, "")

    labels.write_text('[ports]\n7032 = "billing"\n')
    assert run(tmp_path, *command).stderr == "portlore: 2 gone, 1 changed\n"
    assert [(one["name"], one["port"]) for one in services(path)] == [(["theirs"], ["9"]), (["billing"], ["7032"])]
    labels.unlink()
    assert "no labels" in run(tmp_path, *command).stderr
    assert len(services(path)) == 2  # who publishes from another folder takes nothing back


def test_the_registry_goes_in_and_a_machine_that_only_knows_netinfo_sees_it(tmp_path: Path) -> None:
    path = stored(tmp_path / "office", Node())
    assert run(tmp_path, "netinfo", "publish-services", "office", "--registry").returncode == 0
    assert len(services(path)) > 5000
    with served(path) as server:
        where = f"127.0.0.1:{server.port}/conv"
        command = [sys.executable, "-m", "portlore.netinfo.tools", "nidump", "-t", "services", where]
        dumped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        assert "http\t80/tcp\twww" in dumped
        assert "netinfo-local\t1033/tcp" in dumped


def test_a_server_is_published_to_by_a_user_who_may_write_there(tmp_path: Path) -> None:
    path = tmp_path / "office"
    with Store(str(path), create=True) as store:
        store.write_all(start_domain())
    (tmp_path / "portlore.toml").write_text('[ports]\n7031 = "billing"\n')
    with served(path) as server:
        command = ("netinfo", "publish-services", f"127.0.0.1:{server.port}/conv", "-u", "root")
        assert run(tmp_path, *command, "--dry-run", given="rootpw\n").returncode == 1
        assert run(tmp_path, *command, given="rootpw\n").returncode == 0
        assert run(tmp_path, *command, "--dry-run", given="rootpw\n").returncode == 0
        (tmp_path / "portlore.toml").write_text('[ports]\n7032 = "billing"\n7033 = "other"\n')
        assert run(tmp_path, *command, given="rootpw\n").returncode == 0
        found = {line.name: ports for ports, line in services_of(f"127.0.0.1:{server.port}/conv")}
        assert (found["billing"], found["other"]) == (PortRange(7032, 7032), PortRange(7033, 7033))
        (tmp_path / "portlore.toml").write_text('[ports]\n7033 = "other"\n')
        assert run(tmp_path, *command, given="rootpw\n").returncode == 0
        assert "billing" not in {line.name for _, line in services_of(f"127.0.0.1:{server.port}/conv")}
    (tmp_path / "portlore.toml").write_text('[ports]\n7034 = "third"\n')
    with served(path, "--read-only") as server:
        command = ("netinfo", "publish-services", f"127.0.0.1:{server.port}/conv", "-u", "root")
        refused = run(tmp_path, *command, given="rootpw\n")
        assert refused.returncode == 4
        assert "Permission denied" in refused.stderr or "read-only" in refused.stderr
