"""How fast the site is: pages beside a bare "hello" of the same server, under 200 connections, and as files.

    python benchmarks/web.py [--seconds S] [--pages N]

Each server is a process of its own, with one worker; the client is wrk (Debian: apt-get install wrk), in the same run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HELLO = """
import asyncio, socket, sys
import uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
door = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(f"serving http://127.0.0.1:{door.getsockname()[1]}/", file=sys.stderr, flush=True)
config = uvicorn.Config(app, http="httptools", lifespan="off", access_log=False, log_level="warning")
uvicorn.Server(config).run(sockets=[door])
"""


def start(words: list[str], environment: dict[str, str], log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server, and its address as soon as it tells it."""
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, *words], stderr=file, env=environment)
    for _ in range(300):
        if found := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text("utf-8", "replace")):
            break
        time.sleep(0.1)
    else:
        raise RuntimeError(log.read_text())
    return process, found[0]


def wrk(address: str, connections: int, seconds: int) -> tuple[float, float]:
    """Answers a second, and the milliseconds that 99 of 100 took at most."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", address]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def peak(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process has had, MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def static_site(environment: dict[str, str], folder: Path, words: tuple[str, ...] = ()) -> None:
    """Pages a second of a whole ``portlore build`` on all cores, its start included, each also as JSON.

    The peer is ``cp -r`` of what was built: what the file system alone takes.
    """
    site = folder / "site.d"
    began = time.perf_counter()
    command = [sys.executable, "-m", "portlore", "build", str(site), *words]
    subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - began
    names = [name for _, _, some in os.walk(site) for name in some]
    pages = sum(name == "index.html" for name in names)
    began = time.perf_counter()
    subprocess.run(["cp", "-r", str(site), str(folder / "copy.d")], check=True)
    copied = time.perf_counter() - began
    print(f"static site: {pages:,} pages ({len(names):,} files) in {took:.1f} s on {os.cpu_count()} cores, "
          f"{pages / took:,.0f} pages/s; {took / copied:.1f} x the time of cp -r ({copied:.1f} s)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", help="where to build the static site (default: the temporary folder)")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=20_000, help="pages of the static site")
    args = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("benchmarks/web.py: needs wrk (apt-get install wrk)")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        environment["PORTLORE_DATA"] = folder
        bare, hello = start(["-c", HELLO], environment, Path(folder, "hello"))
        words = ["-m", "portlore", "serve", "--port", "0"]
        server, site = start(words, environment, Path(folder, "site"))
        try:
            for path in ("en/ports/703", "ar/ports/8080"):
                wrk(site + path, 4, 1)
                ours, theirs = [], []
                for _ in range(3):
                    ours.append(wrk(site + path, 16, args.seconds)[0])
                    theirs.append(wrk(hello, 16, args.seconds)[0])
                best, bar = max(ours), max(theirs)
                print(f"/{path}: {best:,.0f}/s, {best / bar:.2f} of a bare hello ({bar:,.0f}/s)")
            rate, slow = wrk(f"{site}en/ports/703", 200, args.seconds)
            rate_bare, slow_bare = wrk(hello, 200, args.seconds)
            print(f"200 connections at once: 99 of 100 within {slow:.1f} ms at {rate:,.0f}/s "
                  f"(the bare hello: {slow_bare:.1f} ms at {rate_bare:,.0f}/s)")  # fmt: skip
            print(f"memory of the server: {peak(server):.0f} MiB at most")
        finally:
            for process in (bare, server):
                process.terminate()
                process.wait()
        static_site(environment, Path(folder), ("--ports", f"0-{min(65535, args.pages)}"))


if __name__ == "__main__":
    main()
