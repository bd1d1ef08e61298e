"""Real servers of what holds a network together, each with its own settings on a free port of loopback."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import PATIENCE, folder, free_port, need, running, talk

from portlore.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portlore.observed import Identification
    from portlore.probes.dialogue import Dialogue

BY_NAME = {one.name: one for one in PROBES}
Heard = list[tuple[str, bytes]]


def converse(dialogue: Dialogue, answer: Callable[[bytes], bytes]) -> Identification | None:
    """Hold a dialogue with what a function says to each thing that it sends; however long it takes."""
    sent = next(dialogue)
    for _ in range(100_000):
        try:
            sent = dialogue.send(answer(sent))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
    raise AssertionError("the dialogue does not end")


def ask(name: str, port: int, *, wait: float = 1.0, heard: Heard | None = None) -> Identification | None:
    """Hold a probe's dialogue with a port of loopback."""
    return talk(BY_NAME[name], port, wait=wait, heard=heard)


def ask_patiently(name: str, port: int) -> Identification | None:
    """Ask a UDP server that may still be starting, until it answers."""
    end = time.monotonic() + PATIENCE
    while (found := ask(name, port, wait=0.3)) is None and time.monotonic() < end:
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def dnsmasq() -> Iterator[int]:
    """A resolver that knows nobody."""
    command, port = need("dnsmasq", "dnsmasq-base"), free_port()
    words = ("-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file=", "-u", "root")
    with running([command, *words, "-a", "127.0.0.1", "-p", str(port)], port):
        yield port


@contextlib.contextmanager
def chronyd() -> Iterator[int]:
    """A time server that has this machine's clock for its reference and never sets it (-x)."""
    command, port = need("chronyd", "chrony"), free_port(socket.SOCK_DGRAM)
    with folder() as here:
        lines = (f"port {port}", "bindaddress 127.0.0.1", "allow 127.0.0.1", "local stratum 8", "cmdport 0",
                 "bindcmdaddress /", f"pidfile {here}/pid")  # fmt: skip
        (here / "chrony.conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "-x", "-d", "-u", "root", "-f", here / "chrony.conf"], 0):
            yield port


@contextlib.contextmanager
def snmpd() -> Iterator[int]:
    """An agent whose community nobody guesses."""
    command, port = need("snmpd", "snmpd"), free_port(socket.SOCK_DGRAM)
    with folder() as here:
        (here / "snmpd.conf").write_text("rocommunity nobody-guesses-this 127.0.0.1\n", "utf-8")
        words = ("-f", "-Lo", "-C", "-c", here / "snmpd.conf", "-p", here / "pid", f"udp:127.0.0.1:{port}")
        with running([command, *words], 0, env={**os.environ, "SNMP_PERSISTENT_DIR": str(here)}):
            yield port


@contextlib.contextmanager
def slapd() -> Iterator[int]:
    """An empty directory."""
    command, port = need("slapd", "slapd"), free_port()
    with folder() as here:
        (here / "db").mkdir()
        lines = ("include /etc/ldap/schema/core.schema", f"pidfile {here}/pid", "database ldif",
                 f"directory {here}/db", "suffix dc=example,dc=org")  # fmt: skip
        (here / "slapd.conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "-d", "0", "-h", f"ldap://127.0.0.1:{port}/", "-f", here / "slapd.conf"], port):
            yield port


@contextlib.contextmanager
def git_daemon() -> Iterator[int]:
    """A server of no repositories."""
    command, port = need("git", "git"), free_port()
    with folder() as here:
        words = ("daemon", f"--port={port}", "--listen=127.0.0.1", f"--base-path={here}")
        with running([command, *words], port):
            yield port


@contextlib.contextmanager
def xvfb(*, closed: bool) -> Iterator[int]:
    """A display in memory; ``closed``: to whoever has no cookie."""
    command, port = need("Xvfb", "xvfb"), free_port()
    cookie = b"MIT-MAGIC-COOKIE-1"
    with folder() as here:
        entry = (b"", b"", cookie, bytes(16))
        (here / "auth").write_bytes(b"\xff\xff" + b"".join(len(one).to_bytes(2, "big") + one for one in entry))
        words: list[str | Path] = [command, f":{port - 6000}", "-listen", "tcp", "-nolisten", "unix"]
        if closed:
            words += ["-auth", here / "auth"]
        with running(words, port):
            yield port


@contextlib.contextmanager
def microsocks(*, password: bool) -> Iterator[int]:
    """A proxy."""
    command, port = need("microsocks", "microsocks"), free_port()
    words = [command, "-i", "127.0.0.1", "-p", str(port), *(["-u", "ann", "-P", "secret"] if password else [])]
    with running(words, port):
        yield port


@contextlib.contextmanager
def prosody() -> Iterator[tuple[int, int]]:
    """A chat server for localhost: its ports for clients and for servers."""
    command, port, other = need("prosody", "prosody"), free_port(), free_port()
    with folder() as here:
        lines = ("run_as_root = true", f'pidfile = "{here}/pid"', f'data_path = "{here}"', f"c2s_ports = {{{port}}}",
                 f"s2s_ports = {{{other}}}", 'interfaces = {"127.0.0.1"}', 'modules_disabled = {"http"}',
                 'log = {error = "*console"}', 'VirtualHost "localhost"')  # fmt: skip
        (here / "prosody.cfg.lua").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "--config", here / "prosody.cfg.lua", "-F"], port):
            yield port, other


@contextlib.contextmanager
def smbd() -> Iterator[int]:
    """A file server of no files."""
    command, port = need("smbd", "samba"), free_port()
    with folder() as here:
        folders = ("private dir", "lock directory", "state directory", "cache directory", "pid directory",
                   "ncalrpc dir", "binddns dir")  # fmt: skip
        lines = ["[global]", "server role = standalone server", "netbios name = PORTLORE", "disable netbios = yes",
                 "interfaces = 127.0.0.1", "bind interfaces only = yes", "usershare path =", f"log file = {here}/log",
                 *(f"{name} = {here}" for name in folders)]  # fmt: skip
        (here / "smb.conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "-F", "--no-process-group", "-s", here / "smb.conf", "-p", str(port)], port):
            yield port


@contextlib.contextmanager
def xrdp() -> Iterator[int]:
    """A remote desktop, with the settings that it is shipped with."""
    command, port = need("xrdp", "xrdp"), free_port()
    with folder() as here:
        shipped = Path("/etc/xrdp/xrdp.ini").read_text("utf-8")
        (here / "xrdp.ini").write_text(re.sub(r"(?m)^port=3389", f"port=tcp://127.0.0.1:{port}", shipped), "utf-8")
        with running([command, "--nodaemon", "--config", here / "xrdp.ini"], port):
            yield port


@contextlib.contextmanager
def cupsd() -> Iterator[int]:
    """A print server without printers."""
    command, port = need("cupsd", "cups-daemon"), free_port()
    with folder() as here:
        for name in ("run", "cache", "state", "tmp"):
            (here / name).mkdir()
        files = (f"ServerRoot {here}", f"RequestRoot {here}/run", f"CacheDir {here}/cache", f"StateDir {here}/state",
                 f"TempDir {here}/tmp", f"AccessLog {here}/a", f"ErrorLog {here}/e", f"PageLog {here}/p")  # fmt: skip
        (here / "cups-files.conf").write_text("\n".join(files) + "\n", "utf-8")
        lines = (f"Listen 127.0.0.1:{port}", "WebInterface No", "<Location />", "Order allow,deny", "Allow all",
                 "</Location>")  # fmt: skip
        (here / "cupsd.conf").write_text("\n".join(lines) + "\n", "utf-8")
        with running([command, "-f", "-c", here / "cupsd.conf", "-s", here / "cups-files.conf"], port):
            yield port


@contextlib.contextmanager
def modbus() -> Iterator[int]:
    """A controller of pymodbus."""
    port = free_port()
    with running([sys.executable, Path(__file__).parent / "plant.py", "127.0.0.1", str(port)], port):
        yield port
