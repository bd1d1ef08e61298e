"""Real traffic of real servers and clients in a network of its own, recorded by dumpcap and by our own `-i` at once."""

from __future__ import annotations

import contextlib
import ctypes
import ftplib
import http.client
import io
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.serving import binding, serving
from probes import infrastructure, services
from probes.driving import PATIENCE, need, running

from portlore.netinfo.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CLONE_NEWNET = 0x4000_0000
HOST = "127.0.0.1"
PLANT = Path(__file__).parent.parent / "probes/plant.py"
needs_network = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("dumpcap") is None or shutil.which("ip") is None,
    reason="needs Linux, root, ip, and dumpcap (Debian: tshark)",
)
POLL = """
import asyncio, sys
from pymodbus.client import AsyncModbusTcpClient
async def main():
    for port in map(int, sys.argv[1:]):
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        assert await client.connect()
        for number in range(30):
            assert not (await client.read_holding_registers(number % 5, count=3)).isError()
        client.close()
asyncio.run(main())
"""


def in_own_network(work: Callable[[], None]) -> None:
    """Do something in a network namespace that has nothing but a loopback interface, and ends with it."""
    failed: list[BaseException] = []

    def inside() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=30)
            work()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@contextlib.contextmanager
def recorded(where: Path) -> Iterator[None]:
    """Record the loopback interface by dumpcap (``all.pcapng``) and by ourselves (``ours.json``) meanwhile."""
    file = where / "all.pcapng"
    with (where / "log").open("wb") as log, (where / "ours.json").open("wb") as answer:
        theirs = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-w", str(file)], stderr=log, stdout=log)
        words = [sys.executable, "-m", "portlore", "capture", "-i", "lo", "--json"]
        with subprocess.Popen(words, stdout=answer, stderr=subprocess.PIPE) as ours:
            assert ours.stderr is not None
            assert b"listening on lo" in ours.stderr.readline()
            end = time.monotonic() + PATIENCE
            while (not file.exists() or not file.stat().st_size) and time.monotonic() < end:
                time.sleep(0.05)
            try:
                yield
                time.sleep(0.5)  # so that both have taken the last packets out of their rings
            finally:
                for process in (theirs, ours):
                    process.send_signal(signal.SIGINT)
                    process.wait(PATIENCE)
    assert ours.returncode == 0


def record(where: Path) -> dict[str, int]:
    """Have services talk with clients of theirs: name and port of each."""
    ports: dict[str, int] = {}
    in_own_network(lambda: _talk(where, ports))
    return ports


def _talk(where: Path, ports: dict[str, int]) -> None:
    with contextlib.ExitStack() as all_of_them:
        start = all_of_them.enter_context
        ports |= {"modbus": 502, "modbus on 703": 703, "http on 973": 973, "tls": 5433}
        modbus: list[str | Path] = [sys.executable, PLANT, HOST, "502", "703"]
        start(running(modbus, 703))
        web = [sys.executable, "-m", "http.server", "973", "--bind", HOST, "--directory", str(where)]
        start(running(web, 973))
        pair = services.certificate(where)
        words = ["-accept", f"{HOST}:5433", "-cert", str(pair[0]), "-key", str(pair[1]), "-www", "-quiet"]
        start(running([need("openssl", "openssl"), "s_server", *words], 5433))
        for name, server in (("redis", services.redis), ("memcached", services.memcached), ("ftp", services.vsftpd),
                             ("mariadb", services.mariadb), ("mqtt", services.mosquitto), ("smtp", services.opensmtpd),
                             ("dns", infrastructure.dnsmasq), ("ldap", infrastructure.slapd)):  # fmt: skip
            ports[name] = start(server())
        ports["netinfo"] = start(serving())
        ports["nibind"] = start(binding((b"conv", ports["netinfo"])))
        with recorded(where):
            _use(ports)


def _use(ports: dict[str, int]) -> None:
    subprocess.run([sys.executable, "-c", POLL, "502", "703"], check=True, timeout=PATIENCE)
    line = http.client.HTTPConnection(HOST, 973, timeout=10)
    line.request("GET", "/")
    assert line.getresponse().read()
    line.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection((HOST, 5433), 10)
    with raw, context.wrap_socket(raw, server_hostname="inside.example") as secure:
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert secure.recv(100)
    mail = smtplib.SMTP(HOST, ports["smtp"], "client.example", timeout=10)
    mail.ehlo()
    mail.quit()
    files = ftplib.FTP(timeout=10)
    files.connect(HOST, ports["ftp"])
    files.quit()
    for name, sent in (("redis", b"*1\r\n$4\r\nPING\r\n"), ("memcached", b"get nothing\r\n"),
                       ("mqtt", bytes.fromhex("100f00044d5154540402003c0003616263")), ("mariadb", b"")):  # fmt: skip
        with socket.create_connection((HOST, ports[name]), 10) as raw:
            raw.sendall(sent)
            assert raw.recv(500), name
    words = ["-x", "-H", f"ldap://{HOST}:{ports['ldap']}", "-s", "base", "-b", ""]
    subprocess.run([need("ldapsearch", "ldap-utils"), *words], check=False, capture_output=True, timeout=PATIENCE)
    question = bytes.fromhex("1234010000010000000000000777777777777777076578616d706c650000010001")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        box.settimeout(10)
        box.sendto(question, (HOST, ports["dns"]))
        assert box.recv(500)[:2] == question[:2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTLORE_NIBIND_PORT", str(ports["nibind"]))
        out = io.BytesIO()
        TOOLS["niutil"](["-list", "-t", f"{HOST}/conv", "/"], io.BytesIO(), out, out)
        assert b"users" in out.getvalue(), out.getvalue()


def tshark(file: Path, *fields: str, display: str = "", more: Sequence[str] = ()) -> list[list[str]]:
    """What tshark has for some fields of each packet; the first of several. ``more``: options."""
    words = ["tshark", "-n", "-r", str(file), *more, "-T", "fields", "-E", "occurrence=f"]
    words += ["-Y", display] if display else []
    for field in fields:
        words += ["-e", field]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def agrees(file: Path, on: str, port: int, name: str, *, by_number: bool) -> None:
    """tshark finds a dissector's protocol on a port: by itself, or ``by_number`` only when told to try that one."""

    def layers(*words: str) -> set[str]:
        rows = tshark(file, "frame.protocols", display=f"{on}.port == {port}", more=words)
        return {layer for (layers,) in rows for layer in layers.split(":")}

    found = layers()
    assert (name in found) is not by_number, found
    if by_number:
        try_rpc = ("-o", "rpc.dissect_unknown_programs:TRUE")  # NetInfo's programs are none that it knows
        told = layers(*try_rpc if name == "rpc" else ("-d", f"{on}.port=={port},{name}"))
        assert name in told
        assert "_ws.malformed" not in told


def captured(*words: str) -> dict[str, Any]:
    """The document of ``portlore capture … --json``."""
    command = [sys.executable, "-m", "portlore", "capture", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
