"""The public verbs that ask other hosts: the same findings, the same policy, our errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from scan.speaking import serving, sshd

import portlore

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


def mute(link: socket.socket) -> None:
    link.recv(1)


def test_identify_tells_what_one_port_speaks() -> None:
    with sshd() as port:
        one = portlore.identify("127.0.0.1", port)
    assert one.target == portlore.Target("127.0.0.1", port, "tcp")
    assert one.identification is not None
    assert (one.identification.protocol, one.identification.product) == ("ssh", "OpenSSH")
    assert one.judgement is not None
    assert portlore.identify("127.0.0.1", port).outcome is portlore.Outcome.REFUSED


def test_scan_ports_finds_what_is_open_and_says_what_it_may_have_missed() -> None:
    with sshd() as port, serving(mute) as other:
        plain = portlore.scan_ports("127.0.0.1", "::1", ports=f"{port},{other}")
        told = portlore.scan_ports("127.0.0.1", ports=str(port), identify=True)
    assert {(one.target.address, one.target.port) for one in plain.found} == {("127.0.0.1", port), ("127.0.0.1", other)}
    assert all(one.identification is None for one in plain.found)
    assert plain.summary["missed"] == "no port that was asked stayed silent"
    assert plain.summary["outcomes"]["refused"] == 2
    (one,) = told.found
    assert one.identification is not None
    assert one.identification.protocol == "ssh"


WRONG: list[tuple[type[portlore.PortloreError], Callable[[], object]]] = [
    (portlore.PolicyRefused, lambda: portlore.identify("203.0.113.9", 22)),
    (portlore.PolicyRefused, lambda: portlore.scan_ports("127.0.0.1", "224.0.0.1", allowed=True)),
    (portlore.InputError, lambda: portlore.identify("127.0.0.1", 65536)),
    (portlore.InputError, lambda: portlore.identify("127.0.0.1", 22, "sctp")),
    (portlore.InputError, lambda: portlore.identify("127.0.0.0/24", 22)),
    (portlore.InputError, lambda: portlore.scan_ports()),
    (portlore.InputError, lambda: portlore.scan_ports("127.0.0.1", ports="70000")),
]


@pytest.mark.parametrize(("error", "asked"), WRONG)
def test_what_may_not_or_cannot_be_asked_raises_our_errors(
    error: type[portlore.PortloreError], asked: Callable[[], object]
) -> None:
    with pytest.raises(error):
        asked()
