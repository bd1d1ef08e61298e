"""Probes against the real servers that hold a network together; each says what its own tool or settings say too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes import infrastructure as real
from probes.driving import need
from probes.infrastructure import ask, ask_patiently

from portlore.observed import Confidence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.observed import Identification


def printed(*words: str) -> str:
    """What a command prints of itself."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def told(found: Identification | None) -> tuple[str, str, str, str]:
    """The verdict in short."""
    assert found is not None
    return found.protocol, found.product, found.version, str(found.confidence)


def facts(found: Identification | None) -> dict[str, str]:
    """The facts by name."""
    assert found is not None
    return dict(found.facts)


@pytest.mark.parametrize("probe", ["dns-udp", "dns-tcp"])
def test_a_resolver_tells_its_version_on_both_transports(probe: str) -> None:
    version = re.search(r"version (\S+)", printed(need("dnsmasq", "dnsmasq-base"), "--version"))
    with real.dnsmasq() as port:
        found = ask(probe, port)
    assert version is not None
    assert told(found) == ("domain", "dnsmasq", version[1], "certain")
    assert found is not None
    assert found.evidence[0].received.endswith(b"dnsmasq-" + version[1].encode())


def test_a_time_server_tells_its_stratum_and_what_it_goes_by() -> None:
    with real.chronyd() as port:
        found = ask_patiently("ntp", port)
    assert told(found) == ("ntp", "", "", "certain")
    assert facts(found) == {"version": "4", "stratum": "8", "reference": "127.127.1.1"}


def test_an_agent_is_known_without_its_community() -> None:
    with real.snmpd() as port:
        found = ask_patiently("snmp-v3", port)
    assert told(found) == ("snmp", "Net-SNMP", "", "certain")
    assert facts(found)["enterprise"] == "net-snmp"
    assert facts(found)["boots"] == "1"
    assert facts(found)["engine id"].startswith("80001f88")  # 8072 with the highest bit: RFC 3411's second form


def test_a_directory_shows_its_root_without_a_bind() -> None:
    with real.slapd() as port:
        found = ask("ldap", port)
    assert told(found) == ("ldap", "OpenLDAP", "", "certain")
    assert facts(found)["naming context"] == "dc=example,dc=org"
    assert facts(found)["version"] == "3"


def test_a_git_server_refuses_a_repository_that_is_not_there() -> None:
    with real.git_daemon() as port:
        found = ask("git", port)
    assert told(found) == ("git", "", "", "certain")
    assert "access denied" in facts(found)["answer"]


def test_a_display_tells_its_vendor_and_a_closed_one_still_its_protocol() -> None:
    packaged = printed("dpkg-query", "-W", "-f", "${Version}", "xvfb") if shutil.which("dpkg-query") else ""
    version = re.match(r"2:([\d.]+)-", packaged)
    with real.xvfb(closed=False) as port:
        found = ask("x11", port)
    assert told(found)[:2] == ("x11", "The X.Org Foundation")
    assert version is None or told(found)[2] == f"1.{version[1]}"  # 21.1.7 calls itself 1.21.1.7
    with real.xvfb(closed=True) as port:
        found = ask("x11", port)
    assert told(found) == ("x11", "", "", "certain")
    assert facts(found)["access"] == "refused"
    assert facts(found)["version"] == "11.0"


@pytest.mark.parametrize(("password", "wanted"), [(False, "none"), (True, "user name and password")])
def test_a_proxy_says_how_it_wants_to_be_approached(password: bool, wanted: str) -> None:
    with real.microsocks(password=password) as port:
        found = ask("socks5", port)
    assert told(found) == ("socks", "", "", "likely")  # two bytes, which something else may say too
    assert facts(found) == {"version": "5", "authentication": wanted}


def test_a_chat_server_opens_a_stream() -> None:
    with real.prosody() as (port, _):
        found = ask("xmpp", port)
    assert told(found) == ("xmpp-client", "", "", "certain")
    assert facts(found)["error"] == "host-unknown"  # it serves localhost, and was asked for 127.0.0.1


def test_a_file_server_negotiates_the_newest_dialect() -> None:
    with real.smbd() as port:
        found = ask("smb", port)
    assert told(found) == ("microsoft-ds", "", "", "certain")
    assert facts(found)["dialect"] == "3.1.1"
    assert facts(found)["host"] == "portlore"


def test_a_remote_desktop_says_how_it_is_secured() -> None:
    with real.xrdp() as port:
        found = ask("rdp", port)
    assert told(found) == ("ms-wbt-server", "", "", "certain")
    assert facts(found)["security"] == "TLS"


def test_a_print_server_answers_the_question_for_a_printer() -> None:
    with real.cupsd() as port:
        found = ask("ipp", port)
    assert told(found)[:2] == ("ipp", "CUPS")
    assert facts(found)["server"].startswith(f"CUPS/{told(found)[2]} IPP/")


def test_a_controller_tells_vendor_product_and_revision() -> None:
    with real.modbus() as port:
        found = ask("modbus", port)
    assert told(found) == ("mbap", "Portlore Works PW-7", "4.2", "certain")
    assert found is not None
    assert found.confidence is Confidence.CERTAIN
    assert found.evidence[0].sent.hex() == "504c00000005ff2b0e0100"
