"""How fast a capture file becomes conversations, beside capinfos and tshark on the same file in the same run.

    python benchmarks/capture.py [--packets N] [--flows N] [--no-tshark]

The file: TCP over IPv4 on Ethernet, flows that begin with a handshake and a request and its answer, then packets of
mixed sizes, all flows interleaved. Portlore counts, reassembles the first bytes of each side, recognises and judges;
`capinfos` only counts; `tshark -q -z conv,tcp` counts conversations and dissects. Figures are packets a second and
ratios; memory is the peak of each process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HEAD = 70  # of a record: 16 of pcap, 14 of Ethernet, 20 of IPv4, 20 of TCP
TEXTS = {2: b"GET /index.html HTTP/1.1\r\nHost: www.example.net\r\nAccept: */*\r\n\r\n",
         3: b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 1000000\r\n\r\n"}  # fmt: skip


def write(path: Path, packets: int, flows: int) -> int:
    """Synthesise the file; how many packets it has."""
    numbers = np.random.default_rng(703)
    rounds = max(4, packets // flows)
    client = (0x0A00_0000 + 2 + np.arange(flows)).astype(">u4")
    server = (0x0A80_0000 + 1 + np.arange(flows) % 97).astype(">u4")
    ports = np.array([80, 443, 703, 8080, 2049])[np.arange(flows) % 5], 1024 + np.arange(flows) % 60_000
    sequence = numbers.integers(0, 1 << 32, (2, flows))
    head = np.dtype([("seconds", "<u4"), ("parts", "<u4"), ("captured", "<u4"), ("length", "<u4"), ("macs", "V12"),
                     ("type", ">u2"), ("first", ">u2"), ("size", ">u2"), ("id", ">u4"), ("hops", ">u2"), ("sum", ">u2"),
                     ("source", ">u4"), ("target", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("sequence", ">u4"),
                     ("ack", ">u4"), ("flags", ">u2"), ("window", ">u2"), ("rest", ">u4")])  # fmt: skip
    assert head.itemsize == HEAD
    with path.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 0x0004_0002, 0, 0, 262_144, 1], "<u4").tobytes())
        for number in range(rounds):
            side = number % 2
            kind = numbers.integers(0, 10, flows)
            size = np.where(kind < 6, 0, np.where(kind < 8, numbers.integers(100, 500, flows), 1448))
            if number < 4:
                size = np.full(flows, len(TEXTS.get(number, b"")))
            one = np.zeros(flows, head)
            one["seconds"], one["parts"] = 1_700_000_000 + number, np.arange(flows) * 10
            one["captured"] = one["length"] = 54 + size
            one["type"], one["first"], one["size"], one["hops"] = 0x0800, 0x4500, 40 + size, 0x4006
            ends = (client, server), (ports[1], ports[0])
            one["source"], one["target"] = ends[0][side], ends[0][1 - side]
            one["sport"], one["dport"] = ends[1][side], ends[1][1 - side]
            one["sequence"], one["ack"] = sequence[side], sequence[1 - side]
            one["flags"] = 0x5002 if number == 0 else 0x5012 if number == 1 else 0x5018
            sequence[side] = (sequence[side] + size + (number < 2)) % (1 << 32)
            at = np.concatenate(([0], np.cumsum(HEAD + size)[:-1]))
            record = np.zeros(int((HEAD + size).sum()), np.uint8)
            record[at[:, None] + np.arange(HEAD)] = one.view(np.uint8).reshape(flows, HEAD)
            if number in TEXTS:
                text = np.frombuffer(TEXTS[number], np.uint8)
                record[at[:, None] + HEAD + np.arange(len(text))] = text
            file.write(record.tobytes())
    return rounds * flows


def timed(command: list[str]) -> tuple[float, float, int]:
    """Seconds by the clock and by the CPU, and the peak of memory in MB."""
    before = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0, command
    return time.perf_counter() - before, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--flows", type=int, default=10_000)
    parser.add_argument("--no-tshark", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.pcap"
        packets = write(path, args.packets, args.flows)
        print(f"{packets:,} packets, {args.flows:,} flows, {path.stat().st_size / 1e6:,.0f} MB")
        ours = [sys.executable, "-m", "portlore", "capture", str(path)]
        commands = {"portlore capture": ours, "portlore capture --json": [*ours, "--json"]}
        if shutil.which("capinfos"):
            commands["capinfos"] = ["capinfos", str(path)]
        if shutil.which("tshark") and not args.no_tshark:
            commands["tshark -q -z conv,tcp"] = ["tshark", "-n", "-r", str(path), "-q", "-z", "conv,tcp"]
        with path.open("rb") as file:  # so that nobody pays for the disk
            while file.read(1 << 20):
                pass
        first = 0.0
        for name, command in commands.items():
            clock, cpu, memory = timed(command)
            first = first or clock
            ratio = f"{clock / first:7.2f} x our time"
            print(
                f"{name:24} {packets / clock:12,.0f} packets/s {clock:7.2f} s (CPU {cpu:6.2f} s) {memory:5} MB {ratio}"
            )


if __name__ == "__main__":
    main()
