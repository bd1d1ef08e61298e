"""Real servers of data, mail, files and messages, each with settings of its own on free ports of loopback."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import folder, free_port, need, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


def printed(*words: str, pattern: str = r"(\d+\.\d+[\w.]*)") -> str:
    """A version that a program prints of itself."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    assert found, done
    return found[1]


def certificate(where: Path, user: str | None = None) -> tuple[Path, Path]:
    """A certificate and its key, made for a test."""
    pair = where / "cert.pem", where / "key.pem"
    words = [need("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=test.example", "-out", str(pair[0]), "-keyout", str(pair[1])]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    pair[1].chmod(0o600)
    if user and os.getuid() == 0:
        for path in pair:
            shutil.chown(path, user)
    return pair


@contextlib.contextmanager
def redis(*settings: str) -> Iterator[int]:
    """Redis; ``--sentinel`` among the settings makes it one."""
    command, port = need("redis-server", "redis-server"), free_port()
    with folder() as here:
        (here / "redis.conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {here}\n", "utf-8")
        with running([command, here / "redis.conf", *settings], port):
            yield port


@contextlib.contextmanager
def memcached() -> Iterator[int]:
    """memcached over TCP and UDP."""
    command, port = need("memcached", "memcached"), free_port()
    with running([command, "-l", "127.0.0.1", "-p", str(port), "-U", str(port), "-u", "nobody"], port):
        yield port


@contextlib.contextmanager
def mariadb(*, tls: bool = False) -> Iterator[int]:
    """MariaDB with an empty data directory and no system tables: it greets all the same."""
    command, port = need("mariadbd", "mariadb-server"), free_port()
    with folder() as here:
        (here / "data").mkdir()
        words = ["--no-defaults", f"--datadir={here}/data", f"--port={port}", "--bind-address=127.0.0.1", "--user=root"]
        words += [f"--socket={here}/s", "--skip-grant-tables=0", "--innodb-buffer-pool-size=8M"]
        if tls:
            words += [f"--ssl-cert={certificate(here)[0]}", f"--ssl-key={here}/key.pem"]
        installer = need("mariadb-install-db", "mariadb-server")
        made = [installer, "--no-defaults", f"--datadir={here}/data", "--user=root", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True, timeout=120)
        with running([command, *words], port):
            yield port


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """Mosquitto that lets nobody in without a name."""
    command, port = need("mosquitto", "mosquitto"), free_port()
    with folder() as here:
        (here / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n", "utf-8")
        with running([command, "-c", here / "conf"], port):
            yield port


@contextlib.contextmanager
def rsync() -> Iterator[int]:
    """An rsync daemon with one module."""
    command, port = need("rsync", "rsync"), free_port()
    with folder() as here:
        (here / "conf").write_text(f"[pub]\npath={here}\ncomment=for all\n", "utf-8")
        words = ["--daemon", "--no-detach", f"--port={port}", "--address=127.0.0.1", f"--config={here}/conf"]
        with running([command, *words], port):
            yield port


@contextlib.contextmanager
def vsftpd(*, tls: bool = False, banner: str = "") -> Iterator[int]:
    """vsftpd for anonymous readers."""
    command, port = need("vsftpd", "vsftpd"), free_port()
    if os.getuid() != 0:
        pytest.skip("vsftpd wants to be started by root")
    with folder() as here:
        (here / "empty").mkdir()
        lines = ["listen=YES", f"listen_port={port}", "listen_address=127.0.0.1", "anonymous_enable=YES",
                 f"secure_chroot_dir={here}/empty", "background=NO"]  # fmt: skip
        if tls:
            pair = certificate(here)
            lines += [
                "ssl_enable=YES",
                "allow_anon_ssl=YES",
                f"rsa_cert_file={pair[0]}",
                f"rsa_private_key_file={pair[1]}",
            ]
        if banner:
            lines.append(f"ftpd_banner={banner}")
        (here / "conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, here / "conf"], port):
            yield port


@contextlib.contextmanager
def ngircd() -> Iterator[int]:
    """ngIRCd."""
    command, port = need("ngircd", "ngircd"), free_port()
    with folder() as here:
        lines = ("[Global]", "Name = irc.test.example", "Listen = 127.0.0.1", f"Ports = {port}", "Info = test",
                 "AdminInfo1 = a", "AdminInfo2 = b", "AdminEMail = a@test.example", "ServerUID = 65534",
                 "ServerGID = 65534", "[Options]", "DNS = no", "Ident = no", "PAM = no")  # fmt: skip
        (here / "conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "-n", "-f", here / "conf"], port):
            yield port


@contextlib.contextmanager
def opensmtpd(*, tls: bool = False) -> Iterator[int]:
    """OpenSMTPD that takes no mail; it wants root."""
    command, port = need("smtpd", "opensmtpd"), free_port()
    if os.getuid() != 0:
        pytest.skip("OpenSMTPD wants to be started by root")
    with folder() as here:
        listen = f"listen on 127.0.0.1 port {port}"
        lines = [
            f'{listen} tls pki "test.example"' if tls else listen,
            'action "l" relay',
            'match from local for local action "l"',
        ]
        if tls:
            pair = certificate(here)
            lines = [f'pki "test.example" cert "{pair[0]}"', f'pki "test.example" key "{pair[1]}"', *lines]
        (here / "conf").write_text("\n".join(lines) + "\n", "utf-8")
        # its control socket lies in /run, whatever it is told: so each has a /run of its own
        alone = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
        with running([*alone, command, "-d", "-f", here / "conf"], port):
            yield port


@contextlib.contextmanager
def dovecot(*, tls: bool = False) -> Iterator[tuple[int, int, int]]:
    """Dovecot: the ports of IMAP, POP3 and IMAP within TLS (which nobody listens on without ``tls``)."""
    command = need("dovecot", "dovecot-imapd")
    for part, package in (("imap", "dovecot-imapd"), ("pop3", "dovecot-pop3d")):
        if not Path("/usr/lib/dovecot", part).exists():
            pytest.skip(f"needs Dovecot's {part} (Debian: {package})")
    if os.getuid() != 0:
        pytest.skip("Dovecot wants to be started by root")
    imap, pop3, imaps = free_port(), free_port(), free_port()
    with folder() as here:
        ssl = "ssl = no"
        if tls:
            pair = certificate(here)
            ssl = f"ssl = yes\nssl_cert = <{pair[0]}\nssl_key = <{pair[1]}"
        logins = "".join(
            f"service {name}-login {{\n  chroot =\n"
            f"  inet_listener {name} {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n"
            f"  inet_listener {name}s {{\n    address = 127.0.0.1\n    port = {within}\n    ssl = yes\n  }}\n}}\n"
            for name, port, within in (("imap", imap, imaps if tls else 0), ("pop3", pop3, 0))
        )
        text = f"base_dir = {here}/run\nlog_path = {here}/log\nprotocols = imap pop3\n{ssl}\n"
        text += "default_internal_user = nobody\ndefault_internal_group = nogroup\ndefault_login_user = nobody\n"
        text += f"{logins}service anvil {{\n  chroot =\n}}\npassdb {{\n  driver = static\n  args = password=x\n}}\n"
        (here / "conf").write_text(text, "utf-8")
        with running([command, "-F", "-c", here / "conf"], imap):
            wait_for(pop3)
            yield imap, pop3, imaps


@contextlib.contextmanager
def xvnc() -> Iterator[int]:
    """TigerVNC's X server with a screen that nobody sees."""
    command, port = need("Xvnc", "tigervnc-standalone-server"), free_port()
    display = f":{1000 + os.getpid() % 20_000}"
    words = [display, "-rfbport", str(port), "-localhost", "-SecurityTypes", "None", "-geometry", "64x64"]
    with running([command, *words], port):
        yield port


@contextlib.contextmanager
def etcd() -> Iterator[tuple[int, int]]:
    """etcd: the ports of clients and of members."""
    command = need("etcd", "etcd-server")
    clients, members = free_port(), free_port()
    with folder() as here:
        of_clients, of_members = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{members}"
        words = [
            "--data-dir",
            str(here / "data"),
            "--listen-client-urls",
            of_clients,
            "--advertise-client-urls",
            of_clients,
        ]
        words += ["--listen-peer-urls", of_members, "--initial-advertise-peer-urls", of_members]
        words += ["--initial-cluster", f"default={of_members}"]
        with running([command, *words], clients):
            yield clients, members


@contextlib.contextmanager
def telnetd() -> Iterator[int]:
    """inetutils' telnetd behind a door of ours, as inetd is one; its login asks and waits."""
    command = need("telnetd", "inetutils-telnetd")
    with folder() as here, socket.create_server(("127.0.0.1", 0)) as door:
        (here / "login").write_text("#!/bin/sh\nprintf 'Test machine\\r\\nlogin: '\nexec sleep 20\n", "ascii")
        (here / "login").chmod(0o755)
        started = list[subprocess.Popen[bytes]]()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = door.accept()
                    with line:
                        words = [command, "-h", "-E", str(here / "login")]
                        end = line.fileno()
                        started.append(subprocess.Popen(words, stdin=end, stdout=end, stderr=end))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(door.getsockname()[1])
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()
            for process in started:
                process.kill()
                process.wait()
