"""What speaks, by what was said: FortiGate HA said as what it is, reserved ports explained, nothing hostile printed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unicodedata import category
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from capture.packets import CLIENT, SERVER, enhanced, ethernet, interface, ip4, pcap, section, talk, tcp, udp
from capture.recording import captured
from capture.test_conversations import gathered
from probes.vectors import Conversation as Vector
from probes.vectors import read_vectors

from portlore.capture.conversations import Conversation
from portlore.capture.recognising import Recognition, recognise
from portlore.cli import main
from portlore.opening import load
from portlore.probes import PROBES, PROTOCOLS
from portlore.render.capturing import Page, span_text
from portlore.render.terminal import Style

VECTORS = [one for one in read_vectors() if one.said_by("server") or one.said_by("client")]
PROBE_PROTOCOLS = {one.name: one.protocol for one in PROBES}
GET, PAGE = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", b"HTTP/1.1 200 OK\r\nServer: %s\r\n\r\n"


def conversation(transport: str, client: list[bytes], server: list[bytes], port: int = 4000) -> Conversation:
    ends: dict[str, Any] = {"addresses": (CLIENT, SERVER), "ports": (50_000, port), "packets": (1, 1), "sizes": (1, 1)}
    said = tuple(client), tuple(server)
    rest: dict[str, Any] = {"first": (1.0, 2.0), "last": 3.0, "flags": (64, 128), "told_by": "syn", "whole": True}
    return Conversation(transport, 0, said=said, **ends, **rest)


def shown(packets: list[bytes], path: Path, *words: str, status: int = 0) -> str:
    """What the command prints, asked in this process, so that what it runs is counted as covered."""
    path.write_bytes(pcap(packets))
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
    with patch.dict(os.environ, {"COLUMNS": "80"}), redirect_stdout(out), redirect_stderr(err):
        done = main(["capture", str(path), *words])
    for stream in (out, err):
        stream.seek(0)
    assert done == status, err.read()
    return out.read()


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)
def test_recorded_dialogues_are_taken_for_their_own_protocol_or_for_none(one: Vector) -> None:
    talked = conversation(one.transport, one.said_by("client"), one.said_by("server"))
    _, found = recognise(talked)
    if found is None:
        return
    if not one.protocol:  # bytes that only look like the protocol of their file
        assert found.protocol != PROBE_PROTOCOLS[one.probe]
        return
    mine, known = PROTOCOLS[one.protocol], PROTOCOLS[found.protocol]
    family = {mine.name, mine.over, *mine.services, "oncrpc" if mine.name in ("sunrpc", "netinfo", "nibind") else ""}
    assert known.name in family or known.over == mine.name or set(known.services) & family, found


def test_whose_bytes_are_whose_is_told_by_them_where_no_handshake_was_seen() -> None:
    _, _, asked, answered = talk(45_000, GET, PAGE % b"x", client=9000)
    (one,) = gathered([asked, answered])
    assert one.ports == (45_000, 9000)
    turned, found = recognise(one)
    assert found is not None
    assert (turned.ports, turned.told_by, found.protocol) == ((9000, 45_000), "content", "http")


def test_frames_and_ports_of_fortigate_are_said_to_be_known_by_number_alone(tmp_path: Path) -> None:
    frames = [ethernet(b"\x11" * 60, 0x8890), ethernet(b"\x12" * 60, 0x8893), *talk(703, b"\x01\x02\x03", b"\x04\x05")]
    frames += [ethernet(ip4(udp(703, 703, b"\x99" * 30), 17))]
    path = tmp_path / "file"
    path.write_bytes(pcap(frames))
    document = captured(str(path))
    found = {(one["transport"], one["ethertype"]): one for one in document["conversations"]}
    assert {one["confidence"] for one in found.values()} == {"guess"}
    assert {one["protocol"] for one in found.values()} == {"fgcp"}
    assert found["ethernet", 0x8890]["facts"]["known by"] == "its EtherType alone"
    assert found["ethernet", 0x8890]["client"] == "02:00:c0:ff:ee:01"
    assert found["tcp", None]["facts"]["known by"] == "its port number alone"
    (tcp_port,) = [one for one in document["observations"] if one["transport"] == "tcp"]
    assert tcp_port["judgement"] == "refuted"  # the number proves nothing of what speaks
    assert "was not recognised" in tcp_port["why"]
    assert "fgcp?" in shown(frames, path)


def test_other_content_on_703_is_not_called_fortigate() -> None:
    (one,) = gathered(talk(703, GET, PAGE % b"x"))
    _, found = recognise(one)
    assert found is not None
    assert found.protocol == "http"


RESERVED = [
    (talk(2049, b"", b"", client=799), "as NFS does"),
    (talk(514, b"", b"", client=1000), "as rlogin and rsh must"),
    (talk(515, b"", b"", client=721), "as lpr must"),
    (talk(9999, b"", b"", client=703), "bindresvport"),
]


@pytest.mark.parametrize(("frames", "why"), RESERVED)
def test_who_took_a_reserved_port_is_said_and_why(frames: list[bytes], why: str) -> None:
    known = Recognition(load()).know(gathered(frames)[0])
    assert why in known.reserved


def test_the_rpc_program_that_is_called_explains_a_reserved_port_on_whatever_port() -> None:
    head = "000000070000000000000002000186a30000000300000000"  # NFS (100003), version 3, null
    call = bytes.fromhex("80000028" + head + "00" * 16)
    known = Recognition(load()).know(gathered(talk(34_567, call, b"", client=901))[0])
    assert known.identification is not None
    assert known.identification.protocol == "nfs"
    assert "calls the RPC program nfs (100003)" in known.reserved
    assert "as NFS does" in known.reserved


def test_equal_ports_and_those_of_dhcp_need_no_explanation() -> None:
    for ports in ((123, 123), (68, 67), (40_000, 53)):
        known = Recognition(load()).know(gathered([ethernet(ip4(udp(*ports), 17))], registered=(53, 67))[0])
        assert known.reserved == ""


def test_what_is_within_tls_is_told_by_what_was_offered() -> None:
    (vector, *_) = [one for one in VECTORS if one.protocol == "tls" and one.said_by("client")]
    found = recognise(conversation("tcp", vector.said_by("client"), vector.said_by("server")))[1]
    assert found is not None
    assert found.protocol == "tls"
    offered = dict(found.facts).get("alpn", "").split()
    web = bool(offered) and set(offered) <= {"h2", "http/1.1", "http/1.0"}
    assert (found.inside is not None and found.inside.protocol == "http") is web


HOSTILE = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xae" + "\N{RIGHT-TO-LEFT OVERRIDE}".encode()


@pytest.mark.parametrize("words", [(), ("--format", "csv"), ("--json",), ("--format", "ndjson")])
def test_hostile_bytes_never_reach_the_terminal(words: tuple[str, ...], tmp_path: Path) -> None:
    frames = talk(80, GET.replace(b"a.example", HOSTILE), PAGE % HOSTILE)
    frames += talk(22, b"SSH-2.0-" + HOSTILE + b"\r\n", b"")
    text = shown(frames, tmp_path / "file", *words)
    plain = "json" in "".join(words)  # JSON keeps what is text, and escapes what steers a terminal
    raw = {c for c in text if (category(c) == "Cc" if plain else not c.isprintable()) and c != "\n"}
    assert raw == set()
    assert "80" in text


def test_a_hostile_file_name_is_shown_escaped(tmp_path: Path) -> None:
    text = shown(talk(80, GET, b""), tmp_path / "a\x1b[31mb")
    assert "\x1b" not in text


@given(
    st.lists(st.binary(max_size=200), max_size=3), st.lists(st.binary(max_size=200), max_size=3), st.integers(1, 65535)
)
def test_no_bytes_make_recognition_fail(client: list[bytes], server: list[bytes], port: int) -> None:
    for transport in ("tcp", "udp", "sctp"):
        one = conversation(transport, client, server, port)
        known = RECOGNITION.know(one)
        assert RECOGNITION.observations([known])[0].target.port == known.conversation.ports[1]


RECOGNITION = Recognition(load())


def test_every_row_has_the_same_keys_and_ndjson_and_csv_have_every_conversation(tmp_path: Path) -> None:
    frames = [*talk(80, GET, PAGE % b"x"), ethernet(bytes(60), 0x8891), ethernet(ip4(tcp(5, 6)))]
    document = json.loads(shown(frames, tmp_path / "file", "--json"))
    rows = document["conversations"]
    assert len({tuple(row) for row in rows}) == 1
    assert len(rows) == 3
    lines = shown(frames, tmp_path / "file", "--format", "ndjson").splitlines()
    assert len(lines) == len(rows) + len(document["observations"])
    assert len(shown(frames, tmp_path / "file", "--format", "csv").splitlines()) == 4


def test_count_filter_and_ports_narrow_what_is_shown(tmp_path: Path) -> None:
    frames = [*talk(80, GET, PAGE % b"x"), *talk(703, b"a", b"b")]
    path = tmp_path / "file"
    path.write_bytes(pcap(frames))
    assert captured(str(path), "-n", "5")["summary"]["packets"] == 5
    assert captured(str(path), "-n", "70000")["summary"]["packets"] == 8  # more than there are ports
    assert captured(str(path), "--filter", "port 703")["summary"]["packets"] == 4
    assert [one["server_port"] for one in captured(str(path), "--ports", "http")["conversations"]] == [80]
    assert "no open port" in shown(frames, path, "--ports", "9", status=1)


@pytest.mark.parametrize(
    "words",
    [(), ("a", "-i", "lo"), ("a", "--duration", "3"), ("a", "--filter", "port"), ("a", "--filter", ""),
     ("a", "-n", "0"), ("-i", "nosuch0"), ("-i", "\x1b[31m"), ("/no/file",), ("/",)],
)  # fmt: skip
def test_wrong_questions_are_refused_in_one_line(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "portlore", "capture", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (3 if words[:1] in (("/no/file",), ("/",)) else 2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "\x1b" not in done.stderr


def test_packets_that_cannot_be_decoded_and_wild_times_are_said(tmp_path: Path) -> None:
    path, frames = tmp_path / "file", [*talk(80, GET, PAGE % b"x"), ethernet(b"\x45"), ethernet(bytes(28), 0x0806)]
    text = shown(frames, path)
    assert "! packets that could not be decoded: 1 cut short or malformed" in text.replace("\n  ", " ")
    assert "packets without ports: 1 ARP" in text
    path.write_bytes(
        section() + interface(options=bytes.fromhex("0900010080000000")) + enhanced(frames[0], ticks=2**63)
    )
    document = captured(str(path))
    assert document["summary"]["undecoded"] == {"malformed": 0, "unknown-link": 0}
    assert document["summary"]["begun"] == 2.0**63
    command = [sys.executable, "-m", "portlore", "capture", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "a time that no calendar has" in done.stdout


def test_the_page_lists_who_took_a_reserved_port_and_why(tmp_path: Path) -> None:
    text = shown(talk(2049, b"a", b"b", client=703), tmp_path / "a.pcap")
    assert "703" in text
    assert "as NFS does so that the server believes that root asks" in " ".join(text.split())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0798, "0.0798 s"),
        (179, "179 s"),
        (180, "3 min"),
        (90_000, "25 h"),
        (4_294_967_295, "49,710 days"),
    ],
)
def test_how_long_a_capture_took_is_said_in_units_that_people_use(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_the_widest_port_and_the_largest_count_have_room_on_80_columns(tmp_path: Path) -> None:
    frames = [ethernet(ip4(udp(40_000, 60_000, b"")[:4] + bytes(4), 136))]
    (line,) = [one for one in shown(frames, tmp_path / "a").splitlines() if "40000/udplite" in one]
    assert "40000/udplite not recognised" in line
    page = Page(Style(80))
    known = Recognition(load()).know(gathered(talk(80, GET, PAGE % b"x" * 9))[0])
    (first, *_) = page._group([known] * 1_000_000)
    assert len(first) <= 80
    assert " 1,000,000 " in first


def test_ports_that_were_spoken_to_without_an_answer_are_said_to_be_so(tmp_path: Path) -> None:
    text = shown([ethernet(ip4(udp(40_000, 703, b"x" * 20), 17))], tmp_path / "a")
    assert "no open port; spoken to without an answer: 703/udp" in text
    assert "1 conversation without an answer" in shown([ethernet(ip4(udp(40_000, 9, b"x"), 17))], tmp_path / "a")
