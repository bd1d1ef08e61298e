"""Capture files: every form and link type as tshark reads it; damaged ones as far as they go, and where that is."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import (
    block,
    enhanced,
    ethernet,
    interface,
    ip4,
    ip6,
    pcap,
    pcapng,
    section,
    talk,
    tcp,
    udp,
)  # fmt: skip
from capture.recording import tshark
from probes.driving import need

from portlore.capture.conversations import Conversation, Conversations
from portlore.capture.files import File
from portlore.capture.running import run
from portlore.errors import ParseError

PACKETS = [ip4(tcp(40_000, 703, 1, 0x18, b"ask")), ip6(udp(40_001, 53, b"who?"), 17), ip4(udp(9, 10, b""), 17)]
FRAMES = [ethernet(one) for one in PACKETS]


def read(path: Path) -> tuple[Conversations, File]:
    file, into = File(str(path)), Conversations()
    try:
        run(file.batches(), into, frames=(0x8890,))
    finally:
        file.close()
    return into, file


def talks(path: Path) -> list[Conversation]:
    return read(path)[0].gather(lambda transport, port: False)


def ends(path: Path) -> set[tuple[Any, ...]]:
    return {tuple(sorted(zip(one.addresses, one.ports, strict=True))) for one in talks(path)}


def ends_of_tshark(path: Path) -> set[tuple[Any, ...]]:
    need("tshark", "tshark")
    fields = ["ip.src", "ipv6.src", "ip.dst", "ipv6.dst"]
    fields += [f"{on}.{side}port" for side in ("src", "dst") for on in ("tcp", "udp", "sctp")]
    found = set()
    for row in tshark(path, *fields):
        source, target = row[0] or row[1], row[2] or row[3]
        ports = [next((int(port) for port in row[at : at + 3] if port), None) for at in (4, 7)]
        if None not in ports:
            found.add(tuple(sorted([(source, ports[0]), (target, ports[1])])))
    return found


LINKS = {
    0: [struct.pack("<I", 30 if one[0] >> 4 == 6 else 2) + one for one in PACKETS],
    1: FRAMES,
    12: PACKETS,
    101: PACKETS,
    108: [struct.pack(">I", 24 if one[0] >> 4 == 6 else 2) + one for one in PACKETS],
    113: [struct.pack(">HHH8sH", 0, 1, 6, b"", 0x86DD if one[0] >> 4 == 6 else 0x0800) + one for one in PACKETS],
    228: [PACKETS[0], PACKETS[2]],
    229: [PACKETS[1]],
    276: [
        struct.pack(">HHIHBB8s", 0x86DD if one[0] >> 4 == 6 else 0x0800, 0, 1, 1, 0, 6, b"") + one for one in PACKETS
    ],
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_link_type_is_read_as_tshark_reads_it(link: int, order: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    theirs = None
    for data in (
        pcap(LINKS[link], link, order),
        pcap(LINKS[link], link, order, nano=True),
        pcapng(LINKS[link], link, order),
    ):
        path.write_bytes(data)
        theirs = theirs or ends_of_tshark(path)
        assert ends(path) == theirs
        assert len(theirs) == len(LINKS[link])
        assert read(path)[1].notes == []


WRAPPED = {
    "a VLAN": ethernet(PACKETS[0], None, 0x8100),
    "QinQ": ethernet(PACKETS[1], None, 0x88A8, 0x8100),
    "SNAP": FRAMES[0][:12] + struct.pack(">H", 8 + len(PACKETS[0])) + bytes.fromhex("aaaa030000000800") + PACKETS[0],
    "IP options": ethernet(ip4(tcp(1, 2), options=bytes.fromhex("94040000"))),
    "TCP options": ethernet(ip4(struct.pack(">HHIIBBHHH", 5, 6, 1, 0, 0x70, 2, 0, 0, 0) + bytes(8) + b"x")),
    "SCTP": ethernet(ip4(struct.pack(">HHII", 2905, 2906, 1, 0) + bytes.fromhex("0b000004"), 132)),
    "hop by hop": ethernet(ip6(bytes([6, 0]) + b"\x01\x04\0\0\0\0" + tcp(7, 8), 0)),
    "destination options": ethernet(ip6(bytes([6, 1]) + b"\x01\x0c" + bytes(12) + tcp(70, 80), 60)),
    "authentication header": ethernet(ip6(bytes([6, 4]) + bytes(22) + tcp(71, 81), 51)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_packets_are_wrapped_in_is_unwrapped_as_tshark_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pcap([WRAPPED[name]]))
    theirs = ends_of_tshark(path)
    assert len(theirs) == 1
    assert ends(path) == theirs


def test_first_fragments_have_their_ports(tmp_path: Path) -> None:
    path = tmp_path / "file"
    six = ethernet(ip6(bytes([17, 0, 0, 1, 0, 0, 0, 9]) + udp(50_005, 6, b"12345678"), 44))
    path.write_bytes(pcap([six, ethernet(ip4(udp(50_015, 16, b"abcdefgh"), 17, part=0x2000))]))
    assert [one.ports for one in talks(path)] == [(50_005, 6), (50_015, 16)]


def test_later_fragments_other_protocols_and_broken_headers_are_counted_not_guessed(tmp_path: Path) -> None:
    whole = ethernet(ip4(tcp(1, 2, data=b"x" * 50)))
    bad = [
        ethernet(ip4(udp(1, 2, b"12345678"), 17, part=0x0001)),  # a later fragment
        ethernet(ip4(b"\x08\0\0\0\0\0\0\0", 1)),  # ICMP
        ethernet(bytes(28), 0x0806),  # ARP
        whole[:30],
        whole[:36],
        whole[:14] + b"\x41" + whole[15:],  # a header of four bytes
        b"",
        ethernet(ip6(bytes([0, 255]) + bytes(6), 0)),  # an extension header beyond the packet
    ]
    path = tmp_path / "file"
    path.write_bytes(pcap(bad))
    into, _ = read(path)
    assert (into.packets, into.fragments, into.broken) == (8, 1, 5)
    assert into.without_ports == {1: 1}
    assert into.not_ip == {0x0806: 1}
    assert into.gather(lambda transport, port: False) == []


def test_times_are_read_to_the_microsecond_in_every_form(tmp_path: Path) -> None:
    path, times = tmp_path / "file", [1_700_000_000.000001, 1_700_000_001.999999]
    ticks = [1_700_000_000_000_001, 1_700_000_001_999_999]
    frames = FRAMES[:1] * 2
    nano = bytes.fromhex("09000100") + b"\x09\0\0\0"
    shifted = bytes.fromhex("0e000800") + struct.pack("<q", 1_000_000_000)
    for data in (
        pcap(frames, times=times),
        pcap(frames, nano=True, times=times),
        section() + interface() + b"".join(enhanced(one, ticks=t) for one, t in zip(frames, ticks, strict=True)),
        section() + interface(options=nano) + b"".join(enhanced(frames[0], ticks=t * 1000) for t in ticks),
        section() + interface(options=shifted) + b"".join(enhanced(frames[0], ticks=t - 10**15) for t in ticks),
    ):
        path.write_bytes(data)
        into, _ = read(path)
        assert [into.begun, into.ended] == pytest.approx(times, abs=4e-7)


def test_a_pcapng_of_many_sections_interfaces_and_blocks_is_read_whole(tmp_path: Path) -> None:
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 0, len(FRAMES[2]), len(FRAMES[2])) + FRAMES[2])
    simple = block("<", 3, struct.pack("<I", len(FRAMES[0])) + FRAMES[0])
    dropped = block("<", 5, struct.pack("<III", 0, 0, 0) + struct.pack("<HHQ", 5, 8, 33) + bytes(4))
    path = tmp_path / "file"
    first = section() + interface() + interface(link=101) + simple + old + enhanced(PACKETS[1], number=1)
    unknown = block("<", 0x4242, b"whatever")
    second = section(">") + interface(">", 101) + enhanced(ip4(tcp(77, 88)), ">")
    path.write_bytes(first + unknown + dropped + second + first)
    into, file = read(path)
    assert (into.packets, file.dropped, file.notes) == (7, 33, [])
    assert {one.ports for one in into.gather(lambda transport, port: False)} == {
        (40000, 703),
        (40001, 53),
        (10, 9),
        (88, 77),
    }


def test_a_file_larger_than_a_piece_is_the_same_as_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = random.Random(703)
    sizes = [(numbers.randrange(1 << 16), numbers.randrange(1400)) for _ in range(300)]
    frames = [ethernet(ip4(tcp(port, 80, data=bytes(size)))) for port, size in sizes]
    for name, data in (("pcap", pcap(frames)), ("pcapng", pcapng(frames)), ("gz", gzip.compress(pcap(frames)))):
        path = tmp_path / name
        path.write_bytes(data)
        whole = talks(path)
        for piece in (17, 100, 5000):
            with monkeypatch.context() as patch:
                patch.setattr("portlore.capture.files.PIECE", piece)
                assert talks(path) == whole
        assert read(path)[0].packets == 300


def test_a_packet_that_claims_too_much_ends_the_reading_and_the_place_is_said(tmp_path: Path) -> None:
    path, good = tmp_path / "file", pcap(FRAMES)
    path.write_bytes(good + struct.pack("<IIII", 0, 0, 0xFFFF_FFF0, 60) + FRAMES[0] * 10)
    into, file = read(path)
    assert into.packets == 3
    assert f"byte {len(good):,}, after packet 3" in file.notes[0]
    assert "4,294,967,280 bytes" in file.notes[0]


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portlore", "capture", "-"]
    done = subprocess.run(command, input=pcap(FRAMES), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"703/tcp" in done.stdout


def test_ctrl_c_in_the_middle_of_a_pipe_shows_what_came_by_then(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portlore", "capture", "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        data = pcap(talk(703, b"a", b"b"))
        process.stdin.write(data + data[24:60])  # and the beginning of another packet
        process.stdin.flush()
        end = time.monotonic() + 60
        while _waiting(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["conversations"][0]["packets"] == [2, 2]
    assert json.loads(out)["summary"]["ended"] == "interrupted"


def _waiting(pid: int) -> bool:
    """Whether a process has not yet read its standard input empty, and gone to sleep waiting for more."""
    state = Path(f"/proc/{pid}/wchan").read_text("ascii", "replace")
    return "pipe" not in state


def test_what_is_no_capture_is_refused_in_one_line(tmp_path: Path) -> None:
    for content in (
        b"",
        b"hello, this is no capture file at all",
        pcap([])[:20],
        b"\x1f\x8bnonsense" * 9,
        section()[:20],
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        command = [sys.executable, "-m", "portlore", "capture", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


SMALL = [pcap(talk(703, b"hello", b"there")), pcapng(talk(703, b"hello", b"there")), pcap(FRAMES, order=">", nano=True)]


@pytest.mark.parametrize("whole", SMALL, ids=["pcap", "pcapng", "big endian"])
def test_cut_anywhere_a_file_gives_what_was_before(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = 0
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        try:
            into, file = read(path)
        except ParseError:
            assert before == 0
            continue
        assert into.packets >= before
        before = into.packets
        assert file.notes or into.packets == whole_records(whole[:size])
    assert before == whole_records(whole)


def whole_records(data: bytes) -> int:
    """How many packets a file has, when it ends with a whole record."""
    if data[:4] == b"\n\r\r\n":
        return sum(data.startswith(struct.pack("<I", 6), at) for at in _blocks(data))
    order = "<" if data[0] == 0xD4 else ">"
    count, at = 0, 24
    while at < len(data):
        at += 16 + int(struct.unpack_from(f"{order}I", data, at + 8)[0])
        count += 1
    return count


def _blocks(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        found.append(at)
        at += int(struct.unpack_from("<I", data, at + 4)[0])
    return found


@given(st.sampled_from(SMALL), st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), max_size=6))
def test_no_damage_makes_the_reader_fail(whole: bytes, changes: list[tuple[int, bytes]]) -> None:
    import tempfile

    data = bytearray(whole)
    for at, put in changes:
        data[at % len(data) : at % len(data) + len(put)] = put
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        with contextlib.suppress(ParseError):
            into, _ = read(Path(file.name))
            found = into.gather(lambda transport, port: False)
            counted = sum(map(sum, (one.packets for one in found)))
            others = into.broken + into.fragments + into.unknown_links
            others += sum(into.without_ports.values()) + sum(into.not_ip.values())
            assert counted + others == into.packets
