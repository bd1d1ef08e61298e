"""Real servers that speak on loopback, and servers that mean no good, for the tests of identification."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import folder, free_port, need, running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CERTIFICATE = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; root {folder}/www;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{plain}; location /private {{ return 401; }} }}
  server {{ listen 127.0.0.1:{tls} ssl http2; ssl_certificate {folder}/pem; ssl_certificate_key {folder}/key; }}
}}
"""
SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
UsePAM no
"""


def certificate(where: Path, *more: str) -> tuple[Path, Path]:
    """A certificate of our own for portlore.example, and its key."""
    pem, key = where / "pem", where / "key"
    words = [need("openssl", "openssl"), *CERTIFICATE, "-subj", "/CN=portlore.example/O=Tests", *more]
    words += ["-addext", "subjectAltName=DNS:portlore.example,DNS:www.portlore.example,IP:127.0.0.1,IP:::1"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(pem)], check=True, capture_output=True, timeout=60)
    return pem, key


@contextmanager
def nginx() -> Iterator[tuple[int, int]]:
    """nginx in the clear and with TLS: their ports."""
    with folder() as where:
        plain, tls = free_port(), free_port()
        certificate(where)
        (where / "www").mkdir()
        (where / "www/index.html").write_text("<html><head><title>Fish &amp; chips \x1b[31m</title></head></html>")
        (where / "nginx.conf").write_text(NGINX.format(folder=where, plain=plain, tls=tls))
        words = [need("nginx", "nginx"), "-c", str(where / "nginx.conf"), "-p", str(where), "-e", "stderr"]
        with running(words, tls):
            yield plain, tls


@contextmanager
def sshd() -> Iterator[int]:
    """OpenSSH."""
    with folder() as where:
        port = free_port()
        words = [need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(where / "host")]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        (where / "config").write_text(SSHD.format(port=port, folder=where))
        Path("/run/sshd").mkdir(exist_ok=True)
        with running([need("sshd", "openssh-server"), "-D", "-e", "-f", where / "config"], port):
            yield port


@contextmanager
def redis_in_tls() -> Iterator[tuple[int, int]]:
    """Redis in the clear, and a relay with TLS in front of it: their ports."""
    with folder() as where, ExitStack() as stack:
        port = free_port()
        words = [need("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
        stack.enter_context(running([*words, "--save", "", "--dir", str(where)], port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(where))
        yield port, stack.enter_context(serving(lambda link: relay(context, link, port)))


@contextmanager
def s_server() -> Iterator[int]:
    """OpenSSL's server, which serves one client at a time, and a page over HTTP."""
    with folder() as where:
        port = free_port()
        pem, key = certificate(where)
        words = [need("openssl", "openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet"]
        with running([*words, "-cert", pem, "-key", key], port):
            yield port


@contextmanager
def serving(serve: Callable[[socket.socket], None], *, one_by_one: bool = False, port: int = 0) -> Iterator[int]:
    """A server that does with each connection what it is told; ``one_by_one``: the next waits for the one before."""
    over = threading.Event()

    def run(link: socket.socket) -> None:
        with link:
            link.settimeout(20)
            try:
                serve(link)
            except OSError:
                pass

    def accept() -> None:
        while not over.is_set():
            try:
                link, _ = door.accept()
            except OSError:
                continue
            thread = threading.Thread(target=run, args=(link,), daemon=True)
            thread.start()
            if one_by_one:
                thread.join()

    with socket.create_server(("127.0.0.1", port)) as door:
        door.settimeout(0.1)
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(door.getsockname()[1])
        finally:
            over.set()
            accepting.join(5)


def drip(text: bytes) -> Callable[[socket.socket], None]:
    """A byte a second."""

    def serve(link: socket.socket) -> None:
        for byte in text:
            link.sendall(bytes([byte]))
            time.sleep(1)

    return serve


def pour(link: socket.socket) -> None:
    """A gigabyte, as fast as it is taken."""
    block = b"\x1b]0;title\x07" * 6554
    for _ in range((1 << 30) // len(block)):
        link.sendall(block)


def never_read(link: socket.socket) -> None:
    """Neither reads nor speaks."""
    time.sleep(15)


def relay(context: ssl.SSLContext, link: socket.socket, port: int) -> None:
    """Takes TLS off, and passes on to a port of this machine."""
    with context.wrap_socket(link, server_side=True) as inside, socket.create_connection(("127.0.0.1", port)) as there:
        inside.settimeout(0.01)
        there.settimeout(0.01)
        while True:
            for one, other in ((inside, there), (there, inside)):
                try:
                    data = one.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    return
                other.sendall(data)
