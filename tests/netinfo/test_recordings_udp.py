"""Datagrams to the real server process: PING and BIND are answered, everything else is refused, and not done.

The refusal is the recorded one: 20 bytes, MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK (SPEC 2.1). The first generation of
the originals refused such a call and then did it all the same.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import PATIENCE, Line, call, login, server, stored
from netinfo.recordings import asked
from netinfo.serving import HOST
from netinfo.test_labelled_calls import CALLS, start

from portlore.netinfo.procedures import PROCEDURES
from portlore.oncrpc.message import NOBODY, Auth

if TYPE_CHECKING:
    from collections.abc import Iterator

READALL, OTHER = 25, 0xFFFF_FFFF  # a checksum that the domain does not have: all of it
REFUSED = next(bytes.fromhex(row["reply_hex"])[4:] for row in CALLS if row["what"] == "UDP: MSG_DENIED AUTH_TOOWEAK")
ANSWERED = {row["proc"]: bytes.fromhex(row["reply_hex"])[4:] for row in reversed(CALLS) if row["proc"] in (0, 24)}
ARGUMENTS = {row["proc"]: asked(row).arguments for row in reversed(CALLS)}  # those of the first call of each
CREDENTIALS = {"nobody": NOBODY, "root": login(0, b"rootpw"), "a stranger": login(77, b"guess")}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = stored(tmp_path_factory.mktemp("wire") / "wire", start())
    with server(path, "--classic", tag="wire") as made:
        yield made.port


@pytest.mark.parametrize("credential", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("number", [*range(len(PROCEDURES)), 29, 99])
def test_only_ping_and_bind_are_done_over_udp(port: int, number: int, credential: Auth) -> None:
    with Line(port) as line, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        before = line.ask(READALL, OTHER.to_bytes(4, "big"))
        box.settimeout(PATIENCE)
        box.sendto(call(number, ARGUMENTS.get(number, b""), credential, xid=number), (HOST, port))
        reply = box.recv(1 << 16)
        assert line.ask(READALL, OTHER.to_bytes(4, "big")) == before
    assert (reply[:4], reply[4:]) == (number.to_bytes(4, "big"), ANSWERED.get(number, REFUSED))


def test_what_is_refused_over_udp_is_done_over_tcp(tmp_path: Path) -> None:
    """The same calls are in order: over a stream each is done, or its status says why not."""
    assert len(REFUSED) == 16, "and the xid"
    with server(stored(tmp_path / "wire", start()), "--classic", tag="wire") as made, Line(made.port) as line:
        for number in range(len(PROCEDURES)):
            reply = line.ask(number, ARGUMENTS[number], CREDENTIALS["root"])
            assert reply[:20] == ANSWERED[0], PROCEDURES[number].name  # accepted, SUCCESS
