"""The kernel's tables as values: recorded bytes against what ``ss`` said of the same sockets in the same second."""

from __future__ import annotations

import ipaddress
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.listeners import netlink
from portlore.listeners.addresses import describe, parse4, parse6, text4, text6
from portlore.listeners.netlink import INET, INET6, Decoder, is_last, request, without_queues
from portlore.listeners.procnet import parse_table, protocols_in_use
from portlore.render.classic import SS_STATES
from portlore.seen import Exposure, Family, Socket

VECTORS = Path(__file__).parent.parent / "vectors/listeners"


def datagrams(name: str) -> list[bytes]:
    data = (VECTORS / f"{name}.bin").read_bytes()
    found = []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def recorded(kind: str) -> list[Socket]:
    found: list[Socket] = []
    for transport in ("tcp", "udp"):
        for name in ("4", "6"):
            decoder = Decoder(transport, {1: "lo"})
            answers = [decoder.decode(data) for data in datagrams(f"{transport}{name}.{kind}")]
            assert [answer.done for answer in answers] == [False] * (len(answers) - 1) + [True]
            assert [is_last(data) for data in datagrams(f"{transport}{name}.{kind}")][-1]
            found += [one for answer in answers for one in answer.sockets]
    return found


def as_ss(one: Socket) -> tuple[object, ...]:
    """A socket in the words of ``ss -e``."""
    wild = one.family is Family.DUAL
    address = "*" if wild else f"[{one.address}]" if ":" in one.address else one.address
    device = f"%{one.device}" if one.device else ""
    return (
        one.transport,
        SS_STATES[one.state],
        one.receive_queue,
        one.send_queue,
        f"{address}{device}:{one.port}",
        one.inode,
    )


@pytest.mark.parametrize("kind", ["offered", "all"])
def test_every_recorded_socket_is_the_one_that_ss_printed(kind: str) -> None:
    told = set()
    for line in (VECTORS / f"ss.{kind}.txt").read_text("utf-8").splitlines():
        words = line.split()
        inode = int(re.findall(r"ino:(\d+)", line)[0])
        told.add((words[0], words[1], int(words[2]), int(words[3]), words[4], inode))
    assert told
    assert {as_ss(one) for one in recorded(kind)} == told


def test_a_dual_stack_socket_is_told_from_one_of_ipv6_alone() -> None:
    families = {one.port: one.family for one in recorded("offered") if one.transport == "tcp"}
    assert (families[7002], families[7004], families[7005], families[7006]) == ("ipv4", "dual", "ipv6", "ipv4-mapped")


def test_a_socket_bound_to_the_loopback_interface_is_not_exposed() -> None:
    exposures = {one.port: (one.exposure, one.device) for one in recorded("offered") if one.transport == "tcp"}
    assert exposures[7007] == (Exposure.LOOPBACK, "lo")
    assert exposures[7002] == (Exposure.ALL, "")


def test_proc_net_tells_the_same_sockets_without_group_device_and_dual_stack() -> None:
    for transport, kind in (("tcp", "all"), ("udp", "all")):
        for suffix in ("", "6"):
            text = (VECTORS / f"proc.{transport}{suffix}").read_text("ascii")
            family = "6" if suffix else "4"
            decoder = Decoder(transport, {})
            exact = [one for data in datagrams(f"{transport}{family}.{kind}") for one in decoder.decode(data).sockets]
            keys = ("transport", "address", "port", "state", "peer", "peer_port", "uid", "inode")
            assert sorted([str([getattr(one, key) for key in keys]) for one in parse_table(text, transport)]) == sorted(
                [str([getattr(one, key) for key in keys]) for one in exact]
            )
            assert all(
                one.family in (Family.IPV4, Family.IPV6, Family.MAPPED, Family.UNTOLD)
                for one in parse_table(text, transport)
            )


def test_a_raw_socket_is_told_by_its_protocol() -> None:
    (one,) = parse_table((VECTORS / "proc.raw").read_text("ascii"), "raw")
    assert (one.transport, one.port, one.state) == ("raw", 1, "unconnected")


def test_the_kernels_protocols_are_counted() -> None:
    counts = protocols_in_use((VECTORS / "proc.protocols").read_text("ascii"))
    assert counts["mptcp"] == 1
    assert counts["raw"] == 1
    assert "sctp" not in counts


def test_a_request_is_laid_out_as_inet_diag_h_says() -> None:
    asked = request(INET6, netlink.PROTOCOLS["udp"], netlink.UNCONNECTED)
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", asked)
    assert (length, kind, flags) == (len(asked), 20, 0x301)  # SOCK_DIAG_BY_FAMILY, REQUEST | ROOT | MATCH
    assert struct.unpack_from("=BBBBI", asked, 16) == (10, 17, 0, 0, 1 << 7)  # inet_diag_req_v2
    assert len(asked) == 16 + 8 + 48
    long = request(INET, netlink.PROTOCOLS["mptcp"], netlink.LISTENING)
    assert struct.unpack_from("=HHI", long, 72) == (8, 3, 262)  # INET_DIAG_REQ_PROTOCOL
    assert int.from_bytes(long[:4], "little") == len(long) == 80


def test_an_error_of_the_kernel_is_an_errno() -> None:
    refused = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -2) + bytes(16)
    answer = Decoder("sctp", {}).decode(refused)
    assert (answer.done, answer.error, answer.sockets) == (True, 2, [])


def many(count: int) -> list[bytes]:
    """Messages of one dump, of two lengths, in turn."""
    (first, *_) = datagrams("tcp4.offered")
    (other, *_) = datagrams("tcp6.offered")
    return [data[: int.from_bytes(data[:4], "little")] for data in [first, other] * count]


def test_a_datagram_of_equal_messages_is_unpacked_at_once_to_the_same_values() -> None:
    one = many(1)[0]
    changed = bytearray(one)
    changed[20:22] = (4242).to_bytes(2, "big")  # the source port
    decoder = Decoder("tcp", {1: "lo"})
    slow = decoder.decode(one).sockets + Decoder("tcp", {1: "lo"}).decode(bytes(changed)).sockets
    quick = decoder.decode(one + bytes(changed)).sockets  # its layout is known by now
    assert quick == slow
    assert quick[1].port == 4242


def test_messages_of_other_attributes_are_never_read_by_the_wrong_layout() -> None:
    one = bytearray(many(1)[0])
    decoder = Decoder("tcp", {})
    decoder.decode(bytes(one))
    at = one.index(struct.pack("=HH", 12, 21))  # INET_DIAG_CGROUP_ID
    one[at + 2] = 99  # an attribute that nobody knows
    assert decoder.decode(bytes(one) * 2).sockets[0].cgroup == 0


def test_queues_that_move_are_no_change_to_who_watches() -> None:
    whole = b"".join(many(1)[:1] * 3)
    moved = bytearray(whole)
    moved[72] = 9  # idiag_rqueue of the first message
    mixed, mixed_moved = b"".join(many(2)), bytearray(b"".join(many(2)))
    mixed_moved[72] = 9
    assert without_queues(bytes(moved)) == without_queues(whole)
    assert without_queues(bytes(mixed_moved)) == without_queues(mixed)
    moved[20] ^= 1  # its port
    assert without_queues(bytes(moved)) != without_queues(whole)
    assert (
        Decoder("tcp", {}).decode(without_queues(whole)).sockets[0].port
        == Decoder("tcp", {}).decode(whole).sockets[0].port
    )


@given(st.binary(max_size=400))
def test_any_bytes_decode_to_sockets_or_nothing(data: bytes) -> None:
    decoder = Decoder("tcp", {})
    decoder.decode(data)
    is_last(data)
    without_queues(data)


@given(st.data())
def test_damaged_messages_never_raise(data: st.DataObject) -> None:
    whole = b"".join(many(3))
    decoder = Decoder("tcp", {})
    decoder.decode(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] = data.draw(st.integers(0, 255))
    decoder.decode(bytes(damaged))
    decoder.decode(whole[:place])


@given(st.text(max_size=300))
def test_any_text_is_read_as_a_table_without_a_traceback(text: str) -> None:
    list(parse_table("heading\n" + text, "tcp"))
    protocols_in_use("heading\n" + text)


@given(st.binary(min_size=16, max_size=16))
def test_addresses_of_ipv6_read_as_the_standard_library_writes_them(address: bytes) -> None:
    text = text6(address)
    assert ipaddress.IPv6Address(text).packed == address == parse6(text)
    if address[:12] != bytes(10) + b"\xff\xff":
        assert text == str(ipaddress.IPv6Address(address))


@given(st.binary(min_size=4, max_size=4))
def test_addresses_of_ipv4_read_as_the_standard_library_writes_them(address: bytes) -> None:
    assert text4(address) == str(ipaddress.IPv4Address(address))
    assert parse4(text4(address)) == address


REACH = [
    ("0.0.0.0", Exposure.ALL), ("127.0.0.1", Exposure.LOOPBACK), ("127.255.0.9", Exposure.LOOPBACK),
    ("169.254.1.1", Exposure.LINK_LOCAL), ("224.0.0.251", Exposure.LINK_LOCAL),
    ("255.255.255.255", Exposure.LINK_LOCAL),
    ("10.0.0.1", Exposure.PRIVATE), ("172.16.0.1", Exposure.PRIVATE), ("172.31.255.255", Exposure.PRIVATE),
    ("192.168.1.1", Exposure.PRIVATE), ("100.64.0.1", Exposure.PRIVATE), ("239.1.2.3", Exposure.PRIVATE),
    ("172.32.0.1", Exposure.PUBLIC), ("100.128.0.1", Exposure.PUBLIC), ("192.0.2.1", Exposure.PUBLIC),
    ("8.8.8.8", Exposure.PUBLIC),
    ("::", Exposure.ALL), ("::1", Exposure.LOOPBACK), ("fe80::1", Exposure.LINK_LOCAL), ("fd00::1", Exposure.PRIVATE),
    ("fec0::1", Exposure.PRIVATE), ("2001:db8::1", Exposure.PUBLIC), ("ff02::fb", Exposure.LINK_LOCAL),
    ("ff05::2", Exposure.PRIVATE), ("ff0e::1", Exposure.PUBLIC), ("::ffff:127.0.0.1", Exposure.LOOPBACK),
    ("::ffff:8.8.8.8", Exposure.PUBLIC),
]  # fmt: skip


@pytest.mark.parametrize(("text", "exposure"), REACH)
def test_an_address_tells_from_where_it_can_be_reached(text: str, exposure: Exposure) -> None:
    assert describe(ipaddress.ip_address(text).packed, only6=False)[2] is exposure


@given(st.integers(0, 2**32 - 1))
def test_loopback_and_link_local_are_what_the_standard_library_says(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    exposure = describe(address.packed, None)[2]
    assert (exposure is Exposure.LOOPBACK) == address.is_loopback
    if address.is_link_local:
        assert exposure is Exposure.LINK_LOCAL
    if exposure is Exposure.PRIVATE and not address.is_multicast:
        assert not address.is_global


@pytest.mark.parametrize("text", ["", ":", "1::2::3", "12345::", "1:2:3", "g::", "::1.2.3"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse6(text)
