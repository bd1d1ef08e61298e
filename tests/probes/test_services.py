"""Probes against real servers, on ports that are not theirs; each says what the program says of itself."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from databases import postgres
from probes import services
from probes.driving import PATIENCE, folder, need, talk
from probes.services import printed

from portlore.observed import Confidence, Identification, Observation, Outcome, Target
from portlore.opening import load
from portlore.probes import PROBES
from portlore.scan.identify import identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BY_NAME = {one.name: one for one in PROBES}


def ask(name: str, port: int) -> Identification:
    """Hold one dialogue."""
    found = talk(BY_NAME[name], port)
    assert found is not None
    return found


def spoken(*ports: int) -> list[Identification]:
    """What is found without knowing what to ask for."""
    seen = dict[int, Identification | None]()

    def keep(one: Observation) -> None:
        seen[one.target.port] = one.identification

    open_ports = [Target("127.0.0.1", port, "tcp") for port in ports]
    identify((Observation(one, Outcome.OPEN, "connected", 0.0, 0.0) for one in open_ports), load(), keep)
    found = [seen[port] for port in ports]
    assert all(found)
    return [one for one in found if one is not None]


def told(found: Identification) -> tuple[str, str, str]:
    """The verdict in short; it is a certain one."""
    assert found.confidence is Confidence.CERTAIN
    return found.protocol, found.product, found.version


def both(name: str, port: int, *verdict: str) -> dict[str, str]:
    """The dialogue and the whole way to it come to the same; the facts of the latter."""
    assert told(ask(name, port)) == verdict
    (found,) = spoken(port)
    assert told(found) == verdict
    return dict(found.facts)


def test_redis_tells_its_version() -> None:
    with services.redis() as port:
        facts = both("redis", port, "redis", "Redis", printed("redis-server", "--version", pattern=r"v=([\d.]+)"))
        assert facts["mode"] == "standalone"


def test_redis_with_a_password_is_redis_all_the_same() -> None:
    with services.redis("--requirepass", "s3cret") as port:
        assert both("redis", port, "redis", "", "")["login"] == "required"


def test_redis_that_is_full_says_so_before_it_is_asked() -> None:
    with services.redis("--maxclients", "1") as port:
        end, found = time.monotonic() + PATIENCE, None
        while found is None:  # until the one place is ours: whoever saw that it listens may still be counted
            with socket.create_connection(("127.0.0.1", port)) as held:
                held.sendall(b"PING\r\n")
                if held.recv(100) == b"+PONG\r\n":
                    found = talk(BY_NAME["redis-greeting"], port)
            assert time.monotonic() < end
        assert (found.protocol, found.confidence) == ("redis", Confidence.LIKELY)


def test_a_sentinel_is_one() -> None:
    with services.redis("--sentinel") as port:
        assert (
            both("redis", port, "redis", "Redis", printed("redis-server", "--version", pattern=r"v=([\d.]+)"))["mode"]
            == "sentinel"
        )


def test_memcached_tells_its_version_over_tcp_and_udp() -> None:
    with services.memcached() as port:
        version = printed("memcached", "-V")
        both("memcached", port, "memcache", "memcached", version)
        assert told(ask("memcached-udp", port)) == ("memcache", "memcached", version)


@pytest.mark.parametrize("tls", [False, True])
def test_mariadb_tells_its_version_and_whether_it_has_tls(tls: bool) -> None:
    with services.mariadb(tls=tls) as port:
        version = printed("mariadbd", "--version", pattern=r"Ver ([\d.]+)")
        assert both("mysql", port, "mysql", "MariaDB", version)["starttls"] == ("offered" if tls else "not offered")


def test_postgresql_is_known_without_a_log_in_in_the_clear_and_within_tls() -> None:
    with postgres() as server:
        facts = both("postgresql", server.port, "postgresql", "PostgreSQL", "")
        assert (facts["starttls"], facts["state"]) == ("not offered", "0A000")
        with folder() as here:
            pair = services.certificate(here, "postgres")
            for name, value in (("ssl_cert_file", pair[0]), ("ssl_key_file", pair[1]), ("ssl", "on")):
                server.run(f"ALTER SYSTEM SET {name} = '{value}'")
            server.stop()
            server.start()
            facts = both("postgresql", server.port, "postgresql", "PostgreSQL", "")
            assert (facts["starttls"], facts["state"]) == ("offered", "0A000")


def test_mosquitto_refuses_what_is_no_version_and_logs_nobody_in() -> None:
    with services.mosquitto() as port:
        both("mqtt", port, "mqtt", "", "")
        assert told(ask("mqtt-identifier", port)) == ("mqtt", "", "")


def test_rsync_lists_its_modules() -> None:
    with services.rsync() as port:
        facts = both("rsync", port, "rsync", "rsync", "")
        assert facts["protocol"].split(".")[0] == printed("rsync", "--version", pattern=r"protocol version (\d+)")
        assert facts["modules"] == "pub"


@pytest.mark.parametrize("tls", [False, True])
def test_vsftpd_tells_its_version_and_whether_it_has_tls(tls: bool) -> None:
    with services.vsftpd(tls=tls) as port:
        version = printed("sh", "-c", "vsftpd -v 0>&1")
        facts = both("ftp", port, "ftp", "vsFTPd", version)
        assert facts["starttls"] == ("offered" if tls else "not offered")


def test_an_ftp_server_that_hides_what_it_is_is_told_from_smtp() -> None:
    with services.vsftpd(banner="Service ready.") as port:
        (found,) = spoken(port)
        assert told(found) == ("ftp", "", "")


def test_ngircd_tells_its_name_before_anybody_is_registered() -> None:
    with services.ngircd() as port:
        assert both("irc", port, "irc", "", "")["server"] == "irc.test.example"


@pytest.mark.parametrize("tls", [False, True])
def test_opensmtpd_tells_whether_it_has_tls(tls: bool) -> None:
    with services.opensmtpd(tls=tls) as port:
        assert both("smtp", port, "smtp", "OpenSMTPD", "")["starttls"] == ("offered" if tls else "not offered")


@pytest.mark.parametrize("tls", [False, True])
def test_dovecot_tells_whether_it_has_tls(tls: bool) -> None:
    with services.dovecot(tls=tls) as (imap, pop3, imaps):
        for name, port in (("imap", imap), ("pop3", pop3)):
            assert both(name, port, name, "Dovecot", "")["starttls"] == ("offered" if tls else "not offered")
        if tls:
            (found,) = spoken(imaps)
            assert (found.protocol, told(found.spoken)) == ("tls", ("imap", "Dovecot", ""))
            assert "starttls" not in dict(found.spoken.facts)  # the question does not arise


def test_a_vnc_server_tells_that_it_asks_for_nothing() -> None:
    with services.xvnc() as port:
        assert both("vnc", port, "rfb", "", "") == {"protocol": "RFB 3.8", "security": "none"}


def test_a_vnc_server_that_has_seen_too_many_strangers_says_so() -> None:
    with services.xvnc() as port:
        security = [dict(ask("vnc", port).facts)["security"] for _ in range(6)]  # its BlacklistThreshold is 5
        assert security[0] == "none"
        assert security[-1] == "refused: Too many security failures"


def test_etcd_is_found_over_http_on_the_ports_of_clients_and_of_members() -> None:
    with services.etcd() as (clients, members):
        version = printed("etcd", "--version", pattern=r"etcd Version: ([\d.]+)")
        for port in (clients, members):
            both("etcd", port, "etcd", "etcd", version)


def test_telnetd_shows_what_stands_before_the_login() -> None:
    with services.telnetd() as port:
        facts = both("telnet", port, "telnet", "", "")
        assert "terminal type" in facts["options"]
        assert facts["text"] == "Test machine login:"


@contextlib.contextmanager
def everything() -> Iterator[dict[int, tuple[str, str]]]:
    """Light servers all at once."""
    with contextlib.ExitStack() as stack:
        imap, pop3, _ = stack.enter_context(services.dovecot())
        yield {
            stack.enter_context(services.redis()): ("redis", "Redis"),
            stack.enter_context(services.memcached()): ("memcache", "memcached"),
            stack.enter_context(services.mosquitto()): ("mqtt", ""),
            stack.enter_context(services.rsync()): ("rsync", "rsync"),
            stack.enter_context(services.vsftpd()): ("ftp", "vsFTPd"),
            stack.enter_context(services.ngircd()): ("irc", ""),
            stack.enter_context(services.opensmtpd()): ("smtp", "OpenSMTPD"),
            imap: ("imap", "Dovecot"),
            pop3: ("pop3", "Dovecot"),
        }


def test_nine_services_at_once_are_all_told_apart() -> None:
    need("ngircd", "ngircd")
    with everything() as expected:
        found = spoken(*expected)
        assert [(one.protocol, one.product) for one in found] == list(expected.values())
