"""Edge: the parent domain's servers as DHCP tells them, in options 112 and 113 (IANA: NetInfo Address, NetInfo Tag).

Whoever leased this machine its address keeps to itself what else was told, so it is asked again, by a DHCPINFORM from
port 68 (RFC 2131 4.4.3; SPEC 4), which changes nothing anywhere.
"""

from __future__ import annotations

import os
import select
import socket
import time

from portlore.netinfo.sockets import ANYWHERE, hardware_address, networks

ADDRESS, TAG, MESSAGE, WANTED, PAD, END = 112, 113, 53, 55, 0, 255  # options (RFC 2132)
INFORM, ACK = b"\x08", b"\x05"
COOKIE = bytes.fromhex("63825363")
SERVER_PORT, CLIENT_PORT = 67, 68
HEAD, SHORTEST = 236, 300  # bytes before the cookie, and of a whole message (RFC 951)
RESENT = (0.5, 0.5)  # seconds to wait after each question
USUAL = b"network"  # the tag where only addresses are told


def encode_inform(xid: bytes, own: str, hardware: bytes) -> bytes:
    """A DHCPINFORM of ours that wants the two options."""
    head = bytes((1, 1, len(hardware), 0)) + xid + bytes(4) + socket.inet_aton(own) + bytes(12)
    options = bytes((MESSAGE, 1)) + INFORM + bytes((WANTED, 2, ADDRESS, TAG, END))
    return (head + hardware.ljust(HEAD - len(head), b"\0") + COOKIE + options).ljust(SHORTEST, b"\0")


def decode_ack(data: bytes, xid: bytes) -> list[tuple[str, bytes]] | None:
    """The (address, tag) of each server in an answer; ``None`` for what is no answer to ours."""
    if len(data) < HEAD + 4 or data[0] != 2 or data[4:8] != xid or data[HEAD : HEAD + 4] != COOKIE:
        return None
    options: dict[int, bytes] = {}
    at = HEAD + 4
    while at < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else len(data)
        if at + 2 + size > len(data):
            return None
        options[data[at]] = options.get(data[at], b"") + data[at + 2 : at + 2 + size]  # in pieces: RFC 3396
        at += 2 + size
    if options.get(MESSAGE) != ACK:
        return None
    told, tag = options.get(ADDRESS, b""), options.get(TAG, b"").rstrip(b"\0") or USUAL
    return [(socket.inet_ntoa(told[n : n + 4]), tag) for n in range(0, len(told) - 3, 4)]


def parents(own: str) -> list[tuple[str, bytes]]:
    """Ask the DHCP servers of our networks: those of our address, 0.0.0.0 for all; what the first to answer says."""
    xid = os.urandom(4)
    lines: dict[socket.socket, tuple[bytes, str]] = {}
    try:
        for ours, everybody in networks():
            if own in (ours, ANYWHERE):
                line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                lines[line] = encode_inform(xid, ours, hardware_address(ours)), everybody
                line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # beside the client that has the lease
                line.bind((ours, CLIENT_PORT))
        for wait in RESENT if lines else ():
            for line, (question, everybody) in lines.items():
                line.sendto(question, (everybody, SERVER_PORT))
            until = time.monotonic() + wait
            while (left := until - time.monotonic()) > 0:
                for line in select.select(list(lines), [], [], left)[0]:
                    found = decode_ack(line.recv(1 << 16), xid)
                    if found:
                        return found
    except OSError:
        return []
    finally:
        for line in lines:
            line.close()
    return []
