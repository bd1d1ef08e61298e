"""Files that mean no good or met with misfortune: what they hold before a damage is shown, and none costs more."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import block, enhanced, ethernet, interface, ip4, ip6, pcap, pcapng, section, talk, tcp, udp
from capture.test_files import _waiting, ends, ends_of_tshark, read

from portlore.capture.decoding import decode
from portlore.capture.files import File
from portlore.capture.streams import FEW_PIECES, Stream
from portlore.capture.unpacking import Plain, Unpacked
from portlore.errors import InputError, ParseError

TALK = talk(703, b"hello", b"there")
PACKET = ip4(tcp(40_000, 703, 1, 0x18, b"ask"))


def of(data: bytes, path: Path) -> tuple[int, list[str]]:
    """How many packets a file has, and what is said of it."""
    path.write_bytes(data)
    into, file = read(path)
    return into.packets, file.notes


def test_a_gzip_file_cut_anywhere_gives_the_packets_before_the_cut(tmp_path: Path) -> None:
    packed, before, least = gzip.compress(pcap(TALK * 20)), 0, None
    for size in range(len(packed)):
        try:
            count, notes = of(packed[:size], tmp_path / "a.gz")
        except ParseError:
            assert before == 0
            continue
        assert count >= before
        assert notes[0] == "the compression is damaged (it ends too early): what follows was not read"
        before, least = count, size if least is None else least
    assert before == 80
    assert least is not None
    assert least < len(packed) // 2


def test_a_gzip_file_with_a_wrong_checksum_gives_all_its_packets_and_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(pcapng(TALK))
    count, notes = of(packed[:-8] + bytes(4) + packed[-4:], tmp_path / "a.gz")
    assert (count, notes) == (4, ["the compression is damaged (incorrect data check): what follows was not read"])


def test_a_gzip_file_of_several_members_and_padding_is_one_file(tmp_path: Path) -> None:
    data = pcap(TALK)
    packed = gzip.compress(data[:50]) + gzip.compress(b"") + bytes(700) + gzip.compress(data[50:]) + bytes(9)
    assert of(packed, tmp_path / "a.gz") == (4, [])
    count, notes = of(gzip.compress(data) + b"other bytes", tmp_path / "a.gz")
    assert count == 4
    assert "incorrect header check" in notes[0]


def test_unpacking_never_gives_more_at_once_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(bytes(1 << 22)))
    with path.open("rb") as file:
        unpacked, total = Unpacked(Plain(file, b"")), 0
        while more := unpacked.read(10_000):
            assert len(more) <= 10_000
            total += len(more)
    assert total == 1 << 22


PACKED = {"zstd": "28b52ffd", "xz": "fd377a585a00", "bzip2": "425a68", "lz4": "04224d18"}


@pytest.mark.parametrize("program", PACKED)
def test_what_another_program_packed_is_refused_with_the_command_that_unpacks_it(program: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes.fromhex(PACKED[program]) + bytes(60))
    with pytest.raises(InputError, match=f"packed by {program}.*`{program} -dc FILE | portlore capture -`"):
        File(str(path))


def test_sections_however_many_are_read_together(tmp_path: Path) -> None:
    """A file of as many sections as packets, in both byte orders, costs one batch, not one for each section."""
    path, frame = tmp_path / "a", ethernet(PACKET)
    both = section("<") + interface("<") + enhanced(frame) + section(">") + interface(">") + enhanced(frame, ">")
    path.write_bytes(both * 300)
    file = File(str(path))
    batches = list(file.batches())
    file.close()
    assert [len(batch.at) for batch in batches] == [600]
    assert set(decode(batches[0]).target_port.tolist()) == {703}
    assert file.notes == []


def test_packet_blocks_without_an_interface_are_counted_in_one_sentence(tmp_path: Path) -> None:
    count, notes = of((section() + enhanced(ethernet(PACKET))) * 100, tmp_path / "a")
    assert count == 0
    assert notes == ["100 packet blocks make no sense, all after byte 28"]


def test_what_an_interface_says_it_missed_is_counted_once_however_often_it_says_so(tmp_path: Path) -> None:
    def lost(number: int, count: int) -> bytes:
        return block("<", 5, struct.pack("<III", number, 0, 0) + struct.pack("<HHQ", 5, 8, count) + bytes(4))

    path = tmp_path / "a"
    one = section() + interface() + interface() + lost(0, 5) + lost(1, 30) + lost(0, 7)
    path.write_bytes(one + one)
    assert read(path)[1].dropped == 2 * 37


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_named_pipe_shows_what_came_until_it_was_stopped(how: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    command = [sys.executable, "-m", "portlore", "capture", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, path.open("wb", buffering=0) as pipe:
        pipe.write(pcap(TALK))
        end = time.monotonic() + 60
        while _waiting(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(how)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["conversations"][0]["packets"] == [2, 2]


GRE_KEY_AND_NUMBER = bytes.fromhex("3000080000000001000000ff")
LABELS = struct.pack(">II", 16 << 12 | 64, 17 << 12 | 0x100 | 64)
SESSION = struct.pack(">BBHHH", 0x11, 0, 5, len(PACKET) + 2, 0x21)
CARRIED = {
    "MPLS": ethernet(LABELS + PACKET, 0x8847),
    "MPLS in a VLAN": ethernet(LABELS + ip6(udp(9, 53), 17), 0x8847, 0x8100),
    "PPPoE": ethernet(SESSION + PACKET, 0x8864),
    "GRE": ethernet(ip4(b"\0\0\x08\0" + PACKET, 47)),
    "GRE with a key": ethernet(ip4(GRE_KEY_AND_NUMBER + PACKET, 47)),
    "IP in IP": ethernet(ip4(PACKET, 4)),
    "IPv4 in IPv6": ethernet(ip6(PACKET, 4)),
    "IPv6 in IPv4": ethernet(ip4(ip6(tcp(7, 8)), 41)),
    "GRE in IP in IP": ethernet(ip4(ip4(b"\0\0\x08\0" + PACKET, 47), 4)),
}


@pytest.mark.parametrize("name", CARRIED)
def test_the_ports_within_labels_sessions_and_tunnels_are_those_that_tshark_finds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([CARRIED[name]]))
    found = {tuple(port for _, port in both) for both in ends(path)}
    assert found == {tuple(port for _, port in both) for both in ends_of_tshark(path)}
    assert len(found) == 1


def test_an_address_within_a_tunnel_is_the_inner_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ip6(ip4(tcp(7, 8), 6, "192.0.2.1", "192.0.2.2"), 4))]))
    assert ends(path) == {(("192.0.2.1", 7), ("192.0.2.2", 8))}


def test_tunnels_that_end_early_or_go_on_for_ever_are_counted(tmp_path: Path) -> None:
    deep = PACKET
    for _ in range(40):
        deep = ip4(deep, 4)
    other = ethernet(ip4(b"\0\0\x88\x47" + bytes(40), 47))  # GRE with MPLS in it
    routed = ethernet(ip4(b"\x40\0\x08\0" + PACKET, 47))
    labels = ethernet(struct.pack(">I", 16 << 12) * 30, 0x8847)
    inside = ethernet(LABELS + b"\0\0\0\0" + ethernet(PACKET), 0x8847)
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(deep), other, routed, labels, inside, CARRIED["GRE"][:50], CARRIED["MPLS"][:24]]))
    into, _ = read(path)
    assert (into.packets, into.broken) == (7, 2)
    assert into.without_ports == {4: 1, 47: 2}
    assert into.not_ip == {0x8847: 2}


def test_every_cut_of_a_carried_packet_is_counted_once(tmp_path: Path) -> None:
    frames = [frame[:size] for frame in CARRIED.values() for size in range(len(frame))]
    path = tmp_path / "a"
    path.write_bytes(pcap(frames))
    into, _ = read(path)
    flows = sum(sum(one.packets) for one in into.gather(lambda transport, port: False))
    others = sum(into.without_ports.values()) + sum(into.not_ip.values())
    assert flows + others + into.broken + into.fragments == into.packets == len(frames)


def test_what_is_sent_again_otherwise_does_not_replace_what_came_first() -> None:
    stream = Stream()
    for said in (b"GET / ", b"EVIL! HTTP/1.1"):
        stream.add(said, 0, len(said), 1000, 0x18)
    assert b"".join(stream.pieces()) == b"GET / HTTP/1.1"


def test_where_much_was_said_later_sides_are_brief_in_bytes_and_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream()
    for number in range(40):
        stream.add(b"x", 0, 1, 1000 + 2 * number, 0x18, 256)
    assert len(stream._kept) == FEW_PIECES
    monkeypatch.setattr("portlore.capture.conversations.MOST_HELD", 0)
    path = tmp_path / "a"
    path.write_bytes(pcap([*talk(80, b"a" * 900, b""), *talk(80, b"b" * 900, b"", client=41_000)]))
    into, _ = read(path)
    first, second = into.gather(lambda transport, port: False)
    assert [len(b"".join(one.said[0])) for one in (first, second)] == [900, 256]
    assert into.short_of_room


def test_link_types_that_nobody_knows_are_counted_together(tmp_path: Path) -> None:
    links = b"".join(interface(link=1000 + number) for number in range(200))
    packets = b"".join(enhanced(PACKET, number=number) for number in range(200))
    path = tmp_path / "a"
    path.write_bytes(section() + links + packets)
    into, _ = read(path)
    assert (into.packets, into.unknown_links) == (200, 200)
