"""The encrypted channel between real servers: what a wire shows, wrong keys, ways back to the clear, bad handshakes."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Linux and root", allow_module_level=True)
pytest.importorskip("cryptography", reason="needs portlore[replicas]")
from netinfo import processes, replicas
from netinfo.processes import COMMAND, PATIENCE, Server, run
from netinfo.replicas import (
    CLONES,
    MASTER,
    add,
    apart,
    call,
    checksum,
    cloned,
    content,
    exchange,
    handle,
    in_step,
    office,
    reserved,
    served,
    stored,
)
from netinfo.serving import HOST

from portlore.errors import NetInfoError, PolicyRefused, ProtocolError
from portlore.netinfo import channel
from portlore.netinfo.calling import Connection
from portlore.netinfo.cloning import read_all
from portlore.netinfo.secure import STRANGERS, Keyring, Sealing, make_key, read_key
from portlore.netinfo.values import NUMBERS, NiId
from portlore.oncrpc.message import decode_reply
from portlore.oncrpc.records import marked
from portlore.oncrpc.xdr import uint

if TYPE_CHECKING:
    from collections.abc import Iterator

alone = pytest.mark.skipif(replicas.MISSING, reason="needs Linux, root, ip and nft")
HASH = b"abz3GtcEvEtv6"
RDONLY = uint(NUMBERS["RDONLY"])


@pytest.fixture
def machine() -> Iterator[None]:
    with apart():
        yield


class Wire:
    """What goes over loopback between two addresses, in either direction: the TCP streams by their ports."""

    def __init__(self, one: str, other: str) -> None:
        self._ends = {socket.inet_aton(one), socket.inet_aton(other)}
        self._parts: dict[tuple[int, bytes, int, int], dict[int, bytes]] = {}
        self._turn: dict[frozenset[int], tuple[int, bytes]] = {}  # of a pair of ports, which may be used again
        self._line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._line.settimeout(0.2)
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ended:
            try:
                data = self._line.recv(1 << 17)
            except TimeoutError:
                continue
            if {data[12:16], data[16:20]} != self._ends or data[9] != socket.IPPROTO_TCP:
                continue
            tcp = data[(data[0] & 15) * 4 : int.from_bytes(data[2:4], "big")]
            load = tcp[(tcp[12] >> 4) * 4 :]
            source, target = int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[2:4], "big")
            ports = frozenset((source, target))
            turn, first = self._turn.get(ports, (0, b""))
            if tcp[13] & 0x12 == 2 and tcp[4:8] != first:  # SYN without ACK; loopback shows each packet twice
                turn += 1
                self._turn[ports] = turn, tcp[4:8]
            if load:
                at = int.from_bytes(tcp[4:8], "big")
                self._parts.setdefault((turn, data[12:16], source, target), {})[at] = load

    def streams(self) -> list[tuple[bytes, bytes]]:
        """Of each connection what was said there and back, the caller's side first."""
        self._ended = True
        self._thread.join()
        self._line.close()
        whole = {key: b"".join(parts[at] for at in sorted(parts)) for key, parts in self._parts.items()}
        found = []
        for (turn, address, source, target), said in whole.items():
            if said[8:12] == uint(0):  # a call
                (other,) = self._ends - {address}
                found.append((said, whole.get((turn, other, target, source), b"")))
        return found


def types(data: bytes) -> list[int]:
    """The types of the TLS records that data consist of (RFC 8446 section 5.1), all of them whole."""
    found, at = [], 0
    while at < len(data):
        assert data[at + 1 : at + 3] in (b"\3\1", b"\3\3"), data[at : at + 40]
        found.append(data[at])
        at += 5 + int.from_bytes(data[at + 3 : at + 5], "big")
    return found


@contextmanager
def pair(folder: Path, *more: str) -> Iterator[tuple[Server, Server, int]]:
    """A master and a clone, each with a key of its own, that know one another: the clone sees pushes with its key."""
    domain, people = office(1)
    with (
        served(MASTER, stored(folder / "m", domain), "--key", str(folder / "m.pem"), *more) as master,
        served(CLONES[0], cloned(folder / "c0"), "--key", str(folder / "c0.pem"), *more) as clone,
    ):
        clone.line("read all tag=net")
        if "--plain" not in more:
            clone.line("the master knows c0 by its key")
        with handle(master, MASTER) as one:
            add(one, people, "first")
        in_step(master, [clone])
        yield master, clone, people


# What is seen on the wire


@alone
@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("plain", [False, True])
def test_between_servers_a_wire_shows_nothing_of_the_domain_unless_that_is_wished(tmp_path: Path, plain: bool) -> None:
    wire = Wire(MASTER, CLONES[0])
    with pair(tmp_path, *["--plain"] * plain) as (master, clone, people), handle(master, MASTER) as one:
        for number in range(5):
            add(one, people, f"secret{number}")
        in_step(master, [clone])
    assert content(tmp_path / "c0") == content(tmp_path / "m")
    streams = wire.streams()
    said = b"".join(part for both in streams for part in both)
    assert (b"secret3" in said) == (HASH in said) == plain
    assert streams
    for there, back in streams:
        if plain:
            assert channel.asks(there[4:44]) is None
            continue
        xid = channel.asks(there[4:44])
        assert xid is not None
        reply = marked(channel.offer(xid))
        assert back.startswith(reply)
        assert set(types(there[44:])) <= {20, 21, 22, 23}
        assert set(types(back[len(reply) :])) <= {20, 21, 22, 23}
    assert (tmp_path / "m.pem").exists() == (tmp_path / "c0.pem").exists() == (not plain)


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_without_the_extra_follows_in_the_clear_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "without/cryptography").mkdir(parents=True)
    (tmp_path / "without/cryptography/__init__.py").write_text("raise ImportError")
    domain, people = office(1)
    with served(MASTER, stored(tmp_path / "m", domain), "--classic", "--key", str(tmp_path / "m.pem")) as master:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
        with served(CLONES[0], cloned(tmp_path / "c0"), "--key", str(tmp_path / "c0.pem")) as clone:
            clone.line(r"channel=plain \(making the key .*cryptography is not there; run: portlore netinfo key --new")
            clone.line("read all tag=net .*channel=tls1.3")  # what it asks for is sealed: that takes no key of its own
            with handle(master, MASTER) as one:
                add(one, people, "later")
            in_step(master, [clone])
            master.line(f"clone={CLONES[0]}/net tag=net channel=plain")


# Keys


@alone
@pytest.mark.usefixtures("machine")
def test_after_a_crash_of_either_side_they_know_one_another(tmp_path: Path) -> None:
    with pair(tmp_path) as (master, clone, people):
        master.kill()
        clone.kill()
    options = ["--classic", "--key", str(tmp_path / "m.pem")]
    with served(CLONES[0], tmp_path / "c0", "--key", str(tmp_path / "c0.pem")) as clone:
        with served(MASTER, tmp_path / "m", *options) as master:
            master.line(rf"clone={CLONES[0]}/net tag=net channel=tls1.3 key=sha256:\S+$")
            master.kill()
        with served(MASTER, tmp_path / "m", *options) as master:
            with handle(master, MASTER) as one:
                add(one, people, "after")
            in_step(master, [clone])
        clone.kill()
        assert not [line for line in clone.lines if "known before" in line]
    assert content(tmp_path / "c0") == content(tmp_path / "m")


@alone
@pytest.mark.usefixtures("machine")
def test_a_master_with_another_key_is_neither_asked_nor_heard(tmp_path: Path) -> None:
    with pair(tmp_path) as (master, clone, people):
        master.kill()
        before = checksum(clone, CLONES[0])
        shutil.copy(tmp_path / "m", tmp_path / "false")
        with served(MASTER, tmp_path / "false", "--classic", "--key", str(tmp_path / "false.pem")) as other:
            false, right = (read_key(str(tmp_path / name)) for name in ("false.pem", "m.pem"))
            assert false is not None
            assert right is not None
            other.line(f"clone={CLONES[0]}/net tag=net channel=")  # it was told the checksum: writes come next
            with handle(other, MASTER) as one:
                add(one, people, "by somebody else")
            other.line(f"clone={CLONES[0]}/net tag=net .*it takes nothing from here")
            with handle(clone, CLONES[0]) as one:
                one.connection.call(27)  # RESYNC
            clone.line(re.escape(f"its key is {false.name}, not {right.name}"))
            assert checksum(clone, CLONES[0]) == before
        with served(MASTER, tmp_path / "m", "--classic", "--key", str(tmp_path / "m.pem")) as master:
            with handle(master, MASTER) as one:
                add(one, people, "by the right one")
            in_step(master, [clone])
    assert content(tmp_path / "c0") == content(tmp_path / "m")


@alone
@pytest.mark.usefixtures("machine")
def test_there_is_no_way_back_to_the_clear(tmp_path: Path) -> None:
    with pair(tmp_path) as (master, clone, people):
        master.end()
        before = checksum(clone, CLONES[0])
        with served(MASTER, tmp_path / "m", "--classic", "--plain") as master:
            with handle(master, MASTER) as one:
                add(one, people, "in the clear")
            with handle(clone, CLONES[0]) as one:
                one.connection.call(27)
            clone.line("it has no encrypted channel, though a key of it is known")
            with reserved(MASTER, (CLONES[0], clone.port)) as root:  # root there, as every original is believed
                written = exchange(root, call(13, uint(people) + uint(0) + uint(0)))
            assert decode_reply(written).results == RDONLY
            assert checksum(clone, CLONES[0]) == before


@alone
@pytest.mark.usefixtures("machine")
def test_a_known_key_is_root_from_any_port_and_another_is_not(tmp_path: Path) -> None:
    with pair(tmp_path) as (master, clone, _):

        def calling(server: Server, address: str, key: str, known: frozenset[str] = frozenset()) -> Connection:
            ring = Keyring(str(tmp_path / key), lambda text: None)
            ring.ensure()
            line = Connection(address, server.port, PATIENCE)
            line.source = None
            made = Sealing(ring, known, address)
            line.sealing = made
            return line

        for key, shown in (("c0.pem", True), ("stranger.pem", False)):
            line = calling(master, MASTER, key)
            line._in_the_clear = lambda deadline, to=(MASTER, master.port): dialled(to)  # type: ignore[method-assign, misc]
            assert (HASH in read_all(line, 0xFFFF_FFFF)) == shown
            assert line.sealing is not None
            assert line.sealing.shown == shown
            line.close()
        line = calling(clone, CLONES[0], "m.pem", frozenset({"sha256:" + "A" * 43 + "="}))
        with pytest.raises(PolicyRefused, match="which is known of it"):
            line.call(0)


def dialled(place: tuple[str, int]) -> socket.socket:
    """A connection from a port that anybody has."""
    line = socket.create_connection(place, PATIENCE)
    assert line.getsockname()[1] >= 1024
    return line


@alone
@pytest.mark.usefixtures("machine")
def test_a_clone_is_made_by_the_command_with_the_key_that_one_was_told(tmp_path: Path) -> None:
    domain, _ = office(1)
    with served("0.0.0.0", stored(tmp_path / "m", domain), "--classic") as master:
        machines = 1
        with handle(master, MASTER) as one:
            itself = one.lookup(NiId(machines, 0), b"name", b"c0")[0]
            place = [each.name for each in one.read(NiId(itself, 0)).properties].index(b"ip_address")
            one.write_values(one.itself(NiId(itself, 0)), place, (b"127.0.0.1",))
            place = [each.name for each in one.read(NiId(itself, 0)).properties].index(b"serves")
            one.write_values(one.itself(NiId(itself, 0)), place, (b"./copy",))
        told = run("key", tmp_path / "m")
        assert told.returncode == 0, told.stderr
        name = told.stdout.splitlines()[0]
        assert name in master.line("channel=tls1.3 key=(.*) file=")[0]
        words = ["127.0.0.1/net", str(tmp_path / "copies/copy"), "--tag", "copy"]
        (tmp_path / "copies").mkdir()
        wrong = run("clone", *words, "--pin", "sha256:" + "A" * 43 + "=")
        assert wrong.returncode == 4
        assert "which is known of it" in processes.one_line(wrong.stderr)
        assert run("clone", *words, "--pin", "sha256:short").returncode == 2
        assert not (tmp_path / "copies/copy").exists()
        made = run("clone", *words, "--pin", name)
        assert made.returncode == 0, made.stderr
        assert f"channel=tls1.3 key={name}\n" in made.stdout
        assert "is believed from now on" not in made.stdout
        own = read_key(str(tmp_path / "copies/portlore-netinfo.pem"))
        assert own is not None
        with handle(master, MASTER) as one:  # the clone's machine is that of root there, which named its key
            named = [each.values for each in one.read(NiId(itself, 0)).properties if each.name == channel.KEY]
        assert named == [(channel.value(own.certificate),)]
        (tmp_path / "copies/copy").unlink()
        first = run("clone", *words)
        assert f"the key {name} is believed from now on; compare" in first.stdout


def test_a_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "portlore-netinfo.pem"
    none = run("key", "--key", path)
    assert none.returncode == 3
    assert "there is none" in processes.one_line(none.stderr)
    words = [*COMMAND, "key", "--key", str(path), "--new"]
    many = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {one.communicate(timeout=PATIENCE)[0] for one in many}
    assert len(told) == 1
    assert run("key", "--key", path).stdout in told
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    path.chmod(0o640)
    assert "others may read it; chmod 600" in processes.one_line(run("key", "--key", path).stderr)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-100])
    refused = run("serve", "--port", "0", "--domain", f"net={stored(tmp_path / 'd', office()[0])}", "--key", path)
    assert refused.returncode == 3
    assert "no key with its certificate" in processes.one_line(refused.stderr)


# Bad handshakes


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Server]:
    """One server with a key."""
    make_key(str(tmp_path / "key.pem"))
    with processes.server(processes.stored(tmp_path / "conv"), "--key", str(tmp_path / "key.pem")) as made:
        yield made


def started(port: int) -> socket.socket:
    """A connection on which the server waits for a handshake."""
    line = socket.create_connection((HOST, port), PATIENCE)
    reply = marked(channel.offer(7))
    line.sendall(marked(channel.probe(7)))
    assert line.recv(len(reply), socket.MSG_WAITALL) == reply
    return line


def hello() -> bytes:
    """The first bytes of an honest handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([channel.ALPN])
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


BAD = {
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(4096),
    "a call in the clear": marked(processes.call(0)),
    "another probe": marked(channel.probe(8)),
    "an alert": bytes.fromhex("15030300020228"),
    "a record that lies about its length": bytes.fromhex("160301ffff") + bytes(70000),
    "sixteen megabytes": bytes.fromhex("1603014000") + bytes(1 << 24),
    "data before the handshake": bytes.fromhex("1703030010") + bytes(16),
    "a greeting with a bit turned": hello()[:9] + bytes([hello()[9] ^ 0x80]) + hello()[10:],
}


def test_bad_handshakes_end_their_connection_and_nothing_else(lone: Server) -> None:
    with processes.Line(lone.port) as honest:
        for why, data in BAD.items():
            with started(lone.port) as line:
                try:
                    line.sendall(data)
                    line.shutdown(socket.SHUT_WR)
                    while line.recv(1 << 16):
                        pass  # an alert, perhaps
                except ConnectionError:
                    pass
            assert honest.ask(0) == processes.DONE, why
        lone.line("no channel: ")


def test_what_follows_the_question_in_the_clear_is_not_taken_for_what_comes_sealed(lone: Server) -> None:
    for more in (marked(processes.call(2)), hello(), b"\x80"):
        with socket.create_connection((HOST, lone.port), PATIENCE) as line:
            line.sendall(marked(channel.probe(7)) + more)
            assert processes.is_closed(line)


@pytest.mark.parametrize("why", ["TLS 1.2", "no ALPN", "another ALPN"])
def test_who_speaks_another_tls_is_not_served(lone: Server, why: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if why == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if why != "no ALPN":
        context.set_alpn_protocols([channel.ALPN if why == "TLS 1.2" else "h2"])
    answered = b""
    with suppress(OSError), started(lone.port) as line, context.wrap_socket(line) as sealed:
        sealed.sendall(marked(processes.call(0)))  # TLS 1.3 may tell of a refusal only now
        answered = sealed.recv(100)
    assert answered == b""
    assert processes.is_served(lone.port)


def test_many_half_handshakes_make_room_for_one_another_and_for_calls(lone: Server) -> None:
    half = hello()[:50]
    with ExitStack() as closing:
        lines = [closing.enter_context(started(lone.port)) for _ in range(STRANGERS + 20)]
        for line in lines:
            try:
                line.sendall(half)
            except ConnectionError:
                assert line in lines[:20]
        assert all(processes.is_closed(line) for line in lines[:20])
        with processes.Line(lone.port) as honest:
            assert honest.ask(0) == processes.DONE
        ring = Keyring("", lambda text: None)
        one = Connection(HOST, lone.port, PATIENCE)
        one.sealing = Sealing(ring, frozenset(), "it")
        assert one.call(0) == b""
        assert one.sealing.word.startswith("channel=tls1.3 key=sha256:")
        one.close()


def test_sealed_calls_are_answered_as_those_in_the_clear_however_long(lone: Server) -> None:
    line = Connection(HOST, lone.port, PATIENCE)
    line.sealing = Sealing(Keyring("", lambda text: None), frozenset(), "it")
    clear = Connection(HOST, lone.port, PATIENCE)
    long = uint(77) + bytes(300_000)  # more than one TLS record holds
    for procedure, arguments in ((2, b""), (25, uint(1)), (7, uint(0) * 2), (23, uint(0) * 2), (0, long)):
        assert line.call(procedure, arguments) == clear.call(procedure, arguments)
    many = [(7, uint(number) + uint(0)) for number in range(1, 17)] * 20
    assert line.calls(many) == clear.calls(many)
    line.close()
    clear.close()


def test_a_server_that_hangs_up_after_its_offer_or_adds_to_it_is_an_error_in_time() -> None:
    def play(reply: bytes) -> None:
        with socket.create_server((HOST, 0)) as door:

            def answer() -> None:
                for _ in range(2):
                    with suppress(OSError), door.accept()[0] as other:  # who called may hang up at any moment
                        xid = int.from_bytes(other.recv(100)[4:8], "big")
                        other.sendall(marked(channel.offer(xid)) + reply)
                        other.recv(1)

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            line = Connection(HOST, door.getsockname()[1], 5)
            line.sealing = Sealing(Keyring("", lambda text: None), frozenset(), "it")
            with pytest.raises((NetInfoError, ProtocolError)):
                line.call(0)
            line.close()

    play(b"")
    play(b"more")
