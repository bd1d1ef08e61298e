"""Packets and files for tests: built by hand and by dpkt, so that nothing of ours says what is right."""

from __future__ import annotations

import socket
import struct
from typing import Any

import dpkt  # type: ignore[import-untyped]

MAC = bytes.fromhex("0200c0ffee01"), bytes.fromhex("0200c0ffee02")
CLIENT, SERVER = "10.0.0.2", "10.0.0.1"
CLIENT6, SERVER6 = "fd00::2", "fd00::1"


def tcp(sport: int, dport: int, sequence: int = 1, flags: int = 0x18, data: bytes = b"") -> bytes:
    head = struct.pack(">HHIIBBHHH", sport, dport, sequence, 0, 0x50, flags, 8192, 0, 0)
    return head + data


def udp(sport: int, dport: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data


def ip4(
    payload: bytes,
    protocol: int = 6,
    source: str = CLIENT,
    target: str = SERVER,
    *,
    options: bytes = b"",
    part: int = 0,
) -> bytes:
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(payload), 7, part, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(target) + options + payload


def ip6(payload: bytes, protocol: int = 6, source: str = CLIENT6, target: str = SERVER6) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return struct.pack(">IHBB", 0x6000_0000, len(payload), protocol, 64) + ends + payload


def ethernet(packet: bytes, kind: int | None = None, *tags: int) -> bytes:
    """``tags``: EtherTypes of VLAN tags, outermost first."""
    kind = kind if kind is not None else 0x86DD if packet[0] >> 4 == 6 else 0x0800
    wrapped = b"".join(struct.pack(">HH", tag, number + 10) for number, tag in enumerate(tags))
    return MAC[1] + MAC[0] + wrapped + struct.pack(">H", kind) + packet


def pcap(
    packets: list[bytes], link: int = 1, order: str = "<", *, nano: bool = False, times: list[float] | None = None
) -> bytes:
    """A file by the draft's words (draft-ietf-opsawg-pcap)."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 262_144, link)]
    for number, one in enumerate(packets):
        time = times[number] if times else 1_700_000_000 + number
        fraction = round((time - int(time)) * (10**9 if nano else 10**6))
        parts += [struct.pack(f"{order}IIII", int(time), fraction, len(one), len(one)), one]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str = "<", link: int = 1, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, 0) + options)


def enhanced(packet: bytes, order: str = "<", number: int = 0, ticks: int = 1_700_000_000_000_000) -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(packet), len(packet))
    return block(order, 6, head + packet)


def pcapng(packets: list[bytes], link: int = 1, order: str = "<") -> bytes:
    return section(order) + interface(order, link) + b"".join(enhanced(one, order) for one in packets)


def talk(port: int, asked: bytes, answered: bytes, client: int = 40_000) -> list[bytes]:
    """A whole TCP conversation, in frames."""
    there: dict[str, Any] = {"source": CLIENT, "target": SERVER}
    back: dict[str, Any] = {"source": SERVER, "target": CLIENT}
    return [
        ethernet(ip4(tcp(client, port, 100, 0x02), **there)),
        ethernet(ip4(tcp(port, client, 900, 0x12), **back)),
        ethernet(ip4(tcp(client, port, 101, 0x18, asked), **there)),
        ethernet(ip4(tcp(port, client, 901, 0x18, answered), **back)),
    ]


def of_dpkt(frame: bytes) -> tuple[Any, ...] | None:
    """Ends and ports as dpkt reads them."""
    packet = dpkt.ethernet.Ethernet(frame).data
    if not isinstance(packet, (dpkt.ip.IP, dpkt.ip6.IP6)) or not hasattr(packet.data, "sport"):
        return None
    family = socket.AF_INET if isinstance(packet, dpkt.ip.IP) else socket.AF_INET6
    ends = [socket.inet_ntop(family, end) for end in (packet.src, packet.dst)]
    return ends[0], packet.data.sport, ends[1], packet.data.dport
