"""Services on ports that say nothing, heard by tshark too: what it names we name, and where it has no name, it has one
when it is told which dissector to try."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.more_services import record_more
from capture.recording import agrees, captured, needs_network

pytestmark = needs_network

SPEAKS = {  # service: our name, what it is within; tshark's name, of which dissector when told
    "ssh": ("ssh", [], "ssh"),
    "http": ("http", [], "http"),
    "http/2 in tls": ("http", ["tls"], "tls"),  # by ALPN: what is within is as hidden from tshark
    "redis in the clear": ("redis", [], ""),  # tshark 4.0 knows none
    "redis in tls": ("tls", [], "tls"),
    "postgresql": ("postgresql", [], "pgsql"),
    "imap": ("imap", [], "imap"),
    "pop3": ("pop3", [], "pop"),
    "irc": ("irc", [], "irc"),
    "rsync": ("rsync", [], "rsync"),
    "telnet": ("telnet", [], "telnet"),
    "vnc": ("rfb", [], "vnc"),
    "ntp": ("ntp", [], "ntp"),
    "snmp": ("snmp", [], "snmp"),
    "git": ("git", [], "git"),
    "smb": ("microsoft-ds", [], "nbss"),
    "x11": ("x11", [], "x11"),
    "xmpp": ("xmpp-client", [], "xmpp"),
    "mdns": ("mdns", [], "mdns"),
    "dhcp": ("bootps", [], "dhcp"),
}
BY_NUMBER = ("ssh", "postgresql", "imap", "pop3", "irc", "rsync", "telnet", "ntp", "snmp", "git", "smb", "x11", "xmpp")
DATAGRAMS = ("ntp", "snmp", "mdns", "dhcp")


class Recording:
    def __init__(self, where: Path) -> None:
        self.ports = record_more(where)
        self.file = where / "all.pcapng"
        self.document = captured(str(self.file))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return Recording(tmp_path_factory.mktemp("recording"))


def test_every_service_is_recognised_by_its_content(recording: Recording) -> None:
    found: dict[str, Any] = {}
    for name, port in recording.ports.items():
        rows = [one for one in recording.document["observations"] if one["port"] == port]
        found[name] = (rows[0]["protocol"], rows[0]["within"], SPEAKS[name][2]) if rows else None
    assert found == SPEAKS


@pytest.mark.parametrize("name", [name for name in SPEAKS if SPEAKS[name][2]])
def test_tshark_has_the_same_name_or_none_because_it_goes_by_the_number(recording: Recording, name: str) -> None:
    """Told to try the dissector of that name, it agrees, and finds nothing wrong."""
    on = "udp" if name in DATAGRAMS else "tcp"
    agrees(recording.file, on, recording.ports[name], SPEAKS[name][2], by_number=name in BY_NUMBER)


def test_nothing_else_was_heard(recording: Recording) -> None:
    assert {one["port"] for one in recording.document["observations"]} == set(recording.ports.values())


def test_the_page_of_twenty_services_fits_80_columns(recording: Recording) -> None:
    command = [sys.executable, "-m", "portlore", "capture", str(recording.file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert max(map(len, done.stdout.splitlines())) <= 80
