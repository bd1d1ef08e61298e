"""Listening to an interface: it ends when told to, with what is known; refuses with the remedy; counts its losses."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import ethernet, ip4, udp
from capture.recording import HOST, in_own_network, needs_network
from probes.driving import need

pytestmark = needs_network
TUNSETIFF = 0x400454CA  # of linux/if_tun.h


def listen(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "portlore", "capture", *words, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"listening on" in process.stderr.readline()
    return process


def ended(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 1)
    found: dict[str, Any] = json.loads(out)
    return found


def send(count: int, size: int = 20, port: int = 703) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        box.bind((HOST, 40_001))
        for _ in range(count):
            box.sendto(bytes(size), (HOST, port))


def test_it_ends_after_the_count_the_duration_or_ctrl_c_with_what_is_known() -> None:
    found: list[dict[str, Any]] = []

    def work() -> None:
        for words, stop in ((("-n", "7"), False), (("--duration", "2"), False), ((), True)):
            process = listen("-i", "lo", "--filter", "udp port 703", *words)
            send(10)
            if stop:
                time.sleep(1)
                process.send_signal(signal.SIGINT)
            found.append(ended(process))

    in_own_network(work)
    assert [one["summary"]["packets"] for one in found] == [7, 10, 10]
    assert [one["summary"]["ended"] for one in found] == ["count", "complete", "interrupted"]
    assert all(one["conversations"][0]["packets"][0] == one["summary"]["packets"] for one in found)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_was_sent_right_before_the_end_is_counted(how: signal.Signals) -> None:
    """The kernel hands packets over a tenth of a second late; what it has by then is asked for."""
    found: list[dict[str, Any]] = []

    def work() -> None:
        process = listen("-i", "lo", "--filter", "udp port 703")
        send(10)
        process.send_signal(how)
        found.append(ended(process))

    in_own_network(work)
    assert (found[0]["summary"]["packets"], found[0]["summary"]["ended"]) == (10, "interrupted")


def test_an_interface_without_ethernet_that_only_this_namespace_has_is_listened_to() -> None:
    found: list[dict[str, Any]] = []

    def work() -> None:
        for words in (["tuntap", "add", "mode", "tun", "name", "only-here0"], ["link", "set", "only-here0", "up"],
                      ["address", "add", "192.0.2.1/24", "dev", "only-here0"]):  # fmt: skip
            subprocess.run(["ip", *words], check=True, timeout=30)
        with open("/dev/net/tun", "r+b", buffering=0) as tun:  # noqa: PTH123
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"only-here0", 0x1001))  # so that it has a carrier
            process = listen("-i", "only-here0", "--duration", "2", "--filter", "udp port 53")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
                box.sendto(bytes(12), ("192.0.2.7", 53))
            found.append(ended(process))

    in_own_network(work)
    (one,) = found[0]["conversations"]
    assert (one["client"], one["server"], one["packets"]) == ("192.0.2.1", "192.0.2.7", [1, 0])


def test_on_any_interface_the_kernel_says_what_a_packet_is_not_its_first_byte() -> None:
    """A heartbeat whose bytes look like IPv4 is none, and is named for its EtherType."""
    found: list[dict[str, Any]] = []

    def work() -> None:
        for words in (
            ["add", "one", "type", "veth", "peer", "name", "two"],
            ["set", "one", "up"],
            ["set", "two", "up"],
        ):
            subprocess.run(["ip", "link", *words], check=True, timeout=30)
        process = listen("-i", "any", "--duration", "2", "--filter", "ether proto 0x8890 or udp")
        send(1)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
            line.bind(("one", 0))
            line.send(ethernet(ip4(udp(1, 2), 17), 0x8890))
        found.append(ended(process))

    in_own_network(work)
    assert [one["server_port"] for one in found[0]["conversations"]] == [703]
    assert found[0]["summary"]["others"] == {"0x8890 (FortiGate HA heartbeat)": 2}  # it left one, and came to two


def test_promiscuous_is_for_one_interface() -> None:
    command = [sys.executable, "-m", "portlore", "capture", "-i", "any", "--promiscuous"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "name it, or leave the option out" in done.stderr


def test_any_interface_hears_each_packet_of_loopback_once() -> None:
    found: list[dict[str, Any]] = []

    def work() -> None:
        process = listen("-i", "any", "--duration", "2", "--filter", "udp")
        send(25)
        found.append(ended(process))

    in_own_network(work)
    (one,) = found[0]["conversations"]
    assert (one["packets"], one["server_port"]) == ([25, 0], 703)


def test_packets_that_nobody_could_take_in_are_counted_and_said() -> None:
    """While it is stopped its ring overflows: what it took in and what it says was dropped are all that were sent."""
    found: list[dict[str, Any]] = []
    sent = 3000

    def work() -> None:
        process = listen("-i", "lo", "--filter", "udp port 703")
        process.send_signal(signal.SIGSTOP)
        send(sent, 30_000)
        process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        found.append(ended(process))

    in_own_network(work)
    summary = found[0]["summary"]
    # on loopback a port without a listener is answered by ICMP, which the ring holds too
    assert summary["dropped"] > 0
    assert sent <= summary["packets"] + summary["dropped"] <= 2 * sent
    assert any("dropped" in note for note in summary["notes"])


def test_without_the_right_to_listen_the_remedy_is_said() -> None:
    without = [need("setpriv", "util-linux"), "--bounding-set=-net_raw"]
    command = [*without, sys.executable, "-m", "portlore", "capture", "-i", "lo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert "CAP_NET_RAW" in done.stderr
