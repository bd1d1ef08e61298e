"""More real services and clients of theirs, on ports that say nothing: what `recording.py` does not have."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.recording import HOST, in_own_network, recorded
from databases import PASSWORD, postgres
from probes import infrastructure, services
from probes.driving import need
from scan import speaking

MDNS_GROUP = "224.0.0.251"
MDNS = bytes.fromhex("000000000001000000000000055f68747470045f746370056c6f63616c00000c0001")
NTP = bytes.fromhex("23000000") + bytes(36) + bytes.fromhex("e9d1f3a012345678")  # RFC 5905: asked at that time
DHCP = bytes.fromhex("01010600deadbeef0000000000000000000000000000000000000000020000000001") + bytes(202)
DHCP += bytes.fromhex("638253633501013704010306ff")


def record_more(where: Path) -> dict[str, int]:
    """Have services talk with clients of theirs: name and port of each."""
    ports: dict[str, int] = {"mdns": 5353, "dhcp": 67}
    in_own_network(lambda: _talk(where, ports))
    return ports


def _talk(where: Path, ports: dict[str, int]) -> None:
    with contextlib.ExitStack() as all_of_them:
        start = all_of_them.enter_context
        ports["ssh"] = start(speaking.sshd())
        ports["http"], ports["http/2 in tls"] = start(speaking.nginx())
        ports["redis in the clear"], ports["redis in tls"] = start(speaking.redis_in_tls())
        ports["postgresql"] = start(postgres()).port
        ports["imap"], ports["pop3"], _ = start(services.dovecot())
        for name, server in (("irc", services.ngircd), ("rsync", services.rsync), ("telnet", services.telnetd),
                             ("vnc", services.xvnc), ("ntp", infrastructure.chronyd), ("snmp", infrastructure.snmpd),
                             ("git", infrastructure.git_daemon), ("smb", infrastructure.smbd)):  # fmt: skip
            ports[name] = start(server())
        ports["x11"] = start(infrastructure.xvfb(closed=True))
        ports["xmpp"], _ = start(infrastructure.prosody())
        with recorded(where):
            _use(ports)


def _run(program: str, package: str, *words: str) -> None:
    """Have a client say its part; what it thinks of the answer is its own affair."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([need(program, package), *words], check=False, capture_output=True, timeout=20,
                       stdin=subprocess.DEVNULL, env={**os.environ, "PGPASSWORD": PASSWORD})  # fmt: skip


def _use(ports: dict[str, int]) -> None:
    options = ["-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
    _run("ssh", "openssh-client", "-p", str(ports["ssh"]), *options, f"nobody@{HOST}", "true")
    _run("curl", "curl", "-s", f"http://{HOST}:{ports['http']}/")
    _run("curl", "curl", "-sk", f"https://{HOST}:{ports['http/2 in tls']}/")
    _run("psql", "postgresql-client", "-h", HOST, "-p", str(ports["postgresql"]), "-U", "nobody", "-c", "SELECT 1")
    _run("rsync", "rsync", f"rsync://{HOST}:{ports['rsync']}/")
    _run("git", "git", "ls-remote", f"git://{HOST}:{ports['git']}/none")
    _run("smbclient", "smbclient", "-N", "-p", str(ports["smb"]), "-L", HOST)
    _run("snmpget", "snmp", "-v2c", "-c", "public", "-t1", "-r0", f"{HOST}:{ports['snmp']}", "1.3.6.1.2.1.1.1.0")
    mail = imaplib.IMAP4(HOST, ports["imap"], timeout=10)
    mail.capability()
    mail.logout()
    box = poplib.POP3(HOST, ports["pop3"], timeout=10)
    box.quit()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection((HOST, ports["redis in tls"]), 10)
    with raw, context.wrap_socket(raw) as secure:
        secure.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert secure.recv(100)
    for name, sent in (("redis in the clear", b"*1\r\n$4\r\nPING\r\n"), ("irc", b"NICK a\r\nUSER a 0 * :a\r\n"),
                       ("telnet", b""), ("vnc", b"RFB 003.008\n"), ("x11", b"l\0\x0b\0\0\0\0\0\0\0\0\0"),
                       ("xmpp", b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "
                                b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")):  # fmt: skip
        with socket.create_connection((HOST, ports[name]), 10) as raw:
            raw.sendall(sent)
            assert raw.recv(500), name
            time.sleep(0.1)
    _datagram((HOST, ports["ntp"]), NTP, answered=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as many:
        many.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
        many.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        many.bind(("", 5353))
        many.sendto(MDNS, (MDNS_GROUP, 5353))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 68))
        one.sendto(DHCP, (HOST, 67))


def _datagram(where: tuple[str, int], sent: bytes, *, answered: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(10)
        line.sendto(sent, where)
        assert not answered or line.recv(1000)
