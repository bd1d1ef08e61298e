"""This machine's own lists: each parser against lines of the real file's form, then against real packages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore import PortRange
from portlore.local import LISTS, firewalld, kernel, nmap, read_local, selinux, services, ufw, wireshark

REAL = Path(os.environ.get("PORTLORE_REAL_LISTS", Path(__file__).parent.parent.parent / ".check/lists"))

SERVICES = (
    "# comment\nssh\t\t22/tcp\t\t\t\t# SSH Remote Login\nhttp\t80/tcp\twww\t# WWW\nx 1122/tcp\nbad line\ny 99999/tcp\n"
)
NMAP = "ssh\t22/tcp\t0.182286\t# Secure Shell\nmodbus\t502/tcp\t0.000100\nz\t22/udp\tmany\n"
WIRESHARK = "ssh\t22/tcp/udp/sctp\t# Secure Shell\nx11\t6000-6063/tcp/udp\t# X Window\n"
FIREWALLD = """<?xml version="1.0"?><service><short>SSH</short><port protocol="tcp" port="22"/>
<port protocol="udp" port="6000-6063"/><port protocol="icmp" port="5"/><port port="x" protocol="tcp"/></service>"""
UFW = "[WWW Full]\ntitle=Web Server (HTTP,HTTPS)\ndescription=x\nports=80,443/tcp|8000:8010/udp|9/x|bad\n"
SEMANAGE = "SELinux Port Type  Proto  Port Number\nhttp_port_t  tcp  80, 81, 443\nephemeral_port_t  udp  32768-60999\n"

PARSED = [
    (services.parse, SERVICES, {22}, [("22", "tcp", "ssh", "SSH Remote Login")]),
    (services.parse, SERVICES, {80}, [("80", "tcp", "http", "also www; WWW")]),
    (
        nmap.parse,
        NMAP,
        {22},
        [("22", "tcp", "ssh", "open on 18 % of the hosts that nmap's authors scanned"), ("22", "udp", "z", "")],
    ),
    (wireshark.parse, WIRESHARK, {22}, [("22", "tcp/udp/sctp", "ssh", "Secure Shell")]),
    (firewalld.parse, FIREWALLD, {22}, [("22", "tcp", "ssh", "SSH")]),
    (firewalld.parse, FIREWALLD, {6010}, [("6000-6063", "udp", "ssh", "SSH")]),
    (ufw.parse, UFW, {443}, [("443", "tcp", "WWW Full", "Web Server (HTTP,HTTPS)")]),
    (ufw.parse, UFW, {8005}, [("8000-8010", "udp", "WWW Full", "Web Server (HTTP,HTTPS)")]),
]


@pytest.mark.parametrize(("parse", "text", "wanted", "expected"), PARSED)
def test_a_list_says_what_its_lines_say(
    parse: object, text: str, wanted: set[int], expected: list[tuple[str, ...]]
) -> None:
    found = list(parse(text, "/etc/firewalld/services/ssh.xml", wanted))  # type: ignore[operator]
    assert [(str(ports), line.transport, line.name, line.detail) for ports, line in found] == expected


def test_a_port_is_not_found_inside_another_number() -> None:
    assert list(services.parse(SERVICES, "x", {122})) == []


def test_without_a_wish_all_lines_are_read() -> None:
    assert [str(ports) for ports, _ in services.parse(SERVICES, "x", ())] == ["22", "80", "1122"]


def test_selinux_port_types_are_read() -> None:
    found = [(str(ports), line.name, line.transport) for ports, line in selinux.parse(SEMANAGE, {443, 40000})]
    assert found == [("443", "http_port_t", "tcp"), ("32768-60999", "ephemeral_port_t", "udp")]


KERNEL = [
    (kernel.EPHEMERAL, "32768\t60999\n", [PortRange(32768, 60999)]),
    (kernel.RESERVED, "8080,9148-9150\n", [PortRange(8080, 8080), PortRange(9148, 9150)]),
    (kernel.RESERVED, "\n", []),
    (kernel.RPC_FIRST, "665\n", [PortRange(665, 1023)]),
    (kernel.EPHEMERAL, "nonsense", []),
]


@pytest.mark.parametrize(("path", "text", "expected"), KERNEL)
def test_the_kernel_tells_its_ranges(path: str, text: str, expected: list[PortRange]) -> None:
    assert kernel.ranges(text, path) == expected


def test_this_kernel_s_own_ranges_are_read() -> None:
    path = Path(kernel.EPHEMERAL)
    if not path.exists():
        pytest.skip("needs Linux")
    first = int(path.read_text().split()[0])
    assert "ephemeral range" in [line.name for _, line in read_local({first})]


@given(st.text(max_size=200))
def test_noise_in_a_list_never_fails(text: str) -> None:
    for parse in (services.parse, nmap.parse, wireshark.parse, firewalld.parse, ufw.parse, kernel.parse):
        for path in ("x", kernel.EPHEMERAL, kernel.RESERVED, kernel.RPC_FIRST):
            list(parse(text, path, ()))
    list(selinux.parse(text, ()))


def test_lists_are_read_below_a_root_and_labelled_with_path_and_package(tmp_path: Path) -> None:
    (tmp_path / "etc/ufw/applications.d").mkdir(parents=True)
    (tmp_path / "etc/services").write_text(SERVICES)
    (tmp_path / "etc/ufw/applications.d/web").write_text(UFW)
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Package: netbase\nStatus: ok\nVersion: 6.4\n\nPackage: z\n")
    found = [line for _, line in read_local({80}, str(tmp_path))]
    assert [(line.layer, line.path, line.package, line.name) for line in found] == [
        ("services", "/etc/services", "netbase 6.4", "http"),
        ("ufw", "/etc/ufw/applications.d/web", "", "WWW Full"),
    ]


def test_a_list_that_is_missing_or_unreadable_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "etc/services").mkdir(parents=True)
    assert read_local({22}, str(tmp_path)) == []


def test_every_list_has_a_module_that_parses_it() -> None:
    for name, paths in LISTS:
        assert callable(__import__(f"portlore.local.{name}", fromlist=["parse"]).parse)
        assert all(path.startswith("/") for path in paths)


@pytest.mark.parametrize(
    ("layer", "port", "name"),
    [
        ("nmap", 22, "ssh"),
        ("wireshark", 22, "ssh"),
        ("firewalld", 22, "ssh"),
        ("ufw", 22, "OpenSSH"),
        ("services", 22, "ssh"),
    ],
)
def test_the_real_lists_of_real_packages_are_read(layer: str, port: int, name: str) -> None:
    """``./check`` unpacks the Debian packages there; nothing of them is shipped."""
    if not REAL.is_dir():
        pytest.skip(f"needs the packages that ./check unpacks into {REAL}")
    found = [line for _, line in read_local({port}, str(REAL)) if line.layer == layer]
    assert name in {line.name for line in found}
